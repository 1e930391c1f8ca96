"""What the library faces share: options, the steering of a run, its events and its end."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from backends._options import Options
from backends._session import Say, Session, receiving, receiving_into, sending, sending_from
from croc_core.errors import Code, TransferError
from croc_core.events import Completed, Event, Note, OfferSeen, Progress, Text, Verifier
from croc_core.party_io import ComparedWords, Decided

if TYPE_CHECKING:
    from backends.files.stream import Readable, Writable

Path = str | os.PathLike[str]
_MANY = 256
"""With so many events not taken, progress is no longer kept."""


class Events(Protocol):
    """A queue of events that are not taken yet; None is their end."""

    def put_nowait(self, item: Event | None, /) -> None:
        """Add one."""
        ...

    def qsize(self) -> int:
        """Return about how many there are."""
        ...


class Steered:
    """A run that its owner steers and follows: the part of a `Transfer` that waits for nothing.

    Each of its methods may be called from any thread.
    """

    def __init__(self, session: Session, events: Events) -> None:
        self._session = session
        self._queue = events
        self.texts: list[str] = []
        """The texts that were received, once the run has ended well; they may hold anything."""
        self._completed: Completed | None = None
        self._watched = False
        self._offers = self._verifiers = 0  # of those that the owner has seen

    def accept(self) -> None:
        """Accept the offer that an `OfferSeen` told of."""
        self._session.inject(Decided(True, self._offers))

    def decline(self) -> None:
        """Decline the offer: nothing is written."""
        self._session.inject(Decided(False, self._offers))

    def confirm_words(self, agree: bool = True) -> None:
        """Say whether the words of a `Verifier` are the same on the other side's screen."""
        self._session.inject(ComparedWords(agree, self._verifiers))

    def cancel(self) -> None:
        """End the run; the other side is told."""
        self._session.interrupt(Code.SIGINT)

    def _took(self, event: Event) -> Event:
        """Take note of what the owner sees from here on: an answer is to that, and to no later."""
        self._offers += isinstance(event, OfferSeen)
        self._verifiers += isinstance(event, Verifier) and event.ask
        return event

    def _tell(self, event: Any) -> None:
        if isinstance(event, Completed):
            self._completed = event
        elif isinstance(event, Text):
            self.texts.append(event.text)
        elif isinstance(event, Verifier) and event.ask and not self._watched:
            self.confirm_words(False)  # nobody is there to compare them
        if not isinstance(event, Progress) or self._queue.qsize() < _MANY:
            self._queue.put_nowait(event)

    def _outcome(self) -> Completed:
        """Return how a run that has ended ended; raises TransferError where that is no success."""
        failure = self._session.outcome()
        if failure is not None:
            raise TransferError(failure)
        assert self._completed is not None
        return self._completed


T = TypeVar("T", bound=Steered)
Make = Callable[[Session], T]


class Face:
    """Options, and the runs that are made with them."""

    def __init__(self, options: Options | None = None, **keywords: Any) -> None:
        self._options = dataclasses.replace(options or Options(), **keywords)

    def _sending(self, paths: tuple[Path, ...], make: Make[T]) -> T:
        texts = [os.fspath(path) for path in paths]
        return self._noted(lambda say: sending(self._options, texts, say), make)

    def _sending_text(self, text: str, make: Make[T]) -> T:
        from backends.files.text import TextSource

        return make(sending_from(self._options, TextSource(text)))

    def _sending_stream(self, readable: Readable, name: str, make: Make[T]) -> T:
        from backends.files.stream import StreamSource

        return make(sending_from(self._options, StreamSource(readable, name)))

    def _receiving(self, code: str, make: Make[T], into: Writable | None = None) -> T:
        def decide(offer: OfferSeen) -> bool | None:
            decision = self._options.decide(offer)
            return False if decision is None and not transfer._watched else decision

        def show_text(text: str) -> None:
            transfer._session.inject(Text(text))

        def begin(say: Say) -> Session:
            if into is None:
                return receiving(self._options, code, decide, say, show_text)
            from backends.files.stream import StreamSink

            in_order = dataclasses.replace(self._options, streams=1)
            return receiving_into(in_order, code, decide, StreamSink(into))

        transfer = self._noted(begin, make)
        return transfer

    def _noted(self, begin: Callable[[Say], Session], make: Make[T]) -> T:
        """Make a run of what *begin* prepares; what its files have to say is told as a `Note`."""
        early: list[object] = []
        inject: Callable[[object], None] = early.append

        def say(sentence: str) -> None:
            inject(Note(sentence))

        session = begin(say)
        session.early += early
        inject = lambda what: session.inject(what)  # noqa: E731 - it changes once it runs
        return make(session)
