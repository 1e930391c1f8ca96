"""How far a transfer is, how fast it goes, and whether anything moves at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from backends._show import show
from croc_core.events import Progress
from croc_core.incoming import Reader
from croc_core.party_io import Moved

TICK = 0.2
"""How often running data connections are looked at, in seconds."""
SLOW = 1024
"""A record that comes in slowly grows by at least so many bytes from one sign of life to the next:
a greatest record, genuine or not, is over after a thousand of them."""
_SMOOTH = 0.2
"""Weight of the newest rate in the shown one."""


class Carrier(Protocol):
    """What brings file bytes: a connection's producer, or its reader."""

    @property
    def moved(self) -> int:
        """File bytes so far."""
        ...

    @property
    def passed(self) -> int:
        """Files that lie behind."""
        ...

    @property
    def entry(self) -> int:
        """The entry that moves now; -1 for none."""
        ...


NameOf = Callable[[int], str | bytes | None]
"""Returns an entry's path, as it is written in the offer; None where it is not known."""


def name_of(files: object) -> NameOf:
    """Return what names the entries of a source or a sink: its `path`, where it has one."""
    found: NameOf = getattr(files, "path", _unknown)
    return found


def _unknown(entry: int) -> None:
    del entry


class Meter:
    """Looks at the data connections every `TICK` seconds, from the first record to the last end.

    Bytes count once, however often it is dialled anew: what was there before a dial's pieces is
    told by `expect`.
    """

    def __init__(self, named: NameOf = _unknown) -> None:
        self._named = named
        self._next: float | None = None
        self._total: int | None = None
        self._base = (0, 0)  # bytes and files from before this dial
        self._carriers: list[Carrier] | None = None  # None: no pieces were expected yet
        self._began: float | None = None
        self._of_pieces = False  # that is when the first piece was expected
        self._seen = (0, 0)
        self._raw = 0
        self._at = 0.0
        self._rate = 0.0

    def start(self, now: float) -> None:
        """Records have begun on a connection."""
        if self._next is None:
            self._next, self._at = now + TICK, now
        if self._began is None:
            self._began = now

    def expect(
        self, total: int | None, now: float, *, held: int = 0, files: int | None = None
    ) -> None:
        """Pieces begin: *total* bytes are to come or go in all, *held* of them are there already.

        So are *files* of the files; without it as many as before, where something is held.
        """
        if files is None:
            files = self._passed() if held else 0
        self._total, self._base, self._carriers = total, (held, files), []
        if not self._of_pieces:
            self._began, self._of_pieces = now, True
        self._at = now
        self._seen = (self._seen[0], held)

    def carry(self, carrier: Carrier) -> None:
        """Pieces come or go by *carrier*, too."""
        assert self._carriers is not None
        self._carriers.append(carrier)

    def stop(self) -> None:
        """No data connection is there; what has moved has moved."""
        self._next = None
        self._raw, self._seen = 0, (0, self._seen[1])
        if self._carriers is not None:
            self._base, self._carriers = (self._moved(), self._passed()), []

    def deadline(self) -> float | None:
        """When to call `tick`, in monotonic seconds."""
        return self._next

    def seconds(self, now: float) -> float:
        """How long the pieces, or else the records, have been going."""
        return round(now - (self._began if self._began is not None else now), 3)

    def tick(self, readers: Iterable[Reader], now: float) -> tuple[Moved | None, Progress | None]:
        """Say what moved since the last tick, and what to show of it."""
        if self._next is None or now < self._next:
            return None, None
        both = [(reader.genuine, reader.received) for reader in readers]
        genuine, received = sum(g for g, _ in both), sum(r for _, r in both)
        moved = self._moved()
        before, self._seen = self._seen, (genuine, moved)
        growing = genuine == before[0] and received - self._raw >= SLOW
        if growing or genuine != before[0]:
            self._raw = received
        if self._carriers is not None:
            rate = (moved - before[1]) / max(now - self._at, 1e-6)
            fresh = self._rate == 0.0
            self._rate = rate if fresh else self._rate + _SMOOTH * (rate - self._rate)
        self._next, self._at = now + TICK, now
        quiet = self._seen == before and not growing
        told = None if quiet else Moved(files=growing or moved != before[1])
        return told, None if self._carriers is None else self._progress(moved)

    def _moved(self) -> int:
        return self._base[0] + sum(carrier.moved for carrier in self._carriers or ())

    def _passed(self) -> int:
        return self._base[1] + sum(carrier.passed for carrier in self._carriers or ())

    def _progress(self, moved: int) -> Progress:
        eta = None
        if self._total is not None and self._rate > 0:
            eta = round(max(0, self._total - moved) / self._rate, 1)
        return Progress(moved, self._total, self._passed(), round(self._rate), eta, self._present())

    def _present(self) -> str | None:
        """Return the name of the file that moves now; of several, that of the last one."""
        entry = max((carrier.entry for carrier in self._carriers or ()), default=-1)
        path = None if entry < 0 else self._named(entry)
        return None if path is None else show(path)
