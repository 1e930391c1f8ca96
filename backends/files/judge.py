"""What becomes of each entry, decided before anything is written."""

from __future__ import annotations

import enum
import errno
import os
import stat
from typing import NamedTuple

from backends._show import show
from backends.files.confine import Folders
from backends.files.journal import Announced, Earlier, ours, plain
from backends.files.names import fold, part_name
from backends.files.offer import MAX_SHOWN, REFUSED, Offered
from backends.files.policy import Policy, variants
from backends.files.tree import TOP
from croc_core.content import Span, Totals, Verdict


class Fate(enum.IntEnum):
    """What becomes of an entry."""

    LEFT_OUT = 0
    NEW = 1
    """To be written under a name that is free."""
    REPLACE = 2
    """To be written over a file that is there."""
    DONE = 3
    """It stands under its final name."""
    HELD = 4
    """An earlier run has put it under its final name; its digests are still to be compared."""


class Kept(NamedTuple):
    """What an earlier run left of an entry."""

    length: int
    """How many of its first bytes there are."""
    mark: int | None
    """The number in the name of its part; None: it stands under its final name."""


class _There(enum.IntEnum):
    """What stands under the name of a folder of the offer."""

    UNKNOWN = 0
    NOTHING = 1
    FOLDER = 2
    OTHER = 3


MAX_KEPT = 128
"""Most parts of earlier runs that are gone on with; they are all open at one time."""
_GRAINS = (1, 100, 10**3, 10**7, 10**9, 2 * 10**9)
"""What file systems round times down to, in nanoseconds."""


class Judge:
    """Judges the entries of *offered* by *policy* and by what exists below *folders*.

    Without *folders* the place to write to does not exist yet, so that every name is free. What
    *earlier* runs left of the offer is gone on with.

    For the writer to go on with: `fates` holds a Fate for each entry, `renamed` the other names
    that rows get, `kept` what there is of entries, `inherited` the rows of the folders that an
    earlier run made, `stale` the parts of earlier runs that are of no use any more once their rows
    are whole, as row and mark.
    """

    def __init__(
        self,
        offered: Offered,
        policy: Policy,
        folders: Folders | None,
        earlier: Earlier | None = None,
    ) -> None:
        self._offered = offered
        self._policy = policy
        self._folders = folders
        self._there = bytearray(len(offered.tree))
        self._left_out = list(offered.refused)
        self._left_out_count = offered.refused_count
        self._replaced: list[str] = []
        self._replaced_count = 0
        self._shifted: set[bytes] = set()
        self.fates = bytearray(len(offered.rows))
        self.renamed: dict[int, bytes] = {}
        self.kept: dict[int, Kept] = {}
        self.inherited: list[int] = []
        self.stale: list[tuple[int, int]] = []
        self._earlier = earlier or None
        self._parts = 0
        if folders is not None:
            folders.start(self.renamed)
        if earlier is not None:
            earlier.begin()

    def verdict(self) -> Verdict:
        """Judge every entry."""
        spans: list[Span] = []
        first, chosen, files, size, streams = -1, 0, 0, 0, False
        for entry, row in enumerate(self._offered.rows):
            fate = Fate.LEFT_OUT if row == REFUSED else self._fate(row)
            self.fates[entry] = fate
            if fate is not Fate.LEFT_OUT:
                if self._earlier is not None:
                    self._find(entry, row, fate)
                chosen += 1
                size += self._offered.size(row)
                files += not self._offered.is_folder(row)
                streams |= self._offered.is_stream(row)
                if first < 0:
                    first = entry
            elif first >= 0:
                spans.append(Span(first, entry - first))
                first = -1
        if first >= 0:
            spans.append(Span(first, len(self.fates) - first))
        return Verdict(
            tuple(spans),
            Totals(chosen, files, None if streams else size),
            tuple(self._left_out),
            self._left_out_count,
            tuple(self._replaced),
            self._replaced_count,
            tuple((entry, kept.length) for entry, kept in self.kept.items()),
        )

    def merges(self, row: int) -> bool:
        """Whether *row*, which is taken or has something below it that is, is a folder there."""
        return self._there[row] == _There.FOLDER

    def _fate(self, row: int) -> Fate:
        try:
            return self._judge(row)
        except OSError as error:
            return self._leave_out(
                row, f"its folder cannot be used ({os.strerror(error.errno or 0)})"
            )

    def _judge(self, row: int) -> Fate:
        if self._offered.is_text(row):
            return Fate.NEW
        if self._offered.is_folder(row):
            if self._folder(row) is _There.OTHER:
                return self._leave_out(row, "something that is not a folder has that name")
            return Fate.NEW
        parent = self._offered.tree.parent(row)
        above = self._folder(parent)
        if above is _There.OTHER:
            return self._leave_out(row, "something that is not a folder is in its way")
        info = self._look(row) if above is _There.FOLDER else None
        if info is None:
            return Fate.NEW
        if self._made(row, info):
            return self._done(row)
        if self._policy is Policy.RENAME and parent == TOP:
            return self._done(row) if self._shift(row) else Fate.NEW
        if self._policy in (Policy.SKIP, Policy.RENAME):
            return self._leave_out(row, "it exists already")
        if not (stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode)):
            return self._leave_out(row, "something that is not a file has that name")
        self._replaced_count += 1
        if len(self._replaced) < MAX_SHOWN:
            self._replaced.append(show(self._offered.tree.path(row)))
        return Fate.REPLACE

    def _folder(self, row: int) -> _There:
        """Say what stands under the name of the folder *row*; looked up once for each."""
        if row == TOP:
            return _There.NOTHING if self._folders is None else _There.FOLDER
        found = _There(self._there[row])
        if found is _There.UNKNOWN:
            parent = self._offered.tree.parent(row)
            found = self._folder(parent)
            info = self._look(row) if found is _There.FOLDER else None
            if info is None:
                found = _There.OTHER if found is _There.OTHER else _There.NOTHING
            elif self._made(row, info):
                self.inherited.append(row)
            elif parent == TOP and self._policy is Policy.RENAME:
                if self._shift(row):
                    self.inherited.append(row)
                else:
                    found = _There.NOTHING
            elif not stat.S_ISDIR(info.st_mode):
                found = _There.OTHER
            self._there[row] = found
        return found

    def _look(self, row: int) -> os.stat_result | None:
        """Return what has *row*'s name, without following links; None: nothing."""
        assert self._folders is not None
        return self._folders.look(row, self._folders.name(row))

    def _shift(self, row: int) -> bool:
        """Give the top-level *row* a name that is free on the disk and in the offer.

        Or one under which an earlier run has made it: then return True.
        """
        name = self._offered.tree.name(row)
        for variant in variants(name, self._offered.is_folder(row)):
            folded = fold(variant.decode("utf-8", "surrogateescape"))
            if self._offered.taken(TOP, folded) or variant in self._shifted:
                continue
            self.renamed[row] = variant
            info = self._look(row)
            made = info is not None and self._made(row, info)
            if info is None or made:
                self._shifted.add(variant)
                return made
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    # -- what earlier runs left

    def _said(self, row: int) -> list[Announced]:
        """Return what the journals say of the file *row*."""
        return self._earlier.files(self._offered.tree.path(row)) if self._earlier else []

    def _made(self, row: int, info: os.stat_result) -> bool:
        """Whether *info*, which has the name of *row*, was made of this very offer before.

        A file counts that is announced, whole, and has the time of change that was offered: one
        that a person has changed since is not ours.
        """
        if self._earlier is None:
            return False
        offered, folders = self._offered, self._folders
        assert folders is not None
        name = folders.name(row)
        if offered.is_folder(row):
            known = self._earlier.folder(offered.tree.path(row))
            return stat.S_ISDIR(info.st_mode) and known == name
        size, mtime = offered.size(row), offered.mtime(row)
        if offered.is_stream(row) or not any(said.size == size for said in self._said(row)):
            return False
        target = offered.target(row)
        if target is not None:
            above = folders.find(offered.tree.parent(row))
            return stat.S_ISLNK(info.st_mode) and os.readlink(name, dir_fd=above) == target
        if mtime is None or not plain(info) or info.st_size != size:
            return False
        return any(info.st_mtime_ns == mtime // grain * grain for grain in _GRAINS)

    def _done(self, row: int) -> Fate:
        return Fate.HELD if self._offered.size(row) else Fate.DONE

    def _find(self, entry: int, row: int, fate: Fate) -> None:
        """See what there is of *entry*, which is taken."""
        offered, folders = self._offered, self._folders
        if offered.is_folder(row) or offered.is_text(row):
            return
        assert self._earlier is not None
        assert folders is not None
        self._earlier.take(offered.tree.path(row))
        size = offered.size(row)
        if fate is Fate.HELD:
            self.kept[entry] = Kept(size, None)
        if self._there_above(row) is not _There.FOLDER:
            return
        marks = set()
        for said in self._said(row):
            if said.mark in marks:
                continue
            marks.add(said.mark)
            info = folders.look(row, part_name(offered.tree.name(row), said.mark))
            if info is None or not plain(info):
                continue
            fits = said.size == size and info.st_size > 0 and ours(info)
            if fits and entry not in self.kept and self._parts < MAX_KEPT:
                self._parts += 1
                self.kept[entry] = Kept(min(info.st_size, size), said.mark)
            else:
                self.stale.append((row, said.mark))

    def _there_above(self, row: int) -> _There:
        return self._folder(self._offered.tree.parent(row))

    def _leave_out(self, row: int, reason: str) -> Fate:
        self._left_out_count += 1
        if len(self._left_out) < MAX_SHOWN:
            self._left_out.append((show(self._offered.tree.path(row)), reason))
        return Fate.LEFT_OUT
