"""Running a session to its end on asyncio, signals included."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends._session import Session


class AsyncioBackend:
    """What the command line needs of this backend."""

    name = "backends.asyncio"

    def run(self, session: Session, tell: Callable[[object], None]) -> None:
        """Run *session*; return when it has ended.

        SIGINT and SIGTERM end it in good order; a second SIGINT raises KeyboardInterrupt, with
        nothing tidied up. From the end on both do nothing, as the outcome stands. For the main
        thread. Raises OSError where a listener cannot be opened.
        """
        import asyncio  # a command that ends at its arguments does without

        from backends._signals import interrupting
        from backends.asyncio._loop import Loop

        hands = Loop.of(session, tell)
        loop = asyncio.new_event_loop()
        try:
            with interrupting(session.interrupt, loop):
                loop.run_until_complete(hands.run())
        except KeyboardInterrupt:
            raise  # at once: closing the loop would lose nothing, but the outcome is not known
        except BaseException:
            loop.close()
            raise
        loop.close()
