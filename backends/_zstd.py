"""Codec 1: pieces as Zstandard frames (docs/protocol.md, 9.6). Imported only by runs that use it.

What a sender compresses it decides piece by piece: a sample must shrink, and the time that the
compressor takes must be less than what the link would need for the bytes that it saves.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import zstandard

from backends._io import Producer
from croc_core.errors import Party, RemoteProtocolError
from croc_core.parser import Inflate

LEVEL = 1
LEAST = 256
"""Shorter pieces are sent as they are, in bytes."""
SAMPLE = 16 << 10
"""So much from the middle of a large piece is tried first, in bytes."""
SMALLER = 0.95
"""What does not shrink to this part of its length is sent as it is."""
BACK_OFF = (512 << 10, 8 << 20)
"""After a piece that did not shrink so many bytes are not tried: first, and at most (doubled)."""
WINDOW = 8 << 20
"""The link's speed is measured over the second half of so many bytes sent in one way: buffers on
the way take the first half in however slow it is."""
MEMORY = 16 << 20
"""About so many bytes that were tried last say what trying is worth."""
MARGIN = 1.2
"""By so much the other way must promise to be faster."""
MAX_WINDOW = 8 << 20
"""Greatest window of a frame that is taken: what every decoder should support (RFC 8878, 3.1.1)."""


class Squeezer:
    """Compresses the pieces of one producer; see `croc_core.outgoing.Squeeze`.

    `sent` tells it how fast the link is. Without that it compresses whatever shrinks.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.on = True
        """Whether the link is slow enough for it."""
        self._clock = clock
        self._compress = zstandard.ZstdCompressor(level=LEVEL).compress
        self._skip = 0
        self._back_off = BACK_OFF[0]
        # Of what was tried of late: seconds, bytes, and bytes that were left.
        self._spent = 0.0
        self._plain = 0.0
        self._left = 0.0
        self._sent = 0
        self._seconds = 0.0
        self._sampled = False

    def __call__(self, data: memoryview) -> bytes | None:
        """Return *data* as one frame, or None where it is to be sent as it is."""
        length = len(data)
        if length < LEAST:
            return None
        if self._skip > 0:
            self._skip -= length
            return None
        middle = length // 2
        sample = data[middle : middle + SAMPLE]
        if not self.on:
            if not self._sampled:  # now and then, so that what is known is not of old data
                self._sampled = True
                self._try(sample)
            return None
        doubtful = self._back_off > BACK_OFF[0] and length >= 4 * SAMPLE
        if doubtful and self._try(sample) is None:
            return None
        return self._try(data)

    def sent(self, count: int, seconds: float) -> None:
        """A record of *count* bytes went out; sending it took so many *seconds*."""
        half = WINDOW // 2
        if self._sent >= half:
            self._seconds += seconds
        self._sent += count
        if self._sent < WINDOW:
            return
        link = self._seconds / half
        self._sent, self._seconds, self._sampled = 0, 0.0, False
        if self._plain:
            saved = link * (self._plain - self._left)
            margin = 1 / MARGIN if self.on else MARGIN
            self.on = self._spent * margin < saved

    def _try(self, data: memoryview) -> bytes | None:
        """Compress *data*; None where it hardly shrinks, and then leave what follows alone."""
        begun = self._clock()
        frame = self._compress(data)
        shrunk = len(frame) <= SMALLER * len(data)
        self._spent += self._clock() - begun
        self._plain += len(data)
        self._left += len(frame) if shrunk else len(data)
        memory = MEMORY if self.on else 2 * SAMPLE
        if self._plain > memory:
            part = memory / 2 / self._plain
            self._spent, self._plain, self._left = (
                part * self._spent, part * self._plain, part * self._left,
            )  # fmt: skip
        if shrunk:
            self._back_off = BACK_OFF[0]
            return frame
        self._skip = self._back_off
        self._back_off = min(2 * self._back_off, BACK_OFF[1])
        return None


class Timed:
    """A producer that tells its squeezer how long the sending of its records takes."""

    def __init__(
        self,
        producer: Producer,
        squeezer: Squeezer,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._producer = producer
        self._squeezer = squeezer
        self._clock = clock
        self._left = 0.0
        self._length = 0

    def fill(self) -> memoryview | None:
        """See `Producer`."""
        if self._length:
            self._squeezer.sent(self._length, self._clock() - self._left)
        view = self._producer.fill()
        self._length = 0 if view is None else len(view)
        self._left = self._clock()
        return view


def inflater() -> Inflate:
    """Return what undoes codec 1 on one connection."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)

    def inflate(data: bytes | memoryview, length: int) -> bytes:
        try:
            stated = zstandard.get_frame_parameters(data).content_size
            if stated not in (length, zstandard.CONTENTSIZE_UNKNOWN):
                raise RemoteProtocolError(Party.PEER, "a frame has another length than its piece")
            # No more than *length* bytes come out, and nothing may be left of the data.
            return decompressor.decompress(data, max_output_size=length, allow_extra_data=False)
        except zstandard.ZstdError as error:
            text = f"a compressed piece is malformed ({error})"
            raise RemoteProtocolError(Party.PEER, text) from None

    return inflate
