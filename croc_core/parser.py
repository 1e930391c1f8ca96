"""Messages out of the plaintext of records, however the records cut them."""

from __future__ import annotations

from collections.abc import Callable

from croc_core import messages
from croc_core.content import Codec, Sink
from croc_core.errors import Party, RemoteProtocolError
from croc_core.messages import HEAD, PIECE, PIECE_HEAD, ZERO_COUNT, Message


class Parser:
    """A pull parser: `feed` it one record's plaintext, then `parse` until nothing is pending.

    File bytes of a raw piece are handed to the sink as they come: each record is genuine by itself.
    """

    def __init__(self) -> None:
        self.sink: Sink | None = None
        """Where pieces go; None while they are not allowed."""
        self.moved = 0
        """File bytes handed on so far, zeros included."""
        self.passed = 0
        """Entries with bytes that lie behind: another one has begun since."""
        self.spent = 0
        """Length of the record whose plaintext was fed last, header and tag included."""
        self._plain = memoryview(b"")
        self._part = bytearray()  # of a unit that a record cuts in two
        self._next: Callable[[], bool] = self._head
        self._kind = 0
        self._left = 0  # bytes still to come of the message's body
        self._entry = -1
        self._offset = 0
        self._message: Message | None = None

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
        else:
            self._next = self._control if self._kind in messages.CONTROL else self._skip
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
        if codec is Codec.ZSTD:
            raise RemoteProtocolError(Party.PEER, "a codec that was not agreed")
        if codec is Codec.ZEROS and self._left != ZERO_COUNT.size:
            raise RemoteProtocolError(Party.PEER, "a piece of zeros has an impossible length")
        self._next = self._raw if codec is Codec.RAW else self._zeros
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
