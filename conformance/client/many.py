"""Several connections (9.2): what both sides do with them, and what liars do."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from conformance._case import Part, case, expect
from conformance.client._both import both
from conformance.client._desk import Answer, Asked
from conformance.client._meet import LARGE, again, further, legs, shares
from conformance.client._roles import Offer, Party, RecipientStage, SenderStage, file
from conformance.client._talk import Piece, Talk, greet, piece, subjects_hello
from croc_core.handshake import HELLO_LENGTH, hello
from croc_core.messages import Continue, Open, PiecesEnd, Range, Receipt, Want
from croc_core.values import Role

Play = Callable[[RecipientStage, Talk], None]
THREE = "streams=2"
"""Two connections for data, beside connection 0."""
PARTS = {"a.bin": b"a" * 70_000, "b.bin": b"b" * 50_000, "c.bin": b"c" * 30_000}
TOTAL = sum(map(len, PARTS.values()))


def _sending(sender: SenderStage, **accept: Any) -> tuple[Talk, Offer]:
    """Accept with three connections what a sender offers that would use as many."""
    sender.begin({"a.bin": LARGE}, CROC_WITH=THREE)
    talk = sender.seal()
    offer = sender.offer(talk)
    sender.accept(talk, offer, **{"connections": 3, **accept})
    return talk, offer


def _receiving(recipient: RecipientStage) -> Talk:
    """Offer three files to a recipient that would use three connections, which it accepts."""
    recipient.begin(CROC_WITH=THREE)
    talk = recipient.opened()
    recipient.never(lambda: len(recipient.links) > 1, "it dialled before any offer", 0.3)
    recipient.offer(talk, *(file(path, data) for path, data in PARTS.items()))
    expect(recipient.accepted(talk) == [0, 1, 2], "it left something out")
    expect(recipient.connections == 3, f"it asks for {recipient.connections} connections")
    return talk


def _data(entry: int) -> bytes:
    return list(PARTS.values())[entry]


def _leave(leg: Talk) -> None:
    """End a further connection as a sender does."""
    leg.say(last=True)
    leg.link.conn.finish()


def _all_of(recipient: RecipientStage, talk: Talk) -> None:
    recipient.end(talk, 3, TOTAL)
    recipient.receipt(talk, 3, TOTAL)
    recipient.succeeds()
    expect(recipient.held() == PARTS, f"it holds {sorted(recipient.held())}")


# ---- as it should be


@case(Part.SENDER, "sender-many", "MANY-1", "MANY-2", "MANY-3", "MANY-4", "MANY-5", "CLI-1")
def sender_many(sender: SenderStage) -> None:
    """With three connections the pieces come on two, each of which ends in the right way."""
    talk, offer = _sending(sender)
    found: list[Piece] = []
    for leg in legs(sender, talk, offer.tid, 2).values():
        mine = shares(leg)
        expect(mine == sorted(mine, key=lambda one: one.offset), "pieces in another order")
        found += mine
    none, end = sender.pieces(talk)
    expect(not none, "pieces on connection 0, beside others")
    found.sort(key=lambda one: one.offset)
    expect(b"".join(one.plain for one in found) == LARGE, "the pieces are not the file")
    sender.receipt(talk, end)
    sender.part(talk)
    sender.succeeds()


@case(Part.SENDER, "sender-many-refused", "MANY-1", "PORT-12")
def sender_many_refused(sender: SenderStage) -> None:
    """A relay without room for the further connections keeps nobody waiting for ever."""
    talk, _ = _sending(sender)
    sender.port_answer = b"ERR 503 busy\n"
    sender.until(lambda: len(sender.links) > 2, "that it dials")
    talk.link.conn.reset()
    sender.fails("peer_left", "relay_refused")


@case(Part.RECIPIENT, "recipient-many", "MANY-1", "MANY-3", "MANY-4", "MANY-6", "CLI-1")
def recipient_many(recipient: RecipientStage) -> None:
    """Pieces that come on two further connections make whole files; it seals nothing there."""
    talk = _receiving(recipient)
    found = legs(recipient, talk, recipient.tid, 2)
    found[1].say(piece(0, 0, _data(0)), piece(1, 0, _data(1)[:1000]))
    found[2].say(piece(1, 1000, _data(1)[1000:]), piece(2, 0, _data(2)))
    for leg in found.values():
        _leave(leg)
    _all_of(recipient, talk)
    said = [bytes(leg.link.conn.inbox) for leg in found.values()]
    expect(not any(said), "it sealed something on a further connection")


@case(Part.RECIPIENT, "recipient-many-waits", "MANY-6", "END-2")
def recipient_many_waits(recipient: RecipientStage) -> None:
    """It does not finish before each further connection has ended, though the totals are there."""
    talk = _receiving(recipient)
    found = legs(recipient, talk, recipient.tid, 2)
    found[1].say(piece(0, 0, _data(0)), piece(1, 0, _data(1)), piece(2, 0, _data(2)))
    _leave(found[1])
    recipient.end(talk, 3, TOTAL)
    before = len(talk.records)
    recipient.never(lambda: talk.link.conn.inbox or talk.link.conn.ended, "it did not wait", 1.0)
    expect(len(talk.records) == before, "it did not wait")
    _leave(found[2])
    recipient.receipt(talk, 3, TOTAL)
    recipient.succeeds()


@case(Part.RECIPIENT, "recipient-many-fewer", "MANY-1", "MANY-6")
def recipient_many_fewer(recipient: RecipientStage) -> None:
    """A sender may use fewer: what was never stapled is not waited for."""
    talk = _receiving(recipient)
    first, _ = sorted(further(recipient, 2), key=lambda link: link.conn.listener)
    recipient.desk.staple(recipient.net.ports[2])
    leg = greet(first, talk.session, Role.SENDER, 1, recipient.tid)
    leg.say(*(piece(n, 0, _data(n)) for n in range(3)))
    _leave(leg)
    _all_of(recipient, talk)


@case(Part.SENDER, "sender-many-lost", "MANY-7", "REDIAL-7")
def sender_many_lost(sender: SenderStage) -> None:
    """A lost further connection is like a lost connection 0: all are dialled anew."""
    talk, offer = _sending(sender)
    found = legs(sender, talk, offer.tid, 2)
    for leg in found.values():
        leg.link.conn.unread = True
    found[1].link.conn.reset()
    second = again(sender, talk)
    sender.until(lambda: talk.link.conn.ended, "the end of the old connection 0")
    second.control(Open)
    if second.hear("Continue").kind != Continue.type:
        return
    second.say(Want(offer.tid, (Range(0, 0, len(LARGE)),), False))
    anew = legs(sender, second, offer.tid, 2)
    pieces = [one for leg in anew.values() for one in shares(leg)]
    pieces.sort(key=lambda one: one.offset)
    expect(b"".join(one.plain for one in pieces) == LARGE, "the pieces are not the file")


@case(Part.RECIPIENT, "recipient-many-lost", "MANY-7", "REDIAL-7", "REDIAL-5")
def recipient_many_lost(recipient: RecipientStage) -> None:
    """A lost further connection is like a lost connection 0: all are dialled anew."""
    talk = _receiving(recipient)
    found = legs(recipient, talk, recipient.tid, 2)
    found[2].say(piece(0, 0, _data(0)))
    found[1].link.conn.reset()
    second = again(recipient, talk)
    recipient.until(lambda: talk.link.conn.ended, "the end of the old connection 0")
    second.say(Open(recipient.initiator.vn.reveal), Continue(recipient.tid))
    want, _ = second.control(Want)
    anew = legs(recipient, second, recipient.tid, 2)
    for part in want.ranges:
        data = _data(part.entry)[part.offset : part.offset + part.length]
        anew[1].say(piece(part.entry, part.offset, data))
    for leg in anew.values():
        _leave(leg)
    _all_of(recipient, second)


# ---- liars


@case(Part.SENDER, "sender-many-too-many", "MANY-1", "ENC-3")
def too_many(sender: SenderStage) -> None:
    """An Accept of more connections than 16 is a protocol error."""
    _sending(sender, connections=17)
    sender.fails("protocol_error")


@case(Part.SENDER, "sender-many-ports", "MANY-1")
def many_ports(sender: SenderStage) -> None:
    """An Accept of more connections than there are ports gets no more than there are."""
    _sending(sender, connections=16)
    sender.until(lambda: len(sender.links) == 3, "its further connections")
    sender.never(lambda: len(sender.links) > 3, "it dialled more than there are ports", 0.5)
    listeners = [link.conn.listener for link in sender.links]
    expect(sorted(listeners) == [1, 2, 3], f"it dialled the ports {listeners}")


def _false_leg(slug: str, title: str, *rules: str) -> Callable[[Play], Play]:
    """Enter a case whose liar is at connection 1 of a recipient; it must end and hold nothing."""

    def enter(play: Play) -> Play:
        def judge(recipient: RecipientStage) -> None:
            talk = _receiving(recipient)
            play(recipient, talk)
            recipient.refuses("protocol_error", "peer_left", "timeout")

        judge.__doc__ = f"{title} is refused."
        case(Part.RECIPIENT, f"recipient-many-{slug}", *rules)(judge)
        return play

    return enter


@_false_leg("control", "A message of control on a further connection", "MANY-3", "MSG-3")
def _control(recipient: RecipientStage, talk: Talk) -> None:
    leg = legs(recipient, talk, recipient.tid, 2)[1]
    leg.say(PiecesEnd(recipient.tid, 3, TOTAL, ()), last=True)


@_false_leg("swapped", "A hello of connection 2 at connection 1", "HELLO-4", "REC-3")
def _swapped(recipient: RecipientStage, talk: Talk) -> None:
    found = further(recipient, 2)
    for link in found:
        subjects_hello(link, Role.RECIPIENT, link.conn.listener - 1)
    for link in found:  # at the first of these it hangs up the other one, too
        link.conn.send(hello(Role.SENDER, 4 - link.conn.listener, os.urandom(32)))


@_false_leg("stranger", "A stranger at a further connection", "HELLO-4", "KEY-6")
def _stranger(recipient: RecipientStage, talk: Talk) -> None:
    link = further(recipient, 2)[0]
    link.conn.send(os.urandom(HELLO_LENGTH[Role.SENDER]))


@_false_leg("false-key", "A record with the keys of another offer", "KEY-1", "REC-3")
def _false_key(recipient: RecipientStage, talk: Talk) -> None:
    link = further(recipient, 2)[0]
    number = link.conn.listener - 1
    leg = greet(link, talk.session, Role.SENDER, number, os.urandom(16))
    leg.say(piece(0, 0, _data(0)))


@_false_leg("cut", "The end of a further connection without its flag", "MANY-5", "REC-6")
def _cut(recipient: RecipientStage, talk: Talk) -> None:
    leg = legs(recipient, talk, recipient.tid, 2)[1]
    leg.say(piece(0, 0, _data(0)[:100]))
    leg.link.conn.finish()


@_false_leg("twice", "A piece that comes on both further connections", "PIECE-4")
def _twice(recipient: RecipientStage, talk: Talk) -> None:
    for leg in legs(recipient, talk, recipient.tid, 2).values():
        leg.say(piece(0, 0, _data(0)[:1000]))


@_false_leg("early-end", "An end with bytes missing that a further connection was to bring",
            "MANY-6", "END-2")  # fmt: skip
def _early_end(recipient: RecipientStage, talk: Talk) -> None:
    found = legs(recipient, talk, recipient.tid, 2)
    for leg in found.values():
        _leave(leg)
    recipient.end(talk, 3, TOTAL)


def _false_peer(slug: str, title: str, *rules: str, hello_of: Callable[[int], bytes]) -> None:
    """Enter a case whose liar is at the further connections of a sender: no piece goes there."""

    def judge(sender: SenderStage) -> None:
        talk, _ = _sending(sender)
        found = further(sender, 2)
        for link in found:
            number = link.conn.listener - 1
            sender.desk.staple(sender.net.ports[number + 1])
            subjects_hello(link, Role.SENDER, number)
        for link in found:  # at the first of these it hangs up the other one, too
            link.conn.send(hello_of(link.conn.listener - 1))
        sender.until(
            lambda: talk.link.conn.ended, "that it gives up all connections", outlives=True
        )
        expect(not any(link.conn.inbox for link in found), "it sealed pieces for a liar")
        sender.fails("protocol_error", "peer_left", "timeout")

    judge.__doc__ = f"{title} is refused."
    case(Part.SENDER, f"sender-many-{slug}", *rules)(judge)


_length = HELLO_LENGTH[Role.RECIPIENT]
_false_peer("stranger", "A stranger at a further connection of a sender", "HELLO-4", "MANY-7",
            hello_of=lambda _: os.urandom(_length))  # fmt: skip
_false_peer("swapped", "A hello of connection 2 at connection 1 of a sender", "HELLO-4", "MANY-1",
            hello_of=lambda i: hello(Role.RECIPIENT, 3 - i, os.urandom(32)))  # fmt: skip
_false_peer("link-hello", "A hello of connection 0 at a further one of a sender", "HELLO-4",
            hello_of=lambda _: hello(Role.RECIPIENT, 0, os.urandom(32)))  # fmt: skip
_false_peer("reflected", "Its own hello on a further connection of a sender", "HELLO-4", "PAKE-7",
            hello_of=lambda i: hello(Role.SENDER, i, os.urandom(32)) + bytes(3))  # fmt: skip


@case(Part.SENDER, "sender-many-talks", "MANY-3", "MSG-3")
def many_talks(sender: SenderStage) -> None:
    """A recipient that seals something on a further connection is not listened to."""
    talk, offer = _sending(sender)
    found = legs(sender, talk, offer.tid, 2)
    found[1].say(Receipt(offer.tid, 1, len(LARGE)), last=True)
    found[1].link.conn.finish()
    sender.never(lambda: sender.events("done"), "it takes a receipt there", 1.0)
    for leg in (*found.values(), talk):
        leg.link.conn.reset()
    sender.fails("protocol_error", "unconfirmed", "peer_left")


@case(Part.RECIPIENT, "recipient-many-staplings-lie", "MANY-6", "END-2")
def staplings_lie(recipient: RecipientStage) -> None:
    """A relay that hides a stapling does not make it finish with bytes missing."""
    talk = _receiving(recipient)
    further(recipient, 2)
    hidden = {str(recipient.net.ports[1]): 1}

    def lie(_: Asked, answer: Answer) -> Answer:
        return answer.changed(staplings=hidden) if answer.status == 200 else answer

    recipient.lie = lie
    recipient.end(talk, 3, TOTAL)
    recipient.refuses("protocol_error")


def _begun(party: Party, talk: Talk) -> None:
    """Go on until pieces are under way."""
    if isinstance(party, SenderStage):
        party.accept(talk, party.offer(talk))
        talk.hear("its first piece")
        talk.link.conn.unread = True
    else:
        assert isinstance(party, RecipientStage)
        talk.say(Open(party.initiator.vn.reveal))
        party.offer(talk, file("a.bin", b"abc"))
        party.accepted(talk)


@both("replayed-dial", "HELLO-2", "REDIAL-2", "REC-4")
def replayed_dial(party: Party) -> None:
    """A relay that plays the first dial's bytes again on the redial gets nowhere."""
    said: list[bytes] = []
    # More than it can have sent by the loss: behind its last piece it would be in doubt.
    party.begin({"a.bin": LARGE}) if isinstance(party, SenderStage) else party.begin()
    session = party.confirm()
    first = party.link()
    party.desk.staple(party.net.ports[1])
    send = first.conn.send

    def overheard(data: bytes) -> None:
        said.append(data)
        send(data)

    first.conn.send = overheard  # type: ignore[method-assign]
    talk = greet(first, session, Role(party.role).other)
    _begun(party, talk)
    talk.link.conn.reset()
    second = party.link("its redial")
    party.desk.staple(party.net.ports[1])
    theirs = subjects_hello(second, Role(party.role))
    expect(theirs != talk.theirs, "its hello is the old one")
    for data in said:
        second.conn.send(data)
    party.fails("peer_left", "protocol_error")


@case(Part.SENDER, "sender-staplings-lie", "PORT-16", "HELLO-5", "KEY-6")
def sender_staplings_lie(sender: SenderStage) -> None:
    """Told that it is stapled, though nobody is there, it says its hello and no more."""
    sender.begin({"a.bin": LARGE})
    sender.confirm()
    link = sender.link()
    sender.desk.staplings = {str(sender.net.ports[1]): 1 << 40}
    sender.desk.seq += 1
    subjects_hello(link, Role.SENDER)
    sender.never(lambda: link.conn.inbox, "it sealed for nobody", 1.0)
    link.conn.reset()
    sender.fails("peer_left", "timeout")


@case(Part.SENDER, "sender-staplings-fall", "PORT-16", "LIVE-4")
def staplings_fall(sender: SenderStage) -> None:
    """Staplings that a relay counts down are none: after a redial nothing is said for them."""
    sender.begin({"a.bin": LARGE})
    sender.desk.staplings = {}
    talk = sender.seal()
    sender.desk.staplings = {str(sender.net.ports[1]): 7}
    talk.link.conn.reset()
    link = sender.link("its redial")
    sender.desk.staplings = {str(sender.net.ports[1]): 6}
    sender.desk.seq += 1
    sender.never(lambda: link.conn.inbox, "it greets before it is stapled again", 2.0)
    link.conn.reset()
    sender.fails("peer_left", "timeout")
