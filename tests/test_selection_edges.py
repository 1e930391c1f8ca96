"""Where one more or one less makes the difference in a choice, its slabs, and what goes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from croc_core import selection as module
from croc_core.content import MAX_SIZE, Entry, Kind, Span, Stretch, Totals
from croc_core.errors import Party, RemoteProtocolError
from croc_core.messages import Accept, Held, Manifest, Range, Want
from croc_core.outgoing import RANGES, DigestProducer, ManifestProducer, WantProducer
from croc_core.resume import BLOCK
from croc_core.selection import FILE_COST, LEAST_SLAB, SPARE_RANGES, Outline, Selection
from tests.memory_files import MemorySink, MemorySource
from tests.record_help import pair, want

KIB = 1 << 10


def outline(*sizes: int | None) -> Outline:
    """Files of those sizes; streams for None."""
    made = Outline()
    for size in sizes:
        made.add(Entry(Kind.STREAM if size is None else Kind.FILE, "a", size, {}))
    return made


def chosen(made: Outline, *spans: tuple[int, int]) -> Selection:
    selection = Selection(made)
    selection.choose(choice(spans))
    return selection


def choice(
    spans: tuple[tuple[int, int], ...] = (),
    held: tuple[tuple[int, int], ...] = (),
    codecs: tuple[int, ...] = (),
    more: bool = False,
) -> Accept:
    return Accept(
        bytes(16), tuple(Span(*s) for s in spans), codecs, 1, tuple(Held(*h) for h in held), more
    )


# ---- totals


def test_sums_with_and_without_streams() -> None:
    made = outline(5, None, 7, 1, 0)
    assert made.totals() == Totals(5, 5, None)
    assert made.part(2, 5) == Totals(3, 3, 8)
    assert made.part(1, 2) == Totals(1, 1, None)
    assert list(made.sizes) == [5, -1, 7, 1, 0]
    selection = chosen(made, (0, 5))
    assert selection.totals == Totals(5, 5, 13)
    assert selection.wanted == Totals(5, 5, None)
    assert chosen(outline(5, 1), (0, 2)).wanted == Totals(2, 2, 6)


def test_before_a_choice_there_is_nothing() -> None:
    selection = Selection(outline(5))
    assert (selection.totals, selection.codecs, list(selection.held)) == (
        Totals(0, 0, 0), frozenset(), []
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "entries"),
    [(((0, 1), (1, 2)), [0, 1, 2]), (((0, 1), (3, 2)), [0, 3, 4]), (((1, 1), (4, 1)), [1, 4])],
)
def test_spans_side_by_side_and_apart(
    spans: tuple[tuple[int, int], ...], entries: list[int]
) -> None:
    share = chosen(outline(3, 3, 3, 3, 3), *spans).share()
    assert list(share.draw()) == [(entry, 0, 3, True) for entry in entries]
    assert list(share.draw()) == []


# ---- ranges


def test_the_last_range_of_each_entry_is_marked() -> None:
    selection = chosen(outline(20, 20), (0, 2))
    selection.narrow(want((0, 0, 5), (0, 10, 5), (1, 3, 4)))
    parts = [(0, 0, 5, False), (0, 10, 15, True), (1, 3, 7, True)]
    assert list(selection.share().draw()) == parts
    assert selection.wanted == Totals(2, 2, 14)


def test_nothing_of_an_empty_file_may_be_wanted() -> None:
    selection = chosen(outline(0, 5), (0, 2))
    selection.narrow(want((0, 0, 0), (1, 0, 5)))
    assert selection.wanted == Totals(1, 1, 5)


def test_a_stream_does_not_count_for_the_length_of_a_slab() -> None:
    size = (LEAST_SLAB + 1) * 128 - 1
    selection = chosen(outline(size, None), (0, 2))
    selection.narrow(want((0, 0, size), (1, 0, MAX_SIZE)))
    assert next(selection.share(several=True).draw()) == (0, 0, LEAST_SLAB, False)
    assert selection.wanted == Totals(2, 2, None)


def cut(slab: int, *parts: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Number, offset and end of what parts are cut into; all in KiB but for the odd byte."""
    whole = [(n, offset, end, True) for n, (offset, end) in enumerate(parts)]
    made = list(module._cut(whole, slab))
    for number, (entry, _, end, last) in made:
        assert last == (end == parts[entry][1]), number
    return [(number, offset, end) for number, (_, offset, end, _) in made]


def test_small_files_share_a_slab_and_large_ones_are_cut() -> None:
    k = KIB
    assert 16 * k == FILE_COST
    assert cut(
        64 * k, (50 * k, 60 * k), (20 * k, 50 * k), (0, 200 * k), (0, MAX_SIZE), (0, 64 * k),
        (0, 1), (0, 48 * k - 1),
    ) == [
        (0, 50 * k, 60 * k), (0, 20 * k, 50 * k),
        (1, 0, 64 * k), (2, 64 * k, 128 * k), (3, 128 * k, 192 * k), (4, 192 * k, 200 * k),
        (5, 0, MAX_SIZE), (6, 0, 64 * k), (7, 0, 1), (7, 0, 48 * k - 1),
    ]  # fmt: skip
    assert cut(64 * k, (0, 65 * k), (0, 48 * k)) == [
        (0, 0, 64 * k), (1, 64 * k, 65 * k), (2, 0, 48 * k)
    ]  # fmt: skip
    assert cut(64 * k, (0, MAX_SIZE), (0, 1)) == [(0, 0, MAX_SIZE), (1, 0, 1)]
    assert cut(64 * k, (0, 10 * k), (0, 38 * k), (0, 1)) == [
        (0, 0, 10 * k), (0, 0, 38 * k), (1, 0, 1)
    ]  # fmt: skip


# ---- what a recipient may not say


def parts(*accepts: Accept) -> None:
    selection = Selection(outline(5, 5))
    for one in accepts:
        selection.choose(one)


def narrowed(*ranges: tuple[int, int, int], size: int | None = 5) -> None:
    chosen(outline(size, 5), (0, 1)).narrow(want(*ranges))


def scattered() -> None:
    selection = chosen(outline(5), (0, 1))
    selection._coming = module._Wanted()
    selection._coming.entries.frombytes(bytes(4 * (SPARE_RANGES + 2)))
    selection.narrow(want())


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (partial(parts, choice(((0, 1),), more=True), choice(((1, 1),), codecs=(1,))),
     "it accepts with other codecs than before"),
    (partial(parts, choice(((0, 1),), ((1, 1),))), "it holds what it does not accept"),
    (partial(parts, choice(((1, 2),))), "it accepts what was not offered"),
    (partial(parts, choice(((0, 2),), ((2, 1),))), "it holds what was not offered"),
    (partial(parts, choice(((0, 2),), ((1, 1), (1, 1)))), "it holds what was not offered"),
    (partial(parts, choice(((0, 2),), ((0, 6),))), "it holds more of an entry than there is"),
    (partial(narrowed, (1, 0, 5)), "it wants what it did not accept"),
    (partial(narrowed, (0, 0, 6)), "it wants what is not in the entry"),
    (partial(narrowed, (0, 0, 5), size=None), "it wants what is not in the entry"),
    (partial(narrowed, (0, 3, 1), (0, 0, 1)), "it wants ranges out of order, or twice"),
    (scattered, "it wants too many ranges to keep track of"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "sentence"), REFUSED, ids=[s for _, s in REFUSED])
def test_what_is_refused_and_with_which_words(act: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        act()
    assert str(raised.value) == sentence
    assert raised.value.party is Party.PEER


# ---- what goes out


class Named(MemorySource):
    """As many entries as are asked for, all alike."""

    def __init__(self, entry: Entry, count: int) -> None:
        super().__init__([])
        self._all = [entry] * count

    def walk(self) -> Iterator[Entry]:
        yield from self._all


@pytest.mark.parametrize(
    ("entry", "fit"),
    [
        (Entry(Kind.FILE, "x" * 16, 0, {}), 256),
        (Entry(Kind.SYMLINK, "x" * 16, 0, {"target": "y" * 32}), 128),
    ],
)
def test_a_message_of_an_offer_is_full_at_32_kib(entry: Entry, fit: int) -> None:
    """An entry is taken for 64 bytes and 4 for each character of its name and its target."""
    made = ManifestProducer.__new__(ManifestProducer)
    made.outline = Outline()
    messages = list(made._make(Named(entry, fit + 1), bytes(16)))
    lengths = [len(m.entries) for m in messages if isinstance(m, Manifest)]
    assert lengths == [fit, 1]


class Sparse(MemorySource):
    """A hole, however long."""

    def __init__(self) -> None:
        super().__init__([])

    def hole(self, entry: int, offset: int, length: int) -> int:
        return length

    def check(self, entry: int) -> None:
        return None


def test_blocks_of_a_hole_count_as_read() -> None:
    producer = DigestProducer(pair()[0], Sparse(), bytes(16), [(0, 2 * BLOCK + 5)], bytes(32))
    assert producer.fill() is not None
    assert producer.moved == 2 * BLOCK + 5


class Scattered(MemorySink):
    """One stretch more than a message holds."""

    def lacking(self) -> Iterator[Stretch]:
        for number in range(RANGES + 1):
            yield Stretch(number, 0, 1)


def test_a_long_want_takes_two_messages() -> None:
    first, second = WantProducer(pair()[0], Scattered(), b"\1" * 16)._messages
    assert first == Want(b"\1" * 16, tuple(Range(n, 0, 1) for n in range(RANGES)), True)
    assert second == Want(b"\1" * 16, (Range(RANGES, 0, 1),), False)


class Lacking(MemorySink):
    """Two stretches are missing."""

    def lacking(self) -> Iterator[Stretch]:
        yield Stretch(0, 0, 5)
        yield Stretch(1, 2, 3)


def test_the_bytes_that_are_asked_for() -> None:
    producer = WantProducer(pair()[0], Lacking(), bytes(16))
    assert producer.wanted == 0
    assert producer.fill() is not None
    assert producer.wanted == 8
    assert producer.fill() is None
