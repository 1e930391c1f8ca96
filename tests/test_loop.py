from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import backends._loop
from backends import _dial
from backends import _io as io
from backends._loop import Options
from backends._sockets import Info, Listen
from croc_core.values import Moment
from tests.aio import (
    HOST,
    LOOPS,
    Bytes,
    Hand,
    Peer,
    Puppet,
    chosen,
    leftovers,
    linked,
    loop_for,
    on_loop,
    run,
    running,
)

A, B = io.Conn(2), io.Conn(4)


@pytest.fixture(autouse=True, params=LOOPS)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test here is one of every backend."""
    with chosen(request.param):
        yield request.param


# ---- turns


@on_loop
async def test_a_long_chain_of_inputs_lets_others_in() -> None:
    order: list[object] = []
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    home = asyncio.get_running_loop()
    async with running() as (hand, _):

        def link(number: int) -> None:
            order.append(number)
            if number == 10:
                hand.loop.inject(lambda: order.append("other"))
                hand.puppet.due = 0.0
            if number < 1000:
                hand.loop.deliver(io.Told(lambda: link(number + 1)))
            else:
                home.call_soon_threadsafe(ended.set_result, None)

        hand.loop.inject(lambda: link(0))
        await ended
        assert [n for n in order if n != "other"] == list(range(1001))
        assert order.index("other") < 200
        assert await hand.next() == io.Woke()


# ---- listening and dialling


@on_loop
async def test_the_bound_address_is_the_one_that_was_asked_for() -> None:
    async with running(Listen("127.0.0.2", 0), Listen("127.0.0.3", 0)) as (hand, ports):
        assert len(set(ports)) == 2
        assert all(ports)
        for host, port, listener in (("127.0.0.2", ports[0], -1), ("127.0.0.3", ports[1], 0)):
            with await Peer.dial(port, host) as peer:
                event = await hand.accepted()
                assert event.listener == listener
                assert event.peer == HOST
                assert event.conn % 2 == 1
                assert peer.sock.getpeername()[0] == host
        for host in (HOST, "127.0.0.3"):
            with pytest.raises(ConnectionRefusedError):
                await Peer.dial(ports[0], host)


@on_loop
async def test_no_host_is_every_interface_of_both_families() -> None:
    async with running(Listen(None, 0)) as (hand, (port,)):
        with await Peer.dial(port, "127.0.0.2"):
            assert (await hand.accepted()).peer in ("::ffff:127.0.0.1", "127.0.0.1")
        with await Peer.dial(port, "::1"):
            assert (await hand.accepted()).peer == "::1"


@on_loop
async def test_a_taken_port_is_an_oserror_that_leaves_nothing_open() -> None:
    async with running(Listen(HOST, 0)) as (_, (port,)):
        before = leftovers()
        with pytest.raises(OSError, match="in use"):
            await run(loop_for(Puppet(), listen=[Listen(HOST, 0), Listen(HOST, port)]))
        assert leftovers() == before


@on_loop
async def test_a_dial_names_both_ends_and_may_be_bound() -> None:
    async with running(Listen("127.0.0.2", 0)) as (hand, (port,)):
        hand.do(io.Connect(A, "127.0.0.2", port, "127.0.0.3"))
        got = {type(e): e for e in (await hand.next(), await hand.next())}
        assert got[io.Connected] == io.Connected(A, "127.0.0.2", "127.0.0.3")
        accepted = got[io.Accepted]
        assert isinstance(accepted, io.Accepted)
        assert accepted.peer == "127.0.0.3"


@on_loop
async def test_a_name_with_two_families_falls_back_to_the_one_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(Listen(HOST, 0)) as (hand, (port,)):
        real = socket.getaddrinfo

        def both(host: str, *rest: object, **more: object) -> object:
            if host != "relay.example":
                return real(host, *rest, **more)  # type: ignore[arg-type]
            if more.get("flags"):
                raise socket.gaierror
            return real("::1", port, type=socket.SOCK_STREAM) + real(
                HOST, port, type=socket.SOCK_STREAM
            )

        monkeypatch.setattr(socket, "getaddrinfo", both)
        hand.do(io.Connect(A, "relay.example", port))
        got = {type(e): e for e in (await hand.next(), await hand.next())}
        assert got[io.Connected] == io.Connected(A, HOST, HOST)


def info(address: tuple[str, int]) -> Info:
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", address


@contextmanager
def silent(*others: Info) -> Iterator[Callable[..., list[Info]]]:
    """In place of `literal`: an address whose queue is full, so that it is silent, and *others*."""
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.9", 0))
        full.listen(0)
        first.connect(full.getsockname())
        yield lambda *_: [info(full.getsockname()), *others]


@on_loop
async def test_an_address_that_does_not_answer_keeps_the_next_one_waiting_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(Listen(HOST, 0)) as (hand, (port,)):
        with silent(info((HOST, port))) as two:
            monkeypatch.setattr(_dial, "literal", two)
            hand.do(io.Connect(A, "two", 1))
            got = {type(e): e for e in (await hand.next(), await hand.next())}
            assert got[io.Connected] == io.Connected(A, HOST, HOST)


@on_loop
async def test_a_dial_that_nobody_answers_ends_with_what_the_first_address_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(connect_timeout=0.05) as (hand, _):
        with silent() as one, socket.socket() as unused:
            unused.bind((HOST, 0))
            refused = info(unused.getsockname())
            for found, why in (
                (one(), "no answer in time"),
                ([*one(), refused], "no answer in time"),
                ([refused, *one()], "connection refused"),
                ([], "that address is not one of this computer's"),
            ):
                monkeypatch.setattr(_dial, "literal", lambda *_, found=found: found)
                hand.do(io.Connect(A, "several", 1))
                assert await hand.next() == io.Broken(A, why)


@on_loop
async def test_a_dial_is_not_over_while_one_address_may_still_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(connect_timeout=0.1) as (hand, _):
        with socket.socket() as unused:
            unused.bind((HOST, 0))
            with silent(info(unused.getsockname())) as two:
                monkeypatch.setattr(_dial, "literal", two)
                monkeypatch.setattr(_dial, "STAGGER", 0.0)
                hand.do(io.Connect(A, "two", 1))
                assert await hand.next() == io.Broken(A, "no answer in time")
                begun, ended = hand.puppet.moments[-2:]
                assert ended.mono >= begun.mono + 0.1


@on_loop
async def test_a_dial_that_is_reset_as_it_answers_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(_: socket.socket) -> None:
        raise OSError(errno.ECONNRESET, "played")

    async with running(Listen(HOST, 0)) as (hand, (port,)):
        monkeypatch.setattr(socket.socket, "getpeername", gone)
        hand.do(io.Connect(A, HOST, port))
        got = {type(e): e for e in (await hand.next(), await hand.next())}
        assert got[io.Broken] == io.Broken(A, "connection reset by the other side")


@on_loop
async def test_closing_gives_up_every_address_that_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as (hand, _):
        with silent() as one:
            monkeypatch.setattr(_dial, "literal", one)
            hand.do(io.Connect(A, "one", 1), io.Close(A))
            hand.do(io.Connect(B, "one", 1))  # and that one at the end of the loop
            hand.do(io.Work(1, lambda: None))
            assert isinstance(await hand.next(), io.Worked)


@on_loop
async def test_a_dial_that_fails_says_why() -> None:
    async with running(Listen(HOST, 0)) as (hand, _):
        with socket.socket() as unused:
            unused.bind((HOST, 0))
            hand.do(io.Connect(A, HOST, unused.getsockname()[1]))
            assert await hand.next() == io.Broken(A, "connection refused")
        hand.do(io.Connect(B, "no-such-name.invalid", 1))
        assert await hand.next() == io.Broken(B, "the name was not found")
        hand.do(io.Connect(A, "a" * 70, 1))
        assert await hand.next() == io.Broken(A, "the name was not found")
        hand.do(io.Connect(A, "::1", 1, "127.0.0.1"))
        assert isinstance(await hand.next(), io.Broken)


@on_loop
async def test_closing_gives_a_dial_up_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = threading.Event()
    found = socket.getaddrinfo(HOST, 1, type=socket.SOCK_STREAM)

    def slow(host: str, *rest: object, **more: object) -> object:
        if more.get("flags"):
            raise socket.gaierror
        assert looked_up.wait(20)
        return found

    async with running() as (hand, _):
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        hand.do(io.Connect(A, "slow.example", 1), io.Close(A), io.Work(1, looked_up.set))
        assert isinstance(await hand.next(), io.Worked)
        hand.do(io.Work(2, lambda: None))
        assert isinstance(await hand.next(), io.Worked)
        assert hand.puppet.seen.empty()


@on_loop
async def test_running_out_of_descriptors_pauses_the_listener(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.socket.accept
    failures = [errno.EMFILE, errno.ECONNABORTED, errno.ENFILE]

    def accept(sock: socket.socket) -> object:
        if failures:
            number = failures.pop()
            raise OSError(number, os.strerror(number))
        return real(sock)

    monkeypatch.setattr(backends._loop, "_PAUSE", 0.01)
    async with running(Listen(HOST, 0)) as (hand, (port,)):
        monkeypatch.setattr(socket.socket, "accept", accept)
        with await Peer.dial(port):
            await hand.accepted()
        assert not failures


@on_loop
async def test_where_there_is_no_ipv6_everything_is_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    async with running(Listen(None, 0)) as (hand, (port,)):
        with await Peer.dial(port, "127.0.0.2"):
            assert (await hand.accepted()).peer == HOST


# ---- reading and sending


@on_loop
async def test_nothing_is_read_before_it_is_asked_for() -> None:
    async with linked() as (hand, conn, peer):
        await peer.send(b"one")
        hand.do(io.Read(conn, 2))
        assert await hand.next() == io.Received(conn, b"on")
        hand.do(io.Read(conn))
        assert await hand.next() == io.Received(conn, b"e")
        peer.half_close()
        hand.do(io.Send(conn, b"x"))
        assert await hand.next() == io.Sent(conn)
        hand.do(io.Read(conn))
        assert await hand.next() == io.Received(conn, b"")
        assert await peer.receive(1) == b"x"


@on_loop
async def test_sends_pumps_and_the_end_keep_their_order_through_a_slow_reader() -> None:
    big = os.urandom(8 << 20)
    async with linked() as (hand, conn, peer):
        hand.do(
            io.Send(conn, b"1"),
            io.Send(conn, big),
            io.Pump(conn, Bytes([b"2", big, b"3"])),
            io.Send(conn, b"4"),
            io.HalfClose(conn),
            io.Read(conn),
        )
        assert await peer.receive() == b"1" + big + b"2" + big + b"34"
        got = [await hand.next() for _ in range(4)]
        assert got == [io.Sent(conn), io.Sent(conn), io.Pumped(conn), io.Sent(conn)]
        await peer.send(b"back")
        assert await hand.next() == io.Received(conn, b"back")


@on_loop
async def test_close_sends_first_what_was_sent_before() -> None:
    big = os.urandom(8 << 20)
    async with linked() as (hand, conn, peer):
        hand.do(io.Read(conn), io.Send(conn, big), io.Close(conn), io.Send(conn, b"no"))
        assert await peer.receive() == big
        assert await hand.next() == io.Sent(conn)


@on_loop
async def test_close_waits_only_so_long_for_a_peer_that_reads_nothing() -> None:
    async with linked(linger=0.05) as (hand, conn, peer):
        hand.do(io.Send(conn, bytes(32 << 20)), io.Close(conn))
        while conn in hand.loop._conns or not hand.puppet.moments[2:]:
            await asyncio.sleep(0)
        assert len(await peer.receive()) < 32 << 20


@on_loop
async def test_what_was_sent_arrives_though_the_node_is_finished() -> None:
    big = os.urandom(8 << 20)
    puppet = Puppet()
    options = Options(linger=3600, farewell=3600)
    loop = loop_for(puppet, listen=[Listen(HOST, 0)], options=options)
    hand = Hand(loop, puppet)
    task = asyncio.create_task(run(loop))
    started = await hand.next()
    assert isinstance(started, io.Started)
    with await Peer.dial(started.ports[0]) as peer:
        conn = (await hand.accepted()).conn
        hand.do(io.Send(conn, big), io.Close(conn))
        loop.inject(lambda: setattr(puppet, "finished", True))
        assert await peer.receive() == big
    await task


@pytest.mark.parametrize("kind", [io.Read, io.Drain, io.Send, io.Pump])
@on_loop
async def test_a_reset_breaks_what_is_under_way_and_is_told_once(kind: type) -> None:
    async with linked() as (hand, conn, peer):
        effects: dict[type, io.Effect] = {
            io.Read: io.Read(conn),
            io.Drain: io.Drain(conn, Bytes(count=9)),
            io.Send: io.Send(conn, bytes(32 << 20)),
            io.Pump: io.Pump(conn, Bytes([bytes(32 << 20)])),
        }
        hand.do(effects[kind])
        if kind in (io.Send, io.Pump):
            await peer.receive(1)
        peer.reset()
        assert await hand.next() == io.Broken(conn, "connection reset by the other side")
        hand.do(io.Read(conn), io.Send(conn, b"x"), io.Drain(conn, Bytes()), io.Close(conn))
        hand.do(io.Work(1, lambda: None))
        assert isinstance(await hand.next(), io.Worked)
        assert hand.puppet.seen.empty()


@on_loop
async def test_nothing_is_told_of_a_closed_connection_that_breaks() -> None:
    async with linked() as (hand, conn, peer):
        hand.do(io.Send(conn, bytes(32 << 20)), io.Close(conn))
        await peer.receive(1)
        peer.reset()
        while conn in hand.loop._conns:
            await asyncio.sleep(0)
        assert hand.puppet.seen.empty()


# ---- time, work, the owner


@on_loop
async def test_woke_comes_when_the_deadline_has_passed_and_not_before() -> None:
    async with running() as (hand, ports):
        assert ports == ()

        def soon(delay: float) -> Callable[[], None]:
            def set_due() -> None:
                hand.puppet.due = hand.puppet.moments[-1].mono + delay

            return set_due

        hand.loop.inject(soon(3600))
        hand.loop.inject(soon(0.02))  # earlier than the alarm that is set
        assert await hand.next() == io.Woke()
        hand.loop.inject(soon(-1))
        assert await hand.next() == io.Woke()
        before, woke = hand.puppet.moments[2], hand.puppet.moments[3]
        assert woke.mono >= before.mono + 0.02
        assert abs(woke.unix_ms - before.unix_ms) < 60_000


@on_loop
async def test_work_runs_in_a_thread_and_is_answered() -> None:
    told: list[object] = []
    async with running(tell=told.append) as (hand, _):
        hand.do(io.Work(7, threading.get_ident), io.Tell("hello"))
        worked = await hand.next()
        assert isinstance(worked, io.Worked)
        assert worked.job == 7
        assert worked.result != threading.get_ident()
        hand.do(io.Work(8, lambda: 1 // 0))
        worked = await hand.next()
        assert isinstance(worked, io.Worked)
        assert isinstance(worked.error, ZeroDivisionError)
        assert told == ["hello"]


@on_loop
async def test_a_thread_that_is_stuck_does_not_keep_run_from_returning() -> None:
    release = threading.Event()
    puppet = Puppet()
    loop = loop_for(puppet, options=Options(farewell=0.05))
    loop.inject((io.Work(1, lambda: release.wait(60)),))  # before it runs: kept until it does
    loop.inject(lambda: setattr(puppet, "finished", True))
    async with asyncio.timeout(20):
        await run(loop)
    stuck = [t for t in threading.enumerate() if t.name.startswith("croc-core")]
    assert all(t.daemon for t in stuck)
    release.set()
    for thread in stuck:
        thread.join(20)
        assert not thread.is_alive()
    loop.inject("too late")  # nobody listens, nothing fails


@on_loop
async def test_run_waits_for_threads_and_a_finished_node_hears_nothing_more() -> None:
    release, working = threading.Event(), threading.Event()

    def work() -> None:
        working.set()
        release.wait(60)

    class Last(Puppet):
        def handle(self, event: io.Input, now: Moment) -> tuple[io.Effect, ...]:
            super().handle(event, now)
            self.finished = True
            staple = io.Staple(1, A, B, b"", b"", 1.0)  # answered at once, as there are none
            return io.Work(1, work), staple

    before = leftovers()
    puppet = Last()
    task = asyncio.create_task(run(loop_for(puppet, options=Options(farewell=3600))))
    while not working.is_set():
        await asyncio.sleep(0)
    assert not task.done()
    release.set()
    await task
    assert len(puppet.moments) == 1
    assert leftovers() == before


@on_loop
async def test_a_fault_of_the_node_reaches_the_owner() -> None:
    puppet = Puppet()
    loop = loop_for(puppet, listen=[Listen(HOST, 0)])
    loop.inject(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        await run(loop)


class Interrupted(BaseException):
    """As KeyboardInterrupt, which event loops treat in a way of their own."""


@on_loop
async def test_run_closes_everything_though_it_is_broken_off(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise Interrupted

    puppet = Puppet()
    before = leftovers()
    loop = loop_for(puppet, listen=[Listen(HOST, 0)])
    task = asyncio.create_task(run(loop))
    hand = Hand(loop, puppet)
    started = await hand.next()
    assert isinstance(started, io.Started)
    with await Peer.dial(started.ports[0]) as peer, silent() as one:
        monkeypatch.setattr(_dial, "literal", one)
        conn = (await hand.accepted()).conn
        hand.do(io.Drain(conn, Bytes(count=9)), io.Connect(A, "one", 1))
        await peer.send(b"x")
        if kind == "asyncio":
            task.cancel()
        else:
            loop.soon(interrupt)
        with pytest.raises((asyncio.CancelledError, Interrupted)):
            await task
    for thread in threading.enumerate():
        if thread.name.startswith("croc-core"):  # nobody waits for it who is in a hurry
            thread.join(20)
    assert leftovers() == before
