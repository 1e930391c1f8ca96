"""Whole runs over real sockets whose connections break, on both loops."""

from __future__ import annotations

import asyncio
import os
import pathlib
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

import backends.asyncio
import backends.threading
from backends._options import RelayOptions
from backends._session import relaying
from backends.threading._loop import Loop
from croc_core.errors import Code, TransferError
from croc_core.events import (
    CodeReady,
    Completed,
    Event,
    Failed,
    Listening,
    Verifier,
    Waiting,
)
from tests.aio import leftovers
from tests.cutter import Cutter

BIG = 24 << 20
HOST, BEHIND = "127.0.0.1", "127.0.0.2"
SOON = 60.0
"""Seconds after which a test gives up; nothing takes so long."""

Answer = Callable[[Event, Any], None]


class RelayRun:
    """A relay in a thread, which can be stopped and started at the same ports."""

    def __init__(self, data_ports: int) -> None:
        self.ports = (0,) * (1 + data_ports)
        self.start()

    def start(self) -> None:
        options = RelayOptions(host=BEHIND, port=self.ports[0], data_ports=self.ports[1:])
        events: SimpleQueue[object] = SimpleQueue()
        self.loop = Loop.of(relaying(options), events.put)
        self.thread = threading.Thread(target=self.loop.run, name="relay", daemon=True)
        self.thread.start()
        listening = events.get(timeout=SOON)
        assert isinstance(listening, Listening)
        self.ports = (int(listening.url.rpartition(":")[2]), *listening.ports)

    def stop(self) -> None:
        self.loop.stop()
        self.thread.join(SOON)


class Run:
    """One party, in a thread, on either backend; *answer* gets its events, and its transfer."""

    def __init__(self, backend: str, begin: str, what: object, answer: Answer, **options: Any):
        self.events: list[Event] = []
        self.code: SimpleQueue[str] = SimpleQueue()
        self._answer = answer
        self._end: Completed | Exception | None = None
        call = self._asyncio if backend == "asyncio" else self._threading
        self._thread = threading.Thread(target=self._run, args=(call, begin, what, options))
        self._thread.daemon = True
        self._thread.start()

    def _run(self, call: Callable[..., Completed], *args: object) -> None:
        try:
            self._end = call(*args)
        except Exception as error:
            self._end = error

    def _asyncio(self, begin: str, what: object, options: dict[str, Any]) -> Completed:
        async def run() -> Completed:
            croc = backends.asyncio.Croc(**options)
            transfer = croc.send(what) if begin == "send" else croc.receive(what)  # type: ignore[arg-type]
            async for event in transfer:
                self._heard(event, transfer)
            return await transfer

        return asyncio.run(run())

    def _threading(self, begin: str, what: object, options: dict[str, Any]) -> Completed:
        croc = backends.threading.Croc(**options)
        transfer = croc.sending(what) if begin == "send" else croc.receiving(what)  # type: ignore[arg-type]
        for event in transfer:
            self._heard(event, transfer)
        return transfer.result()

    def _heard(self, event: Event, transfer: Any) -> None:
        self.events.append(event)
        if isinstance(event, CodeReady):
            self.code.put(event.code)
        self._answer(event, transfer)

    def end(self) -> Completed:
        self._thread.join(SOON)
        if isinstance(self._end, Exception):
            raise self._end
        assert self._end is not None, self.events
        return self._end

    def waited_for(self, what: str) -> bool:
        return Waiting(what) in self.events


def nothing(event: Event, transfer: Any) -> None:
    """Answer no event."""


class World:
    """A relay behind a cutter, a big file, and a folder to receive into."""

    def __init__(self, folder: pathlib.Path, backend: str, data_ports: int) -> None:
        self.backend = backend
        self.relay = RelayRun(data_ports)
        self.cutter = Cutter(HOST, BEHIND, self.relay.ports)
        self.data = self.relay.ports[1:]
        self.content = os.urandom(BIG)
        self.path = folder / "big.bin"
        self.path.write_bytes(self.content)
        self.out = folder / "in"
        self.url = f"http://{HOST}:{self.relay.ports[0]}"

    def send(self, answer: Answer = nothing, **options: Any) -> Run:
        return Run(self.backend, "send", self.path, answer, relay=self.url, **options)

    def receive(self, sending: Run, answer: Answer = nothing, **options: Any) -> Run:
        code = sending.code.get(timeout=SOON)
        options = {"out": str(self.out), "yes": True} | options
        return Run(self.backend, "receive", code, answer, relay=self.url, **options)

    def arrived(self) -> bool:
        names = sorted(path.name for path in self.out.iterdir())
        return names == ["big.bin"] and (self.out / "big.bin").read_bytes() == self.content

    def close(self) -> None:
        self.cutter.close()
        self.relay.stop()


@pytest.fixture(params=["asyncio", "threading"])
def make(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> Iterator[Callable[[int], World]]:
    before = leftovers()
    worlds: list[World] = []

    def made(data_ports: int = 1) -> World:
        worlds.append(World(tmp_path, request.param, data_ports))
        return worlds[-1]

    yield made
    for world in worlds:
        world.close()
    assert leftovers() == before


def test_a_connection_that_breaks_in_the_middle_is_dialled_again(
    make: Callable[[int], World],
) -> None:
    world = make(1)
    (port,) = world.data
    world.cutter.cut_after(port, BIG)  # each byte passes twice
    sending = world.send()
    receiving = world.receive(sending)
    assert sending.end().bytes == receiving.end().bytes == BIG
    assert world.arrived()
    assert world.cutter.cuts == 1
    assert world.cutter.dials[port] == 4
    assert world.cutter.passed[port] < BIG * 2.5, "what was there is not sent again"
    for run in (sending, receiving):
        assert run.waited_for("the connection to come back")


def test_a_relay_that_forgot_everything_is_met_again(make: Callable[[int], World]) -> None:
    world = make(1)
    (port,) = world.data
    reached = threading.Event()

    def look(event: Event, transfer: Any) -> None:
        del event, transfer
        if world.cutter.passed[port] > BIG // 4:
            reached.set()

    sending = world.send(throttle=8 << 20)
    receiving = world.receive(sending, look)
    assert reached.wait(SOON)
    world.relay.stop()
    world.relay.start()
    assert sending.end().bytes == receiving.end().bytes == BIG
    assert world.arrived()


@pytest.mark.parametrize("cut", [False, True])
def test_several_connections_carry_the_pieces(make: Callable[[int], World], cut: bool) -> None:
    world = make(4)
    if cut:
        world.cutter.cut_after(world.data[2], BIG // 10)
    sending = world.send(streams=3)
    receiving = world.receive(sending, streams=3)
    assert sending.end().bytes == receiving.end().bytes == BIG
    assert world.arrived()
    carried = [world.cutter.passed[port] for port in world.data]
    assert carried[0] < 10_000, "nothing but messages on connection 0"
    assert sum(size > 1 << 20 for size in carried) == 3
    assert world.cutter.cuts == cut


@pytest.mark.parametrize("asks", ["sender", "recipient", "both"])
def test_the_words_are_the_same_and_waited_for(make: Callable[[int], World], asks: str) -> None:
    world = make(1)
    words: dict[str, str] = {}

    def confirm(who: str) -> Answer:
        def answer(event: Event, transfer: Any) -> None:
            if isinstance(event, Verifier):
                assert event.ask == (asks in (who, "both"))
                words[who] = event.words
                if event.ask:
                    transfer.confirm_words()

        return answer

    sending = world.send(confirm("sender"), verify=asks != "recipient")
    receiving = world.receive(sending, confirm("recipient"), verify=asks != "sender")
    sending.end()
    receiving.end()
    assert world.arrived()
    assert words["sender"] == words["recipient"]
    assert len(words["sender"].split()) == 4


@pytest.mark.parametrize("who", ["sender", "recipient"])
def test_words_that_differ_end_the_run(make: Callable[[int], World], who: str) -> None:
    world = make(1)

    def differ(event: Event, transfer: Any) -> None:
        if isinstance(event, Verifier):
            transfer.confirm_words(False)

    sending = world.send(differ, verify=who == "sender")
    receiving = world.receive(sending, differ, verify=who == "recipient")
    for run in (sending, receiving):
        with pytest.raises(TransferError):
            run.end()
        assert isinstance(run.events[-1], Failed)
    assert not world.out.exists() or not list(world.out.iterdir())


def test_without_reconnect_a_break_is_the_end(make: Callable[[int], World]) -> None:
    world = make(1)
    world.cutter.cut_after(world.data[0], BIG)
    sending = world.send(reconnect=0.0)
    receiving = world.receive(sending, reconnect=0.0)
    for run in (sending, receiving):
        with pytest.raises(TransferError) as caught:
            run.end()
        assert caught.value.failure.code is Code.PEER_LEFT
