"""What an input means to the sender in each of its states: every judgement is made here.

A judge is a pure function of (context, state, input, now) but for the context's entropy. It returns
the narrow event for the table, or None for an input that nobody waits for any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from croc_core import failures, wire
from croc_core.errors import LocalProtocolError, RemoteProtocolError
from croc_core.handshake import CapsOffer, VersionMismatch, WrongSecret, finish, start
from croc_core.machine import Machine
from croc_core.messages import Accept, Decline, PiecesEnd, Receipt
from croc_core.pake import DEFAULT, Suite
from croc_core.pake import suite as suite_named
from croc_core.party import (
    AskingWhy,
    ChannelGone,
    ClosedByPeer,
    Ending,
    Leaving,
    NoAnswer,
    Patience,
    PeerBroke,
    RelayBroke,
    Renewed,
    Seat,
    VersionDiffers,
    own_hello,
    pause,
)
from croc_core.party_io import (
    Greeted,
    Heard,
    Identified,
    Input,
    Moved,
    OfferSent,
    PiecesSent,
    Replied,
    Started,
)
from croc_core.party_judge import (
    answer,
    asking_why,
    bare_trouble,
    greeted,
    identified,
    leaving,
    link_trouble,
    port_trouble,
    request_trouble,
)
from croc_core.sender import TABLE, join_request
from croc_core.sender_states import (
    AcceptPart,
    AcceptWhole,
    AnswerBad,
    AnswerGood,
    AwaitingAccept,
    AwaitingAnswer,
    AwaitingReceipt,
    AwaitingStaple,
    Begun,
    DeclinedByPeer,
    Forgotten,
    Greeting,
    HelloGood,
    Identifying,
    Idle,
    IsStapled,
    NothingYet,
    NotStapled,
    Offering,
    OfferOut,
    Opening,
    PiecesOut,
    ProofTaken,
    Proving,
    Publishing,
    ReceiptGood,
    SeatTaken,
    Sending,
    TcpTaken,
    XTaken,
)
from croc_core.values import Entropy, Moment, Role, Secret


@dataclass(frozen=True, slots=True)
class SenderContext:
    """What a sender knows before it begins; it never changes."""

    secret: Secret
    """The normalised secret: the code without its channel."""
    phrase: str = field(repr=False)
    """The secret as it is told to the other person."""
    relay: str
    """The relay's URL, to be told."""
    entropy: Entropy = field(repr=False)
    channel: str | None = None
    """The channel to open; None for any."""
    curve: str = DEFAULT
    token: Secret | None = None
    caps: CapsOffer = CapsOffer()
    patience: Patience = Patience()
    suite: Callable[[str], Suite] = suite_named
    """Finds the key agreement by its name."""


def sender(context: SenderContext) -> Machine[SenderContext]:
    """Make the sender's machine; hand it `Started()` first."""
    p = context.patience
    patience: dict[type[Any], float] = {
        Idle: p.request,
        Opening: p.request,
        Publishing: p.request,
        AwaitingAnswer: p.request + wire.MAX_WAIT,
        Proving: p.request,
        Identifying: p.request,
        AwaitingStaple: p.staple,
        Greeting: p.request,
        Offering: p.progress,
        AwaitingAccept: p.progress,
        Sending: p.progress,
        AwaitingReceipt: p.progress,
        AskingWhy: p.parting,
        Leaving: p.parting,
    }
    # The other person may take as long as a person may, and hardly longer.
    longest: dict[type[Any], float] = dict.fromkeys(
        (Offering, AwaitingAccept, AwaitingReceipt), p.person + p.progress
    )
    renewing = frozenset({NothingYet, Renewed})
    return Machine(context, Idle(), TABLE, interpret, patience, renewing, longest)


def interpret(context: SenderContext, state: object, event: Input, now: Moment) -> object | None:
    """Say what *event* means in *state*."""
    judge = _JUDGES.get(type(state))
    if judge is None:
        raise LocalProtocolError("the run is over")
    return judge(context, state, event, now)


def _idle(context: SenderContext, _: Idle, event: Input, now: Moment) -> object | None:
    if not isinstance(event, Started):
        return None
    return Begun(_request(context, context.channel), now.mono + context.patience.meeting)


def _request(context: SenderContext, channel: str | None) -> Any:
    return join_request(context.curve, channel, context.entropy(16).hex(), context.token)


def _opening(context: SenderContext, state: Opening, event: Input, _: Moment) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event, first=True)
    joined = answer(event, wire.Joined, Role.SENDER, burnt=False)
    if not isinstance(joined, wire.Joined):
        return joined
    ports = [way.port for way in joined.data if way.kind == "tcp"]
    fits = joined.role is Role.SENDER and joined.curve == context.curve and ports
    asked = wire.decode_request(state.request.body, wire.Join).channel
    if not fits or asked not in (UNSET, joined.channel):
        return RelayBroke(failures.relay_broke("it gave us a channel that we did not ask for"))
    seat = Seat(joined.channel, joined.uuid, ports[0])
    suite = context.suite(context.curve)
    made = start(suite, seat.channel, context.secret, context.caps, context.entropy)
    return SeatTaken(seat, made)


def _publishing(
    context: SenderContext, state: Publishing, event: Input, _: Moment
) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event)
    found = answer(event, wire.State, Role.SENDER, burnt=False)
    if not isinstance(found, wire.State):
        return found
    if found.x != state.initiator.x:
        return RelayBroke(failures.relay_broke("it did not take our X"))
    code = f"{state.seat.channel}-{context.phrase}"
    return XTaken(code, context.relay, found.seq if found.y is None else 0)


def _awaiting_answer(
    context: SenderContext, state: AwaitingAnswer, event: Input, now: Moment
) -> object | None:
    if not isinstance(event, Replied):
        late = now.mono >= state.until
        return request_trouble(event, "the other side to join" if late else None)
    found = answer(event, wire.State, Role.SENDER, burnt=False)
    if isinstance(found, ChannelGone):
        return Forgotten(_request(context, state.seat.channel))
    if isinstance(found, ClosedByPeer | Ending | NoAnswer):
        return found
    if found.y is None or found.hh_k is None:
        return NothingYet(found.seq, pause(state.seq, found.seq))
    suite = context.suite(context.curve)
    try:
        session = finish(state.initiator, suite, found.y, found.hh_k)
    except WrongSecret:
        return AnswerBad(failures.wrong_code_sender())
    except VersionMismatch as mismatch:
        return VersionDiffers(failures.version(str(mismatch), burnt=True))
    except RemoteProtocolError as error:
        return PeerBroke(failures.peer_broke(str(error)))
    return AnswerGood(session)


def _proving(_: SenderContext, state: Proving, event: Input, __: Moment) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event)
    found = answer(event, wire.State, Role.SENDER, burnt=False)
    if not isinstance(found, wire.State):
        return found
    if found.h_k != state.session.h_k_wire:
        return RelayBroke(failures.relay_broke("it did not take our H(k)"))
    return ProofTaken()


def _identifying(_: SenderContext, __: Identifying, event: Input, ___: Moment) -> object | None:
    return identified(event) or TcpTaken() if isinstance(event, Identified) else port_trouble(event)


def _awaiting_staple(
    context: SenderContext, state: AwaitingStaple, event: Input, _: Moment
) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event, "the other side to connect")
    found = answer(event, wire.State, Role.SENDER, burnt=False)
    if not isinstance(found, wire.State):
        return found
    if not found.stapled:
        return NotStapled(found.seq, pause(state.seq, found.seq))
    return IsStapled(own_hello(Role.SENDER, context.entropy))


def _greeting(context: SenderContext, _: Greeting, event: Input, __: Moment) -> object | None:
    if isinstance(event, Greeted):
        return greeted(Role.SENDER, event.hello) or HelloGood(event.hello, context.entropy(16))
    return bare_trouble(event, "the other side")


def _offering(_: SenderContext, state: Offering, event: Input, __: Moment) -> object | None:
    match event:
        case OfferSent(totals):
            return OfferOut(totals)
        case Moved():
            return Renewed()
        case Heard(_, Decline(tid), _) if tid == state.tid:
            return DeclinedByPeer(failures.declined_by_peer())
    return link_trouble(event, "the other side")


def _awaiting_accept(
    _: SenderContext, state: AwaitingAccept, event: Input, __: Moment
) -> object | None:
    match event:
        case Moved():
            return Renewed()
        case Heard(_, Decline(tid), _) if tid == state.tid:
            return DeclinedByPeer(failures.declined_by_peer())
        case Heard(_, Accept() as accept, _) if accept.tid == state.tid:
            nothing = accept.more and not accept.spans
            if accept.connections != 1 or accept.held or nothing:
                return PeerBroke(failures.peer_broke("it accepts what was not offered"))
            return AcceptPart(accept) if accept.more else AcceptWhole(accept)
    return link_trouble(event, "the other side to accept")


def _sending(_: SenderContext, state: Sending, event: Input, __: Moment) -> object | None:
    match event:
        case Moved():
            return Renewed()
        case PiecesSent(totals, sizes):
            end = PiecesEnd(state.tid, totals.entries, totals.bytes or 0, sizes)
            return PiecesOut(totals, end)
    return link_trouble(event, "the other side to take more")


def _awaiting_receipt(
    _: SenderContext, state: AwaitingReceipt, event: Input, __: Moment
) -> object | None:
    match event:
        case Moved():
            return Renewed()
        case Heard(_, Receipt(tid, entries, count), last):
            said = (tid, entries, count)
            if last and said == (state.tid, state.totals.entries, state.totals.bytes):
                return ReceiptGood()
            return PeerBroke(failures.peer_broke("its receipt is not for what we sent"))
    return link_trouble(event, "the receipt")


def _leaving(_: SenderContext, state: Leaving, event: Input, __: Moment) -> object | None:
    return leaving(state, event)


def _asking_why(_: SenderContext, state: AskingWhy, event: Input, __: Moment) -> object | None:
    return asking_why(Role.SENDER, state, event)


_JUDGES: dict[type[Any], Callable[[SenderContext, Any, Input, Moment], object | None]] = {
    Idle: _idle,
    Opening: _opening,
    Publishing: _publishing,
    AwaitingAnswer: _awaiting_answer,
    Proving: _proving,
    Identifying: _identifying,
    AwaitingStaple: _awaiting_staple,
    Greeting: _greeting,
    Offering: _offering,
    AwaitingAccept: _awaiting_accept,
    Sending: _sending,
    AwaitingReceipt: _awaiting_receipt,
    Leaving: _leaving,
    AskingWhy: _asking_why,
}
