"""What keeps a party's keys out of files: no core dump of a process that holds them."""

from __future__ import annotations

import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4


def no_core_dumps() -> None:
    """Let this process leave no core dump, as far as the system allows to say so.

    On Linux it is also closed to debuggers of the same user; a core dump that goes to a program
    asks that, and no limit.
    """
    with suppress(ImportError, OSError, ValueError):  # Windows knows no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
