"""The two commands of this backend: a transfer to read, and transfers by the thousand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from backends.memory import _demo, _many
from backends.memory._plan import decode, draw


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 1 where something was violated."""
    parser = argparse.ArgumentParser(prog="python -m backends.memory", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="print a whole transfer, message by message")
    demo.add_argument("--mermaid", action="store_true", help="as a Mermaid sequence diagram")
    demo.add_argument("--seed", type=int, default=1)
    many = commands.add_parser("simulate", help="play transfers in which things go wrong")
    many.add_argument("--seed", type=int, default=1, help="the first; each run has the next")
    many.add_argument("--runs", type=int, default=2000)
    many.add_argument("--jobs", type=int, default=0, help="processes; without, one a core")
    many.add_argument("--plan", help="play this plan, as JSON, instead of a seed's")
    many.add_argument("--trace", action="store_true", help="a line for all that happens in a run")
    options = parser.parse_args(arguments)
    if options.command == "demo":
        _demo.show(options.seed, mermaid=options.mermaid)
        return 0
    if options.plan is not None or options.trace:
        try:
            plan = draw(options.seed) if options.plan is None else decode(options.plan)
        except ValueError as error:
            parser.error(f"that is no plan: {error}")
        return _many.replay(plan, trace=options.trace)
    return int(_many.simulate_many(options.seed, options.runs, options.jobs) > 0)
