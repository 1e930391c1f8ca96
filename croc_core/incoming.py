"""The receiving side of one data connection: bytes in; lines, hellos and messages out.

`Reader` is handed to a backend, which reads into `buffer()` until `ready()`. Pieces go straight to
the sink as they come and are never held whole; everything else is returned by `take`, one unit at a
time, so that nothing behind a unit is looked at before the machine has judged it.
"""

from __future__ import annotations

from croc_core.content import Sink
from croc_core.errors import LocalProtocolError, Party, RemoteProtocolError
from croc_core.identify import MAX_REPLY
from croc_core.messages import Message
from croc_core.parser import Inflate, Parser
from croc_core.seal import HEADER, MAX_PLAIN, TAG, Opener
from croc_core.values import Value


class Line(Value, frozen=True):
    """The relay's answer to the identification line, newline included."""

    text: bytes


class Hello(Value, frozen=True):
    """The peer's hello, unchecked."""

    data: bytes


class Heard(Value, frozen=True):
    """A control message; `last` where it ends the record with the last flag."""

    message: Message
    last: bool


class End(Value, frozen=True):
    """The stream has ended; `whole` where the record with the last flag came before."""

    whole: bool


Unit = Line | Hello | Heard | End


class Reader:
    """The consumer of one data connection; on a *further* one nothing but pieces may come."""

    def __init__(self, *, further: bool = False) -> None:
        self._further = further
        self._buffer = memoryview(bytearray(256))
        self._filled = 0
        self._expect = 0  # of a hello: bytes; 0: a line
        self._opener: Opener | None = None
        self._parser: Parser | None = None
        self._unit: Unit | None = None
        self._eof = False
        self.received = 0
        """Bytes of any kind that have come."""
        self.genuine = 0
        """Bytes of plaintext out of records that were genuine."""
        self._broken: Exception | None = None

    @property
    def moved(self) -> int:
        """File bytes that have come so far, zeros included."""
        return 0 if self._parser is None else self._parser.moved

    @property
    def passed(self) -> int:
        """Files with bytes that lie behind."""
        return 0 if self._parser is None else self._parser.passed

    @property
    def entry(self) -> int:
        """The entry whose bytes came last; -1 for none."""
        return -1 if self._parser is None else self._parser.entry

    def expect_hello(self, length: int) -> None:
        """From here on, the next unit is a hello of *length* bytes."""
        self._expect = length

    def secure(self, opener: Opener) -> None:
        """From here on, sealed records come."""
        kept = bytes(self._buffer[: self._filled])
        self._buffer = memoryview(bytearray(HEADER + MAX_PLAIN + TAG + HEADER))
        self._buffer[: len(kept)] = kept
        self._opener, self._parser = opener, Parser(further=self._further)

    def allow_pieces(self, sink: Sink, inflate: Inflate | None = None) -> None:
        """From here on pieces may come, and go to *sink*; compressed ones only with *inflate*."""
        if self._parser is None:
            raise LocalProtocolError("pieces before the keys")
        self._parser.sink, self._parser.inflate = sink, inflate

    def take(self) -> Unit:
        """Return the unit that is ready."""
        unit, self._unit = self._unit, None
        if unit is None:
            raise LocalProtocolError("nothing is ready")
        return unit

    # ---- as a backend sees it

    def ready(self) -> bool:
        """See `Consumer`. Raises RemoteProtocolError for bytes that are not allowed.

        What was raised once, here or by the sink, is raised ever after: nothing behind it is read.
        """
        if self._broken is not None:
            raise self._broken
        try:
            while self._unit is None and self._step():
                pass
        except Exception as error:
            self._broken = error
            raise
        if self._unit is None and self._eof:
            if self._filled or (self._parser is not None and not self._parser.between):
                self._unit = End(whole=False)
            else:
                self._unit = End(whole=self._opener is not None and self._opener.ended)
        return self._unit is not None

    def buffer(self) -> memoryview:
        """See `Consumer`."""
        if self._opener is None:
            end = self._expect or MAX_REPLY
        elif self._filled < HEADER:
            end = HEADER
        else:
            # The next record's header is taken along where it is there already.
            end = HEADER + self._length() + HEADER
        return self._buffer[self._filled : end]

    def advance(self, count: int) -> None:
        """See `Consumer`."""
        self._filled += count
        self.received += count
        self._eof = not count

    # ---- units

    def _step(self) -> bool:
        """Make progress on what is buffered; say whether there was any."""
        if self._parser is not None and self._opener is not None:
            return self._parse(self._parser) or self._record(self._opener, self._parser)
        return self._hello() if self._expect else self._line()

    def _line(self) -> bool:
        at = bytes(self._buffer[: self._filled]).find(b"\n")
        if at < 0:
            if self._filled >= MAX_REPLY:
                raise RemoteProtocolError(Party.RELAY, "the relay's data port makes no sense")
            return False
        self._unit = Line(self._cut(at + 1))
        return True

    def _hello(self) -> bool:
        if self._filled < self._expect:
            return False
        self._unit = Hello(self._cut(self._expect))
        return True

    def _cut(self, count: int) -> bytes:
        """Take *count* bytes off the front of the small buffer."""
        data = bytes(self._buffer[: self._filled])
        self._filled -= count
        self._buffer[: self._filled] = data[count:]
        return data[:count]

    def _length(self) -> int:
        assert self._opener is not None
        return self._opener.length(bytes(self._buffer[:HEADER]))

    def _parse(self, parser: Parser) -> bool:
        """Go on in the plaintext that is at hand."""
        if not parser.pending:
            return False
        message = parser.parse()
        if message is not None:
            assert self._opener is not None
            self._unit = Heard(message, self._opener.ended and not parser.pending)
        return True

    def _record(self, opener: Opener, parser: Parser) -> bool:
        """Open the next record where it is whole; its plaintext must be used up before this."""
        if parser.spent:
            self._drop_record(parser)
        if self._filled < HEADER:
            return False
        end = HEADER + self._length()
        if self._filled < end:
            return False
        plain = opener.open(bytes(self._buffer[:HEADER]), self._buffer[HEADER:end])
        self.genuine += len(plain)
        parser.feed(plain, end)
        return True

    def _drop_record(self, parser: Parser) -> None:
        """Move what came behind the spent record to the front."""
        rest = bytes(self._buffer[parser.spent : self._filled])
        self._buffer[: len(rest)] = rest
        self._filled = len(rest)
        parser.spent = 0
