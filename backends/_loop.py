"""The loop around a node that backends share: takes inputs, performs effects, knows no protocol.

A backend adds `run`: how to wait. All state belongs to the thread that runs the loop.
"""

from __future__ import annotations

import errno
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from backends import _io as io
from backends._conn import Connection
from backends._dial import Dial
from backends._reactor import Call, Reactor, Timer
from backends._sockets import Listen, cause, close_all, listen, prepare
from backends._splice import Pipes
from backends._staple import Stapling
from backends._throttle import Throttle
from backends._workers import Workers
from croc_core.values import Moment

if TYPE_CHECKING:
    from backends._session import Session

T = TypeVar("T")

_ACCEPTS = 64
"""Most connections taken from one listener before others get their turn."""
_INPUTS = 32
"""Most inputs handled before sockets and timers get their turn: one may lead to the next for ever,
as with a peer that sends many requests in one go."""
_PAUSE = 0.5
"""How long to accept nothing once descriptors have run out, in seconds."""
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Options:
    """What a backend may be told; every time is in seconds."""

    connect_timeout: float = 15.0
    """For each address of a name."""
    linger: float = 3.0
    """How long a closed connection may take to send what was sent before."""
    farewell: float = 5.0
    """How long `run` waits at its end for threads; one that is stuck is left behind."""
    throttle: int | None = None
    """Most bytes a second of all pumps and drains together; None: no bound."""


class NodeLoop:
    """Runs one node. `inject` and `stop` may be called from any thread, and by a signal handler.

    `tell` gets the event of every `Tell`, on the loop.
    """

    def __init__(
        self,
        node: io.Node,
        *,
        listen: Sequence[Listen] = (),
        tell: Callable[[object], None] = lambda event: None,
        options: Options = Options(),
    ) -> None:
        self.options = options
        self.throttle = None if options.throttle is None else Throttle(options.throttle)
        self.workers = Workers("croc-core")
        self._node = node
        self._listen_on = listen
        self._tell = tell
        self._reactor: Reactor | None = None
        self._inbox: deque[io.Input] = deque()
        self._calls: deque[Call] = deque()
        self._running = False
        self._handling = False
        self._error: Exception | None = None
        self._ended: Call = _nothing
        self._closed: Call | None = None
        self._listeners: list[socket.socket] = []
        self._conns: dict[int, Connection] = {}
        self._dials: dict[int, Dial] = {}
        self._staples: dict[int, Stapling] = {}
        self._pipes = Pipes()
        self._next = 1
        self._alarm: Timer | None = None
        self._farewell: Timer | None = None
        self._jobs = 0
        self._hands: dict[type, Callable[..., None]] = {
            io.Connect: self._connect,
            io.Read: self._to_conn,
            io.Send: self._to_conn,
            io.Pump: self._to_conn,
            io.Drain: self._to_conn,
            io.HalfClose: self._to_conn,
            io.Close: self._close,
            io.Staple: self._staple,
            io.Cut: self._cut,
            io.Work: self._work,
            io.Tell: lambda effect: self._tell(effect.event),
            io.Answer: self._answer,
        }

    # ---- for the owner

    @classmethod
    def of(cls, session: Session, tell: Callable[[Any], None]) -> Self:
        """The loop that runs *session*."""
        options = Options(throttle=session.throttle)
        loop = cls(session.node, listen=session.listen, tell=tell, options=options)
        session.inject = loop.inject
        for what in session.early:
            loop.inject(what)
        return loop

    def inject(self, what: object) -> None:
        """Hand `Told(what)` to the node; kept until it runs."""
        self.soon(lambda: self.deliver(io.Told(what)))

    def stop(self) -> None:
        """Make `run` close all that is open and return."""
        self.soon(self._end)

    # ---- for the backend's `run`

    def _begin(self, reactor: Reactor, ended: Call) -> None:
        """Open the listeners and start the node; *ended* is called when it is time to `_shut`.

        Raises OSError where a listener cannot be opened.
        """
        self._reactor = reactor
        ports = self._open_listeners(reactor)
        self._ended = ended
        self._running = True
        self.deliver(io.Started(ports))
        self._make_calls()

    def _shut(self, closed: Call) -> None:
        """Close what is open, once; *closed* is called when what was sent is out and threads ended.

        Or after `Options.farewell`: what is still there then is for `_abandon`.
        """
        assert self._reactor is not None
        self._running = False
        self._closed = closed
        if self._alarm is not None:
            self._alarm.cancel()
        for sock in self._listeners:
            self._reactor.remove_reader(sock)
        close_all(self._listeners)
        for dial in self._dials.values():
            dial.cancel()
        for stapling in list(self._staples.values()):
            stapling.end("cut")
        for conn in list(self._conns.values()):
            if not conn.closing:
                conn.abort()
        self._farewell = self._reactor.call_later(self.options.farewell, closed)
        self._check_closed()

    def _abandon(self) -> None:
        """Close what `_shut` has waited for long enough; raise what the node raised, if it did."""
        if self._farewell is not None:
            self._farewell.cancel()
        for conn in list(self._conns.values()):
            conn.abort()
        self.workers.close(0.0 if self._jobs else 1.0)
        self._pipes.close()
        if self._error is not None:
            raise self._error

    def _check_closed(self) -> None:
        if self._closed is not None and not self._conns and not self._jobs:
            self._closed()

    # ---- for the hands

    def soon(self, call: Call) -> None:
        """Run *call* on the loop, from any thread; not at all once that is closed."""
        # No lock, for signal handlers: `_begin` sets the reactor first and then makes the calls.
        self._calls.append(call)
        if self._reactor is not None:
            try:
                self._reactor.call_soon_threadsafe(self._make_calls)
            except RuntimeError:  # the loop is closed: nobody waits for this any more
                return

    def in_thread(
        self, call: Callable[[], T], done: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """Run *call* in a thread, then *done* on the loop: its result, or what it raised."""
        self._jobs += 1

        def finished(result: T | None, error: BaseException | None) -> None:
            self._jobs -= 1
            done(result, error)
            self._check_closed()

        def job() -> None:
            try:
                result = call()
            except BaseException as raised:
                error = raised
                self.soon(lambda: finished(None, error))
            else:
                self.soon(lambda: finished(result, None))

        self.workers.submit(job)

    def deliver(self, event: io.Input) -> None:
        """Hand an input to the node, after those that wait already, and do what it says.

        Where many wait, the last of them get their turn later.
        """
        if not self._running:
            return
        self._inbox.append(event)
        if not self._handling:
            self._handling = True
            self._handle()

    def forget(self, conn: Connection) -> None:
        """Drop a connection that has closed itself."""
        self._conns.pop(conn.number, None)
        self._check_closed()

    # ---- inside

    def _handle(self) -> None:
        """Handle what waits, or so much of it as may be handled at once."""
        try:
            for _ in range(_INPUTS):
                if not self._inbox or not self._running:
                    break
                self._perform(self._inbox.popleft())
                if self._node.finished:
                    self._end()
        except Exception as error:  # a bug of the node: its owner is to know
            self._end(error)
        self._handling = bool(self._inbox) and self._running
        if self._handling:
            assert self._reactor is not None
            self._reactor.call_soon_threadsafe(self._handle)
        self._set_alarm()

    def _perform(self, event: io.Input) -> None:
        now = Moment(time.monotonic(), time.time_ns() // 1_000_000)
        hands = self._hands
        for effect in self._node.handle(event, now):
            hands[type(effect)](effect)

    def _make_calls(self) -> None:
        while self._calls:
            self._calls.popleft()()

    def _end(self, error: Exception | None = None) -> None:
        if self._running:
            self._running = False
            self._error = error
            self._ended()

    def _set_alarm(self) -> None:
        """See to it that `Woke` comes in time; an alarm that is too early sets itself anew."""
        if not self._running:
            return
        assert self._reactor is not None
        due = self._node.deadline()
        if due is None:
            return
        if self._alarm is not None:
            if self._alarm.when() <= due:
                return
            self._alarm.cancel()
        self._alarm = self._reactor.call_at(due, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        due = self._node.deadline()
        if due is not None and due <= time.monotonic():
            self.deliver(io.Woke())
        else:
            self._set_alarm()

    def _open_listeners(self, reactor: Reactor) -> tuple[int, ...]:
        ports = []
        for listener, where in enumerate(self._listen_on, start=io.HTTP):
            opened = listen(where)
            self._listeners += opened
            ports.append(opened[0].getsockname()[1])
            for sock in opened:
                reactor.add_reader(sock, partial(self._accept, reactor, sock, listener))
        return tuple(ports)

    def _accept(self, reactor: Reactor, listening: socket.socket, listener: int) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError as error:
                if error.errno in _NO_ROOM:
                    reactor.remove_reader(listening)
                    again = partial(self._accept_again, reactor, listening, listener)
                    reactor.call_later(_PAUSE, again)
                return
            try:
                prepare(sock)
            except OSError:  # gone already
                sock.close()
                continue
            number = io.Conn(self._next)
            self._next += 2
            self._conns[number] = Connection(number, sock, reactor, self)
            self.deliver(io.Accepted(number, listener, address[0]))

    def _accept_again(self, reactor: Reactor, listening: socket.socket, listener: int) -> None:
        if listening.fileno() >= 0:
            reactor.add_reader(listening, partial(self._accept, reactor, listening, listener))

    def _to_conn(self, effect: io.Read | io.Send | io.Pump | io.Drain | io.HalfClose) -> None:
        conn = self._conns.get(effect.conn)
        if conn is not None:  # else it has broken, and the node will hear so
            conn.perform(effect)

    def _connect(self, effect: io.Connect) -> None:
        assert self._reactor is not None
        done = partial(self._dialled, effect.conn)
        dial = Dial(self._reactor, effect, self.options.connect_timeout, done)
        self._dials[effect.conn] = dial
        dial.start(self.in_thread)

    def _dialled(
        self, number: io.Conn, sock: socket.socket | None, error: BaseException | None
    ) -> None:
        assert self._reactor is not None
        del self._dials[number]
        answer: io.Connected | None = None
        if sock is not None:
            try:
                answer = io.Connected(number, sock.getpeername()[0], sock.getsockname()[0])
            except OSError as gone:
                error = gone
                sock.close()
            else:
                self._conns[number] = Connection(number, sock, self._reactor, self)
        self.deliver(answer or io.Broken(number, cause(error or OSError())))

    def _close(self, effect: io.Close) -> None:
        dial = self._dials.pop(effect.conn, None)
        if dial is not None:
            dial.cancel()
        conn = self._conns.get(effect.conn)
        if conn is not None:
            conn.close(self.options.linger)

    def _staple(self, effect: io.Staple) -> None:
        ends = [self._conns.pop(number, None) for number in (effect.a, effect.b)]
        a, b = ends
        if a is None or b is None:  # one has broken meanwhile
            for conn in ends:
                if conn is not None:
                    conn.abort()
            self.deliver(io.Unstapled(effect.pair, 0, 0, "reset"))
            return
        (sock_a, rest_a), (sock_b, rest_b) = a.detach(), b.detach()
        assert self._reactor is not None
        stapling = Stapling(
            self._reactor, self._pipes, effect.pair, effect.idle, self._unstapled, effect.most
        )
        self._staples[effect.pair] = stapling
        stapling.start(sock_a, sock_b, rest_a + effect.to_a, rest_b + effect.to_b)

    def _unstapled(self, answer: io.Unstapled) -> None:
        self._staples.pop(answer.pair, None)
        self.deliver(answer)

    def _cut(self, effect: io.Cut) -> None:
        stapling = self._staples.get(effect.pair)
        if stapling is not None:
            stapling.end("cut")

    def _work(self, effect: io.Work) -> None:
        self.in_thread(
            effect.call,
            lambda result, error: self.deliver(io.Worked(effect.job, result, error)),
        )

    def _answer(self, effect: io.Answer) -> None:
        from backends._discovery_net import answer_all, open_answering  # few runs need it

        assert self._reactor is not None
        heard, answered = open_answering(effect.host)
        self._listeners += {*heard, *answered}
        for sock, out in zip(heard, answered, strict=True):
            self._reactor.add_reader(sock, partial(answer_all, sock, out, effect.answer))


def _nothing() -> None:
    """What is called before there is something to call."""
