"""A sink that remembers what a person must see of an offer before deciding."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from backends._show import show
from backends._ui_text import listed, size
from backends.files.judge import Fate
from backends.files.offer import REFUSED
from backends.files.sink import FileSink
from croc_core.content import Entry, Kind, Verdict

MAX_PATHS = 10_000
"""Most paths that are remembered for a list of everything."""
MAX_LEFT_OUT = 8
"""Most names that are told of as left out."""
_BELOW = -1
"""Stands for the topmost name of what adds nothing to the list of those."""
_UNLISTED = -2
"""Stands for a topmost name that is only counted."""


class Preview(FileSink):
    """A `FileSink` whose offer can be shown."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._paths: list[str] = []
        self._tops: dict[str, int] = {}
        self._top_lines: list[str] = []
        self._top_of = array("i")
        self._chosen = b""
        self._verdict: Verdict | None = None

    def consider(self, entries: Sequence[Entry]) -> None:
        """See `Sink.consider`."""
        super().consider(entries)
        rows = self._offered.rows
        for entry, row in zip(entries, rows[len(rows) - len(entries) :], strict=True):
            self._top_of.append(_BELOW if row == REFUSED else self._note_top(entry))
        self._paths += [_line(entry) for entry in entries[: MAX_PATHS - len(self._paths)]]

    def judge(self) -> Verdict:
        """See `Sink.judge`."""
        self._verdict = super().judge()
        assert self._judge is not None
        self._chosen = bytes(fate != Fate.LEFT_OUT for fate in self._judge.fates)
        return self._verdict

    def lines(self) -> list[str]:
        """Return what would be taken, by its topmost names, and replaced; safe to show."""
        taken = [top for top, yes in zip(self._top_of, self._chosen, strict=True) if yes]
        tops = sorted(set(taken) - {_BELOW, _UNLISTED})
        lines = listed([self._top_lines[top] for top in tops], len(tops) + taken.count(_UNLISTED))
        verdict = self._verdict
        if verdict is not None and verdict.overwrite_count:
            lines.append("These exist and would be replaced:")
            lines += listed(verdict.overwrites, verdict.overwrite_count)
        return lines

    def left_out(self) -> list[str]:
        """Return a sentence for each name that is left out, as far as they are listed."""
        verdict = self._verdict
        if verdict is None:
            return []
        shown = verdict.refused[:MAX_LEFT_OUT]
        lines = [f'Left out: "{name}": {reason}.' for name, reason in shown]
        rest = verdict.refused_count - len(shown)
        return lines + ([f"Left out: {rest:,} more."] if rest else [])

    def everything(self) -> list[str]:
        """Return all that is offered, up to MAX_PATHS, safe to show."""
        lines = [
            path if taken else f"{path}  (left out)"
            for path, taken in zip(self._paths, self._chosen, strict=False)
        ]
        return listed(lines, len(self._top_of), MAX_PATHS)

    def _note_top(self, entry: Entry) -> int:
        """Return the number of the topmost name above *entry*, which may not be offered itself."""
        name, below, _ = _text(entry.path).partition("/")
        number = self._tops.get(name)
        if number is None and len(self._tops) >= MAX_PATHS:
            return _BELOW if below else _UNLISTED
        if number is None:
            number = self._tops[name] = len(self._top_lines)
            self._top_lines.append(f"{show(name)}/")
        if not below:
            self._top_lines[number] = _line(entry)
        return number


def _text(path: str | bytes) -> str:
    return path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")


def _line(entry: Entry) -> str:
    name = show(entry.path)
    if entry.kind is Kind.DIRECTORY:
        return f"{name}/"
    if entry.kind is Kind.SYMLINK:
        target = entry.meta.get("target")
        return f"{name} -> {show(target) if isinstance(target, str | bytes) else '?'}"
    return name if entry.size is None else f"{name}  ({size(entry.size)})"
