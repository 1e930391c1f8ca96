"""What inputs mean around a lost data connection, to either party."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from croc_core import failures, wire
from croc_core.errors import Failure, RemoteProtocolError
from croc_core.party import (
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    Ending,
    LinkLost,
    Patience,
    PeerStopped,
    TimedOut,
)
from croc_core.party_io import Input, Interrupted, Replied, Unanswered, Woke
from croc_core.party_judge import answer
from croc_core.reconnect import (
    AGAIN,
    FOREVER,
    AskingWhy,
    Away,
    Bond,
    ChannelBack,
    ChannelLives,
    MeetAgain,
    StillAway,
    Unsure,
    stapled,
)
from croc_core.values import Moment, Role, Value


class Gone(Value, frozen=True):
    """The relay no longer has the channel for us."""


class Silent(Value, frozen=True):
    """The relay cannot say now what has become of the channel."""


def overdue(patience: Patience, state: Any, event: Input, now: Moment) -> Ending | None:
    """How the run ends where a lost connection has not come back in time."""
    if not isinstance(event, Woke) or not isinstance(state, Away) or now.mono < state.bond.until:
        return None
    cause: Failure | None = getattr(state, "failure", None)
    if cause is not None and not getattr(state, "again", True):
        return TimedOut(cause)
    return TimedOut(failures.gave_up(_longest(patience, state.bond), cause))


def _longest(patience: Patience, bond: Bond) -> float:
    """How long a loss is borne, in seconds: the first dial has no more time than ever."""
    return patience.reconnect if bond.met else min(patience.staple, patience.reconnect)


def other_side(patience: Patience) -> float:
    """How long the other side may take to come to the data port, in seconds."""
    return patience.redial if patience.reconnect else patience.staple


def settle(patience: Patience, state: Any, found: object | None, now: Moment) -> object | None:
    """Say until when a loss is borne, and that a failure behind the last piece leaves it open."""
    if not isinstance(state, Away):
        return found
    bond = state.bond
    fresh = bond.until == FOREVER
    if isinstance(found, MeetAgain):
        return replace(found, until=min(bond.until, now.mono + _longest(patience, bond)))
    if isinstance(found, LinkLost):
        first = found.crowded and not bond.met  # a full relay has room again soon
        again = patience.reconnect > 0 or first
        if bond.sent and not again:
            return Unsure(found.failure)
        longest = patience.staple if first else _longest(patience, bond)
        return replace(
            found,
            until=min(bond.until, now.mono + (longest if again else patience.parting)),
            again=again,
            tell=again and fresh,
            after=0.0 if fresh and not found.crowded else AGAIN,
        )
    if bond.sent and isinstance(found, Ending) and not isinstance(found, PeerStopped):
        return Unsure(found.failure)
    return found


def asking_why(role: Role, state: AskingWhy, event: Input) -> object | None:
    """Who closed the channel, if anybody did; what else to do."""
    if isinstance(event, Interrupted):
        return CalledOff(failures.interrupted(event.code))
    found = channel_now(role, event)
    if isinstance(found, ClosedByPeer | None):
        return found
    if isinstance(found, ChannelGone) or (isinstance(found, Gone) and not state.again):
        return ChannelGone(state.failure)
    if not state.again:
        return ChannelLives()
    if isinstance(found, wire.State):
        return ChannelBack(stapled(state.seat, found.staplings))
    return found if isinstance(found, Gone) else StillAway(why(event, state.failure))


def why(event: Input, before: Failure) -> Failure:
    """What is wrong now: the relay cannot be reached, or what it was before."""
    return failures.unreachable(event.cause) if isinstance(event, Unanswered) else before


def channel_now(
    role: Role, event: Input
) -> wire.State | ClosedByPeer | ChannelGone | Gone | Silent | None:
    """What has become of the channel.

    `ChannelGone` is a channel that was closed with our own uuid: that ends the run, too.
    """
    if isinstance(event, Unanswered | Woke):
        return Silent()
    if not isinstance(event, Replied):
        return None
    found = answer(event, wire.State, role, burnt=True)
    if isinstance(found, wire.State | ClosedByPeer):
        return found
    if event.status == 410 and isinstance(found, ChannelGone) and _by(event) == role:
        return found
    if isinstance(found, ChannelGone) or event.status == 403:
        return Gone()
    return Silent()


def _by(event: Replied) -> str | None:
    """Who closed the channel, as the relay says."""
    return wire.decode_reply(event.body, wire.Error).by


def refusal(event: Replied) -> str | None:
    """The code of the relay's refusal, where it makes sense."""
    try:
        return wire.decode_reply(event.body, wire.Error).code
    except RemoteProtocolError:
        return None
