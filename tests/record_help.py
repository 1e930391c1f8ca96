"""What the tests of records share: keys, and a channel that reads in any pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Protocol

from croc_core.content import Span
from croc_core.incoming import End, Reader, Unit
from croc_core.messages import Accept, Range, Want
from croc_core.seal import KeyFor, Opener, Sealer
from croc_core.selection import Outline, Selection, Share
from tests.memory_files import Item

AEADS = ("aes256gcm", "chacha20poly1305")
HUGE = 1 << 30


def keys(name: str) -> KeyFor:
    """Return the keys of one direction of one connection; *name* says which."""
    return lambda g: hashlib.sha256(b"%s %d" % (name.encode(), g)).digest()


def pair(aead: str = "aes256gcm", name: str = "a") -> tuple[Sealer, Opener]:
    """Return two ends of one direction."""
    return Sealer(aead, keys(name)), Opener(aead, keys(name))


def secured(opener: Opener) -> Reader:
    """Return a reader to which sealed records come."""
    reader = Reader()
    reader.secure(opener)
    return reader


def push(reader: Reader, data: bytes, cuts: Iterable[int] = ()) -> Iterator[Unit]:
    """Feed *data* in reads of at most *cuts* bytes (any number once they are used up).

    Yields each unit as soon as it is there, and only then goes on, as a node does.
    """
    sizes = chain(cuts, repeat(HUGE))
    at = 0
    while True:
        while reader.ready():
            yield reader.take()
        if at == len(data):
            return
        buffer = reader.buffer()
        assert len(buffer) > 0
        count = min(len(buffer), next(sizes), len(data) - at)
        buffer[:count] = data[at : at + count]
        reader.advance(count)
        at += count


def close(reader: Reader) -> End:
    """Feed the end of the stream and return what the reader makes of it."""
    reader.advance(0)
    assert reader.ready()
    unit = reader.take()
    assert isinstance(unit, End)
    return unit


class Producer(Protocol):
    def fill(self) -> memoryview | None: ...


def records(producer: Producer) -> Iterator[bytes]:
    """All that the producer fills, and then nothing for good."""
    while (view := producer.fill()) is not None:
        yield bytes(view)
    assert producer.fill() is None


def outline_of(items: Sequence[Item]) -> Outline:
    outline = Outline()
    for item in items:
        outline.add(item.entry)
    return outline


def accept(numbers: Iterable[int]) -> Accept:
    return Accept(bytes(16), tuple(Span(n, 1) for n in numbers), (), 1, (), False)


def selection_of(items: Sequence[Item], numbers: Iterable[int] | None = None) -> Selection:
    """Those *numbers* of *items*, or all of them, as the choice of a recipient."""
    selection = Selection(outline_of(items))
    selection.choose(accept(range(len(items)) if numbers is None else numbers))
    return selection


def want(*ranges: tuple[int, int, int], more: bool = False) -> Want:
    return Want(bytes(16), tuple(Range(*wanted) for wanted in ranges), more)


def share_of(
    items: Sequence[Item], numbers: Iterable[int] | None = None, *, several: bool = False
) -> Share:
    return selection_of(items, numbers).share(several=several)
