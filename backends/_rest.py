"""What a relay does about memory when a storm is over: it gives back what nothing uses any more.

Left alone, Python would keep most of it. Measured after 10,000 waiting channels, largest first:

- Few objects that stay hold whole arenas of 1 MiB. Most of them are strings in the interpreter's
  cache of attributes that were looked up, which keeps what a library asks for by a fresh name; it
  can be emptied. For what is left, a relay takes its objects from the system (`_launch`).
- The system's allocator keeps what is free between two pieces in use; glibc has a call for that.
- A table that was emptied keeps its room until something is put into it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import suppress

FEW = 64
"""Connections and channels below which there is nothing worth giving back."""
QUIET = 5.0
"""How long what is held must not have fallen further before memory is given back, in seconds."""
_LARGE = 4096
"""Room of a table from which it is worth emptying it, in bytes."""


def give_back() -> None:
    """Give memory that nothing uses back to the system, as far as that goes; takes some 0.1 s."""
    gc.collect()
    for held in gc.get_referents(*gc.get_objects()):
        if type(held) is dict and not held and sys.getsizeof(held) > _LARGE:
            held.clear()  # nothing changes but its room
    newer = getattr(sys, "_clear_internal_caches", None)  # Python 3.13, which deprecates the other
    (newer or sys._clear_type_cache)()
    _trim()


def _trim() -> None:
    if sys.platform != "linux":
        return
    import ctypes  # few runs need it

    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


class Rest:
    """Sees when much less is held than before, and has memory given back once it falls no further.

    Each time half of what there was must have gone, so that this stays rare under any traffic.
    """

    def __init__(self, give: Callable[[], object] = give_back) -> None:
        self.due: float | None = None
        """When to call `note` at the latest, in monotonic seconds, or None."""
        self._give = give
        self._most = 0
        self._least = 0  # since `due` was set first

    def note(self, held: int, now: float) -> None:
        """Take note that so many connections and channels are *held* now."""
        self._most = max(self._most, held)
        if self._most < FEW or held > self._most // 2:
            self.due = None
        elif self.due is None or held < self._least:
            self._least = held
            self.due = now + QUIET
        elif now >= self.due:
            self.due = None
            self._most = held
            self._give()
