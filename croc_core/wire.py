"""JSON bodies of `/join` and `/channel`, strict both ways (docs/protocol.md, "HTTP").

A request with a field that is not named here is refused; a reply may carry more than is named here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from croc_core.errors import Party, RemoteProtocolError
from croc_core.values import MAX_VALUE, Reason, Role

MAX_WAIT = 25.0
"""Longest `wait` of a request, in seconds."""

ChannelName = Annotated[str, Meta(pattern=r"\A[0-9a-z]{1,32}\Z")]
CurveName = Annotated[str, Meta(pattern=r"\A[0-9a-z]{1,32}\Z")]
Hex16 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Value = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=MAX_VALUE,
        pattern=r"\A(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?\Z",
    ),
]
"""base64url without padding, of a length that bytes can have; the relay reads no more into it."""
MAX_TOKEN = 256
"""Most characters of a relay's token."""
Token = Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN)]
Count = Annotated[int, Meta(ge=0)]


class Join(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /join`: take a seat of a channel."""

    role: Role
    channel: ChannelName | UnsetType = UNSET
    curve: CurveName | UnsetType = UNSET
    protocol: int = 1
    nonce: Hex16 | UnsetType = UNSET
    token: Token | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.role is Role.RECIPIENT and self.channel is UNSET:
            raise ValueError("a recipient names the channel - at `$.channel`")


class Update(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /channel`: read the state of a channel, or change it and read it."""

    channel: ChannelName
    uuid: Hex16
    x: Value | UnsetType = UNSET
    curve: CurveName | UnsetType = UNSET
    y: Value | UnsetType = UNSET
    hh_k: Value | UnsetType = UNSET
    h_k: Value | UnsetType = UNSET
    close: bool | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET
    since: Count | UnsetType = UNSET
    wait: Annotated[float, Meta(ge=0, le=MAX_WAIT)] | UnsetType = UNSET


class DataPort(msgspec.Struct, frozen=True):
    """One way to the data: for kind `tcp` a port on the host that served HTTP."""

    kind: str
    port: Annotated[int, Meta(ge=0, le=65535)] = 0


class Joined(msgspec.Struct, frozen=True):
    """The reply to `Join`."""

    protocol: int
    channel: ChannelName
    uuid: Hex16
    role: Role
    curve: CurveName
    data: Annotated[tuple[DataPort, ...], Meta(max_length=64)]
    seq: Count


class State(msgspec.Struct, frozen=True):
    """The reply to `Update`: a channel as its members see it."""

    channel: ChannelName
    curve: CurveName
    x: Value | None
    y: Value | None
    hh_k: Value | None
    h_k: Value | None
    stapled: bool
    staplings: dict[str, Count]
    recipient: bool
    seq: Count


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every reply that is not 200.

    `by` and `reason` stand only in the 410 that a member of a closed channel gets: the role that
    closed it, or "relay", and why, where that was said.
    """

    code: str
    message: str = ""
    by: str | None = None
    reason: str | None = None


# ---- what an update asks for


class Look(NamedTuple):
    """Change nothing."""


class PutX(NamedTuple):
    """Set x. `curve` repeats the join's, or is left out."""

    x: str
    curve: str | None = None


class PutY(NamedTuple):
    """Set y and hh_k."""

    y: str
    hh_k: str


class PutProof(NamedTuple):
    """Set h_k."""

    h_k: str


class Close(NamedTuple):
    """Close the channel, and perhaps say why."""

    reason: Reason | None = None


Action = Look | PutX | PutY | PutProof | Close

_ACTIONS: dict[frozenset[str], Callable[..., Action]] = {
    frozenset(): Look,
    frozenset({"x"}): PutX,
    frozenset({"x", "curve"}): PutX,
    frozenset({"y", "hh_k"}): PutY,
    frozenset({"h_k"}): PutProof,
    frozenset({"close"}): Close,
    frozenset({"close", "reason"}): Close,
}
_SAYS_NOTHING = frozenset({"channel", "uuid", "since", "wait"})


T = TypeVar("T")

# The first decoder of a type completes the type, which no two threads may do at once (they crash).
_COMPLETE: tuple[object, ...] = tuple(
    map(msgspec.json.Decoder, (Join, Joined, Update, State, Error))
)


def encode(body: msgspec.Struct) -> bytes:
    """Encode a body as JSON."""
    return msgspec.json.encode(body)


def decode_reply(data: bytes, kind: type[T]) -> T:
    """Decode a reply of the relay; raise RemoteProtocolError where it is not of that kind."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RemoteProtocolError(
            Party.RELAY, f"the relay's reply makes no sense ({error})"
        ) from None


def decode_request(data: bytes, kind: type[T]) -> T:
    """Decode a request; raise ValueError with a sentence for the asker where it is malformed."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None


def fields(update: Update) -> dict[str, Any]:
    """The fields of *update* that are set, by name."""
    return {f: v for f in update.__struct_fields__ if (v := getattr(update, f)) is not UNSET}


def action_of(update: Update) -> Action:
    """Return the one thing that *update* asks for.

    Raises ValueError with a sentence for the asker where its fields do not go together.
    """
    given = {f: v for f, v in fields(update).items() if f not in _SAYS_NOTHING}
    kind = _ACTIONS.get(frozenset(given))
    if kind is None:
        raise ValueError(
            f"{', '.join(given)} in one request: send x (with curve), or y with hh_k, "
            "or h_k, or close (with reason)"
        )
    if given.pop("close", True) is not True:
        raise ValueError("close can only be true")
    return kind(**given)
