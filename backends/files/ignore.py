"""What patterns leave out of a walk, as git reads them (gitignore(5)).

The last pattern that fits decides, and those of a deeper folder come later; "!" takes back in; what
is below a folder that is left out is not looked at. Of the library that reads patterns nothing is
loaded where there are none.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from backends._show import show
from backends.files.trouble import local_error
from croc_core.errors import LocalFileError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

NAME = b".gitignore"
MAX_BYTES = 1 << 20
"""Greatest length of one file of patterns."""

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Level(NamedTuple):
    """The patterns of one folder."""

    above: bytes
    """What stands before a path as it is sent, seen from that folder."""
    below: int
    """How many bytes of a path as it is sent lead to that folder."""
    spec: GitIgnoreSpec


Levels = tuple[Level, ...]
"""From the topmost folder to the deepest."""


def left_out(levels: Levels, path: bytes, folder: bool) -> bool:
    """Whether *levels* leave out *path*, as it is sent."""
    for above, below, spec in reversed(levels):
        name = os.fsdecode(above + path[below:]) + "/" * folder
        verdict = spec.check_file(name).include
        if verdict is not None:
            return verdict
    return False


def patterns(lines: Iterable[str], strict: bool) -> GitIgnoreSpec:
    """Read patterns, one a line; a bad one raises LocalFileError if *strict*, else is passed by."""
    from pathspec import GitIgnoreSpec

    good = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            if strict:
                text = f'"{show(line)}" is no pattern.'
                raise LocalFileError(text, "Write it as in a .gitignore file.") from None
        else:
            good.append(line)
    return GitIgnoreSpec.from_lines(good)


def of_folder(folder: int, below: bytes) -> Levels:
    """Return the patterns of the .gitignore in the open *folder*, which is sent as *below*.

    There are none where that is no plain file, as git has it. Raises LocalFileError where it cannot
    be read: nobody wants to send what it may leave out.
    """
    lines = _read(NAME, folder, below + NAME)
    return (Level(b"", len(below), patterns(lines, strict=False)),) if lines else ()


def of_repository(path: bytes) -> Levels:
    """Return the patterns that hold for the folder *path* from above it, in its repository.

    There are none where they leave out *path* itself: who names it wants it.
    """
    parts = path.split(b"/")
    for depth in range(len(parts), 0, -1):
        if os.path.lexists(b"/".join((*parts[:depth], b".git"))):
            break
    else:
        return ()
    levels: Levels = ()
    for deeper in range(depth, len(parts)):
        place = b"/".join((*parts[:deeper], NAME))
        lines = _read(place, None, place)
        if lines:
            above = b"".join(part + b"/" for part in parts[deeper:-1])
            levels += (Level(above, 0, patterns(lines, strict=False)),)
    return () if left_out(levels, parts[-1], folder=True) else levels


def _read(name: bytes, folder: int | None, shown: bytes) -> list[str]:
    try:
        fd = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):  # a link is not followed
            return []
        raise local_error(error, "read", shown) from None
    try:
        data = os.read(fd, MAX_BYTES + 1)
    except IsADirectoryError:
        return []
    except OSError as error:
        raise local_error(error, "read", shown) from None
    finally:
        os.close(fd)
    if len(data) > MAX_BYTES:
        raise LocalFileError(
            f'"{show(shown)}" is too long for a file of patterns.', "Look at what is in it."
        )
    return [line.removesuffix("\r") for line in os.fsdecode(data).split("\n")]
