"""A second run that goes on with what the first one left: what several modules of cases play."""

from __future__ import annotations

import hashlib

from conformance._case import expect
from conformance.client._roles import RecipientStage, file
from conformance.client._stage import CODE
from conformance.client._talk import Talk, piece
from croc_core.messages import Held

BLOCK = 4 << 20
THREE_BLOCKS = b"".join(bytes([n]) * BLOCK for n in (1, 2, 3))
_LEFT = 2 * BLOCK + 5
"""How many bytes the first run gets."""


def resumed(recipient: RecipientStage) -> tuple[Talk, int]:
    """Break a transfer, and begin anew up to the Accept; return how much that says to hold."""
    recipient.begin()
    talk = recipient.opened()
    _offer(recipient, talk)
    pour(talk, 0, _LEFT)
    talk.link.conn.finish()  # an end that comes behind all bytes, where a reset overtakes them
    recipient.fails("peer_left")
    recipient.restart_relay()
    recipient.desk.open("x25519")
    recipient.asked.clear()
    recipient.launch({"CROC_OUT": str(recipient.out), "CROC_CODE": CODE})
    talk = recipient.opened()
    _offer(recipient, talk)
    length = recipient.holds[0].length if recipient.holds else 0
    expect(recipient.holds == [Held(0, length)], f"it holds {recipient.holds}")
    expect(BLOCK <= length <= _LEFT, f"it holds {length} of {_LEFT} bytes")
    return talk, length


def _offer(recipient: RecipientStage, talk: Talk) -> None:
    recipient.offer(talk, file("a.bin", THREE_BLOCKS, mtime=1))
    recipient.accepted(talk)


def pour(talk: Talk, begin: int, end: int) -> None:
    """Send the bytes from *begin* to *end* of three blocks."""
    for at in range(begin, end, 1 << 19):
        talk.say(piece(0, at, THREE_BLOCKS[at : min(end, at + (1 << 19))]))


def digests_of(key: bytes, data: bytes) -> tuple[bytes, ...]:
    """Return the digests of *data* by the formula of 9.5."""
    blocks = (data[at : at + BLOCK] for at in range(0, len(data), BLOCK))
    return tuple(hashlib.blake2b(one, key=key, digest_size=32).digest() for one in blocks)
