"""What a recipient does from its join to its dial: the actions of `recipient.py`'s first rows."""

from __future__ import annotations

from msgspec import UNSET

from croc_core import wire
from croc_core.party import (
    RETRY,
    NoAnswer,
    Seat,
    Step,
)
from croc_core.party_io import (
    Post,
)
from croc_core.recipient_states import (
    Answering,
    AnswerTaken,
    AwaitingProof,
    AwaitingX,
    Begun,
    Idle,
    Joining,
    NothingYet,
    ProofGood,
    SeatTaken,
    XGood,
)
from croc_core.reconnect import (
    Bond,
    Identifying,
)
from croc_core.values import Role


def join(_: Idle, event: Begun) -> Step:
    """Step 5: ask for the channel."""
    return Joining(event.request), (event.request,)


def join_again(state: Joining, _: NoAnswer) -> Step:
    """Ask once more; the nonce makes it the same request."""
    request = state.request
    return state, (Post(request.path, request.body, RETRY),)


def ask_x(_: Joining, event: SeatTaken) -> Step:
    """Step 5 again: ask for X."""
    seat = event.seat
    return AwaitingX(seat, event.curve, 0), (seat.post(since=0),)  # X may be there already


def ask_x_again(state: AwaitingX, event: NothingYet) -> Step:
    """No X yet; ask again."""
    waiting = AwaitingX(state.seat, state.curve, event.seq)
    return waiting, (state.seat.post(since=event.seq, after=event.after),)


def ask_x_once_more(state: AwaitingX, _: NoAnswer) -> Step:
    """The relay did not answer; ask again soon."""
    return state, (state.seat.post(since=state.seq, after=RETRY),)


def reply(state: AwaitingX, event: XGood) -> Step:
    """Step 7: send Y and H(H(k))."""
    return Answering(state.seat, event.responder), (_y(state.seat, event, 0.0),)


def reply_again(state: Answering, _: NoAnswer) -> Step:
    """Send Y and H(H(k)) once more: the same ones, as nothing is drawn anew."""
    return state, (_y(state.seat, state, RETRY),)


def _y(seat: Seat, made: XGood | Answering, after: float) -> Post:
    return seat.post(y=made.responder.y, hh_k=made.responder.hh_k, after=after)


def ask_proof(state: Answering, event: AnswerTaken) -> Step:
    """Step 10: ask for H(k)."""
    waiting = AwaitingProof(state.seat, state.responder.session, event.seq)
    return waiting, (state.seat.post(since=event.seq),)


def ask_proof_again(state: AwaitingProof, event: NothingYet) -> Step:
    """No H(k) yet; ask again."""
    waiting = AwaitingProof(state.seat, state.session, event.seq)
    return waiting, (state.seat.post(since=event.seq, after=event.after),)


def ask_proof_once_more(state: AwaitingProof, _: NoAnswer) -> Step:
    """The relay did not answer; ask again soon."""
    return state, (state.seat.post(since=state.seq, after=RETRY),)


def dial(state: AwaitingProof, event: ProofGood) -> Step:
    """Step 13: connect to the TCP port and identify."""
    seat, session = state.seat, state.session
    return Identifying(Bond(seat, session, session, staplings=event.staplings)), (seat.dial(),)


def join_request(channel: str, curve: str | None, nonce: str) -> Post:
    """Step 5's request; the nonce makes it one request however often it is sent."""
    body = wire.Join(
        role=Role.RECIPIENT,
        channel=channel,
        curve=UNSET if curve is None else curve,
        nonce=nonce,
    )
    return Post("/join", wire.encode(body))
