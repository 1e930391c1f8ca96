"""One function for each decoder; it raises AssertionError, or what should not be raised."""

# ruff: noqa: PT017  (an error is judged, and none is as good)
from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from backends._discovery import ID, Answerer, port_of, query
from backends._http_client import HttpExchange
from backends._http_server import HttpServer, Refusal, Request
from backends._proxy import proxy
from croc_core import codes, heads, identify, messages, pake, wire
from croc_core.content import Sink
from croc_core.encoding import b64url_decode, b64url_encode, lv_cat, lv_split
from croc_core.errors import Party, RemoteProtocolError
from croc_core.handshake import check_hello, hello
from croc_core.incoming import End, Heard, Hello, Line, Reader, Unit
from croc_core.messages import HEAD, PIECE, PIECE_HEAD, PLAIN_LENGTH, ZERO_COUNT
from croc_core.parser import Parser
from croc_core.values import Role
from tests.record_help import close, pair, push, secured

Target = Callable[[bytes], None]
CHANNEL, UUID = "7k2m", "0123456789abcdef" * 2
VALUE = "A" * 43


def splits(data: bytes) -> Iterator[list[bytes]]:
    """The same bytes whole, one at a time, in halves, and in parts that they choose themselves."""
    yield [data]
    if len(data) <= 512:
        yield [data[n : n + 1] for n in range(len(data))]
    yield [data[: len(data) // 2], data[len(data) // 2 :]]
    places = sorted({(b * 31 + n) % (len(data) + 1) for n, b in enumerate(data[:6])})
    yield [data[a:b] for a, b in itertools.pairwise([0, *places, len(data)])]


def same(found: Sequence[Any]) -> Any:
    """What all splits gave, which must be one thing."""
    assert all(one == found[0] for one in found), found
    return found[0]


# ---- HTTP


def _served(parts: list[bytes]) -> list[Any]:
    server = HttpServer(300)
    events: list[Any] = []
    for data in [*(part for part in parts if part), b""]:
        news = list(server.receive(data))
        while news:
            event = news.pop(0)
            events.append(event)
            if isinstance(event, Request):
                server.reply(200, b"{}")
                news += server.resume()
    return events


def http_request(data: bytes) -> None:
    events = same([_served(parts) for parts in splits(data)])
    assert sum(isinstance(event, Refusal) for event in events) <= 1
    assert all(len(event.body) <= 300 for event in events if isinstance(event, Request))


def _replied(parts: list[bytes]) -> Any:
    exchange = HttpExchange("[::1]:80", "/join", b"{}")
    try:
        for part in [*(part for part in parts if part), b""]:
            reply = exchange.receive(part)
            if reply is not None:
                return reply.status, reply.body
    except RemoteProtocolError as error:
        assert error.party is Party.RELAY
        return "refused"
    raise AssertionError("neither a reply nor an error at the end of the stream")


def http_reply(data: bytes) -> None:
    found = [_replied(parts) for parts in splits(data)]
    # A reply is taken as soon as it is whole; bytes behind it that come later are not looked at.
    assert len({one for one in found if one != "refused"}) <= 1, found
    assert found


# ---- JSON


def request_body(data: bytes) -> None:
    for kind in (wire.Join, wire.Update):
        try:
            body = wire.decode_request(data, kind)
        except ValueError as error:
            assert str(error)
            continue
        assert wire.decode_request(wire.encode(cast(Any, body)), kind) == body
        if isinstance(body, wire.Update):
            try:
                action = wire.action_of(body)
            except ValueError as error:
                assert str(error)
            else:
                assert isinstance(action, wire.Action)


def reply_body(data: bytes) -> None:
    for kind in (wire.Joined, wire.State, wire.Error):
        try:
            body: Any = wire.decode_reply(data, kind)
        except RemoteProtocolError as error:
            assert error.party is Party.RELAY
        else:
            assert wire.decode_reply(wire.encode(body), kind) == body


# ---- data ports


def _decided(parse: Callable[[bytes], Any], data: bytes) -> list[Any]:
    found = []
    for end in range(min(len(data), 300) + 1):
        try:
            got = parse(data[:end])
        except RemoteProtocolError as error:
            assert error.party is Party.RELAY
            got = "refused"
        if got is not None:
            rest = getattr(got, "rest", None)
            found.append(got if rest is None else (*got[:-1], "and", end - len(rest)))
    return found


def line(data: bytes) -> None:
    """Once decided, no byte behind it changes the answer."""
    for parse in (identify.parse_line, identify.parse_reply):
        found = _decided(parse, data)
        assert not found or same(found)
        assert found or len(data) < identify.MAX_LINE


def _greeted(parts: list[bytes]) -> list[Any]:
    """The relay's answer and the hello, as the reader of a party finds them."""
    reader, units = Reader(), []
    try:
        for part in parts:
            for unit in push(reader, part):
                units.append(unit)
                if isinstance(unit, Line):
                    reader.expect_hello(len(hello(Role.SENDER, 0, bytes(32))))
                elif isinstance(unit, Hello):
                    check_hello(unit.data, Role.SENDER, 0)
                    return [*units, "greeted"]
    except RemoteProtocolError:
        units.append(cast(Any, "refused"))
    return units


def greeting(data: bytes) -> None:
    same([_greeted(parts) for parts in splits(data)])


def discovery(data: bytes) -> None:
    assert port_of(data, bytes(ID)) in range(1, 65536) or port_of(data, bytes(ID)) is None
    answerer = Answerer(CHANNEL, 9009)
    answer = answerer(data, "192.0.2.1")
    assert (answer is not None) == (data == query(data[12 : 12 + ID], CHANNEL) and len(data) == 32)
    assert answerer(data, "192.0.2.2") is None


# ---- handshake


def head(data: bytes) -> None:
    kinds: tuple[Any, ...] = (heads.HeadA, heads.HeadB)
    for kind in kinds:
        try:
            found = heads.decode_head(data, kind)
        except RemoteProtocolError as error:
            assert error.party is Party.PEER
        else:
            assert heads.decode_head(heads.encode_head(found), kind) == found


def encodings(data: bytes) -> None:
    for count in range(4):
        try:
            parts = lv_split(data, count)
        except ValueError:
            continue
        assert len(parts) == count
        assert lv_cat(*parts) == data
    text = data.decode("latin-1")
    assert not data or b64url_decode(b64url_encode(data)) == data
    with contextlib.suppress(ValueError):
        assert b64url_encode(b64url_decode(text)) == text
    try:
        heads.unframed(text)
    except RemoteProtocolError as error:
        assert error.party is Party.PEER


def share(data: bytes) -> None:
    """A share that anyone made up is refused, or agreed with as with any other."""
    if not data:
        return
    names = (*pake.ALLOWED, *pake.HISTORIC)
    suite = pake.suite(names[data[0] % len(names)])
    scalar = suite.scalar(bytes(range(1, 1 + suite.scalar_length)))
    for theirs in (data[1:], data[1:].ljust(suite.share_length, b"\0")[: suite.share_length]):
        suite.reflected(theirs, data[1:])
        try:
            k = suite.agree(scalar, theirs)
        except pake.Abort as error:
            assert error.party is Party.PEER
        else:
            assert any(k)


def code(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        found = codes.parse(text)
    except ValueError as error:
        assert str(error)
    else:
        assert codes.parse(found.text) == found
    once = codes.normalise(text)
    assert codes.normalise(once) == once


def proxy_url(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        found = proxy(text)
    except ValueError as error:
        assert not text or "@" not in text or text not in str(error)
    else:
        assert 0 < found.port < 65536


# ---- records


class _Anything:
    """A sink that takes all, and notes what came, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, bytes | int]] = []

    def write(self, entry: int, offset: int, data: memoryview) -> None:
        last = self.calls[-1] if self.calls else None
        if (
            last
            and isinstance(last[2], bytes)
            and (entry, offset) == (last[0], last[1] + len(last[2]))
        ):
            self.calls[-1] = (entry, last[1], last[2] + bytes(data))
        elif data:
            self.calls.append((entry, offset, bytes(data)))

    def zeros(self, entry: int, offset: int, length: int) -> None:
        self.calls.append((entry, offset, length))


def _parsed(parts: list[bytes], pieces: bool) -> list[Any]:
    parser, sink, found = Parser(), _Anything(), []
    if pieces:
        parser.sink = cast(Sink, sink)
    for part in parts:
        parser.feed(memoryview(part), len(part) + 20)
        try:
            while (message := parser.parse()) is not None:
                found.append(message)
        except RemoteProtocolError as error:
            assert error.party is Party.PEER
            return [*found, "refused", *sink.calls]
    return [*found, parser.between, *sink.calls]


def plaintext(data: bytes) -> None:
    """What a peer with the right keys may send."""
    for pieces in (False, True):
        same([_parsed(parts, pieces) for parts in splits(data)])


def records(data: bytes) -> None:
    """What anyone on the way may send: not one byte of it is opened."""
    for parts in splits(data):
        reader = secured(pair()[1])
        try:
            for part in parts:
                assert not list(push(reader, part))
            assert close(reader) == End(whole=False)
        except RemoteProtocolError:
            assert reader.genuine == 0


def sealed(data: bytes) -> None:
    """Records that are genuine, in any split of the stream, of any plaintext."""
    sealer, _ = pair()
    stream = sealer.record(data[: len(data) // 3]) + sealer.record(
        data[len(data) // 3 :], last=True
    )
    found = []
    for parts in splits(stream):
        reader, units = secured(pair()[1]), list[Unit]()
        try:
            for part in parts:
                units += push(reader, part)
            units.append(close(reader))
        except RemoteProtocolError as error:
            assert error.party is Party.PEER
        assert all(isinstance(unit, Heard | End) for unit in units)
        found.append(units)
    same(found)


def message(data: bytes) -> None:
    for kind in messages.CONTROL:
        try:
            found = messages.decode(kind, data)
        except RemoteProtocolError as error:
            assert error.party is Party.PEER
        else:
            again = messages.encode(found)[HEAD.size :]
            assert messages.decode(kind, again) == found


TARGETS: dict[str, Target] = {
    "http_request": http_request,
    "http_reply": http_reply,
    "request_body": request_body,
    "reply_body": reply_body,
    "line": line,
    "greeting": greeting,
    "discovery": discovery,
    "head": head,
    "encodings": encodings,
    "share": share,
    "code": code,
    "proxy_url": proxy_url,
    "plaintext": plaintext,
    "records": records,
    "sealed": sealed,
    "message": message,
}


def _piece(entry: int, codec: int, body: bytes) -> bytes:
    head = PIECE_HEAD.pack(entry, 7, codec)
    return HEAD.pack(PIECE, len(head + body)) + head + body


_POST = b'POST /join HTTP/1.1\r\nHost: r\r\nContent-Length: 17\r\n\r\n{"role":"sender"}'
_CONTROL = messages.encode(messages.Decline(bytes(16)))
_CAPS_A = heads.CapsA(1, ("aes256gcm",), False)
_HEAD_A = heads.encode_head(heads.HeadA(1, "x25519", b"s" * 32, b"c" * 32, _CAPS_A))
_HEAD_B = heads.encode_head(heads.HeadB(1, "x25519", heads.CapsB(1, "aes256gcm", False)))
_PLAIN = _piece(0, 0, b"abc") + _piece(1, 2, ZERO_COUNT.pack(9)) + _CONTROL
SEEDS: dict[str, tuple[bytes, ...]] = {
    "http_request": (
        _POST * 2,
        b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    ),
    "http_reply": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 No\r\nRetry-After: 3\r\n\r\nlater",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ),
    "request_body": (
        b'{"role":"sender","protocol":1,"curve":"x25519"}',
        b'{"channel":"7k2m","uuid":"%s","x":"%s","since":0,"wait":20}'
        % (UUID.encode(), VALUE.encode()),
        b'{"channel":"7k2m","uuid":"%s","close":true,"reason":"done"}' % UUID.encode(),
    ),
    "reply_body": (
        b'{"channel":"7k2m","uuid":"%s","seq":1,"data":[{"kind":"tcp","port":9010}]}'
        % UUID.encode(),
        b'{"error":"channel_full","code":"channel_full","message":"no"}',
    ),
    "line": (
        identify.encode_line(CHANNEL, UUID),
        identify.encode_reply(None) + b"rest",
        identify.encode_reply(identify.MALFORMED),
        b"CROC/2 abc\n",
    ),
    "greeting": (
        b"OK\n" + hello(Role.SENDER, 0, bytes(32)),
        b"ERR 404 unknown_channel\n",
        b"OK\n" + hello(Role.RECIPIENT, 0, bytes(32)),
    ),
    "discovery": (query(bytes(ID), CHANNEL), b"croc-core/1!" + bytes(ID) + b"\x23\x31"),
    "head": (_HEAD_A, _HEAD_B),
    "encodings": (lv_cat(b"a", b"b" * 200), b64url_encode(lv_cat(b"ab", b"")).encode()),
    "share": tuple(bytes([n]) + b"\x04" + bytes(range(134)) for n in range(6)),
    "code": (b"7k2m-word-word-word", "7K2M \u2014 Stra\u00dfe \uff41".encode()),
    "proxy_url": (b"socks5h://a:b%40@proxy.example:1080/", b"http://[::1]:1"),
    "plaintext": (_PLAIN, _piece(3, 1, PLAIN_LENGTH.pack(4) + b"zstd"), messages.still_here()),
    "records": (pair(name="b")[0].record(_PLAIN), bytes(40)),
    "sealed": (_PLAIN, _CONTROL * 3),
    "message": (_CONTROL[HEAD.size :],),
}
"""Where a search begins."""
