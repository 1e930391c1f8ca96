"""The loop around a node in the calling thread: `NodeLoop` on a `Reactor`."""

from __future__ import annotations

from contextlib import closing

from backends._loop import NodeLoop, Options
from backends._sockets import Listen
from backends.threading._reactor import Reactor

__all__ = ["Listen", "Loop", "Options"]


class Loop(NodeLoop):
    """Runs one node in the thread that calls `run`; others only make bytes, take them, or work."""

    def run(self) -> None:
        """Run the node until it is finished or `stop` is called, then close all that is open.

        Raises OSError where a listener cannot be opened, and what the node raises, if it does.
        """
        with closing(Reactor()) as reactor:
            self.run_on(reactor)

    def run_on(self, reactor: Reactor) -> None:
        """Run on a reactor that the caller closes; see `run`."""
        try:
            self._begin(reactor, reactor.stop)
            reactor.run()
            self._shut(reactor.stop)
            reactor.run()
        except BaseException:
            self._shut(reactor.stop)  # without waiting
            raise
        finally:
            self._abandon()
