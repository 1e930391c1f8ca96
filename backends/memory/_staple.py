"""A staple in memory: what comes at one end goes out at the other, as far as there is room."""

from __future__ import annotations

from collections.abc import Callable

from backends import _io as io
from backends.memory._clock import Clock
from backends.memory._weather import Weather
from backends.memory._wire import End


class Stapling:
    """Two ends joined, until both directions have ended, one fails, or nothing moves."""

    def __init__(
        self,
        clock: Clock,
        weather: Weather,
        effect: io.Staple,
        done: Callable[[io.Unstapled], None],
    ) -> None:
        self._clock = clock
        self._weather = weather
        self._pair = effect.pair
        self._idle = effect.idle
        self._done = done
        self._ways: tuple[_Way, ...] = ()
        self._moved_at = clock.now

    def start(self, a: End, b: End, to_a: bytes, to_b: bytes) -> None:
        """Begin to move bytes; *to_a* and *to_b* go first."""
        self._ways = (_Way(a, b, to_b), _Way(b, a, to_a))
        a.user = b.user = self
        self._clock.after(self._idle, self._ring)
        self._clock.after(0.0, self.readable)

    def end(self, cause: str) -> None:
        """Close both ends and say what went through."""
        if not self._ways:
            return
        there, back = self._ways
        self._ways = ()
        there.source.close()
        back.source.close()
        self._done(io.Unstapled(self._pair, there.moved, back.moved, cause))

    def readable(self) -> None:
        """See `User`."""
        for way in self._ways:
            if way.turn(self._weather):
                self._moved_at = self._clock.now
            if way.source.failure or way.sink.failure:
                self.end("reset")
                return
        if self._ways and all(way.over for way in self._ways):
            self.end("done")

    writable = readable

    def _ring(self) -> None:
        due = self._moved_at + self._idle
        if not self._ways:
            return
        if due <= self._clock.now:
            self.end("idle")
        else:
            self._clock.at(due, self._ring)


class _Way:
    """One direction."""

    def __init__(self, source: End, sink: End, first: bytes) -> None:
        self.source, self.sink = source, sink
        self.moved = 0
        self.over = False
        self._first = first

    def turn(self, weather: Weather) -> bool:
        """Move what can be moved; say whether that was anything."""
        before = self.moved
        while self.sink.room > 0 and not self.sink.failure:
            if self._first:
                data, self._first = self._first[: self.sink.room], self._first[self.sink.room :]
            elif self.source.inbox:
                count = min(self.sink.room, len(self.source.inbox))
                data = self.source.take(weather.read(self.source, count))
            else:
                break
            self.moved += len(data)
            self.sink.send(data)
        if self.source.ended and not self.source.inbox and not self._first and not self.over:
            self.over = True
            self.sink.finish()
        return self.moved != before
