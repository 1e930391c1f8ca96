"""docs/machines is what the rows draw, and every cell of the tables is a row or a refusal."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from croc_core import channel
from croc_core.errors import LocalProtocolError
from croc_core.table import Table
from docs.draw_machines import DRAWINGS, FOLDER, Drawing, render

tables = pytest.mark.parametrize("table", [d.table for d in DRAWINGS], ids=lambda t: t.start)


def reach(start: type[Any], arrows: set[tuple[type[Any], type[Any]]]) -> set[type[Any]]:
    """All that can be got to from *start*."""
    found = {start}
    while more := {b for a, b in arrows if a in found} - found:
        found |= more
    return found


def blank(kind: type[Any]) -> Any:
    """A value of that type: a cell without a row looks at no more than the type."""
    if issubclass(kind, tuple):
        return tuple.__new__(kind, ())
    if issubclass(kind, msgspec.Struct):
        return kind(*(0 for _ in kind.__struct_fields__))
    return object.__new__(kind)


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda d: d.name)
def test_the_page_is_what_the_rows_draw(drawing: Drawing) -> None:
    written = (FOLDER / f"{drawing.name}.md").read_text(encoding="utf-8")
    assert written == render(drawing), "run: python -m docs.draw_machines"


def test_there_is_no_page_that_nothing_draws() -> None:
    assert {p.name for p in FOLDER.iterdir()} == {f"{d.name}.md" for d in DRAWINGS}


@tables
def test_the_page_has_every_row(table: Table[Any]) -> None:
    page = next(render(d) for d in DRAWINGS if d.table is table)
    arrows = [line for line in page.splitlines() if " --> " in line and "[*]" not in line]
    drawn = {
        (*pair.strip().split(" --> "), event)
        for pair, events in (line.split(": ") for line in arrows)
        for event in events.split(", ")
    }
    rows = {(r.source.__name__, r.target.__name__, r.event.__name__) for r in table.rows}
    assert drawn == rows
    for r in table.rows:
        cells = (r.source.__name__, r.event.__name__, r.target.__name__)
        assert "| " + " | ".join(f"`{c}`" for c in cells) + " |" in page


@tables
def test_a_cell_without_a_row_is_refused(table: Table[Any]) -> None:
    refused = 0
    for state in table.states:
        for event in table.events:
            if table.row(state, event) is None:
                with pytest.raises(
                    LocalProtocolError, match=f"^{event.__name__} in {state.__name__}$"
                ):
                    table.step(blank(state), blank(event))
                refused += 1
    assert refused + len(table.rows) == len(table.states) * len(table.events)


@tables
def test_no_state_is_dead(table: Table[Any]) -> None:
    arrows = {(r.source, r.target) for r in table.rows}
    assert reach(table.start, arrows) == set(table.states)
    back = {(b, a) for a, b in arrows}
    for state in table.states:
        ends = state in table.final
        assert ends is not any(a is state for a, _ in arrows), state
    to_the_end = set().union(*(reach(final, back) for final in table.final))
    assert to_the_end == set(table.states)


def test_only_a_close_empties_a_channel() -> None:
    """No row but those to Closed leaves out what the state before held."""
    for r in channel.TABLE.rows:
        held = set(r.source.__struct_fields__)
        assert r.target is channel.Closed or held <= set(r.target.__struct_fields__)
