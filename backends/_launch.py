"""From the start of a command's process to its end: what is right only where it is all ours."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

YOUNG = 50_000
"""So many objects are made before those that nothing uses are looked for. A start makes most of
what a short run ever has, and looking through it again and again takes a tenth of such a run."""


def _take_from_the_system() -> None:
    """Start this process anew, with objects that come from the system's allocator, if it is glibc.

    A relay lives long, and Python's own allocator would keep most of what the busiest hour took: it
    gives back 1 MiB or nothing (`_rest`). The environment is the documented way to choose.
    """
    if sys.platform != "linux" or "PYTHONMALLOC" in os.environ or sys.flags.ignore_environment:
        return
    with suppress(OSError, ValueError):  # another C library; or no file to start from
        os.confstr("CS_GNU_LIBC_VERSION")
        again = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "PYTHONMALLOC": "malloc"})  # noqa: S606 - itself


def launch(main: Callable[[], int]) -> NoReturn:
    """Run *main*, then end the process with its status, and take nothing apart that ends with it.

    *main* imports what it needs itself, so that this comes before. Threads have to be daemons.
    """
    if sys.argv[1:2] == ["relay"]:
        _take_from_the_system()
    gc.set_threshold(YOUNG)
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # nobody reads it: the interpreter's own end deals with that
        sys.exit(status)
    os._exit(status)
