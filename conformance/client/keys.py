"""Key agreement: shares, heads, proofs, and the use of the words."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

import msgspec

from conformance._case import Part, case, expect
from conformance.client._both import both
from conformance.client._desk import Answer, Asked
from conformance.client._roles import Party, RecipientStage, SenderStage
from conformance.client._stage import CODE, SECRET
from croc_core.encoding import b64url_decode, b64url_encode, lv_cat, lv_split
from croc_core.handshake import Responder
from croc_core.heads import CapsB, HeadA, HeadB, decode_head, framed, unframed
from croc_core.messages import Open
from croc_core.pake import ALLOWED, HISTORIC

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
    reads(recipient, recipient.start().x, "protocol_error", "relay_refused")


@case(Part.RECIPIENT, "recipient-curve-asked", "HEAD-4", "JOIN-6")
def curve_asked(recipient: RecipientStage) -> None:
    """A recipient whose person asked for one curve takes no other."""
    recipient.desk.open("x25519")
    recipient.begin(CROC_CURVE="p256")
    recipient.desk.put(x=recipient.start().x)
    recipient.fails("relay_refused", "protocol_error")
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
    sender.desk.__init__(sender.net.ports[1:])  # type: ignore[misc]
    sender.until(lambda: len(sender.requests("x")) > 1 or None, "its second x", 20)
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
    made = sender.respond()
    sender.post_y(_with_head(sender, made, pack(head)))


def _with_head(sender: SenderStage, made: Responder, head: bytes) -> Responder:
    """An honest answer over *head*: made by agreeing anew with the same formulas."""
    from croc_core import handshake as h
    from croc_core.pake import suite

    head_a, share_a = unframed(sender.x())
    first = decode_head(head_a, HeadA)
    group = suite(first.suite)
    scalar = group.scalar(os.urandom(group.scalar_length))
    ci = h._ci(sender.desk.channel, group.name)
    share = group.share(scalar, group.generator(SECRET.encode(), ci, first.sid))
    caps = CapsB(1, "aes256gcm", False)
    k = group.agree(scalar, share_a)
    session = h._session(group, k, first, (head_a, share_a), caps, (head, share))
    return Responder(framed(head, share), session.hh_k_wire, session)


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
        made = _with_head(sender, sender.respond(), pack(head))
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
    made = _with_head(sender, sender.respond(), pack([1, "x25519", CAPS_B]) + b"\0")
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


# ---- encodings of x and y

BAD_TEXTS: dict[str, Callable[[str], str]] = {
    "padded": lambda text: text + "=" * (-len(text) % 4 or 4),
    "other-alphabet": lambda text: "+/" + text[2:],
    "cut": lambda text: text[:-3],
    "stray-bits": lambda text: _stray(text),
    "not-minimal": lambda text: _not_minimal(text),
    "trailing": lambda text: b64url_encode(b64url_decode(text) + b"\0"),
    "one-part": lambda text: b64url_encode(lv_cat(b64url_decode(text))),
}


def _stray(text: str) -> str:
    """The same bytes with an unused bit set; where there is none, one byte more first."""
    while len(text) % 4 == 0:
        text = b64url_encode(b64url_decode(text) + b"\0")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1]


def _not_minimal(text: str) -> str:
    """The same parts with a length that is one byte too long."""
    head, share = lv_split(b64url_decode(text), 2)
    return b64url_encode(lv_cat(head) + bytes([len(share) | 0x80, 0]) + share)


def _bad_text(name: str) -> None:
    change = BAD_TEXTS[name]

    def sends(sender: SenderStage) -> None:
        sender.begin()
        made = sender.respond()
        posts(sender, change(made.y), made.hh_k)

    def receives(recipient: RecipientStage) -> None:
        recipient.desk.open("x25519")
        reads(recipient, change(recipient.start().x))

    words = name.replace("-", " ")
    sends.__doc__ = f"A sender refuses a y whose encoding is not the one: {words}."
    receives.__doc__ = f"A recipient refuses an x whose encoding is not the one: {words}."
    rule = "ENC-1" if name in ("padded", "other-alphabet", "stray-bits") else "ENC-2"
    case(Part.SENDER, f"sender-refuses-y-{name}", rule)(sends)
    case(Part.RECIPIENT, f"recipient-refuses-x-{name}", rule)(receives)


for _name in BAD_TEXTS:
    _bad_text(_name)


# ---- shares that a liar sends


def _share(name: str, curve: str, rule: str, make: Any) -> None:
    """Judge both roles with a share that *make* makes of the subject's own or an honest one."""
    env: dict[str, Any] = {"CROC_CURVE": curve}

    def sends(sender: SenderStage) -> None:
        sender.begin(**env)
        mine = unframed(sender.x())[1]
        head, honest = unframed(sender.respond().y)
        posts(sender, framed(head, make(honest, mine)))

    def receives(recipient: RecipientStage) -> None:
        recipient.desk.open(curve)
        made = recipient.start()
        recipient.begin(**env)
        recipient.desk.put(x=framed(made.head, make(made.share, made.share)))
        recipient.fails("protocol_error")
        expect(not recipient.requests("y"), "it answered")

    title = f"refuses a share on {curve}: {name.replace('-', ' ')}."
    sends.__doc__, receives.__doc__ = f"A sender {title}", f"A recipient {title}"
    case(Part.SENDER, f"sender-refuses-{curve}-{name}", rule)(sends)
    if name != "reflected":
        case(Part.RECIPIENT, f"recipient-refuses-{curve}-{name}", rule)(receives)


def _off_curve(share: bytes, _: bytes) -> bytes:
    return share[:-1] + bytes([share[-1] ^ 1])


def _above_p(share: bytes, _: bytes) -> bytes:
    half = (len(share) - 1) // 2
    return b"\4" + b"\xff" * half + share[1 + half :]


for _curve_name in ("x25519", "p256", "siec"):
    _share("short", _curve_name, "PAKE-4", lambda share, _: share[:-1])
    _share("long", _curve_name, "PAKE-4", lambda share, _: share + b"\0")
    _share("reflected", _curve_name, "PAKE-7", lambda _, mine: mine)
for _curve_name in ("p256", "p521", "siec"):
    _share("compressed", _curve_name, "PAKE-4", lambda share, _: b"\2" + share[1:])
    _share("off-curve", _curve_name, "PAKE-5", _off_curve)
    _share("above-p", _curve_name, "PAKE-5", _above_p)
_share("zero", "x25519", "PAKE-6", lambda share, _: bytes(32))
_share("order-eight", "x25519", "PAKE-6", lambda share, _: bytes.fromhex(
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"))  # fmt: skip


@case(Part.SENDER, "sender-refuses-reflected-top-bit", "PAKE-7")
def reflected_top_bit(sender: SenderStage) -> None:
    """A sender refuses its own share sent back with bit 255 set: it is the same point."""
    sender.begin()
    mine = unframed(sender.x())[1]
    head = unframed(sender.respond().y)[0]
    posts(sender, framed(head, mine[:-1] + bytes([mine[-1] | 0x80])))


@case(Part.SENDER, "sender-takes-top-bit", "PAKE-6", "HEAD-3")
def takes_top_bit(sender: SenderStage) -> None:
    """A share on x25519 with bit 255 set is taken as RFC 7748 says, and bound as it came."""
    from croc_core import handshake as h
    from croc_core.pake import suite

    sender.begin()
    head_a, share_a = unframed(sender.x())
    first, group = decode_head(head_a, HeadA), suite("x25519")
    scalar = group.scalar(os.urandom(32))
    gen = group.generator(SECRET.encode(), h._ci(sender.desk.channel, "x25519"), first.sid)
    share = group.share(scalar, gen)
    share = share[:-1] + bytes([share[-1] | 0x80])
    head, caps = pack([1, "x25519", CAPS_B]), CapsB(1, "aes256gcm", False)
    k = group.agree(scalar, share_a)
    session = h._session(group, k, first, (head_a, share_a), caps, (head, share))
    sender.post_y(Responder(framed(head, share), session.hh_k_wire, session))
    h_k = sender.request("h_k").body["h_k"]
    expect(h_k == session.h_k_wire, "its h_k is not that of docs/protocol.md")


# ---- proofs


@case(Part.SENDER, "sender-wrong-code", "KEY-2", "KEY-6", "WORDS-2", "WORDS-5", "CLOSE-10")
def sender_wrong_code(sender: SenderStage) -> None:
    """A sender whose recipient typed another secret aborts, and proves and sends nothing."""
    sender.begin()
    sender.post_y(sender.respond(WRONG))
    sender.closes("wrong_code")
    sender.fails("wrong_code")
    expect(not sender.requests("h_k"), "it posted h_k")
    expect(not sender.early_links and not sender.links, "it dialled a data port")
    _told_burnt(sender)


@case(Part.RECIPIENT, "recipient-false-proof", "KEY-3", "KEY-6", "WORDS-5", "CLOSE-10")
def false_proof(recipient: RecipientStage) -> None:
    """A recipient that reads a false H(k) bails, and dials and writes nothing."""
    recipient.begin()
    recipient.answer()
    recipient.desk.put(h_k=b64url_encode(os.urandom(32)))
    recipient.closes("wrong_code")
    recipient.refuses("wrong_code")
    expect(not recipient.links, "it dialled a data port")
    _told_burnt(recipient)


@case(Part.RECIPIENT, "recipient-reflected-proof", "KEY-3")
def reflected_proof(recipient: RecipientStage) -> None:
    """A relay that gives H(H(k)) back as H(k) proves nothing."""
    recipient.begin()
    recipient.desk.put(h_k=recipient.answer().hh_k_wire)
    recipient.fails("wrong_code")


@case(Part.SENDER, "sender-guessed-hash", "KEY-2")
def guessed_hash(sender: SenderStage) -> None:
    """A relay that swaps one bit of the recipient's proof ends the run."""
    sender.begin()
    made = sender.respond()
    proof = bytearray(b64url_decode(made.hh_k))
    proof[7] ^= 1
    posts(sender, made.y, b64url_encode(bytes(proof)), "wrong_code")


@case(Part.SENDER, "sender-other-channel-proof", "PAKE-1", "KEY-2")
def other_channel(sender: SenderStage) -> None:
    """An answer made for another channel's name does not confirm, though the words are right."""
    sender.begin()
    sender.x()
    name, sender.desk.channel = sender.desk.channel, "zzzz"
    made = sender.respond()
    sender.desk.channel = name
    posts(sender, made.y, made.hh_k, "wrong_code")


@case(Part.RECIPIENT, "recipient-other-code", "KEY-6", "WORDS-3", "WORDS-5")
def other_code(recipient: RecipientStage) -> None:
    """A recipient that typed another secret than the sender's sends one Y and writes nothing."""
    recipient.begin(code=f"{CODE.partition('-')[0]}-{WRONG}")
    recipient.post_x(recipient.start())
    recipient.request("y")
    recipient.desk.closed = "sender", "wrong_code"
    recipient.desk.seq += 1
    recipient.refuses("wrong_code")
    expect(len({asked.body["y"] for asked in recipient.requests("y")}) == 1, "it tried again")
    _told_burnt(recipient)


def _told_burnt(party: Party) -> None:
    """The person is told that the code is used up, and not to try it again."""
    told = party.events("error")
    text = " ".join(f"{event.get('message')} {event.get('hint')}" for event in told).lower()
    expect(not told or "new" in text, f"nobody says that a new code is needed: {text}")


# ---- the words are used once


@case(Part.SENDER, "sender-first-y-final", "WORDS-1", "WORDS-2")
def first_y_final(sender: SenderStage) -> None:
    """The first Y is final: a second, right one, does not mend a first wrong one."""
    sender.begin()
    right, wrong = sender.respond(), sender.respond(WRONG)
    sender.post_y(wrong)
    sender.until(lambda: sender.requests("close") or None, "its close", outlives=True)
    sender.desk.put(y=right.y, hh_k=right.hh_k)
    sender.desk.closed = None
    sender.fails("wrong_code")
    expect(not sender.requests("h_k"), "it evaluated a second y")


@case(Part.SENDER, "sender-y-swapped", "WORDS-1")
def y_swapped(sender: SenderStage) -> None:
    """A Y that the relay swaps after it was read is ignored."""
    sender.begin()
    made = sender.respond()
    sender.post_y(made)
    sender.request("h_k")
    sender.desk.put(y=sender.respond(WRONG).y)
    sender.link()


@case(Part.RECIPIENT, "recipient-first-x-final", "WORDS-1", "WORDS-3")
def first_x_final(recipient: RecipientStage) -> None:
    """The first X is final: a second one, by a relay that tries again, gets no second Y."""
    recipient.begin()
    recipient.post_x(recipient.start(WRONG))
    recipient.request("y")
    recipient.desk.put(x=recipient.start().x, y=None, hh_k=None)
    recipient.never(
        lambda: len({asked.body["y"] for asked in recipient.requests("y")}) > 1,
        "it sent a second y",
        1.5,
    )


@case(Part.RECIPIENT, "recipient-one-y", "WORDS-3", "WORDS-4")
def one_y(recipient: RecipientStage) -> None:
    """A recipient that has sent its Y joins no channel with the words again, whatever happens."""
    recipient.begin()
    recipient.answer()
    first = recipient.desk.channel
    recipient.desk.forget()
    recipient.until(lambda: recipient.run and recipient.run.status() is not None, "its end",
                    20, outlives=True)  # fmt: skip
    again = [asked for asked in recipient.requests("role", path="/join")
             if asked.body.get("channel") == first]  # fmt: skip
    expect(len(again) == 1, "it joined the channel of the words again")
    expect(len(recipient.requests("y")) == 1, "it sent more than one y")
    recipient.fails()


@case(Part.SENDER, "sender-no-second-answer", "WORDS-4", "WORDS-2")
def no_second_answer(sender: SenderStage) -> None:
    """A sender that has read a Y does not open the channel of the words again."""
    sender.begin()
    sender.confirm()
    name = sender.desk.channel
    sender.desk.forget()
    sender.until(lambda: sender.run and sender.run.status() is not None, "its end",
                 20, outlives=True)  # fmt: skip
    joins = [asked for asked in sender.requests("role", path="/join")
             if asked.body.get("channel") == name]  # fmt: skip
    expect(len(joins) == 1, "it opened the channel of the words again")
    sender.fails()


@case(Part.SENDER, "sender-commitment", "VERIFY-1", "OFFER-1")
def commitment(sender: SenderStage) -> None:
    """What opens the commitment is in nothing that the sender sends before Open."""
    seen: list[bytes] = []

    def look(asked: Asked, answer: Answer) -> Answer:
        seen.append(asked.raw)
        return answer

    sender.lie = look
    sender.begin()
    talk = sender.seal()
    opened = talk.hear("its Open").message
    vn = opened.vn  # type: ignore[attr-defined]
    commit = decode_head(unframed(sender.x())[0], HeadA).commit
    made = hashlib.sha256(lv_cat(b"croc-core/1", b"verifier-commit", vn)).digest()
    expect(made == commit, "its Open does not fit the commit of its head")
    posted = [b64url_decode(sender.x()), b64url_decode(str(sender.requests("h_k")[0].body["h_k"]))]
    expect(not any(vn in data for data in (*posted, *seen)), "vn was sent before Open")


@case(Part.RECIPIENT, "recipient-commitment", "VERIFY-2")
def false_commitment(recipient: RecipientStage) -> None:
    """An Open that does not fit the commit of the head is a protocol error."""
    recipient.begin()
    talk = recipient.seal()
    talk.say(Open(os.urandom(32)))
    recipient.refuses("protocol_error")
