"""Liars about resume, redials and compression: each honest side ends typed, or does what is right.

A lie that only the liar is hurt by may be taken; what is then written must be right all the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from conformance._case import Part, case, expect
from conformance.client._meet import DATA, LARGE, again, lost, middle
from conformance.client._resume import BLOCK, THREE_BLOCKS, digests_of, pour, resumed
from conformance.client._roles import RecipientStage, SenderStage, file, unfinished
from conformance.client._talk import Talk, piece
from conformance.client.offers import finish_if_accepted
from croc_core.content import Span
from croc_core.handshake import resume_key
from croc_core.messages import (
    Accept,
    Continue,
    Digests,
    Held,
    Manifest,
    OfferEnd,
    Open,
    Range,
    Want,
)

# ---- a sender that lies about what is held


def _false_digests(slug: str, title: str, make: Callable[[Talk, bytes, int], object]) -> None:
    def judge(recipient: RecipientStage) -> None:
        talk, length = resumed(recipient)
        make(talk, recipient.tid, length)
        recipient.fails("protocol_error")
        expect(not (recipient.out / "a.bin").exists(), "it made a file of that")

    judge.__doc__ = f"Digests {title} are a protocol error."
    case(Part.RECIPIENT, f"recipient-digests-{slug}", "RESUME-2", "MSG-3")(judge)


_ANY = (bytes(32),)
_false_digests("order", "out of order", lambda t, tid, _: t.say(Digests(tid, 0, 1, _ANY)))
_false_digests("unheld", "of an entry that is not held", lambda t, tid, _: t.say(
    Digests(tid, 1, 0, _ANY)))  # fmt: skip
_false_digests("more", "of more blocks than are held", lambda t, tid, length: t.say(
    Digests(tid, 0, 0, _ANY * (length // BLOCK + 2))))  # fmt: skip
_false_digests("tid", "of another offer", lambda t, _, __: t.say(Digests(bytes(16), 0, 0, _ANY)))
_false_digests("none", "that are none", lambda t, tid, _: t.say(Digests(tid, 0, 0, ())))


@case(Part.RECIPIENT, "recipient-digests-unasked", "RESUME-5", "MSG-3")
def digests_unasked(recipient: RecipientStage) -> None:
    """Digests though nothing is held are a protocol error."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("a.bin", DATA))
    recipient.accepted(talk)
    talk.say(Digests(recipient.tid, 0, 0, _ANY))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-digests-false", "RESUME-3", "RESUME-6")
def digests_false(recipient: RecipientStage) -> None:
    """A block whose digest differs is wanted anew, and the file comes to be what is sent."""
    talk, length = resumed(recipient)
    right = digests_of(resume_key(talk.session), THREE_BLOCKS[:length])
    talk.say(Digests(recipient.tid, 0, 0, (right[0], *(bytes(32) for _ in right[1:]))))
    want, _ = talk.control(Want)
    expect(want.ranges == (Range(0, BLOCK, 2 * BLOCK),), f"it wants {want.ranges}")
    pour(talk, BLOCK, 3 * BLOCK)
    recipient.end(talk, 1, len(THREE_BLOCKS))
    recipient.receipt(talk, 1, len(THREE_BLOCKS))
    recipient.succeeds()
    expect((recipient.out / "a.bin").read_bytes() == THREE_BLOCKS, "the file is another")


@case(Part.RECIPIENT, "recipient-unwanted-piece", "PIECE-4", "REDIAL-5")
def unwanted_piece(recipient: RecipientStage) -> None:
    """A piece of what it holds already, behind its Want, is refused."""
    first = middle(recipient)
    first.link.conn.finish()  # an end that comes behind all bytes, where a reset overtakes them
    talk = again(recipient, first)
    talk.say(Open(recipient.initiator.vn.reveal), Continue(recipient.tid))
    want, _ = talk.control(Want)
    expect(want.ranges[0].offset > 0, "it holds nothing of what came")
    talk.say(piece(0, 0, b"x" * 100))
    recipient.refuses("protocol_error")


# ---- a sender that lies about what goes on


@case(Part.RECIPIENT, "recipient-continue-foreign", "MSG-5", "REDIAL-3")
def continue_foreign(recipient: RecipientStage) -> None:
    """Continue with a tid that was never accepted is a protocol error."""
    talk = again(recipient, lost(recipient))
    talk.say(Open(recipient.initiator.vn.reveal), Continue(os.urandom(16)))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-continue-first", "MSG-3", "REDIAL-6")
def continue_first(recipient: RecipientStage) -> None:
    """Continue where nothing was accepted is a protocol error."""
    recipient.begin()
    recipient.opened().say(Continue(os.urandom(16)))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-redial-other-open", "VERIFY-2", "OFFER-1")
def redial_other_open(recipient: RecipientStage) -> None:
    """An Open on a redial that does not fit the commit is a protocol error, as on the first."""
    talk = again(recipient, lost(recipient))
    talk.say(Open(bytes(32)), Continue(recipient.tid))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-new-offer-old-tid", "OFFER-2", "REDIAL-3")
def new_offer_old_tid(recipient: RecipientStage) -> None:
    """A new offer with the tid of the one before is a protocol error."""
    talk = again(recipient, lost(recipient))
    end = OfferEnd(recipient.tid, 1, 3)
    talk.say(
        Open(recipient.initiator.vn.reveal), Manifest(recipient.tid, (file("b", b"abc"),)), end
    )
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-second-offer", "REDIAL-4", "OFFER-7", "OFFER-8")
def second_offer(recipient: RecipientStage) -> None:
    """An offer that comes after the person's yes is judged as the first one was."""
    talk = again(recipient, lost(recipient))
    (recipient.out / "mine.txt").write_bytes(b"mine")
    talk.say(Open(recipient.initiator.vn.reveal))
    evil = {"../evil.txt": b"evil", "/etc/evil.txt": b"evil", "mine.txt": b"evil"}
    recipient.offer(talk, *(file(path, data) for path, data in evil.items()))
    finish_if_accepted(recipient, talk, dict.fromkeys(range(len(evil)), b"evil"))
    expect(not (recipient.path / "evil.txt").exists(), "it wrote outside its folder")
    held = {path: data for path, data in recipient.held().items() if not unfinished(path)}
    expect(held == {"mine.txt": b"mine"}, f"it holds {sorted(held)}")


# ---- a recipient that lies


def _false_want(slug: str, title: str, *ranges: Range) -> None:
    def judge(sender: SenderStage) -> None:
        talk = again(sender, lost(sender))
        talk.control(Open)
        if talk.hear("Continue").kind != Continue.type:
            return
        talk.say(Want(sender.in_hand.tid, ranges, False))
        sender.fails("protocol_error")

    judge.__doc__ = f"A Want of {title} is a protocol error."
    case(Part.SENDER, f"sender-want-{slug}", "REDIAL-5", "MSG-4")(judge)


_false_want("unchosen", "an entry that was not chosen", Range(7, 0, 10))
_false_want("beyond", "more than the file has", Range(0, 0, len(LARGE) + 1))
_false_want("far", "an offset behind the end", Range(0, len(LARGE) + 5, 1))
_false_want("overlap", "ranges that overlap", Range(0, 0, 100), Range(0, 50, 100))
_false_want("falling", "ranges in falling order", Range(0, 500, 100), Range(0, 0, 100))


@case(Part.SENDER, "sender-want-tid", "MSG-5", "REDIAL-5")
def want_tid(sender: SenderStage) -> None:
    """A Want of another offer is a protocol error."""
    talk = again(sender, lost(sender))
    talk.control(Open)
    talk.say(Want(os.urandom(16), (Range(0, 0, 10),), False))
    sender.fails("protocol_error")


@case(Part.SENDER, "sender-want-unasked", "RESUME-5", "MSG-3")
def want_unasked(sender: SenderStage) -> None:
    """A Want though nothing is held, and nothing was lost, is a protocol error."""
    talk = middle(sender)
    talk.link.conn.unread = False
    talk.say(Want(sender.in_hand.tid, (Range(0, 0, 10),), False))
    sender.fails("protocol_error", "unconfirmed")


def _false_held(slug: str, title: str, *held: Held, spans: tuple[Span, ...] = ()) -> None:
    def judge(sender: SenderStage) -> None:
        sender.begin({"a.bin": DATA, "b.bin": DATA})
        talk = sender.seal()
        offer = sender.offer(talk)
        sender.accept(talk, offer, spans or None, held=held)
        sender.fails("protocol_error")

    judge.__doc__ = f"An Accept that holds {title} is a protocol error."
    case(Part.SENDER, f"sender-held-{slug}", "RESUME-1", "MSG-4")(judge)


_false_held("twice", "an entry twice", Held(1, 5), Held(1, 5))
_false_held("falling", "entries in falling order", Held(2, 5), Held(1, 5))
_false_held("stranger", "an entry that was not offered", Held(9, 5))
_false_held("unchosen", "an entry that it does not choose", Held(2, 5), spans=(Span(0, 2),))
_false_held("folder", "bytes of a folder", Held(0, 5))


@case(Part.SENDER, "sender-split-accept-differs", "OFFER-10", "MSG-4")
def split_accept_differs(sender: SenderStage) -> None:
    """Parts of an Accept that name different codecs or connections are a protocol error."""
    sender.begin({"a.bin": DATA, "b.bin": DATA})
    talk = sender.seal()
    offer = sender.offer(talk)
    talk.say(Accept(offer.tid, (Span(0, 1),), (0, 2), 1, (), True))
    talk.say(Accept(offer.tid, (Span(1, 1),), (0, 1, 2), 2, (), False))
    sender.fails("protocol_error")


# ---- compressed pieces

_MAGIC = bytes.fromhex("28b52ffd")
BLOCK_MOST = 128 << 10


def frame(plain: bytes, repeat: int = 0) -> bytes:
    """A Zstandard frame (RFC 8878): *plain* as it is, then *repeat* bytes of zero, in runs.

    Its window is 2 MiB, and it does not say how long it is.
    """
    sizes = [BLOCK_MOST] * (repeat // BLOCK_MOST) + [repeat % BLOCK_MOST]
    blocks = [(0, len(plain), plain), *((1, size, b"\0") for size in sizes if size)]
    made = [
        ((n == len(blocks) - 1) | kind << 1 | size << 3).to_bytes(3, "little") + data
        for n, (kind, size, data) in enumerate(blocks)
    ]
    return _MAGIC + b"\x00\x58" + b"".join(made)


def _zstd(length: int, data: bytes) -> bytes:
    return piece(0, 0, length.to_bytes(4, "big") + data, 1)


@case(Part.RECIPIENT, "recipient-zstd", "CODEC-2", "PIECE-3")
def zstd(recipient: RecipientStage) -> None:
    """Where it names zstd, a frame that is right stands for its bytes; else it is refused."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("a.bin", b"plain" + bytes(300_000)))
    recipient.accepted(talk)
    talk.say(_zstd(300_005, frame(b"plain", 300_000)))
    if 1 not in recipient.codecs:
        recipient.refuses("protocol_error")
        return
    recipient.end(talk, 1, 300_005)
    recipient.receipt(talk, 1, 300_005)
    recipient.succeeds()
    expect(recipient.held() == {"a.bin": b"plain" + bytes(300_000)}, "the file is another")


def _bad_zstd(slug: str, title: str, length: int, data: bytes) -> None:
    def judge(recipient: RecipientStage) -> None:
        recipient.begin()
        talk = recipient.opened()
        recipient.offer(talk, file("a.bin", bytes(2 << 20)))
        recipient.accepted(talk)
        talk.stream(_zstd(length, data), 1 << 19)
        recipient.refuses("protocol_error")

    judge.__doc__ = f"A compressed piece {title} is refused."
    case(Part.RECIPIENT, f"recipient-zstd-{slug}", "CODEC-2", "PIECE-4")(judge)


_bad_zstd("bomb", "that grows to a gibibyte", 1 << 20, frame(b"x", 1 << 30))
_bad_zstd("longer", "of one byte more than it says", 99, frame(b"x", 99))
_bad_zstd("shorter", "of one byte less than it says", 101, frame(b"x", 99))
_bad_zstd("nothing", "that says to have no bytes", 0, frame(b""))
_bad_zstd("large", "that says to have more than 1 MiB", (1 << 20) + 1, frame(b"x", 1 << 20))
_bad_zstd("cut", "whose frame is cut", 100, frame(b"x", 99)[:-1])
_bad_zstd("trailing", "with bytes behind its frame", 100, frame(b"x", 99) + b"\0")
_bad_zstd("two", "of two frames", 100, frame(b"x" * 50) * 2)
_bad_zstd("garbage", "that is no frame", 100, bytes(50))
_bad_zstd("beyond", "that passes its entry's size", 1 << 20, frame(b"x" * 5, 1 << 20))
_RUN = (1 | 1 << 1 | 100 << 3).to_bytes(3, "little") + b"\0"
_bad_zstd("window", "that wants a window of 64 GiB", 100, _MAGIC + b"\x00\xd0" + _RUN)
_bad_zstd("dictionary", "that wants a dictionary", 100, _MAGIC + b"\x01\x58\x07" + _RUN)
