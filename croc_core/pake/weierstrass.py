"""What CPace suites on short Weierstrass curves share (draft-irtf-cfrg-cpace-21 section 7.4)."""

from __future__ import annotations

import abc
import hashlib
import hmac
from dataclasses import dataclass

from croc_core.pake.cpace import Abort, generator_string
from croc_core.pake.field import Field
from croc_core.pake.hash_to_curve import Point, hash_to_field


@dataclass(frozen=True, eq=False)
class Weierstrass(abc.ABC):
    """A curve of prime order; see `croc_core.pake.cpace.Suite`.

    Points are uncompressed (SEC 1 section 2.3.3), K is an x-coordinate. A share and its negative
    are equal for the protocol.
    """

    name: str
    dsi: bytes
    field: Field
    order: int
    hash_name: str
    expand_length: int
    """The L of RFC 9380 section 5.1, in bytes."""

    @property
    def share_length(self) -> int:
        """Length of a share, in bytes."""
        return 1 + 2 * self.field.size

    @property
    def scalar_length(self) -> int:
        """How many random bytes `scalar` wants: 16 more than an element has."""
        return self.field.size + 16  # the bias of the reduction stays under 2^-128

    def hash(self, data: bytes) -> bytes:
        """Hash *data* with the suite's hash."""
        return hashlib.new(self.hash_name, data).digest()

    def generator(self, prs: bytes, ci: bytes, sid: bytes) -> bytes:
        """Return the generator as an uncompressed point."""
        block_size = hashlib.new(self.hash_name).block_size
        return self.encode_to_curve(
            generator_string(self.dsi, prs, ci, sid, block_size), self.dsi + b"_DST"
        )

    def encode_to_curve(self, message: bytes, dst: bytes) -> bytes:
        """RFC 9380 section 3, encode_to_curve; returns the encoded point."""
        u = hash_to_field(message, dst, self.field.p, self.expand_length, self.hash_name)
        return self.encode(self.map_to_curve(u))

    def scalar(self, entropy: bytes) -> bytes:
        """Return a number in [1, order) as big-endian bytes."""
        if len(entropy) != self.scalar_length:
            raise ValueError(f"the scalar is made of {self.scalar_length} bytes")
        reduced = int.from_bytes(entropy, "big") % (self.order - 1) + 1
        return reduced.to_bytes(self.field.size, "big")

    def reflected(self, mine: bytes, theirs: bytes) -> bool:
        """Compare the x-coordinates in constant time."""
        end = 1 + self.field.size
        return hmac.compare_digest(mine[1:end], theirs[1:end])

    def encode(self, point: Point) -> bytes:
        """Encode an affine point, uncompressed."""
        size = self.field.size
        return b"\4" + point.x.to_bytes(size, "big") + point.y.to_bytes(size, "big")

    def check_form(self, point: bytes) -> None:
        """Raise Abort where *point* is not of an uncompressed point's length and first byte."""
        if len(point) != self.share_length or point[0] != 4:
            raise Abort(f"a share on {self.name} is an uncompressed point")

    @abc.abstractmethod
    def map_to_curve(self, u: int) -> Point:
        """Map a field element to a point of the curve."""

    @abc.abstractmethod
    def share(self, scalar: bytes, generator: bytes) -> bytes:
        """Return scalar times generator as an uncompressed point."""

    @abc.abstractmethod
    def agree(self, scalar: bytes, share: bytes) -> bytes:
        """Return the x-coordinate of scalar times share; raises Abort where it is no point."""
