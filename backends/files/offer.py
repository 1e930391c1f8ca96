"""What is offered to this computer: names judged one by one, kept in little memory."""

from __future__ import annotations

import enum
from array import array
from collections.abc import Iterable

from backends._show import show
from backends.files.limits import MAX_TEXT
from backends.files.names import MAX_COMPONENT, BadName, Component, components, cut, link_stays
from backends.files.tree import TOP, Tree
from croc_core.content import MAX_SIZE, Entry, Kind

MAX_IMPLIED = 10_000
"""Greatest number of folders that paths run through without an entry of their own."""
NAME_BYTES = 256 << 20
"""Greatest length of the names of an offer together, in bytes; a folder's counts once."""
TARGET_BYTES = 256
"""Greatest mean length of the targets of links, in bytes an entry."""
MAX_SHOWN = 20
"""How many refused or replaced names a verdict lists."""

REFUSED = -1
"""The row of an entry whose name may not be used."""
NO_MODE = 0xFFFF
NO_MTIME = -(1 << 63)

_OFFERED = 1
_FOLDER = 2
_STREAM = 4
_TEXT = 8


class Texts(enum.Enum):
    """What becomes of the texts of an offer."""

    REFUSE = "refuse"
    SHOW = "show"
    SAVE = "save"
    """They are taken as files of the name that is their label."""


class Offered:
    """The entries of one offer. An entry has a row, a row the folder above it.

    `refused` and `refused_count` tell what was left out for its name, in words safe to show. Where
    no person is there to look (*attended* is false), a hidden name at the top is refused: files
    such as .profile change how programs run.
    """

    def __init__(self, attended: bool, texts: Texts = Texts.REFUSE) -> None:
        self._attended = attended
        self._texts = texts
        self._text_bytes = 0
        self.tree = Tree()
        self.rows = array("i")
        self.refused: list[tuple[str, str]] = []
        self.refused_count = 0
        self._seen: dict[int, int] = {}
        self._implied = 0
        self._flags = bytearray()
        self._sizes = array("q")
        self._modes = array("H")
        self._mtimes = array("q")
        self._targets: dict[int, bytes] = {}
        self._target_bytes = 0

    def add(self, entry: Entry) -> None:
        """Take the next entry; whatever its name is, it raises nothing."""
        try:
            row = self._judge(entry)
        except BadName as reason:
            row = REFUSED
            self.refused_count += 1
            if len(self.refused) < MAX_SHOWN:
                self.refused.append((show(entry.path), str(reason)))
        self.rows.append(row)

    def is_folder(self, row: int) -> bool:
        """Whether *row* is a folder, offered or run through."""
        return bool(self._flags[row] & _FOLDER)

    def is_stream(self, row: int) -> bool:
        """Whether *row*'s size is not known before its end."""
        return bool(self._flags[row] & _STREAM)

    def is_text(self, row: int) -> bool:
        """Whether *row* is a text to show, whose path is no file's."""
        return bool(self._flags[row] & _TEXT)

    def target(self, row: int) -> bytes | None:
        """Where the link *row* leads; None where it is no link."""
        return self._targets.get(row)

    def size(self, row: int) -> int:
        """Return the size of *row* in bytes; 0 for what has none, and while it is not known."""
        return self._sizes[row]

    def end_stream(self, row: int, size: int) -> None:
        """Note the size in bytes of the stream *row*, which has ended."""
        self._sizes[row] = size

    def mode(self, row: int) -> int | None:
        """Return the permission bits that *row* was offered with: at most 0o777, or None."""
        mode = self._modes[row]
        return None if mode == NO_MODE else mode

    def mtime(self, row: int) -> int | None:
        """Return *row*'s time of change, in Unix nanoseconds, or None."""
        mtime = self._mtimes[row]
        return None if mtime == NO_MTIME else mtime

    def taken(self, parent: int, folded: str) -> bool:
        """Whether the offer has a name that counts as *folded* in the folder *parent*."""
        return hash((parent, folded)) in self._seen

    def _judge(self, entry: Entry) -> int:
        if entry.kind is Kind.TEXT and self._texts is not Texts.SAVE:
            return self._take_text(entry)
        parts = components(entry.path)
        if not self._attended and parts[0].name.startswith(b"."):
            raise BadName("a hidden name is only accepted when somebody looks at it")
        target = entry.meta.get("target") if entry.kind is Kind.SYMLINK else None
        if entry.kind is Kind.SYMLINK and not (
            isinstance(target, (str, bytes)) and link_stays(len(parts) - 1, target)
        ):
            raise BadName("a link that leads out of what is sent")
        if isinstance(target, str):
            target = target.encode("utf-8", "surrogateescape")
        if isinstance(target, bytes):
            self._target_bytes += len(target)
            if self._target_bytes > TARGET_BYTES * (1024 + len(self.rows)):
                raise BadName("the links of this offer are too long to hold")
        row = self._place(parts, entry.kind is Kind.DIRECTORY)
        self._sizes[row] = entry.size or 0
        self._modes[row] = _mode(entry.meta.get("mode"))
        self._mtimes[row] = _mtime(entry.meta.get("mtime"))
        if isinstance(target, bytes):
            self._targets[row] = target
        if entry.kind is Kind.STREAM:
            self._flags[row] |= _STREAM
        return row

    def _take_text(self, entry: Entry) -> int:
        """Return the row of a text to show; its label, whatever it is, collides with nothing."""
        if self._texts is Texts.REFUSE:
            raise BadName("a text, which there is no place to show here")
        self._text_bytes += entry.size or 0
        if self._text_bytes > MAX_TEXT:
            raise BadName("the text is too long to show")
        label = entry.path if isinstance(entry.path, bytes) else entry.path.encode(errors="replace")
        row = self._append(TOP, cut(label, MAX_COMPONENT), _OFFERED | _TEXT)
        self._sizes[row] = entry.size or 0
        return row

    def _place(self, parts: list[Component], folder: bool) -> int:
        """Return the row of a new entry; raises BadName where it collides with an earlier one."""
        parent = self._above(parts[:-1])
        last = parts[-1]
        key = hash((parent, last.folded))
        found = self._seen.get(key)
        if found is None:
            return self._add(key, parent, last, _OFFERED | (_FOLDER if folder else 0))
        if self._flags[found] == _FOLDER and folder and self._is(found, parent, last):
            self._flags[found] |= _OFFERED
            self._implied -= 1
            return found
        raise BadName("another name in the offer is the same, at least to some systems")

    def _above(self, parts: Iterable[Component]) -> int:
        """Return the row of the folder that *parts* lead to, adding those that are missing."""
        row = TOP
        for part in parts:
            key = hash((row, part.folded))
            found = self._seen.get(key)
            if found is None:
                if self._implied >= MAX_IMPLIED:
                    raise BadName("its folder is not in the offer")
                row = self._add(key, row, part, _FOLDER)
                self._implied += 1
                continue
            if not self._flags[found] & _FOLDER:
                raise BadName("it lies below something that is not a folder")
            if not self._is(found, row, part):
                raise BadName("another name in the offer is the same, at least to some systems")
            row = found
        return row

    def _is(self, row: int, parent: int, part: Component) -> bool:
        return self.tree.parent(row) == parent and self.tree.name(row) == part.name

    def _add(self, key: int, parent: int, part: Component, flags: int) -> int:
        row = self._append(parent, part.name, flags)
        self._seen[key] = row
        return row

    def _append(self, parent: int, name: bytes, flags: int) -> int:
        if self.tree.name_bytes + len(name) > NAME_BYTES:
            raise BadName("the names of this offer are too long to hold")
        row = self.tree.add(parent, name)
        self._flags.append(flags)
        self._sizes.append(0)
        self._modes.append(NO_MODE)
        self._mtimes.append(NO_MTIME)
        return row


def _mode(value: object) -> int:
    return value & 0o777 if isinstance(value, int) else NO_MODE


def _mtime(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_SIZE:
        return value
    return NO_MTIME
