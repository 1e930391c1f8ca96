"""Questions at the terminal.

Read without Python's buffers: a thread that waits in them would break the interpreter's end.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence

from backends._ui import Face

_YES = frozenset({"y", "yes"})
_LIST = frozenset({"l", "list"})


def can_ask(face: Face) -> bool:
    """Say whether a person sits at the terminal and may be asked."""
    return face.terminal and face.speaks and _is_terminal()


def _is_terminal() -> bool:
    try:
        return os.isatty(0)
    except (OSError, AttributeError):  # standard input is closed
        return False


def read_line() -> str | None:
    """Read a line of standard input; None at its end."""
    data = b""
    while not data.endswith(b"\n"):
        try:
            part = os.read(0, 4096)
        except OSError:
            part = b""
        if not part:
            break
        data += part
    if not data:
        return None
    return data.decode(sys.stdin.encoding or "utf-8", "replace").strip()


def ask_for(face: Face, question: str) -> str | None:
    """Ask once; "" where only Enter was pressed, None at the end of the input."""
    face.ask(question)
    line = read_line()
    face.answered()
    return line


def ask_to_accept(face: Face, paths: Sequence[str], decided: Callable[[bool], None]) -> None:
    """Ask about an offer in a thread of its own; *decided* gets the answer.

    *paths* are lines about all that is offered, safe to show, to be listed on request.
    """

    def asking() -> None:
        while (line := ask_for(face, "Accept? [y/N, l = list everything] ")) is not None:
            if line.casefold() not in _LIST:
                break
            for path in paths:
                face.say(path)
        decided(line is not None and line.casefold() in _YES)

    threading.Thread(target=asking, name="croc-core-ask", daemon=True).start()
