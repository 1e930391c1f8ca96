"""A node that a test plays itself, plain sockets, and a look at what is left open.

Tests run on an event loop of their own, and the loop around the node in whichever way is `chosen`:
on that event loop too, or in another thread.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import ParamSpec, Self

import backends.asyncio._loop
import backends.threading._loop
from backends import _io as io
from backends._loop import NodeLoop, Options
from backends._sockets import Listen
from croc_core.values import Moment

HOST = "127.0.0.1"
P = ParamSpec("P")

LOOPS = {"asyncio": backends.asyncio._loop.Loop, "threading": backends.threading._loop.Loop}
_chosen = "asyncio"


@contextmanager
def chosen(name: str) -> Iterator[None]:
    """Within, loops around nodes are those of the backend *name*."""
    global _chosen
    before, _chosen = _chosen, name
    yield
    _chosen = before


def loop_for(
    node: io.Node,
    *,
    listen: Sequence[Listen] = (),
    tell: Callable[[object], None] = lambda event: None,
    options: Options = Options(),  # noqa: B008 - frozen
) -> NodeLoop:
    """A loop of the chosen backend."""
    return LOOPS[_chosen](node, listen=listen, tell=tell, options=options)


async def run(loop: NodeLoop) -> None:
    """Run *loop* on the event loop, or in a thread of its own."""
    if isinstance(loop, backends.asyncio._loop.Loop):
        await loop.run()
        return
    assert isinstance(loop, backends.threading._loop.Loop)
    home = asyncio.get_running_loop()
    done: asyncio.Future[None] = home.create_future()
    blocking = loop.run

    def in_thread() -> None:
        try:
            blocking()
        except BaseException as error:
            home.call_soon_threadsafe(done.set_exception, error)
        else:
            home.call_soon_threadsafe(done.set_result, None)

    thread = threading.Thread(target=in_thread, name="run", daemon=True)
    thread.start()
    try:
        await done
    finally:
        thread.join(20)


def on_loop(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an asynchronous test on an event loop of its own."""

    @functools.wraps(test)
    def on_its_loop(*args: P.args, **kwargs: P.kwargs) -> None:
        async def within() -> None:
            async with asyncio.timeout(60):
                await test(*args, **kwargs)

        asyncio.run(within())

    return on_its_loop


class Puppet:
    """A node that does what a test tells it and keeps what happens for the test to see."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue[io.Input] = asyncio.Queue()
        self.thread = 0
        """The loop's, from the first input on."""
        self._home = asyncio.get_running_loop()
        self._test = threading.get_ident()
        self.finished = False
        self.due: float | None = None
        self.moments: list[Moment] = []
        self.answers: list[tuple[type[io.Input], tuple[io.Effect, ...]]] = []
        """What to do at once when an input of that type comes, each once."""

    def handle(self, event: io.Input, now: Moment) -> tuple[io.Effect, ...]:
        self.moments.append(now)
        assert self.thread in (0, threading.get_ident()), "a node is run by one thread"
        self.thread = threading.get_ident()
        if isinstance(event, io.Told):
            if callable(event.what):
                event.what()
                return ()
            assert isinstance(event.what, tuple)
            return event.what
        if isinstance(event, io.Woke):
            self.due = None
        if self.thread == self._test:
            self.seen.put_nowait(event)
        else:
            self._home.call_soon_threadsafe(self.seen.put_nowait, event)
        if self.answers and isinstance(event, self.answers[0][0]):
            return self.answers.pop(0)[1]
        return ()

    def deadline(self) -> float | None:
        return self.due


class Hand:
    """A running loop with its puppet."""

    def __init__(self, loop: NodeLoop, puppet: Puppet) -> None:
        self.loop, self.puppet = loop, puppet

    def do(self, *effects: io.Effect) -> None:
        self.loop.inject(effects)

    async def next(self) -> io.Input:
        async with asyncio.timeout(10):
            return await self.puppet.seen.get()

    async def accepted(self) -> io.Accepted:
        event = await self.next()
        assert isinstance(event, io.Accepted)
        return event

    async def ended(self) -> io.Unstapled:
        event = await self.next()
        assert isinstance(event, io.Unstapled)
        return event


def leftovers() -> tuple[set[str], set[str]]:
    """The descriptors and the threads of this process."""
    fds = {f"{n}:{os.readlink(f'/proc/self/fd/{n}')}" for n in os.listdir("/proc/self/fd")
           if os.path.exists(f"/proc/self/fd/{n}")}  # fmt: skip
    return fds, {t.name for t in threading.enumerate()}


def watching() -> set[int]:
    """The descriptors that the event loop waits for: one that is closed must not be among them."""
    return set(asyncio.get_running_loop()._selector.get_map())  # type: ignore[attr-defined]


@asynccontextmanager
async def running(
    *listen: Listen,
    tell: Callable[[object], None] = lambda event: None,
    linger: float = 3.0,
    connect_timeout: float = 15.0,
) -> AsyncIterator[tuple[Hand, tuple[int, ...]]]:
    """Run a puppet; at the end, nothing that was opened is open."""
    before, watched = leftovers(), watching()
    puppet = Puppet()
    options = Options(linger=linger, connect_timeout=connect_timeout)
    loop = loop_for(puppet, listen=listen, tell=tell, options=options)
    task = asyncio.create_task(run(loop))
    hand = Hand(loop, puppet)
    try:
        started = await hand.next()
        assert isinstance(started, io.Started)
        yield hand, started.ports
    finally:
        loop.stop()
        async with asyncio.timeout(20):
            await task
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert leftovers() == before
    assert watching() == watched


class Peer:
    """A plain socket of the test, closed with it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)

    @classmethod
    async def dial(cls, port: int, host: str = HOST, local: str | None = None) -> Self:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        peer = cls(socket.socket(family, socket.SOCK_STREAM))
        if local is not None:
            peer.sock.bind((local, 0))
        try:
            await asyncio.get_running_loop().sock_connect(peer.sock, (host, port))
        except OSError:
            peer.sock.close()
            raise
        return peer

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(20):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def receive(self, count: int = 1 << 30) -> bytes:
        """Read *count* bytes, or up to the end of the stream."""
        data = b""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            while len(data) < count:
                part = await loop.sock_recv(self.sock, min(count - len(data), 1 << 20))
                if not part:
                    break
                data += part
        return data

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


@asynccontextmanager
async def linked(linger: float = 3.0) -> AsyncIterator[tuple[Hand, io.Conn, Peer]]:
    """A running puppet with one accepted connection, and the other end of it."""
    async with running(Listen(HOST, 0), linger=linger) as (hand, (port,)):
        with await Peer.dial(port) as peer:
            event = await hand.accepted()
            yield hand, event.conn, peer


class Bytes:
    """A producer of parts, and a consumer of a fixed number of bytes."""

    def __init__(self, parts: list[bytes] | None = None, count: int = 0, room: int = 65536) -> None:
        self.parts = list(parts or [])
        self.count = count
        self.got = bytearray()
        self.room = bytearray(room)
        self.ends = 0

    def fill(self) -> memoryview | None:
        return memoryview(self.parts.pop(0)) if self.parts else None

    def ready(self) -> bool:
        return len(self.got) >= self.count

    def buffer(self) -> memoryview:
        return memoryview(self.room)[: self.count - len(self.got)]

    def advance(self, count: int) -> None:
        self.ends += count == 0
        self.got += self.room[:count]
