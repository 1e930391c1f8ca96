"""Threads for calls that block. They are daemons: one that is stuck never keeps a process alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue


class Workers:
    """As many threads as there are jobs at one time; a free one is used again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0
        self._threads: list[threading.Thread] = []

    def submit(self, job: Callable[[], None]) -> None:
        """Run *job*, which must not raise, in a thread."""
        with self._lock:
            if self._free:
                self._free -= 1
            else:
                name = f"{self._name}-{len(self._threads)}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                thread.start()
                self._threads.append(thread)
        self._jobs.put(job)

    def close(self, patience: float) -> bool:
        """End the free threads and, for *patience* seconds, wait for the others.

        Return whether all have ended; one that has not ends after its job.
        """
        with self._lock:
            for _ in self._threads:
                self._jobs.put(None)
        end = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # what it holds is not held while this thread waits
            with self._lock:
                self._free += 1
