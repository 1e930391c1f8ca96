"""`python -m backends.threading`."""

from __future__ import annotations

import sys

from backends import _cli
from backends.threading._run import ThreadingBackend


def main() -> int:
    """Run the command line; return the exit status."""
    return _cli.main(ThreadingBackend())


if __name__ == "__main__":
    sys.exit(main())
