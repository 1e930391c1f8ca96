"""Interpret an input, look up its row, move: what drives a party's table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from croc_core.party_io import Effect, Input, Woke
from croc_core.table import Table
from croc_core.values import Moment

C = TypeVar("C")

Interpret = Callable[[Any, Any, Input, Moment], object | None]
"""(context, state, input, now) -> the narrow event, or None where nobody waits for that input."""


class Machine(Generic[C]):
    """A party: a state, its table, and the deadline of the state it is in.

    `patience` gives each state that is not final its longest wait in seconds; `renewing` names the
    events after which a state that stays may wait as long again, and `longest` what that may come
    to in all, in seconds. A state that has `until`, in monotonic seconds, waits no longer than it.
    """

    def __init__(
        self,
        context: C,
        state: object,
        table: Table[Effect],
        interpret: Interpret,
        patience: Mapping[type[Any], float],
        renewing: frozenset[type[Any]],
        longest: Mapping[type[Any], float] | None = None,
    ) -> None:
        self.state = state
        self._context = context
        self._table = table
        self._interpret = interpret
        self._patience = patience
        self._renewing = renewing
        self._longest = longest or {}
        self._since: float | None = None
        self._entered = 0.0

    def handle(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        """Take one input; return what to do. Never raises on anything that a remote side sent."""
        if isinstance(event, Woke):
            deadline = self.deadline()
            if deadline is not None and now.mono < deadline:
                return ()
            event = Woke(now.mono >= self._entered + self._longest.get(type(self.state), math.inf))
        narrow = self._interpret(self._context, self.state, event, now)
        if narrow is None:
            return ()
        before = self.state
        self.state, effects = self._table.step(before, narrow)
        if type(self.state) is not type(before):
            self._since = self._entered = now.mono
        elif type(narrow) in self._renewing:
            self._since = now.mono
        return effects

    def deadline(self) -> float | None:
        """When the present state has waited long enough, in monotonic seconds, or None."""
        if self._since is None or self.finished:
            return None
        kind = type(self.state)
        patient = self._since + self._patience[kind]
        patient = min(patient, self._entered + self._longest.get(kind, math.inf))
        until: float = getattr(self.state, "until", patient)
        return min(patient, until)

    @property
    def finished(self) -> bool:
        """Whether the run is over."""
        return type(self.state) in self._table.final
