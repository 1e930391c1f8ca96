"""What was once found to take a branch of a decoder takes it again, and nothing breaks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from backends._relay_node import Listening, RelayNode
from backends.asyncio._loop import Listen, Loop
from croc_core.limits import Limits
from croc_core.relay import Relay
from tests.aio import HOST, Peer, leftovers, on_loop
from tests.fuzz.__main__ import CORPUS, corpus
from tests.fuzz.targets import TARGETS
from tests.relay_backend import entropy, request

THROWN = ("http_request", "request_body", "line", "greeting", "records", "http_reply")
AT_ONCE = 8


@pytest.mark.parametrize("name", TARGETS)
def test_the_kept_inputs_of_every_decoder(name: str) -> None:
    for data in corpus(name):
        TARGETS[name](data)


def test_every_folder_of_the_corpus_is_of_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)


async def thrown(port: int, data: bytes) -> None:
    """Send *data*, end the stream, and read until the relay has done so, too."""
    with await Peer.dial(port) as peer:
        try:
            await peer.send(data)
            peer.half_close()
            await peer.receive()
        except OSError:  # it need not listen to the end
            pass


@on_loop
async def test_a_real_relay_outlives_the_whole_corpus_on_both_of_its_ports() -> None:
    before = leftovers()
    ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    node = RelayNode(Relay(entropy(), Limits()))
    loop = Loop(node, listen=[Listen(HOST, 0)] * 2, tell=ready.set_result)
    task = asyncio.create_task(loop.run())
    listening = await ready
    assert isinstance(listening, Listening)
    inputs = [data for name in THROWN for data in corpus(name)]
    ports = (listening.port, *listening.data_ports)
    async with asyncio.timeout(60):
        for batch in batches(inputs):
            await asyncio.gather(*(thrown(port, data) for port in ports for data in batch))
        with await Peer.dial(listening.port) as peer:
            await peer.send(request("/join", role="sender"))
            peer.half_close()
            head, _, body = (await peer.receive()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(body)["channel"]
    loop.stop()
    await task
    assert leftovers() == before


def batches(inputs: list[bytes]) -> list[list[bytes]]:
    return [inputs[at : at + AT_ONCE] for at in range(0, len(inputs), AT_ONCE)]
