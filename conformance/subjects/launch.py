"""A relay that the suite starts: a command that takes the flags of docs/protocol.md 11.1.

The command gets `--json --host 127.0.0.1 --port 0 --data-ports 0,0` and the flags of the case, and
tells with its event `listening` where it is. Cases that ask for the same flags share one process.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from conformance._case import Case, Need, UnmetError, skip
from conformance.relay._play import RelayUnderTest
from conformance.subjects._pipe import SocketNet

BACKENDS = ("asyncio", "threading")
"""The backends of this project that have a command line for real sockets."""
TOKEN = "conformance-token"  # noqa: S105 - opens nothing but relays of this suite
_HOST = "127.0.0.1"
_START = 60.0
"""Seconds that a relay may take to say where it listens."""
_STOP = 5.0
"""Seconds that it may take to end after SIGTERM."""
_LAST_WORDS = 0.5
"""Seconds that a relay whose connection broke may take to end, if that is why it broke."""

Flags = tuple[tuple[str, str], ...]


class LaunchError(OSError):
    """The command did not become a relay."""


def backend(name: str) -> list[str] | None:
    """The command of one of this project's backends; None where it is not there."""
    found = importlib.util.find_spec(f"backends.{name}.__main__")
    return [sys.executable, "-m", f"backends.{name}", "relay"] if found else None


class Process:
    """One running relay."""

    def __init__(self, command: Sequence[str], errors: int, path: Path) -> None:
        """*errors* is the open file at *path*, for its standard error."""
        self._errors = path
        try:
            self._child = subprocess.Popen(  # noqa: S603 - the command is the person's own
                command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            raise LaunchError(f"{command[0]} cannot be started ({error.strerror})") from None
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def listening(self) -> dict[str, Any]:
        """Return the event `listening`. Raises LaunchError."""
        while True:
            try:
                line = self._lines.get(timeout=_START)
            except queue.Empty:
                raise self._trouble(f"it said nothing within {_START:g} s") from None
            if not line:
                raise self._trouble("it ended before it was listening")
            try:
                event = json.loads(line)
            except ValueError:
                raise self._trouble(f"it wrote {line[:80]!r}, no event") from None
            if isinstance(event, dict) and event.get("event") == "listening":
                return event

    def ended(self, patience: float = 0.0) -> str:
        """Return what it said in the end, if it has ended by itself, or does within *patience*."""
        try:
            status = self._child.wait(patience)
        except subprocess.TimeoutExpired:
            return ""
        return f"the relay ended with status {status}{self._said()}"

    def stop(self) -> None:
        """End it, and wait until it has."""
        self._child.terminate()
        try:
            self._child.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._reader.join()
        assert self._child.stdout is not None
        self._child.stdout.close()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def _trouble(self, what: str) -> LaunchError:
        return LaunchError(what + self._said())

    def _said(self) -> str:
        """Return the end of what it wrote to standard error, if anything."""
        said = self._errors.read_text("utf-8", "replace").strip()[-300:]
        return f"; {said}" if said else ""


class LaunchedRelays:
    """The host of relays made by one command. Use it in a `with`: all are ended with it."""

    workers = 8

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._command = [*command]
        self._lock = threading.Lock()
        self._locks: dict[object, threading.Lock] = {}
        self._running: dict[object, tuple[Process, SocketNet]] = {}
        self._failed: dict[object, LaunchError] = {}
        self._scratch = tempfile.TemporaryDirectory(prefix="croc-conformance-")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process, _net in self._running.values():
            process.stop()
        self._scratch.cleanup()

    def lacks(self, case: Case) -> str | None:
        """See `Host`: nothing is lacking."""
        return None

    def check(self) -> SocketNet:
        """Start the relay without limits of a case; return the way to it. Raises LaunchError."""
        return self._running_for("", ())[1]

    @contextmanager
    def subject(self, case: Case) -> Iterator[RelayUnderTest]:
        """See `Host`. A relay that does not start with the case's flags cannot be judged by it."""
        try:
            process, net = self._running_for(
                case.id if Need.FLOOD in case.needs else "", case.flags
            )
        except LaunchError as error:
            skip(f"it does not start with {dict(case.flags)}: {error}")
        token = TOKEN if any(flag == "--token-file" for flag, _ in case.flags) else None
        try:
            with RelayUnderTest(net, token) as relay:
                yield relay
        except (UnmetError, OSError):
            ended = process.ended(_LAST_WORDS)
            if ended:
                raise UnmetError(f"{ended} (by this case, or by one beside it)") from None
            raise

    def _running_for(self, alone: str, flags: Flags) -> tuple[Process, SocketNet]:
        """Return the process of these flags, a new one where it has ended, and the way to it.

        *alone* keeps it apart from others of the same flags.
        """
        key = (alone, flags)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key in self._failed:
                raise self._failed[key]
            if key in self._running and self._running[key][0].ended():
                self._running.pop(key)[0].stop()
            if key not in self._running:
                try:
                    self._running[key] = self._start(flags)
                except LaunchError as error:
                    self._failed[key] = error
                    raise
            return self._running[key]

    def _start(self, flags: Flags) -> tuple[Process, SocketNet]:
        given = {"--host": _HOST, "--port": "0", "--data-ports": "0,0", **dict(flags)}
        if "--token-file" in given:
            given["--token-file"] = self._token_file()
        words = ["--json", *(word for flag in given.items() for word in flag)]
        handle, path = tempfile.mkstemp(dir=self._scratch.name, suffix=".err")
        try:
            process = Process([*self._command, *words], handle, Path(path))
        finally:
            os.close(handle)
        try:
            port = _port(process.listening())
        except LaunchError:
            process.stop()
            raise
        return process, SocketNet(_HOST, port)

    def _token_file(self) -> str:
        path = Path(self._scratch.name) / "token"
        path.write_text(TOKEN)
        return str(path)


def _port(event: dict[str, Any]) -> int:
    """Return the port of HTTP that the event `listening` names. Raises LaunchError."""
    port: int | None
    try:
        port = urlsplit(event["url"]).port
    except (KeyError, ValueError, TypeError, AttributeError):
        port = None
    if port is None:
        raise LaunchError(f"its event `listening` has no url with a port: {event}")
    return port
