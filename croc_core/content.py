"""What is sent: entries, choices, and the two ends that files plug into.

Layouts are in docs/protocol.md, "Messages"; every struct here is a msgpack array on the wire.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, TypeAlias

import msgspec
from msgspec import Meta

MAX_PIECE = 1 << 20
"""Greatest number of file bytes that one piece stands for when it carries them, in bytes."""
MAX_SIZE = (1 << 63) - 1
"""Greatest size of one entry, in bytes."""
MAX_ENTRIES = 1 << 31

Offset = Annotated[int, Meta(ge=0, le=MAX_SIZE)]
Index = Annotated[int, Meta(ge=0, lt=MAX_ENTRIES)]

if TYPE_CHECKING:
    Name: TypeAlias = str | bytes
    Value: TypeAlias = int | str | bytes | bool | None
else:  # msgspec has no union of str and bytes: `Entry` itself looks at what came
    Name = Value = Any


class Kind(enum.IntEnum):
    """What an entry is."""

    FILE = 0
    DIRECTORY = 1
    SYMLINK = 2
    TEXT = 3
    STREAM = 4


EMPTY = (Kind.DIRECTORY, Kind.SYMLINK)
"""Kinds of entries that have no bytes of their own."""


class Codec(enum.IntEnum):
    """How a piece's bytes are written."""

    RAW = 0
    ZSTD = 1
    ZEROS = 2
    """The piece's body is a u64 big-endian count of zero bytes."""


class Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One thing offered. Its number is its place in the offer, from 0.

    `path` is relative, its components joined by "/"; bytes where the name is not UTF-8. `size` is
    in bytes, 0 for a directory or a symlink, None for a stream. `meta` may hold "mode" (permission
    bits, int), "mtime" (Unix nanoseconds, int) and, for a symlink, "target" (str or bytes); other
    keys are ignored.
    """

    kind: Kind
    path: Name
    size: Offset | None
    meta: dict[str, Value]

    def __post_init__(self) -> None:
        """Raise ValueError for a path or a value of another type, or a size against the kind."""
        if not isinstance(self.path, (str, bytes)):
            raise ValueError("a path is neither text nor bytes")
        for value in self.meta.values():
            if value is not None and not isinstance(value, (int, str, bytes)):
                raise ValueError("a value of meta has a type that is not allowed")
        if (self.size is None) != (self.kind is Kind.STREAM):
            raise ValueError("a stream has no size, all else has one")
        if self.size and self.kind in EMPTY:
            raise ValueError("a directory or a symlink has size 0")


class TopNames:
    """The first few names at the top of an offer, as they came."""

    def __init__(self, most: int = 10) -> None:
        self._most = most
        self.found: dict[str | bytes, None] = {}

    def add(self, entry: Entry) -> None:
        """Take note of the next entry."""
        if len(self.found) < self._most:
            path = entry.path
            top = path.split(b"/", 1)[0] if isinstance(path, bytes) else path.split("/", 1)[0]
            self.found.setdefault(top)


class Span(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`count` entries from number `first` on."""

    first: Index
    count: Annotated[int, Meta(ge=1, le=MAX_ENTRIES)]


class Totals(NamedTuple):
    """What a set of entries comes to."""

    entries: int
    files: int
    """Those of the entries that are not directories."""
    bytes: int | None
    """None where it is not known yet."""


class Arrived(NamedTuple):
    """What the recipient holds at the end: what is whole and final, and where it lies."""

    entries: int
    files: int
    bytes: int
    paths: tuple[str, ...]
    """The top-level final names, as the recipient's system writes them (at most 1,000)."""


class Source(Protocol):
    """The sender's end: what to offer, and its bytes. Calls may block, or fail: LocalFileError."""

    def walk(self) -> Iterator[Entry]:
        """Yield the entries in order, reading no content. Called once for each offer."""
        ...

    def read_into(self, entry: int, offset: int, buffer: memoryview) -> int:
        """Read up to len(buffer) bytes of *entry* from *offset*; 0 only at its end.

        For a file, an end before its offered size is a LocalFileError.
        """
        ...

    def hole(self, entry: int, offset: int, length: int) -> int:
        """Return how many of the *length* bytes from *offset* on are a known hole (may be 0)."""
        ...

    def check(self, entry: int) -> None:
        """Raise LocalFileError where *entry* has changed since the walk.

        Called behind the last read that a connection needs of it; with several connections, and
        after a redial, more reads and another check may follow.
        """
        ...

    def close(self) -> None:
        """Give back all that is open."""
        ...


class Stretch(NamedTuple):
    """`length` bytes of an entry from `offset` on."""

    entry: int
    offset: int
    length: int


class Verdict(NamedTuple):
    """What the recipient's end says of an offer before anything is written."""

    chosen: tuple[Span, ...]
    """The entries to accept, in order."""
    totals: Totals
    """Of the chosen entries."""
    refused: tuple[tuple[str, str], ...]
    """The first names that are left out, each with the reason, both safe to show."""
    refused_count: int
    overwrites: tuple[str, ...]
    """The first existing names that would be replaced, safe to show."""
    overwrite_count: int
    held: tuple[tuple[int, int], ...] = ()
    """Chosen entries, ascending, and how many of their first bytes a journal vouches for."""


class Sink(Protocol):
    """The recipient's end: judges names, writes bytes. Calls may block, or fail: LocalFileError."""

    def begin(self) -> None:
        """A new offer begins: the entries of the one before, and all that was chosen, are void.

        What has arrived of it is kept where a later run could use it. Called before the first
        `consider` of every offer.
        """
        ...

    def consider(self, entries: Sequence[Entry]) -> None:
        """Take the next entries of the offer; nothing is written."""
        ...

    def judge(self) -> Verdict:
        """Judge the whole offer: names, what exists, free space. Nothing is written.

        Raises LocalFileError where the space does not suffice.
        """
        ...

    def prepare(self) -> None:
        """The verdict has been accepted by the person: writing may begin."""
        ...

    def compare(self, entry: int, block: int, digests: Sequence[bytes], key: bytes) -> None:
        """Compare keyed digests of the blocks of *entry* from number *block* on with what is held.

        After `prepare`, for the verdict's `held` in its order, every block of it once
        (docs/protocol.md, 9.5); `croc_core.resume` has the digest. What differs is lacking.
        """
        ...

    def lacking(self) -> Iterator[Stretch]:
        """Yield what the chosen entries lack, ascending, without overlap.

        Of a stream, which has no size, that is all from its first missing byte up to MAX_SIZE.
        Called when nothing is being written; from here on just these bytes may come.
        """
        ...

    def write(self, entry: int, offset: int, data: memoryview) -> None:
        """Write *data* of *entry* at *offset*; with several connections, from several threads.

        Raises RemoteProtocolError where the entry was not chosen, or the bytes overlap what came
        before or pass its size. An entry gets its final name once it is whole.
        """
        ...

    def zeros(self, entry: int, offset: int, length: int) -> None:
        """As `write`, for *length* zero bytes, which need not take up space."""
        ...

    def finish(self, sizes: Sequence[tuple[int, int]]) -> Arrived:
        """All pieces have come: make everything final.

        *sizes* gives (entry, size in bytes) of the entries that had none. Raises
        RemoteProtocolError where bytes are missing.
        """
        ...

    def abandon(self) -> None:
        """The run has failed: close, keep what a later run can use, remove only what is useless."""
        ...
