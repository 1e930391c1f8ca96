"""Many deadlines, each under a key, and the next of them at hand."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
_SLACK = 64


class Timers(Generic[K]):
    """Deadlines on one clock, in its unit; setting one costs O(log n), cancelling one O(1).

    A deadline that was cancelled or moved leaves its old entry in the heap until it comes up; once
    such entries outnumber the live ones, the heap is built anew, so it stays bounded.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._live: dict[K, int] = {}
        self._number = count()

    def __len__(self) -> int:
        return len(self._live)

    def set(self, key: K, when: float) -> None:
        """Set or move the deadline of *key*."""
        number = self._live[key] = next(self._number)
        heapq.heappush(self._heap, (when, number, key))
        if len(self._heap) > 2 * len(self._live) + _SLACK:
            self._heap = [entry for entry in self._heap if self._is_live(entry)]
            heapq.heapify(self._heap)

    def cancel(self, key: K) -> None:
        """Forget the deadline of *key*, if it has one."""
        self._live.pop(key, None)

    def next(self) -> float | None:
        """Return the earliest deadline, or None."""
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now: float) -> K | None:
        """Remove and return the key whose deadline is earliest, if it is at or before *now*."""
        when = self.next()
        if when is None or when > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._live[key]
        return key

    def _is_live(self, entry: tuple[float, int, K]) -> bool:
        return self._live.get(entry[2]) == entry[1]
