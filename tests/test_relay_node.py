from __future__ import annotations

import asyncio
import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import _io as io
from backends._http_client import HttpExchange
from backends._peers import Addresses, Connections
from backends._relay_node import LINGER, Listening, RelayNode
from backends.asyncio._loop import Listen, Loop
from croc_core.limits import Limits
from croc_core.relay import Relay
from tests.aio import HOST, Peer, leftovers, on_loop
from tests.relay_backend import LIMITS, VALUE, Backend, entropy, request

# ---- HTTP


def test_the_relay_says_where_it_listens_and_names_its_data_ports() -> None:
    backend = Backend()
    assert backend.told == [Listening(9009, (9010,))]
    status, joined = backend.post(backend.accept(), "/join", role="sender")
    assert status == 200
    assert joined["data"] == [{"kind": "tcp", "port": 9010}]


def test_a_held_request_is_answered_by_what_it_waits_for_and_keeps_a_read_open() -> None:
    backend = Backend()
    a, b = backend.accept(), backend.accept()
    joined = backend.post(a, "/join", role="sender")[1]
    member = {"channel": joined["channel"], "uuid": joined["uuid"]}
    backend.feed(b, request("/channel", **member, since=joined["seq"], wait=20))
    assert backend.sent[b] == b""
    assert b in backend.reading
    backend.later(15)  # longer than any request may take to arrive
    assert backend.sent[b] == b""
    status, _ = backend.post(a, "/channel", **member, x=VALUE)
    assert status == 200
    status, state = backend.reply(b)
    assert (status, state["x"]) == (200, VALUE)
    assert b in backend.reading


@pytest.mark.parametrize("how", ["end", "broken"])
def test_an_asker_that_has_gone_is_forgotten(how: str) -> None:
    backend = Backend()
    conn = backend.accept()
    joined = backend.post(conn, "/join", role="sender")[1]
    member = {"channel": joined["channel"], "uuid": joined["uuid"]}
    backend.feed(conn, request("/channel", **member, since=joined["seq"], wait=25))
    assert len(backend.relay._book.asks) == 1
    if how == "end":
        backend.feed(conn, b"")
        assert conn not in backend.open
    else:
        backend.open.remove(conn)
        backend.give(io.Broken(io.Conn(conn), "reset"))
    assert not backend.relay._book.asks
    assert not backend.node._conns
    assert backend.node._counts.total == len(backend.node._asks) == 0


def test_a_client_that_does_not_read_its_replies_gets_no_further_ones() -> None:
    backend = Backend(acknowledge=False)
    conn = backend.accept()
    backend.feed(conn, request("/join", role="sender") * 20)
    assert backend.sent[conn].count(b"HTTP/1.1 200") == 1
    assert conn not in backend.reading
    for n in range(2, 6):
        backend.took(conn)
        assert backend.sent[conn].count(b"HTTP/1.1 200") == n
    backend.later(LIMITS.keep_alive)
    assert conn not in backend.open


def test_each_reply_is_taken_before_the_next_request_is_looked_at() -> None:
    backend = Backend(acknowledge=False)
    conn = backend.accept()
    backend.feed(conn, request("/join", role="sender"))
    joined = backend.reply(conn)[1]
    backend.took(conn)
    member = {"channel": joined["channel"], "uuid": joined["uuid"]}
    backend.feed(conn, request("/channel", **member, since=joined["seq"], wait=5))
    backend.later(5)  # answered, and the read that was open the while still is
    backend.feed(conn, request("/channel", channel=joined["channel"], uuid="0" * 32) * 3)
    assert backend.sent[conn].count(b"HTTP/1.1 403") == 1
    backend.give(io.Sent(io.Conn(conn)))
    assert backend.sent[conn].count(b"HTTP/1.1 403") == 1
    backend.give(io.Sent(io.Conn(conn)))
    assert backend.sent[conn].count(b"HTTP/1.1 403") == 2


@pytest.mark.parametrize(
    ("status", "bad"),
    [
        (400, request("/join", role="nobody")),
        (404, request("/nowhere")),
        (404, request("/channel", channel="none", uuid="0" * 32)),
        (405, request("/join", role="sender").replace(b"POST", b"PUT", 1)),
    ],
)
def test_who_keeps_asking_for_what_is_not_there_has_to_come_anew(status: int, bad: bytes) -> None:
    backend = Backend()
    conn = backend.accept()
    backend.feed(conn, bad * 20)
    assert backend.sent[conn].count(f"HTTP/1.1 {status}".encode()) == 8
    assert backend.sent[conn].count(b"Connection: close") == 1
    assert conn in backend.half_closed


def test_later_requests_are_read_ahead_only_so_far_while_one_is_held() -> None:
    backend = Backend()
    conn = backend.accept()
    joined = backend.post(conn, "/join", role="sender")[1]
    held = request("/channel", channel=joined["channel"], uuid=joined["uuid"], wait=25)
    backend.feed(conn, held + b"x" * (1 << 20))
    assert conn not in backend.reading
    assert backend.node._conns[io.Conn(conn)].server.buffered < 2 * 4096  # type: ignore[attr-defined]


def test_times_of_a_connection() -> None:
    backend = Backend()
    silent, slow, kept = backend.accept(), backend.accept(), backend.accept()
    backend.feed(slow, request("/join", role="sender")[:-1])
    backend.post(kept, "/join", role="sender")
    backend.later(9)
    assert {silent, slow, kept} <= backend.open
    backend.later(1)
    assert silent not in backend.open
    assert backend.sent[silent] == b""
    status, error = backend.reply(slow)
    assert (status, error["code"]) == (408, "too_slow")
    assert slow in backend.half_closed
    backend.later(LINGER)
    assert slow not in backend.open
    backend.later(LIMITS.keep_alive - 10 - LINGER - 1)
    assert kept in backend.open
    backend.later(1)
    assert kept not in backend.open
    assert backend.sent[kept] == b""
    assert len(backend.node._timers) == 0


def test_dripping_bytes_does_not_move_the_deadline_of_a_request() -> None:
    backend = Backend()
    conn = backend.accept()
    for byte in request("/join", role="sender")[:20]:
        backend.feed(conn, bytes([byte]))
        backend.later(1)
    assert b" 408 " in backend.sent[conn]


def test_an_error_is_sent_and_its_reader_has_time_to_read_it() -> None:
    backend = Backend()
    conn = backend.accept()
    backend.feed(conn, b"nonsense\r\n\r\n")
    assert backend.reply(conn)[1]["code"] == "malformed"
    assert conn in backend.half_closed
    backend.feed(conn, b"more of it")
    assert conn in backend.open
    backend.feed(conn, b"")
    assert conn not in backend.open
    flood = backend.accept()
    backend.feed(flood, b"nonsense\r\n\r\n")
    backend.feed(flood, bytes(2 << 20))
    assert flood not in backend.open


def test_a_connection_of_its_own_that_is_not_kept_ends_with_its_reply() -> None:
    backend = Backend()
    conn = backend.accept()
    backend.feed(conn, b"GET / HTTP/1.0\r\n\r\n")
    assert backend.reply(conn)[0] == 404
    assert conn in backend.half_closed


# ---- how many, and who


def test_too_many_connections_are_told_so_and_then_closed() -> None:
    backend = Backend()
    held = [backend.accept(listener=0) for _ in range(LIMITS.per_address)]
    web, data = backend.accept(), backend.accept(listener=0)
    assert backend.reply(web)[1]["code"] == "too_many"
    assert backend.sent[data] == b"ERR 429 too_many\n"
    assert {web, data} <= backend.half_closed
    others = [backend.accept(0, f"10.0.1.{n}") for n in range(LIMITS.most - len(held))]
    assert all(not backend.sent[conn] for conn in others)
    web, data = backend.accept(peer="10.0.2.1"), backend.accept(listener=0, peer="10.0.2.1")
    assert backend.reply(web)[1]["code"] == "busy"
    assert backend.sent[data] == b"ERR 503 busy\n"
    crowd = [backend.accept(peer="10.0.2.1") for _ in range(100)]
    assert sum(conn in backend.open for conn in crowd) == 60
    backend.later(LINGER)
    assert not any(conn in backend.open for conn in crowd)
    for conn in held:
        backend.open.remove(conn)
        backend.reading.pop(conn)
        backend.give(io.Broken(io.Conn(conn), "reset"))
    again = backend.accept()
    assert backend.post(again, "/join", role="sender")[0] == 200


def test_an_idle_connection_keeps_no_other_out() -> None:
    backend = Backend()
    silent, used, held, last = (backend.accept() for _ in range(4))
    joined = backend.post(used, "/join", role="sender")[1]
    backend.feed(silent, b"POST /join")
    member = {"channel": joined["channel"], "uuid": joined["uuid"]}
    backend.feed(held, request("/channel", **member, since=joined["seq"], wait=25))
    for oldest in (silent, last, used):  # the held one is of use, the others go by age
        assert oldest in backend.open
        backend.accept()
        assert oldest not in backend.open
    assert held in backend.open
    for number in range(LIMITS.most - LIMITS.per_address):
        backend.accept(peer=f"10.0.1.{number}")
    before = set(backend.open)
    honest = backend.accept(peer="10.0.2.1")
    (gone,) = before - backend.open
    assert gone == last + 2  # of the address with the most
    assert backend.post(honest, "/join", role="sender")[0] == 200
    assert held in backend.open


def test_a_lingering_connection_keeps_no_other_out() -> None:
    backend = Backend()
    conns = [backend.accept() for _ in range(LIMITS.per_address)]
    for conn in conns:
        backend.feed(conn, b"nonsense\r\n\r\n")
    backend.accept()
    assert conns[0] not in backend.open
    assert not backend.sent[backend.accept()]


def test_counts_go_by_the_64_bits_of_a_network() -> None:
    backend = Backend()
    for n in range(LIMITS.per_address):
        backend.accept(0, f"2001:db8::{n}")
    assert backend.reply(backend.accept(peer="2001:db8::ffff"))[1]["code"] == "too_many"
    assert not backend.sent[backend.accept(peer="2001:db8:0:1::1")]


def test_connections_fit_the_descriptors() -> None:
    assert Connections.within(1 << 20, 7.0) == Connections(request_timeout=7.0)
    assert Connections.within(1024, 7.0) == Connections(768, 192, 7.0)
    assert Connections.within(1, 7.0) == Connections(1, 1, 7.0)


def test_mapped_addresses_are_one_with_ipv4_and_a_prefix_may_be_one() -> None:
    assert Addresses().of_peer("::ffff:10.0.0.1") == "10.0.0.1"
    assert Addresses().of_peer("2001:db8::1") != Addresses().of_peer("2001:db8::2")
    wide = Addresses(ipv6_prefix=64)
    assert wide.of_peer("2001:db8::1") == wide.of_peer("2001:db8::2")


def test_a_forwarded_address_is_believed_from_a_trusted_proxy_alone() -> None:
    trusted = Addresses(trusted=(ipaddress.ip_network("10.9.0.0/16"), ipaddress.ip_network("::1")))
    forwarded = ("6.6.6.6", "1.2.3.4", "10.9.0.2")
    assert trusted.of_request("10.9.0.1", forwarded) == "1.2.3.4"
    assert trusted.of_request("::ffff:10.9.0.1", ("9.9.9.9",)) == "9.9.9.9"
    assert trusted.of_request("10.8.0.1", forwarded) == "10.8.0.1"
    assert trusted.of_request("10.9.0.1", ()) == "10.9.0.1"
    assert Addresses().of_request("10.9.0.1", forwarded) == "10.9.0.1"
    with pytest.raises(ValueError, match="unknown"):
        trusted.of_request("10.9.0.1", ("unknown",))


def test_the_address_that_a_stranger_claims_does_not_count() -> None:
    for trusted, status in (((), 200), ((ipaddress.ip_network("10.0.0.1"),), 403)):
        backend = Backend(Addresses(trusted=trusted))
        conn = backend.accept()
        joined = backend.post(conn, "/join", role="sender")[1]
        name = joined["channel"]
        backend.post(backend.accept(peer="10.0.0.2"), "/join", role="recipient", channel=name)
        third = HttpExchange(
            "r", "/channel", json.dumps({"channel": name, "uuid": joined["uuid"]}).encode()
        ).request.replace(b"\r\n", b"\r\nX-Forwarded-For: 7.7.7.7\r\n", 1)
        backend.feed(conn, third)
        assert backend.reply(conn)[0] == status
    conn = backend.accept()
    backend.feed(conn, third.replace(b"7.7.7.7", b"unknown"))
    status, error = backend.reply(conn)
    assert (status, error["code"]) == (400, "malformed")


# ---- data connections


def test_two_links_are_stapled_with_what_came_behind_their_lines() -> None:
    backend = Backend()
    name, sender, recipient = backend.proven()
    a, b = backend.accept(0, "10.0.0.1"), backend.accept(0, "10.0.0.2")
    backend.feed(a, f"CROC/1 {name} {sender}\nahead".encode())
    assert backend.sent[a] == b"OK\n"
    assert a not in backend.reading
    backend.feed(b, f"CROC/1 {name} {recipient}\n".encode())
    (staple,) = backend.stapled.values()
    assert {staple.a: staple.to_a, staple.b: staple.to_b} == {a: b"", b: b"ahead"}
    assert backend.node._counts.total == 2
    backend.give(io.Unstapled(staple.pair, 5, 0, "done"))
    assert backend.node._counts.total == 0


def test_closing_the_channel_cuts_its_staple() -> None:
    backend = Backend()
    name, sender, recipient = backend.proven()
    for uuid, peer in ((sender, "10.0.0.1"), (recipient, "10.0.0.2")):
        backend.feed(backend.accept(0, peer), f"CROC/1 {name} {uuid}\n".encode())
    conn = backend.accept()
    assert backend.post(conn, "/channel", channel=name, uuid=sender, close=True)[0] == 200
    assert backend.cut == list(backend.stapled)


def test_a_link_that_is_refused_is_told_why_and_given_time_to_read_it() -> None:
    backend = Backend()
    wrong, slow, gone = (backend.accept(0) for _ in range(3))
    backend.feed(wrong, b"CROC/1 nope " + b"0" * 32 + b"\n")
    assert backend.sent[wrong] == b"ERR 404 no_such_channel\n"
    backend.feed(slow, b"CROC/1 ")
    backend.open.remove(gone)
    backend.give(io.Broken(io.Conn(gone), "reset"))
    backend.later(10)
    assert backend.sent[slow] == b"ERR 408 too_slow\n"
    assert {wrong, slow} <= backend.half_closed
    backend.later(LINGER)
    assert not backend.open
    assert backend.node._counts.total == 0


# ---- anything at all

PIECES = st.sampled_from(
    [
        request("/join", role="sender"),
        request("/join", role="sender", channel="abcd"),
        request("/join", role="recipient", channel="abcd"),
        request("/channel", channel="abcd", uuid="0" * 32, wait=5),
        b"POST /join HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        b"{}",
        b"",
        b"CROC/1 abcd " + b"0" * 32 + b"\n",
        b"\r\n\r\n",
    ]
) | st.binary(min_size=1, max_size=30)
STEPS = st.one_of(
    st.tuples(st.just("accept"), st.integers(-1, 0), st.sampled_from(["10.0.0.1", "::1"])),
    st.tuples(st.just("feed"), st.integers(0, 5), PIECES),
    st.tuples(st.just("break"), st.integers(0, 5), st.none()),
    st.tuples(st.just("took"), st.integers(0, 5), st.none()),
    st.tuples(st.just("later"), st.sampled_from([0.5, 10, 80]), st.none()),
)


@given(st.lists(STEPS, max_size=40), st.booleans())
def test_no_order_of_events_breaks_the_rules(steps: list[Any], acknowledge: bool) -> None:
    backend = Backend(acknowledge=acknowledge)
    for what, which, data in steps:
        conns = sorted(backend.open)
        if what == "accept":
            backend.accept(which, data)
        elif what == "later":
            backend.later(which)
        elif which < len(conns):
            conn = conns[which]
            if what == "feed":
                backend.feed(conn, data)
            elif what == "took":
                backend.took(conn)
            else:
                backend.open.remove(conn)
                backend.reading.pop(conn, None)
                backend.give(io.Broken(io.Conn(conn), "reset"))
        assert set(backend.node._conns) == backend.open
        idle = {conn for conns in backend.node._idle.values() for conn in conns}
        assert not idle & set(backend.node._asks.values())
        assert idle <= backend.open
        assert all(conn in backend.open for conn in backend.node._asks.values())
        assert backend.node._counts.total + backend.node._lingerers == len(backend.open)
    backend.later(1000)
    assert not backend.open


# ---- over real sockets


class Client(Peer):
    """An HTTP client of a test."""

    async def post(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        exchange = HttpExchange("relay", path, json.dumps(body).encode())
        await self.send(exchange.request)
        while (reply := exchange.receive(await self.some())) is None:
            pass
        return reply.status, json.loads(reply.body)

    async def some(self) -> bytes:
        async with asyncio.timeout(20):
            return await asyncio.get_running_loop().sock_recv(self.sock, 65536)


@on_loop
async def test_a_whole_life_over_real_sockets_and_a_third_address_is_kept_out() -> None:
    before = leftovers()
    ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    node = RelayNode(Relay(entropy(), Limits()))
    loop = Loop(node, listen=[Listen("127.0.0.1", 0)] * 2, tell=ready.set_result)
    task = asyncio.create_task(loop.run())
    listening = await ready
    assert isinstance(listening, Listening)
    port, (data_port,) = listening.port, listening.data_ports
    hosts = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    a, b, c = [await Client.dial(port, HOST, local) for local in hosts]
    with a, b, c:
        _, joined = await a.post("/join", role="sender")
        sender = {"channel": joined["channel"], "uuid": joined["uuid"]}
        status, seat = await b.post("/join", role="recipient", channel=joined["channel"])
        recipient = {"channel": joined["channel"], "uuid": seat["uuid"]}
        assert (status, seat["data"]) == (200, [{"kind": "tcp", "port": data_port}])
        held = asyncio.ensure_future(b.post("/channel", **recipient, since=0, wait=20))
        await a.post("/channel", **sender, x=VALUE)
        assert (await held)[1]["x"] == VALUE
        assert (await c.post("/channel", **sender))[1]["code"] == "channel_full"
        await b.post("/channel", **recipient, y=VALUE, hh_k=VALUE)
        await a.post("/channel", **sender, h_k=VALUE)
        one, other, third = [await Client.dial(data_port, HOST, local) for local in hosts]
        with one, other, third:
            await third.send(f"CROC/1 {sender['channel']} {sender['uuid']}\n".encode())
            assert await third.receive() == b"ERR 403 channel_full\n"
            await one.send(f"CROC/1 {sender['channel']} {sender['uuid']}\nhel".encode())
            await other.send(f"CROC/1 {sender['channel']} {recipient['uuid']}\n".encode())
            await one.send(b"lo")
            assert await other.receive(8) == b"OK\nhello"
            assert await one.receive(3) == b"OK\n"
            status, state = await a.post("/channel", **sender)
            assert (state["stapled"], state["staplings"]) == (True, {str(data_port): 1})
            assert (await b.post("/channel", **recipient, close=True, reason="done"))[0] == 200
            assert await one.receive() == await other.receive() == b""
            status, error = await a.post("/channel", **sender)
            assert (status, error["by"], error["reason"]) == (410, "recipient", "done")
    loop.stop()
    await task
    assert leftovers() == before
