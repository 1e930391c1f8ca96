"""Whether a request may do what it asks of a channel, and what then happens to it.

Nothing here changes anything. The checks come in the contract's order: closed, address, uuid, role,
turn (docs/protocol.md, "HTTP"); syntax, version and existence come before, in `croc_core.relay`.
"""

from __future__ import annotations

from typing import NamedTuple

from croc_core.channel import (
    MAX_ADDRESSES,
    AddressEntered,
    Channel,
    Closed,
    Event,
    Member,
    MemberClosed,
    Open,
    OpenedAlone,
    OpenedPaired,
    ProofPosted,
    Proven,
    Stapled,
    XPosted,
    YPosted,
    role_of,
)
from croc_core.values import Role
from croc_core.wire import Action, Close, Look, PutX, PutY


class Refused(NamedTuple):
    """The request changes nothing and is answered with this error."""

    status: int
    code: str
    message: str
    by: str | None = None
    reason: str | None = None
    retry_after: int | None = None
    """Seconds until it is worth another try, for status 429."""


class Allowed(NamedTuple):
    """The request is a member's and may happen; a repeat has no events."""

    role: Role
    events: tuple[Event, ...]


NO_SUCH_CHANNEL = Refused(404, "no_such_channel", "there is no such channel")
NO_X_YET = Refused(404, "no_x_yet", "the sender has not posted x yet")
FULL = Refused(403, "channel_full", "two other addresses are using this channel")
NOT_YOURS = Refused(403, "not_yours", "this uuid is not of this channel")
OCCUPIED = Refused(409, "occupied", "this seat of the channel is taken")
OTHER_CURVE = Refused(409, "curve", "the channel was opened with another curve")
OUT_OF_TURN = Refused(409, "out_of_turn", "this is not your step now")
ALREADY_SET = Refused(409, "already_set", "this is set already, to another value")
GONE = Refused(410, "closed", "the channel is closed")


def judge_update(
    channel: Channel, uuid: str, address: str, action: Action, now_ms: int
) -> Allowed | Refused:
    """Judge one `POST /channel` that is well formed; *now_ms* is Unix milliseconds."""
    if isinstance(channel, Closed):
        role = role_of(channel, uuid)
        if role is not None and isinstance(action, Close):
            return Allowed(role, ())
        return _gone(channel, role)
    member = _member(channel, uuid, address)
    if isinstance(member, Refused):
        return member
    happened = _turn(channel, member.role, action, now_ms)
    if isinstance(happened, Refused):
        return happened
    return Allowed(member.role, member.events + happened)


def judge_join(channel: Channel, role: Role, curve: str | None, address: str) -> Refused | None:
    """Judge a join of a channel that exists; None means that the recipient's seat may be taken."""
    if isinstance(channel, Closed):
        return GONE
    if _is_third(channel, address):
        return FULL
    if hasattr(channel, role):
        return OCCUPIED
    return None if curve in (None, channel.curve) else OTHER_CURVE


def is_repeated(channel: Channel, role: Role, nonce: str, named: bool, address: str) -> bool:
    """Say whether this seat was taken by the same join: its reply may have been lost."""
    member: Member | None = getattr(channel, role, None)
    asked = (nonce, named, address)
    return member is not None and (member.nonce, member.named, member.address) == asked


def judge_link(channel: Channel, uuid: str, address: str) -> Allowed | Refused:
    """Judge the identification of a data connection."""
    if isinstance(channel, Closed):
        return GONE
    member = _member(channel, uuid, address)
    if isinstance(member, Allowed) and not isinstance(channel, Proven | Stapled):
        return OUT_OF_TURN
    return member


def _gone(channel: Closed, role: Role | None) -> Refused:
    """Only who was a member learns who closed the channel, and why."""
    return GONE if role is None else GONE._replace(by=channel.by, reason=channel.reason)


def _is_third(channel: Open, address: str) -> bool:
    return address not in channel.addresses and len(channel.addresses) >= MAX_ADDRESSES


def _member(channel: Open, uuid: str, address: str) -> Allowed | Refused:
    """Check the address, then the uuid; a member's new address gets in."""
    if _is_third(channel, address):
        return FULL
    role = role_of(channel, uuid)
    if role is None:
        return NOT_YOURS
    return Allowed(role, () if address in channel.addresses else (AddressEntered(address),))


def _turn(channel: Open, role: Role, action: Action, now_ms: int) -> tuple[Event, ...] | Refused:
    """Check that it is this role's to do, and now."""
    match action:
        case Look():
            no_x = role is Role.RECIPIENT and isinstance(channel, OpenedAlone | OpenedPaired)
            return NO_X_YET if no_x else ()
        case Close():
            return (MemberClosed(role, action.reason, now_ms),)
        case PutX():
            if role is not Role.SENDER:
                return OUT_OF_TURN
            if action.curve not in (None, channel.curve):
                return OTHER_CURVE
            return _put(channel, True, XPosted(action.x))
        case PutY():
            ready = role is Role.RECIPIENT and hasattr(channel, "x")
            return _put(channel, ready, YPosted(action.y, action.hh_k))
        case _:
            ready = role is Role.SENDER and hasattr(channel, "y")
            return _put(channel, ready, ProofPosted(action.h_k))


def _put(
    channel: Open, ready: bool, event: XPosted | YPosted | ProofPosted
) -> tuple[Event, ...] | Refused:
    """Set what is not set; what is set can only be set to the same again."""
    if not ready:
        return OUT_OF_TURN
    held = tuple(getattr(channel, field, None) for field in event._fields)
    if held == tuple(event):
        return ()
    return (event,) if held[0] is None else ALREADY_SET
