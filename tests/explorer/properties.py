"""What must hold, told apart by what it speaks of: the relay, one party, or the whole.

Each function returns the sentence of the property that is broken, or nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from croc_core import channel as c
from croc_core import recipient_states as rs
from croc_core import sender_states as ss
from croc_core.book import AskTimer, ChannelTimer, LinkTimer
from croc_core.errors import Code
from croc_core.identify import encode_line
from croc_core.party import Leaving
from croc_core.reconnect import Away
from croc_core.relay_io import Answer, Asked, Effect, Input, LinkReceived, Say, Staple
from croc_core.values import Role
from tests.explorer.relays import Node
from tests.explorer.world import STAPLED, Actor, Dead

MANY = 20
"""More steps with chance than any run has that bears as many losses as faults are allowed."""
VALUES = ("x", "y", "hh_k", "h_k")


# ---- the relay


def relay_state(node: Node) -> str:
    """What every state of the relay must be like."""
    book, links = node.book, node.links
    for name, channel in book.channels.items():
        if isinstance(channel, c.Closed):
            named = {x[0] for x in book.asks.values()} | {x[0] for x in book.pending.values()}
            named |= {x[0] for x in links._pairs.values()}
            if name in {*book.locals, *named, *book._ages._live} or _idle_timers(node):
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
        if counted != dict(node.staples).get(name, 0) or isinstance(channel, c.Stapled) is not bool(
            counted
        ):
            return "stapled does not say what was stapled"
    if book.unstapled.total != len(links._unnamed) + len(book.pending):
        return "the relay has lost count of its connections"
    return ""


def _idle_timers(node: Node) -> set[object]:
    """Timers of the relay that nothing is left for."""
    live: set[object] = {*node.relay._timers._live}
    links = {LinkTimer(link) for link in (*node.links._unnamed, *node.book.pending)}
    asks = {AskTimer(ask) for ask in node.book.asks}
    return live - links - asks - {ChannelTimer(name) for name in node.book.channels}


def relay_step(
    before: Node, after: Node, inputs: tuple[Input, ...], effects: tuple[Effect, ...], same: bool
) -> str:
    """What no step of the relay may do."""
    channels = after.book.channels
    for name, old in before.book.channels.items():
        bad = _channel_step(old, channels.get(name))
        if bad:
            return bad
    if not same and _refused(inputs, effects):
        return "a request was refused and changed something"
    return ""


def _channel_step(old: c.Channel, new: c.Channel | None) -> str:
    if isinstance(old, c.Closed) and new not in (old, None):
        return "a closed channel was opened again"
    if isinstance(old, c.Open) and isinstance(new, c.Open):
        for name in VALUES:
            held = getattr(old, name, None)
            if held is not None and getattr(new, name, None) != held:
                return f"{name} was overwritten"
        if isinstance(old, c.Stapled) and not isinstance(new, c.Stapled):
            return "stapled was taken back"
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


def staple(node: Node, effect: Staple, line_a: bytes, line_b: bytes) -> str:
    """Only the two members are ever stapled, the sender's connection first."""
    channel = node.book.channels.get(node.links._pairs[effect.pair][0])
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
    bonded: bool
    """The two have confirmed each other, or its run is ending."""
    pairs: tuple[int, ...]
    old_pairs: tuple[int, ...]
    done: bool
    """It reports success."""
    ending: bool
    """The sender has sent all, or the recipient holds all; or it is past that."""
    told: bool
    words: tuple[bytes, Any] | None
    broke: str


_SENT = (ss.AwaitingReceipt, ss.Done, ss.Unconfirmed)
_HOLDS = (rs.AwaitingEnd, rs.Closing, rs.Done)
_ACCEPTED = (rs.Deciding, rs.AwaitingDigests, rs.Receiving, rs.Finishing, *_HOLDS)


def marks(actor: Actor, *, over: bool, idle: bool) -> Marks:
    state = actor.state
    stapled = tuple(link.pair for link in actor.links if link.stage == STAPLED)
    sent = isinstance(state, Away) and state.bond.sent
    ends = over or isinstance(state, Leaving | rs.Closing)
    return Marks(
        over=over,
        idle=idle,
        dead=isinstance(state, Dead),
        shown=actor.shown,
        held=actor.held,
        bonded=ends or isinstance(state, Away),
        pairs=stapled,
        old_pairs=tuple(old.pair for old in actor.old if old.pair),
        done=isinstance(state, ss.Done | rs.Done),
        ending=sent or isinstance(state, _SENT if actor.role is Role.SENDER else _HOLDS),
        told=actor.told,
        words=actor.words,
        broke=party(actor),
    )


def party(actor: Actor) -> str:
    """What every state of a party must be like."""
    if actor.broke:
        return (
            f"the core refuses its hands: {actor.broke}" if " it: " in actor.broke else actor.broke
        )
    if actor.draws > MANY:
        return f"the {actor.role} comes back again and again"
    return _secrets(actor) or _files(actor)


def _secrets(actor: Actor) -> str:
    if actor.tried > 1:
        return f"the {actor.role} tried the words of the code against more than one value"
    if actor.confirmed and not actor.right:
        return f"the {actor.role} confirmed a wrong secret"
    if not actor.confirmed and (actor.links or actor.got or actor.held):
        return f"the {actor.role} went to the data port, sealed, opened or wrote unconfirmed"
    proof = actor.ask is not None and b'"h_k"' in actor.ask.body
    if proof and not actor.confirmed:
        return "the sender gave its proof away unconfirmed"
    mine = actor.case.verify[actor.role is Role.RECIPIENT]
    offers = isinstance(actor.state, (ss.Offering, ss.AwaitingAccept, *_ACCEPTED))
    if mine and offers and not actor.agreed:
        return f"the {actor.role} went on before its person had compared the words"
    return ""


def _files(actor: Actor) -> str:
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
    ours, theirs = sender.words, recipient.words
    if ours and theirs and ours[0] == theirs[0] and ours != theirs:
        return "the two see other words in the same session"
    if sender.done and not recipient.held:
        return "the sender reports success, and the recipient does not hold the file"
    if recipient.ending and not (sender.ending or sender.dead):
        return "the recipient holds the file, and the sender says that nothing arrived"
    if recipient.done and sender.over and not (sender.done or sender.dead) and sender.told:
        return "the sender is unconfirmed although it heard the receipt"
    return ""
