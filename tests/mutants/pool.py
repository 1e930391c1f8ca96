"""Which tests may kill a mutant: how long each takes, and which lines of the core it takes."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.make import FILES, ROOT

PLACE = ROOT / ".mutants"
SECONDS_EACH = 8.0
"""A test that takes longer is not asked."""
NOT_ASKED = (
    "test_asyncio", "test_cli", "test_conformance", "test_demo", "test_explorer", "test_files",
    "test_library_doc", "test_memory_demo", "test_meter", "test_mutants", "test_new_backend",
    "test_preview", "test_signals", "test_threading", "test_ui",
)  # fmt: skip
"""Tests of backends and programs: slow, or in processes of their own."""
QUIET = "ignore::pytest.PytestAssertRewriteWarning"  # hypothesis is imported ahead of it
ARGUMENTS = (
    "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--timeout=0",
    "-s", "--tb=no", "-W", QUIET,
)  # fmt: skip


def digest(*texts: bytes) -> str:
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]


def asked(root: Path = ROOT) -> list[str]:
    """The files of tests that are asked."""
    names = sorted(path.name for path in root.glob("tests/test_*.py"))
    return [f"tests/{name}" for name in names if not name.startswith(NOT_ASKED)]


def fingerprint(root: Path = ROOT) -> str:
    """Of the core and of everything under tests."""
    paths = [*FILES, *sorted(str(p.relative_to(root)) for p in root.glob("tests/*.py"))]
    return digest(*((root / path).read_bytes() for path in paths))


def calm_hypothesis() -> None:
    """The same examples each time, and no search for the smallest one."""
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=60,
        report_multiple_bugs=False,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutants")


@dataclass
class Pool:
    """What was recorded of a run without a mutant."""

    fingerprint: str
    seconds: dict[str, float] = field(default_factory=dict)
    """For each test that passed, in seconds."""
    lines: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    """For each file and line the tests that take it, by number."""
    early: dict[str, list[int]] = field(default_factory=dict)
    """The lines that are taken before any test begins, when they are imported."""

    @cached_property
    def tests(self) -> list[str]:
        return list(self.seconds)

    def of(self, file: str, low: int, high: int) -> set[str]:
        """The tests that take a line from *low* to *high*."""
        taken = self.lines.get(file, {})
        return {self.tests[n] for line in range(low, high + 1) for n in taken.get(line, ())}

    def is_early(self, file: str, low: int, high: int) -> bool:
        """Whether a line from *low* to *high* is taken before any test begins."""
        return any(low <= line <= high for line in self.early.get(file, ()))

    def of_file(self, file: str) -> set[str]:
        return {self.tests[n] for numbers in self.lines.get(file, {}).values() for n in numbers}


class Recorder:
    """A plugin of pytest that records what each test takes."""

    def __init__(self) -> None:
        import coverage

        self.cover = coverage.Coverage(
            data_file=None, source=[str(ROOT / "croc_core")], config_file=False
        )
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.cover.switch_context(item.nodeid)
        begun = time.perf_counter()
        yield
        self.seconds[item.nodeid] = time.perf_counter() - begun
        self.cover.switch_context("")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if not report.passed:
            self.failed.add(report.nodeid)


def record(to: Path, print_: Any) -> None:
    """Run all tests that are asked, once, and keep what they take; in this very process."""
    calm_hypothesis()
    recorder = Recorder()
    recorder.cover.start()
    pytest.main([*ARGUMENTS, *asked()], plugins=[recorder])
    recorder.cover.stop()
    seconds = {
        name: round(spent, 4)
        for name, spent in recorder.seconds.items()
        if name not in recorder.failed and spent <= SECONDS_EACH
    }
    number = {name: n for n, name in enumerate(seconds)}
    data = recorder.cover.get_data()
    lines: dict[str, dict[int, list[int]]] = defaultdict(dict)
    early: dict[str, list[int]] = {}
    for path in data.measured_files():
        file = Path(path).relative_to(ROOT).as_posix()
        contexts = data.contexts_by_lineno(path)
        early[file] = [line for line, names in contexts.items() if "" in names]
        for line, names in contexts.items():
            lines[file][line] = sorted({number[name] for name in names if name in number})
    kept = {"fingerprint": fingerprint(), "seconds": seconds, "lines": lines, "early": early}
    to.write_text(json.dumps(kept))
    left = sorted(set(recorder.seconds) - set(seconds))
    print_(f"{len(seconds)} tests are asked; not asked, as they fail or are slow: {left}")


def load(path: Path) -> Pool | None:
    """What was recorded, if it is of this very source."""
    if not path.exists():
        return None
    kept = json.loads(path.read_text())
    if kept["fingerprint"] != fingerprint():
        return None
    lines = {f: {int(n): tests for n, tests in of.items()} for f, of in kept["lines"].items()}
    return Pool(kept["fingerprint"], kept["seconds"], lines, kept["early"])


def recorded(print_: Any) -> Pool:
    """What tests take, recorded anew where the source has changed."""
    path = PLACE / "pool.json"
    path.parent.mkdir(exist_ok=True)
    if (pool := load(path)) is None:
        child = os.fork()
        if not child:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            os.dup2(null, 2)
            record(path, print_)
            os._exit(0)
        os.waitpid(child, 0)
        pool = load(path)
    if pool is None:
        raise SystemExit("the tests could not be recorded")
    return pool


def statements(source: str) -> dict[int, tuple[int, int]]:
    """For each line the lines of the innermost statement there, of a compound one its head."""
    found: dict[int, tuple[int, int]] = {}
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.stmt)]
    for node in nodes:  # outer ones come first
        body = getattr(node, "body", None)
        high = node.end_lineno or node.lineno
        if isinstance(body, list) and body:
            high = max(node.lineno, body[0].lineno - 1)
        for line in range(node.lineno, high + 1):
            found[line] = (node.lineno, high)
    return found
