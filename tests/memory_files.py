"""A source and a sink in memory, stricter than any file system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from croc_core.content import (
    EMPTY,
    MAX_SIZE,
    Arrived,
    Entry,
    Kind,
    Span,
    Stretch,
    Totals,
    Verdict,
)
from croc_core.errors import LocalFileError, Party, RemoteProtocolError
from croc_core.resume import BLOCK, digest


@dataclass
class Item:
    """An entry to offer, its bytes, and where they have known holes: (offset, length)."""

    entry: Entry
    data: bytes = b""
    holes: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        assert self.entry.size in (None, len(self.data))
        for offset, length in self.holes:
            assert not any(self.data[offset : offset + length])


def file(path: str, data: bytes, holes: tuple[tuple[int, int], ...] = ()) -> Item:
    """Return a file to offer."""
    return Item(Entry(Kind.FILE, path, len(data), {"mode": 0o644}), data, holes)


def folder(path: str) -> Item:
    """Return a directory to offer."""
    return Item(Entry(Kind.DIRECTORY, path, 0, {}))


def stream(path: str, data: bytes) -> Item:
    """Return a stream to offer, whose size nobody is told."""
    return Item(Entry(Kind.STREAM, path, None, {}), data)


@dataclass
class MemorySource:
    """Offers *items*; a read gives at most `at_most` bytes; `changed` fail their check."""

    items: Sequence[Item]
    at_most: int = 1 << 20
    changed: frozenset[int] = frozenset()
    checked: list[int] = field(default_factory=list)
    reads: list[tuple[int, int, int]] = field(default_factory=list)
    """(entry, offset, count) of each read."""
    closed: bool = False
    strict: bool = True
    """Whether nothing of an entry may be read behind its check: so it is on a single connection
    that is never lost."""

    def walk(self) -> Iterator[Entry]:
        for item in self.items:
            yield item.entry

    def read_into(self, entry: int, offset: int, buffer: memoryview) -> int:
        assert len(buffer) > 0
        assert not self.strict or entry not in self.checked, "read after its check"
        data = self.items[entry].data
        assert offset <= len(data)
        part = data[offset : offset + min(len(buffer), self.at_most)]
        buffer[: len(part)] = part
        self.reads.append((entry, offset, len(part)))
        return len(part)

    def hole(self, entry: int, offset: int, length: int) -> int:
        assert length > 0
        assert offset + length <= len(self.items[entry].data)
        for start, count in self.items[entry].holes:
            if start <= offset < start + count:
                return min(start + count - offset, length)
        return 0

    def check(self, entry: int) -> None:
        self.checked.append(entry)
        if entry in self.changed:
            raise LocalFileError(f"Entry {entry} changed while it was being sent.", "Send again.")

    def close(self) -> None:
        self.closed = True


class MemorySink:
    """Takes what it chose, each byte once; refuses all else.

    `calls` has every write as (entry, offset, bytes) and every run of zeros as (entry, offset,
    length), in the order in which they came.
    """

    def __init__(
        self,
        choose: Callable[[int, Entry], bool] = lambda number, entry: True,
        stream_limit: int = 1 << 24,
    ) -> None:
        self.entries: list[Entry] = []
        self.data: dict[int, bytearray] = {}
        """Of each chosen entry."""
        self.calls: list[tuple[int, int, bytes | int]] = []
        self.state = "considering"
        self._choose = choose
        self._stream_limit = stream_limit
        self._taken: dict[int, list[tuple[int, int]]] = {}
        self.kept: dict[tuple[str | bytes, int | None], bytes] = {}
        """What a broken run or an earlier offer left: the first bytes of entries."""
        self.held: dict[int, bytes] = {}
        """Of chosen entries, until the sender's digests have been compared with it."""
        self.offers = 0
        self.compared: list[tuple[int, int, int]] = []
        """(entry, first block, blocks) of each comparison."""
        self.wants: list[tuple[Stretch, ...]] = []
        """What was lacking, each time that it was asked for."""

    def begin(self) -> None:
        assert self.state != "finished"
        self._keep()
        self.entries, self.data, self.held, self._taken = [], {}, {}, {}
        self.state = "considering"
        self.offers += 1

    def _keep(self) -> None:
        for number, data in self.data.items():
            first = next(iter(self._gaps(number)), (len(data), 0))[0]
            if first:
                entry = self.entries[number]
                self.kept[entry.path, entry.size] = bytes(data[:first])

    def _gaps(self, number: int) -> Iterator[tuple[int, int]]:
        """What lacks between the pieces of an entry, and behind them: (offset, length)."""
        at = 0
        for start, count in sorted(self._taken[number]):
            if start > at:
                yield at, start - at
            at = start + count
        size = self.entries[number].size
        end = MAX_SIZE if size is None else size
        if at < end:
            yield at, end - at

    def compare(self, entry: int, block: int, digests: Sequence[bytes], key: bytes) -> None:
        assert self.state == "writing"
        self.compared.append((entry, block, len(digests)))
        for number, told in enumerate(digests, block):
            part = self.held[entry][number * BLOCK : (number + 1) * BLOCK]
            assert part, "a digest of what is not held"
            if digest(key, part) == told:
                self._claim(entry, number * BLOCK, len(part))
                self.data[entry][number * BLOCK : number * BLOCK + len(part)] = part

    def lacking(self) -> Iterator[Stretch]:
        assert self.state == "writing"
        self.wants.append(
            tuple(Stretch(n, at, length) for n in self.data for at, length in self._gaps(n))
        )
        yield from self.wants[-1]

    def consider(self, entries: Sequence[Entry]) -> None:
        assert self.state == "considering"
        self.entries.extend(entries)

    def judge(self) -> Verdict:
        assert self.state == "considering"
        self.state = "judged"
        numbers = [n for n, entry in enumerate(self.entries) if self._choose(n, entry)]
        for n in numbers:
            self.data[n] = bytearray()
            self._taken[n] = []
            entry = self.entries[n]
            if kept := self.kept.get((entry.path, entry.size)):
                self.held[n] = kept
        chosen = [self.entries[n] for n in numbers]
        known = [entry.size for entry in chosen if entry.size is not None]
        files = sum(entry.kind is not Kind.DIRECTORY for entry in chosen)
        totals = Totals(len(chosen), files, sum(known) if len(known) == len(chosen) else None)
        spans = tuple(Span(n, 1) for n in numbers)
        held = tuple((n, len(data)) for n, data in self.held.items())
        return Verdict(spans, totals, (), len(self.entries) - len(numbers), (), 0, held)

    def prepare(self) -> None:
        assert self.state == "judged"
        self.state = "writing"

    def accept_all(self, items: Sequence[Item]) -> MemorySink:
        """Go through the offer of *items* to the place where pieces may come."""
        self.consider([item.entry for item in items])
        self.judge()
        self.prepare()
        return self

    def write(self, entry: int, offset: int, data: memoryview) -> None:
        assert len(data) > 0
        self._claim(entry, offset, len(data))
        self.data[entry][offset : offset + len(data)] = data
        self.calls.append((entry, offset, bytes(data)))

    def zeros(self, entry: int, offset: int, length: int) -> None:
        self._claim(entry, offset, length)
        self.calls.append((entry, offset, length))

    def _claim(self, entry: int, offset: int, length: int) -> None:
        """Take the range for good; memory is taken only after it was found to be right."""
        assert self.state == "writing"
        if entry not in self.data:
            raise RemoteProtocolError(Party.PEER, "a piece of an entry that was not chosen")
        size = self.entries[entry].size
        if offset + length > (self._stream_limit if size is None else size):
            raise RemoteProtocolError(Party.PEER, "a piece beyond the end of its entry")
        for start, count in self._taken[entry]:
            if offset < start + count and start < offset + length:
                raise RemoteProtocolError(Party.PEER, "a piece over another")
        self._taken[entry].append((offset, length))
        held = self.data[entry]
        held.extend(bytes(max(0, offset + length - len(held))))

    def finish(self, sizes: Sequence[tuple[int, int]]) -> Arrived:
        assert self.state == "writing"
        told = dict(sizes)
        streams = {n for n in self.data if self.entries[n].size is None}
        if len(told) != len(sizes) or set(told) != streams:
            raise RemoteProtocolError(Party.PEER, "sizes of other entries than the streams")
        for number in self.data:
            size = self.entries[number].size
            if sum(c for _, c in self._taken[number]) != (told[number] if size is None else size):
                raise RemoteProtocolError(Party.PEER, "bytes are missing")
        self.state = "finished"
        paths = (self.entries[n].path for n in self.data)
        tops = dict.fromkeys(str(path).partition("/")[0] for path in paths)
        files = sum(self.entries[n].kind is not Kind.DIRECTORY for n in self.data)
        total = sum(map(len, self.data.values()))
        return Arrived(len(self.data), files, total, tuple(tops))

    def abandon(self) -> None:
        self._keep()
        self.state = "abandoned"


def arrived_as(items: Sequence[Item], sink: MemorySink) -> None:
    """Assert that *sink* holds exactly the bytes of those *items* that it chose."""
    for number, data in sink.data.items():
        assert bytes(data) == (b"" if items[number].entry.kind in EMPTY else items[number].data)
