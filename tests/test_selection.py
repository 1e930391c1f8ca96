"""What is wanted, beside a model of plain lists, and slabs that many share."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from croc_core import selection as module
from croc_core.content import EMPTY, MAX_SIZE, Entry, Kind, Span, Totals
from croc_core.errors import Party, RemoteProtocolError
from croc_core.messages import Accept, Held
from croc_core.selection import LEAST_SLAB, SLAB, Outline, Part, Selection, Share, _Wanted
from tests.memory_files import Item, file, folder, stream
from tests.record_help import accept, outline_of, selection_of, share_of, want
from tests.test_messages import entries

TID = bytes(16)
T = TypeVar("T")


def outline(offered: list[Entry]) -> Outline:
    made = Outline()
    for entry in offered:
        made.add(entry)
    return made


def sized(*sizes: int | None) -> Outline:
    """An outline of files of those sizes, streams for None."""
    return outline([Entry(Kind.STREAM if n is None else Kind.FILE, "a", n, {}) for n in sizes])


def whole(count: int, made: Outline) -> Selection:
    selection = Selection(made)
    selection.choose(accept(range(count)))
    return selection


def all_of(take: Callable[[T], None], parts: list[T]) -> None:
    for part in parts:
        take(part)


# ---- the offer and the choice


@given(offered=st.lists(entries(), max_size=30), data=st.data())
def test_totals_beside_a_model(offered: list[Entry], data: st.DataObject) -> None:
    made = outline(offered)
    first = data.draw(st.integers(0, len(offered)))
    end = data.draw(st.integers(first, len(offered)))
    for chosen, got in ((offered, made.totals()), (offered[first:end], made.part(first, end))):
        sizes = [entry.size for entry in chosen]
        known = [size for size in sizes if size is not None]
        total = sum(known) if len(known) == len(sizes) else None
        files = sum(entry.kind is not Kind.DIRECTORY for entry in chosen)
        assert got == Totals(len(chosen), files, total)


def test_an_outline_takes_9_bytes_an_entry() -> None:
    made = outline_of([file("a", b"")] * 10)
    assert made.sizes.itemsize == 8
    assert len(made.kinds) == 10
    made.add(Entry(Kind.FILE, "b", MAX_SIZE, {}))
    assert made.totals().bytes == MAX_SIZE


@given(
    sizes=st.lists(st.none() | st.integers(0, 9), max_size=12),
    spans=st.lists(st.builds(Span, st.integers(0, 12), st.integers(1, 5)), max_size=5),
)
@example(sizes=[1, 2, 3], spans=[Span(0, 1), Span(1, 2)])
@example(sizes=[1, 2, 3], spans=[Span(0, 2), Span(1, 1)])
@example(sizes=[1, 2, 3], spans=[Span(0, 4)])
@example(sizes=[1, 2, 3], spans=[Span(1, 1), Span(0, 1)])
def test_a_selection_is_an_ascending_part_of_the_offer(
    sizes: list[int | None], spans: list[Span]
) -> None:
    selection = Selection(sized(*sizes))
    numbers: list[int] = []
    for span in spans:
        more = list(range(span.first, span.first + span.count))
        if more[-1] >= len(sizes) or (numbers and more[0] <= numbers[-1]):
            with pytest.raises(RemoteProtocolError) as caught:
                selection.choose(Accept(TID, (span,), (), 1, (), True))
            assert caught.value.party is Party.PEER
            break
        selection.choose(Accept(TID, (span,), (), 1, (), True))
        numbers += more
    assert [part[0] for part in selection.share().draw()] == numbers
    known = sum(sizes[n] or 0 for n in numbers)
    assert selection.totals == Totals(len(numbers), len(numbers), known)
    streams = any(sizes[n] is None for n in numbers)
    assert selection.wanted == selection.totals._replace(bytes=None if streams else known)
    for n in range(len(sizes)):
        assert (n in selection._chosen) == (n in numbers)


def test_the_codecs_are_those_of_every_part() -> None:
    selection = Selection(sized(1, 1, 1))
    selection.choose(Accept(TID, (), (0, 1), 1, (), True))
    selection.choose(Accept(TID, (Span(0, 1),), (1, 0), 1, (), True))
    assert selection.codecs == {0, 1}
    with pytest.raises(RemoteProtocolError, match="other codecs"):
        selection.choose(Accept(TID, (Span(1, 1),), (1,), 1, (), False))


# ---- what is held


@given(
    sizes=st.lists(st.none() | st.integers(0, 9), min_size=1, max_size=6),
    chosen=st.sets(st.integers(0, 5)),
    pairs=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 10)), max_size=4),
    cut=st.integers(0, 4),
)
@example(sizes=[5], chosen={0}, pairs=[(0, 5)], cut=0)
@example(sizes=[5], chosen={0}, pairs=[(0, 6)], cut=0)
@example(sizes=[5], chosen=set(), pairs=[(0, 5)], cut=0)
@example(sizes=[None], chosen={0}, pairs=[(0, 0)], cut=0)
@example(sizes=[5, 5], chosen={0, 1}, pairs=[(0, 5), (0, 5)], cut=1)
@example(sizes=[5, 5], chosen={0, 1}, pairs=[(1, 5), (0, 5)], cut=1)
def test_what_is_held_is_of_the_choice(
    sizes: list[int | None], chosen: set[int], pairs: list[tuple[int, int]], cut: int
) -> None:
    numbers = sorted(n for n in chosen if n < len(sizes))
    spans = tuple(Span(n, 1) for n in numbers)
    held = [Held(*pair) for pair in pairs]
    right = [n for n, _ in pairs] == sorted({n for n, _ in pairs})
    for n, length in pairs:
        size = sizes[n] if n in numbers else None
        right = right and size is not None and length <= size
    selection = Selection(sized(*sizes))
    parts = [
        Accept(TID, spans[:cut], (), 1, tuple(held[:2]), True),
        Accept(TID, spans[cut:], (), 1, tuple(held[2:]), False),
    ]
    if right:
        for part in parts:
            selection.choose(part)
        assert list(selection.held) == pairs
        assert list(selection.held) == pairs
        return
    with pytest.raises(RemoteProtocolError) as caught:
        all_of(selection.choose, parts)
    assert caught.value.party is Party.PEER


# ---- what is wanted

RANGES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 10), st.integers(0, 6)), max_size=6
).map(sorted) | st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 10), st.integers(0, 6)), max_size=3
)


def model(
    sizes: list[int | None], numbers: list[int], ranges: list[tuple[int, int, int]]
) -> list[tuple[int, int, int]] | None:
    """The ranges as (entry, offset, end), joined; None where they are not right."""
    made: list[tuple[int, int, int]] = []
    for entry, offset, length in ranges:
        if entry not in numbers:
            return None
        size = sizes[entry]
        end = offset + length
        if end > size if size is not None else end != MAX_SIZE:
            return None
        if made and (entry, offset) < (made[-1][0], made[-1][2]):
            return None
        if made and length and made[-1][0] == entry and made[-1][2] == offset:
            made[-1] = (entry, made[-1][1], end)
        elif length:
            made.append((entry, offset, end))
    return made


@settings(max_examples=400)
@given(
    sizes=st.lists(st.none() | st.integers(0, 12), min_size=1, max_size=6),
    left_out=st.sets(st.integers(0, 5), max_size=1),
    ranges=RANGES,
    cuts=st.lists(st.integers(0, 3), max_size=3),
    tail=st.booleans(),
)
@example(sizes=[10], left_out=set(), ranges=[(0, 0, 5), (0, 5, 5)], cuts=[1], tail=False)
@example(sizes=[10], left_out=set(), ranges=[(0, 0, 5), (0, 4, 5)], cuts=[1], tail=False)
@example(sizes=[10], left_out=set(), ranges=[(0, 0, 11)], cuts=[], tail=False)
@example(sizes=[None, 5], left_out=set(), ranges=[(0, 3, 0), (1, 0, 5)], cuts=[1], tail=True)
@example(sizes=[5, 5], left_out=set(), ranges=[(1, 0, 5), (0, 0, 5)], cuts=[1], tail=False)
def test_narrowed_to_ranges_beside_a_model(
    sizes: list[int | None],
    left_out: set[int],
    ranges: list[tuple[int, int, int]],
    cuts: list[int],
    tail: bool,
) -> None:
    if tail:  # as for a stream
        ranges = [
            (e, o, MAX_SIZE - o) if e < len(sizes) and sizes[e] is None else (e, o, n)
            for e, o, n in ranges
        ]
    numbers = [n for n in range(len(sizes)) if n not in left_out]
    selection = Selection(sized(*sizes))
    selection.choose(accept(numbers))
    wanted = model(sizes, numbers, ranges)
    parts = []
    at = 0
    for count in cuts:
        parts.append(want(*ranges[at : at + count], more=True))
        at += count
    parts.append(want(*ranges[at:]))
    before = list(selection.share().draw())
    if wanted is None:
        with pytest.raises(RemoteProtocolError) as caught:
            all_of(selection.narrow, parts)
        assert caught.value.party is Party.PEER
        return
    for part in parts:
        assert list(selection.share().draw()) == before
        selection.narrow(part)
    for several in (False, True):
        drawn = list(selection.share(several=several).draw())
        lasts = {entry: (offset, end) for entry, offset, end in wanted}
        assert drawn == [(e, *r, lasts[e] == tuple(r)) for e, *r in wanted]
    found = selection.wanted
    streams = any(sizes[entry] is None for entry, _, _ in wanted)
    total = sum(end - offset for _, offset, end in wanted)
    assert found.bytes == (None if streams else total)
    assert found.files == found.entries == len({entry for entry, _, _ in wanted})


def test_a_dial_begins_a_want_afresh() -> None:
    selection = whole(2, sized(10, 10))
    selection.narrow(want((0, 0, 5), (1, 0, 5), more=True))
    selection.dialled()
    selection.narrow(want((0, 5, 5)))
    assert list(selection.share().draw()) == [(0, 5, 10, True)]
    assert selection.wanted == Totals(1, 1, 5)
    selection.dialled()
    assert selection.wanted == Totals(1, 1, 5)
    selection.narrow(want((0, 0, 10)))
    assert selection.wanted == Totals(1, 1, 10)
    selection.narrow(want())
    assert selection.wanted == Totals(0, 0, 0)
    assert list(selection.share().draw()) == []
    assert selection.totals == Totals(2, 2, 20)


def test_work_that_was_shared_out_does_not_change() -> None:
    selection = whole(1, sized(10))
    old = selection.share()
    selection.narrow(want((0, 5, 5)))
    assert list(old.draw()) == [(0, 0, 10, True)]


def test_ranges_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPARE_RANGES", 9)
    for count in (10, 11):
        selection = whole(1, sized(100))
        wanted = want(*((0, 3 * n, 1) for n in range(count)))
        if count == 10:
            selection.narrow(wanted)
        else:
            with pytest.raises(RemoteProtocolError, match="too many"):
                selection.narrow(wanted)


def test_memory_of_a_selection() -> None:
    """8 bytes a span, 12 a held entry, 20 a range; arrays grow by an eighth ahead."""
    count = 50_000
    made = sized(*[9] * (2 * count))
    tracemalloc.start()
    try:

        def taken() -> int:
            return tracemalloc.get_traced_memory()[0]

        begun = taken()
        selection = Selection(made)
        for n in range(count):
            part = Accept(TID, (Span(2 * n, 1),), (), 1, (Held(2 * n, 1),), n < count - 1)
            selection.choose(part)
        assert taken() - begun < 1.2 * (8 + 12) * count + 10_000
        begun = taken()
        for n in range(count):
            selection.narrow(want((2 * n, 1, 2), more=n < count - 1))
        assert taken() - begun < 1.2 * 20 * count + 10_000
    finally:
        tracemalloc.stop()


# ---- slabs


def draw_all(share: Share, order: Iterator[int], producers: int) -> list[list[Part]]:
    """Let producers draw one part after the other, in the given order."""
    hands = [share.draw() for _ in range(producers)]
    got: list[list[Part]] = [[] for _ in hands]
    live = set(range(producers))
    while live:
        n = next(order, 0) % producers
        n = n if n in live else min(live)
        part = next(hands[n], None)
        if part is None:
            live.discard(n)
        else:
            got[n].append(part)
    return got


SIZES = st.lists(
    st.none() | st.integers(0, 300) | st.sampled_from([0, 1, 99, 100, 101, 199, 200, 201, 1000]),
    max_size=12,
)


@settings(max_examples=300)
@given(
    sizes=SIZES,
    producers=st.integers(1, 5),
    order=st.lists(st.integers(0, 4), max_size=80),
    cost=st.sampled_from([0, 5, 30]),
)
def test_producers_share_all_of_it_and_nothing_twice(
    sizes: list[int | None], producers: int, order: list[int], cost: int
) -> None:
    slab = 100
    made = sized(*sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FILE_COST", cost)
        share = Share(made, whole(len(sizes), made)._chosen, slab)
        got = draw_all(share, iter(order), producers)
    for own in got:
        assert own == sorted(own)
    parts = sorted(part for own in got for part in own)
    by_entry: dict[int, list[Part]] = {}
    for part in parts:
        by_entry.setdefault(part[0], []).append(part)
    assert list(by_entry) == list(range(len(sizes)))
    for entry, found in by_entry.items():
        size = sizes[entry]
        if size is None:
            assert found == [(entry, 0, MAX_SIZE, True)]
            continue
        at = 0
        for _, offset, end, last in found:
            assert offset == at
            assert end - offset <= slab
            at = end
            assert last == (end == size)
        assert at == size
        assert [part[3] for part in found].count(True) == 1
        # What fits into one slab is not cut.
        assert len(found) == max(1, -(-size // slab))


@given(sizes=SIZES)
@example(sizes=[50, 30, 0])
@example(sizes=[50, 40])
@example(sizes=[100, 0, None, 0, None])
def test_slabs_are_numbered_alike_and_of_one_size(sizes: list[int | None]) -> None:
    parts = [(n, 0, MAX_SIZE if s is None else s, True) for n, s in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FILE_COST", 10)
        numbered = list(module._cut(parts, 100))
    numbers = [number for number, _ in numbered]
    assert sorted(set(numbers)) == list(range(len(set(numbers))))
    assert numbers == sorted(numbers)
    weights: dict[int, list[int]] = {}
    for number, (_, offset, end, _) in numbered:
        weights.setdefault(number, []).append(end - offset)
    for number, lengths in weights.items():
        if MAX_SIZE in lengths:
            assert lengths == [MAX_SIZE]
            continue
        # The last part may go over by the cost of its file alone.
        assert sum(lengths) + 10 * (len(lengths) - 1) <= 100
        following = [part for at, part in numbered if at == number + 1]
        if following and following[0][2] != MAX_SIZE:
            first = following[0][2] - following[0][1]
            assert sum(lengths) + 10 * len(lengths) + first > 100


def test_one_producer_has_no_slabs() -> None:
    big = sized(1 << 40)
    share = whole(1, big).share()
    assert list(share.draw()) == [(0, 0, 1 << 40, True)]
    assert list(share.draw()) == []


@pytest.mark.parametrize(
    ("total", "slab"),
    [
        (0, LEAST_SLAB),
        (64 << 20, LEAST_SLAB),
        (256 << 20, 2 << 20),
        (1 << 30, SLAB),
        (100 << 30, SLAB),
        (1 << 40, 16 << 20),
        (MAX_SIZE, MAX_SIZE >> 16),
    ],
)
def test_the_length_of_a_slab(total: int, slab: int) -> None:
    assert module._slab(total) == slab
    made = sized(total, None)
    assert whole(2, made).share(several=True)._slab == slab
    assert whole(2, made).share()._slab is None
    narrowed = whole(2, sized(None, MAX_SIZE))
    narrowed.narrow(want((1, MAX_SIZE - total, total)))
    assert narrowed.share(several=True)._slab == slab


def test_few_slabs_however_large_the_file() -> None:
    made = sized(MAX_SIZE - 1)
    share = whole(1, made).share(several=True)
    count = sum(1 for _ in share.draw())
    assert 65536 <= count <= 65537


def test_threads_draw_each_part_once() -> None:
    sizes = [(n * 7919) % 3000 for n in range(4000)]
    made = sized(*sizes)
    share = Share(made, whole(len(sizes), made)._chosen, LEAST_SLAB >> 4)
    found: list[list[Part]] = [[] for _ in range(6)]
    start = threading.Barrier(6)

    def run(own: list[Part]) -> None:
        start.wait()
        own.extend(share.draw())

    threads = [threading.Thread(target=run, args=(own,)) for own in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    parts = sorted(part for own in found for part in own)
    assert parts == [(n, 0, size, True) for n, size in enumerate(sizes)]


def test_folders_and_links_are_no_work() -> None:
    link = Item(Entry(Kind.SYMLINK, "l", 0, {"target": "x"}))
    items = [folder("a"), file("b", b"x"), link, stream("c", b""), file("d", b"")]
    assert {Kind.DIRECTORY, Kind.SYMLINK} == set(EMPTY)
    for several in (False, True):
        drawn = list(share_of(items, several=several).draw())
        assert [part[0] for part in drawn] == [1, 3, 4]
    assert selection_of(items).totals == Totals(5, 4, 1)


def test_ranges_behind_others() -> None:
    ranges = _Wanted()
    assert ranges.behind(0, 0)
    ranges.add(want((3, 5, 5)).ranges[0], stream=False)
    for place, behind in (((3, 9), False), ((3, 10), True), ((2, 20), False), ((4, 0), True)):
        assert ranges.behind(*place) == behind
    assert list(ranges.parts(Outline())) == [(3, 5, 10, True)]
