"""`python -m backends.asyncio`."""

from __future__ import annotations

from typing import NoReturn

from backends._launch import launch


def main() -> int:
    """Run the command line; return the exit status."""
    from backends import _cli
    from backends.asyncio._run import AsyncioBackend

    return _cli.main(AsyncioBackend())


def run() -> NoReturn:
    """Run the command line and end the process."""
    launch(main)


if __name__ == "__main__":
    run()
