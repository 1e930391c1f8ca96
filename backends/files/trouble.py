"""What the system says of a file, as a sentence and a hint."""

from __future__ import annotations

import errno
import os

from backends._show import show
from croc_core.errors import LocalFileError

_CAUSES: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "Make room, or choose another folder."),
    errno.EDQUOT: ("your quota is used up", "Make room, or choose another folder."),
    errno.EFBIG: ("the file is too large for this disk", "Choose another disk."),
    errno.EROFS: ("the disk is read-only", "Choose another folder."),
    errno.EACCES: ("permission denied", "Look at the permissions of the file and its folder."),
    errno.EPERM: ("permission denied", "Look at the permissions of the file and its folder."),
    errno.ENOENT: ("it is not there", "Look whether the name is right."),
    errno.ENOTDIR: (
        "a link or a file stands where a folder is needed",
        "Move it away, or choose another folder.",
    ),
    errno.ELOOP: (
        "a link stands where a file or a folder is needed",
        "Move it away, or choose another folder.",
    ),
    errno.EISDIR: ("a folder has that name", "Move it away, or choose another folder."),
    errno.EMFILE: ("too many files are open", "Raise the limit (ulimit -n)."),
    errno.ENFILE: ("too many files are open on this computer", "Close other programs."),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "Use a shorter one."),
    errno.EIO: ("the disk reports an error", "Look after the disk."),
}


def local_error(error: OSError, doing: str, name: str | bytes) -> LocalFileError:
    """Return the error to raise where *doing* ("read", "write") the file *name* failed."""
    cause, hint = _CAUSES.get(error.errno or 0, ("", "Look after the file and its disk."))
    if not cause:
        cause = os.strerror(error.errno) if error.errno else "the system refuses"
    return LocalFileError(f'Cannot {doing} "{show(name)}": {cause}.', hint)
