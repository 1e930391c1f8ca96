"""A sink that remembers what a person must see of an offer before deciding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends._show import show
from backends._ui_text import listed, size
from backends.files.sink import FileSink
from croc_core.content import Entry, Kind, Verdict

MAX_PATHS = 10_000
"""Most paths that are remembered for a list of everything."""


class Preview(FileSink):
    """A `FileSink` whose offer can be shown."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._paths: list[str] = []
        self._count = 0
        self._tops: list[str] = []
        self._top_count = 0
        self._verdict: Verdict | None = None

    def consider(self, entries: Sequence[Entry]) -> None:
        """See `Sink.consider`."""
        super().consider(entries)
        self._count += len(entries)
        for entry in entries[: MAX_PATHS - len(self._paths)]:
            self._paths.append(_line(entry))
        tops = [entry for entry in entries if _is_top(entry)]
        self._top_count += len(tops)
        self._tops += [_line(entry) for entry in tops[: MAX_PATHS - len(self._tops)]]

    def judge(self) -> Verdict:
        """See `Sink.judge`."""
        self._verdict = super().judge()
        return self._verdict

    def lines(self) -> list[str]:
        """Return what is offered, what would be replaced and what is left out, safe to show."""
        lines = listed(self._tops, self._top_count)
        verdict = self._verdict
        if verdict is not None and verdict.overwrite_count:
            lines.append("These exist and would be replaced:")
            lines += listed(verdict.overwrites, verdict.overwrite_count)
        if verdict is not None and verdict.refused_count:
            lines.append("These are left out:")
            refused = [f"{name}: {reason}" for name, reason in verdict.refused]
            lines += listed(refused, verdict.refused_count)
        return lines

    def everything(self) -> list[str]:
        """Return all that is offered, up to MAX_PATHS, safe to show."""
        return listed(self._paths, self._count, MAX_PATHS)


def _is_top(entry: Entry) -> bool:
    path = entry.path
    return "/" not in path if isinstance(path, str) else b"/" not in path


def _line(entry: Entry) -> str:
    name = show(entry.path)
    if entry.kind is Kind.DIRECTORY:
        return f"{name}/"
    if entry.kind is Kind.SYMLINK:
        target = entry.meta.get("target")
        return f"{name} -> {show(target) if isinstance(target, str | bytes) else '?'}"
    return name if entry.size is None else f"{name}  ({size(entry.size)})"
