"""What a sender does from its join to its first dial: the actions of `sender.py`'s first rows."""

from __future__ import annotations

from msgspec import UNSET

from croc_core import wire
from croc_core.events import CodeReady, Waiting
from croc_core.handshake import Initiator
from croc_core.party import (
    RETRY,
    NoAnswer,
    Seat,
    Step,
)
from croc_core.party_io import (
    Post,
    Show,
)
from croc_core.reconnect import (
    Bond,
    Identifying,
)
from croc_core.sender_states import (
    AnswerGood,
    AwaitingAnswer,
    Begun,
    Forgotten,
    Idle,
    NothingYet,
    Opening,
    ProofTaken,
    Proving,
    Publishing,
    SeatTaken,
    XTaken,
)
from croc_core.values import Role, Secret


def join(_: Idle, event: Begun) -> Step:
    """Step 1: ask for a channel."""
    return Opening(event.request, event.until), (event.request,)


def join_again(state: Opening, _: NoAnswer) -> Step:
    """Ask once more; the nonce makes it the same request."""
    request = state.request
    return state, (Post(request.path, request.body, RETRY),)


def publish(state: Opening, event: SeatTaken) -> Step:
    """Step 3: send X."""
    seat, initiator = event.seat, event.initiator
    return Publishing(seat, initiator, state.until), (_x(seat, initiator, 0.0),)


def publish_again(state: Publishing, _: NoAnswer) -> Step:
    """Send X once more."""
    return state, (_x(state.seat, state.initiator, RETRY),)


def _x(seat: Seat, initiator: Initiator, after: float) -> Post:
    return seat.post(x=initiator.x, curve=initiator.suite, after=after)


def tell_code(state: Publishing, event: XTaken) -> Step:
    """Step 4 is the person's; step 8 begins."""
    code = CodeReady(event.code, state.seat.channel, event.relay)
    return AwaitingAnswer(state.seat, state.initiator, event.seq, state.until), (
        Show(code),
        Show(Waiting("the other side to join")),
        state.seat.post(since=event.seq),
    )


def ask_again(state: AwaitingAnswer, event: NothingYet) -> Step:
    """Step 8: ask for Y and H(H(k)) again."""
    again = AwaitingAnswer(state.seat, state.initiator, event.seq, state.until)
    return again, (state.seat.post(since=event.seq, after=event.after),)


def ask_once_more(state: AwaitingAnswer, _: NoAnswer) -> Step:
    """The relay did not answer; ask again soon."""
    return state, (state.seat.post(since=state.seq, after=RETRY),)


def open_again(state: AwaitingAnswer, event: Forgotten) -> Step:
    """Step 1 again, for the same channel: nobody has used the words."""
    request = event.request
    return Opening(request, state.until), (Post(request.path, request.body, RETRY),)


def prove(state: AwaitingAnswer, event: AnswerGood) -> Step:
    """Step 9: send H(k)."""
    proving = Proving(state.seat, event.session, state.initiator.vn)
    return proving, (state.seat.post(h_k=event.session.h_k_wire),)


def prove_again(state: Proving, _: NoAnswer) -> Step:
    """Send H(k) once more."""
    return state, (state.seat.post(h_k=state.session.h_k_wire, after=RETRY),)


def dial(state: Proving, event: ProofTaken) -> Step:
    """Step 11: connect to the TCP port and identify."""
    seat, session = state.seat, state.session
    bond = Bond(seat, session, session, staplings=event.staplings, vn=state.vn)
    return Identifying(bond), (seat.dial(),)


def join_request(curve: str, channel: str | None, nonce: str, token: Secret | None) -> Post:
    """Step 1's request; the nonce makes it one request however often it is sent."""
    body = wire.Join(
        role=Role.SENDER,
        channel=UNSET if channel is None else channel,
        curve=curve,
        nonce=nonce,
        token=UNSET if token is None else token.reveal.decode(),
    )
    return Post("/join", wire.encode(body))
