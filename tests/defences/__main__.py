"""Take each defence out, in a copy, and see its test fail: `python -m tests.defences [S1 ...]`.

One line for each row of the table; the last one counts those that hold. Ends with 0 when that is
all of them. A text that has moved, a test that failed before, or one that is not found, is a row
that does not hold, and is said.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.defences.table import ROWS, Taken

ROOT = Path(__file__).parent.parent.parent
PLACES = ("croc_core", "backends", "conformance", "tests", "benchmarks", "docs")
PATIENCE = 240.0


def copy_to(folder: Path) -> None:
    """Copy what the tests need, and no compiled module."""
    leave = shutil.ignore_patterns("__pycache__", ".*", "mutants")
    for place in PLACES:
        shutil.copytree(ROOT / place, folder / place, ignore=leave)
    for file in ROOT.iterdir():
        if file.suffix in (".toml", ".md", ".py"):
            shutil.copy(file, folder / file.name)


def run(folder: Path, *tests: str) -> int:
    """Run tests in the copy; return pytest's status: 0 is all passed, 1 is some failed."""
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
    options = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    try:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=folder, env=env, timeout=PATIENCE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1  # nothing hangs with the defence in place


def holds(folder: Path, taken: Taken) -> str | None:
    """Take one defence out and put it back; return what is wrong, if anything."""
    file = folder / taken.file
    whole = file.read_text()
    if whole.count(taken.old) != 1:
        return f"{taken.file}: the text has moved: {taken.old.strip()!r}"
    file.write_text(whole.replace(taken.old, taken.new))
    try:
        status = run(folder, taken.test)
    finally:
        file.write_text(whole)
    if status == 1:
        return None
    why = "passes without the defence" if status == 0 else f"did not run (pytest says {status})"
    return f"{taken.test} {why}"


def row(folder: Path, name: str) -> bool:
    """Judge one row of the table, and print its line."""
    problems = []
    if run(folder, *dict.fromkeys(taken.test for taken in ROWS[name])):
        problems.append("its tests fail, or are not there, with every defence in place")
    else:
        problems += [problem for taken in ROWS[name] if (problem := holds(folder, taken))]
    for taken in ROWS[name] if not problems else ():
        print(f"{name} holds: {taken.test} fails without {taken.file}", flush=True)
    for problem in problems:
        print(f"{name} DOES NOT HOLD: {problem}", flush=True)
    return not problems


def main(names: list[str]) -> int:
    chosen = names or list(ROWS)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "copy"
        folder.mkdir()
        copy_to(folder)
        held = sum(row(folder, name) for name in chosen)
    print(f"defences={held}/{len(chosen)}")
    return 0 if held == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
