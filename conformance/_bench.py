"""A backend on the bench of `conformance/backend.py`: a node that obeys, and plain sockets."""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from backends import _io as io
from backends._sockets import Listen
from conformance._case import UnmetError, expect
from croc_core.values import Moment

HOST = "127.0.0.1"
WAIT = 60.0
"""How long a check waits for anything, in seconds."""
T = TypeVar("T", bound=io.Input)


class Hands(Protocol):
    """What the factory returns."""

    def run(self) -> None:
        """Run the node until it is finished or `stop` is called, then close all that is open."""
        ...

    def inject(self, what: object) -> None:
        """Hand `Told(what)` to the node; from any thread."""
        ...

    def stop(self) -> None:
        """End `run`; from any thread."""
        ...


Factory = Callable[[io.Node, Sequence[Listen], Callable[[object], None]], Hands]


class Puppet:
    """A node that does what the check says: `Told((effects))` performs them, `Told(call)` calls."""

    def __init__(self) -> None:
        self.seen: queue.Queue[io.Input] = queue.Queue()
        self.finished = False
        self.due: float | None = None
        self.inside = threading.Lock()
        self.faults: list[str] = []

    def deadline(self) -> float | None:
        """See `Node`."""
        return self.due

    def handle(self, event: io.Input, now: Moment) -> tuple[io.Effect, ...]:
        """See `Node`."""
        if not self.inside.acquire(blocking=False):
            self.faults.append("two inputs were handed over at the same time")
            return ()
        try:
            if isinstance(event, io.Told):
                if callable(event.what):
                    event.what()
                    return ()
                assert isinstance(event.what, tuple)
                return event.what
            if isinstance(event, io.Woke):
                if self.due is None or now.mono < self.due:
                    self.faults.append("Woke came before the deadline")
                self.due = None
            self.seen.put(event)
            return ()
        finally:
            self.inside.release()


class Bench:
    """A backend that runs a puppet with one listener."""

    def __init__(self, factory: Factory) -> None:
        self.puppet = Puppet()
        self.told: list[object] = []
        self.hands = factory(self.puppet, (Listen(HOST, 0), Listen(HOST, 0)), self.told.append)
        self.raised: BaseException | None = None
        self._sockets: list[socket.socket] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.ports = self.next(io.Started).ports

    def _run(self) -> None:
        try:
            self.hands.run()
        except BaseException as error:
            self.raised = error

    def do(self, *effects: io.Effect) -> None:
        """Have the node want these effects."""
        self.hands.inject(effects)

    def call(self, what: Callable[[], object]) -> None:
        """Have this called within the node."""
        self.hands.inject(what)

    def next(self, kind: type[T]) -> T:
        """Return the next input, which must be of *kind*."""
        try:
            event = self.puppet.seen.get(timeout=WAIT)
        except queue.Empty:
            raise UnmetError(f"no {kind.__name__} within {WAIT:g} s") from self.raised
        if not isinstance(event, kind):
            raise UnmetError(f"{event} in the place of {kind.__name__}")
        return event

    def silent(self, seconds: float = 0.3) -> None:
        """Nothing may happen for so long."""
        with contextlib.suppress(queue.Empty):
            raise UnmetError(f"{self.puppet.seen.get(timeout=seconds)} came unasked")

    def pair(self, listener: int = 0) -> tuple[io.Conn, socket.socket]:
        """Connect a plain socket; return it and the connection's number."""
        sock = socket.create_connection((HOST, self.ports[listener]), WAIT)
        self._sockets.append(sock)
        accepted = self.next(io.Accepted)
        expect(accepted.listener == listener - 1, f"the listener is {accepted.listener}")
        expect(accepted.peer == HOST, f"the peer is {accepted.peer}")
        expect(accepted.conn % 2 == 1, f"the backend picked the even number {accepted.conn}")
        return accepted.conn, sock

    def stop(self) -> None:
        """End the backend; it must end, and have broken no rule."""
        self.hands.stop()
        self.thread.join(WAIT)
        expect(not self.thread.is_alive(), f"run() did not end within {WAIT:g} s after stop()")
        if self.raised is not None:
            raise UnmetError(f"run() raised {self.raised!r}") from self.raised
        expect(not self.puppet.faults, "; ".join(self.puppet.faults))

    def close(self) -> None:
        """Close the suite's own sockets."""
        for sock in self._sockets:
            sock.close()


class Parts:
    """A producer of parts, and a consumer of a number of bytes."""

    def __init__(self, parts: Iterator[bytes] | None = None, count: int = 0) -> None:
        self.parts = parts or iter(())
        self.made = 0
        self.count = count
        self.got = bytearray()
        self.ends = 0
        self._room = memoryview(bytearray(65536))

    def fill(self) -> memoryview | None:
        """See `Producer`."""
        part = next(self.parts, None)
        if part is None:
            return None
        self.made += len(part)
        return memoryview(part)

    def ready(self) -> bool:
        """See `Consumer`."""
        return len(self.got) >= self.count

    def buffer(self) -> memoryview:
        """See `Consumer`."""
        return self._room[: min(len(self._room), self.count - len(self.got))]

    def advance(self, count: int) -> None:
        """See `Consumer`."""
        self.ends += count == 0
        self.got += self._room[:count]


def read(sock: socket.socket, count: int = 1 << 40) -> bytes:
    sock.settimeout(WAIT)
    data = bytearray()
    while len(data) < count:
        part = sock.recv(min(1 << 20, count - len(data)))
        if not part:
            break
        data += part
    return bytes(data)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
