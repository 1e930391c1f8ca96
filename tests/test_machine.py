"""The machine around a table: who may wake it, and how long a wait may last."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from croc_core.errors import LocalProtocolError
from croc_core.machine import Machine
from croc_core.party_io import Effect, Hear, Input, Moved, Started, Unanswered, Woke
from croc_core.table import Table, row
from croc_core.values import Moment


class Idle(NamedTuple):
    pass


class Waiting(NamedTuple):
    number: int


class Bounded(NamedTuple):
    until: float


class Over(NamedTuple):
    pass


class Go(NamedTuple):
    pass


class More(NamedTuple):
    pass


class Again(NamedTuple):
    pass


class Late(NamedTuple):
    pass


TABLE: Table[Effect] = Table(
    Idle,
    [Over],
    [
        row(Idle, Go, Waiting, lambda state, event: (Waiting(0), (Hear(0),))),
        row(Waiting, More, Waiting, lambda state, event: (Waiting(state.number + 1), (Hear(1),))),
        row(Waiting, Again, Waiting, lambda state, event: (state, ())),
        row(Waiting, Late, Bounded, lambda state, event: (Bounded(3.0), ())),
        row(Bounded, Again, Bounded, lambda state, event: (state, ())),
        row(Bounded, Late, Over, lambda state, event: (Over(), (Hear(2),))),
    ],
)
EVENTS: dict[type[object], object] = {
    Started: Go(),
    Moved: More(),
    Unanswered: Again(),
    Woke: Late(),
}


def interpret(context: str, state: object, event: Input, now: Moment) -> object | None:
    assert context == "context"
    if isinstance(state, Over):
        raise LocalProtocolError("over")
    return (
        None if isinstance(state, Idle) and not isinstance(event, Started) else EVENTS[type(event)]
    )


def machine() -> Machine[str]:
    patience = {Idle: 1.0, Waiting: 10.0, Bounded: 10.0}
    return Machine("context", Idle(), TABLE, interpret, patience, frozenset({Again}))


def at(mono: float) -> Moment:
    return Moment(mono, 0)


def test_nothing_is_due_before_the_run_begins() -> None:
    made = machine()
    assert made.deadline() is None
    assert made.handle(Woke(), at(1e9)) == ()
    assert made.handle(Moved(), at(1e9)) == ()
    assert made.state == Idle()
    assert not made.finished


@given(
    steps=st.lists(
        st.tuples(st.sampled_from([Moved(), Unanswered(False, "")]), st.floats(0.0, 9.0))
    )
)
def test_a_wait_is_renewed_by_what_renews_it_and_by_nothing_else(
    steps: list[tuple[Input, float]],
) -> None:
    made = machine()
    now, since, count = 100.0, 100.0, 0
    assert made.handle(Started(), at(now)) == (Hear(0),)
    for event, pause in steps:
        now = min(now + pause, since + 9.9)
        effects = made.handle(event, at(now))
        if isinstance(event, Moved):
            count += 1
            assert effects == (Hear(1),)
        else:
            since = now
        assert made.state == Waiting(count)
        assert made.deadline() == since + 10.0
    assert made.handle(Woke(), at(since + 9.999)) == ()
    assert made.state == Waiting(count)
    made.handle(Woke(), at(since + 10.0))
    assert isinstance(made.state, Bounded)


@given(pauses=st.lists(st.floats(0.0, 9.0), min_size=30, max_size=40))
def test_renewals_come_to_an_end(pauses: list[float]) -> None:
    patience = {Idle: 1.0, Waiting: 10.0, Bounded: 10.0}
    renewing, longest = frozenset({Again}), {Waiting: 25.0}
    made = Machine("context", Idle(), TABLE, interpret, patience, renewing, longest)
    made.handle(Started(), at(50.0))
    now = 50.0
    for pause in pauses:
        now = min(now + pause, 74.9)
        made.handle(Unanswered(False, ""), at(now))
        assert made.deadline() == min(now + 10.0, 75.0)
    made.handle(Woke(), at(75.0))
    assert isinstance(made.state, Bounded)


def test_a_wait_is_late_from_the_end_of_its_longest_on() -> None:
    """Told apart: so long without a sign, and so long in all."""
    late: list[bool] = []

    def listen(context: object, state: object, event: Input, now: Moment) -> object | None:
        if isinstance(event, Woke):
            late.append(event.late)
            return None
        return interpret("context", state, event, now)

    patience = {Idle: 1.0, Waiting: 10.0, Bounded: 10.0}
    made = Machine("context", Idle(), TABLE, listen, patience, frozenset({Again}), {Waiting: 15.0})
    made.handle(Started(), at(50.0))
    made.handle(Woke(), at(60.0))
    made.handle(Woke(), at(64.999))
    made.handle(Woke(), at(65.0))
    assert late == [False, False, True]


def test_a_state_with_a_bound_of_its_own_waits_no_longer() -> None:
    made = machine()
    made.handle(Started(), at(0.0))
    made.handle(Woke(), at(10.0))
    assert made.deadline() == 3.0
    made.handle(Unanswered(False, ""), at(11.0))
    assert made.deadline() == 3.0
    assert made.handle(Woke(), at(12.0)) == (Hear(2),)
    assert made.finished
    assert made.deadline() is None
    with pytest.raises(LocalProtocolError):
        made.handle(Woke(), at(12.0))


def test_a_cell_without_a_row_changes_nothing() -> None:
    made = machine()
    made.handle(Started(), at(0.0))
    with pytest.raises(LocalProtocolError, match="Go in Waiting"):
        made.handle(Started(), at(5.0))
    assert made.state == Waiting(0)
    assert made.deadline() == 10.0
