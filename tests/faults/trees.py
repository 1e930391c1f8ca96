"""What is sent, and what has come of it: trees of files, compared byte for byte."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

from backends.files.journal import SUFFIX
from backends.files.names import PART_SUFFIX, part_name
from croc_core.resume import BLOCK

HIDDEN = PART_SUFFIX.decode()
JOURNAL = SUFFIX.decode()
SHAPES = ("one", "many", "mixed")
MTIME = 1_600_000_000_123_456_789


def make(folder: Path, shape: str, seed: int) -> Path:
    """Make what is to be sent below *folder*; return its path."""
    chance = random.Random(f"{seed} {shape}")
    if shape == "one":
        path = folder / "one large.bin"
        _write(path, chance.randbytes(24 << 20))
        return path
    top = folder / shape
    small = 1200 if shape == "many" else 200
    for number in range(small):
        data = chance.randbytes(chance.choice((0, chance.randrange(3000), chance.randrange(3000))))
        _write(top / f"folder {number % 7}" / f"small {number:04}", data)
    if shape == "mixed":
        for number in range(3):
            data = chance.randbytes(chance.randrange(4 << 20, 9 << 20))
            _write(top / "large" / f"{number}.bin", data)
    (top / "empty folder").mkdir()
    return top


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o644)
    os.utime(path, ns=(MTIME, MTIME))


def files(top: Path) -> dict[str, bytes]:
    """Return each file of *top* by its path below the folder of *top*."""
    if top.is_file():
        return {top.name: top.read_bytes()}
    found = (path for path in sorted(top.rglob("*")) if path.is_file())
    return {str(path.relative_to(top.parent)): path.read_bytes() for path in found}


class Came:
    """What is in the folder *out* of what was sent: `faults` are sentences, and there are none."""

    def __init__(self, sent: dict[str, bytes], out: Path) -> None:
        self.faults: list[str] = []
        self.whole = 0
        """How many files are there, whole and right."""
        self.right = 0
        """How many bytes are there that are right, in files and in parts."""
        self.hidden: list[str] = []
        self.journals = 0
        folders = {str(parent) for path in sent for parent in Path(path).parents}
        for path in sorted(out.rglob("*")) if out.exists() else ():
            name = str(path.relative_to(out))
            info = path.lstat()
            if stat.S_ISDIR(info.st_mode):
                if name not in folders and path.name != "empty folder":
                    self.faults.append(f"a folder of nobody: {name}")
            elif name.endswith(HIDDEN):
                self._hidden(sent, name, path, info)
            elif name not in sent:
                self.faults.append(f"a file of nobody: {name}")
            elif path.read_bytes() != sent[name]:
                self.faults.append(f"a final name whose bytes are wrong: {name}")
            else:
                self.whole += 1
                self.right += len(sent[name])
                if (stat.S_IMODE(info.st_mode), info.st_mtime_ns) != (0o644, MTIME):
                    self.faults.append(f"mode or date of {name}")
        self.all = self.whole == len(sent) and not self.hidden
        if len(self.hidden) > self.journals and not self.journals:
            self.faults.append(f"parts without a journal: {self.hidden}")

    def _hidden(self, sent: dict[str, bytes], name: str, path: Path, info: os.stat_result) -> None:
        self.hidden.append(name)
        if stat.S_IMODE(info.st_mode) != 0o600:
            # A whole part gets its mode just before its name.
            final = _final(name)
            if name.endswith(JOURNAL) or path.read_bytes() != sent.get(final):
                self.faults.append(f"others can read {name}: {stat.S_IMODE(info.st_mode):o}")
        if name.endswith(JOURNAL):
            self.journals += 1
            return
        data, part = sent.get(_final(name)), path.read_bytes()
        if data is None:
            self.faults.append(f"a part of nobody: {name}")
            return
        for at in range(0, min(len(part), len(data)), BLOCK):
            end = min(at + BLOCK, len(part))
            if part[at:end] == data[at:end]:
                self.right += end - at


_TAIL = len(part_name(b"x", 0)) - 2


def _final(name: str) -> str:
    """Return the name that the part *name* is to get."""
    folder, _, last = name.rpartition("/")
    return f"{folder}/{last[1:-_TAIL]}" if folder else last[1:-_TAIL]
