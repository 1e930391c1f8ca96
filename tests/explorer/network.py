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
    ask, link = actor.ask, actor.link
    match delivery:
        case Answered(status, body):
            if ask is not None and ask.stage in (UP, HELD):
                return actor._replace(ask=ask._replace(stage=DOWN, status=status, reply=body)), ()
            return actor, ()
        case Restarted():
            if ask is not None and ask.stage == HELD:
                actor = actor._replace(ask=ask._replace(stage=LOST))
            if link is not None and link.stage in (WAITING, STAPLED):
                actor = actor._replace(link=_gone(link))
            return actor._replace(old=()), ()
        case Came(pair, items):
            if link is not None and link.stage == STAPLED and link.pair == pair:
                return actor._replace(link=_put(link, items)), ()
            return actor, ()
        case CutOff(pair):
            if link is not None and link.pair == pair:
                return actor._replace(link=_gone(link)), ()
            return actor._replace(old=tuple(o for o in actor.old if o.pair != pair)), ()
    return _absorb_link(actor, delivery)


def _absorb_link(actor: Actor, delivery: Said | Dropped | Joined) -> Result:
    link = actor.link
    mine = link is not None and link.number == delivery.number
    others = tuple(o for o in actor.old if o.number != delivery.number)
    match delivery:
        case Said(_, data):
            return (actor._replace(link=_put(link, (Item("line", data),))) if mine else actor), ()
        case Dropped():
            if mine:
                return actor._replace(link=_gone(link)), ()
            return actor._replace(old=others), ()
        case Joined(_, pair):
            if not mine:
                joined_old = tuple(o._replace(pair=pair) for o in actor.old if o not in others)
                return actor._replace(old=others + joined_old), ()
            assert link is not None
            joined = link._replace(stage=STAPLED, pair=pair, outbox=())
            out = (ToPeer(pair, link.outbox),) if link.outbox else ()
            return actor._replace(link=joined), out


def _put(link: Link | None, items: tuple[Item, ...]) -> Link:
    assert link is not None
    if link.inbox and link.inbox[-1] == END:
        return link
    return link._replace(inbox=link.inbox + items)


def _gone(link: Link | None) -> Link:
    """The connection is cut; what had come can still be read."""
    return _put(link, (END,))._replace(stage=GONE, pair=0, outbox=())


# ---- what the network does


def reset(actor: Actor) -> Result:
    """The data connection breaks at this end: what was on its way here is lost."""
    link = actor.link
    assert link is not None
    out: tuple[Emission, ...] = ()
    if link.stage == WAITING:
        actor = actor._replace(old=(*actor.old, Old(link.number, link.line)))
    elif link.stage == STAPLED:
        out = (Ended(link.pair),)
    broken = link._replace(stage=GONE, pair=0, inbox=(END,), outbox=())
    return actor._replace(link=broken), out


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
