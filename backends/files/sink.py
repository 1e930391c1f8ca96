"""The recipient's end: judges an offer, writes what was chosen, leaves nothing half under its name.

A file grows under a hidden name in its own folder and gets its final one when it is whole. All
happens below one folder, through no link (confine.py).
"""

from __future__ import annotations

import contextlib
import enum
import os
from collections.abc import Callable, Sequence

from backends._show import show
from backends.files.alone import Alone, alone
from backends.files.confine import PART, READ, SEARCH, Folders, settle
from backends.files.judge import Fate, Judge
from backends.files.names import part_name
from backends.files.offer import Offered
from backends.files.parts import Ranges
from backends.files.policy import Policy
from backends.files.tree import TOP
from backends.files.trouble import local_error
from croc_core.content import Arrived, Entry, Verdict
from croc_core.errors import LocalFileError, LocalProtocolError, Party, RemoteProtocolError

MAX_OFFERED = 2_000_000
"""Greatest number of entries of an offer; each takes some 200 bytes of memory and its name
(see `offer.NAME_BYTES`)."""
MAX_PARTS = 256
"""Greatest number of files that may be unfinished at one time."""
MAX_PATHS = 1000
"""Greatest number of names in `Arrived`."""


class _Phase(enum.Enum):
    OFFERED = "offered"
    JUDGED = "judged"
    WRITING = "writing"
    CLOSED = "closed"


class _Part:
    """A file that is being written."""

    __slots__ = ("fd", "name", "ranges", "row", "written")

    def __init__(self, fd: int, name: bytes, row: int, ranges: Ranges) -> None:
        self.fd = fd
        self.name = name
        self.row = row
        self.ranges = ranges
        self.written = 0
        """How long the file on the disk is."""


class FileSink(Alone):
    """Writes below *root* (made where it is missing); a `croc_core.content.Sink`.

    `policy` may be changed until `prepare`, and `judge` called again. *attended* says whether a
    person looks at the offer: if none does, hidden names at the top are refused, and no file may
    be executed. The permissions that arrive are narrowed by the process's umask. *say* gets a
    sentence, safe to show, for each thing that a person should hear of; it may not call the sink.
    Calls may come from several threads; each waits for the one before. After `abandon` they raise
    LocalProtocolError and touch nothing.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        policy: Policy = Policy.ASK,
        *,
        attended: bool,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self.policy = policy
        self._root = os.fsencode(root)
        self._say = say
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._runs = attended
        self._offered = Offered(attended)
        self._phase = _Phase.OFFERED
        self._root_fd: int | None = None
        self._folders: Folders | None = None
        self._judge: Judge | None = None
        self._fates = bytearray()
        self._parts: dict[int, _Part] = {}
        self._mark = int.from_bytes(os.urandom(4), "big")
        self._lacking = 0

    @alone
    def consider(self, entries: Sequence[Entry]) -> None:
        """See `Sink.consider`. Raises RemoteProtocolError past MAX_OFFERED entries."""
        self._in(_Phase.OFFERED)
        if len(self._offered.rows) + len(entries) > MAX_OFFERED:
            raise RemoteProtocolError(
                Party.PEER, f"the sender offers more than {MAX_OFFERED:,} entries"
            )
        for entry in entries:
            self._offered.add(entry)

    @alone
    def judge(self) -> Verdict:
        """See `Sink.judge`."""
        self._in(_Phase.OFFERED, _Phase.JUDGED)
        try:
            if self._root_fd is None:
                self._open_root()
            self._judge = Judge(self._offered, self.policy, self._folders)
            verdict = self._judge.verdict()
            self._check_space(verdict.totals.bytes or 0)
        except OSError as error:
            raise local_error(error, "look into", self._root) from None
        self._phase = _Phase.JUDGED
        return verdict

    @alone
    def prepare(self) -> None:
        """See `Sink.prepare`."""
        self._in(_Phase.JUDGED)
        assert self._judge is not None
        self._fates = self._judge.fates
        try:
            if self._folders is None:
                os.makedirs(self._root, exist_ok=True)
                self._open_root()
        except OSError as error:
            raise local_error(error, "make the folder", self._root) from None
        assert self._folders is not None
        self._folders.start(self._judge.renamed)
        self._judge = None
        offered = self._offered
        self._lacking = sum(
            fate != Fate.LEFT_OUT and offered.size(row) > 0
            for fate, row in zip(self._fates, offered.rows, strict=True)
        )
        self._phase = _Phase.WRITING

    @alone
    def write(self, entry: int, offset: int, data: memoryview) -> None:
        """See `Sink.write`; RemoteProtocolError also past MAX_PARTS files at a time."""
        part = self._take(entry, offset, len(data))
        at = offset
        try:
            while data:
                count = os.pwrite(part.fd, data, at)
                at += count
                data = data[count:]
            part.written = max(part.written, at)
            if part.ranges.whole:
                self._complete(entry, part)
        except OSError as error:
            part.ranges.lose(at)
            raise self._trouble(error, part.row) from None

    @alone
    def zeros(self, entry: int, offset: int, length: int) -> None:
        """See `Sink.zeros`: nothing is written, so that the file keeps a hole there."""
        part = self._take(entry, offset, length)
        try:
            if part.ranges.whole:
                self._complete(entry, part)
        except OSError as error:
            raise self._trouble(error, part.row) from None

    @alone
    def finish(self, sizes: Sequence[tuple[int, int]]) -> Arrived:
        """See `Sink.finish`: makes what has no bytes, then dates the folders."""
        self._in(_Phase.WRITING)
        if sizes:
            raise RemoteProtocolError(Party.PEER, "the sender sized what was not accepted")
        if self._lacking:
            raise RemoteProtocolError(
                Party.PEER, f"the sender ended with {self._lacking} files not whole"
            )
        self._make_rest()
        self._dress_folders()
        arrived = self._arrived()
        self._close()
        return arrived

    @alone
    def abandon(self) -> None:
        """See `Sink.abandon`: a part is kept as far as it has come without a gap.

        Waits for a call that is under way; where that was `finish`, nothing is left to give up.
        """
        if self._phase is _Phase.CLOSED:
            return
        for part in self._parts.values():
            with contextlib.suppress(OSError):
                self._leave(part)
        self._parts.clear()
        if self._folders is not None:
            self._remove_empty(self._folders)
        self._close()

    # -- the place to write to

    def _open_root(self) -> None:
        """Open the root if it exists; the person named it, so it may be reached through links."""
        with contextlib.suppress(FileNotFoundError):
            self._root_fd = os.open(self._root or b".", SEARCH & ~os.O_NOFOLLOW)
            self._folders = Folders(self._offered.tree, self._root_fd)

    def _check_space(self, needed: int) -> None:
        place = os.path.abspath(self._root)
        while self._root_fd is None and not os.path.isdir(place):
            place = os.path.dirname(place)
        room = os.statvfs(place if self._root_fd is None else self._root_fd)
        free = room.f_bavail * room.f_frsize
        if needed > free:
            raise LocalFileError(
                f"There is not enough room: {needed:,} bytes are offered, {free:,} are free "
                f'in "{show(self._root)}".',
                "Make room, or choose another folder.",
            )

    # -- files

    def _take(self, entry: int, offset: int, length: int) -> _Part:
        """Return the part of *entry* after noting that these bytes come; made where there is none.

        Raises RemoteProtocolError for what the sender may not send, LocalFileError.
        """
        self._in(_Phase.WRITING)
        part = self._parts.get(entry)
        if part is None:
            if not (0 <= entry < len(self._fates)) or self._fates[entry] == Fate.LEFT_OUT:
                raise RemoteProtocolError(Party.PEER, "the sender sent what was not accepted")
            row = self._offered.rows[entry]
            size = self._offered.size(row)
            if self._fates[entry] == Fate.DONE or size == 0:
                raise RemoteProtocolError(Party.PEER, "the sender sent more than a file holds")
            if len(self._parts) >= MAX_PARTS:
                raise RemoteProtocolError(Party.PEER, "the sender sends too many files at once")
            ranges = Ranges(size)
            ranges.take(offset, length)
            self._parts[entry] = part = self._create(row, ranges)
        else:
            part.ranges.take(offset, length)
        return part

    def _create(self, row: int, ranges: Ranges) -> _Part:
        folders = self._open_folders()
        try:
            folder = folders.make(self._offered.tree.parent(row))
            name = self._part_name(row)
            return _Part(os.open(name, PART, 0o600, dir_fd=folder), name, row, ranges)
        except OSError as error:
            raise self._trouble(error, row) from None

    def _part_name(self, row: int) -> bytes:
        """Return a hidden name for *row*: no other of this run has it, and by chance no other."""
        return part_name(self._offered.tree.name(row), self._mark + row)

    def _complete(self, entry: int, part: _Part) -> None:
        """Give a whole file its size, its marks and its name."""
        row = part.row
        if part.written < part.ranges.size:
            os.ftruncate(part.fd, part.ranges.size)
        mode = self._offered.mode(row)
        if mode is None:
            mode = 0o666
        elif not self._runs:
            mode &= 0o666
        mtime = self._offered.mtime(row)
        with contextlib.suppress(OSError):  # not every file system has permissions and dates
            os.fchmod(part.fd, mode & ~self._umask)
        if mtime is not None:
            with contextlib.suppress(OSError, OverflowError):
                os.utime(part.fd, ns=(mtime, mtime))
        fd, part.fd = part.fd, -1
        os.close(fd)
        self._settle(entry, row, part.name)
        del self._parts[entry]
        if part.ranges.size:
            self._lacking -= 1

    def _settle(self, entry: int, row: int, temporary: bytes) -> None:
        folders = self._open_folders()
        folder = folders.make(self._offered.tree.parent(row))
        wanted = folders.name(row)
        replace = self._fates[entry] == Fate.REPLACE or self.policy is Policy.OVERWRITE
        name = settle(folder, temporary, wanted, replace)
        self._fates[entry] = Fate.DONE
        if name != wanted:
            folders.renamed[row] = name
            self._say(f'"{show(wanted)}" appeared meanwhile; what arrived is "{show(name)}".')

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
                    self._parts[entry] = part = self._create(row, Ranges(0))
                    self._complete(entry, part)
            except OSError as error:
                raise self._trouble(error, row) from None

    def _make_link(self, entry: int, row: int) -> None:
        target = self._offered.target(row)
        assert target is not None
        temporary = self._part_name(row)
        folder = self._open_folders().make(self._offered.tree.parent(row))
        os.symlink(target, temporary, dir_fd=folder)
        try:
            self._settle(entry, row, temporary)
        except OSError:
            os.unlink(temporary, dir_fd=folder)
            raise

    def _dress_folders(self) -> None:
        """Give the folders that this run made their modes and dates, the lowest first."""
        folders = self._open_folders()
        for row in reversed(folders.made):
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
            while not seen[row]:
                seen[row] = True
                parent = offered.tree.parent(row)
                if parent == TOP:
                    paths.append(folders.name(row).decode("utf-8", "backslashreplace"))
                    break
                row = parent
        return Arrived(chosen, files, size, tuple(paths[:MAX_PATHS]))

    def _leave(self, part: _Part) -> None:
        """Close an unfinished file; keep it if a later run can use its beginning."""
        if part.fd < 0:  # whole, but it could not get its name
            return
        folders = self._open_folders()
        try:
            if part.ranges.start:
                os.ftruncate(part.fd, part.ranges.start)
                path = show(folders.path(part.row))
                self._say(f'What arrived of "{path}" is kept beside it in "{show(part.name)}".')
            else:
                folder = folders.find(self._offered.tree.parent(part.row))
                os.unlink(part.name, dir_fd=folder)
        finally:
            fd, part.fd = part.fd, -1
            os.close(fd)

    def _remove_empty(self, folders: Folders) -> None:
        """Remove the folders that this run made and that hold nothing."""
        for row in reversed(folders.made):
            with contextlib.suppress(OSError):
                above = folders.find(self._offered.tree.parent(row))
                os.rmdir(folders.name(row), dir_fd=above)

    def _close(self) -> None:
        self._phase = _Phase.CLOSED
        folders, root = self._folders, self._root_fd
        self._folders = self._root_fd = None
        if folders is not None:
            folders.close()
        if root is not None:
            os.close(root)

    def _open_folders(self) -> Folders:
        assert self._folders is not None
        return self._folders

    def _trouble(self, error: OSError, row: int) -> LocalFileError:
        return local_error(error, "write", self._open_folders().path(row))

    def _in(self, *phases: _Phase) -> None:
        if self._phase not in phases:
            raise LocalProtocolError(f"a sink is {self._phase.value}")
