"""What can happen to one party by itself, and what it costs."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

from croc_core import party_io as io
from croc_core import wire
from croc_core.errors import Code
from croc_core.recipient_rejoin import Rejoining
from croc_core.reconnect import Greeting
from croc_core.relay_io import AskerLeft, LinkOpened, LinkReceived
from croc_core.sender_states import AwaitingStaple
from croc_core.values import Role
from tests.explorer import hands as h
from tests.explorer import jobs, network, relays
from tests.explorer.world import (
    ADDRESSES,
    ASK,
    DIALLED,
    DOWN,
    END,
    GHOST,
    HELD,
    LATER,
    LOST,
    PAUSED,
    ROAMED,
    STAPLED,
    UP,
    WAITING,
    Actor,
    Item,
    Job,
    Link,
    Old,
    ToRelay,
)


class Kind(enum.IntEnum):
    """What it takes for something to happen."""

    CALM = 0
    """It goes on by itself."""
    PAUSE = 1
    """A recipient that looks for channels looks again: by itself, too, and again and again."""
    BRIEF = 2
    """A deadline of some seconds passes: free once nothing but `PAUSE` goes on, else a fault."""
    LATE = 3
    """A longer deadline passes: free once none of these goes on, else a fault."""
    OVER = 4
    """So does that by which a loss must be made good: as `BRIEF`; not where only losses come."""
    CROWD = 5
    """A fault: the relay has no room for a data connection now."""
    LOSS = 6
    """A fault that loses connections, requests or what the relay remembers, and nothing else."""
    ROAM = 7
    """A fault that gives a party another address."""
    FAULT = 8
    """Any other fault."""
    DEATH = 9
    """It costs nothing, but a party has only one."""


CALM, PAUSE, BRIEF, LATE, OVER, CROWD, LOSS, ROAM, FAULT, DEATH = Kind
Possible = Iterator[tuple[Kind, str, h.Result]]


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
        yield from self._deadlines(actor)
        yield FAULT, f"the {who} is interrupted", hands.tell(actor, io.Interrupted(Code.SIGINT))
        if actor.address in ADDRESSES:
            roamed = actor._replace(address=ROAMED[0 if who is Role.SENDER else 1])
            yield ROAM, f"the {who} gets another address", (roamed, ())
        if actor.ask is not None:
            yield from self._asking(actor)
        for job in actor.jobs:
            yield CALM, f"the {who}'s hands do: {job.kind}", jobs.run(hands, actor, job)
            yield from self._job_fails(actor, job)
        for link in actor.links:
            yield from self._linked(actor, link)

    def _deadlines(self, actor: Actor) -> Possible:
        hands, who, state = self.hands, actor.role, actor.state
        brief = isinstance(state, AwaitingStaple | Greeting) and hands.reconnects
        kind = BRIEF if brief else LATE
        yield kind, f"the {who}'s patience is over", hands.tell(actor, io.Woke())
        if h.awaited_back(actor):
            over = hands.tell(actor, io.Woke(), LATER)
            yield OVER, f"the {who} has waited for the connection for long enough", over
        elif type(state) in hands.longest[who]:
            over = hands.tell(actor, io.Woke(), LATER)
            yield LATE, f"the {who} waits no longer, whatever is still coming", over

    def _asking(self, actor: Actor) -> Possible:
        hands, who, ask = self.hands, actor.role, actor.ask
        assert ask is not None
        if ask.stage == PAUSED:
            goes = actor._replace(ask=ask._replace(stage=UP))
            kind = PAUSE if isinstance(actor.state, Rejoining) else CALM
            yield kind, f"the {who} asks again", (goes, ())
            return
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
        yield LOSS, f"the {who}'s request or its answer is lost ({ask.stage})", network.lost(actor)
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
                yield LOSS, f"the {who} cannot reach the relay", network.lost(actor, refused=True)

    def _job_fails(self, actor: Actor, job: Job) -> Possible:
        hands, who = self.hands, actor.role
        if job.kind == h.DECIDE:
            yield FAULT, "the person declines", jobs.fail(hands, actor, job, io.Decided(False))
            return
        if job.kind == h.WORDS:
            differ = jobs.fail(hands, actor, job, io.ComparedWords(False))
            yield FAULT, f"the {who}'s person sees other words", differ
            return
        if job.kind in h.OUT.values():
            return
        full = jobs.fail(hands, actor, job, io.LocalBroke(jobs.DISK))
        yield FAULT, f"the {who}'s files fail: {job.kind}", full
        if job.kind == h.JUDGE:
            none = jobs.fail(hands, actor, job, io.Judged(jobs.NOTHING))
            yield FAULT, "no name of the offer can be used", none

    def _linked(self, actor: Actor, link: Link) -> Possible:
        hands, who = self.hands, actor.role
        which = f"connection {link.connection}" if link.connection else "connection"
        if h.readable(actor, link):
            yield CALM, f"the {who} reads: {_item(link.inbox[0])}", h.read(hands, actor, link)
            bad = h.unwritten(hands, actor, link, io.Garbled(link.connection, "it is garbled"))
            yield FAULT, f"the {who} cannot make sense of what it reads", bad
            if link.inbox[0].kind == "piece" and link.takes_pieces:
                full = h.unwritten(hands, actor, link, io.LocalBroke(jobs.DISK))
                yield FAULT, f"the {who} cannot write a piece", full
        if link.seal and link.stage == STAPLED and not link.connection:
            alive = hands.tell(actor, io.Moved(files=False))
            yield CALM, f"a sign of life moves on the {who}'s connection", alive
        if link.stage == DIALLED:
            came = (
                LinkOpened(link.number, link.port, actor.address),
                LinkReceived(link.number, link.line),
            )
            at_relay = actor.with_link(link._replace(stage=WAITING))
            yield CALM, f"the {who}'s {which} reaches the relay", (at_relay, (ToRelay(came),))
            yield CROWD, f"the relay has no room for the {who}", network.crowded(actor, link)
        if link.inbox[-1:] != (END,) or len(link.inbox) > 1:
            yield LOSS, f"the {who}'s {which} breaks", network.reset(actor, link)
        awaits = isinstance(actor.state, AwaitingStaple)
        if link.inbox[-1:] == (END,) and (link.seal or awaits) and not link.hearing:
            ended = hands.tell(actor, io.LinkEnded(link.connection, "it broke"))
            yield LOSS, f"the {who} finds its {which} broken and has not read", ended
        if link.stage == WAITING and link.mode == "line" and not (actor.old or link.connection):
            old = actor._replace(old=(Old(link.number, link.line),))
            again = link._replace(number=link.number + 1, stage=DIALLED, inbox=())
            yield FAULT, f"the {who} dials a second time", (old.with_link(again), ())


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
