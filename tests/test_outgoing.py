"""The sending side: what goes in at the source comes out at the sink, once."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from croc_core import messages, outgoing, selection
from croc_core.content import EMPTY, MAX_PIECE, MAX_SIZE, Entry, Kind
from croc_core.errors import LocalFileError, LocalProtocolError
from croc_core.incoming import End, Heard, Reader
from croc_core.messages import PLAIN_LENGTH, Manifest, OfferEnd, Size
from croc_core.outgoing import PIECE_OVERHEAD, RECORD, ManifestProducer, PieceProducer, Squeeze
from croc_core.seal import HEADER, MAX_PLAIN, TAG
from croc_core.selection import Share
from tests.memory_files import (
    Item,
    MemorySink,
    MemorySource,
    arrived_as,
    file,
    folder,
    stream,
)
from tests.record_help import close, pair, push, records, secured, selection_of, share_of, want
from tests.test_messages import entries
from tests.test_parser import inflate

SMALL = 9000
"""A record's file bytes in most of these tests, so that many records pass."""
TID = bytes(range(16))


def noise(seed: int, length: int) -> bytes:
    return hashlib.shake_256(b"%d" % seed).digest(length)


class Run:
    """One transfer of the chosen *items* from a source to a sink in memory."""

    def __init__(
        self,
        items: Sequence[Item],
        chosen: Sequence[int] | None = None,
        at_most: int = 1 << 20,
        record: int = SMALL,
    ) -> None:
        numbers = range(len(items)) if chosen is None else chosen
        self.source = MemorySource(items, at_most)
        self.sink = MemorySink(lambda number, _: number in set(numbers)).accept_all(items)
        sealer, opener = pair()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(outgoing, "RECORD", record)
            self.producer = PieceProducer(sealer, self.source, share_of(items, numbers))
        self.records = list(records(self.producer))
        reader = secured(opener)
        reader.allow_pieces(self.sink)
        data = b"".join(self.records) + sealer.record(b"", last=True)
        assert list(push(reader, data)) == []
        assert close(reader) == End(whole=True)
        sizes = [(size.entry, size.size) for size in self.producer.sizes]
        arrived = self.sink.finish(sizes)
        arrived_as(items, self.sink)
        total = sum(len(items[n].data) for n in numbers)
        assert self.producer.moved == reader.moved == arrived.bytes == total
        assert self.producer.passed == len([n for n in numbers if items[n].entry.kind not in EMPTY])
        assert reader.passed == max(0, len([n for n in numbers if items[n].data]) - 1)
        assert self.producer.entry == -1
        assert reader.entry == max((n for n in numbers if items[n].data), default=-1)
        assert arrived.entries == len(numbers)
        assert all(len(r) <= HEADER + PIECE_OVERHEAD + record + TAG for r in self.records)
        self.nothing_twice(numbers, items)

    def nothing_twice(self, numbers: Sequence[int], items: Sequence[Item]) -> None:
        """Each entry with bytes of its own is read forward, once, and checked at its end."""
        with_bytes = [n for n in numbers if items[n].entry.kind not in EMPTY]
        assert self.source.checked == with_bytes
        at = dict.fromkeys(with_bytes, 0)
        for entry, offset, count in self.source.reads:
            assert offset >= at[entry]
            at[entry] = offset + count


EDGES = [0, 1, 7, 8, 4095, 4096, 4097, SMALL - 1, SMALL, SMALL + 1, SMALL - 18, 2 * SMALL + 5]


@st.composite
def contents(draw: st.DrawFn) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """A file's bytes: stretches of noise, of zeros and of known holes."""
    data = b""
    holes = []
    for kind in draw(st.lists(st.sampled_from("nnzh"), max_size=4)):
        size = draw(st.sampled_from(EDGES) | st.integers(0, 12_000))
        if kind == "h" and size:
            holes.append((len(data), size))
        data += noise(len(data), size) if kind == "n" else bytes(size)
    return data, tuple(holes)


@st.composite
def trees(draw: st.DrawFn) -> list[Item]:
    items: list[Item] = []
    for kind in draw(st.lists(st.sampled_from("fffdls"), max_size=8)):
        name = f"{len(items)}"
        data, holes = draw(contents())
        if kind == "f":
            items.append(file(name, data, holes))
        elif kind == "d":
            items.append(folder(name))
        elif kind == "l":
            items.append(Item(Entry(Kind.SYMLINK, name, 0, {"target": "x"})))
        else:
            items.append(stream(name, data))
    return items


@settings(max_examples=150, deadline=None)
@given(items=trees(), at_most=st.sampled_from([1 << 20, 5000, 4096]), data=st.data())
def test_any_tree_arrives(items: list[Item], at_most: int, data: st.DataObject) -> None:
    chosen = [n for n in range(len(items)) if data.draw(st.integers(0, 3))]
    Run(items, chosen, at_most)


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("before", [0, 1, SMALL - 4096 - 18, SMALL - 26, SMALL])
def test_sizes_at_the_edges_of_a_record(size: int, before: int) -> None:
    for data in (noise(1, size), bytes(size)):
        for holes in ((), ((0, size),)) if not any(data) and size else ((),):
            Run([file("a", noise(2, before)), file("b", data, holes), file("c", b"end")])


@pytest.mark.parametrize("room", range(12))
@pytest.mark.parametrize("size", [1, 3, 8])
def test_a_small_hole_at_the_end_of_a_record(room: int, size: int) -> None:
    """A count of zeros takes 8 bytes even where it stands for fewer."""
    before = noise(1, SMALL - PIECE_OVERHEAD - room)
    run = Run([file("a", before), file("b", bytes(size), ((0, size),))])
    assert len(run.records) == (1 if room >= 8 else 2)


@pytest.mark.parametrize("size", [RECORD - 1, RECORD, RECORD + 1, 2 * RECORD])
@pytest.mark.parametrize("zeros", [False, True])
def test_records_of_the_real_size(size: int, zeros: bool) -> None:
    run = Run([file("a", bytes(size) if zeros else noise(3, size))], record=RECORD)
    assert len(run.records) == (1 if zeros else (size + RECORD - 1) // RECORD)
    assert RECORD <= MAX_PIECE
    assert PIECE_OVERHEAD + RECORD <= MAX_PLAIN


def test_a_large_piece_fills_its_record() -> None:
    run = Run([file("a", noise(1, 3 * SMALL))])
    assert [len(r) for r in run.records] == [HEADER + PIECE_OVERHEAD + SMALL + TAG] * 3


def test_it_says_which_entry_goes_now() -> None:
    items = [folder("d"), file("a", noise(1, 3 * RECORD)), file("b", noise(2, RECORD))]
    sealer, _ = pair()
    producer = PieceProducer(sealer, MemorySource(items), share_of(items, range(3)))
    seen = [producer.entry]
    while producer.fill() is not None:
        seen.append(producer.entry)
    assert list(dict.fromkeys(seen)) == [-1, 1, 2]
    assert producer.entry == -1


def test_small_pieces_share_a_record() -> None:
    run = Run([file(f"{n}", noise(n, 100)) for n in range(100)])
    per_record = SMALL // (100 + PIECE_OVERHEAD)
    assert len(run.records) == 100 // per_record + 1


def test_a_large_file_is_not_begun_in_little_room() -> None:
    for left, count in ((4095, 2), (4096, 1)):
        first = SMALL - PIECE_OVERHEAD - left
        run = Run([file("a", noise(1, first)), file("b", noise(2, 4096))])
        assert len(run.records) == count


def test_zeros_are_sent_as_their_number() -> None:
    run = Run([file("a", bytes(SMALL * 3))])
    assert [call[2] for call in run.sink.calls] == [SMALL, SMALL - 26, SMALL - 52, bytes(78)]
    assert len(run.records) == 1
    run = Run([file("a", bytes(1 << 22), ((0, 1 << 22),))])
    assert run.sink.calls == [(0, 0, 1 << 22)]
    assert run.source.reads == []


@pytest.mark.parametrize("place", [0, 1, 2000, 4094, 4095])
def test_one_byte_among_zeros_is_not_lost(place: int) -> None:
    data = bytearray(4096)
    data[place] = 1
    run = Run([file("a", bytes(data))])
    assert run.sink.calls == [(0, 0, bytes(data))]


def test_one_buffer_is_used_again() -> None:
    items = [file("a", noise(1, 4 * RECORD))]
    producer = PieceProducer(pair()[0], MemorySource(items), share_of(items))
    views = [producer.fill() for _ in range(4)]
    assert len({id(view.obj) for view in views if view is not None}) == 1
    assert producer.fill() is None


def test_nothing_to_send_makes_no_record() -> None:
    for items, chosen in (
        ([], []),
        ([file("a", b""), folder("b")], [0, 1]),
        ([file("a", b"x")], []),
    ):
        assert Run(items, chosen).records == []


# ---- a source that has trouble


@pytest.mark.parametrize("data", [b"", b"abc"])
def test_an_entry_that_changed_is_an_error(data: bytes) -> None:
    items = [file("a", data), file("b", b"rest")]
    source = MemorySource(items, changed=frozenset([0]))
    producer = PieceProducer(pair()[0], source, share_of(items))
    with pytest.raises(LocalFileError, match="changed"):
        producer.fill()
    assert source.checked == [0]


def test_a_source_that_ends_early_without_a_word() -> None:
    items = [file("a", b"abc")]
    share = share_of([file("a", b"abcd")])
    producer = PieceProducer(pair()[0], MemorySource(items), share)

    def no_hole(entry: int, offset: int, length: int) -> int:
        return 0

    producer._source.hole = no_hole  # type: ignore[method-assign]
    with pytest.raises(LocalProtocolError, match="early"):
        producer.fill()


# ---- several connections, and what only ranges of are wanted


class Reads(MemorySource):
    """As it is with several connections: reads may come behind a check."""

    def read_into(self, entry: int, offset: int, buffer: memoryview) -> int:
        data = self.items[entry].data[offset : offset + min(len(buffer), self.at_most)]
        buffer[: len(data)] = data
        self.reads.append((entry, offset, len(data)))
        return len(data)

    def check(self, entry: int) -> None:
        super().check(entry)
        self.reads.append((entry, -1, 0))


def send_all(
    source: MemorySource, share: Share, order: Iterator[int], sink: MemorySink, count: int
) -> list[PieceProducer]:
    """Send *share* over *count* connections, a record at a time in that order."""
    ends = [pair(name=f"{n}") for n in range(count)]
    producers = [PieceProducer(sealer, source, share) for sealer, _ in ends]
    readers = [Reader(further=True) for _ in ends]
    for reader, (_, opener) in zip(readers, ends, strict=True):
        reader.secure(opener)
        reader.allow_pieces(sink)
    live = set(range(count))
    while live:
        n = next(order, 0) % count
        n = n if n in live else min(live)
        view = producers[n].fill()
        last = view is None
        data = ends[n][0].record(b"", last=True) if view is None else bytes(view)
        assert list(push(readers[n], data)) == []
        if last:
            live.discard(n)
            assert close(readers[n]) == End(whole=True)
    for producer, reader in zip(producers, readers, strict=True):
        assert producer.moved == reader.moved
    return producers


def checked_behind_their_reads(source: MemorySource) -> None:
    """The last that happens to each entry is a check."""
    final = {entry: offset for entry, offset, _ in source.reads}
    assert set(final.values()) <= {-1}


@settings(max_examples=150, deadline=None)
@given(
    items=trees(),
    count=st.integers(1, 4),
    order=st.lists(st.integers(0, 3), max_size=100),
    slab=st.sampled_from([3000, 20_000]),
)
def test_any_tree_arrives_over_any_number_of_connections(
    items: list[Item], count: int, order: list[int], slab: int
) -> None:
    source = Reads(items, 5000)
    sink = MemorySink().accept_all(items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outgoing, "RECORD", SMALL)
        patch.setattr(selection, "LEAST_SLAB", slab)
        patch.setattr(selection, "FILE_COST", 500)
        share = share_of(items, several=True)
        producers = send_all(source, share, iter(order), sink, count)
    sizes = sorted((size.entry, size.size) for p in producers for size in p.sizes)
    arrived = sink.finish(sizes)
    arrived_as(items, sink)
    assert sum(p.moved for p in producers) == arrived.bytes
    with_bytes = [n for n, item in enumerate(items) if item.entry.kind not in EMPTY]
    assert sum(p.passed for p in producers) == len(with_bytes)
    assert set(source.checked) == set(with_bytes)
    checked_behind_their_reads(source)


@settings(max_examples=150, deadline=None)
@given(items=trees(), data=st.data(), count=st.integers(1, 3))
def test_just_the_wanted_ranges_are_sent(
    items: list[Item], data: st.DataObject, count: int
) -> None:
    ranges = []
    for number, item in enumerate(items):
        size = len(item.data)
        if item.entry.kind is Kind.STREAM and data.draw(st.booleans()):
            start = data.draw(st.integers(0, size))
            ranges.append((number, start, MAX_SIZE - start))
        elif item.entry.kind is Kind.FILE and size:
            cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=6, unique=True)))
            ranges += [(number, a, b - a) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    chosen = selection_of(items)
    chosen.narrow(want(*ranges))
    source = Reads(items)
    sink = MemorySink(stream_limit=MAX_SIZE).accept_all(items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outgoing, "RECORD", SMALL)
        patch.setattr(selection, "LEAST_SLAB", 3000)
        share = chosen.share(several=count > 1)
        producers = send_all(source, share, iter(()), sink, count)
    came = sorted(
        (entry, offset, what if isinstance(what, int) else len(what))
        for entry, offset, what in sink.calls
    )
    joined: list[tuple[int, int, int]] = []
    for entry, offset, length in came:
        if joined and joined[-1][0] == entry and sum(joined[-1][1:]) == offset:
            joined[-1] = (entry, joined[-1][1], joined[-1][2] + length)
        else:
            joined.append((entry, offset, length))
    assert joined == [
        (n, start, min(length, len(items[n].data) - start))
        for n, start, length in ranges
        if start < len(items[n].data)
    ]
    for entry, offset, what in sink.calls:
        piece = bytes(what) if isinstance(what, int) else what
        assert items[entry].data[offset : offset + len(piece)] == piece
    assert sum(p.moved for p in producers) == sum(length for _, _, length in joined)
    assert sum(p.passed for p in producers) == len({n for n, _, _ in ranges})
    wanted_streams = [n for n, _, _ in ranges if items[n].entry.kind is Kind.STREAM]
    sizes = sorted((size.entry, size.size) for p in producers for size in p.sizes)
    assert sizes == [(n, len(items[n].data)) for n in wanted_streams]
    assert set(source.checked) == {n for n, _, _ in ranges}
    checked_behind_their_reads(source)


def test_a_file_in_many_slabs_is_checked_once_a_producer() -> None:
    items = [file("a", noise(1, 10 * SMALL)), file("b", b"x")]
    source = Reads(items)
    sink = MemorySink().accept_all(items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outgoing, "RECORD", SMALL)
        patch.setattr(selection, "LEAST_SLAB", SMALL)
        share = share_of(items, several=True)
        send_all(source, share, iter([0, 1] * 20), sink, 2)
    assert sorted(source.checked) == [0, 0, 1]


# ---- compression


def zlibbed(data: memoryview) -> bytes | None:
    return zlib.compress(data)


class Squeezes:
    """Transfers *items* with zlib in the place of Zstandard."""

    def __init__(
        self, items: Sequence[Item], squeeze: Squeeze, record: int = SMALL, smallest: int = 500
    ) -> None:
        sealer, opener = pair()
        self.sink = MemorySink().accept_all(items)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(outgoing, "RECORD", record)
            patch.setattr(outgoing, "_SMALLEST_SQUEEZED", smallest)
            source = MemorySource(items)
            self.producer = PieceProducer(sealer, source, share_of(items), squeeze)
        self.records = list(records(self.producer))
        reader = secured(opener)
        reader.allow_pieces(self.sink, inflate)
        assert list(push(reader, b"".join(self.records))) == []
        self.sink.finish([(size.entry, size.size) for size in self.producer.sizes])
        arrived_as(items, self.sink)
        assert self.producer.moved == reader.moved == sum(len(item.data) for item in items)
        assert all(len(r) <= HEADER + PIECE_OVERHEAD + record + TAG for r in self.records)


@settings(max_examples=100, deadline=None)
@given(items=trees(), text=st.lists(st.integers(1, 30_000), max_size=3), data=st.data())
def test_any_tree_arrives_compressed(
    items: list[Item], text: list[int], data: st.DataObject
) -> None:
    texts = (b"".join(b"%d," % n for n in range(length))[:length] for length in text)
    items += [file("text", made) for made in texts]
    choices = data.draw(st.lists(st.sampled_from([True, False]), max_size=30))
    turns = iter(choices)

    def some(piece: memoryview) -> bytes | None:
        return zlib.compress(piece) if next(turns, True) else None

    Squeezes(items, some)


@pytest.mark.parametrize(("longer", "codec"), [(-5, 1), (-4, 0), (0, 0), (1, 0), (100, 0)])
def test_only_what_gets_smaller_is_sent_compressed(longer: int, codec: int) -> None:
    """With the length of the plain bytes counted."""
    items = [file("a", noise(1, 1000))]
    frame = bytes(1000 + longer)
    producer = PieceProducer(pair()[0], MemorySource(items), share_of(items), lambda _: frame)
    view = producer.fill()
    assert view is not None
    plain = pair()[1].open(bytes(view[:HEADER]), memoryview(bytearray(view[HEADER:])))
    assert plain[PIECE_OVERHEAD - 1] == codec
    body = bytes(plain[PIECE_OVERHEAD:])
    assert body == (PLAIN_LENGTH.pack(1000) + frame if codec else items[0].data)


def test_compressed_pieces_share_a_record_down_to_a_size() -> None:
    data = b"0123456789" * 100_000
    run = Squeezes([file("a", data)], zlibbed, smallest=4000)
    assert len(run.records) < len(data) / SMALL / 1.5
    lengths = [len(what) for _, _, what in run.sink.calls if isinstance(what, bytes)]
    assert min(lengths[:-1]) >= 4000
    one = Squeezes([file("a", data)], zlibbed, smallest=SMALL + 1)
    # What is left at the end of the file still has room.
    assert len(one.records) == len(data) // SMALL


def test_zeros_are_never_compressed() -> None:
    def refuse(data: memoryview) -> bytes | None:
        raise AssertionError("asked")

    items = [file("a", bytes(SMALL + 4096)), file("b", bytes(9000), ((0, 9000),))]
    assert len(Squeezes(items, refuse, smallest=4096).records) == 1


# ---- streams


@pytest.mark.parametrize("length", [0, 1, SMALL, 3 * SMALL + 1])
def test_streams_arrive_and_tell_their_size(length: int) -> None:
    items = [file("a", b"first"), stream("b", noise(1, length)), file("c", b"end")]
    run = Run(items)
    assert run.producer.sizes == [Size(1, length)]


def test_a_stream_goes_out_as_it_comes() -> None:
    """What is at hand is sent before a read that may have to wait."""
    items = [file("a", b"first"), stream("b", b"0123456789"), file("c", b"end")]
    run = Run(items, at_most=4)
    assert run.sink.calls == [
        (0, 0, b"firs"),
        (0, 4, b"t"),
        (1, 0, b"0123"),
        (1, 4, b"4567"),
        (1, 8, b"89"),
        (2, 0, b"end"),
    ]
    assert len(run.records) == 5
    assert run.source.reads[-2] == (1, 10, 0)


def test_a_stream_of_zeros_is_short() -> None:
    run = Run([stream("a", bytes(4 * SMALL))])
    assert sum(map(len, run.records)) < 400


# ---- the offer


def offer(items: Sequence[Item]) -> tuple[ManifestProducer, list[messages.Message]]:
    sealer, opener = pair()
    producer = ManifestProducer(sealer, MemorySource(items), TID)
    reader = secured(opener)
    found: list[messages.Message] = []
    for record in records(producer):
        assert len(record) <= HEADER + messages.HEAD.size + messages.MAX_CONTROL + TAG
        for unit in push(reader, record):
            assert isinstance(unit, Heard)
            found.append(unit.message)
    return producer, found


def as_item(entry: Entry) -> Item:
    return Item(Entry(entry.kind, entry.path, None if entry.kind is Kind.STREAM else 0, entry.meta))


@settings(max_examples=50, deadline=None)
@given(offered=st.lists(entries(), max_size=10), often=st.integers(1, 60))
def test_an_offer_is_every_entry_and_its_end(offered: list[Entry], often: int) -> None:
    items = [as_item(entry) for entry in offered] * often
    producer, found = offer(items)
    *manifests, end = found
    got = [entry for m in manifests if isinstance(m, Manifest) for entry in m.entries]
    assert got == [item.entry for item in items]
    assert [m.tid for m in manifests if isinstance(m, Manifest)] == [TID] + [None] * (
        len(manifests) - 1
    )
    streams = any(item.entry.kind is Kind.STREAM for item in items)
    assert end == OfferEnd(TID, len(items), None if streams else 0)
    totals = producer.outline.totals()
    assert (totals.entries, totals.bytes) == (len(items), None if streams else 0)
    assert totals.files == sum(item.entry.kind is not Kind.DIRECTORY for item in items)


@pytest.mark.parametrize("name", ["n" * 4000, "\u20ac" * 4000, "n" * 15_000])
@pytest.mark.parametrize("often", [1, 2, 40])
def test_long_names_make_more_messages_not_longer_ones(name: str, often: int) -> None:
    entry = Entry(Kind.SYMLINK, name, 0, {"target": name, "mtime": (1 << 63) - 1})
    _, found = offer([as_item(entry)] * often)
    assert sum(len(m.entries) for m in found if isinstance(m, Manifest)) == often


def test_messages_of_an_offer_are_about_32_kib() -> None:
    _, found = offer([file(f"{n:060}", b"") for n in range(5000)])
    sizes = [len(messages.encode(m)) for m in found[:-2]]
    assert all(5_000 < size <= outgoing.MANIFEST_BYTES + 100 for size in sizes)


def test_the_walk_goes_no_further_than_the_message_needs() -> None:
    walked = 0

    class Endless(MemorySource):
        def walk(self) -> Iterator[Entry]:
            nonlocal walked
            while True:
                walked += 1
                yield Entry(Kind.FILE, "a" * 100, 1, {})

    producer = ManifestProducer(pair()[0], Endless([]), TID)
    assert walked == 0
    producer.fill()
    first = walked
    assert first < 100
    producer.fill()
    assert walked <= 2 * first
