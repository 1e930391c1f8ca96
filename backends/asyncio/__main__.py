"""`python -m backends.asyncio`."""

from __future__ import annotations

import sys

from backends import _cli
from backends.asyncio._run import AsyncioBackend


def main() -> int:
    """Run the command line; return the exit status."""
    return _cli.main(AsyncioBackend())


if __name__ == "__main__":
    sys.exit(main())
