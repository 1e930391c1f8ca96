"""Key agreement: curves, keys and heads."""

from __future__ import annotations

from typing import Any

from conformance._case import Part, case, expect
from conformance.client._agree import CAPS_A, CAPS_B, pack, posts, reads, with_head
from conformance.client._both import both
from conformance.client._roles import Party, RecipientStage, SenderStage
from croc_core.encoding import b64url_encode
from croc_core.handshake import Responder
from croc_core.heads import HeadA, HeadB, decode_head, framed, unframed
from croc_core.pake import ALLOWED, HISTORIC

# ---- the honest way


@case(Part.SENDER, "sender-keys", "PAKE-1", "KEY-1", "KEY-2", "HEAD-3", "ENC-1", "ENC-2", "ENC-3")
def sender_keys(sender: SenderStage) -> None:
    """A sender derives the keys of the document: its proof fits, and its records open."""
    sender.begin()
    sender.whole()


@case(Part.RECIPIENT, "recipient-keys", "PAKE-1", "KEY-1", "KEY-4", "HEAD-3")
def recipient_keys(recipient: RecipientStage) -> None:
    """A recipient derives the keys of the document, and posts H(H(k)) but never H(k)."""
    recipient.begin()
    session = recipient.confirm()
    recipient.link()
    for asked in recipient.asked:
        expect("h_k" not in asked.body, "it posted h_k")
        expect(session.h_k_wire not in asked.raw.decode(), "it shows H(k)")


def _curve(name: str) -> None:
    asks = "by name" if name in HISTORIC else "where a person asks for it"
    title = f"takes part in {name} {asks}"

    def sends(sender: SenderStage) -> None:
        sender.begin(CROC_CURVE=name)
        expect(sender.request("role", path="/join").body.get("curve") == name, "another curve")
        sender.whole()

    def receives(recipient: RecipientStage) -> None:
        recipient.desk.open(name)
        curve: dict[str, Any] = {"CROC_CURVE": name} if name in HISTORIC else {}
        recipient.begin(**curve)
        recipient.whole()

    sends.__doc__ = f"A sender {title}."
    receives.__doc__ = f"A recipient {title}." if name in HISTORIC else f"It takes part in {name}."
    rules = ("SUITE-3", "PAKE-1", "PAKE-3")
    case(Part.SENDER, f"sender-curve-{name}", *rules)(sends)
    case(Part.RECIPIENT, f"recipient-curve-{name}", "SUITE-2", *rules)(receives)


for _name in (*ALLOWED, *HISTORIC):
    _curve(_name)


@case(Part.SENDER, "sender-default-curve", "SUITE-1")
def default_curve(sender: SenderStage) -> None:
    """A sender uses x25519 where its person asks for nothing else."""
    sender.begin()
    head, share = unframed(sender.x())
    expect(sender.desk.curve == "x25519", f"it joined with {sender.desk.curve}")
    expect(decode_head(head, HeadA).suite == "x25519", "its head names another curve")
    expect(len(share) == 32, f"its share has {len(share)} bytes")


@case(Part.RECIPIENT, "recipient-historic-curve", "SUITE-2", "HEAD-4")
def historic_curve(recipient: RecipientStage) -> None:
    """A recipient takes no part in a historic curve that its person did not name."""
    recipient.desk.open("siec")
    reads(recipient, recipient.start().x, "protocol_error", "relay_refused", "declined")


@case(Part.RECIPIENT, "recipient-curve-asked", "HEAD-4", "JOIN-6")
def curve_asked(recipient: RecipientStage) -> None:
    """A recipient whose person asked for one curve takes no other."""
    recipient.desk.open("x25519")
    recipient.begin(CROC_CURVE="p256")
    recipient.desk.put(x=recipient.start().x)
    recipient.fails("relay_refused", "protocol_error", "declined")
    expect(not recipient.requests("y"), "it answered on another curve")


# ---- heads


@case(Part.SENDER, "sender-head", "HEAD-1", "HEAD-2", "AEAD-1", "VERIFY-1", "PAKE-2")
def sender_head(sender: SenderStage) -> None:
    """A sender's head has the layout, a known cipher, and sid, commit and share of its own."""
    sender.begin()
    head, share = unframed(sender.x())
    expect(len(head) <= 1024, f"its head has {len(head)} bytes")
    first = decode_head(head, HeadA)
    known = {"aes256gcm", "chacha20poly1305"} & set(first.caps.aead)
    expect(known, f"it offers no cipher of the document, but {first.caps.aead}")
    expect(len({first.sid, first.commit, share}) == 3, "sid, commit and share are the same")
    expect(any(first.sid) and any(first.commit), "sid or commit is zero")


@case(Part.SENDER, "sender-fresh", "HEAD-1", "PAKE-2", "WORDS-6")
def sender_fresh(sender: SenderStage) -> None:
    """A sender whose channel vanished opens it again with sid, commit and share that are new."""
    sender.begin()
    first, share = unframed(sender.x())
    sender.restart_relay()
    sender.until(lambda: len(sender.requests("x")) > 1 or None, "its second x")
    joins = sender.requests("role", path="/join")
    expect(joins[-1].body.get("channel") == sender.desk.channel, "it opened another name")
    second, again = unframed(sender.requests("x")[-1].body["x"])
    one, two = decode_head(first, HeadA), decode_head(second, HeadA)
    expect(one.sid != two.sid and one.commit != two.commit, "sid or commit is the old one")
    expect(share != again, "its share is the old one")
    sender.whole()


@case(Part.RECIPIENT, "recipient-head", "HEAD-2", "HEAD-5", "PAKE-2")
def recipient_head(recipient: RecipientStage) -> None:
    """A recipient picks one AEAD of those that the sender offers."""
    recipient.begin()
    recipient.post_x(recipient.start(aeads=("rot13", "chacha20poly1305")))
    head, share = unframed(str(recipient.request("y").body["y"]))
    caps = decode_head(head, HeadB).caps
    expect(caps.aead == "chacha20poly1305", f"it picked {caps.aead}")
    expect(len(head) <= 1024 and len(share) == 32, "its head or share has another length")
    recipient.whole()


@case(Part.RECIPIENT, "recipient-no-aead", "HEAD-5")
def no_aead(recipient: RecipientStage) -> None:
    """A recipient that has none of the offered AEADs ends."""
    recipient.desk.open("x25519")
    reads(recipient, recipient.start(aeads=("rot13",)).x)


@both("other-caps", "HEAD-2")
def other_caps(party: Party) -> None:
    """Caps that it does not know are ignored, but bound."""
    party.begin()
    if isinstance(party, SenderStage):
        _answer_with(party, [1, "x25519", {**CAPS_B, "tune": 7, "x": [1]}])
    else:
        assert isinstance(party, RecipientStage)
        party.post_x(_sealed_head(party, {**CAPS_A, "tune": 7, "x": [1]}))
    party.whole() if isinstance(party, RecipientStage) else party.link()


def _answer_with(sender: SenderStage, head: Any) -> None:
    """Answer with a head of one's own, honestly computed."""
    sender.post_y(with_head(sender, pack(head)))


def _sealed_head(recipient: RecipientStage, caps: dict[str, Any]) -> Any:
    """An honest X over a head with other caps."""
    made = recipient.start()
    sid, commit = decode_head(made.head, HeadA)[2:4]
    head = pack([1, "x25519", sid, commit, caps])
    return type(made)(
        made.suite, framed(head, made.share), sid, head, made.share, made.offer, made.vn,
        made.scalar,
    )  # fmt: skip


BAD_HEADS: dict[str, Any] = {
    "not-array": {"a": 1},
    "too-short": [1, "x25519"],
    "wrong-type": [1, 25519, CAPS_B],
    "no-caps": [1, "x25519", {}],
    "too-many-caps": [1, "x25519", {**CAPS_B, **{f"k{n}": n for n in range(40)}}],
    "too-long": [1, "x25519", {**CAPS_B, "pad": "p" * 1100}],
    "other-curve": [1, "p256", CAPS_B],
    "aead-not-offered": [1, "x25519", {**CAPS_B, "aead": "rot13"}],
    "aead-missing": [1, "x25519", {"version": 1, "verify": False}],
}
"""Heads of a recipient that a sender must refuse; what is wrong with each stands in its name."""
_RULES = {"other-curve": "HEAD-6", "aead-not-offered": "HEAD-6", "aead-missing": "HEAD-6"}


def _bad_head(name: str, head: Any) -> None:
    def judge(sender: SenderStage) -> None:
        sender.begin()
        made = with_head(sender, pack(head))
        posts(sender, made.y, made.hh_k)

    judge.__doc__ = f"A sender refuses a head that is wrong: {name.replace('-', ' ')}."
    rule = _RULES.get(name, "HEAD-2")
    case(Part.SENDER, f"sender-refuses-head-{name}", rule, "ENC-3")(judge)


for _name, _head in BAD_HEADS.items():
    _bad_head(_name, _head)


@case(Part.SENDER, "sender-head-trailing", "ENC-3", "HEAD-3")
def head_trailing(sender: SenderStage) -> None:
    """A sender refuses a head with bytes behind its value."""
    sender.begin()
    made = with_head(sender, pack([1, "x25519", CAPS_B]) + b"\0")
    posts(sender, made.y, made.hh_k)


@case(Part.RECIPIENT, "recipient-head-trailing", "ENC-3", "HEAD-3")
def x_head_trailing(recipient: RecipientStage) -> None:
    """A recipient refuses a head with bytes behind its value."""
    recipient.desk.open("x25519")
    made = recipient.start()
    reads(recipient, framed(made.head + b"\0", made.share))


@case(Part.RECIPIENT, "recipient-curves-differ", "HEAD-4")
def curves_differ(recipient: RecipientStage) -> None:
    """A recipient refuses an x whose curve is not the one that the relay names."""
    recipient.desk.open("x25519")
    made = recipient.start()
    recipient.desk.curve = "p256"
    reads(recipient, made.x)


@both("head-other-version", "HEAD-7", "VER-3", "VER-4")
def head_other_version(party: Party) -> None:
    """A head of another version ends the run as `version`, naming both."""
    party.begin()
    if isinstance(party, SenderStage):
        party.x()
        y = framed(pack([2, "what", "ever"]), b"share")
        party.post_y(Responder(y, b64url_encode(bytes(32)), None))  # type: ignore[arg-type]
    else:
        party.desk.put(x=framed(pack([2, "what", "ever"]), b"share"))
    party.fails("version")
    party.closes("failed")
    text = "".join(str(event.get("message")) for event in party.events("error"))
    expect(not text or ("1" in text and "2" in text), f"it does not name both versions: {text}")
