"""A sink that remembers what a person must see of an offer before deciding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends._show import show
from backends._ui_text import listed, size
from backends.files.judge import Fate, Judge
from backends.files.sink import FileSink
from backends.files.tree import TOP
from croc_core.content import Entry, Kind, Verdict

MAX_PATHS = 10_000
"""Most paths that are remembered for a list of everything."""
MAX_LEFT_OUT = 8
"""Most names that are told of as left out."""
MAX_TOPS = 8
"""Most topmost names that are listed before the question."""
MAX_ALARMS = 20
"""Most paths that are listed as hidden or executable."""


class Preview(FileSink):
    """A `FileSink` whose offer can be shown."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._paths: list[str] = []
        self._lines: list[str] = []
        self._chosen = b""
        self._verdict: Verdict | None = None

    def begin(self) -> None:
        """See `Sink.begin`."""
        super().begin()
        self._paths.clear()

    def consider(self, entries: Sequence[Entry]) -> None:
        """See `Sink.consider`."""
        super().consider(entries)
        self._paths += [_entry(entry) for entry in entries[: MAX_PATHS - len(self._paths)]]

    def judge(self) -> Verdict:
        """See `Sink.judge`."""
        self._verdict = super().judge()
        judge = self._judge
        assert judge is not None
        self._chosen = bytes(fate != Fate.LEFT_OUT for fate in judge.fates)
        tops = self._tops()
        self._lines = self._alarms(judge)
        if self._lines:
            self._lines.append("All of it, by its topmost names:")
        tops.sort(key=lambda top: not judge.merges(top))
        named = [
            self._line(top) + "  (into the folder that exists)" * judge.merges(top)
            for top in tops[:MAX_TOPS]
        ]
        self._lines += listed(named, len(tops), MAX_TOPS)
        return self._verdict

    def lines(self) -> list[str]:
        """Return what would be taken, by its topmost names, and replaced; safe to show.

        All that is hidden or executable comes first, by its whole path.
        """
        lines = list(self._lines)
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
        return listed(lines, len(self._offered.rows), MAX_PATHS)

    def _tops(self) -> list[int]:
        """Return the topmost rows above what is taken, which may not be offered themselves."""
        tree = self._offered.tree
        seen = bytearray(len(tree))
        tops = []
        for row, yes in zip(self._offered.rows, self._chosen, strict=True):
            while yes and not seen[row]:
                seen[row] = True
                parent = tree.parent(row)
                if parent == TOP:
                    tops.append(row)
                    break
                row = parent
        return sorted(tops)

    def _alarms(self, judge: Judge) -> list[str]:
        """Return the paths taken that are hidden or executable.

        Those come first that touch what exists: nobody pads them out of sight with new names.
        """
        offered = self._offered
        hidden, merged = self._inherited(judge)
        found: tuple[list[int], ...] = ([], [], [])
        count = 0
        for row, fate in zip(offered.rows, judge.fates, strict=True):
            if fate == Fate.LEFT_OUT or not (hidden[row] or self._runs_as_program(row)):
                continue
            touches = merged[row] or fate == Fate.REPLACE
            rank = found[0 if hidden[row] and touches else 1 if hidden[row] else 2]
            count += 1
            if len(rank) < MAX_ALARMS:
                rank.append(row)
        if not count:
            return []
        rows = [row for rank in found for row in rank][:MAX_ALARMS]
        lines = [self._line(row) + "  (executable)" * self._runs_as_program(row) for row in rows]
        heading = "Look at these: they are hidden, or can be run as programs:"
        return [heading, *listed(lines, count, MAX_ALARMS)]

    def _inherited(self, judge: Judge) -> tuple[bytearray, bytearray]:
        """Say for each row whether its path has a hidden name, and whether a folder there."""
        tree = self._offered.tree
        hidden, merged = bytearray(len(tree)), bytearray(len(tree))
        for row in range(len(tree)):  # a parent comes before its children
            parent = tree.parent(row)
            below = parent != TOP
            hidden[row] = tree.name(row).startswith(b".") or (below and hidden[parent])
            merged[row] = judge.merges(row) or (below and merged[parent])
        return hidden, merged

    def _runs_as_program(self, row: int) -> bool:
        """Whether the file *row* arrives executable."""
        offered = self._offered
        if not self._runs or offered.is_folder(row) or offered.target(row) is not None:
            return False
        return bool((offered.mode(row) or 0) & 0o111)

    def _line(self, row: int) -> str:
        offered = self._offered
        return _told(
            offered.tree.path(row), offered.is_folder(row), offered.target(row), offered.size(row)
        )


def _entry(entry: Entry) -> str:
    target = entry.meta.get("target", "?") if entry.kind is Kind.SYMLINK else None
    if not isinstance(target, str | bytes | None):
        target = "?"
    return _told(entry.path, entry.kind is Kind.DIRECTORY, target, entry.size)


def _told(path: str | bytes, folder: bool, target: str | bytes | None, length: int | None) -> str:
    name = show(path)
    if folder:
        return f"{name}/"
    if target is not None:
        return f"{name} -> {show(target)}"
    return name if length is None else f"{name}  ({size(length)})"
