"""Text made safe for a person's screen: the only way that foreign text gets there.

Names, texts, errors and messages of the relay or the peer may hold escape sequences, line breaks,
direction marks or characters that cannot be seen. All of them are written as escapes here.
"""

from __future__ import annotations

from collections.abc import Iterable

_UNSEEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
)  # they count as printable, but nothing is seen


def show(text: str | bytes, limit: int = 240) -> str:
    r"""Return *text* on one line, harmless on any terminal, in at most *limit* characters.

    Controls (C0, C1, ESC), direction marks, line ends, surrogates, unassigned and zero-width
    characters become ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``; bytes that are not UTF-8 ``\xNN``.
    What is too long loses its middle, as the end of a name says what kind of file it is.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    # Nothing beyond these can be seen, and foreign text may be long.
    head, tail = text[:limit], text[-limit:]
    if len(text) <= limit and text.isprintable() and _UNSEEN.isdisjoint(text):
        return text
    whole = [_escape(c) for c in head]
    if len(text) <= limit and sum(map(len, whole)) <= limit:
        return "".join(whole)
    back = _fill(reversed([_escape(c) for c in tail]), (limit - 1) // 2)
    front = _fill(whole, limit - 1 - sum(map(len, back)))
    return "".join(front) + "…" + "".join(reversed(back))


def _escape(c: str) -> str:
    if c.isprintable() and c not in _UNSEEN:
        return c
    code = ord(c)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _fill(pieces: Iterable[str], room: int) -> list[str]:
    """Take *pieces* while they fit in *room* characters; no escape is cut in two."""
    taken = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        taken.append(piece)
    return taken
