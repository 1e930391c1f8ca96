"""From the start of a command's process to its end: what is right only where it is all ours."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import NoReturn

YOUNG = 50_000
"""So many objects are made before those that nothing uses are looked for. A start makes most of
what a short run ever has, and looking through it again and again takes a tenth of such a run."""


def launch(main: Callable[[], int]) -> NoReturn:
    """Run *main*, then end the process with its status, and take nothing apart that ends with it.

    *main* imports what it needs itself, so that this comes before. Threads have to be daemons.
    """
    gc.set_threshold(YOUNG)
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # nobody reads it: the interpreter's own end deals with that
        sys.exit(status)
    os._exit(status)
