"""A file that is being written."""

from __future__ import annotations

import errno
import os
import sys
from functools import lru_cache

from backends.files.parts import Ranges
from croc_core.resume import BLOCK, digest

_ZEROS = bytes(1 << 20)


class Part:
    """A file on the disk that is not whole, open as *fd*; *name* is its hidden name.

    What is in it below `stale` may be of an earlier run and wrong; what `ranges` have is right.
    """

    __slots__ = ("fd", "final", "name", "ranges", "row", "stale", "written")

    def __init__(
        self, fd: int, name: bytes, row: int, ranges: Ranges, written: int = 0, final: bool = False
    ) -> None:
        self.fd = fd
        self.name = name
        self.row = row
        self.ranges = ranges
        self.written = written
        """How long the file on the disk is."""
        self.stale = written
        self.final = final
        """Whether it stands under its final name already, put there by an earlier run."""

    def zeros(self, offset: int, length: int) -> None:
        """Write zeros, but only over what may be wrong: elsewhere there is a hole."""
        end = offset + length
        wrong = min(end, self.stale)
        while offset < wrong:
            offset += os.pwrite(self.fd, memoryview(_ZEROS)[: wrong - offset], offset)
        if end > self.written:
            os.ftruncate(self.fd, end)
            self.written = end

    def has(self, offset: int, length: int, wanted: bytes, key: bytes) -> bool:
        """Whether the digest of these *length* bytes, one block at most, is *wanted*."""
        if length == BLOCK and self._hole(offset, length):
            return _zero_digest(key) == wanted
        data = bytearray(length)
        view = memoryview(data)
        while view:
            count = os.preadv(self.fd, [view], offset)
            if not count:
                return False
            offset += count
            view = view[count:]
        return digest(key, memoryview(data)) == wanted

    def take_from(self, other: Part) -> None:
        """Copy what the ranges of *other* have."""
        for begin, end in other.ranges.have():
            while begin < end:
                data = os.pread(other.fd, min(end - begin, 1 << 20), begin)
                if not data:
                    raise OSError("a file shrinks")
                begin += os.pwrite(self.fd, data, begin)
            self.written = max(self.written, end)
        self.ranges = other.ranges

    def close(self) -> None:
        """Close it."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _hole(self, offset: int, length: int) -> bool:
        try:
            return os.lseek(self.fd, offset, os.SEEK_DATA) >= offset + length
        except OSError as error:
            return error.errno == errno.ENXIO  # nothing but a hole up to the end


@lru_cache(maxsize=1)
def _zero_digest(key: bytes) -> bytes:
    return digest(key, bytes(BLOCK))


def nameless() -> int:
    """Return the descriptor of a new file that no folder has: a text to show stays out of them."""
    if sys.platform == "linux":
        return os.memfd_create("text")
    import tempfile  # here alone, and with it come three modules

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
