"""Whole runs by the library faces: a relay, a sender and a recipient, each in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import backends.asyncio
import backends.threading
from backends._options import RelayOptions
from backends._session import relaying
from backends.threading._loop import Loop
from croc_core.events import CodeReady, Completed, Event, Listening, Waiting
from tests.ports import own

SOON = 60.0
"""Seconds after which a test gives up; nothing takes so long."""

Answer = Callable[[Event, Any], None]


class RelayRun:
    """A relay in a thread, which can be stopped and started at the same ports."""

    def __init__(self, host: str, data_ports: int = 1) -> None:
        self.host = host
        self.ports = own(1 + data_ports)
        self.start()

    def start(self) -> None:
        options = RelayOptions(host=self.host, port=self.ports[0], data_ports=self.ports[1:])
        events: SimpleQueue[object] = SimpleQueue()
        self.loop = Loop.of(relaying(options), events.put)
        self.thread = threading.Thread(target=self.loop.run, name="relay", daemon=True)
        self.thread.start()
        listening = events.get(timeout=SOON)
        assert isinstance(listening, Listening), listening

    def stop(self) -> None:
        self.loop.stop()
        self.thread.join(SOON)


BLOCKING = {
    "send": "sending",
    "send_text": "sending_text",
    "send_stream": "sending_stream",
    "receive": "receiving",
}
"""What gives a `Transfer` where `send` and `receive` block."""


class Run:
    """One party, in a thread, on either backend; *answer* gets its events, and its transfer.

    *begin* and *what* are the method of `Croc` on asyncio, and its arguments.
    """

    def __init__(
        self, backend: str, begin: str, what: tuple[Any, ...], answer: Answer, **options: Any
    ) -> None:
        self.events: list[Event] = []
        self.code: SimpleQueue[str] = SimpleQueue()
        self.transfer: Any = None
        self._answer = answer
        self._end: Completed | Exception | None = None
        call = self._asyncio if backend == "asyncio" else self._threading
        self._thread = threading.Thread(target=self._run, args=(call, begin, what, options))
        self._thread.daemon = True
        self._thread.start()

    def _run(self, call: Callable[..., Completed], *args: object) -> None:
        try:
            self._end = call(*args)
        except Exception as error:
            self._end = error

    def _asyncio(self, begin: str, what: tuple[Any, ...], options: dict[str, Any]) -> Completed:
        async def run() -> Completed:
            self.transfer = getattr(backends.asyncio.Croc(**options), begin)(*what)
            async for event in self.transfer:
                self._heard(event, self.transfer)
            completed: Completed = await self.transfer
            return completed

        return asyncio.run(run())

    def _threading(self, begin: str, what: tuple[Any, ...], options: dict[str, Any]) -> Completed:
        croc = backends.threading.Croc(**options)
        self.transfer = getattr(croc, BLOCKING[begin])(*what)
        for event in self.transfer:
            self._heard(event, self.transfer)
        completed: Completed = self.transfer.result()
        return completed

    def _heard(self, event: Event, transfer: Any) -> None:
        self.events.append(event)
        if isinstance(event, CodeReady):
            self.code.put(event.code)
        self._answer(event, transfer)

    def end(self) -> Completed:
        self._thread.join(SOON)
        if isinstance(self._end, Exception):
            raise self._end
        assert self._end is not None, self.events
        return self._end

    def waited_for(self, what: str) -> bool:
        return Waiting(what) in self.events


def nothing(event: Event, transfer: Any) -> None:
    """Answer no event."""
