"""What a benchmark says: figures with their spread and target, and how calm the machine was."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

NOISY = 0.3
"""A spread of the plaintext runs, over their median, that says that others used the machine."""


@dataclass(frozen=True)
class Figure:
    """A median of some rounds."""

    row: str
    what: str
    unit: str
    value: float
    low: float
    high: float
    target: float | None = None
    most: bool = False
    """The target is the least that will do, not the most."""

    @property
    def good(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.most else self.value <= self.target

    @property
    def gross(self) -> bool:
        """Whether no round met even half the target: for ratios, on a machine that is shared."""
        if self.target is None:
            return False
        return self.high < self.target / 2 if self.most else self.low > self.target * 2


def figure(
    row: str,
    what: str,
    unit: str,
    values: Sequence[float],
    target: float | None = None,
    *,
    most: bool = False,
) -> Figure:
    """Return the median of *values* and their range."""
    middle = statistics.median(values)
    return Figure(row, what, unit, middle, min(values), max(values), target, most)


def ratios(row: str, what: str, above: Sequence[float], below: Sequence[float]) -> Figure:
    """Return the quotients of two series that were measured in turn."""
    return figure(row, what, "x", [a / max(b, 1e-9) for a, b in zip(above, below, strict=True)])


class Machine:
    """How busy the machine was since this was made."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._ticks = _ticks()
        self.spread = 0.0
        """Of the plaintext runs, over their median."""

    def facts(self) -> dict[str, Any]:
        """What a reader has to know beside the figures."""
        before, after = self._ticks, _ticks()
        spent = [b - a for a, b in zip(before, after, strict=True)]
        steal = spent[7] / max(1, sum(spent))
        noise = []
        if self._load > 1.0:
            noise.append(f"the load was {self._load:.1f} already before")
        if steal > 0.02:
            noise.append(f"{steal:.0%} of the CPU time was given to other machines")
        if self.spread > NOISY:
            noise.append(f"the plaintext runs differ by {self.spread:.0%}")
        return {
            "python": platform.python_version(),
            "kernel": platform.release(),
            "cores": os.cpu_count(),
            "cpu": _cpu(),
            "congestion": congestion(),
            "load_before": round(self._load, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "steal": round(steal, 4),
            "plain_spread": round(self.spread, 3),
            "noise": noise,
        }


def congestion() -> str:
    """Return the congestion control in force."""
    try:
        path = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")
        return path.read_text().strip()
    except OSError:
        return "unknown"


def _ticks() -> list[int]:
    try:
        first = pathlib.Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return [0] * 8
    return [int(field) for field in first.split()[1:9]]


def _cpu() -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    return next((x.partition(":")[2].strip() for x in text.splitlines() if "model name" in x), "")


def table(figures: Iterable[Figure]) -> str:
    """Return a Markdown table."""
    rows = [
        "| row | figure | median | spread | target | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in figures:
        sign = ">=" if one.most else "<="
        target = "" if one.target is None else f"{sign} {_short(one.target)} {one.unit}".strip()
        verdict = {None: "", True: "met", False: "missed"}[one.good]
        rows.append(
            f"| {one.row} | {one.what} | {_short(one.value)} {one.unit} "
            f"| {_short(one.low)} to {_short(one.high)} | {target} | {verdict} |"
        )
    return "\n".join(rows)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def as_json(figures: Iterable[Figure], facts: dict[str, Any]) -> str:
    """Return the same for programs."""
    rows = [{**dataclasses.asdict(one), "good": one.good} for one in figures]
    return json.dumps({"machine": facts, "figures": rows}, indent=1) + "\n"
