"""Sealed records, and the byte stream of messages within them."""

from __future__ import annotations

from conformance._case import Part, case, expect
from conformance.client._both import both
from conformance.client._roles import FILES, Party, RecipientStage, SenderStage, file, talking
from conformance.client._talk import Talk, framed, piece
from croc_core.content import Entry, Kind
from croc_core.messages import Accept, Decline, Manifest, OfferEnd, Open, PiecesEnd, Problem, encode

STILL = framed(0x80, b"")
BIG = {"big.bin": bytes(range(256)) * 12_000}
ENDS = ("protocol_error", "peer_left")
"""How a run may end whose connection was broken by what came."""


@both("records-form", "REC-1", "REC-2", "REC-3", "REC-5", "LIVE-1")
def records_form(party: Party) -> None:
    """Its records have allowed headers, the right keys and counters, and one last flag."""
    party.begin()
    party.whole()


@case(Part.SENDER, "sender-records-big", "REC-1", "REC-8", "REC-7")
def records_big(sender: SenderStage) -> None:
    """Records of a large file hold at most 1 MiB, and few are small."""
    sender.begin(BIG)
    talk = sender.seal()
    sender.accept(talk, sender.offer(talk))
    pieces, _ = sender.pieces(talk)
    data = b"".join(one.plain for one in pieces)
    expect(data == BIG["big.bin"], f"its pieces come to {len(data)} other bytes")
    expect(len(talk.records) < 60, f"{len(talk.records)} records for 3 MB")


def _rule(talk: Talk, data: bytes) -> None:
    talk.link.conn.send(data)


def _bad_record(slug: str, rule: str, title: str, make: object) -> None:
    def judge(party: Party) -> None:
        talk = talking(party)
        _rule(talk, make(talk))  # type: ignore[operator]
        party.fails(*ENDS, "timeout")
        if isinstance(party, RecipientStage):
            expect(not party.held(), f"it holds {sorted(party.held())}")

    judge.__doc__ = f"A record {title} ends the dial."
    both(f"record-{slug}", rule)(judge)


def _flipped(talk: Talk) -> bytes:
    record = bytearray(talk.sealer.record(STILL))
    record[-1] ^= 1
    return bytes(record)


def _reserved(talk: Talk) -> bytes:
    record = bytearray(talk.sealer.record(STILL))
    record[0] |= 0x20
    return bytes(record)


def _flagged(talk: Talk) -> bytes:
    record = bytearray(talk.sealer.record(STILL))
    record[0] |= 0x80
    return bytes(record)


def _skipped(talk: Talk) -> bytes:
    talk.sealer.record(STILL)
    return talk.sealer.record(STILL)


def _swapped(talk: Talk) -> bytes:
    first, second = talk.sealer.record(STILL), talk.sealer.record(STILL + STILL)
    return second + first


for _slug, _id, _title, _make in (
    ("flipped", "REC-4", "with one changed bit", _flipped),
    ("reserved-bits", "REC-2", "with a reserved bit of its header set", _reserved),
    ("flag-added", "REC-4", "whose last flag was added on the way", _flagged),
    ("dropped", "REC-3", "behind one that was dropped", _skipped),
    ("swapped", "REC-3", "that overtook another", _swapped),
    ("replayed", "REC-3", "that comes twice", lambda talk: talk.sealer.record(STILL) * 2),
    ("too-short", "REC-1", "of less than a tag", lambda _: (15).to_bytes(4, "big") + bytes(15)),
    ("too-long", "REC-1", "of more than 1 MiB and a tag",
     lambda _: ((1 << 20) + 17).to_bytes(4, "big") + bytes(100)),
    ("clear", "REC-4", "that is not sealed",
     lambda _: (len(STILL) + 16).to_bytes(4, "big") + STILL + bytes(16)),
):  # fmt: skip
    _bad_record(_slug, _id, _title, _make)


@both("record-reflected", "REC-3", "KEY-1")
def record_reflected(party: Party) -> None:
    """A record of its own, sent back, ends the dial: each direction has its own key."""
    party.begin()
    talk = party.seal()
    if isinstance(party, SenderStage):
        header = talk.link.read(4, "its first record")
        size = int.from_bytes(header, "big") & 0x7FFFFFFF
        talk.link.conn.send(header + talk.link.read(size, "its first record"))
    else:
        assert isinstance(party, RecipientStage)
        talk.opener, talk.sealer = talk.opener, talk.sealer
        talk.say(Open(party.initiator.vn.reveal))
        party.offer(talk, file("a.txt", b"x"))
        header = talk.link.read(4, "its Accept")
        size = int.from_bytes(header, "big") & 0x7FFFFFFF
        talk.link.conn.send(header + talk.link.read(size, "its Accept"))
    party.fails(*ENDS, "timeout")


@both("end-without-flag", "REC-6", "END-8")
def end_without_flag(party: Party) -> None:
    """A stream that ends before the last flag is a broken connection, never an end."""
    talk = talking(party)
    if isinstance(party, RecipientStage):
        party.sent(talk, FILES)
        talk.say(PiecesEnd(party.tid, 1, len(FILES["letter.txt"]), ()))
    talk.link.conn.finish()
    party.fails(*ENDS, "timeout", "local_file")


@case(Part.RECIPIENT, "recipient-record-cut", "REC-6", "REC-4")
def record_cut(recipient: RecipientStage) -> None:
    """A stream that is cut within a record gives nothing of that record to anyone."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("a.txt", bytes(100)), file("b.txt", b"whole"))
    recipient.accepted(talk)
    record = talk.sealer.record(piece(0, 0, b"x" * 100))
    talk.link.conn.send(record[:-1])
    talk.link.conn.finish()
    recipient.refuses(*ENDS)


@case(Part.RECIPIENT, "recipient-after-last", "REC-5")
def after_last(recipient: RecipientStage) -> None:
    """A record behind the one with the last flag is refused."""
    recipient.begin()
    talk = recipient.opened()
    recipient.sent(talk, {"a.txt": b""})
    end = talk.sealer.record(encode(PiecesEnd(recipient.tid, 1, 0, ())), last=True)
    talk.link.conn.send(end)
    talk.link.conn.send((20).to_bytes(4, "big") + bytes(20))
    recipient.ends()
    status = recipient.run.status() if recipient.run else 1
    expect(status in (0, 10, 7), f"it ended with {status}")


@case(Part.RECIPIENT, "recipient-stream-bytewise", "REC-7")
def stream_bytewise(recipient: RecipientStage) -> None:
    """Messages may begin and end anywhere in records: here each record holds one byte, or seven."""
    recipient.begin()
    talk = recipient.seal()
    recipient.tid = b"t" * 16
    data = b"The fish is well."
    opened = encode(Open(recipient.initiator.vn.reveal))
    manifest = encode(Manifest(recipient.tid, (file("fish.txt", data),)))
    talk.stream(opened + manifest + encode(OfferEnd(recipient.tid, 1, len(data))), 1)
    recipient.accepted(talk)
    ending = encode(PiecesEnd(recipient.tid, 1, len(data), ()))
    talk.stream(piece(0, 0, data[:9]) + STILL + piece(0, 9, data[9:]) + ending, 7, last=True)
    recipient.receipt(talk, 1, len(data))
    recipient.succeeds()
    expect(recipient.held() == {"fish.txt": data}, "the file is another")


@case(Part.SENDER, "sender-stream-bytewise", "REC-7")
def sender_stream_bytewise(sender: SenderStage) -> None:
    """An Accept that comes in records of one byte is read."""
    sender.begin()
    talk = sender.seal()
    offer = sender.offer(talk)
    from croc_core.content import Span

    accept = Accept(offer.tid, (Span(0, len(offer.entries)),), (0, 2), 1, (), False)
    talk.stream(encode(accept), 1)
    sender.receipt(talk, sender.pieces(talk)[1])
    sender.part(talk)
    sender.succeeds()


@case(Part.RECIPIENT, "recipient-empty-records", "REC-1", "REC-7")
def empty_records(recipient: RecipientStage) -> None:
    """Records without plaintext are allowed, and mean nothing."""
    recipient.begin()
    talk = recipient.opened()
    talk.say(b"")
    chosen = recipient.sent(talk, {"a.txt": b"abc"})
    talk.say(b"")
    recipient.end(talk, len(chosen), 3)
    recipient.receipt(talk, 1, 3)
    recipient.succeeds()


# ---- messages


@both("skips-ignorable", "MSG-2", "MSG-3", "PAD-1")
def skips_ignorable(party: Party) -> None:
    """Messages with bit 7 set are skipped between any two others, padding up to 1 MiB too."""
    noise = STILL + framed(0x81, b"\xff" * 5) + framed(0xC3, b"what is new")
    large = framed(0x81, bytes(1 << 20))
    talk = talking(party)
    talk.say(noise)
    talk.stream(large, 500_000)
    if isinstance(party, SenderStage):
        party.accept(talk, party.in_hand)
        talk.say(noise)
        end = party.pieces(talk)[1]
        talk.say(noise)
        party.receipt(talk, end)
        party.part(talk)
        party.succeeds()
    else:
        assert isinstance(party, RecipientStage)
        party.delivered(talk, FILES)


def _bad_message(slug: str, rules: tuple[str, ...], title: str, plain: bytes) -> None:
    def judge(party: Party) -> None:
        talk = talking(party)
        talk.stream(plain, 1 << 19)
        party.fails("protocol_error")
        if isinstance(party, RecipientStage):
            expect(not party.held(), f"it holds {sorted(party.held())}")

    judge.__doc__ = f"{title} is a protocol error."
    both(f"message-{slug}", *rules)(judge)


TID = b"\x07" * 16
for _slug, _ids, _title, _plain in (
    ("unknown", ("MSG-2",), "An unknown type without bit 7", framed(0x33, b"")),
    ("zero", ("MSG-2",), "The type 0", framed(0, b"")),
    ("long-control", ("MSG-1",), "A control message of more than 65,536 bytes",
     framed(0x0C, b"\x92\xa1x\xda\x00\x01" + bytes(70_000))),
    ("huge-control", ("MSG-1",), "A control message that says to have 4 GiB",
     b"\x03\xff\xff\xff\xff"),
    ("long-ignorable", ("MSG-2", "PAD-1"), "A skipped message of more than 1 MiB",
     framed(0x99, bytes((1 << 20) + 1))),
    ("trailing", ("ENC-3",), "A message with bytes behind its value",
     framed(0x06, b"\x91\xc4\x10" + TID + b"\0")),
    ("extra-element", ("ENC-3",), "A message with one element too many",
     framed(0x06, b"\x92\xc4\x10" + TID + b"\0")),
    ("short-tid", ("ENC-3",), "A tid of 15 bytes", framed(0x06, b"\x91\xc4\x0f" + TID[:15])),
    ("str-for-bin", ("ENC-3",), "Text in the place of bytes", framed(0x06, b"\x91\xb0" + TID)),
    ("not-msgpack", ("ENC-3",), "A body that is no MessagePack", framed(0x06, b"\xc1\xc1")),
    ("deep", ("ENC-3", "MSG-1"), "An array within 60,000 arrays",
     framed(0x03, b"\x91" * 60_000)),
):  # fmt: skip
    _bad_message(_slug, _ids, _title, _plain)


@case(Part.SENDER, "sender-own-message", "MSG-3")
def sender_own_message(sender: SenderStage) -> None:
    """A message that only a sender sends, from the recipient, is a protocol error."""
    talk = talking(sender)
    talk.say(OfferEnd(TID, 0, 0))
    sender.fails("protocol_error")


@case(Part.RECIPIENT, "recipient-own-message", "MSG-3")
def recipient_own_message(recipient: RecipientStage) -> None:
    """A message that only a recipient sends, from the sender, is a protocol error."""
    talk = talking(recipient)
    talk.say(Decline(TID))
    recipient.fails("protocol_error")


@case(Part.SENDER, "sender-other-tid", "MSG-5")
def sender_other_tid(sender: SenderStage) -> None:
    """An Accept of another offer is a protocol error."""
    from croc_core.content import Span

    talk = talking(sender)
    talk.say(Accept(TID, (Span(0, 1),), (0, 2), 1, (), False))
    sender.fails("protocol_error")


@case(Part.RECIPIENT, "recipient-other-tid", "MSG-5", "OFFER-2")
def recipient_other_tid(recipient: RecipientStage) -> None:
    """An OfferEnd of another offer is a protocol error."""
    talk = talking(recipient)
    talk.say(Manifest(b"\1" * 16, (file("a.txt"),)), OfferEnd(TID, 1, 0))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-end-other-tid", "MSG-5", "END-2")
def end_other_tid(recipient: RecipientStage) -> None:
    """A PiecesEnd of another offer is a protocol error."""
    talk = talking(recipient)
    recipient.sent(talk, {"a.txt": b"abc"})
    talk.say(PiecesEnd(TID, 1, 3, ()), last=True)
    recipient.fails("protocol_error")


@both("problem-ends", "END-9", "MSG-4")
def problem_ends(party: Party) -> None:
    """A Problem of the other side ends the run without success."""
    talk = talking(party)
    talk.say(Problem("local_file", "disk full"), last=True)
    party.fails("peer_left")


@both("problem-harmless", "MSG-6")
def problem_harmless(party: Party) -> None:
    """Control characters in the text of a Problem reach nobody's screen."""
    from conformance.client.http import EVIL, HARM

    talk = talking(party)
    talk.say(Problem("\x1b[2J", EVIL), last=True)
    party.fails()
    assert party.run is not None
    text = "".join(party.run.output())
    text += "".join(str(value) for event in party.events() for value in event.values())
    expect(not HARM.search(text), f"it shows {HARM.findall(text)}")


@both("protocol-error-said", "MSG-4", "END-9")
def protocol_error_said(party: Party) -> None:
    """Where it says a Problem before it hangs up, that is its last message, with the last flag."""
    talk = talking(party)
    talk.say(framed(0x33, b""))
    party.fails("protocol_error")
    if len(talk.link.conn.inbox) > 20:
        heard = talk.hear("its Problem")
        expect(heard.kind == Problem.type, f"it sent type {heard.kind:#x}")
        expect(heard.last, "its Problem is not in a record with the last flag")


# ---- signs of life


@both("still-here-keeps", "LIVE-3", "LIVE-2")
def still_here_keeps(party: Party) -> None:
    """Signs of life keep the connection, and are no progress."""
    talk = talking(party)
    for _ in range(20):
        talk.say(STILL)
    party.never(lambda: talk.link.conn.ended, "it hung up", 1.0)
    moved = [event for event in party.events("progress") if event.get("bytes")]
    expect(not moved, f"it counts signs of life as progress: {moved[:1]}")


@case(Part.RECIPIENT, "recipient-text-entry", "TEXT-1", "TEXT-2")
def text_entry(recipient: RecipientStage) -> None:
    """The label of a text is not used as a file name unless its person asks to save it."""
    talk = talking(recipient)
    recipient.offer(talk, Entry(Kind.TEXT, "note", 5, {}))
    heard = talk.hear("its answer to an offer of a text")
    if heard.kind == Decline.type:
        return
    talk.say(piece(0, 0, b"Hello"))
    recipient.end(talk, 1, 5)
    recipient.succeeds()
    expect(not recipient.held(), f"it wrote {sorted(recipient.held())}")
