"""A recipient's files when the process is killed at any instruction, again and again.

CROC_KILL_ROUNDS is how many scenarios are run (the default is the short form).
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.files.names import PART_SUFFIX
from backends.files.policy import Policy
from backends.files.sink import FileSink
from croc_core.content import Entry, Kind, Stretch
from croc_core.resume import BLOCK, digest

ROUNDS = int(os.environ.get("CROC_KILL_ROUNDS", "12"))
KEY = b"k" * 32
PIECE = 512 << 10
HIDDEN = f".*{PART_SUFFIX.decode()}"
MTIME = 1_700_000_000_123_456_789


class Offer:
    """What the sender has; the same in every run."""

    def __init__(self, chance: random.Random) -> None:
        self.entries: list[Entry] = []
        self.data: dict[int, bytes] = {}
        for folder in ("", "d/", "d/e/"):
            if folder:
                meta = {"mode": 0o755, "mtime": MTIME}
                self.entries.append(Entry(Kind.DIRECTORY, folder[:-1], 0, dict(meta)))
            self._add(f"{folder}empty", b"")
            for number in range(30):
                self._add(f"{folder}small {number:02}", chance.randbytes(chance.randrange(1, 3000)))
            self._add(f"{folder}large", chance.randbytes(chance.randrange(1, 3 * BLOCK)))
            self._add(f"{folder}holes", bytes(BLOCK) + b"x" + bytes(chance.randrange(BLOCK)))
            if folder:
                link = Entry(Kind.SYMLINK, f"{folder}link", 0, {"target": "empty"})
                self.entries.append(link)

    @property
    def total(self) -> int:
        return sum(map(len, self.data.values()))

    def _add(self, path: str, data: bytes) -> None:
        self.data[len(self.entries)] = data
        meta = {"mode": 0o644, "mtime": MTIME}
        self.entries.append(Entry(Kind.FILE, path, len(data), dict(meta)))


def pieces(offer: Offer, left: list[Stretch]) -> Iterator[tuple[int, int, bytes]]:
    for entry, offset, length in left:
        for at in range(offset, offset + length, PIECE):
            end = min(at + PIECE, offset + length)
            yield entry, at, offer.data[entry][at:end]


def run(root: Path, offer: Offer, policy: Policy, sent: mmap.mmap, fuse: float) -> None:
    """One run of the recipient; after *fuse* seconds (0: never) the system ends the process."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    sink = FileSink(root, policy, attended=True)
    signal.setitimer(signal.ITIMER_REAL, fuse)
    sink.begin()
    sink.consider(offer.entries)
    verdict = sink.judge()
    assert verdict.overwrites == ()
    assert verdict.refused == ()
    sink.prepare()
    for entry, length in verdict.held:
        for block in range(0, length, BLOCK):
            data = offer.data[entry][block : min(block + BLOCK, length)]
            sink.compare(entry, block // BLOCK, [digest(KEY, data)], KEY)
    for entry, at, data in pieces(offer, list(sink.lacking())):
        sent[:8] = (int.from_bytes(sent[:8], "big") + len(data)).to_bytes(8, "big")
        if any(data):
            sink.write(entry, at, memoryview(data))
        else:
            sink.zeros(entry, at, len(data))
    sink.finish(())


def in_child(root: Path, offer: Offer, policy: Policy, sent: mmap.mmap, fuse: float) -> bool:
    """Whether the run came to its end."""
    pid = os.fork()
    if not pid:
        try:
            run(root, offer, policy, sent, fuse)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert status == 0 or os.WIFSIGNALED(status), "the run failed by itself"
    return status == 0


def check(top: Path, offer: Offer) -> int:
    """Whatever stands under a final name is whole and right; return how much that is."""
    whole = 0
    for entry, data in offer.data.items():
        place = top / str(offer.entries[entry].path)
        if os.path.lexists(place):
            assert place.read_bytes() == data
            whole += 1
    return whole


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    offer = Offer(chance)
    policy = chance.choice([Policy.ASK, Policy.SKIP])
    root = tmp_path / "root"
    sent = mmap.mmap(-1, 8)
    kills = whole = 0
    over = False
    while not over:
        fuse = 10 ** chance.uniform(-3.5, -0.7) if kills < 8 else 0
        over = in_child(root, offer, policy, sent, fuse)
        kills += not over
        if root.exists():
            found = check(root, offer)
            assert found >= whole
            whole = found
            # Between the last file's name and the end of the process.
            over |= whole == len(offer.data) and not list(root.rglob(HIDDEN))
    assert check(root, offer) == len(offer.data)
    assert not list(root.rglob(HIDDEN))
    for name in ("d", "d/e"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o755
        assert (root / name).stat().st_mtime_ns == MTIME
    # What had come is not sent again: but for the piece that was under way each time.
    total = int.from_bytes(sent[:8], "big")
    assert offer.total <= total <= offer.total + kills * PIECE
