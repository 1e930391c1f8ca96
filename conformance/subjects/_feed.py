"""The standard input of a subject that is a process: written beside the case, as it is read."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Mapping
from contextlib import suppress
from queue import SimpleQueue

_PATIENCE = 100
"""How long a write waits before it looks whether the subject is over, in milliseconds."""


def wanted(environment: Mapping[str, str]) -> bool:
    """Say whether a subject with this environment reads its standard input."""
    asked = environment.get("CROC_WITH", "").split(",")
    return "verify" in asked or "stream" in asked


class Feeder:
    """Writes to the descriptor *fd*, and closes it in the end."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._parts: SimpleQueue[bytes | None] = SimpleQueue()
        self._over = False
        threading.Thread(target=self._run, daemon=True).start()

    def feed(self, data: bytes) -> None:
        """Write *data* behind what is there."""
        self._parts.put(data)

    def end(self) -> None:
        """Close it behind all that."""
        self._parts.put(None)

    def stop(self) -> None:
        """Close it now."""
        self._over = True
        self.end()

    def _run(self) -> None:
        with suppress(OSError):
            while (data := self._parts.get()) is not None:
                self._write(data)
        os.close(self._fd)

    def _write(self, data: bytes) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while data and not self._over:
            if poll.poll(_PATIENCE):
                data = data[os.write(self._fd, data[:65536]) :]
