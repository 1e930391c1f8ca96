"""docs/vectors.json, judged twice: by croc_core, and by a second reading of docs/protocol.md.

The second reading is `tests.protocol_reference`. It takes even the constants of the curves from the
text of the document, so this also tests that the document is right and complete.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from croc_core import codes, encoding, handshake, heads, identify, messages, pake, seal, wire
from croc_core.errors import RemoteProtocolError
from croc_core.messages import HEAD, PIECE
from croc_core.pake import cpace
from croc_core.parser import Parser
from croc_core.values import Role, Secret, address_of
from docs import make_vectors
from tests import protocol_reference as ref
from tests.memory_files import MemorySink

DOCS = Path(__file__).parent.parent / "docs"
GROUPS: dict[str, dict[str, Any]] = json.loads((DOCS / "vectors.json").read_text("ascii"))
SUITES = ref.suites((DOCS / "protocol.md").read_text("utf-8"))
Case = dict[str, Any]
hexed = bytes.fromhex


def cases(name: str, side: str = "valid", **only: Any) -> list[Case]:
    return [c for c in GROUPS[name][side] if all(c.get(k) == v for k, v in only.items())]


def test_the_file_is_what_is_made_now() -> None:
    assert (DOCS / "vectors.json").read_text("ascii") == make_vectors.text()


def test_every_group_has_cases() -> None:
    assert all(group["about"] and group["valid"] for group in GROUPS.values())


@pytest.mark.parametrize("case", cases("base64url"))
def test_base64url(case: Case) -> None:
    assert ref.b64(hexed(case["bytes"])) == case["text"]
    assert encoding.b64url_encode(hexed(case["bytes"])) == case["text"]
    assert encoding.b64url_decode(case["text"]) == hexed(case["bytes"])


@pytest.mark.parametrize("case", cases("base64url", "invalid"))
def test_base64url_invalid(case: Case) -> None:
    with pytest.raises(ValueError, match="base64url"):
        encoding.b64url_decode(case["text"])


@pytest.mark.parametrize("case", cases("lv_cat"))
def test_lv_cat(case: Case) -> None:
    parts = tuple(map(hexed, case["parts"]))
    assert ref.lv_cat(*parts).hex() == encoding.lv_cat(*parts).hex() == case["bytes"]
    assert encoding.lv_split(hexed(case["bytes"]), len(parts)) == parts


@pytest.mark.parametrize("case", cases("lv_cat", "invalid"))
def test_lv_cat_invalid(case: Case) -> None:
    with pytest.raises(ValueError, match=r"length|part"):
        encoding.lv_split(hexed(case["bytes"]), 1)


# ---- what the relay reads and writes


def request(case: Case) -> object:
    body = json.dumps(case["body"]).encode()
    if case["path"] == "/join":
        return wire.decode_request(body, wire.Join)
    update = wire.decode_request(body, wire.Update)
    return update, wire.action_of(update)


@pytest.mark.parametrize("case", cases("http_requests"))
def test_http_requests(case: Case) -> None:
    read = request(case)
    update = read[0] if isinstance(read, tuple) else read
    assert isinstance(update, msgspec.Struct)
    given = {k: v for k, v in msgspec.to_builtins(update).items() if k in case["body"]}
    assert {"protocol": 1} | given == {"protocol": 1} | case["body"]


@pytest.mark.parametrize("case", cases("http_requests", "invalid"))
def test_http_requests_invalid(case: Case) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 its sentence is for the asker
        request(case)


REPLIES: dict[str, type[msgspec.Struct]] = {
    "join": wire.Joined,
    "state": wire.State,
    "error": wire.Error,
}


@pytest.mark.parametrize("case", cases("http_replies"))
def test_http_replies(case: Case) -> None:
    read = wire.decode_reply(json.dumps(case["body"]).encode(), REPLIES[case["kind"]])
    for name, value in msgspec.to_builtins(read).items():
        if name != "data":
            assert case["body"].get(name) == value
    if isinstance(read, wire.Joined):
        ports = [way["port"] for way in case["body"]["data"] if way["kind"] == "tcp"]
        assert [way.port for way in read.data if way.kind == "tcp"] == ports


@pytest.mark.parametrize("case", cases("http_replies", "invalid"))
def test_http_replies_invalid(case: Case) -> None:
    with pytest.raises(RemoteProtocolError):
        wire.decode_reply(json.dumps(case["body"]).encode(), REPLIES[case["kind"]])


@pytest.mark.parametrize("case", cases("addresses"))
def test_addresses(case: Case) -> None:
    assert address_of(case["peer"], case["prefix"]) == case["counts"]


@pytest.mark.parametrize("case", cases("identification"))
def test_identification(case: Case) -> None:
    data = case["text"].encode()
    if case["side"] == "client":
        line = identify.parse_line(data)
        if "rest" not in case:
            assert line is None
        else:
            assert line == (case["channel"], case["uuid"], case["rest"].encode())
            assert identify.encode_line(case["channel"], case["uuid"]) + line[2] == data
        return
    answer = identify.parse_reply(data)
    if "status" in case:
        assert answer == (case["status"], case["code"])
        assert isinstance(answer, identify.Refusal)
        assert identify.encode_reply(answer) == data
    elif "rest" in case:
        assert answer == identify.Welcome(case["rest"].encode())
    else:
        assert answer is None


@pytest.mark.parametrize("case", cases("identification", "invalid"))
def test_identification_invalid(case: Case) -> None:
    data = case["text"].encode()
    if case["side"] == "client":
        line = identify.parse_line(data)
        assert isinstance(line, identify.Refusal)
        assert line.status == case["status"]
    else:
        with pytest.raises(RemoteProtocolError):
            identify.parse_reply(data)


# ---- the handshake


@pytest.mark.parametrize("case", cases("suites"), ids=lambda case: case["curve"])
def test_suites(case: Case) -> None:
    curve = case["curve"]
    theirs, ours = SUITES[curve], pake.suite(curve)
    prs, ci, sid = hexed(case["prs"]), ref.ci(case["channel"], curve), hexed(case["sid"])
    generator = theirs.g(ref.generator_string(theirs, prs, ci, sid))
    code_generator = ours.generator(prs, ci, sid)
    shares = []
    for side, share in (("a", "X"), ("b", "Y")):
        scalar = theirs.scalar(hexed(case[f"scalar_{side}_entropy"]))
        assert scalar == ours.scalar(hexed(case[f"scalar_{side}_entropy"]))
        assert scalar.hex() == case[f"scalar_{side}"]
        shares.append(hexed(case[share]))
        assert theirs.k(theirs.multiply(scalar, generator)) == theirs.k(shares[-1])
        assert ours.share(scalar, code_generator) == shares[-1]
    for side, other in (("a", 1), ("b", 0)):
        scalar = hexed(case[f"scalar_{side}"])
        assert theirs.k(theirs.multiply(scalar, shares[other])).hex() == case["K"]
        assert ours.agree(scalar, shares[other]).hex() == case["K"]


@pytest.mark.parametrize("case", cases("suites", "invalid"))
def test_suites_invalid(case: Case) -> None:
    with pytest.raises(cpace.Abort):
        pake.suite(case["curve"]).agree(hexed(case["scalar"]), hexed(case["share"]))


def decode_head(case: Case) -> heads.HeadA | heads.HeadB:
    data = hexed(case["bytes"])
    if case["head"] == "A":
        return heads.decode_head(data, heads.HeadA)
    return heads.decode_head(data, heads.HeadB)


@pytest.mark.parametrize("case", cases("heads"))
def test_heads(case: Case) -> None:
    head = decode_head(case)
    plain = msgspec.msgpack.decode(hexed(case["bytes"]))
    assert list(head[:-1]) == plain[:-1]
    for name, value in msgspec.to_builtins(head.caps).items():
        assert plain[-1][name] == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize("case", cases("heads", "invalid"))
def test_heads_invalid(case: Case) -> None:
    kind = heads.VersionMismatch if case["why"].startswith("version") else RemoteProtocolError
    with pytest.raises(kind) as caught:
        decode_head(case)
    assert type(caught.value) is kind


@pytest.mark.parametrize("case", cases("key_schedule"), ids=lambda case: case["curve"])
def test_key_schedule_by_the_document(case: Case) -> None:
    curve, suite = case["curve"], SUITES[case["curve"]]
    of_curve = cases("suites", curve=curve)[0]
    assert of_curve["sid"] == case["sid"]
    sid, vn, x, y, k = (
        hexed(value)
        for value in (case["sid"], case["vn"], of_curve["X"], of_curve["Y"], of_curve["K"])
    )
    head_a, head_b = hexed(case["headA"]), hexed(case["headB"])
    assert case["x"] == ref.b64(ref.lv_cat(head_a, x))
    assert case["y"] == ref.b64(ref.lv_cat(head_b, y))
    assert case["commit"] == ref.sha256(ref.lv_cat(ref.P, b"verifier-commit", vn)).hex()
    assert msgspec.msgpack.decode(head_a)[:4] == [1, curve, sid, hexed(case["commit"])]
    assert msgspec.msgpack.decode(head_b)[:2] == [1, curve]
    ada, adb = ref.lv_cat(b"sender", head_a), ref.lv_cat(b"recipient", head_b)
    th = ref.sha256(ref.lv_cat(ref.P + b" th", curve.encode(), sid, x, ada, y, adb))
    keys = ref.schedule(ref.isk(suite, sid, k, x, ada, y, adb), th, vn)
    assert th.hex() == case["th"]
    for name in ("prk", "root", "rejoin", "resume", "verifier"):
        assert keys[name].hex() == case[name]
    assert ref.b64(keys["h_k"]) == case["h_k"]
    assert ref.b64(keys["hh_k"]) == case["hh_k"]
    bits = f"{int.from_bytes(keys['verifier'], 'big'):064b}"
    assert case["verifier_indices"] == [int(bits[i : i + 11], 2) for i in (0, 11, 22, 33)]


@pytest.mark.parametrize("case", cases("key_schedule"), ids=lambda case: case["curve"])
def test_key_schedule_by_the_code(case: Case) -> None:
    """The code, given the same chance, posts and derives what stands there."""
    suite = pake.suite(case["curve"])
    drawn = iter(hexed(case[name]) for name in ("sid", "vn", "scalar_a_entropy"))
    prs = Secret(hexed(case["prs"]))
    offer = handshake.CapsOffer(verify=True)
    made = handshake.start(suite, case["channel"], prs, offer, lambda _: next(drawn))
    assert made.x == case["x"]
    session = handshake.finish(made, suite, case["y"], case["hh_k"])
    assert handshake.proves(session, case["h_k"])
    assert session.h_k_wire == case["h_k"]
    assert session.root.reveal.hex() == case["root"]
    assert handshake.commits(session, hexed(case["vn"]))
    assert handshake.verifier(session, hexed(case["vn"])).hex() == case["verifier"]
    assert handshake.resume_key(session).hex() == case["resume"]


@pytest.mark.parametrize("case", cases("stream_keys"))
def test_stream_keys(case: Case) -> None:
    hellos = hexed(case["helloS"]), hexed(case["helloR"])
    root, tid = hexed(case["root"]), hexed(case["transfer"])
    key = ref.stream_key(root, case["direction"], case["connection"], hellos, tid, case["g"])
    assert key.hex() == case["key"]


@pytest.mark.parametrize("case", cases("rejoin"))
def test_rejoin(case: Case) -> None:
    channel, prs = ref.rejoin(hexed(case["rejoin"]), case["n"])
    assert (channel, prs.hex()) == (case["channel"], case["prs"])


@pytest.mark.parametrize("case", cases("resume"))
def test_resume(case: Case) -> None:
    block = bytes([case["byte"]]) * case["length"]
    digest = hashlib.blake2b(block, key=hexed(case["key"]), digest_size=32)
    assert digest.hexdigest() == case["digest"]


@pytest.mark.parametrize("case", cases("codes"))
def test_codes(case: Case) -> None:
    assert ref.split_code(case["code"]) == (case["channel"], hexed(case["prs"]))
    code = codes.parse(case["code"])
    assert (code.channel, code.secret.reveal) == (case["channel"], hexed(case["prs"]))


@pytest.mark.parametrize("case", cases("codes", "invalid"))
def test_codes_invalid(case: Case) -> None:
    assert ref.split_code(case["code"]) is None
    with pytest.raises(ValueError, match="code"):
        codes.parse(case["code"])


# ---- on the data connection


@pytest.mark.parametrize("case", cases("hellos"))
def test_hellos(case: Case) -> None:
    role, number, data = Role(case["role"]), case["connection"], hexed(case["bytes"])
    assert data == ref.hello(role, number, hexed(case["salt"]))
    assert len(data) == {"sender": 63, "recipient": 66}[role] == handshake.HELLO_LENGTH[role]
    handshake.check_hello(data, role, number)


@pytest.mark.parametrize("case", cases("hellos", "invalid"))
def test_hellos_invalid(case: Case) -> None:
    with pytest.raises(RemoteProtocolError):
        handshake.check_hello(hexed(case["bytes"]), Role.SENDER, 0)


def opened(case: Case) -> tuple[bytes, seal.Opener]:
    asked: list[int] = []

    def key_for(g: int) -> bytes:
        asked.append(g)
        return hexed(case["key"])

    opener = seal.Opener(case["aead"], key_for)
    opener._counter = case["counter"]
    record = bytearray.fromhex(case["record"])
    header = bytes(record[:4])
    assert opener.length(header) == len(record) - 4
    plain = bytes(opener.open(header, memoryview(record)[4:]))
    assert asked[-1] == case["counter"] >> 16
    return plain, opener


CIPHERS: dict[str, type[AESGCM | ChaCha20Poly1305]] = {
    "aes256gcm": AESGCM,
    "chacha20poly1305": ChaCha20Poly1305,
}


@pytest.mark.parametrize("case", cases("records"))
def test_records(case: Case) -> None:
    plain, counter, last = hexed(case["plain"]), case["counter"], case["last"]
    header = (len(plain) + 16 + last * 2**31).to_bytes(4, "big")
    nonce = counter.to_bytes(11, "big") + bytes([last])
    sealed = CIPHERS[case["aead"]](hexed(case["key"])).encrypt(nonce, plain, header)
    assert (header + sealed).hex() == case["record"]
    got, opener = opened({**case, "record": case["record"]})
    assert got == plain
    assert opener.ended is last


@pytest.mark.parametrize("case", cases("records", "invalid"))
def test_records_invalid(case: Case) -> None:
    with pytest.raises(RemoteProtocolError):
        opened(case)


def unhex(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"hex"}:
        return hexed(value["hex"])
    return [unhex(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", cases("messages"))
def test_messages(case: Case) -> None:
    data = hexed(case["bytes"])
    kind, length = HEAD.unpack_from(data)
    body = data[HEAD.size :]
    assert len(body) == length
    messages.check_head(kind, length)
    if case["name"] in ("STILL_HERE", "PADDING", "unknown", "Piece"):
        assert kind not in messages.CONTROL
        assert (kind == PIECE) == (case["name"] == "Piece")
        return
    assert messages.CONTROL[kind].__name__ == case["name"]
    assert msgspec.msgpack.encode(unhex(case["fields"])) == body
    message = messages.decode(kind, body)
    assert messages.encode(message) == data


@pytest.mark.parametrize("case", cases("messages", "invalid"))
def test_messages_invalid(case: Case) -> None:
    parser = Parser()
    parser.sink = MemorySink()
    data = hexed(case["bytes"])
    parser.feed(memoryview(data), len(data))
    with pytest.raises(RemoteProtocolError):
        parser.parse()
