"""Record the pictures of the README from real runs: `python -m docs.make_pictures` (needs tmux).

A picture shows each terminal as it was at some moment, and below that what came until the end.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PLACE = Path(__file__).parent / "pictures"
COLUMNS, ROWS = 86, 40
PATIENCE = 60.0
"""How long a run may take to show what is waited for, in seconds."""
RELAY = "http://127.0.0.1:8003"
SIZE = 400_000_000
"""Of the file that is sent, in bytes."""


class Terminal:
    """A shell in a terminal of its own, in the folder *name* below *top*."""

    def __init__(self, top: Path, name: str) -> None:
        self._name = name
        folder = top / name
        folder.mkdir()
        (top / "bin").mkdir(exist_ok=True)
        program = top / "bin" / "croc-core"
        root = Path(__file__).parent.parent
        program.write_text(
            f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} -c "import sys; sys.argv[0]='
            '\'croc-core\'; from backends.asyncio.__main__ import run; run()" "$@"\n'
        )
        program.chmod(0o755)
        shell = f"env PS1='$ ' CROC_CONFIG= PATH={program.parent}:{os.environ['PATH']} bash --norc"
        size = ("-x", str(COLUMNS), "-y", str(ROWS))
        self._tmux("new-session", "-d", "-s", name, "-c", str(folder), *size, shell)
        self.see(r"\$")

    @staticmethod
    def _tmux(*arguments: str) -> str:
        line = ["tmux", "-L", f"pictures{os.getpid()}", *arguments]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout  # noqa: S603

    def lines(self) -> list[str]:
        """Return what it shows, with the colours as escape sequences."""
        shown = self._tmux("capture-pane", "-e", "-p", "-t", self._name)
        lines = [line.rstrip() for line in shown.splitlines()]
        while lines and not plain(lines[-1]):
            lines.pop()
        return lines

    def see(self, pattern: str) -> re.Match[str]:
        """Wait until it shows what *pattern* matches."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = re.search(pattern, plain("\n".join(self.lines())))
            if found is not None:
                return found
            time.sleep(0.05)
        raise TimeoutError(f"{self._name} does not show {pattern}: {self.lines()}")

    def type(self, *keys: str) -> None:
        """Type *keys*, as tmux calls them."""
        self._tmux("send-keys", "-t", self._name, *keys)

    def close(self) -> None:
        """End what runs there."""
        self._tmux("kill-session", "-t", self._name)


def plain(text: str) -> str:
    """Return *text* without colours, and without the spaces at its end."""
    return re.sub(r"\x1b\[[\d;]*m", "", text).rstrip()


@contextmanager
def terminals(*names: str) -> Iterator[list[Terminal]]:
    """Open terminals, the first with a file to send."""
    with tempfile.TemporaryDirectory(prefix="croc-") as folder, ExitStack() as stack:
        opened = [Terminal(Path(folder), name) for name in names]
        for terminal in opened:
            stack.callback(terminal.close)
        with open(Path(folder, names[0], "holiday.mp4"), "wb") as file:
            for _ in range(SIZE // 10**6):
                file.write(os.urandom(10**6))
        yield opened


def both(moment: list[str], end: list[str]) -> list[str]:
    """Return the lines of a moment, and those that were new at the end."""
    pairs = zip(moment, end, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return moment + [line for line in end[same:] if plain(line) != "$"]


def draw(name: str, title: str, *scenes: tuple[str, list[str]]) -> None:
    """Write a picture of *scenes*: who sees it, and what."""
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        for who, lines in scenes:
            console.print(Text(f"— {who} —", style="dim"), justify="center")
            for line in lines:
                console.print(Text.from_ansi(line), soft_wrap=True)
            console.print()
        console.save_svg(str(PLACE / name), title=title, unique_id=name.partition(".")[0])


def transfer() -> None:
    """A file, over the sender's own relay."""
    with terminals("bob", "ana") as (bob, ana):
        bob.type("croc-core send --throttle 200M holiday.mp4", "Enter")
        bob.see("Waiting for the other")
        code = bob.see("Code: (.*)")[1]
        ana.type("croc-core receive", "Enter")
        ana.see("The code")
        ana.type(code, "Enter")
        ana.see("Accept")
        ana.type("y", "Enter")
        ana.see(r"[56]\d%")
        moment = ana.lines()
        ana.see("Received")
        bob.see("Sent")
        scenes = (
            ("on one computer", both([], bob.lines())),
            ("on the other", both(moment, ana.lines())),
        )
        draw("transfer.svg", "a transfer in two terminals", *scenes)


def reconnect() -> None:
    """The relay is stopped in the middle of a transfer, and started anew."""
    with terminals("bob", "ana", "relay") as (bob, ana, relay):
        relay.type("croc-core relay --host 127.0.0.1", "Enter")
        relay.see("Ctrl-C ends it")
        bob.type(f"croc-core send --throttle 50M --relay {RELAY} holiday.mp4", "Enter")
        bob.see("Waiting for the other")
        code = bob.see("Code: (.*)")[1]
        ana.type(f"croc-core receive --relay {RELAY}", "Enter")
        ana.see("The code")
        ana.type(code, "Enter")
        ana.see("Accept")
        ana.type("y", "Enter")
        ana.see(r"[34]\d%")
        relay.type("C-c")
        ana.see("to come back")
        bob.see("to come back")
        moments = ana.lines(), bob.lines()
        relay.see("has stopped")
        relay.type("croc-core relay --host 127.0.0.1", "Enter")
        ana.see("Received")
        bob.see("Sent")
        draw(
            "reconnect.svg",
            "the relay is stopped in the middle, and started again",
            ("the sender", both(moments[1], bob.lines())),
            ("the recipient", both(moments[0], ana.lines())),
        )


if __name__ == "__main__":
    transfer()
    reconnect()
