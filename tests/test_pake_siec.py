"""The group law of siec, against the textbook's with its cases."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from croc_core.pake.siec import INFINITY, N, P, Projective, add, double, multiply

Affine = tuple[int, int] | None
G: Affine = (5, 12)


def affine(point: Projective) -> Affine:
    x, y, z = point
    if z == 0:
        assert x == 0 != y
        return None
    return x * pow(z, -1, P) % P, y * pow(z, -1, P) % P


def textbook(left: Affine, right: Affine) -> Affine:
    if left is None or right is None:
        return left or right
    (x1, y1), (x2, y2) = left, right
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    top, bottom = (3 * x1 * x1, 2 * y1) if left == right else (y2 - y1, x2 - x1)
    slope = top * pow(bottom, -1, P) % P
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def times(k: int) -> Affine:
    result, base = None, G
    for bit in reversed(f"{k:b}"):
        if bit == "1":
            result = textbook(result, base)
        base = textbook(base, base)
    return result


def projective(point: Affine, z: int) -> Projective:
    return INFINITY if point is None else (point[0] * z % P, point[1] * z % P, z)


scalars = st.integers(min_value=0, max_value=N - 1) | st.sampled_from([0, 1, 2, 15, 16, 17, N - 1])
scales = st.integers(min_value=1, max_value=P - 1)


@settings(max_examples=60, deadline=None)
@given(a=scalars, b=scalars, z=scales, w=scales)
def test_group_law(a: int, b: int, z: int, w: int) -> None:
    left, right = projective(times(a), z), projective(times(b), w)
    assert affine(add(left, right)) == textbook(times(a), times(b))
    assert affine(double(left)) == textbook(times(a), times(a)) == affine(add(left, left))
    negative = projective(times(-a % N), w)
    assert affine(add(left, negative)) is None


@settings(max_examples=40, deadline=None)
@given(a=scalars | st.just(N), b=scalars)
def test_multiplication(a: int, b: int) -> None:
    assert affine(multiply(a, projective(times(b), 1))) == times(a * b % N)


def test_published_multiples() -> None:
    """2G and 4G as in the tests of the curve's first implementation (github.com/tscholl2/siec)."""
    assert affine(multiply(2, (5, 12, 1))) == (
        6784692728748995825599862402855483522016546426567910438357042338075027826575,
        14982863109320699114866362806305859444453206692004135551371801829915686450358,
    )
    assert affine(multiply(4, (5, 12, 1))) == (
        12318642006867402687195826566147291859634823582672295191656499276835526033145,
        9343467693237486709905252998911952863134805995110526737200728195882424275543,
    )
    assert affine(multiply(N, (5, 12, 1))) is None
