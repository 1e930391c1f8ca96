"""Below one folder, and nowhere else: every step is taken from a descriptor, through no link.

A path is never handed to the system whole. Each folder is opened from the one above it with
O_NOFOLLOW, so a folder that was swapped for a link is noticed when it is used, not before.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache

from backends.files.policy import variants
from backends.files.tree import TOP, Tree

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
SEARCH = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)
"""To open a folder as a place to start from; its content need not be readable."""
READ = _FOLDER | os.O_RDONLY
"""To open a folder to list or to change it."""
PART = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""To make a new file."""

_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV))
_RENAME_NOREPLACE = 1


class Descriptors:
    """The last few descriptors of many numbered things; the others are opened anew when asked for.

    What `get` returns is good until the next call.
    """

    def __init__(self, opener: Callable[[int], int], limit: int) -> None:
        self._opener = opener
        self._limit = limit
        self._open: dict[int, int] = {}

    def get(self, key: int) -> int:
        """Return a descriptor of *key*; raises what the opener raises."""
        fd = self._open.pop(key, None)
        if fd is None:
            fd = self._opener(key)
            while len(self._open) >= self._limit:
                os.close(self._open.pop(next(iter(self._open))))
        self._open[key] = fd
        return fd

    def drop(self, key: int) -> None:
        """Close the descriptor of *key*, if it is open."""
        fd = self._open.pop(key, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        """Close them all."""
        while self._open:
            os.close(self._open.popitem()[1])


class Folders:
    """The folders of *tree* below the folder that the descriptor *root* stands for.

    `made` are those that this object created, in order, and *on_make* hears of each before;
    `renamed` gives the names on the disk that differ from those of the tree.
    """

    def __init__(
        self, tree: Tree, root: int, on_make: Callable[[int], None] = lambda _: None
    ) -> None:
        self._tree = tree
        self._root = root
        self._held = Descriptors(self._open, 32)
        self._on_make = on_make
        self._making = False
        self.made: list[int] = []
        self.renamed: dict[int, bytes] = {}

    def start(self, renamed: dict[int, bytes]) -> None:
        """Open every folder anew from here on, under the names that *renamed* gives."""
        self._held.close()
        self.renamed = renamed

    def name(self, row: int) -> bytes:
        """Return the name of *row* on the disk."""
        return self.renamed.get(row) or self._tree.name(row)

    def path(self, row: int) -> bytes:
        """Return the path of *row* on the disk, from the root."""
        parts = []
        while row != TOP:
            parts.append(self.name(row))
            row = self._tree.parent(row)
        return b"/".join(reversed(parts))

    def find(self, row: int) -> int:
        """Return a descriptor of the folder *row*, good until the next call."""
        if row == TOP:
            return self._root
        self._making = False
        return self._held.get(row)

    def make(self, row: int) -> int:
        """As `find`, but create the folder, and those above it, where they are missing."""
        if row == TOP:
            return self._root
        self._making = True
        return self._held.get(row)

    def look(self, row: int, name: bytes) -> os.stat_result | None:
        """Return what has that *name* beside *row*, not what a link leads to; None: nothing."""
        try:
            return os.stat(name, dir_fd=self.find(self._tree.parent(row)), follow_symlinks=False)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Close every descriptor but the root's."""
        self._held.close()

    def _open(self, row: int) -> int:
        parent = self._tree.parent(row)
        above = self._root if parent == TOP else self._held.get(parent)
        name = self.name(row)
        try:
            return os.open(name, SEARCH, dir_fd=above)
        except FileNotFoundError:
            if not self._making:
                raise
        self._on_make(row)
        try:
            os.mkdir(name, 0o700, dir_fd=above)
        except FileExistsError:
            pass  # it has come meanwhile; the open below decides whether it is a folder
        else:
            self.made.append(row)
        return os.open(name, SEARCH, dir_fd=above)


def settle(folder: int, temporary: bytes, name: bytes, replace: bool) -> bytes:
    """Give the file *temporary* its final *name*; both are in the folder of that descriptor.

    Without *replace* nothing is ever replaced: where the name exists by now, the next free variant
    is taken. Returns the name that it got.
    """
    if replace:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        return name
    try:
        _rename_new(folder, temporary, name)
    except FileExistsError:
        for variant in variants(name):
            try:
                _rename_new(folder, temporary, variant)
            except FileExistsError:
                continue
            return variant
        raise
    return name


def _rename_new(folder: int, old: bytes, new: bytes) -> None:
    """Rename where *new* does not exist, else raise FileExistsError; one step for the system."""
    try:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        os.unlink(old, dir_fd=folder)
        return
    renameat2 = _renameat2()
    if renameat2 and renameat2(folder, old, folder, new, _RENAME_NOREPLACE) == 0:
        return
    code = ctypes.get_errno() if renameat2 else errno.ENOSYS
    if code not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(code, os.strerror(code))
    # A file system that has neither: look, then rename, as well as it can be done there.
    try:
        os.stat(new, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


@cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
