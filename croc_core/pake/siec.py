"""CPace on SIEC255, the curve of the historic protocol: y^2 = x^3 + 19 over a 255-bit prime.

This project's own suite: the map of RFC 9380 section 6.6.1 with Z = 1, SHA-256, L = 48. It runs on
Python integers and is not constant in time; about 125 bits. Used only where both sides ask for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from croc_core.pake.cpace import Abort
from croc_core.pake.field import Field
from croc_core.pake.hash_to_curve import Point, SvdW
from croc_core.pake.weierstrass import Weierstrass

P = 28948022309329048855892746252183396360603931420023084536990047309120118726721
N = 28948022309329048855892746252183396360263649053102146073526672701688283398081
B = 19

Projective = tuple[int, int, int]
INFINITY: Projective = (0, 1, 0)


def add(left: Projective, right: Projective) -> Projective:
    """Add any two points (Renes, Costello, Batina, eprint 2015/1060, algorithm 7)."""
    x1, y1, z1 = left
    x2, y2, z2 = right
    xx, yy, zz = x1 * x2 % P, y1 * y2 % P, z1 * z2 % P
    xy = ((x1 + y1) * (x2 + y2) - xx - yy) % P
    yz = ((y1 + z1) * (y2 + z2) - yy - zz) % P
    xz = ((x1 + z1) * (x2 + z2) - xx - zz) % P
    b3zz, b3xz, xx3 = 3 * B * zz, 3 * B * xz % P, 3 * xx
    low, high = (yy - b3zz) % P, (yy + b3zz) % P
    return (
        (xy * low - yz * b3xz) % P,
        (b3xz * xx3 + low * high) % P,
        (high * yz + xx3 * xy) % P,
    )


def double(point: Projective) -> Projective:
    """Double any point (the same paper, algorithm 9)."""
    x, y, z = point
    yy, yz, b3zz = y * y % P, y * z % P, 3 * B * z * z % P
    low, high = (yy - 3 * b3zz) % P, yy + b3zz
    return (
        2 * low * (x * y % P) % P,
        (8 * b3zz * yy + low * high) % P,
        8 * yy * yz % P,
    )


def multiply(scalar: int, point: Projective) -> Projective:
    """Multiply by a scalar under 2^256: always 64 windows of 4 bits."""
    table = [INFINITY, point]
    for _ in range(14):
        table.append(add(table[-1], point))
    result = INFINITY
    for shift in range(252, -1, -4):
        result = double(double(double(double(result))))
        result = add(result, table[scalar >> shift & 15])
    return result


@dataclass(frozen=True, eq=False)
class Siec(Weierstrass):
    """See `croc_core.pake.cpace.Suite`."""

    svdw: SvdW

    def map_to_curve(self, u: int) -> Point:
        """Map a field element to a point of the curve."""
        return self.svdw.map(u)

    def share(self, scalar: bytes, generator: bytes) -> bytes:
        """Return scalar times generator as an uncompressed point."""
        return self.encode(self._multiply(scalar, generator))

    def agree(self, scalar: bytes, share: bytes) -> bytes:
        """Return the x-coordinate of scalar times share; raises Abort where it is no point."""
        return self._multiply(scalar, share).x.to_bytes(self.field.size, "big")

    def _multiply(self, scalar: bytes, encoded: bytes) -> Point:
        """Return scalar times point; raises Abort where *encoded* is no point of the curve."""
        self.check_form(encoded)
        x, y = int.from_bytes(encoded[1:33], "big"), int.from_bytes(encoded[33:], "big")
        # The order is prime, so being on the curve is being in the group. The twist is weak.
        if x >= P or y >= P or (y * y - x * x * x - B) % P:
            raise Abort("the share is not a point of siec")
        x, y, z = multiply(int.from_bytes(scalar, "big"), (x, y, 1))
        inverse = self.field.inverse(z)  # z is not 0: 0 < scalar < N, and N is prime
        return Point(x * inverse % P, y * inverse % P)


FIELD = Field(P)
SIEC = Siec(
    "siec",
    b"CPaceSIEC255_XMD:SHA-256_SVDW_NU_",
    FIELD,
    N,
    "sha256",
    48,
    SvdW(FIELD, 0, B, 1),
)
