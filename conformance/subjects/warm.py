"""The senders and recipients of this project's backends, started by `_warm.py`."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from conformance._case import Case
from conformance.client._net import SocketNet
from conformance.client._roles import Party
from conformance.subjects._feed import Feeder, wanted
from conformance.subjects.command import STAGES, clean_environment

_STOP = 5.0


class WarmHost:
    """The host of one backend's parties, all of them forks of one process that waits."""

    workers = 12

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._statuses: dict[int, int] = {}
        self._child: subprocess.Popen[bytes] | None = None

    def lacks(self, case: Case) -> str | None:
        """See `Host`: nothing is lacking."""
        return None

    @contextmanager
    def subject(self, case: Case) -> Iterator[Party]:
        """See `Host`."""
        with STAGES[case.part](SocketNet(), lambda role, env: WarmRun(self, env)) as stage:
            yield stage

    def start(self, environment: Mapping[str, str], given: str, out: str, err: str) -> int:
        """Start a run with these files as its standard streams; return its number."""
        number = next(self._numbers)
        env = {**clean_environment(), **environment}
        self.order({"run": number, "env": env, "in": given, "out": out, "err": err})
        return number

    def status(self, number: int) -> int | None:
        """Return the exit status of a run, or None while it runs."""
        return self._statuses.get(number)

    def order(self, what: Mapping[str, object]) -> None:
        """Tell the process."""
        with self._lock:
            if self._child is None:
                self._child = self._launch()
            assert self._child.stdin is not None
            self._child.stdin.write(json.dumps(what).encode() + b"\n")
            self._child.stdin.flush()

    def _launch(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "conformance.subjects._warm", self.name],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._listen, args=(child,), daemon=True).start()
        atexit.register(self._end, child)
        return child

    def _listen(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        for line in child.stdout:
            answer = json.loads(line)
            self._statuses[answer["run"]] = answer["status"]

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None
        child.stdin.close()
        try:
            child.wait(_STOP)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class WarmRun:
    """See `Run`."""

    def __init__(self, host: WarmHost, environment: Mapping[str, str]) -> None:
        self._host = host
        self._folder = tempfile.TemporaryDirectory(prefix="croc-conformance-")
        self._files = [Path(self._folder.name, name) for name in ("out", "err")]
        for path in self._files:
            path.touch()
        given = os.devnull
        self._feeder: Feeder | None = None
        if wanted(environment):
            given = os.path.join(self._folder.name, "in")
            os.mkfifo(given)
            self._feeder = Feeder(os.open(given, os.O_RDWR))  # so that no side waits to open it
        self._number = host.start(environment, given, *map(os.fspath, self._files))

    def status(self) -> int | None:
        """See `Run`."""
        return self._host.status(self._number)

    def output(self) -> tuple[str, str]:
        """See `Run`."""
        out, err = (path.read_text("utf-8", "replace") for path in self._files)
        return out, err

    def interrupt(self) -> None:
        """See `Run`."""
        self._host.order({"signal": self._number})

    def feed(self, data: bytes) -> None:
        """See `Run`."""
        if self._feeder is not None:
            self._feeder.feed(data)

    def feed_end(self) -> None:
        """See `Run`."""
        if self._feeder is not None:
            self._feeder.end()

    def kill(self) -> None:
        """See `Run`."""
        if self._feeder is not None:
            self._feeder.stop()
        if self.status() is None:
            self._host.order({"kill": self._number})
        self._folder.cleanup()
