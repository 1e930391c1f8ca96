"""Digests of what is held, and wants: beside their plain definitions."""

from __future__ import annotations

import hashlib
import json
import pathlib
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from croc_core import outgoing, resume
from croc_core.content import MAX_SIZE, Sink, Stretch
from croc_core.errors import LocalFileError, LocalProtocolError
from croc_core.incoming import Heard
from croc_core.messages import HEAD, MAX_CONTROL, Digests, Message, Want
from croc_core.outgoing import DIGESTS, RANGES, DigestProducer, WantProducer
from croc_core.seal import HEADER, TAG
from tests.memory_files import Item, MemorySource, file
from tests.record_help import Producer, pair, push, records, secured

VECTORS = pathlib.Path(__file__).parent.parent / "docs" / "vectors.json"
TID = bytes(range(16))
KEY = bytes(range(32))
BLOCK = 64
"""The length of a block in most of these tests."""


def noise(seed: int, length: int) -> bytes:
    return hashlib.shake_256(b"%d" % seed).digest(length)


def digest(block: bytes) -> bytes:
    return hashlib.blake2b(block, key=KEY, digest_size=32).digest()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


def shrink(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resume, "BLOCK", BLOCK)
    patch.setattr(outgoing, "BLOCK", BLOCK)
    patch.setattr(outgoing, "_READ", 10)
    patch.setattr(outgoing, "_ZEROS", bytes(9))


def heard(producer: Producer) -> tuple[list[Message], list[bytes]]:
    """What the producer says, and its records; the producer makes them with `pair`'s keys."""
    reader = secured(pair()[1])
    found: list[Message] = []
    made = list(records(producer))
    for record in made:
        for unit in push(reader, record):
            assert isinstance(unit, Heard)
            found.append(unit.message)
    return found, made


def digests_of(items: Sequence[Item], held: list[tuple[int, int]], at_most: int = 1 << 20) -> None:
    source = MemorySource(items, at_most)
    producer = DigestProducer(pair()[0], source, TID, iter(held), KEY)
    found, made = heard(producer)
    got: dict[int, list[bytes]] = {}
    entries = []
    for message in found:
        assert isinstance(message, Digests)
        assert message.tid == TID
        assert 1 <= len(message.digests) <= DIGESTS
        entries.append(message.entry)
        own = got.setdefault(message.entry, [])
        assert message.block == len(own)
        own += message.digests
    assert entries == sorted(entries)
    for entry, length in held:
        data = items[entry].data[:length]
        blocks = [data[at : at + BLOCK] for at in range(0, length, BLOCK)]
        assert got.pop(entry, []) == [digest(block) for block in blocks]
    assert not got
    assert producer.moved == sum(length for _, length in held)
    assert source.checked == [entry for entry, _ in held]
    for entry, offset, count in source.reads:
        assert offset + count <= dict(held)[entry]
        assert count <= 10
    assert all(len(record) <= HEADER + HEAD.size + MAX_CONTROL + TAG for record in made)


@st.composite
def files(draw: st.DrawFn) -> list[Item]:
    items = []
    for n in range(draw(st.integers(0, 5))):
        data = b""
        holes = []
        for kind in draw(st.lists(st.sampled_from("nzh"), max_size=4)):
            size = draw(st.sampled_from([1, 9, 10, 63, 64, 65, 128]) | st.integers(1, 200))
            if kind == "h":
                holes.append((len(data), size))
            data += noise(len(data), size) if kind == "n" else bytes(size)
        items.append(file(f"{n}", data, tuple(holes)))
    return items


@settings(max_examples=150, deadline=None)
@given(items=files(), at_most=st.sampled_from([1 << 20, 7]), data=st.data())
def test_digests_of_any_held_ranges(items: list[Item], at_most: int, data: st.DataObject) -> None:
    numbers = [n for n in range(len(items)) if data.draw(st.booleans())]
    held = [(n, data.draw(st.integers(0, len(items[n].data)))) for n in numbers]
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        digests_of(items, held, at_most)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("count", [1, DIGESTS - 1, DIGESTS, DIGESTS + 1, 3 * DIGESTS])
@pytest.mark.parametrize("rest", [-1, 0, 1])
def test_many_blocks(count: int, rest: int) -> None:
    length = count * BLOCK + rest
    digests_of([file("a", noise(1, length + 5))], [(0, length)])


@pytest.mark.usefixtures("small")
def test_a_record_stands_for_a_bounded_stretch_of_disk() -> None:
    """Each one is a sign of life; what one stands for is read between two of them."""
    stretch = BLOCK * DIGESTS
    items = [file(f"{n}", noise(n, length)) for n, length in enumerate([10 * stretch, 5, 5, 900])]
    producer = DigestProducer(
        pair()[0], MemorySource(items), TID, [(n, len(i.data)) for n, i in enumerate(items)], KEY
    )
    before = 0
    count = 0
    while producer.fill() is not None:
        assert 0 < producer.moved - before < 2 * stretch
        before = producer.moved
        count += 1
    assert count == 11


@pytest.mark.usefixtures("small")
def test_small_files_share_a_record() -> None:
    items = [file(f"{n}", b"x") for n in range(100)]
    held = [(n, 1) for n in range(100)]
    producer = DigestProducer(pair()[0], MemorySource(items), TID, held, KEY)
    assert len(heard(producer)[1]) == 1


def test_records_of_digests_are_about_32_kib(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)
    monkeypatch.setattr(outgoing, "DIGESTS", 100)
    items = [file(f"{n}", b"x") for n in range(3000)]
    held = [(n, 1) for n in range(3000)]
    digests = DigestProducer(pair()[0], MemorySource(items), TID, held, KEY)
    sizes = [len(record) for record in heard(digests)[1]]
    assert len(sizes) > 3
    assert all(
        outgoing.MANIFEST_BYTES < size < outgoing.MANIFEST_BYTES + 200 for size in sizes[:-1]
    )


def test_a_hole_is_digested_but_not_read() -> None:
    """Blocks of the real length; those that are nothing but a hole are digested once."""
    length = 3 * resume.BLOCK + 5
    items = [file("a", bytes(length), ((0, length),))]
    source = MemorySource(items)
    found, _ = heard(DigestProducer(pair()[0], source, TID, [(0, length)], KEY))
    assert found == [Digests(TID, 0, 0, (*[digest(bytes(resume.BLOCK))] * 3, digest(bytes(5))))]
    assert source.reads == []


def test_digests_take_little_memory() -> None:
    items = [file("a", noise(1, 5 * resume.BLOCK))]
    source = MemorySource(items, 1 << 14)
    held = [(0, 5 * resume.BLOCK)]
    producer = DigestProducer(pair()[0], source, TID, held, KEY)
    source.reads.clear()
    tracemalloc.start()
    try:
        assert len(heard(producer)[0]) == 1
        assert tracemalloc.get_traced_memory()[1] < 1 << 21
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("small")
def test_a_file_that_changed_has_no_digests() -> None:
    items = [file("a", noise(1, 500))]
    source = MemorySource(items, changed=frozenset([0]))
    producer = DigestProducer(pair()[0], source, TID, [(0, 500)], KEY)
    with pytest.raises(LocalFileError, match="changed"):
        producer.fill()


@pytest.mark.usefixtures("small")
def test_a_source_that_ends_early_without_a_word() -> None:
    class Short(MemorySource):
        def hole(self, entry: int, offset: int, length: int) -> int:
            return 0

    source = Short([file("a", b"abc")])
    producer = DigestProducer(pair()[0], source, TID, [(0, 4)], KEY)
    with pytest.raises(LocalProtocolError, match="early"):
        producer.fill()


@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_a_digest_in_parts_is_the_digest(data: bytes, cut: int) -> None:
    state = resume.begin(KEY)
    state.update(data[:cut])
    state.update(data[cut:])
    assert state.digest() == resume.digest(KEY, memoryview(data)) == digest(data)


@pytest.mark.parametrize(
    ("length", "count"),
    [(0, 0), (1, 1), (4 << 20, 1), ((4 << 20) + 1, 2), (MAX_SIZE, (MAX_SIZE >> 22) + 1)],
)
def test_how_many_blocks(length: int, count: int) -> None:
    assert resume.blocks(length) == count


@pytest.mark.parametrize("case", json.loads(VECTORS.read_text("ascii"))["resume"]["valid"])
@pytest.mark.parametrize("hole", [False, True])
def test_the_vectors_as_a_sender_makes_them(case: dict[str, Any], hole: bool) -> None:
    data = bytes([case["byte"]]) * case["length"]
    items = [file("a", data, ((0, len(data)),) if hole and not case["byte"] else ())]
    key, wanted = bytes.fromhex(case["key"]), bytes.fromhex(case["digest"])
    producer = DigestProducer(pair()[0], MemorySource(items), TID, [(0, len(data))], key)
    assert heard(producer)[0] == [Digests(TID, 0, 0, (wanted,))]
    assert resume.digest(key, data) == wanted


# ---- wants


class Lacking:
    """A sink that lacks what it is told to."""

    def __init__(self, stretches: Sequence[Stretch], trouble: bool = False) -> None:
        self._stretches = stretches
        self._trouble = trouble
        self.asked = 0

    def lacking(self) -> Iterator[Stretch]:
        self.asked += 1
        yield from self._stretches
        if self._trouble:
            raise LocalFileError("The disk is gone.", "Look for it.")


def wants(sink: Lacking) -> WantProducer:
    as_sink: Sink = sink  # type: ignore[assignment]
    return WantProducer(pair()[0], as_sink, TID)


@settings(deadline=None)
@given(
    stretches=st.lists(
        st.builds(
            Stretch,
            st.integers(0, (1 << 31) - 1),
            st.integers(0, MAX_SIZE),
            st.integers(0, MAX_SIZE),
        ),
        max_size=4,
    ),
    often=st.sampled_from([1, RANGES // 4, RANGES // 4 + 1, RANGES]),
)
def test_a_want_is_all_that_is_lacking(stretches: list[Stretch], often: int) -> None:
    sink = Lacking(stretches * often)
    producer = wants(sink)
    assert sink.asked == 0
    found, made = heard(producer)
    assert sink.asked == 1
    got = []
    for message in found:
        assert isinstance(message, Want)
        assert message.tid == TID
        assert message.more == (message is not found[-1])
        got += [(r.entry, r.offset, r.length) for r in message.ranges]
    assert got == stretches * often
    assert len(found) == max(1, -(-len(got) // RANGES))
    assert producer.wanted == sum(length for _, _, length in got)
    assert all(len(record) <= HEADER + HEAD.size + MAX_CONTROL + TAG for record in made)


def test_nothing_that_is_lacking_is_said_too() -> None:
    assert heard(wants(Lacking([])))[0] == [Want(TID, (), False)]


def test_the_longest_want_is_not_too_long() -> None:
    stretch = Stretch((1 << 31) - 1, MAX_SIZE, MAX_SIZE)
    found, _ = heard(wants(Lacking([stretch] * (RANGES + 1))))
    assert [len(m.ranges) for m in found if isinstance(m, Want)] == [RANGES, 1]


def test_trouble_of_the_sink_comes_through() -> None:
    with pytest.raises(LocalFileError, match="disk"):
        wants(Lacking([Stretch(0, 0, 5)], trouble=True)).fill()
