"""What the hands ask of a loop: to be woken when a socket is ready, and when a time has come.

An event loop of asyncio is one as it is; `backends.threading` has one of its own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

Call = Callable[[], object]
"""Runs on the loop, one at a time, and does not block."""


class Timer(Protocol):
    """A call that is to come."""

    def when(self) -> float:
        """Return its time, in seconds on the monotonic clock."""
        ...

    def cancel(self) -> None:
        """Let it not come; nothing happens if it has."""
        ...


class Reactor(Protocol):
    """Waits for sockets and for times. All but `call_soon_threadsafe` is for its own thread."""

    def time(self) -> float:
        """Return the time in seconds, on the monotonic clock."""
        ...

    def call_at(self, when: float, callback: Call, /) -> Timer:
        """Call once *when*, as of `time`, has come."""
        ...

    def call_later(self, delay: float, callback: Call, /) -> Timer:
        """Call after *delay* seconds."""
        ...

    def call_soon_threadsafe(self, callback: Call, /) -> object:
        """Call soon; from any thread and in a signal handler, as it takes no lock.

        Raises RuntimeError once the loop is closed.
        """
        ...

    def add_reader(self, sock: socket.socket, callback: Call, /) -> None:
        """Call whenever *sock* can be read, in place of what was to be called before."""
        ...

    def add_writer(self, sock: socket.socket, callback: Call, /) -> None:
        """Call whenever *sock* can be written to, likewise."""
        ...

    def remove_reader(self, sock: socket.socket, /) -> object:
        """Call no more when *sock* can be read; before it is closed."""
        ...

    def remove_writer(self, sock: socket.socket, /) -> object:
        """Call no more when *sock* can be written to; before it is closed."""
        ...
