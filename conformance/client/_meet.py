"""Coming back after a loss, and further connections: what several modules of cases play."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from conformance._case import UnmetError, expect
from conformance.client._roles import Party, RecipientStage, SenderStage, file
from conformance.client._stage import Link
from conformance.client._talk import Piece, Talk, greet, piece
from croc_core import messages
from croc_core.errors import RemoteProtocolError
from croc_core.handshake import (
    CapsOffer,
    Policy,
    Session,
    WrongSecret,
    finish,
    rejoin_channel,
    rejoin_secret,
    respond,
    start,
)
from croc_core.heads import VersionMismatch
from croc_core.messages import Continue, Manifest, Open, Range, Want
from croc_core.pake import suite
from croc_core.seal import LAST
from croc_core.values import Role

DATA = bytes(range(256)) * 4000
LARGE = bytes(range(256)) * 100_000
"""More than systems hold of a stream that nobody reads."""


def lost(party: Party) -> Talk:
    """Bring a transfer to its middle, and lose connection 0."""
    talk = middle(party)
    talk.link.conn.reset()
    return talk


def middle(party: Party, **environment: Any) -> Talk:
    """Bring a transfer to its middle; a person who is to verify agrees."""
    if isinstance(party, SenderStage):
        party.begin({"a.bin": LARGE}, **environment)
        talk = party.seal()
        talk.control(Open)
        _agree(party, environment)
        party.in_hand = party.offer_behind_open(talk)
        party.accept(talk, party.in_hand)
        talk.hear("its first piece")
        talk.link.conn.unread = True
    else:
        assert isinstance(party, RecipientStage)
        party.begin(**environment)
        talk = party.opened()
        party.offer(talk, file("a.bin", DATA))
        _agree(party, environment)
        party.accepted(talk)
        talk.say(piece(0, 0, DATA[:5000]))
    return talk


def _agree(party: Party, environment: Mapping[str, str]) -> None:
    if environment.get("CROC_WITH") == "verify":
        assert party.run is not None
        party.run.feed(b"yes\n")


def redialled(party: Party) -> Link:
    """Wait for the redial of connection 0, and staple it."""
    link = party.link("its redial")
    expect(link.conn.listener == 1, "the first that it dials again is not connection 0")
    party.desk.staple(party.net.ports[1])
    return link


def again(party: Party, talk: Talk) -> Talk:
    """Staple the redial, and greet anew."""
    return greet(redialled(party), talk.session, Role(party.role).other)


# ---- meeting again on another channel


def meet_again(party: Party, first: Session, n: int = 1) -> Talk:
    """Meet the subject on the n-th channel: the whole handshake, to where both have greeted.

    The relay has lost the earlier channel already (`Stage.restart_relay`).
    """
    channel = rejoin_channel(first, n)
    if isinstance(party, SenderStage):
        session = _answered(party, first, channel, n)
    else:
        assert isinstance(party, RecipientStage)
        session = _asked(party, first, channel, n)
    return greet(redialled(party), session, Role(party.role).other)


def _answered(sender: SenderStage, first: Session, channel: str, n: int) -> Session:
    """Answer the sender on the channel that it opens."""
    sender.until(lambda: sender.desk.channel == channel and sender.desk.x, "its new x")
    curve, x = sender.desk.curve, sender.desk.x or ""
    policy = Policy()
    try:
        made = respond(suite, channel, curve, x, rejoin_secret(first, n), policy, os.urandom)
    except (RemoteProtocolError, VersionMismatch) as error:
        raise UnmetError(f"its new x cannot be used: {error}") from None
    expect(made.session.sid != first.sid, "its new x has the old sid")
    sender.post_y(made)
    sender.until(lambda: sender.desk.h_k or None, "its new h_k")
    expect(sender.desk.h_k == made.session.h_k_wire, "its new h_k is not that of docs/protocol.md")
    return made.session


def _asked(recipient: RecipientStage, first: Session, channel: str, n: int) -> Session:
    """Open the channel and prove to be the same sender."""
    recipient.desk.open("x25519", channel)
    secret = rejoin_secret(first, n)
    recipient.post_x(start(suite("x25519"), channel, secret, CapsOffer(), os.urandom))
    recipient.until(lambda: recipient.desk.y or None, "its new y")
    y, hh_k = recipient.desk.y or "", recipient.desk.hh_k or ""
    try:
        session = finish(recipient.initiator, suite("x25519"), y, hh_k)
    except (WrongSecret, RemoteProtocolError) as error:
        raise UnmetError(f"its new y cannot be used: {error}") from None
    recipient.desk.put(h_k=session.h_k_wire)
    return session


def ended(party: Party, talk: Talk) -> None:
    """Go on with what was lost, to the end on both sides, which is success."""
    if isinstance(party, SenderStage):
        _sent_on(party, talk)
    else:
        assert isinstance(party, RecipientStage)
        _received_on(party, talk)


def _sent_on(sender: SenderStage, talk: Talk) -> None:
    talk.control(Open)
    heard = talk.hear("Continue or a new offer")
    if heard.kind == Manifest.type:  # as good (REDIAL-3); it begins from the beginning
        return
    expect(heard.kind == Continue.type, f"it sent type {heard.kind:#x}")
    tid = sender.in_hand.tid
    expect(heard.message == Continue(tid), "it goes on with another offer")
    talk.say(Want(tid, (Range(0, 1000, len(LARGE) - 1000),), False))
    pieces, end = sender.pieces(talk)
    expect(pieces[0].offset == 1000, f"it sends from {pieces[0].offset} on")
    expect(b"".join(one.plain for one in pieces) == LARGE[1000:], "other bytes than wanted")
    expect(end.bytes == len(LARGE), f"it says to have sent {end.bytes} bytes")
    sender.receipt(talk, end)
    sender.part(talk)
    sender.succeeds()


def _received_on(recipient: RecipientStage, talk: Talk) -> None:
    talk.say(Open(recipient.initiator.vn.reveal), Continue(recipient.tid))
    want, _ = talk.control(Want)
    at = 0
    for wanted in want.ranges:
        expect(wanted.offset >= at and wanted.entry == 0, f"its ranges are {want.ranges}")
        at = wanted.offset + wanted.length
        talk.say(piece(0, wanted.offset, DATA[wanted.offset : at]))
    recipient.end(talk, 1, len(DATA))
    recipient.receipt(talk, 1, len(DATA))
    recipient.succeeds()
    expect(recipient.held() == {"a.bin": DATA}, "the file is another")


# ---- further connections


def legs(party: Party, talk: Talk, tid: bytes, count: int) -> dict[int, Talk]:
    """Staple and greet *count* further connections, each with its keys."""
    found = {}
    for link in further(party, count):
        number = link.conn.listener - 1
        party.desk.staple(party.net.ports[number + 1])
        found[number] = greet(link, talk.session, Role(party.role).other, number, tid)
    expect(sorted(found) == list(range(1, count + 1)), f"it dials the ports {sorted(found)}")
    return found


def further(party: Party, count: int) -> list[Link]:
    """Wait for its dials of *count* further connections."""
    return [party.link(f"its further connection {i}") for i in range(1, count + 1)]


def shares(leg: Talk) -> list[Piece]:
    """Hear all pieces of a further connection, and its end: an empty record with the last flag."""
    found = []
    while True:
        heard = leg.hear_or_end("its pieces")
        if heard is None:
            break
        if heard.kind & messages.IGNORABLE:
            continue
        expect(heard.kind == messages.PIECE, f"type {heard.kind:#x} on a further connection")
        found.append(Piece.of(heard))
    expect(leg.records[-1] == LAST | 16, "its last record there is not empty")
    expect(not leg.link.ends("its half-close there"), "bytes came behind its last record there")
    return found
