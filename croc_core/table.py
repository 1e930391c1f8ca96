"""State machines as rows of data; the machine, the docs and the tests read the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from croc_core.errors import LocalProtocolError

S = TypeVar("S")
E = TypeVar("E")
T = TypeVar("T")
F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Row(Generic[F]):
    """In a state of type *source*, on an event of type *event*: run *action*, be in *target*."""

    source: type[Any]
    event: type[Any]
    target: type[Any]
    action: Callable[[Any, Any], tuple[Any, tuple[F, ...]]]


def row(
    source: type[S],
    event: type[E],
    target: type[T],
    action: Callable[[S, E], tuple[T, tuple[F, ...]]],
) -> Row[F]:
    """Build a row whose action is type-checked against its state, its event and its target."""
    return Row(source, event, target, action)


class Table(Generic[F]):
    """A deterministic transition relation: at most one row for each (state, event)."""

    def __init__(
        self, start: type[Any], final: Iterable[type[Any]], rows: Iterable[Row[F]]
    ) -> None:
        self.start = start
        self.final = frozenset(final)
        self.rows = tuple(rows)
        self._index = {(r.source, r.event): r for r in self.rows}
        if len(self._index) != len(self.rows):
            raise LocalProtocolError("two rows for one state and event")

    @property
    def states(self) -> tuple[type[Any], ...]:
        """Every state that a row names, in the order of the rows."""
        named = (s for r in self.rows for s in (r.source, r.target))
        return tuple(dict.fromkeys((self.start, *named)))

    @property
    def events(self) -> tuple[type[Any], ...]:
        """Every event that a row names, in the order of the rows."""
        return tuple(dict.fromkeys(r.event for r in self.rows))

    def row(self, state: type[Any], event: type[Any]) -> Row[F] | None:
        """Return the row for this cell, or None where there is none."""
        return self._index.get((state, event))

    def step(self, state: object, event: object) -> tuple[Any, tuple[F, ...]]:
        """Take the one row that applies and return the next state and what to do.

        Raises LocalProtocolError, with nothing changed, where no row applies.
        """
        found = self._index.get((type(state), type(event)))
        if found is None:
            raise LocalProtocolError(f"{type(event).__name__} in {type(state).__name__}")
        return found.action(state, event)

    def mermaid(self) -> str:
        """Draw the table as a Mermaid state diagram; events between one pair share an arrow."""
        arrows: dict[tuple[str, str], list[str]] = {}
        for r in self.rows:
            pair = (r.source.__name__, r.target.__name__)
            arrows.setdefault(pair, []).append(r.event.__name__)
        lines = ["stateDiagram-v2", f"    [*] --> {self.start.__name__}"]
        lines += [f"    {a} --> {b}: {', '.join(names)}" for (a, b), names in arrows.items()]
        lines += sorted(f"    {state.__name__} --> [*]" for state in self.final)
        return "\n".join(lines)
