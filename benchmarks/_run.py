"""Processes under measurement: start them, feed them, and read what they used.

Everything here is of the standard library and small: a child's peak memory is never told as less
than what its parent had when it began.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, NamedTuple, Protocol

MIB = 1 << 20
CALM = 0.2
"""A sender that used no CPU for so many seconds has nothing to do but wait."""
BALLAST = 2.5
"""How many times a file's size is written and freed before it is sent. A system may take memory
that lies free away from this machine; what has just been freed is here still."""
_TICK = os.sysconf("SC_CLK_TCK")
_numbers = itertools.count()


class Use(NamedTuple):
    """What one transfer took."""

    seconds: float
    """From the recipient's start to the end of both."""
    cpu: float
    """Seconds, of all processes."""
    relay_cpu: float
    sender_memory: float
    """Peak resident bytes."""
    recipient_memory: float


class Mover(Protocol):
    """A program that moves files."""

    name: str

    @property
    def relays(self) -> Sequence[int]:
        """Pids of what lies in between."""
        ...

    def send(self, source: pathlib.Path) -> subprocess.Popen[str]:
        """Start a sender; return once somebody can receive."""
        ...

    def receive(self, target: pathlib.Path) -> subprocess.Popen[str]:
        """Start the recipient, into the folder *target*."""
        ...


class Server(NamedTuple):
    """A relay that runs."""

    url: str
    pid: int


def environment(**more: str) -> dict[str, str]:
    """What children get: byte code is kept, as it is on a person's computer."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CROC_"))}
    if path := os.environ.get("PYTHONPATH"):
        kept["PYTHONPATH"] = path
    return {**kept, **more}


def start(
    command: Sequence[str], variables: Mapping[str, str] = {}, **pipes: int
) -> subprocess.Popen[str]:
    """Run *command*; what it prints is ours to read."""
    pipes.setdefault("stdout", subprocess.PIPE)
    return subprocess.Popen(command, text=True, env=environment(**variables), **pipes)  # type: ignore[call-overload, no-any-return]


def module(*arguments: str) -> list[str]:
    """Return the command of a module of this project."""
    return [sys.executable, "-m", *arguments]


def lines(process: subprocess.Popen[str]) -> IO[str]:
    """What the process prints."""
    assert process.stdout is not None
    return process.stdout


@contextmanager
def running(
    command: Sequence[str], core: int | None = None, **pipes: int
) -> Iterator[subprocess.Popen[str]]:
    """Run *command* meanwhile, on one *core* if that is given."""
    process = start(command, {}, **pipes)
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        yield process
    finally:
        process.terminate()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def relay(
    backend: str,
    core: int | None = None,
    *,
    host: str = "127.0.0.1",
    prefix: Sequence[str] = (),
    ports: int = 1,
) -> Iterator[Server]:
    """Run a relay that limits nothing which a benchmark does."""
    command = [*prefix, *module(f"backends.{backend}", "relay", "--host", host, "--port", "0")]
    command += ["--data-ports", ",".join("0" * ports), "--json", "--max-channels", "50000"]
    command += ["--max-per-address", "50000", "--joins-per-minute", "10000000"]
    with running(command, core) as process:
        yield Server(json.loads(lines(process).readline())["url"], process.pid)


def cpu_of(pid: int) -> float:
    """CPU seconds that a running process has used."""
    try:
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        spent = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    except (OSError, ValueError, IndexError):
        spent = 0
    if spent:
        return spent / 1e9
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory_of(pid: int, field: str = "VmRSS") -> int:
    """Resident bytes of a running process; VmHWM for the most so far."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} of {pid}")


def settle(pid: int, patience: float = 60.0) -> None:
    """Wait until a process does nothing."""
    end = time.monotonic() + patience
    spent, since = cpu_of(pid), time.monotonic()
    while (now := time.monotonic()) < end and now - since < CALM:
        time.sleep(0.02)
        if (spends := cpu_of(pid)) != spent:
            spent, since = spends, time.monotonic()


class Ballast:
    """Memory of the page cache that can be had back at once."""

    def __init__(self, folder: pathlib.Path, size: float) -> None:
        self._path = folder / "ballast"
        with self._path.open("wb") as file:
            for _ in range(int(size) // MIB):
                file.write(bytes(MIB))

    def free(self) -> None:
        """Give it back."""
        self._path.unlink()


def move(mover: Mover, source: pathlib.Path, size: float, *, ballast: bool = True) -> Use:
    """Send *source*, about *size* bytes, into a new folder beside it.

    A file is removed at once. A tree is left: ext4 passes over an inode that was in use within the
    last minute, one by one, so that making many files after removing many takes five times as long.
    """
    target = source.parent / f"in-{next(_numbers)}"
    held = Ballast(source.parent, size * BALLAST if ballast else 0)
    sender = mover.send(source)
    try:
        settle(sender.pid)
        held.free()
        relays = sum(map(cpu_of, mover.relays))
        began = time.perf_counter()
        recipient = mover.receive(target)
        received = _end(recipient)
        sent = _end(sender)
    finally:
        sender.kill()  # it has ended, but where something failed
        sender.wait()
    seconds = time.perf_counter() - began
    relay_cpu = sum(map(cpu_of, mover.relays)) - relays
    cpu = relay_cpu + sum(u.ru_utime + u.ru_stime for u in (received, sent))
    if source.is_file():
        shutil.rmtree(target)
    return Use(seconds, cpu, relay_cpu, sent.ru_maxrss * 1024, received.ru_maxrss * 1024)


def _end(process: subprocess.Popen[str]) -> resource.struct_rusage:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    printed = process.stdout.read() if process.stdout is not None else ""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    if process.returncode:
        command = " ".join(str(part) for part in process.args)  # type: ignore[union-attr]
        raise RuntimeError(f"{command} ended with {process.returncode}: {printed[-500:]}")
    return usage


class Ours:
    """This project, by a backend."""

    def __init__(
        self, backend: str, server: Server, *more: str, prefix: Mapping[str, Sequence[str]] = {}
    ) -> None:
        self.name = backend
        self.relays = (server.pid,)
        self._module = f"backends.{backend}"
        self._url = server.url
        self._more = more  # flags of both sides
        self._prefix = prefix
        self._code = ""

    def send(self, source: pathlib.Path) -> subprocess.Popen[str]:
        """See `Mover`."""
        command = module(self._module, "send", str(source), "--relay", self._url, "--json")
        process = start([*self._prefix.get("send", ()), *command, *self._more])
        for line in lines(process):
            event = json.loads(line)
            if event["event"] == "code":
                self._code = event["code"]
                return process
        raise RuntimeError(f"{self.name} gave no code")

    def receive(self, target: pathlib.Path) -> subprocess.Popen[str]:
        """See `Mover`."""
        command = module(self._module, "receive", "--relay", self._url, "--yes", "--quiet")
        command = [*self._prefix.get("receive", ()), *command, *self._more, "--out", str(target)]
        return start(command, {"CROC_CODE": self._code})


class Plain:
    """Bytes in the clear through the same relay: the limit."""

    name = "plain"

    def __init__(self, server: Server) -> None:
        self.relays = (server.pid,)
        self._url = server.url
        self._channel = ""

    def send(self, source: pathlib.Path) -> subprocess.Popen[str]:
        """See `Mover`."""
        process = start(module("benchmarks.plain", "send", self._url, str(source)))
        self._channel = lines(process).readline().strip()
        return process

    def receive(self, target: pathlib.Path) -> subprocess.Popen[str]:
        """See `Mover`."""
        target.mkdir()
        path = str(target / "file")
        return start(module("benchmarks.plain", "receive", self._url, self._channel, path))
