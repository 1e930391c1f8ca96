"""CPace on the NIST curves, multiplied by OpenSSL's ECDH (draft-irtf-cfrg-cpace-21 section 7.4).

p256, p384 and p521 are the draft's suites; p224 is this project's own, made in the same way.
ECDH gives x-coordinates only, so the share is the point of even y with that x: the draft allows
either sign, as K is an x-coordinate too.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from croc_core.pake.cpace import Abort
from croc_core.pake.field import Field
from croc_core.pake.hash_to_curve import Point, map_sswu
from croc_core.pake.weierstrass import Weierstrass


@dataclass(frozen=True, eq=False)
class PCurve(Weierstrass):
    """y^2 = x^3 - 3x + b, with the Z of its simplified SWU map (RFC 9380 section 8)."""

    curve: ec.EllipticCurve
    b: int
    z: int

    def map_to_curve(self, u: int) -> Point:
        """Map a field element to a point of the curve."""
        return map_sswu(u, self.field, self.field.p - 3, self.b, self.z)

    def share(self, scalar: bytes, generator: bytes) -> bytes:
        """Return scalar times generator as an uncompressed point."""
        x = self._ecdh(scalar, generator)
        even = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, b"\2" + x)
        return even.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def agree(self, scalar: bytes, share: bytes) -> bytes:
        """Return the x-coordinate of scalar times share; raises Abort where it is no point."""
        self.check_form(share)  # OpenSSL takes compressed points too
        return self._ecdh(scalar, share)

    def _ecdh(self, scalar: bytes, point: bytes) -> bytes:
        """Return the x-coordinate of scalar times point; raises Abort where it is no point."""
        key = ec.derive_private_key(int.from_bytes(scalar, "big"), self.curve)
        try:
            public = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, point)
        except ValueError:
            raise Abort(f"the share is not a point of {self.name}") from None
        return key.exchange(ec.ECDH(), public)


PCURVES: dict[str, PCurve] = {
    curve.name: curve
    for curve in (
        PCurve(
            "p256",
            b"CPaceP256_XMD:SHA-256_SSWU_NU_",
            Field(2**256 - 2**224 + 2**192 + 2**96 - 1),
            0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
            "sha256",
            48,
            ec.SECP256R1(),
            0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
            -10,
        ),
        PCurve(
            "p384",
            b"CPaceP384_XMD:SHA-384_SSWU_NU_",
            Field(2**384 - 2**128 - 2**96 + 2**32 - 1),
            0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
            "sha384",
            72,
            ec.SECP384R1(),
            0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
            -12,
        ),
        PCurve(
            "p521",
            b"CPaceP521_XMD:SHA-512_SSWU_NU_",
            Field(2**521 - 1),
            0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
            "sha512",
            98,
            ec.SECP521R1(),
            0x0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00,
            -4,
        ),
        PCurve(
            "p224",
            b"CPaceP224_XMD:SHA-256_SSWU_NU_",
            Field(2**224 - 2**96 + 1),
            0xFFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D,
            "sha256",
            42,
            ec.SECP224R1(),
            0xB4050A850C04B3ABF54132565044B0B7D7BFD8BA270B39432355FFB4,
            31,
        ),
    )
}
