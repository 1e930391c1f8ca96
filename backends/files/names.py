"""The one place that decides whether a path that the peer named may be used.

A path is judged by its components, never as a string. The rules are the same on every system, so
that a folder which arrives on one arrives on all (docs/protocol.md, "Offer").
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

MAX_COMPONENT = 255
"""Greatest length of one component, in bytes of UTF-8."""
MAX_PATH = 4096
"""Greatest length of a path, in bytes of UTF-8."""
MAX_DEPTH = 64
"""Greatest number of components of a path."""
PART_SUFFIX = b".croc-part"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [port + digit for port in ("com", "lpt") for digit in "0123456789¹²³"]
)


class BadName(Exception):  # noqa: N818 - a verdict, not a fault
    """A name that is refused; the text says why, safe to show."""


class Component(NamedTuple):
    """One component of a path that may be used."""

    name: bytes
    """As it is written on the disk."""
    folded: str
    """Equal for names that some systems take for one: other case, other normal form."""


def components(path: str | bytes) -> list[Component]:
    """Split a relative *path* at "/" and judge it; raises BadName with the reason."""
    if len(path) > MAX_PATH:  # before anything is made of it; a character is at least a byte
        raise BadName("the path is too long")
    if isinstance(path, bytes):
        text = path.decode("utf-8", "surrogateescape")
    else:
        text = path
        if not text.isascii() and len(_encode(text, "strict")) > MAX_PATH:
            raise BadName("the path is too long")
    if text[:1] == "/":
        raise BadName("the path is absolute")
    parts = text.split("/")
    if len(parts) > MAX_DEPTH:
        raise BadName("the path is too deep")
    return [_component(part) for part in parts]


def fold(text: str) -> str:
    """Return the key under which names count as the same: canonical caseless matching (D145)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def link_stays(above: int, target: str | bytes) -> bool:
    """Whether a link with *above* folders above it leads no higher than the topmost of them.

    Steps upward may only stand at the front: a later one could start from where another link
    leads, which the text does not tell.
    """
    text = target.decode("utf-8", "surrogateescape") if isinstance(target, bytes) else target
    if not text or text[0] == "/" or len(text) > MAX_PATH:
        return False
    steps = [step for step in text.split("/") if step not in ("", ".")]
    up = next((i for i, step in enumerate(steps) if step != ".."), len(steps))
    if up >= above:
        return False
    try:
        if len(_encode(text)) > MAX_PATH:
            return False
        for step in steps[up:]:
            _component(step)
    except BadName:
        return False
    return True


def cut(name: bytes, room: int) -> bytes:
    """Return the start of *name* that fits in *room* bytes, with no character cut in two."""
    if len(name) <= room:
        return name
    while room and name[room] & 0xC0 == 0x80:
        room -= 1
    return name[:room]


def part_name(name: bytes, mark: int) -> bytes:
    """Return the hidden name under which *name* grows: `.NAME.XXXXXXXX.croc-part`, fits in 255."""
    tail = b".%08x%s" % (mark & 0xFFFFFFFF, PART_SUFFIX)
    return b"." + cut(name, MAX_COMPONENT - 1 - len(tail)) + tail


def _encode(text: str, errors: str = "surrogateescape") -> bytes:
    try:
        return text.encode("utf-8", errors)
    except UnicodeEncodeError:
        raise BadName("the name is not valid text") from None


@lru_cache(maxsize=1024)
def _component(text: str) -> Component:
    # The commonest trick first; each reason completes "left out: ...".
    if text in (".", ".."):
        raise BadName("the path leads out of its folder")
    if not text:
        raise BadName("a name in it is empty")
    name = _encode(text)
    if len(name) > MAX_COMPONENT:
        raise BadName("the name is too long")
    if _CONTROL.search(text):
        raise BadName("the name holds control characters")
    if "\\" in text or ":" in text:
        raise BadName("the name holds a backslash or a colon")
    if text[-1] in ". ":
        raise BadName("the name ends in a dot or a space")
    folded = fold(text)
    if folded.partition(".")[0].rstrip(" ") in _DEVICES:
        raise BadName("the name is that of a device")
    if folded.endswith(".croc-part"):
        raise BadName("the name is kept for unfinished files")
    return Component(name, folded)
