"""What to do where a name exists already."""

from __future__ import annotations

import enum
from collections.abc import Iterator

from backends.files.names import MAX_COMPONENT, cut

MAX_VARIANTS = 10_000


class Policy(enum.Enum):
    """What becomes of a file whose name exists already."""

    ASK = "ask"
    """Replace exactly what the verdict lists, once the person has agreed to it."""
    OVERWRITE = "overwrite"
    """Replace whatever is there."""
    SKIP = "skip"
    """Leave it out of what is accepted."""
    RENAME = "rename"
    """Keep both: the topmost name of what arrives gets a number."""


def variants(name: bytes, folder: bool = False) -> Iterator[bytes]:
    """Yield "name (1).ext", "name (2).ext" and so on; a folder's name has no extension."""
    dot = -1 if folder else name.rfind(b".")
    stem, extension = (name[:dot], name[dot:]) if dot > 0 else (name, b"")
    if len(extension) > 32:  # no extension that a person would miss
        stem, extension = name, b""
    for number in range(1, MAX_VARIANTS):
        tail = b" (%d)" % number + extension
        yield cut(stem, MAX_COMPONENT - len(tail)) + tail
