"""The library face on asyncio: `Croc(relay=...).send(path)` and `.receive(code)`."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Generator, Iterable
from typing import Any

from backends._options import Options
from backends._session import Session, receiving, sending
from backends.asyncio._loop import Loop
from croc_core.errors import Code, TransferError
from croc_core.events import CodeReady, Completed, Event, OfferSeen, Progress
from croc_core.party_io import Decided

Path = str | os.PathLike[str]
_MANY = 256
"""With so many events not taken, progress is no longer kept."""


class Transfer:
    """One run: await it for its end, or iterate over it for its events first.

    It begins when it is first awaited or iterated over. The events are those of
    `croc_core.events`; iterating ends with the run and does not raise, awaiting returns `Completed`
    or raises `TransferError`.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._task: asyncio.Task[Completed] | None = None
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._completed: Completed | None = None
        self._watched = False

    def accept(self) -> None:
        """Accept the offer that an `OfferSeen` told of."""
        self._session.inject(Decided(True))

    def decline(self) -> None:
        """Decline the offer: nothing is written."""
        self._session.inject(Decided(False))

    def cancel(self) -> None:
        """End the run; the other side is told."""
        self._session.interrupt(Code.SIGINT)

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
            yield event
        self._events.put_nowait(None)  # for whoever iterates again

    def _begin(self) -> asyncio.Task[Completed]:
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return self._task

    async def _run(self) -> Completed:
        loop = Loop(self._session.node, listen=self._session.listen, tell=self._tell)
        self._session.inject = loop.inject
        try:
            await loop.run()
        finally:
            self._events.put_nowait(None)
        failure = self._session.outcome()
        if failure is not None:
            raise TransferError(failure)
        assert self._completed is not None
        return self._completed

    def _tell(self, event: Any) -> None:
        if isinstance(event, Completed):
            self._completed = event
        if not isinstance(event, Progress) or self._events.qsize() < _MANY:
            self._events.put_nowait(event)


class Croc:
    """Sends and receives; the keywords are the fields of `Options`.

    >>> transfer = Croc(relay="http://relay.example:8003").send("photo.jpg")  # doctest: +SKIP
    """

    def __init__(self, options: Options | None = None, **keywords: Any) -> None:
        self._options = dataclasses.replace(options or Options(), **keywords)

    def send(self, *paths: Path) -> Transfer:
        """Send files and folders.

        Raises LocalFileError where a path cannot be read, ValueError for an option that is wrong.
        """
        return Transfer(sending(self._options, _texts(paths), lambda _: None))

    def receive(self, code: str) -> Transfer:
        """Receive into the folder `out`.

        An offer is accepted at once with `yes`; else by `accept` and `decline` for who iterates
        over the events, and declined where nobody does.
        """
        transfer: Transfer | None = None

        def decide(offer: OfferSeen) -> bool | None:
            decision = self._options.decide(offer)
            asked = transfer is not None and transfer._watched
            return False if decision is None and not asked else decision

        transfer = Transfer(receiving(self._options, code, decide, lambda _: None))
        return transfer


def _texts(paths: Iterable[Path]) -> list[str]:
    return [os.fspath(path) for path in paths]
