"""A relay with many pairs in one thread."""

from __future__ import annotations

import asyncio
import contextlib
import resource

import pytest

from backends._options import RelayOptions
from backends._session import relaying
from backends.threading._loop import Loop
from croc_core.events import Listening
from croc_core.limits import Limits
from tests.aio import HOST, Peer, leftovers, on_loop, run
from tests.test_relay_node import Client

PAIRS = 500
VALUE = "A" * 43


@pytest.fixture
def many_descriptors() -> None:
    """Room for both ends of every connection in this one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = PAIRS * 10 + 500
    if soft < need:
        if hard != resource.RLIM_INFINITY and hard < need:
            pytest.skip("the system allows too few descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))


async def pair(
    number: int, listening: Listening, stack: contextlib.ExitStack
) -> tuple[Peer, Peer, Peer]:
    """Stapled data connections, and an HTTP connection that is idle."""
    port, (data_port,) = int(listening.url.rsplit(":", 1)[1]), listening.ports
    hosts = f"127.1.{number >> 7}.{number & 127}", f"127.2.{number >> 7}.{number & 127}"
    a, b = [stack.enter_context(await Client.dial(port, HOST, host)) for host in hosts]
    _, one = await a.post("/join", role="sender")
    channel = one["channel"]
    _, other = await b.post("/join", role="recipient", channel=channel)
    await a.post("/channel", channel=channel, uuid=one["uuid"], x=VALUE)
    await b.post("/channel", channel=channel, uuid=other["uuid"], y=VALUE, hh_k=VALUE)
    assert (await a.post("/channel", channel=channel, uuid=one["uuid"], h_k=VALUE))[0] == 200
    data = [stack.enter_context(await Peer.dial(data_port, HOST, host)) for host in hosts]
    for peer, seat in zip(data, (one, other), strict=True):
        await peer.send(f"CROC/1 {channel} {seat['uuid']}\n".encode())
    for peer in data:
        assert await peer.receive(3) == b"OK\n"
    return data[0], data[1], a


@pytest.mark.usefixtures("many_descriptors")
@on_loop
async def test_five_hundred_pairs_and_their_idle_requests_take_one_thread() -> None:
    before = leftovers()
    home = asyncio.get_running_loop()
    ready: asyncio.Future[Listening] = home.create_future()
    limits = Limits(max_per_address=PAIRS, joins_per_minute=10 * PAIRS)
    session = relaying(RelayOptions(host=HOST, port=0, data_ports=(0,), limits=limits))

    def tell(event: object) -> None:
        assert isinstance(event, Listening)
        home.call_soon_threadsafe(ready.set_result, event)

    loop = Loop(session.node, listen=session.listen, tell=tell)
    task = asyncio.ensure_future(run(loop))
    listening = await ready
    with contextlib.ExitStack() as stack:
        pairs = [await pair(number, listening, stack) for number in range(PAIRS)]
        for number, (one, other, _) in enumerate(pairs):
            await one.send(b"%d" % number)
            await other.send(b"-%d" % number)
        for number, (one, other, _) in enumerate(pairs):
            assert await other.receive(len(str(number))) == b"%d" % number
            assert await one.receive(len(str(number)) + 1) == b"-%d" % number
        assert len(loop._staples) == PAIRS
        assert len(loop._conns) == 2 * PAIRS  # idle HTTP connections, kept open
        assert leftovers()[1] - before[1] == {"run"}
        loop.stop()
        await task
    assert leftovers() == before
