"""CPACE-X25519-SHA512 (draft-irtf-cfrg-cpace-21 section 7.2), in libsodium alone.

The draft maps the hash to a point E(r) of the Montgomery curve by Elligator 2 and multiplies it by
a clamped scalar. libsodium's Ed25519 map gives 8 E(r) on the birationally equivalent Edwards
curve. A clamped scalar y is a multiple of 8, so (y / 8 mod L) times 8 E(r) is the draft's share,
and nothing that depends on the secret passes through a Python integer.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from nacl import bindings
from nacl.exceptions import CryptoError

from croc_core.pake.cpace import Abort, generator_string

L = 2**252 + 27742317777372353535851937790883648493
INVERSE_OF_8 = pow(8, -1, L).to_bytes(32, "little")
BLOCK = 128
"""Input block of SHA-512, in bytes."""


@dataclass(frozen=True, slots=True)
class _X25519:
    """See `croc_core.pake.cpace.Suite`. The generator is 8 E(r), an Edwards point."""

    name: str = "x25519"
    dsi: bytes = b"CPace255"
    share_length: int = 32
    scalar_length: int = 32

    def hash(self, data: bytes) -> bytes:
        """Hash *data* with SHA-512."""
        return hashlib.sha512(data).digest()

    def generator(self, prs: bytes, ci: bytes, sid: bytes) -> bytes:
        """Return 8 E(r) on the Edwards curve."""
        digest = self.hash(generator_string(self.dsi, prs, ci, sid, BLOCK))
        return bindings.crypto_core_ed25519_from_uniform(digest[:32])

    def scalar(self, entropy: bytes) -> bytes:
        """Clamp 32 bytes (RFC 7748 section 5)."""
        if len(entropy) != self.scalar_length:
            raise ValueError("the scalar is made of 32 bytes")
        clamped = bytearray(entropy)
        clamped[0] &= 0xF8
        clamped[31] = clamped[31] & 0x7F | 0x40
        return bytes(clamped)

    def share(self, scalar: bytes, generator: bytes) -> bytes:
        """Return scalar times E(r) as a u-coordinate."""
        eighth = bindings.crypto_core_ed25519_scalar_mul(scalar, INVERSE_OF_8)
        try:
            point = bindings.crypto_scalarmult_ed25519_noclamp(eighth, generator)
            return bindings.crypto_sign_ed25519_pk_to_curve25519(point)
        except CryptoError:  # the identity: as likely as guessing a 250-bit number
            raise Abort("the generator has a low order") from None

    def agree(self, scalar: bytes, share: bytes) -> bytes:
        """Return X25519(scalar, share); raises Abort where that is zero."""
        if len(share) != self.share_length:
            raise Abort("a share on x25519 has 32 bytes")
        try:
            k = bindings.crypto_scalarmult(scalar, share)
        except CryptoError:
            raise Abort("the share has a low order") from None
        if hmac.compare_digest(k, bytes(32)):
            raise Abort("the share has a low order")
        return k

    def reflected(self, mine: bytes, theirs: bytes) -> bool:
        """Compare in constant time, without bit 255."""
        return hmac.compare_digest(_without_top_bit(mine), _without_top_bit(theirs))


def _without_top_bit(u: bytes) -> bytes:
    """X25519 ignores bit 255 of a u-coordinate, so a comparison must too."""
    return u[:31] + bytes(byte & 0x7F for byte in u[31:32]) + u[32:]


X25519 = _X25519()
