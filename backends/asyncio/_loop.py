"""The asyncio loop around a node: waits for inputs, performs effects, knows no protocol."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from backends import _io as io
from backends._sockets import Listen, cause, close_all, listen, prepare
from backends._splice import Pipes
from backends._workers import Workers
from backends.asyncio._conn import Connection
from backends.asyncio._dial import dial
from backends.asyncio._staple import Stapling
from croc_core.values import Moment

T = TypeVar("T")

__all__ = ["Listen", "Loop", "Options"]

_ACCEPTS = 64
"""Most connections taken from one listener before others get their turn."""
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
    """How long `Loop.run` waits at its end for threads; one that is stuck is left behind."""


class Loop:
    """Runs one node on the running event loop. `inject` and `stop` may be called from any thread.

    `tell` gets the event of every `Tell`, on the event loop.
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
        self.workers = Workers("croc-core")
        self._node = node
        self._listen_on = listen
        self._tell = tell
        self._inbox: deque[io.Input] = deque()
        self._handling = False
        self._over: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._early: list[Callable[[], None]] = []
        self._listeners: list[socket.socket] = []
        self._conns: dict[int, Connection] = {}
        self._dials: dict[int, asyncio.Task[None]] = {}
        self._staples: dict[int, Stapling] = {}
        self._pipes = Pipes()
        self._next = 1
        self._alarm: asyncio.TimerHandle | None = None
        self._jobs = 0
        self._changed = asyncio.Event()
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
        }

    # ---- for the owner

    async def run(self) -> None:
        """Run the node until it is finished or `stop` is called, then close all that is open.

        Raises OSError where a listener cannot be opened, and what the node raises, if it does.
        """
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        try:
            ports = self._open_listeners(loop)
            with self._lock:
                self._loop = loop
                early, self._early = self._early, []
            self.deliver(io.Started(ports))
            for call in early:
                call()
            await self._over
        finally:
            await self._shut()

    def inject(self, what: object) -> None:
        """Hand `Told(what)` to the node."""
        self.soon(lambda: self.deliver(io.Told(what)))

    def stop(self) -> None:
        """Make `run` close all that is open and return."""
        self.soon(self._end)

    # ---- for the hands

    def soon(self, call: Callable[[], None]) -> None:
        """Run *call* on the event loop, from any thread; not at all once that is closed."""
        with self._lock:
            if self._loop is None:
                self._early.append(call)
                return
            loop = self._loop
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:  # the event loop is closed: nobody waits for this any more
            return

    def in_thread(
        self, call: Callable[[], T], done: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """Run *call* in a thread, then *done* on the event loop: its result, or what it raised."""
        self._jobs += 1

        def finished(result: T | None, error: BaseException | None) -> None:
            self._jobs -= 1
            self._changed.set()
            done(result, error)

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
        """Hand an input to the node, after those that wait already, and do what it says."""
        self._inbox.append(event)
        if self._handling or self._over is None:
            return
        self._handling = True
        try:
            while self._inbox and not self._over.done():
                self._perform(self._inbox.popleft())
                if self._node.finished:
                    self._end()
        except Exception as error:  # a bug of the node: its owner is to know
            self._end(error)
        finally:
            self._handling = False
        self._set_alarm()

    def forget(self, conn: Connection) -> None:
        """Drop a connection that has closed itself."""
        self._conns.pop(conn.number, None)
        self._changed.set()

    # ---- inside

    def _perform(self, event: io.Input) -> None:
        now = Moment(time.monotonic(), time.time_ns() // 1_000_000)
        hands = self._hands
        for effect in self._node.handle(event, now):
            hands[type(effect)](effect)

    def _end(self, error: BaseException | None = None) -> None:
        if self._over is None or self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    def _set_alarm(self) -> None:
        """See to it that `Woke` comes in time; an alarm that is too early sets itself anew."""
        assert self._loop is not None
        assert self._over is not None
        due = self._node.deadline()
        if due is None or self._over.done():
            return
        if self._alarm is not None:
            if self._alarm.when() <= due:
                return
            self._alarm.cancel()
        self._alarm = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        due = self._node.deadline()
        if due is not None and due <= time.monotonic():
            self.deliver(io.Woke())
        else:
            self._set_alarm()

    def _open_listeners(self, loop: asyncio.AbstractEventLoop) -> tuple[int, ...]:
        ports = []
        for listener, where in enumerate(self._listen_on, start=io.HTTP):
            opened = listen(where)
            self._listeners += opened
            ports.append(opened[0].getsockname()[1])
            for sock in opened:
                loop.add_reader(sock, self._accept, loop, sock, listener)
        return tuple(ports)

    def _accept(
        self, loop: asyncio.AbstractEventLoop, listening: socket.socket, listener: int
    ) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError as error:
                if error.errno in _NO_ROOM:
                    loop.remove_reader(listening)
                    loop.call_later(_PAUSE, self._accept_again, loop, listening, listener)
                return
            try:
                prepare(sock)
            except OSError:  # gone already
                sock.close()
                continue
            number = io.Conn(self._next)
            self._next += 2
            self._conns[number] = Connection(number, sock, loop, self)
            self.deliver(io.Accepted(number, listener, address[0]))

    def _accept_again(
        self, loop: asyncio.AbstractEventLoop, listening: socket.socket, listener: int
    ) -> None:
        if listening.fileno() >= 0:
            loop.add_reader(listening, self._accept, loop, listening, listener)

    def _to_conn(self, effect: io.Read | io.Send | io.Pump | io.Drain | io.HalfClose) -> None:
        conn = self._conns.get(effect.conn)
        if conn is not None:  # else it has broken, and the node will hear so
            conn.perform(effect)

    def _connect(self, effect: io.Connect) -> None:
        self._dials[effect.conn] = asyncio.ensure_future(self._dial(effect))

    async def _dial(self, effect: io.Connect) -> None:
        answer: io.Connected | io.Broken
        loop = asyncio.get_running_loop()
        try:
            sock = await dial(effect, self.options.connect_timeout, self.in_thread)
            try:
                peer, local = sock.getpeername()[0], sock.getsockname()[0]
            except OSError:
                sock.close()
                raise
        except (OSError, UnicodeError) as error:
            answer = io.Broken(effect.conn, cause(error))
        else:
            self._conns[effect.conn] = Connection(effect.conn, sock, loop, self)
            answer = io.Connected(effect.conn, peer, local)
        self._dials.pop(effect.conn, None)
        self.deliver(answer)

    def _close(self, effect: io.Close) -> None:
        task = self._dials.pop(effect.conn, None)
        if task is not None:
            task.cancel()
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
        assert self._loop is not None
        stapling = Stapling(self._loop, self._pipes, effect.pair, effect.idle, self._unstapled)
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

    async def _shut(self) -> None:
        """Close all that is open; wait a little for what was to be sent and for the threads."""
        loop = asyncio.get_running_loop()
        if self._over is not None and not self._over.done():
            self._over.cancel()
        if self._alarm is not None:
            self._alarm.cancel()
        for sock in self._listeners:
            loop.remove_reader(sock)
        close_all(self._listeners)
        for task in self._dials.values():
            task.cancel()
        await asyncio.gather(*self._dials.values(), return_exceptions=True)
        for stapling in list(self._staples.values()):
            stapling.end("cut")
        for conn in list(self._conns.values()):
            if not conn.closing:
                conn.abort()
        end = loop.time() + self.options.farewell
        try:
            while (self._conns or self._jobs) and loop.time() < end:
                self._changed.clear()
                async with asyncio.timeout_at(end):
                    await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            for conn in list(self._conns.values()):
                conn.abort()
            self.workers.close(0.0 if self._jobs else 1.0)
            self._pipes.close()
