"""How a transfer goes on: a bar on a terminal, plain lines on request, nothing in a pipe."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import IO, Protocol

from backends._show import show
from backends._ui_text import size, span
from croc_core.events import Progress

_EVERY = 5.0
"""How often a plain line comes at least, in seconds."""
_PARTS = 10
"""Into how many parts the whole is cut; a line comes at the end of each."""

_SPARE = 3
"""Columns that are left free: a ^C that the terminal writes there does not break the line."""


class Shown(Protocol):
    """A way to show progress."""

    def update(self, event: Progress) -> None:
        """Show how far it is."""
        ...

    def line(self, text: str) -> None:
        """Write a line above what is shown."""
        ...

    def wait(self, text: str) -> None:
        """Say in one line what is waited for, until there is progress again."""
        ...

    def close(self) -> None:
        """Leave nothing of it behind on the screen."""
        ...


class Nothing:
    """No progress is shown."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def update(self, event: Progress) -> None:
        """See `Shown`."""

    def line(self, text: str) -> None:
        """See `Shown`."""
        self._write(text + "\n")

    def wait(self, text: str) -> None:
        """See `Shown`."""
        self.line(text)

    def close(self) -> None:
        """See `Shown`."""


class Lines(Nothing):
    """A sentence now and then: after each tenth of the whole, and every few seconds."""

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(write)
        self._clock = clock
        self._next = clock() + _EVERY
        self._part = 0

    def update(self, event: Progress) -> None:
        """See `Shown`."""
        part = event.bytes * _PARTS // event.total if event.total else 0
        if part <= self._part and self._clock() < self._next:
            return
        self._next = self._clock() + _EVERY
        self._part = part
        self.line(f"{summary(event)}{'' if event.name is None else f', now {event.name}'}.")


class Bar:
    """Two lines that change, by rich: they fit 60 columns and need no colour.

    The upper one has the present file, and how many of *files* are done; the lower one the total.
    """

    def __init__(self, files: int | None = None) -> None:
        # Only a transfer that somebody watches pays for these.
        from rich.console import Console, RenderableType
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Progress_
        from rich.text import Text

        def upper() -> RenderableType:
            room = self._console.width - len(self._done)
            name = Text(show(self._name, max(room, 8)), no_wrap=True, overflow="ellipsis")
            name.truncate(room, overflow="ellipsis", pad=True)
            return name.append(self._done)

        class Live(Progress_):
            def get_renderables(self) -> Iterable[RenderableType]:
                yield upper()
                yield from super().get_renderables()

        self._files = files or 0
        self._name = ""
        self._done = ""
        self._moved = ""
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._live = Live(
            TextColumn("{task.fields[part]}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[rest]}", markup=False),
            console=self._console,
            auto_refresh=False,
            transient=True,
            expand=True,
        )
        self._task = self._live.add_task("", total=None, part="", rest="")
        self._fit()
        self._live.start()

    def update(self, event: Progress) -> None:
        """See `Shown`."""
        part = f"{event.bytes * 100 // event.total:3}%" if event.total else ""
        self._fit()
        self._name = event.name or ""
        more = self._files > 1
        self._done = f"  {event.files:,} of {self._files:,} files" if more else ""
        left = "" if event.eta is None else f"{span(event.eta)} left"
        self._moved = f"{size(event.bytes):>7}"
        rest = f"{self._moved}  {size(event.rate):>7}/s  {left:<15}"
        total = event.total or None
        self._live.update(self._task, completed=event.bytes, total=total, part=part, rest=rest)
        self._live.refresh()

    def line(self, text: str) -> None:
        """See `Shown`."""
        self._console.print(text)

    def wait(self, text: str) -> None:
        """See `Shown`."""
        self._name, self._done = text, ""
        self._fit()
        self._live.update(self._task, rest=f"{self._moved:<35}")  # no speed, no time left
        self._live.refresh()

    def _fit(self) -> None:
        """Take the terminal's width, which may change at any time."""
        self._console.width = (terminal_width(self._console.file) or 80) - _SPARE

    def close(self) -> None:
        """See `Shown`."""
        self._live.stop()


def summary(event: Progress) -> str:
    """Return how far it is as plain words."""
    text = size(event.bytes)
    if event.total:
        text += f" of {size(event.total)} ({event.bytes * 100 // event.total}%)"
    text += f", {size(event.rate)}/s"
    return text if event.eta is None else f"{text}, {span(event.eta)} left"


def terminal_width(file: IO[str]) -> int:
    """Return how many columns the terminal behind *file* has; 0 where that is not known."""
    try:
        return os.get_terminal_size(file.fileno()).columns
    except (OSError, ValueError):  # no terminal
        return 0
