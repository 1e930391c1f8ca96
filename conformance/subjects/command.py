"""A sender and a recipient by command; the suite plays the relay and the other side.

The command is started with an environment: `CROC_CONFORMANCE=1`, `CROC_RELAY` (its URL),
`CROC_ROLE` (`sender` or `recipient`), `CROC_CODE` (the code; a sender that gets none makes its own
and tells it), `CROC_CURVE` (only where one is asked for), and `CROC_FILE` (what to send) or
`CROC_OUT` (the folder to receive into; every offer is to be accepted, nothing overwritten), and
where a case is about a feature `CROC_WITH` (see `adapter.py` and docs/conformance.md). It writes
events as lines of JSON to standard output. It ends with 0 for success, 127 for what it does
not support, and anything else for a failure.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from conformance._case import Case, Part
from conformance._runner import Host
from conformance.client._net import SocketNet
from conformance.client._roles import Party, RecipientStage, SenderStage
from conformance.subjects._feed import Feeder, wanted

STAGES: dict[Part, type[Party]] = {Part.SENDER: SenderStage, Part.RECIPIENT: RecipientStage}


def clean_environment() -> dict[str, str]:
    """This process's environment without what would steer a subject."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CROC_")}


class ChildRun:
    """A process that was started for one case."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill
        self._err = tempfile.TemporaryFile()  # noqa: SIM115
        self._child = subprocess.Popen(  # noqa: S603 - the command is the person's own
            command,
            env={**clean_environment(), **environment},
            stdin=subprocess.PIPE if wanted(environment) else subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
        )
        given = self._child.stdin
        self._feeder = None if given is None else Feeder(os.dup(given.fileno()))
        if given is not None:
            given.close()

    def status(self) -> int | None:
        """See `Run`."""
        return self._child.poll()

    def output(self) -> tuple[str, str]:
        """See `Run`."""
        texts = []
        for file in (self._out, self._err):
            end = os.fstat(file.fileno()).st_size
            texts.append(os.pread(file.fileno(), end, 0).decode("utf-8", "replace"))
        return texts[0], texts[1]

    def interrupt(self) -> None:
        """See `Run`."""
        self._child.send_signal(signal.SIGINT)

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
        self._child.kill()
        self._child.wait()
        self._out.close()
        self._err.close()


class CommandHost:
    """The host of senders and recipients made by two commands; None where there is no such one."""

    workers = 6

    def __init__(self, name: str, send: str | None, receive: str | None) -> None:
        self.name = name
        self._commands = {Part.SENDER: send, Part.RECIPIENT: receive}

    def lacks(self, case: Case) -> str | None:
        """See `Host`."""
        if self._commands.get(case.part) is None:
            return f"no command for a {case.part} was given"
        return None

    @contextmanager
    def subject(self, case: Case) -> Iterator[Party]:
        """See `Host`."""
        command = shlex.split(self._commands[case.part] or "")
        make = STAGES[case.part]
        with make(SocketNet(), lambda role, env: ChildRun(command, env)) as stage:
            yield stage


def adapted(name: str) -> str:
    """The command of one of this project's backends, as a stranger would give it."""
    return shlex.join([sys.executable, "-m", "conformance.subjects.adapter", name])


def backend(name: str) -> Host | None:
    """The senders and recipients of one of this project's backends; None where it is not there."""
    from conformance.subjects.warm import WarmHost

    return WarmHost(name) if importlib.util.find_spec(f"backends.{name}") else None
