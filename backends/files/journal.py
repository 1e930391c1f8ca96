"""What a broken run leaves for the next one: a small file in the target folder.

A journal says which files a run was about to make, and under which hidden names they grow; that is
all. How much of a part is there is the part's own length, and whether it is right is decided by the
sender's digests, block by block (docs/protocol.md, 9.5). So a journal is written ahead, a batch of
names at a time, and never again while the bytes come: a process that is killed at any moment loses
nothing, and neither a torn journal nor a part that the power took bytes of can make a wrong file.

A run has a journal of its own and holds a lock on it, so that no two runs use the same parts. It
never gives a path: a part's name is made anew from the name in the offer and the journal's number.

Layout: `MAGIC`, then frames: length and CRC-32 of the body (u32, big-endian), then a `Batch` in
MessagePack. What is behind the first frame that is not whole does not count.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import zlib
from collections import Counter
from typing import NamedTuple

import msgspec

from backends.files.confine import PART, READ
from backends.files.names import PART_SUFFIX

MAGIC = b"croc-core journal 1\n"
SUFFIX = b".croc-journal" + PART_SUFFIX
MAX_BYTES = 64 << 20
"""Greatest length of a journal; what does not fit in is not resumed. Some 60 bytes a file."""
MAX_JOURNALS = 64
"""Most journals that are looked at, the newest first."""

_HEAD = struct.Struct(">II")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Announced(NamedTuple):
    """A file that a run is about to make."""

    path: bytes
    """In the offer."""
    size: int
    """As offered, in bytes; -1: unknown."""
    mark: int
    """The number in the name of its part."""


class Batch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One frame: what is about to be made: files, and folders as path and name on the disk."""

    files: list[Announced]
    folders: list[tuple[bytes, bytes]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)


def plain(info: os.stat_result) -> bool:
    """Whether that is a plain file of this user."""
    return stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid()


def ours(info: os.stat_result) -> bool:
    """Whether that may be written to: a plain file of this user that has just one name."""
    return plain(info) and info.st_nlink == 1


class Journal:
    """This run's journal in the folder *root*. Where it cannot be written the run goes on."""

    def __init__(self, root: int, mark: int) -> None:
        self._root = root
        self._name = b".%08x%s" % (mark, SUFFIX)
        self._fd = -1
        self._length = 0
        self.sound = False
        """Whether all that was noted stands in it."""
        with contextlib.suppress(OSError):
            self._fd = os.open(self._name, PART, 0o600, dir_fd=root)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.sound = True
            self._append(MAGIC)

    def note(self, batch: Batch) -> None:
        """Append *batch*; a kill from here on does not undo it."""
        body = _encoder.encode(batch)
        self._append(_HEAD.pack(len(body), zlib.crc32(body)) + body)

    def close(self, *, keep: bool) -> None:
        """Close it, and remove it unless it is to be kept."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            if keep:
                os.fsync(self._fd)
            else:
                os.unlink(self._name, dir_fd=self._root)
        os.close(self._fd)
        self._fd = -1

    def _append(self, data: bytes) -> None:
        if not self.sound or self._length + len(data) > MAX_BYTES:
            self.sound = False
            return
        try:
            self.sound = os.write(self._fd, data) == len(data)
        except OSError:
            self.sound = False
        self._length += len(data)


class _Old(NamedTuple):
    """The journal of a run that is over; its descriptor holds the lock."""

    name: bytes
    fd: int
    files: dict[bytes, Announced]
    folders: dict[bytes, bytes]


class Earlier:
    """The journals that earlier runs left in the folder *root*; those in use are passed over."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._old: list[_Old] = []
        self._taken: Counter[int] = Counter()
        with contextlib.suppress(OSError):
            self._find()

    def __bool__(self) -> bool:
        return bool(self._old)

    def files(self, path: bytes) -> list[Announced]:
        """Return what the journals say of *path*, the newest first."""
        return [old.files[path] for old in self._old if path in old.files]

    def begin(self) -> None:
        """Count anew what is taken."""
        self._taken.clear()

    def take(self, path: bytes) -> None:
        """This run makes *path*; a journal whose files are all made so has nothing more to say."""
        self._taken.update(number for number, old in enumerate(self._old) if path in old.files)

    def folder(self, path: bytes) -> bytes | None:
        """Return the name that the folder *path* of an offer got, if an earlier run made it."""
        return next((old.folders[path] for old in self._old if path in old.folders), None)

    def close(self, *, superseded: bool) -> None:
        """Unlock them; with *superseded* remove those that have nothing more to say."""
        for number, old in enumerate(self._old):
            if superseded and self._taken[number] >= len(old.files):
                with contextlib.suppress(OSError):
                    os.unlink(old.name, dir_fd=self._root)
            os.close(old.fd)
        self._old.clear()

    def _find(self) -> None:
        folder = os.open(b".", READ, dir_fd=self._root)
        try:
            names = [os.fsencode(name) for name in os.listdir(folder)]
        finally:
            os.close(folder)
        found = []
        for name in names:
            if name.endswith(SUFFIX):
                with contextlib.suppress(OSError):
                    info = os.stat(name, dir_fd=self._root, follow_symlinks=False)
                    found.append((info.st_mtime_ns, name))
        for _, name in sorted(found, reverse=True)[:MAX_JOURNALS]:
            with contextlib.suppress(OSError):
                self._load(name)

    def _load(self, name: bytes) -> None:
        fd = os.open(name, _READ, dir_fd=self._root)
        try:
            info = os.fstat(fd)
            if not ours(info) or info.st_size > MAX_BYTES:
                raise OSError
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(fd).st_nlink:  # its run has just ended
                raise OSError
            with open(fd, "rb", closefd=False) as stream:
                old = _Old(name, fd, {}, {})
                _read(stream.read(MAX_BYTES), old)
        except BaseException:
            os.close(fd)
            raise
        self._old.append(old)


def _read(data: bytes, into: _Old) -> None:
    """Take what is whole in *data*, the content of a file; OSError where that is no journal."""
    if not data.startswith(MAGIC[: len(data)]):
        raise OSError
    at = len(MAGIC)
    while at + _HEAD.size <= len(data):
        length, check = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        body = data[at : at + length]
        at += length
        if len(body) < length or zlib.crc32(body) != check:
            return
        try:
            batch = _decoder.decode(body)
        except (msgspec.MsgspecError, RecursionError):
            return
        into.files.update((said.path, said) for said in batch.files)
        into.folders.update(batch.folders)
