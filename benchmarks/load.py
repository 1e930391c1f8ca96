"""A relay under load, with a stranger beside it: `python -m benchmarks.load`.

Many channels each with a request that waits, many staples that carry bytes both ways, some whole
transfers by the command line, and `benchmarks.garbage` meanwhile. All over loopback, from many
addresses of 127/8. The relay is a process of a user without rights, on the same cores as all else.

It prints one JSON object and ends with 0 when every honest request and transfer was completed, the
relay took no more memory in the last round than in the first by more than a tenth, and its memory
(but for a tenth and 4 MiB), descriptors and threads are again what they were.
`--channels 200 --pairs 20 --idle 15` is the short form.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from backends._rest import QUIET

HOST = "127.0.0.1"
AS_NOBODY = """
import contextlib, importlib, os, pkgutil, sys
import backends, croc_core
import concurrent.futures.thread, encodings.idna, fcntl, importlib.metadata, resource, traceback
for package in (croc_core, backends):  # while the interpreter's files can be read for sure
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if ".memory" not in module.name and "__main__" not in module.name:
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
main = importlib.import_module(sys.argv[1] + ".__main__").main
sys.argv[:2] = [sys.argv[1]]
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main())
"""
"""Runs a backend's command line as the user that has no rights."""
CROWD = 100
"""How many connections are being opened at one time."""
SPARE = 32
"""Descriptors of the empty pipes that a relay keeps for later."""
REST = 5 + QUIET
"""How long a relay takes after the last channel has idled for long enough, in seconds: tombstones
last 2 here, and then it waits for `QUIET` before it gives memory back."""
PATIENCE = 120.0
"""For any one answer, in seconds."""
VALUE = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()


class Web(asyncio.Protocol):
    """An HTTP connection that asks one thing at a time."""

    def __init__(self) -> None:
        self.buffer = b""
        self.answer: asyncio.Future[dict[str, Any]] | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError("the relay hung up"))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end or self.answer is None:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(rest) >= length:
            self.buffer = b""
            body = json.loads(rest[:length])
            if head[9:12] == b"200":
                self.answer.set_result(body)
            else:
                self.answer.set_exception(RuntimeError(f"{head[9:12].decode()} {body}"))

    def ask(self, path: str, **body: Any) -> asyncio.Future[dict[str, Any]]:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: relay\r\nContent-Length: {len(data)}\r\n\r\n"
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(head.encode() + data)
        return self.answer

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        return await asyncio.wait_for(self.ask(path, **body), PATIENCE)


class Honest:
    """All the honest members, on one relay."""

    def __init__(self, http: int, data: int) -> None:
        self.http, self.data = http, data
        self.door = asyncio.Semaphore(CROWD)

    async def web(self, local: str) -> Web:
        loop = asyncio.get_running_loop()
        _, web = await loop.create_connection(Web, HOST, self.http, local_addr=(local, 0))
        return web

    async def waiting(self, number: int) -> tuple[dict[str, str], asyncio.Task[None], Web]:
        """A sender whose recipient has not come yet; the task ends when it has its `x` back."""
        async with self.door:
            web = await self.web(f"127.1.{number // 100}.1")
            joined = await web.post("/join", role="sender")
        seat = {"channel": joined["channel"], "uuid": joined["uuid"]}

        async def wait() -> None:
            state = joined
            while state.get("x") is None:
                state = await web.post("/channel", **seat, since=state["seq"], wait=25)
            assert state["x"] == VALUE

        return seat, asyncio.ensure_future(wait()), web

    async def end(self, number: int, seat: dict[str, str], waits: asyncio.Task[None]) -> None:
        """Let the waiting request have what it waits for, and close the channel."""
        async with self.door:
            web = await self.web(f"127.1.{number // 100}.1")
            await web.post("/channel", **seat, x=VALUE)
            await asyncio.wait_for(waits, PATIENCE)
            await web.post("/channel", **seat, close=True, reason="done")
            web.transport.close()

    async def pair(self, number: int) -> Pair:
        """Two members, stapled."""
        async with self.door:
            homes = f"127.2.{number // 50}.1", f"127.3.{number // 50}.1"
            a, b = [await self.web(home) for home in homes]
            one = await a.post("/join", role="sender")
            seats = [{"channel": one["channel"], "uuid": one["uuid"]}]
            other = await b.post("/join", role="recipient", channel=one["channel"])
            seats.append({"channel": one["channel"], "uuid": other["uuid"]})
            await a.post("/channel", **seats[0], x=VALUE)
            await b.post("/channel", **seats[1], y=VALUE, hh_k=VALUE)
            await a.post("/channel", **seats[0], h_k=VALUE)
            ends = []
            for home, seat in zip(homes, seats, strict=True):
                reader, writer = await asyncio.open_connection(
                    HOST, self.data, local_addr=(home, 0)
                )
                ends.append((reader, writer))
                writer.write(f"CROC/1 {seat['channel']} {seat['uuid']}\n".encode())
                assert await asyncio.wait_for(reader.readexactly(3), PATIENCE) == b"OK\n"
            for web in (a, b):
                web.transport.close()
            return Pair(seats, ends, homes)


class Pair:
    """A staple with its two ends."""

    def __init__(
        self,
        seats: list[dict[str, str]],
        ends: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
        homes: tuple[str, str],
    ) -> None:
        self.seats, self.ends, self.homes = seats, ends, homes

    async def carry(self, size: int, times: int, pause: float) -> None:
        """Send as much both ways at once, and see that it arrives; then end one way and another."""

        async def one(end: int) -> None:
            writer, reader = self.ends[end][1], self.ends[1 - end][0]
            for _ in range(times):
                data = os.urandom(size)
                writer.write(data)
                got = await asyncio.wait_for(reader.readexactly(size), PATIENCE)
                assert got == data
                await asyncio.sleep(pause)
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(1), PATIENCE) == b""

        await asyncio.gather(one(0), one(1))
        for _, writer in self.ends:
            writer.close()

    async def carry_and_close(self, honest: Honest, pause: float) -> None:
        """Carry 256 KiB each way, and close the channel before it has idled."""
        await self.carry(65536, 4, pause)
        async with honest.door:
            web = await honest.web(self.homes[1])
            await web.post("/channel", **self.seats[1], close=True, reason="done")
            web.transport.close()


# ---- processes


class Relay:
    """The relay's process, and what the system says of it."""

    def __init__(self, channels: int, backend: str, idle: float) -> None:
        flags = [
            "relay", "--host", HOST, "--port", "0", "--data-ports", "0", "--json",
            "--max-channels", str(channels), "--limit", "tombstone-ttl=2",
            "--idle-timeout", str(idle),
        ]  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-c", AS_NOBODY, f"backends.{backend}", *flags],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONMALLOC": "malloc"},  # as `backends._launch` has it
        )
        assert self.process.stdout is not None
        ready = next(
            event for line in self.process.stdout if (event := json.loads(line)).get("ports")
        )
        self.http, self.data = int(ready["url"].rpartition(":")[2]), ready["ports"][0]
        self.url = f"http://{HOST}:{self.http}"

    def numbers(self) -> dict[str, Any]:
        """Memory in MiB, descriptors, threads and CPU seconds."""
        at = pathlib.Path(f"/proc/{self.process.pid}")
        status = dict(line.split(":", 1) for line in (at / "status").read_text().splitlines())
        times = (at / "stat").read_text().rpartition(")")[2].split()[11:13]
        return {
            "mib": round(int(status["VmRSS"].split()[0]) / 1024, 1),
            "descriptors": len(os.listdir(at / "fd")) if os.geteuid() == 0 else -1,
            "threads": int(status["Threads"]),
            "cpu": round(sum(map(int, times)) / os.sysconf("SC_CLK_TCK"), 1),
        }

    def settle(self, descriptors: int, seconds: float) -> dict[str, Any]:
        """Wait until it has no more descriptors than that; say how it is then."""
        until = time.monotonic() + seconds
        while self.numbers()["descriptors"] > descriptors and time.monotonic() < until:
            time.sleep(0.2)
        return self.numbers()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


@contextlib.contextmanager
def garbage(relay: Relay, pairs: list[str], opened: list[str]) -> Iterator[dict[str, int]]:
    """Within, the stranger does what it can; afterwards what it counted is in the dict."""
    counts: dict[str, int] = {}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.garbage", HOST, str(relay.http), str(relay.data)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    try:
        process.stdin.writelines([f"pair {name}\n" for name in pairs])
        process.stdin.writelines([*(f"open {name}\n" for name in opened), "\n"])
        process.stdin.flush()
        yield counts
    finally:
        counts.update(json.loads(process.communicate(timeout=60)[0]))


def transfer(relay: Relay, folder: pathlib.Path, number: int, size: int) -> bool:
    """One whole transfer by the command line; say whether what arrived is what was sent."""
    source, sink = folder / f"{number}.bin", folder / f"in{number}"
    source.write_bytes(os.urandom(size))
    sink.mkdir()
    tool = [sys.executable, "-m", "backends.asyncio"]
    sender = subprocess.Popen(
        [*tool, "send", str(source), "--relay", relay.url, "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert sender.stdout is not None
    code = next(e["code"] for line in sender.stdout if (e := json.loads(line))["event"] == "code")
    env = {**os.environ, "CROC_CODE": code, "CROC_RELAY": relay.url}
    receiver = subprocess.run(
        [*tool, "receive", "--yes", "--out", str(sink), "--json"],
        stdout=subprocess.DEVNULL, env=env, timeout=PATIENCE,
    )  # fmt: skip
    sender.stdout.read()
    if sender.wait(PATIENCE) or receiver.returncode:
        return False
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in (source, sink / source.name)}
    return len(digests) == 1


# ---- the run


async def one_round(relay: Relay, given: argparse.Namespace) -> dict[str, Any]:
    """Everything once."""
    honest = Honest(relay.http, relay.data)
    began = time.monotonic()
    waiting = await asyncio.gather(*(honest.waiting(n) for n in range(given.channels)))
    pairs = await asyncio.gather(*(honest.pair(n) for n in range(given.pairs)))
    result: dict[str, Any] = {
        "opened_in": round(time.monotonic() - began, 1),
        "quiet": relay.numbers(),
    }
    names = (
        [pair.seats[0]["channel"] for pair in pairs],
        [seat["channel"] for seat, _, _ in waiting],
    )
    whole: list[bool] = []
    peak = result["quiet"]["mib"]
    with tempfile.TemporaryDirectory() as folder, garbage(relay, *names) as counts:
        pause = given.seconds / 4
        carrying = asyncio.gather(*(pair.carry_and_close(honest, pause) for pair in pairs))
        for number in range(given.transfers):
            at = pathlib.Path(folder)
            whole.append(await asyncio.to_thread(transfer, relay, at, number, 4 << 20))
            peak = max(peak, relay.numbers()["mib"])
        await carrying
        peak = max(peak, relay.numbers()["mib"])
        await asyncio.gather(*(honest.end(n, *it[:2]) for n, it in enumerate(waiting)))
        result["storm"] = relay.numbers() | {"mib": peak}
    for _, _, web in waiting:
        web.transport.close()
    result["transfers"] = f"{sum(whole)}/{given.transfers}"
    result["seconds"] = round(time.monotonic() - began, 1)
    result["garbage"] = sum(counts.values())
    result["answers"] = counts
    return result


def run(given: argparse.Namespace) -> int:
    """Run all rounds; print what was measured; return the exit status."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    relay = Relay(given.channels + given.pairs + 1000, given.backend, given.idle)
    try:
        before = relay.numbers()
        rounds = []
        for _ in range(given.rounds):
            rounds.append(asyncio.run(one_round(relay, given)))
            time.sleep(given.idle + REST)  # the channels that the stranger opened end so
            rounds[-1]["after"] = relay.settle(before["descriptors"] + SPARE, 30)
    finally:
        relay.stop()
    first, last = rounds[0], rounds[-1]
    good = {
        "every transfer": all(
            r["transfers"] == f"{given.transfers}/{given.transfers}" for r in rounds
        ),
        "descriptors": all(
            r["after"]["descriptors"] <= before["descriptors"] + SPARE for r in rounds
        ),
        "nobody was burnt": all("burn: 200" not in r["answers"] for r in rounds),
        "threads": all(r["after"]["threads"] <= before["threads"] for r in rounds),
        "memory returns": all(r["after"]["mib"] <= before["mib"] * 1.1 + 4 for r in rounds),
        "memory is flat": last["storm"]["mib"] <= first["storm"]["mib"] * 1.1 + 2,
    }
    print(json.dumps({"before": before, "rounds": rounds, "good": good}, indent=1))
    return 0 if all(good.values()) else 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--channels", type=int, default=10_000, help="channels that wait")
    parser.add_argument("--pairs", type=int, default=1_000, help="staples")
    parser.add_argument("--transfers", type=int, default=3, help="by the command line")
    parser.add_argument("--seconds", type=float, default=12.0, help="how long the staples carry")
    parser.add_argument("--idle", type=float, default=120.0, help="the relay's --idle-timeout")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--backend", default="asyncio", choices=("asyncio", "threading"))
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
