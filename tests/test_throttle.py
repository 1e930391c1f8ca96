"""The throttle: no more than the rate, nothing before it is due, and no wait at the end."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from backends import _io as io
from backends._throttle import NAP, Throttle
from tests.aio import Bytes, linked, on_loop


class Time:
    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= NAP
        self.naps.append(seconds)
        self.now += seconds


@given(
    rate=st.integers(1024, 10**9),
    counts=st.lists(st.integers(1, 1 << 20), max_size=30),
    pauses=st.lists(st.floats(0.0, 3.0), max_size=30),
)
def test_no_more_than_the_rate(rate: int, counts: list[int], pauses: list[float]) -> None:
    time = Time()
    throttle = Throttle(rate, time.clock, time.sleep)
    assert 1 <= throttle.part <= max(1, rate // 8)
    went: list[tuple[float, int]] = []
    for count, pause in zip(counts, pauses, strict=False):
        time.now += pause
        throttle.wait()
        part = min(count, throttle.part)
        throttle.count(part)
        went.append((time.now, part))
    for first, (begun, _) in enumerate(went):
        for ended, _ in went[first:]:
            moved = sum(part for at, part in went if begun <= at <= ended)
            assert moved <= rate * (ended - begun) + throttle.part + 1e-3 * rate


def test_it_is_waited_for_before_bytes_and_not_when_given_up() -> None:
    time = Time()
    throttle = Throttle(1000, time.clock, time.sleep)
    throttle.wait()
    throttle.count(500)
    assert time.now == 1000.0, "nothing waits behind the last bytes"
    throttle.wait(lambda: True)
    assert time.now == 1000.0
    throttle.wait()
    assert abs(time.now - 1000.5) < 1e-6


@on_loop
async def test_pumps_and_drains_are_slow_together() -> None:
    """The rate is high enough not to be seen in the time; the parts show that it is there."""
    data = os.urandom(1 << 20)
    async with linked() as (hand, conn, peer):
        throttle = hand.loop.throttle = Throttle(1 << 30)
        went: list[int] = []
        count = throttle.count

        def counted(amount: int) -> None:
            went.append(amount)
            count(amount)

        throttle.count = counted  # type: ignore[assignment,method-assign]
        throttle.part = 1000
        took = Bytes(count=len(data))
        hand.do(io.Pump(conn, Bytes([data])))
        assert await peer.receive(len(data)) == data
        assert await hand.next() == io.Pumped(conn)
        assert (sum(went), max(went)) == (len(data), 1000)
        hand.do(io.Drain(conn, took))
        await peer.send(data)
        assert await hand.next() == io.Drained(conn)
        assert bytes(took.got) == data
        assert (sum(went), max(went)) == (2 * len(data), 1000)
