"""Explore and report: `python -m tests.explorer [--deep] [--faults N] [--outsider N] [--limit N]`.

Without bounds it is what CI runs: two searches that see their whole space, and one with a relay
that lies.
"""

from __future__ import annotations

import argparse
import sys

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
    searched: list[Found] = []
    for (bounds, homes), limit in () if given.liar else searches:
        if given.faults is not None:
            bounds = bounds._replace(faults=given.faults)
        if given.outsider is not None:
            bounds = bounds._replace(outsider=given.outsider)
        searched.append(explore(bounds, limit=given.limit or limit, homes=homes))
        print(report(searched[-1]), end="\n\n", flush=True)
    searched.append(explore_lies())
    print(f"A relay that lies, without further faults: {report(searched[-1])}", end="\n\n")
    for name in searched[0].untaken:
        left = [
            row
            for row in searched[0].untaken[name]
            if all(row in f.untaken[name] for f in searched)
        ]
        print(f"rows of the {name} that no search took: {', '.join(left) or 'none'}")
    return 0 if all(found.good for found in searched) else 1


if __name__ == "__main__":
    sys.exit(main())
