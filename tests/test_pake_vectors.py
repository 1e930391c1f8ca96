"""Published vectors and known answers (tests/vectors; each file names its source)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from croc_core import pake
from croc_core.pake.cpace import generator_string, isk_ir, transcript_ir
from croc_core.pake.hash_to_curve import hash_to_field
from croc_core.pake.weierstrass import Weierstrass

HERE = Path(__file__).parent / "vectors"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / name).read_text())
    found.pop("source")
    return found


CPACE = load("cpace.json")
OWN = load("own_p224_siec.json")
RFC = load("rfc9380_nu.json")


def canonical(suite: pake.Suite, scalar: bytes) -> bytes:
    if isinstance(suite, Weierstrass):
        return scalar.rjust(suite.field.size, b"\0")
    return suite.scalar(scalar)


@pytest.mark.parametrize("name", [*CPACE, *OWN])
def test_cpace(name: str) -> None:
    vector = {**CPACE, **OWN}[name]
    t = {k: bytes.fromhex(v) for k, v in vector.items() if isinstance(v, str)}
    ada, adb = t.get("ADa", b"ADa"), t.get("ADb", b"ADb")
    suite = pake.suite(name)
    generator = suite.generator(t["PRS"], t["CI"], t["sid"])
    ya, yb = canonical(suite, t["ya"]), canonical(suite, t["yb"])
    x, y = suite.share(ya, generator), suite.share(yb, generator)
    if isinstance(suite, Weierstrass):
        assert generator == t["g"]
        end = 1 + suite.field.size  # either sign is right
        assert (x[:end], y[:end]) == (t["Ya"][:end], t["Yb"][:end])
    else:
        assert (x, y) == (t["Ya"], t["Yb"])
    assert suite.agree(ya, t["Yb"]) == suite.agree(yb, t["Ya"]) == suite.agree(ya, y) == t["K"]
    transcript = transcript_ir(t["Ya"], ada, t["Yb"], adb)
    assert isk_ir(suite, t["sid"], t["K"], transcript) == t["ISK_IR"]
    if "sid_output_ir" in t:
        assert suite.hash(b"CPaceSidOutput" + transcript) == t["sid_output_ir"]


@pytest.mark.parametrize("name", ["p256", "p384", "p521"])
def test_cpace_points(name: str) -> None:
    suite = pake.suite(name)
    valid = {k: bytes.fromhex(v) for k, v in CPACE[name]["valid"].items()}
    assert suite.agree(valid["s"], valid["X"]) == valid["K"]
    assert len(CPACE[name]["invalid"]) == 2
    for point in CPACE[name]["invalid"]:
        with pytest.raises(pake.Abort):
            suite.agree(valid["s"], bytes.fromhex(point))


def test_cpace_points_of_x25519() -> None:
    """The draft's u0 to u5 and u7 abort; u6 and u8 to ub give its q6 and q8 to qb."""
    suite = pake.suite("x25519")
    points = CPACE["x25519"]["not_canonical"]
    scalar = suite.scalar(bytes.fromhex(points["s"]))
    assert (len(CPACE["x25519"]["low_order"]), len(points["results"])) == (7, 5)
    for point in CPACE["x25519"]["low_order"]:
        with pytest.raises(pake.Abort):
            suite.agree(scalar, bytes.fromhex(point))
    for point, result in points["results"].items():
        assert suite.agree(scalar, bytes.fromhex(point)).hex() == result


@pytest.mark.parametrize("name", list(RFC))
def test_rfc_9380(name: str) -> None:
    suite = pake.suite(name)
    assert isinstance(suite, Weierstrass)
    dst = RFC[name]["dst"].encode()
    assert len(RFC[name]["vectors"]) == 5
    for vector in RFC[name]["vectors"]:
        message = vector["msg"].encode()
        u = hash_to_field(message, dst, suite.field.p, suite.expand_length, suite.hash_name)
        assert u == int(vector["u"], 16)
        point = suite.map_to_curve(u)
        assert point == (int(vector["x"], 16), int(vector["y"], 16))
        assert suite.encode_to_curve(message, dst) == suite.encode(point)


Q = 2**255 - 19
A = 486662


def elligator_2(r: int) -> int:
    """The u-coordinate of the draft's generator (RFC 9380 section 6.7.1, Z = 2)."""
    v = -A * pow(1 + 2 * r * r, -1, Q) % Q
    if pow(v**3 + A * v**2 + v, (Q - 1) // 2, Q) == Q - 1:
        return (-A - v) % Q
    return v


def ladder(scalar: int, u: int) -> int:
    """The Montgomery ladder (RFC 7748 section 5), written for clarity."""
    (x2, z2), (x3, z3) = (1, 0), (u, 1)
    for bit in f"{scalar:0255b}":
        if bit == "1":
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a, c * b, a * a, b * b
        x3, z3 = pow(da + cb, 2, Q), u * pow(da - cb, 2, Q) % Q
        x2, z2 = aa * bb % Q, (aa - bb) * (aa + 121665 * (aa - bb)) % Q
        if bit == "1":
            x2, z2, x3, z3 = x3, z3, x2, z2
    return x2 * pow(z2, Q - 2, Q) % Q


@settings(max_examples=40, deadline=None)
@given(prs=st.binary(max_size=150), sid=st.binary(max_size=32), seed=st.binary(max_size=8))
def test_x25519_is_the_draft(prs: bytes, sid: bytes, seed: bytes) -> None:
    """libsodium's way to the share equals Elligator 2 and X25519 written on integers."""
    suite = pake.suite("x25519")
    scalar = suite.scalar(hashlib.sha256(seed).digest())
    digest = hashlib.sha512(generator_string(b"CPace255", prs, b"ci", sid, 128)).digest()
    r = int.from_bytes(digest[:32], "little") % 2**255
    share = ladder(int.from_bytes(scalar, "little"), elligator_2(r))
    assert suite.share(scalar, suite.generator(prs, b"ci", sid)) == share.to_bytes(32, "little")


@given(prs=st.binary(max_size=300), ci=st.binary(max_size=9), block=st.sampled_from([64, 128]))
def test_the_secret_fills_the_first_block(prs: bytes, ci: bytes, block: int) -> None:
    made = generator_string(b"dsi", prs, ci, b"sid", block)
    tail = made[made.rindex(bytes([len(ci)]) + ci + b"\3sid") :]
    head = len(made) - len(tail)
    short = len(prs) + 1 + 4 + 1 <= block
    assert head == block if short else head > block
