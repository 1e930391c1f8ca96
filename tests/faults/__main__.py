"""`python -m tests.faults`: runs under faults, drawn by a seed; prints what they came to."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from tests.faults.kills import Outcome, Place, run
from tests.faults.others import OTHERS, run_other
from tests.faults.plan import draw


def totals(outcomes: list[Outcome]) -> dict[str, Any]:
    """What all runs came to."""
    count: Counter[str] = Counter(runs=len(outcomes))
    sizes: Counter[str] = Counter()
    for outcome in outcomes:
        count["with a fault of the program"] += bool(outcome.faults)
        for attempt in outcome.attempts:
            kind = attempt.kind
            if attempt.fault:
                count[f"{kind}: in all"] += 1
                count[f"{kind}: too late, both had ended"] += not attempt.hit
                count[f"{kind}: before both held keys"] += attempt.hit and not attempt.met
            good = attempt.hit and attempt.sender == 0 and attempt.recipient == 0
            count[f"{kind}: went on in the same run"] += good
            if attempt.hit:
                count[f"{kind}: ended with {attempt.sender}, {attempt.recipient}"] += 1
            if attempt.held and (attempt.sender, attempt.recipient) == (0, 0):
                count["resumed and complete"] += 1
                count["resumed and complete, undisturbed"] += not attempt.hit
                sizes["held before a resumed run"] += attempt.held
                sizes["sent by it"] += attempt.carried
        sizes["sent in all"] += sum(attempt.carried for attempt in outcome.attempts)
        sizes["total of all runs"] += outcome.total
    slowest = max((a.seconds for outcome in outcomes for a in outcome.attempts), default=0.0)
    counts = {name: number for name, number in sorted(count.items()) if number}
    return {"counts": counts, "bytes": dict(sizes), "slowest attempt, seconds": slowest}


def kills(given: argparse.Namespace, place: Place) -> bool:
    """Run what a seed draws; print what it came to; say whether all of it was right."""
    outcomes: list[Outcome] = []
    for number in range(given.first, given.first + given.runs):
        outcome = run(place, draw(given.seed, number))
        if number % 10 == 9 or len(outcomes) == given.runs - 1:
            outcome.faults += place.close()
        outcomes.append(outcome)
        if given.log:
            with given.log.open("ab") as log:
                log.write(msgspec.json.encode(outcome) + b"\n")
        for fault in outcome.faults:
            print(f"{outcome.plan}\n    {fault}", flush=True)
    print(json.dumps(totals(outcomes), indent=1))
    return not any(outcome.faults for outcome in outcomes)


def others(given: argparse.Namespace, place: Place) -> bool:
    """Run each of the other faults; say whether all of it was right."""
    good = True
    for name in given.only or [act.__name__ for act in OTHERS]:
        for number in range(given.first, given.first + given.others):
            other = run_other(place, name, given.seed, number)
            if isinstance(other, str):
                print(f"{name}: skipped, {other}", flush=True)
                break
            other.faults += place.close()
            print(f"{name} {number}: {' | '.join(other.ends)}", flush=True)
            for fault in other.faults:
                print(f"    {fault}", flush=True)
            good &= not other.faults
    return good


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=0, help="runs with kills and cuts")
    parser.add_argument("--others", type=int, default=0, help="runs of each other fault")
    parser.add_argument("--only", action="append", help="of the other faults, by name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--log", type=Path, help="a file for a JSON line a run")
    given = parser.parse_args(arguments)
    good = True
    with tempfile.TemporaryDirectory(prefix="croc-faults-") as folder:
        place = Place(Path(folder), given.seed)
        try:
            if given.runs:
                good &= kills(given, place)
            if given.others:
                good &= others(given, place)
        finally:
            place.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
