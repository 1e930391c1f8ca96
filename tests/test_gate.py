"""The gate before the files: once it is shut and waited for, nobody is at them any more."""

from __future__ import annotations

import threading

import pytest

from backends._gate import Gate, ShutError


class Slow:
    """A producer and a consumer that are at it until they are let go."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.let_go = threading.Event()
        self.calls = 0

    def _work(self) -> None:
        self.inside.set()
        assert self.let_go.wait(10)
        self.calls += 1

    def fill(self) -> memoryview | None:
        self._work()
        return memoryview(b"x")

    def ready(self) -> bool:
        self._work()
        return True

    def buffer(self) -> memoryview:
        return memoryview(bytearray(1))

    def advance(self, count: int) -> None:
        self.calls += count


@pytest.mark.parametrize("way", ["fill", "ready"])
def test_a_thread_that_is_at_it_is_waited_for_and_comes_no_more(way: str) -> None:
    gate, slow = Gate(), Slow()
    gated = gate.producer(slow) if way == "fill" else gate.consumer(slow)
    ended: list[BaseException | None] = []

    def loop() -> None:
        try:
            while getattr(gated, way)():
                pass
        except ShutError as error:
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=loop)
    thread.start()
    assert slow.inside.wait(10)
    gate.shut()
    assert gate.busy
    waiter = threading.Thread(target=gate.wait)
    waiter.start()
    slow.let_go.set()
    waiter.join(10)
    assert not waiter.is_alive()
    assert slow.calls == 1
    thread.join(10)
    assert slow.calls == 1, "nothing after the wait"
    assert [type(e) for e in ended] == [type(None) if way == "fill" else ShutError]
    assert not gate.busy


def test_an_open_gate_lets_everything_through() -> None:
    gate, slow = Gate(), Slow()
    slow.let_go.set()
    filled = gate.producer(slow).fill()
    assert filled is not None
    assert bytes(filled) == b"x"
    consumer = gate.consumer(slow)
    assert consumer.ready()
    assert len(consumer.buffer()) == 1
    consumer.advance(3)
    assert slow.calls == 5
    assert not gate.busy
