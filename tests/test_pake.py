"""What every suite of croc_core.pake owes its callers."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from croc_core import pake
from croc_core.errors import Party, RemoteProtocolError
from croc_core.pake.weierstrass import Weierstrass

NAMES = pake.ALLOWED + pake.HISTORIC
EVERY = [pytest.param(pake.suite(name), id=name) for name in NAMES]
CURVES = [p for p in EVERY if p.id != "x25519"]
SID = bytes(range(32))


def scalar(suite: pake.Suite, seed: bytes) -> bytes:
    return suite.scalar(hashlib.shake_256(seed).digest(suite.scalar_length))


def curve_of(suite: pake.Suite) -> Weierstrass:
    assert isinstance(suite, Weierstrass)
    return suite


@pytest.mark.parametrize("suite", EVERY)
@settings(max_examples=15, deadline=None)
@given(
    prs=st.binary(max_size=200), ci=st.binary(max_size=40), sid=st.binary(max_size=40), a=..., b=...
)
def test_both_sides_agree(
    suite: pake.Suite, prs: bytes, ci: bytes, sid: bytes, a: bytes, b: bytes
) -> None:
    generator = suite.generator(prs, ci, sid)
    mine, theirs = scalar(suite, b"a" + a), scalar(suite, b"b" + b)
    x, y = suite.share(mine, generator), suite.share(theirs, generator)
    assert len(x) == len(y) == suite.share_length
    assert suite.agree(mine, y) == suite.agree(theirs, x)
    assert not suite.reflected(x, y)


@pytest.mark.parametrize("suite", EVERY)
@settings(max_examples=10, deadline=None)
@given(
    inputs=st.lists(
        st.tuples(st.binary(max_size=8), st.binary(max_size=8), st.binary(max_size=8)),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_different_secret_ci_or_sid_never_agree(
    suite: pake.Suite, inputs: list[tuple[bytes, bytes, bytes]]
) -> None:
    a, b = scalar(suite, b"a"), scalar(suite, b"b")
    x = suite.share(a, suite.generator(*inputs[0]))
    y = suite.share(b, suite.generator(*inputs[1]))
    assert suite.agree(a, y) != suite.agree(b, x)


@pytest.mark.parametrize("suite", EVERY)
def test_wrong_lengths_are_refused(suite: pake.Suite) -> None:
    a = scalar(suite, b"a")
    share = suite.share(a, suite.generator(b"p", b"", SID))
    for bad in (b"", b"\0", share[:-1], share + b"\0", bytes(suite.share_length)):
        with pytest.raises(pake.Abort) as caught:
            suite.agree(a, bad)
        assert isinstance(caught.value, RemoteProtocolError)
        assert caught.value.party is Party.PEER
    with pytest.raises(ValueError, match="made of"):
        suite.scalar(bytes(suite.scalar_length - 1))


@pytest.mark.parametrize("suite", EVERY)
def test_a_reflected_share_is_seen(suite: pake.Suite) -> None:
    share = bytearray(suite.share(scalar(suite, b"a"), suite.generator(b"p", b"", SID)))
    assert suite.reflected(bytes(share), bytes(share))
    other = bytes([share[0], share[1] ^ 1]) + bytes(share[2:])
    assert not suite.reflected(bytes(share), other)
    if suite.name == "x25519":
        share[31] ^= 0x80
    else:
        p = curve_of(suite).field.p
        half = len(share) // 2 + 1
        y = int.from_bytes(share[half:], "big")
        share[half:] = (p - y).to_bytes(half - 1, "big")
    assert suite.reflected(
        suite.share(scalar(suite, b"a"), suite.generator(b"p", b"", SID)), bytes(share)
    )


@pytest.mark.parametrize("suite", CURVES)
@given(entropy=st.data())
def test_a_scalar_is_canonical(suite: pake.Suite, entropy: st.DataObject) -> None:
    curve = curve_of(suite)
    data = entropy.draw(st.binary(min_size=suite.scalar_length, max_size=suite.scalar_length))
    made = suite.scalar(data)
    assert len(made) == curve.field.size
    assert 1 <= int.from_bytes(made, "big") < curve.order
    assert int.from_bytes(made, "big") == int.from_bytes(data, "big") % (curve.order - 1) + 1


@pytest.mark.parametrize("suite", CURVES)
def test_the_order_is_the_order(suite: pake.Suite) -> None:
    """(order - 1) times a point is its negative: a wrong order or a wrong curve fails here."""
    curve = curve_of(suite)
    generator = suite.generator(b"p", b"", SID)
    minus_one = (curve.order - 1).to_bytes(curve.field.size, "big")
    assert suite.reflected(generator, suite.share(minus_one, generator))


@pytest.mark.parametrize("suite", CURVES)
def test_points_off_the_curve_are_refused(suite: pake.Suite) -> None:
    curve = curve_of(suite)
    size, p = curve.field.size, curve.field.p
    a = scalar(suite, b"a")
    good = suite.share(a, suite.generator(b"p", b"", SID))
    x, y = good[1 : 1 + size], good[1 + size :]
    suite.agree(a, good)
    bad = [b"\0", b"\2" + x, b"\3" + x]  # infinity and compressed
    bad += [bytes([form]) + x + y for form in (0, 1, 2, 3, 5, 6, 7)]  # 6 and 7 are hybrid
    bad += [b"\4" + y + x, b"\4" + bytes(2 * size), b"\4" + b"\xff" * 2 * size]
    bad += [b"\4" + x + ((int.from_bytes(y, "big") + 1) % p).to_bytes(size, "big")]
    for share in bad:
        with pytest.raises(pake.Abort):
            suite.agree(a, share)


@pytest.mark.parametrize("suite", CURVES)
def test_coordinates_of_p_or_more_are_refused(suite: pake.Suite) -> None:
    """A point with a small x, whose x + p still fits into the encoding."""
    curve = curve_of(suite)
    field, p = curve.field, curve.field.p
    base = _g(suite)
    x = next(x for x in range(100) if field.is_square(base(x)) and base(x))
    y = field.sqrt(base(x))
    a = scalar(suite, b"a")

    def encoded(x: int, y: int) -> bytes:
        return b"\4" + x.to_bytes(field.size, "big") + y.to_bytes(field.size, "big")

    suite.agree(a, encoded(x, y))
    with pytest.raises(pake.Abort):
        suite.agree(a, encoded(x + p, y))
    if (y + p).bit_length() <= 8 * field.size:
        with pytest.raises(pake.Abort):
            suite.agree(a, encoded(x, y + p))


@pytest.mark.parametrize("suite", CURVES)
def test_points_of_the_twist_are_refused(suite: pake.Suite) -> None:
    """x where the right-hand side is no square: with any y it is a point of another curve."""
    curve = curve_of(suite)
    field, g = curve.field, _g(suite)
    x = next(x for x in range(2, 100) if not field.is_square(g(x)))
    for y in (1, 2, field.sqrt(field.p - g(x)) if field.p % 4 == 3 else 3):
        share = b"\4" + x.to_bytes(field.size, "big") + y.to_bytes(field.size, "big")
        with pytest.raises(pake.Abort):
            suite.agree(scalar(suite, b"a"), share)


def _g(suite: pake.Suite):  # type: ignore[no-untyped-def]
    """The right-hand side of the curve's equation, with a and b found from two of its points."""
    curve = curve_of(suite)
    p, size = curve.field.p, curve.field.size
    points = []
    for secret in (b"p", b"q"):
        point = suite.generator(secret, b"", SID)
        points.append(
            (int.from_bytes(point[1 : 1 + size], "big"), int.from_bytes(point[1 + size :], "big"))
        )
    (x1, y1), (x2, y2) = points
    a = (y1**2 - x1**3 - y2**2 + x2**3) * pow(x1 - x2, -1, p) % p
    b = (y1**2 - x1**3 - a * x1) % p
    return lambda x: (x**3 + a * x + b) % p


def test_the_policy_names_every_suite() -> None:
    assert pake.DEFAULT == pake.ALLOWED[0] == "x25519"
    assert [pake.suite(name).name for name in NAMES] == list(NAMES)
    assert not set(pake.ALLOWED) & set(pake.HISTORIC)
    for name in ("", "P256", "ed25519", "x25519 "):
        with pytest.raises(pake.UnknownSuiteError, match="x25519"):
            pake.suite(name)


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("x25519", ["cryptography", "croc_core.pake.pcurves", "croc_core.pake.field"]),
        ("p256", ["nacl", "croc_core.pake.x25519", "croc_core.pake.siec"]),
        ("siec", ["nacl", "cryptography", "croc_core.pake.pcurves"]),
    ],
)
def test_only_the_family_asked_for_is_imported(name: str, absent: list[str]) -> None:
    code = (
        "import sys; from croc_core import handshake, pake\n"
        f"pake.suite({name!r}); sys.exit(any(m in sys.modules for m in {absent!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_x25519_an_identity_as_generator_is_refused() -> None:
    x25519 = pake.suite("x25519")
    identity = b"\1" + bytes(31)
    with pytest.raises(pake.Abort, match="low order"):
        x25519.share(x25519.scalar(bytes(range(32))), identity)


def test_x25519_a_zero_result_is_refused_even_where_the_library_lets_it_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nacl.bindings.crypto_scalarmult", lambda scalar, share: bytes(32))
    with pytest.raises(pake.Abort, match="low order"):
        pake.suite("x25519").agree(bytes(32), b"\t" + bytes(31))
