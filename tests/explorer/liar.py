"""A relay that lies: it answers as it likes with all that it has seen, and carries what it likes.

It does not know the secret. What it can do to sealed bytes is drop them, turn them back or send
others; that a record moved out of its place does not open is for tests/test_seal.py. Here a
lost connection is not made good (`Patience.reconnect` is 0): with a relay that answers as it likes,
the two would look for each other without end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from croc_core import party_io as io
from croc_core import wire
from croc_core.handshake import CapsOffer, Policy, hello, respond, start
from croc_core.party import LINK
from croc_core.values import Role
from tests.explorer import hands as h
from tests.explorer.actions import BRIEF, CALM, LATE, OVER, PAUSE
from tests.explorer.engine import Bounds, Engine, Next, World
from tests.explorer.search import Found, Search
from tests.explorer.world import (
    CHANNEL,
    CURVE,
    DIALLED,
    END,
    GONE,
    JUNK,
    PORTS,
    RECIPIENT,
    RIGHT,
    SENDER,
    SUITE,
    UP,
    WAITING,
    WRONG,
    Actor,
    Case,
    Chance,
    Item,
    Link,
    Outsider,
    ToRelay,
)

OWN_X = start(SUITE, CHANNEL, WRONG, CapsOffer(), Chance(b"E")).x
UUID = "e" * 32


class Known(NamedTuple):
    """The values that the relay has been told."""

    x: tuple[str, ...] = ()
    y: tuple[tuple[str, str], ...] = ()
    h_k: tuple[str, ...] = ()
    channel: None = None


def _learn(known: Known, body: bytes) -> Known:
    update = wire.decode_request(body, wire.Update)
    match wire.action_of(update):
        case wire.PutX(x):
            return known._replace(x=tuple(sorted({*known.x, x})))
        case wire.PutY(y, hh_k):
            return known._replace(y=tuple(sorted({*known.y, (y, hh_k)})))
        case wire.PutProof(h_k):
            return known._replace(h_k=tuple(sorted({*known.h_k, h_k})))
    return known


def _own_answer(x: str) -> tuple[str, str]:
    """What the relay itself can answer to the sender's x."""
    policy = Policy(suites=(CURVE,))
    made = respond(lambda _: SUITE, CHANNEL, CURVE, x, WRONG, policy, Chance(b"E"))
    return made.y, made.hh_k


def errors(role: Role) -> Iterator[io.Input]:
    """Every way to refuse, to be silent, and to make no sense."""
    for status, code in (
        (403, "channel_full"), (404, "no_such_channel"), (404, "no_x_yet"), (409, "occupied"),
        (426, "version"), (429, "too_many"), (500, "internal"), (410, "closed"),
    ):  # fmt: skip
        yield io.Replied(status, wire.encode(wire.Error(code)))
    for reason in ("wrong_code", "declined", "cancelled", "done"):
        said = wire.Error("closed", by=role.other, reason=reason)
        yield io.Replied(410, wire.encode(said))
    yield io.Replied(200, b"{}")
    yield io.Unanswered(False, "no answer")
    yield io.Unanswered(True, "refused")


def joins(role: Role) -> Iterator[io.Input]:
    """Every answer to a join."""
    ways = ((wire.DataPort("tcp", PORTS[0]),), ())
    for seat, name, curve, data in (
        (role, CHANNEL, CURVE, ways[0]),
        (role.other, CHANNEL, CURVE, ways[0]),
        (role, "other", CURVE, ways[0]),
        (role, CHANNEL, "p256", ways[0]),
        (role, CHANNEL, CURVE, ways[1]),
    ):
        yield io.Replied(200, wire.encode(wire.Joined(1, name, UUID, seat, curve, data, 1)))


def states(known: Known) -> Iterator[io.Input]:
    """Every state that the relay can claim, of true values, turned ones and its own."""
    xs = (None, OWN_X, *known.x)
    ys: list[tuple[str | None, str | None]] = [(None, None), *known.y]
    for seen in known.x:
        own, proof = _own_answer(seen)
        ys += [(own, proof), (seen, proof), *((own, theirs) for _, theirs in known.y)]
    proofs = (None, "ee", *known.h_k, *(hh_k for _, hh_k in known.y))
    for x in xs:
        for y, hh_k in ys:
            for h_k in proofs:
                for stapled in (False, True):
                    said = wire.State(CHANNEL, CURVE, x, y, hh_k, h_k, stapled, {}, True, 9)
                    yield io.Replied(200, wire.encode(said))


class Liar(Engine):
    """Both parties with a relay between them that lies; `World.relay` is what it has been told."""

    def __init__(self, parts: h.Parts | None = None) -> None:
        super().__init__(Bounds(faults=0, outsider=0, mortal=False), parts, reconnects=False)
        self._lies: dict[tuple[int, int], tuple[int, ...]] = {}

    def start(self, case: Case = RIGHT, *, together: bool = False) -> World:
        first = super().start(case, together=together)
        return self.known(Known()), first[1], first[2], self.outsider(Outsider(0)), 0

    def known(self, known: Known) -> int:
        number = self.relays(known, known)
        if number == len(self.relay_bad):
            self.relay_bad.append("")
        return number

    def over(self, world: World) -> bool:
        return all(self.marks[part].over for part in world[1:3])

    def undisturbed(self, world: World) -> bool:
        return False

    def successors(self, world: World) -> list[Next]:
        found: dict[World, Next] = {}
        known: Known = self.relays.values[world[0]]
        for who in (SENDER, RECIPIENT):
            actor: Actor = self.actors.values[world[1 + who]]
            for kind in (CALM, PAUSE, BRIEF, LATE, OVER):
                for label, after, out in self._kinds(world[1 + who])[kind]:
                    if not any(isinstance(one, ToRelay) for one in out):
                        parts = [world[0], world[1], world[2]]
                        parts[1 + who] = after
                        to = (parts[0], parts[1], parts[2], 0, 0)
                        found[to] = Next(True, label, to, "")
            if actor.ask is not None and actor.ask.stage == UP:
                self._lie(found, world, who, actor, known)
            link = actor.link(LINK)
            if link is not None and not self.marks[world[1 + who]].over:
                other: Actor = self.actors.values[world[2 - who]]
                for label, changed, peer in _carried(actor, link, other):
                    parts = [world[1], world[2]]
                    parts[who], parts[1 - who] = self.actor(changed), self.actor(peer)
                    to = (world[0], parts[0], parts[1], 0, 0)
                    found.setdefault(to, Next(False, label, to, ""))
        return list(found.values())

    def _lie(
        self, found: dict[World, Next], world: World, who: int, actor: Actor, known: Known
    ) -> None:
        ask = actor.ask
        assert ask is not None
        joining = ask.path == "/join"
        if not joining:
            known = _learn(known, ask.body)
        number = self.known(known)
        for after in self._lied(world[1 + who], number):
            to = (number, *((after, world[2]) if who == SENDER else (world[1], after)), 0, 0)
            label = f"the relay answers the {actor.role} as it likes"
            found.setdefault(to, Next(False, label, to, ""))

    def _lied(self, actor: int, known: int) -> tuple[int, ...]:
        """What becomes of an actor by every answer that this relay can give."""
        value: Actor = self.actors.values[actor]
        found = self._lies.get((actor, known))
        if found is None:
            assert value.ask is not None
            menu = [*errors(value.role)]
            menu += (
                joins(value.role)
                if value.ask.path == "/join"
                else states(self.relays.values[known])
            )
            idle = value._replace(ask=None)
            results = (self.hands.tell(idle, event)[0] for event in menu)
            found = self._lies[actor, known] = tuple(dict.fromkeys(map(self.actor, results)))
        return found


def _carried(actor: Actor, link: Link, other: Actor) -> Iterator[tuple[str, Actor, Actor]]:
    """(what, the actor, the other one): all that the relay can do with a data connection."""
    who = actor.role
    if link.stage == DIALLED:
        for answer in (b"OK\n", b"ERR 410 closed\n", b"ERR 426 version\n", b"ERR 403 not_yours\n"):
            said = link._replace(stage=WAITING, inbox=(Item("line", answer),))
            yield f"the relay's data port tells the {who} {answer!r}", _with(actor, said), other
    if link.stage == GONE or link.inbox:
        return
    for item in (JUNK, END, Item("hello", hello(who.other, 0, b"E" * 32))):
        if link.hearing:
            put = link._replace(inbox=(item,))
            yield f"the relay sends the {who} its own {item.kind}", _with(actor, put), other
    if link.outbox:
        first, rest = link.outbox[0], link.outbox[1:]
        sent = link._replace(outbox=rest)
        if link.hearing:
            turned = _with(actor, sent._replace(inbox=(first,)))
            yield f"the relay turns the {who}'s {first.kind} back", turned, other
        theirs = other.link(LINK)
        if theirs is not None and theirs.stage == WAITING and not theirs.inbox:
            there = _with(other, theirs._replace(inbox=(first,)))
            yield f"the relay carries the {who}'s {first.kind}", _with(actor, sent), there


def _with(actor: Actor, link: Link) -> Actor:
    return actor.with_link(link)


def explore_lies(parts: h.Parts | None = None, *, first: bool = False) -> Found:
    """Search all that a lying relay can bring about."""
    engine = Liar(parts)
    starts = [engine.start(case) for case in (RIGHT, Case(right=False))]
    return Search(engine, starts, 10_000_000, first=first).run()
