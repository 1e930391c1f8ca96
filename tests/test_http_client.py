from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends._http_client import (
    MAX_FRAMING,
    MAX_REPLY,
    HttpExchange,
    Reply,
    authority,
)
from backends._http_server import HttpServer, Request, render
from croc_core.errors import RemoteProtocolError

NONSENSE = "relay RemoteProtocolError"


def fed(stream: bytes, cuts: list[int], end: bool = True) -> Reply | str | None:
    """The reply or the kind of error that comes of *stream* in the given pieces."""
    exchange = HttpExchange("r:1", "/join", b"{}")
    places = sorted({c % (len(stream) + 1) for c in cuts} | {0, len(stream)})
    feeds = [stream[a:b] for a, b in itertools.pairwise(places)]
    try:
        for data in [*feeds, b""] if end else feeds:
            reply = exchange.receive(data)
            if reply is not None:
                return reply
    except RemoteProtocolError as error:
        return f"{error.party} {type(error).__name__}"
    return None


@given(
    st.sampled_from([200, 404, 503]),
    st.binary(max_size=2000),
    st.integers(0, 3),
    st.sampled_from(["length", "chunked", "close"]),
    st.lists(st.integers(0, 3000), max_size=6),
)
def test_any_split_of_a_reply_gives_the_same_reply(
    status: int, body: bytes, interim: int, framing: str, cuts: list[int]
) -> None:
    stream = b"HTTP/1.1 100 Continue\r\n\r\n" * interim + b"HTTP/1.1 %d Word\r\n" % status
    if framing == "length":
        stream += b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    elif framing == "chunked":
        parts = b"".join(b"1\r\n%c\r\n" % c for c in body[:50])
        parts += b"%x\r\n%s\r\n" % (len(body[50:]), body[50:]) if body[50:] else b""
        stream += b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"
    else:
        stream += b"\r\n" + body
    assert fed(stream, cuts) == Reply(status, body, framing != "close")


@given(
    st.lists(
        st.sampled_from(
            [
                b"HTTP/1.1 200 OK\r\n", b"\r\n", b"\n", b"Content-Length: 5\r\n", b"abcde", b" ",
                b"Transfer-Encoding: chunked\r\n", b"5\r\nabcde\r\n0\r\n\r\n", b"a" * 20000,
                b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 100 Go on\r\n\r\n",
                b"Retry-After: x\r\n", b"Content-Length: 70000\r\n\r\n" + b"b" * 70000,
            ]
        )
        | st.binary(max_size=9),
        max_size=8,
    ),
    st.lists(st.integers(0, 90000), max_size=6),
)  # fmt: skip
def test_any_bytes_give_a_reply_or_the_relays_error(shreds: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(shreds)
    one, other = fed(stream, []), fed(stream, cuts)
    if isinstance(one, Reply) and isinstance(other, Reply):
        assert (one.status, one.body) == (other.status, other.body)
    else:
        assert isinstance(one, str)
        assert isinstance(other, str)


def test_the_request_is_one_that_the_server_reads() -> None:
    server = HttpServer(100)
    for body in (b"", b'{"role":"sender"}'):
        exchange = HttpExchange("[::1]:80", "/join", body)
        assert server.receive(exchange.request) == (Request("POST", "/join", body),)
        server.reply(200, b"")
    assert server.keep_alive


def test_replies_of_the_server_are_understood() -> None:
    assert fed(render(429, b"{}", retry_after=3, keep_alive=True), []) == Reply(429, b"{}", True, 3)
    assert fed(render(200, b"{}"), []) == Reply(200, b"{}", False)


def test_bytes_behind_a_reply_end_the_connections_use() -> None:
    assert fed(render(200, b"{}", keep_alive=True) + b"x", []) == Reply(200, b"{}", False)


def test_a_reply_is_bounded() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    most = fed(head % MAX_REPLY + b"b" * MAX_REPLY, [])
    assert isinstance(most, Reply)
    assert len(most.body) == MAX_REPLY
    over = head % (MAX_REPLY + 1) + b"b" * (MAX_REPLY + 1)
    assert fed(over, [], end=False) == NONSENSE
    assert fed(b"HTTP/1.1 200 OK\r\nx: " + b"a" * MAX_FRAMING, [], end=False) == NONSENSE
    assert fed(b"HTTP/1.1 100 Go on\r\n\r\n" * 2000, [], end=False) == NONSENSE


@pytest.mark.parametrize("got", [0, 1, 17, 60])
def test_a_reply_that_breaks_off_is_lost_and_may_be_asked_for_again(got: int) -> None:
    whole = render(200, b'{"a": 1234567890}')
    assert fed(whole[:got], []) == "relay ReplyLostError"
    assert fed(whole[:got], [], end=False) is None


def test_authority_writes_ipv6_in_brackets() -> None:
    assert authority("relay.example", 80) == "relay.example:80"
    assert authority("fe80::1%eth0", 9) == "[fe80::1]:9"
