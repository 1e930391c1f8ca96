"""One channel as a value, and the only ways in which it can change.

A channel is one of eight frozen types. Each carries what its state has and nothing else, so a value
that is set can be left behind only by closing. What a request may do is judged by `judge` and its
neighbours, which change nothing; what then happened is an event, and `TABLE` takes the channel from
one value to the next. Every change adds one to `seq`. A channel holds nothing of one process (no
socket, waiter or monotonic time), so it can be stored and handed to another relay.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from typing import Any, NamedTuple, TypeVar

import msgspec

from croc_core.table import Table, row
from croc_core.values import Reason, Role
from croc_core.wire import State

MAX_ADDRESSES = 2
"""The seed's rule: never more than two addresses on one channel."""
BY_RELAY = "relay"
EXPIRED = "expired"


class Member(msgspec.Struct, frozen=True):
    """Who holds a seat. The uuid is all that a member shows, so it stays out of the repr."""

    uuid: str
    nonce: str | None
    """The nonce of the join, where it had one."""
    named: bool
    """Whether the join named the channel."""
    address: str
    """The address that joined."""
    joined_seq: int
    """`seq` in the reply to the join."""

    def __repr__(self) -> str:
        return f"Member({self.address})"


class _Held(msgspec.Struct, frozen=True, tag=True):
    """What every channel has; secrets stay out of the repr."""

    name: str
    curve: str
    seq: int

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, seq={self.seq})"


class _Open(_Held, frozen=True):
    """What every channel has until it is closed."""

    opened_ms: int
    """When it was opened, in Unix milliseconds."""
    addresses: tuple[str, ...]
    """The addresses that are in, sorted: one or two."""
    sender: Member


class OpenedAlone(_Open, frozen=True):
    """The sender has joined."""


class OpenedPaired(_Open, frozen=True):
    """Both have joined before x."""

    recipient: Member


class OfferedAlone(_Open, frozen=True):
    """x is set; no recipient has joined."""

    x: str


class OfferedPaired(_Open, frozen=True):
    """x is set and both are in."""

    x: str
    recipient: Member


class Answered(_Open, frozen=True):
    """The recipient has set y and hh_k."""

    x: str
    recipient: Member
    y: str
    hh_k: str


class Proven(_Open, frozen=True):
    """The sender has set h_k; data connections are let in."""

    x: str
    recipient: Member
    y: str
    hh_k: str
    h_k: str


class Stapled(_Open, frozen=True):
    """At least one data port has been stapled."""

    x: str
    recipient: Member
    y: str
    hh_k: str
    h_k: str
    staplings: tuple[tuple[int, int], ...]
    """(port, how many times it was stapled), sorted by port."""


class Closed(_Held, frozen=True):
    """The tombstone: who was here, and why it ended. Holds no address and no value."""

    sender_uuid: str
    recipient_uuid: str | None
    staplings: tuple[tuple[int, int], ...]
    by: str
    """A role, or "relay"."""
    reason: str | None
    closed_ms: int
    """When, in Unix milliseconds."""


Open = (
    OpenedAlone | OpenedPaired | OfferedAlone | OfferedPaired | Answered | Proven | Stapled
)  # fmt: skip
Channel = Open | Closed


# ---- events: what happened to a channel


class RecipientJoined(NamedTuple):
    """The second seat was taken, from this address, by whoever got this uuid."""

    uuid: str
    nonce: str | None
    address: str


class AddressEntered(NamedTuple):
    """A member was let in from one address more."""

    address: str


class XPosted(NamedTuple):
    """The sender set x."""

    x: str


class YPosted(NamedTuple):
    """The recipient set y and hh_k."""

    y: str
    hh_k: str


class ProofPosted(NamedTuple):
    """The sender set h_k."""

    h_k: str


class PairStapled(NamedTuple):
    """Both members' connections to this port were joined."""

    port: int


class MemberClosed(NamedTuple):
    """A member closed the channel, at this time in Unix milliseconds."""

    role: Role
    reason: Reason | None
    at_ms: int


class Expired(NamedTuple):
    """The relay closed the channel, at this time in Unix milliseconds."""

    at_ms: int


Event = (
    RecipientJoined | AddressEntered | XPosted | YPosted | ProofPosted | PairStapled
    | MemberClosed | Expired
)  # fmt: skip


# ---- what the events do

C = TypeVar("C", bound=_Held)
O = TypeVar("O", bound=_Open)  # noqa: E741
Move = tuple[C, tuple[()]]


def _next(target: type[C], channel: _Open, **changes: Any) -> Move[C]:
    """Make *target* of *channel* and *changes*, one `seq` later."""
    kept = {f: getattr(channel, f) for f in channel.__struct_fields__}
    return target(**kept | changes | {"seq": channel.seq + 1}), ()


def _with(addresses: tuple[str, ...], address: str) -> tuple[str, ...]:
    return tuple(sorted({*addresses, address}))


def _entered(channel: O, event: AddressEntered) -> Move[O]:
    return _next(type(channel), channel, addresses=_with(channel.addresses, event.address))


def _joined(target: type[C]) -> Callable[[_Open, RecipientJoined], Move[C]]:
    def action(channel: _Open, event: RecipientJoined) -> Move[C]:
        member = Member(event.uuid, event.nonce, True, event.address, channel.seq + 1)
        addresses = _with(channel.addresses, event.address)
        return _next(target, channel, recipient=member, addresses=addresses)

    return action


def _posted(target: type[C]) -> Callable[[_Open, XPosted | YPosted | ProofPosted], Move[C]]:
    def action(channel: _Open, event: XPosted | YPosted | ProofPosted) -> Move[C]:
        return _next(target, channel, **event._asdict())

    return action


def _stapled(channel: Proven | Stapled, event: PairStapled) -> Move[Stapled]:
    counts = dict(staplings_of(channel))
    counts[event.port] = counts.get(event.port, 0) + 1
    return _next(Stapled, channel, staplings=tuple(sorted(counts.items())))


def _tombstone(channel: _Open, by: str, reason: str | None, at_ms: int) -> Move[Closed]:
    recipient = getattr(channel, "recipient", None)
    return Closed(
        name=channel.name,
        curve=channel.curve,
        seq=channel.seq + 1,
        sender_uuid=channel.sender.uuid,
        recipient_uuid=recipient.uuid if recipient else None,
        staplings=staplings_of(channel),
        by=by,
        reason=reason,
        closed_ms=at_ms,
    ), ()


def _closed(channel: _Open, event: MemberClosed) -> Move[Closed]:
    return _tombstone(channel, event.role, event.reason, event.at_ms)


def _expired(channel: _Open, event: Expired) -> Move[Closed]:
    return _tombstone(channel, BY_RELAY, EXPIRED, event.at_ms)


_OPEN: tuple[type[_Open], ...] = (
    OpenedAlone, OpenedPaired, OfferedAlone, OfferedPaired, Answered, Proven, Stapled
)  # fmt: skip

TABLE: Table[Any] = Table(
    OpenedAlone,
    (Closed,),
    (
        row(OpenedAlone, RecipientJoined, OpenedPaired, _joined(OpenedPaired)),
        row(OpenedAlone, XPosted, OfferedAlone, _posted(OfferedAlone)),
        row(OpenedPaired, XPosted, OfferedPaired, _posted(OfferedPaired)),
        row(OfferedAlone, RecipientJoined, OfferedPaired, _joined(OfferedPaired)),
        row(OfferedPaired, YPosted, Answered, _posted(Answered)),
        row(Answered, ProofPosted, Proven, _posted(Proven)),
        row(Proven, PairStapled, Stapled, _stapled),
        row(Stapled, PairStapled, Stapled, _stapled),
        *(row(state, AddressEntered, state, _entered) for state in _OPEN),
        *(row(state, MemberClosed, Closed, _closed) for state in _OPEN),
        *(row(state, Expired, Closed, _expired) for state in _OPEN),
    ),
)
"""The whole life of a channel."""


def open_channel(name: str, curve: str, sender: Member, now_ms: int) -> OpenedAlone:
    """Return a new channel with its sender in, at the `seq` of its join (Unix milliseconds)."""
    return OpenedAlone(name, curve, sender.joined_seq, now_ms, (sender.address,), sender)


def step(channel: Channel, event: Event) -> Channel:
    """Return the channel after *event*.

    Raises LocalProtocolError where the table has no row for it.
    """
    after: Channel = TABLE.step(channel, event)[0]
    return after


# ---- reading a channel


def staplings_of(channel: _Held) -> tuple[tuple[int, int], ...]:
    """(port, count) for each port that was ever stapled."""
    return getattr(channel, "staplings", ())


def view(channel: Channel) -> State:
    """Return the channel as its members see it (docs/protocol.md, "HTTP")."""
    staplings = staplings_of(channel)
    return State(
        channel=channel.name,
        curve=channel.curve,
        x=getattr(channel, "x", None),
        y=getattr(channel, "y", None),
        hh_k=getattr(channel, "hh_k", None),
        h_k=getattr(channel, "h_k", None),
        stapled=bool(staplings),
        staplings={str(port): count for port, count in staplings},
        recipient=_uuids(channel)[1] is not None,
        seq=channel.seq,
    )


def _uuids(channel: Channel) -> tuple[str, str | None]:
    if isinstance(channel, Closed):
        return channel.sender_uuid, channel.recipient_uuid
    recipient: Member | None = getattr(channel, "recipient", None)
    return channel.sender.uuid, recipient.uuid if recipient else None


def role_of(channel: Channel, uuid: str) -> Role | None:
    """Return whose uuid this is; how long it takes does not tell how much of it is right."""
    sender, recipient = _uuids(channel)
    is_sender = compare_digest(sender, uuid)
    is_recipient = compare_digest(recipient or sender, uuid)
    if is_sender:
        return Role.SENDER
    return Role.RECIPIENT if is_recipient else None
