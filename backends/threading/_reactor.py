"""A loop over `selectors` in one thread: what `backends._reactor` asks for, and no more."""

from __future__ import annotations

import heapq
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass, field

from backends._reactor import Call

_FEW = 64
"""So many timers that were cancelled may wait for their time before they are looked for."""


@dataclass(order=True, slots=True)
class _Timer:
    """A call that is to come."""

    due: float
    number: int
    reactor: Reactor | None = field(compare=False, repr=False)
    """None once the call has been made or cancelled."""
    callback: Call = field(compare=False, repr=False)

    def when(self) -> float:
        """See `Timer`."""
        return self.due

    def cancel(self) -> None:
        """See `Timer`."""
        if self.reactor is not None:
            reactor, self.reactor = self.reactor, None
            reactor.cancelled += 1


@dataclass(slots=True)
class _Watch:
    """What to call for a socket; both None once it is not watched any more."""

    read: Call | None = None
    write: Call | None = None

    @property
    def events(self) -> int:
        """What the selector is to wait for."""
        return (self.read is not None and selectors.EVENT_READ) | (
            self.write is not None and selectors.EVENT_WRITE
        )


class Reactor:
    """See `backends._reactor.Reactor`. What a callback raises, `run` raises."""

    def __init__(self) -> None:
        self.cancelled = 0
        """Timers that wait in vain."""
        self._selector = selectors.DefaultSelector()
        self._watched: dict[socket.socket, _Watch] = {}
        self._timers: list[_Timer] = []
        self._number = 0
        self._calls: deque[Call] = deque()
        self._stopped = False
        self._closed = False
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self.add_reader(self._woken, self._take_wakes)

    def run(self) -> None:
        """Wait and call, until `stop`."""
        while not self._stopped:
            self._turn()
        self._stopped = False

    def stop(self) -> None:
        """Let `run` return, or the next one if none runs."""
        self._stopped = True

    def close(self) -> None:
        """Call nothing any more."""
        self._closed = True
        self._calls.clear()
        self._timers.clear()
        self._selector.close()
        self._woken.close()
        self._waker.close()

    # ---- for the hands

    def time(self) -> float:
        """See `Reactor`."""
        return time.monotonic()

    def call_at(self, when: float, callback: Call, /) -> _Timer:
        """See `Reactor`."""
        self._number += 1  # those of one time come in their order
        timer = _Timer(when, self._number, self, callback)
        heapq.heappush(self._timers, timer)
        return timer

    def call_later(self, delay: float, callback: Call, /) -> _Timer:
        """See `Reactor`."""
        return self.call_at(self.time() + delay, callback)

    def call_soon_threadsafe(self, callback: Call, /) -> None:
        """See `Reactor`."""
        if self._closed:
            raise RuntimeError("the loop is closed")
        self._calls.append(callback)
        try:
            self._waker.send(b"\0")
        except OSError:  # full, so it will wake; or closed just now
            return

    def add_reader(self, sock: socket.socket, callback: Call, /) -> None:
        """See `Reactor`."""
        watch = self._watched.get(sock) or _Watch()
        self._watch(sock, watch, callback, watch.write)

    def add_writer(self, sock: socket.socket, callback: Call, /) -> None:
        """See `Reactor`."""
        watch = self._watched.get(sock) or _Watch()
        self._watch(sock, watch, watch.read, callback)

    def remove_reader(self, sock: socket.socket, /) -> None:
        """See `Reactor`."""
        watch = self._watched.get(sock)
        if watch is not None:
            self._watch(sock, watch, None, watch.write)

    def remove_writer(self, sock: socket.socket, /) -> None:
        """See `Reactor`."""
        watch = self._watched.get(sock)
        if watch is not None:
            self._watch(sock, watch, watch.read, None)

    # ---- inside

    def _watch(
        self, sock: socket.socket, watch: _Watch, read: Call | None, write: Call | None
    ) -> None:
        before = watch.events
        watch.read, watch.write = read, write
        events = watch.events
        if not events:
            if before:
                self._selector.unregister(sock)
                del self._watched[sock]
        elif not before:
            self._selector.register(sock, events, watch)
            self._watched[sock] = watch
        elif events != before:
            self._selector.modify(sock, events, watch)

    def _turn(self) -> None:
        """Wait once, then make all calls whose cause has come."""
        for key, events in self._selector.select(self._patience()):
            watch: _Watch = key.data  # as it is now: a call before may have taken it away
            if events & selectors.EVENT_READ and watch.read is not None:
                watch.read()
            if events & selectors.EVENT_WRITE and watch.write is not None:
                watch.write()
        now = self.time()
        while self._timers and self._timers[0].due <= now:
            timer = heapq.heappop(self._timers)
            if timer.reactor is None:
                self.cancelled -= 1
            else:
                timer.reactor = None
                timer.callback()
        for _ in range(len(self._calls)):  # those that come meanwhile have their turn next
            self._calls.popleft()()

    def _patience(self) -> float | None:
        """How long to wait for sockets, in seconds."""
        if self.cancelled > _FEW and self.cancelled > len(self._timers) // 2:
            self._timers = [timer for timer in self._timers if timer.reactor is not None]
            heapq.heapify(self._timers)
            self.cancelled = 0
        if self._calls or self._stopped:
            return 0.0
        return max(0.0, self._timers[0].due - self.time()) if self._timers else None

    def _take_wakes(self) -> None:
        self._woken.recv(4096)
