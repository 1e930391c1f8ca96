"""Virtual time: a heap of what is to come, and a clock that jumps from one thing to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

START = 100_000.0
"""What the monotonic clock says when a network begins, in seconds: like a computer's, not zero."""
EPOCH_MS = 1_760_000_000_000
"""What the wall clocks of all hosts say then, in Unix milliseconds."""


class Clock:
    """Calls what was asked for in the order of (time, order of asking); time passes only so."""

    def __init__(self) -> None:
        self.now = START
        """In seconds."""
        self.steps = 0
        """How many calls have been made."""
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()

    def at(self, when: float, call: Callable[..., None], *args: Any) -> None:
        """Have call(*args) made at *when*, or now if that is over."""
        heapq.heappush(self._heap, (max(when, self.now), next(self._order), call, args))

    def after(self, seconds: float, call: Callable[..., None], *args: Any) -> None:
        """Have call(*args) made *seconds* from now."""
        self.at(self.now + seconds, call, *args)

    def next(self) -> float | None:
        """When the next call is due, or None."""
        return self._heap[0][0] if self._heap else None

    def step(self) -> None:
        """Let time pass up to the next call, and make it."""
        self.now, _, call, args = heapq.heappop(self._heap)
        self.steps += 1
        call(*args)

    def wall_ms(self) -> int:
        """What a wall clock that nobody has touched says, in Unix milliseconds."""
        return EPOCH_MS + int((self.now - START) * 1000)
