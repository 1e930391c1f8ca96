"""Other programs for the same work: measured where they are, each with a relay of its own here."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks._run import Mover, lines, running, start

_PATIENCE = 20.0
_CODE = "7-harvest-anvil"
_SECRET = "7321-harvest-anvil-orbit"


class Peers:
    """Which ones there are: croc's binary, the environment that magic-wormhole is installed in."""

    def __init__(self, croc: pathlib.Path | None, wormhole: pathlib.Path | None) -> None:
        self._croc = croc
        self._wormhole = wormhole

    @contextmanager
    def run(self) -> Iterator[list[Mover]]:
        """Run the relays of those that there are."""
        with ExitStack() as stack:
            movers: list[Mover] = []
            if self._croc is not None:
                movers.append(stack.enter_context(_croc(self._croc)))
            if self._wormhole is not None:
                movers.append(stack.enter_context(_wormhole(self._wormhole)))
            yield movers


class Croc:
    """Go croc, through a relay of its own, local discovery off."""

    name = "croc"

    def __init__(self, binary: pathlib.Path, port: int, pid: int) -> None:
        self.relays = (pid,)
        self._command = [str(binary), "--relay", f"127.0.0.1:{port}", "--yes", "--ignore-stdin"]
        self._secret = {"CROC_SECRET": _SECRET}

    def send(self, source: pathlib.Path) -> subprocess.Popen[str]:
        """See `Mover`."""
        command = [*self._command, "send", "--no-local", str(source)]
        process = start(command, self._secret, stderr=subprocess.STDOUT)
        for line in lines(process):
            if "code is" in line.lower():
                return process
        raise RuntimeError("croc gave no code")

    def receive(self, target: pathlib.Path) -> subprocess.Popen[str]:
        """See `Mover`."""
        target.mkdir()
        command = [*self._command, "--out", str(target)]
        return start(command, self._secret, stderr=subprocess.DEVNULL)


class Wormhole:
    """magic-wormhole, through a transit relay of its own, never direct."""

    name = "wormhole"

    def __init__(self, scripts: pathlib.Path, mailbox: int, transit: int, pids: list[int]) -> None:
        self.relays = tuple(pids)
        self._command = [
            str(scripts / "wormhole"),
            *("--relay-url", f"ws://127.0.0.1:{mailbox}/v1"),
            *("--transit-helper", f"tcp:127.0.0.1:{transit}"),
        ]

    def send(self, source: pathlib.Path) -> subprocess.Popen[str]:
        """See `Mover`."""
        flags = ["--no-listen", "--hide-progress", "--code", _CODE]
        command = [*self._command, "send", *flags, str(source)]
        return start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def receive(self, target: pathlib.Path) -> subprocess.Popen[str]:
        """See `Mover`."""
        target.mkdir()
        flags = ["--no-listen", "--hide-progress", "--accept-file", "-o", str(target / "file")]
        return start(
            [*self._command, "receive", *flags, _CODE],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def _croc(binary: pathlib.Path) -> Iterator[Mover]:
    ports = _free_ports(5)
    listed = ",".join(map(str, ports))
    command = [str(binary), "relay", "--host", "127.0.0.1", "--ports", listed]
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _wait_for(ports[0])
        yield Croc(binary, ports[0], process.pid)


@contextmanager
def _wormhole(folder: pathlib.Path) -> Iterator[Mover]:
    scripts = folder / "bin"
    mailbox, transit = _free_ports(2)
    twist = str(scripts / "twist")
    place = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    database = folder / f"bench-{os.getpid()}.sqlite"
    first = [twist, "wormhole-mailbox", "--port", f"tcp:{mailbox}:interface=127.0.0.1"]
    first += ["--channel-db", str(database)]
    second = [twist, "transitrelay", "--port", f"tcp:{transit}:interface=127.0.0.1"]
    try:
        with running(first, **place) as one, running(second, **place) as two:
            _wait_for(mailbox)
            _wait_for(transit)
            yield Wormhole(scripts, mailbox, transit, [one.pid, two.pid])
    finally:
        database.unlink(missing_ok=True)


def _free_ports(count: int) -> list[int]:
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


def _wait_for(port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
