"""Those who play along in a simulation: strangers, bad disks, a shelf that keeps what it has."""

from __future__ import annotations

from collections.abc import Callable

from backends import _io as io
from backends.memory.files import MemorySink, MemorySource
from croc_core.errors import LocalFileError
from croc_core.values import Moment

CALL = io.Conn(2)
PATIENT = 400.0
"""So long a caller stays whom nobody sends away, in seconds: no relay should let it."""


class Caller:
    """A node that says *parts* on one connection, one every *gap* seconds, and hears it out.

    It hangs up once the other side does, unless it is *rude*; else *outstays* is called in the end.
    """

    def __init__(
        self,
        host: str,
        port: int,
        parts: tuple[bytes, ...],
        gap: float,
        outstays: Callable[[], None],
        *,
        rude: bool = False,
    ) -> None:
        self.finished = False
        self._to = io.Connect(CALL, host, port)
        self._parts = list(parts)
        self._gap = gap
        self._outstays = outstays
        self._rude = rude
        self._until = 0.0
        self._due: float | None = None

    def deadline(self) -> float | None:
        """See `Node`."""
        return self._due

    def handle(self, event: io.Input, now: Moment) -> tuple[io.Effect, ...]:
        """See `Node`."""
        match event:
            case io.Started():
                self._until = now.mono + PATIENT
                return (self._to,)
            case io.Connected():
                return io.Read(CALL), *self._next(now)
            case io.Received(_, data) if data:
                return (io.Read(CALL),)
            case io.Woke() if now.mono < self._until:
                return self._next(now)
            case io.Received() if self._rude:
                return ()
            case io.Received() | io.Broken() | io.Woke():
                if isinstance(event, io.Woke):
                    self._outstays()
                self.finished = True
                return (io.Close(CALL),)
        return ()

    def _next(self, now: Moment) -> tuple[io.Effect, ...]:
        if not self._parts:
            self._due = self._until
            return ()
        self._due = min(now.mono + self._gap, self._until)
        return (io.Send(CALL, self._parts.pop(0)),)


class Shelf(dict[str, bytes]):
    """Final names: none is ever taken away or written twice."""

    def __setitem__(self, path: str, data: bytes) -> None:
        if path in self:
            raise AssertionError(f"{path!r} was written twice")
        super().__setitem__(path, data)

    def __delitem__(self, path: str) -> None:
        raise AssertionError(f"{path!r} was taken away")


class FullDisk(MemorySink):
    """A sink that can take *most* bytes; *struck* is called when there are more."""

    def __init__(self, files: dict[str, bytes], most: int, struck: Callable[[], None]) -> None:
        super().__init__(files)
        self._left = most
        self._struck = struck

    def write(self, entry: int, offset: int, data: memoryview) -> None:
        """See `Sink`."""
        self._left -= len(data)
        if self._left < 0:
            self._struck()
            raise LocalFileError("The disk is full.", "Make room, then start again.")
        super().write(entry, offset, data)


class BadFile(MemorySource):
    """A source whose disk fails after *most* bytes; *struck* is called then."""

    def __init__(self, files: dict[str, bytes], most: int, struck: Callable[[], None]) -> None:
        super().__init__(files)
        self._left = most
        self._struck = struck

    def read_into(self, entry: int, offset: int, buffer: memoryview) -> int:
        """See `Source`."""
        count = super().read_into(entry, offset, buffer)
        self._left -= count
        if self._left < 0:
            self._struck()
            raise LocalFileError("A file cannot be read.", "Look at the disk.")
        return count
