"""Explore and report: `python -m tests.explorer [--deep] [--faults N] [--outsider N] [--limit N]`.

Without bounds it is what CI runs: two searches that see their whole space, and one with a relay
that lies. Each search has a process of its own, so that one gives back its memory before the next;
with `--deep`, what each found is kept in `.explorer/` until the source changes, so that a run that
was cut is taken up again with the search that it had not ended.

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
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.explorer.engine import Bounds
from tests.explorer.liar import explore_lies
from tests.explorer.search import Found, explore
from tests.explorer.story import report

APART, TOGETHER = (False,), (True,)
"""The two parties have an address each, or share one."""
SHORT = ((Bounds(faults=2, outsider=2), APART), (Bounds(faults=1, outsider=2), TOGETHER))
DEEP = (
    (Bounds(faults=4, outsider=0, mortal=False), APART),
    (Bounds(faults=3, outsider=1), APART),
    (Bounds(faults=4, outsider=4), APART + TOGETHER),
)
"""Some 14, 8 and 2 million states; the first two see their whole space, the last is cut."""
DEEP_LIMITS = (sys.maxsize, sys.maxsize, 500_000)
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


def main(arguments: list[str] | None = None) -> int:
    """Explore; the exit status is 1 where a property is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.explorer", description=__doc__)
    parser.add_argument("--deep", action="store_true", help="4 faults, some millions of states")
    parser.add_argument("--liar", action="store_true", help="only the relay that lies")
    parser.add_argument("--faults", type=int)
    parser.add_argument("--outsider", type=int, help="things that the outsider gets done")
    parser.add_argument("--limit", type=int, help="states after which no more faults come")
    given = parser.parse_args(arguments)
    limits = DEEP_LIMITS if given.deep else (sys.maxsize,) * len(SHORT)
    searches = zip(DEEP if given.deep else SHORT, limits, strict=True)
    todo: list[tuple[str, Callable[[], Found], str]] = []
    for (bounds, homes), limit in () if given.liar else searches:
        if given.faults is not None:
            bounds = bounds._replace(faults=given.faults)
        if given.outsider is not None:
            bounds = bounds._replace(outsider=given.outsider)
        most = given.limit or limit
        one = partial(explore, bounds, limit=most, homes=homes)
        todo.append((f"{bounds} {homes} {most}", one, ""))
    todo.append(("liar", explore_lies, "A relay that lies, without further faults: "))
    searched: list[Summary] = []
    for name, search, title in todo:
        act = partial(summary, search, title)
        searched.append(kept(act, name) if given.deep else apart(act))
        print(searched[-1].text, end="\n\n", flush=True)
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
