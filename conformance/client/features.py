"""Features of section 9 that a side may have: meeting again, several connections, resume, zstd.

What liars make of them stands in `liars.py`.
"""

from __future__ import annotations

import os

from conformance._case import Part, case, expect
from conformance.client._both import both
from conformance.client._desk import refusal
from conformance.client._meet import (
    DATA,
    again,
    ended,
    legs,
    lost,
    meet_again,
    shares,
)
from conformance.client._resume import BLOCK, THREE_BLOCKS, digests_of, pour, resumed
from conformance.client._roles import Party, RecipientStage, SenderStage, file
from conformance.client._talk import Piece, piece
from croc_core.content import Entry, Kind, Span
from croc_core.encoding import b64url_encode
from croc_core.handshake import rejoin_channel, resume_key
from croc_core.messages import (
    Accept,
    Digests,
    Held,
    Open,
    PiecesEnd,
    Range,
    Size,
    Want,
)


@both("redials", "REDIAL-1", "REDIAL-2")
def redials(party: Party) -> None:
    """A lost connection is dialled again, with the same uuid and a new salt."""
    first = lost(party)
    second = again(party, first)
    expect(second.theirs != first.theirs, "its hello is the old one")
    expect(party.links[0].line == party.links[1].line, "it identified differently")


@case(Part.SENDER, "sender-continues", "REDIAL-3", "REDIAL-6")
def sender_continues(sender: SenderStage) -> None:
    """After a redial a sender says Open, then Continue or a new offer; Want is obeyed."""
    ended(sender, again(sender, lost(sender)))


@case(Part.RECIPIENT, "recipient-wants-rest", "REDIAL-5")
def recipient_wants_rest(recipient: RecipientStage) -> None:
    """A recipient answers Continue with the ranges that it lacks."""
    ended(recipient, again(recipient, lost(recipient)))


@case(Part.RECIPIENT, "recipient-new-offer", "REDIAL-3", "REDIAL-4", "REDIAL-7")
def recipient_new_offer(recipient: RecipientStage) -> None:
    """A new offer after a redial ends the earlier one."""
    talk = again(recipient, lost(recipient))
    talk.say(Open(recipient.initiator.vn.reveal))
    recipient.delivered(talk, {"b.txt": b"other"})


@both("rejoins", "REJOIN-1", "REJOIN-2", "REJOIN-3", "REJOIN-4", "REJOIN-5")
def rejoins(party: Party) -> None:
    """Where the relay has forgotten the channel, both meet at the name of n = 1, and go on."""
    first = lost(party)
    party.restart_relay()
    talk = meet_again(party, first.session)
    joins = party.requests("role", path="/join")
    nonces = {asked.body["nonce"] for asked in joins}
    names = {asked.body["channel"] for asked in joins}
    expect(len(nonces) == len(names) > 1, "it sends the old nonce for another channel")
    ended(party, talk)


@both("rejoins-elsewhere", "REJOIN-6", "REJOIN-3", "REJOIN-4")
def rejoins_elsewhere(party: Party) -> None:
    """The two may count their meetings differently: they find each other at n = 3."""
    first = lost(party)
    party.restart_relay()
    taken = {rejoin_channel(first.session, n) for n in (1, 2)}
    if party.role == "sender":
        party.lie = lambda asked, answer: (
            refusal(409, "occupied") if asked.body.get("channel") in taken else answer
        )
    talk = meet_again(party, first.session, 3)
    asked = [one.body.get("channel") for one in party.requests("role", path="/join")]
    expect(set(asked[1:]) == taken | {party.desk.channel}, f"it asked for {asked[1:]}")
    ended(party, talk)


@both("rejoins-twice", "REJOIN-2", "REJOIN-5")
def rejoins_twice(party: Party) -> None:
    """A second rejoin has its name and its secret from the first handshake, too."""
    first = lost(party)
    party.restart_relay()
    meet_again(party, first.session).link.conn.reset()
    party.restart_relay()
    ended(party, meet_again(party, first.session, 2))


@both("rejoin-stranger", "REJOIN-6", "REJOIN-5", "KEY-2", "KEY-3")
def rejoin_stranger(party: Party) -> None:
    """Who only knows where the two meet again, and not the secret, gets nothing of the files."""
    first = lost(party)
    party.restart_relay()
    channel = rejoin_channel(first.session, 1)
    if isinstance(party, SenderStage):
        sender = party
        sender.until(lambda: sender.desk.channel == channel and sender.desk.x, "its x")
        sender.post_y(sender.respond("a-wrong-one"))
        sender.never(lambda: sender.desk.h_k, "it proves itself to a stranger", 2)
    else:
        assert isinstance(party, RecipientStage)
        party.desk.open("x25519", channel)
        party.post_x(party.start("a-wrong-one"))
        party.until(lambda: party.desk.y or None, "its y")
        party.desk.put(h_k=b64url_encode(bytes(32)))
    party.never(lambda: len(party.links) > 1, "it dials for a stranger", 2)
    party.leave()
    party.fails()


@both("closed-by-member", "REJOIN-1")
def closed_by_member(party: Party) -> None:
    """A 410 closed by a member ends the run: nobody meets again."""
    party.begin()
    talk = party.seal()
    party.leave()
    talk.link.conn.reset()
    party.fails("peer_left")
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
    offer = sender.offer(talk)
    sender.accept(talk, offer, connections=2)
    sender.until(lambda: len(sender.links) > 1 or talk.link.conn.inbox or None, "its pieces")
    found: list[Piece] = []
    if len(sender.links) > 1:
        found = shares(legs(sender, talk, offer.tid, 1)[1])
    here, end = sender.pieces(talk)
    expect(not (found and here), "pieces on connection 0, beside others")
    plain = b"".join(one.plain for one in found or here)
    expect(plain == DATA, "the pieces are not the file")
    sender.receipt(talk, end)
    sender.part(talk)
    sender.succeeds()


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
        digests.digests == digests_of(key, DATA[:5000]) and digests.block == 0,
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


@case(Part.RECIPIENT, "recipient-resumes", "RESUME-1", "RESUME-3", "RESUME-6", "PIECE-7")
def recipient_resumes(recipient: RecipientStage) -> None:
    """A second run names what the first one left, and the file becomes whole."""
    talk, length = resumed(recipient)
    key = resume_key(talk.session)
    talk.say(Digests(recipient.tid, 0, 0, digests_of(key, THREE_BLOCKS[:length])))
    want, _ = talk.control(Want)
    whole = len(THREE_BLOCKS)
    expect(want.ranges == (Range(0, length, whole - length),), f"it holds {length}, wants {want}")
    expect(not (recipient.out / "a.bin").exists(), "it has its name before it is whole")
    pour(talk, length, whole)
    recipient.end(talk, 1, whole)
    recipient.receipt(talk, 1, whole)
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
