"""The relay as a node: bytes of HTTP and data connections around `croc_core.relay.Relay`."""

from __future__ import annotations

from collections.abc import Callable

from backends import _io as io
from backends._http_server import Event, HttpServer, Interim, Refusal, Request, render_error
from backends._peers import Addresses, Connections, read_header
from backends._rest import Rest
from croc_core import identify, relay_io
from croc_core.limits import Tally, counted
from croc_core.relay import Relay
from croc_core.timers import Timers
from croc_core.values import Moment, Value

LINGER = 2.0
"""How long a connection that was sent away may take to read why, in seconds."""
_LINGER_BYTES = 1 << 20
"""How much it may send meanwhile, in bytes; all of it is thrown away."""
_LINGERERS = 64
"""How many that were sent away at the door may be lingering; further ones are closed at once."""
_READ = 4096
"""Bytes read at once; while a request waits for its answer, less than twice that is kept."""


class Listening(Value, frozen=True):
    """The relay is ready: the port of HTTP, and the data ports."""

    port: int
    data_ports: tuple[int, ...]


class _Conn:
    """A connection: who counts for it, and whether a read is under way."""

    __slots__ = ("counted", "reading")

    def __init__(self, counted: str | None) -> None:
        self.counted = counted
        self.reading = False


class _Web(_Conn):
    """An HTTP connection."""

    __slots__ = ("ask", "begun", "peer", "sending", "server")

    def __init__(self, counted: str | None, peer: str, max_body: int) -> None:
        super().__init__(counted)
        self.server = HttpServer(max_body)
        self.peer = peer
        self.ask: int | None = None  # the request that waits for its answer
        self.sending = 0
        self.begun = False  # the deadline is that of a request that has begun


class _Link(_Conn):
    """A data connection that is not stapled."""

    __slots__ = ("ahead",)

    def __init__(self, counted: str | None, ahead: bytes) -> None:
        super().__init__(counted)
        self.ahead = ahead  # of its line


class _Proxied(_Conn):
    """A connection from a listed proxy, which may name another peer before all else."""

    __slots__ = ("listener", "peer", "received")

    def __init__(self, counted: str | None, listener: int, peer: str) -> None:
        super().__init__(counted)
        self.listener = listener
        self.peer = peer
        self.received = b""


class _Leaving(_Conn):
    """A connection that has been told why it must go and may still read it."""

    __slots__ = ("budget",)

    def __init__(self, counted: str | None) -> None:
        super().__init__(counted)
        self.budget = _LINGER_BYTES


_SENTENCES = {
    "malformed": "The proxy before this relay sends a header that is none.",
    "too_slow": "The proxy before this relay did not send its header in time.",
}


def _refusal(listener: int, status: int, code: str) -> bytes:
    """Return what a connection is told that gets no further than the door."""
    if listener != io.HTTP:
        return identify.encode_reply(identify.Refusal(status, code))
    message = _SENTENCES.get(code, "This relay has no room for another connection now.")
    return render_error(status, code, message, 10 if status == 429 else None)


class RelayNode:
    """Drives one relay: a backend's inputs to the relay's, the relay's effects to a backend's."""

    finished = False
    """A relay runs until its backend is stopped."""

    def __init__(
        self,
        relay: Relay,
        addresses: Addresses = Addresses(),
        connections: Connections = Connections(),
        announce: Callable[[int, tuple[int, ...]], object] = Listening,
    ) -> None:
        self._relay = relay
        self._announce = announce
        self._addresses = addresses
        self._limits = connections
        self._conns: dict[io.Conn, _Conn] = {}
        self._asks: dict[int, io.Conn] = {}
        self._last_ask = 0
        self._pairs: dict[int, tuple[str | None, str | None]] = {}
        self._counts: Tally[str] = Tally()
        self._idle: dict[str, dict[io.Conn, None]] = {}
        """Those that hold nobody's request or link, oldest first, of each counted address."""
        self._lingerers = 0
        self._rest = Rest()
        self._timers: Timers[io.Conn] = Timers()
        self._out: list[io.Effect] = []
        self._now = Moment(0.0, 0)
        self._inputs: dict[type, Callable[..., None]] = {
            io.Started: self._started,
            io.Accepted: self._accepted,
            io.Received: self._received,
            io.Sent: self._sent,
            io.Broken: self._broken,
            io.Unstapled: self._unstapled,
            io.Woke: self._woke,
        }
        self._effects: dict[type, Callable[..., None]] = {
            relay_io.Answer: self._answer,
            relay_io.Take: self._take,
            relay_io.Say: self._say,
            relay_io.Drop: self._drop,
            relay_io.Staple: self._staple,
            relay_io.Cut: self._cut,
        }

    def handle(self, event: io.Input, now: Moment) -> tuple[io.Effect, ...]:
        """Take one input and say what to do; inputs that a relay has no use for do nothing."""
        self._now = now
        take = self._inputs.get(type(event))
        if take is not None:
            take(event)
        self._rest.note(self.connections + self._relay.names, now.mono)
        out, self._out = self._out, []
        return tuple(out)

    @property
    def connections(self) -> int:
        """How many connections are open, data connections included."""
        return len(self._conns) + 2 * len(self._pairs)

    def deadline(self) -> float | None:
        """When to hand over `Woke`, in monotonic seconds, or None."""
        times = (self._timers.next(), self._relay.deadline(), self._rest.due)
        return min((time for time in times if time is not None), default=None)

    # ---- what happened

    def _started(self, event: io.Started) -> None:
        port, *data_ports = event.ports
        self._relay.data_ports = tuple(data_ports)
        self._out.append(io.Tell(self._announce(port, self._relay.data_ports)))

    def _accepted(self, event: io.Accepted) -> None:
        proxied = self._addresses.trusts(event.peer)
        key = counted(self._addresses.of_peer(event.peer))
        busy = self._counts.total >= self._limits.most
        many = self._counts[key] >= self._limits.per_address and not proxied
        if (many or busy) and not self._close_idle(key if many else None):
            self._turn_away(event, not many)
            return
        self._counts.add(key)
        if proxied:
            conn = self._conns[event.conn] = _Proxied(key, event.listener, event.peer)
            self._idles(event.conn, conn)
            self._timers.set(event.conn, self._now.mono + self._limits.request_timeout)
            self._read_header(event.conn, conn)
        else:
            self._begin(event.conn, event.listener, event.peer, key)

    def _begin(
        self, conn: io.Conn, listener: int, peer: str, key: str | None, ahead: bytes = b""
    ) -> None:
        """Serve a connection of *peer*; *ahead* is what has been read of it."""
        if listener == io.HTTP:
            web = _Web(key, peer, self._relay.limits.max_body)
            self._conns[conn] = web
            self._idles(conn, web)
            self._timers.set(conn, self._now.mono + self._limits.request_timeout)
            if ahead:
                self._web_events(conn, web, web.server.receive(ahead))
            else:
                self._read(conn, web)
        else:
            self._conns[conn] = _Link(key, ahead)
            address = self._addresses.of_peer(peer)
            self._to_relay(relay_io.LinkOpened(conn, listener, address))

    def _read_header(self, conn: io.Conn, proxied: _Proxied) -> None:
        """Go on with what a listed proxy sends first; never read behind it."""
        try:
            found = read_header(proxied.received)
        except ValueError:
            self._send_away(conn, proxied, 400, "malformed")
            return
        if isinstance(found, int):
            proxied.reading = True
            self._out.append(io.Read(conn, found))
            return
        self._works(conn, proxied)
        self._timers.cancel(conn)
        if found.source is not None:
            if not self._recount(proxied, counted(self._addresses.of_peer(found.source))):
                self._send_away(conn, proxied, 429, "too_many")
                return
            proxied.peer = found.source
        self._begin(conn, proxied.listener, proxied.peer, proxied.counted, found.rest)

    def _recount(self, conn: _Proxied, key: str) -> bool:
        """Let a connection count for whom the proxy named; say whether there is room."""
        if self._counts[key] >= self._limits.per_address and not self._close_idle(key):
            return False
        self._uncount(conn.counted)
        self._counts.add(key)
        conn.counted = key
        return True

    def _send_away(self, conn: io.Conn, proxied: _Proxied, status: int, code: str) -> None:
        self._out.append(io.Send(conn, _refusal(proxied.listener, status, code)))
        self._let_linger(conn, proxied)

    def _close_idle(self, key: str | None) -> bool:
        """Close the connection that idles longest, of an address or of the one with the most.

        Return False where there is none: who does not use a connection keeps nobody out.
        """
        if key is None:
            key = max(self._idle, key=lambda it: len(self._idle[it]), default="")
        conn = next(iter(self._idle.get(key, ())), None)
        if conn is not None:
            self._close(conn)
        return conn is not None

    def _idles(self, number: io.Conn, conn: _Conn) -> None:
        """Note that nobody loses much if a connection is closed now."""
        if conn.counted is not None:
            self._idle.setdefault(conn.counted, {})[number] = None

    def _works(self, number: io.Conn, conn: _Conn) -> None:
        """Note that a connection is of use, or gone."""
        idle = self._idle.get(conn.counted or "", {})
        idle.pop(number, None)
        if not idle:
            self._idle.pop(conn.counted or "", None)

    def _turn_away(self, event: io.Accepted, busy: bool) -> None:
        """Tell a connection at the door that there is no room for it."""
        if self._lingerers >= _LINGERERS:
            self._out.append(io.Close(event.conn))
            return
        status, code = (503, "busy") if busy else (429, "too_many")
        self._lingerers += 1
        self._out.append(io.Send(event.conn, _refusal(event.listener, status, code)))
        self._let_linger(event.conn, _Conn(None))

    def _received(self, event: io.Received) -> None:
        conn = self._conns.get(event.conn)
        if conn is None:
            return
        conn.reading = False
        if isinstance(conn, _Web):
            self._web_events(event.conn, conn, conn.server.receive(event.data))
        elif isinstance(conn, _Proxied):
            conn.received += event.data
            if event.data:
                self._read_header(event.conn, conn)
            else:
                self._close(event.conn)
        elif isinstance(conn, _Leaving):
            conn.budget -= len(event.data)
            if event.data and conn.budget > 0:
                self._read(event.conn, conn)
            else:
                self._close(event.conn)
        else:
            self._to_relay(relay_io.LinkReceived(event.conn, event.data))

    def _sent(self, event: io.Sent) -> None:
        web = self._conns.get(event.conn)
        if isinstance(web, _Web):
            web.sending -= 1
            if not web.sending:
                self._web_events(event.conn, web, web.server.resume())

    def _broken(self, event: io.Broken) -> None:
        conn = self._forget(event.conn)
        if isinstance(conn, _Web):
            self._asker_left(conn)
        elif isinstance(conn, _Link):
            self._to_relay(relay_io.LinkLost(event.conn))

    def _unstapled(self, event: io.Unstapled) -> None:
        for address in self._pairs.pop(event.pair):
            self._uncount(address)
        self._to_relay(relay_io.PairEnded(event.pair))

    def _woke(self, event: io.Woke) -> None:
        while (conn := self._timers.pop(self._now.mono)) is not None:
            web = self._conns[conn]
            if isinstance(web, _Proxied):
                self._send_away(conn, web, 408, "too_slow")
            elif isinstance(web, _Web) and web.begun and not web.sending:
                self._refuse(conn, web, web.server.too_slow().data)
            else:  # it idles, or does not read its reply, or has lingered long enough
                self._close(conn)
        relays = self._relay.deadline()
        if relays is not None and relays <= self._now.mono:
            self._to_relay(relay_io.Woke())

    # ---- an HTTP connection

    def _web_events(self, conn: io.Conn, web: _Web, events: tuple[Event, ...]) -> None:
        for event in events:
            if isinstance(event, Request):
                self._ask(conn, web, event)
            elif isinstance(event, Interim):
                self._send(conn, web, event.data)
            elif isinstance(event, Refusal):
                self._refuse(conn, web, event.data)
            else:
                self._close(conn)
                self._asker_left(web)
        if self._conns.get(conn) is web:
            self._go_on(conn, web)

    def _ask(self, conn: io.Conn, web: _Web, request: Request) -> None:
        try:
            address = self._addresses.of_request(web.peer, request.forwarded)
        except ValueError:
            message = "The proxy before this relay names an address that is none."
            self._refuse(conn, web, render_error(400, "malformed", message))
            return
        self._last_ask += 1
        web.ask = self._last_ask
        web.begun = False
        self._works(conn, web)
        self._asks[web.ask] = conn
        self._timers.cancel(conn)  # the relay answers in its own time
        self._to_relay(relay_io.Asked(web.ask, request.method, request.path, request.body, address))

    def _go_on(self, conn: io.Conn, web: _Web) -> None:
        """Read on, and see that a request that has begun ends in time."""
        if web.server.begun and not web.begun and not web.sending:
            web.begun = True
            self._timers.set(conn, self._now.mono + self._limits.request_timeout)
        if web.ask is not None:
            # An open read is what notices that the asker has gone.
            if web.server.buffered < _READ:
                self._read(conn, web)
        elif not web.sending:
            self._read(conn, web)

    def _answer(self, effect: relay_io.Answer) -> None:
        conn = self._asks.pop(effect.ask, None)
        if conn is None:
            return
        web = self._conns[conn]
        assert isinstance(web, _Web)
        web.ask = None
        self._idles(conn, web)
        data = web.server.reply(effect.status, effect.body, effect.retry_after)
        if web.server.keep_alive:
            self._timers.set(conn, self._now.mono + self._limits.keep_alive)
            self._send(conn, web, data)
        else:
            self._refuse(conn, web, data)

    def _refuse(self, conn: io.Conn, web: _Web, data: bytes) -> None:
        """Send the last reply of a connection."""
        self._out.append(io.Send(conn, data))
        self._let_linger(conn, web)

    def _asker_left(self, web: _Web) -> None:
        if web.ask is not None:
            del self._asks[web.ask]
            self._to_relay(relay_io.AskerLeft(web.ask))

    def _send(self, conn: io.Conn, web: _Web, data: bytes) -> None:
        web.sending += 1
        self._out.append(io.Send(conn, data))

    # ---- what the relay says

    def _to_relay(self, event: relay_io.Input) -> None:
        for effect in self._relay.handle(event, self._now):
            self._effects[type(effect)](effect)

    def _take(self, effect: relay_io.Take) -> None:
        conn = io.Conn(effect.link)
        link = self._conns[conn]
        assert isinstance(link, _Link)
        ahead, link.ahead = link.ahead, b""
        if ahead:  # at most some bytes: `effect.limit` is larger
            self._to_relay(relay_io.LinkReceived(conn, ahead))
        else:
            link.reading = True
            self._out.append(io.Read(conn, effect.limit))

    def _say(self, effect: relay_io.Say) -> None:
        self._out.append(io.Send(io.Conn(effect.link), effect.data))

    def _drop(self, effect: relay_io.Drop) -> None:
        conn = io.Conn(effect.link)
        self._let_linger(conn, self._conns[conn])

    def _staple(self, effect: relay_io.Staple) -> None:
        a, b = io.Conn(effect.a), io.Conn(effect.b)
        self._pairs[effect.pair] = (self._conns.pop(a).counted, self._conns.pop(b).counted)
        staple = io.Staple(effect.pair, a, b, effect.to_a, effect.to_b, effect.idle, effect.most)
        self._out.append(staple)

    def _cut(self, effect: relay_io.Cut) -> None:
        self._out.append(io.Cut(effect.pair))

    # ---- any connection

    def _read(self, conn: io.Conn, of: _Conn) -> None:
        if not of.reading:
            of.reading = True
            self._out.append(io.Read(conn, _READ))

    def _let_linger(self, conn: io.Conn, was: _Conn) -> None:
        """End our direction and wait a little for the other: a close at once could lose it all."""
        leaving = self._conns[conn] = _Leaving(was.counted)
        leaving.reading = was.reading
        self._idles(conn, leaving)
        self._timers.set(conn, self._now.mono + LINGER)
        self._out.append(io.HalfClose(conn))
        self._read(conn, leaving)

    def _close(self, conn: io.Conn) -> None:
        self._out.append(io.Close(conn))
        self._forget(conn)

    def _forget(self, number: io.Conn) -> _Conn | None:
        conn = self._conns.pop(number, None)
        if conn is not None:
            self._timers.cancel(number)
            self._works(number, conn)
            self._uncount(conn.counted)
        return conn

    def _uncount(self, address: str | None) -> None:
        if address is None:
            self._lingerers -= 1
        else:
            self._counts.drop(address)
