"""The process of a relay or a party as the harness runs it: the command line, and what it leaves.

`python -m tests.faults.party BACKEND TUNING ARGUMENT...`. TUNING is JSON: `patience` has other
waits than a person gets, `jump` is by how many seconds the wall clock jumps, `after` so many
seconds from the start. At the end it says on stderr what is still open or running.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import threading
import time
from typing import Any

from backends import _session
from backends._options import Options
from croc_core.party import Patience


def be_impatient(waits: dict[str, float]) -> None:
    """Shorten what a party's command line gives no flag for."""
    usual = _session._patience

    def patience(options: Options) -> Patience:
        return usual(options)._replace(**waits)

    _session._patience = patience


def jump(seconds: float, after: float) -> None:
    """Let the wall clock of this process jump once."""
    wall, nanoseconds, start = time.time, time.time_ns, time.monotonic()

    def ahead() -> float:
        return seconds if time.monotonic() - start > after else 0.0

    time.time = lambda: wall() + ahead()
    time.time_ns = lambda: nanoseconds() + int(ahead() * 1e9)


def descriptors() -> dict[str, str]:
    """Return what is open in this process."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # that of the listing
            continue
    return found


def main(backend: str, tuning: dict[str, Any], arguments: list[str]) -> int:
    """Run the command line; return its exit status."""
    be_impatient(tuning.get("patience", {}))
    if "jump" in tuning:
        jump(tuning["jump"], tuning["after"])
    before = descriptors()
    sys.argv = [f"croc-core ({backend})", *arguments]
    status: int = importlib.import_module(f"backends.{backend}.__main__").main()
    gc.collect()
    left = {k: v for k, v in descriptors().items() if k not in before}
    running = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
    if left or running:
        print(f"left open: {left}, left running: {running}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]))
