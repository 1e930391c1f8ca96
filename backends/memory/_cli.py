"""The two commands of this backend: a transfer to read, and transfers by the thousand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from backends.memory import _demo


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m backends.memory", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="print a whole transfer, message by message")
    demo.add_argument("--mermaid", action="store_true", help="as a Mermaid sequence diagram")
    demo.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    _demo.show(options.seed, mermaid=options.mermaid)
    return 0
