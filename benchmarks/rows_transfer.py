"""Rows about whole transfers: three processes over loopback, in turn with plaintext."""

from __future__ import annotations

import os
import pathlib
import shutil
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from benchmarks._report import Figure, Machine, congestion, figure, ratios
from benchmarks._run import MIB, Mover, Ours, Plain, Use, move, relay
from benchmarks.peers import Peers

THROUGHPUT = {"asyncio": 0.80, "threading": 0.75}
AHEAD = {"bbr": {"croc": 1.7, "wormhole": 5.0}, "cubic": {"croc": 3.0, "wormhole": 9.0}}
"""How many times as fast as the peers, by congestion control."""
PER_FOLDER = 1000
MEMORY = 60.0
ENTRY = 300.0
"""Most bytes of memory for an entry above 10,000 of them."""


class Setting:
    """What the rows of one run share."""

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        rounds: int,
        quick: bool,
        backends: list[str],
        peers: Peers,
        short: bool = False,
    ) -> None:
        self.folder = folder
        self.rounds = rounds
        self.quick = quick or short
        self.short = short
        """For a check: only what tells a gross loss."""
        self.backends = backends
        self.peers = peers
        self.machine = Machine()

    def scale(self, full: int, quick: int) -> int:
        """Return one of two sizes."""
        return quick if self.quick else full


def rounds_of(
    setting: Setting, movers: list[Mover], source: pathlib.Path, size: float, count: int
) -> dict[str, list[Use]]:
    """Send *source* by each in turn, *count* times after one to warm up."""
    found: dict[str, list[Use]] = defaultdict(list)
    for number in range(count + 1):
        for mover in movers:
            use = move(mover, source, size)
            if number:
                found[mover.name].append(use)
    return found


def with_movers(
    setting: Setting, run: Callable[[str, list[Mover]], Iterator[Figure]], *, plain: bool
) -> Iterator[Figure]:
    """Run *run* for each backend, beside plaintext through that backend's relay and the peers."""
    for backend in setting.backends:
        with ExitStack() as stack:
            server = stack.enter_context(relay(backend))
            movers: list[Mover] = [Plain(server)] if plain else []
            movers.append(Ours(backend, server))
            if backend == setting.backends[0]:  # once is enough
                movers += stack.enter_context(setting.peers.run())
            yield from run(backend, movers)


def gib(setting: Setting) -> Iterator[Figure]:
    """1 GiB of random bytes: throughput and CPU against plaintext, memory."""
    size = (256 if setting.short else setting.scale(1024, 512)) * MIB
    source = random_file(setting.folder / "gib", size)
    tiny = random_file(setting.folder / "tiny", 1)

    def run(backend: str, movers: list[Mover]) -> Iterator[Figure]:
        found = rounds_of(setting, movers, source, size, setting.rounds)
        idle = rounds_of(setting, movers, tiny, 1, 1 if setting.short else 3)
        yield from _against_plain(setting, backend, found, idle, size)
        ours = [use.seconds for use in found[backend]]
        for mover in movers[2:]:
            theirs = [use.seconds for use in found[mover.name]]
            yield figure("gib", f"{mover.name}, time", "s", theirs)
            yield figure("gib", f"{mover.name}, CPU", "s", [u.cpu for u in found[mover.name]])
            target = AHEAD.get(congestion(), {}).get(mover.name)
            times = ratios("gib", f"{backend}, times as fast as {mover.name}", theirs, ours)
            yield with_target(times, target, most=True)

    yield from with_movers(setting, run, plain=True)
    source.unlink()


def _against_plain(
    setting: Setting,
    backend: str,
    found: dict[str, list[Use]],
    idle: dict[str, list[Use]],
    size: int,
) -> Iterator[Figure]:
    plain, ours = found["plain"], found[backend]
    times = [use.seconds for use in plain]
    spread = (max(times) - min(times)) / statistics.median(times)
    setting.machine.spread = max(setting.machine.spread, spread)
    for name, uses in (("plain", plain), (backend, ours)):
        label = f"{backend}'s relay, plain" if name == "plain" else name
        yield figure("gib", f"{label}, time", "s", [u.seconds for u in uses])
        yield figure("gib", f"{label}, CPU a GiB", "s", [u.cpu * 1024 * MIB / size for u in uses])
    target = THROUGHPUT.get(backend)
    yield with_target(
        ratios("gib", f"{backend}, of plain's throughput", times, [u.seconds for u in ours]),
        target,
        most=True,
    )
    yield with_target(
        ratios("gib", f"{backend}, CPU of all", [u.cpu for u in ours], [u.cpu for u in plain]), 1.25
    )
    begin = {name: statistics.median(use.cpu for use in uses) for name, uses in idle.items()}
    yield ratios(
        "gib",
        f"{backend}, CPU of all without start and end",
        [u.cpu - begin[backend] for u in ours],
        [u.cpu - begin["plain"] for u in plain],
    )
    yield figure("gib", f"{backend}, CPU of start and end", "s", [u.cpu for u in idle[backend]])
    relays = [u.relay_cpu for u in ours], [u.relay_cpu for u in plain]
    yield with_target(ratios("gib", f"{backend}, CPU of the relay", *relays), 1.4)
    yield from memory("gib", backend, ours, MEMORY)


def memory(row: str, backend: str, uses: list[Use], target: float | None) -> Iterator[Figure]:
    """Return both sides' peaks in MiB."""
    for side, peaks in (
        ("sender", [u.sender_memory / MIB for u in uses]),
        ("recipient", [u.recipient_memory / MIB for u in uses]),
    ):
        yield figure(row, f"{backend}, memory of the {side}", "MiB", peaks, target)


def with_target(one: Figure, target: float | None, *, most: bool = False) -> Figure:
    """Return the figure with a target."""
    return Figure(one.row, one.what, one.unit, one.value, one.low, one.high, target, most)


def timed(
    setting: Setting, row: str, source: pathlib.Path, size: float, target: float
) -> Iterator[Figure]:
    """Return the time of a transfer of *source*, the peers beside it."""

    def run(backend: str, movers: list[Mover]) -> Iterator[Figure]:
        found = rounds_of(setting, movers, source, size, setting.rounds)
        for name, uses in found.items():
            aim = target if name == backend else None
            yield figure(row, f"{name}, time", "s", [u.seconds for u in uses], aim)
            yield figure(row, f"{name}, CPU", "s", [u.cpu for u in uses])
        yield from memory(row, backend, found[backend], MEMORY)

    yield from with_movers(setting, run, plain=False)


def kib(setting: Setting) -> Iterator[Figure]:
    """1 KiB: what start and end take."""
    yield from timed(setting, "kib", random_file(setting.folder / "kib", 1024), 1024, 0.25)


def many(setting: Setting) -> Iterator[Figure]:
    """10,000 files of 1 KiB."""
    source = tree(setting.folder / "many", 10_000)
    yield from timed(setting, "many", source, 64 * MIB, 0.8)


def zeros(setting: Setting) -> Iterator[Figure]:
    """256 MiB of zeros that are really there."""
    source = setting.folder / "zeros"
    with source.open("wb") as file:
        for _ in range(256):
            file.write(bytes(MIB))
    yield from timed(setting, "zeros", source, 64 * MIB, 0.3)
    source.unlink()


def entries(setting: Setting) -> Iterator[Figure]:
    """Memory for each entry above 10,000, both sides."""
    few, lots = 10_000, setting.scale(100_000, 30_000)
    sources = [tree(setting.folder / f"entries{count}", count) for count in (few, lots)]
    for backend in setting.backends:
        with relay(backend) as server:
            mover = Ours(backend, server)
            less, more = [move(mover, source, 64 * MIB) for source in sources]
        yield from _entries("entries", backend, less, more, few, lots)


def _entries(row: str, backend: str, less: Use, more: Use, few: int, lots: int) -> Iterator[Figure]:
    yield figure(row, f"{backend}, {lots:,} files, time", "s", [more.seconds])
    yield from memory(row, f"{backend}, {lots:,} files", [more], None)
    for side, grown in (
        ("sender", more.sender_memory - less.sender_memory),
        ("recipient", more.recipient_memory - less.recipient_memory),
    ):
        each = [grown / (lots - few)]
        yield figure(row, f"{backend}, memory of an entry, {side}", "bytes", each, ENTRY)


def million(setting: Setting) -> Iterator[Figure]:
    """1,000,000 small files (hard links to some, of 16 bytes): memory, and that they arrive."""
    few, lots = 10_000, setting.scale(1_000_000, 100_000)
    sources = [linked(setting.folder / f"million{count}", count) for count in (few, lots)]
    backend = setting.backends[0]
    with relay(backend) as server:
        mover = Ours(backend, server)
        less, more = [move(mover, source, 64 * MIB) for source in sources]
    yield from _entries("million", backend, less, more, few, lots)


def sparse(setting: Setting) -> Iterator[Figure]:
    """100 GiB with a MiB of data every 10 GiB: holes cost neither wire nor disk.

    A recipient wants to see room for all of it, so on a smaller disk it is what there is room for.
    """
    room = shutil.disk_usage(setting.folder).free * 9 // 10 >> 30
    gibs = min(setting.scale(100, 20), room)
    source = setting.folder / "sparse"
    with source.open("wb") as file:
        file.truncate(gibs << 30)
        for at in range(0, gibs << 30, 10 << 30):
            file.seek(at)
            file.write(os.urandom(MIB))
    for backend in setting.backends:
        with relay(backend) as server:
            uses = [move(Ours(backend, server), source, 64 * MIB) for _ in range(2)]
        what = f"{backend}, {gibs} GiB, time"
        yield figure("sparse", what, "s", [u.seconds for u in uses], 60.0)
        yield from memory("sparse", backend, uses, MEMORY)
    source.unlink()


def random_file(path: pathlib.Path, size: int) -> pathlib.Path:
    """Make a file of random bytes."""
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - at)))
    return path


def tree(path: pathlib.Path, count: int, size: int = 1024) -> pathlib.Path:
    """Make a folder of folders with *count* files."""
    for number in range(count):
        if number % PER_FOLDER == 0:
            folder = path / f"{number // PER_FOLDER:04}"
            folder.mkdir(parents=True)
        (folder / f"{number:07}.bin").write_bytes(os.urandom(size))
    return path


def linked(path: pathlib.Path, count: int) -> pathlib.Path:
    """Make a folder of folders with *count* names; a file has 10,000 of them."""
    first = ""
    for number in range(count):
        if number % PER_FOLDER == 0:
            folder = path / f"{number // PER_FOLDER:04}"
            folder.mkdir(parents=True)
        name = f"{folder}/{number:07}.bin"
        if number % 10_000 == 0:
            first = name
            pathlib.Path(first).write_bytes(os.urandom(16))
        else:
            os.link(first, name)
    return path
