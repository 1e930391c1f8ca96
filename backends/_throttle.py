"""At most so many bytes a second, over all the connections of a run together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

NAP = 0.1
"""Longest sleep, in seconds: who waits looks up so often whether it is still wanted."""
_PARTS = 8
"""Bytes go in parts of this share of a second, so that a slow connection never seems dead."""
_LARGEST = 1 << 20


class Throttle:
    """A bucket that several threads draw from. It is waited for before bytes, never behind them.

    *rate* is in bytes a second.
    """

    def __init__(
        self,
        rate: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free = 0.0  # when what was drawn will have been paid for
        self.part = max(1, min(rate // _PARTS, _LARGEST))
        """So many bytes at most may go at once."""

    def wait(self, given_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until bytes may go, or nobody wants them any more."""
        while not given_up():
            left = self._free - self._clock()
            if left <= 0:
                return
            self._sleep(min(left, NAP))

    def count(self, count: int) -> None:
        """Say that *count* bytes have gone. Time in which nothing went is lost."""
        with self._lock:
            self._free = max(self._free, self._clock()) + count / self._rate
