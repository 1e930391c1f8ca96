"""The box before the relay: counts what passes, cuts, and says when so much has passed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.cutter import Cutter


class Tap(Cutter):
    """A `Cutter` that does something when a number of bytes has come to the parties."""

    def __init__(self, host: str, behind: str, ports: Sequence[int]) -> None:
        self._calls: list[tuple[int, Callable[[], None]]] = []
        self._data = ports[1:]
        super().__init__(host, behind, ports)

    @property
    def carried(self) -> int:
        """How many bytes the data ports have carried."""
        return sum(self.passed[port] for port in self._data)

    def at(self, count: int, call: Callable[[], None]) -> None:
        """Do *call* once *count* bytes more have been carried; it may not use the tap."""
        with self._lock:
            self._calls.append((self.carried + count, call))

    def cut_all(self) -> None:
        """Reset every data connection."""
        for port in self._data:
            self.cut(port)

    def forget(self) -> None:
        """Do nothing that has not been done."""
        with self._lock:
            self._calls.clear()
            self._due.clear()

    def _count(self, port: int, count: int) -> None:
        super()._count(port, count)
        if port not in self._data:
            return
        with self._lock:
            due = [one for one in self._calls if one[0] <= self.carried]
            for one in due:
                self._calls.remove(one)
        for _, call in due:
            call()
