"""The threading backend: no event loop to live in; a selector in one thread does the waiting.

Further threads exist only for calls that block: files, names, and the parties' data path.
`from backends.threading import Croc` is its library face (docs/library.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backends.threading._croc import Croc, Transfer

__all__ = ["Croc", "Transfer"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # on demand, as in backends.asyncio
        from backends.threading import _croc

        return getattr(_croc, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
