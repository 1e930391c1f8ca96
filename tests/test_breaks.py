"""Whole runs over real sockets whose connections break, on both loops."""

from __future__ import annotations

import os
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from croc_core.errors import Code, TransferError
from croc_core.events import Event, Failed, Verifier
from tests.aio import leftovers
from tests.cutter import Cutter
from tests.runs import SOON, Answer, RelayRun, Run, nothing

BIG = 24 << 20
HUGE = 64 << 20
"""Much more than sockets hold: what was on its way when they broke is lost."""
HOST, BEHIND = "127.0.0.3", "127.0.0.2"
"""Nobody else listens there: the cutter takes the ports that the relay was given."""


Make = Callable[..., "World"]


class World:
    """A relay behind a cutter, a big file, and a folder to receive into."""

    def __init__(self, folder: pathlib.Path, backend: str, data_ports: int, size: int) -> None:
        self.backend = backend
        self.relay = RelayRun(BEHIND, data_ports)
        self.cutter = Cutter(HOST, BEHIND, self.relay.ports)
        self.data = self.relay.ports[1:]
        self.content = os.urandom(size)
        self.path = folder / "big.bin"
        self.path.write_bytes(self.content)
        self.out = folder / "in"
        self.url = f"http://{HOST}:{self.relay.ports[0]}"

    def send(self, answer: Answer = nothing, **options: Any) -> Run:
        return Run(self.backend, "send", (self.path,), answer, relay=self.url, **options)

    def receive(self, sending: Run, answer: Answer = nothing, **options: Any) -> Run:
        code = sending.code.get(timeout=SOON)
        options = {"out": str(self.out), "yes": True} | options
        return Run(self.backend, "receive", (code,), answer, relay=self.url, **options)

    def arrived(self) -> bool:
        names = sorted(path.name for path in self.out.iterdir())
        return names == ["big.bin"] and (self.out / "big.bin").read_bytes() == self.content

    def close(self) -> None:
        self.cutter.close()
        self.relay.stop()


@pytest.fixture(params=["asyncio", "threading"])
def make(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[Make]:
    before = leftovers()
    worlds: list[World] = []

    def made(data_ports: int, size: int = BIG) -> World:
        worlds.append(World(tmp_path, request.param, data_ports, size))
        return worlds[-1]

    yield made
    for world in worlds:
        world.close()
    assert leftovers() == before


def test_a_connection_that_breaks_in_the_middle_is_dialled_again(
    make: Make,
) -> None:
    world = make(1, HUGE)
    (port,) = world.data
    world.cutter.cut_after(port, HUGE * 2 // 3)
    sending = world.send()
    receiving = world.receive(sending)
    assert sending.end().bytes == receiving.end().bytes == HUGE
    assert world.arrived()
    assert world.cutter.cuts == 1
    assert world.cutter.dials[port] == 4
    assert world.cutter.passed[port] < HUGE * 3 // 2, "what was there is not sent again"
    for run in (sending, receiving):
        assert run.waited_for("the connection to come back")


def test_a_relay_that_forgot_everything_is_met_again(make: Make) -> None:
    world = make(1)
    (port,) = world.data
    reached = threading.Event()

    def look(event: Event, transfer: Any) -> None:
        del event, transfer
        if world.cutter.passed[port] > BIG // 8:
            reached.set()

    sending = world.send(throttle=8 << 20)
    receiving = world.receive(sending, look)
    assert reached.wait(SOON)
    world.relay.stop()
    world.relay.start()
    assert sending.end().bytes == receiving.end().bytes == BIG
    assert world.arrived()


@pytest.mark.parametrize("cut", [False, True])
def test_several_connections_carry_the_pieces(make: Make, cut: bool) -> None:
    world = make(4)
    if cut:
        world.cutter.cut_after(world.data[2], BIG // 10)
    sending = world.send(streams=3)
    receiving = world.receive(sending, streams=3)
    assert sending.end().bytes == receiving.end().bytes == BIG
    assert world.arrived()
    carried = [world.cutter.passed[port] for port in world.data]
    assert carried[0] < 10_000, "nothing but messages on connection 0"
    assert sum(size > 1 << 20 for size in carried) >= 2, "who comes first takes more"
    assert all(world.cutter.dials[port] >= 2 for port in world.data)
    assert world.cutter.cuts == cut


@pytest.mark.parametrize("asks", ["sender", "recipient", "both"])
def test_the_words_are_the_same_and_waited_for(make: Make, asks: str) -> None:
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
def test_words_that_differ_end_the_run(make: Make, who: str) -> None:
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


def test_without_reconnect_a_break_is_the_end(make: Make) -> None:
    world = make(1)
    world.cutter.cut_after(world.data[0], BIG // 2)
    sending = world.send(reconnect=0.0)
    receiving = world.receive(sending, reconnect=0.0)
    for run in (sending, receiving):
        with pytest.raises(TransferError) as caught:
            run.end()
        # What sockets hold may be all that was left to send.
        assert caught.value.failure.code in (Code.PEER_LEFT, Code.UNCONFIRMED)
