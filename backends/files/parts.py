"""Which bytes of an unfinished file have come."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from croc_core.errors import Party, RemoteProtocolError

MAX_AHEAD = 4096
"""Greatest number of separate ranges behind the first gap of one file."""


class Ranges:
    """The byte ranges that have come of a file of *size* bytes; each byte comes once.

    `start` is the length of what has come without a gap from the beginning on.
    """

    __slots__ = ("_ahead", "size", "start")

    def __init__(self, size: int) -> None:
        self.size = size
        self.start = 0
        self._ahead: list[tuple[int, int]] = []

    @property
    def whole(self) -> bool:
        """Whether every byte has come."""
        return self.start == self.size

    def take(self, offset: int, length: int) -> None:
        """Note that *length* bytes at *offset* come now.

        Raises RemoteProtocolError, with nothing changed, where they overlap what has come, reach
        past the size, or are none.
        """
        end = offset + length
        if length <= 0 or offset < 0 or end > self.size:
            raise _fault("bytes that are not in the file")
        if offset < self.start:
            raise _fault("bytes twice")
        if not self._ahead:
            if offset == self.start:
                self.start = end
            else:
                self._ahead.append((offset, end))
            return
        self._take_among(offset, end)

    def have(self) -> Iterator[tuple[int, int]]:
        """Yield (begin, end) of what has come, ascending."""
        if self.start:
            yield 0, self.start
        yield from self._ahead

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Yield (begin, end) of what has not come, ascending."""
        at = self.start
        for begin, end in self._ahead:
            yield at, begin
            at = end
        if at < self.size:
            yield at, self.size

    def useful(self, block: int) -> int:
        """Return up to where the bytes are of use to who can tell right from wrong by *block*s.

        That is the end of the last block that has come whole, at least `start`.
        """
        for begin, end in reversed(self._ahead):
            last = end if end == self.size else end - end % block
            if last - (last - 1) % block - 1 >= begin:
                return last
        return self.start

    def lose(self, offset: int) -> None:
        """Count nothing from *offset* on as come: it could not be written."""
        self.start = min(self.start, offset)

    def _take_among(self, offset: int, end: int) -> None:
        ahead = self._ahead
        place = bisect_left(ahead, (offset, end))
        if place < len(ahead) and ahead[place][0] < end:
            raise _fault("bytes twice")
        if place and ahead[place - 1][1] > offset:
            raise _fault("bytes twice")
        if offset != self.start:
            self._insert(place, offset, end)
            return
        self.start = end
        if ahead[0][0] == end:  # ranges behind the gap never touch one another
            self.start = ahead.pop(0)[1]

    def _insert(self, place: int, offset: int, end: int) -> None:
        """Add a range behind the gap, joined with the ranges that it touches."""
        ahead = self._ahead
        low = high = place
        if place and ahead[place - 1][1] == offset:
            low, offset = place - 1, ahead[place - 1][0]
        if place < len(ahead) and ahead[place][0] == end:
            high, end = place + 1, ahead[place][1]
        if low == high and len(ahead) >= MAX_AHEAD:
            raise _fault("bytes too scattered to keep track of")
        ahead[low:high] = [(offset, end)]


def _fault(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(Party.PEER, f"the sender sent {what}")
