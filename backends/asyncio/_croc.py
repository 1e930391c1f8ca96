"""The library face on asyncio: `Croc(relay=...).send(path)` and `.receive(code)`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from typing import TYPE_CHECKING, Any

from backends._face import Face, Path, Steered
from backends._session import Session
from backends.asyncio._loop import Loop
from croc_core.events import CodeReady, Completed, Event

if TYPE_CHECKING:
    from backends.files.stream import Readable, Writable


class Transfer(Steered):
    """One run: await it for its end, or iterate over it for its events first.

    It begins when it is first awaited or iterated over. The events are those of
    `croc_core.events`; iterating ends with the run and does not raise, awaiting returns `Completed`
    or raises `TransferError`.
    """

    def __init__(self, session: Session) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        super().__init__(session, self._events)
        self._task: asyncio.Task[Completed] | None = None

    async def code(self) -> str:
        """Begin, and return the code to tell the other person, as soon as it stands.

        Raises TransferError where the run ends before that.
        """
        async for event in self:
            if isinstance(event, CodeReady):
                return event.code
        await self
        raise AssertionError("a sender cannot succeed without a code")

    def __await__(self) -> Generator[Any, None, Completed]:
        return self._begin().__await__()

    async def __aiter__(self) -> AsyncIterator[Event]:
        self._watched = True
        self._begin()
        while (event := await self._events.get()) is not None:
            yield self._took(event)
        self._events.put_nowait(None)  # for whoever iterates again

    def _begin(self) -> asyncio.Task[Completed]:
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return self._task

    async def _run(self) -> Completed:
        loop = Loop.of(self._session, self._tell)
        try:
            await loop.run()
        finally:
            self._events.put_nowait(None)
        return self._outcome()


class Croc(Face):
    """Sends and receives; the keywords are the fields of `Options`.

    >>> transfer = Croc(relay="http://relay.example:8003").send("photo.jpg")  # doctest: +SKIP
    """

    def send(self, *paths: Path) -> Transfer:
        """Send files and folders.

        Raises LocalFileError where a path cannot be read, ValueError for an option that is wrong.
        """
        return self._sending(paths, Transfer)

    def send_text(self, text: str) -> Transfer:
        """Send a text, which the other side sees; errors as for `send`."""
        return self._sending_text(text, Transfer)

    def send_stream(self, readable: Readable, name: str = "stdin") -> Transfer:
        """Send what *readable* gives until its end, as a file called *name*; errors as for `send`.

        It is read in a thread, while it is sent; see `StreamSource`.
        """
        return self._sending_stream(readable, name, Transfer)

    def receive(self, code: str, into: Writable | None = None) -> Transfer:
        """Receive into the folder `out`, or write the one file that is offered to *into*.

        An offer is accepted at once with `yes`; else by `accept` and `decline` for who iterates
        over the events, and declined where nobody does. *into* is written in a thread.
        """
        return self._receiving(code, Transfer, into)
