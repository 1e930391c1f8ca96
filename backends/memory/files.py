"""Files in memory: the two ends of a transfer for programs that have no disk in it.

A set of files is a mapping of paths ("/" between components) to bytes; a path that ends in "/" is
an empty folder.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import NamedTuple

from backends._show import show
from backends.files.names import BadName, components
from backends.files.parts import Ranges
from croc_core.content import EMPTY, Arrived, Entry, Kind, Span, Stretch, Totals, Verdict
from croc_core.errors import LocalFileError, Party, RemoteProtocolError
from croc_core.resume import BLOCK, digest

MAX_SHOWN = 100
"""Most refused names that a verdict holds."""


class Unfinished(NamedTuple):
    """The first bytes of a file that was offered with that size."""

    size: int
    data: bytes


class MemorySource:
    """Offers *files*; see `croc_core.content.Source`."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = list(files.items())

    def walk(self) -> Iterator[Entry]:
        """See `Source`."""
        for path, data in self._files:
            if path.endswith("/"):
                yield Entry(Kind.DIRECTORY, path[:-1], 0, {})
            else:
                yield Entry(Kind.FILE, path, len(data), {})

    def read_into(self, entry: int, offset: int, buffer: memoryview) -> int:
        """See `Source`."""
        part = self._files[entry][1][offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def hole(self, entry: int, offset: int, length: int) -> int:
        """See `Source`."""
        del entry, offset, length
        return 0

    def check(self, entry: int) -> None:
        """See `Source`: what is in memory does not change."""

    def close(self) -> None:
        """See `Source`."""


class MemorySink:
    """Puts what comes into *files*, a file only once it is whole; see `croc_core.content.Sink`.

    Names that are taken, unsafe or not text are refused, and so is what is not a file or a folder.
    *room* is how many bytes there is space for, or None. What a broken run leaves of its files is
    kept in *unfinished*, by path, for a sink that is given the same mapping.
    """

    def __init__(
        self,
        files: MutableMapping[str, bytes],
        room: int | None = None,
        unfinished: MutableMapping[str, Unfinished] | None = None,
    ) -> None:
        self._files = files
        self._room = room
        self._unfinished = {} if unfinished is None else unfinished
        self._ours: dict[str, int] = {}  # what has become whole here, and its size
        self._entries: list[Entry] = []
        self._paths: dict[int, str] = {}
        self._held: dict[int, bytes] = {}  # not compared yet
        self._parts: dict[int, tuple[bytearray, Ranges]] = {}

    def begin(self) -> None:
        """See `Sink`."""
        self._keep()
        self._entries, self._paths, self._held = [], {}, {}

    def consider(self, entries: Sequence[Entry]) -> None:
        """See `Sink`."""
        self._entries += entries

    def judge(self) -> Verdict:
        """See `Sink`."""
        refused = []
        for number, entry in enumerate(self._entries):
            try:
                self._paths[number] = self._path(entry)
            except BadName as reason:
                refused.append((show(entry.path), str(reason)))
            else:
                self._look_for(number)
        chosen = [self._entries[number] for number in self._paths]
        total = sum(entry.size or 0 for entry in chosen)
        if self._room is not None and total > self._room:
            raise LocalFileError("There is not enough room.", "Make some, then start again.")
        files = sum(entry.kind is Kind.FILE for entry in chosen)
        return Verdict(
            tuple(_spans(self._paths)),
            Totals(len(chosen), files, total),
            tuple(refused[:MAX_SHOWN]),
            len(refused),
            (),
            0,
            tuple((number, len(data)) for number, data in self._held.items()),
        )

    def _path(self, entry: Entry) -> str:
        """Return the key of *entry*; BadName where it cannot be taken."""
        if entry.kind not in (Kind.FILE, Kind.DIRECTORY):
            raise BadName("it is neither a file nor a folder")
        if isinstance(entry.path, bytes):
            raise BadName("the name is not valid text")
        components(entry.path)
        path = entry.path + "/" * (entry.kind is Kind.DIRECTORY)
        taken = path in self._files and self._ours.get(path) != entry.size
        if taken or path in self._paths.values():
            raise BadName("it exists already")
        return path

    def _look_for(self, number: int) -> None:
        """Look whether something of an entry is there already."""
        path, size = self._paths[number], self._entries[number].size or 0
        if path in self._ours and size:
            self._held[number] = self._files[path]
        elif path in self._unfinished:
            expected, data = self._unfinished[path]
            if expected == size and data:
                self._held[number] = data

    def prepare(self) -> None:
        """See `Sink`."""
        for number, path in self._paths.items():
            size = self._entries[number].size or 0
            if size:
                self._parts[number] = bytearray(self._held.get(number, b"")), Ranges(size)
            elif path not in self._ours:
                self._give(path, b"")

    def compare(self, entry: int, block: int, digests: Sequence[bytes], key: bytes) -> None:
        """See `Sink`."""
        held, (part, ranges) = self._held[entry], self._parts[entry]
        for number, expected in enumerate(digests, block):
            data = held[number * BLOCK : (number + 1) * BLOCK]
            if hmac.compare_digest(digest(key, data), expected):
                ranges.take(number * BLOCK, len(data))
        self._settle(entry, part, ranges)

    def lacking(self) -> Iterator[Stretch]:
        """See `Sink`."""
        for entry, (_, ranges) in sorted(self._parts.items()):
            for begin, end in ranges.gaps():
                yield Stretch(entry, begin, end - begin)

    def write(self, entry: int, offset: int, data: memoryview) -> None:
        """See `Sink`."""
        part, ranges = self._part(entry)
        ranges.take(offset, len(data))
        end = offset + len(data)
        part.extend(bytes(max(0, end - len(part))))
        part[offset:end] = data
        self._settle(entry, part, ranges)

    def zeros(self, entry: int, offset: int, length: int) -> None:
        """See `Sink`."""
        part, ranges = self._part(entry)
        ranges.take(offset, length)
        end = offset + length
        part.extend(bytes(max(0, end - len(part))))
        part[offset:end] = bytes(length)
        self._settle(entry, part, ranges)

    def _part(self, entry: int) -> tuple[bytearray, Ranges]:
        try:
            return self._parts[entry]
        except KeyError:
            text = "the sender sent bytes of a file that is whole or was not accepted"
            raise RemoteProtocolError(Party.PEER, text) from None

    def _settle(self, entry: int, part: bytearray, ranges: Ranges) -> None:
        if ranges.whole:
            del self._parts[entry]
            self._give(self._paths[entry], bytes(part))

    def _give(self, path: str, data: bytes) -> None:
        """Let a file that is whole appear."""
        self._unfinished.pop(path, None)
        if self._ours.get(path) is None or self._files[path] != data:
            self._files[path] = data
        self._ours[path] = len(data)

    def finish(self, sizes: Sequence[tuple[int, int]]) -> Arrived:
        """See `Sink`."""
        if self._parts or sizes:
            raise RemoteProtocolError(Party.PEER, "the sender ended before every file was whole")
        chosen = [self._entries[number] for number in self._paths]
        tops = dict.fromkeys(path.partition("/")[0] for path in self._paths.values())
        return Arrived(
            len(chosen),
            sum(entry.kind not in EMPTY for entry in chosen),
            sum(entry.size or 0 for entry in chosen),
            tuple(tops)[:1000],
        )

    def abandon(self) -> None:
        """See `Sink`: what is whole stays, and of the rest what has come without a gap."""
        self._keep()

    def _keep(self) -> None:
        """Put what is not whole where a later offer finds it."""
        for entry, (part, ranges) in self._parts.items():
            path, size = self._paths[entry], ranges.size
            length = max(ranges.start, len(self._held.get(entry, b"")))
            if length and path not in self._ours:
                self._unfinished[path] = Unfinished(size, bytes(part[:length]))
        self._parts.clear()


def _spans(numbers: Iterable[int]) -> Iterator[Span]:
    """Yield ascending *numbers* as spans."""
    first = count = 0
    for number in numbers:
        if count and number == first + count:
            count += 1
            continue
        if count:
            yield Span(first, count)
        first, count = number, 1
    if count:
        yield Span(first, count)
