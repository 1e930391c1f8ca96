"""Pieces, totals, the receipt and the order of the end."""

from __future__ import annotations

import struct

from conformance._case import Part, case, expect
from conformance.client._roles import (
    FILES,
    RecipientStage,
    SenderStage,
    file,
    unfinished,
)
from conformance.client._talk import Talk, framed, piece
from croc_core import messages
from croc_core.content import Entry, Kind, Span
from croc_core.messages import PiecesEnd, Receipt

DATA = b"The fish is well." * 1000
Z = struct.Struct(">Q")


# ---- a sender's pieces


@case(Part.SENDER, "sender-pieces", "PIECE-1", "PIECE-2", "CODEC-1", "END-1")
def sender_pieces(sender: SenderStage) -> None:
    """Pieces cover each chosen entry once, in rising order, by no codec that Accept left out."""
    files = {"a": b"", "b": b"b" * 5_000, "c": bytes(300_000), "d": DATA * 70}
    sender.begin(files)
    talk = sender.seal()
    offer = sender.offer(talk)
    sender.accept(talk, offer, codecs=())
    pieces, end = sender.pieces(talk)
    held: dict[int, bytearray] = {}
    for one in pieces:
        expect(one.codec in (0, 2), f"it uses codec {one.codec}, which Accept did not name")
        part = held.setdefault(one.entry, bytearray())
        expect(len(part) == one.offset, f"a gap or an overlap at {one.offset}")
        expect(one.length > 0 and (one.codec == 2 or one.length <= 1 << 20), "an impossible length")
        part += one.plain
    for number, entry in enumerate(offer.entries):
        if entry.kind is Kind.FILE:
            right = files[str(entry.path).rpartition("/")[2]]
            expect(bytes(held.pop(number, b"")) == right, f"{entry.path!r} has other bytes")
    expect(not held, "pieces of entries that have none")
    total = sum(map(len, files.values()))
    expect((end.tid, end.entries, end.bytes) == (offer.tid, len(offer.entries), total), f"{end}")


@case(Part.SENDER, "sender-file-changed", "PIECE-5")
def file_changed(sender: SenderStage) -> None:
    """A file that got shorter since the offer ends the run; no other bytes are filled in."""
    sender.begin({"a.bin": DATA * 100})
    talk = sender.seal()
    offer = sender.offer(talk)
    path = sender.path / "outgoing" / "a.bin"
    path.write_bytes(DATA)
    sender.accept(talk, offer)
    while True:
        heard = talk.hear("its Problem")
        if heard.kind != messages.PIECE:
            break
    expect(heard.kind == messages.Problem.type, f"it sent type {heard.kind:#x}")
    expect(heard.message.code == "local_file" and heard.last, f"it said {heard}")  # type: ignore[attr-defined]
    sender.fails("local_file")


# ---- the end, as the sender sees it


@case(Part.SENDER, "sender-no-receipt", "END-7", "END-8", "END-5", "EXIT-1")
def no_receipt(sender: SenderStage) -> None:
    """A sender that gets no Receipt ends `unconfirmed`."""
    sender.begin()
    talk, _ = sender.to_end()
    talk.link.conn.close()
    sender.fails("unconfirmed")
    expect(not sender.events("error") or sender.ends() == 11, "its status is not 11")


@case(Part.SENDER, "sender-relay-says-done", "END-7", "CLOSE-9")
def relay_says_done(sender: SenderStage) -> None:
    """No word of the relay makes a lost Receipt a success."""
    sender.begin()
    talk, _ = sender.to_end()
    sender.desk.closed = "recipient", "done"
    sender.desk.seq += 1
    talk.link.conn.close()
    sender.fails("unconfirmed")


def _bad_receipt(slug: str, title: str, change: object, last: bool) -> None:
    def judge(sender: SenderStage) -> None:
        sender.begin()
        talk, end = sender.to_end()
        talk.say(change(end), last=last)  # type: ignore[operator]
        talk.link.conn.finish()
        sender.fails("protocol_error", "unconfirmed", "peer_left")

    judge.__doc__ = f"A Receipt {title} is no success."
    case(Part.SENDER, f"sender-receipt-{slug}", "END-5", "END-8")(judge)


_bad_receipt(
    "no-flag", "without the last flag", lambda e: Receipt(e.tid, e.entries, e.bytes), False
)
_bad_receipt("tid", "of another offer", lambda e: Receipt(bytes(16), e.entries, e.bytes), True)
_bad_receipt("bytes", "of fewer bytes", lambda e: Receipt(e.tid, e.entries, e.bytes - 1), True)
_bad_receipt("entries", "of fewer entries", lambda e: Receipt(e.tid, 0, e.bytes), True)


@case(Part.SENDER, "sender-early-receipt", "MSG-3", "END-8")
def early_receipt(sender: SenderStage) -> None:
    """A Receipt in the place of an Accept is no success."""
    sender.begin()
    talk = sender.seal()
    offer = sender.offer(talk)
    talk.say(Receipt(offer.tid, len(offer.entries), offer.bytes or 0), last=True)
    sender.fails("protocol_error")


@case(Part.SENDER, "sender-half-closes", "END-6", "REC-5")
def half_closes(sender: SenderStage) -> None:
    """After the Receipt the sender half-closes, and has sent nothing behind its last record."""
    sender.begin()
    talk, end = sender.to_end()
    sender.receipt(talk, end)
    expect(not talk.link.ends("its half-close"), "bytes came behind its last record")
    sender.desk.closed = "recipient", "done"
    sender.desk.seq += 1
    sender.succeeds()


@case(Part.SENDER, "sender-peer-vanishes", "END-8", "LIVE-4")
def peer_vanishes(sender: SenderStage) -> None:
    """A recipient that vanishes in the middle is an error, and no success."""
    sender.begin({"a.bin": DATA * 200})
    talk = sender.seal()
    sender.accept(talk, sender.offer(talk))
    talk.link.conn.unread = True
    sender.never(lambda: False, "", 0.3)
    talk.link.conn.reset()
    sender.fails("peer_left", "unconfirmed", "timeout")


# ---- what a recipient takes


def receiving(recipient: RecipientStage, *sizes: int) -> Talk:
    """Offer files of these sizes; all are chosen."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, *(file(f"f{n}", bytes(size)) for n, size in enumerate(sizes)))
    expect(recipient.accepted(talk) == list(range(len(sizes))), "it left something out")
    return talk


@case(Part.RECIPIENT, "recipient-zeros", "PIECE-3", "PIECE-2")
def zeros(recipient: RecipientStage) -> None:
    """Runs of zeros are taken whether or not Accept names their codec."""
    talk = receiving(recipient, 100_000)
    talk.say(piece(0, 0, Z.pack(60_000), 2), piece(0, 60_000, bytes(40_000)))
    recipient.end(talk, 1, 100_000)
    recipient.receipt(talk, 1, 100_000)
    recipient.succeeds()
    expect(recipient.held() == {"f0": bytes(100_000)}, "the file is another")


@case(Part.RECIPIENT, "recipient-interleaved", "PIECE-2")
def interleaved(recipient: RecipientStage) -> None:
    """Pieces of several entries may take turns."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("a", b"abcd"), file("b", b"efgh"))
    recipient.accepted(talk)
    talk.say(piece(1, 0, b"ef"), piece(0, 0, b"ab"), piece(1, 2, b"gh"), piece(0, 2, b"cd"))
    recipient.end(talk, 2, 8)
    recipient.receipt(talk, 2, 8)
    recipient.succeeds()
    expect(recipient.held() == {"a": b"abcd", "b": b"efgh"}, f"{recipient.held()}")


def _bad_piece(slug: str, title: str, *plain: bytes, rules: tuple[str, ...] = ("PIECE-4",)) -> None:
    def judge(recipient: RecipientStage) -> None:
        talk = receiving(recipient, 100, 100)
        talk.stream(b"".join(plain), 1 << 19)
        recipient.refuses("protocol_error")

    judge.__doc__ = f"A piece {title} is refused."
    case(Part.RECIPIENT, f"recipient-piece-{slug}", *rules)(judge)


_bad_piece("beyond", "that passes its entry's size", piece(0, 50, bytes(51)))
_bad_piece("far", "at offset 2^63", piece(0, 1 << 63, b"x"))
_bad_piece("overlap", "that overlaps another", piece(0, 0, bytes(50)), piece(0, 49, bytes(10)))
_bad_piece("twice", "that comes twice", piece(0, 0, bytes(50)), piece(0, 0, bytes(50)))
_bad_piece("stranger", "of an entry that was not offered", piece(7, 0, b"x"))
_bad_piece("empty", "without bytes", piece(0, 0, b""))
_bad_piece("large", "of more than 1 MiB", piece(0, 0, bytes((1 << 20) + 1)))
_bad_piece("zeros-beyond", "of more zeros than its entry has", piece(0, 0, Z.pack(101), 2))
_bad_piece("zeros-bomb", "of 2^62 zeros", piece(0, 0, Z.pack(1 << 62), 2))
_bad_piece("zeros-layout", "of zeros with a length of four bytes", piece(0, 0, bytes(4), 2))
_bad_piece("zeros-none", "of no zeros", piece(0, 0, Z.pack(0), 2))
_bad_piece("codec", "of a codec that nobody knows", piece(0, 0, b"x", 9), rules=("PIECE-3",))
_bad_piece("bomb", "of a codec that Accept did not name, a bomb", piece(
    0, 0, bytes.fromhex("00000064" "28b52ffd0458") + b"\xff" * 64, 1),
    rules=("PIECE-3", "CODEC-2"))  # fmt: skip


@case(Part.RECIPIENT, "recipient-piece-of-folder", "PIECE-4", "PIECE-2")
def piece_of_folder(recipient: RecipientStage) -> None:
    """A piece of a folder is refused."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, Entry(Kind.DIRECTORY, "d", 0, {}), file("a", b"abc"))
    recipient.accepted(talk)
    talk.say(piece(0, 0, b"x"))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-piece-not-chosen", "PIECE-4", "PIECE-1")
def piece_not_chosen(recipient: RecipientStage) -> None:
    """A piece of an entry that it left out is refused, and written nowhere."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("../evil.txt", b"evil"), file("a", b"abc"))
    heard = talk.hear("its answer")
    if heard.kind == messages.Accept.type:
        talk.say(piece(0, 0, b"evil"))
    recipient.refuses("protocol_error", "declined")
    expect(not (recipient.path / "evil.txt").exists(), "it wrote outside its folder")


def _bad_end(slug: str, title: str, entries: int, total: int, sent: int, last: bool = True) -> None:
    def judge(recipient: RecipientStage) -> None:
        talk = receiving(recipient, 100)
        talk.say(piece(0, 0, bytes(sent)))
        talk.say(PiecesEnd(recipient.tid, entries, total, ()), last=last)
        talk.link.conn.finish()
        if sent == 100:
            recipient.fails("protocol_error")
        else:
            recipient.refuses("protocol_error")

    judge.__doc__ = f"A PiecesEnd {title} is a protocol error."
    case(Part.RECIPIENT, f"recipient-end-{slug}", "END-2", "END-1")(judge)


_bad_end("missing", "where bytes are missing", 1, 100, 99)
_bad_end("sum", "with another sum", 1, 99, 100)
_bad_end("count", "with another count", 2, 100, 100)
_bad_end("no-flag", "without the last flag", 1, 100, 100, last=False)


@case(Part.RECIPIENT, "recipient-stranger-sizes", "STREAM-3", "END-2")
def stranger_sizes(recipient: RecipientStage) -> None:
    """A PiecesEnd with the size of an entry that had one is a protocol error."""
    talk = receiving(recipient, 100)
    talk.say(piece(0, 0, bytes(100)))
    talk.say(PiecesEnd(recipient.tid, 1, 100, (messages.Size(0, 100),)), last=True)
    recipient.fails("protocol_error")


@case(Part.RECIPIENT, "recipient-partial-names", "PIECE-6", "PIECE-7", "REC-6")
def partial_names(recipient: RecipientStage) -> None:
    """A file that is not whole stands under a name that says so; one that is whole stays."""
    talk = receiving(recipient, 50_000, 100_000)
    talk.say(piece(0, 0, bytes(50_000)), piece(1, 0, bytes(60_000)))
    recipient.never(lambda: (recipient.out / "f1").exists(), "f1 has its name already", 0.5)
    talk.link.conn.reset()
    recipient.fails("peer_left", "timeout")
    final = {path: data for path, data in recipient.held().items() if not unfinished(path)}
    expect(final in ({}, {"f0": bytes(50_000)}), f"it holds {sorted(final)}")


@case(Part.RECIPIENT, "recipient-final-before-receipt", "END-3", "END-4", "END-6")
def final_before_receipt(recipient: RecipientStage) -> None:
    """When the Receipt comes, every file stands under its name; then it half-closes."""
    recipient.begin()
    talk = recipient.opened()
    recipient.sent(talk, FILES)
    total = sum(map(len, FILES.values()))
    recipient.end(talk, 1, total)
    receipt, last = talk.control(Receipt)
    expect(recipient.held() == FILES, "the Receipt came before the files were final")
    expect(last and receipt.bytes == total, f"its Receipt is {receipt}")
    expect(not talk.link.ends("its half-close"), "bytes came behind its Receipt")
    expect(not recipient.requests("close"), "it closed before the sender's half-close")
    talk.link.conn.finish()
    recipient.closes("done")
    recipient.succeeds()


@case(Part.RECIPIENT, "recipient-unsent-receipt", "END-10", "END-8")
def unsent_receipt(recipient: RecipientStage) -> None:
    """A Receipt that cannot be sent is no failure: the files are there."""
    recipient.begin()
    talk = recipient.opened()
    recipient.sent(talk, FILES)
    recipient.end(talk, 1, sum(map(len, FILES.values())))
    talk.link.conn.close()
    recipient.ends()
    expect(recipient.held() == FILES, f"it holds {sorted(recipient.held())}")
    status = recipient.run.status() if recipient.run else 1
    expect(status in (0, 7), f"it ended with {status}")


@case(Part.SENDER, "sender-slow-reader", "OFFER-12", "PIECE-2")
def slow_reader(sender: SenderStage) -> None:
    """A recipient that reads slowly gets every byte."""
    files = {"a.bin": bytes(range(256)) * 16_000}
    sender.begin(files)
    talk = sender.seal()
    offer = sender.offer(talk)
    sender.accept(talk, offer, [Span(0, 1)])
    talk.link.conn.unread = True
    sender.never(lambda: False, "", 1.5)
    talk.link.conn.unread = False
    pieces, end = sender.pieces(talk)
    expect(b"".join(one.plain for one in pieces) == files["a.bin"], "the bytes are others")
    sender.receipt(talk, end)
    sender.part(talk)
    sender.succeeds()


@case(Part.RECIPIENT, "recipient-padding-in-pieces", "PAD-1", "MSG-2")
def padding_in_pieces(recipient: RecipientStage) -> None:
    """Padding between pieces is skipped, and counts as no progress."""
    talk = receiving(recipient, 100)
    talk.stream(framed(0x81, bytes(1 << 20)), 1 << 19)
    recipient.never(lambda: recipient.events("done"), "it said that it was done", 0.2)
    moved = [event["bytes"] for event in recipient.events("progress")]
    expect(not moved or max(moved) <= 100, f"it counts padding as progress: {moved}")
    talk.say(piece(0, 0, bytes(100)))
    recipient.end(talk, 1, 100)
    recipient.receipt(talk, 1, 100)
    recipient.succeeds()
