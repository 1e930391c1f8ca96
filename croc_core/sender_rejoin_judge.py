"""What inputs mean to a sender that waits for its recipient on a channel to meet again on."""

from __future__ import annotations

from croc_core import failures, wire
from croc_core.contexts import SenderContext
from croc_core.errors import Failure, RemoteProtocolError
from croc_core.handshake import VersionMismatch, finish, rejoin_channel, rejoin_secret, start
from croc_core.party import CalledOff, PeerBroke, RelayBroke, Seat, VersionDiffers, pause
from croc_core.party_io import Input, Interrupted, Replied
from croc_core.party_judge import answer
from croc_core.reconnect import Bond, MeetAgain, StillAway, stapled
from croc_core.reconnect_judge import Gone, Silent, channel_now, why
from croc_core.sender_join import join_request
from croc_core.sender_rejoin import (
    AwaitingReturn,
    Reopened,
    Reopening,
    Reproving,
    Republishing,
    XThere,
)
from croc_core.sender_states import AnswerGood, NothingYet, ProofTaken
from croc_core.values import Role


def meet_again(context: SenderContext, bond: Bond, failure: Failure) -> MeetAgain:
    """The next channel: the smallest number that was not opened."""
    n = bond.n + 1
    nonce = context.entropy(16).hex()
    request = join_request(context.curve, rejoin_channel(bond.first, n), nonce, context.token)
    return MeetAgain(failure, n, request)


def seat_of(context: SenderContext, asked: str | None, joined: wire.Joined) -> Seat | RelayBroke:
    """Our place, where the relay gave us what we asked for."""
    ports = tuple(way.port for way in joined.data if way.kind == "tcp")
    fits = joined.role is Role.SENDER and joined.curve == context.curve and ports
    if not fits or asked not in (None, joined.channel):
        return RelayBroke(failures.relay_broke("it gave us a channel that we did not ask for"))
    return Seat(joined.channel, joined.uuid, ports)


def reopening(context: SenderContext, state: Reopening, event: Input) -> object | None:
    """The channel is ours, or another one has to do."""
    if isinstance(event, Replied):
        joined = answer(event, wire.Joined, Role.SENDER, burnt=True)
        if isinstance(joined, wire.Joined):
            return _reopened(context, state, joined)
        if event.status in (409, 410):
            return meet_again(context, state.bond, state.failure)
    return _away(state, event)


def _reopened(
    context: SenderContext, state: Reopening, joined: wire.Joined
) -> Reopened | RelayBroke:
    first, n = state.bond.first, state.bond.n
    seat = seat_of(context, rejoin_channel(first, n), joined)
    if isinstance(seat, RelayBroke):
        return seat
    suite, secret = context.suite(context.curve), rejoin_secret(first, n)
    return Reopened(seat, start(suite, seat.channel, secret, context.caps, context.entropy))


def _away(state: Reopening, event: Input) -> object | None:
    """Whatever else comes: it is asked again."""
    if isinstance(event, Interrupted):
        return CalledOff(failures.interrupted(event.code))
    found = channel_now(Role.SENDER, event)
    return None if found is None else StillAway(why(event, state.failure))


def _channel(
    context: SenderContext, state: Republishing | AwaitingReturn | Reproving, event: Input
) -> wire.State | object | None:
    """The channel's state, or what its trouble means."""
    if isinstance(event, Interrupted):
        return CalledOff(failures.interrupted(event.code))
    found = channel_now(Role.SENDER, event)
    if isinstance(found, Gone):
        return meet_again(context, state.bond, state.failure)
    return StillAway(why(event, state.failure)) if isinstance(found, Silent) else found


def republishing(context: SenderContext, state: Republishing, event: Input) -> object | None:
    """X is there."""
    found = _channel(context, state, event)
    if not isinstance(found, wire.State):
        return found
    if found.x != state.initiator.x:
        return RelayBroke(failures.relay_broke("it did not take our X"))
    return XThere(found.seq if found.y is None else 0)


def awaiting_return(context: SenderContext, state: AwaitingReturn, event: Input) -> object | None:
    """The recipient is back, and proves itself."""
    found = _channel(context, state, event)
    if not isinstance(found, wire.State):
        return found
    if found.y is None or found.hh_k is None:
        return NothingYet(found.seq, pause(state.seq, found.seq))
    try:
        suite = context.suite(context.curve)
        return AnswerGood(finish(state.initiator, suite, found.y, found.hh_k))
    except VersionMismatch as mismatch:
        return VersionDiffers(failures.version(str(mismatch), burnt=True))
    except RemoteProtocolError as error:
        return PeerBroke(failures.peer_broke(str(error)))


def reproving(context: SenderContext, state: Reproving, event: Input) -> object | None:
    """H(k) is there."""
    found = _channel(context, state, event)
    if not isinstance(found, wire.State):
        return found
    if found.h_k != state.bond.session.h_k_wire:
        return RelayBroke(failures.relay_broke("it did not take our H(k)"))
    return ProofTaken(stapled(state.seat, found.staplings))
