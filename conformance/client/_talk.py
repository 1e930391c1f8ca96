"""A sealed conversation with the subject over one data connection, the other side being played."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from conformance._case import UnmetError, expect
from conformance.client._stage import WAIT
from croc_core import messages
from croc_core.errors import RemoteProtocolError
from croc_core.handshake import HELLO_LENGTH, Session, check_hello, hello, stream_key
from croc_core.messages import HEAD, PIECE, PIECE_HEAD, ZERO_COUNT, Message
from croc_core.seal import HEADER, LAST, MAX_PLAIN, Opener, Sealer
from croc_core.values import Role

if TYPE_CHECKING:
    from conformance.client._stage import Link

M = TypeVar("M", bound=Message)


class Heard(NamedTuple):
    """A message of the subject; `last` where it ends the record with the last flag."""

    kind: int
    body: bytes
    last: bool

    @property
    def message(self) -> Message:
        """A control message, taken apart."""
        try:
            messages.check_head(self.kind, len(self.body))
            return messages.decode(self.kind, self.body)
        except (RemoteProtocolError, KeyError) as error:
            raise UnmetError(f"it sent a message of type {self.kind:#x}: {error}") from None


class Piece(NamedTuple):
    """A piece, taken apart."""

    entry: int
    offset: int
    codec: int
    data: bytes

    @classmethod
    def of(cls, heard: Heard) -> Piece:
        """Read a message of that type."""
        entry, offset, codec = PIECE_HEAD.unpack_from(heard.body)
        return cls(entry, offset, codec, heard.body[PIECE_HEAD.size :])

    @property
    def length(self) -> int:
        """How many bytes of the file it stands for."""
        return int(ZERO_COUNT.unpack(self.data)[0]) if self.codec == 2 else len(self.data)

    @property
    def plain(self) -> bytes:
        """The file's bytes."""
        return bytes(self.length) if self.codec == 2 else self.data


def piece(entry: int, offset: int, data: bytes, codec: int = 0) -> bytes:
    """Encode a piece."""
    body = PIECE_HEAD.pack(entry, offset, codec) + data
    return HEAD.pack(PIECE, len(body)) + body


def framed(kind: int, body: bytes) -> bytes:
    """Encode any message."""
    return HEAD.pack(kind, len(body)) + body


class Talk:
    """Hellos have passed; records go both ways."""

    def __init__(
        self,
        link: Link,
        session: Session,
        mine: Role,
        hellos: tuple[bytes, bytes],
        tid: bytes = b"",
    ) -> None:
        self.link = link
        self.session = session
        self.theirs = hellos[mine is Role.SENDER]
        """The subject's hello."""
        self.records: list[int] = []
        """The headers of the records that came."""
        connection = int.from_bytes(hellos[0][-37:-33], "big")

        def keys(direction: Role) -> Callable[[int], bytes]:
            return lambda g: stream_key(session, direction, connection, *hellos, tid, g)

        self.sealer = Sealer(session.aead, keys(mine))
        self.opener = Opener(session.aead, keys(mine.other))
        self._plain = bytearray()

    # ---- saying

    def say(self, *said: Message | bytes, last: bool = False) -> None:
        """Send messages, in one record."""
        plain = b"".join(m if isinstance(m, bytes) else messages.encode(m) for m in said)
        self.link.conn.send(self.sealer.record(plain, last=last))

    def stream(self, plain: bytes, size: int, *, last: bool = False) -> None:
        """Send a byte stream of messages in records of *size* bytes."""
        for at in range(0, len(plain), size):
            end = last and at + size >= len(plain)
            self.link.conn.send(self.sealer.record(plain[at : at + size], last=end))

    # ---- hearing

    def hear(self, what: str, seconds: float = WAIT) -> Heard:
        """Return the next message that must not be skipped."""
        while True:
            heard = self._next(what, seconds)
            if not heard.kind & messages.IGNORABLE:
                return heard

    def hear_any(self, what: str, seconds: float = WAIT) -> Heard:
        """Return the next message of any type."""
        return self._next(what, seconds)

    def hear_or_end(self, what: str, seconds: float = WAIT) -> Heard | None:
        """Return the next message of any type; None where the last record has passed."""
        while not self.opener.ended and len(self._plain) < HEAD.size:
            self._record(what, seconds)
        return self._next(what, seconds) if self._plain else None

    def control(self, kind: type[M], seconds: float = WAIT) -> tuple[M, bool]:
        """Return the next message, which must be of *kind*, and whether it was the last."""
        heard = self.hear(kind.__name__, seconds)
        expect(heard.kind == kind.type, f"it sent type {heard.kind:#x}, not {kind.__name__}")
        message = heard.message
        assert isinstance(message, kind)
        return message, heard.last

    def _next(self, what: str, seconds: float) -> Heard:
        while len(self._plain) < HEAD.size:
            self._record(what, seconds)
        kind, length = HEAD.unpack_from(self._plain)
        expect(length <= PIECE_HEAD.size + (1 << 20), f"it sent a message of {length} bytes")
        while len(self._plain) < HEAD.size + length:
            self._record(what, seconds)
        end = HEAD.size + length
        body = bytes(self._plain[HEAD.size : end])
        del self._plain[:end]
        return Heard(kind, body, self.opener.ended and not self._plain)

    def _record(self, what: str, seconds: float) -> None:
        """Open the next record, whose form must be right."""
        expect(not self.opener.ended, f"its last record has passed, where {what} was awaited")
        header = self.link.read(HEADER, what, seconds)
        number = int.from_bytes(header, "big")
        length = number & ~LAST
        expect(length >> 21 == 0, "bits 30 to 21 of a record's header are not zero")
        expect(16 <= length <= MAX_PLAIN + 16, f"a record of {length} bytes")
        self.records.append(number)
        cipher = bytearray(self.link.read(length, what, seconds))
        try:
            self._plain += self.opener.open(header, memoryview(cipher))
        except RemoteProtocolError:
            raise UnmetError("a record cannot be opened with the key of docs/protocol.md") from None


def greet(link: Link, session: Session, mine: Role, connection: int = 0, tid: bytes = b"") -> Talk:
    """Exchange hellos as honest sides do, and begin to talk."""
    ours = hello(mine, connection, os.urandom(32))
    if mine is Role.RECIPIENT:  # the sender's comes when both are stapled; either order is allowed
        link.conn.send(ours)
    theirs = subjects_hello(link, mine.other, connection)
    if mine is Role.SENDER:
        link.conn.send(ours)
    pair = (ours, theirs) if mine is Role.SENDER else (theirs, ours)
    return Talk(link, session, mine, pair, tid)


def subjects_hello(link: Link, role: Role, connection: int = 0) -> bytes:
    """Read the subject's hello and check it."""
    theirs = link.read(HELLO_LENGTH[role], "its hello")
    try:
        check_hello(theirs, role, connection)
    except RemoteProtocolError:
        raise UnmetError(f"its hello is {theirs.hex()}") from None
    return theirs
