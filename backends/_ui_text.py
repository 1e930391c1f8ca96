"""Numbers and lists as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence

from backends._show import show

MAX_ARRIVED = 1000
"""With so many names of what has arrived there may be more (`croc_core.content.Arrived`)."""
_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")


def size(count: float) -> str:
    """Return *count* bytes in units of 1,000, to three digits: `12.3 MB`."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in _UNITS:
        count /= 1000
        if count < 999.5 or unit == _UNITS[-1]:
            break
    digits = 2 if count < 9.995 else 1 if count < 99.95 else 0
    return f"{count:.{digits}f} {unit}"


def span(seconds: float) -> str:
    """Return a length of time: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def files(count: int) -> str:
    """Return `1 file` or `1,234 files`."""
    return "1 file" if count == 1 else f"{count:,} files"


def amount(count: int, total: int | None) -> str:
    """Return files and bytes, where those are known: `3 files, 12.3 MB`."""
    return files(count) if total is None else f"{files(count)}, {size(total)}"


def named(names: Sequence[str], most: int = 3) -> str:
    """Return the first *most* of *names* in a row, made safe to show, and how many more there are.

    Of 1,000 names nobody knows whether they are all (`Arrived.paths`): then no number is told.
    """
    shown = ", ".join(show(name, 80) for name in names[:most])
    rest = len(names) - most
    if rest <= 0:
        return shown
    return f"{shown} and {rest:,} more" if len(names) < MAX_ARRIVED else f"{shown} and many more"


def listed(names: Sequence[str], count: int, most: int = 8) -> list[str]:
    """Return the first *most* of *names*, one a line, and how many of *count* are not among them.

    *names* are safe to show.
    """
    shown = list(names[:most])
    rest = count - len(shown)
    return [f"  {name}" for name in shown] + ([f"  and {rest:,} more"] if rest > 0 else [])
