"""What the recipient wants of an offer, and how it is shared between connections.

An offer can hold a million entries, so all of this is kept in arrays: 9 bytes an entry for the
offer, 8 a span of the choice, 12 a held entry and 20 a wanted range.
"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from croc_core.content import EMPTY, MAX_SIZE, Entry, Kind, Span, TopNames, Totals
from croc_core.errors import Party, RemoteProtocolError
from croc_core.messages import Accept, Held, Range, Want

SLAB = 8 << 20
"""Most bytes of a slab, unless there would be too many of them."""
LEAST_SLAB = 1 << 20
MOST_SLABS = 1 << 16
"""A work of more bytes than this many slabs of `SLAB` has larger ones."""
FILE_COST = 16 << 10
"""What it costs to open and end a file, in bytes that could be sent meanwhile; measured."""
SPARE_RANGES = 1 << 20
"""A recipient may want so many ranges more than the offer has entries: 20 MiB of memory."""

Part: TypeAlias = tuple[int, int, int, bool]
"""Entry, offset, end, and whether it is the last of that entry; a stream ends at MAX_SIZE."""


class Outline:
    """The sender's memory of its offer: 9 bytes an entry."""

    def __init__(self) -> None:
        self.sizes = array("q")
        """In bytes; -1 for a stream."""
        self.kinds = bytearray()
        self.names = TopNames()

    def add(self, entry: Entry) -> None:
        """Remember the next entry."""
        self.sizes.append(-1 if entry.size is None else entry.size)
        self.kinds.append(entry.kind)
        self.names.add(entry)

    def totals(self) -> Totals:
        """Count the entries and their bytes."""
        return self.part(0, len(self.sizes))

    def part(self, first: int, end: int) -> Totals:
        """Count the entries from number *first* up to *end*, and their bytes."""
        kinds = self.kinds[first:end]
        streams = kinds.count(Kind.STREAM)
        total = sum(self.sizes[first:end])
        files = len(kinds) - kinds.count(Kind.DIRECTORY)
        return Totals(len(kinds), files, None if streams else total)


class _Chosen:
    """Whole entries, as spans."""

    def __init__(self) -> None:
        self.firsts = array("I")
        self.counts = array("I")
        self.end = 0
        """Number of the entry behind the last one."""

    def add(self, span: Span) -> None:
        """Take the next span; one that follows directly is joined to the one before."""
        if self.counts and span.first == self.end:
            self.counts[-1] += span.count
        else:
            self.firsts.append(span.first)
            self.counts.append(span.count)
        self.end = span.first + span.count

    def __contains__(self, entry: int) -> bool:
        place = bisect_right(self.firsts, entry) - 1
        return place >= 0 and entry < self.firsts[place] + self.counts[place]

    def __iter__(self) -> Iterator[int]:
        for first, count in zip(self.firsts, self.counts, strict=True):
            yield from range(first, first + count)

    def parts(self, outline: Outline) -> Iterator[Part]:
        """Yield each entry that can have bytes, whole."""
        sizes, kinds = outline.sizes, outline.kinds
        for entry in self:
            if kinds[entry] not in EMPTY:
                size = sizes[entry]
                yield entry, 0, MAX_SIZE if size < 0 else size, True


class _Wanted:
    """Ranges of entries, ascending, without overlap."""

    def __init__(self) -> None:
        self.entries = array("I")
        self.offsets = array("q")
        self.ends = array("q")
        self.files = 0
        self.bytes = 0
        """Those of streams left out."""
        self.streams = 0

    def behind(self, entry: int, offset: int) -> bool:
        """Whether *offset* of *entry* lies behind all that is here."""
        if not self.entries:
            return True
        return (entry, offset) >= (self.entries[-1], self.ends[-1])

    def add(self, wanted: Range, *, stream: bool) -> None:
        """Take the next range; one that follows directly is joined to the one before."""
        entry, offset, end = wanted.entry, wanted.offset, wanted.offset + wanted.length
        again = bool(self.entries) and entry == self.entries[-1]
        if again and offset == self.ends[-1]:
            self.ends[-1] = end
        else:
            self.entries.append(entry)
            self.offsets.append(offset)
            self.ends.append(end)
        self.files += not again
        self.streams += stream
        self.bytes += 0 if stream else wanted.length

    def parts(self, outline: Outline) -> Iterator[Part]:
        """Yield each range."""
        del outline
        final = len(self.entries) - 1
        for number, entry in enumerate(self.entries):
            last = number == final or self.entries[number + 1] != entry
            yield entry, self.offsets[number], self.ends[number], last


class Selection:
    """The recipient's choice out of an offer: first whole entries, after a `Want` its ranges."""

    def __init__(self, outline: Outline) -> None:
        self.codecs: frozenset[int] = frozenset()
        """Numbers of those that the recipient named."""
        self.totals = Totals(0, 0, 0)
        """Of the whole choice, with the bytes of streams left out."""
        self._outline = outline
        self._chosen = _Chosen()
        self._streams = False
        self._more = False
        self._held = array("I")
        self._held_lengths = array("q")
        self._wanted: _Wanted | None = None
        self._coming: _Wanted | None = None

    def choose(self, accept: Accept) -> None:
        """Take an `Accept`, or the next part of one.

        Raises RemoteProtocolError where it is not an ascending part of the offer, or names
        something as held that cannot be (docs/protocol.md, OFFER-10 and RESUME-1).
        """
        codecs = frozenset(accept.codecs)
        if self._more and codecs != self.codecs:
            raise RemoteProtocolError(Party.PEER, "it accepts with other codecs than before")
        self.codecs, self._more = codecs, accept.more
        for span in accept.spans:
            self._add(span)
        for held in accept.held:
            self._hold(held)
        # A part may hold what only a later one chooses.
        if not accept.more and not all(entry in self._chosen for entry in self._held):
            raise RemoteProtocolError(Party.PEER, "it holds what it does not accept")

    def _add(self, span: Span) -> None:
        end = span.first + span.count
        if span.first < self._chosen.end or end > len(self._outline.sizes):
            raise RemoteProtocolError(Party.PEER, "it accepts what was not offered")
        self._chosen.add(span)
        part = self._outline.part(span.first, end)
        if part.bytes is None:
            self._streams = True
            sizes = self._outline.sizes[span.first : end]
            part = part._replace(bytes=sum(size for size in sizes if size > 0))
        entries, files, total = self.totals
        assert total is not None
        assert part.bytes is not None
        self.totals = Totals(entries + part.entries, files + part.files, total + part.bytes)

    def _hold(self, held: Held) -> None:
        if held.entry >= len(self._outline.sizes) or (self._held and held.entry <= self._held[-1]):
            raise RemoteProtocolError(Party.PEER, "it holds what was not offered")
        if held.length > self._outline.sizes[held.entry]:  # of a stream: whatever the length
            raise RemoteProtocolError(Party.PEER, "it holds more of an entry than there is")
        self._held.append(held.entry)
        self._held_lengths.append(held.length)

    @property
    def held(self) -> Iterator[tuple[int, int]]:
        """Entries whose first bytes the recipient holds, and how many these are; in order."""
        return zip(self._held, self._held_lengths, strict=True)

    @property
    def wanted(self) -> Totals:
        """What is to be sent: all of the choice, or the ranges of the latest whole `Want`.

        `files` are those with something to be sent; `bytes` is None where a stream is among them.
        """
        if self._wanted is None:
            return self.totals._replace(bytes=None) if self._streams else self.totals
        wanted = self._wanted
        return Totals(wanted.files, wanted.files, None if wanted.streams else wanted.bytes)

    def dialled(self) -> None:
        """Connection 0 is a new one: a `Want` of which only some parts came is void."""
        self._coming = None

    def narrow(self, want: Want) -> None:
        """Take a `Want`, or the next part of one; once it is whole it is what is to be sent.

        Raises RemoteProtocolError where it is not an ascending part of the choice, without
        overlap (docs/protocol.md, REDIAL-5), or more scattered than any sink makes it.
        """
        coming = self._coming = self._coming or _Wanted()
        for wanted in want.ranges:
            size = self._outline.sizes[wanted.entry] if wanted.entry in self._chosen else None
            if size is None:
                raise RemoteProtocolError(Party.PEER, "it wants what it did not accept")
            end = wanted.offset + wanted.length
            if (end > size) if size >= 0 else (end != MAX_SIZE):
                raise RemoteProtocolError(Party.PEER, "it wants what is not in the entry")
            if not coming.behind(wanted.entry, wanted.offset):
                raise RemoteProtocolError(Party.PEER, "it wants ranges out of order, or twice")
            if wanted.length:
                coming.add(wanted, stream=size < 0)
        if len(coming.entries) > len(self._outline.sizes) + SPARE_RANGES:
            raise RemoteProtocolError(Party.PEER, "it wants too many ranges to keep track of")
        if not want.more:
            self._wanted, self._coming = coming, None

    def share(self, *, several: bool = False) -> Share:
        """Return what is to be sent now, for all producers of one dial."""
        known = self.totals.bytes if self._wanted is None else self._wanted.bytes
        assert known is not None
        return Share(self._outline, self._wanted or self._chosen, _slab(known) if several else None)


def _slab(total: int) -> int:
    """Return the length of a slab: enough of them to keep all connections busy to the end."""
    return max(LEAST_SLAB, min(total >> 7, SLAB), total // MOST_SLABS)


class Share:
    """The work of one dial, which its producers share among them, from several threads.

    It is cut into numbered slabs, the same for everyone: a stretch of a large file, a run of small
    ones, or a stream. Each producer walks over them all and takes those whose number it draws.
    """

    def __init__(self, outline: Outline, work: _Chosen | _Wanted, slab: int | None) -> None:
        self.outline = outline
        self._work = work
        self._slab = slab
        # `next` of a count is one step that threads cannot divide: nothing is drawn twice.
        self._numbers = itertools.count()

    def draw(self) -> Iterator[Part]:
        """Return one producer's parts, ascending; the next slab is drawn when one is used up."""
        parts = self._work.parts(self.outline)
        if self._slab is None:
            return parts if next(self._numbers) == 0 else iter(())
        return self._draw(_cut(parts, self._slab))

    def _draw(self, numbered: Iterator[tuple[int, Part]]) -> Iterator[Part]:
        mine = next(self._numbers)
        for number, part in numbered:
            if number > mine:
                mine = next(self._numbers)
            if number == mine:
                yield part


def _cut(parts: Iterable[Part], slab: int) -> Iterator[tuple[int, Part]]:
    """Cut *parts* into slabs of at most about *slab* bytes each."""
    number, room = 0, slab
    for entry, offset, end, last in parts:
        stream = end == MAX_SIZE
        if room < slab and (stream or end - offset > room):
            number, room = number + 1, slab
        while end - offset > slab and not stream:
            yield number, (entry, offset, offset + slab, False)
            number, offset = number + 1, offset + slab
        yield number, (entry, offset, end, last)
        room -= end - offset + FILE_COST
