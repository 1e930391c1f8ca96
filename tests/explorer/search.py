"""Breadth first through every world; what is found, and the shortest way to it."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from croc_core import channel
from croc_core.table import Table
from tests.explorer import hands as h
from tests.explorer import properties
from tests.explorer.engine import Bounds, Engine, Next, World
from tests.explorer.world import Case

CODES = (Case(), Case(right=False))
NO_END = "when faults stop, the run does not end"
UNWELL = "nothing went wrong, and the run did not end as it must"
APART = "only connections were lost, and the two did not both end well"
WELL = {True: ("done", "done"), False: ("wrong_code", "wrong_code")}
"""How a run with the right or the wrong code ends where nothing goes wrong."""
BACK = (("done", "done"), ("unconfirmed", "done"))
"""How a run ends in which only connections are lost: a lost receipt cannot be had again."""


@dataclass
class Found:
    """What a search has found."""

    engine: Engine
    starts: list[World]
    states: int = 0
    transitions: int = 0
    depth: int = 0
    closed: bool = True
    """Whether every world within the bounds was seen."""
    seconds: float = 0.0
    """Of one processor."""
    broken: dict[str, list[World]] = field(default_factory=dict)
    """For each property that is broken the shortest way there, from the start."""
    steps: dict[str, str] = field(default_factory=dict)
    """For each property that is broken the last step."""
    counts: Counter[str] = field(default_factory=Counter)
    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How sender and recipient end, and in how many worlds."""
    untaken: dict[str, list[str]] = field(default_factory=dict)
    """Rows that were not taken, for each table."""

    @property
    def good(self) -> bool:
        return not self.counts


@contextmanager
def recorded() -> Iterator[h.Recording]:
    """Count the rows of the channel's table that are taken meanwhile."""
    before = channel.TABLE
    channel.TABLE = recording = h.Recording(before)
    try:
        yield recording
    finally:
        channel.TABLE = before


def untaken(table: Table[Any], taken: Counter[Any]) -> list[str]:
    return [f"{r.source.__name__} + {r.event.__name__}" for r in table.rows if not taken[r]]


class Search:
    """One search: worlds in the order in which they were first seen."""

    def __init__(self, engine: Engine, starts: list[World], limit: int, *, first: bool) -> None:
        self._engine = engine
        self._first = first
        self._limit = limit
        self._number: dict[World, int] = {}
        self._parent = array("I")
        self._worlds: list[World] = []
        self._calm = array("I")  # targets of the steps that need no fault ...
        self._calm_from = array("Q", [0])  # ... and where those of each world begin
        self._found = Found(engine, starts)

    def run(self) -> Found:
        """Search; past the limit no more faults come, and all runs are brought to their end."""
        begun = time.process_time()
        for world in self._found.starts:
            self._add(world, len(self._worlds))
        at, found = 0, self._found
        with recorded() as recording:
            level_ends = len(self._worlds)
            while at < len(self._worlds) and not (self._first and found.counts):
                if at == level_ends:
                    found.depth += 1
                    level_ends = len(self._worlds)
                self._expand(at)
                at += 1
        found.states = len(self._worlds)
        if not (self._first and found.counts):
            self._judge_ends()
        hands = self._engine.hands
        tables = {"channel": recording, "sender": hands.sender, "recipient": hands.recipient}
        found.untaken = {name: untaken(t, t.taken) for name, t in tables.items()}
        found.seconds = time.process_time() - begun
        return found

    def _add(self, world: World, parent: int) -> int:
        number = self._number.get(world)
        if number is None:
            number = self._number[world] = len(self._worlds)
            self._worlds.append(world)
            self._parent.append(parent)
            bad = self._broken(world)
            if bad:
                self._violation(bad, self._way(number), "")
        return number

    def _broken(self, world: World) -> str:
        engine = self._engine
        sender, recipient = engine.marks[world[1]], engine.marks[world[2]]
        return (
            engine.relay_bad[world[0]]
            or sender.broke
            or recipient.broke
            or properties.world(sender, recipient)
        )

    def _expand(self, at: int) -> None:
        found, world = self._found, self._worlds[at]
        if not (found.counts and self._broken(world)):  # nothing is told of what is broken already
            nexts = self._engine.successors(world)
            if len(self._worlds) >= self._limit:
                found.closed = False
                nexts = [n for n in nexts if n.calm]
            found.transitions += len(nexts)
            for one in nexts:
                self._follow(at, one)
        self._calm_from.append(len(self._calm))

    def _follow(self, at: int, one: Next) -> None:
        number = self._add(one.world, at)
        if one.calm:
            self._calm.append(number)
        if one.bad:
            self._violation(one.bad, [*self._way(at), one.world], one.label)

    def _violation(self, sentence: str, way: list[World], label: str) -> None:
        self._found.counts[sentence] += 1
        if sentence not in self._found.broken:
            self._found.broken[sentence] = way
            self._found.steps[sentence] = label

    def _way(self, number: int) -> list[World]:
        way = [self._worlds[number]]
        while number != (number := self._parent[number]):
            way.append(self._worlds[number])
        return way[::-1]

    def _judge_ends(self) -> None:
        """From every world, steps without faults must be able to end the run.

        As that holds for every world that such steps lead to, too, a run in which no step that can
        be taken again and again is put off for ever does end.
        """
        engine, count = self._engine, len(self._worlds)
        ends = bytearray(map(engine.over, self._worlds))
        for number in range(count):
            if ends[number]:
                self._judge_end(number)
        calm, begin = self._calm, self._calm_from
        changed = True
        while changed:
            changed = False
            for number in range(count - 1, -1, -1):
                if not ends[number] and any(
                    ends[to] for to in calm[begin[number] : begin[number + 1]]
                ):
                    ends[number] = changed = True
        for number in range(count):
            if not ends[number] and not (self._found.counts and self._broken(self._worlds[number])):
                self._violation(NO_END, self._way(number), "")

    def _judge_end(self, number: int) -> None:
        engine, world = self._engine, self._worlds[number]
        ending = engine.ending(world)
        self._found.endings[ending] += 1
        right: bool = engine.actors.values[world[2]].right
        losses = engine.bounds.losses and right
        if losses and ending not in BACK and not self._broken(world):
            self._violation(APART, self._way(number), "")
        if engine.undisturbed(world) and ending != WELL[right] and not self._broken(world):
            self._violation(UNWELL, self._way(number), "")


def explore(
    bounds: Bounds,
    *,
    parts: h.Parts | None = None,
    limit: int = 10_000_000,
    homes: tuple[bool, ...] = (False,),
    cases: tuple[Case, ...] = CODES,
    first: bool = False,
) -> Found:
    """Search all worlds within *bounds*: what the run is about, two addresses or one.

    With *first*, no further than to the first property that is broken.
    """
    engine = Engine(bounds, parts)
    starts = [engine.start(case, together=home) for case in cases for home in homes]
    return Search(engine, starts, limit, first=first).run()
