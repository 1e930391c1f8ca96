"""Key agreement: how x and y are encoded, and shares that a liar sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance._case import Part, case, expect
from conformance.client._agree import CAPS_B, pack, posts, reads, with_head
from conformance.client._roles import RecipientStage, SenderStage
from croc_core.encoding import b64url_decode, b64url_encode, lv_cat, lv_split
from croc_core.heads import framed, unframed

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
    sender.begin()
    head = pack([1, "x25519", CAPS_B])
    made = with_head(sender, head, lambda share: share[:-1] + bytes([share[-1] | 0x80]))
    sender.post_y(made)
    h_k = sender.request("h_k").body["h_k"]
    expect(h_k == made.session.h_k_wire, "its h_k is not that of docs/protocol.md")
