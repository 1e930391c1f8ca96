"""One simulated transfer: the nodes of every backend, a plan's faults, and the oracles."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import msgspec

from backends import _io as io
from backends.memory._cast import BadFile, Caller, FullDisk, Shelf
from backends.memory._clock import START, Clock
from backends.memory._host import Host
from backends.memory._network import HTTP_PORT, Network, Party, Sender
from backends.memory._oracles import Oracles, Pair
from backends.memory._plan import Fault, Kind, Plan
from backends.memory._storm import Storm
from backends.memory._wire import Wire
from backends.memory.files import MemorySink, MemorySource
from croc_core.events import CodeReady, OfferSeen, Progress
from croc_core.party import Patience
from croc_core.party_io import Decided

PATIENCE = Patience(meeting=600.0, person=300.0)
MAX_STEPS = 400_000
GUESS = "guess-guess-guess"


class Result(msgspec.Struct, frozen=True):
    """What came of one run."""

    seed: int
    violations: tuple[str, ...]
    struck: tuple[str, ...]
    """The kinds of the faults that made a difference."""
    outcome: str
    """How sender and recipient ended."""
    succeeded: bool
    seconds: float
    digest: str
    """Of all that happened, in its order."""
    redials: int = 0
    """How often the sender dialled data connection 0 again."""


class Run:
    """A plan while it is played."""

    def __init__(self, plan: Plan, trace: Callable[[str], None] | None = None) -> None:
        self.plan = plan
        self.clock = Clock()
        self.storm = Storm(plan, self.clock)
        self.oracles = Oracles(plan, self.storm)
        self.network = Network(
            plan.seed,
            weather=self.storm,
            clock=self.clock,
            patience=PATIENCE,
            taps=(self, self.oracles),
            max_steps=MAX_STEPS,
        )
        self._trace = trace
        self._log = hashlib.sha256()
        self._chance = random.Random(f"{plan.seed}/run")  # noqa: S311
        self._requests = dict.fromkeys(("sender", "recipient"), 0)
        self._callers = 0
        self._ports = 1 if plan.streams == 1 else plan.streams + 1

    def play(self) -> Result:
        """Play the plan and judge it."""
        network, oracles = self.network, self.oracles
        oracles.network = network
        relay = oracles.relay = network.relay(data_ports=self._ports)
        self.relay = relay
        try:
            self._cast()
            network.run()
            network.settle()
        except Exception as error:  # a node raised, or there was no end
            oracles.found.append(f"{type(error).__name__}: {error}")
            found = oracles.found
        else:
            found = oracles.judge()
        sender, recipient, _ = oracles.pairs[0]
        return Result(
            self.plan.seed,
            tuple(dict.fromkeys(found)),
            tuple(sorted(fault.kind for fault in self.storm.struck)),
            f"{_word(sender)}/{_word(recipient)}",
            sender.succeeded and recipient.succeeded,
            network.seconds,
            self._log.hexdigest(),
            max(0, network.dials("sender", 0) - 1),
        )

    # ---- as a Tap

    def took(self, host: Host, event: io.Input) -> None:
        """See `Tap`."""
        self._note(host, "<", event)

    def does(self, host: Host, effect: io.Effect) -> None:
        """See `Tap`."""
        self._note(host, ">", effect)
        if isinstance(effect, io.Send) and effect.data.startswith(b"POST "):
            self._requested(host, effect.data)

    def _note(self, host: Host, way: str, what: object) -> None:
        kind = type(what).__name__
        size = len(getattr(what, "data", b""))
        number = getattr(what, "conn", "")
        line = f"{self.clock.now - START:12.6f} {host.name} {way} {kind} {number} {size}"
        self._log.update(line.encode())
        if self._trace is not None:
            event = getattr(what, "event", None)
            shown = "" if event is None or isinstance(event, Progress) else f" {event!r}"
            cause = getattr(what, "cause", "")
            self._trace(f"{line}{shown} {cause}")

    # ---- who is there

    def _cast(self) -> None:
        names = [f"name-{self._chance.randbytes(4).hex()}.bin" for _ in self.plan.sizes]
        files = {
            name: self._chance.randbytes(size)
            for name, size in zip(names, self.plan.sizes, strict=True)
        }
        source = MemorySource(files)
        shelf = Shelf()
        sink = MemorySink(shelf)
        for fault in self.plan.faults:
            if fault.kind is Kind.BAD_FILE:
                source = BadFile(files, int(fault.at), self._striker(fault))
            elif fault.kind is Kind.FULL_DISK:
                sink = FullDisk(shelf, int(fault.at), self._striker(fault))
        streams = self.plan.streams
        sender = self.network.sender(source, curve=self.plan.curve, streams=streams)
        wrong = self._find(Kind.WRONG_CODE)
        recipient = self.network.recipient(
            sender,
            sink=sink,
            files=shelf,
            decide=self._decide,
            mishear=wrong is not None,
            streams=streams,
        )
        if wrong is not None:
            self.storm.struck.add(wrong)
        self.oracles.pairs.append(Pair(sender, recipient, files))
        for fault in self.plan.faults:
            self._arrange(fault, sender)

    def _find(self, kind: Kind) -> Fault | None:
        return next((fault for fault in self.plan.faults if fault.kind is kind), None)

    def _striker(self, fault: Fault) -> Callable[[], None]:
        return lambda: self.storm.struck.add(fault)

    def _decide(self, offer: OfferSeen) -> bool | None:
        del offer
        no, late = self._find(Kind.DECLINE), self._find(Kind.LATE)
        if no is not None:
            self.storm.struck.add(no)
        if late is None:
            return no is None
        self.storm.struck.add(late)
        recipient = self.oracles.pairs[0].recipient
        self.clock.after(late.size, recipient.tell, Decided(no is None))
        return None

    # ---- what goes wrong at a time

    def _arrange(self, fault: Fault, sender: Sender) -> None:
        when = START + fault.at
        match fault.kind:
            case Kind.CLOCK:
                self.clock.at(when, self._jump, fault)
            case Kind.RESTART:
                self.clock.at(when, self._crash, fault)
            case Kind.CRASH:
                self.clock.at(when, self._fail, fault)
            case Kind.NAT:
                self.clock.at(when, self._move, fault)
            case Kind.INTERRUPT:
                self.clock.at(when, self._interrupt, fault)
            case Kind.NEIGHBOURS:
                self._neighbours(fault)
            case Kind.JUNK:
                junk = self._chance.choice(_JUNK) or self._chance.randbytes(300)
                self.clock.at(when, self._call, fault, (junk,), "")
            case Kind.CRAWL:
                parts = tuple(bytes([byte]) for byte in _REQUEST)
                self.clock.at(when, self._call, fault, parts, "")
            case Kind.GUESS | Kind.BURN:
                self._once_told(sender, fault)

    def _jump(self, fault: Fault) -> None:
        self.storm.struck.add(fault)
        host = self.network.hosts.get(fault.who)
        if host is not None:
            host.wall_ms += int(fault.size * 1000)

    def _crash(self, fault: Fault) -> None:
        self.storm.struck.add(fault)
        self.relay.crash()
        self.clock.after(fault.size, self.relay.start)

    def _move(self, fault: Fault) -> None:
        """A NAT gives another address; what was open is reset, or forgotten without a word."""
        host = self.network.hosts.get(fault.who)
        if host is None or not host.running:
            return
        self.storm.struck.add(fault)
        host.address = "203.0.113.77"
        reset = self._chance.random() < 0.5
        for wire in self._wires_of(fault):
            if reset:
                wire.reset()
            else:
                self.storm.silence(wire)

    def _fail(self, fault: Fault) -> None:
        for party in self.network.parties:
            if party.host.name == fault.who and not party.finished:
                self.storm.struck.add(fault)
                for wire in self._wires_of(fault) if fault.size else ():
                    self.storm.silence(wire)
                party.crash()

    def _wires_of(self, fault: Fault) -> list[Wire]:
        return [wire for wire in self.storm.wires if wire.client == fault.who]

    def _interrupt(self, fault: Fault) -> None:
        for party in self.network.parties:
            if party.host.name == fault.who and not party.finished:
                self.storm.struck.add(fault)
                party.interrupt()

    # ---- strangers

    def _neighbours(self, fault: Fault) -> None:
        self.storm.struck.add(fault)
        files = {"name-of-a-neighbour": self._chance.randbytes(3000)}
        shelf = Shelf()
        sender = self.network.sender(files, name="sender2")
        recipient = self.network.recipient(sender, name="recipient2", files=shelf)
        self.oracles.pairs.append(Pair(sender, recipient, files))

    def _once_told(self, sender: Sender, fault: Fault) -> None:
        """Do it once the sender's code stands."""
        before = sender.host.hear

        def hear(event: object) -> None:
            before(event)
            if isinstance(event, CodeReady):
                act = self._burn if fault.kind is Kind.BURN else self._guess
                self.clock.after(fault.at, act, fault, event.channel)

        sender.host.hear = hear

    def _burn(self, fault: Fault, channel: str) -> None:
        if "stranger" not in self.network.hosts:
            self.storm.struck.add(fault)
            self.network.recipient(f"{channel}-{GUESS}", name="stranger")

    def _guess(self, fault: Fault, channel: str) -> None:
        uuid = self._chance.randbytes(16).hex()
        if fault.port == "data":
            self._call(fault, (f"CROC/1 {channel} {uuid}\n".encode(),), "")
            return
        body = f'{{"channel": "{channel}", "uuid": "{uuid}", "close": true}}'.encode()
        self._call(fault, (_REQUEST % (len(body), body),), "")

    def _call(self, fault: Fault, parts: tuple[bytes, ...], address: str) -> None:
        """Have a stranger, or whoever is at *address*, say *parts* to the relay."""
        self.storm.struck.add(fault)
        self._callers += 1
        host = self.network.host(f"caller{self._callers}", address)
        port = HTTP_PORT + (fault.port == "data")
        rude = self._chance.random() < 0.5

        def outstays() -> None:
            if host.name in self.relay.host.clients:
                self.oracles.found.append("the relay lets a stranger stay")

        host.start(Caller("relay", port, parts, fault.size, outstays, rude=rude))

    def _requested(self, host: Host, data: bytes) -> None:
        if host.name not in self._requests:
            return
        number = self._requests[host.name]
        self._requests[host.name] += 1
        for fault in self.plan.faults:
            if fault.kind is Kind.DUPLICATE and (fault.who, fault.number) == (host.name, number):
                self.clock.after(fault.size, self._call, fault, (data,), host.address)


_REQUEST = b"POST /channel HTTP/1.1\r\nHost: relay\r\nContent-Length: %d\r\n\r\n%b"
_JUNK = (
    b"",  # random bytes
    b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n",
    b"POST /join HTTP/1.1\r\nHost: relay\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /join HTTP/1.1\r\nHost: relay\r\nContent-Length: 9999999\r\n\r\n",
    b"CROC/2 x y\n",
    b"CROC/1 abcd 00000000000000000000000000000000\n",
    b"\n" * 200,
)


def _word(party: Party) -> str:
    if party.node is None:
        return "-"
    if party.gone:
        return "gone"
    return "ok" if party.failure is None else party.failure.code


def simulate(plan: Plan, trace: Callable[[str], None] | None = None) -> Result:
    """Play *plan* and judge it; *trace* gets a line for each input and effect."""
    return Run(plan, trace).play()


def shrink(plan: Plan) -> Plan:
    """Return a smaller plan that is judged as badly, if there is one."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(plan):
            if simulate(candidate).violations:
                plan, smaller = candidate, True
                break
    return plan


def _smaller(plan: Plan) -> list[Plan]:
    replace = msgspec.structs.replace
    plans = [
        replace(plan, faults=plan.faults[:n] + plan.faults[n + 1 :])
        for n in range(len(plan.faults))
    ]
    if len(plan.sizes) > 1:
        plans += [replace(plan, sizes=(size,)) for size in plan.sizes]
    plans += [replace(plan, sizes=(n,)) for n in (0, 100) if sum(plan.sizes) > n]
    return plans
