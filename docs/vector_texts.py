"""The vectors of docs/protocol.md that are text: written by hand, for there is little to compute.

See docs/make_vectors.py.
"""

from __future__ import annotations

from typing import Any

from croc_core.encoding import b64url_encode, lv_cat

Case = dict[str, Any]
Group = dict[str, Any]

CHANNEL = "7hk2"
UUID = "00112233445566778899aabbccddeeff"


def group(about: str, valid: list[Case], invalid: list[Case] | None = None) -> Group:
    """One group of the file."""
    return {"about": about, "valid": valid, "invalid": invalid or []}


def base64url() -> Group:
    """ENC-1."""
    valid = [{"bytes": data.hex(), "text": b64url_encode(data)} for data in
             (b"\0", b"\0\0", b"\0\0\0", b"\xff\xfe\xfd\xfc", bytes(range(32)))]  # fmt: skip
    bad = {"": "empty", "A": "impossible length", "AA==": "padding", "+/+/": "another alphabet",
           "AB": "unused bits not zero", "AAB": "unused bits not zero",
           "AA\n": "a line end"}  # fmt: skip
    return group(
        "bytes and their canonical base64url",
        valid,
        [{"text": text, "why": why} for text, why in bad.items()],
    )


def lv() -> Group:
    """ENC-2."""
    cases = [[b""], [b"a"], [b"", b"ab", b""], [bytes(127)], [bytes(128)], [bytes(300), b"x"]]
    bad = {"": "nothing", "02aa": "cut short", "01aabb": "bytes after the last part",
           "8100aa": "a length that is not minimal", "80": "a length that is cut short",
           "8080808001": "a length of more than 28 bits"}  # fmt: skip
    return group(
        "parts and their lv_cat; the invalid ones are split into one part",
        [{"parts": [p.hex() for p in parts], "bytes": lv_cat(*parts).hex()} for parts in cases],
        [{"bytes": data, "why": why} for data, why in bad.items()],
    )


def http_requests() -> Group:
    """Bodies of requests."""
    join, channel = "/join", "/channel"
    at = {"channel": CHANNEL, "uuid": UUID}
    valid: list[tuple[str, Case]] = [
        (join, {"role": "sender"}),
        (join, {"role": "sender", "curve": "p256", "protocol": 1, "nonce": UUID}),
        (join, {"role": "sender", "channel": CHANNEL, "token": "open sesame"}),
        (join, {"role": "sender", "protocol": 2}),
        (join, {"role": "recipient", "channel": CHANNEL, "nonce": UUID}),
        (channel, at),
        (channel, at | {"since": 3, "wait": 25}),
        (channel, at | {"wait": 0.5}),
        (channel, at | {"x": "AAAA", "curve": "x25519"}),
        (channel, at | {"x": "A" * 2048}),
        (channel, at | {"y": "AAA", "hh_k": "AA", "since": 0, "wait": 1}),
        (channel, at | {"h_k": "_-_-"}),
        (channel, at | {"close": True}),
        (channel, at | {"close": True, "reason": "wrong_code"}),
    ]
    invalid: list[tuple[str, Any, str]] = [
        (join, [], "not an object"),
        (join, {}, "no role"),
        (join, {"role": "relay"}, "no such role"),
        (join, {"role": "recipient"}, "a recipient without a channel"),
        (join, {"role": "sender", "colour": 1}, "an unknown field"),
        (join, {"role": "sender", "channel": "A"}, "a name with a capital letter"),
        (join, {"role": "sender", "channel": "a" * 33}, "a name of 33 characters"),
        (join, {"role": "sender", "nonce": "00"}, "a short nonce"),
        (join, {"role": "sender", "protocol": "1"}, "a version that is text"),
        (channel, {"channel": CHANNEL}, "no uuid"),
        (channel, at | {"uuid": UUID.upper()}, "a uuid in capitals"),
        (channel, at | {"x": "A" * 2049}, "a value of 2,049 characters"),
        (channel, at | {"x": "A"}, "a length that no base64url has"),
        (channel, at | {"x": "AA=="}, "padding"),
        (channel, at | {"x": 1}, "a value that is a number"),
        (channel, at | {"y": "AA"}, "y without hh_k"),
        (channel, at | {"x": "AA", "h_k": "AA"}, "two actions"),
        (channel, at | {"curve": "p256"}, "curve without x"),
        (channel, at | {"close": False}, "close that is false"),
        (channel, at | {"close": True, "reason": "bored"}, "no such reason"),
        (channel, at | {"reason": "done"}, "reason without close"),
        (channel, at | {"wait": 26}, "a wait of more than 25 seconds"),
        (channel, at | {"since": -1}, "a negative since"),
    ]
    return group(
        "bodies of requests; an invalid one is 400 malformed",
        [{"path": path, "body": body} for path, body in valid],
        [{"path": path, "body": body, "why": why} for path, body, why in invalid],
    )


def http_replies() -> Group:
    """Bodies of replies."""
    joined: Case = {"protocol": 1, "channel": CHANNEL, "uuid": UUID, "role": "sender",
                    "curve": "x25519", "data": [{"kind": "tcp", "port": 9010}],
                    "seq": 1}  # fmt: skip
    state: Case = {"channel": CHANNEL, "curve": "x25519", "x": None, "y": None, "hh_k": None,
             "h_k": None, "stapled": False, "staplings": {}, "recipient": False,
             "seq": 1}  # fmt: skip
    full = state | {"x": "AAAA", "y": "AAAA", "hh_k": "AA", "h_k": "AA", "stapled": True,
                    "staplings": {"9010": 2}, "recipient": True, "seq": 9}  # fmt: skip
    error = {"code": "closed", "message": "the channel is closed"}
    endpoints = [{"kind": "ws", "host": "example.org", "path": "/d"}, {"kind": "tcp", "port": 1}]
    valid = [
        ("join", joined),
        ("join", joined | {"later": 1, "data": endpoints}),
        ("state", state),
        ("state", full | {"later": [1]}),
        ("error", error),
        ("error", error | {"by": "recipient", "reason": "declined"}),
        ("error", error | {"by": "relay", "reason": "expired", "later": 1}),
    ]
    invalid = [
        ("join", joined | {"uuid": "x"}, "no uuid"),
        ("join", joined | {"data": [{"kind": "tcp", "port": 70000}]}, "no port"),
        ("state", state | {"x": "A"}, "a length that no base64url has"),
        ("state", {k: v for k, v in state.items() if k != "h_k"}, "a missing field"),
        ("state", state | {"stapled": None}, "a flag that is null"),
        ("error", {"message": "no"}, "no code"),
    ]
    return group(
        "bodies of replies: of a join, of a channel, of anything that is not 200",
        [{"kind": kind, "body": body} for kind, body in valid],
        [{"kind": kind, "body": body, "why": why} for kind, body, why in invalid],
    )


def addresses() -> Group:
    """ADDR-2."""
    cases = [("192.0.2.1", 128, "192.0.2.1"), ("::ffff:192.0.2.1", 128, "192.0.2.1"),
             ("::FFFF:C000:0201", 64, "192.0.2.1"), ("2001:db8::1", 128, "2001:db8::1"),
             ("2001:DB8:0:0:0:0:0:1", 128, "2001:db8::1"), ("fe80::1%eth0", 128, "fe80::1"),
             ("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64")]  # fmt: skip
    return group(
        "a peer's address, --ipv6-prefix, and a text of what it counts as",
        [{"peer": peer, "prefix": prefix, "counts": counts} for peer, prefix, counts in cases],
    )


def identification() -> Group:
    """PORT-1, PORT-2 and PORT-14."""
    line = f"CROC/1 {CHANNEL} {UUID}\n"
    valid: list[Case] = [
        {"side": "client", "text": line, "channel": CHANNEL, "uuid": UUID, "rest": ""},
        {"side": "client", "text": line + "more", "channel": CHANNEL, "uuid": UUID, "rest": "more"},
        {"side": "client", "text": line[:20]},
        {"side": "relay", "text": "OK\n", "rest": ""},
        {"side": "relay", "text": "OK\nmore", "rest": "more"},
        {"side": "relay", "text": "ERR 403 channel_full\n", "status": 403, "code": "channel_full"},
        {"side": "relay", "text": "ERR 4"},
    ]
    invalid = [
        ("client", line.replace(" ", "  ", 1), "two spaces", 400),
        ("client", line.replace(" 0", "  0", 1), "two spaces", 400),
        ("client", " " + line, "a space before it", 400),
        ("client", line.replace("\n", "\r\n"), "a carriage return", 400),
        ("client", line.upper(), "capitals", 400),
        ("client", "GET / HTTP/1.1\r\n", "not a line of this protocol", 400),
        ("client", "x" * 160, "160 bytes without an end", 400),
        ("client", line.replace("/1", "/2"), "another version", 426),
        ("relay", "HTTP/1.1 400 Bad Request\n", "not an answer of this protocol", None),
        ("relay", "ERR 99 x\n", "not a status", None),
        ("relay", "x" * 64, "64 bytes without an end", None),
    ]
    return group(
        "lines of both sides; without channel or rest: not complete yet",
        valid,
        [{"side": s, "text": text, "why": why} | ({"status": status} if status else {})
         for s, text, why, status in invalid],
    )  # fmt: skip


def codes() -> Group:
    """CODE-1 and CODE-2."""
    good = {
        "7hk2-abandon-ability-able": ("7hk2", "abandon-ability-able"),
        "7hk2-Abandon_ABILITY  able": ("7hk2", "abandon-ability-able"),
        "7hk2--abandon - ability_-able-": ("7hk2", "abandon-ability-able"),
        " 7HK2 abandon_ability\table\n": ("7hk2", "abandon-ability-able"),
        "0-x": ("0", "x"),
        "a-Stra\u00dfe": ("a", "strasse"),
        "a-\uff21\uff22\u3000\ufb01": ("a", "ab-fi"),
        "a-e\u0301": ("a", "\u00e9"),
        "a-" + "\u00fc" * 128: ("a", "\u00fc" * 128),
    }
    bad = {"7hk2": "no secret", "7hk2-": "an empty secret", "7hk2-_ -": "an empty secret",
           "-a": "an empty channel", "": "empty", "\u00fc-a": "another letter",
           "a" * 33 + "-a": "a channel of 33 characters",
           "a-" + "x" * 257: "a secret of 257 bytes"}  # fmt: skip
    return group(
        "codes, as typed; prs is the normalised secret",
        [{"code": code, "channel": channel, "prs": secret.encode().hex()}
         for code, (channel, secret) in good.items()],
        [{"code": code, "why": why} for code, why in bad.items()],
    )  # fmt: skip
