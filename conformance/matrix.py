"""Every relay with every sender and every recipient: real processes over the loopback.

What is judged is what two people see: the files are whole and the same, or both are told why not.
"""

from __future__ import annotations

import fnmatch
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from conformance._case import UnmetError, expect
from conformance.client._stage import tree
from conformance.subjects.launch import BACKENDS, Process, backend
from conformance.subjects.warm import WarmHost, WarmRun

T = TypeVar("T")
_END = 120.0
"""Seconds that a transfer may take."""
_TICK = 0.02
_TREE: dict[str, bytes] = {
    "letter.txt": b"Dear Anna, the fish is well.\n",
    "empty": b"",
    "many/a": b"a" * 4095,
    "many/b": b"b" * 4097,
    "deep/er/\u732b \u00fc.bin": bytes(range(256)) * 999,
    "zeros.img": bytes(3_000_000) + b"end",
}


Play = Callable[["Table"], None]


@dataclass(frozen=True, slots=True)
class Meeting:
    """One transfer: who took part, what was tried, and what was wrong, or nothing."""

    relay: str
    sender: str
    recipient: str
    scenario: Play
    detail: str = ""
    seconds: float = 0.0

    @property
    def slug(self) -> str:
        """A name for a report."""
        return slug(self.relay, self.sender, self.recipient, self.scenario)


def slug(relay: str, sender: str, recipient: str, scenario: Play) -> str:
    """Name a meeting: what happens, from whom, to whom, over which relay."""
    what = scenario.__name__.replace("_", "-")
    return f"matrix-{what}-from-{sender}-to-{recipient}-over-{relay}"


class Table:
    """Where one transfer takes place: a relay's URL, two hosts of parties, a folder."""

    def __init__(self, url: str, sender: WarmHost, recipient: WarmHost, folder: Path) -> None:
        self.folder = folder
        self._url = url
        self._hosts = {"sender": sender, "recipient": recipient}
        self._runs: list[WarmRun] = []

    @property
    def out(self) -> Path:
        """The recipient's folder."""
        return self.folder / "incoming"

    def start(self, role: str, environment: Mapping[str, str]) -> WarmRun:
        """Start one side."""
        common = {"CROC_CONFORMANCE": "1", "CROC_RELAY": self._url, "CROC_ROLE": role}
        run = WarmRun(self._hosts[role], {**common, **environment})
        self._runs.append(run)
        return run

    def send(self, files: Mapping[str, bytes], **environment: str) -> tuple[WarmRun, str]:
        """Start a sender of *files*; return it and the code that it tells."""
        base = self.folder / "outgoing"
        for name, data in files.items():
            path = base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        sender = self.start("sender", {"CROC_FILE": str(base), **environment})
        return sender, self._code(sender)

    def receive(self, code: str, **environment: str) -> WarmRun:
        """Start a recipient."""
        self.out.mkdir()
        return self.start(
            "recipient", {"CROC_OUT": str(self.out), "CROC_CODE": code, **environment}
        )

    def ends(self, run: WarmRun) -> int:
        """Wait for the end of *run*; return its exit status."""
        return self._until(run.status, "an end")

    def close(self) -> None:
        """End what still runs."""
        for run in self._runs:
            run.kill()

    def _code(self, sender: WarmRun) -> str:
        def told() -> str | None:
            for line in sender.output()[0].splitlines():
                event = json.loads(line) if line.endswith("}") else {}
                if event.get("event") == "code":
                    return str(event["code"])
            expect(sender.status() is None, f"the sender ended: {sender.output()}")
            return None

        return self._until(told, "the code")

    def _until(self, found: Callable[[], T | None], what: str) -> T:
        end = time.monotonic() + _END
        while (result := found()) is None:
            if time.monotonic() > end:
                raise UnmetError(f"{what} did not come within {_END:g} s")
            time.sleep(_TICK)
        return result


def _sound(table: Table, files: Mapping[str, bytes], **environment: str) -> None:
    sender, code = table.send(files, **environment)
    _whole(table, sender, table.receive(code), files)


def _whole(table: Table, sender: WarmRun, recipient: WarmRun, files: Mapping[str, bytes]) -> None:
    statuses = table.ends(sender), table.ends(recipient)
    expect(statuses == (0, 0), f"they ended with {statuses}: {recipient.output()}")
    wanted = {f"outgoing/{name}": data for name, data in files.items()}
    held = tree(table.out)
    expect(held == wanted, f"the recipient holds {sorted(held)}")


def folder(table: Table) -> None:
    """A folder arrives whole."""
    _sound(table, _TREE)


def several(table: Table) -> None:
    """A folder arrives whole over several connections."""
    files = {**_TREE, "large.bin": os.urandom(20_000_000)}
    sender, code = table.send(files, CROC_WITH="streams=2")
    recipient = table.receive(code, CROC_WITH="streams=2")
    _whole(table, sender, recipient, files)


def other_curve(table: Table) -> None:
    """A transfer on p384 arrives whole."""
    _sound(table, {"a.bin": os.urandom(100_000)}, CROC_CURVE="p384")


def wrong_code(table: Table) -> None:
    """With a wrong word, both end with `wrong_code`, and nothing arrives."""
    sender, code = table.send({"a.txt": b"secret"})
    recipient = table.receive(f"{code}-not")
    statuses = table.ends(sender), table.ends(recipient)
    expect(statuses == (3, 3), f"they ended with {statuses}")
    expect(not tree(table.out), "something arrived")


def declined(table: Table) -> None:
    """What would overwrite a file is declined; both are told, and the file stays."""
    sender, code = table.send({"a.txt": b"new"})
    (table.out / "outgoing").mkdir(parents=True)
    (table.out / "outgoing" / "a.txt").write_bytes(b"old")
    recipient = table.start("recipient", {"CROC_OUT": str(table.out), "CROC_CODE": code})
    statuses = table.ends(sender), table.ends(recipient)
    expect(statuses == (4, 4), f"they ended with {statuses}")
    expect(tree(table.out) == {"outgoing/a.txt": b"old"}, "the file was touched")


SCENARIOS: tuple[Play, ...] = (folder, several, other_curve, wrong_code, declined)


def meetings(pattern: str = "*") -> Iterator[Meeting]:
    """Let all backends that are there meet, several at a time, where the slug fits *pattern*."""
    found = [name for name in BACKENDS if backend(name)]
    tasks = [
        task
        for task in itertools.product(found, found, found, SCENARIOS)
        if fnmatch.fnmatchcase(slug(*task), pattern)
    ]
    if not tasks:
        return
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="croc-matrix-")))
        relays = {name: stack.enter_context(_relay(name, scratch)) for name in found}
        parties = {name: WarmHost(name) for name in found}
        pool = stack.enter_context(ThreadPoolExecutor(4))

        def meet(number: int, relay: str, sender: str, recipient: str, scenario: Play) -> Meeting:
            place = scratch / str(number)
            place.mkdir()
            table = Table(relays[relay], parties[sender], parties[recipient], place)
            return _judge(table, (relay, sender, recipient), scenario)

        futures = [pool.submit(meet, number, *task) for number, task in enumerate(tasks)]
        for future in futures:
            yield future.result()


def _judge(table: Table, who: tuple[str, str, str], scenario: Play) -> Meeting:
    begun = time.monotonic()
    try:
        scenario(table)
        detail = ""
    except (UnmetError, OSError, ValueError) as error:
        detail = str(error) or type(error).__name__
    finally:
        table.close()
    return Meeting(*who, scenario, detail, time.monotonic() - begun)


@contextmanager
def _relay(name: str, folder: Path) -> Iterator[str]:
    """A relay of the backend *name*; its URL."""
    command = backend(name)
    if command is None:
        raise ValueError(f"there is no backend {name}")
    path = folder / f"{name}.err"
    with path.open("wb") as errors:
        flags = ["--json", "--host", "127.0.0.1", "--port", "0", "--data-ports", "0,0,0"]
        process = Process([*command, *flags], errors.fileno(), path)
        try:
            yield str(process.listening()["url"])
        finally:
            process.stop()
