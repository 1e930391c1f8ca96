"""What can happen to one party by itself, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from croc_core import party_io as io
from croc_core import wire
from croc_core.errors import Code
from croc_core.relay_io import AskerLeft, LinkOpened, LinkReceived
from croc_core.values import Role
from tests.explorer import hands as h
from tests.explorer import network, relays
from tests.explorer.world import (
    ADDRESSES,
    ASK,
    DIALLED,
    DOWN,
    END,
    GHOST,
    HELD,
    LOST,
    ROAMED,
    STAPLED,
    UP,
    WAITING,
    Actor,
    Item,
    Link,
    Old,
    ToRelay,
)

CALM, LATE, FAULT, DEATH = 0, 1, 2, 3
"""What goes on by itself; what a deadline does (free once nothing else can happen, else a fault);
what costs a fault; what a death costs: nothing, but a party has only one."""

Possible = Iterator[tuple[int, str, h.Result]]


class Actions:
    """What can happen to an actor, given its hands."""

    def __init__(self, hands: h.Hands, *, mortal: bool) -> None:
        self.hands = hands
        self._mortal = mortal

    def possible(self, actor: Actor) -> Possible:
        """(kind, what happens, the actor after it and what it sends out)."""
        hands, who = self.hands, actor.role
        for old in actor.old:
            yield (
                CALM,
                f"the end of the {who}'s old connection is noticed",
                network.noticed(actor, old),
            )
        for ghost in actor.ghosts:
            yield CALM, f"a late request of the {who} arrives", _ghost_arrives(actor, ghost)
        if hands.over(actor) or actor.broke:
            return
        if self._mortal:
            yield DEATH, f"the {who} dies", hands.die(actor)
        if not hands.started(actor):
            yield CALM, f"the {who} starts", hands.tell(actor, io.Started())
            return
        yield LATE, f"the {who}'s patience is over", hands.tell(actor, io.Woke())
        yield FAULT, f"the {who} is interrupted", hands.tell(actor, io.Interrupted(Code.SIGINT))
        if actor.address in ADDRESSES:
            roamed = actor._replace(address=ROAMED[0 if who is Role.SENDER else 1])
            yield FAULT, f"the {who} gets another address", (roamed, ())
        if actor.ask is not None:
            yield from self._asking(actor)
        for job in actor.jobs:
            yield CALM, f"the {who}'s hands do: {job[0]}", h.run_job(hands, actor, job)
            yield from self._job_fails(actor, job)
        if actor.link is not None:
            yield from self._linked(actor, actor.link)

    def _asking(self, actor: Actor) -> Possible:
        hands, who, ask = self.hands, actor.role, actor.ask
        assert ask is not None
        if ask.stage == DOWN:
            done = hands.tell(actor._replace(ask=None), io.Replied(ask.status, ask.reply))
            yield CALM, f"the {who} gets the answer, {ask.status}", done
        if ask.stage == LOST:
            event = io.Unanswered(ask.refused, "no answer")
            yield (
                CALM,
                f"the {who} gives the request up",
                hands.tell(actor._replace(ask=None), event),
            )
            return
        yield FAULT, f"the {who}'s request or its answer is lost ({ask.stage})", network.lost(actor)
        if ask.stage == UP:
            asked = relays.request(ASK[h.seat(actor)], ask.path, ask.body, actor.address)
            arrived = (actor._replace(ask=ask._replace(stage=HELD)), (ToRelay((asked,)),))
            yield CALM, f"the {who}'s request reaches the relay: {_brief(ask.body)}", arrived
            ghosts = tuple(sorted({*actor.ghosts, (ask.path, ask.body)}))
            if ghosts != actor.ghosts:
                yield (
                    FAULT,
                    f"the {who}'s request is duplicated",
                    (actor._replace(ghosts=ghosts), ()),
                )
            if ask.path == "/join":
                yield FAULT, f"the {who} cannot reach the relay", network.lost(actor, refused=True)

    def _job_fails(self, actor: Actor, job: tuple[str, bytes]) -> Possible:
        hands, who = self.hands, actor.role
        if job[0] == h.DECIDE:
            yield FAULT, "the person declines", h.fail_job(hands, actor, job, io.Decided(False))
            return
        if job[0] in (h.OFFERED, h.SENT):
            return
        full = h.fail_job(hands, actor, job, io.LocalBroke(h.DISK))
        yield FAULT, f"the {who}'s files fail: {job[0]}", full
        if job[0] == h.JUDGE:
            none = h.fail_job(hands, actor, job, io.Judged(h.NOTHING))
            yield FAULT, "no name of the offer can be used", none

    def _linked(self, actor: Actor, link: Link) -> Possible:
        hands, who = self.hands, actor.role
        if h.readable(actor):
            yield CALM, f"the {who} reads: {_item(link.inbox[0])}", h.read(hands, actor)
            if link.inbox[0].kind == "piece" and link.takes_pieces:
                full = h.unwritten(hands, actor)
                yield FAULT, f"the {who} cannot write a piece", full
        if link.seal and link.stage == STAPLED:
            yield CALM, f"bytes move on the {who}'s connection", hands.tell(actor, io.Moved())
        if link.stage == DIALLED:
            came = (LinkOpened(link.number, 0, actor.address), LinkReceived(link.number, link.line))
            at_relay = actor._replace(link=link._replace(stage=WAITING))
            yield CALM, f"the {who}'s connection reaches the relay", (at_relay, (ToRelay(came),))
        if link.inbox[-1:] != (END,) or len(link.inbox) > 1:
            yield FAULT, f"the {who}'s connection breaks", network.reset(actor)
        if link.inbox[-1:] == (END,) and link.seal and not link.hearing:
            ended = hands.tell(actor, io.LinkEnded(0, "it broke"))
            yield FAULT, f"the {who} finds its connection broken as it writes", ended
        if link.stage == WAITING and link.mode == "line" and not actor.old:
            old = actor._replace(old=(Old(link.number, link.line),))
            again = link._replace(number=link.number + 1, stage=DIALLED, inbox=())
            yield FAULT, f"the {who} dials a second time", (old._replace(link=again), ())


def _ghost_arrives(actor: Actor, ghost: tuple[str, bytes]) -> h.Result:
    number = GHOST[h.seat(actor)]
    asked = relays.request(number, *ghost, actor.address)
    after = actor._replace(ghosts=tuple(g for g in actor.ghosts if g != ghost))
    return after, (ToRelay((asked, AskerLeft(number))),)


def _brief(body: bytes) -> str:
    said = wire.decode_request(body, dict[str, Any])
    return ", ".join(key for key in said if key not in ("uuid", "nonce")) or "a look"


def _item(item: Item) -> str:
    return type(h.plain(item)).__name__ if item.kind == "record" else item.kind
