"""Explore and report: `python -m tests.explorer [--deep] [--faults N] [--outsider N] [--limit N]`.

Without bounds it is what CI runs. Each search has a process of its own, two at a time, so that one
gives back its memory before the next. With `--deep`, what each found is kept in `.explorer/` until
the source changes, so that a run that was cut is taken up again with the search that it had not
ended.

The last line is `states=N transitions=N violations=N`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.explorer.engine import Bounds
from tests.explorer.liar import explore_lies
from tests.explorer.search import CODES, Found, explore
from tests.explorer.story import report
from tests.explorer.world import Case

APART, TOGETHER = (False,), (True,)
"""The two parties have an address each, or share one."""


class Plan(NamedTuple):
    """One search."""

    title: str
    bounds: Bounds
    cases: tuple[Case, ...] = CODES
    homes: tuple[bool, ...] = APART
    limit: int = sys.maxsize
    """States after which no more faults come."""


WORDS = tuple(Case(verify=verify) for verify in ((True, True), (True, False), (False, True)))
PARTS = (Case(kept="good"), Case(kept="rotten"))
MANY = (Case(streams=2),)
LOSSES = Bounds(outsider=0, mortal=False, losses=True)
SHORT = (
    Plan("Anything, twice", Bounds(faults=2, outsider=4, thin=131)),
    Plan("Losses alone, twice", LOSSES._replace(faults=2)),
    Plan("Anything, at one address", Bounds(faults=1, outsider=1, thin=3), homes=TOGETHER),
    Plan("A loss or another address", LOSSES._replace(faults=1, roams=True), CODES + WORDS + PARTS),
    Plan("Words are compared, or a part is held", Bounds(1, 0, behind=True, thin=7), WORDS + PARTS),
    Plan("Three connections", LOSSES._replace(faults=1, thin=1021), MANY),
)
MOST = 3_000_000
DEEP = (
    Plan("Anything, four times", Bounds(faults=4, outsider=4, thin=67), limit=MOST),
    Plan("Losses alone, four times", LOSSES._replace(faults=4), CODES + PARTS, limit=MOST),
    Plan("Anything, once, at one address", Bounds(faults=1, outsider=4), homes=TOGETHER),
    Plan("Anything, twice, once they are one", Bounds(2, 0, behind=True, thin=5), CODES + WORDS),
    Plan("Three connections", LOSSES._replace(faults=1, thin=127), MANY),
)
WORKERS = 2
"""Searches that run at a time."""
MEMORY = 6 << 30
"""Bytes that one search may take; one that needs more fails, and takes nothing else with it."""
ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".explorer"


class Summary(NamedTuple):
    """What is kept of a search."""

    states: int
    transitions: int
    violations: int
    untaken: dict[str, list[str]]
    text: str


def summary(search: Callable[[], Found], title: str) -> Summary:
    found = search()
    count = sum(found.counts.values())
    return Summary(found.states, found.transitions, count, found.untaken, title + report(found))


def _within(search: Callable[[], Summary], pipe: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    pipe.send(search())


def apart(search: Callable[[], Summary]) -> Summary:
    """Search in a process of its own; RuntimeError where that does not come to its end."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_within, args=(search, theirs))
    process.start()
    theirs.close()
    try:
        found: Summary = ours.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"a search ended with status {process.exitcode}") from None
    process.join()
    return found


def source() -> str:
    """A digest of all that a search is about."""
    paths = sorted([*ROOT.glob("croc_core/**/*.py"), *ROOT.glob("tests/explorer/*.py")])
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def kept(search: Callable[[], Summary], name: str) -> Summary:
    """What *search* found, or has found before in the very same source."""
    path = KEPT / f"{source()}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.json"
    if path.exists():
        return Summary(**json.loads(path.read_text()))
    found = apart(search)
    KEPT.mkdir(exist_ok=True)
    path.write_text(json.dumps(found._asdict()))
    return found


def _job(plan: Plan, given: argparse.Namespace) -> tuple[str, Callable[[], Summary]]:
    bounds = plan.bounds
    for name in ("faults", "outsider"):
        if getattr(given, name) is not None:
            bounds = bounds._replace(**{name: getattr(given, name)})
    limit = given.limit or plan.limit
    one = partial(explore, bounds, limit=limit, cases=plan.cases, homes=plan.homes)
    return f"{plan} {bounds} {limit}", partial(summary, one, f"{plan.title}: ")


def main(arguments: list[str] | None = None) -> int:
    """Explore; the exit status is 1 where a property is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.explorer", description=__doc__)
    parser.add_argument("--deep", action="store_true", help="4 faults, some millions of states")
    parser.add_argument("--liar", action="store_true", help="only the relay that lies")
    parser.add_argument("--faults", type=int)
    parser.add_argument("--outsider", type=int, help="things that the outsider gets done")
    parser.add_argument("--limit", type=int, help="states after which no more faults come")
    given = parser.parse_args(arguments)
    todo = [] if given.liar else [_job(plan, given) for plan in (DEEP if given.deep else SHORT)]
    todo.append(("liar", partial(summary, explore_lies, "A relay that lies: ")))
    run = kept if given.deep else (lambda search, _: apart(search))
    searched: list[Summary] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for found in pool.map(lambda job: run(job[1], job[0]), todo):
            searched.append(found)
            print(found.text, end="\n\n", flush=True)
    for table, rows in searched[0].untaken.items():
        left = [row for row in rows if all(row in one.untaken[table] for one in searched)]
        print(f"rows of the {table} that no search took: {', '.join(left) or 'none'}")
    states, transitions, violations = (
        sum(of) for of in zip(*(s[:3] for s in searched), strict=True)
    )
    print(f"states={states} transitions={transitions} violations={violations}")
    return int(violations > 0)


if __name__ == "__main__":
    sys.exit(main())
