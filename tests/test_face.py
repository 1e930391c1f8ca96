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
from backends._options import MANY_FROM, STREAMS, Options
from backends._session import Session, receiving, sending
from croc_core.errors import LocalFileError, TransferError
from croc_core.events import Event, Note, OfferSeen, Progress, Text, Verifier
from croc_core.party_io import ComparedWords, Decided
from tests.aio import leftovers
from tests.proxies import NAME, proxy_server
from tests.runs import SOON, Answer, RelayRun, Run, nothing

HOST = "127.0.0.1"
DATA = os.urandom(3 << 20)


class World:
    def __init__(self, backend: str, out: pathlib.Path) -> None:
        self.backend = backend
        self.relay = RelayRun(HOST, data_ports=3)
        self.out = out
        self.url = f"http://{HOST}:{self.relay.ports[0]}"

    def send(self, begin: str, *what: Any, answer: Answer = nothing, **options: Any) -> Run:
        return Run(self.backend, begin, what, answer, **{"relay": self.url} | options)

    def receive(self, run: Run, *into: Any, answer: Answer = nothing, **options: Any) -> Run:
        what = (run.code.get(timeout=SOON), *into)
        options = {"relay": self.url, "out": str(self.out), "yes": True} | options
        return Run(self.backend, "receive", what, answer, **options)


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


def agree(event: Event, transfer: Any) -> None:
    if isinstance(event, Verifier):
        transfer.confirm_words()


def test_words_are_compared_on_both_sides(world: World) -> None:
    sending = world.send("send_text", "x", answer=agree, verify=True)
    receiving = world.receive(sending, answer=agree, verify=True)
    sending.end()
    receiving.end()
    shown = [[e for e in run.events if isinstance(e, Verifier)] for run in (sending, receiving)]
    assert shown[0] == shown[1]
    assert [len(event.words.split()) for event in shown[0]] == [4]
    assert shown[0][0].ask


@pytest.mark.parametrize("kind", ["socks5", "http"])
def test_both_sides_go_through_a_proxy(world: World, tmp_path: pathlib.Path, kind: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    with proxy_server() as proxy:
        # A name that the proxy alone can look up.
        way: dict[str, Any] = {"relay": f"http://{NAME}:{world.relay.ports[0]}",
               "proxy": f"{kind}://{HOST}:{proxy.port}"}  # fmt: skip
        sending = world.send("send", path, **way)
        receiving = world.receive(sending, **way)
        assert sending.end().bytes == receiving.end().bytes == len(DATA)
        assert {host for host, _ in proxy.asked} == {NAME}
        assert {port for _, port in proxy.asked} == set(world.relay.ports[:2])
    assert (world.out / "a.bin").read_bytes() == DATA


def test_the_sender_is_found(world: World, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    sending = world.send("send", path, relay=None, host=HOST)
    receiving = world.receive(sending, relay=None)
    assert sending.end().bytes == receiving.end().bytes == len(DATA)
    assert (world.out / "a.bin").read_bytes() == DATA


def test_without_discovery_a_recipient_needs_a_relay(world: World) -> None:
    run = Run(world.backend, "receive", ("abcd-one-two",), nothing, discovery=False)
    with pytest.raises(ValueError, match="relay"):
        run.end()


def test_what_patterns_match_stays_here(world: World, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    for name in ("a.o", "b.c", "c.log"):
        (folder / name).write_text(name)
    (folder / ".gitignore").write_text("*.log\n")
    sending = world.send("send", folder, exclude=("*.o",), gitignore=True)
    receiving = world.receive(sending)
    sending.end()
    receiving.end()
    assert sorted(os.listdir(world.out / "d")) == [".gitignore", "b.c"]


@pytest.mark.parametrize("slow", ["send", "receive"])
def test_a_throttle_holds_on_either_side(world: World, tmp_path: pathlib.Path, slow: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    rate: dict[str, Any] = {"throttle": 4_000_000}
    free: dict[str, Any] = {}
    sending = world.send("send", path, **(rate if slow == "send" else free))
    receiving = world.receive(sending, **(rate if slow == "receive" else free))
    sending.end()
    # It may be ahead by what a fraction of a second brings, and never by more.
    assert receiving.end().seconds > len(DATA) / 4_000_000 / 2
    names = {e.name for e in receiving.events if isinstance(e, Progress)}
    assert "a.bin" in names
    assert names <= {"a.bin", None}


def test_several_streams_carry_one_file(world: World, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.bin"
    data = os.urandom(1 << 20) * 40
    path.write_bytes(data)
    seen: set[int] = set()

    def look(event: Event, transfer: Any) -> None:
        if isinstance(event, Progress):
            seen.add(len(transfer._session.node._links))

    both: dict[str, Any] = {"streams": 2, "throttle": 40_000_000}
    sending = world.send("send", path, answer=look, **both)
    receiving = world.receive(sending, **both)
    sending.end()
    receiving.end()
    assert max(seen) == 3  # and one for the messages
    assert (world.out / "a.bin").read_bytes() == data


def test_what_goes_to_a_writable_comes_in_order_however_large(
    world: World, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "large").write_bytes(os.urandom(MANY_FROM))
    sending = world.send("send", tmp_path / "large")
    into = io.BytesIO()
    world.receive(sending, into).end()
    sending.end()
    assert into.getvalue() == (tmp_path / "large").read_bytes()


@pytest.mark.parametrize(
    ("said", "meant"), [(None, (STREAMS, MANY_FROM)), (1, (1, 0)), (3, (3, 0))]
)
def test_several_connections_where_they_are_worth_it(
    said: int | None, meant: tuple[int, int]
) -> None:
    options = Options(relay=HOST, streams=said)
    recipient: Any = receiving(options, "a-b", lambda _: None, lambda _: None).node
    sender: Any = sending(options, [__file__], lambda _: None).node
    context = recipient._machine._context
    assert (context.streams, context.many_from) == meant
    assert sender._machine._context.streams == meant[0]
    own: Any = sending(Options(streams=said), [__file__], lambda _: None)
    assert len(own.listen) == (2 if said == 1 else 2 + meant[0])
