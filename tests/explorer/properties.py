"""What must hold, told apart by what it speaks of: the relay, one party, or the whole.

Each function returns the sentence of the property that is broken, or nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from croc_core import channel as c
from croc_core import recipient_states as rs
from croc_core import sender_states as ss
from croc_core.book import ChannelTimer
from croc_core.errors import Code
from croc_core.identify import encode_line
from croc_core.relay_io import Answer, Asked, Effect, Input, LinkReceived, Say, Staple
from croc_core.values import Role
from tests.explorer.relays import Node
from tests.explorer.world import STAPLED, Actor, Dead

VALUES = ("x", "y", "hh_k", "h_k")


# ---- the relay


def relay_state(node: Node) -> str:
    """What every state of the relay must be like."""
    book, links = node.book, node.links
    for name, channel in book.channels.items():
        if isinstance(channel, c.Closed):
            named = {x[0] for x in book.asks.values()} | {x[0] for x in book.pending.values()}
            named |= {x[0] for x in links._pairs.values()}
            timers = {t for t in node.relay._timers._live if t != ChannelTimer(name)}
            alive = name in {*book.locals, *named, *book._ages._live}
            if alive or timers - {*_unnamed_timers(node)}:
                return "a closed channel still holds something"
            continue
        if len(channel.addresses) > c.MAX_ADDRESSES:
            return "three addresses are in"
        local = book.locals[name]
        inside = {p.address for p in local.pending.values()}
        inside |= {w.address for w in local.waiters.values() if w.since >= 0}
        if not inside <= set(channel.addresses):
            return "a stranger's address holds something of the channel"
        counted = sum(count for _, count in c.staplings_of(channel))
        if counted != node.staples or isinstance(channel, c.Stapled) is not bool(counted):
            return "stapled does not say what was stapled"
    if book.unstapled.total != len(links._unnamed) + len(book.pending):
        return "the relay has lost count of its connections"
    return ""


def _unnamed_timers(node: Node) -> list[object]:
    return [t for t in node.relay._timers._live if getattr(t, "link", None) in node.links._unnamed]


def relay_step(
    before: Node, after: Node, inputs: tuple[Input, ...], effects: tuple[Effect, ...], same: bool
) -> str:
    """What no step of the relay may do."""
    old, new = before.channel, after.channel
    if isinstance(old, c.Closed) and new not in (old, None):
        return "a closed channel was opened again"
    if isinstance(old, c.Open) and isinstance(new, c.Open):
        for name in VALUES:
            held = getattr(old, name, None)
            if held is not None and getattr(new, name, None) != held:
                return f"{name} was overwritten"
        if isinstance(old, c.Stapled) and not isinstance(new, c.Stapled):
            return "stapled was taken back"
    if not same and _refused(inputs, effects):
        return "a request was refused and changed something"
    return ""


def _refused(inputs: tuple[Input, ...], effects: tuple[Effect, ...]) -> bool:
    """Whether all that was asked for was refused."""
    match inputs:
        case (Asked(ask), *_):
            return any(isinstance(e, Answer) and e.ask == ask and e.status > 200 for e in effects)
        case (*_, LinkReceived(link)):
            return any(
                isinstance(e, Say) and e.link == link and e.data[:3] == b"ERR" for e in effects
            )
    return False


def staple(channel: c.Channel | None, effect: Staple, line_a: bytes, line_b: bytes) -> str:
    """Only the two members are ever stapled, the sender's connection first."""
    if not isinstance(channel, c.Stapled):
        return "a channel that is not there was stapled"
    sender = encode_line(channel.name, channel.sender.uuid)
    recipient = encode_line(channel.name, channel.recipient.uuid)
    if effect.a == effect.b or (line_a, line_b) != (sender, recipient):
        return "somebody who is not the member was stapled"
    return ""


# ---- a party


class Marks(NamedTuple):
    """What the properties of a world need to know of a party."""

    over: bool
    idle: bool
    dead: bool
    shown: bool
    held: bool
    pair: int
    old_pairs: tuple[int, ...]
    done: bool
    """It reports success."""
    ending: bool
    """The sender has sent all, or the recipient holds all; or it is past that."""
    told: bool
    confirmed: bool
    broke: str


_SENT = (ss.AwaitingReceipt, ss.Done, ss.Unconfirmed)
_HOLDS = (rs.AwaitingEnd, rs.Closing, rs.Done)


def marks(actor: Actor, *, over: bool, idle: bool) -> Marks:
    link, state = actor.link, actor.state
    return Marks(
        over=over,
        idle=idle,
        dead=isinstance(state, Dead),
        shown=actor.shown,
        held=actor.held,
        pair=link.pair if link is not None and link.stage == STAPLED else 0,
        old_pairs=tuple(old.pair for old in actor.old if old.pair),
        done=isinstance(state, ss.Done | rs.Done),
        ending=isinstance(state, _SENT if actor.role is Role.SENDER else _HOLDS),
        told=actor.told,
        confirmed=actor.confirmed,
        broke=party(actor),
    )


def party(actor: Actor) -> str:
    """What every state of a party must be like."""
    if actor.broke:
        return f"the core refuses its hands: {actor.broke}"
    if actor.confirmed and not actor.right:
        return f"the {actor.role} confirmed a wrong secret"
    link = actor.link
    sealed = link is not None and bool(link.seal or link.open)
    wrote = actor.pieces or actor.held
    if not actor.confirmed and (sealed or wrote or (link is not None)):
        return f"the {actor.role} went to the data port, sealed, opened or wrote unconfirmed"
    proof = actor.ask is not None and b'"h_k"' in actor.ask.body
    if proof and not actor.confirmed:
        return "the sender gave its proof away unconfirmed"
    if isinstance(actor.state, _HOLDS) and not actor.held:
        return "the recipient reports files that it does not hold"
    if isinstance(actor.state, ss.Done) and not actor.told:
        return "the sender reports success without a receipt"
    failure = getattr(actor.state, "failure", None)
    if failure is not None and (failure.code is Code.INTERNAL or not failure.message):
        return f"the {actor.role} ends without saying why"
    return ""


def ending(actor: Actor) -> str:
    """How a party has ended, in a word."""
    failure = getattr(actor.state, "failure", None)
    return str(failure.code) if failure else type(actor.state).__name__.lower()


# ---- the whole


def world(sender: Marks, recipient: Marks) -> str:
    """What the two must agree on."""
    if sender.done and not recipient.held:
        return "the sender reports success, and the recipient does not hold the file"
    if recipient.ending and not (sender.ending or sender.dead):
        return "the recipient holds the file, and the sender says that nothing arrived"
    if recipient.done and sender.over and not (sender.done or sender.dead) and sender.told:
        return "the sender is unconfirmed although it heard the receipt"
    return ""
