"""The backend of docs/new-backend.md, built from its blocks, held to what backends are held to."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import socket
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import trio

from backends._options import RelayOptions
from backends._session import relaying
from backends._sockets import Listen
from conformance import _bench, backend
from conformance._case import Grade, Part, cases, enter
from conformance._runner import run
from conformance.subjects.launch import LaunchedRelays
from croc_core.errors import TransferError
from croc_core.events import CodeReady, Listening, OfferSeen

ROOT = pathlib.Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "new-backend.md").read_text()
SOURCE = "\n\n".join(re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S))
CONTENT = os.urandom(3_000_000)
PATIENCE = 20.0

enter("relay")
CHOSEN = tuple(cases(Part.RELAY))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("doc") / "croc_trio.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def made(path: pathlib.Path) -> Any:
    spec = importlib.util.spec_from_file_location("croc_trio", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules["croc_trio"] = module  # where its dataclass looks for its names
    spec.loader.exec_module(module)
    return module


def test_doc_it_is_short() -> None:
    lines = [line for line in SOURCE.splitlines() if line.strip()]
    assert len(lines) < 200


@pytest.mark.parametrize("check", backend.CHECKS, ids=lambda check: check.__name__)
def test_doc_it_keeps_the_rules(made: Any, check: Callable[[_bench.Bench], None]) -> None:
    backend.run_check(made.Blocking, check)


def test_doc_it_shuts_down_cleanly(made: Any) -> None:
    backend.clean_shutdown(made.Blocking)


def test_doc_its_relay_passes_conformance(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CHOSEN
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with LaunchedRelays("trio", [sys.executable, str(path), "relay"]) as host:
        verdicts = run(host, CHOSEN).verdicts
    told = [f"{v.case.id}: {v.grade}: {v.detail}" for v in verdicts if v.grade is not Grade.PASS]
    assert told == []


async def with_relay(made: Any, use: Callable[[str], Any]) -> None:
    """Run *use* with the URL of a relay on trio."""
    session = relaying(RelayOptions(host="127.0.0.1", port=0, data_ports=(0,)))
    ready, urls = trio.Event(), []

    def tell(event: object) -> None:
        assert isinstance(event, Listening)
        urls.append(event.url)
        ready.set()

    loop = made.Loop(session.node, listen=session.listen, tell=tell)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            await ready.wait()
            await use(urls[0])
            nursery.cancel_scope.cancel()


async def code_of(transfer: Any) -> str:
    async for event in transfer.events:
        if isinstance(event, CodeReady):
            return event.code
    raise AssertionError("it ended before there was a code")


def test_doc_transfers_in_one_nursery(made: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(CONTENT)
    done: list[Any] = []

    async def use(relay: str) -> None:
        async def one(number: int) -> None:
            out = tmp_path / str(number)
            sending = made.Croc(relay=relay).send(tmp_path / "photo.jpg")
            async with trio.open_nursery() as both:
                both.start_soon(sending.run)
                fetched = await made.fetch_within(PATIENCE, relay, await code_of(sending), str(out))
            assert fetched.bytes == len(CONTENT)
            assert (out / "photo.jpg").read_bytes() == CONTENT
            done.append(fetched)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(one, number)

    trio.run(with_relay, made, use)
    assert len(done) == 3


def test_doc_a_cancelled_recipient_tells_the_sender(made: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(CONTENT)
    heard: list[TransferError] = []

    async def use(relay: str) -> None:
        sending = made.Croc(relay=relay).send(tmp_path / "photo.jpg")

        async def send() -> None:
            try:
                await sending.run()
            except TransferError as error:
                heard.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            receiving = made.Croc(relay=relay, out=str(tmp_path / "in")).receive(
                await code_of(sending)
            )
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as both:
                    both.start_soon(receiving.run)
                    async for event in receiving.events:
                        if isinstance(event, OfferSeen):
                            scope.cancel()  # instead of a decision
            assert scope.cancelled_caught

    trio.run(with_relay, made, use)
    (error,) = heard
    assert "The other side cancelled." in str(error)
    assert not (tmp_path / "in").exists()


def test_doc_a_port_that_is_taken_is_an_oserror(made: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        session = relaying(RelayOptions())
        where = (Listen("127.0.0.1", 0), Listen("127.0.0.1", taken.getsockname()[1]))
        loop = made.Loop(session.node, listen=where)
        with pytest.raises(OSError, match="in use"):
            trio.run(loop.run)
