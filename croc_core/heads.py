"""The heads of x and y: what each side says of itself before there is a key.

A head is bound as the bytes that came over the wire. It is never encoded again, so that nothing
can be added to it unseen (docs/protocol.md, "Handshake").
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from croc_core.encoding import b64url_decode, b64url_encode, lv_cat, lv_split
from croc_core.errors import Party, RemoteProtocolError
from croc_core.values import VERSION

MAX_HEAD = 1024
"""Greatest length of a head, in bytes."""
MAX_CAPS = 32
"""Greatest number of entries in a head's caps."""

Name = Annotated[str, Meta(pattern=r"\A[0-9a-z]{1,32}\Z")]
"""The name of a suite: safe to show."""
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]


class VersionMismatch(RemoteProtocolError):  # noqa: N818
    """The other side's head is of another version of the protocol."""

    def __init__(self, theirs: int) -> None:
        super().__init__(
            Party.PEER,
            f"the other side speaks version {theirs} of the protocol, this side version {VERSION}",
        )
        self.theirs = theirs
        self.ours = VERSION


class CapsA(msgspec.Struct, frozen=True):
    """The caps of headA; keys that are not named here are ignored, but bound."""

    version: Annotated[int, Meta(ge=1)]
    aead: tuple[str, ...]
    verify: bool


class CapsB(msgspec.Struct, frozen=True):
    """The caps of headB."""

    version: Annotated[int, Meta(ge=1)]
    aead: str
    verify: bool


class HeadA(NamedTuple):
    """The sender's head, a msgpack array."""

    version: int
    suite: Name
    sid: Bytes32
    commit: Bytes32
    caps: CapsA


class HeadB(NamedTuple):
    """The recipient's head, a msgpack array."""

    version: int
    suite: Name
    caps: CapsB


H = TypeVar("H", HeadA, HeadB)

# The first decoder of a type completes the type, which no two threads may do at once (they crash).
_COMPLETE: tuple[object, ...] = tuple(map(msgspec.msgpack.Decoder, (HeadA, HeadB)))


def encode_head(head: HeadA | HeadB) -> bytes:
    """Encode a head as it is sent."""
    return msgspec.msgpack.encode(head)


def decode_head(data: bytes, kind: type[H]) -> H:
    """Decode a head.

    Raises VersionMismatch where it is of another version, whatever else it holds, and
    RemoteProtocolError where it is too long, or not one value of exactly that shape.
    """
    try:
        if len(data) > MAX_HEAD:
            raise ValueError("too long")
        items = msgspec.msgpack.decode(data, type=list[Any])
        if items and type(items[0]) is int and items[0] != VERSION:
            raise VersionMismatch(items[0])
        head = msgspec.msgpack.decode(data, type=kind)
        if len(items[-1]) > MAX_CAPS:
            raise ValueError("too many caps")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise RemoteProtocolError(Party.PEER, "the other side's head makes no sense") from None
    return head


def framed(head: bytes, share: bytes) -> str:
    """Return x or y: a head and a share as they are posted."""
    return b64url_encode(lv_cat(head, share))


def unframed(text: str) -> tuple[bytes, bytes]:
    """Return the head and the share of x or y."""
    try:
        head, share = lv_split(b64url_decode(text), 2)
    except ValueError:
        raise RemoteProtocolError(Party.PEER, "the other side's share makes no sense") from None
    return head, share
