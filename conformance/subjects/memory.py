"""This project's relay on its network in memory: no sockets, and time that jumps.

Each case gets a relay and a network of its own, so a case may flood it and wait for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backends import _io as io
from backends._cli_flags import LIMITS
from backends._cli_parser import parse
from backends._io import Node
from backends._options import RelayOptions
from backends._session import relaying
from backends.memory import Network
from backends.memory._host import Host as Computer
from backends.memory._wire import End
from conformance._case import Case
from conformance.relay._play import ONE, RelayUnderTest
from conformance.subjects._pipe import PATIENCE, Pipe
from conformance.subjects.launch import TOKEN
from croc_core.limits import Limits
from croc_core.values import Secret

PORTS = (8080, 9001, 9002)
"""The relay's ports: that of HTTP, and two data ports."""
_INSTANT = 0.05
"""What counts as "by now", in virtual seconds."""
_PART = 16384

Make = Callable[[RelayOptions], Node]
"""Makes the relay's node; a deliberately broken relay is another one of these."""


def honest(options: RelayOptions) -> Node:
    """Return the node of this project's relay."""
    return relaying(options).node


class MemoryRelays:
    """The host of relays in memory."""

    workers = 1

    def __init__(self, name: str = "memory", make: Make = honest) -> None:
        self.name = name
        self._make = make

    def lacks(self, case: Case) -> str | None:
        """See `Host`: nothing is lacking."""
        return None

    @contextmanager
    def subject(self, case: Case) -> Iterator[RelayUnderTest]:
        """See `Host`."""
        options = _options(case)
        net = MemoryNet("::ffff:" if ":" in (options.host or "") else "")
        net.start(self._make(options))
        token = None if options.token is None else TOKEN
        with RelayUnderTest(net, token) as relay:
            yield relay


def _options(case: Case) -> RelayOptions:
    """Read the flags of *case* as the command line does."""
    words = [word for flag in case.flags for word in flag]
    args = parse(["relay", *words], "memory")
    given = {name: getattr(args, name) for name in LIMITS if getattr(args, name) is not None}
    return RelayOptions(
        host=args.host or ONE,
        token=None if args.token_file is None else Secret(TOKEN.encode()),
        limits=Limits(**given),
        ipv6_prefix=args.ipv6_prefix or 128,
    )


class MemoryNet:
    """A network with one relay; `Pipe`s are connections of hosts that have no node."""

    leisure = 590.0

    def __init__(
        self,
        prefix: str,
        network: Network | None = None,
        relay: str = "relay",
        port: int = PORTS[0],
    ) -> None:
        """*prefix* stands before the addresses as the relay's sockets say them.

        With a *network*, the relay runs there already, on the host *relay*.
        """
        self.network = network or Network()
        self.authority = f"{relay}:{port}"
        self._prefix = prefix
        self._where = relay, port
        self._computers: dict[str, Computer] = {}

    def start(self, node: Node) -> None:
        """Run the relay's node."""
        self.network.host("relay", "10.9.9.9").start(node, PORTS)
        self.run(lambda: False, _INSTANT)

    def dial(self, port: int | None, local: str | None) -> Pipe:
        """See `Net`."""
        address = local or ONE
        if address not in self._computers:
            self._computers[address] = self.network.host(f"at {address}", self._prefix + address)
        host, http = self._where
        effect = io.Connect(io.Conn(0), host, http if port is None else port)
        answers: list[End | str] = []
        self.network.dial(
            self._computers[address], effect, lambda answer, peer: answers.append(answer)
        )
        self.run(lambda: bool(answers), PATIENCE)
        if not answers:
            raise TimeoutError("the relay did not take the connection")
        end = answers[0]
        if isinstance(end, str):
            raise ConnectionRefusedError(end)
        return MemoryPipe(end, self)

    def now(self) -> float:
        """See `Net`."""
        return self.network.clock.now

    def pause(self, seconds: float) -> None:
        """See `Net`; costs no time."""
        self.run(lambda: False, seconds)

    def run(self, enough: Callable[[], bool], seconds: float) -> None:
        """Let things happen until it is *enough*, for so many virtual seconds at most."""
        clock = self.network.clock
        until = clock.now + seconds
        while not enough():
            due = clock.next()
            if due is None or due > until:
                clock.now = until
                return
            clock.step()


class MemoryPipe:
    """The near end of a connection in memory."""

    def __init__(self, end: End, net: MemoryNet) -> None:
        self._end = end
        self._net = net
        end.user = self

    def send(self, data: bytes, patience: float = PATIENCE) -> None:
        """See `Pipe`."""
        view = data
        while view:
            self._net.run(lambda: bool(self._end.room or self._end.failure), patience)
            self._check()
            if not self._end.room:
                raise TimeoutError(f"not all was taken within {patience:g} s")
            part, view = view[: self._end.room][:_PART], view[min(self._end.room, _PART) :]
            self._end.send(part)

    def receive(self, limit: int = 65536, patience: float = PATIENCE) -> bytes:
        """See `Pipe`."""
        self._net.run(lambda: self._end.news, patience)
        if self._end.inbox:
            return self._end.take(limit)
        self._check()
        if not self._end.ended:
            raise TimeoutError(f"nothing came within {patience:g} s")
        return b""

    def quiet(self) -> bool:
        """See `Pipe`."""
        self._net.run(lambda: self._end.news, _INSTANT)
        return not self._end.news

    def half_close(self) -> None:
        """See `Pipe`."""
        self._end.finish()

    def close(self) -> None:
        """See `Pipe`."""
        self._end.close()

    def readable(self) -> None:
        """Bytes are there: `receive` looks for itself."""

    def writable(self) -> None:
        """There is room: `send` looks for itself."""

    def _check(self) -> None:
        if self._end.failure:
            raise ConnectionResetError(self._end.failure)
