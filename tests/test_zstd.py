"""Codec 1 with real Zstandard frames: bounds, and what is worth compressing."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backends import _zstd
from backends._zstd import LEAST, SAMPLE, WINDOW, Squeezer, Timed, inflater
from croc_core.content import MAX_PIECE
from croc_core.errors import Party, RemoteProtocolError
from croc_core.outgoing import RECORD, PieceProducer
from tests.memory_files import MemorySink, MemorySource, arrived_as, file
from tests.record_help import pair, push, records, secured, share_of


def noise(seed: int, length: int) -> bytes:
    return hashlib.shake_256(b"%d" % seed).digest(length)


def text(length: int) -> bytes:
    lines = b"".join(b"line %d of a text; " % n for n in range(length // 15 + 1))
    return lines[:length]


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def frame_of(data: bytes, *, sized: bool = True, level: int = 1) -> bytes:
    return zstandard.ZstdCompressor(level=level, write_content_size=sized).compress(data)


# ---- inflating


@given(data=st.binary(min_size=1, max_size=300), often=st.integers(1, 50), sized=..., level=...)
@settings(deadline=None)
def test_what_was_compressed_comes_back(data: bytes, often: int, sized: bool, level: bool) -> None:
    plain = data * often
    frame = frame_of(plain, sized=sized, level=19 if level else 1)
    for given_as in (frame, memoryview(frame)):
        assert inflater()(given_as, len(plain)) == plain


def refused(frame: bytes, length: int) -> None:
    """Raised, or seen by the parser in the length of what came out."""
    try:
        plain = inflater()(frame, length)
    except RemoteProtocolError as error:
        assert error.party is Party.PEER  # noqa: PT017
    else:
        assert len(plain) < length


@given(
    frame=st.binary(max_size=60)
    | st.binary(min_size=1, max_size=60).map(frame_of)
    | st.binary(min_size=1, max_size=60).map(lambda data: frame_of(data, sized=False)),
    cut=st.integers(0, 80),
    tail=st.binary(max_size=5),
    length=st.integers(1, 100),
)
@example(frame=frame_of(b"x" * 50), cut=80, tail=b"y", length=50)
@example(frame=frame_of(b"x" * 50, sized=False), cut=80, tail=b"y", length=50)
@example(frame=frame_of(b"x" * 50, sized=False), cut=80, tail=b"", length=49)
@example(frame=frame_of(b"", sized=False), cut=80, tail=b"", length=1)
def test_any_bytes_give_the_length_or_a_refusal(
    frame: bytes, cut: int, tail: bytes, length: int
) -> None:
    data = frame[:cut] + tail
    try:
        plain = inflater()(data, length)
    except RemoteProtocolError as error:
        assert error.party is Party.PEER  # noqa: PT017
        return
    assert len(plain) <= length
    if len(plain) == length:
        assert data == frame
        assert zstandard.ZstdDecompressor().decompressobj().decompress(data) == plain


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("length", [1, 1000, MAX_PIECE - 1])
def test_a_frame_that_grows_without_end_takes_little_memory(sized: bool, length: int) -> None:
    frame = frame_of(bytes(256 << 20), sized=sized)
    assert len(frame) < 1 << 15
    inflate = inflater()
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            inflate(frame, length)
        assert tracemalloc.get_traced_memory()[1] < 2 * MAX_PIECE
    finally:
        tracemalloc.stop()


def test_a_frame_with_a_huge_window_is_refused() -> None:
    for log, right in ((23, True), (24, False)):
        parameters = zstandard.ZstdCompressionParameters(window_log=log, write_content_size=False)
        made = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        frame = made.compress(b"a" * 100) + made.flush()
        assert zstandard.get_frame_parameters(frame).window_size == 1 << log
        if right:
            assert inflater()(frame, 100) == b"a" * 100
        else:
            refused(frame, 100)


def test_a_frame_with_a_dictionary_is_refused() -> None:
    samples: list[bytes | bytearray | memoryview] = [text(500 + n) for n in range(100)]
    dictionary = zstandard.train_dictionary(2000, samples)
    plain = text(507)
    refused(zstandard.ZstdCompressor(dict_data=dictionary).compress(plain), len(plain))


def test_frames_that_are_skipped_are_no_data() -> None:
    skipped = bytes.fromhex("502a4d18 04000000") + b"abcd"
    refused(skipped, 4)
    refused(skipped + frame_of(b"abc"), 3)


# ---- from source to sink


@pytest.mark.parametrize(
    ("data", "least", "most"),
    [
        (text(3 * RECORD + 5), 0.0, 0.3),
        (noise(1, 3 * RECORD), 1.0, 1.001),
        (b"".join(noise(n, 1000) + text(9000) for n in range(200)), 0.1, 0.2),
    ],
)
def test_files_arrive_and_take_less_where_they_can(data: bytes, least: float, most: float) -> None:
    items = [file("a", data), file("b", b"short"), file("c", text(LEAST)), file("d", data[:5000])]
    sealer, opener = pair()
    producer = PieceProducer(sealer, MemorySource(items), share_of(items), Squeezer())
    made = b"".join(records(producer))
    sink = MemorySink().accept_all(items)
    reader = secured(opener)
    reader.allow_pieces(sink, inflater())
    assert list(push(reader, made)) == []
    sink.finish(())
    arrived_as(items, sink)
    assert least < len(made) / sum(len(item.data) for item in items) < most


# ---- what is tried


class Watched(Squeezer):
    """Counts the bytes that were tried."""

    def __init__(self, clock: Callable[[], float] | None = None, speed: float = 0.0) -> None:
        super().__init__(clock or Clock())
        self.tried = 0
        compress = self._compress

        def watched(data: bytes | bytearray | memoryview) -> bytes:
            self.tried += len(data)
            if isinstance(clock, Clock):
                clock.now += speed * len(data)
            return compress(data)

        self._compress = watched


def test_short_pieces_are_left_alone() -> None:
    squeezer = Watched()
    assert squeezer(memoryview(bytes(LEAST - 1))) is None
    assert squeezer.tried == 0
    assert squeezer(memoryview(bytes(LEAST))) is not None


def test_little_is_tried_of_what_does_not_shrink() -> None:
    squeezer = Watched()
    piece = memoryview(noise(1, RECORD))
    for _ in range(200):
        assert squeezer(piece) is None
    # One whole piece, then samples ever more rarely.
    assert squeezer.tried <= RECORD + 12 * SAMPLE + 200 * RECORD // _zstd.BACK_OFF[1] * SAMPLE
    assert squeezer.tried > RECORD + 5 * SAMPLE


def test_what_shrinks_again_is_compressed_again() -> None:
    squeezer = Watched()
    for _ in range(100):
        squeezer(memoryview(noise(1, RECORD)))
    piece = memoryview(text(RECORD))
    left = 0
    while squeezer(piece) is None:
        left += RECORD
    assert left <= _zstd.BACK_OFF[1]
    squeezer.tried = 0
    assert squeezer(piece) is not None
    assert squeezer.tried == RECORD


def test_a_sample_that_shrinks_in_a_piece_that_does_not() -> None:
    squeezer = Watched()
    squeezer(memoryview(noise(1, RECORD)))
    assert squeezer(memoryview(noise(1, RECORD))) is None  # left alone
    half = RECORD // 2
    tricky = noise(2, half) + text(SAMPLE) + noise(3, half - SAMPLE)
    squeezer.tried = 0
    assert squeezer(memoryview(tricky)) is None
    assert squeezer.tried == SAMPLE + RECORD


@pytest.mark.parametrize("where", [0, 1, 2])
def test_the_sample_is_of_the_middle(where: int) -> None:
    squeezer = Watched()
    squeezer(memoryview(noise(1, RECORD)))
    squeezer(memoryview(noise(1, RECORD)))
    parts = [noise(5, RECORD // 3), noise(6, RECORD // 3), noise(7, RECORD // 3)]
    parts[where] = text(RECORD // 3)
    assert (squeezer(memoryview(b"".join(parts))) is not None) == (where == 1)


# ---- where the link is faster


class Wire:
    """Sends pieces over a modelled link; returns how many bytes went compressed."""

    def __init__(self, cost: float, data: bytes) -> None:
        self.clock = Clock()
        self.squeezer = Watched(self.clock, cost)
        self.data = memoryview(data)

    def send(self, total: int, link: float) -> int:
        """Send *total* plain bytes; the link takes *link* seconds a byte."""
        squeezed = 0
        while total > 0:
            frame = self.squeezer(self.data)
            count = len(self.data) if frame is None else len(frame)
            squeezed += 0 if frame is None else len(self.data)
            self.clock.now += link * count
            self.squeezer.sent(count, link * count)
            total -= len(self.data)
        return squeezed


NS = 1e-9
SIXTH = b"".join(noise(n, 160) + bytes(864) for n in range(RECORD // 1024))
"""Shrinks to about a sixth, all of it alike."""


def test_a_slow_link_is_worth_it() -> None:
    wire = Wire(2 * NS, SIXTH)
    assert wire.send(512 << 20, 10 * NS) == 512 << 20
    assert wire.squeezer.on


def test_a_fast_link_is_not() -> None:
    wire = Wire(2 * NS, SIXTH)
    total = 2 << 30
    squeezed = wire.send(total, 0.5 * NS)
    assert not wire.squeezer.on
    # One window of what was sent, which stands for more plain bytes.
    pieces = -(-WINDOW // len(frame_of(SIXTH)))
    assert squeezed == pieces * len(SIXTH)


def test_a_link_that_changes() -> None:
    wire = Wire(2 * NS, SIXTH)
    wire.send(1 << 30, 0.5 * NS)
    assert not wire.squeezer.on
    wire.send(4 * WINDOW, 20 * NS)
    assert wire.squeezer.on
    wire.send(1 << 30, 0.5 * NS)
    assert not wire.squeezer.on


def test_data_that_changes_while_nothing_is_compressed() -> None:
    wire = Wire(2 * NS, noise(1, RECORD))
    wire.send(256 << 20, 10 * NS)
    assert not wire.squeezer.on  # it saved nothing
    tried = wire.squeezer.tried
    wire.send(256 << 20, 10 * NS)
    assert wire.squeezer.tried - tried <= 33 * SAMPLE
    wire.data = memoryview(SIXTH)
    assert wire.send(512 << 20, 10 * NS) > 256 << 20
    assert wire.squeezer.on


@pytest.mark.parametrize("link", [2.35, 2.45])
def test_it_stays_as_it_is_where_both_are_alike(link: float) -> None:
    """Saved are five sixths of the link's time."""
    for on in (False, True):
        wire = Wire(2 * NS, SIXTH)
        wire.send(MEMORY_FULL, link * NS)
        wire.squeezer.on = on
        wire.send(10 * WINDOW, link * NS)
        assert wire.squeezer.on == on


MEMORY_FULL = 64 << 20


def test_what_buffers_take_in_at_once_does_not_count() -> None:
    """The first half of a window seems to go at once; the link is slow all the same."""
    wire = Wire(2 * NS, SIXTH)
    squeezer, half = wire.squeezer, WINDOW // 2
    for _ in range(5):
        squeezer(wire.data)
    squeezer.sent(half, 0.0)
    assert squeezer._sent == half
    squeezer.sent(half, 10 * NS * half)
    assert squeezer.on
    squeezer.sent(half, 10 * NS * half)
    squeezer.sent(half, 0.0)
    assert not squeezer.on


def test_nothing_tried_says_nothing() -> None:
    squeezer = Watched()
    squeezer.sent(WINDOW // 2, 0.0)
    squeezer.sent(WINDOW, 0.0)
    assert squeezer.on


def test_a_timed_producer_times_what_lies_between_its_records() -> None:
    clock = Clock()
    told: list[tuple[int, float]] = []

    class Told(Squeezer):
        def sent(self, count: int, seconds: float) -> None:
            told.append((count, seconds))

    first, second = memoryview(bytes(10)), memoryview(bytes(20))
    views = [first, second, None, None]

    class Three:
        def fill(self) -> memoryview | None:
            clock.now += 100
            return views.pop(0)

    producer = Timed(Three(), Told(), clock)
    assert producer.fill() is first
    clock.now += 1
    assert producer.fill() is second
    clock.now += 2
    assert producer.fill() is None
    assert producer.fill() is None
    assert told == [(10, 1.0), (20, 2.0)]
