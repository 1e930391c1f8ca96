"""Make every mutant and run the tests: `python -m tests.mutants [--short] [FILE ...]`.

The last line is `killed=K/N equivalent=E`; the exit status is 1 where one survives, where more than
3 % are called equivalent, or where what is called equivalent is no mutant any more.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from tests.mutants import keep
from tests.mutants.make import FILES, ROOT, Mutant, mutants
from tests.mutants.pool import PLACE, Pool, fingerprint, recorded, statements
from tests.mutants.run import SURVIVED, TIMED_OUT, UNTRIED, Job, Verdict, cold, warm

WARM_BUDGET = 20.0
"""Seconds of tests for one mutant, at most."""
EARLY_BUDGET = 2.0
"""The same where the function runs at the import of the tests, so that survivors go on below."""
NEAR = 0.3
"""A test that takes longer, in seconds, is not asked first because of its name."""
COLD = ((1, 6.0), (4, 9.0), (99, 15.0))
"""The same for one that is imported: in three steps, so many files of tests in each."""
SHAPES = ("test_core_shape", "test_judgements", "test_machines_doc", "test_party_tables")
"""What is imported is mostly classes and rows: these look at all of them."""
SHORT_MUTANTS = 150
MOST_EQUIVALENT = 0.03


def say(text: str) -> None:
    """To the terminal, whatever the tests do with the standard output."""
    os.write(OUT, f"{text}\n".encode())


class Chooser:
    """Which tests to run with a mutant, the likeliest to fail first."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._by_function: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._by_file: dict[str, Counter[str]] = defaultdict(Counter)
        self._statements: dict[str, dict[int, tuple[int, int]]] = {}
        for file, names in keep.killers().items():
            self._by_file[file].update({name: count for name, (count, _) in names.items()})

    def note(self, mutant: Mutant, verdict: Verdict) -> None:
        if verdict.by in self._pool.seconds:
            self._by_function[mutant.file, mutant.function][verdict.by] += 1
            self._by_file[mutant.file][verdict.by] += 1

    def lines(self, mutant: Mutant, source: str) -> tuple[int, int]:
        if mutant.file not in self._statements:
            self._statements[mutant.file] = statements(source)
        return self._statements[mutant.file].get(mutant.line, (mutant.line, mutant.line))

    def choose(self, mutant: Mutant, source: str, budget: float) -> list[str]:
        """Those that take the line, within so many seconds; of the file, where none does."""
        seconds = self._pool.seconds
        found = self._pool.of(mutant.file, *self.lines(mutant, source)) if mutant.body else set()
        found = found or self._pool.of_file(mutant.file) or set(self._by_file[mutant.file])
        found = found or set(seconds)
        mine = self._by_function[mutant.file, mutant.function]
        ours = self._by_file[mutant.file]
        found |= {name for name in ours if name in seconds} if not mutant.body else set()
        stem = mutant.file.rpartition("/")[2].removesuffix(".py")

        def rank(name: str) -> tuple[float, ...]:
            file = name.partition("::")[0]
            near = stem in file
            other = not mutant.body and not any(shape in file for shape in SHAPES)
            return (other, -mine[name], -ours[name], seconds[name] > NEAR, not near, seconds[name])

        chosen, spent = [], 0.0
        for name in sorted(found, key=rank):
            if spent + seconds[name] <= budget:
                chosen.append(name)
                spent += seconds[name]
        return chosen


class Run:
    """One run over some mutants."""

    def __init__(self, pool: Pool, results: keep.Results, workers: int) -> None:
        self._pool, self._results, self._workers = pool, results, workers
        self._chooser = Chooser(pool)
        self._begun = time.monotonic()
        self._done = 0
        self._sources = {file: (ROOT / file).read_text() for file in FILES}

    def _tell(self, job: Job, verdict: Verdict) -> None:
        self._chooser.note(job.mutant, verdict)
        self._done += 1
        if self._done % 250 == 0:
            say(f"  {self._done} runs, {time.monotonic() - self._begun:.0f} s")

    def over(self, todo: Sequence[Mutant]) -> None:
        """Changed functions first, in a process that has all imported; then what is imported."""
        bodies = [mutant for mutant in todo if mutant.body]
        if bodies and not (child := os.fork()):
            self._warm(bodies)
            os._exit(0)
        elif bodies:
            os.waitpid(child, 0)
            self._results = keep.Results(self._pool.fingerprint)
        rest = [mutant for mutant in todo if self._results.get(mutant) is None]
        for number, (files, budget) in enumerate(COLD, 1):
            say(f"  {len(rest)} are imported, with the tests of {files} files at most")
            rest = self._cold(rest, files, budget, last=number == len(COLD))

    def again(self, survivors: Sequence[Mutant]) -> None:
        """Ask all tests of the files of tests that killed mutants of that file before."""
        say(f"  {len(survivors)} are asked about again, in whole files of tests")
        known = keep.killers()

        def jobs() -> Iterator[Job]:
            for mutant in survivors:
                names = known.get(mutant.file, {})
                yield Job(mutant, sorted({name.partition("::")[0] for name in names}))

        for job, verdict in cold(jobs(), self._pool.seconds, self._workers):
            self._results.add(job.mutant, verdict)

    def _warm(self, bodies: list[Mutant]) -> None:
        def jobs() -> Iterator[Job]:
            for mutant in bodies:
                source = self._sources[mutant.file]
                budget = EARLY_BUDGET if early(mutant) else WARM_BUDGET
                yield Job(mutant, self._chooser.choose(mutant, source, budget))

        def early(mutant: Mutant) -> bool:
            return self._pool.is_early(mutant.file, *mutant.span)

        def tell(job: Job, verdict: Verdict) -> None:
            self._tell(job, verdict)
            if verdict.what != UNTRIED and not (verdict.what == SURVIVED and early(job.mutant)):
                self._results.add(job.mutant, verdict)

        files = sorted({name.partition("::")[0] for name in self._pool.seconds})
        warm(files, jobs(), self._pool.seconds, tell, self._workers)

    def _cold(self, todo: list[Mutant], most: int, budget: float, *, last: bool) -> list[Mutant]:
        def jobs() -> Iterator[Job]:
            for mutant in todo:
                tests = self._chooser.choose(mutant, self._sources[mutant.file], budget)
                files = list(dict.fromkeys(name.partition("::")[0] for name in tests))
                asked = files[:most]
                yield Job(mutant, [name for name in tests if name.partition("::")[0] in asked])

        survivors = []
        for job, verdict in cold(jobs(), self._pool.seconds, self._workers):
            self._tell(job, verdict)
            if verdict.what == SURVIVED:
                survivors.append(job.mutant)
            if verdict.what != SURVIVED or last:
                self._results.add(job.mutant, verdict)
        return survivors


def _survivors(asked: Iterable[Mutant], results: keep.Results) -> list[Mutant]:
    return [m for m in asked if (v := results.get(m)) is not None and v.what == SURVIVED]


def judge(
    every: Sequence[Mutant], called: dict[str, str], results: keep.Results, stale: Iterable[str]
) -> int:
    """Say what became of all, and how it ends."""
    found = [(mutant, results.get(mutant)) for mutant in every if mutant.key not in called]
    survivors = _survivors((mutant for mutant, _ in found), results)
    slow = sum(v is not None and v.what == TIMED_OUT for _, v in found)
    undone = sum(v is None for _, v in found)
    for mutant in survivors:
        say(f"survived: {mutant}")
    for key in stale:
        say(f"called equivalent, but no mutant: {key}")
    per_file = Counter(mutant.file for mutant in survivors)
    for file, count in sorted(per_file.items()):
        say(f"{count:5} survived in {file}")
    equivalent = len(every) - len(found)
    share = equivalent / max(1, len(every))
    killed = len(found) - len(survivors) - undone
    say(f"timed_out={slow} (among the killed) survived={len(survivors)} not_run={undone}")
    say(f"killed={killed}/{len(every)} equivalent={equivalent}")
    return int(bool(survivors or undone or list(stale)) or share > MOST_EQUIVALENT)


def main(arguments: list[str] | None = None) -> int:
    """Make, run and judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="of croc_core; all unless given")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--report", action="store_true", help="only say what was found")
    parser.add_argument("--entries", action="store_true", help="print survivors as entries")
    parser.add_argument("--keep-killers", action="store_true", help="write killers.json")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--short", action="store_true", help=f"{SHORT_MUTANTS} chosen by the seed")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args(arguments)
    if os.environ.get("PYTHONHASHSEED") != "0":  # the same order of sets each time
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.mutants", *sys.argv[1:]])
    PLACE.mkdir(exist_ok=True)
    known = keep.killers()
    files = given.files or FILES
    if given.fresh:
        (PLACE / "results.jsonl").unlink(missing_ok=True)
    called = keep.equivalents()
    every = [mutant for file in files for mutant in mutants(file)]
    keys = {mutant.key for mutant in every}
    stale = [key for key in called if key.partition("::")[0] in files and key not in keys]
    if given.short:  # the tests that killed before, as they are kept: nothing is recorded
        spent = {name: s for tests in known.values() for name, (_, s) in tests.items()}
        pool = Pool(fingerprint(), spent)
    else:
        pool = recorded(say)
    results = keep.Results(pool.fingerprint)
    todo = [m for m in every if m.key not in called and results.get(m) is None]
    if given.short:
        seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 32)
        every = random.Random(seed).sample(every, min(SHORT_MUTANTS, len(every)))
        todo = [m for m in every if m.key not in called]
        say(f"{len(every)} mutants of seed {seed} (--seed {seed} repeats them)")
    if not given.report:
        say(f"{len(every)} mutants, {len(todo)} to run, {len(called)} called equivalent")
        run = Run(pool, results, given.workers)
        run.over(todo)
        results = keep.Results(pool.fingerprint)
        if given.short:
            run.again(_survivors(todo, results))
    if given.keep_killers:
        keep.keep_killers(
            ((m, v) for m in every if (v := results.get(m)) is not None), pool.seconds
        )
    if given.entries:
        for mutant in _survivors(every, results):
            say(keep.entry(mutant))
    if fingerprint() != pool.fingerprint and not given.short:
        say("the source changed meanwhile: run it again, what was found is kept")
        return 1
    return judge(every, called, results, stale)


OUT = os.dup(1)

if __name__ == "__main__":
    sys.exit(main())
