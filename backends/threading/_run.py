"""Running a session to its end in the main thread, signals included."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends._session import Session


class ThreadingBackend:
    """What the command line needs of this backend."""

    name = "backends.threading"

    def run(self, session: Session, tell: Callable[[object], None]) -> None:
        """See `backends._cli.Backend`: SIGINT and SIGTERM end *session* in good order."""
        from contextlib import closing

        from backends._signals import interrupting
        from backends.threading._loop import Loop
        from backends.threading._reactor import Reactor

        hands = Loop.of(session, tell)
        with closing(Reactor()) as reactor, interrupting(session.interrupt, reactor):
            hands.run_on(reactor)
