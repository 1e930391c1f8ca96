"""Simulated transfers by the thousand, on all cores, and what they came to."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from backends.memory._plan import Plan, draw, encode
from backends.memory._simulate import Result, shrink, simulate

CHUNK = 20
"""Runs that a core takes at once."""
REPLAY = "python -m backends.memory simulate"


class Mix:
    """Counts what the runs were like."""

    def __init__(self) -> None:
        self.runs = self.violations = self.faulty = self.survived = 0
        self.redialled = self.mended = 0
        self.virtual = 0.0
        self.outcomes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.survivors: Counter[str] = Counter()

    def add(self, result: Result) -> None:
        """Count one run."""
        self.runs += 1
        self.violations += bool(result.violations)
        self.faulty += bool(result.struck)
        self.survived += bool(result.struck) and result.succeeded
        self.redialled += bool(result.redials)
        self.mended += bool(result.redials) and result.succeeded
        self.virtual += result.seconds
        self.outcomes[result.outcome] += 1
        self.kinds.update(set(result.struck))
        if result.succeeded:
            self.survivors.update(set(result.struck))

    def lines(self, seconds: float) -> Iterator[str]:
        """Yield the report of so many runs in so many seconds; the last line is for scripts."""
        runs = max(1, self.runs)
        yield "ended (sender/recipient):"
        yield from (f"  {count:7}  {outcome}" for outcome, count in self.outcomes.most_common())
        yield "faults that struck, and how many of those transfers succeeded:"
        for kind, count in self.kinds.most_common():
            yield f"  {count:7}  {kind:12} {self.survivors[kind]:7}"
        yield (
            f"with a fault: {self.faulty} ({self.faulty / runs:.1%}); "
            f"succeeded after one: {self.survived} ({self.survived / runs:.1%})"
        )
        yield (
            f"connected again: {self.redialled} ({self.redialled / runs:.1%}); "
            f"succeeded after that: {self.mended} ({self.mended / runs:.1%})"
        )
        yield (
            f"{self.virtual / 3600:.0f} virtual hours in {seconds:.1f} s, "
            f"{60 * self.runs / max(seconds, 1e-9):.0f} transfers a minute"
        )
        yield f"runs={self.runs} violations={self.violations}"


def run_seed(seed: int) -> Result:
    """Simulate the plan of *seed*."""
    return simulate(draw(seed))


def simulate_many(seed: int, runs: int, jobs: int, say: Callable[[str], None] = print) -> int:
    """Run the seeds from *seed* on and say what came of it; return how many were violated."""
    mix = Mix()
    began = time.perf_counter()
    for result in _results(range(seed, seed + runs), jobs):
        mix.add(result)
        if result.violations:
            say(violation(result))
            say(f"  smaller: {REPLAY} --plan '{encode(shrink(draw(result.seed)))}'")
    for line in mix.lines(time.perf_counter() - began):
        say(line)
    return mix.violations


def violation(result: Result) -> str:
    """Return the one line that tells of a violation and replays it."""
    return (
        f"VIOLATION: {'; '.join(result.violations)} [{result.outcome}] "
        f"-- replay: {REPLAY} --seed {result.seed} --runs 1 --trace"
    )


def replay(plan: Plan, *, trace: bool) -> int:
    """Run one plan, with a line for each thing that happens; return 1 where it is violated."""
    result = simulate(plan, print if trace else None)
    sys.stdout.write(f"plan: {encode(plan)}\n")
    if result.violations:
        sys.stdout.write(f"VIOLATION: {'; '.join(result.violations)}\n")
    sys.stdout.write(f"struck: {', '.join(result.struck) or 'nothing'}; ended {result.outcome}\n")
    sys.stdout.write(f"runs=1 violations={int(bool(result.violations))}\n")
    return int(bool(result.violations))


def _results(seeds: Iterable[int], jobs: int) -> Iterator[Result]:
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1:
        yield from map(run_seed, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(run_seed, seeds, CHUNK)
