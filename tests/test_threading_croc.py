"""The blocking library face, over a relay of the same backend."""

from __future__ import annotations

import functools
import io
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import pytest

from backends._options import RelayOptions
from backends._session import relaying
from backends.threading import Croc, Transfer
from backends.threading._loop import Loop
from croc_core.errors import Code, LocalFileError, TransferError
from croc_core.events import CodeReady, Completed, Event, Failed, Listening, OfferSeen, Progress
from tests.aio import leftovers

CONTENT = os.urandom(300_000)
CODE = "7k2m-one-two-three"


@dataclass
class World:
    """A relay, a file to send and a folder to receive into."""

    relay: str
    path: pathlib.Path
    out: pathlib.Path

    def croc(self, **options: Any) -> Croc:
        return Croc(relay=self.relay, out=str(self.out), **options)

    @property
    def arrived(self) -> bytes:
        return (self.out / self.path.name).read_bytes()


@pytest.fixture
def world(tmp_path: pathlib.Path) -> Iterator[World]:
    before = leftovers()
    session = relaying(RelayOptions(host="127.0.0.1", port=0, data_ports=(0,)))
    events: SimpleQueue[object] = SimpleQueue()
    loop = Loop(session.node, listen=session.listen, tell=events.put)
    thread = threading.Thread(target=loop.run, name="relay", daemon=True)
    thread.start()
    listening = events.get(timeout=20)
    assert isinstance(listening, Listening)
    path = tmp_path / "photo.jpg"
    path.write_bytes(CONTENT)
    yield World(listening.url, path, tmp_path / "in")
    loop.stop()
    thread.join(20)
    assert leftovers() == before


class Sending:
    """`send` in a thread of the test; its end is asked for."""

    def __init__(self, world: World, **options: Any) -> None:
        self.events: list[Event] = []
        self.code: SimpleQueue[str] = SimpleQueue()
        self._ended: Completed | BaseException | None = None
        croc = world.croc(**options)
        self._run = functools.partial(croc.send, world.path, tell=self._tell)
        self._thread = threading.Thread(target=self._in_thread, name="sending", daemon=True)
        self._thread.start()

    def _tell(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, CodeReady):
            self.code.put(event.code)

    def _in_thread(self) -> None:
        try:
            self._ended = self._run()
        except BaseException as error:
            self._ended = error

    def end(self) -> Completed:
        self._thread.join(20)
        if isinstance(self._ended, BaseException):
            raise self._ended
        assert self._ended is not None
        return self._ended


def failed(code: Code, *ends: object) -> None:
    """Each of *ends* raises TransferError of that kind."""
    for end in ends:
        assert callable(end)
        with pytest.raises(TransferError) as caught:
            end()
        assert caught.value.failure.code is code


def test_send_and_receive_block_until_all_is_there(world: World) -> None:
    sending = Sending(world)
    seen: list[Event] = []
    received = world.croc(yes=True).receive(sending.code.get(timeout=20), tell=seen.append)
    sent = sending.end()
    assert (sent.files, sent.bytes) == (received.files, received.bytes) == (1, len(CONTENT))
    assert received.paths == ("photo.jpg",)
    assert world.arrived == CONTENT
    assert isinstance(seen[-1], Completed)
    kinds = [type(e) for e in seen if not isinstance(e, Progress)]
    assert kinds.index(OfferSeen) < kinds.index(Completed)


class Printed(io.TextIOBase):
    """A stderr whose words are waited for; capsys loses what a thread prints while it is read."""

    def __init__(self) -> None:
        self.words: SimpleQueue[str] = SimpleQueue()

    def write(self, text: str) -> int:
        self.words.put(text)
        return len(text)


def test_without_tell_the_code_is_printed_as_nobody_would_learn_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Printed()
    monkeypatch.setattr(sys, "stderr", screen)
    sending = threading.Thread(
        target=world.croc(code=CODE).send, args=(str(world.path),), daemon=True
    )
    sending.start()
    printed = ""
    while not printed.endswith("\n"):
        printed += screen.words.get(timeout=20)
    assert printed == f"Code: {CODE}  (relay: {world.relay})\n"
    assert world.croc(yes=True).receive(CODE).files == 1
    sending.join(20)
    assert not sending.is_alive()
    assert screen.words.empty()


def test_a_transfer_is_followed_by_iterating_and_ends_there(world: World) -> None:
    sending = world.croc().sending(world.path)
    receiving = world.croc().receiving(sending.code())
    seen = []
    for event in receiving:
        seen.append(event)
        if isinstance(event, OfferSeen):
            receiving.accept()
    assert isinstance(seen[-1], Completed)
    assert list(receiving) == []  # again: it has ended
    assert receiving.result() == receiving.result() == seen[-1]
    assert sending.result().bytes == len(CONTENT)
    assert world.arrived == CONTENT


def test_who_iterates_may_decline(world: World) -> None:
    sending = world.croc().sending(world.path)
    receiving = world.croc().receiving(sending.code())
    for event in receiving:
        if isinstance(event, OfferSeen):
            receiving.decline()
    failed(Code.DECLINED, receiving.result, sending.result, sending.result)
    assert not list(world.out.glob("*"))


@pytest.mark.parametrize("told", [False, True])
def test_an_offer_that_nobody_decides_about_is_declined(world: World, *, told: bool) -> None:
    sending = world.croc().sending(world.path)
    code, tell = sending.code(), (lambda event: None) if told else None
    failed(Code.DECLINED, lambda: world.croc().receive(code, tell=tell), sending.result)


def test_a_wrong_code_is_an_error_of_both(world: World) -> None:
    sending = Sending(world)
    wrong = sending.code.get(timeout=20).rsplit("-", 1)[0] + "-wrong"
    failed(Code.WRONG_CODE, lambda: world.croc(yes=True).receive(wrong), sending.end)
    assert isinstance(sending.events[-1], Failed)


def test_cancelling_ends_a_run_and_the_other_side_is_told(world: World) -> None:
    sending = world.croc().sending(world.path)
    receiving = world.croc().receiving(sending.code())
    for event in receiving:
        if isinstance(event, OfferSeen):
            receiving.cancel()
    failed(Code.SIGINT, receiving.result)
    with pytest.raises(TransferError) as caught:
        sending.result()
    assert caught.value.failure.party.value == "peer"


def test_cancelled_before_it_begins_it_ends_at_once(world: World) -> None:
    sending = world.croc().sending(world.path)
    sending.cancel()
    failed(Code.SIGINT, sending.code, sending.result)


def test_what_tell_raises_ends_the_run(world: World) -> None:
    class EnoughError(Exception):
        pass

    def tell(event: Event) -> None:
        if isinstance(event, CodeReady):
            raise EnoughError

    with pytest.raises(EnoughError):
        world.croc().send(world.path, tell=tell)


def test_a_sender_with_a_relay_of_its_own(world: World) -> None:
    sending = Croc(host="127.0.0.1").sending(world.path)
    ready = next(event for event in sending if isinstance(event, CodeReady))
    assert Croc(relay=ready.relay, out=str(world.out), yes=True).receive(ready.code).files == 1
    assert sending.result().files == 1


def test_wrong_arguments_are_said_before_anything_runs(world: World) -> None:
    with pytest.raises(LocalFileError):
        world.croc().sending(world.out / "nothing")
    with pytest.raises(ValueError, match="curve"):
        Croc(curve="none")
    with pytest.raises(ValueError, match="Which relay"):
        Croc(discovery=False).receiving(CODE)
    with pytest.raises(TypeError):
        Croc(nothing=1)


def test_what_a_run_cannot_open_is_raised_by_its_result(world: World) -> None:
    transfer = Croc(host="192.0.2.1").sending(world.path)
    assert isinstance(transfer, Transfer)
    assert list(transfer) == []
    with pytest.raises(OSError, match="assign"):
        transfer.result()


def test_progress_that_nobody_takes_is_not_piled_up(world: World) -> None:
    transfer = world.croc().sending(world.path)
    for number in range(1000):
        transfer._tell(Progress(number, 1000, 1, 0.0, None))
    assert transfer._events.qsize() == 256
    transfer._tell(CodeReady(CODE, CODE, world.relay))
    assert transfer._events.qsize() == 257


@pytest.mark.parametrize("command", ["send", "receive", "relay", "demo"])
def test_the_command_line_is_there(command: str, tmp_path: pathlib.Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "backends.threading", command, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"python -m backends.threading {command}" in ended.stdout
