"""A small world for both parties: a real relay, connections as byte queues, time by hand.

The nodes are the real ones; only `Control`, which speaks HTTP, is replaced by a desk that hands
each `Post` to the relay at once. Everything is one thread and one heap of things to come, so a run
is the same each time.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from backends import _io as io
from backends._control import Ends
from backends._party_node import PartyNode, RecipientNode, SenderNode
from croc_core import party_io as p
from croc_core import relay_io as r
from croc_core.errors import Code, Failure
from croc_core.limits import Limits
from croc_core.party import Patience
from croc_core.recipient_judge import RecipientContext, recipient
from croc_core.relay import Relay
from croc_core.sender_judge import SenderContext, sender
from croc_core.values import Moment, Secret
from tests.memory_files import Item, MemorySink, MemorySource, file

RELAY_HOST = "10.0.0.9"
DATA_PORTS = (9010, 9011, 9012, 9013)
DELAY = 0.001
"""Seconds that anything takes on its way."""
PATIENCE = Patience(meeting=400.0, person=100.0, reconnect=120.0)
SECRET = "abandon-ability-able"
ITEMS = (file("a", b"hello"), file("b", bytes(10)), file("c", b"x" * 3000))


@dataclass(frozen=True, slots=True)
class Seen:
    """One input of a machine, and what it led to."""

    state: type[Any]
    event: p.Input
    after: type[Any]
    effects: tuple[p.Effect, ...]
    time: float


class Watched:
    """A machine that keeps what happens to it, and lets a test change its inputs."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine
        self.seen: list[Seen] = []
        self.change: Callable[[type[Any], p.Input], p.Input] = lambda state, event: event
        self.entered: Callable[[type[Any]], None] = lambda state: None

    def handle(self, event: p.Input, now: Moment) -> tuple[p.Effect, ...]:
        before = type(self.state)
        event = self.change(before, event)
        effects: tuple[p.Effect, ...] = self._machine.handle(event, now)
        after = type(self.state)
        self.seen.append(Seen(before, event, after, effects, now.mono))
        if after is not before:
            self.entered(after)
        return effects

    def deadline(self) -> float | None:
        due: float | None = self._machine.deadline()
        return due

    @property
    def finished(self) -> bool:
        return bool(self._machine.finished)

    @property
    def state(self) -> Any:
        return self._machine.state

    @property
    def path(self) -> list[str]:
        """The states that were gone through, by name."""
        names = [self.seen[0].state.__name__, *(s.after.__name__ for s in self.seen)]
        return [name for name, _ in itertools.groupby(names)]

    def did(self, kind: type[Any]) -> list[Any]:
        """All effects of that kind, in order."""
        return [e for s in self.seen for e in s.effects if isinstance(e, kind)]


@dataclass(frozen=True, slots=True)
class _Answered:
    """Of `Desk`: the outcome of a post."""

    serial: int
    outcome: p.Replied | p.Unanswered


Fault = Callable[[str, int, p.Post], "str | p.Replied | None"]
"""(role, number of the post from 0, post) -> "lost", "deaf", "unreachable", a reply, or None."""


class Desk:
    """Stands where `Control` stands."""

    def __init__(self, world: World, role: str, address: str) -> None:
        self.ends = Ends(RELAY_HOST, address)
        self._world, self._role, self._address = world, role, address
        self._serial = 0
        self.posts: list[p.Post] = []

    def deadline(self) -> None:
        return None

    def woke(self, now: Moment) -> tuple[tuple[io.Effect, ...], None]:
        del now
        return (), None

    def close(self) -> tuple[io.Effect, ...]:
        self._serial += 1
        return ()

    def renew(self) -> tuple[io.Effect, ...]:
        return ()

    def owns(self, event: object) -> bool:
        return isinstance(event, _Answered)

    def handle(self, event: _Answered, now: Moment) -> Any:
        del now
        return (), event.outcome if event.serial == self._serial else None

    def lose(self) -> None:
        """The answer to the latest post is lost."""
        self._world.to_party(self._role, _Answered(self._serial, p.Unanswered(False, "lost")))

    def post(self, post: p.Post, now: Moment) -> tuple[io.Effect, ...]:
        del now
        self._serial += 1
        serial = self._serial
        number = len(self.posts)
        self.posts.append(post)

        def tell(outcome: p.Replied | p.Unanswered) -> None:
            self._world.to_party(self._role, _Answered(serial, outcome))

        def go() -> None:
            fault = self._world.fault(self._role, number, post)
            if isinstance(fault, p.Replied):
                tell(fault)
            elif fault == "lost":
                tell(p.Unanswered(False, "lost"))
            elif fault == "unreachable":
                tell(p.Unanswered(True, "connection refused"))
            else:
                deaf = p.Unanswered(False, "lost") if fault == "deaf" else None
                self._world.ask(post, self._address, lambda reply: tell(deaf or reply))

        self._world.at(post.after + DELAY, go)
        return ()


class End:
    """One end of a TCP connection between a party and the relay, as the party holds it."""

    def __init__(self, world: World, role: str, conn: io.Conn) -> None:
        self.world, self.role, self.conn = world, role, conn
        self.link = 0
        self.peer: End | None = None
        """The other member's end, once stapled."""
        self.inbox = bytearray()
        self.ended = False
        self.consumer: Any = None
        self.early = bytearray()
        """What the relay has not read yet."""
        self.early_end = False
        self.take: int | None = None
        self.closed = False

    # from the party

    def send(self, data: bytes) -> None:
        self.world.sent.append((self.role, data))
        data = self.world.meddle(self.role, data)
        if self.peer is not None:
            self.peer.arrive(data)
        else:
            self.early += data
            self.feed_relay()

    def end(self) -> None:
        if self.peer is not None:
            self.peer.arrive(b"", ended=True)
        else:
            self.early_end = True
            self.feed_relay()

    def feed_relay(self) -> None:
        if self.take is None or not (self.early or self.early_end):
            return
        data, limit = bytes(self.early[: self.take]), self.take
        del self.early[:limit]
        self.take = None
        self.world.to_relay(r.LinkReceived(self.link, data))

    # to the party

    def arrive(self, data: bytes, ended: bool = False) -> None:
        def there() -> None:
            self.inbox.extend(data)
            self.ended |= ended
            self.drain()

        self.world.at(DELAY, there)

    def drain(self) -> None:
        if self.consumer is None or self.closed:
            return
        try:
            while not self.consumer.ready():
                if not self.inbox and not self.ended:
                    return
                buffer = self.consumer.buffer()
                count = min(len(buffer), len(self.inbox), self.world.chunk)
                buffer[:count] = self.inbox[:count]
                del self.inbox[:count]
                self.consumer.advance(count)
                if not count:
                    break
        except Exception as error:
            self.consumer = None
            self.world.to_party(self.role, io.Drained(self.conn, error))
            return
        self.consumer = None
        self.world.to_party(self.role, io.Drained(self.conn))

    def broken(self, cause: str) -> None:
        if not self.closed:
            self.closed = True
            self.world.to_party(self.role, io.Broken(self.conn, cause))


@dataclass
class Member:
    """A party in the world."""

    node: PartyNode
    machine: Watched
    desk: Desk
    ends: dict[int, End] = field(default_factory=dict)
    told: list[Any] = field(default_factory=list)
    gone: bool = False

    def shown(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


class World:
    """A relay, a sender, a recipient; `run` goes on until both have finished."""

    def __init__(
        self,
        items: Sequence[Item] = ITEMS,
        *,
        phrase: str = SECRET,
        typed: str | None = None,
        decide: bool | None = True,
        sender_at: str = "10.0.0.1",
        recipient_at: str = "10.0.0.2",
        chunk: int = 1 << 20,
        sink: MemorySink | None = None,
        patience: Patience = PATIENCE,
        seed: int = 5,
        takes: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        chance = random.Random(seed).randbytes
        self.now = 100.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.chunk = chunk
        self.fault: Fault = lambda role, number, post: None
        self.meddle: Callable[[str, bytes], bytes] = lambda role, data: data
        self.sent: list[tuple[str, bytes]] = []
        """What each party put on its data connection."""
        self._chance = chance
        self.relay = Relay(chance, Limits(), DATA_PORTS)
        self._asks: dict[int, Callable[[p.Replied], None]] = {}
        self._links: dict[int, End] = {}
        self._pairs: dict[int, tuple[End, End]] = {}
        self._numbers = itertools.count(1)
        self.source = MemorySource(items, strict=False)
        self.sink = sink or MemorySink()
        self._decide = decide
        context = SenderContext(
            Secret(phrase.encode()),
            phrase,
            "http://relay",
            chance,
            "7k2m",
            patience=patience,
            **more,
        )
        heard = Secret((typed or phrase).encode())
        listening = RecipientContext("7k2m", heard, chance, patience=patience, **(takes or {}))
        self.parties: dict[str, Member] = {}
        one, two = Watched(sender(context)), Watched(recipient(listening))
        self._enter("sender", one, SenderNode(one, "", 0, self.source), sender_at)  # type: ignore[arg-type]
        node = RecipientNode(two, "", 0, self.sink, lambda _: self._decide)  # type: ignore[arg-type]
        self._enter("recipient", two, node, recipient_at)
        self.at(0.0, lambda: self.to_party("sender", io.Started()))

    def _enter(self, role: str, machine: Watched, node: PartyNode, address: str) -> None:
        desk = Desk(self, role, address)
        node._control = desk  # type: ignore[assignment]
        self.parties[role] = Member(node, machine, desk)

    @property
    def sender(self) -> Member:
        return self.parties["sender"]

    @property
    def recipient(self) -> Member:
        return self.parties["recipient"]

    # ---- time

    def at(self, after: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + after, next(self._order), do))

    def moment(self) -> Moment:
        return Moment(self.now, 1_700_000_000_000 + round(self.now * 1000))

    def join(self) -> None:
        """The other person has the code now."""
        self.to_party("recipient", io.Started())

    def interrupt(self, role: str, code: Code = Code.SIGINT) -> None:
        self.to_party(role, io.Told(p.Interrupted(code)))

    def vanish(self, role: str, cause: str = "connection reset") -> None:
        """The computer of *role* is gone; its connections break."""
        party = self.parties[role]
        party.gone = True
        for end in party.ends.values():
            if not end.closed:
                end.closed = True
                if end.peer is not None:
                    other = end.peer
                    self.at(DELAY, lambda other=other: other.broken(cause))  # type: ignore[misc]
                elif end.link in self._links:
                    self.to_relay(r.LinkLost(end.link))

    def cut(self) -> None:
        """Every data connection breaks now, with what is on its way."""
        for end in [end for m in self.parties.values() for end in m.ends.values()]:
            end.inbox.clear()
            end.broken("connection reset")

    def restart(self) -> None:
        """The relay is started anew and has forgotten everything; all connections break."""
        self.relay = Relay(self._chance, Limits(), DATA_PORTS)
        self._pairs.clear()
        self.cut()

    def run(self, limit: float = 5000.0) -> World:
        """Go on until both have ended; the world itself sees to it that they do."""
        stop = self.now + limit
        while not all(m.node.finished or m.gone for m in self.parties.values()):
            assert self._step(), "somebody waits without a deadline"
            assert self.now < stop, {r: m.machine.path for r, m in self.parties.items()}
        return self

    def _step(self) -> bool:
        """Do the next thing."""
        dues: list[tuple[float, Callable[[], None]]] = []
        for role, party in self.parties.items():
            due = None if party.node.finished or party.gone else party.node.deadline()
            if due is not None:
                dues.append((due, lambda role=role: self._party(role, io.Woke())))  # type: ignore[misc]
        relay_due = self.relay.deadline()
        if relay_due is not None:
            dues.append((relay_due, lambda: self._relay(r.Woke())))
        first = min(dues, key=lambda due: due[0], default=None)
        if self._heap and (first is None or self._heap[0][0] <= first[0]):
            self.now, _, do = heapq.heappop(self._heap)
        elif first is not None:
            self.now, do = max(self.now, first[0]), first[1]
        else:
            return False
        do()
        return True

    # ---- inputs

    def to_party(self, role: str, event: Any) -> None:
        self.at(DELAY, lambda: self._party(role, event))

    def _party(self, role: str, event: Any) -> None:
        party = self.parties[role]
        conn = getattr(event, "conn", None)
        if party.gone or party.node.finished:
            return
        if conn is not None and conn not in party.ends and not isinstance(event, io.Broken):
            return
        for effect in party.node.handle(event, self.moment()):
            self._do(role, party, effect)

    def to_relay(self, event: r.Input) -> None:
        self.at(0.0, lambda: self._relay(event))

    def _relay(self, event: r.Input) -> None:
        for effect in self.relay.handle(event, self.moment()):
            self._do_relay(effect)

    def ask(self, post: p.Post, address: str, tell: Callable[[p.Replied], None]) -> None:
        number = next(self._numbers)
        self._asks[number] = tell
        self._relay(r.Asked(number, "POST", post.path, post.body, address))

    # ---- effects

    def _do(self, role: str, party: Member, effect: io.Effect) -> None:
        match effect:
            case io.Connect(conn, host, port, local):
                assert (host, local) == (RELAY_HOST, party.desk.ends.local)
                end = party.ends[conn] = End(self, role, conn)
                end.link = next(self._numbers)
                self._links[end.link] = end
                self.to_relay(r.LinkOpened(end.link, DATA_PORTS.index(port), local or ""))
                self.to_party(role, io.Connected(conn, host, local or ""))
            case io.Tell(event):
                party.told.append(event)
            case io.Work(job, call):
                result: object = None
                error: BaseException | None = None
                try:
                    result = call()
                except Exception as raised:
                    error = raised
                self.to_party(role, io.Worked(job, result, error))
            case _:
                link_end = party.ends.get(getattr(effect, "conn", -1))
                assert link_end is not None, effect
                if not link_end.closed:
                    self._do_conn(role, party, link_end, effect)

    def _do_conn(self, role: str, party: Member, end: End, effect: io.Effect) -> None:
        match effect:
            case io.Send(_, data):
                end.send(data)
            case io.Drain(conn, consumer):
                assert end.consumer is None, "two drains"
                end.consumer = consumer
                self.at(0.0, end.drain)
            case io.Pump(conn, producer):
                self.to_party(role, io.Pumped(conn, self._pump(end, producer)))
            case io.HalfClose():
                end.end()
            case io.Close(conn):
                end.end()
                end.closed = True
                del party.ends[conn]
            case _:
                raise AssertionError(effect)

    def _pump(self, end: End, producer: io.Producer) -> Exception | None:
        try:
            while (part := producer.fill()) is not None:
                end.send(bytes(part))
        except Exception as error:
            return error
        return None

    def _do_relay(self, effect: r.Effect) -> None:
        match effect:
            case r.Answer(ask, status, body):
                self._asks.pop(ask)(p.Replied(status, body))
            case r.Take(link, limit):
                self._links[link].take = limit
                self._links[link].feed_relay()
            case r.Say(link, data):
                self._links[link].arrive(data)
            case r.Drop(link):
                self._links[link].arrive(b"", ended=True)
            case r.Staple(pair, a, b, to_a, to_b):
                one, two = self._links.pop(a), self._links.pop(b)
                self._pairs[pair] = (one, two)
                one.peer, two.peer = two, one
                for end, behind in ((one, to_a), (two, to_b)):
                    assert end.peer is not None
                    if behind:
                        end.arrive(behind)
                    if end.early:
                        end.peer.arrive(bytes(end.early))
            case r.Cut(pair):
                for end in self._pairs.pop(pair, ()):
                    self.at(DELAY, lambda end=end: end.broken("connection reset"))  # type: ignore[misc]


def failure_of(member: Member) -> Failure:
    """How it ended, without success."""
    assert member.node.finished
    assert member.node.failure is not None, member.machine.path
    return member.node.failure


def met(**options: Any) -> World:
    """A world whose recipient joins as soon as the code is told."""
    world = World(**options)
    world.sender.machine.entered = lambda s: (
        world.join() if s.__name__ == "AwaitingAnswer" else None
    )
    return world


def when(world: World, role: str, state: str, do: Callable[[], None]) -> None:
    """Do it as soon as *role* has come to *state*; once."""
    machine = world.parties[role].machine
    before = machine.entered
    left = [do]

    def entered(kind: type[Any]) -> None:
        before(kind)
        if kind.__name__ == state and left:
            left.pop()()

    machine.entered = entered


def told_of(world: World, role: str, **values: Any) -> None:
    """From here on the relay's answers to *role* have these *values*, where they have any."""

    def change(state: type[Any], event: p.Input) -> p.Input:
        del state
        if isinstance(event, p.Replied) and event.status == 200:
            body = json.loads(event.body)
            if all(body.get(name) for name in values):
                return p.Replied(200, json.dumps(body | values).encode())
        return event

    world.parties[role].machine.change = change


def fair(world: World) -> None:
    """What holds however a run ended: nobody is told of a success that is none."""
    sends, takes = world.sender.machine, world.recipient.machine
    whole = world.sink.state == "finished"
    if type(sends.state).__name__ == "Done":
        assert whole
    if type(takes.state).__name__ == "Done":
        assert whole
    confirmed = {"sender": "Proving", "recipient": "Identifying"}
    for role, member in world.parties.items():
        if confirmed[role] not in member.machine.path:
            assert not [data for who, data in world.sent if who == role], "sealed too early"
    assert bool(world.sink.calls) <= ("Receiving" in takes.path), "written too early"
