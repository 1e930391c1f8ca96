"""A connection as TCP makes it: two ends, two windows, an order, a half-close, a reset."""

from __future__ import annotations

from typing import Protocol

from backends.memory._clock import Clock
from backends.memory._weather import Weather

GIVES_UP = 900.0
"""After how long TCP takes an end that answers nothing for dead, in seconds."""


class User(Protocol):
    """Who holds an end. The calls come while other things go on: they only take or schedule."""

    def readable(self) -> None:
        """Bytes, the end of the stream, or a failure may be there."""
        ...

    def writable(self) -> None:
        """There is room to send, or a failure."""
        ...


class Wire:
    """One connection: who dialled, to which listener, and its two ends."""

    def __init__(
        self, clock: Clock, weather: Weather, client: str, listener: int, number: int
    ) -> None:
        self.client = client
        """The name of the host that dialled."""
        self.listener = listener
        """-1 for HTTP, else the number of the data port."""
        self.number = number
        """How many connections the client had dialled to this listener before."""
        self.near = End(self, clock, weather)
        """The client's end."""
        self.far = End(self, clock, weather)
        self.near.peer, self.far.peer = self.far, self.near

    def reset(self, cause: str = "connection reset") -> None:
        """Break both ends at once, as a box in the middle does."""
        self.near.break_(cause)
        self.far.break_(cause)


class End:
    """One end of a connection, as its host's system holds it."""

    peer: End

    def __init__(self, wire: Wire, clock: Clock, weather: Weather) -> None:
        self.wire = wire
        self.user: User | None = None
        self.inbox = bytearray()
        """What has come and was not read."""
        self.ended = False
        """The other side's stream has ended, behind what is in the inbox."""
        self.failure = ""
        """Why the connection is dead, as in "connection reset"."""
        self.closed = False
        self.sent = 0
        """Bytes that were ever sent from here."""
        self.read = 0
        """Bytes that were ever read here."""
        self._clock = clock
        self._weather = weather
        self._held = 0  # bytes from here that the other side has not read
        self._full = False  # until half of the window is free again
        self._last = 0.0  # when the latest of them arrives
        self._finished = False
        self._silent = False

    @property
    def is_client(self) -> bool:
        """Whether this is the end of the host that dialled."""
        return self is self.wire.near

    @property
    def room(self) -> int:
        """How many bytes can be sent now."""
        return 0 if self._full else max(0, self._weather.window - self._held)

    @property
    def news(self) -> bool:
        """Whether a read would return now."""
        return bool(self.inbox or self.ended or self.failure)

    def send(self, data: bytes) -> None:
        """Send *data*, for which there must be room."""
        self._held += len(data)
        self.sent += len(data)
        self._full = self._held >= self._weather.window
        at = 0
        while at < len(data):
            count, seconds = self._weather.pace(self, len(data) - at)
            self._put(data[at : at + count], count, seconds)
            at += count

    def finish(self) -> None:
        """End this direction, behind what was sent."""
        if not self._finished:
            self._finished = True
            self._put(b"", 0, self._weather.pace(self, 0)[1])

    def take(self, count: int) -> bytes:
        """Read up to *count* bytes of what is there."""
        data = bytes(self.inbox[:count])
        del self.inbox[:count]
        self.read += len(data)
        self.peer._free(len(data))
        return data

    def close(self) -> None:
        """Close as a system does: the other side learns, by a reset, that bytes went unread."""
        if self.closed:
            return
        self.closed = True
        self.user = None
        if self.failure:
            return
        if self.inbox:
            self._refuse()
        else:
            self.finish()

    def break_(self, cause: str) -> None:
        """Make this end dead."""
        if self.failure or self.closed:
            return
        self.failure = cause
        if self._weather.reset_loses(self):
            self.inbox.clear()
        if self.user is not None:
            self.user.readable()
        if self.user is not None:
            self.user.writable()

    def _put(self, data: bytes, count: int, seconds: float) -> None:
        """Put *data* on its way; *count* bytes of the window are taken by it."""
        carried = None if self._silent else self._weather.carry(self, data)
        if carried is None:
            if not self._silent:
                self._silent = True
                self._clock.after(GIVES_UP, self.break_, "connection timed out")
            return
        self._last = max(self._last, self._clock.now + seconds)
        self._held += len(carried) - count
        self._clock.at(self._last, self.peer._arrive, carried, not carried)

    def _arrive(self, data: bytes, ended: bool) -> None:
        if self.closed or self.failure:
            if data and self.closed and not self.failure:
                self._refuse()
            return
        self.inbox += data
        self.ended = self.ended or ended
        if self.user is not None:
            self.user.readable()

    def _refuse(self) -> None:
        """Answer bytes that nobody will read."""
        if not self._silent:
            _, seconds = self._weather.pace(self, 0)
            self._last = max(self._last, self._clock.now + seconds)
            self._clock.at(self._last, self.peer.break_, "connection reset")

    def _free(self, count: int) -> None:
        """The other side has read *count* bytes."""
        self._held -= count
        if self._full and self._held <= self._weather.window // 2:
            self._full = False
            self._clock.after(0.0, self._wake_writer)

    def _wake_writer(self) -> None:
        if self.user is not None:
            self.user.writable()
