"""Answers to an X and to a Y, honest and not: what the cases of the key agreement share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec

from conformance._case import expect
from conformance.client._roles import RecipientStage, SenderStage
from conformance.client._stage import SECRET
from croc_core import handshake
from croc_core.encoding import b64url_encode
from croc_core.handshake import Responder
from croc_core.heads import CapsB, HeadA, decode_head, framed, unframed
from croc_core.pake import suite

WRONG = "otter-lemon-cello"
CAPS_A = {"version": 1, "aead": ["aes256gcm", "chacha20poly1305"], "verify": False}
CAPS_B = {"version": 1, "aead": "aes256gcm", "verify": False}


def pack(value: Any) -> bytes:
    """Encode as MessagePack."""
    return msgspec.msgpack.encode(value)


def posts(sender: SenderStage, y: str, hh_k: str | None = None, *codes: str) -> None:
    """Answer the sender's X with *y*; it must end by the peer's fault, and prove nothing."""
    sender.post_y(Responder(y, hh_k or b64url_encode(os.urandom(32)), None))  # type: ignore[arg-type]
    sender.fails(*(codes or ("protocol_error",)))
    expect(not sender.requests("h_k"), "it posted its proof")
    expect(not sender.early_links, "it dialled a data port")


def reads(recipient: RecipientStage, x: str, *codes: str) -> None:
    """Post *x* to the recipient; it must end by the peer's fault, and answer nothing."""
    recipient.begin()
    recipient.desk.put(x=x)
    recipient.fails(*(codes or ("protocol_error",)))
    expect(not recipient.requests("y"), "it answered an x that cannot be used")


def with_head(
    sender: SenderStage, head: bytes, change: Callable[[bytes], bytes] = lambda share: share
) -> Responder:
    """An honest answer to the sender's X over any *head*, with a share that *change* changes.

    It is computed by the formulas of the document, which bind the head and the share as they are.
    """
    head_a, share_a = unframed(sender.x())
    first = decode_head(head_a, HeadA)
    group = suite(first.suite)
    scalar = group.scalar(os.urandom(group.scalar_length))
    ci = handshake._ci(sender.desk.channel, group.name)
    share = change(group.share(scalar, group.generator(SECRET.encode(), ci, first.sid)))
    caps = CapsB(1, "aes256gcm", False)
    k = group.agree(scalar, share_a)
    ends = (head_a, share_a), (head, share)
    session = handshake._session(group, k, first, ends[0], caps, ends[1])
    return Responder(framed(head, share), session.hh_k_wire, session)
