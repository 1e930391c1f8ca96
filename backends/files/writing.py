"""What a sink does with files: makes them, names them when they are whole, puts them down.

Nothing is synchronised with the disk before a file gets its name. For 10,000 small files that would
take minutes, and for a large one as long as the transfer. So if the power fails within seconds of
the end, a file can lose bytes, as with most programs that copy; a kill of the process never does
that. What a broken run leaves is synchronised, and the next run compares digests anyway.
"""

from __future__ import annotations

import contextlib
import enum
import os
from collections.abc import Callable

from backends._show import show
from backends.files.alone import Alone
from backends.files.confine import PART, READ, SEARCH, Folders, settle
from backends.files.journal import Announced, Batch, Earlier, Journal, plain
from backends.files.judge import Fate, Judge, Kept
from backends.files.names import part_name
from backends.files.offer import Offered, Texts
from backends.files.part import Part, nameless
from backends.files.parts import Ranges
from backends.files.policy import Policy
from backends.files.tree import TOP
from backends.files.trouble import local_error
from croc_core.content import Arrived
from croc_core.errors import LocalFileError, LocalProtocolError, Party, RemoteProtocolError
from croc_core.resume import BLOCK

MAX_PATHS = 1000
"""Greatest number of names in `Arrived`."""
AHEAD = 256
"""How many files the journal announces at a time."""


class Phase(enum.Enum):
    """What may be called."""

    OFFERED = "offered"
    JUDGED = "judged"
    WRITING = "writing"
    CLOSED = "closed"


class Writing(Alone):
    """The files of one offer at a time, below *root*; the base of `FileSink`."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        policy: Policy,
        attended: bool,
        texts: Texts,
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.policy = policy
        self._root = os.fsencode(root)
        self._say = say
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._runs = attended
        self._texts = texts
        self._reset()

    def _reset(self) -> None:
        """Begin with a new offer."""
        self._phase = Phase.OFFERED
        self._offered = Offered(self._runs, self._texts)
        self._root_fd: int | None = None
        self._folders: Folders | None = None
        self._earlier: Earlier | None = None
        self._journal: Journal | None = None
        self._judge: Judge | None = None
        self._fates = bytearray()
        self._announced = bytearray()
        self._kept: dict[int, Kept] = {}
        self._resumed: list[int] = []
        self._stale: list[tuple[int, int]] = []
        self._parts: dict[int, Part] = {}
        self._shown: list[str] = []
        self._mark = int.from_bytes(os.urandom(4), "big")
        self._lacking = 0
        self._useful = False  # whether a later run could go on with something

    # -- the place to write to

    def _open_root(self) -> None:
        """Open the root if it exists; the person named it, so it may be reached through links."""
        with contextlib.suppress(FileNotFoundError):
            self._root_fd = os.open(self._root or b".", SEARCH & ~os.O_NOFOLLOW)
            self._folders = Folders(self._offered.tree, self._root_fd, self._note_folder)
            self._earlier = Earlier(self._root_fd)

    def _room(self) -> int:
        """Return how many bytes are free."""
        place = os.path.abspath(self._root)
        while self._root_fd is None and not os.path.isdir(place):
            place = os.path.dirname(place)
        room = os.statvfs(place if self._root_fd is None else self._root_fd)
        return room.f_bavail * room.f_frsize

    def _open_folders(self) -> Folders:
        assert self._folders is not None
        return self._folders

    def _close(self) -> None:
        self._phase = Phase.CLOSED
        folders, root = self._folders, self._root_fd
        self._folders = self._root_fd = None
        if folders is not None:
            folders.close()
        if root is not None:
            os.close(root)

    # -- the journal

    def _begin_journal(self) -> None:
        """Begin this run's own with all that is gone on with."""
        assert self._root_fd is not None
        self._journal = Journal(self._root_fd, self._mark)
        self._announced = bytearray(len(self._fates))
        tree, rows = self._offered.tree, self._offered.rows
        files = []
        for entry, kept in self._kept.items():
            self._announced[entry] = True
            mark = self._mark if kept.mark is None else kept.mark
            files.append(Announced(tree.path(rows[entry]), self._size(rows[entry]), mark))
        for entry, fate in enumerate(self._fates):
            if fate == Fate.DONE:
                self._announced[entry] = True
                files.append(Announced(tree.path(rows[entry]), 0, self._mark))
        names = self._open_folders().name
        folders = [(tree.path(row), names(row)) for row in self._resumed]
        for at in range(0, max(len(files), len(folders)), AHEAD):
            self._journal.note(Batch(files[at : at + AHEAD], folders[at : at + AHEAD]))

    def _announce(self, entry: int) -> None:
        """Let the journal say that *entry* and those behind it are about to be made."""
        assert self._journal is not None
        offered, fates, announced = self._offered, self._fates, self._announced
        files = []
        tree, above, prefix = offered.tree, TOP, b""
        for number in range(entry, min(entry + AHEAD, len(fates))):
            row = offered.rows[number]
            if announced[number] or fates[number] not in (Fate.NEW, Fate.REPLACE):
                continue
            announced[number] = True
            if not offered.is_folder(row) and not offered.is_text(row):
                if tree.parent(row) != above:
                    above = tree.parent(row)
                    prefix = b"" if above == TOP else tree.path(above) + b"/"
                mark = (self._mark + row) & 0xFFFFFFFF
                files.append(Announced(prefix + tree.name(row), self._size(row), mark))
        self._journal.note(Batch(files, []))

    def _note_folder(self, row: int) -> None:
        if self._journal is not None:
            path = self._offered.tree.path(row)
            self._journal.note(Batch([], [(path, self._open_folders().name(row))]))

    def _size(self, row: int) -> int:
        return -1 if self._offered.is_stream(row) else self._offered.size(row)

    def _close_journals(self, *, whole: bool) -> None:
        """Keep this run's journal where a later one has a use for it; drop those it stands for."""
        journal, self._journal = self._journal, None
        earlier, self._earlier = self._earlier, None
        keep = not whole and self._useful
        if earlier is not None:
            stands = keep and journal is not None and journal.sound and not self._stale
            earlier.close(superseded=whole or stands)
        if journal is not None:
            journal.close(keep=keep)

    # -- files

    def _create(self, entry: int, ranges: Ranges) -> Part:
        """Make the part of *entry*."""
        row = self._offered.rows[entry]
        if self._offered.is_text(row):
            return Part(nameless(), b"", row, ranges)
        if not self._announced[entry]:
            self._announce(entry)
        folders = self._open_folders()
        try:
            folder = folders.make(self._offered.tree.parent(row))
            name = self._part_name(row)
            return Part(os.open(name, PART, 0o600, dir_fd=folder), name, row, ranges)
        except OSError as error:
            raise self._trouble(error, row) from None

    def _part_name(self, row: int, mark: int | None = None) -> bytes:
        """Return a hidden name for *row*: that of *mark*, or one that by chance no other has."""
        return part_name(self._offered.tree.name(row), self._mark + row if mark is None else mark)

    def _forget(self, entry: int) -> None:
        """Make *entry* anew, whatever an earlier run left of it."""
        kept = self._kept.pop(entry)
        if kept.mark is not None:
            self._stale.append((self._offered.rows[entry], kept.mark))
        if self._fates[entry] == Fate.HELD:
            self._fates[entry] = Fate.NEW

    def _complete(self, entry: int, part: Part) -> None:
        """Give a whole file its size, its marks and its name."""
        row = part.row
        if self._offered.is_text(row):
            self._read_text(part)
            self._fates[entry] = Fate.DONE
        else:
            if part.stale > part.ranges.size:
                os.ftruncate(part.fd, part.ranges.size)
            self._dress(part)
            part.close()
            self._settle(entry, row, part.name)
        del self._parts[entry]
        if part.ranges.size and not self._offered.is_stream(row):
            self._lacking -= 1

    def _dress(self, part: Part) -> None:
        """Give a file its permissions and dates."""
        mode = self._offered.mode(part.row)
        if mode is None:
            mode = 0o666
        elif not self._runs:
            mode &= 0o666
        mtime = self._offered.mtime(part.row)
        with contextlib.suppress(OSError):  # not every file system has permissions and dates
            os.fchmod(part.fd, mode & ~self._umask)
        if mtime is not None:
            with contextlib.suppress(OSError, OverflowError):
                os.utime(part.fd, ns=(mtime, mtime))

    def _settle(self, entry: int, row: int, temporary: bytes) -> None:
        folders = self._open_folders()
        folder = folders.make(self._offered.tree.parent(row))
        wanted = folders.name(row)
        replace = self._fates[entry] == Fate.REPLACE or self.policy is Policy.OVERWRITE
        name = settle(folder, temporary, wanted, replace)
        self._fates[entry] = Fate.DONE
        self._useful = True
        if name != wanted:
            folders.renamed[row] = name
            self._say(f'"{show(wanted)}" appeared meanwhile; what arrived is "{show(name)}".')

    def _read_text(self, part: Part) -> None:
        data = os.pread(part.fd, part.ranges.size, 0)
        part.close()
        try:
            self._shown.append(data.ljust(part.ranges.size, b"\0").decode())
        except UnicodeDecodeError:
            raise RemoteProtocolError(Party.PEER, "the sender sent a text that is none") from None

    # -- the end

    def _make_rest(self) -> None:
        """Make what no piece stands for."""
        offered = self._offered
        for entry, row in enumerate(offered.rows):
            if self._fates[entry] not in (Fate.NEW, Fate.REPLACE):
                continue
            try:
                if offered.is_folder(row):
                    self._open_folders().make(row)
                elif offered.target(row) is not None:
                    self._make_link(entry, row)
                else:
                    self._parts[entry] = part = self._create(entry, Ranges(0))
                    self._complete(entry, part)
            except OSError as error:
                raise self._trouble(error, row) from None

    def _make_link(self, entry: int, row: int) -> None:
        target = self._offered.target(row)
        assert target is not None
        if not self._announced[entry]:
            self._announce(entry)
        temporary = self._part_name(row)
        folder = self._open_folders().make(self._offered.tree.parent(row))
        os.symlink(target, temporary, dir_fd=folder)
        try:
            self._settle(entry, row, temporary)
        except OSError:
            os.unlink(temporary, dir_fd=folder)
            raise

    def _dress_folders(self) -> None:
        """Give the folders that this run, or the one before, made their modes and dates.

        The lowest come first.
        """
        folders = self._open_folders()
        for row in sorted({*folders.made, *self._resumed}, reverse=True):
            mode = self._offered.mode(row)
            mtime = self._offered.mtime(row)
            above = folders.find(self._offered.tree.parent(row))
            with contextlib.suppress(OSError, OverflowError):  # as for files
                fd = os.open(folders.name(row), READ, dir_fd=above)
                try:
                    os.fchmod(fd, (0o777 if mode is None else mode) & ~self._umask)
                    if mtime is not None:
                        os.utime(fd, ns=(mtime, mtime))
                finally:
                    os.close(fd)

    def _arrived(self) -> Arrived:
        offered, folders = self._offered, self._open_folders()
        chosen = files = size = 0
        seen = bytearray(len(offered.tree))
        paths = []
        for fate, row in zip(self._fates, offered.rows, strict=True):
            if fate == Fate.LEFT_OUT:
                continue
            chosen += 1
            files += not offered.is_folder(row)
            size += offered.size(row)
            while not seen[row] and not offered.is_text(row):
                seen[row] = True
                parent = offered.tree.parent(row)
                if parent == TOP:
                    paths.append(folders.name(row).decode("utf-8", "backslashreplace"))
                    break
                row = parent
        return Arrived(chosen, files, size, tuple(paths[:MAX_PATHS]))

    def _remove_stale(self) -> None:
        """Remove the parts of earlier runs whose files are whole now."""
        folders = self._open_folders()
        for row, mark in self._stale:
            with contextlib.suppress(OSError):
                name = self._part_name(row, mark)
                info = folders.look(row, name)
                if info is not None and plain(info):
                    os.unlink(name, dir_fd=folders.find(self._offered.tree.parent(row)))

    # -- failure

    def _put_down(self, say: Callable[[str], None]) -> None:
        """Close what is unfinished, and keep what a later run can use."""
        for part in self._parts.values():
            with contextlib.suppress(OSError):
                self._leave(part, say)
        self._parts.clear()
        self._useful |= bool(self._kept)
        if self._folders is not None:
            self._remove_empty(self._folders)
        self._close_journals(whole=False)

    def _leave(self, part: Part, say: Callable[[str], None]) -> None:
        """Close an unfinished file; keep it if a later run can use its beginning."""
        if part.fd < 0:  # whole, but it could not get its name
            return
        try:
            if part.final or not part.name:
                return
            folders = self._open_folders()
            useful = max(part.ranges.useful(BLOCK), part.stale)
            if useful:
                self._useful = True
                os.ftruncate(part.fd, useful)
                os.fsync(part.fd)
                path = show(folders.path(part.row))
                kept = f'What arrived of "{path}" is kept in "{show(part.name)}"'
                say(f"{kept}: receive it into the same folder again to go on.")
            else:
                folder = folders.find(self._offered.tree.parent(part.row))
                os.unlink(part.name, dir_fd=folder)
        finally:
            part.close()

    def _remove_empty(self, folders: Folders) -> None:
        """Remove the folders that this run made and that hold nothing."""
        for row in reversed(folders.made):
            with contextlib.suppress(OSError):
                above = folders.find(self._offered.tree.parent(row))
                os.rmdir(folders.name(row), dir_fd=above)

    def _trouble(self, error: OSError, row: int) -> LocalFileError:
        return local_error(error, "write", self._open_folders().path(row))

    def _in(self, *phases: Phase) -> None:
        if self._phase not in phases:
            raise LocalProtocolError(f"a sink is {self._phase.value}")
