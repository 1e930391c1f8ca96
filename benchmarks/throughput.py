"""1 GiB through the relay beside plaintext through it: `python -m benchmarks.throughput`.

Three processes over loopback, rounds interleaved, medians. A ballast file is written and freed
before each round, as fresh pages of a virtual machine are slow. Times are from the recipient's
start to the end of both; CPU seconds are of all three, the relay's share in brackets.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

TICK = os.sysconf("SC_CLK_TCK")


class Round(NamedTuple):
    """One transfer."""

    seconds: float
    cpu: float
    relay_cpu: float


def cpu_of(pid: int) -> float:
    """CPU seconds that a running process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_of_children() -> float:
    """CPU seconds of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Run a module of this project."""
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def lines(process: subprocess.Popen[str]) -> IO[str]:
    """What the process prints."""
    assert process.stdout is not None
    return process.stdout


@contextmanager
def relay(backend: str) -> Iterator[tuple[str, int]]:
    """A relay of *backend*: its URL and its pid."""
    flags = ("--host", "127.0.0.1", "--port", "0", "--data-ports", "0", "--json")
    process = start(f"backends.{backend}", "relay", *flags)
    try:
        yield json.loads(lines(process).readline())["url"], process.pid
    finally:
        process.terminate()
        process.wait()


def measure(first: subprocess.Popen[str], second: list[str], pid: int, **env: str) -> Round:
    """Run the recipient *second* against the waiting sender *first*."""
    time.sleep(0.3)  # the sender has nothing left to do but wait
    before, relay_before = cpu_of_children(), cpu_of(pid)
    began = time.perf_counter()
    process = start(*second, **env)
    assert process.wait() == 0
    assert first.wait() == 0
    seconds = time.perf_counter() - began
    relay_cpu = cpu_of(pid) - relay_before
    return Round(seconds, cpu_of_children() - before + relay_cpu, relay_cpu)


def plain(url: str, pid: int, source: str, target: str) -> Round:
    """One file in the clear."""
    sender = start("benchmarks.plain", "send", url, source)
    channel = lines(sender).readline().strip()
    return measure(sender, ["benchmarks.plain", "receive", url, channel, target], pid)


def sealed(backend: str, url: str, pid: int, source: str, target: str) -> Round:
    """One file by the protocol."""
    sender = start(f"backends.{backend}", "send", source, "--relay", url, "--json")
    for line in lines(sender):
        event = json.loads(line)
        if event["event"] == "code":
            break
    flags = ["--relay", url, "--yes", "--quiet", "--out", target]
    return measure(sender, [f"backends.{backend}", "receive", *flags], pid, CROC_CODE=event["code"])


def warm(folder: pathlib.Path, size: int) -> None:
    """Touch as many pages as the target will need, and give them back."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    ballast.unlink()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="asyncio")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    size = options.mib << 20
    found: dict[str, list[Round]] = {"plain": [], "sealed": []}
    with tempfile.TemporaryDirectory() as name, relay(options.backend) as (url, pid):
        folder = pathlib.Path(name)
        source = folder / "source"
        with source.open("wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 20))
        for number in range(options.rounds + 1):
            for kind in found:
                warm(folder, size)
                target = folder / "target"
                if kind == "plain":
                    found[kind].append(plain(url, pid, str(source), str(target)))
                    target.unlink()
                else:
                    into = folder / "in"
                    found[kind].append(sealed(options.backend, url, pid, str(source), str(into)))
                    (into / "source").unlink()
            if not number:  # warmed up
                for rounds in found.values():
                    rounds.clear()
    report(found, options.mib)


def report(found: dict[str, list[Round]], mib: int) -> None:
    """Print medians with their spread, and the ratios."""
    control = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    print(f"{mib} MiB, congestion control {control}, load {os.getloadavg()[0]:.1f}")
    middle = {}
    for kind, rounds in found.items():
        seconds = [r.seconds for r in rounds]
        middle[kind] = Round(*(statistics.median(column) for column in zip(*rounds, strict=True)))
        print(
            f"{kind:7} {middle[kind].seconds:.3f} s ({min(seconds):.3f} to {max(seconds):.3f}), "
            f"CPU {middle[kind].cpu:.2f} s (relay {middle[kind].relay_cpu:.2f} s)"
        )
    a, b = middle["plain"], middle["sealed"]
    print(
        f"ratio={a.seconds / b.seconds:.2f} cpu={b.cpu / a.cpu:.2f} "
        f"relay_cpu={b.relay_cpu / max(a.relay_cpu, 0.01):.2f}"
    )


if __name__ == "__main__":
    main()
