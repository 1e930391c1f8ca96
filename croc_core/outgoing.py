"""The sending side of one data connection: control messages, and the producers of the bulk.

A producer fills one reused buffer with messages and seals it in place; a backend sends what `fill`
returns. Many small pieces share a record; a large one fills it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from croc_core import messages
from croc_core.content import EMPTY, MAX_SIZE, Codec, Entry, Kind, Source, Span, TopNames, Totals
from croc_core.errors import LocalProtocolError, Party, RemoteProtocolError
from croc_core.messages import HEAD, PIECE, PIECE_HEAD, ZERO_COUNT, Manifest, OfferEnd, Size
from croc_core.seal import HEADER, TAG, Sealer

PIECE_OVERHEAD = HEAD.size + PIECE_HEAD.size
RECORD = 512 * 1024
"""File bytes in a record that one large piece fills; measured best (docs/performance.md)."""
MANIFEST_BYTES = 32 * 1024
"""About how many bytes of entries one manifest message carries."""
_SMALLEST = 4096
"""A piece of a larger file is not begun in less room than this."""
_ZEROS = bytes(RECORD)


class Outline:
    """The sender's memory of its offer: 9 bytes an entry."""

    def __init__(self) -> None:
        self.sizes = array("q")
        """In bytes; -1 for a stream."""
        self.kinds = bytearray()
        self.names = TopNames()

    def add(self, entry: Entry) -> None:
        """Remember the next entry."""
        self.sizes.append(-1 if entry.size is None else entry.size)
        self.kinds.append(entry.kind)
        self.names.add(entry)

    def totals(self, entries: Iterable[int] | None = None) -> Totals:
        """Count the entries of those numbers (all of them without), and their bytes."""
        numbers = range(len(self.sizes)) if entries is None else entries
        count = files = total = 0
        streams = False
        for number in numbers:
            count += 1
            files += self.kinds[number] != Kind.DIRECTORY
            total += max(0, self.sizes[number])
            streams |= self.kinds[number] == Kind.STREAM
        return Totals(count, files, None if streams else total)


class Selection:
    """The recipient's choice out of an offer, as the spans of its `Accept` messages."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._spans: list[Span] = []
        self._next = 0

    def add(self, spans: Iterable[Span]) -> None:
        """Take more spans; RemoteProtocolError where they are not ascending parts of the offer."""
        for span in spans:
            end = span.first + span.count
            if span.first < self._next or end > len(self._outline.sizes):
                raise RemoteProtocolError(Party.PEER, "it accepts what was not offered")
            self._spans.append(span)
            self._next = end

    def __iter__(self) -> Iterator[int]:
        for span in self._spans:
            yield from range(span.first, span.first + span.count)

    def totals(self) -> Totals:
        """What the choice comes to."""
        return self._outline.totals(self)


class ManifestProducer:
    """The offer as sealed manifest messages and their end; walks the source as it goes."""

    def __init__(self, sealer: Sealer, source: Source, tid: bytes) -> None:
        self.outline = Outline()
        self._sealer = sealer
        self._messages = self._make(source, tid)

    def fill(self) -> memoryview | None:
        """See `Producer`. Raises LocalFileError."""
        message = next(self._messages, None)
        if message is None:
            return None
        return memoryview(self._sealer.record(messages.encode(message)))

    def _make(self, source: Source, tid: bytes) -> Iterator[messages.Message]:
        first: bytes | None = tid
        batch: list[Entry] = []
        room = MANIFEST_BYTES
        for entry in source.walk():
            # Names are bounded by the source; the rest of an entry is small.
            length = 64 + 4 * len(entry.path) + 4 * len(str(entry.meta.get("target", "")))
            if batch and length > room:
                yield Manifest(first, tuple(batch))
                first, batch, room = None, [], MANIFEST_BYTES
            self.outline.add(entry)
            batch.append(entry)
            room -= length
        yield Manifest(first, tuple(batch))
        totals = self.outline.totals()
        yield OfferEnd(tid, totals.entries, totals.bytes)


class PieceProducer:
    """The chosen entries' bytes as sealed records of pieces."""

    def __init__(
        self, sealer: Sealer, source: Source, outline: Outline, chosen: Iterable[int]
    ) -> None:
        self.moved = 0
        """File bytes put into records so far, zeros included."""
        self.passed = 0
        """Files that lie behind."""
        self.sizes: list[Size] = []
        """Of the streams that have ended, in order."""
        self._sealer = sealer
        self._source = source
        self._outline = outline
        self._chosen = iter(chosen)
        self._entry = -1
        self._offset = 0
        self._size = 0  # of the entry; of a stream, MAX_SIZE until its end is seen
        self._stream = False
        room = HEADER + PIECE_OVERHEAD + RECORD + TAG
        self._buffer = memoryview(bytearray(room))
        self._end = room - TAG

    def fill(self) -> memoryview | None:
        """See `Producer`. Raises LocalFileError."""
        used = HEADER
        while self._ready() and self._fits(used):
            used = self._piece(used)
        if used == HEADER:
            return None
        return self._buffer[: self._sealer.seal(self._buffer, used - HEADER)]

    def _ready(self) -> bool:
        """Stand at bytes to send, at the next entry that has some; False where there is none."""
        while self._offset >= self._size:
            if self._entry >= 0 and self._outline.kinds[self._entry] not in EMPTY:
                self._source.check(self._entry)
                self.passed += 1
            self._entry = next(self._chosen, -1)
            self._offset = self._size = 0
            if self._entry < 0:
                return False
            size = self._outline.sizes[self._entry]
            self._stream = size < 0
            self._size = MAX_SIZE if self._stream else size
        return True

    def _fits(self, used: int) -> bool:
        """Whether the next piece begins in this record, *used* bytes of which are taken."""
        if used == HEADER:
            return True
        if self._stream:  # a read may wait: what is at hand goes first
            return False
        least = max(ZERO_COUNT.size, min(self._size - self._offset, _SMALLEST))
        return self._end - used >= PIECE_OVERHEAD + least

    def _piece(self, used: int) -> int:
        """Put the next piece at *used*; return where it ends."""
        left = self._size - self._offset
        hole = 0 if self._stream else self._source.hole(self._entry, self._offset, left)
        if hole:
            return self._zeros(used, hole)
        at = used + PIECE_OVERHEAD
        room = self._buffer[at : min(at + left, self._end)]
        count = self._source.read_into(self._entry, self._offset, room)
        if not count:
            return self._ended(used)
        # Most data is told from zeros by its first or its last byte.
        dull = count >= _SMALLEST and not room[0] and not room[count - 1]
        if dull and room[:count].tobytes() == _ZEROS[:count]:
            return self._zeros(used, count)
        HEAD.pack_into(self._buffer, used, PIECE, PIECE_HEAD.size + count)
        PIECE_HEAD.pack_into(self._buffer, used + HEAD.size, self._entry, self._offset, Codec.RAW)
        self._advance(count)
        return at + count

    def _ended(self, used: int) -> int:
        """The source has no more of this entry: right for a stream alone."""
        if not self._stream:
            raise LocalProtocolError("a source ended an entry early without a word")
        self.sizes.append(Size(self._entry, self._offset))
        self._size = self._offset
        return used

    def _zeros(self, used: int, count: int) -> int:
        """Put a piece of *count* zeros at *used*; return where it ends."""
        HEAD.pack_into(self._buffer, used, PIECE, PIECE_HEAD.size + ZERO_COUNT.size)
        PIECE_HEAD.pack_into(self._buffer, used + HEAD.size, self._entry, self._offset, Codec.ZEROS)
        ZERO_COUNT.pack_into(self._buffer, used + PIECE_OVERHEAD, count)
        self._advance(count)
        return used + PIECE_OVERHEAD + ZERO_COUNT.size

    def _advance(self, count: int) -> None:
        self._offset += count
        self.moved += count
