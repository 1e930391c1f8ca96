"""A relay, senders and recipients in one process: no sockets, no threads, no waiting.

    from backends.memory import Network

    network = Network(seed=1)
    network.relay()
    sender = network.sender({"letter.txt": b"Dear Anna"})
    recipient = network.recipient(sender)
    network.run()
    assert recipient.files == {"letter.txt": b"Dear Anna"}

The nodes are those of every backend. Time is virtual: it jumps to whatever happens next. All chance
comes from the seed, so that a run can be had again exactly.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, MutableMapping
from itertools import count
from typing import Any

from backends import _io as io
from backends._party_node import Decide, PartyNode, RecipientNode, SenderNode
from backends._relay_node import RelayNode
from backends._words import words
from backends.memory._clock import START, Clock
from backends.memory._host import Host, Tap
from backends.memory._weather import Weather
from backends.memory._wire import End, Wire
from backends.memory.files import MemorySink, MemorySource
from croc_core import codes, pake
from croc_core.channel import Channel
from croc_core.content import Sink, Source
from croc_core.errors import Code, Failure
from croc_core.events import CodeReady
from croc_core.handshake import CapsOffer, Policy
from croc_core.limits import Limits
from croc_core.machine import Machine
from croc_core.party import Patience
from croc_core.party_io import Interrupted
from croc_core.recipient_judge import RecipientContext, recipient
from croc_core.relay import Relay
from croc_core.sender_judge import SenderContext, sender
from croc_core.values import Entropy

HTTP_PORT = 8080
CONNECT = 15.0
"""How long a dial waits for an answer, in seconds."""
MOUTH = 1.0
"""How long people take to tell a code, in seconds."""

Wrap = Callable[[str, Machine[Any]], Any]
"""Takes a host's name and its machine; returns what is to be driven in its place."""


class RelayHost:
    """A relay. `channels` is all that it knows; it can be stopped and started again."""

    def __init__(self, host: Host, limits: Limits, entropy: Entropy, data_ports: int) -> None:
        self.host = host
        self.channels: dict[str, Channel] = {}
        self.node: RelayNode
        self._limits = limits
        self._entropy = entropy
        self._ports = tuple(range(HTTP_PORT, HTTP_PORT + 1 + data_ports))
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.host.name}:{HTTP_PORT}"

    def start(self) -> None:
        """Start it, with no memory of what was before."""
        self.channels = {}
        self.node = RelayNode(Relay(self._entropy, self._limits, (), None, self.channels))
        self.host.start(self.node, self._ports)

    def crash(self) -> None:
        """Stop it as it stands; its connections are lost."""
        self.host.crash()


class Party:
    """What a sender and a recipient have in common."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.node: PartyNode | None = None
        """None before it begins."""
        self.gone = False
        """Whether its computer has failed."""

    @property
    def events(self) -> list[object]:
        """All that it told its person so far (`croc_core.events`)."""
        return self.host.told

    @property
    def finished(self) -> bool:
        """Whether the run is over."""
        return self.gone or (self.node is not None and self.node.finished)

    @property
    def failure(self) -> Failure | None:
        """How a finished run ended; None is success."""
        return None if self.node is None else self.node.failure

    @property
    def succeeded(self) -> bool:
        """Whether the run is over, and well."""
        return self.finished and self.failure is None and not self.gone

    def crash(self) -> None:
        """Let its computer fail: it says nothing more, and knows nothing any more."""
        self.gone = True
        self.host.crash()

    def tell(self, what: object) -> None:
        """Hand the node a decision of its person, such as `Decided`."""
        self.host.deliver(io.Told(what))

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.tell(Interrupted(Code.SIGINT))


class Sender(Party):
    """A sender; `code` stands once the relay has given it a channel."""

    code = ""


class Recipient(Party):
    """A recipient; `files` is what has arrived."""

    def __init__(self, host: Host, files: MutableMapping[str, bytes]) -> None:
        super().__init__(host)
        self.files = files


class Network:
    """Hosts and what is between them. See the module's docstring."""

    def __init__(
        self,
        seed: int = 0,
        *,
        weather: Weather | None = None,
        clock: Clock | None = None,
        patience: Patience = Patience(),
        taps: tuple[Tap, ...] = (),
        wrap: Wrap = lambda name, machine: machine,
        max_steps: int = 2_000_000,
    ) -> None:
        self.clock = Clock() if clock is None else clock
        self.hosts: dict[str, Host] = {}
        self.parties: list[Party] = []
        self._seed = seed
        self._weather = Weather() if weather is None else weather
        self._patience = patience
        self.last_end = START
        """When the latest party ended."""
        self._taps = taps
        self._max_steps = max_steps
        self._wrap = wrap
        self._wires: dict[tuple[str, int], int] = {}
        self._waiting: dict[Sender, list[Callable[[str], None]]] = {}
        self._relay: RelayHost | None = None
        self._addresses = (f"192.0.2.{number}" for number in count(1))

    @property
    def seconds(self) -> float:
        """How much time has passed."""
        return self.clock.now - START

    def entropy(self, name: str) -> Entropy:
        """Return a source of chance of one's own, which the seed and *name* decide."""
        return random.Random(f"{self._seed}/{name}").randbytes  # noqa: S311

    # ---- who is there

    def host(self, name: str, address: str = "") -> Host:
        """Add a host without a node."""
        assert name not in self.hosts
        host = Host(name, address or next(self._addresses), self.clock, self._weather, self)
        host.taps += self._taps
        self.hosts[name] = host
        return host

    def relay(
        self, name: str = "relay", *, limits: Limits = Limits(), data_ports: int = 1
    ) -> RelayHost:
        """Add a relay; parties that name none use the one that was added last."""
        self._relay = RelayHost(self.host(name), limits, self.entropy(name), data_ports)
        return self._relay

    def sender(
        self,
        files: Mapping[str, bytes] | Source,
        *,
        name: str = "sender",
        phrase: str = "",
        channel: str | None = None,
        curve: str = pake.DEFAULT,
        streams: int = 1,
        verify: bool = False,
        address: str = "",
    ) -> Sender:
        """Add a sender, who begins at once; without *phrase* the words come of the seed."""
        party = Sender(self.host(name, address))
        relay = self._any_relay()
        entropy = self.entropy(name)
        secret = codes.secret_of(phrase) if phrase else codes.generate(words(), entropy)
        context = SenderContext(
            secret=codes.PhraseCode("", secret).secret,
            phrase=secret,
            relay=relay.url,
            entropy=entropy,
            channel=channel,
            curve=curve,
            caps=CapsOffer(verify=verify),
            patience=self._patience,
            streams=streams,
        )
        machine = self._wrap(name, sender(context))
        source = MemorySource(files) if isinstance(files, Mapping) else files
        node = SenderNode(machine, relay.host.name, HTTP_PORT, source)
        party.host.hear = lambda event: self._heard(party, event)
        self._begin(party, node)
        return party

    def recipient(
        self,
        code: str | Sender,
        *,
        name: str = "recipient",
        files: MutableMapping[str, bytes] | None = None,
        sink: Sink | None = None,
        decide: Decide = lambda offer: True,
        mishear: bool = False,
        streams: int = 1,
        verify: bool = False,
        address: str = "",
    ) -> Recipient:
        """Add a recipient, who begins at once, or a second after that *sender* has shown its code.

        What arrives goes to *sink*, or else into *files*. *mishear*: the last letter of the code is
        taken for another.
        """
        party = Recipient(self.host(name, address), {} if files is None else files)
        relay = self._any_relay()

        def begin(text: str) -> None:
            if mishear:
                text = text[:-1] + ("y" if text[-1] == "z" else "z")
            parsed = codes.parse(text)
            context = RecipientContext(
                channel=parsed.channel,
                secret=parsed.secret,
                entropy=self.entropy(name),
                policy=Policy(verify=verify),
                patience=self._patience,
                streams=streams,
            )
            machine = self._wrap(name, recipient(context))
            into = MemorySink(party.files) if sink is None else sink
            node = RecipientNode(machine, relay.host.name, HTTP_PORT, into, decide)
            self._begin(party, node)

        if isinstance(code, str):
            begin(code)
        else:
            self._waiting.setdefault(code, []).append(begin)
        return party

    def _any_relay(self) -> RelayHost:
        if self._relay is None:
            raise ValueError("add a relay first")
        return self._relay

    def _begin(self, party: Party, node: PartyNode) -> None:
        party.node = node
        self.parties.append(party)
        party.host.start(node)

    def _heard(self, party: Sender, event: object) -> None:
        if isinstance(event, CodeReady):
            party.code = event.code
            for begin in self._waiting.pop(party, ()):
                self.clock.after(MOUTH, begin, event.code)

    # ---- time

    def run(self, seconds: float | None = None) -> None:
        """Let things happen until every party is done, or for so many seconds at most.

        Raises RuntimeError where they go on and on, or a party waits for what never comes.
        """
        until = None if seconds is None else self.clock.now + seconds
        while not all(party.finished for party in self.parties):
            due = self.clock.next()
            if until is not None and (due is None or due > until):
                self.clock.now = until
                return
            if due is None or self.clock.steps > self._max_steps:
                raise RuntimeError(f"no end in sight after {self.seconds:.1f} virtual seconds")
            self.clock.step()
        self.last_end = self.clock.now

    def settle(self) -> None:
        """Let things happen until nothing is left to happen, on the relay neither."""
        while self.clock.next() is not None:
            if self.clock.steps > self._max_steps:
                raise RuntimeError(f"no end in sight after {self.seconds:.1f} virtual seconds")
            self.clock.step()

    def dials(self, host: str, listener: int) -> int:
        """How often *host* has dialled that listener of a relay: -1 is HTTP, then data ports."""
        return self._wires.get((host, listener), 0)

    # ---- for hosts

    def dial(self, host: Host, effect: io.Connect, done: Callable[[End | str, str], None]) -> None:
        """See `Dialler`."""
        there = self._find(effect.host)
        if there is None:
            self.clock.after(0.0, done, "no such host", "")
            return
        ports = there.ports
        listener = ports.index(effect.port) - 1 if effect.port in ports else -2
        key = host.name, listener
        wire = Wire(self.clock, self._weather, host.name, listener, self._wires.get(key, 0))
        self._wires[key] = wire.number + 1
        route = self._weather.route(wire)
        if route.lost:
            self.clock.after(CONNECT, done, "timed out", "")
        elif route.refused or listener < io.HTTP:
            self.clock.after(2 * route.seconds, done, "connection refused", "")
        else:
            self.clock.after(route.seconds, self._reach, host, there, wire, route.seconds, done)

    def _reach(
        self,
        host: Host,
        there: Host,
        wire: Wire,
        seconds: float,
        done: Callable[[End | str, str], None],
    ) -> None:
        """The dial has come to its host, which may have stopped since."""
        if there.running:
            there.accept(wire.far, wire.listener, host.address)
            self.clock.after(seconds, done, wire.near, there.address)
        else:
            self.clock.after(seconds, done, "connection refused", "")

    def _find(self, name: str) -> Host | None:
        found = self.hosts.get(name)
        if found is not None:
            return found
        return next((host for host in self.hosts.values() if host.address == name), None)
