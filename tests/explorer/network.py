"""What the network brings to a party's hands, and how it fails; the machine is told later."""

from __future__ import annotations

from croc_core.relay_io import AskerLeft, LinkLost
from tests.explorer.hands import Result, seat
from tests.explorer.world import (
    ASK,
    DOWN,
    END,
    GONE,
    HELD,
    LOST,
    STAPLED,
    UP,
    WAITING,
    Actor,
    Answered,
    Came,
    CutOff,
    Delivery,
    Dropped,
    Emission,
    Ended,
    Item,
    Joined,
    Link,
    Old,
    Restarted,
    Said,
    ToPeer,
    ToRelay,
)


def absorb(actor: Actor, delivery: Delivery) -> Result:
    """Put into the hands what has come; the machine is told later."""
    ask = actor.ask
    match delivery:
        case Answered(status, body):
            if ask is not None and ask.stage in (UP, HELD):
                return actor._replace(ask=ask._replace(stage=DOWN, status=status, reply=body)), ()
            return actor, ()
        case Restarted():
            return _restarted(actor), ()
        case Came(pair, items):
            for link in actor.links:
                if link.stage == STAPLED and link.pair == pair:
                    return actor.with_link(_put(link, items)), ()
            return actor, ()
        case CutOff(pair):
            for link in actor.links:
                if link.pair == pair:
                    return actor.with_link(_gone(link)), ()
            return actor._replace(old=tuple(o for o in actor.old if o.pair != pair)), ()
    return _absorb_link(actor, delivery)


def _restarted(actor: Actor) -> Actor:
    """All that the relay had is gone."""
    ask = actor.ask
    if ask is not None and ask.stage == HELD:
        actor = actor._replace(ask=ask._replace(stage=LOST))
    for link in actor.links:
        if link.stage in (WAITING, STAPLED):
            actor = actor.with_link(_gone(link))
    return actor._replace(old=())


def _absorb_link(actor: Actor, delivery: Said | Dropped | Joined) -> Result:
    link = next((x for x in actor.links if x.number == delivery.number), None)
    others = tuple(o for o in actor.old if o.number != delivery.number)
    match delivery:
        case Said(_, data):
            if link is None:
                return actor, ()
            return actor.with_link(_put(link, (Item("line", data),))), ()
        case Dropped():
            if link is not None:
                return actor.with_link(_gone(link)), ()
            return actor._replace(old=others), ()
        case Joined(_, pair):
            if link is None:
                joined_old = tuple(o._replace(pair=pair) for o in actor.old if o not in others)
                return actor._replace(old=others + joined_old), ()
            joined = link._replace(stage=STAPLED, pair=pair, outbox=(), unseen=-1)
            out = (ToPeer(pair, link.outbox),) if link.outbox else ()
            return actor.with_link(joined), out


def _put(link: Link, items: tuple[Item, ...]) -> Link:
    if link.inbox and link.inbox[-1] == END:
        return link
    return link._replace(inbox=link.inbox + items)


def _gone(link: Link) -> Link:
    """The connection is cut; what had come can still be read."""
    return _put(link, (END,))._replace(stage=GONE, pair=0, outbox=())


# ---- what the network does


def reset(actor: Actor, link: Link) -> Result:
    """The data connection breaks at this end: what was on its way here is lost."""
    out: tuple[Emission, ...] = ()
    if link.stage == WAITING:
        actor = actor._replace(old=(*actor.old, Old(link.number, link.line)))
    elif link.stage == STAPLED:
        out = (Ended(link.pair),)
    broken = link._replace(stage=GONE, pair=0, inbox=(END,), outbox=())
    return actor.with_link(broken), out


def crowded(actor: Actor, link: Link) -> Result:
    """The relay has no room for it on its data port: it says so and hangs up."""
    refused = (Item("line", b"ERR 503 busy\n"), END)
    return actor.with_link(link._replace(stage=GONE, inbox=refused)), ()


def noticed(actor: Actor, old: Old) -> Result:
    """The relay, or the peer behind it, notices that a connection is dead."""
    actor = actor._replace(old=tuple(o for o in actor.old if o != old))
    if old.pair:
        return actor, (Ended(old.pair),)
    return actor, (ToRelay((LinkLost(old.number),)),)


def lost(actor: Actor, *, refused: bool = False) -> Result:
    """The request, or its answer, is lost; its connection is gone."""
    ask = actor.ask
    assert ask is not None
    out = (ToRelay((AskerLeft(ASK[seat(actor)]),)),) if ask.stage == HELD else ()
    gone = ask._replace(stage=LOST, status=0, reply=b"", refused=refused)
    return actor._replace(ask=gone), out
