"""Questions at the terminal.

Read without Python's buffers: a thread that waits in them would break the interpreter's end.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from backends._ui import Face

_CONSOLE = "CONIN$" if sys.platform == "win32" else "/dev/tty"
_YES = frozenset({"y", "yes"})
_LIST = frozenset({"l", "list"})


def can_ask(face: Face, *, piped: bool = False) -> bool:
    """Say whether a person sits at the terminal and may be asked.

    With *piped* standard input is data, and the answers are typed at the process's terminal.
    """
    if not (face.terminal and face.speaks):
        return False
    if piped and not _is_terminal(0):
        try:
            face.keyboard = os.open(_CONSOLE, os.O_RDONLY)
        except OSError:  # the process has none
            return False
    return _is_terminal(face.keyboard)


def _is_terminal(number: int) -> bool:
    try:
        return os.isatty(number)
    except (OSError, AttributeError):  # it is closed
        return False


def read_line(keyboard: int) -> str | None:
    """Read a line from that descriptor; None at its end."""
    data = b""
    while not data.endswith(b"\n"):
        try:
            part = os.read(keyboard, 4096)
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
    line = read_line(face.keyboard)
    face.answered()
    return line


def ask_code(face: Face, question: str) -> str | None:
    """Ask for a code; Tab completes its words where the terminal's own line editor is there."""
    try:
        import readline
    except ImportError:  # Windows has none
        return ask_for(face, question)
    if not sys.stdout.isatty():  # it writes there
        return ask_for(face, question)
    readline.set_completer(_word)
    readline.set_completer_delims(" -_")
    readline.parse_and_bind("tab: complete")
    readline.set_auto_history(False)  # a code is for once
    try:
        return input(question).strip()
    except EOFError:
        return None


def _word(text: str, number: int) -> str | None:
    """Return the word with that number of those that begin with *text*; readline asks so."""
    import readline

    from backends._words import words

    if not readline.get_begidx():  # the channel is no word
        return None
    typed = text.casefold()
    fitting = [word for word in words() if typed and word.startswith(typed)]
    return fitting[number] if number < len(fitting) else None


def unknown_words(phrase: str) -> list[str]:
    """Return the parts of a secret that are no words, where the others show that all should be."""
    from backends._words import words

    known = set(words())
    parts = phrase.split("-")
    unknown = [part for part in parts if part not in known]
    return unknown if len(parts) > 1 and len(unknown) * 2 < len(parts) else []


class Questions:
    """Asks one question after the other, in a thread of its own."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._left: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._begun = False

    def accept(self, paths: Sequence[str], decided: Callable[[bool], None]) -> None:
        """Ask about an offer; *decided* gets the answer.

        *paths* are lines about all that is offered, safe to show, to be listed on request.
        """

        def ask() -> None:
            question = "Accept? [y/N, l = list everything] "
            while (line := ask_for(self._face, question)) is not None:
                if line.casefold() not in _LIST:
                    break
                for path in paths:
                    self._face.say(path)
            decided(line is not None and line.casefold() in _YES)

        self._put(ask)

    def compare(self, compared: Callable[[bool], None]) -> None:
        """Ask whether both sides show the same words; *compared* gets the answer."""

        def ask() -> None:
            line = ask_for(self._face, "Does the other side show the same words? [y/N] ")
            compared(line is not None and line.casefold() in _YES)

        self._put(ask)

    def _put(self, ask: Callable[[], None]) -> None:
        self._left.put(ask)
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._ask, name="croc-core-ask", daemon=True).start()

    def _ask(self) -> None:
        while True:
            self._left.get()()
