"""Hashing to a curve, the non-uniform kind (RFC 9380): expand, reduce, map.

Curves are y^2 = x^3 + a x + b over a `Field`, of prime order: there is no cofactor to clear.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from croc_core.pake.field import Field, select


class Point(NamedTuple):
    """An affine point."""

    x: int
    y: int


def expand_message_xmd(message: bytes, dst: bytes, length: int, hash_name: str) -> bytes:
    """Return *length* uniform bytes (RFC 9380 section 5.3.1); *dst* has at most 255 bytes."""
    tag = dst + bytes([len(dst)])
    block_size = hashlib.new(hash_name).block_size
    first = _digest(
        hash_name, bytes(block_size) + message + length.to_bytes(2, "big") + b"\0" + tag
    )
    block = _digest(hash_name, first + b"\1" + tag)
    out = block
    for i in range(2, -(-length // len(block)) + 1):
        mixed = bytes(a ^ b for a, b in zip(first, block, strict=True))
        block = _digest(hash_name, mixed + bytes([i]) + tag)
        out += block
    return out[:length]


def _digest(hash_name: str, data: bytes) -> bytes:
    return hashlib.new(hash_name, data).digest()


def hash_to_field(message: bytes, dst: bytes, p: int, length: int, hash_name: str) -> int:
    """Return one element of GF(p) out of *length* uniform bytes (RFC 9380 section 5.2)."""
    return int.from_bytes(expand_message_xmd(message, dst, length, hash_name), "big") % p


def map_sswu(u: int, field: Field, a: int, b: int, z: int) -> Point:
    """The simplified SWU map, for a and b not 0 (RFC 9380 section 6.6.2)."""
    p = field.p
    zu2 = z * u * u % p
    denominator = (zu2 * zu2 + zu2) % p
    x1 = -b * pow(a, -1, p) * (1 + field.inverse(denominator)) % p
    x1 = select(x1, b * pow(z * a, -1, p) % p, int(denominator == 0))
    gx1 = (x1 * x1 * x1 + a * x1 + b) % p
    x2 = zu2 * x1 % p
    gx2 = (x2 * x2 * x2 + a * x2 + b) % p
    first = field.is_square(gx1)
    y = field.sqrt(select(gx2, gx1, first))
    return Point(select(x2, x1, first), field.with_sign_of(y, u))


class SvdW:
    """The Shallue-van de Woestijne map (RFC 9380 section 6.6.1), for any curve."""

    def __init__(self, field: Field, a: int, b: int, z: int) -> None:
        self.field, self.a, self.b, self.z = field, a, b, z
        p = field.p
        t = (3 * z * z + 4 * a) % p
        self._c1 = self._g(z)
        self._c2 = -z * pow(2, -1, p) % p
        self._c3 = field.with_sign_of(field.sqrt(-self._c1 * t % p), 0)
        self._c4 = -4 * self._c1 * pow(t, -1, p) % p

    def _g(self, x: int) -> int:
        return (x * x * x + self.a * x + self.b) % self.field.p

    def map(self, u: int) -> Point:
        """Map a field element to a point."""
        field, p = self.field, self.field.p
        u2c1 = u * u * self._c1 % p
        plus, minus = 1 + u2c1, 1 - u2c1
        inverse = field.inverse(plus * minus % p)
        shift = u * minus * inverse * self._c3 % p
        x1 = (self._c2 - shift) % p
        x2 = (self._c2 + shift) % p
        x3 = (self.z + self._c4 * pow(plus * plus * inverse, 2, p)) % p
        first = field.is_square(self._g(x1))
        second = field.is_square(self._g(x2)) & (1 - first)
        x = select(select(x3, x1, first), x2, second)
        return Point(x, field.with_sign_of(field.sqrt(self._g(x)), u))
