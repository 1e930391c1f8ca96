"""How a recipient meets its sender again where the channel is gone (docs/protocol.md, 9.1).

It looks for the next channels whose names both can derive, in turn, and answers there as on the
first one, with a secret that both derive, too; the words of the code are not used again.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from croc_core.errors import Failure
from croc_core.handshake import Responder, Session
from croc_core.party import (
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    PeerBroke,
    RelayBroke,
    Seat,
    Step,
    TimedOut,
    VersionDiffers,
    endings,
    fail,
    hangs,
    leave,
)
from croc_core.party_io import Effect, Post
from croc_core.recipient_states import AnswerTaken, NothingYet, XGood
from croc_core.reconnect import (
    AGAIN,
    AskingWhy,
    Away,
    Greeting,
    Identifying,
    MeetAgain,
    StillAway,
)
from croc_core.table import Row, row
from croc_core.values import Value


class Rejoining(Away, frozen=True):
    """A channel to meet again on has been asked for: number `n`."""

    failure: Failure
    """What to say if nothing comes of it."""
    n: int
    request: Post


class ReawaitingX(Away, frozen=True):
    """X is awaited on the new channel: the number behind that of the bond."""

    failure: Failure
    curve: str
    seq: int


class Reanswering(Away, frozen=True):
    """Y and H(H(k)) are on their way to the relay."""

    failure: Failure
    responder: Responder


class ReawaitingProof(Away, frozen=True):
    """The sender's H(k) is awaited on the new channel."""

    failure: Failure
    session: Session
    """Not confirmed: nothing is sealed with it."""
    seq: int


class Rejoined(Value, frozen=True):
    """The relay has given us our seat on the new channel."""

    seat: Seat
    curve: str


class ProofAgain(Value, frozen=True):
    """H(k) is right: it is the same sender."""

    staplings: tuple[int, ...]


def rejoin(state: Any, event: MeetAgain) -> Step:
    """Ask for a channel to meet again on."""
    bond = replace(state.bond, until=event.until)
    joining = Rejoining(bond, event.failure, event.n, event.request)
    return joining, (*hangs(state), event.request)


def rejoin_again(state: Rejoining, event: StillAway) -> Step:
    """Ask once more, after a while; the nonce makes it the same request."""
    again = Post(state.request.path, state.request.body, AGAIN)
    return replace(state, failure=event.failure), (again,)


def reask_x(state: Rejoining, event: Rejoined) -> Step:
    """Ask for X; until it is there the sender may not know that it has opened this number."""
    bond = replace(state.bond, seat=event.seat, n=state.n - 1)
    waiting = ReawaitingX(bond, state.failure, event.curve, 0)
    return waiting, (bond.seat.post(since=0),)


def await_news(state: ReawaitingX | ReawaitingProof, event: NothingYet) -> Step:
    """Not there yet; ask again."""
    return replace(state, seq=event.seq), (state.seat.post(since=event.seq, after=event.after),)


def await_relay(state: ReawaitingX | ReawaitingProof, event: StillAway) -> Step:
    """The relay did not answer; ask again after a while."""
    after = replace(state, failure=event.failure)
    return after, (state.seat.post(since=state.seq, after=AGAIN),)


def reanswer(state: ReawaitingX, event: XGood) -> Step:
    """Send Y and H(H(k))."""
    bond = replace(state.bond, n=state.bond.n + 1)
    after = Reanswering(bond, state.failure, event.responder)
    return after, (_y(after, 0.0),)


def reanswer_again(state: Reanswering, event: StillAway) -> Step:
    """Send Y and H(H(k)) once more: the same ones, as nothing is drawn anew."""
    return replace(state, failure=event.failure), (_y(state, AGAIN),)


def _y(state: Reanswering, after: float) -> Post:
    made = state.responder
    return state.seat.post(y=made.y, hh_k=made.hh_k, after=after)


def reask_proof(state: Reanswering, event: AnswerTaken) -> Step:
    """Ask for H(k)."""
    session = state.responder.session
    waiting = ReawaitingProof(state.bond, state.failure, session, event.seq)
    return waiting, (state.seat.post(since=event.seq),)


def dial_again(state: ReawaitingProof, event: ProofAgain) -> Step:
    """Connect and identify, as the first time."""
    bond = replace(state.bond, session=state.session, staplings=event.staplings)
    return Identifying(bond), (bond.seat.dial(),)


_ALL = (Rejoining, ReawaitingX, Reanswering, ReawaitingProof)
_FROM = (AskingWhy, Greeting, *_ALL)

REJOIN_ROWS: tuple[Row[Effect], ...] = (
    *(row(state, MeetAgain, Rejoining, rejoin) for state in _FROM),
    row(Rejoining, Rejoined, ReawaitingX, reask_x),
    row(Rejoining, StillAway, Rejoining, rejoin_again),
    row(ReawaitingX, XGood, Reanswering, reanswer),
    row(ReawaitingX, NothingYet, ReawaitingX, await_news),
    row(ReawaitingX, StillAway, ReawaitingX, await_relay),
    row(Reanswering, AnswerTaken, ReawaitingProof, reask_proof),
    row(Reanswering, StillAway, Reanswering, reanswer_again),
    row(ReawaitingProof, ProofAgain, Identifying, dial_again),
    row(ReawaitingProof, NothingYet, ReawaitingProof, await_news),
    row(ReawaitingProof, StillAway, ReawaitingProof, await_relay),
    *(r for state in _ALL for r in endings(state, leave, TimedOut, CalledOff, RelayBroke)),
    *endings(ReawaitingX, leave, PeerBroke, VersionDiffers),
    *endings(ReawaitingProof, leave, PeerBroke),
    *(r for state in _ALL[1:] for r in endings(state, fail, ClosedByPeer, ChannelGone)),
)
