"""A listed proxy says who its client is, by the PROXY protocol; nobody else is believed."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backends import _io as io
from backends._peers import MAX_HEADER, Addresses, Connections, Named, read_header
from backends._relay_node import LINGER, RelayNode
from croc_core.channel import Closed
from croc_core.limits import Limits
from croc_core.relay import Relay
from tests.aio import HOST, Peer, on_loop
from tests.relay_backend import LIMITS, VALUE, Backend, entropy, request

PROXY = "10.9.0.1"
TRUSTED = Addresses(trusted=(ipaddress.ip_network("10.9.0.0/16"),))
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def text(source: str, sink: str = "192.0.2.1") -> bytes:
    """A header of version 1."""
    kind = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {kind} {source} {sink} 40000 27001\r\n".encode()


def binary(source: str, sink: str = "192.0.2.1", command: int = 1, extra: bytes = b"") -> bytes:
    """A header of version 2; *extra* are its extensions."""
    one, other = ipaddress.ip_address(source), ipaddress.ip_address(sink)
    family = 0x11 if one.version == 4 else 0x21
    body = one.packed + other.packed + struct.pack("!HH", 40000, 27001) + extra
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack("!H", len(body)) + body


GOOD = [
    (text("1.2.3.4"), "1.2.3.4"),
    (text("2001:db8::7", "::1"), "2001:db8::7"),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
    (binary("1.2.3.4"), "1.2.3.4"),
    (binary("2001:db8::7", "::1"), "2001:db8::7"),
    (binary("1.2.3.4", extra=b"\x20\0\5hello"), "1.2.3.4"),
    (binary("1.2.3.4", command=0), None),
    (SIGNATURE + b"\x20\0\0\0", None),  # a check of its health
    (SIGNATURE + b"\x21\x31\0\xd8" + bytes(216), None),  # a socket of the system's
    (SIGNATURE + b"\x21\0\0\3abc", None),
]
BAD = [
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
    b"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
    b"PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
    b"PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 99999 1\r\n",
    b"PROXY TCP4 ::1 ::1 1 2\r\n",
    b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY UNKNOWNS a b 1 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n" + bytes(107),
    b"PROXY " + b"x" * 200 + b"\r\n",
    SIGNATURE + b"\x31\x11\0\x0c" + bytes(12),  # version 3
    SIGNATURE + b"\x22\x11\0\x0c" + bytes(12),
    SIGNATURE + b"\x21\x41\0\x0c" + bytes(12),
    SIGNATURE + b"\x21\x13\0\x0c" + bytes(12),
    SIGNATURE + b"\x21\x11\0\x0b" + bytes(11),
    SIGNATURE + b"\x21\x21\0\x0c" + bytes(12),
    SIGNATURE + b"\x21\x11\xff\xff" + bytes(40),
]


def outcome(received: bytes) -> Named | int | str:
    try:
        return read_header(received)
    except ValueError:
        return "malformed"


@pytest.mark.parametrize(("header", "source"), GOOD)
def test_a_header_names_its_source_and_what_stands_behind_it_is_kept(
    header: bytes, source: str | None
) -> None:
    assert read_header(header + b"behind") == Named(source, b"behind")


@pytest.mark.parametrize("header", BAD)
def test_a_header_that_is_none_is_refused(header: bytes) -> None:
    assert outcome(header) == "malformed"


def test_without_a_header_nothing_is_taken() -> None:
    for received in (b"CROC/1 a b", b"POST /join", b"PROX\n", b"\r\n\r\nGET", b"\0"):
        assert read_header(received) == Named(None, received)


headers = st.sampled_from([header for header, _ in GOOD] + BAD)
anything = st.one_of(
    headers,
    st.builds(lambda h, n, b: h[: n % len(h)] + b, headers, st.integers(0), st.binary(max_size=40)),
    st.binary(max_size=40),
)


@given(received=anything, behind=st.binary(min_size=0, max_size=3))
@example(received=b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r", behind=b"\n")
def test_who_reads_what_is_asked_for_reads_no_byte_of_what_stands_behind(
    received: bytes, behind: bytes
) -> None:
    whole = received + behind
    place, so_far = 0, outcome(b"")
    while isinstance(so_far, int) and place < len(whole):
        assert so_far > 0
        place = min(len(whole), place + so_far)
        assert place <= MAX_HEADER
        so_far = outcome(whole[:place])
    if isinstance(so_far, Named):
        assert so_far.source is None or so_far.rest == b""
        if whole.startswith((SIGNATURE, b"PROXY ")):
            assert so_far.rest == b""
    # However it is split, what comes out is the same.
    at_once = outcome(whole)
    if not isinstance(so_far, Named):
        assert so_far == at_once
    else:
        assert at_once == so_far._replace(rest=so_far.rest + whole[place:])
    for cut in range(len(whole)):
        part = outcome(whole[:cut])
        if not isinstance(part, int):
            expected = part
            if isinstance(part, Named):
                expected = part._replace(rest=part.rest + whole[cut:])
            assert at_once == expected


# ---- around it, a relay


def proven(backend: Backend) -> tuple[str, str, str]:
    """Two members whose requests came through the proxy, from 1.1.1.1 and 2.2.2.2."""
    a, b = backend.accept(peer=PROXY), backend.accept(peer=PROXY)
    backend.feed(a, text("1.1.1.1") + request("/join", role="sender"))
    one = backend.reply(a)[1]
    name, sender = one["channel"], one["uuid"]
    backend.feed(b, binary("2.2.2.2") + request("/join", role="recipient", channel=name))
    recipient = backend.reply(b)[1]["uuid"]
    backend.post(a, "/channel", channel=name, uuid=sender, x=VALUE)
    backend.post(b, "/channel", channel=name, uuid=recipient, y=VALUE, hh_k=VALUE)
    backend.post(a, "/channel", channel=name, uuid=sender, h_k=VALUE)
    return name, sender, recipient


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("header", [text, binary])
def test_the_address_of_the_header_is_what_counts_on_a_data_port(header: object, step: int) -> None:
    assert callable(header)
    backend = Backend(TRUSTED)
    name, sender, recipient = proven(backend)
    conns = []
    for address, uuid, rest in (
        ("1.1.1.1", sender, b"from a"),
        ("3.3.3.3", recipient, b""),
        ("2.2.2.2", recipient, b"from b"),
    ):
        conn = backend.accept(0, PROXY)
        conns.append(conn)
        line = header(address) + f"CROC/1 {name} {uuid}\n".encode() + rest
        for at in range(0, len(line), step):
            backend.feed(conn, line[at : at + step])
    a, third, b = conns
    assert backend.sent[third] == b"ERR 403 channel_full\n"
    (staple,) = backend.stapled.values()
    assert (staple.a, staple.b) == (a, b)
    # What a reader asked for was read, no more: the rest comes with the first read of the staple.
    assert b"from b".startswith(staple.to_a)
    assert b"from a".startswith(staple.to_b)


def test_without_a_header_a_proxy_counts_itself_and_is_a_third() -> None:
    backend = Backend(TRUSTED)
    name, sender, _ = proven(backend)
    conn = backend.accept(0, PROXY)
    backend.feed(conn, f"CROC/1 {name} {sender}\n".encode())
    assert backend.sent[conn] == b"ERR 403 channel_full\n"


def test_who_is_not_listed_is_refused_with_a_header() -> None:
    backend = Backend(TRUSTED)
    for header in (text("1.1.1.1"), binary("1.1.1.1")):
        link, web = backend.accept(0), backend.accept()
        backend.feed(link, header + b"CROC/1 abcd " + b"0" * 32 + b"\n")
        assert backend.sent[link] == b"ERR 400 malformed\n"
        backend.feed(web, header + request("/join", role="sender"))
        status, error = backend.reply(web)
        assert (status, error["code"]) == (400, "malformed")


@pytest.mark.parametrize("listener", [io.HTTP, 0])
def test_a_proxy_that_sends_no_right_header_is_told_and_sent_away(listener: int) -> None:
    backend = Backend(TRUSTED)
    conn = backend.accept(listener, PROXY)
    backend.feed(conn, BAD[0] + b"and more")
    if listener == io.HTTP:
        assert backend.reply(conn)[1]["code"] == "malformed"
    else:
        assert backend.sent[conn] == b"ERR 400 malformed\n"
    assert conn in backend.half_closed
    backend.later(LINGER)
    assert conn not in backend.open
    assert not backend.node._conns
    assert backend.node._counts.total == 0


@pytest.mark.parametrize("listener", [io.HTTP, 0])
def test_a_header_has_one_deadline_whatever_dribbles(listener: int) -> None:
    backend = Backend(TRUSTED)
    conn = backend.accept(listener, PROXY)
    for n in range(9):
        backend.later(LIMITS.request_timeout / 10)
        backend.feed(conn, text("1.1.1.1")[n : n + 1])
    assert backend.sent[conn] == b""
    backend.later(LIMITS.request_timeout / 10)
    assert b"408" in backend.sent[conn][:16]
    backend.later(LINGER)
    assert not backend.node._conns


@pytest.mark.parametrize("listener", [io.HTTP, 0])
def test_a_proxy_that_goes_within_its_header_leaves_nothing(listener: int) -> None:
    backend = Backend(TRUSTED)
    one, other = backend.accept(listener, PROXY), backend.accept(listener, PROXY)
    backend.feed(one, b"PROXY TCP4")
    backend.feed(one, b"")
    backend.open.remove(other)
    backend.give(io.Broken(io.Conn(other), "reset"))
    assert not backend.open
    assert not backend.node._conns
    assert backend.node._counts.total == 0
    assert not backend.node._idle


def test_connections_count_for_whom_the_proxy_names() -> None:
    backend = Backend(TRUSTED)
    for _ in range(LIMITS.per_address):
        backend.feed(backend.accept(0, PROXY), text("1.1.1.1"))
    full = backend.accept(0, PROXY)
    backend.feed(full, text("1.1.1.1"))
    assert backend.sent[full] == b"ERR 429 too_many\n"
    other = backend.accept(0, PROXY)
    backend.feed(other, text("2.2.2.2"))
    assert backend.sent[other] == b""
    web = backend.accept(0)
    assert backend.sent[web] == b""


def test_who_was_named_has_left_nothing_when_it_has_gone() -> None:
    backend = Backend(TRUSTED)
    conn = backend.accept(0, PROXY)
    backend.feed(conn, text("1.1.1.1") + b"nonsense\n")
    backend.later(LINGER)
    assert not backend.open
    assert (backend.node._counts.total, len(backend.node._counts)) == (0, 0)


def test_the_deadline_of_the_header_ends_with_it() -> None:
    backend = Backend(TRUSTED)
    name, sender, _ = proven(backend)
    conn = backend.accept(0, PROXY)
    backend.feed(conn, text("1.1.1.1") + f"CROC/1 {name} {sender}\n".encode())
    backend.later(3 * LIMITS.request_timeout)
    assert conn in backend.open
    assert backend.sent[conn] == b"OK\n"


def test_behind_a_named_proxy_the_forwarded_header_counts() -> None:
    backend = Backend(TRUSTED)
    conn = backend.accept(peer=PROXY)
    asked = request("/join", role="sender").replace(
        b"\r\n", b"\r\nX-Forwarded-For: 9.9.9.9, 7.7.7.7\r\n", 1
    )
    backend.feed(conn, binary("10.9.3.3") + asked)
    assert backend.reply(conn)[0] == 200
    (channel,) = backend.relay._book.channels.values()
    assert not isinstance(channel, Closed)
    assert channel.addresses == ("7.7.7.7",)


@on_loop
async def test_over_real_sockets() -> None:
    trusted = Addresses(trusted=(ipaddress.ip_network("127.0.0.0/8"),))
    node = RelayNode(Relay(entropy(), Limits()), trusted, Connections())
    ready: asyncio.Queue[object] = asyncio.Queue()
    from backends.asyncio._loop import Listen, Loop

    loop = Loop(node, listen=[Listen(HOST, 0), Listen(HOST, 0)], tell=ready.put_nowait)
    task = asyncio.ensure_future(loop.run())
    listening = await ready.get()
    port = listening.data_ports[0]  # type: ignore[attr-defined]
    for header in (text("1.2.3.4"), binary("1.2.3.4")):
        with await Peer.dial(port) as peer:
            for byte in header + b"CROC/1 abcd " + b"0" * 32 + b"\n":
                await peer.send(bytes([byte]))
            assert await peer.receive() == b"ERR 404 no_such_channel\n"
    with await Peer.dial(port) as peer:
        await peer.send(BAD[0])
        peer.sock.shutdown(socket.SHUT_WR)
        assert await peer.receive() == b"ERR 400 malformed\n"
    loop.stop()
    await task
