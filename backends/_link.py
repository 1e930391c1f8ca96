"""A party's data connection, without I/O: the machine's words to bytes, and bytes to its inputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from backends._gate import Gate
from backends._io import (
    Broken,
    Close,
    Conn,
    Connect,
    Connected,
    Drain,
    Drained,
    Effect,
    HalfClose,
    Input,
    Producer,
    Pump,
    Pumped,
    Send,
)
from croc_core import incoming, messages
from croc_core.errors import Code, Failure, Party, RemoteProtocolError, TransferError
from croc_core.incoming import End, Hello, Line, Reader
from croc_core.messages import Accept, Decline, Want
from croc_core.party import LINK
from croc_core.party_io import (
    EndRecords,
    Garbled,
    Greet,
    Greeted,
    Heard,
    Identified,
    LinkEnded,
    LocalBroke,
    Secure,
    Speak,
)
from croc_core.party_io import Input as PartyInput
from croc_core.seal import Opener, Sealer

STILL_HERE = 15.0
"""A side that has sent nothing on connection 0 for so long says that it is alive, in seconds."""

Told = tuple[PartyInput, ...]


def broken(number: int, error: BaseException) -> PartyInput:
    """What *error*, raised by a producer, a consumer or the sink, means to the machine."""
    if isinstance(error, RemoteProtocolError):
        return Garbled(number, str(error))
    if isinstance(error, TransferError):
        return LocalBroke(error.failure)
    text = f"A bug of this program: {type(error).__name__}: {error}."
    return LocalBroke(Failure(Code.INTERNAL, Party.LOCAL, text, "Please report it."))


class Link:
    """Data connection *number* of a run, from one dial to the end of that."""

    def __init__(self, number: int, conn: Conn, line: bytes) -> None:
        self.conn = conn
        self.number = number
        self.gate = Gate()
        self.reader = Reader(further=number != LINK)
        self.sealer: Sealer | None = None
        self._consumer = self.gate.consumer(self.reader)
        self._line = line
        self._draining = False
        self._pumped: Callable[[], PartyInput] | None = None
        self._waiting: deque[Effect | Speak | EndRecords] = deque()  # what comes behind a pump
        self._early: Told = ()  # the answer to what a pump sent that is not known to be over
        self._spoke = 0.0

    def dial(self, host: str, port: int, local: str | None) -> tuple[Effect, ...]:
        """Connect."""
        return (Connect(self.conn, host, port, local),)

    def greet(self, greet: Greet) -> tuple[Effect, ...]:
        """Send our hello, expect the peer's."""
        self.reader.expect_hello(greet.expect)
        return Send(self.conn, greet.hello), *self.hear()

    def secure(self, keys: Secure, now: float) -> None:
        """Begin sealed records."""
        self.reader.secure(Opener(keys.aead, keys.open))
        self.sealer = Sealer(keys.aead, keys.seal)
        self._spoke = now

    def hear(self) -> tuple[Effect, ...]:
        """Wait for the next unit, unless that is under way already."""
        if self._draining:
            return ()
        self._draining = True
        return (Drain(self.conn, self._consumer),)

    def speak(self, speak: Speak | EndRecords, now: float) -> tuple[Effect, ...]:
        """Seal and send a message, or the last record; behind a pump where one is under way."""
        return self._queue(speak, now)

    def half_close(self, now: float) -> tuple[Effect, ...]:
        """End the sending direction behind all that was said."""
        return self._queue(HalfClose(self.conn), now)

    def hang(self) -> tuple[Effect, ...]:
        """Close; threads that are still at it come to the files no more."""
        self.gate.shut()
        return (Close(self.conn),)

    def pump(self, producer: Producer, pumped: Callable[[], PartyInput]) -> tuple[Effect, ...]:
        """Send what *producer* makes; *pumped* says what the machine is told when it is out."""
        self._pumped = pumped
        return (Pump(self.conn, self.gate.producer(producer)),)

    def still_here(self, now: float) -> tuple[Effect, ...]:
        """Say that we are alive, if nothing else was said for a while."""
        sealer = self.sealer
        quiet = now - self._spoke >= STILL_HERE and self.number == LINK
        if sealer is None or sealer.ended or self._pumped is not None or not quiet:
            return ()
        self._spoke = now
        return (Send(self.conn, sealer.record(messages.still_here())),)

    def handle(self, event: Input, now: float) -> tuple[tuple[Effect, ...], Told]:
        """Take an input about this connection."""
        match event:
            case Connected():
                return (Send(self.conn, self._line), *self.hear()), ()
            case Drained(_, error):
                self._draining = False
                return (), self._drained(error)
            case Pumped(_, error):
                return self._after_pump(error, now)
            case Broken(_, cause):
                return (), (LinkEnded(self.number, cause),)
        return (), ()

    def _drained(self, error: BaseException | None) -> Told:
        told = self._heard() if error is None else broken(self.number, error)
        match told:
            case Heard(_, Accept() | Decline() | Want(), _) if self._pumped is not None:
                # The peer can be faster than the thread that tells us that it is all out.
                self._early = (told,)
                return ()
        return (told,)

    def _heard(self) -> PartyInput:
        try:
            self.reader.ready()  # the end of the stream may have come last
        except Exception as error:
            return broken(self.number, error)
        match self.reader.take():
            case Line(text):
                return Identified(self.number, text)
            case Hello(data):
                return Greeted(self.number, data)
            case incoming.Heard(message, last):
                return Heard(self.number, message, last)
            case End(whole):
                cause = "it hung up" if whole else "it ended in the middle"
                return LinkEnded(self.number, cause, whole)

    def _after_pump(
        self, error: BaseException | None, now: float
    ) -> tuple[tuple[Effect, ...], Told]:
        pumped, self._pumped = self._pumped, None
        assert pumped is not None
        self._spoke = now
        effects: tuple[Effect, ...] = ()
        while self._waiting:
            effects += self._say(self._waiting.popleft(), now)
        early, self._early = self._early, ()
        return effects, (pumped() if error is None else broken(self.number, error), *early)

    def _queue(self, what: Effect | Speak | EndRecords, now: float) -> tuple[Effect, ...]:
        if self._pumped is None:
            return self._say(what, now)
        self._waiting.append(what)
        return ()

    def _say(self, what: Effect | Speak | EndRecords, now: float) -> tuple[Effect, ...]:
        if not isinstance(what, Speak | EndRecords):
            return (what,)
        assert self.sealer is not None
        self._spoke = now
        if isinstance(what, EndRecords):
            return (Send(self.conn, self.sealer.record(b"", last=True)),)
        sealed = self.sealer.record(messages.encode(what.message), last=what.last)
        return (Send(self.conn, sealed),)
