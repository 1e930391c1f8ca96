from __future__ import annotations

import http.client
import io
import itertools
import json
import socket
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backends._http_server import (
    MAX_HEAD,
    Ended,
    Event,
    HttpServer,
    Interim,
    Refusal,
    Request,
    render,
    render_error,
)

MAX_BODY = 300
PLAIN = b"POST /join HTTP/1.1\r\nHost: r\r\nContent-Length: 2\r\n\r\n{}"


def run(stream: bytes, cuts: list[int], end: bool = True) -> list[Event]:
    """Feed *stream* in the given pieces, answer each request, and list what came of it."""
    server = HttpServer(MAX_BODY)
    places = sorted({c % (len(stream) + 1) for c in cuts} | {0, len(stream)})
    feeds = [stream[a:b] for a, b in itertools.pairwise(places)]
    events: list[Event] = []
    for data in [*feeds, b""] if end else feeds:
        news = list(server.receive(data))
        while news:
            event = news.pop(0)
            events.append(event)
            if isinstance(event, Request):
                assert not news  # one at a time
                server.reply(200, b"{}")
                news += server.resume()
    return events


class _Wire:
    """As much of a socket as http.client needs."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self.data)


def parsed(data: bytes, method: str = "POST") -> tuple[int, bytes, http.client.HTTPMessage]:
    reply = http.client.HTTPResponse(cast(socket.socket, _Wire(data)), method=method)
    reply.begin()
    body = reply.read()
    rest = reply.fp.read() if reply.fp else b""
    assert rest == b""
    return reply.status, body, reply.headers


def refused(event: Event) -> tuple[int, str]:
    assert isinstance(event, Refusal)
    status, body, headers = parsed(event.data)
    assert headers["Connection"] == "close"
    told = json.loads(body)
    assert set(told) == {"code", "message"}
    return status, told["code"]


def chunked(body: bytes, sizes: list[int]) -> bytes:
    out, at = b"", 0
    for size in sizes:
        part = body[at : at + size]
        if part:
            out += b"%x;x=y\r\n%s\r\n" % (len(part), part)
        at += size
    if body[at:]:
        out += b"%X\r\n%s\r\n" % (len(body[at:]), body[at:])
    return out + b"0\r\nTrailer: t\r\n\r\n"


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    method = draw(st.sampled_from(["POST", "GET", "HEAD", "DELETE", "OPTIONS"]))
    path = draw(st.sampled_from(["/join", "/channel", "/", "*", "/a?b=c"]))
    body = draw(st.binary(max_size=MAX_BODY))
    lines = [f"{method} {path} HTTP/1.1".encode(), b"host: x"]
    before: list[Event] = []
    if draw(st.booleans()):
        lines.append(b"Expect: 100-continue")
        before.append(Interim(b"HTTP/1.1 100 Continue\r\n\r\n"))
    if draw(st.booleans()):
        lines.append(b"Transfer-Encoding: chunked")
        sent = chunked(body, draw(st.lists(st.integers(1, 40), max_size=5)))
    else:
        lines.append(b"Content-Length: %d" % len(body))
        sent = body
    blank = draw(st.sampled_from([b"", b"\r\n"]))
    return blank + b"\r\n".join([*lines, b"", b""]) + sent, [*before, Request(method, path, body)]


@given(st.lists(requests(), max_size=4), st.lists(st.integers(0, 5000), max_size=8))
def test_any_split_of_pipelined_requests_gives_the_same_requests(
    made: list[tuple[bytes, list[Event]]], cuts: list[int]
) -> None:
    stream = b"".join(data for data, _ in made)
    assert run(stream, cuts) == [e for _, events in made for e in events] + [Ended()]


SHREDS = st.sampled_from(
    [
        PLAIN,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"5\r\nabcde\r\n",
        b"0\r\n\r\n",
        b"\r\n",
        b"\n\n",
        b"\n",
        b" ",
        b"HTTP/1.1",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Content-Length: 9999\r\n",
        b"Content-Length: -1\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"a" * 5000,
        b"ff\r\n" + b"z" * 255 + b"\r\n",
        b"1;" + b"e" * 9000 + b"\r\nq\r\n",
    ]
) | st.binary(max_size=20)  # fmt: skip


@given(st.lists(SHREDS, max_size=10), st.lists(st.integers(0, 60000), max_size=12))
@example([b"POST / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 4000 + b"\r\n"], [10, 20000])
@example([b"\x16\x03\x01 tls"], [1])
@example(
    [b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"]
    + [b"1;" + b"e" * 5000 + b"\r\nq\r\n"] * 4  # more framing than is allowed, and then
    + [b"fff\r\n" + b"z" * 400],  # a body that is too large
    [16000, 20086],
)
def test_any_bytes_in_any_split_give_the_same_events_and_no_exception(
    shreds: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(shreds)
    events = run(stream, cuts)
    assert events == run(stream, [])
    assert all(isinstance(e, Request | Interim) for e in events[:-1])
    if isinstance(events[-1], Refusal):
        assert refused(events[-1])[0] in (400, 413, 431)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 301\r\n\r\n", (413, "too_large")),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 19 + b"\r\nExpect: 100-continue"
         b"\r\n\r\n", (413, "too_large")),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + b"z" * 301,
         (413, "too_large")),
        (b"GET / HTTP/1.1\r\n" + b"a" * MAX_HEAD, (431, "headers")),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 3000 + b"\r\n", (431, "headers")),
        (b"GET / HTTP/1.1\r\n\r\n", (400, "malformed")),  # no Host
        (b"\x16\x03\x01", (400, "malformed")),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", (400, "malformed")),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         (400, "malformed")),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
         (400, "malformed")),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         (400, "malformed")),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"e" * MAX_HEAD,
         (400, "malformed")),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_as_early_as_it_is_known(
    sent: bytes, answer: tuple[int, str]
) -> None:
    (event,) = run(sent, [], end=False)
    assert refused(event) == answer


def test_a_head_of_just_the_limit_is_read() -> None:
    start = b"GET / HTTP/1.1\r\nHost: x\r\na: "
    whole = start + b"b" * (MAX_HEAD - len(start) - 4) + b"\r\n\r\n"
    assert len(whole) == MAX_HEAD
    assert run(whole, [], end=False) == [Request("GET", "/", b"")]


def test_a_body_of_just_the_limit_is_read_and_its_framing_may_be_longer() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"z" * MAX_BODY
    tiny = b"".join(b"1\r\nz\r\n" for _ in body) + b"0\r\n\r\n"
    assert run(head + tiny, [], end=False) == [Request("POST", "/", body)]


def test_the_end_of_the_stream_within_a_request_is_an_error_and_between_two_is_not() -> None:
    assert refused(run(PLAIN[:-1], [])[-1]) == (400, "malformed")
    assert refused(run(PLAIN[:9], [])[-1]) == (400, "malformed")
    assert run(PLAIN, [])[-1] == Ended()
    assert run(b"", []) == [Ended()]
    server = HttpServer(MAX_BODY)
    server.receive(PLAIN)
    assert server.receive(b"") == (Ended(),)  # the asker has gone while the reply was awaited


def test_replies_are_http_that_another_reader_understands() -> None:
    status, body, headers = parsed(render(429, b'{"a":1}', retry_after=7, keep_alive=True))
    assert (status, body) == (429, b'{"a":1}')
    assert headers["Retry-After"] == "7"
    assert headers["Content-Type"] == "application/json"
    assert headers["Connection"] is None
    assert parsed(render(405, b"{}"))[2]["Allow"] == "POST"
    assert parsed(render(599, b"{}"))[0] == 599
    assert json.loads(parsed(render_error(503, "busy", "no"))[1]) == {
        "code": "busy",
        "message": "no",
    }


def test_a_reply_to_head_has_a_length_and_no_body() -> None:
    server = HttpServer(MAX_BODY)
    server.receive(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    reply = server.reply(405, b"{}")
    status, body, headers = parsed(reply, "HEAD")
    assert (status, body, headers["Content-Length"]) == (405, b"", "2")
    assert server.keep_alive
    server.receive(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert server.reply(405, b"{}").endswith(b"\r\n\r\n{}")


@given(st.lists(st.sampled_from([200, 400, 403, 404, 405, 429]), min_size=8, max_size=30))
def test_the_eighth_mistake_ends_the_connection_and_says_so(statuses: list[int]) -> None:
    server = HttpServer(MAX_BODY)
    server.receive(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * len(statuses))
    mistakes = 0
    for status in statuses:
        mistakes += status in (400, 404, 405)
        _, _, headers = parsed(server.reply(status, b"{}"))
        assert ("Connection" in headers) is (not server.keep_alive) is (mistakes == 8)
        went_on = bool(server.resume())
        if mistakes == 8:
            assert not went_on
            return


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_a_connection_that_is_not_kept_reads_no_further_request(head: bytes) -> None:
    server = HttpServer(MAX_BODY)
    (event,) = server.receive(head + PLAIN)
    assert isinstance(event, Request)
    assert b"Connection: close\r\n" in server.reply(200, b"{}")
    assert not server.keep_alive
    assert server.resume() == server.receive(PLAIN) == server.receive(b"") == ()


def test_a_request_waits_for_the_reply_to_the_one_before_it() -> None:
    server = HttpServer(MAX_BODY)
    assert len(server.receive(PLAIN)) == 1
    assert server.busy
    assert server.receive(PLAIN) == server.resume() == ()
    assert server.buffered == len(PLAIN)
    server.reply(200, b"{}")
    assert server.begun
    assert server.resume() == (Request("POST", "/join", b"{}"),)
    assert server.buffered == 0


def test_only_a_request_that_has_begun_is_too_slow() -> None:
    server = HttpServer(MAX_BODY)
    assert not server.begun
    server.receive(b"\r\n")
    assert not server.begun
    server.receive(PLAIN[:40])
    assert server.begun
    server.receive(PLAIN[40:-1])
    assert server.begun
    assert refused(server.too_slow()) == (408, "too_slow")
    assert server.receive(b"}") == ()


def test_the_target_may_be_absolute_and_forwarded_addresses_are_read_in_order() -> None:
    head = (
        b"POST http://relay:1/join HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.2.3.4 , 5.6.7.8\r\n"
        b"x-forwarded-for: ::1\r\n\r\n"
    )
    assert run(head, [], end=False) == [
        Request("POST", "/join", b"", ("1.2.3.4", "5.6.7.8", "::1"))
    ]
    assert run(b"GET http://relay HTTP/1.1\r\nHost: x\r\n\r\n", [], end=False) == [
        Request("GET", "/", b"")
    ]
