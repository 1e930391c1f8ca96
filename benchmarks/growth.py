"""How cost grows with size, files, channels and pairs: the row, and a drawing of it.

python -m benchmarks --only growth --json growth.json
python -m benchmarks.growth growth.json docs/pictures/growth.svg
"""

from __future__ import annotations

import json
import math
import pathlib
import subprocess
import sys
from collections.abc import Iterator

from benchmarks._report import Figure, figure
from benchmarks._run import (
    MIB,
    Ours,
    cpu_of,
    lines,
    memory_of,
    module,
    move,
    relay,
    running,
    settle,
)
from benchmarks.rows_transfer import Setting, random_file, tree

KINDS = {
    "MiB in one file": "seconds",
    "files of 1 KiB": "seconds",
    "channels that wait": "MiB of the relay",
    "pairs with 8 MiB each": "CPU seconds of the relay",
}
_WIDTH, _HEIGHT, _EDGE = 300, 220, 46


def growth(setting: Setting) -> Iterator[Figure]:
    """Time, memory and CPU by file size, number of files, of channels and of pairs."""
    backend = setting.backends[0]
    with relay(backend) as server:
        mover = Ours(backend, server)
        for mib in (1, 8, 64, 512, setting.scale(4096, 1024)):
            source = random_file(setting.folder / f"grow{mib}", mib * MIB)
            uses = [move(mover, source, mib * MIB).seconds for _ in range(3)]
            source.unlink()
            yield figure("growth", f"{mib} MiB in one file", "s", uses)
        for count in (1, 10, 100, 1000, setting.scale(10_000, 3000)):
            source = tree(setting.folder / f"files{count}", count)
            uses = [move(mover, source, 4096 * count).seconds for _ in range(3)]
            yield figure("growth", f"{count} files of 1 KiB", "s", uses)
    for count in (1, 10, 100, 1000, setting.scale(5000, 2000)):
        yield figure("growth", f"{count} channels that wait", "MiB", [_waiting(backend, count)])
    for count in (1, 10, 100, setting.scale(1000, 300)):
        yield figure("growth", f"{count} pairs with 8 MiB each", "s", [_pairs(backend, count)])


def _waiting(backend: str, count: int) -> float:
    with relay(backend) as server:
        command = module("benchmarks.crowd", "waiting", server.url, str(count))
        with running(command, stdin=subprocess.PIPE) as crowd:
            lines(crowd).readline()
            settle(server.pid)
            return memory_of(server.pid) / MIB


def _pairs(backend: str, count: int) -> float:
    with relay(backend) as server:
        before = cpu_of(server.pid)
        with running(module("benchmarks.crowd", "pairs", server.url, str(count))) as crowd:
            if not json.loads(lines(crowd).readline())["complete"]:
                raise RuntimeError("not all pairs came to their end")
        return cpu_of(server.pid) - before


def draw(points: dict[str, list[tuple[float, float]]]) -> str:
    """Return an SVG with a field for each kind; both axes are logarithmic."""
    fields = [_field(number, kind, points[kind]) for number, kind in enumerate(KINDS)]
    size = f'width="{2 * _WIDTH}" height="{2 * _HEIGHT}"'
    style = "font-family:sans-serif;font-size:11px"
    body = "\n".join(fields)
    back = '<rect width="100%" height="100%" fill="white"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{style}">'
    return f"{head}\n{back}\n{body}\n</svg>\n"


def _field(number: int, kind: str, points: list[tuple[float, float]]) -> str:
    left = number % 2 * _WIDTH + _EDGE
    bottom = (number // 2 + 1) * _HEIGHT - _EDGE
    wide, high = _WIDTH - 1.5 * _EDGE, _HEIGHT - 2 * _EDGE
    xs = _decades([x for x, _ in points])
    ys = _decades([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - xs[0]) / (xs[-1] - xs[0])
        up = (math.log10(y) - ys[0]) / (ys[-1] - ys[0])
        return left + across * wide, bottom - up * high

    parts = [f'<text x="{left}" y="{bottom - high - 12}">{KINDS[kind]} by {kind}</text>']
    grey = 'stroke="#ddd"'
    for at in xs:
        x, _ = place(10.0**at, 10.0 ** ys[0])
        parts.append(f'<path d="M{x:.1f} {bottom}V{bottom - high}" {grey}/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{_tick(at)}</text>')
    for at in ys:
        _, y = place(10.0 ** xs[0], 10.0**at)
        parts.append(f'<path d="M{left} {y:.1f}H{left + wide}" {grey}/>')
        parts.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{_tick(at)}</text>')
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    parts.append(f'<polyline points="{line}" fill="none" stroke="#06c" stroke-width="2"/>')
    for x, y in (place(*point) for point in points):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#06c"/>')
    return "\n".join(parts)


def _decades(values: list[float]) -> list[int]:
    low = math.floor(math.log10(min(values)) + 1e-9)
    high = math.ceil(math.log10(max(values)) - 1e-9)
    return list(range(low, max(high, low + 1) + 1))


def _tick(decade: int) -> str:
    return f"{10**decade:,}" if decade >= 0 else f"{10.0**decade:g}"


def main() -> None:
    """Draw what a run of the row has found."""
    found = json.loads(pathlib.Path(sys.argv[1]).read_text())["figures"]
    points: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    for one in found:
        number, _, kind = one["what"].partition(" ")
        if one["row"] == "growth":
            points[kind].append((float(number), one["value"]))
    pathlib.Path(sys.argv[2]).write_text(draw(points))


if __name__ == "__main__":
    main()
