"""What is not a file on a disk: a stream to send, and a stream to write what arrives to.

Neither has a temporary copy. A stream cannot be read twice, so its last bytes are kept for a
connection that is lost (STREAM-4).
"""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Callable, Iterator, Sequence
from io import RawIOBase
from typing import Protocol

from backends._show import show
from backends.files.limits import MAX_OFFERED
from backends.files.trouble import local_error
from croc_core.content import (
    EMPTY,
    MAX_SIZE,
    Arrived,
    Entry,
    Kind,
    Span,
    Stretch,
    Totals,
    Verdict,
)
from croc_core.errors import LocalFileError, LocalProtocolError, Party, RemoteProtocolError

KEPT = 16 << 20
"""How many of a stream's last bytes can be read again."""
MAX_SHOWN = 20
"""How many refused names a verdict lists."""

_PATIENCE = 200
"""How long a read waits before it looks whether the source is closed, in milliseconds."""
_ZEROS = bytes(1 << 16)


class Readable(Protocol):
    """Anything that gives bytes: a pipe, a socket's file, an `io.BytesIO`."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to *size* bytes, b"" only at the end."""
        ...


class Writable(Protocol):
    """Anything that takes bytes."""

    def write(self, data: memoryview, /) -> int | None:
        """Take *data*, or its beginning, and say how much; None where it takes nothing now."""
        ...


class StreamSource:
    """Offers what *readable* gives as one stream called *name*; a `croc_core.content.Source`.

    It is read as it is sent, by `read1` where there is one, so that nothing waits for more to come.
    A pipe without a buffer of Python's (`open(..., buffering=0)`) is best: a read that waits on one
    ends soon after `close`; any other goes on until something comes. The readable is not closed.
    One thread reads; `close` may come from another. It holds KEPT bytes.
    """

    def __init__(self, readable: Readable, name: str = "stdin") -> None:
        self._name = name
        self._read: Callable[[int], bytes | None] = getattr(readable, "read1", readable.read)
        # Of any other Python may have bytes that the system does not know of.
        self._fd = readable.fileno() if isinstance(readable, RawIOBase) else None
        self._kept = memoryview(bytearray(KEPT))
        self._end = 0  # how many bytes have been read
        self._over = False
        self._closed = threading.Event()

    def walk(self) -> Iterator[Entry]:
        """See `Source.walk`."""
        yield Entry(Kind.STREAM, self._name, None, {})

    def path(self, entry: int) -> str:
        """Return the name of the stream."""
        del entry
        return self._name

    def read_into(self, entry: int, offset: int, buffer: memoryview) -> int:
        """See `Source.read_into`; waits for what comes next."""
        if entry or not 0 <= offset <= self._end:
            raise LocalProtocolError("no such bytes of a stream")
        if offset == self._end:
            return self._next(buffer)
        if offset < self._end - KEPT:
            raise LocalFileError(
                f'What came from "{show(self._name)}" is needed again, and is not there any more.',
                "Start the program that makes it again, or send a file.",
            )
        at = offset % KEPT
        count = min(len(buffer), self._end - offset, KEPT - at)
        buffer[:count] = self._kept[at : at + count]
        return count

    def hole(self, entry: int, offset: int, length: int) -> int:
        """See `Source.hole`: a stream has none."""
        del entry, offset, length
        return 0

    def check(self, entry: int) -> None:
        """See `Source.check`: a stream is what it is."""

    def close(self) -> None:
        """See `Source.close`."""
        self._closed.set()

    def _next(self, buffer: memoryview) -> int:
        """Read on."""
        if self._over:
            return 0
        data = self._wait(min(len(buffer), KEPT))
        count = len(data)
        self._over = not count
        buffer[:count] = data
        at = self._end % KEPT
        first = min(count, KEPT - at)
        self._kept[at : at + first] = data[:first]
        self._kept[: count - first] = data[first:]
        self._end += count
        return count

    def _wait(self, size: int) -> bytes:
        data = None
        while data is None:
            if self._closed.is_set():
                raise LocalProtocolError("a source is closed")
            try:
                if self._ready():
                    data = self._read(size)
            except OSError as error:
                raise local_error(error, "read", self._name) from None
        return data

    def _ready(self) -> bool:
        """Wait a while for something to read; true where that cannot be told."""
        if self._fd is None:
            return True
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(_PATIENCE))


class StreamSink:
    """Writes the one file, stream or text of an offer to *writable*; a `croc_core.content.Sink`.

    All else is refused: folders, links, and more than one. The bytes are written in order as they
    come, so there is to be one connection; what was written cannot be taken back, so that an offer
    made anew later ends the run. Names do not matter, for none is used. The writable is flushed,
    and not closed.
    """

    def __init__(self, writable: Writable) -> None:
        self._write: Callable[[memoryview], int | None] = writable.write
        self._flush: Callable[[], object] = getattr(writable, "flush", lambda: None)
        self._lock = threading.Lock()
        self._written = 0
        self._entries: list[Entry] = []
        self._count = 0
        self._one = -1
        self._size = 0
        self._open = True

    def begin(self) -> None:
        """See `Sink.begin`."""
        with self._lock:
            self._in_use()
            if self._written:
                raise LocalFileError(
                    "The sender began anew, and what was written cannot be taken back.",
                    "Start both sides again.",
                )
            self._entries, self._count, self._one = [], 0, -1

    def path(self, entry: int) -> str | bytes | None:
        """Return the path of the one *entry*; waits for nobody, and is for showing alone."""
        entries = self._entries
        return entries[entry].path if entry < len(entries) else None

    def consider(self, entries: Sequence[Entry]) -> None:
        """See `Sink.consider`."""
        self._count += len(entries)
        if self._count > MAX_OFFERED:
            raise RemoteProtocolError(
                Party.PEER, f"the sender offers more than {MAX_OFFERED:,} entries"
            )
        self._entries += entries[: max(0, MAX_SHOWN - len(self._entries))]

    def judge(self) -> Verdict:
        """See `Sink.judge`: the one entry, or none at all."""
        entry = self._entries[0] if self._count == 1 else None
        if entry is not None and entry.kind not in EMPTY:
            self._one = 0
            self._size = MAX_SIZE if entry.size is None else entry.size
            return Verdict((Span(0, 1),), Totals(1, 1, entry.size), (), 0, (), 0)
        reason = "only one file can be written to a stream" if entry is None else "it is no file"
        refused = tuple((show(entry.path), reason) for entry in self._entries)
        return Verdict((), Totals(0, 0, 0), refused, self._count, (), 0)

    def prepare(self) -> None:
        """See `Sink.prepare`."""

    def compare(self, entry: int, block: int, digests: Sequence[bytes], key: bytes) -> None:
        """See `Sink.compare`: nothing is ever held."""
        raise LocalProtocolError("a stream holds nothing")

    def lacking(self) -> Iterator[Stretch]:
        """See `Sink.lacking`: all behind what was written."""
        if self._one == 0 and self._written < self._size:
            yield Stretch(0, self._written, self._size - self._written)

    def write(self, entry: int, offset: int, data: memoryview) -> None:
        """See `Sink.write`; blocks as long as the writable does."""
        with self._lock:
            self._check(entry, offset, len(data))
            try:
                while data:
                    count = self._write(data)
                    if count is None:
                        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
                    self._written += count
                    data = data[count:]
                self._flush()  # who reads it may wait for just this
            except OSError as error:
                raise _trouble(error) from None

    def zeros(self, entry: int, offset: int, length: int) -> None:
        """See `Sink.zeros`."""
        with self._lock:
            self._check(entry, offset, length)
        while length:
            count = min(length, len(_ZEROS))
            self.write(entry, offset, memoryview(_ZEROS)[:count])
            offset += count
            length -= count

    def finish(self, sizes: Sequence[tuple[int, int]]) -> Arrived:
        """See `Sink.finish`."""
        with self._lock:
            self._in_use()
            stream = self._one == 0 and self._entries[0].size is None
            if list(sizes) != ([(0, self._written)] if stream else []):
                raise RemoteProtocolError(Party.PEER, "the sender ended a stream that is not whole")
            if not stream and self._written != self._size:
                raise RemoteProtocolError(Party.PEER, "the sender ended with a file not whole")
            self._open = False
            taken = int(self._one == 0)
            return Arrived(taken, taken, self._written, ())

    def abandon(self) -> None:
        """See `Sink.abandon`; does not wait for a write that is under way."""
        self._open = False

    def _check(self, entry: int, offset: int, length: int) -> None:
        self._in_use()
        if entry != self._one:
            raise RemoteProtocolError(Party.PEER, "the sender sent what was not accepted")
        if offset != self._written or length <= 0 or length > self._size - offset:
            raise RemoteProtocolError(Party.PEER, "the sender sent bytes that are not next")

    def _in_use(self) -> None:
        if not self._open:
            raise LocalProtocolError("a sink is closed")


def _trouble(error: OSError) -> LocalFileError:
    if isinstance(error, BrokenPipeError):
        return LocalFileError(
            "The program that takes what arrives has ended.", "Look at what it says."
        )
    return local_error(error, "write", "standard output")
