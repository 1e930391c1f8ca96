"""The sending side of one data connection: control messages, and the producers of the bulk.

A producer fills one reused buffer with messages and seals it in place; a backend sends what `fill`
returns. Many small pieces share a record; a large one fills it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from croc_core import messages
from croc_core.content import Codec, Entry, Sink, Source
from croc_core.errors import LocalProtocolError
from croc_core.messages import (
    HEAD,
    PIECE,
    PIECE_HEAD,
    PLAIN_LENGTH,
    ZERO_COUNT,
    Digests,
    Manifest,
    OfferEnd,
    Range,
    Size,
    Want,
)
from croc_core.resume import BLOCK, begin, blocks, digest
from croc_core.seal import HEADER, TAG, Sealer
from croc_core.selection import Outline, Share

_HEADS = struct.Struct(HEAD.format + PIECE_HEAD.format.removeprefix(">"))
PIECE_OVERHEAD = _HEADS.size
RECORD = 512 * 1024
"""File bytes in a record that one large piece fills; measured best (docs/performance.md)."""
MANIFEST_BYTES = 32 * 1024
"""About how many bytes of entries one manifest message carries."""
DIGESTS = 16
"""Most digests in one message: those of 64 MiB."""
RANGES = 2048
"""Most ranges in one message, of 24 bytes at most each."""
_SMALLEST = 4096
"""A piece of a larger file is not begun in less room than this."""
_SMALLEST_SQUEEZED = 128 * 1024
"""The same where pieces are compressed: short ones shrink less."""
_READ = 512 * 1024
_NO_PART = (-1, 0, 0, False)
_EARLY = "a source ended an entry early without a word"
_ZEROS = bytes(RECORD)


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


Squeeze: TypeAlias = Callable[[memoryview], bytes | None]
"""Returns the bytes as one Zstandard frame, or None where they should go as they are."""


class PieceProducer:
    """Its share of the chosen entries' bytes as sealed records of pieces.

    With *squeeze*, which the recipient must have agreed to, pieces may be compressed.
    """

    def __init__(
        self, sealer: Sealer, source: Source, share: Share, squeeze: Squeeze | None = None
    ) -> None:
        self.moved = 0
        """File bytes put into records so far, zeros included."""
        self.passed = 0
        """Files whose last bytes lie behind."""
        self.sizes: list[Size] = []
        """Of the streams that have ended, in order."""
        self._sealer = sealer
        self._source = source
        self._sizes = share.outline.sizes
        self._parts = share.draw()
        self._squeeze = squeeze
        self._smallest = _SMALLEST if squeeze is None else _SMALLEST_SQUEEZED
        self._entry = -1
        self._offset = 0
        self._end = 0  # of the part; of a stream, MAX_SIZE until its end is seen
        self._last = False
        self._stream = False
        room = HEADER + PIECE_OVERHEAD + RECORD + TAG
        self._buffer = memoryview(bytearray(room))
        self._room = room - TAG

    @property
    def entry(self) -> int:
        """The entry whose bytes go now; -1 for none."""
        return self._entry

    def fill(self) -> memoryview | None:
        """See `Producer`. Raises LocalFileError."""
        used = HEADER
        while self._ready() and self._fits(used):
            used = self._piece(used)
        if used == HEADER:
            return None
        return self._buffer[: self._sealer.seal(self._buffer, used - HEADER)]

    def _ready(self) -> bool:
        """Stand at bytes to send, in the next part that has some; False where there is none."""
        while self._offset >= self._end:
            self.passed += self._last
            entry, self._offset, self._end, self._last = next(self._parts, _NO_PART)
            if entry != self._entry and self._entry >= 0:
                # What another connection reads of it later is checked behind that.
                self._source.check(self._entry)
            self._entry = entry
            if entry < 0:
                return False
            self._stream = self._sizes[entry] < 0
        return True

    def _fits(self, used: int) -> bool:
        """Whether the next piece begins in this record, *used* bytes of which are taken."""
        if used == HEADER:
            return True
        if self._stream:  # a read may wait: what is at hand goes first
            return False
        least = max(ZERO_COUNT.size, min(self._end - self._offset, self._smallest))
        return self._room - used >= PIECE_OVERHEAD + least

    def _piece(self, used: int) -> int:
        """Put the next piece at *used*; return where it ends."""
        left = self._end - self._offset
        hole = 0 if self._stream else self._source.hole(self._entry, self._offset, left)
        if hole:
            return self._zeros(used, hole)
        at = used + PIECE_OVERHEAD
        room = self._buffer[at : min(at + left, self._room)]
        count = self._source.read_into(self._entry, self._offset, room)
        if not count:
            return self._ended(used)
        # Most data is told from zeros by its first or its last byte.
        dull = count >= _SMALLEST and not room[0] and not room[count - 1]
        if dull and room[:count].tobytes() == _ZEROS[:count]:
            return self._zeros(used, count)
        squeezed = None if self._squeeze is None else self._squeeze(room[:count])
        if squeezed is not None and PLAIN_LENGTH.size + len(squeezed) < count:
            return self._squeezed(used, count, squeezed)
        self._head(used, count, Codec.RAW)
        self._advance(count)
        return at + count

    def _ended(self, used: int) -> int:
        """The source has no more of this entry: right for a stream alone."""
        if not self._stream:
            raise LocalProtocolError(_EARLY)
        self.sizes.append(Size(self._entry, self._offset))
        self._end = self._offset
        return used

    def _squeezed(self, used: int, count: int, frame: bytes) -> int:
        """Put a piece of *count* bytes that are compressed to *frame*; return where it ends."""
        self._head(used, PLAIN_LENGTH.size + len(frame), Codec.ZSTD)
        at = used + PIECE_OVERHEAD
        PLAIN_LENGTH.pack_into(self._buffer, at, count)
        at += PLAIN_LENGTH.size
        self._buffer[at : at + len(frame)] = frame
        self._advance(count)
        return at + len(frame)

    def _zeros(self, used: int, count: int) -> int:
        """Put a piece of *count* zeros at *used*; return where it ends."""
        self._head(used, ZERO_COUNT.size, Codec.ZEROS)
        ZERO_COUNT.pack_into(self._buffer, used + PIECE_OVERHEAD, count)
        self._advance(count)
        return used + PIECE_OVERHEAD + ZERO_COUNT.size

    def _head(self, used: int, length: int, codec: Codec) -> None:
        """Put the heads of a piece with *length* bytes of data at *used*."""
        length += PIECE_HEAD.size
        _HEADS.pack_into(self._buffer, used, PIECE, length, self._entry, self._offset, codec)

    def _advance(self, count: int) -> None:
        self._offset += count
        self.moved += count


class DigestProducer:
    """The digests of what the recipient holds, as sealed messages (docs/protocol.md, 9.5)."""

    def __init__(
        self,
        sealer: Sealer,
        source: Source,
        tid: bytes,
        held: Iterable[tuple[int, int]],
        key: bytes,
    ) -> None:
        self.moved = 0
        """Bytes that were read, or are known holes, so far."""
        self._sealer = sealer
        self._source = source
        self._tid = tid
        self._key = key
        self._messages = self._make(held)
        self._buffer = memoryview(bytearray(_READ))
        self._zeros: bytes | None = None

    def fill(self) -> memoryview | None:
        """See `Producer`. Raises LocalFileError."""
        begun = self.moved
        plain = b""
        # Each record is a sign of life, so it stands for less than 128 MiB: disks can be slow.
        while len(plain) < MANIFEST_BYTES and self.moved - begun < BLOCK * DIGESTS:
            message = next(self._messages, None)
            if message is None:
                break
            plain += messages.encode(message)
        return memoryview(self._sealer.record(plain)) if plain else None

    def _make(self, held: Iterable[tuple[int, int]]) -> Iterator[Digests]:
        for entry, length in held:
            count = blocks(length)
            for first in range(0, count, DIGESTS):
                numbers = range(first, min(first + DIGESTS, count))
                yield Digests(self._tid, entry, first, tuple(
                    self._digest(entry, number * BLOCK, min((number + 1) * BLOCK, length))
                    for number in numbers
                ))  # fmt: skip
            self._source.check(entry)

    def _digest(self, entry: int, offset: int, end: int) -> bytes:
        """Return the digest of the bytes of *entry* from *offset* up to *end*, a block at most."""
        state = begin(self._key)
        start = offset
        while offset < end:
            count = self._source.hole(entry, offset, end - offset)
            if count == BLOCK:
                self.moved += count
                return self._zero_block()
            if count:
                count = min(count, len(_ZEROS))
                state.update(_ZEROS[:count])
            else:
                room = self._buffer[: end - offset]
                count = self._source.read_into(entry, offset, room)
                if not count:
                    raise LocalProtocolError(_EARLY)
                state.update(room[:count])
            offset += count
        self.moved += end - start
        return state.digest()

    def _zero_block(self) -> bytes:
        """Return the digest of a block of zeros: holes can be long."""
        if self._zeros is None:
            self._zeros = digest(self._key, bytes(BLOCK))
        return self._zeros


class WantProducer:
    """What the sink lacks of the chosen entries, as sealed `Want` messages."""

    def __init__(self, sealer: Sealer, sink: Sink, tid: bytes) -> None:
        self.wanted = 0
        """Bytes asked for so far; of a stream all up to MAX_SIZE."""
        self._sealer = sealer
        self._messages = self._make(sink, tid)

    def fill(self) -> memoryview | None:
        """See `Producer`. Raises LocalFileError."""
        message = next(self._messages, None)
        return memoryview(self._sealer.record(messages.encode(message))) if message else None

    def _make(self, sink: Sink, tid: bytes) -> Iterator[Want]:
        ranges: list[Range] = []
        for entry, offset, length in sink.lacking():
            if len(ranges) == RANGES:
                yield Want(tid, tuple(ranges), True)
                ranges = []
            ranges.append(Range(entry, offset, length))
            self.wanted += length
        yield Want(tid, tuple(ranges), False)
