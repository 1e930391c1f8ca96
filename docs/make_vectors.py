"""Makes docs/vectors.json, the test vectors of docs/protocol.md, out of croc_core.

Run it from the root of the repository: `python -m docs.make_vectors`. All chance comes from
SHAKE-256, so the file is the same each time. tests/test_protocol_vectors.py checks what stands in
it against a second reading of the document that shares no code with croc_core.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from croc_core import messages as m
from croc_core.content import Codec, Entry, Kind, Span
from croc_core.handshake import (
    CapsOffer,
    Policy,
    finish,
    hello,
    rejoin_channel,
    rejoin_secret,
    respond,
    resume_key,
    start,
    stream_key,
    verifier,
    verifier_indices,
)
from croc_core.heads import unframed
from croc_core.pake import ALLOWED, HISTORIC, suite
from croc_core.seal import Sealer
from croc_core.values import Role, Secret
from docs import vector_texts as texts
from docs.vector_texts import CHANNEL, Case, Group, group

FILE = Path(__file__).with_name("vectors.json")
CURVES = ALLOWED + HISTORIC
PRS = b"abandon-ability-able"
TID = bytes(range(16))


def chance(label: str, length: int) -> bytes:
    """Return *length* bytes that look random and are always the same."""
    return hashlib.shake_256(label.encode()).digest(length)


class Run:
    """One handshake on one curve."""

    def __init__(self, curve: str) -> None:
        self.curve = curve
        self.suite = suite(curve)
        self.drawn: dict[str, bytes] = {}
        sender = self._entropy("A", "sid", "vn", "scalar_a_entropy")
        recipient = self._entropy("B", "scalar_b_entropy")
        self.a = start(self.suite, CHANNEL, Secret(PRS), CapsOffer(verify=True), sender)
        self.b = respond(
            suite, CHANNEL, curve, self.a.x, Secret(PRS), Policy(suites=CURVES), recipient
        )
        self.session = finish(self.a, self.suite, self.b.y, self.b.hh_k)

    def _entropy(self, side: str, *names: str) -> Callable[[int], bytes]:
        waiting: Iterator[str] = iter(names)

        def entropy(length: int) -> bytes:
            name = next(waiting)
            self.drawn[name] = chance(f"{self.curve} {side} {name}", length)
            return self.drawn[name]

        return entropy


def suites(runs: list[Run]) -> Group:
    """PAKE-1 to PAKE-7."""
    valid, invalid = [], []
    for run in runs:
        _, x = unframed(run.a.x)
        _, y = unframed(run.b.y)
        scalar_b = run.suite.scalar(run.drawn["scalar_b_entropy"])
        valid.append({
            "curve": run.curve, "channel": CHANNEL, "prs": PRS.hex(),
            **{name: value.hex() for name, value in run.drawn.items() if name != "vn"},
            "scalar_a": run.a.scalar.reveal.hex(), "scalar_b": scalar_b.hex(),
            "X": x.hex(), "Y": y.hex(), "K": run.suite.agree(scalar_b, x).hex(),
        })  # fmt: skip
        bad = [(x[:-1], "too short"), (x + b"\0", "too long"), (b"", "empty")]
        if run.curve == "x25519":
            low = (bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f")
            bad += [(point, "low order") for point in low]
        else:
            size = len(x) // 2
            bad += [(b"\2" + x[1 : 1 + size], "compressed"), (b"\2" + x[1:], "another first byte"),
                    (b"\0", "infinity"), (b"\4" + bytes(2 * size), "not on the curve"),
                    (x[:-1] + bytes([x[-1] ^ 1]), "not on the curve"),
                    (b"\4" + b"\xff" * 2 * size, "coordinates not below p")]  # fmt: skip
        scalar = run.a.scalar.reveal.hex()
        invalid += [
            {"curve": run.curve, "scalar": scalar, "share": share.hex(), "why": why}
            for share, why in bad
        ]
    return group("key agreement, suite by suite; invalid: shares to refuse", valid, invalid)


def heads(runs: list[Run]) -> Group:
    """HEAD-1 to HEAD-7."""
    pack = msgspec.msgpack.encode
    sid, commit = chance("sid", 32), chance("commit", 32)
    caps_a = {"version": 1, "aead": ["aes256gcm"], "verify": False}
    caps_b = {"version": 1, "aead": "chacha20poly1305", "verify": True}
    good_a, good_b = [1, "x25519", sid, commit, caps_a], [1, "p256", caps_b]
    valid: list[tuple[str, bytes]] = []
    for run in runs:
        valid += [("A", unframed(run.a.x)[0]), ("B", unframed(run.b.y)[0])]
    valid += [("A", pack(good_a)), ("B", pack(good_b))]
    valid += [("A", pack([*good_a[:4], caps_a | {"later": [1, None]}]))]
    valid += [("B", pack([1, "p256", caps_b | {"version": 2}]))]
    without = {key: value for key, value in caps_a.items() if key != "aead"}
    many = caps_a | {f"k{i}": i for i in range(30)}
    bad: list[tuple[str, bytes, str]] = [
        ("A", pack(good_a) + b"\xc0", "bytes after the value"),
        ("A", pack(good_a)[:-1], "cut short"),
        ("A", pack(good_a[:4]), "an element is missing"),
        ("A", pack([*good_a, None]), "an element too many"),
        ("A", pack([1, "x25519", sid[:31], commit, caps_a]), "a short sid"),
        ("A", pack([1, "x25519", sid, commit.hex(), caps_a]), "a commit that is text"),
        ("A", pack([*good_a[:4], without]), "caps without aead"),
        ("A", pack([*good_a[:4], many]), "33 caps"),
        ("A", pack([*good_a[:4], caps_a | {"k": "x" * 1024}]), "more than 1,024 bytes"),
        ("A", pack([2, "whatever"]), "version 2"),
        ("B", pack([1, "p256", caps_b | {"aead": None}]), "no aead"),
        ("B", pack([1, "p256", caps_b | {"verify": 1}]), "a flag that is a number"),
        ("B", pack([7, "p256", caps_b]), "version 7"),
        ("B", b"", "empty"),
    ]
    return group(
        "headA and headB",
        [{"head": side, "bytes": data.hex()} for side, data in valid],
        [{"head": side, "bytes": data.hex(), "why": why} for side, data, why in bad],
    )


def key_schedule(runs: list[Run]) -> Group:
    """KEY-1, HEAD-3, VERIFY-2."""
    valid = []
    for run in runs:
        session, vn = run.session, run.drawn["vn"]
        valid.append({
            "curve": run.curve, "channel": CHANNEL, "prs": PRS.hex(),
            **{name: value.hex() for name, value in run.drawn.items()},
            "headA": unframed(run.a.x)[0].hex(), "headB": unframed(run.b.y)[0].hex(),
            "x": run.a.x, "y": run.b.y, "th": session.th.hex(), "prk": session.prk.reveal.hex(),
            "h_k": session.h_k_wire, "hh_k": run.b.hh_k, "commit": session.commit.hex(),
            "root": session.root.reveal.hex(), "rejoin": session.rejoin.reveal.hex(),
            "resume": resume_key(session).hex(), "verifier": verifier(session, vn).hex(),
            "verifier_indices": list(verifier_indices(session, vn)),
        })  # fmt: skip
    return group("whole handshakes, from the chance that was drawn to the keys", valid)


def hellos() -> Group:
    """HELLO-1 to HELLO-4."""
    salt = chance("salt", 32)
    valid = [
        {"role": role, "connection": number, "salt": salt.hex(),
         "bytes": hello(role, number, salt).hex()}
        for role in Role for number in (0, 1, 15)
    ]  # fmt: skip
    good = hello(Role.SENDER, 0, salt)
    bad = [(hello(Role.RECIPIENT, 0, salt), "the other role"),
           (hello(Role.SENDER, 1, salt), "another connection"), (good[:-1], "cut short"),
           (good + b"\0", "too long"), (good.replace(b"/1", b"/2"), "another protocol"),
           (b"\x8b\0" + good[1:-1], "a length that is not minimal")]  # fmt: skip
    return group(
        "hellos; the invalid ones are read as a sender's on connection 0",
        valid,
        [{"bytes": data.hex(), "why": why} for data, why in bad],
    )


def stream_keys(run: Run) -> Group:
    """The keys of connections, by the root of the first handshake in `key_schedule`."""
    valid = []
    for number, tid in ((0, b""), (1, TID)):
        hello_s = hello(Role.SENDER, number, chance(f"salt S {number}", 32))
        hello_r = hello(Role.RECIPIENT, number, chance(f"salt R {number}", 32))
        for direction in Role:
            for g in (0, 1, 65536):
                key = stream_key(run.session, direction, number, hello_s, hello_r, tid, g)
                valid.append({
                    "root": run.session.root.reveal.hex(), "direction": direction,
                    "connection": number, "helloS": hello_s.hex(), "helloR": hello_r.hex(),
                    "transfer": tid.hex(), "g": g, "key": key.hex(),
                })  # fmt: skip
    return group("keys of both directions of two connections", valid)


def records() -> Group:
    """REC-1 to REC-6. A case is one record under the key of its counter."""
    valid, invalid = [], []
    for name in ("aes256gcm", "chacha20poly1305"):
        key = chance(f"key {name}", 32)
        for counter, last, plain in ((0, False, b"hello"), (1, True, b""), (65536, False, b"g"),
                                     (2**40, True, bytes(64))):  # fmt: skip
            sealer = Sealer(name, lambda _, key=key: key)  # type: ignore[misc]
            sealer._counter = counter
            record = sealer.record(plain, last=last).hex()
            valid.append({"aead": name, "key": key.hex(), "counter": counter, "last": last,
                          "plain": plain.hex(), "record": record})  # fmt: skip
        good = Sealer(name, lambda _, key=key: key).record(b"hello")  # type: ignore[misc]
        flag, length = bytes([good[0] ^ 0x80]), good[3]
        bad = [(good[:-1] + bytes([good[-1] ^ 1]), "a flipped bit"), (flag + good[1:], "last flag"),
               (b"\0\0\0\x0f" + good[4:], "shorter than a tag"),
               (b"\0\x10\0\x11" + good[4:], "longer than 2^20 + 16"),
               (b"\0\x20\0" + bytes([length]) + good[4:], "bit 21"),
               (b"\x40\0\0" + bytes([length]) + good[4:], "bit 30")]  # fmt: skip
        invalid += [{"aead": name, "key": key.hex(), "counter": 0, "record": data.hex(), "why": why}
                    for data, why in bad]  # fmt: skip
        invalid.append({"aead": name, "key": key.hex(), "counter": 1, "record": good.hex(),
                        "why": "a replay: it is record 0"})  # fmt: skip
    return group("single records; key is the key with number counter >> 16", valid, invalid)


def _piece(entry: int, offset: int, codec: int, data: bytes) -> tuple[int, bytes]:
    return m.PIECE, m.PIECE_HEAD.pack(entry, offset, codec) + data


def _framed(kind: int, body: bytes) -> str:
    return (m.HEAD.pack(kind, len(body)) + body).hex()


def messages() -> Group:
    """Every message, as the sender's or recipient's code writes it."""
    digest, vn = chance("digest", 32), chance("vn", 32)
    entries = (
        Entry(Kind.DIRECTORY, "d", 0, {"mode": 0o755}),
        Entry(Kind.FILE, "d/\u00fc.txt", 5, {"mode": 0o644, "mtime": 1_700_000_000_123_456_789}),
        Entry(Kind.FILE, b"d/\xff", 0, {}),
        Entry(Kind.SYMLINK, "d/link", 0, {"target": "\u00fc.txt"}),
    )
    control: list[m.Message] = [
        m.Open(vn), m.Continue(TID), m.Manifest(TID, entries),
        m.Manifest(None, (Entry(Kind.STREAM, "stdin", None, {}),)),
        m.Manifest(TID, (Entry(Kind.TEXT, "text", 12, {}),)), m.Manifest(TID, ()),
        m.OfferEnd(TID, 4, 5), m.OfferEnd(TID, 5, None),
        m.Accept(TID, (Span(0, 4),), (0, 2), 1, (), False),
        m.Accept(TID, (Span(0, 1), Span(3, 2**31)), (0, 1, 2), 16, (m.Held(1, 2**22 + 1),), True),
        m.Accept(TID, (), (), 1, (), False), m.Decline(TID), m.Digests(TID, 1, 0, (digest, digest)),
        m.Want(TID, (m.Range(1, 2**22, 2**63 - 1),), False), m.PiecesEnd(TID, 4, 5, ()),
        m.PiecesEnd(TID, 5, 17, (m.Size(4, 12),)), m.Receipt(TID, 4, 5),
        m.Problem("local_file", "the disk is full"),
    ]  # fmt: skip
    valid: list[Case] = [
        {"name": type(message).__name__, "fields": _fields(message),
         "bytes": m.encode(message).hex()}
        for message in control
    ]  # fmt: skip
    zeros = m.ZERO_COUNT.pack(2**40)
    valid += [
        {"name": "Piece", "bytes": _framed(*_piece(1, 2**40, Codec.RAW, b"hello"))},
        {"name": "Piece", "bytes": _framed(*_piece(2**31 - 1, 0, Codec.ZEROS, zeros))},
        {"name": "STILL_HERE", "bytes": m.still_here().hex()},
        {"name": "PADDING", "bytes": _framed(m.PADDING, b"\0any\xff")},
        {"name": "unknown", "bytes": _framed(0xFF, b"skipped")},
    ]
    return group(
        "messages with their heads, in clear; fields is the array, bytes in it are {hex}",
        valid,
        list(_bad_messages()),
    )


def _fields(value: object) -> Any:
    """Return *value* as the arrays of the document; bytes are {"hex": ...}."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, msgspec.Struct):
        return [_fields(getattr(value, name)) for name in value.__struct_fields__]
    return [_fields(item) for item in value] if isinstance(value, tuple) else value


def _bad_messages() -> Iterator[Case]:
    pack = msgspec.msgpack.encode
    control: list[tuple[type[m.Message], Any, str]] = [
        (m.Open, [bytes(31)], "vn of 31 bytes"),
        (m.Open, [bytes(32), 1], "an element too many"),
        (m.Open, [], "an element is missing"),
        (m.Open, {"vn": bytes(32)}, "a map"),
        (m.Open, ["x" * 32], "text for bytes"),
        (m.Continue, [bytes(15)], "tid of 15 bytes"),
        (m.Manifest, [TID, [[9, "a", 0, {}]]], "no such kind"),
        (m.Manifest, [TID, [[0, "a", None, {}]]], "a file without size"),
        (m.Manifest, [TID, [[4, "a", 1, {}]]], "a stream with a size"),
        (m.Manifest, [TID, [[1, "a", 1, {}]]], "a directory with bytes"),
        (m.Manifest, [TID, [[0, 1, 1, {}]]], "a path that is a number"),
        (m.Manifest, [TID, [[0, "a", 2**63, {}]]], "a size over 2^63 - 1"),
        (m.OfferEnd, [TID, -1, 0], "a negative count"),
        (m.Accept, [TID, [[0, 0]], [0], 1, [], False], "an empty span"),
        (m.Accept, [TID, [], [256], 1, [], False], "a codec over 255"),
        (m.Accept, [TID, [], [0], 0, [], False], "no connection"),
        (m.Accept, [TID, [], [0], 17, [], False], "17 connections"),
        (m.Digests, [TID, 0, 0, [bytes(31)]], "a digest of 31 bytes"),
        (m.Want, [TID, [[0, 0]], False], "a range of two elements"),
        (m.PiecesEnd, [TID, 1, None, []], "no sum"),
        (m.Receipt, [TID, 2**31 + 1, 0], "too many entries"),
        (m.Problem, ["x" * 33, ""], "a code of 33 characters"),
        (m.Problem, ["failed", "x" * 1001], "a text of 1,001 characters"),
    ]
    for kind, body, why in control:
        yield {"name": kind.__name__, "bytes": _framed(kind.type, pack(body)), "why": why}
    tail = _framed(m.Decline.type, pack([TID]) + b"\xc0")
    yield {"name": "Decline", "bytes": tail, "why": "bytes after the value"}
    yield {"name": "Piece", "bytes": _framed(*_piece(0, 0, 9, b"x")), "why": "an unknown codec"}
    short = _framed(*_piece(0, 0, Codec.ZEROS, b"\1"))
    yield {"name": "Piece", "bytes": short, "why": "zeros without a count"}
    yield {"name": "Piece", "bytes": _framed(m.PIECE, bytes(12)), "why": "no room for its head"}
    long = m.HEAD.pack(m.PIECE, m.PIECE_HEAD.size + 2**20 + 1).hex()
    yield {"name": "Piece", "bytes": long, "why": "more than 2^20 bytes, by its length alone"}
    long = m.HEAD.pack(m.Open.type, 65537).hex()
    yield {"name": "Open", "bytes": long, "why": "more than 65,536 bytes, by its length alone"}
    long = m.HEAD.pack(0xFF, 2**20 + 1).hex()
    yield {"name": "unknown", "bytes": long, "why": "too long to skip, by its length alone"}
    for kind_number in (0x00, 0x0D, 0x7F):
        body = _framed(kind_number, b"")
        yield {"name": "unknown", "bytes": body, "why": "a type that may not be skipped"}


def rejoin(run: Run) -> Group:
    """REJOIN-2."""
    root = run.session.rejoin.reveal.hex()
    return group(
        "the first meetings after the first handshake in `key_schedule`",
        [{"rejoin": root, "n": n, "channel": rejoin_channel(run.session, n),
          "prs": rejoin_secret(run.session, n).reveal.hex()} for n in (1, 2, 300)],
    )  # fmt: skip


def resume(run: Run) -> Group:
    """RESUME-2: blocks that are made of a byte, to keep the file small."""
    key = resume_key(run.session)
    cases = [(0x00, 1), (0x61, 5), (0x00, 1 << 22), (0xFF, 1 << 22)]
    return group(
        "digests of blocks of `length` bytes that are all `byte`",
        [{"key": key.hex(), "byte": byte, "length": length,
          "digest": hashlib.blake2b(bytes([byte]) * length, key=key, digest_size=32).hexdigest()}
         for byte, length in cases],
    )  # fmt: skip


def make() -> dict[str, Group]:
    """Make all groups."""
    runs = [Run(curve) for curve in CURVES]
    return {
        "base64url": texts.base64url(), "lv_cat": texts.lv(),
        "http_requests": texts.http_requests(),
        "http_replies": texts.http_replies(), "addresses": texts.addresses(),
        "identification": texts.identification(), "suites": suites(runs), "heads": heads(runs),
        "key_schedule": key_schedule(runs), "stream_keys": stream_keys(runs[0]),
        "hellos": hellos(), "records": records(), "messages": messages(),
        "rejoin": rejoin(runs[0]), "resume": resume(runs[0]), "codes": texts.codes(),
    }  # fmt: skip


def text() -> str:
    """Return the file as it is to be."""
    return json.dumps(make(), indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="ascii")
