"""What an input means to the sender from its dial to the receipt."""

from __future__ import annotations

from croc_core import failures, wire
from croc_core.contexts import SenderContext
from croc_core.handshake import resume_key, verifier_indices
from croc_core.many import Stage, connections
from croc_core.many_judge import of_leg
from croc_core.messages import Accept, Decline, PiecesEnd, Receipt, Size, Want
from croc_core.party import (
    ChannelGone,
    LinkLost,
    PeerBroke,
    Renewed,
    own_hello,
    pause,
)
from croc_core.party_io import (
    ComparedWords,
    DigestsSent,
    Greeted,
    Heard,
    Identified,
    Input,
    LinkEnded,
    Moved,
    OfferSent,
    PiecesSent,
    Replied,
    Woke,
)
from croc_core.party_judge import (
    answer,
    bare_trouble,
    greeted,
    identified,
    link_trouble,
    port_trouble,
    request_trouble,
)
from croc_core.reconnect import FOREVER, Greeting, Identifying
from croc_core.reconnect_judge import Gone, channel_now, other_side
from croc_core.sender_rejoin_judge import meet_again
from croc_core.sender_states import (
    AcceptHeld,
    AcceptPart,
    AcceptWhole,
    AwaitingAccept,
    AwaitingReceipt,
    AwaitingStaple,
    AwaitingWant,
    DeclinedByPeer,
    Digesting,
    DigestsOut,
    HelloAgain,
    HelloAsked,
    HelloGood,
    HelloShown,
    IsStapled,
    LegOut,
    NotStapled,
    Offering,
    OfferOut,
    PiecesOut,
    ReceiptGood,
    Sending,
    TcpTaken,
    Verifying,
    WantPart,
    WantWhole,
    WordsAgree,
    WordsDiffer,
)
from croc_core.values import Moment, Role


def identifying(
    context: SenderContext, state: Identifying, event: Input, now: Moment
) -> object | None:
    """The relay has taken us on its data port."""
    if not isinstance(event, Identified):
        return port_trouble(event)
    return identified(event) or TcpTaken(now.mono + other_side(context.patience))


def awaiting_staple(
    context: SenderContext, state: AwaitingStaple, event: Input, now: Moment
) -> object | None:
    """The recipient has come to the same port, or the relay says why it will not."""
    bond = state.bond
    awaited = "the other side to connect"
    if isinstance(event, LinkEnded) and context.patience.reconnect:
        return LinkLost(failures.peer_vanished(event.cause))
    if isinstance(event, Woke) and context.patience.reconnect:
        # Nobody reads here, so it may be our own connection that is lost.
        return meet_again(context, bond, failures.timed_out(awaited))
    if not isinstance(event, Replied):
        return request_trouble(event, awaited)
    found = answer(event, wire.State, Role.SENDER, burnt=True)
    if not isinstance(found, wire.State):
        gone = isinstance(channel_now(Role.SENDER, event), Gone)
        if not gone:
            return found
        refusal = failures.no_channel()
        if not context.patience.reconnect:
            return ChannelGone(refusal)
        return meet_again(context, bond, refusal)
    before = bond.staplings[0]
    # Before the first stapling of all, the flag says as much, and every relay has it.
    is_stapled = found.staplings.get(str(state.seat.ports[0]), 0) > before
    if not (is_stapled or (found.stapled and not before)):
        return NotStapled(found.seq, pause(state.seq, found.seq))
    hello = own_hello(Role.SENDER, context.entropy)
    return IsStapled(hello, now.mono + context.patience.request)


def greeting(context: SenderContext, state: Greeting, event: Input, _: Moment) -> object | None:
    """The recipient's hello is right; what comes next depends on what was before."""
    if not isinstance(event, Greeted):
        return bare_trouble(event, "the other side")
    trouble = greeted(Role.SENDER, event.hello)
    if trouble is not None:
        return trouble
    bond = state.bond
    session = bond.session
    if bond.tid:
        return HelloAgain(event.hello)
    if bond.verified or not (session.sender_verify or session.recipient_verify):
        return HelloGood(event.hello, context.entropy(16))
    places = verifier_indices(session, bond.vn.reveal)
    if session.sender_verify:
        return HelloAsked(event.hello, places)
    return HelloShown(event.hello, context.entropy(16), places)


def verifying(context: SenderContext, _: Verifying, event: Input, __: Moment) -> object | None:
    """The person has compared the words."""
    match event:
        case Moved():
            return Renewed()
        case ComparedWords(agree):
            if agree:
                return WordsAgree(context.entropy(16))
            return WordsDiffer(failures.words_differ())
    return link_trouble(event, "your comparison of the words")


def offering(_: SenderContext, state: Offering, event: Input, __: Moment) -> object | None:
    """The offer is out, or declined already."""
    match event:
        case OfferSent(totals):
            return OfferOut(totals)
        case Moved():
            return Renewed()
        case Heard(_, Decline(tid), _) if tid == state.tid:
            return DeclinedByPeer(failures.declined_by_peer())
    return link_trouble(event, "the other side")


def awaiting_accept(
    context: SenderContext, state: AwaitingAccept, event: Input, _: Moment
) -> object | None:
    """The recipient's choice."""
    match event:
        case Moved():
            return Renewed()
        case Heard(_, Decline(tid), _) if tid == state.tid:
            return DeclinedByPeer(failures.declined_by_peer())
        case Heard(_, Accept() as accept, _) if accept.tid == state.tid:
            return _accepted(context, state, accept)
    return link_trouble(event, "the other side to accept")


def _accepted(context: SenderContext, state: AwaitingAccept, accept: Accept) -> object:
    nothing = accept.more and not accept.spans and not accept.held
    first = state.said[0] == 0
    if nothing or not (first or state.said == (accept.connections, accept.codecs)):
        return PeerBroke(failures.peer_broke("its choice makes no sense"))
    if accept.more:
        return AcceptPart(accept)
    count = min(accept.connections, connections(context.streams, state.seat))
    if state.held or accept.held:
        return AcceptHeld(accept, count, resume_key(state.bond.session))
    return AcceptWhole(accept, count)


def digesting(_: SenderContext, __: Digesting, event: Input, ___: Moment) -> object | None:
    """The digests are out."""
    match event:
        case DigestsSent():
            return DigestsOut()
        case Moved():
            return Renewed()
    return link_trouble(event, "the other side to take more")


def awaiting_want(_: SenderContext, state: AwaitingWant, event: Input, __: Moment) -> object | None:
    """What the recipient lacks; less than before is progress."""
    bond = state.bond
    match event:
        case Moved():
            return Renewed()
        case Heard(_, Want(tid, ranges, more) as want, _) if tid == bond.tid:
            total = state.sum + sum(wanted.length for wanted in ranges)
            if more and not ranges:
                return PeerBroke(failures.peer_broke("its choice makes no sense"))
            if more:
                return WantPart(want, total)
            return WantWhole(want, total, FOREVER if total < bond.wanted else bond.until)
    return link_trouble(event, "the other side to go on")


def sending(context: SenderContext, state: Sending, event: Input, _: Moment) -> object | None:
    """A connection has sent its share, or comes up, or is lost."""
    match event:
        case Moved():
            return Renewed()
        case PiecesSent():
            return _sent(state, event)
    if getattr(event, "connection", 0):
        return of_leg(Role.SENDER, state, event, context.entropy)
    return link_trouble(event, "the other side to take more")


def _sent(state: Sending, event: PiecesSent) -> LegOut | PiecesOut:
    number = event.connection
    waits = (i for i, leg in enumerate(state.legs, 1) if leg.stage not in (Stage.OVER, Stage.GONE))
    if any(i != number for i in waits):
        return LegOut(number, event.sizes)
    sizes = tuple(sorted(state.sizes + event.sizes, key=_entry))
    total = (event.totals.bytes or 0) + sum(size.size for size in sizes)
    totals = event.totals._replace(bytes=total)
    return PiecesOut(number, totals, PiecesEnd(state.bond.tid, totals.entries, total, sizes))


def _entry(size: Size) -> int:
    return size.entry


def awaiting_receipt(
    _: SenderContext, state: AwaitingReceipt, event: Input, __: Moment
) -> object | None:
    """The receipt is the only word that makes it a success."""
    match event:
        case Moved():
            return Renewed()
        case Heard(_, Receipt(tid, entries, count), last):
            said = (tid, entries, count)
            if last and said == (state.bond.tid, state.totals.entries, state.totals.bytes):
                return ReceiptGood()
            return PeerBroke(failures.peer_broke("its receipt is not for what we sent"))
    return link_trouble(event, "the receipt")
