"""Messages out of the plaintext of records, however the records cut them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from croc_core import messages
from croc_core.content import MAX_PIECE, Codec, Sink
from croc_core.errors import Party, RemoteProtocolError
from croc_core.messages import HEAD, PIECE, PIECE_HEAD, PLAIN_LENGTH, ZERO_COUNT, Message

Inflate: TypeAlias = Callable[[bytes | memoryview, int], bytes]
"""Returns what one Zstandard frame holds; the second argument is how long that should be.

Takes memory for no more than so much, one byte more, and a window; RemoteProtocolError where the
data are anything else. The length of what is returned is looked at by the caller.
"""


class Parser:
    """A pull parser: `feed` it one record's plaintext, then `parse` until nothing is pending.

    File bytes of a raw piece are handed to the sink as they come: each record is genuine by itself.
    """

    def __init__(self, *, further: bool = False) -> None:
        self.sink: Sink | None = None
        """Where pieces go; None while they are not allowed."""
        self.inflate: Inflate | None = None
        """Undoes codec 1; None where it was not agreed."""
        self.moved = 0
        """File bytes handed on so far, zeros included."""
        self.passed = 0
        """Entries with bytes that lie behind: another one has begun since."""
        self.spent = 0
        """Length of the record whose plaintext was fed last, header and tag included."""
        self._further = further
        self._plain = memoryview(b"")
        self._part = bytearray()  # of a unit that a record cuts in two
        self._next: Callable[[], bool] = self._head
        self._kind = 0
        self._left = 0  # bytes still to come of the message's body
        self._entry = -1
        self._offset = 0
        self._message: Message | None = None

    @property
    def entry(self) -> int:
        """The entry whose bytes came last; -1 for none."""
        return self._entry

    @property
    def pending(self) -> bool:
        """Whether plaintext is at hand."""
        return bool(self._plain)

    @property
    def between(self) -> bool:
        """Whether all that was fed is used up, and no message is cut in two."""
        return not self._plain and not self._part and self._next == self._head

    def feed(self, plain: memoryview, record: int) -> None:
        """Take the plaintext of a record that is *record* bytes long in the caller's buffer."""
        self._plain = plain
        self.spent = record

    def parse(self) -> Message | None:
        """Go on until a control message is whole, and return it; None when more must be fed.

        Raises RemoteProtocolError for what the protocol does not allow, and what the sink raises.
        """
        while self._next():
            if self._message is not None:
                message, self._message = self._message, None
                return message
        return None

    # Each step uses up some plaintext, sets the next step, and says whether it came to its end.

    def _gather(self, count: int) -> bytes | memoryview | None:
        """Return the next *count* bytes, or None where they have not all come yet."""
        if not self._part and len(self._plain) >= count:
            data, self._plain = self._plain[:count], self._plain[count:]
            return data
        need = count - len(self._part)
        self._part += self._plain[:need]
        self._plain = self._plain[need:]
        if len(self._part) < count:
            return None
        whole = bytes(self._part)
        self._part.clear()
        return whole

    def _head(self) -> bool:
        head = self._gather(HEAD.size)
        if head is None:
            return False
        self._kind, self._left = HEAD.unpack(head)
        messages.check_head(self._kind, self._left)
        if self._kind == PIECE:
            if self.sink is None:
                raise RemoteProtocolError(Party.PEER, "a piece before anything was accepted")
            self._next = self._piece
        elif self._kind in messages.CONTROL:
            if self._further:
                raise RemoteProtocolError(Party.PEER, "other than pieces on a further connection")
            self._next = self._control
        else:
            self._next = self._skip
        return True

    def _control(self) -> bool:
        body = self._gather(self._left)
        if body is None:
            return False
        self._message = messages.decode(self._kind, body)
        self._next = self._head
        return True

    def _skip(self) -> bool:
        count = min(self._left, len(self._plain))
        self._plain = self._plain[count:]
        self._left -= count
        if self._left:
            return False
        self._next = self._head
        return True

    def _piece(self) -> bool:
        head = self._gather(PIECE_HEAD.size)
        if head is None:
            return False
        before = self._entry
        self._entry, self._offset, number = PIECE_HEAD.unpack(head)
        self.passed += before not in (-1, self._entry)
        self._left -= PIECE_HEAD.size
        codec = messages.codec_of(number)
        if codec is Codec.RAW:
            self._next = self._raw
        elif codec is Codec.ZEROS:
            if self._left != ZERO_COUNT.size:
                raise RemoteProtocolError(Party.PEER, "a piece of zeros has an impossible length")
            self._next = self._zeros
        else:
            if self.inflate is None:
                raise RemoteProtocolError(Party.PEER, "a codec that was not agreed")
            if self._left <= PLAIN_LENGTH.size:
                raise RemoteProtocolError(Party.PEER, "a compressed piece has no frame")
            self._next = self._zstd
        return True

    def _raw(self) -> bool:
        assert self.sink is not None
        count = min(self._left, len(self._plain))
        if count:
            self.sink.write(self._entry, self._offset, self._plain[:count])
        self._plain = self._plain[count:]
        self._left -= count
        self._offset += count
        self.moved += count
        if self._left:
            return False
        self._next = self._head
        return True

    def _zeros(self) -> bool:
        assert self.sink is not None
        data = self._gather(ZERO_COUNT.size)
        if data is None:
            return False
        (count,) = ZERO_COUNT.unpack(data)
        self.sink.zeros(self._entry, self._offset, count)
        self.moved += count
        self._next = self._head
        return True

    def _zstd(self) -> bool:
        assert self.sink is not None
        assert self.inflate is not None
        data = self._gather(self._left)
        if data is None:
            return False
        (length,) = PLAIN_LENGTH.unpack_from(data)
        if not 1 <= length <= MAX_PIECE:
            raise RemoteProtocolError(Party.PEER, "a compressed piece has an impossible length")
        plain = self.inflate(memoryview(data)[PLAIN_LENGTH.size :], length)
        if len(plain) != length:
            raise RemoteProtocolError(Party.PEER, "a compressed piece has another length than said")
        self.sink.write(self._entry, self._offset, memoryview(plain))
        self.moved += length
        self._next = self._head
        return True
