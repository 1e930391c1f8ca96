"""Explore and report: `python -m tests.explorer [--deep] [--faults N] [--outsider N] [--limit N]`.

Without bounds of its own it is what CI runs: two searches, of which both see their whole space.
"""

from __future__ import annotations

import argparse
import sys

from tests.explorer.engine import Bounds
from tests.explorer.search import explore
from tests.explorer.story import report

APART, TOGETHER = (False,), (True,)
"""The two parties have an address each, or share one."""
SHORT = ((Bounds(faults=2, outsider=2), APART), (Bounds(faults=2, outsider=1), TOGETHER))
DEEP = ((Bounds(faults=4, outsider=4), APART + TOGETHER),)
DEEP_LIMIT = 5_000_000


def main(arguments: list[str] | None = None) -> int:
    """Explore; the exit status is 1 where a property is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.explorer", description=__doc__)
    parser.add_argument("--deep", action="store_true", help="4 faults, some millions of states")
    parser.add_argument("--faults", type=int)
    parser.add_argument("--outsider", type=int, help="things that the outsider gets done")
    parser.add_argument("--limit", type=int, help="states after which no more faults come")
    given = parser.parse_args(arguments)
    limit = given.limit or (DEEP_LIMIT if given.deep else sys.maxsize)
    good = True
    for bounds, homes in DEEP if given.deep else SHORT:
        if given.faults is not None:
            bounds = bounds._replace(faults=given.faults)
        if given.outsider is not None:
            bounds = bounds._replace(outsider=given.outsider)
        found = explore(bounds, limit=limit, homes=homes)
        print(report(found), end="\n\n")
        good = good and found.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
