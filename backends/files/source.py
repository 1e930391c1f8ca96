"""The sender's end: walks what is to be sent, and reads it piece by piece."""

from __future__ import annotations

import errno
import os
import stat
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from backends._show import show
from backends.files.alone import Alone, alone
from backends.files.confine import READ, Descriptors
from backends.files.ignore import Level, Levels, left_out, of_folder, of_repository, patterns
from backends.files.names import MAX_DEPTH, MAX_PATH, fold, link_stays
from backends.files.tree import TOP, Tree
from backends.files.trouble import local_error
from croc_core.content import Entry, Kind
from croc_core.errors import LocalFileError, LocalProtocolError

_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What is wrong with this process or system, not with one file."""
_GONE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)
"""What says that there is nothing, or nothing any more."""
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


class _Ignored(Exception):  # noqa: N818 - a verdict, not a fault
    """A pattern leaves it out."""


class _LeftOut(Exception):  # noqa: N818 - a verdict, not a fault
    """Why a thing is not sent: the end of a sentence that begins with its name."""


class _Frame(NamedTuple):
    """A folder on the way down: its row, its path as sent, its names still to visit."""

    row: int
    prefix: bytes
    names: Iterator[bytes]
    identity: tuple[int, int]
    levels: Levels = ()
    """The patterns of the .gitignore files that hold in it."""
    exclude: Levels = ()
    """Those that this run was given: they have the last word."""


class FileSource(Alone):
    """Offers *paths* (files and folders) and what is below them; a `croc_core.content.Source`.

    Raises LocalFileError at once where a path is missing, unreadable, no file or folder, or has
    the name of another one; nothing is walked before `walk`. A path that is itself a link is
    followed; links below it are kept as links where they stay inside what is sent, or are all
    followed with *follow*. *exclude* has patterns as in a .gitignore, seen from each folder of
    *paths*; with *gitignore* those of the .gitignore files in them and above them in their
    repository hold too. What is named in *paths* is sent in any case. *say* gets a sentence, safe
    to show, for each other thing that is left out.

    What cannot be read ends the walk with LocalFileError when all else is seen, and *say* has told
    of each: nobody wants to find out later that a part is missing.

    Calls may come from several threads; each waits for the one before. After `close` they raise
    LocalProtocolError. It holds some 60 bytes and the name of each entry.
    """

    def __init__(
        self,
        paths: Sequence[str | bytes | os.PathLike[str]],
        *,
        follow: bool = False,
        exclude: Sequence[str] = (),
        gitignore: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._follow = follow
        self._exclude = patterns(exclude, strict=True) if exclude else None
        self._gitignore = gitignore
        self._say = say
        self._tops = _named([os.fsencode(path) for path in paths])
        self._folders = Descriptors(self._open_folder, 32)
        self._files = Descriptors(self._open_file, 16)
        self._closed = False
        self._reset()
        for name, path in self._tops.items():
            self._check_top(name, path)

    def walk(self) -> Iterator[Entry]:
        """See `Source.walk`: a folder comes before what it holds, names are in order."""
        self._start()
        stack = [_Frame(TOP, b"", iter(self._tops), (0, 0))]
        while stack:
            entry = self._step(stack)
            if entry is not None:
                yield entry
        self._walked()

    def path(self, entry: int) -> bytes | None:
        """Return the path of *entry*; waits for nobody, and is for showing alone."""
        tree = self._tree
        return tree.path(entry) if entry < len(tree) else None

    @alone
    def read_into(self, entry: int, offset: int, buffer: memoryview) -> int:
        """See `Source.read_into`."""
        self._in_use()
        left = self._size(entry) - offset
        if left <= 0 or not buffer:
            return 0
        if left < len(buffer):
            buffer = buffer[:left]
        try:
            count = os.preadv(self._files.get(entry), [buffer], offset)
        except OSError as error:
            raise local_error(error, "read", self._tree.path(entry)) from None
        if count == 0:
            raise self._changed(entry)
        return count

    @alone
    def hole(self, entry: int, offset: int, length: int) -> int:
        """See `Source.hole`; only files that take up less than their size are looked at."""
        self._in_use()
        if not self._sparse[entry]:
            return 0
        end = min(offset + length, self._size(entry))
        try:
            data = os.lseek(self._files.get(entry), offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return max(end - offset, 0)
            return 0
        return max(min(data, end) - offset, 0)

    @alone
    def check(self, entry: int) -> None:
        """See `Source.check`; *entry*'s descriptor is given back."""
        self._in_use()
        self._size(entry)
        if self._kinds[entry] != Kind.FILE:
            return
        try:
            info = os.fstat(self._files.get(entry))
        except OSError as error:
            raise local_error(error, "read", self._tree.path(entry)) from None
        if _stamp(info) != self._stamps[entry]:
            raise self._changed(entry)
        self._files.drop(entry)

    @alone
    def close(self) -> None:
        """See `Source.close`; waits for a call that is under way."""
        self._closed = True
        self._give_back()

    def _give_back(self) -> None:
        self._folders.close()
        self._files.close()

    def _in_use(self) -> None:
        if self._closed:
            raise LocalProtocolError("a source is closed")

    # -- the walk

    @alone
    def _start(self) -> None:
        self._in_use()
        self._reset()

    @alone
    def _step(self, stack: list[_Frame]) -> Entry | None:
        """Go one name on; return its entry, None where there is none."""
        self._in_use()
        name = next(stack[-1].names, None)
        if name is None:
            stack.pop()
            return None
        path = stack[-1].prefix + name
        try:
            return self._visit(stack, name)
        except _Ignored:
            self._ignored += 1
        except _LeftOut as why:
            self._say(f'Left out: "{show(path)}" {why}.')
        except OSError as error:
            if len(stack) == 1 or error.errno in _OURS:
                raise local_error(error, "read", self._tops.get(name, name)) from None
            if error.errno in _GONE:
                self._say(f'Left out: "{show(path)}" leads nowhere.')
            else:
                self._unreadable += 1
                self._say(f'Cannot read "{show(path)}": {os.strerror(error.errno or 0)}.')
        return None

    def _walked(self) -> None:
        """Tell what the patterns left out; raise LocalFileError where something is missing."""
        if self._ignored:
            names = "one name" if self._ignored == 1 else f"{self._ignored:,} names"
            self._say(f"Left out by patterns: {names}.")
        if self._unreadable:
            count = self._unreadable
            raise LocalFileError(
                "Something that is to be sent cannot be read."
                if count == 1
                else f"{count:,} things that are to be sent cannot be read.",
                "Look at their permissions, or leave them out (--exclude).",
            )

    def _reset(self) -> None:
        self._give_back()
        self._ignored = self._unreadable = 0
        self._tree = Tree()
        self._kinds = bytearray()
        self._sparse = bytearray()
        self._sizes = array("q")
        self._stamps = array("q")

    def _check_top(self, name: bytes, path: bytes) -> None:
        try:
            info = os.stat(path)
            if not (stat.S_ISDIR(info.st_mode) or stat.S_ISREG(info.st_mode)):
                raise LocalFileError(
                    f'Cannot send "{show(path)}": it is neither a file nor a folder.',
                    "Name a file or a folder.",
                )
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
        except OSError as error:
            raise local_error(error, "read", path) from None

    def _visit(self, stack: list[_Frame], name: bytes) -> Entry:
        """Return the entry of *name* in the topmost frame; a folder is put on the stack.

        Raises _LeftOut where it is not to be sent, OSError where it cannot be looked at.
        """
        frame = stack[-1]
        path = frame.prefix + name
        info = self._stat(frame.row, name)
        levels = frame.levels + frame.exclude
        if levels and left_out(levels, path, stat.S_ISDIR(info.st_mode)):
            raise _Ignored
        if len(path) > MAX_PATH:
            raise _LeftOut("has a path that is too long")
        if stat.S_ISREG(info.st_mode):
            if frame.row != TOP and not os.access(
                name, os.R_OK, dir_fd=self._folders.get(frame.row)
            ):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            self._add(frame.row, name, Kind.FILE, info)
            return Entry(Kind.FILE, _text(path), info.st_size, _meta(info))
        if stat.S_ISDIR(info.st_mode):
            return self._enter(stack, name, info)
        if stat.S_ISLNK(info.st_mode):
            return self._link(stack, name, info)
        raise _LeftOut("is neither a file nor a folder")

    def _enter(self, stack: list[_Frame], name: bytes, info: os.stat_result) -> Entry:
        frame = stack[-1]
        identity = (info.st_dev, info.st_ino)
        if len(stack) > MAX_DEPTH - 1:
            raise _LeftOut("lies too deep")
        if self._follow and any(above.identity == identity for above in stack):
            raise _LeftOut("is a link that leads round in a circle")
        path = frame.prefix + name
        levels, exclude = frame.levels, frame.exclude
        if frame.row == TOP:
            levels, exclude = self._patterns(name)
        fd = self._open(frame.row, name, READ)
        try:
            names = sorted(map(os.fsencode, os.listdir(fd)))
            if self._gitignore:
                levels += of_folder(fd, path + b"/")
        finally:
            os.close(fd)
        row = self._add(frame.row, name, Kind.DIRECTORY, info)
        stack.append(_Frame(row, path + b"/", iter(names), identity, levels, exclude))
        return Entry(Kind.DIRECTORY, _text(path), 0, _meta(info))

    def _patterns(self, name: bytes) -> tuple[Levels, Levels]:
        """Return the patterns that hold below the folder *name* of the top: found, and given."""
        found = of_repository(self._tops[name]) if self._gitignore else ()
        if self._exclude is None:
            return found, ()
        return found, (Level(b"", len(name) + 1, self._exclude),)

    def _link(self, stack: list[_Frame], name: bytes, info: os.stat_result) -> Entry:
        frame = stack[-1]
        target = os.readlink(name, dir_fd=self._folders.get(frame.row))
        if not link_stays(len(stack) - 1, target):
            raise _LeftOut("is a link that leads out of what is sent")
        self._add(frame.row, name, Kind.SYMLINK, info)
        meta = {**_meta(info), "target": _text(target)}
        return Entry(Kind.SYMLINK, _text(frame.prefix + name), 0, meta)

    def _stat(self, parent: int, name: bytes) -> os.stat_result:
        if parent == TOP:
            return os.stat(self._tops[name])
        folder = self._folders.get(parent)
        return os.stat(name, dir_fd=folder, follow_symlinks=self._follow)

    def _add(self, parent: int, name: bytes, kind: Kind, info: os.stat_result) -> int:
        size = info.st_size if kind is Kind.FILE else 0
        self._kinds.append(kind)
        self._sparse.append(info.st_blocks * 512 < size)
        self._sizes.append(size)
        self._stamps.append(_stamp(info))
        return self._tree.add(parent, name)

    # -- descriptors

    def _open(self, parent: int, name: bytes, flags: int) -> int:
        if parent == TOP:
            return os.open(self._tops[name], flags & ~os.O_NOFOLLOW)
        if self._follow:
            flags &= ~os.O_NOFOLLOW
        return os.open(name, flags, dir_fd=self._folders.get(parent))

    def _open_folder(self, row: int) -> int:
        return self._open(self._tree.parent(row), self._tree.name(row), READ)

    def _open_file(self, row: int) -> int:
        """Open *row* for reading; raises LocalFileError where it is not what was walked."""
        fd = self._open(self._tree.parent(row), self._tree.name(row), _FILE)
        if _stamp(os.fstat(fd)) != self._stamps[row]:
            os.close(fd)
            raise self._changed(row)
        return fd

    def _size(self, entry: int) -> int:
        if not 0 <= entry < len(self._sizes):
            raise LocalProtocolError("no such entry")
        return self._sizes[entry]

    def _changed(self, entry: int) -> LocalFileError:
        return LocalFileError(
            f'"{show(self._tree.path(entry))}" changed while it was being sent.',
            "Send it again once it is at rest.",
        )


def _named(paths: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the absolute form of each of *paths* under the name that it is sent with."""
    if not paths:
        raise LocalFileError("There is nothing to send.", "Name a file or a folder.")
    tops: dict[bytes, bytes] = {}
    folded: dict[str, bytes] = {}
    if b"" in paths:  # the system would take it for the current folder
        raise LocalFileError("An empty path names nothing.", "Name a file or a folder.")
    for path in map(os.path.abspath, paths):
        name = os.path.basename(path)
        if not name:
            raise LocalFileError("The topmost folder has no name.", "Name a folder below it.")
        if tops.get(name) == path:
            raise LocalFileError(f'"{show(path)}" is named twice.', "Name it once.")
        earlier = folded.setdefault(fold(name.decode("utf-8", "surrogateescape")), path)
        if earlier is not path:
            raise LocalFileError(
                f'"{show(earlier)}" and "{show(path)}" would arrive under one name.',
                "Send them one after the other, or rename one of them.",
            )
        tops[name] = path
    return tops


def _stamp(info: os.stat_result) -> int:
    """Return a number that differs, but for chance, where a file has changed."""
    return hash((info.st_size, info.st_mtime_ns, info.st_ino, info.st_dev))


def _text(name: bytes) -> str | bytes:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name


def _meta(info: os.stat_result) -> dict[str, int | str | bytes | bool | None]:
    meta: dict[str, int | str | bytes | bool | None] = {"mode": info.st_mode & 0o777}
    if abs(info.st_mtime_ns) < 1 << 63:
        meta["mtime"] = info.st_mtime_ns
    return meta
