"""JSON bodies: strict in requests, open to more in replies, both bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from croc_core.encoding import b64url_encode
from croc_core.errors import Party, RemoteProtocolError
from croc_core.values import Reason
from croc_core.wire import (
    Close,
    Error,
    Join,
    Joined,
    Look,
    PutProof,
    PutX,
    PutY,
    State,
    Update,
    action_of,
    decode_reply,
    decode_request,
    encode,
    fields,
)

WHO = {"channel": "abcd", "uuid": "0" * 32}
STATE: dict[str, Any] = {
    "channel": "abcd", "curve": "p256", "x": "xx", "y": None, "hh_k": None, "h_k": None,
    "stapled": False, "staplings": {}, "recipient": True, "seq": 3,
}  # fmt: skip


def update(**body: Any) -> Update:
    return decode_request(json.dumps(WHO | body).encode(), Update)


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ({}, Look()),
        ({"since": 0, "wait": 25}, Look()),
        ({"x": "xx"}, PutX("xx", None)),
        ({"x": "xx", "curve": "siec", "wait": 0.5}, PutX("xx", "siec")),
        ({"y": "yy", "hh_k": "hh", "since": 7}, PutY("yy", "hh")),
        ({"h_k": "kk"}, PutProof("kk")),
        ({"close": True}, Close(None)),
        ({"close": True, "reason": "wrong_code"}, Close(Reason.WRONG_CODE)),
    ],
)
def test_each_request_asks_for_one_thing(body: dict[str, Any], action: object) -> None:
    assert action_of(update(**body)) == action
    assert fields(update(**body)) == WHO | body


@pytest.mark.parametrize(
    "body",
    [
        {"y": "yy"}, {"hh_k": "hh"}, {"curve": "p256"}, {"reason": "done"}, {"close": False},
        {"close": False, "reason": "done"}, {"x": "xx", "h_k": "kk"}, {"x": "xx", "close": True},
        {"x": "xx", "y": "yy", "hh_k": "hh"}, {"h_k": "kk", "curve": "p256"},
        {"y": "yy", "hh_k": "hh", "curve": "p256"}, {"h_k": "kk", "reason": "done"},
    ],
)  # fmt: skip
def test_fields_that_do_not_go_together_are_refused_by_name(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(body))):
        action_of(update(**body))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"wait": -1}, "wait"), ({"wait": 25.1}, "wait"), ({"wait": True}, "wait"),
        ({"since": -1}, "since"), ({"since": 1.5}, "since"), ({"since": "1"}, "since"),
        ({"close": 1}, "close"), ({"close": True, "reason": "because"}, "reason"),
        ({"uuid": "0" * 31}, "uuid"), ({"uuid": "G" * 32}, "uuid"), ({"uuid": "0" * 33}, "uuid"),
        ({"channel": ""}, "channel"), ({"x": None}, "x"), ({"x": 5}, "x"), ({"role": "x"}, "role"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        update(**body)


@given(st.binary(min_size=1, max_size=60) | st.just(b"x" * 1536))
def test_every_base64url_value_passes(data: bytes) -> None:
    text = b64url_encode(data)
    assert action_of(update(h_k=text)) == PutProof(text)


@pytest.mark.parametrize(
    "text", ["", "a", "abcde", "ab==", "a+", "a/", "a b", "ab\n", "äb", "A" * 2049, "A" * 2052]
)
def test_what_is_not_base64url_of_bytes_is_refused(text: str) -> None:
    for field in ("x", "h_k"):
        with pytest.raises(ValueError, match=field):
            update(**{field: text})


def test_a_recipient_has_to_name_the_channel() -> None:
    with pytest.raises(ValueError, match="channel"):
        decode_request(b'{"role":"recipient"}', Join)
    join = decode_request(b'{"role":"recipient","channel":"a"}', Join)
    assert decode_request(encode(join), Join) == join
    assert json.loads(encode(join)) == {"role": "recipient", "channel": "a"}


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{", b"\xff", b'{"channel":"\xff"}', b"[" * 20000, b"NaN"]
)
def test_nonsense_is_malformed_in_a_request_and_the_relays_fault_in_a_reply(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_request(data, Update)
    with pytest.raises(RemoteProtocolError) as caught:
        decode_reply(data, State)
    assert caught.value.party is Party.RELAY


def test_a_reply_may_say_more_but_not_less() -> None:
    data = json.dumps(STATE | {"news": [1]}).encode()
    state = decode_reply(data, State)
    assert json.loads(encode(state)) == STATE
    for field in STATE:
        short = {f: v for f, v in STATE.items() if f != field}
        with pytest.raises(RemoteProtocolError):
            decode_reply(json.dumps(short).encode(), State)
    joined: dict[str, Any] = {"protocol": 1, "channel": "a", "uuid": "0" * 32, "role": "sender",
              "curve": "p256", "data": [{"kind": "ws", "host": "h"}, {"kind": "tcp", "port": 1}],
              "seq": 1}  # fmt: skip
    kinds = [(d.kind, d.port) for d in decode_reply(json.dumps(joined).encode(), Joined).data]
    assert kinds == [("ws", 0), ("tcp", 1)]
    joined["data"] = [{"kind": "tcp", "port": 1}] * 65
    with pytest.raises(RemoteProtocolError):
        decode_reply(json.dumps(joined).encode(), Joined)


def test_an_error_says_no_more_than_it_knows() -> None:
    assert json.loads(encode(Error("token", "no"))) == {"code": "token", "message": "no"}
    gone = Error("closed", "gone", "relay", "expired")
    assert decode_reply(encode(gone), Error) == gone
