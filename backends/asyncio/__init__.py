"""The asyncio backend: one event loop, and threads for the parties' data path.

`from backends.asyncio import Croc` is its library face (docs/library.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backends.asyncio._croc import Croc, Transfer

__all__ = ["Croc", "Transfer"]


def __getattr__(name: str) -> Any:
    # On demand: `python -m backends.asyncio` imports this module before it knows what it will do.
    if name in __all__:
        from backends.asyncio import _croc

        return getattr(_croc, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
