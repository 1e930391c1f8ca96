"""Seal and open in one process: GB/s by the size of a record, and of the whole path.

    python -m benchmarks.bench_records [--seconds 0.5] [--aead aes256gcm]

The first table is the ciphers with this project's records around them. The second is the data path
without sockets and files: PieceProducer.fill, one copy in place of the network, Reader, null sink.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

from croc_core import outgoing
from croc_core.content import Entry, Kind, Span
from croc_core.incoming import Reader
from croc_core.messages import Accept
from croc_core.outgoing import PieceProducer
from croc_core.seal import HEADER, TAG, Opener, Sealer
from croc_core.selection import Outline, Selection

SIZES = [1 << n for n in (10, 12, 14, 16, 17, 18, 19, 20)]
ROUNDS = 5


def key_for(g: int) -> bytes:
    return bytes([g & 0xFF]) * 32


class Endless:
    """A source of one file whose bytes are whatever the buffer holds."""

    def walk(self) -> Iterator[Entry]:
        return iter(())

    def read_into(self, entry: int, offset: int, buffer: memoryview) -> int:
        buffer[0] = 1
        return len(buffer)

    def hole(self, entry: int, offset: int, length: int) -> int:
        return 0

    def check(self, entry: int) -> None: ...

    def close(self) -> None: ...


class Null:
    """A sink that forgets; only the two calls of the path are there."""

    def write(self, entry: int, offset: int, data: memoryview) -> None: ...

    def zeros(self, entry: int, offset: int, length: int) -> None: ...


def best(seconds: float, turn: Callable[[], int]) -> float:
    """Return the most bytes a second that *turn* moved in one of some rounds."""
    turn()
    rates = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        moved = 0
        while (spent := time.perf_counter() - begun) < seconds / ROUNDS:
            moved += turn()
        rates.append(moved / spent)
    return max(rates)


def ciphers(aead: str, size: int, seconds: float) -> tuple[float, float, float]:
    """Return bytes a second of sealing, of opening, and of one after the other."""
    sealer, opener = Sealer(aead, key_for), Opener(aead, key_for)
    buffer = memoryview(bytearray(HEADER + size + TAG))
    spent = [0.0, 0.0]

    def turn() -> int:
        begun = time.perf_counter()
        sealer.seal(buffer, size)
        sealed = time.perf_counter()
        header = bytes(buffer[:HEADER])
        opener.length(header)
        opener.open(header, buffer[HEADER:])
        spent[0] += sealed - begun
        spent[1] += time.perf_counter() - sealed
        return size

    both = best(seconds, turn)
    share = spent[0] / sum(spent)
    return both / share, both / (1 - share), both


def path(aead: str, record: int, file: int, seconds: float) -> float:
    """Return file bytes a second from source to sink, for files of *file* bytes."""
    outgoing.RECORD = record
    outline = Outline()
    count = max(1, (1 << 28) // file)
    for n in range(count):
        outline.add(Entry(Kind.FILE, f"{n}", file, {}))
    selection = Selection(outline)
    selection.choose(Accept(bytes(16), (Span(0, count),), (), 1, (), False))

    def run() -> Iterator[int]:
        while True:
            producer = PieceProducer(Sealer(aead, key_for), Endless(), selection.share())
            reader = Reader()
            reader.secure(Opener(aead, key_for))
            reader.allow_pieces(Null())  # type: ignore[arg-type]
            while (view := producer.fill()) is not None:
                before, at = reader.moved, 0
                while at < len(view):
                    reader.ready()
                    room = reader.buffer()
                    part = view[at : at + len(room)]
                    room[: len(part)] = part
                    reader.advance(len(part))
                    at += len(part)
                reader.ready()
                yield reader.moved - before

    moves = run()
    return best(seconds, lambda: next(moves))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure")
    parser.add_argument("--aead", default="aes256gcm")
    options = parser.parse_args()
    print(f"{options.aead}, GB/s\n{'record':>10} {'seal':>7} {'open':>7} {'both':>7}")
    for size in SIZES:
        rates = ciphers(options.aead, size, options.seconds)
        print(f"{size:>10} " + " ".join(f"{rate / 1e9:7.2f}" for rate in rates))
    print(f"\nsource to sink, GB/s\n{'record':>10} {'1 KiB':>7} {'64 KiB':>7} {'256 MiB':>8}")
    for size in SIZES[3:]:
        if size + outgoing.PIECE_OVERHEAD > 1 << 20:
            continue
        files = [path(options.aead, size, file, options.seconds) for file in (1024, 65536, 1 << 28)]
        print(f"{size:>10} " + " ".join(f"{rate / 1e9:7.2f}" for rate in files))


if __name__ == "__main__":
    main()
