from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.files import parts
from backends.files.parts import Ranges
from croc_core.errors import RemoteProtocolError

SIZE = 24


@given(st.lists(st.tuples(st.integers(-2, SIZE + 2), st.integers(-1, 8)), max_size=40))
def test_against_a_set_of_bytes(takes: list[tuple[int, int]]) -> None:
    ranges = Ranges(SIZE)
    model: set[int] = set()
    for offset, length in takes:
        new = set(range(offset, offset + length))
        fits = bool(new) and new <= set(range(SIZE)) and not new & model
        if fits:
            ranges.take(offset, length)
            model |= new
        else:
            with pytest.raises(RemoteProtocolError, match="the sender sent"):
                ranges.take(offset, length)
        gap = next((i for i in range(SIZE) if i not in model), SIZE)
        assert ranges.start == gap
        assert ranges.whole == (len(model) == SIZE)


@given(st.permutations(range(0, SIZE, 2)))
def test_every_order_ends_whole(order: list[int]) -> None:
    ranges = Ranges(SIZE)
    for offset in order:
        assert not ranges.whole
        ranges.take(offset, 2)
    assert ranges.whole


def test_memory_is_bounded() -> None:
    ranges = Ranges(1 << 40)
    for i in range(parts.MAX_AHEAD):
        ranges.take(2 + 2 * i, 1)
    with pytest.raises(RemoteProtocolError, match="scattered"):
        ranges.take(1 << 30, 1)
    ranges.take(0, 2)  # what fills a gap still may come
    assert ranges.start == 3


def test_what_could_not_be_written_has_not_come() -> None:
    ranges = Ranges(10)
    ranges.take(0, 6)
    ranges.lose(4)
    assert ranges.start == 4
    ranges.lose(8)
    assert ranges.start == 4


@given(st.permutations(range(0, SIZE, 2)), st.integers(0, SIZE // 2))
def test_what_is_useful_ends_with_a_whole_block(order: list[int], count: int) -> None:
    ranges = Ranges(SIZE)
    come: set[int] = set()
    for offset in order[:count]:
        ranges.take(offset, 2)
        come |= {offset, offset + 1}
    blocks = [at + 5 for at in range(0, SIZE, 5) if {*range(at, min(at + 5, SIZE))} <= come]
    assert ranges.useful(5) == max([min(at, SIZE) for at in blocks] + [ranges.start])
    assert {at for begin, end in ranges.have() for at in range(begin, end)} == come
    gaps = {at for begin, end in ranges.gaps() for at in range(begin, end)}
    assert gaps == set(range(SIZE)) - come
