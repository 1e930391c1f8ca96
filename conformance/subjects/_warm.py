"""Starts this project's own senders and recipients fast: each is a fork of a process that waits.

    python -m conformance.subjects._warm asyncio

It reads lines of JSON: `{"run": N, "env": {...}, "in": PATH, "out": PATH, "err": PATH}`
starts one, and `{"kill": N}` ends one at once. It writes `{"run": N, "status": S}` as each ends,
and ends itself when its input does. What runs is the same command line, in a process of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import select
import signal
import sys
from typing import Any

from conformance.subjects import adapter

_TICK = 0.01


def main() -> int:
    """Serve until the input ends."""
    name = sys.argv[1]
    _load(name)
    children: dict[int, int] = {}  # pid to number
    rest = b""
    while True:
        ready, _, _ = select.select([0], [], [], _TICK if children else None)
        if ready:
            data = os.read(0, 1 << 16)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                _take(json.loads(line), name, children)
        _reap(children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return 0


def _load(name: str) -> None:
    """Import all that a run may need, so that all runs are of one age."""
    for package in (
        "croc_core",
        "croc_core.pake",
        "backends",
        "backends.files",
        f"backends.{name}",
    ):
        where = importlib.import_module(package).__path__
        for module in pkgutil.iter_modules(where, f"{package}."):
            if not module.ispkg:
                importlib.import_module(module.name)


def _take(order: dict[str, Any], name: str, children: dict[int, int]) -> None:
    if "kill" in order:
        for pid, number in children.items():
            if number == order["kill"]:
                os.kill(pid, signal.SIGKILL)
        return
    if "signal" in order:
        for pid, number in children.items():
            if number == order["signal"]:
                os.kill(pid, signal.SIGINT)
        return
    pid = os.fork()
    if pid:
        children[pid] = order["run"]
        return
    _become(order, name)


def _become(order: dict[str, Any], name: str) -> None:
    """In the child: run the command line, and end with its status."""
    status = 1
    try:
        for path, target in ((order["in"], 0), (order["out"], 1), (order["err"], 2)):
            fd = os.open(path, os.O_RDWR if target else os.O_RDONLY)
            os.dup2(fd, target)
            os.close(fd)
        os.environ.clear()
        os.environ.update(order["env"])
        sys.argv = ["adapter", name]
        status = adapter.main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _reap(children: dict[int, int]) -> None:
    while children:
        pid, code = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        answer = {"run": children.pop(pid), "status": os.waitstatus_to_exitcode(code)}
        os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
