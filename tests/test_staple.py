from __future__ import annotations

import asyncio
import errno
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from backends import _io as io
from backends._sockets import Listen
from backends._staple import BUDGET
from tests.aio import HOST, LOOPS, Hand, Peer, chosen, on_loop, running


@pytest.fixture(autouse=True, params=LOOPS)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test here is one of every backend."""
    with chosen(request.param):
        yield request.param


@asynccontextmanager
async def stapled(
    to_a: bytes = b"", to_b: bytes = b"", idle: float = 60.0, most: int | None = None
) -> AsyncIterator[tuple[Hand, Peer, Peer]]:
    """Two peers whose connections are stapled."""
    async with running(Listen(HOST, 0)) as (hand, (port,)):
        with await Peer.dial(port) as a:
            one = (await hand.accepted()).conn
            with await Peer.dial(port) as b:
                other = (await hand.accepted()).conn
                hand.do(io.Staple(7, one, other, to_a, to_b, idle, most))
                yield hand, a, b


@pytest.fixture(params=["splice", "no descriptors", "not permitted"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without splice."""
    number = {"no descriptors": errno.EMFILE, "not permitted": errno.EPERM}.get(request.param)

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "played")

    if number is not None:
        name = "pipe2" if number == errno.EMFILE else "splice"
        monkeypatch.setattr(os, name, fail, raising=False)


@pytest.mark.usefixtures("way")
@on_loop
async def test_both_directions_at_once_and_the_ends_pass_through_one_by_one() -> None:
    async with stapled(b"to a:", b"to b:") as (hand, a, b):
        up, down = os.urandom(5 << 20), os.urandom(3 << 20)
        _, _, got_b, got_a = await asyncio.gather(
            a.send(up), b.send(down), b.receive(5 + len(up)), a.receive(5 + len(down))
        )
        assert got_b == b"to b:" + up
        assert got_a == b"to a:" + down
        a.half_close()
        assert await b.receive() == b""
        await b.send(b"still")  # the other direction is open
        assert await a.receive(5) == b"still"
        b.half_close()
        assert await a.receive() == b""
        assert await hand.ended() == io.Unstapled(7, len(up) + 5, len(down) + 10, "done")


@pytest.mark.usefixtures("way")
@on_loop
async def test_a_slow_reader_slows_the_sender_and_loses_nothing() -> None:
    async with stapled() as (hand, a, b):
        data = os.urandom(24 << 20)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sending = asyncio.ensure_future(a.send(data))
        for _ in range(200):
            await asyncio.sleep(0)  # the event loop turns; nothing is read
        assert not sending.done()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 8 << 10  # KiB
        assert await b.receive(len(data)) == data
        await sending
        a.half_close()
        b.half_close()
        assert await hand.ended() == io.Unstapled(7, len(data), 0, "done")


@pytest.mark.parametrize("who", [0, 1])
@on_loop
async def test_a_reset_of_either_side_ends_both(who: int) -> None:
    async with stapled() as (hand, *peers):
        await peers[0].send(b"x")
        assert await peers[1].receive(1) == b"x"
        peers[who].reset()
        assert await hand.ended() == io.Unstapled(7, 1, 0, "reset")
        assert await peers[1 - who].receive() == b""


@on_loop
async def test_a_cut_ends_both_at_once_with_bytes_on_their_way() -> None:
    async with stapled() as (hand, a, b):
        sending = asyncio.ensure_future(a.send(bytes(24 << 20)))
        assert await b.receive(1)
        hand.do(io.Cut(7), io.Cut(7), io.Cut(8))
        ended = await hand.ended()
        assert (ended.pair, ended.b_to_a, ended.cause) == (7, 0, "cut")
        assert 0 < ended.a_to_b < 24 << 20
        with pytest.raises(OSError, match=r"reset|pipe"):
            await sending
        assert hand.puppet.seen.empty()


@pytest.mark.usefixtures("way")
@on_loop
async def test_a_staple_ends_soon_after_the_bytes_that_it_may_carry() -> None:
    most = 3 << 20
    async with stapled(most=most) as (hand, a, b):
        for peer, other, size in ((a, b, 1 << 20), (b, a, most - (1 << 20) - 1)):
            receiving = asyncio.ensure_future(other.receive(size))
            await peer.send(bytes(size))
            await receiving
        assert hand.puppet.seen.empty()
        await a.send(b"x")
        ended = await hand.ended()
        assert (ended.a_to_b + ended.b_to_a, ended.cause) == (most, "full")
    async with stapled(most=most) as (hand, a, b):
        receiving = asyncio.ensure_future(b.receive())
        with pytest.raises(OSError, match=r"reset|pipe"):
            await a.send(bytes(64 << 20))
        ended = await hand.ended()
        assert most <= ended.a_to_b <= most + 2 * BUDGET
        assert len(await receiving) <= ended.a_to_b


@on_loop
async def test_a_staple_without_a_byte_in_time_ends() -> None:
    async with stapled(idle=0.05) as (hand, a, b):
        assert await hand.ended() == io.Unstapled(7, 0, 0, "idle")
        assert await a.receive() == b""
        assert await b.receive() == b""


@on_loop
async def test_each_byte_puts_the_idle_deadline_off() -> None:
    async with stapled() as (hand, a, b):
        await a.send(b"x")
        assert await b.receive(1) == b"x"
        staple = hand.loop._staples[7]

        def two_minutes_pass() -> None:
            staple._moved_at -= 120

        hand.loop.inject(two_minutes_pass)  # on the loop, after what it is about just now
        await b.send(b"y")
        assert await a.receive(1) == b"y"
        hand.loop.inject(staple._ring)
        assert hand.puppet.seen.empty()
        hand.loop.inject(two_minutes_pass)
        hand.loop.inject(staple._ring)
        assert await hand.ended() == io.Unstapled(7, 1, 1, "idle")


@on_loop
async def test_what_a_staple_finds_still_unsent_goes_first() -> None:
    async with running(Listen(HOST, 0)) as (hand, (port,)):
        with await Peer.dial(port) as a, await Peer.dial(port) as b:
            one, other = (await hand.accepted()).conn, (await hand.accepted()).conn
            big = os.urandom(16 << 20)
            hand.do(io.Read(one), io.Send(one, big), io.Staple(7, one, other, b"then", b"", 60.0))
            await b.send(b"last")
            b.half_close()
            assert await a.receive() == big + b"thenlast"
            a.half_close()
            ended = await hand.ended()
            assert (ended.a_to_b, ended.cause) == (0, "done")
            assert len(b"thenlast") <= ended.b_to_a < len(big)


@pytest.mark.parametrize("lost", [0, 1])
@on_loop
async def test_a_staple_of_a_connection_that_is_gone_ends_at_once(lost: int) -> None:
    async with running(Listen(HOST, 0)) as (hand, (port,)):
        with await Peer.dial(port) as a:
            one = (await hand.accepted()).conn
            with await Peer.dial(port) as b:
                other = (await hand.accepted()).conn
                hand.do(io.Close((one, other)[lost]), io.Staple(7, one, other, b"", b"", 60.0))
                assert await hand.ended() == io.Unstapled(7, 0, 0, "reset")
                assert await a.receive() == b""
                assert await b.receive() == b""


@on_loop
async def test_stopping_cuts_what_is_stapled() -> None:
    async with stapled() as (hand, a, b):
        await a.send(b"x")
        assert await b.receive(1) == b"x"
        hand.loop.stop()
        assert await a.receive() == b""
        assert await b.receive() == b""
