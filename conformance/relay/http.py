"""Cases: HTTP as it must be, and what is not HTTP."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from conformance._case import Part, case, expect
from conformance.relay._play import RelayUnderTest, X, good, nonce
from conformance.relay._web import Reply, request

QUICK = {"handshake_timeout": 3}
"""Starts a relay that does not wait long for a request or an identification."""
UUID = "0" * 32
MALFORMED: dict[str, Any] = {
    "no body": b"",
    "no JSON": b"{",
    "two values": b'{"role":"sender"}{}',
    "an array": b'["sender"]',
    "null": b"null",
    "no UTF-8": b'{"role":"\xff"}',
    "a NaN": b'{"role":"sender","protocol":NaN}',
    "an unknown field": {"role": "sender", "colour": "red"},
    "no role": {},
    "another role": {"role": "relay"},
    "a role that is no text": {"role": 1},
    "a channel in capitals": {"role": "sender", "channel": "ABC"},
    "an empty channel": {"role": "sender", "channel": ""},
    "a channel of 33": {"role": "sender", "channel": "a" * 33},
    "a channel with a newline": {"role": "sender", "channel": "abc\n"},
    "a null channel": {"role": "sender", "channel": None},
    "a curve of 33": {"role": "sender", "curve": "a" * 33},
    "a curve in capitals": {"role": "sender", "curve": "X25519"},
    "a protocol that is text": {"role": "sender", "protocol": "1"},
    "a short nonce": {"role": "sender", "nonce": "0" * 31},
    "a nonce in capitals": {"role": "sender", "nonce": "A" * 32},
    "an empty token": {"role": "sender", "token": ""},
    "a long token": {"role": "sender", "token": "t" * 257},
}
BAD_UPDATES: dict[str, dict[str, Any]] = {
    "no uuid": {"channel": "abc"},
    "no channel": {"uuid": UUID},
    "a short uuid": {"channel": "abc", "uuid": "0" * 31},
    "a uuid in capitals": {"channel": "abc", "uuid": "A" * 32},
    "an unknown field": {"channel": "abc", "uuid": UUID, "z": 1},
    "a field of /join": {"channel": "abc", "uuid": UUID, "role": "sender"},
    "since below 0": {"channel": "abc", "uuid": UUID, "since": -1},
    "since as text": {"channel": "abc", "uuid": UUID, "since": "1"},
    "wait below 0": {"channel": "abc", "uuid": UUID, "wait": -1},
    "wait above 25": {"channel": "abc", "uuid": UUID, "wait": 26},
    "wait as text": {"channel": "abc", "uuid": UUID, "wait": "1"},
    "close false": {"channel": "abc", "uuid": UUID, "close": False},
    "another reason": {"channel": "abc", "uuid": UUID, "close": True, "reason": "bored"},
}
CODES = {
    400: {"malformed"}, 401: {"token"}, 403: {"not_yours", "channel_full"},
    404: {"no_such_channel", "no_x_yet", "no_route"}, 405: {"method"}, 408: {"too_slow"},
    409: {"occupied", "already_set", "out_of_turn", "curve"}, 410: {"closed"},
    413: {"too_large"}, 426: {"version"}, 429: {"too_many"}, 431: {"headers"},
    500: {"internal"}, 503: {"busy"},
}  # fmt: skip


@case(Part.RELAY, "http-no-route", "HTTP-1", "ERR-1")
def no_route(relay: RelayUnderTest) -> None:
    """Another path is 404 `no_route`, whatever the method, with a JSON body."""
    for method, path in (("POST", "/"), ("POST", "/join/"), ("POST", "/Join"), ("GET", "/data"),
                         ("GET", "/"), ("POST", "/channels"), ("OPTIONS", "/x")):  # fmt: skip
        web = relay.web()
        web.write(path, {}, method=method)
        reply = web.read()
        expect(reply.says(404, "no_route"), f"{method} {path} was answered {reply}")


@case(Part.RELAY, "http-other-method", "HTTP-1", "ERR-1")
def other_method(relay: RelayUnderTest) -> None:
    """Another method on the two paths is 405 `method`, and a join by GET takes nothing."""
    for path in ("/join", "/channel"):
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
            web = relay.web()
            web.write(path, {"role": "sender"}, method=method)
            reply = web.read()
            expect(reply.says(405, "method"), f"{method} {path} was answered {reply}")


def _send(relay: RelayUnderTest, path: str, body: Any) -> Reply:
    web = relay.web()
    web.write_body(path, body if isinstance(body, bytes) else json.dumps(body).encode())
    return web.read()


@case(Part.RELAY, "http-malformed-join", "HTTP-2", "ERR-1")
def malformed_join(relay: RelayUnderTest) -> None:
    """A join that is not one object of the given fields and types is 400 `malformed`."""
    for what, body in MALFORMED.items():
        reply = _send(relay, "/join", body)
        expect(reply.says(400, "malformed"), f"{what} was answered {reply}")


@case(Part.RELAY, "http-malformed-update", "HTTP-2", "ERR-1")
def malformed_update(relay: RelayUnderTest) -> None:
    """A channel request that is not one object of the given fields and types is 400."""
    for what, body in BAD_UPDATES.items():
        reply = _send(relay, "/channel", body)
        expect(reply.says(400, "malformed"), f"{what} was answered {reply}")


@case(Part.RELAY, "http-body-of-8192", "HTTP-4")
def body_of_8192(relay: RelayUnderTest) -> None:
    """A body of 8,192 bytes is taken."""
    body = json.dumps({"role": "sender"}).encode().ljust(8192)
    relay.member(good(_send(relay, "/join", body)))


@case(Part.RELAY, "http-long-body-at-once", "HTTP-4")
def long_body_at_once(relay: RelayUnderTest) -> None:
    """A body whose stated length is too long is 413 `too_large` before any of it is sent."""
    web = relay.web()
    head = request(relay.net.authority, "POST", "/join", b"").replace(
        b"Content-Length: 0", b"Content-Length: 1000000000"
    )
    web.pipe.send(head)
    reply = web.read()
    expect(reply.says(413, "too_large"), f"it was answered {reply}")


@case(Part.RELAY, "http-long-body-in-chunks", "HTTP-4")
def long_body_in_chunks(relay: RelayUnderTest) -> None:
    """A body that comes in chunks is 413 as soon as it is too long, not at its end."""
    web = relay.web()
    head = request(relay.net.authority, "POST", "/join", b"").replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked"
    )
    web.pipe.send(head)
    with contextlib.suppress(ConnectionError):  # it may answer and close before the end
        for _ in range(64):  # 64 KiB, and the end of the body never comes
            web.pipe.send(b"400\r\n" + b" " * 1024 + b"\r\n")
    reply = web.read()
    expect(reply.says(413, "too_large"), f"it was answered {reply}")


@case(Part.RELAY, "http-slow-request", "HTTP-5", flags=QUICK)
def slow_request(relay: RelayUnderTest) -> None:
    """A request that does not become whole in time is 408 `too_slow`."""
    for part in (b"POST /jo", b"POST /join HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{"):
        web = relay.web()
        web.pipe.send(part)
        reply = web.read()
        expect(reply.says(408, "too_slow"), f"{part!r} and no more was answered {reply}")


@case(Part.RELAY, "http-trickled-request", "HTTP-5", flags=QUICK)
def trickled_request(relay: RelayUnderTest) -> None:
    """The deadline is one for the whole request: a byte now and then does not put it off."""
    web = relay.web()
    web.pipe.send(b"POST /join HTTP/1.1\r\nX: ")
    for _ in range(150):  # fifteen seconds, for a deadline of three
        if not web.pipe.quiet():
            break
        web.pipe.send(b"x")
        relay.net.pause(0.1)
    expect(not web.pipe.quiet(), "a request of three seconds' limit was still read after fifteen")
    reply = web.read()
    expect(reply.says(408, "too_slow"), f"it was answered {reply}")


@case(Part.RELAY, "http-long-headers", "HTTP-6")
def long_headers(relay: RelayUnderTest) -> None:
    """A header block that is too long is 431 `headers`, whether it ends or not."""
    for end in (b"\r\n\r\n", b""):
        web = relay.web()
        with contextlib.suppress(ConnectionError):  # it may answer and close before the end
            web.pipe.send(b"POST /join HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000 + end)
        reply = web.read()
        expect(reply.says(431, "headers"), f"70,000 bytes were answered {reply}")


@case(Part.RELAY, "http-keep-alive", "HTTP-7")
def keep_alive(relay: RelayUnderTest) -> None:
    """A connection serves one request after another."""
    web = relay.web()
    for path in ("/nowhere", "/channel", "/nowhere"):
        web.write(path, {})
        expect(web.read().status in (400, 404), f"{path} was answered")
        expect(web.pipe.quiet(), "the connection stays open")


@case(Part.RELAY, "http-pipelined", "HTTP-7")
def pipelined(relay: RelayUnderTest) -> None:
    """Pipelined requests are answered in order, also behind one that waits."""
    sender = relay.join("sender")
    web = sender.wait(sender.seq)
    web.write("/nowhere", {})
    web.write("/join", {}, method="GET")
    expect(web.pipe.quiet(), "the later requests were answered before the one that waits")
    good(sender.post(x=X))
    replies = [web.read().status for _ in range(3)]
    expect(replies == [200, 404, 405], f"the replies came as {replies}")


@case(Part.RELAY, "http-any-split", "HTTP-2")
def any_split(relay: RelayUnderTest) -> None:
    """A request means the same however its bytes are split."""
    body = json.dumps({"role": "sender", "nonce": nonce()}).encode()
    whole = request(relay.net.authority, "POST", "/join", body)
    replies = []
    for step in (1, 7, len(whole)):
        web = relay.web()
        for at in range(0, len(whole), step):
            web.pipe.send(whole[at : at + step])
        replies.append(web.read())
    relay.member(good(replies[0]))
    expect(len({reply.body for reply in replies}) == 1, "the same join had several answers")


@case(Part.RELAY, "http-refused-changes-nothing", "HTTP-9")
def refused_changes_nothing(relay: RelayUnderTest) -> None:
    """After any refusals the channel is as it was: same seq, no value, a free seat."""
    sender = relay.join("sender")
    before = sender.look()
    refusals = [
        relay.post("/join", role="recipient", channel=sender.channel, curve="p521"),
        relay.post("/join", role="sender", channel=sender.channel),
        relay.post("/channel", channel=sender.channel, uuid=nonce(), x=X),
        sender.post(x=X, curve="p521"),
        sender.post(x=X, h_k=X),
        sender.post(y=X, hh_k=X),
        sender.post(h_k=X),
        sender.post(x="?"),
        sender.post(close=True, reason="bored"),
    ]
    for reply in refusals:
        expect(400 <= reply.status < 500, f"what must be refused was answered {reply}")
    after = sender.look()
    expect(after == before, f"the channel was {before} and became {after}")
    relay.join("recipient", channel=sender.channel)


@case(Part.RELAY, "http-order-of-checks", "HTTP-11")
def order_of_checks(relay: RelayUnderTest) -> None:
    """Of several faults in a request the first one of the order is answered."""
    sender, recipient = relay.pair()
    unknown = relay.fresh_name()
    ask = relay.post
    first = [
        ("syntax before version", ask("/join", role="nobody", protocol=9), 400, "malformed"),
        ("version before existence", ask("/join", role="recipient", channel=unknown, protocol=9),
         426, "version"),
        ("version before the seat", ask("/join", role="sender", channel=sender.channel,
                                        protocol=9), 426, "version"),
        ("syntax before existence", ask("/channel", channel=unknown, uuid=nonce(), x="?"), 400,
         "malformed"),
        ("existence before the uuid", ask("/channel", channel=unknown, uuid=nonce(), x=X), 404,
         "no_such_channel"),
        ("uuid before turn", ask("/channel", channel=sender.channel, uuid=nonce(), h_k=X), 403,
         "not_yours"),
        ("role before the curve", recipient.post(x=X, curve="p521"), 409, "out_of_turn"),
        ("the seat before the curve", ask("/join", role="recipient", channel=sender.channel,
                                          curve="p521"), 409, "occupied"),
    ]  # fmt: skip
    for what, reply, status, code in first:
        expect(reply.says(status, code), f"{what}: {reply}")
    good(sender.post(close=True))
    late = ask("/channel", channel=sender.channel, uuid=nonce(), h_k=X)
    expect(late.says(410, "closed"), f"closed before uuid: {late}")


@case(Part.RELAY, "http-errors-of-the-table", "ERR-1")
def errors_of_the_table(relay: RelayUnderTest) -> None:
    """Whatever is asked, an error has a code of the table and a message for people."""
    deep = b"[" * 3000 + b"]" * 3000
    bodies = [b"", b"{", deep, b'"\\ud800"', b"1e999", b"\x00", b'{"role":{"a":1}}', b"9" * 4000]
    for path in ("/join", "/channel", "/\x7f", "/%00", "/../join", "/join?x=1"):
        for body in bodies:
            reply = _send(relay, path, body)
            code, message = reply.data.get("code"), reply.data.get("message")
            known = code in CODES.get(reply.status, ())
            expect(known, f"{path} {body[:20]!r} was answered {reply}")
            expect(isinstance(message, str) and message, f"there is no message in {reply}")


@case(Part.RELAY, "http-no-inside-shown", "ERR-4")
def no_inside_shown(relay: RelayUnderTest) -> None:
    """Nothing that is sent makes the relay fail, or tell what it is made of."""
    odd = [b"[" * 8000, b'{"role":' * 900, b'{"channel":"\\u0000"}', b'{"since":1e400}',
           b'{"role":"sender","protocol":' + b"9" * 5000 + b"}", b"\xff" * 100,
           b'{"channel":"a","uuid":"' + b"0" * 32 + b'","since":' + b"9" * 400 + b"}"]  # fmt: skip
    for path in ("/join", "/channel"):
        for body in odd:
            reply = _send(relay, path, body)
            expect(reply.status != 500, f"{body[:30]!r} made the relay fail")
            words = (b"Traceback", b"Exception", b".py", b"panic", b"goroutine", b"at line")
            shown = [word for word in words if word in reply.body]
            expect(not shown, f"{body[:30]!r} was answered with its inside: {reply}")


@case(Part.RELAY, "http-not-http", "HTTP-1")
def not_http(relay: RelayUnderTest) -> None:
    """Bytes that are no HTTP get 400, or a closed connection; the relay goes on."""
    for data in (b"\x16\x03\x01\x02\x00\x01", b"CROC/1 abc def\n\r\n\r\n", b"GET\r\n\r\n"):
        web = relay.web()
        web.pipe.send(data)
        web.pipe.half_close()
        answer = web.pipe.receive()
        expect(not answer or b" 400 " in answer[:20], f"{data!r} was answered {answer[:40]!r}")
    relay.join("sender")
