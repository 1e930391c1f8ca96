"""What an input means to the sender in each of its states: every judgement is made here.

A judge is a pure function of (context, state, input, now) but for the context's entropy. It returns
the narrow event for the table, or None for an input that nobody waits for any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from croc_core import failures, wire
from croc_core import sender_link_judge as link
from croc_core import sender_rejoin_judge as rejoin
from croc_core.contexts import SenderContext as SenderContext
from croc_core.errors import LocalProtocolError, RemoteProtocolError
from croc_core.handshake import VersionMismatch, WrongSecret, finish, start
from croc_core.machine import Machine
from croc_core.many_judge import stale
from croc_core.party import (
    ChannelGone,
    ClosedByPeer,
    Ending,
    Leaving,
    NoAnswer,
    PeerBroke,
    RelayBroke,
    Renewed,
    VersionDiffers,
    pause,
)
from croc_core.party_io import Input, Replied, Started
from croc_core.party_judge import answer, leaving, request_trouble
from croc_core.reconnect import AskingWhy, Greeting, Identifying, StillAway, stapled
from croc_core.reconnect_judge import Gone, asking_why, overdue, settle
from croc_core.sender import TABLE
from croc_core.sender_join import join_request
from croc_core.sender_rejoin import AwaitingReturn, Reopening, Reproving, Republishing
from croc_core.sender_rejoin_judge import meet_again, seat_of
from croc_core.sender_states import (
    AnswerBad,
    AnswerGood,
    AwaitingAccept,
    AwaitingAnswer,
    AwaitingReceipt,
    AwaitingStaple,
    AwaitingWant,
    Begun,
    Digesting,
    Forgotten,
    Idle,
    NothingYet,
    Offering,
    Opening,
    ProofTaken,
    Proving,
    Publishing,
    SeatTaken,
    Sending,
    Verifying,
    XTaken,
)
from croc_core.values import Moment, Role


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
        Verifying: p.progress,
        Offering: p.progress,
        AwaitingAccept: p.progress,
        Sending: p.progress,
        Digesting: p.progress,
        AwaitingWant: p.progress,
        AwaitingReceipt: p.progress,
        AskingWhy: p.request,
        Reopening: p.request,
        Republishing: p.request,
        AwaitingReturn: p.request + wire.MAX_WAIT,
        Reproving: p.request,
        Leaving: p.parting,
    }
    # The other person may take as long as a person may, and hardly longer.
    longest: dict[type[Any], float] = dict.fromkeys(
        (Offering, AwaitingAccept, AwaitingReceipt), p.person + p.progress
    )
    longest[Verifying] = p.person
    renewing = frozenset({NothingYet, Renewed, StillAway})
    return Machine(context, Idle(), TABLE, interpret, patience, renewing, longest)


def interpret(context: SenderContext, state: object, event: Input, now: Moment) -> object | None:
    """Say what *event* means in *state*."""
    judge = _JUDGES.get(type(state))
    if judge is None:
        raise LocalProtocolError("the run is over")
    if stale(state, event):
        return None
    found = overdue(context.patience, state, event, now) or judge(context, state, event, now)
    return settle(context.patience, state, found, now)


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
    asked = wire.decode_request(state.request.body, wire.Join).channel
    seat = seat_of(context, None if asked is UNSET else asked, joined)
    if isinstance(seat, RelayBroke):
        return seat
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
    return ProofTaken(stapled(state.seat, found.staplings))


def _leaving(_: SenderContext, state: Leaving, event: Input, __: Moment) -> object | None:
    return leaving(state, event)


def _asking_why(context: SenderContext, state: AskingWhy, event: Input, _: Moment) -> object | None:
    found = asking_why(Role.SENDER, state, event)
    return meet_again(context, state.bond, state.failure) if isinstance(found, Gone) else found


def _rejoining(judge: Callable[[SenderContext, Any, Input], object | None]) -> Judge:
    """Leave out the time."""
    return lambda context, state, event, _: judge(context, state, event)


Judge = Callable[[SenderContext, Any, Input, Moment], object | None]

_JUDGES: dict[type[Any], Judge] = {
    Idle: _idle,
    Opening: _opening,
    Publishing: _publishing,
    AwaitingAnswer: _awaiting_answer,
    Proving: _proving,
    Identifying: link.identifying,
    AwaitingStaple: link.awaiting_staple,
    Greeting: link.greeting,
    Verifying: link.verifying,
    Offering: link.offering,
    AwaitingAccept: link.awaiting_accept,
    Digesting: link.digesting,
    AwaitingWant: link.awaiting_want,
    Sending: link.sending,
    AwaitingReceipt: link.awaiting_receipt,
    AskingWhy: _asking_why,
    Reopening: _rejoining(rejoin.reopening),
    Republishing: _rejoining(rejoin.republishing),
    AwaitingReturn: _rejoining(rejoin.awaiting_return),
    Reproving: _rejoining(rejoin.reproving),
    Leaving: _leaving,
}
