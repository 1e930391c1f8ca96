"""One direction of a staple: from one socket to another, unchanged, in bounded memory.

Where the system has splice(2) the bytes go through a pipe and never enter this process; elsewhere,
or where the system refuses, they are copied. A pipe is held only while bytes are in it.
"""

from __future__ import annotations

import enum
import errno
import os
import socket
import sys

COPY = 65536
"""Bytes read at once where splice is not to be had; also the most that one direction then holds."""
CHUNK = 1 << 20
"""Bytes spliced at once, and the size that a busy pipe is grown to."""
_GROW_FROM = 32768
"""A pipe that took this much at once, in bytes, is worth growing."""
_REFUSED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP})


class Want(enum.Enum):
    """What a direction waits for."""

    READ = "read"
    WRITE = "write"
    NOTHING = "nothing"
    """It is over."""


class Pipe:
    """A pipe that is empty unless a `Flow` holds it."""

    __slots__ = ("grown", "reader", "writer")

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.grown = False

    def close(self) -> None:
        """Close both ends, with whatever is in between."""
        os.close(self.reader)
        os.close(self.writer)


class Pipes:
    """The pipes of all staples of one thread: spare ones, and budgets for having and growing them.

    Linux gives one user 64 MiB of pipes (pipe-user-pages-soft); beyond that, a new pipe has room
    for a page or two. The defaults, 448 of 64 KiB and 32 of them grown to 1 MiB, stay below.
    """

    def __init__(self, *, spare: int = 16, grown: int = 32, most: int = 448) -> None:
        self._most_spare = spare
        self._may_open = most
        self._may_grow = grown
        self._spare: list[Pipe] = []
        self.scratch = memoryview(bytearray(0))
        """Where copies are read to; one is enough, as nothing stays in it."""

    def take(self) -> Pipe | None:
        """Return an empty pipe, or None where the system has none to give."""
        if self._spare:
            return self._spare.pop()
        if sys.platform != "linux" or self._may_open <= 0:
            return None
        try:
            pipe = Pipe()
        except OSError:  # too many descriptors: copying needs none
            return None
        self._may_open -= 1
        return pipe

    def give(self, pipe: Pipe) -> None:
        """Take back an empty pipe."""
        if len(self._spare) < self._most_spare:
            self._spare.append(pipe)
        else:
            self.discard(pipe)

    def discard(self, pipe: Pipe) -> None:
        """Close a pipe that has bytes in it or is of no use."""
        self._may_grow += pipe.grown
        self._may_open += 1
        pipe.close()

    def grow(self, pipe: Pipe) -> None:
        """Make a busy pipe larger where the budget and the system allow it."""
        if pipe.grown or self._may_grow <= 0 or sys.platform != "linux":
            return
        import fcntl  # not on every system

        try:
            fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, CHUNK)
        except OSError:  # the user's share of pipe memory is used up
            self._may_grow = 0
        else:
            pipe.grown = True
            self._may_grow -= 1

    def close(self) -> None:
        """Close the spare pipes."""
        while self._spare:
            self.discard(self._spare.pop())


class Flow:
    """The bytes from *source* to *sink*, *first* before them; half-close at the end included."""

    __slots__ = (
        "_copying",
        "_ended",
        "_held",
        "_pipe",
        "_pipes",
        "_rest",
        "_sink",
        "_source",
        "moved",
    )

    def __init__(
        self, source: socket.socket, sink: socket.socket, first: bytes, pipes: Pipes
    ) -> None:
        self._source = source
        self._sink = sink
        self._rest = first
        self._pipes = pipes
        self._pipe: Pipe | None = None
        self._held = 0
        self._ended = False
        self._copying = False
        self.moved = 0
        """Bytes that have reached the sink."""

    def turn(self, budget: int) -> Want:
        """Move about *budget* bytes at most, without blocking; say what to wait for next.

        READ may also mean that the budget is used up. Raises OSError where either socket fails.
        """
        end = self.moved + budget
        while True:
            if not self._empty():
                return Want.WRITE
            if self._ended:
                self.close()
                self._sink.shutdown(socket.SHUT_WR)
                return Want.NOTHING
            if self.moved >= end or not self._fill():
                self._let_go()
                return Want.READ

    def close(self) -> None:
        """Give up the pipe, with what is in it."""
        if self._pipe is not None and self._held:
            self._pipes.discard(self._pipe)
            self._pipe, self._held = None, 0
        self._let_go()
        self._rest = b""

    def _let_go(self) -> None:
        if self._pipe is not None:
            self._pipes.give(self._pipe)
            self._pipe = None

    def _empty(self) -> bool:
        """Send on what is held; say whether all of it went."""
        try:
            while self._rest or self._held:
                if self._rest:
                    sent = self._sink.send(self._rest)
                    self._rest = self._rest[sent:]
                else:
                    sent = self._splice_out()
                self.moved += sent
        except BlockingIOError:
            return False
        return True

    def _splice_out(self) -> int:
        """Send from the pipe; where the system refuses, take what is in it to be copied instead."""
        assert self._pipe is not None
        reader = self._pipe.reader
        try:
            sent = os.splice(reader, self._sink.fileno(), self._held, flags=os.SPLICE_F_NONBLOCK)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            self._copying = True
            self._rest = os.read(reader, self._held)
            self._held -= len(self._rest)
            return 0
        self._held -= sent
        return sent

    def _fill(self) -> bool:
        """Take bytes, or the end, from the source; say whether there was either."""
        if not self._copying:
            self._pipe = self._pipe or self._pipes.take()
            if self._pipe is not None and (took := self._splice_in(self._pipe)) is not None:
                return took
        return self._copy_in()

    def _splice_in(self, pipe: Pipe) -> bool | None:
        """Fill the empty pipe; None where the system refuses to."""
        try:
            got = os.splice(self._source.fileno(), pipe.writer, CHUNK, flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:  # the pipe is empty, so it is the source that has nothing
            return False
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            self._copying = True
            self._let_go()
            return None
        self._held = got
        self._ended = got == 0
        if got >= _GROW_FROM:
            self._pipes.grow(pipe)
        return True

    def _copy_in(self) -> bool:
        if not self._pipes.scratch:
            self._pipes.scratch = memoryview(bytearray(COPY))
        try:
            got = self._source.recv_into(self._pipes.scratch)
        except BlockingIOError:
            return False
        self._ended = got == 0
        self._rest = bytes(self._pipes.scratch[:got])
        return True
