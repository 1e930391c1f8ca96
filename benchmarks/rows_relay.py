"""Rows about a relay alone: its memory, its requests, its staples."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks._report import Figure, figure
from benchmarks._run import MIB, Server, cpu_of, lines, memory_of, module, relay, running, settle
from benchmarks.rows_transfer import Setting, with_target

_FAIR = 3.0
"""How many times as long as the median the slowest pair may take."""


def _cores() -> tuple[int | None, int | None]:
    """Return one core for the server, another for the load."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


def _crowd(what: str, url: str, number: float) -> dict[str, Any]:
    """Run a crowd to its end."""
    command = module("benchmarks.crowd", what, url, f"{number:g}")
    with running(command, _cores()[1]) as process:
        line = lines(process).readline()
        if not line:
            raise RuntimeError(f"the load ended with {process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


def waiting(setting: Setting) -> Iterator[Figure]:
    """The relay's memory: idle, and for a channel in which somebody waits."""
    count = setting.scale(2000, 500)
    for backend in setting.backends:
        with relay(backend) as server:
            settle(server.pid)
            idle = memory_of(server.pid)
            yield figure("relay", f"{backend}, memory idle", "MiB", [idle / MIB], 35.0)
            command = module("benchmarks.crowd", "waiting", server.url, str(count))
            with running(command, stdin=subprocess.PIPE) as crowd:
                lines(crowd).readline()
                settle(server.pid)
                each = (memory_of(server.pid) - idle) / count / 1024
                what = f"{backend}, memory of a waiting channel"
                yield figure("relay", what, "KiB", [each], 6.0)


@contextmanager
def _echo(kind: str) -> Iterator[Server]:
    with running(module("benchmarks.echo", kind), _cores()[0]) as process:
        port = int(lines(process).readline())
        yield Server(f"http://127.0.0.1:{port}", process.pid)


def cycles(setting: Setting) -> Iterator[Figure]:
    """Whole lives of channels a second on one core, and the CPU of a request."""
    seconds = 1 if setting.short else setting.scale(4, 2)
    kinds = ["h11"] if setting.short else ["h11", "raw"]
    kinds += ["httptools"] if not setting.short and importlib.util.find_spec("httptools") else []
    cost: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for number in range(setting.rounds + 1):
        for kind in kinds:
            with _echo(kind) as server:
                _count("echo", server, seconds if number else 0.5, kind, cost, rates, number)
        for backend in setting.backends:
            with relay(backend, _cores()[0]) as server:
                _count("cycles", server, seconds if number else 0.5, backend, cost, rates, number)
    for backend in setting.backends:
        what = f"{backend}, lives a second"
        yield figure("cycles", what, "/s", rates[backend], 500.0, most=True)
        yield figure("cycles", f"{backend}, CPU of a request", "us", cost[backend])
        each = [a / b for a, b in zip(cost[backend], cost["h11"], strict=True)]
        what = f"{backend}, CPU against a bare h11 echo"
        yield with_target(figure("cycles", what, "x", each), 1.6)
    for kind in kinds:
        yield figure("cycles", f"echo by {kind}, CPU of a request", "us", cost[kind])
        yield figure("cycles", f"echo by {kind}, lives a second", "/s", rates[kind])


def _count(
    what: str,
    server: Server,
    seconds: float,
    name: str,
    cost: dict[str, list[float]],
    rates: dict[str, list[float]],
    number: int,
) -> None:
    before = cpu_of(server.pid)
    found = _crowd(what, server.url, seconds)
    spent = cpu_of(server.pid) - before
    if number:  # warmed up
        cost.setdefault(name, []).append(spent / found["requests"] * 1e6)
        rates.setdefault(name, []).append(found["cycles"] / found["seconds"])


def pairs(setting: Setting) -> Iterator[Figure]:
    """1,000 stapled pairs with 8 MiB each, all at once."""
    count = setting.scale(1000, 200)
    for backend in setting.backends:
        with relay(backend) as server:
            idle = memory_of(server.pid)
            found = _crowd("pairs", server.url, count)
            most = memory_of(server.pid, "VmHWM")
            spent = cpu_of(server.pid)
        if not found["complete"]:
            raise RuntimeError(f"only {len(found['ends'])} of {count} pairs came to their end")
        ends = found["ends"]
        slow = ends[-1] / statistics.median(ends)
        yield figure("pairs", f"{backend}, complete", "pairs", [len(ends)], count, most=True)
        yield figure("pairs", f"{backend}, time of all", "s", [ends[-1]])
        yield figure("pairs", f"{backend}, slowest against median", "x", [slow], _FAIR)
        yield figure("pairs", f"{backend}, memory above idle", "MiB", [(most - idle) / MIB])
        yield figure("pairs", f"{backend}, relay CPU", "s", [spent])
