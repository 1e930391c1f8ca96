"""Draws docs/machines/*.md out of the tables by which the machines run.

Run it from the root of the repository: `python -m docs.draw_machines`. tests/test_machines_doc.py
fails where a drawing is not the one that the rows give.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple

from croc_core import channel, recipient, sender
from croc_core.table import Table

FOLDER = Path(__file__).with_name("machines")


class Drawing(NamedTuple):
    """One machine: its file's name, its title, what to know before reading, its table."""

    name: str
    title: str
    intro: str
    table: Table[Any]


PARTY = (
    "What an input means in a state is judged in `croc_core/{0}_judge.py`; the rows of "
    "`croc_core/{0}.py`, drawn here, only move. Events that end the run say whose side it was and "
    "what to do, and the relay is told why."
)
DRAWINGS = (
    Drawing(
        "channel",
        "The relay's channel",
        "What a request may do is judged in `croc_core/judge.py`; what then happened to the "
        "channel is an event of the rows of `croc_core/channel.py`, drawn here. Every event adds "
        "one to `seq`.",
        channel.TABLE,
    ),
    Drawing("sender", "The sender", PARTY.format("sender"), sender.TABLE),
    Drawing("recipient", "The recipient", PARTY.format("recipient"), recipient.TABLE),
)


def _said(thing: object) -> str:
    """The first paragraph of a docstring as one line, or nothing."""
    paragraph = (inspect.getdoc(thing) or "").split("\n\n")[0]
    return re.sub(r"\s+", " ", paragraph).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _names(table: Table[Any], kinds: tuple[type[Any], ...]) -> list[tuple[str, ...]]:
    return [(f"`{k.__name__}`" + " (final)" * (k in table.final), _said(k)) for k in kinds]


def render(drawing: Drawing) -> str:
    """Return the whole page of one machine."""
    table = drawing.table
    rows = [
        (*(f"`{kind.__name__}`" for kind in (r.source, r.event, r.target)), _said(r.action))
        for r in table.rows
    ]
    head: tuple[str, ...] = ("In the state", "on the event", "to the state", "doing this")
    if not any(r[-1] for r in rows):
        head, rows = head[:-1], [r[:-1] for r in rows]
    parts = [
        f"# {drawing.title}",
        "",
        "Drawn from the code by `python -m docs.draw_machines`; do not edit.",
        "",
        drawing.intro,
        "",
        "```mermaid",
        *table.mermaid().splitlines(),
        "```",
        "",
        f"{len(table.states)} states, {len(table.events)} events, {len(rows)} rows. A pair of a "
        "state and an event that has no row is refused and changes nothing.",
        "",
        "## States",
        "",
        *_table(("State", "What it is"), _names(table, table.states)),
        "",
        "## Events",
        "",
        *_table(("Event", "What happened"), _names(table, table.events)),
        "",
        "## Rows",
        "",
        *_table(head, rows),
        "",
    ]
    return "\n".join(parts)


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    for drawing in DRAWINGS:
        (FOLDER / f"{drawing.name}.md").write_text(render(drawing), encoding="utf-8")


if __name__ == "__main__":
    main()
