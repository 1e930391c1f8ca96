"""Timers beside a dictionary that is searched whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from croc_core.timers import Timers

moves = st.lists(
    st.tuples(st.just("set"), st.integers(0, 5), st.integers(0, 20))
    | st.tuples(st.just("cancel"), st.integers(0, 5), st.just(0))
    | st.tuples(st.just("pop"), st.just(0), st.integers(0, 20)),
    max_size=60,
)


@given(moves)
def test_the_earliest_comes_first_and_only_what_is_set_comes(
    steps: list[tuple[str, int, int]],
) -> None:
    timers: Timers[int] = Timers()
    model: dict[int, tuple[int, int]] = {}
    for order, (what, key, when) in enumerate(steps):
        if what == "set":
            timers.set(key, when)
            model[key] = (when, order)
        elif what == "cancel":
            timers.cancel(key)
            model.pop(key, None)
        else:
            due = [k for k in model if model[k][0] <= when]
            first = min(due, key=model.__getitem__) if due else None
            assert timers.pop(when) == first
            model.pop(first, None)  # type: ignore[arg-type]
        assert timers.next() == (min(model.values())[0] if model else None)
        assert len(timers) == len(model)


def test_what_was_moved_or_cancelled_does_not_pile_up() -> None:
    timers: Timers[int] = Timers()
    timers.set(-1, 10**7)
    for number in range(10_000):
        timers.set(number % 3, number)
        timers.cancel((number + 1) % 3)
        assert len(timers._heap) <= 2 * 4 + 64
    assert [timers.pop(9_999) for _ in range(3)] == [2, 0, None]
    assert timers.next() == 10**7
