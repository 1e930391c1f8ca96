"""Features of section 9 that a side may have: meeting again, several connections, resume, zstd.

What liars make of them stands in `liars.py`.
"""

from __future__ import annotations

import hashlib
import os

from conformance._case import Part, case, expect
from conformance.client._both import both
from conformance.client._roles import Party, RecipientStage, SenderStage, file
from conformance.client._talk import Talk, greet, piece
from croc_core.content import Entry, Kind, Span
from croc_core.handshake import rejoin_channel, resume_key
from croc_core.messages import (
    Accept,
    Continue,
    Digests,
    Held,
    Manifest,
    Open,
    PiecesEnd,
    Range,
    Size,
    Want,
)
from croc_core.values import Role

DATA = bytes(range(256)) * 4000
LARGE = bytes(range(256)) * 100_000
"""More than systems hold of a stream that nobody reads."""
SOON = 8.0
BLOCK = 4 << 20
THREE_BLOCKS = b"".join(bytes([n]) * BLOCK for n in (1, 2, 3))


def _lost(party: Party) -> Talk:
    """Bring a transfer to its middle, and lose connection 0."""
    if isinstance(party, SenderStage):
        party.begin({"a.bin": LARGE})
        talk = party.seal()
        party.accept(talk, party.offer(talk))
        talk.hear("its first piece")
        talk.link.conn.unread = True
    else:
        assert isinstance(party, RecipientStage)
        party.begin()
        talk = party.opened()
        party.offer(talk, file("a.bin", DATA))
        party.accepted(talk)
        talk.say(piece(0, 0, DATA[:5000]))
    talk.link.conn.reset()
    return talk


def _again(party: Party, talk: Talk) -> Talk:
    """Staple the redial, and greet anew."""
    party.until(lambda: len(party.links) > 1 or None, "its redial", SOON)
    link = party.link()
    party.desk.staple(party.net.ports[1])
    return greet(link, talk.session, Role(party.role).other)


@both("redials", "REDIAL-1", "REDIAL-2", limit=60)
def redials(party: Party) -> None:
    """A lost connection is dialled again, with the same uuid and a new salt."""
    first = _lost(party)
    second = _again(party, first)
    expect(second.theirs != first.theirs, "its hello is the old one")
    expect(party.links[0].line == party.links[1].line, "it identified differently")


@case(Part.SENDER, "sender-continues", "REDIAL-3", "REDIAL-6", limit=60)
def sender_continues(sender: SenderStage) -> None:
    """After a redial a sender says Open, then Continue or a new offer; Want is obeyed."""
    talk = _again(sender, _lost(sender))
    talk.control(Open)
    heard = talk.hear("Continue or a new offer")
    expect(heard.kind in (Continue.type, Manifest.type), f"it sent type {heard.kind:#x}")
    if heard.kind == Continue.type:
        tid = heard.message.tid  # type: ignore[attr-defined]
        talk.say(Want(tid, (Range(0, 1000, len(LARGE) - 1000),), False))
        pieces, _ = sender.pieces(talk)
        expect(pieces[0].offset == 1000, f"it sends from {pieces[0].offset} on")
        expect(b"".join(one.plain for one in pieces) == LARGE[1000:], "other bytes than wanted")


@case(Part.RECIPIENT, "recipient-wants-rest", "REDIAL-5", limit=60)
def recipient_wants_rest(recipient: RecipientStage) -> None:
    """A recipient answers Continue with the ranges that it lacks."""
    talk = _again(recipient, _lost(recipient))
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


@case(Part.RECIPIENT, "recipient-new-offer", "REDIAL-3", "REDIAL-4", "REDIAL-7", limit=60)
def recipient_new_offer(recipient: RecipientStage) -> None:
    """A new offer after a redial ends the earlier one."""
    talk = _again(recipient, _lost(recipient))
    talk.say(Open(recipient.initiator.vn.reveal))
    recipient.delivered(talk, {"b.txt": b"other"})


@both("rejoins", "REJOIN-1", "REJOIN-2", "REJOIN-3", "REJOIN-4", "REJOIN-5", limit=60)
def rejoins(party: Party) -> None:
    """Where the relay has forgotten the channel, both meet again at the name of n = 1."""
    talk = _lost_channel(party)
    name = rejoin_channel(talk.session, 1)
    joins = party.until(
        lambda: [a for a in party.requests("role", path="/join") if a.body.get("channel") == name],
        "its join of the first meeting place", 20,
    )  # fmt: skip
    first = party.requests("role", path="/join")[0]
    expect(joins[0].body["nonce"] != first.body["nonce"], "it sends the old nonce")


def _lost_channel(party: Party) -> Talk:
    talk = _lost(party)
    party.desk.forget()
    return talk


@both("closed-by-member", "REJOIN-1", limit=40)
def closed_by_member(party: Party) -> None:
    """A 410 closed by a member ends the run: nobody meets again."""
    party.begin()
    talk = party.seal()
    party.leave()
    talk.link.conn.reset()
    party.fails("peer_left", seconds=20)
    expect(len(party.requests("role", path="/join")) == 1, "it joined again")


# ---- several connections


@case(Part.SENDER, "sender-bounded-connections", "MANY-1", "MANY-4")
def bounded_connections(sender: SenderStage) -> None:
    """A sender dials no more connections than the Accept says, and none before it."""
    sender.begin({"a.bin": DATA})
    talk = sender.seal()
    offer = sender.offer(talk)
    expect(len(sender.links) == 1, "it dialled more before the Accept")
    sender.accept(talk, offer)
    sender.receipt(talk, sender.pieces(talk)[1])
    sender.part(talk)
    sender.succeeds()
    expect(len(sender.links) == 1, f"it dialled {len(sender.links)} times")


@case(Part.SENDER, "sender-takes-more-connections", "MANY-1", "MANY-2", "MANY-3", "MANY-5")
def takes_more_connections(sender: SenderStage) -> None:
    """An Accept that allows two connections is taken; the sender uses them or fewer."""
    sender.begin({"a.bin": DATA})
    talk = sender.seal()
    sender.accept(talk, sender.offer(talk), connections=2)
    if sender.run and sender.run.status() is not None:
        sender.succeeds()
    heard = talk.hear("its pieces or their end", 5)
    expect(heard.kind in (0x07, 0x0A), f"it sent type {heard.kind:#x}")


@case(Part.RECIPIENT, "recipient-connections", "MANY-1", "MANY-2")
def recipient_connections(recipient: RecipientStage) -> None:
    """A recipient asks for no more connections than the relay has data ports."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("a.txt", b"abc"))
    accept, _ = talk.control(Accept)
    there = len(recipient.desk.data)
    expect(1 <= accept.connections <= there, f"it asks for {accept.connections} of {there}")
    expect(len(recipient.links) == 1, "it dialled before its Accept")


# ---- streams


@case(Part.RECIPIENT, "recipient-stream", "STREAM-1", "STREAM-2", "STREAM-3", "STREAM-5")
def recipient_stream(recipient: RecipientStage) -> None:
    """A stream of unknown length arrives whole, or is left out as a whole."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, Entry(Kind.STREAM, "log", None, {}), file("a.txt", b"abc"))
    chosen = recipient.accepted(talk)
    if 0 in chosen:
        talk.say(piece(0, 0, DATA[:3000]), piece(0, 3000, DATA[3000:5000]))
    talk.say(piece(1, 0, b"abc"))
    total = 5003 if 0 in chosen else 3
    sizes = (Size(0, 5000),) if 0 in chosen else ()
    talk.say(PiecesEnd(recipient.tid, len(chosen), total, sizes), last=True)
    recipient.receipt(talk, len(chosen), total)
    recipient.succeeds()
    log = {"log": DATA[:5000]} if 0 in chosen else {}
    expect(recipient.held() == {**log, "a.txt": b"abc"}, f"it holds {sorted(recipient.held())}")


@case(Part.RECIPIENT, "recipient-stream-gap", "STREAM-2")
def stream_gap(recipient: RecipientStage) -> None:
    """A stream with a gap is a protocol error."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, Entry(Kind.STREAM, "log", None, {}), file("a.txt"))
    chosen = recipient.accepted(talk)
    if 0 not in chosen:
        return
    talk.say(piece(0, 0, b"abc"), piece(0, 10, b"xyz"))
    talk.say(PiecesEnd(recipient.tid, 2, 13, (Size(0, 13),)), last=True)
    recipient.fails("protocol_error")


# ---- resume


@case(Part.RECIPIENT, "recipient-holds-nothing", "RESUME-1", "RESUME-4", "RESUME-5")
def holds_nothing(recipient: RecipientStage) -> None:
    """A recipient names only what a journal of its own vouches for: a file that exists is none."""
    recipient.begin({"a.bin.part": DATA})
    talk = recipient.opened()
    recipient.offer(talk, file("a.bin", DATA))
    recipient.accepted(talk)
    expect(not recipient.holds, f"it holds {recipient.holds}")
    talk.say(piece(0, 0, DATA))
    recipient.end(talk, 1, len(DATA))
    recipient.receipt(talk, 1, len(DATA))
    recipient.succeeds()


@case(Part.SENDER, "sender-digests", "RESUME-2", "RESUME-3")
def sender_digests(sender: SenderStage) -> None:
    """A sender answers what is held with keyed digests, and sends what is then wanted."""
    sender.begin({"a.bin": DATA})
    talk = sender.seal()
    offer = sender.offer(talk)
    sender.accept(talk, offer, held=(Held(0, 5000),))
    digests, _ = talk.control(Digests)
    key = resume_key(talk.session)
    expect(
        digests.digests == _digests(key, DATA[:5000]) and digests.block == 0,
        "its digests are others",
    )
    talk.say(Want(offer.tid, (Range(0, 5000, len(DATA) - 5000),), False))
    pieces, _ = sender.pieces(talk)
    expect(b"".join(one.plain for one in pieces) == DATA[5000:], "other bytes than wanted")


@case(Part.SENDER, "sender-false-held", "RESUME-1", "MSG-4")
def false_held(sender: SenderStage) -> None:
    """A recipient that says to hold more than a file has is a protocol error."""
    sender.begin({"a.bin": DATA})
    talk = sender.seal()
    sender.accept(talk, sender.offer(talk), held=(Held(0, len(DATA) + BLOCK),))
    sender.fails("protocol_error")


@case(Part.RECIPIENT, "recipient-resumes", "RESUME-1", "RESUME-3", "RESUME-6", "PIECE-7", limit=60)
def recipient_resumes(recipient: RecipientStage) -> None:
    """A second run names what the first one left, and the file becomes whole."""
    recipient.begin()
    talk = recipient.opened()
    _half(recipient, talk)
    recipient.leave()
    talk.link.conn.reset()
    recipient.fails("peer_left", seconds=20)
    recipient.restart_relay()
    recipient.desk.open("x25519")
    recipient.asked.clear()
    recipient.launch({"CROC_OUT": str(recipient.out), "CROC_CODE": "k7w2-otter-lemon-violin"})
    talk = recipient.opened()
    recipient.offer(talk, file("a.bin", THREE_BLOCKS, mtime=1))
    recipient.accepted(talk)
    length = recipient.holds[0].length if recipient.holds else 0
    expect(recipient.holds == [Held(0, length)], f"it holds {recipient.holds}")
    expect(BLOCK <= length <= 2 * BLOCK + 5, f"it holds {length} of {2 * BLOCK + 5} bytes")
    key = resume_key(talk.session)
    talk.say(Digests(recipient.tid, 0, 0, _digests(key, THREE_BLOCKS[:length])))
    _wanted(recipient, talk, length)


def _half(recipient: RecipientStage, talk: Talk) -> None:
    """Offer three blocks, and send two of them and a little of the third."""
    recipient.offer(talk, file("a.bin", THREE_BLOCKS, mtime=1))
    recipient.accepted(talk)
    _pour(talk, 0, 2 * BLOCK + 5)
    recipient.until(lambda: not talk.link.conn.pending, "that it takes more")
    recipient.never(lambda: False, "", 0.5)


def _pour(talk: Talk, begin: int, end: int) -> None:
    """Send the bytes from *begin* to *end* of three blocks."""
    for at in range(begin, end, 1 << 19):
        talk.say(piece(0, at, THREE_BLOCKS[at : min(end, at + (1 << 19))]))


def _digests(key: bytes, data: bytes) -> tuple[bytes, ...]:
    """By the formula of 9.5."""
    blocks = (data[at : at + BLOCK] for at in range(0, len(data), BLOCK))
    return tuple(hashlib.blake2b(one, key=key, digest_size=32).digest() for one in blocks)


def _wanted(recipient: RecipientStage, talk: Talk, least: int) -> None:
    """Send what it wants, from *least* on, and see the file whole."""
    want, _ = talk.control(Want)
    expect(not want.more and want.ranges[:1] == (want.ranges[-1],), f"it wants {want}")
    (wanted,) = want.ranges
    expect(wanted.offset == least and wanted.offset + wanted.length == len(THREE_BLOCKS),
           f"it wants {wanted}, and holds {least}")  # fmt: skip
    expect(not (recipient.out / "a.bin").exists(), "it has its name before it is whole")
    _pour(talk, wanted.offset, len(THREE_BLOCKS))
    recipient.end(talk, 1, len(THREE_BLOCKS))
    recipient.receipt(talk, 1, len(THREE_BLOCKS))
    recipient.succeeds()
    expect((recipient.out / "a.bin").read_bytes() == THREE_BLOCKS, "the file is another")


# ---- codecs and ciphers


@case(Part.SENDER, "sender-codec-offered", "CODEC-1", "CODEC-3", "PIECE-3")
def codec_offered(sender: SenderStage) -> None:
    """Where Accept names zstd, pieces are of the codecs that it names, and stand for the bytes."""
    sender.begin({"a.txt": b"the same again\n" * 60_000})
    talk = sender.seal()
    offer = sender.offer(talk)
    sender.accept(talk, offer, codecs=(0, 1, 2))
    end = None
    while end is None:
        heard = talk.hear("its pieces")
        if heard.kind == PiecesEnd.type:
            end = heard
        else:
            expect(heard.body[12] in (0, 1, 2), f"a piece of codec {heard.body[12]}")


@case(Part.SENDER, "sender-compresses", "CODEC-3")
def compresses(sender: SenderStage) -> None:
    """What gets much smaller is compressed where Accept names zstd."""
    sender.begin({"a.txt": b"the same again\n" * 60_000})
    talk = sender.seal()
    sender.accept(talk, sender.offer(talk), [Span(0, 1)], codecs=(0, 1, 2))
    codec = talk.hear("its pieces").body[12]
    expect(codec == 1, f"its first piece is of codec {codec}")


@case(Part.RECIPIENT, "recipient-names-zstd", "CODEC-2", "CODEC-3")
def names_zstd(recipient: RecipientStage) -> None:
    """A recipient names zstd among its codecs."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("a.txt", os.urandom(10)))
    accept, _ = talk.control(Accept)
    expect(1 in accept.codecs, f"it takes {accept.codecs}")


def _aead(name: str) -> None:
    def judge(recipient: RecipientStage) -> None:
        recipient.begin()
        recipient.post_x(recipient.start(aeads=(name,)))
        recipient.whole()

    judge.__doc__ = f"A recipient takes part with {name} alone."
    case(Part.RECIPIENT, f"recipient-{name}", "HEAD-5", "AEAD-2")(judge)


_aead("aes256gcm")
_aead("chacha20poly1305")
