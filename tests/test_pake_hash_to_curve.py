"""The maps to a curve, against the same maps written with branches (RFC 9380 section 6.6)."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from croc_core.pake.field import Field
from croc_core.pake.hash_to_curve import SvdW, expand_message_xmd, map_sswu
from croc_core.pake.pcurves import PCURVES
from croc_core.pake.siec import FIELD, SIEC, B, P

SMALL = [p for p in range(7, 120) if all(p % d for d in range(2, p))]


def root(x: int, p: int) -> int | None:
    """A square root modulo a small prime, by search."""
    return next((y for y in range(p) if y * y % p == x % p), None)


def inverse(x: int, p: int) -> int:
    return pow(x, -1, p) if x % p else 0


def signed(u: int, y: int, p: int) -> int:
    return y if y % 2 == u % 2 else -y % p


@pytest.mark.parametrize("p", SMALL)
def test_field(p: int) -> None:
    field = Field(p)
    for x in range(p):
        assert field.inverse(x) == inverse(x, p)
        assert field.is_square(x) == (root(x, p) is not None)
        assert field.sqrt(x * x % p) in (x, p - x)
        for u in range(p):
            assert field.with_sign_of(x, u) == (signed(u, x, p) if x else 0)


@pytest.mark.parametrize("p", SMALL)
def test_simplified_swu_for_every_u(p: int) -> None:
    """On a curve over a small field every exceptional case occurs."""
    field = Field(p)
    z = next(z for z in range(2, p) if root(z, p) is None)
    for a, b in ((1, 1), (p - 3, 5), (2, 3)):
        exceptional = b * inverse(z * a, p) % p
        if root(exceptional**3 + a * exceptional + b, p) is None:
            continue  # this z does not suit this curve (section 6.6.2, criterion 4)
        for u in range(p):
            tv1 = inverse(z * z * u**4 + z * u * u, p)
            x = -b * inverse(a, p) * (1 + tv1) % p if tv1 else exceptional
            y = root(x**3 + a * x + b, p)
            if y is None:
                x = z * u * u * x % p
                y = root(x**3 + a * x + b, p)
            assert y is not None
            assert map_sswu(u, field, a, b, z) == (x, signed(u, y, p))


@pytest.mark.parametrize("p", SMALL)
def test_svdw_for_every_u(p: int) -> None:
    field = Field(p)

    def g(x: int) -> int:
        return (x**3 + b) % p

    for b in (1, 3, 5):
        for z in range(1, p):
            t = 3 * z * z % p
            h = -t * inverse(4 * g(z), p) % p
            suits = g(z) and h and root(h, p) is not None
            if suits and (root(g(z), p) is not None or root(g(-z * inverse(2, p)), p) is not None):
                break
        else:
            continue
        third = root(-g(z) * t, p)
        assert third is not None
        third = signed(0, third, p)
        chosen = SvdW(field, 0, b, z)
        for u in range(p):
            tv1 = u * u * g(z) % p
            tv3 = inverse((1 - tv1) * (1 + tv1), p)
            tv5 = u * (1 - tv1) * tv3 * third % p
            candidates = (
                (-z * inverse(2, p) - tv5) % p,
                (-z * inverse(2, p) + tv5) % p,
                (z + -4 * g(z) * inverse(t, p) * ((1 + tv1) ** 2 * tv3) ** 2) % p,
            )
            x = next(x for x in candidates if root(g(x), p) is not None)
            y = root(g(x), p)
            assert y is not None
            assert chosen.map(u) == (x, signed(u, y, p))


@settings(max_examples=40, deadline=None)
@given(u=st.integers(min_value=0, max_value=P - 1))
@example(u=0)
@example(u=1)
@example(u=P - 1)
def test_every_u_maps_to_siec(u: int) -> None:
    x, y = SIEC.map_to_curve(u)
    assert (y * y - x**3 - B) % P == 0
    assert FIELD.is_square(u) in (0, 1)
    assert y % 2 == u % 2


@pytest.mark.parametrize("name", list(PCURVES))
def test_exceptional_u_of_the_p_curves(name: str) -> None:
    """u = 0 and z u^2 = -1 have no inverse to go through: x is b / (z a)."""
    curve = PCURVES[name]
    p = curve.field.p
    expected = curve.b * pow(curve.z * -3, -1, p) % p
    us = [0]
    square = -pow(curve.z, -1, p) % p
    if curve.field.is_square(square):
        us += [curve.field.sqrt(square), p - curve.field.sqrt(square)]
    for u in us:
        x, y = curve.map_to_curve(u)
        assert (y * y - x**3 + 3 * x - curve.b) % p == 0
        assert x in (expected, curve.z * u * u * expected % p)
        assert y % 2 == u % 2
    assert len(us) == (3 if p % 4 == 3 else 1)


def test_expand_message_over_four_blocks() -> None:
    """RFC 9380 appendix K.1, the empty message at length 0x80; no suite needs so many blocks."""
    dst = b"QUUX-V01-CS02-with-expander-SHA256-128"
    assert expand_message_xmd(b"", dst, 0x80, "sha256").hex() == (
        "af84c27ccfd45d41914fdff5df25293e221afc53d8ad2ac06d5e3e29485dadbe"
        "e0d121587713a3e0dd4d5e69e93eb7cd4f5df4cd103e188cf60cb02edc3edf18"
        "eda8576c412b18ffb658e3dd6ec849469b979d444cf7b26911a08e63cf31f9dc"
        "c541708d3491184472c2c29bb749d4286b004ceb5ee6b9a7fa5b646c993f0ced"
    )
