"""The key agreement where few values go: other curves, padding that is used up, odd shares."""

from __future__ import annotations

from croc_core import pake
from croc_core.encoding import lv_cat
from croc_core.handshake import CapsOffer, Policy, finish, respond, start
from croc_core.pake.cpace import generator_string
from croc_core.pake.field import Field
from croc_core.pake.hash_to_curve import SvdW
from croc_core.values import Secret

X25519 = pake.suite("x25519")
P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def find_z(field: Field, a: int, b: int) -> int:
    """RFC 9380, appendix H.1, without the search for the smallest."""

    def g(x: int) -> int:
        return (x**3 + a * x + b) % field.p

    def fits(z: int) -> bool:
        ratio = -(3 * z * z + 4 * a) * pow(4 * g(z), -1, field.p) % field.p if g(z) else 0
        half = g(-z * pow(2, -1, field.p))
        return bool(
            ratio and field.is_square(ratio) and (field.is_square(g(z)) or field.is_square(half))
        )

    return next(z for n in range(1, 50) for z in (n, -n) if fits(z))


def test_the_map_for_any_curve_ends_on_it() -> None:
    """With a that is not 0, too, and for u of both signs."""
    field = Field(P256_P)
    a, b = -3, P256_B
    svdw = SvdW(field, a, b, find_z(field, a, b))
    for n in range(1, 25):
        for u in (n, P256_P - n):
            point = svdw.map(u)
            assert (point.y**2 - point.x**3 - a * point.x - b) % P256_P == 0
            assert point.y & 1 == u & 1


def test_a_long_secret_needs_no_padding() -> None:
    for length in (10, 109, 110, 111, 200):
        zeros = bytes(max(0, 128 - 1 - (length + (2 if length > 127 else 1)) - 4))
        made = generator_string(b"dsi", bytes(length), b"ci", b"sid", 128)
        assert made == lv_cat(b"dsi", bytes(length), zeros, b"ci", b"sid")


def test_a_share_is_ones_own_whatever_its_top_bit() -> None:
    mine = bytes(range(32))
    assert X25519.reflected(mine, mine)
    assert X25519.reflected(mine, mine[:31] + bytes([mine[31] | 0x80]))
    assert not X25519.reflected(mine, mine[:31] + bytes([mine[31] ^ 0x40]))
    assert not X25519.reflected(mine, mine[:30] + b"\xff" + mine[31:])
    assert not X25519.reflected(mine, mine + b"\0")
    assert not X25519.reflected(mine, mine[:31])


def test_both_sessions_know_the_run_by_its_sid() -> None:
    ours = start(X25519, "7k2m", Secret(b"a"), CapsOffer(), lambda n: bytes(range(n)))
    theirs = respond(
        pake.suite, "7k2m", "x25519", ours.x, Secret(b"a"), Policy(), lambda n: b"\3" * n
    )
    session = finish(ours, X25519, theirs.y, theirs.hh_k)
    assert session.sid == theirs.session.sid == ours.sid == bytes(range(32))
