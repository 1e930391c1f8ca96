"""The calls of a node that may block: one after the other, some of them forgotten meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from backends._io import Work, Worked
from croc_core.party_io import Input

After = Callable[[Any], Input | None]
"""Takes the result of a call; returns what the machine is told of it, if anything."""


class _Job(NamedTuple):
    call: Callable[[], object]
    after: After


class Jobs:
    """A queue of calls. No call begins before the one before it is over, forgotten or not."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._waiting: deque[_Job] = deque()
        self._running: int | None = None
        self._after: After | None = None  # of the running one

    def add(self, call: Callable[[], object], after: After) -> tuple[Work, ...]:
        """Do *call* in its turn, in a thread."""
        self._waiting.append(_Job(call, after))
        return self._next()

    def forget(self) -> None:
        """Nobody waits for any of them any more; the one that runs goes on, the others do not."""
        self._waiting.clear()
        self._after = None

    def worked(self, event: Worked) -> tuple[tuple[Work, ...], Input | None]:
        """One is over. Raises what it raised, where somebody waits for it."""
        if event.job != self._running:
            return (), None
        after, self._running, self._after = self._after, None, None
        if after is None:
            return self._next(), None
        if event.error is not None:
            raise event.error
        told = after(event.result)
        return self._next(), told

    def _next(self) -> tuple[Work, ...]:
        if self._running is not None or not self._waiting:
            return ()
        job = self._waiting.popleft()
        self._running, self._after = next(self._numbers), job.after
        return (Work(self._running, job.call),)
