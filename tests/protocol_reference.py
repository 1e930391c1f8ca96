"""docs/protocol.md read a second time: its formulas on hashlib, hmac and integers alone.

Nothing here is imported from the code under test, and all of it is as plain as the text. Slow.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

P = b"croc-core/1"


def lv_cat(*parts: bytes) -> bytes:
    out = b""
    for part in parts:
        length = len(part)
        while length >= 128:
            out += bytes([length % 128 + 128])
            length //= 128
        out += bytes([length]) + part
    return out


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def hkdf_expand(prk: bytes, info: bytes, length: int = 32) -> bytes:
    out = block = b""
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([len(out) // 32 + 1]), hashlib.sha256).digest()
        out += block
    return out[:length]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


# ---- 6.1 suites


class Suite(NamedTuple):
    dsi: bytes
    hash: str
    block: int
    g: Callable[[bytes], bytes]
    """Generator string to generator."""
    scalar: Callable[[bytes], bytes]
    multiply: Callable[[bytes, bytes], bytes]
    """Scalar and point to point; on x25519 u-coordinates."""
    k: Callable[[bytes], bytes]
    """The part of the product that is K."""


def ci(channel: str, curve: str) -> bytes:
    return lv_cat(P, b"ch", channel.encode(), b"suite", curve.encode(), b"A=sender", b"B=recipient")


def generator_string(suite: Suite, prs: bytes, ci: bytes, sid: bytes) -> bytes:
    zpad = max(0, suite.block - 1 - len(lv_cat(prs)) - len(lv_cat(suite.dsi)))
    return lv_cat(suite.dsi, prs, bytes(zpad), ci, sid)


P25519 = 2**255 - 19
A25519 = 486662


def elligator2(gs: bytes) -> bytes:
    p = P25519
    r = int.from_bytes(hashlib.sha512(gs).digest()[:32], "little") % 2**255
    v = -A25519 * pow(1 + 2 * r * r, -1, p) % p
    square = pow(v**3 + A25519 * v**2 + v, (p - 1) // 2, p) != p - 1
    return (v if square else (-v - A25519) % p).to_bytes(32, "little")


def clamp(scalar: bytes) -> bytes:
    number = int.from_bytes(scalar, "little") % 2**255
    return (number - number % 8 | 2**254).to_bytes(32, "little")


def x25519(scalar: bytes, point: bytes) -> bytes:
    """RFC 7748 section 5, for a scalar that is clamped."""
    p, u = P25519, int.from_bytes(point, "little") % 2**255
    k = int.from_bytes(scalar, "little")
    x2, z2, x3, z3 = 1, 0, u, 1
    for bit in range(254, -1, -1):
        swap = k >> bit & 1
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        x3, z3 = (d * a + c * b) ** 2 % p, u * (d * a - c * b) ** 2 % p
        e = a * a - b * b
        x2, z2 = a * a * b * b % p, e * (a * a + 121665 * e) % p
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, -1, p) % p).to_bytes(32, "little")


class Curve(NamedTuple):
    """y^2 = x^3 + a x + b of order n, and what hashing to it needs."""

    p: int
    a: int
    b: int
    n: int
    size: int
    length: int
    z: int


def expand(gs: bytes, dst: bytes, length: int, name: str, block: int) -> bytes:
    tag = dst + bytes([len(dst)])
    b0 = hashlib.new(name, bytes(block) + gs + length.to_bytes(2, "big") + b"\0" + tag).digest()
    bi, out = bytes(len(b0)), b""
    for i in range(1, 256):
        mixed = bytes(x ^ y for x, y in zip(b0, bi, strict=True))
        bi = hashlib.new(name, mixed + bytes([i]) + tag).digest()
        out += bi
        if len(out) >= length:
            break
    return out[:length]


def root(c: Curve, value: int) -> int | None:
    """A square root by Cipolla's way, or None."""
    p, value = c.p, value % c.p
    if pow(value, (p - 1) // 2, p) == p - 1:
        return None
    t = next(t for t in range(1, p) if pow(t * t - value, (p - 1) // 2, p) == p - 1)
    w = (t * t - value) % p
    out, base, power = (1, 0), (t, 1), (p + 1) // 2
    while power:
        if power & 1:
            out = _times(out, base, w, p)
        base = _times(base, base, w, p)
        power >>= 1
    return out[0]


def _times(left: tuple[int, int], right: tuple[int, int], w: int, p: int) -> tuple[int, int]:
    (a, b), (c, d) = left, right
    return (a * c + b * d * w) % p, (a * d + b * c) % p


def inv(value: int, p: int) -> int:
    return pow(value, -1, p) if value % p else 0


def sswu(c: Curve, u: int) -> list[int]:
    t = inv(c.z**2 * u**4 + c.z * u**2, c.p)
    x1 = -c.b * inv(c.a, c.p) * (1 + t) if t else c.b * inv(c.z * c.a, c.p)
    return [x1 % c.p, c.z * u * u * x1 % c.p]


def svdw(c: Curve, u: int) -> list[int]:
    p, z = c.p, c.z
    c1 = z**3 + c.b
    c2 = -z * inv(2, p)
    c3 = root(c, -3 * z * z * c1)
    assert c3 is not None
    c3 = c3 if c3 % 2 == 0 else p - c3
    c4 = -4 * c1 * inv(3 * z * z, p)
    m, q = 1 - c1 * u * u, 1 + c1 * u * u
    w = inv(m * q, p)
    x3 = z + c4 * (q * q * w) ** 2
    return [(c2 - u * m * w * c3) % p, (c2 + u * m * w * c3) % p, x3 % p]


def encode(c: Curve, x: int, y: int) -> bytes:
    return b"\4" + x.to_bytes(c.size, "big") + y.to_bytes(c.size, "big")


def multiply(c: Curve, scalar: bytes, point: bytes) -> bytes:
    """Double and add, with a division at each step."""
    at = (int.from_bytes(point[1 : 1 + c.size], "big"), int.from_bytes(point[1 + c.size :], "big"))
    out: tuple[int, int] | None = None
    number = int.from_bytes(scalar, "big")
    while number:
        if number & 1:
            out = at if out is None else _add(c, out, at)
        at = _add(c, at, at)
        number >>= 1
    assert out is not None
    return encode(c, *out)


def _add(c: Curve, left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    (x1, y1), (x2, y2) = left, right
    if left == right:
        slope = (3 * x1 * x1 + c.a) * inv(2 * y1, c.p)
    else:
        slope = (y2 - y1) * inv(x2 - x1, c.p)
    x = (slope * slope - x1 - x2) % c.p
    return x, (slope * (x1 - x) - y1) % c.p


def weierstrass(dsi: bytes, name: str, block: int, c: Curve) -> Suite:
    def g(gs: bytes) -> bytes:
        u = int.from_bytes(expand(gs, dsi + b"_DST", c.length, name, block), "big") % c.p
        for x in (sswu if c.a else svdw)(c, u):
            y = root(c, x**3 + c.a * x + c.b)
            if y is not None:
                return encode(c, x, y if y % 2 == u % 2 else c.p - y)
        raise AssertionError("the map has failed")

    def scalar(entropy: bytes) -> bytes:
        number = int.from_bytes(entropy, "big") % (c.n - 1) + 1
        return number.to_bytes(c.size, "big")

    return Suite(
        dsi,
        name,
        block,
        g,
        scalar,
        lambda scalar, point: multiply(c, scalar, point),
        lambda point: point[1 : 1 + c.size],
    )


X25519 = Suite(b"CPace255", "sha512", 128, elligator2, clamp, x25519, lambda point: point)


def suites(text: str) -> dict[str, Suite]:
    """The suites, their constants taken from the text of docs/protocol.md."""
    found = {"x25519": X25519}
    table = re.findall(r"^\| `(\w+)` \| `(CPace\S+_NU_)` \| SHA-(\d+) \| (\d+) \|", text, re.M)
    for curve, dsi, bits, block in table:
        match = re.search(
            rf"^{curve}  L = (\d+), Z = (-?\d+), coordinates of (\d+) bytes\n"
            r"  p = (\w+)\n(?:  b = (\w+)\n)?  n = (\w+)$",
            text,
            re.M,
        )
        assert match, curve
        length, z, size = map(int, match.group(1, 2, 3))
        p, n = int(match[4], 16), int(match[6], 16)
        a, b = (p - 3, int(match[5], 16)) if match[5] else (0, 19)
        curve_of = Curve(p, a, b, n, size, length, z)
        found[curve] = weierstrass(dsi.encode(), f"sha{bits}", int(block), curve_of)
    return found


# ---- 6.3 transcript and keys


def isk(suite: Suite, sid: bytes, k: bytes, x: bytes, ada: bytes, y: bytes, adb: bytes) -> bytes:
    data = lv_cat(suite.dsi + b"_ISK", sid, k) + lv_cat(x, ada) + lv_cat(y, adb)
    return hashlib.new(suite.hash, data).digest()


def schedule(isk: bytes, th: bytes, vn: bytes) -> dict[str, bytes]:
    """All that is derived from ISK and th, by the names of the text."""
    prk = hmac.new(P + b" prk", isk, hashlib.sha256).digest()
    kc = hkdf_expand(prk, lv_cat(P, b"confirm", th))
    h_k = sha256(lv_cat(P, b"H(k)", kc))
    root = hkdf_expand(prk, lv_cat(P, b"data-root", th))
    return {
        "prk": prk,
        "kc": kc,
        "h_k": h_k,
        "hh_k": sha256(lv_cat(P, b"H(H(k))", h_k)),
        "root": root,
        "rejoin": hkdf_expand(prk, lv_cat(P, b"rejoin-root", th)),
        "resume": hkdf_expand(root, lv_cat(P, b"resume")),
        "verifier": hkdf_expand(prk, lv_cat(P, b"verifier", th, vn), 8),
    }


def stream_key(
    root: bytes, direction: str, connection: int, hellos: tuple[bytes, bytes], tid: bytes, g: int
) -> bytes:
    info = lv_cat(
        P, b"stream", direction.encode(), u32(connection), hellos[0], hellos[1], tid, u32(g)
    )
    return hkdf_expand(root, info)


def hello(role: str, connection: int, salt: bytes) -> bytes:
    return lv_cat(P, b"hello", role.encode(), u32(connection), salt)


def rejoin(rejoin: bytes, n: int) -> tuple[str, bytes]:
    name = hkdf_expand(rejoin, lv_cat(P, b"rejoin-channel", u32(n)), 15)
    secret = hkdf_expand(rejoin, lv_cat(P, b"rejoin-secret", u32(n)))
    return base64.b32encode(name).decode().lower(), secret


# ---- 10 codes


def split_code(code: str) -> tuple[str, bytes] | None:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", code).casefold())
    parts = re.split(r"[\s_-]+", folded)
    channel, *words = [part for part in parts if part] or [""]
    data = "-".join(words).encode()
    if not re.fullmatch("[0-9a-z]{1,32}", channel) or not 1 <= len(data) <= 256:
        return None
    return channel, data
