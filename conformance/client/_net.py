"""Listeners of the suite's own relay, on sockets, all served by the thread of the case."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from conformance._case import skip
from conformance.subjects._pipe import PATIENCE
from conformance.subjects._pipe import Net as Reached
from conformance.subjects._pipe import SocketNet as ReachedNet

HOST = "127.0.0.1"
GROUP, GROUP_PORT = "239.255.67.82", 8003
"""Where queries go (docs/protocol.md, 11.4)."""
Asking = Callable[[bytes, str], bytes | None]
"""Takes a query and whom it is from; returns the answer, or None."""
Hearing = Callable[[bytes, str], Sequence[tuple[str, bytes]]]
"""The same, with several answers, each behind the address that it comes from."""
_READ = 1 << 18
_SOON = 0.4
"""How long the next answer to a query is awaited, in seconds."""


class Conn(Protocol):
    """An accepted connection. What comes is read at once; the case looks at `inbox`."""

    peer: str
    """The other end's address."""
    listener: int
    """0 for HTTP, from 1 on the data ports in their order."""
    inbox: bytearray
    ended: bool
    """The other side's stream has ended, or the connection is lost."""
    unread: bool
    """While this is set nothing more is read: the case plays a slow reader."""

    @property
    def pending(self) -> int:
        """How many bytes the other side has not taken yet."""
        ...

    def send(self, data: bytes) -> None:
        """Send *data*, as soon as the other side takes it."""
        ...

    def finish(self) -> None:
        """End this direction, behind what was sent."""
        ...

    def close(self) -> None:
        """Close, behind what was sent."""
        ...

    def reset(self) -> None:
        """Break the connection."""
        ...


class Net(Protocol):
    """Where the suite listens: real sockets, or a network in memory with a time of its own."""

    host: str
    ports: tuple[int, ...]
    accepted: list[Conn]
    """Connections that nobody has looked at yet."""
    tardy: float
    """The longest time between the first and the last answer to one query, in seconds."""

    def now(self) -> float:
        """Seconds on this network's clock."""
        ...

    def step(self, seconds: float) -> None:
        """Let something happen, or so many seconds pass."""
        ...

    def reach(self, url: str) -> Reached:
        """Return the way to a relay that the subject runs."""
        ...

    def ask(self, *queries: bytes, patience: float = PATIENCE) -> list[bytes]:
        """Send queries on the local network; return what is answered up to soon after the first.

        They are sent in order, the last one again and again until something is answered, for
        *patience* seconds at most.
        """
        ...

    def listen(self, hearing: Hearing) -> None:
        """Answer queries on the local network; the case is skipped where there is none."""
        ...

    def unused_port(self) -> int:
        """Return a port that nobody listens on."""
        ...

    def close(self) -> None:
        """Close all that is open."""
        ...


class SocketConn:
    """A `Conn` over a socket."""

    def __init__(self, net: SocketNet, sock: socket.socket, peer: str, listener: int) -> None:
        self.peer, self.listener = peer, listener
        self.inbox = bytearray()
        self.ended = self.unread = False
        self._net = net
        self._sock = sock
        self._out = bytearray()
        self._finishing = self._closing = False

    @property
    def pending(self) -> int:
        """See `Conn`."""
        return len(self._out)

    def send(self, data: bytes) -> None:
        """See `Conn`."""
        self._out += data
        self._flush()

    def finish(self) -> None:
        """See `Conn`."""
        self._finishing = True
        self._flush()

    def close(self) -> None:
        """See `Conn`."""
        self._closing = True
        self._flush()

    def reset(self) -> None:
        """See `Conn`."""
        if self._sock.fileno() >= 0:
            linger = struct.pack("ii", 1, 0)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._drop()

    def watch(self) -> int:
        """Return the selector's events that this connection waits for."""
        if self._sock.fileno() < 0:
            return 0
        reads = 0 if self.ended or self.unread else selectors.EVENT_READ
        return reads | (selectors.EVENT_WRITE if self._out else 0)

    def work(self, events: int) -> None:
        """Read and write what can be."""
        if events & selectors.EVENT_READ:
            try:
                data = self._sock.recv(_READ)
            except BlockingIOError:
                return
            except OSError:
                self.ended = True
                return
            self.inbox += data
            self.ended = not data
        if events & selectors.EVENT_WRITE:
            self._flush()

    @property
    def sock(self) -> socket.socket:
        """The socket, for the selector."""
        return self._sock

    def _flush(self) -> None:
        if self._sock.fileno() < 0:
            return
        try:
            while self._out:
                del self._out[: self._sock.send(self._out)]
            if self._closing:
                self._drop()
            elif self._finishing:
                self._sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:  # it takes nothing more; what it said before is still to be read
            self._out.clear()

    def _drop(self) -> None:
        self._out.clear()
        self.ended = True
        self._net.forget(self)
        self._sock.close()


class SocketNet:
    """A `Net` on the loopback."""

    def __init__(self, data_ports: int = 3) -> None:
        self.host = HOST
        self.accepted: list[Conn] = []
        self.tardy = 0.0
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._conns: dict[SocketConn, int] = {}
        for listener in range(1 + data_ports):
            sock = socket.create_server((HOST, 0), backlog=64)
            sock.setblocking(False)
            self._listeners.append(sock)
            accept = self._acceptor(sock, listener)
            self._selector.register(sock, selectors.EVENT_READ, accept)
        self.ports = tuple(sock.getsockname()[1] for sock in self._listeners)

    def now(self) -> float:
        """See `Net`."""
        return time.monotonic()

    def step(self, seconds: float) -> None:
        """See `Net`."""
        for conn, watched in list(self._conns.items()):
            self._watch(conn, watched)
        for key, events in self._selector.select(seconds):
            key.data(events)

    def reach(self, url: str) -> Reached:
        """See `Net`."""
        parts = urlsplit(url)
        assert parts.hostname
        return ReachedNet(parts.hostname, parts.port or 80)

    def ask(self, *queries: bytes, patience: float = PATIENCE) -> list[bytes]:
        """See `Net`; on the loopback alone."""
        found: list[bytes] = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HOST))
            sock.settimeout(_SOON)
            end = time.monotonic() + patience
            while not found and time.monotonic() < end:
                for query in queries:
                    sock.sendto(query, (GROUP, GROUP_PORT))
                queries = queries[-1:]
                with contextlib.suppress(TimeoutError):
                    while True:
                        found.append(sock.recv(100))
        return found

    def listen(self, hearing: Hearing) -> None:
        """See `Net`; on the loopback alone."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._listeners.append(sock)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        group = socket.inet_aton(GROUP) + socket.inet_aton(HOST)
        try:
            sock.bind((GROUP, GROUP_PORT))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        except OSError as error:
            skip(f"there is no multicast here ({error.strerror})")

        def heard(_: int) -> None:
            data, address = sock.recvfrom(100)
            with contextlib.ExitStack() as stack:
                ready = []
                for source, answer in hearing(data, address[0]):
                    out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    out.bind((source, 0))
                    ready.append((out, answer))
                begun = time.monotonic()
                for out, answer in ready:
                    out.sendto(answer, address)
                self.tardy = max(self.tardy, time.monotonic() - begun)

        self._selector.register(sock, selectors.EVENT_READ, heard)

    def unused_port(self) -> int:
        """See `Net`."""
        sock = socket.socket()
        self._listeners.append(sock)  # kept, so that nobody else can be given the port meanwhile
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])

    def close(self) -> None:
        """See `Net`."""
        for conn in list(self._conns):
            conn.reset()
        for sock in self._listeners:
            sock.close()
        self._selector.close()

    def forget(self, conn: SocketConn) -> None:
        """Drop a connection that closes."""
        if self._conns.pop(conn, 0):
            self._selector.unregister(conn.sock)

    def _watch(self, conn: SocketConn, watched: int) -> None:
        wanted = conn.watch()
        if wanted == watched:
            return
        if not wanted:
            self._selector.unregister(conn.sock)
        elif watched:
            self._selector.modify(conn.sock, wanted, conn.work)
        else:
            self._selector.register(conn.sock, wanted, conn.work)
        self._conns[conn] = wanted

    def _acceptor(self, listening: socket.socket, listener: int) -> Callable[[int], None]:
        def accept(_: int) -> None:
            try:
                sock, address = listening.accept()
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conn = SocketConn(self, sock, address[0], listener)
            self._conns[conn] = 0
            self.accepted.append(conn)

        return accept
