"""Layouts of messages: each value has its bytes, and nothing else is taken for one."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from croc_core import messages
from croc_core.content import EMPTY, MAX_ENTRIES, MAX_SIZE, Codec, Entry, Kind, Span
from croc_core.errors import Party, RemoteProtocolError
from croc_core.messages import (
    CONTROL,
    HEAD,
    MAX_CONTROL,
    Accept,
    Continue,
    Decline,
    Digests,
    Held,
    Manifest,
    Message,
    OfferEnd,
    Open,
    PiecesEnd,
    Problem,
    Range,
    Receipt,
    Size,
    Want,
)

# ---- a strategy for each message

TIDS = st.binary(min_size=16, max_size=16)
BYTES32 = st.binary(min_size=32, max_size=32)
OFFSETS = st.integers(0, MAX_SIZE)
INDEXES = st.integers(0, MAX_ENTRIES - 1)
COUNTS = st.integers(0, MAX_ENTRIES)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
NAMES = TEXT | st.binary(max_size=30)
META = st.dictionaries(
    st.sampled_from(["mode", "mtime", "target", "later"]),
    st.integers(-(1 << 63), (1 << 64) - 1) | NAMES | st.booleans() | st.none(),
    max_size=4,
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from(Kind))
    size = None if kind is Kind.STREAM else 0 if kind in EMPTY else draw(OFFSETS)
    return Entry(kind, draw(NAMES), size, draw(META))


def some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=4).map(tuple)


SPANS = st.builds(Span, INDEXES, st.integers(1, MAX_ENTRIES))
EACH: dict[type[Message], st.SearchStrategy[Any]] = {
    Open: st.builds(Open, BYTES32),
    Continue: st.builds(Continue, TIDS),
    Manifest: st.builds(Manifest, st.none() | TIDS, some(entries())),
    OfferEnd: st.builds(OfferEnd, TIDS, COUNTS, st.none() | OFFSETS),
    Accept: st.builds(
        Accept,
        TIDS,
        some(SPANS),
        some(st.integers(0, 255)),
        st.integers(1, messages.MAX_CONNECTIONS),
        some(st.builds(Held, INDEXES, OFFSETS)),
        st.booleans(),
    ),
    Decline: st.builds(Decline, TIDS),
    Digests: st.builds(Digests, TIDS, INDEXES, st.integers(0, MAX_SIZE >> 22), some(BYTES32)),
    Want: st.builds(Want, TIDS, some(st.builds(Range, INDEXES, OFFSETS, OFFSETS)), st.booleans()),
    PiecesEnd: st.builds(PiecesEnd, TIDS, COUNTS, OFFSETS, some(st.builds(Size, INDEXES, OFFSETS))),
    Receipt: st.builds(Receipt, TIDS, COUNTS, OFFSETS),
    Problem: st.builds(Problem, st.text(st.characters(codec="utf-8"), max_size=32), TEXT),
}
ANY = st.one_of(*EACH.values())
SAMPLES: dict[type[Message], list[Any]] = {
    Open: [bytes(32)],
    Continue: [bytes(16)],
    Manifest: [bytes(16), [[0, "a", 5, {"mode": 420}]]],
    OfferEnd: [bytes(16), 1, 5],
    Accept: [bytes(16), [[0, 1]], [0, 2], 1, [[0, 4]], False],
    Decline: [bytes(16)],
    Digests: [bytes(16), 0, 0, [bytes(32)]],
    Want: [bytes(16), [[0, 0, 5]], False],
    PiecesEnd: [bytes(16), 1, 5, [[0, 5]]],
    Receipt: [bytes(16), 1, 5],
    Problem: ["timeout", "It took too long."],
}
"""One of each as the plain array of its layout."""


def body(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


def refused(kind: type[Message], data: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        messages.decode(kind.type, data)
    assert caught.value.party is Party.PEER
    text = str(caught.value)
    assert text.startswith(f"a {kind.__name__} message is malformed (")
    return text


def test_every_message_has_a_strategy_and_a_sample() -> None:
    assert set(EACH) == set(SAMPLES) == set(CONTROL.values())
    numbers = {Open: 1, Continue: 2, Manifest: 3, OfferEnd: 4, Accept: 5, Decline: 6, Digests: 8}
    numbers |= {Want: 9, PiecesEnd: 10, Receipt: 11, Problem: 12}
    assert {kind: number for number, kind in CONTROL.items()} == numbers


@given(message=ANY)
def test_messages_come_back(message: Message) -> None:
    data = messages.encode(message)
    kind, length = HEAD.unpack_from(data)
    messages.check_head(kind, length)
    assert (kind, length) == (message.type, len(data) - HEAD.size)
    assert messages.decode(kind, data[HEAD.size :]) == message
    assert messages.decode(kind, memoryview(data)[HEAD.size :]) == message


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_layout_is_an_array_of_the_fields_in_order(kind: type[Message]) -> None:
    data = body(SAMPLES[kind])
    message = messages.decode(kind.type, data)
    assert type(message) is kind
    assert messages.encode(message) == bytes([kind.type]) + len(data).to_bytes(4, "big") + data


def test_known_bytes() -> None:
    message = Manifest(bytes(range(16)), (Entry(Kind.FILE, "a", 5, {}),))
    hexes = "03 0000001a 92 c410 000102030405060708090a0b0c0d0e0f 91 94 00 a161 05 80"
    assert messages.encode(message) == bytes.fromhex(hexes)
    nameless = Manifest(None, (Entry(Kind.STREAM, b"\xff", None, {}),))
    assert messages.encode(nameless) == bytes.fromhex("03 0000000a 92 c0 91 94 04 c401ff c0 80")
    assert messages.still_here() == bytes.fromhex("80 00000000")


# ---- malformed variants


def places(value: Any, kind: type[Message]) -> list[tuple[int, ...]]:
    """Every place in *value*, nested arrays included; without those in the open `meta`."""
    found: list[tuple[int, ...]] = []

    def walk(inner: Any, path: tuple[int, ...]) -> None:
        found.append(path)
        if isinstance(inner, list):
            for at, item in enumerate(inner):
                walk(item, (*path, at))

    walk(value, ())
    return found


def put(new: Any) -> Callable[[Any], Any]:
    return lambda old: new


def changed(value: Any, path: tuple[int, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    copy = list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], change)
    return copy


CASES = [(kind, path) for kind, sample in SAMPLES.items() for path in places(sample, kind)]
OTHERS: list[Any] = [None, True, 7, -1, 1.0, "x", b"x", [], [[]], {}, {"a": 1}, 1 << 63, "y" * 1001]
OTHERS += [msgspec.msgpack.Ext(1, b"x"), (1 << 64) - 1, bytes(15), bytes(17), bytes(33), 17, 256]
FITTING: dict[tuple[type[Message], tuple[int, ...]], Callable[[Any], bool]] = {
    (Manifest, (0,)): lambda v: v is None,
    (Manifest, (1, 0, 1)): lambda v: isinstance(v, (str, bytes)),
    (Manifest, (1, 0, 3)): lambda v: isinstance(v, dict),
    (OfferEnd, (2,)): lambda v: v is None,
}
NUMBERS = {(Manifest, (1, 0, 2)), (OfferEnd, (1,)), (OfferEnd, (2,)), (Accept, (1, 0, 0))}
NUMBERS |= {(Accept, (1, 0, 1)), (Accept, (4, 0, 0)), (Accept, (4, 0, 1)), (Digests, (1,))}
NUMBERS |= {(Digests, (2,)), (Want, (1, 0, 0)), (Want, (1, 0, 1)), (Want, (1, 0, 2))}
NUMBERS |= {(PiecesEnd, (1,)), (PiecesEnd, (2,)), (PiecesEnd, (3, 0, 0)), (PiecesEnd, (3, 0, 1))}
NUMBERS |= {(Receipt, (1,)), (Receipt, (2,))}
LISTS = {(Manifest, (1,)), (Accept, (1,)), (Accept, (2,)), (Accept, (4,)), (Digests, (3,))}
LISTS |= {(Want, (1,)), (PiecesEnd, (3,))}


def fits(kind: type[Message], path: tuple[int, ...], value: Any) -> bool:
    """Whether *value* is allowed there, told from a list that was written by hand."""
    cell = (kind, path)
    number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if cell in NUMBERS and number:
        return bool(value < 300)
    if cell in LISTS:
        return bool(value == [])
    if kind is Accept and path in ((2, 0), (2, 1)):
        return number and value < 256
    if cell == (Accept, (3,)):
        return number and 1 <= value <= 16
    if path and cell in ((Accept, (5,)), (Want, (2,))):
        return isinstance(value, bool)
    if kind is Problem and path:
        return isinstance(value, str) and len(value) <= (32, 1000)[path[0]]
    return cell in FITTING and FITTING[cell](value)


@pytest.mark.parametrize(("kind", "path"), CASES)
def test_any_other_value_at_any_place_is_refused(
    kind: type[Message], path: tuple[int, ...]
) -> None:
    for other in OTHERS:
        data = body(changed(SAMPLES[kind], path, put(other)))
        if fits(kind, path, other):
            messages.decode(kind.type, data)
        else:
            refused(kind, data)


@pytest.mark.parametrize(("kind", "path"), CASES)
def test_missing_and_extra_elements_are_refused(kind: type[Message], path: tuple[int, ...]) -> None:
    value: Any = SAMPLES[kind]
    for at in path:
        value = value[at]
    if not isinstance(value, list) or (kind, path) in LISTS:
        return
    refused(kind, body(changed(SAMPLES[kind], path, lambda v: v[:-1])))
    refused(kind, body(changed(SAMPLES[kind], path, lambda v: [*v, None])))
    refused(kind, body(changed(SAMPLES[kind], path, lambda v: dict(enumerate(v)))))


@pytest.mark.parametrize("kind", SAMPLES)
def test_cut_short_and_trailing_bytes_are_refused(kind: type[Message]) -> None:
    data = body(SAMPLES[kind])
    for end in range(len(data)):
        refused(kind, data[:end])
    refused(kind, data + b"\xc0")
    refused(kind, data + data)


BOUNDS: list[tuple[type[Message], tuple[int, ...], int, int]] = [
    (Manifest, (1, 0, 0), 0, 4),
    (Manifest, (1, 0, 2), 0, MAX_SIZE),
    (OfferEnd, (1,), 0, MAX_ENTRIES),
    (OfferEnd, (2,), 0, MAX_SIZE),
    (Accept, (1, 0, 0), 0, MAX_ENTRIES - 1),
    (Accept, (1, 0, 1), 1, MAX_ENTRIES),
    (Accept, (2, 0), 0, 255),
    (Accept, (3,), 1, 16),
    (Accept, (4, 0, 0), 0, MAX_ENTRIES - 1),
    (Accept, (4, 0, 1), 0, MAX_SIZE),
    (Digests, (1,), 0, MAX_ENTRIES - 1),
    (Digests, (2,), 0, MAX_SIZE >> 22),
    (Want, (1, 0, 0), 0, MAX_ENTRIES - 1),
    (Want, (1, 0, 1), 0, MAX_SIZE),
    (Want, (1, 0, 2), 0, MAX_SIZE),
    (PiecesEnd, (1,), 0, MAX_ENTRIES),
    (PiecesEnd, (2,), 0, MAX_SIZE),
    (PiecesEnd, (3, 0, 0), 0, MAX_ENTRIES - 1),
    (PiecesEnd, (3, 0, 1), 0, MAX_SIZE),
    (Receipt, (1,), 0, MAX_ENTRIES),
    (Receipt, (2,), 0, MAX_SIZE),
]


@pytest.mark.parametrize(("kind", "path", "low", "high"), BOUNDS)
def test_numbers_have_both_their_bounds(
    kind: type[Message], path: tuple[int, ...], low: int, high: int
) -> None:
    for number in (low, high):
        if kind is not Manifest or path[-1] != 0:
            messages.decode(kind.type, body(changed(SAMPLES[kind], path, put(number))))
    for number in (low - 1, high + 1):
        refused(kind, body(changed(SAMPLES[kind], path, put(number))))


@pytest.mark.parametrize(("field", "most"), [(0, 32), (1, 1000)])
def test_a_problem_is_short(field: int, most: int) -> None:
    messages.decode(Problem.type, body(changed(["a", "b"], (field,), put("é" * most))))
    refused(Problem, body(changed(["a", "b"], (field,), put("é" * (most + 1)))))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("size", [None, 0, 1])
def test_an_entrys_size_is_that_of_its_kind(kind: Kind, size: int | None) -> None:
    allowed = {Kind.STREAM: (None,), Kind.DIRECTORY: (0,), Kind.SYMLINK: (0,)}
    data = body([None, [[kind, "a", size, {}]]])
    if size in allowed.get(kind, (0, 1)):
        messages.decode(Manifest.type, data)
        Entry(kind, "a", size, {})
    else:
        assert "size" in refused(Manifest, data)
        with pytest.raises(ValueError, match="size"):
            Entry(kind, "a", size, {})


@pytest.mark.parametrize("value", [1.5, [], [1], {}, {"a": 1}, msgspec.msgpack.Ext(5, b"")])
def test_meta_holds_plain_values_alone(value: Any) -> None:
    assert "meta" in refused(Manifest, body([None, [[0, "a", 0, {"mode": value}]]]))
    assert "path" in refused(Manifest, body([None, [[0, value, 0, {}]]]))


def test_a_name_that_says_utf8_must_be_utf8() -> None:
    refused(Manifest, bytes.fromhex("92 c0 91 94 00 a1ff 00 80"))
    with pytest.raises(ValueError, match="surrogates"):
        messages.encode(Manifest(None, (Entry(Kind.FILE, "\udcff", 0, {}),)))


# ---- heads and lengths


@given(kind=st.integers(0, 255), length=st.integers(0, (1 << 32) - 1))
@example(kind=7, length=13)
@example(kind=7, length=12)
@example(kind=7, length=13 + (1 << 20))
@example(kind=7, length=14 + (1 << 20))
@example(kind=1, length=1 << 16)
@example(kind=1, length=(1 << 16) + 1)
@example(kind=0x81, length=1 << 20)
@example(kind=0xFF, length=(1 << 20) + 1)
@example(kind=0, length=0)
@example(kind=0x0D, length=0)
def test_heads_are_judged_before_anything_is_read(kind: int, length: int) -> None:
    if kind == 7:
        good = 14 <= length <= 13 + (1 << 20)  # a piece without bytes is none
    elif 1 <= kind <= 12:
        good = length <= 1 << 16
    else:
        good = kind >= 0x80 and length <= 1 << 20
    if good:
        messages.check_head(kind, length)
        return
    with pytest.raises(RemoteProtocolError) as caught:
        messages.check_head(kind, length)
    assert caught.value.party is Party.PEER


def test_a_control_message_has_a_greatest_length() -> None:
    def manifest(length: int) -> Manifest:
        return Manifest(None, (Entry(Kind.FILE, "n" * length, 0, {}),))

    room = MAX_CONTROL - (len(messages.encode(manifest(60_000))) - HEAD.size - 60_000)
    data = messages.encode(manifest(room))
    assert len(data) == HEAD.size + MAX_CONTROL
    assert messages.decode(Manifest.type, data[HEAD.size :]) == manifest(room)
    with pytest.raises(ValueError, match="too long"):
        messages.encode(manifest(room + 1))


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_claimed_length_takes_no_memory(kind: type[Message]) -> None:
    claims = [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"]
    claims += [b"\xdb\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01", b"\xdd\x00\xff\xff\xff"]
    sample = body(SAMPLES[kind])
    tracemalloc.start()
    try:
        for claim in claims:
            for at in range(len(sample)):
                with contextlib.suppress(RemoteProtocolError):
                    messages.decode(kind.type, sample[:at] + claim)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("head", [b"\x91", b"\x81\xa0", b"\xdc\xff\xff"])
def test_deep_nesting_is_refused(head: bytes) -> None:
    nested = (head * MAX_CONTROL)[: MAX_CONTROL - 200]
    refused(Manifest, b"\x92\xc0\x91\x94\x00" + nested)
    refused(Manifest, b"\x92\xc0\x91\x94\x00\xa0\x00\x81\xa0" + nested)
    refused(Decline, nested)


@given(number=st.sampled_from(sorted(CONTROL)), data=st.binary(max_size=60))
def test_any_bytes_give_a_message_or_a_typed_error(number: int, data: bytes) -> None:
    for head in (b"", body(SAMPLES[CONTROL[number]])[:20], b"\x92\xc0\x91\x94\x00"):
        try:
            message = messages.decode(number, head + data)
        except RemoteProtocolError as error:
            assert str(error).isprintable()  # noqa: PT017
        else:
            assert type(message) is CONTROL[number]


@given(message=ANY, at=st.integers(0, 1 << 16), value=st.integers(0, 255))
def test_a_changed_byte_gives_a_message_or_a_typed_error(
    message: Message, at: int, value: int
) -> None:
    data = bytearray(messages.encode(message)[HEAD.size :])
    data[at % len(data)] = value
    try:
        again = messages.decode(message.type, bytes(data))
    except RemoteProtocolError:
        return
    assert messages.decode(again.type, messages.encode(again)[HEAD.size :]) == again


@given(number=st.integers(0, 255))
def test_codecs(number: int) -> None:
    if number in (0, 1, 2):
        assert messages.codec_of(number) == Codec(number)
        return
    with pytest.raises(RemoteProtocolError, match=f"unknown codec {number}"):
        messages.codec_of(number)


def test_heads_on_the_wire() -> None:
    assert HEAD.pack(7, 0x01020304) == bytes.fromhex("07 01020304")
    piece = messages.PIECE_HEAD.pack(1, 2, 3)
    assert piece == struct.pack(">I", 1) + struct.pack(">Q", 2) + b"\x03"
    assert messages.ZERO_COUNT.pack(9) == (9).to_bytes(8, "big")
