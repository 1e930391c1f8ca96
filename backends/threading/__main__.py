"""`python -m backends.threading`."""

from __future__ import annotations

from typing import NoReturn

from backends._launch import launch


def main() -> int:
    """Run the command line; return the exit status."""
    from backends import _cli
    from backends.threading._run import ThreadingBackend

    return _cli.main(ThreadingBackend())


def run() -> NoReturn:
    """Run the command line and end the process."""
    launch(main)


if __name__ == "__main__":
    run()
