"""The asyncio loop around a node: `NodeLoop` on the running event loop."""

from __future__ import annotations

import asyncio

from backends._loop import NodeLoop, Options
from backends._sockets import Listen

__all__ = ["Listen", "Loop", "Options"]


class Loop(NodeLoop):
    """Runs one node on the running event loop."""

    async def run(self) -> None:
        """Run the node until it is finished or `stop` is called, then close all that is open.

        Raises OSError where a listener cannot be opened, and what the node raises, if it does.
        """
        ended, closed = asyncio.Event(), asyncio.Event()
        try:
            self._begin(asyncio.get_running_loop(), ended.set)
            await ended.wait()
        finally:
            self._shut(closed.set)
            try:
                await closed.wait()
            finally:
                self._abandon()
