"""The examples of docs/library.md, run."""

from __future__ import annotations

import asyncio
import io
import os
import pathlib
import re
from dataclasses import fields
from typing import Any

import pytest

from backends._options import Options, RelayOptions
from backends._session import relaying
from backends.asyncio._loop import Loop
from croc_core.errors import Code, TransferError
from croc_core.events import CodeReady, Listening

TEXT = (pathlib.Path(__file__).parent.parent / "docs" / "library.md").read_text()
CONTENT = os.urandom(300_000)


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """What the document's blocks define, taken together."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S):
        exec(compile(block, "docs/library.md", "exec"), names)
    return names


class World:
    """A relay of the asyncio backend on loopback, and a file to send."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.path = folder / "photo.jpg"
        self.path.write_bytes(CONTENT)
        self.out = folder / "in"
        self.relay = ""

    async def __aenter__(self) -> World:
        session = relaying(RelayOptions(host="127.0.0.1", port=0, data_ports=(0,)))
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def tell(event: object) -> None:
            assert isinstance(event, Listening)
            ready.set_result(event.url)

        self._loop = Loop(session.node, listen=session.listen, tell=tell)
        self._task = asyncio.create_task(self._loop.run())
        self.relay = await ready
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop.stop()
        await self._task


async def code_of(transfer: Any) -> str:
    return str(await asyncio.wait_for(transfer.code(), 20))


async def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """The code that an example prints."""
    text = ""
    async with asyncio.timeout(20):
        while "tell them:" not in text:
            text += capsys.readouterr().out
            await asyncio.sleep(0)
    return text.split()[-1]


def test_doc_deliver_and_fetch(
    example: dict[str, Any], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with World(tmp_path) as world:
            sending = asyncio.create_task(example["deliver"](world.relay, world.path))
            code = await printed(capsys)
            received = await asyncio.wait_for(example["fetch"](world.relay, code, world.out), 20)
            sent = await asyncio.wait_for(sending, 20)
            assert (received.files, received.bytes) == (sent.files, sent.bytes) == (1, len(CONTENT))
            assert received.paths == ("photo.jpg",)
            assert (world.out / "photo.jpg").read_bytes() == CONTENT

    asyncio.run(run())


def test_doc_every_option_is_told() -> None:
    rows = TEXT.partition("| option | means |")[2].partition("\n\n")[0]
    told = re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in rows.splitlines() if row))
    # The first two have methods in their place; how long to be patient is for tests.
    unsaid = {"text", "stdout", "patience"}
    assert sorted(told) == sorted({field.name for field in fields(Options)} - unsaid)


def test_doc_what_is_kept_back(
    example: dict[str, Any], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    for name in ("a.c", "my.key", "a.o"):
        (folder / name).write_text(name)
    (folder / ".gitignore").write_text("*.o\n")

    async def run() -> None:
        async with World(tmp_path) as world:
            sending = asyncio.create_task(example["deliver_source"](world.relay, folder))
            code = await printed(capsys)
            await asyncio.wait_for(example["fetch"](world.relay, code, world.out), 20)
            await asyncio.wait_for(sending, 20)
            assert sorted(os.listdir(world.out / "src")) == [".gitignore", "a.c"]

    asyncio.run(run())


def test_doc_a_wrong_code_is_told_apart(example: dict[str, Any], tmp_path: pathlib.Path) -> None:
    async def run() -> None:
        async with World(tmp_path) as world:
            sending = example["Croc"](relay=world.relay).send(world.path)
            code = await code_of(sending)
            wrong = code.rsplit("-", 1)[0] + "-wrong"
            result = await asyncio.wait_for(example["try_fetch"](world.relay, wrong, world.out), 20)
            assert result == "ask for a new code"
            with pytest.raises(TransferError) as caught:
                await asyncio.wait_for(sending, 20)
            assert caught.value.failure.code is Code.WRONG_CODE
            assert not world.out.exists()

    asyncio.run(run())


@pytest.mark.parametrize("fits", [True, False])
def test_doc_the_program_decides(
    example: dict[str, Any], tmp_path: pathlib.Path, *, fits: bool
) -> None:
    async def run() -> None:
        async with World(tmp_path) as world:
            sending = example["Croc"](relay=world.relay).send(world.path)
            code = await code_of(sending)
            limit = len(CONTENT) - (not fits)
            fetch = example["fetch_small"](world.relay, code, world.out, limit)
            if fits:
                assert (await asyncio.wait_for(fetch, 20)).bytes == len(CONTENT)
                assert (await asyncio.wait_for(sending, 20)).bytes == len(CONTENT)
                return
            for end in (fetch, sending):
                with pytest.raises(TransferError) as caught:
                    await asyncio.wait_for(end, 20)
                assert caught.value.failure.code is Code.DECLINED
            assert not world.out.exists() or not list(world.out.iterdir())

    asyncio.run(run())


def test_doc_nobody_looks_so_it_is_declined(
    example: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    async def run() -> None:
        async with World(tmp_path) as world:
            sending = example["Croc"](relay=world.relay).send(world.path)
            code = await code_of(sending)
            receiving = example["Croc"](relay=world.relay, out=str(world.out)).receive(code)
            with pytest.raises(TransferError) as caught:
                await asyncio.wait_for(receiving, 20)
            assert caught.value.failure.code is Code.DECLINED
            with pytest.raises(TransferError):
                await asyncio.wait_for(sending, 20)

    asyncio.run(run())


def test_doc_a_sender_with_a_relay_of_its_own(
    example: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    async def run() -> None:
        path = tmp_path / "note"
        path.write_bytes(b"hello")
        sending = example["Croc"](host="127.0.0.1").send(path)
        async for event in sending:
            if isinstance(event, CodeReady):
                break
        fetch = example["fetch"](event.relay, event.code, str(tmp_path / "in"))
        await asyncio.wait_for(asyncio.gather(fetch, sending), 20)
        assert (tmp_path / "in" / "note").read_bytes() == b"hello"

    asyncio.run(run())


def test_doc_a_text(
    example: dict[str, Any], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with World(tmp_path) as world:
            sending = asyncio.create_task(example["tell"](world.relay, "Dear Anna"))
            heard = example["hear"](world.relay, await printed(capsys))
            assert await asyncio.wait_for(heard, 20) == ["Dear Anna"]
            assert (await asyncio.wait_for(sending, 20)).bytes == 9

    asyncio.run(run())


def test_doc_a_stream(example: dict[str, Any], tmp_path: pathlib.Path) -> None:
    async def run() -> None:
        async with World(tmp_path) as world:
            into = io.BytesIO()
            copied = example["copy"](world.relay, "7k2m-one-two-three", io.BytesIO(CONTENT), into)
            for end in await asyncio.wait_for(copied, 20):
                assert end.bytes == len(CONTENT)
            assert into.getvalue() == CONTENT

    asyncio.run(run())


@pytest.mark.parametrize("agree", [True, False])
def test_doc_words_are_compared(
    example: dict[str, Any],
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    *,
    agree: bool,
) -> None:
    async def run() -> None:
        seen: list[str] = []
        async with World(tmp_path) as world:

            def same(words: str) -> bool:
                seen.append(words)
                return agree

            delivered = example["deliver_verified"](world.relay, world.path, same)
            sending = asyncio.create_task(delivered)
            fetching = example["fetch"](world.relay, await printed(capsys), world.out)
            if agree:
                assert (await asyncio.wait_for(fetching, 20)).bytes == len(CONTENT)
                assert (await asyncio.wait_for(sending, 20)).bytes == len(CONTENT)
            else:
                for end in (fetching, sending):
                    with pytest.raises(TransferError):
                        await asyncio.wait_for(end, 20)
            assert [len(words.split()) for words in seen] == [4]

    asyncio.run(run())


def test_doc_without_an_event_loop(
    example: dict[str, Any], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with World(tmp_path) as world:
            sending = asyncio.create_task(
                asyncio.to_thread(example["deliver_blocking"], world.relay, world.path)
            )
            fetch, code = example["fetch_blocking"], await printed(capsys)
            received = await asyncio.to_thread(fetch, world.relay, code, world.out)
            assert received.bytes == (await sending).bytes == len(CONTENT)
            assert (world.out / "photo.jpg").read_bytes() == CONTENT

    asyncio.run(run())


def test_doc_the_core_alone(example: dict[str, Any]) -> None:
    joined = example["open_channel"](os.urandom)
    assert joined["role"] == "sender"
    assert joined["data"] == [{"kind": "tcp", "port": 27001}]
