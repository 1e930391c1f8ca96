"""One connection of a host: performs what a node wants of it, and says what came of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from backends import _io as io
from backends.memory._clock import Clock
from backends.memory._weather import READ, Weather
from backends.memory._wire import End

LINGER = 3.0
"""How long a closed connection may take to send what was sent before, in seconds."""

Outgoing = io.Send | io.Pump | io.HalfClose | io.Close


class Connection:
    """An end, at most one read or drain, and a queue of what is to be sent."""

    def __init__(
        self,
        number: io.Conn,
        end: End,
        clock: Clock,
        weather: Weather,
        deliver: Callable[[io.Input], None],
        forget: Callable[[Connection], None],
    ) -> None:
        self.number = number
        self.end = end
        self.closing = False
        self.most_queued = 0
        """The greatest number of bytes that the node had given and the system not yet taken."""
        self._clock = clock
        self._weather = weather
        self._deliver = deliver
        self._forget = forget
        self._reading: io.Read | io.Drain | None = None
        self._out: deque[Outgoing] = deque()
        self._part: memoryview | None = None  # of the first in the queue
        self._rested = 0.0  # until when nothing is read
        self._moved = {io.Pump: 0.0, io.Drain: 0.0}  # when it last did
        end.user = self

    def perform(self, effect: io.Read | io.Drain | Outgoing) -> None:
        """Begin what the effect says."""
        if self.closing:
            return
        if isinstance(effect, io.Read | io.Drain):
            self._reading = effect
            self._watch(effect)
            self.readable()
            return
        self._out.append(effect)
        queued = sum(len(item.data) for item in self._out if isinstance(item, io.Send))
        self.most_queued = max(self.most_queued, queued)
        if len(self._out) == 1:
            self._watch(effect)
            self.writable()

    def close(self) -> None:
        """Close after what was sent before; a read is given up at once."""
        if self.closing:
            return
        self.closing = True
        self._reading = None
        if not self._out or isinstance(self._out[0], io.Pump):
            self.abort()
            return
        self._out.append(io.Close(self.number))
        self._clock.after(LINGER, self.abort)

    def abort(self) -> None:
        """Close at once."""
        self.closing = True
        self._out.clear()
        self._reading = None
        self.end.close()
        self._forget(self)

    def detach(self) -> bytes:
        """Give up the end; return what was still to be sent on it."""
        self.closing = True
        sends = [item.data for item in self._out if isinstance(item, io.Send)]
        if self._part is not None and sends:
            sends[0] = bytes(self._part)
        self._out.clear()
        self._reading = None
        self.end.user = None
        return b"".join(sends)

    # ---- as a User

    def readable(self) -> None:
        """See `User`."""
        reading, end = self._reading, self.end
        if reading is None or self._clock.now < self._rested:
            return
        if isinstance(reading, io.Drain):
            self._drain(reading)
        elif end.news:
            if end.failure and not end.inbox:
                self._break()
                return
            self._reading = None
            count = min(len(end.inbox), reading.limit, READ)
            data = self._take(count) if count else b""
            self._deliver(io.Received(self.number, data))

    def writable(self) -> None:
        """See `User`."""
        while self._out and not self.end.closed:
            if self.end.failure:
                self._break()
                return
            first = self._out[0]
            if not self._push(first):
                return
            if self._out and self._out[0] is first:
                self._out.popleft()
                if self._out:
                    self._watch(self._out[0])

    # ---- inside

    def _drain(self, drain: io.Drain) -> None:
        """Read into the consumer until it is ready or nothing more is there."""
        end = self.end
        try:
            while not drain.consumer.ready():
                if not end.news or self._clock.now < self._rested:
                    return
                if end.failure and not end.inbox:
                    self._break()
                    return
                view = drain.consumer.buffer()
                count = min(len(end.inbox), len(view))
                if count:
                    data = self._take(count)
                    count = len(data)
                    view[:count] = data
                    self._moved[io.Drain] = self._clock.now
                drain.consumer.advance(count)
                if not count:
                    break
        except Exception as error:  # the node judges it
            self._drained(error)
        else:
            self._drained(None)

    def _take(self, count: int) -> bytes:
        data = self.end.take(self._weather.read(self.end, count))
        rest = self._weather.rest(self.end)
        if rest:
            self._rested = self._clock.now + rest
            self._clock.at(self._rested, self.readable)
        return data

    def _drained(self, error: Exception | None) -> None:
        self._reading = None
        self._deliver(io.Drained(self.number, error))

    def _push(self, item: Outgoing) -> bool:
        """Go on with the first in the queue; say whether it is done with."""
        if isinstance(item, io.HalfClose):
            self.end.finish()
        elif isinstance(item, io.Close):
            self.abort()
        elif isinstance(item, io.Pump):
            return self._pump(item)
        else:
            if self._part is None:
                self._part = memoryview(item.data)
            if not self._push_part():
                return False
            if not self.closing:
                self._deliver(io.Sent(self.number))
        return True

    def _pump(self, pump: io.Pump) -> bool:
        error: Exception | None = None
        while True:
            if self._part is None:
                try:
                    self._part = pump.producer.fill()
                except Exception as raised:  # the node judges it
                    error = raised
                if self._part is None:
                    break
            if not self._push_part():
                return False
        self._deliver(io.Pumped(self.number, error))
        return True

    def _push_part(self) -> bool:
        """Send as much of the part as there is room for; say whether that was all."""
        assert self._part is not None
        room = self.end.room
        if room:
            self._moved[io.Pump] = self._clock.now
        self.end.send(bytes(self._part[:room]))
        self._part = self._part[room:] if room < len(self._part) else None
        return self._part is None

    def _watch(self, item: object) -> None:
        """See that a pump or a drain does not wait longer than its patience."""
        if isinstance(item, io.Pump | io.Drain) and item.patience is not None:
            self._moved[type(item)] = self._clock.now
            self._clock.after(item.patience, self._check, item, item.patience)

    def _check(self, item: io.Pump | io.Drain, patience: float) -> None:
        current = self._reading if isinstance(item, io.Drain) else next(iter(self._out), None)
        if current is not item or self.closing:
            return
        due = self._moved[type(item)] + patience
        if due <= self._clock.now:
            self.end.close()
            self._break("timed out")
        else:
            self._clock.at(due, self._check, item, patience)

    def _break(self, cause: str = "") -> None:
        told = not self.closing
        self.abort()
        if told:
            self._deliver(io.Broken(self.number, cause or self.end.failure))
