"""Search each target for so many seconds: `python -m tests.fuzz [--seconds N] [TARGET ...]`.

The last line is `targets=T inputs=N findings=F`; the exit status is 1 where there is a finding.
With `--minimise`, what was found is thinned out into `tests/fuzz/corpus`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
KEPT = ROOT / ".fuzz"
INSTRUMENTED = ["croc_core", "backends", "h11"]
SEARCHED = (str(ROOT / "croc_core"), str(ROOT / "backends"))
LONGEST = 4096
MOST_KEPT = 40
"""Inputs of one target in the corpus, at most."""


def corpus(name: str) -> list[bytes]:
    """The kept inputs of a target, and where its search begins."""
    from tests.fuzz.targets import SEEDS

    kept = sorted((CORPUS / name).glob("*"))
    return [*SEEDS[name], *(path.read_bytes() for path in kept)]


def store(place: Path, data: bytes) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def guided(name: str, seconds: int) -> None:
    """Search with atheris, in this very process; libFuzzer does not come back."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=INSTRUMENTED):
        target = importlib.import_module("tests.fuzz.targets").TARGETS[name]
    place = KEPT / name
    for data in corpus(name):
        store(place, data)
    arguments = [
        "fuzz", f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=20",
        f"-artifact_prefix={KEPT}/finding-{name}-", "-print_final_stats=1", "-rss_limit_mb=4096",
        str(place),
    ]  # fmt: skip
    atheris.Setup(arguments, target)
    atheris.Fuzz()


def mended(name: str, seconds: int) -> None:
    """Search with Hypothesis, where atheris is missing: seeds with parts taken out and put in."""
    import time

    from hypothesis import HealthCheck, given, settings, target
    from hypothesis import strategies as st

    from tests.fuzz import targets

    end, count = time.monotonic() + seconds, 0
    seeds = corpus(name)

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def search(data: st.DataObject) -> None:
        nonlocal count
        count += 1
        made = data.draw(st.sampled_from(seeds) | st.binary(max_size=200))
        for _ in range(data.draw(st.integers(0, 4))):
            at = data.draw(st.integers(0, len(made)))
            gone = data.draw(st.integers(0, 8))
            made = made[:at] + data.draw(st.binary(max_size=8)) + made[at + gone :]
        target(float(len(made)))
        targets.TARGETS[name](made)

    while time.monotonic() < end:
        search()
    print(f"stat::number_of_executed_units: {count}")


def taken(target: Callable[[bytes], None], data: bytes) -> set[tuple[str, int, int]]:
    """The steps from line to line that *target* takes in what is searched."""
    arcs: set[tuple[str, int, int]] = set()

    def enter(frame: FrameType, event: str, argument: object) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(SEARCHED):
            return None
        last = frame.f_lineno

        def step(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal last
            arcs.add((path, last, frame.f_lineno))
            last = frame.f_lineno
            return step

        return step

    sys.settrace(enter)
    try:
        target(data)
    finally:
        sys.settrace(None)
    return arcs


def minimise(name: str) -> None:
    """Keep of all that was found what is needed to take the same steps, the shortest first."""
    from tests.fuzz.targets import SEEDS, TARGETS

    found = {*corpus(name), *(path.read_bytes() for path in (KEPT / name).glob("*"))}
    seen: set[tuple[str, int, int]] = set()
    for data in SEEDS[name]:
        seen |= taken(TARGETS[name], data)
    shutil.rmtree(CORPUS / name, ignore_errors=True)
    kept = 0
    for data in sorted(found, key=lambda data: (len(data), data)):
        new = taken(TARGETS[name], data) - seen
        if new and kept < MOST_KEPT:
            store(CORPUS / name, data)
            seen |= new
            kept += 1


def search(name: str, seconds: int) -> tuple[int, bool]:
    """Search one target in a process of its own: how many inputs, and whether it is well."""
    command = [sys.executable, "-m", "tests.fuzz", "--within", "--seconds", str(seconds), name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
    said = done.stdout + done.stderr
    stat = re.search(r"stat::number_of_executed_units: +(\d+)", said)
    if done.returncode:
        print(said[-6000:])
    return int(stat[1]) if stat else 0, done.returncode == 0


def main(arguments: list[str] | None = None) -> int:
    """Search, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all unless given")
    parser.add_argument("--seconds", type=int, default=20, help="for all targets together")
    parser.add_argument("--minimise", action="store_true", help="write the corpus anew")
    parser.add_argument("--within", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    has_atheris = importlib.util.find_spec("atheris") is not None
    if given.within:
        (guided if has_atheris else mended)(given.targets[0], given.seconds)
        return 0
    from tests.fuzz.targets import TARGETS

    names = given.targets or list(TARGETS)
    inputs = findings = 0
    print("guided by atheris" if has_atheris else "atheris is missing: made by Hypothesis")
    for name in names:
        count, well = search(name, max(1, given.seconds // len(names)))
        inputs += count
        findings += not well
        print(f"{name:14} {count:9} inputs{'' if well else ', and a finding'}", flush=True)
        if given.minimise and well:
            minimise(name)
    print(f"targets={len(names)} inputs={inputs} findings={findings}")
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
