"""What becomes of each entry, decided before anything is written."""

from __future__ import annotations

import enum
import errno
import os
import stat

from backends._show import show
from backends.files.confine import Folders
from backends.files.names import fold
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


class _There(enum.IntEnum):
    """What stands under the name of a folder of the offer."""

    UNKNOWN = 0
    NOTHING = 1
    FOLDER = 2
    OTHER = 3


class Judge:
    """Judges the entries of *offered* by *policy* and by what exists below *folders*.

    Without *folders* the place to write to does not exist yet, so that every name is free.
    `fates` holds a Fate for each entry, and `renamed` the other names that rows get, both for the
    writer to go on with.
    """

    def __init__(self, offered: Offered, policy: Policy, folders: Folders | None) -> None:
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
        if folders is not None:
            folders.start(self.renamed)

    def verdict(self) -> Verdict:
        """Judge every entry."""
        spans: list[Span] = []
        first, chosen, files, size = -1, 0, 0, 0
        for entry, row in enumerate(self._offered.rows):
            fate = Fate.LEFT_OUT if row == REFUSED else self._fate(row)
            self.fates[entry] = fate
            if fate is not Fate.LEFT_OUT:
                chosen += 1
                size += self._offered.size(row)
                files += not self._offered.is_folder(row)
                if first < 0:
                    first = entry
            elif first >= 0:
                spans.append(Span(first, entry - first))
                first = -1
        if first >= 0:
            spans.append(Span(first, len(self.fates) - first))
        return Verdict(
            tuple(spans),
            Totals(chosen, files, size),
            tuple(self._left_out),
            self._left_out_count,
            tuple(self._replaced),
            self._replaced_count,
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
        if self._offered.is_folder(row):
            if self._folder(row) is _There.OTHER:
                return self._leave_out(row, "something that is not a folder has that name")
            return Fate.NEW
        parent = self._offered.tree.parent(row)
        above = self._folder(parent)
        if above is _There.OTHER:
            return self._leave_out(row, "something that is not a folder is in its way")
        mode = self._look(row) if above is _There.FOLDER else None
        if mode is None:
            return Fate.NEW
        if self._policy is Policy.RENAME and parent == TOP:
            self._shift(row)
            return Fate.NEW
        if self._policy in (Policy.SKIP, Policy.RENAME):
            return self._leave_out(row, "it exists already")
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
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
            mode = self._look(row) if found is _There.FOLDER else None
            if mode is not None and parent == TOP and self._policy is Policy.RENAME:
                self._shift(row)
                found = _There.NOTHING
            elif mode is None and found is _There.FOLDER:
                found = _There.NOTHING
            elif mode is not None and not stat.S_ISDIR(mode):
                found = _There.OTHER
            self._there[row] = found
        return found

    def _look(self, row: int) -> int | None:
        """Return the mode of what has *row*'s name, without following links; None: nothing."""
        assert self._folders is not None
        above = self._folders.find(self._offered.tree.parent(row))
        try:
            return os.stat(self._folders.name(row), dir_fd=above, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return None

    def _shift(self, row: int) -> None:
        """Give the top-level *row* a name that is free on the disk and in the offer."""
        name = self._offered.tree.name(row)
        for variant in variants(name, self._offered.is_folder(row)):
            folded = fold(variant.decode("utf-8", "surrogateescape"))
            if self._offered.taken(TOP, folded) or variant in self._shifted:
                continue
            self.renamed[row] = variant
            if self._look(row) is None:
                self._shifted.add(variant)
                return
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _leave_out(self, row: int, reason: str) -> Fate:
        self._left_out_count += 1
        if len(self._left_out) < MAX_SHOWN:
            self._left_out.append((show(self._offered.tree.path(row)), reason))
        return Fate.LEFT_OUT
