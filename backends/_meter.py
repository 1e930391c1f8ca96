"""How far a transfer is, how fast it goes, and whether anything moves at all."""

from __future__ import annotations

from collections.abc import Callable

from croc_core.events import Progress
from croc_core.incoming import Reader
from croc_core.party_io import Moved

TICK = 0.2
"""How often a running data connection is looked at, in seconds."""
SLOW = 1024
"""A record that comes in slowly grows by at least so many bytes from one sign of life to the next:
a greatest record, genuine or not, is over after a thousand of them."""
_SMOOTH = 0.2
"""Weight of the newest rate in the shown one."""


class Meter:
    """Looks at a data connection every `TICK` seconds, from its first record to its end."""

    def __init__(self) -> None:
        self._next: float | None = None
        self._moved: Callable[[], int] | None = None
        self._files: Callable[[], int] = int
        self._total: int | None = None
        self._began = 0.0
        self._seen = (0, 0)
        self._raw = 0
        self._at = 0.0
        self._rate = 0.0

    def start(self, now: float) -> None:
        """Records have begun."""
        self._next, self._began, self._at = now + TICK, now, now

    def expect(
        self,
        total: int | None,
        moved: Callable[[], int],
        now: float,
        files: Callable[[], int] = int,
    ) -> None:
        """Pieces begin: *total* bytes are to come or go; *moved* counts them, *files* the files."""
        self._total, self._moved, self._began, self._at = total, moved, now, now
        self._files = files
        self._seen = (self._seen[0], 0)

    def stop(self) -> None:
        """The data connection is gone."""
        self._next = None

    def deadline(self) -> float | None:
        """When to call `tick`, in monotonic seconds."""
        return self._next

    def seconds(self, now: float) -> float:
        """How long the pieces, or else the records, have been going."""
        return round(now - self._began, 3)

    def tick(self, reader: Reader, now: float) -> tuple[Moved | None, Progress | None]:
        """Say what moved since the last tick, and what to show of it."""
        if self._next is None or now < self._next:
            return None, None
        moved = 0 if self._moved is None else self._moved()
        before, self._seen = self._seen, (reader.genuine, moved)
        growing = reader.genuine == before[0] and reader.received - self._raw >= SLOW
        if growing or reader.genuine != before[0]:
            self._raw = reader.received
        if self._moved is not None:
            rate = (moved - before[1]) / max(now - self._at, 1e-6)
            fresh = self._rate == 0.0
            self._rate = rate if fresh else self._rate + _SMOOTH * (rate - self._rate)
        self._next, self._at = now + TICK, now
        quiet = self._seen == before and not growing
        told = None if quiet else Moved(files=growing or moved != before[1])
        return told, None if self._moved is None else self._progress(moved)

    def _progress(self, moved: int) -> Progress:
        eta = None
        if self._total is not None and self._rate > 0:
            eta = round(max(0, self._total - moved) / self._rate, 1)
        return Progress(moved, self._total, self._files(), round(self._rate), eta)
