"""The library face that blocks: `Croc(relay=...).send(path)` and `.receive(code)`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING

from backends._face import Face, Path, Steered
from backends._session import Session
from backends.threading._loop import Loop
from croc_core.events import CodeReady, Completed, Event

if TYPE_CHECKING:
    from backends.files.stream import Readable, Writable

Tell = Callable[[Event], object]
_GRACE = 5.0
"""How long a run that is cancelled may keep its owner waiting, in seconds."""


class Transfer(Steered):
    """One run, in a thread of its own: ask for its `result`, or iterate for its events first.

    It begins when it is first asked or iterated over. The events are those of
    `croc_core.events`; iterating ends with the run and does not raise, `result` does.
    """

    def __init__(self, session: Session) -> None:
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        super().__init__(session, self._events)
        self._loop = Loop.of(session, self._tell)
        self._thread = threading.Thread(target=self._run, name="croc-core", daemon=True)
        self._begun = threading.Lock()
        self._raised: BaseException | None = None

    def code(self) -> str:
        """Begin, and return the code to tell the other person, as soon as it stands.

        Raises TransferError where the run ends before that.
        """
        for event in self:
            if isinstance(event, CodeReady):
                return event.code
        self.result()
        raise AssertionError("a sender cannot succeed without a code")

    def result(self) -> Completed:
        """Wait for the end; raises TransferError where it is no success."""
        self._begin()
        self._thread.join()
        if self._raised is not None:
            raise self._raised
        return self._outcome()

    def __iter__(self) -> Iterator[Event]:
        self._watched = True
        return self._follow()

    def _follow(self) -> Iterator[Event]:
        self._begin()
        while (event := self._events.get()) is not None:
            yield self._took(event)
        self._events.put(None)  # for whoever iterates again

    def _begin(self) -> None:
        if self._begun.acquire(blocking=False):  # and never released: it begins once
            self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run()
        except BaseException as error:
            self._raised = error  # it is the owner's, who asks for the result
        finally:
            self._events.put(None)


class Croc(Face):
    """Sends and receives; the keywords are the fields of `Options`.

    `send` and `receive` block until all is done; `sending` and `receiving` give a `Transfer`, to
    be followed and steered.

    >>> Croc(relay="http://relay.example:8003").send("photo.jpg")  # doctest: +SKIP
    """

    def send(self, *paths: Path, tell: Tell | None = None) -> Completed:
        """Send files and folders.

        *tell* gets every event, in this thread; without it the code goes to standard error, as
        nobody else would learn it. Raises TransferError where it fails, LocalFileError where a path
        cannot be read, ValueError for an option that is wrong.
        """
        return _followed(self.sending(*paths), tell or _tell_code)

    def send_text(self, text: str, *, tell: Tell | None = None) -> Completed:
        """Send a text, which the other side sees; the rest as for `send`."""
        return _followed(self.sending_text(text), tell or _tell_code)

    def send_stream(
        self, readable: Readable, name: str = "stdin", *, tell: Tell | None = None
    ) -> Completed:
        """Send what *readable* gives until its end, as a file called *name*; see `send`."""
        return _followed(self.sending_stream(readable, name), tell or _tell_code)

    def receive(
        self, code: str, into: Writable | None = None, *, tell: Tell | None = None
    ) -> Completed:
        """Receive into the folder `out`, or write the one file that is offered to *into*.

        An offer is declined where the options do not decide, as by `yes`. *tell* and errors as for
        `send`. The texts that come are in `receiving(code).texts`.
        """
        return _followed(self.receiving(code, into), tell or _tell_nobody)

    def sending(self, *paths: Path) -> Transfer:
        """Prepare to send files and folders; errors as for `send`."""
        return self._sending(paths, Transfer)

    def sending_text(self, text: str) -> Transfer:
        """Prepare to send a text; errors as for `send`."""
        return self._sending_text(text, Transfer)

    def sending_stream(self, readable: Readable, name: str = "stdin") -> Transfer:
        """Prepare to send a stream; errors as for `send`, and see `StreamSource`."""
        return self._sending_stream(readable, name, Transfer)

    def receiving(self, code: str, into: Writable | None = None) -> Transfer:
        """Prepare to receive into the folder `out`, or to write the one file to *into*.

        An offer is accepted at once with `yes`; else by `accept` and `decline` for who iterates
        over the events, and declined where nobody does.
        """
        return self._receiving(code, Transfer, into)


def _followed(transfer: Transfer, tell: Tell) -> Completed:
    """Run *transfer* to its end; cancel it where *tell* raises, or Ctrl-C is pressed."""
    try:
        for event in transfer._follow():
            tell(event)
    except BaseException:
        transfer.cancel()
        transfer._thread.join(_GRACE)
        raise
    return transfer.result()


def _tell_code(event: Event) -> None:
    if isinstance(event, CodeReady):
        print(f"Code: {event.code}  (relay: {event.relay})", file=sys.stderr)


def _tell_nobody(_: Event) -> None:
    """The result says all."""
