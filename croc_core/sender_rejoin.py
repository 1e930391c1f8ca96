"""How a sender meets its recipient again where the channel is gone (docs/protocol.md, 9.1).

It opens the next channel whose name both can derive, and proves itself there as on the first one,
with a secret that both derive, too; the words of the code are not used again.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from croc_core import failures
from croc_core.errors import Failure
from croc_core.handshake import Initiator
from croc_core.party import (
    RETRY,
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
from croc_core.reconnect import (
    AGAIN,
    AskingWhy,
    Away,
    Bond,
    Identifying,
    MeetAgain,
    StillAway,
    Unsure,
)
from croc_core.sender_states import (
    AnswerGood,
    AwaitingStaple,
    NothingYet,
    ProofTaken,
    Unconfirmed,
)
from croc_core.table import Row, row
from croc_core.values import Value


class Reopening(Away, frozen=True):
    """The next channel to meet again on has been asked for."""

    failure: Failure
    """What to say if nothing comes of it."""
    request: Post


class Republishing(Away, frozen=True):
    """X is on its way to the relay, on the new channel."""

    failure: Failure
    initiator: Initiator


class AwaitingReturn(Away, frozen=True):
    """The recipient's Y and H(H(k)) are awaited on the new channel."""

    failure: Failure
    initiator: Initiator
    seq: int


class Reproving(Away, frozen=True):
    """H(H(k)) was right, so H(k) is on its way to the relay."""

    failure: Failure


class Reopened(Value, frozen=True):
    """The relay has given us the new channel; X is made."""

    seat: Seat
    initiator: Initiator


class XThere(Value, frozen=True):
    """The relay holds X. `seq`: the last one that brought no news."""

    seq: int


def reopen(state: Any, event: MeetAgain) -> Step:
    """Ask for the next channel to meet again on."""
    bond: Bond = replace(state.bond, n=event.n, until=event.until)
    asked = event.request
    return Reopening(bond, event.failure, asked), (*hangs(state), asked)


def reopen_again(state: Reopening, event: StillAway) -> Step:
    """Ask once more, after a while; the nonce makes it the same request."""
    again = Post(state.request.path, state.request.body, AGAIN)
    return replace(state, failure=event.failure), (again,)


def republish(state: Reopening, event: Reopened) -> Step:
    """Send X."""
    bond = replace(state.bond, seat=event.seat, staplings=())
    after = Republishing(bond, state.failure, event.initiator)
    return after, (_x(after, 0.0),)


def republish_again(state: Republishing, event: StillAway) -> Step:
    """Send X once more."""
    return replace(state, failure=event.failure), (_x(state, AGAIN),)


def _x(state: Republishing, after: float) -> Post:
    made = state.initiator
    return state.seat.post(x=made.x, curve=made.suite, after=after)


def await_return(state: Republishing, event: XThere) -> Step:
    """The recipient looks for the channel by itself."""
    waiting = AwaitingReturn(state.bond, state.failure, state.initiator, event.seq)
    return waiting, (state.seat.post(since=event.seq),)


def ask_return(state: AwaitingReturn, event: NothingYet) -> Step:
    """Ask for Y and H(H(k)) again."""
    return replace(state, seq=event.seq), (state.seat.post(since=event.seq, after=event.after),)


def ask_return_again(state: AwaitingReturn, event: StillAway) -> Step:
    """The relay did not answer; ask again after a while."""
    after = replace(state, failure=event.failure)
    return after, (state.seat.post(since=state.seq, after=AGAIN),)


def reprove(state: AwaitingReturn, event: AnswerGood) -> Step:
    """Send H(k)."""
    bond = replace(state.bond, session=event.session, vn=state.initiator.vn)
    return Reproving(bond, state.failure), (state.seat.post(h_k=event.session.h_k_wire),)


def reprove_again(state: Reproving, event: StillAway) -> Step:
    """Send H(k) once more."""
    proof = state.bond.session.h_k_wire
    return replace(state, failure=event.failure), (state.seat.post(h_k=proof, after=RETRY),)


def dial_again(state: Reproving, event: ProofTaken) -> Step:
    """Connect and identify, as the first time."""
    bond = replace(state.bond, staplings=event.staplings)
    return Identifying(bond), (bond.seat.dial(),)


def unsure(state: Any, event: Unsure) -> Step:
    """Nobody will say any more whether it arrived; a close would cut off what is on its way."""
    failure = failures.unconfirmed(event.failure.message.rstrip("."))
    return Unconfirmed(failure), hangs(state)


_ALL = (Reopening, Republishing, AwaitingReturn, Reproving)
_FROM = (AskingWhy, AwaitingStaple, *_ALL)

REJOIN_ROWS: tuple[Row[Effect], ...] = (
    *(row(state, MeetAgain, Reopening, reopen) for state in _FROM),
    row(Reopening, Reopened, Republishing, republish),
    row(Reopening, StillAway, Reopening, reopen_again),
    row(Republishing, XThere, AwaitingReturn, await_return),
    row(Republishing, StillAway, Republishing, republish_again),
    row(AwaitingReturn, NothingYet, AwaitingReturn, ask_return),
    row(AwaitingReturn, StillAway, AwaitingReturn, ask_return_again),
    row(AwaitingReturn, AnswerGood, Reproving, reprove),
    row(Reproving, ProofTaken, Identifying, dial_again),
    row(Reproving, StillAway, Reproving, reprove_again),
    *(r for state in _ALL for r in endings(state, leave, TimedOut, CalledOff, RelayBroke)),
    *endings(AwaitingReturn, leave, PeerBroke, VersionDiffers),
    *(r for state in _ALL[1:] for r in endings(state, fail, ClosedByPeer, ChannelGone)),
    *(row(state, Unsure, Unconfirmed, unsure) for state in _ALL),
)
