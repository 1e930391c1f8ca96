"""Relays and parties as processes: their events as they come, and what they leave."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from croc_core.errors import EXIT, Code
from tests.ports import own

ROOT = Path(__file__).parent.parent.parent
START = 30.0
"""How long a process may take to begin, in seconds."""
BAD = ("Traceback", "Warning", "Exception ignored", "never awaited", "left open", "left running")
"""What may not be on stderr."""


IDLE = 12.0
"""The relay's --idle-timeout: when it forgets the channels of those that were killed."""


class Process:
    """A command that runs; its events are kept with the times at which they came."""

    def __init__(
        self,
        backend: str,
        *arguments: object,
        tuning: dict[str, Any] | None = None,
        files: int | None = None,
        **variables: str,
    ) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CROC_", "COV", "PYTHON"))}
        self.name = f"{arguments[0]} ({backend})"
        self._err = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._changed = threading.Condition()
        self.events: list[dict[str, Any]] = []
        self.began = time.monotonic()

        def few() -> None:
            if files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        command = [sys.executable, "-X", "dev", "-W", "error", "-m", "tests.faults.party", backend]
        rest = [json.dumps(tuning or {}), str(arguments[0]), "--json", *map(str, arguments[1:])]
        self.process = subprocess.Popen(
            [*command, *rest],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._err,
            cwd=ROOT,
            env={**kept, "CROC_CONFIG": "", **variables},
            preexec_fn=few,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                with contextlib.suppress(ValueError):  # cut short by the kill
                    event = json.loads(line)
                    with self._changed:
                        self.events.append(event)
                        self._changed.notify_all()
        with self._changed:
            self.events.append({"event": "end"})
            self._changed.notify_all()

    def heard(self, *names: str) -> dict[str, Any] | None:
        """Return the first event of one of these names, if it has come."""
        return next((event for event in self.events if event["event"] in names), None)

    def until(self, *names: str, patience: float = START) -> dict[str, Any] | None:
        """Wait for such an event; None where the process ends without it, or it takes too long."""
        with self._changed:
            self._changed.wait_for(lambda: self.heard(*names, "end"), patience)
        return self.heard(*names)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def ended(self, patience: float) -> bool:
        """Wait for the end; False where it takes longer than *patience* seconds."""
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return False
        self._reader.join(START)
        return True

    def close(self) -> None:
        """End it whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(START)
        self._err.close()

    @property
    def status(self) -> int | None:
        """Its exit status; below 0 it was killed."""
        return self.process.poll()

    @property
    def stderr(self) -> str:
        self._err.seek(0)
        return self._err.read().decode(errors="replace")

    @property
    def failure(self) -> dict[str, Any]:
        """The event of its failure."""
        return self.heard("error") or {}

    def faults(self) -> list[str]:
        """Say what is wrong with how it ended: it has a status of the table, and said so."""
        status, found = self.status, []
        if status is None:
            return [f"{self.name} still runs"]
        if status == -signal.SIGKILL:
            return []
        if any(word in self.stderr for word in BAD):
            found.append(f"{self.name} wrote on stderr: {self.stderr[-1500:]}")
        if status == 0:
            if not self.heard("done"):
                found.append(f"{self.name} ended well without saying so")
            return found
        failure = self.failure
        if status not in EXIT.values() or status in (EXIT[Code.INTERNAL], EXIT[Code.USAGE]):
            found.append(f"{self.name} ended with {status}: {failure} {self.stderr[-1500:]}")
        elif not all(failure.get(part) for part in ("code", "message", "hint", "party")):
            found.append(f"{self.name} ended with {status} and said only {failure}")
        elif EXIT[Code(failure["code"])] != status:
            found.append(f"{self.name} ended with {status} and said {failure}")
        return found


class Relay:
    """A relay that can be killed, and started again at the same ports."""

    def __init__(
        self, host: str, backend: str, ports: int = 4, files: int | None = None, **tuning: Any
    ) -> None:
        self.host, self.backend = host, backend
        self.ports = own(1 + ports)
        self._files, self._tuning = files, tuning
        self.start()

    def start(self) -> None:
        """Start it."""
        http, *data = self.ports
        flags = ["--host", self.host, "--port", http, "--data-ports", ",".join(map(str, data))]
        flags += ["--idle-timeout", IDLE]
        self.process = Process(
            self.backend, "relay", *flags, tuning=self._tuning, files=self._files
        )
        ready = self.process.until("listening")
        assert ready is not None, self.process.stderr
        self.at_start = self.sockets()

    def kill(self) -> None:
        """Kill it at once."""
        self.process.signal(signal.SIGKILL)

    def sockets(self) -> int:
        """How many sockets it has open."""
        count = 0
        at = f"/proc/{self.process.process.pid}/fd"
        for number in os.listdir(at):
            with contextlib.suppress(OSError):
                count += os.readlink(f"{at}/{number}").startswith("socket:")
        return count

    def faults(self, patience: float = IDLE + START) -> list[str]:
        """Say what it still has open after a while that it had not at its start."""
        until = time.monotonic() + patience
        while (more := self.sockets() - self.at_start) > 0 and time.monotonic() < until:
            time.sleep(0.05)
        found = [f"the relay has {more} sockets more than at its start"] if more > 0 else []
        if any(word in self.process.stderr for word in BAD):
            found.append(f"the relay wrote on stderr: {self.process.stderr[-1500:]}")
        return found

    def stop(self) -> list[str]:
        """End it with a signal; say what was wrong with that."""
        self.process.signal(signal.SIGTERM)
        ended = self.process.ended(START)
        wrong = [] if ended and self.process.status == 143 else [f"relay: {self.process.status}"]
        if ended and any(word in self.process.stderr for word in BAD):
            wrong.append(f"the relay wrote on stderr: {self.process.stderr[-1500:]}")
        self.process.close()
        return wrong
