"""The command line as processes: started, read line by line, and always ended."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCAL = "127.0.0.1"
PATIENCE = 30
"""How long anything may take before a test gives it up, in seconds."""


class Run:
    """A command that runs; `events` are those read so far."""

    def __init__(
        self, process: subprocess.Popen[bytes], terminal: int | None, script: bool = False
    ) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._terminal = terminal
        self._script = script
        self.screen = b""

    def until(self, name: str) -> dict[str, Any]:
        """Read events up to one called *name*."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            self.events.append(event)
            if event["event"] == name:
                return event
        raise AssertionError(f"no {name}: {self.events}, {self.process.wait(PATIENCE)}")

    def see(self, text: str) -> None:
        """Read the terminal until *text* has come."""
        assert self._terminal is not None
        while text.encode() not in self.screen:
            ready, _, _ = select.select([self._terminal], [], [], PATIENCE)
            assert ready, self.screen
            self.screen += os.read(self._terminal, 4096)

    def type(self, text: str) -> None:
        """Type on the terminal."""
        assert self._terminal is not None
        os.write(self._terminal, text.encode())

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for the end; keep what it says until then."""
        out, err = self.process.communicate(timeout=PATIENCE)
        self.out, self.err = out, (err or b"").decode()
        if not self._script:
            self.events += [json.loads(line) for line in out.splitlines()]
        return self.process.returncode

    @property
    def error(self) -> dict[str, Any]:
        """The last event, which tells of an error."""
        assert self.events, self.err
        assert self.events[-1]["event"] == "error", self.events
        return self.events[-1]


class Shell:
    """Starts commands in *folder*, with an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self._open: list[int] = []

    def croc(self, *arguments: object, terminal: bool = False, json: bool = True,
             **variables: str) -> Run:  # fmt: skip
        """Start `python -m backends.asyncio`; on a *terminal*, that is its stdin and stderr."""
        command, *rest = map(str, arguments)
        flags = ["--json"] if json else []
        return self.start(
            ["-m", "backends.asyncio", command, *flags, *rest], terminal, variables, not json
        )

    def start(
        self,
        arguments: list[str],
        terminal: bool,
        variables: dict[str, str],
        script: bool,
        piped: bool = False,
    ) -> Run:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CROC_", "COV", "PYTHON"))}
        master, slave = pty.openpty() if terminal else (None, None)
        self._open += [] if master is None else [master]
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL if slave is None else slave,
            start_new_session=piped,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if slave is None else slave,
            cwd=self.folder,
            env={**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm", "CROC_CONFIG": "", **variables},
        )
        if slave is not None:
            os.close(slave)
        self._started.append(process)
        return Run(process, master, script)

    def at_terminal(self, *arguments: str, **variables: str) -> Run:
        """Start a command whose terminal is that of its messages, and its standard input a pipe."""
        adopt = (
            "import os, sys; os.open(os.ttyname(2), os.O_RDWR); os.execv(sys.argv[1], sys.argv[1:])"
        )
        command = ["-c", adopt, sys.executable, "-m", "backends.asyncio", *arguments]
        return self.start(command, True, variables, True, piped=True)

    def relay(self, *arguments: str) -> str:
        """Start a relay; return its URL."""
        ports = ("--host", LOCAL, "--port", "0", "--data-ports", "0")
        url: str = self.croc("relay", *ports, *arguments).until("listening")["url"]
        return url

    def close(self) -> None:
        """End all that still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        for fd in self._open:
            os.close(fd)


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    made = Shell(folder)
    try:
        yield made
    finally:
        made.close()
