"""A path of 50 ms there and back that loses one packet in a thousand, by streams and buffers."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks._report import Figure, figure
from benchmarks._run import MIB, Ours, lines, module, move, relay, running
from benchmarks.rows_transfer import Setting, random_file
from benchmarks.wire import ADDRESSES

STREAMS = (1, 2, 4, 8)
BUFFERS = {0: "tuned by the system", 1 << 20: "1 MiB", 4 << 20: "4 MiB"}
_CONTROLS = ("cubic", "bbr")


def path(setting: Setting) -> Iterator[Figure]:
    """50 ms, 0.1 % loss, 50 MB/s: MB/s by number of streams, plain and ours."""
    why = _lacking()
    if why:
        print(f"path: left out, {why}", file=sys.stderr)
        return
    with _namespaces() as names, running(module("benchmarks.wire", *names)) as wire:
        if lines(wire).readline() != "up\n":
            raise RuntimeError("the wire does not stand")
        for control in _CONTROLS:
            if not all(_choose(name, control) for name in names):
                print(f"path: {control} is not allowed here", file=sys.stderr)
                continue
            yield from _plain(setting, names, control)
            yield from _ours(setting, names, control)


def _plain(setting: Setting, names: list[str], control: str) -> Iterator[Figure]:
    seconds = setting.scale(6, 3)
    serve = _inside(names[1], module("benchmarks.streams", "serve", ADDRESSES[1], str(seconds)))
    with running(serve) as server:
        port = lines(server).readline().strip()
        for buffer, label in BUFFERS.items():
            for count in STREAMS:
                what = module("benchmarks.streams", "send", ADDRESSES[1], port)
                rates = []
                for _ in range(setting.scale(2, 1)):
                    with running(_inside(names[0], [*what, str(count), str(buffer)])):
                        rates.append(float(lines(server).readline()) / 1e6)
                yield figure("path", f"{control}, plain, {count} streams, {label}", "MB/s", rates)


def _ours(setting: Setting, names: list[str], control: str) -> Iterator[Figure]:
    size = setting.scale(32, 16) * MIB
    source = random_file(setting.folder / "path", size)
    prefix = {"send": _inside(names[0], []), "receive": _inside(names[1], [])}
    for backend in setting.backends[:1]:
        many = _has_streams(backend)
        inside = _inside(names[1], [])
        with relay(backend, host=ADDRESSES[1], prefix=inside, ports=max(STREAMS)) as server:
            for count in STREAMS if many else (1,):
                more = ("--streams", str(count)) if many else ()
                mover = Ours(backend, server, *more, prefix=prefix)
                uses = [move(mover, source, size) for _ in range(setting.scale(2, 1))]
                rates = [size / use.seconds / 1e6 for use in uses]
                yield figure("path", f"{control}, {backend}, {count} streams", "MB/s", rates)
    source.unlink()


def _has_streams(backend: str) -> bool:
    command = module(f"backends.{backend}", "send", "--help")
    return "--streams" in subprocess.run(command, capture_output=True, text=True).stdout


def _lacking() -> str:
    """Return what is not here, or nothing."""
    if sys.platform != "linux" or os.geteuid():
        return "it takes root on Linux"
    if shutil.which("ip") is None:
        return "there is no ip command (iproute2)"
    return "" if pathlib.Path("/dev/net/tun").exists() else "there is no /dev/net/tun"


@contextmanager
def _namespaces() -> Iterator[list[str]]:
    names = [f"croc-{side}-{os.getpid()}" for side in "ab"]
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _inside(name: str, command: list[str]) -> list[str]:
    return ["ip", "netns", "exec", name, *command]


def _choose(name: str, control: str) -> bool:
    setting = "/proc/sys/net/ipv4/tcp_congestion_control"
    command = _inside(name, ["sh", "-c", f"echo {control} > {setting}"])
    return subprocess.run(command, capture_output=True).returncode == 0
