"""The README against what there is: its commands, flags, links, example, and the tests it names."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from backends._cli_parser import build
from backends._completion import commands
from backends.threading import Croc
from tests.runs import SOON, RelayRun

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
BACKENDS = ("asyncio", "threading")
ALONE = frozenset({
    "a library: asyncio, threads, or a loop of your own", "a core without I/O",
    "deterministic simulation, replayed by its seed",
    "never hangs; says why, whose side it was, what to do",
    "a conformance suite for any implementation",
})  # fmt: skip
"""Rows that are about both backends, or about neither, in one test."""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.M | re.S)


def rows() -> list[list[str]]:
    """The table of features: its cells, row by row."""
    table = TEXT.partition("| shown by |\n")[2].partition("\n\n")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]
    ]


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """The ids of all tests that the table names, as pytest knows them."""
    files = sorted({file for row in rows() for file in re.findall(r"\]\((tests/[^)]*)\)", row[-1])})
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *files],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return {line for line in run.stdout.splitlines() if "::" in line}


def test_doc_each_row_names_tests_of_both_backends(collected: set[str]) -> None:
    assert len(rows()) > 25
    for what, *_, state, tests in rows():
        assert state not in ("", "no"), what
        named = re.findall(r"\[(\w+)\]\((tests/[^)]*\.py)\)", tests)
        assert named, what
        ids = {
            one
            for name, file in named
            for one in collected
            if one.partition("[")[0] == f"{file}::test_{name}"
        }
        for name, file in named:
            assert any(one.startswith(f"{file}::test_{name}") for one in ids), (what, name)
        shown = {backend for backend in BACKENDS if any(backend in one for one in ids)}
        assert shown == set(BACKENDS) or what in ALONE, (what, shown)


def test_doc_the_commands_are_there() -> None:
    first, second = blocks("sh")
    begin = ["python3", "-m", "venv", ".venv", "&&", ".venv/bin/pip", "install", "-q"]
    for line in (first, second):
        assert shlex.split(line)[: len(begin)] == begin
        assert line.count("\n") == 1
    script = (ROOT / ".ci" / "run").read_text().replace('eval "$command"', ":")
    assert "eval" not in script
    ran = subprocess.run(
        ["bash", "-c", script, ".ci/run"],
        cwd=ROOT, capture_output=True, text=True, timeout=20, check=True,
    ).stdout  # fmt: skip
    assert ran == f"+ {second}"


def test_doc_the_flags_are_known() -> None:
    known = {command.name: command for command in commands(build("croc-core"))}
    examples = "".join(blocks("console"))
    for line in re.findall(r"croc-core (.*)$", examples, re.M):
        command, *rest = shlex.split(line.partition("|")[0], comments=True)
        flags = {flag.name for flag in known[command].flags}
        assert flags.issuperset(word for word in rest if word.startswith("--")), line
    every = {flag.name for command in known.values() for flag in command.flags}
    assert every.issuperset(re.findall(r"`(--[a-z-]+)", TEXT))


def test_doc_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        assert (ROOT / path).exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.M)
            slugs = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads]
            assert anchor in slugs, link


def test_doc_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = os.urandom(100_000)
    (tmp_path / "holiday.mp4").write_bytes(content)
    relay = RelayRun("127.0.0.1")
    url = f"http://127.0.0.1:{relay.ports[0]}"
    (source,) = blocks("python")
    assert "http://relay.example:8003" in source
    source = source.replace("http://relay.example:8003", url)
    codes: SimpleQueue[str] = SimpleQueue()
    names: dict[str, Any] = {"print": lambda said, code: codes.put(code)}
    sending = threading.Thread(target=exec, args=(compile(source, "README.md", "exec"), names))
    sending.start()
    try:
        code = codes.get(timeout=SOON)
        Croc(relay=url, out=str(tmp_path / "in"), yes=True).receive(code)
        assert (tmp_path / "in" / "holiday.mp4").read_bytes() == content
    finally:
        sending.join(SOON)
        relay.stop()
