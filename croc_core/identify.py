"""The line by which a data connection says whose it is, and the relay's answer to it.

docs/protocol.md, "Data ports": `CROC/1 <channel> <uuid>\\n`, answered by `OK\\n` or
`ERR <http-status> <code>\\n`. Both parsers look at all bytes so far, so it makes no difference how
the bytes were split on their way. What stands behind a line belongs to the other party.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from croc_core.errors import Party, RemoteProtocolError

MAX_LINE = 160
"""Greatest length of the client's line in bytes, its newline included."""
MAX_REPLY = 64
"""Greatest length of the relay's answer in bytes, its newline included."""

_LINE = re.compile(rb"CROC/1 ([0-9a-z]{1,32}) ([0-9a-f]{32})")
_OTHER_VERSION = re.compile(rb"CROC/(?:0|[2-9]|[1-9][0-9]{1,8})(?: .*)?")
_ERROR = re.compile(rb"ERR ([1-5][0-9]{2}) ([a-z_]{1,32})")


class Identified(NamedTuple):
    """A whole line: the channel, the uuid, and the bytes behind the line."""

    channel: str
    uuid: str
    rest: bytes


class Refusal(NamedTuple):
    """Why a line was not accepted, as an HTTP status and a code."""

    status: int
    code: str


class Welcome(NamedTuple):
    """The relay said OK; `rest` is what came behind it."""

    rest: bytes


MALFORMED = Refusal(400, "malformed")
OTHER_VERSION = Refusal(426, "version")


def encode_line(channel: str, uuid: str) -> bytes:
    """Return the line of a member of *channel*."""
    return f"CROC/1 {channel} {uuid}\n".encode("ascii")


def parse_line(received: bytes) -> Identified | Refusal | None:
    """Parse all that a client has sent so far; None means that the line is not complete."""
    end = received.find(b"\n", 0, MAX_LINE)
    if end < 0:
        return None if len(received) < MAX_LINE else MALFORMED
    line = received[:end]
    match = _LINE.fullmatch(line)
    if match:
        return Identified(match[1].decode(), match[2].decode(), received[end + 1 :])
    return OTHER_VERSION if _OTHER_VERSION.fullmatch(line) else MALFORMED


def encode_reply(refusal: Refusal | None) -> bytes:
    """Return the relay's answer: OK, or why not."""
    return b"OK\n" if refusal is None else f"ERR {refusal.status} {refusal.code}\n".encode("ascii")


def parse_reply(received: bytes) -> Welcome | Refusal | None:
    """Parse all that the relay has sent so far; None means that its answer is not complete.

    Raises RemoteProtocolError (the relay's) where it is no answer at all.
    """
    end = received.find(b"\n", 0, MAX_REPLY)
    if end >= 0:
        line = received[:end]
        if line == b"OK":
            return Welcome(received[end + 1 :])
        match = _ERROR.fullmatch(line)
        if match:
            return Refusal(int(match[1]), match[2].decode())
    elif len(received) < MAX_REPLY:
        return None
    raise RemoteProtocolError(Party.RELAY, "the relay's data port answers in another language")
