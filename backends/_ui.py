"""The face of a run: JSON lines for a program, sentences for a person.

Standard output is the program's, standard error the person's.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple, TextIO

from backends._show import show
from backends._ui_progress import Bar, Lines, Nothing, Shown, terminal_width
from backends._ui_text import amount, named, size, span
from croc_core.errors import Code
from croc_core.events import (
    CodeReady,
    Completed,
    Event,
    Failed,
    Listening,
    Note,
    OfferSeen,
    Progress,
    Text,
    Verifier,
    Waiting,
    to_json,
)

LONGEST = 1000
"""Most characters of a sentence."""

_TELLING = 0.1
"""Shorter times, in seconds, say nothing about the speed."""


class Style(NamedTuple):
    """What the person asked for."""

    json: bool = False
    quiet: bool = False
    plain: bool = False


class Face:
    """Shows the events of one run. Any thread may call it."""

    def __init__(
        self, command: str, role: str, style: Style, out: BinaryIO | None = None,
        err: TextIO | None = None,
    ) -> None:  # fmt: skip
        self._command = command
        self._role = role
        self.folder = ""
        """Where what is received goes, as a person is told of it."""
        self.keyboard = 0
        """The descriptor at which a person's answers come."""
        self.found = False
        """Whether the other side finds the relay by itself, in the same network."""
        self._json = self.json = style.json
        self._plain = style.plain or os.environ.get("TERM") == "dumb"
        self._out = out or sys.stdout.buffer
        self._err = err or sys.stderr
        self.terminal = self._err.isatty()
        """Whether a person may be looking."""
        self.speaks = not style.json or (self.terminal and not style.quiet)
        """Whether sentences are wanted at all."""
        self._chatty = self.speaks and not style.quiet
        self._lock = threading.RLock()
        self._nothing = Nothing(self._write)
        self._shown: Shown = self._nothing
        self._asking = ""
        self._files: int | None = None
        self._listening: Listening | None = None
        self._told = ""

    # ---- what is told

    def emit(self, event: Event) -> None:
        """Hand *event* to the program alone."""
        with self._lock:
            if self._json:
                self._print(to_json(event))

    def tell(self, event: Event) -> None:
        """Show *event*."""
        with self._lock:
            self.emit(event)
            if isinstance(event, Progress):
                self._progress(event)
                return
            if isinstance(event, Completed | Failed):
                self.close()
            if isinstance(event, Failed) and event.code == Code.SIGINT and self.terminal:
                self._write("\n")  # the terminal has written ^C
            self._lines(event)

    def warn(self, text: str) -> None:
        """Tell of something that must be heard, in a sentence."""
        self.tell(Note(show(text, LONGEST)))

    def note(self, text: str) -> None:
        """Say a sentence, safe to show, that may be left out."""
        if self._chatty:
            self.say(self._wrapped(text))

    def say(self, text: str) -> None:
        """Say a line, safe to show, that a person must see."""
        if not self.speaks:
            return
        with self._lock:
            if self._asking:
                self._write("\n")
            self._shown.line(text)
            if self._asking:
                self._write(self._asking)

    def result(self, text: str) -> None:
        """Say what a command was for; on standard output where no program reads that."""
        if self._json:
            self.note(text)
        else:
            self._print(f"{text}\n".encode())

    def raw(self, text: str) -> bool:
        """Write to the terminal what is not to be seen; say whether there is one."""
        if self.terminal:
            with self._lock:
                self._write(text)
        return self.terminal

    def _stdout_is_terminal(self) -> bool:
        try:
            return self._out.isatty()
        except ValueError:  # it is closed
            return False

    def ask(self, question: str) -> None:
        """Show a question and stay on its line, until `answered`."""
        with self._lock:
            self._asking = question
            self._write(question)

    def answered(self) -> None:
        """The question has its answer."""
        with self._lock:
            self._asking = ""

    def close(self) -> None:
        """Leave the screen as it is wanted by who writes next."""
        with self._lock:
            self._shown.close()
            self._shown = self._nothing
            if self._asking:
                self._asking = ""
                self._write("\n")

    # ---- sentences

    def _lines(self, event: Event) -> None:
        match event:
            case Listening():
                self._listening = event
                if self._role == "relay":
                    self._relay_ready(event)
            case CodeReady():
                self._code(event)
            case OfferSeen(count, total):
                self._files = count
                what = "Offer" if self._role == "receive" else "Offered"
                self.note(f"{what}: {amount(count, total)}")
            case Waiting(what):
                self._wait(f"Waiting for {show(what, LONGEST)}")
            case Text(text):
                self._text(text)
            case Verifier(words):
                self.say(f"Words to compare: {show(words)}")
                self.note("The other side has to show the same; else somebody is in between.")
            case Note(message):
                self.say(self._wrapped(message))
            case Completed():
                self._completed(event)
            case Failed():
                wanted = event.code in (Code.SIGINT, Code.SIGTERM)
                self.say(self._wrapped(("" if wanted else "Error: ") + event.message))
                if event.hint:
                    self.say(self._wrapped(event.hint))

    def _wait(self, sentence: str) -> None:
        """Say what is waited for; where progress is shown, there."""
        if self._chatty and not self._asking:
            self._shown.wait(self._wrapped(sentence))
        else:
            self.note(sentence)

    def _wrapped(self, sentence: str) -> str:
        """Return a sentence, made safe to show, in lines that fit the terminal."""
        text = show(sentence, LONGEST)
        width = terminal_width(self._err)
        if not width or len(text) < width:
            return text
        import textwrap

        return textwrap.fill(text, max(width - 1, 20), break_on_hyphens=False)

    def _text(self, text: str) -> None:
        """Write a text that somebody has sent, as it is where no terminal shows it."""
        if self._json:
            return  # the program has it
        if not self._stdout_is_terminal():
            self._print(text.encode())
            return
        self._shown.close()  # it stands where the text goes, and begins anew below it
        self._shown = self._nothing
        for line in text.splitlines():
            self._print(f"{show(line.expandtabs(), 10 * len(line) + 80)}\n".encode())

    def _relay_ready(self, event: Listening) -> None:
        where = event.url if event.host else f"{event.url} and on every address of this computer"
        ports = ", ".join(map(str, event.ports))
        self.note(f"The relay listens: {where}; data ports {ports}. Ctrl-C ends it.")

    def _code(self, event: CodeReady) -> None:
        if event.code == self._told:  # the relay was reached again
            return
        self._told = event.code
        self.note("")
        self.say(f"Code: {event.code}")
        urls = self._urls(event.relay)
        self.note("")
        if self.found:
            self.note("On another computer of this network type this, then the code:")
            self.note(f"  {self._command} receive")
            self.note("Where that finds nothing:")
        else:
            line = "this" if len(urls) == 1 else "one of these"
            self.note(f"On the other computer type {line}, then the code:")
        for url in urls:
            self.say(f"  {self._command} receive --relay {_typed(url)}")
        self.note("")

    def typed(self, event: CodeReady) -> str:
        """Return all that the other side types, code included, as one line for a POSIX shell.

        The code goes by the environment, where other users of that computer do not see it.
        """
        import shlex  # few runs need it

        urls = self._urls(event.relay)
        relay = "" if self.found and len(urls) > 1 else f" --relay {_typed(urls[0])}"
        return f"CROC_CODE={shlex.quote(event.code)} {self._command} receive{relay}"

    def _urls(self, relay: str) -> Sequence[str]:
        """Return the addresses at which the other side may find the relay."""
        if self._listening is None or self._listening.host:
            return (relay,)
        from backends._addresses import usable
        from backends._options import Where, where

        port = where(relay).port
        return [Where(address, port).url for address in usable()]

    def _completed(self, event: Completed) -> None:
        verb = "Received" if self._role == "receive" else "Sent"
        text = f"{verb} {amount(event.files, event.bytes)}"
        if event.seconds >= _TELLING:
            text += f", in {span(event.seconds)} ({size(event.bytes / event.seconds)}/s)"
        if self.folder and event.paths:  # a text that was shown has none
            text += f": {named(event.paths)}, in {show(self.folder)}"
        self.note(text + ".")

    def _progress(self, event: Progress) -> None:
        if not self._chatty:
            return
        if self._shown is self._nothing:
            if self._plain:
                self._shown = Lines(self._write)
            elif self.terminal:
                self._shown = Bar(self._files)
        self._shown.update(event)

    # ---- output; who reads it may have gone, and the run goes on without

    def _print(self, data: bytes) -> None:
        try:
            self._out.write(data)
            self._out.flush()
        except OSError:
            self._json = False
            _forget(1)

    def _write(self, text: str) -> None:
        try:
            self._err.write(text)
            self._err.flush()
        except UnicodeEncodeError:
            self._err.write(text.encode("ascii", "backslashreplace").decode())
            self._err.flush()
        except OSError:
            _forget(2)


def _typed(url: str) -> str:
    """Return *url* as any shell takes it: to some of them brackets mean names of files."""
    return f'"{url}"' if "[" in url else url


def _forget(number: int) -> None:
    """Let what is still written to a descriptor whose reader has gone go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
