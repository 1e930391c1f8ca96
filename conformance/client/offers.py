"""Offers: what a sender lists, and what a recipient makes of hostile ones."""

from __future__ import annotations

import os
from pathlib import Path

from conformance._case import Part, case, expect
from conformance.client._roles import RecipientStage, SenderStage, file
from conformance.client._talk import Talk, framed, piece
from croc_core.content import Entry, Kind, Span
from croc_core.messages import Accept, Decline, Manifest, OfferEnd, PiecesEnd, Problem

TREE = {
    "a.txt": b"a" * 10,
    "empty.txt": b"",
    "sub/deep/b.bin": b"b" * 70_000,
    "sub/hollow/": b"",
    "sub/\u00fcmlaut \u732b.txt": b"cat",
}


def folder(path: str, size: int = 0) -> Entry:
    """An entry of a folder."""
    return Entry(Kind.DIRECTORY, path, size, {"mode": 0o755})


def link(path: str, target: str | bytes) -> Entry:
    """An entry of a symbolic link."""
    return Entry(Kind.SYMLINK, path, 0, {"target": target})


# ---- what a sender offers


@case(Part.SENDER, "sender-offers-all", "OFFER-1", "OFFER-3", "OFFER-4", "OFFER-6", "OFFER-2")
def offers_all(sender: SenderStage) -> None:
    """An offer lists every file and folder by its path, folders first, counted and summed."""
    sender.begin(TREE)
    talk = sender.seal()
    offer = sender.offer(talk)
    seen: set[str] = set()
    listed = {str(entry.path) for entry in offer.entries}
    for entry in offer.entries:
        path = str(entry.path)
        parts = path.split("/")
        expect(all(part not in ("", ".", "..") for part in parts), f"it offers {path!r}")
        parent = path.rpartition("/")[0]
        expect(parent in seen or parent not in listed, f"{path!r} comes before its folder")
        seen.add(path)
    for name, data in TREE.items():
        found = [e for e in offer.entries if str(e.path).endswith(name.rstrip("/"))]
        expect(len(found) == 1, f"{name} is offered {len(found)} times")
        kind = Kind.DIRECTORY if name.endswith("/") else Kind.FILE
        expect(found[0].kind is kind and found[0].size == len(data), f"{name} as {found[0]}")
    total = sum(entry.size or 0 for entry in offer.entries)
    expect(offer.bytes == total, f"OfferEnd sums {offer.bytes}, not {total}")
    expect(offer.tid != bytes(16), "its tid is zero")


@case(Part.SENDER, "sender-offer-lazy", "OFFER-5")
def offer_lazy(sender: SenderStage) -> None:
    """The code and the offer of a large file come without reading it through."""
    base = sender.make("outgoing", {})
    with (base / "huge.bin").open("wb") as huge:
        huge.truncate(1 << 40)
    sender.launch({"CROC_FILE": str(base / "huge.bin"), "CROC_CODE": "k7w2-otter-lemon-violin"})
    talk = sender.seal()
    offer = sender.offer(talk)
    expect(offer.bytes == 1 << 40, f"it offers {offer.bytes} bytes")
    talk.say(Decline(offer.tid), last=True)
    sender.fails("declined")


@case(Part.SENDER, "sender-waits-for-accept", "OFFER-12", "PIECE-1")
def waits_for_accept(sender: SenderStage) -> None:
    """Between OfferEnd and the end of the Accept nothing comes but signs of life."""
    sender.begin(TREE)
    talk = sender.seal()
    offer = sender.offer(talk)
    sender.accept(talk, offer, [Span(0, 1)], more=True)
    sender.never(lambda: talk.link.conn.inbox, "it sent something before the Accept's end", 1.5)
    sender.accept(talk, offer, [Span(1, len(offer.entries) - 1)])
    sender.receipt(talk, sender.pieces(talk)[1])
    sender.part(talk)
    sender.succeeds()


@case(Part.SENDER, "sender-keeps-to-choice", "OFFER-10", "PIECE-1", "PIECE-2", "END-1")
def keeps_to_choice(sender: SenderStage) -> None:
    """Of what is chosen each byte comes once, in order; of the rest, nothing."""
    sender.begin(TREE)
    talk = sender.seal()
    offer = sender.offer(talk)
    wanted = [n for n, entry in enumerate(offer.entries) if str(entry.path).endswith("b.bin")]
    sender.accept(talk, offer, [Span(wanted[0], 1)])
    pieces, end = sender.pieces(talk)
    expect({one.entry for one in pieces} == set(wanted), "it sent what was not chosen")
    at = 0
    for one in pieces:
        expect(one.offset == at, f"a gap or an overlap at {at}")
        at += one.length
    expect(b"".join(one.plain for one in pieces) == TREE["sub/deep/b.bin"], "other bytes")
    expect((end.entries, end.bytes, end.sizes) == (1, 70_000, ()), f"its totals are {end}")
    sender.receipt(talk, end)
    sender.part(talk)
    sender.succeeds()


@case(Part.SENDER, "sender-declined", "OFFER-11", "EXIT-1")
def declined(sender: SenderStage) -> None:
    """A Decline ends the run as `declined`, and nothing more is sent."""
    sender.begin()
    talk = sender.seal()
    offer = sender.offer(talk)
    talk.say(Decline(offer.tid), last=True)
    sender.fails("declined")
    expect(sender.ends() == 4, "its status is not 4")


def _bad_accept(slug: str, title: str, spans: tuple[Span, ...]) -> None:
    def judge(sender: SenderStage) -> None:
        sender.begin()
        talk = sender.seal()
        sender.accept(talk, sender.offer(talk), spans)
        sender.fails("protocol_error")

    judge.__doc__ = f"An Accept with {title} is a protocol error."
    case(Part.SENDER, f"sender-accept-{slug}", "OFFER-10")(judge)


_bad_accept("beyond", "entries that were not offered", (Span(0, 7),))
_bad_accept("overlap", "spans that overlap", (Span(0, 1), Span(0, 1)))
_bad_accept("huge", "2^31 entries", (Span(0, 1 << 31),))


# ---- what a recipient refuses


HOSTILE: dict[str, str | bytes] = {
    "parent": "../evil.txt",
    "inner-parent": "a/../../evil.txt",
    "absolute": "/tmp/evil.txt",  # noqa: S108
    "empty-component": "a//evil.txt",
    "dot": "./evil.txt",
    "only-dots": "..",
    "empty": "",
    "nul": "evil\0.txt",
    "trailing-slash": "evil/",
}
"""Paths that lead outside, or nowhere; none may be written."""


def _hostile(slug: str, path: str | bytes) -> None:
    def judge(recipient: RecipientStage) -> None:
        recipient.begin()
        talk = recipient.opened()
        _bad_and_good(recipient, talk, file(path, b"evil"))
        outside = [found for found in recipient.path.rglob("evil*") if found.is_file()]
        expect(not outside, f"it wrote {outside}")
        expect(not Path("/tmp/evil.txt").exists(), "it wrote /tmp/evil.txt")  # noqa: S108

    judge.__doc__ = f"A path that is wrong ({slug.replace('-', ' ')}) is left out or refused."
    case(Part.RECIPIENT, f"recipient-path-{slug}", "OFFER-7", "OFFER-4")(judge)


for _slug, _path in HOSTILE.items():
    _hostile(_slug, _path)


def _bad_and_good(recipient: RecipientStage, talk: Talk, *bad: Entry) -> None:
    """Offer bad entries and a good one: all may be refused, or the bad ones left out."""
    recipient.offer(talk, *bad, file("good.txt", b"good"))
    heard = talk.hear("its answer")
    if heard.kind in (Decline.type, Problem.type):
        recipient.fails("declined", "protocol_error", "local_file")
        return
    accept = heard.message
    expect(isinstance(accept, Accept), f"it sent {type(accept).__name__}")
    chosen = [n for span in accept.spans for n in range(span.first, span.first + span.count)]  # type: ignore[attr-defined]
    expect(chosen == [len(bad)], f"it chose {chosen}")
    talk.say(piece(len(bad), 0, b"good"))
    recipient.end(talk, 1, 4)
    recipient.receipt(talk, 1, 4)
    recipient.succeeds()
    expect(recipient.held() == {"good.txt": b"good"}, f"it holds {sorted(recipient.held())}")


@case(Part.RECIPIENT, "recipient-twice-the-same", "OFFER-7")
def twice_the_same(recipient: RecipientStage) -> None:
    """Two entries of one name are not written over each other."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("a.txt", b"first"), file("a.txt", b"other"))
    heard = talk.hear("its answer")
    if heard.kind == Accept.type:
        spans = heard.message.spans  # type: ignore[attr-defined]
        expect(sum(span.count for span in spans) == 1, "it chose both")


@case(Part.RECIPIENT, "recipient-file-as-folder", "OFFER-7")
def file_as_folder(recipient: RecipientStage) -> None:
    """A file below another file of the offer is left out or refused before the first write."""
    recipient.begin()
    talk = recipient.opened()
    _bad_after(recipient, talk, file("good.txt", b"good"), file("good.txt/evil.txt", b"evil"))


def _bad_after(recipient: RecipientStage, talk: Talk, good: Entry, bad: Entry) -> None:
    recipient.offer(talk, good, bad)
    heard = talk.hear("its answer")
    if heard.kind == Accept.type:
        spans = heard.message.spans  # type: ignore[attr-defined]
        chosen = [n for span in spans for n in range(span.first, span.first + span.count)]
        expect(chosen == [0], f"it chose {chosen}")
    else:
        recipient.refuses("declined", "protocol_error", "local_file")


@case(Part.RECIPIENT, "recipient-through-own-link", "OFFER-8", "OFFER-7")
def through_own_link(recipient: RecipientStage) -> None:
    """A file below a link that stands in its folder is not written to where the link leads."""
    target = recipient.make("elsewhere", {})
    recipient.make("incoming", {})
    (recipient.out / "sub").symlink_to(target)
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, folder("sub"), file("sub/evil.txt", b"evil"))
    finish_if_accepted(recipient, talk, {1: b"evil"})
    expect(not list(target.iterdir()), "it wrote through a link of its own disk")


@case(Part.RECIPIENT, "recipient-through-sent-link", "OFFER-7", "OFFER-8")
def through_sent_link(recipient: RecipientStage) -> None:
    """A link of the offer that leads outside is not followed by the offer's other entries."""
    target = recipient.make("elsewhere", {})
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, link("sub", str(target)), file("sub/evil.txt", b"evil"))
    finish_if_accepted(recipient, talk, {1: b"evil"})
    expect(not list(target.iterdir()), "it wrote through a link that was sent")


def finish_if_accepted(recipient: RecipientStage, talk: Talk, data: dict[int, bytes]) -> None:
    """Send what it chooses of *data*, by number, and let it end however it wants."""
    heard = talk.hear("its answer")
    if heard.kind == Accept.type:
        spans = heard.message.spans  # type: ignore[attr-defined]
        chosen = [n for span in spans for n in range(span.first, span.first + span.count)]
        for number in chosen:
            if data.get(number):
                talk.say(piece(number, 0, data[number]))
        recipient.end(talk, len(chosen), sum(len(data.get(n, b"")) for n in chosen))
    talk.link.conn.finish()
    recipient.ends()


@case(Part.RECIPIENT, "recipient-no-overwrite", "OFFER-8")
def no_overwrite(recipient: RecipientStage) -> None:
    """A file that exists is not overwritten because an offer names it."""
    recipient.begin({"a.txt": b"mine"})
    talk = recipient.opened()
    recipient.offer(talk, file("a.txt", b"evil"))
    finish_if_accepted(recipient, talk, {0: b"evil"})
    expect((recipient.out / "a.txt").read_bytes() == b"mine", "a.txt was overwritten")


@case(Part.RECIPIENT, "recipient-no-setuid", "OFFER-8")
def no_setuid(recipient: RecipientStage) -> None:
    """Bits beyond rwxrwxrwx are not set."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("a.sh", b"#!", mode=0o7777), folder("d"), file("d/x", b"", mode=-1))
    finish_if_accepted(recipient, talk, {0: b"#!"})
    for name in ("a.sh", "d", "d/x"):
        path = recipient.out / name
        if path.exists():
            expect(not path.stat().st_mode & 0o7000, f"{name} has {path.stat().st_mode:o}")


@case(Part.RECIPIENT, "recipient-harmless-names", "MSG-6", "OFFER-7")
def harmless_names(recipient: RecipientStage) -> None:
    """Control characters in names reach nobody's screen."""
    from conformance.client.http import EVIL, HARM

    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file(EVIL.replace("/", ""), b"x"), file("good.txt", b"y"))
    finish_if_accepted(recipient, talk, {0: b"x", 1: b"y"})
    assert recipient.run is not None
    text = "".join(recipient.run.output()) + str(
        ["".join(map(str, event.values())) for event in recipient.events()]
    )
    expect(not HARM.search(text), f"it shows {HARM.findall(text)}")


@case(Part.RECIPIENT, "recipient-miscounted", "OFFER-6")
def miscounted(recipient: RecipientStage) -> None:
    """An OfferEnd that miscounts the entries is a protocol error."""
    recipient.begin()
    talk = recipient.opened()
    recipient.tid = os.urandom(16)
    talk.say(Manifest(recipient.tid, (file("a.txt"),)), OfferEnd(recipient.tid, 2, 0))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-wrong-sum", "OFFER-6")
def wrong_sum(recipient: RecipientStage) -> None:
    """An OfferEnd with another sum than that of its entries is a protocol error."""
    recipient.begin()
    talk = recipient.opened()
    recipient.tid = os.urandom(16)
    talk.say(Manifest(recipient.tid, (file("a.txt", b"abc"),)), OfferEnd(recipient.tid, 1, 4))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-sum-overflow", "OFFER-6", "ENC-3")
def sum_overflow(recipient: RecipientStage) -> None:
    """Sizes whose sum is above 2^63-1 are refused, and no memory is taken for them."""
    recipient.begin()
    talk = recipient.opened()
    recipient.tid = os.urandom(16)
    huge = Entry(Kind.FILE, "a", (1 << 63) - 1, {})
    end = OfferEnd(recipient.tid, 2, (1 << 63) - 1)
    talk.say(Manifest(recipient.tid, (huge, Entry(Kind.FILE, "b", 2, {}))), end)
    recipient.refuses("protocol_error", "local_file", "declined")


@case(Part.RECIPIENT, "recipient-no-open", "OFFER-1", "MSG-3")
def no_open(recipient: RecipientStage) -> None:
    """An offer without Open is a protocol error."""
    recipient.begin()
    talk = recipient.seal()
    recipient.offer(talk, file("a.txt", b"abc"))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-second-tid", "OFFER-2", "MSG-5")
def second_tid(recipient: RecipientStage) -> None:
    """A tid in a Manifest that is not the first is a protocol error."""
    recipient.begin()
    talk = recipient.opened()
    recipient.tid = os.urandom(16)
    talk.say(Manifest(recipient.tid, (file("a"),)), Manifest(recipient.tid, (file("b"),)))
    talk.say(OfferEnd(recipient.tid, 2, 0))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-no-tid", "OFFER-2", "MSG-5")
def no_tid(recipient: RecipientStage) -> None:
    """A first Manifest without a tid is a protocol error."""
    recipient.begin()
    talk = recipient.opened()
    talk.say(Manifest(None, (file("a"),)))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-accepts-all", "OFFER-3", "OFFER-10", "END-3", "END-4", "PIECE-6")
def accepts_all(recipient: RecipientStage) -> None:
    """A tree arrives whole: folders, empty files, names of any script."""
    recipient.begin()
    talk = recipient.opened()
    entries = [folder("t"), folder("t/hollow"), file("t/empty"), file("t/\u732b.txt", b"cat")]
    recipient.offer(talk, *entries)
    expect(recipient.accepted(talk) == [0, 1, 2, 3], "it left something out")
    talk.say(piece(3, 0, b"cat"))
    recipient.end(talk, 4, 3)
    recipient.receipt(talk, 4, 3)
    recipient.succeeds()
    expect(recipient.held() == {"t/empty": b"", "t/\u732b.txt": b"cat"}, f"{recipient.held()}")
    expect((recipient.out / "t" / "hollow").is_dir(), "the empty folder is missing")


@case(Part.RECIPIENT, "recipient-decline-is-last", "OFFER-11", "CLOSE-10", "EXIT-1")
def decline_is_last(recipient: RecipientStage) -> None:
    """A Decline is the recipient's last message, and it closes with `declined`."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("../evil.txt", b"evil"))
    heard = talk.hear("its answer")
    if heard.kind == Problem.type:
        expect(heard.last, "its Problem has no last flag")
        recipient.fails("protocol_error")
        return
    expect(heard.kind == Decline.type, f"it sent type {heard.kind:#x}")
    expect(heard.last, "its Decline is not in a record with the last flag")
    talk.link.conn.finish()
    recipient.closes("declined")
    recipient.fails("declined")


@case(Part.RECIPIENT, "recipient-ignores-meta", "ENC-3", "OFFER-3")
def ignores_meta(recipient: RecipientStage) -> None:
    """Keys of meta that it does not know are ignored."""
    recipient.begin()
    talk = recipient.opened()
    recipient.offer(talk, file("a.txt", b"abc", colour="red", weight=7, blob=b"\0"))
    recipient.accepted(talk)
    talk.say(piece(0, 0, b"abc"))
    recipient.end(talk, 1, 3)
    recipient.receipt(talk, 1, 3)
    recipient.succeeds()


@case(Part.RECIPIENT, "recipient-bad-kind", "ENC-3")
def bad_kind(recipient: RecipientStage) -> None:
    """An entry of an unknown kind is a protocol error."""
    recipient.begin()
    talk = recipient.opened()
    tid = b"\xc4\x10" + os.urandom(16)
    talk.say(framed(Manifest.type, b"\x92" + tid + b"\x91\x94\x09\xa1a\x00\x80"))
    recipient.refuses("protocol_error")


@case(Part.RECIPIENT, "recipient-early-end", "MSG-3", "PIECE-1")
def early_end(recipient: RecipientStage) -> None:
    """Pieces before the Accept are a protocol error."""
    recipient.begin()
    talk = recipient.opened()
    recipient.tid = os.urandom(16)
    talk.say(Manifest(recipient.tid, (file("a.txt", b"abc"),)), piece(0, 0, b"abc"))
    talk.say(PiecesEnd(recipient.tid, 1, 3, ()), last=True)
    recipient.refuses("protocol_error")
