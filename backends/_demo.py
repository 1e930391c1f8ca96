"""A transfer on this computer, to see: relay, sender and recipient as three real processes."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from backends._cli_parser import UsageError
from backends._ui import Face
from backends.files.trouble import local_error
from croc_core.errors import Code, Failure, Party, TransferError
from croc_core.events import (
    CodeReady,
    Completed,
    Event,
    Failed,
    Listening,
    Note,
    OfferSeen,
    Progress,
)

if TYPE_CHECKING:
    from backends._cli import Backend

SAMPLE = 8_000_000
"""Size of the file that is sent where none is named, in bytes."""
_LOCAL = "127.0.0.1"
_EVENTS: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)  # made before any thread
_GRACE = 5.0
"""How long a process that was told to end may take, in seconds."""
_BLOCK = 1 << 20

T = TypeVar("T")


def demo(backend: Backend, args: Namespace, face: Face) -> int:
    """Send a file from this computer to itself; return 0 where the same arrives.

    Raises TransferError where it does not, UsageError for a folder.
    """
    with tempfile.TemporaryDirectory(prefix="croc-core-demo-") as folder:
        source = _sample(Path(folder)) if args.file is None else Path(args.file)
        if source.is_dir():
            raise UsageError("The demo sends one file, not a folder.")
        completed = _Demo(backend.name, face, Path(folder) / "received").run(source)
    face.tell(completed)
    face.result("The demo worked: what arrived is the same, byte for byte.")
    return 0


def _sample(folder: Path) -> Path:
    path = folder / "sample.bin"
    path.write_bytes(os.urandom(SAMPLE))
    return path


class _Child:
    """One of the three processes; what it says goes to *news*, and None at the end of that."""

    def __init__(
        self, module: str, arguments: Sequence[str], code: str, news: queue.SimpleQueue[_News]
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # What is set for other runs, as a proxy, is not for these.
            env={**os.environ, "CROC_CODE": code, "CROC_CONFIG": "", "CROC_PROXY": ""},
            start_new_session=True,  # Ctrl-C is for the demo, and the demo ends them
        )
        self._thread = threading.Thread(target=self._read, args=(news,), daemon=True)
        self._thread.start()

    def _read(self, news: queue.SimpleQueue[_News]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            news.put((self, _EVENTS.decode(line)))
        news.put((self, None))

    def terminate(self) -> None:
        """Ask it to end, if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()

    def end(self) -> None:
        """See it end; kill it if it does not."""
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


_News = tuple[_Child, Event | None]


class _Demo:
    """The three processes, and what is shown of them."""

    def __init__(self, module: str, face: Face, out: Path) -> None:
        self._module = module
        self._face = face
        self._out = out
        self._news: queue.SimpleQueue[_News] = queue.SimpleQueue()
        self._children: list[_Child] = []
        self._said: set[tuple[_Child, type]] = set()

    def run(self, source: Path) -> Completed:
        """Run a transfer of *source* and compare; raises TransferError where either fails."""
        try:
            completed = self._transfer(str(source))
        finally:
            self._end()
        arrived = [*self._out.iterdir()]
        if len(arrived) != 1 or not _same(source, arrived[0]):
            raise TransferError(_failure("What arrived is not what was sent."))
        return completed

    def _transfer(self, source: str) -> Completed:
        face = self._face
        relay = self._start("relay", "--host", _LOCAL, "--port", "0", "--data-ports", "0,0,0,0")
        listening = self._await(relay, Listening)
        url = listening.url
        face.emit(listening)
        face.note(f"Relay:      listens at {url}")
        sender = self._start("send", "--relay", url, "--", source)
        ready = self._await(sender, CodeReady)
        face.emit(ready)
        face.note(f"Sender:     waits with the code {ready.code}")
        face.note("Recipient:  joins with that code")
        recipient = self._start(
            "receive", "--relay", url, "--yes", "--out", str(self._out), code=ready.code
        )
        face.emit(self._await(recipient, OfferSeen))
        completed = self._await(recipient, Completed)
        if (sender, Completed) not in self._said:
            self._await(sender, Completed)
        return completed

    def _start(self, command: str, *arguments: str, code: str = "") -> _Child:
        with _later():
            child = _Child(self._module, [command, "--json", *arguments], code, self._news)
            self._children.append(child)
        return child

    def _await(self, child: _Child, wanted: type[T]) -> T:
        """Return the next *wanted* event of *child*; show the progress of the newest one."""
        while True:
            said_by, event = self._news.get()
            if isinstance(event, Failed):
                raise TransferError(
                    Failure(Code(event.code), Party(event.party), event.message, event.hint)
                )
            if event is None:
                if said_by is child:
                    raise TransferError(_failure("One of the three processes broke off."))
                continue
            self._said.add((said_by, type(event)))
            if said_by is child and isinstance(event, wanted):
                return event
            told = isinstance(event, Note | Progress)
            if told and said_by is self._children[-1]:
                self._face.tell(event)

    def _end(self) -> None:
        """See to it that all three have ended."""
        with _later():
            for child in self._children:
                child.terminate()
            for child in self._children:
                child.end()
            self._face.close()


@contextmanager
def _later() -> Iterator[None]:
    """Within, signals wait: a process that is starting or ending is not lost sight of."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for late in came[:1]:
        signal.raise_signal(late)


def _same(one: Path, other: Path) -> bool:
    """Compare two files byte for byte; raises LocalFileError."""
    try:
        with one.open("rb") as a, other.open("rb") as b:
            while block := a.read(_BLOCK):
                if b.read(len(block)) != block:
                    return False
            return not b.read(1)
    except OSError as error:
        raise local_error(error, "read", str(error.filename)) from None


def _failure(message: str) -> Failure:
    return Failure(Code.INTERNAL, Party.LOCAL, message, "Please report it.")
