"""What inputs mean to a recipient that looks for its sender on channels to meet again on."""

from __future__ import annotations

from croc_core import failures, wire
from croc_core.contexts import RecipientContext
from croc_core.errors import Failure, RemoteProtocolError
from croc_core.handshake import (
    Policy,
    VersionMismatch,
    proves,
    rejoin_channel,
    rejoin_secret,
    respond,
)
from croc_core.party import (
    RETRY,
    CalledOff,
    PeerBroke,
    RelayBroke,
    Seat,
    VersionDiffers,
    pause,
)
from croc_core.party_io import Input, Interrupted, Post, Replied
from croc_core.party_judge import answer
from croc_core.recipient_join import join_request
from croc_core.recipient_rejoin import (
    ProofAgain,
    Reanswering,
    ReawaitingProof,
    ReawaitingX,
    Rejoined,
    Rejoining,
)
from croc_core.recipient_states import AnswerTaken, NothingYet, XGood
from croc_core.reconnect import AGAIN, Bond, MeetAgain, StillAway, stapled
from croc_core.reconnect_judge import Gone, Silent, channel_now, refusal, why
from croc_core.values import Role, Secret

WINDOW = 4
"""How many channels to meet again on are asked for in turn."""


def meet_again(
    context: RecipientContext, bond: Bond, failure: Failure, last: int | None = None
) -> MeetAgain:
    """The next channel to ask for; *last* is the one that was not there."""
    step = 0 if last is None else (last - bond.n) % WINDOW
    n = bond.n + 1 + step
    asked = join_request(rejoin_channel(bond.first, n), None, context.entropy(16).hex())
    after = AGAIN if last is not None and not step else 0.0
    return MeetAgain(failure, n, Post(asked.path, asked.body, after))


def seat_of(joined: wire.Joined, channel: str) -> Seat | RelayBroke:
    """Our place, where the relay gave us what we asked for."""
    ports = tuple(way.port for way in joined.data if way.kind == "tcp")
    if joined.role is not Role.RECIPIENT or joined.channel != channel or not ports:
        return RelayBroke(failures.relay_broke("it gave us a channel that we did not ask for"))
    return Seat(joined.channel, joined.uuid, ports)


def answer_x(
    context: RecipientContext, channel: str, curve: str, x: str, secret: Secret, policy: Policy
) -> XGood | VersionDiffers | PeerBroke:
    """Make Y, k and H(H(k)) out of X."""
    try:
        made = respond(context.suite, channel, curve, x, secret, policy, context.entropy)
    except VersionMismatch as mismatch:
        return VersionDiffers(failures.version(str(mismatch)))
    except RemoteProtocolError as error:
        return PeerBroke(failures.peer_broke(str(error)))
    return XGood(made)


def rejoining(context: RecipientContext, state: Rejoining, event: Input) -> object | None:
    """The channel is there, or another one may be."""
    if isinstance(event, Interrupted):
        return CalledOff(failures.interrupted(event.code))
    if isinstance(event, Replied):
        joined = answer(event, wire.Joined, Role.RECIPIENT, burnt=True)
        if isinstance(joined, wire.Joined):
            seat = seat_of(joined, rejoin_channel(state.bond.first, state.n))
            return seat if isinstance(seat, RelayBroke) else Rejoined(seat, joined.curve)
        if event.status in (403, 404, 409, 410):
            return meet_again(context, state.bond, state.failure, state.n)
    found = channel_now(Role.RECIPIENT, event)
    return None if found is None else StillAway(why(event, state.failure))


def _channel(
    context: RecipientContext, state: ReawaitingX | Reanswering | ReawaitingProof, event: Input
) -> wire.State | object | None:
    """The channel's state, or what its trouble means."""
    if isinstance(event, Interrupted):
        return CalledOff(failures.interrupted(event.code))
    found = channel_now(Role.RECIPIENT, event)
    if isinstance(found, Gone):
        # With a pause: it was there a moment ago.
        return meet_again(context, state.bond, state.failure, state.bond.n)
    return StillAway(why(event, state.failure)) if isinstance(found, Silent) else found


def reawaiting_x(context: RecipientContext, state: ReawaitingX, event: Input) -> object | None:
    """X is there."""
    if isinstance(event, Replied) and event.status == 404 and refusal(event) == "no_x_yet":
        return NothingYet(state.seq, RETRY)
    found = _channel(context, state, event)
    if not isinstance(found, wire.State):
        return found
    if found.x is None:
        return NothingYet(found.seq, pause(state.seq, found.seq))
    bond = state.bond
    policy = Policy((bond.session.suite,), context.policy.aeads, context.policy.verify)
    secret = rejoin_secret(bond.first, bond.n + 1)
    return answer_x(context, bond.seat.channel, state.curve, found.x, secret, policy)


def reanswering(context: RecipientContext, state: Reanswering, event: Input) -> object | None:
    """Y is there."""
    found = _channel(context, state, event)
    if not isinstance(found, wire.State):
        return found
    if (found.y, found.hh_k) != (state.responder.y, state.responder.hh_k):
        return RelayBroke(failures.relay_broke("it did not take our Y"))
    return AnswerTaken(found.seq if found.h_k is None else 0)


def reawaiting_proof(
    context: RecipientContext, state: ReawaitingProof, event: Input
) -> object | None:
    """The sender proves itself again."""
    found = _channel(context, state, event)
    if not isinstance(found, wire.State):
        return found
    if found.h_k is None:
        return NothingYet(found.seq, pause(state.seq, found.seq))
    if not proves(state.session, found.h_k):
        return PeerBroke(failures.peer_broke("it came back without the right proof"))
    return ProofAgain(stapled(state.seat, found.staplings))
