"""Tables of rows: one row at most for a cell, and the drawing is the whole truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from croc_core.errors import LocalProtocolError
from croc_core.table import Row, Table, row


@dataclass(frozen=True)
class Idle:
    pass


@dataclass(frozen=True)
class Busy:
    job: int


@dataclass(frozen=True)
class Over:
    pass


@dataclass(frozen=True)
class Give:
    job: int


@dataclass(frozen=True)
class Stop:
    pass


def begin(state: Idle, event: Give) -> tuple[Busy, tuple[str, ...]]:
    return Busy(event.job), ("begin",)


def more(state: Busy, event: Give) -> tuple[Busy, tuple[str, ...]]:
    return Busy(state.job + event.job), ()


def stop(state: Idle | Busy, event: Stop) -> tuple[Over, tuple[str, ...]]:
    return Over(), ("end",)


ROWS: tuple[Row[str], ...] = (
    row(Idle, Give, Busy, begin),
    row(Busy, Give, Busy, more),
    row(Busy, Stop, Over, stop),
    row(Idle, Stop, Over, stop),
)
TABLE = Table(Idle, [Over], ROWS)
STATES = (Idle, Busy, Over)
EVENTS = (Give, Stop)


@given(rows=st.lists(st.sampled_from(ROWS), max_size=6))
def test_a_cell_has_one_row_at_most(rows: Sequence[Row[str]]) -> None:
    cells = [(r.source, r.event) for r in rows]
    if len(set(cells)) < len(cells):
        with pytest.raises(LocalProtocolError, match="two rows"):
            Table(Idle, [Over], rows)
        return
    table = Table(Idle, [Over], rows)
    assert table.rows == tuple(rows)
    for state in STATES:
        for event in EVENTS:
            found = table.row(state, event)
            assert found == next((r for r in rows if (r.source, r.event) == (state, event)), None)


@given(jobs=st.lists(st.integers(0, 9) | st.none(), max_size=8))
def test_steps_beside_a_model(jobs: list[int | None]) -> None:
    state: object = Idle()
    total: int | None = None
    over = False
    for job in jobs:
        event: object = Stop() if job is None else Give(job)
        if over:
            with pytest.raises(LocalProtocolError, match=f"{type(event).__name__} in Over"):
                TABLE.step(state, event)
            assert state == Over()
            continue
        before = total
        state, effects = TABLE.step(state, event)
        if job is None:
            over = True
            assert (state, effects) == (Over(), ("end",))
        else:
            total = job + (before or 0)
            assert (state, effects) == (Busy(total), ("begin",) if before is None else ())


def test_states_and_events_stand_in_the_order_of_the_rows() -> None:
    assert TABLE.states == (Idle, Busy, Over)
    assert TABLE.events == (Give, Stop)
    assert TABLE.start is Idle
    assert TABLE.final == {Over}
    assert Table[str](Over, [], ()).states == (Over,)


def test_the_drawing_has_every_row() -> None:
    assert TABLE.mermaid().splitlines() == [
        "stateDiagram-v2",
        "    [*] --> Idle",
        "    Idle --> Busy: Give",
        "    Busy --> Busy: Give",
        "    Busy --> Over: Stop",
        "    Idle --> Over: Stop",
        "    Over --> [*]",
    ]
    both = Table(Idle, [Over, Busy], (ROWS[0], row(Idle, Stop, Busy, lambda s, e: (Busy(0), ()))))
    assert "    Idle --> Busy: Give, Stop" in both.mermaid().splitlines()
    assert both.mermaid().splitlines()[-2:] == ["    Busy --> [*]", "    Over --> [*]"]
