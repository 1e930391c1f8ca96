"""A host: an address, and the loop around the node that runs there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from backends import _io as io
from backends.memory._clock import Clock
from backends.memory._conn import Connection
from backends.memory._staple import Stapling
from backends.memory._weather import Weather
from backends.memory._wire import End
from croc_core.values import Moment


class Tap(Protocol):
    """Somebody who looks over the shoulders of all hosts, and touches nothing."""

    def took(self, host: Host, event: io.Input) -> None:
        """*host* hands *event* to its node now."""
        ...

    def does(self, host: Host, effect: io.Effect) -> None:
        """*host*'s node wants *effect*."""
        ...


class Dialler(Protocol):
    """What a host needs of the network."""

    def dial(self, host: Host, effect: io.Connect, done: Callable[[End | str, str], None]) -> None:
        """Connect; *done* gets the near end or the cause of the failure, and the peer's address."""
        ...


class Host:
    """A computer with one node. It is at `address`, and thinks that it is at `local`.

    The two differ behind a NAT. What the node says to its person is kept in `told`.
    """

    def __init__(
        self, name: str, address: str, clock: Clock, weather: Weather, network: Dialler
    ) -> None:
        self.name = name
        self.address = self.local = address
        self.ports: tuple[int, ...] = ()
        """Those listened on: HTTP first, then the data ports."""
        self.told: list[object] = []
        self.hear: Callable[[object], None] = lambda event: None
        """Gets what the node tells, as it tells it."""
        self.taps: list[Tap] = []
        self.wall_ms = 0
        """By how much the host's wall clock is ahead, in milliseconds."""
        self.most_queued = 0
        """The greatest number of bytes that a connection had to keep for its node."""
        self.node: io.Node | None = None
        self._clock = clock
        self._weather = weather
        self._network = network
        self._boot = 0  # counts the starts: what was meant for an earlier one is lost
        self._next = io.Conn(1)
        self._conns: dict[io.Conn, Connection] = {}
        self._dialling: set[io.Conn] = set()
        self._gone: set[io.Conn] = set()  # closed or stapled: no more inputs come of them
        self._staples: dict[int, Stapling] = {}
        self._alarm: float | None = None
        self._free_at = 0.0

    @property
    def running(self) -> bool:
        """Whether a node runs here."""
        return self.node is not None

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._conns) + 2 * len(self._staples)

    @property
    def clients(self) -> set[str]:
        """The names of the hosts that have connections here which are not stapled."""
        return {conn.end.wire.client for conn in self._conns.values()}

    def start(self, node: io.Node, ports: tuple[int, ...] = ()) -> None:
        """Run *node*."""
        self.node = node
        self.ports = ports
        self._boot += 1
        self.deliver(io.Started(ports))

    def stop(self) -> None:
        """Stop the node as it stands; close all that is open, behind what was sent before."""
        self.node = None
        self.ports = ()
        self._alarm = None
        self._dialling.clear()
        for stapling in list(self._staples.values()):
            stapling.end("cut")
        for conn in list(self._conns.values()):
            if not conn.closing:
                conn.abort()

    def crash(self) -> None:
        """Stop the node as if its power had failed: what it was to send is lost."""
        self.stop()
        for conn in list(self._conns.values()):
            conn.abort()

    def deliver(self, event: io.Input) -> None:
        """Hand an input to the node, behind those that wait already."""
        self._free_at = max(self._free_at, self._clock.now + self._weather.lag(self))
        self._clock.at(self._free_at, self._take, self._boot, event)

    def accept(self, end: End, listener: int, peer: str) -> None:
        """Take a connection that was dialled from *peer*."""
        number, self._next = self._next, io.Conn(self._next + 2)
        self._add(number, end)
        self.deliver(io.Accepted(number, listener, peer))

    # ---- inside

    def _take(self, boot: int, event: io.Input) -> None:
        node = self.node
        if node is None or boot != self._boot or getattr(event, "conn", None) in self._gone:
            return
        for tap in self.taps:
            tap.took(self, event)
        now = Moment(self._clock.now, self._clock.wall_ms() + self.wall_ms)
        for effect in node.handle(event, now):
            for tap in self.taps:
                tap.does(self, effect)
            self._perform(effect)
        if node.finished:
            self.stop()
        else:
            self._set_alarm(node)

    def _perform(self, effect: io.Effect) -> None:
        match effect:
            case io.Tell(event):
                self.told.append(event)
                self.hear(event)
            case io.Connect(conn):
                self._dialling.add(conn)
                self._network.dial(self, effect, self._dialled(effect))
            case io.Close(conn):
                self._gone.add(conn)
                self._dialling.discard(conn)
                if conn in self._conns:
                    self._conns[conn].close()
            case io.Staple():
                self._staple(effect)
            case io.Cut(pair):
                if pair in self._staples:
                    self._staples[pair].end("cut")
            case io.Work():
                self._work(effect)
            case io.Answer():
                pass  # nobody asks here who is on the network
            case _:
                if effect.conn in self._conns:  # else it has broken, and the node will hear so
                    self._conns[effect.conn].perform(effect)

    def _dialled(self, effect: io.Connect) -> Callable[[End | str, str], None]:
        boot, number = self._boot, effect.conn

        def done(result: End | str, peer: str) -> None:
            wanted = boot == self._boot and number in self._dialling
            self._dialling.discard(number)
            if isinstance(result, str):
                if wanted:
                    self.deliver(io.Broken(number, result))
            elif wanted:
                self._add(number, result)
                self.deliver(io.Connected(number, peer, self.local))
            else:
                result.close()

        return done

    def _add(self, number: io.Conn, end: End) -> None:
        self._conns[number] = Connection(
            number, end, self._clock, self._weather, self.deliver, self._forget
        )

    def _forget(self, conn: Connection) -> None:
        self.most_queued = max(self.most_queued, conn.most_queued)
        self._conns.pop(conn.number, None)

    def _staple(self, effect: io.Staple) -> None:
        self._gone |= {effect.a, effect.b}
        a, b = (self._conns.pop(number, None) for number in (effect.a, effect.b))
        if a is None or b is None:  # one has broken meanwhile
            for conn in (a, b):
                if conn is not None:
                    conn.abort()
            self.deliver(io.Unstapled(effect.pair, 0, 0, "reset"))
            return

        def done(answer: io.Unstapled) -> None:
            del self._staples[answer.pair]
            self.deliver(answer)

        stapling = Stapling(self._clock, self._weather, effect, done)
        self._staples[effect.pair] = stapling
        rests = a.detach(), b.detach()
        stapling.start(a.end, b.end, rests[0] + effect.to_a, rests[1] + effect.to_b)

    def _work(self, effect: io.Work) -> None:
        def run(boot: int) -> None:
            if boot != self._boot:
                return
            try:
                result = effect.call()
            except Exception as error:  # the node judges it
                self.deliver(io.Worked(effect.job, None, error))
            else:
                self.deliver(io.Worked(effect.job, result))

        self._clock.after(self._weather.work(self), run, self._boot)

    def _set_alarm(self, node: io.Node) -> None:
        """See to it that `Woke` comes in time; an alarm that is too early sets itself anew."""
        due = node.deadline()
        if due is None or (self._alarm is not None and self._alarm <= due):
            return
        self._alarm = max(due, self._clock.now)
        self._clock.at(due, self._ring, self._boot, self._alarm)

    def _ring(self, boot: int, alarm: float) -> None:
        if boot != self._boot or self.node is None or alarm != self._alarm:
            return
        self._alarm = None
        due = self.node.deadline()
        if due is not None and due <= self._clock.now:
            self.deliver(io.Woke())
        else:
            self._set_alarm(self.node)
