"""A byte stream to a subject, and the network that it belongs to.

Cases speak through these two only, so that the same case judges a relay behind sockets and one in
memory, where time is virtual.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Protocol

PATIENCE = 60.0
"""How long a case waits for what must come, in seconds: long, for nothing here judges speed."""


class Pipe(Protocol):
    """One connection, from the side of the suite."""

    def send(self, data: bytes, patience: float = PATIENCE) -> None:
        """Send all of *data*.

        Raises TimeoutError where not all is taken in time, ConnectionError where the other side
        has gone.
        """
        ...

    def receive(self, limit: int = 65536, patience: float = PATIENCE) -> bytes:
        """Return the next bytes, empty at the end of the stream.

        Raises TimeoutError after *patience* seconds, ConnectionError where it was reset.
        """
        ...

    def quiet(self) -> bool:
        """Say whether nothing has come by now: no bytes, no end."""
        ...

    def half_close(self) -> None:
        """End the sending direction."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Net(Protocol):
    """How to reach one relay."""

    @property
    def authority(self) -> str:
        """Host and port of HTTP, as they stand in a Host field."""
        ...

    @property
    def leisure(self) -> float:
        """How long a case may wait to see that something stays as it is, in seconds."""
        ...

    def dial(self, port: int | None, local: str | None) -> Pipe:
        """Connect to a port (None: that of HTTP) from the address *local* (None: any)."""
        ...

    def now(self) -> float:
        """Seconds on this network's clock."""
        ...

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SocketPipe:
    """A TCP connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes, patience: float = PATIENCE) -> None:
        """See `Pipe`."""
        self._sock.settimeout(patience)
        try:
            self._sock.sendall(data)
        except TimeoutError:
            raise TimeoutError(f"not all was taken within {patience:g} s") from None

    def receive(self, limit: int = 65536, patience: float = PATIENCE) -> bytes:
        """See `Pipe`."""
        self._sock.settimeout(patience)
        try:
            return self._sock.recv(limit)
        except TimeoutError:
            raise TimeoutError(f"nothing came within {patience:g} s") from None

    def quiet(self) -> bool:
        """See `Pipe`."""
        return not select.select([self._sock], [], [], 0)[0]

    def half_close(self) -> None:
        """See `Pipe`."""
        self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """See `Pipe`."""
        self._sock.close()


class SocketNet:
    """A relay that listens on TCP."""

    leisure = 1.0

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def dial(self, port: int | None, local: str | None) -> Pipe:
        """See `Net`."""
        source = None if local is None else (local, 0)
        where = (self.host, self.port if port is None else port)
        return SocketPipe(socket.create_connection(where, PATIENCE, source))

    def now(self) -> float:
        """See `Net`."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """See `Net`."""
        time.sleep(seconds)
