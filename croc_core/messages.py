"""What travels inside the sealed records: message layouts (docs/protocol.md, "Messages").

A message is a type (u8), a length (u32 big-endian) and that many bytes. The bytes of a control
message are one msgpack array; those of a piece are `PIECE_HEAD` and the data. Types with bit 7 set
may be skipped by a side that does not know them; any other unknown type is a protocol error.
"""

from __future__ import annotations

import struct
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from croc_core.content import MAX_ENTRIES, MAX_PIECE, MAX_SIZE, Codec, Entry, Index, Offset, Span
from croc_core.errors import Party, RemoteProtocolError

HEAD = struct.Struct(">BI")
"""Type and length of a message."""
PIECE_HEAD = struct.Struct(">IQB")
"""Of a piece, behind `HEAD`: entry, offset in bytes, codec."""
ZERO_COUNT = struct.Struct(">Q")
"""The body of a piece of zeros: how many."""
PLAIN_LENGTH = struct.Struct(">I")
"""Of a compressed piece, before its frame: how many bytes that holds, 1 to `MAX_PIECE`."""
MAX_CONTROL = 1 << 16
"""Greatest length of a control message's bytes."""
MAX_SKIPPED = 1 << 20
"""Greatest length of a message that is skipped."""
MAX_CONNECTIONS = 16

PIECE = 0x07
STILL_HERE = 0x80
PADDING = 0x81
IGNORABLE = 0x80

Tid = Annotated[bytes, Meta(min_length=16, max_length=16)]
"""The random name of one offer."""
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Count = Annotated[int, Meta(ge=0, le=MAX_SIZE)]
Entries = Annotated[int, Meta(ge=0, le=MAX_ENTRIES)]


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of the control messages; `type` is the number on the wire."""

    type: ClassVar[int]


class Open(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Sender, first on every dial of connection 0: what `commit` in headA committed to."""

    type: ClassVar[int] = 0x01
    vn: Bytes32


class Continue(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Sender, behind `Open` after a redial: the accepted offer goes on."""

    type: ClassVar[int] = 0x02
    tid: Tid


class Manifest(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Sender: the next entries of an offer; the first message of an offer carries its tid."""

    type: ClassVar[int] = 0x03
    tid: Tid | None
    entries: tuple[Entry, ...]


class OfferEnd(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Sender: the offer is complete; `bytes` is None where it holds a stream."""

    type: ClassVar[int] = 0x04
    tid: Tid
    entries: Entries
    bytes: Count | None


class Held(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The recipient's journal names the first `length` bytes of `entry`."""

    entry: Index
    length: Offset


class Accept(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Recipient: the chosen entries; several messages with `more` set on all but the last."""

    type: ClassVar[int] = 0x05
    tid: Tid
    spans: tuple[Span, ...]
    codecs: tuple[Annotated[int, Meta(ge=0, le=255)], ...]
    connections: Annotated[int, Meta(ge=1, le=MAX_CONNECTIONS)]
    held: tuple[Held, ...]
    more: bool


class Decline(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Recipient: nothing of this offer is wanted."""

    type: ClassVar[int] = 0x06
    tid: Tid


class Digests(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Sender: keyed digests of the 4 MiB blocks of a range that the recipient holds."""

    type: ClassVar[int] = 0x08
    tid: Tid
    entry: Index
    block: Annotated[int, Meta(ge=0, le=MAX_SIZE >> 22)]
    digests: tuple[Bytes32, ...]


class Range(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`length` bytes of `entry` from `offset`."""

    entry: Index
    offset: Offset
    length: Offset


class Want(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Recipient: what is still to be sent, after `Digests` or `Continue`."""

    type: ClassVar[int] = 0x09
    tid: Tid
    ranges: tuple[Range, ...]
    more: bool


class Size(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The size in bytes of an entry that was offered without one."""

    entry: Index
    size: Offset


class PiecesEnd(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Sender's last: the totals of all that was chosen."""

    type: ClassVar[int] = 0x0A
    tid: Tid
    entries: Entries
    bytes: Count
    sizes: tuple[Size, ...]


class Receipt(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Recipient's last, in a record with the last flag: every chosen entry is whole and final."""

    type: ClassVar[int] = 0x0B
    tid: Tid
    entries: Entries
    bytes: Count


class Problem(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Either side, last: why it stops. `code` is the word of its exit status."""

    type: ClassVar[int] = 0x0C
    code: Annotated[str, Meta(max_length=32)]
    text: Annotated[str, Meta(max_length=1000)]


CONTROL: dict[int, type[Message]] = {
    kind.type: kind
    for kind in (
        Open, Continue, Manifest, OfferEnd, Accept, Decline, Digests, Want, PiecesEnd, Receipt,
        Problem,
    )
}  # fmt: skip

_encoder = msgspec.msgpack.Encoder()
_decoders = {number: msgspec.msgpack.Decoder(kind) for number, kind in CONTROL.items()}


def encode(message: Message) -> bytes:
    """Encode a control message, head included. ValueError where it is longer than allowed."""
    body = _encoder.encode(message)
    if len(body) > MAX_CONTROL:
        raise ValueError("a control message is too long")
    return HEAD.pack(message.type, len(body)) + body


def still_here() -> bytes:
    """Encode the message that only shows that a side is alive."""
    return HEAD.pack(STILL_HERE, 0)


def check_head(kind: int, length: int) -> None:
    """Raise RemoteProtocolError for a type that is not known or a length over its bound."""
    if kind == PIECE:
        if not PIECE_HEAD.size < length <= PIECE_HEAD.size + MAX_PIECE:
            raise RemoteProtocolError(Party.PEER, "a piece has an impossible length")
    elif kind in _decoders:
        if length > MAX_CONTROL:
            raise RemoteProtocolError(Party.PEER, "a message is too long")
    elif not kind & IGNORABLE:
        raise RemoteProtocolError(Party.PEER, f"unknown message type {kind}")
    elif length > MAX_SKIPPED:
        raise RemoteProtocolError(Party.PEER, "a message is too long")


def decode(kind: int, body: bytes | memoryview) -> Message:
    """Decode a control message whose head `check_head` has passed.

    Raises RemoteProtocolError where it is not exactly one array of the layout of its type.
    """
    try:
        return _decoders[kind].decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        text = f"a {CONTROL[kind].__name__} message is malformed ({error})"
        raise RemoteProtocolError(Party.PEER, text) from None


def codec_of(number: int) -> Codec:
    """Return the codec with that number; RemoteProtocolError where there is none."""
    try:
        return Codec(number)
    except ValueError:
        raise RemoteProtocolError(Party.PEER, f"unknown codec {number}") from None
