"""The suite's own host on the network in memory: see `conformance.client._net.Net`."""

from __future__ import annotations

import os

from backends import _discovery as discovery
from backends._options import Where, where
from backends.memory import Network
from backends.memory._wire import End
from conformance.client._net import Asking, Conn, Hearing
from conformance.subjects import memory
from conformance.subjects._pipe import Net as Reached

HOST = "192.0.2.200"
PORTS = (8080, 9001, 9002, 9003)
_ASKER = "192.0.2.7"


class MemoryConn:
    """See `Conn`: the suite's end of a connection in memory."""

    def __init__(self, end: End, listener: int, peer: str) -> None:
        self.peer, self.listener = peer, listener
        self.inbox = bytearray()
        self.ended = self.unread = False
        self._end = end
        self._out = bytearray()
        self._finishing = self._closing = False
        end.user = self

    @property
    def pending(self) -> int:
        """See `Conn`."""
        return len(self._out)

    def send(self, data: bytes) -> None:
        """See `Conn`."""
        self._out += data
        self.writable()

    def finish(self) -> None:
        """See `Conn`."""
        self._finishing = True
        self.writable()

    def close(self) -> None:
        """See `Conn`."""
        self._closing = True
        self.writable()

    def reset(self) -> None:
        """See `Conn`."""
        self._out.clear()
        self._end.wire.reset()
        self.ended = True

    def readable(self) -> None:
        """See `backends.memory._wire.User`."""
        if not self.unread and self._end.inbox:
            self.inbox += self._end.take(len(self._end.inbox))
        self.ended = self.ended or self._end.ended or bool(self._end.failure)

    def writable(self) -> None:
        """See `backends.memory._wire.User`."""
        if self._end.failure or self._end.closed:
            self._out.clear()
            return
        room = min(self._end.room, len(self._out))
        if room:
            data = bytes(self._out[:room])
            del self._out[:room]
            self._end.send(data)
        if not self._out and self._closing:
            self._end.close()
            self.ended = True
        elif not self._out and self._finishing:
            self._end.finish()


class MemoryNet:
    """See `Net`: a host of the network in memory, played by the suite."""

    name = "relay"
    running = True

    def __init__(self) -> None:
        self.network = Network()
        self.host = self.address = HOST
        self.ports: tuple[int, ...] = PORTS
        self.accepted: list[Conn] = []
        self.tardy = 0.0
        self.answers: list[Asking] = []
        """How the subject answers queries on the local network."""
        self._conns: list[MemoryConn] = []
        self._hearing: Hearing | None = None
        self.network.hosts[self.name] = self  # type: ignore[assignment]

    def accept(self, end: End, listener: int, peer: str) -> None:
        """Take a connection; the network calls this."""
        conn = MemoryConn(end, listener + 1, peer)
        self.accepted.append(conn)
        self._conns.append(conn)

    def now(self) -> float:
        """See `Net`."""
        return self.network.clock.now

    def step(self, seconds: float) -> None:
        """See `Net`."""
        for conn in self._conns:
            conn.readable()  # one that was left unread may be read again
        clock = self.network.clock
        due = clock.next()
        if due is None or due > clock.now + seconds:
            clock.now += seconds
        else:
            clock.step()

    def reach(self, url: str) -> Reached:
        """See `Net`."""
        relay = where(url)
        return memory.MemoryNet("", self.network, relay.host, relay.port)

    def ask(self, *queries: bytes, patience: float = 0.0) -> list[bytes]:
        """See `Net`; each is answered at once, or never."""
        del patience
        found = (answer(query, _ASKER) for query in queries for answer in self.answers)
        return [answer for answer in found if answer is not None]

    def listen(self, hearing: Hearing) -> None:
        """See `Net`."""
        self._hearing = hearing

    def look(self, channel: str) -> list[Where]:
        """Look for the relay that has *channel*, as the subject does over sockets."""
        identity = os.urandom(discovery.ID)
        asked = discovery.query(identity, channel)
        answers = self._hearing(asked, _ASKER) if self._hearing else []
        ports = ((host, discovery.port_of(data, identity)) for host, data in answers)
        return [Where(host, port) for host, port in ports if port is not None]

    def unused_port(self) -> int:
        """See `Net`."""
        return 1

    def close(self) -> None:
        """See `Net`: there is nothing to give back."""
