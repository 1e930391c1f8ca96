"""Messages out of plaintext, however records cut them."""

from __future__ import annotations

import re
import tracemalloc
import zlib
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from croc_core import messages
from croc_core.content import MAX_PIECE, Codec
from croc_core.errors import LocalFileError, Party, RemoteProtocolError
from croc_core.messages import HEAD, PIECE, PIECE_HEAD, PLAIN_LENGTH, ZERO_COUNT, Decline, Message
from croc_core.parser import Parser
from tests.memory_files import MemorySink, file, stream
from tests.test_messages import ANY

LIMIT = 1 << 24


@dataclass(frozen=True)
class Raw:
    entry: int
    offset: int
    data: bytes

    def encode(self) -> bytes:
        head = HEAD.pack(PIECE, PIECE_HEAD.size + len(self.data))
        return head + PIECE_HEAD.pack(self.entry, self.offset, Codec.RAW) + self.data


@dataclass(frozen=True)
class Zeros:
    entry: int
    offset: int
    count: int

    def encode(self) -> bytes:
        head = HEAD.pack(PIECE, PIECE_HEAD.size + ZERO_COUNT.size)
        place = PIECE_HEAD.pack(self.entry, self.offset, Codec.ZEROS)
        return head + place + ZERO_COUNT.pack(self.count)


@dataclass(frozen=True)
class Squeezed:
    """Compressed, with zlib in the place of Zstandard: the core does not care."""

    entry: int
    offset: int
    data: bytes

    def encode(self) -> bytes:
        body = PLAIN_LENGTH.pack(len(self.data)) + zlib.compress(self.data)
        head = HEAD.pack(PIECE, PIECE_HEAD.size + len(body))
        return head + PIECE_HEAD.pack(self.entry, self.offset, Codec.ZSTD) + body


def inflate(data: bytes | memoryview, length: int) -> bytes:
    """As `croc_core.parser.Inflate` says."""
    state = zlib.decompressobj()
    try:
        plain = state.decompress(data, length + 1)
    except zlib.error as error:
        raise RemoteProtocolError(Party.PEER, f"no frame ({error})") from None
    if not state.eof or state.unused_data:
        raise RemoteProtocolError(Party.PEER, "not one frame")
    return plain


@dataclass(frozen=True)
class Skipped:
    kind: int
    data: bytes

    def encode(self) -> bytes:
        return HEAD.pack(self.kind, len(self.data)) + self.data


@dataclass(frozen=True)
class Control:
    message: Message

    def encode(self) -> bytes:
        return messages.encode(self.message)


Item = Raw | Squeezed | Zeros | Skipped | Control
SKIPPED = st.builds(Skipped, st.integers(0x80, 0xFF), st.binary(max_size=60))


@st.composite
def items(draw: st.DrawFn) -> list[Item]:
    """Any messages, their pieces laid end to end in three entries."""
    ends = [0, 0, 0]
    made: list[Item] = []
    for kind in draw(st.lists(st.sampled_from("rrqzcs"), max_size=8)):
        entry = draw(st.integers(0, 2))
        if kind in "rq":
            data = draw(st.binary(min_size=1, max_size=80))
            piece = Raw if kind == "r" else Squeezed
            made.append(piece(entry, ends[entry], data))
            ends[entry] += len(data)
        elif kind == "z":
            count = draw(st.integers(0, 5000))
            made.append(Zeros(entry, ends[entry], count))
            ends[entry] += count
        elif kind == "c":
            made.append(Control(draw(ANY)))
        else:
            made.append(draw(SKIPPED))
    return made


def open_sink() -> MemorySink:
    return MemorySink(stream_limit=LIMIT).accept_all([stream(name, b"") for name in "abc"])


def taking(sink: MemorySink | None = None) -> Parser:
    """A parser that takes pieces of every codec."""
    parser = Parser()
    parser.sink, parser.inflate = sink or open_sink(), inflate
    return parser


def flat(found: list[Message | tuple[int, int, bytes | int]]) -> list[object]:
    """Messages and bytes, one by one, so that it does not matter how pieces were cut."""
    out: list[object] = []
    for item in found:
        if isinstance(item, tuple):
            entry, offset, data = item
            if isinstance(data, int):
                out.append((entry, offset, data))
            else:
                out += [(entry, offset + n, bytes([byte])) for n, byte in enumerate(data)]
        else:
            out.append(item)
    return out


def expected(sent: list[Item]) -> list[object]:
    found: list[Message | tuple[int, int, bytes | int]] = []
    for item in sent:
        if isinstance(item, (Raw, Squeezed)):
            found.append((item.entry, item.offset, item.data))
        elif isinstance(item, Zeros):
            found.append((item.entry, item.offset, item.count))
        elif isinstance(item, Control):
            found.append(item.message)
    return flat(found)


def parse(parser: Parser, plain: bytes, cuts: list[int]) -> list[object]:
    """Feed *plain* in records of those sizes; return what came, in order."""
    found: list[Message | tuple[int, int, bytes | int]] = []
    sink = parser.sink
    assert isinstance(sink, MemorySink)
    at = 0
    for size in [*cuts, len(plain)]:
        parser.feed(memoryview(plain)[at : at + size], size + 20)
        assert parser.spent == size + 20
        at += size
        while True:
            message = parser.parse()
            found += sink.calls
            sink.calls.clear()
            if message is None:
                break
            found.append(message)
        assert not parser.pending
    return flat(found)


@given(sent=items(), cuts=st.lists(st.integers(0, 40), max_size=60))
@example(sent=[Raw(0, 0, b"a")], cuts=[])
@example(sent=[Skipped(0x80, b""), Control(Decline(bytes(16)))], cuts=[1] * 40)
def test_cuts_between_records_do_not_matter(sent: list[Item], cuts: list[int]) -> None:
    parser = taking()
    plain = b"".join(item.encode() for item in sent)
    assert parse(parser, plain, cuts) == expected(sent)
    assert parser.between
    pieces = [
        len(i.data) if isinstance(i, (Raw, Squeezed)) else i.count if isinstance(i, Zeros) else 0
        for i in sent
    ]
    assert parser.moved == sum(pieces)


@given(sent=items().filter(bool), cuts=st.lists(st.integers(1, 40), max_size=60), data=st.data())
def test_a_message_that_is_cut_short_is_seen(
    sent: list[Item], cuts: list[int], data: st.DataObject
) -> None:
    parser = taking()
    whole = [item.encode() for item in sent]
    ends = {sum(map(len, whole[:n])) for n in range(len(whole) + 1)}
    plain = b"".join(whole)
    end = data.draw(st.integers(0, len(plain)))
    parse(parser, plain[:end], cuts)
    assert parser.between == (end in ends)


def test_between_is_false_while_plaintext_is_at_hand() -> None:
    parser = Parser()
    parser.feed(memoryview(messages.encode(Decline(bytes(16))) * 2), 100)
    assert parser.pending
    assert not parser.between
    assert parser.parse() == Decline(bytes(16))
    assert parser.pending
    assert not parser.between
    assert parser.parse() == Decline(bytes(16))
    assert not parser.pending
    assert parser.between


def refused(parser: Parser, plain: bytes) -> str:
    parser.feed(memoryview(plain), len(plain) + 20)
    with pytest.raises(RemoteProtocolError) as caught:
        parser.parse()
    assert caught.value.party is Party.PEER
    return str(caught.value)


@pytest.mark.parametrize("piece", [Raw(0, 0, b"a"), Zeros(0, 0, 1)])
def test_pieces_must_have_been_allowed(piece: Item) -> None:
    # Refused as soon as the type is known, whatever follows.
    assert "before anything was accepted" in refused(Parser(), piece.encode()[:5])


@pytest.mark.parametrize("length", [7, 9, 1])
def test_a_count_of_zeros_is_8_bytes(length: int) -> None:
    parser = taking()
    head = HEAD.pack(PIECE, PIECE_HEAD.size + length) + PIECE_HEAD.pack(0, 0, Codec.ZEROS)
    assert "piece of zeros" in refused(parser, head)


@pytest.mark.parametrize(("number", "why"), [(1, "not agreed"), (3, "unknown"), (255, "unknown")])
def test_other_codecs_are_refused(number: int, why: str) -> None:
    parser = taking()
    parser.inflate = None
    assert why in refused(parser, HEAD.pack(PIECE, 21) + PIECE_HEAD.pack(0, 0, number))


def squeezed(body: bytes, claimed: int | None = None) -> bytes:
    """The bytes of a compressed piece with that body, as long as is *claimed*."""
    length = len(body) if claimed is None else claimed
    return HEAD.pack(PIECE, PIECE_HEAD.size + length) + PIECE_HEAD.pack(0, 0, Codec.ZSTD) + body


FRAME = zlib.compress(b"12345")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\0\0\0\1", "no frame"),
        (b"\0", "no frame"),
        (PLAIN_LENGTH.pack(0) + FRAME, "impossible length"),
        (PLAIN_LENGTH.pack(MAX_PIECE + 1) + FRAME, "impossible length"),
        (PLAIN_LENGTH.pack(4) + FRAME, "another length|not one frame"),
        (PLAIN_LENGTH.pack(6) + FRAME, "another length"),
        (PLAIN_LENGTH.pack(5) + FRAME + b"x", "not one frame"),
        (PLAIN_LENGTH.pack(5) + FRAME[:-1], "not one frame"),
        (PLAIN_LENGTH.pack(5) + b"x" * 20, "no frame"),
    ],
)
@pytest.mark.parametrize("cut", [0, 25])
def test_a_compressed_piece_is_just_what_it_says(body: bytes, why: str, cut: int) -> None:
    parser = taking()
    plain = squeezed(body)
    if len(plain) > cut > 0:
        parser.feed(memoryview(plain[:cut]), cut + 20)
        assert parser.parse() is None
        plain = plain[cut:]
    assert re.search(why, refused(parser, plain))
    assert parser.moved == 0
    assert isinstance(parser.sink, MemorySink)
    assert parser.sink.calls == []


def test_a_compressed_piece_byte_by_byte() -> None:
    """As docs/protocol.md, 8.2 and 9.6, lay it out."""
    parser = taking()
    plain = bytes.fromhex("07 00000000 00000002 0000000000000007 01 00000005") + FRAME
    plain = plain[:1] + (len(plain) - 5).to_bytes(4, "big") + plain[5:]
    parser.feed(memoryview(plain), len(plain) + 20)
    assert parser.parse() is None
    assert isinstance(parser.sink, MemorySink)
    assert parser.sink.calls == [(2, 7, b"12345")]


def test_an_inflated_piece_of_another_length_is_refused() -> None:
    """Whatever the backend's function lets pass."""
    for wrong in (4, 6):
        parser = taking()
        parser.inflate = lambda data, length, wrong=wrong: bytes(wrong)
        assert "another length" in refused(parser, squeezed(PLAIN_LENGTH.pack(5) + FRAME))


def test_the_longest_compressed_piece() -> None:
    """A whole MiB of plain bytes; and no more than that in the frame and its length."""
    data = bytes(range(256)) * (MAX_PIECE // 256)
    parser = taking(MemorySink().accept_all([file("a", data)]))
    plain = Squeezed(0, 0, data).encode()
    parser.feed(memoryview(plain), len(plain) + 20)
    assert parser.parse() is None
    assert parser.between
    assert parser.moved == MAX_PIECE
    assert "impossible length" in refused(parser, squeezed(b"", MAX_PIECE + 1))
    parser = taking()
    parser.feed(memoryview(squeezed(b"", MAX_PIECE)), 50)
    assert parser.parse() is None


def test_nothing_but_pieces_on_a_further_connection() -> None:
    parser = Parser(further=True)
    parser.sink = open_sink()
    plain = Raw(0, 0, b"a").encode() + Skipped(0x85, b"x").encode() + Zeros(0, 1, 5).encode()
    parser.feed(memoryview(plain), len(plain) + 20)
    assert parser.parse() is None
    assert parser.between
    assert parser.moved == 6
    # Refused as soon as the type is known.
    assert "further connection" in refused(parser, messages.encode(Decline(bytes(16)))[:5])


@pytest.mark.parametrize("number", sorted(messages.CONTROL))
def test_no_control_message_at_all_on_a_further_connection(number: int) -> None:
    assert "further connection" in refused(Parser(further=True), HEAD.pack(number, 0))


@pytest.mark.parametrize("kind", [0, 0x0D, 0x7F])
def test_unknown_types_are_refused(kind: int) -> None:
    assert "unknown message type" in refused(Parser(), HEAD.pack(kind, 0))


@pytest.mark.parametrize(
    "piece",
    [
        Raw(1, 0, b"a"),
        Raw(0, 4, b"bc"),
        Raw(0, (1 << 64) - 1, b"a"),
        Zeros(0, 0, (1 << 64) - 1),
        Zeros((1 << 32) - 1, 0, 0),
        Zeros(0, 6, 0),
    ],
)
def test_what_the_sink_refuses_is_raised_and_not_counted(piece: Item) -> None:
    parser = Parser()
    parser.sink = MemorySink(lambda number, _: number == 0).accept_all(
        [file("a", bytes(5)), file("b", b"x")]
    )
    refused(parser, piece.encode())
    assert parser.moved == 0


def test_a_sinks_own_trouble_comes_through() -> None:
    class Full(MemorySink):
        def write(self, entry: int, offset: int, data: memoryview) -> None:
            raise LocalFileError("The disk is full.", "Make room.")

    parser = Parser()
    parser.sink = Full()
    plain = Raw(0, 0, b"a").encode()
    parser.feed(memoryview(plain), 50)
    with pytest.raises(LocalFileError, match="full"):
        parser.parse()


@settings(max_examples=200)
@given(
    sent=items(),
    junk=st.binary(max_size=40),
    at=st.integers(0),
    cuts=st.lists(st.integers(1, 30), max_size=20),
)
def test_any_plaintext_gives_messages_or_a_typed_error(
    sent: list[Item], junk: bytes, at: int, cuts: list[int]
) -> None:
    plain = bytearray(b"".join(item.encode() for item in sent))
    place = at % (len(plain) + 1)
    plain[place : place + len(junk)] = junk
    parser = taking()
    try:
        parse(parser, bytes(plain), cuts)
    except RemoteProtocolError as error:
        assert error.party is Party.PEER  # noqa: PT017
    assert len(parser._part) <= messages.MAX_CONTROL


def test_memory_has_a_bound_whatever_is_claimed() -> None:
    """What is skipped or written is never held; a control message is, up to its bound."""
    parser = taking()
    chunk = memoryview(bytes(1024))
    tracemalloc.start()
    try:
        parser.feed(memoryview(HEAD.pack(0x85, 1 << 20)), 25)
        assert parser.parse() is None
        for _ in range(1024):
            parser.feed(chunk, 1044)
            assert parser.parse() is None
        assert parser.between
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 1 << 14
        parser.feed(memoryview(HEAD.pack(Decline.type, messages.MAX_CONTROL)), 25)
        assert parser.parse() is None
        for _ in range(63):
            parser.feed(chunk, 1044)
            assert parser.parse() is None
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 4 * messages.MAX_CONTROL
        assert len(parser._part) <= messages.MAX_CONTROL
    finally:
        tracemalloc.stop()
    refused(parser, bytes(2048))
