"""The library faces on both backends: what else than files can be sent, and to whom it goes."""

from __future__ import annotations

import io
import os
import pathlib
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from backends._face import Steered
from backends._session import Session
from croc_core.errors import LocalFileError, TransferError
from croc_core.events import Event, Note, OfferSeen, Text, Verifier
from croc_core.party_io import ComparedWords, Decided
from tests.aio import leftovers
from tests.runs import SOON, Answer, RelayRun, Run, nothing

HOST = "127.0.0.1"
DATA = os.urandom(3 << 20)


class World:
    def __init__(self, backend: str, out: pathlib.Path) -> None:
        self.backend = backend
        self.relay = RelayRun(HOST)
        self.out = out
        self.url = f"http://{HOST}:{self.relay.ports[0]}"

    def send(self, begin: str, *what: Any, answer: Answer = nothing, **options: Any) -> Run:
        return Run(self.backend, begin, what, answer, relay=self.url, **options)

    def receive(self, run: Run, *into: Any, answer: Answer = nothing, **options: Any) -> Run:
        what = (run.code.get(timeout=SOON), *into)
        options = {"out": str(self.out), "yes": True} | options
        return Run(self.backend, "receive", what, answer, relay=self.url, **options)


@pytest.fixture(params=["asyncio", "threading"])
def world(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[World]:
    before = leftovers()
    made = World(request.param, tmp_path / "in")
    yield made
    made.relay.stop()
    assert leftovers() == before


def test_a_text_is_handed_over_and_not_stored(world: World) -> None:
    sending = world.send("send_text", "Dear Anna\x1b[2J")
    receiving = world.receive(sending)
    sending.end()
    receiving.end()
    assert receiving.transfer.texts == ["Dear Anna\x1b[2J"]
    assert receiving.events[-2:-1] == [Text("Dear Anna\x1b[2J")]
    assert not world.out.exists() or not list(world.out.iterdir())


def test_a_text_is_stored_where_that_is_wanted(world: World) -> None:
    sending = world.send("send_text", "Dear Anna")
    receiving = world.receive(sending, save_text=True)
    sending.end()
    receiving.end()
    (path,) = world.out.iterdir()
    assert path.read_text() == "Dear Anna"
    assert receiving.transfer.texts == []


def test_a_stream_becomes_a_file(world: World) -> None:
    sending = world.send("send_stream", io.BytesIO(DATA), "out.bin")
    receiving = world.receive(sending)
    assert sending.end().bytes == receiving.end().bytes == len(DATA)
    assert (world.out / "out.bin").read_bytes() == DATA
    (offer,) = (e for e in receiving.events if isinstance(e, OfferSeen))
    assert offer.bytes is None


def test_a_file_is_written_to_whatever_takes_it(world: World, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    into = io.BytesIO()
    sending = world.send("send", path)
    receiving = world.receive(sending, into)
    assert sending.end().bytes == receiving.end().bytes == len(DATA)
    assert into.getvalue() == DATA


def test_several_paths_go_at_once(world: World, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "b.txt").write_text("2")
    sending = world.send("send", tmp_path / "a.txt", tmp_path / "d")
    receiving = world.receive(sending)
    assert sending.end().files == receiving.end().files == 2
    assert (world.out / "d" / "e" / "b.txt").read_text() == "2"


def test_what_the_files_have_to_say_is_a_note(world: World, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "a").write_text("1")
    os.mkfifo(folder / "pipe")
    sending = world.send("send", folder)
    receiving = world.receive(sending)
    sending.end()
    receiving.end()
    notes = [e.message for e in sending.events if isinstance(e, Note)]
    assert len(notes) == 1
    assert "pipe" in notes[0]


def test_words_that_nobody_compares_are_not_the_same(world: World) -> None:
    def unwatched(event: Event, transfer: Any) -> None:
        if not isinstance(event, Verifier):
            transfer._watched = False

    sending = world.send("send_text", "x", answer=unwatched, verify=True)
    receiving = world.receive(sending)
    for run in (sending, receiving):
        with pytest.raises(TransferError):
            run.end()


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_a_text_that_is_none_is_refused_at_once(world: World, text: str) -> None:
    run = world.send("send_text", text)
    with pytest.raises(LocalFileError):
        run.end()


def test_an_answer_is_to_the_question_that_the_owner_has_seen() -> None:
    session = Session(node=None, outcome=lambda: None)  # type: ignore[arg-type]
    told = session.early
    run = Steered(session, SimpleQueue())
    offer, words = OfferSeen(1, 1), Verifier("a b c d", ask=True)
    for event in (offer, words, offer, Verifier("a b c d", ask=False)):
        run._tell(event)  # told, and not looked at yet
    run._took(offer)
    run.accept()
    run._took(words)
    run._took(offer)
    run.decline()
    run.confirm_words()
    assert told[1:] == [Decided(True, 1), Decided(False, 2), ComparedWords(True, 1)]
    assert told[0] == ComparedWords(False, 0), "nobody was there to compare"
