"""A staple on a loop: two flows, each woken when its next socket is ready."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial

from backends import _io as io
from backends._reactor import Reactor, Timer
from backends._splice import Flow, Pipes, Want

BUDGET = 2 << 20
"""About how many bytes one flow moves before other connections get their turn."""


class Stapling:
    """Two connections joined, until both directions have ended, one fails, or nothing moves."""

    def __init__(
        self,
        reactor: Reactor,
        pipes: Pipes,
        pair: int,
        idle: float,
        done: Callable[[io.Unstapled], None],
        most: int | None = None,
    ) -> None:
        self._reactor = reactor
        self._most = most
        self._pipes = pipes
        self._pair = pair
        self._idle = idle
        self._done = done
        self._ways: tuple[_Way, ...] = ()
        self._moved_at = 0.0
        self._alarm: Timer | None = None

    def start(self, a: socket.socket, b: socket.socket, to_a: bytes, to_b: bytes) -> None:
        """Begin to move bytes; *to_a* and *to_b* go first. The sockets are this staple's now."""
        self._ways = (
            _Way(self._reactor, a, b, Flow(a, b, to_b, self._pipes), self._turn),
            _Way(self._reactor, b, a, Flow(b, a, to_a, self._pipes), self._turn),
        )
        self._moved_at = self._reactor.time()
        self._alarm = self._reactor.call_at(self._moved_at + self._idle, self._ring)
        for way in self._ways:
            self._turn(way)

    def end(self, cause: str) -> None:
        """Close both connections and say what went through."""
        if not self._ways:
            return
        ways, self._ways = self._ways, ()
        if self._alarm is not None:
            self._alarm.cancel()
        for way in ways:
            way.wait_for(None)
        for way in ways:
            way.close()
        self._done(io.Unstapled(self._pair, ways[0].flow.moved, ways[1].flow.moved, cause))

    def _turn(self, way: _Way) -> None:
        if not self._ways:  # the other way has failed just now
            return
        before = way.flow.moved
        try:
            way.wait_for(way.flow.turn(BUDGET))
        except OSError:
            self.end("reset")
            return
        if way.flow.moved != before:
            self._moved_at = self._reactor.time()
        if self._most is not None and sum(way.flow.moved for way in self._ways) >= self._most:
            self.end("full")
            return
        if all(other.waits is Want.NOTHING for other in self._ways):
            self.end("done")

    def _ring(self) -> None:
        due = self._moved_at + self._idle
        if due <= self._reactor.time():
            self.end("idle")
        else:
            self._alarm = self._reactor.call_at(due, self._ring)


class _Way:
    """A flow and what it is registered for."""

    __slots__ = ("_reactor", "_sink", "_source", "_turn", "flow", "waits")

    def __init__(
        self,
        reactor: Reactor,
        source: socket.socket,
        sink: socket.socket,
        flow: Flow,
        turn: Callable[[_Way], None],
    ) -> None:
        self._reactor = reactor
        self._source = source
        self._sink = sink
        self._turn = turn
        self.flow = flow
        self.waits: Want | None = None

    def wait_for(self, want: Want | None) -> None:
        """Be woken for *want*, and for nothing else."""
        if want is self.waits:
            return
        if self.waits is Want.READ:
            self._reactor.remove_reader(self._source)
        elif self.waits is Want.WRITE:
            self._reactor.remove_writer(self._sink)
        self.waits = want
        if want is Want.READ:
            self._reactor.add_reader(self._source, partial(self._turn, self))
        elif want is Want.WRITE:
            self._reactor.add_writer(self._sink, partial(self._turn, self))

    def close(self) -> None:
        """Close the flow and its source; the sink is the other way's source."""
        self.flow.close()
        self._source.close()
