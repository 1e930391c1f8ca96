"""What an input means to the recipient in each of its states: every judgement is made here.

As `sender_judge.py`, for the other side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from croc_core import failures, wire
from croc_core import recipient_link_judge as link
from croc_core import recipient_rejoin_judge as rejoin
from croc_core.contexts import RecipientContext as RecipientContext
from croc_core.errors import LocalProtocolError
from croc_core.handshake import Policy, proves
from croc_core.machine import Machine
from croc_core.many_judge import stale
from croc_core.pake import ALLOWED, HISTORIC
from croc_core.party import RETRY, Leaving, RelayBroke, Renewed, pause
from croc_core.party_io import Input, Interrupted, Replied, Started, Unanswered, Woke
from croc_core.party_judge import answer, leaving, request_trouble
from croc_core.recipient import TABLE
from croc_core.recipient_join import join_request
from croc_core.recipient_rejoin import Reanswering, ReawaitingProof, ReawaitingX, Rejoining
from croc_core.recipient_rejoin_judge import answer_x, meet_again, seat_of
from croc_core.recipient_states import (
    Answering,
    AnswerTaken,
    AwaitingDigests,
    AwaitingEnd,
    AwaitingOffer,
    AwaitingOpen,
    AwaitingProof,
    AwaitingX,
    Begun,
    Closed,
    Closing,
    Comparing,
    Counting,
    CurveUnasked,
    Deciding,
    Finishing,
    Gathering,
    HearingOffer,
    Idle,
    Joining,
    Judging,
    NothingYet,
    ProofBad,
    ProofGood,
    Receiving,
    SeatTaken,
    Verifying,
    Wanting,
)
from croc_core.reconnect import AskingWhy, Greeting, Identifying, Recovered, StillAway, stapled
from croc_core.reconnect_judge import Gone, asking_why, overdue, refusal, settle
from croc_core.values import Moment, Role


def recipient(context: RecipientContext) -> Machine[RecipientContext]:
    """Make the recipient's machine; hand it `Started()` first."""
    p = context.patience
    patience: dict[type[Any], float] = {
        Idle: p.request,
        Joining: p.request,
        AwaitingX: p.request + wire.MAX_WAIT,
        Answering: p.request,
        AwaitingProof: p.request + wire.MAX_WAIT,
        Identifying: p.request,
        Greeting: p.staple,
        AwaitingOpen: p.progress,
        AwaitingOffer: p.progress,
        HearingOffer: p.progress,
        Judging: p.person,
        Verifying: p.person,
        Deciding: p.person,
        AwaitingDigests: p.progress,
        Comparing: p.person,
        Wanting: p.person,
        Receiving: p.progress,
        Counting: p.progress,
        Gathering: p.progress,
        Finishing: p.person,
        AwaitingEnd: p.farewell,
        Closing: p.parting,
        AskingWhy: p.request,
        Rejoining: p.request,
        ReawaitingX: p.request + wire.MAX_WAIT,
        Reanswering: p.request,
        ReawaitingProof: p.request + wire.MAX_WAIT,
        Leaving: p.parting,
    }
    longest: dict[type[Any], float] = dict.fromkeys(
        (AwaitingOpen, HearingOffer, Judging, Verifying, Deciding, Finishing),
        p.person,
    )
    # The sender's person may have words to compare before.
    longest[AwaitingOffer] = p.person + p.progress
    renewing = frozenset({Renewed, Recovered, StillAway})
    return Machine(context, Idle(), TABLE, interpret, patience, renewing, longest)


def interpret(context: RecipientContext, state: object, event: Input, now: Moment) -> object | None:
    """Say what *event* means in *state*."""
    judge = _JUDGES.get(type(state))
    if judge is None:
        raise LocalProtocolError("the run is over")
    if stale(state, event):
        return None
    found = overdue(context.patience, state, event, now) or judge(context, state, event, now)
    return settle(context.patience, state, found, now)


def _idle(context: RecipientContext, _: Idle, event: Input) -> object | None:
    if not isinstance(event, Started):
        return None
    return Begun(join_request(context.channel, context.curve, context.entropy(16).hex()))


def _joining(context: RecipientContext, _: Joining, event: Input) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event, first=True)
    joined = answer(event, wire.Joined, Role.RECIPIENT, burnt=False)
    if not isinstance(joined, wire.Joined):
        return joined
    seat = seat_of(joined, context.channel)
    return seat if isinstance(seat, RelayBroke) else SeatTaken(seat, joined.curve)


def _awaiting_x(context: RecipientContext, state: AwaitingX, event: Input) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event, "the sender")
    if event.status == 404 and refusal(event) == "no_x_yet":
        return NothingYet(state.seq, RETRY)
    found = answer(event, wire.State, Role.RECIPIENT, burnt=False)
    if not isinstance(found, wire.State):
        return found
    if found.x is None:
        return NothingYet(found.seq, pause(state.seq, found.seq))
    if found.curve != state.curve:
        return RelayBroke(failures.relay_broke("it changed the curve"))
    policy = context.policy
    if context.curve is not None:
        policy = Policy((context.curve,), policy.aeads, policy.verify)
    if state.curve not in policy.suites:
        known = state.curve in (*ALLOWED, *HISTORIC)  # else the word is the relay's
        return CurveUnasked(failures.curve_unasked(state.curve if known else "it chose"))
    return answer_x(context, state.seat.channel, state.curve, found.x, context.secret, policy)


def _answering(_: RecipientContext, state: Answering, event: Input) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event, burnt=True)
    found = answer(event, wire.State, Role.RECIPIENT, burnt=True)
    if not isinstance(found, wire.State):
        return found
    if (found.y, found.hh_k) != (state.responder.y, state.responder.hh_k):
        return RelayBroke(failures.relay_broke("it did not take our Y", burnt=True))
    return AnswerTaken(found.seq if found.h_k is None else 0)


def _awaiting_proof(_: RecipientContext, state: AwaitingProof, event: Input) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event, "the sender to prove itself", burnt=True)
    found = answer(event, wire.State, Role.RECIPIENT, burnt=True)
    if not isinstance(found, wire.State):
        return found
    if found.h_k is None:
        return NothingYet(found.seq, pause(state.seq, found.seq))
    if not proves(state.session, found.h_k):
        return ProofBad(failures.false_proof())
    return ProofGood(stapled(state.seat, found.staplings))


def _closing(_: RecipientContext, __: Closing, event: Input) -> object | None:
    return Closed() if isinstance(event, Replied | Unanswered | Woke | Interrupted) else None


def _leaving(_: RecipientContext, state: Leaving, event: Input) -> object | None:
    return leaving(state, event)


def _asking_why(context: RecipientContext, state: AskingWhy, event: Input) -> object | None:
    found = asking_why(Role.RECIPIENT, state, event)
    return meet_again(context, state.bond, state.failure) if isinstance(found, Gone) else found


Judge = Callable[[RecipientContext, Any, Input, Moment], object | None]


def _timeless(judge: Callable[[RecipientContext, Any, Input], object | None]) -> Judge:
    """Leave out the time."""
    return lambda context, state, event, _: judge(context, state, event)


_JUDGES: dict[type[Any], Judge] = {
    Idle: _timeless(_idle),
    Joining: _timeless(_joining),
    AwaitingX: _timeless(_awaiting_x),
    Answering: _timeless(_answering),
    AwaitingProof: _timeless(_awaiting_proof),
    Identifying: link.identifying,
    Greeting: link.greeting,
    AwaitingOpen: link.awaiting_open,
    AwaitingOffer: link.awaiting_offer,
    HearingOffer: link.hearing_offer,
    Judging: link.judging,
    Verifying: link.verifying,
    Deciding: link.deciding,
    AwaitingDigests: link.awaiting_digests,
    Comparing: link.comparing,
    Wanting: link.wanting,
    Receiving: link.receiving,
    Counting: link.counting,
    Gathering: link.gathering,
    Finishing: link.finishing,
    AwaitingEnd: link.awaiting_end,
    Closing: _timeless(_closing),
    AskingWhy: _timeless(_asking_why),
    Rejoining: _timeless(rejoin.rejoining),
    ReawaitingX: _timeless(rejoin.reawaiting_x),
    Reanswering: _timeless(rejoin.reanswering),
    ReawaitingProof: _timeless(rejoin.reawaiting_proof),
    Leaving: _timeless(_leaving),
}
