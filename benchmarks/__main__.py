"""Measure this project: `python -m benchmarks` (`nox -s bench`).

Each row runs beside plaintext through the same relay where a ratio is wanted, warmed up, in turn,
with medians. `docs/performance.md` says what the figures mean.
"""

from __future__ import annotations

import argparse
import pathlib
import resource
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator

from benchmarks import growth, long_path, rows_relay, rows_transfer
from benchmarks._report import Figure, as_json, table
from benchmarks.peers import Peers
from benchmarks.rows_transfer import Setting

ROWS: dict[str, Callable[[Setting], Iterator[Figure]]] = {
    "gib": rows_transfer.gib,
    "kib": rows_transfer.kib,
    "many": rows_transfer.many,
    "zeros": rows_transfer.zeros,
    "entries": rows_transfer.entries,
    "sparse": rows_transfer.sparse,
    "million": rows_transfer.million,
    "waiting": rows_relay.waiting,
    "cycles": rows_relay.cycles,
    "pairs": rows_relay.pairs,
    "path": long_path.path,
    "growth": growth.growth,
}
CI = ("gib", "cycles")
"""Rows of ratios, which say something on a machine that is shared, too."""


def main() -> int:
    """Measure and print; return the exit status."""
    options = _options()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="croc-core-bench-", dir=options.folder))
    setting = Setting(
        folder,
        rounds=options.rounds or (2 if options.ci or options.quick else 5),
        quick=options.quick,
        short=options.ci,
        backends=options.backend or ["asyncio", "threading"],
        peers=Peers(options.croc, options.wormhole),
    )
    figures: list[Figure] = []
    broken = []
    try:
        for name in options.only or (CI if options.ci else ROWS):
            about = (ROWS[name].__doc__ or "").strip()
            print(f"# {name}: {about}", file=sys.stderr, flush=True)
            try:
                for one in ROWS[name](setting):
                    figures.append(one)
                    print(f"{one.row}: {one.what} {one.value:.3g} {one.unit}", file=sys.stderr)
            except Exception:  # the other rows are worth having
                traceback.print_exc()
                broken.append(name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _say(options, setting, figures, broken)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--only", action="append", choices=tuple(ROWS), help="this row (or more)")
    parser.add_argument("--quick", action="store_true", help="smaller works, fewer rounds")
    parser.add_argument("--ci", action="store_true", help="fail where half a ratio is missed")
    parser.add_argument("--rounds", type=int, metavar="NUMBER", help="rounds of each figure")
    parser.add_argument("--backend", action="append", metavar="NAME", help="this one (or more)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all of it there")
    parser.add_argument("--folder", metavar="FOLDER", help="where to make files")
    parser.add_argument("--croc", type=pathlib.Path, metavar="PATH", help="croc's binary")
    parser.add_argument(
        "--wormhole",
        type=pathlib.Path,
        metavar="PATH",
        help="an environment with magic-wormhole, its mailbox server and its transit relay",
    )
    return parser.parse_args()


def _say(
    options: argparse.Namespace, setting: Setting, figures: list[Figure], broken: list[str]
) -> int:
    facts = setting.machine.facts()
    print(table(figures))
    print()
    noise = "; ".join(facts["noise"]) or "none seen"
    print(f"Congestion control {facts['congestion']}; {facts['cores']} cores; noise: {noise}.")
    if options.json:
        options.json.write_text(as_json(figures, facts))
    gross = [one for one in figures if options.ci and one.unit == "x" and one.gross]
    for one in gross:
        print(f"{one.row}: {one.what} is {one.value:.2f}, the target {one.target}: a gross loss")
    for name in broken:
        print(f"{name}: could not be measured")
    missed = sum(one.good is False for one in figures)
    met = sum(one.good is True for one in figures)
    print(f"met={met} missed={missed} broken={len(broken)} gross={len(gross)}")
    return 1 if gross or broken else 0


if __name__ == "__main__":
    sys.exit(main())
