"""This project's sender and recipient on the network in memory, where time jumps.

The parties read and write real files; everything between them and the suite is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from backends import _io as io
from backends._options import Options
from backends._session import Session, receiving, sending
from backends.memory import Network
from backends.memory._wire import End
from conformance._case import Case
from conformance.client._net import Conn
from conformance.client._roles import Party
from conformance.subjects.command import STAGES
from croc_core.errors import Code, Failure
from croc_core.errors import Party as Side
from croc_core.events import Failed, to_json

HOST = "192.0.2.200"
PORTS = (8080, 9001, 9002)


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
        self._conns: list[MemoryConn] = []
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

    def unused_port(self) -> int:
        """See `Net`."""
        return 1

    def close(self) -> None:
        """See `Net`: there is nothing to give back."""


class MemoryRun:
    """See `Run`."""

    def __init__(self, net: MemoryNet, role: str, environment: Mapping[str, str]) -> None:
        self._lines: list[bytes] = []
        self._failure: Failure | None = None
        self._session: Session | None = None
        self._host = net.network.host(f"{role} {len(net.network.hosts)}")
        try:
            self._session = session = _session(role, environment)
        except ValueError as error:
            self._failure = Failure(Code.USAGE, Side.LOCAL, str(error))
            self._lines.append(to_json(Failed.of(self._failure)))
            return
        self._host.hear = lambda event: self._lines.append(to_json(event))  # type: ignore[arg-type]
        session.inject = lambda what: self._host.deliver(io.Told(what))
        self._host.start(session.node)

    def status(self) -> int | None:
        """See `Run`."""
        if self._session is None:
            assert self._failure is not None
            return self._failure.exit_status
        if not self._session.node.finished:
            return None
        failure = self._session.outcome()
        return 0 if failure is None else failure.exit_status

    def output(self) -> tuple[str, str]:
        """See `Run`."""
        return b"".join(self._lines).decode(), ""

    def interrupt(self) -> None:
        """See `Run`."""
        if self._session is not None:
            self._session.interrupt(Code.SIGINT)

    def kill(self) -> None:
        """See `Run`."""
        self._host.crash()


def _session(role: str, environment: Mapping[str, str]) -> Session:
    options = Options(
        relay=environment["CROC_RELAY"],
        curve=environment.get("CROC_CURVE"),
        token=environment.get("CROC_TOKEN"),
        yes=True,
        out=environment.get("CROC_OUT", "."),
        code=environment.get("CROC_CODE") if role == "sender" else None,
    )
    if role == "sender":
        return sending(options, [environment["CROC_FILE"]], _quiet)
    return receiving(options, environment["CROC_CODE"], options.decide, _quiet)


def _quiet(_: str) -> None:
    return None


class MemoryParties:
    """The host of senders and recipients in memory."""

    name = "memory"
    workers = 1

    def lacks(self, case: Case) -> str | None:
        """See `Host`: nothing is lacking."""
        return None

    @contextmanager
    def subject(self, case: Case) -> Iterator[Party]:
        """See `Host`."""
        net = MemoryNet()
        with STAGES[case.part](net, lambda role, env: MemoryRun(net, role, env)) as stage:
            yield stage
