from __future__ import annotations

import asyncio
import os
import time

import pytest

from backends import _io as io
from tests.aio import Bytes, linked, on_loop


@on_loop
async def test_a_drain_and_a_pump_run_at_once_on_one_connection() -> None:
    async with linked() as (hand, conn, peer):
        took, gave = Bytes(count=3 << 20), Bytes([bytes(1 << 20)] * 3)
        hand.do(io.Drain(conn, took), io.Pump(conn, gave))
        data = os.urandom(3 << 20)
        _, back = await asyncio.gather(peer.send(data), peer.receive(3 << 20))
        assert {await hand.next(), await hand.next()} == {io.Drained(conn), io.Pumped(conn)}
        assert bytes(took.got) == data
        assert back == bytes(3 << 20)


class Alone(Bytes):
    """A producer that only one thread at a time may ask."""

    asked = 0

    def fill(self) -> memoryview | None:
        self.asked += 1
        assert self.asked == 1, "two threads fill at once"
        time.sleep(0)  # another thread may run here
        view = super().fill()
        self.asked -= 1
        return view


@on_loop
async def test_a_pump_asked_for_when_another_has_ended_runs_once() -> None:
    async with linked() as (hand, conn, peer):
        parts = [bytes([n]) * 1000 for n in range(200)]
        first, second = Alone(parts), Alone(parts)
        hand.puppet.answers = [(io.Pumped, (io.Pump(conn, second),))]
        hand.do(io.Pump(conn, first))
        got, _ = await asyncio.gather(peer.receive(400_000), hand.next())
        assert got == b"".join(parts) * 2
        assert await hand.next() == io.Pumped(conn)
        hand.do(io.Send(conn, b"end"))
        assert await hand.next() == io.Sent(conn)
        assert await peer.receive(3) == b"end"


@on_loop
async def test_a_drain_takes_no_byte_more_than_its_unit_and_notes_the_end_once() -> None:
    async with linked() as (hand, conn, peer):
        await peer.send(b"abcdef")
        first, second, rest = Bytes(count=2), Bytes(), Bytes(count=100)
        hand.do(io.Drain(conn, first))
        assert await hand.next() == io.Drained(conn)
        hand.do(io.Drain(conn, second))
        assert await hand.next() == io.Drained(conn)
        hand.do(io.Drain(conn, rest))
        peer.half_close()
        assert await hand.next() == io.Drained(conn)
        assert [bytes(c.got) for c in (first, second, rest)] == [b"ab", b"", b"cdef"]
        assert (first.ends, rest.ends) == (0, 1)


@on_loop
async def test_no_limit_of_time_leaves_the_event_loops_socket_as_it_is() -> None:
    got = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Telling(Bytes):
        def advance(self, count: int) -> None:
            super().advance(count)
            loop.call_soon_threadsafe(got.set)

    async with linked() as (hand, conn, peer):
        hand.do(io.Drain(conn, Telling(count=2)))
        await peer.send(b"x")
        await got.wait()
        assert not os.get_blocking(hand.loop._conns[conn]._sock.fileno())
    async with linked() as (hand, conn, peer):
        hand.do(io.Pump(conn, Bytes([bytes(64 << 20)])))
        await peer.receive(1)
        assert not os.get_blocking(hand.loop._conns[conn]._sock.fileno())


@on_loop
async def test_what_a_producer_or_consumer_raises_is_handed_on() -> None:
    class Bad(Bytes):
        def fill(self) -> memoryview | None:
            raise ValueError("fill")

        def advance(self, count: int) -> None:
            raise ValueError("advance")

    async with linked() as (hand, conn, peer):
        hand.do(io.Pump(conn, Bad()))
        pumped = await hand.next()
        assert isinstance(pumped, io.Pumped)
        assert str(pumped.error) == "fill"
        await peer.send(b"x")
        hand.do(io.Drain(conn, Bad(count=1)))
        drained = await hand.next()
        assert isinstance(drained, io.Drained)
        assert str(drained.error) == "advance"


@pytest.mark.parametrize("kind", ["pump", "drain"])
@on_loop
async def test_no_progress_in_time_breaks(kind: str) -> None:
    async with linked() as (hand, conn, _):
        if kind == "pump":
            hand.do(io.Pump(conn, Bytes([bytes(64 << 20)]), 0.05))
        else:
            hand.do(io.Drain(conn, Bytes(count=1), 0.05))
        assert await hand.next() == io.Broken(conn, "no progress in time")


@pytest.mark.parametrize("how", ["close", "stop"])
@on_loop
async def test_closing_ends_a_pump_and_a_drain_without_a_word(how: str) -> None:
    async with linked() as (hand, conn, peer):
        took = Bytes(count=9)
        hand.do(io.Drain(conn, took), io.Pump(conn, Bytes([bytes(64 << 20)])))
        await peer.receive(1)
        if how == "close":
            hand.do(io.Close(conn))
            assert len(await peer.receive()) < 64 << 20
        hand.loop.stop()
        assert took.ends == 0
        assert hand.puppet.seen.empty()


@on_loop
async def test_closing_keeps_what_was_sent_though_a_drain_is_given_up() -> None:
    big = os.urandom(8 << 20)
    async with linked() as (hand, conn, peer):
        took = Bytes(count=9)
        hand.do(io.Drain(conn, took), io.Send(conn, big), io.Close(conn))
        assert await peer.receive() == big
        assert await hand.next() == io.Sent(conn)
        assert took.ends == 0
