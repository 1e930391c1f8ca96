"""The face: what a program reads and what a person sees."""

from __future__ import annotations

import fcntl
import io
import itertools
import json
import pty
import re
import struct
import sys
import termios
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from backends._ui import Face, Style
from backends._ui_progress import Bar, Lines, Nothing, summary
from backends._ui_text import amount, files, listed, size, span
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
)


class Err(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def made(style: Style, terminal: bool, role: str = "send") -> tuple[Face, io.BytesIO, Err]:
    out, err = io.BytesIO(), Err(terminal)
    return Face("CMD", role, style, out, err), out, err


EVENTS: list[Event] = [
    Listening("http://127.0.0.1:1", (2,), "127.0.0.1"),
    CodeReady("abcd-one-two-three", "abcd", "http://127.0.0.1:1"),
    Waiting("the other side to join"),
    Note('Left out: "x".'),
    Verifier("one two three four", True),
    OfferSeen(2, 3000),
    Progress(1000, 3000, 0, 5.0, 9.0, "a.bin"),
    Text("Dear Anna\n"),
    Completed(2, 3000, 1.5, ("a", "b")),
    Failed("timeout", "Gave up.", "Try again.", "peer"),
]
FIELDS = {
    "listening": {"url", "ports", "host"},
    "code": {"code", "channel", "relay"},
    "waiting": {"what"},
    "note": {"message"},
    "verifier": {"words", "ask"},
    "offer": {"files", "bytes"},
    "progress": {"bytes", "total", "files", "rate", "eta", "name"},
    "text": {"text"},
    "done": {"files", "bytes", "seconds", "paths"},
    "error": {"code", "message", "hint", "party"},
}


def test_each_event_is_a_line_of_json() -> None:
    face, out, err = made(Style(json=True), terminal=False)
    for event in EVENTS:
        before = len(out.getvalue())
        face.tell(event)
        line = out.getvalue()[before:]
        assert line.count(b"\n") == 1
        assert line.endswith(b"\n")
        fields = json.loads(line)
        assert FIELDS[fields.pop("event")] <= set(fields)
    assert err.getvalue() == ""


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("as_json", [False, True])
def test_who_gets_what(as_json: bool, quiet: bool, terminal: bool) -> None:
    face, out, err = made(Style(as_json, quiet, plain=True), terminal)
    for event in EVENTS:
        face.tell(event)
    face.result("It is done.")
    said = err.getvalue()
    assert (b"abcd-one" in out.getvalue()) == as_json
    assert (out.getvalue() == b"Dear Anna\nIt is done.\n") == (not as_json)
    assert "Dear Anna" not in said
    if as_json and (quiet or not terminal):
        assert said == ""
        return
    assert "Code: abcd-one-two-three\n" in said
    assert "  CMD receive --relay http://127.0.0.1:1\n" in said
    assert "Error: Gave up.\nTry again.\n" in said
    assert 'Left out: "x".\n' in said
    assert "Words to compare: one two three four\n" in said
    for chatter in ("Waiting for the other side to join\n", "Offered: 2 files, 3.00 kB\n",
                    "Sent 2 files, 3.00 kB, in 1.5 s (2.00 kB/s).\n",
                    "33%", "now a.bin.\n"):  # fmt: skip
        assert (chatter in said) == (not quiet), chatter


@given(st.text(), st.text())
def test_no_foreign_text_reaches_the_terminal_as_it_is(one: str, two: str) -> None:
    face, _, err = made(Style(), terminal=True)
    face.tell(Waiting(one))
    face.tell(Failed("timeout", one, two, "peer"))
    assert all(line.isprintable() for line in err.getvalue().split("\n"))


def test_where_what_was_received_lies() -> None:
    face, _, err = made(Style(), terminal=False, role="receive")
    face.folder = "/full/fol\x1bder"
    names = ("a (3).txt", "b\n", "c", "d", "e")
    for count in (1, 3, 5):
        face.tell(Completed(count, 3, 0.0, names[:count]))
    face.tell(Completed(2000, 3, 0.0, ("x",) * 1000))
    face.tell(Completed(1, 3, 0.0, ()))  # a text, which was shown
    assert err.getvalue().splitlines() == [
        "Received 1 file, 3 B: a (3).txt, in /full/fol\\x1bder.",
        "Received 3 files, 3 B: a (3).txt, b\\x0a, c, in /full/fol\\x1bder.",
        "Received 5 files, 3 B: a (3).txt, b\\x0a, c and 2 more, in /full/fol\\x1bder.",
        "Received 2,000 files, 3 B: x, x, x and many more, in /full/fol\\x1bder.",
        "Received 1 file, 3 B.",
    ]


def test_a_question_is_asked_again_after_a_line() -> None:
    face, _, err = made(Style(), terminal=True)
    face.ask("Accept? ")
    face.say("News.")
    assert err.getvalue() == "Accept? \nNews.\nAccept? "
    face.close()
    assert err.getvalue().endswith("Accept? \n")
    face.ask("And? ")
    face.answered()
    face.say("So.")
    assert err.getvalue().endswith("And? So.\n")


def test_what_the_terminal_cannot_write_is_escaped() -> None:
    raw = io.BytesIO()
    err = io.TextIOWrapper(raw, encoding="ascii")
    Face("CMD", "send", Style(), io.BytesIO(), err).say("é")
    assert raw.getvalue() == b"\\xe9\n"


# ---- progress


def test_plain_lines_come_now_and_then() -> None:
    said: list[str] = []
    now = [0.0]
    lines = Lines(said.append, lambda: now[0])
    for part in range(0, 1001, 5):  # every tenth once
        lines.update(Progress(part, 1000, 0, 5.0, 1.0))
    assert [re.findall(r"\d+%", line) for line in said] == [[f"{n}%"] for n in range(10, 101, 10)]
    said.clear()
    for _ in range(4):  # and without a total, every five seconds
        now[0] += 2.6
        lines.update(Progress(1, None, 0, 5.0, None))
    assert said == ["1 B, 5 B/s.\n"] * 2
    lines.wait("Waiting for the end")
    assert said[2:] == ["Waiting for the end\n"]


def test_nothing_is_nothing() -> None:
    said: list[str] = []
    nothing = Nothing(said.append)
    nothing.update(Progress(1, 2, 0, 5.0, 1.0))
    nothing.line("x")
    nothing.wait("y")
    nothing.close()
    assert said == ["x\n", "y\n"]


def on_screen(monkeypatch: pytest.MonkeyPatch, use: Callable[[], None]) -> list[str]:
    """Return the lines that *use* writes to a terminal of 60 columns."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLUMNS", raising=False)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with open(slave, "w", encoding="utf-8") as err, open(master, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", err)
        use()
        err.write("END")
        err.flush()
        text = b""
        while not text.endswith(b"END"):
            text += screen.read(65536)
    assert text.count(b"\x1b[?25h") == 1  # the cursor is back
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode())
    lines = plain.replace("\r", "\n").split("\n")
    assert max(map(cell_len, lines)) < 60
    return lines


@pytest.mark.parametrize("total", [None, 0, 999_900_000_000_000])
def test_the_bar_fits_60_columns(monkeypatch: pytest.MonkeyPatch, total: int | None) -> None:
    def use() -> None:
        bar = Bar()
        eta = None if total is None else 599_999.0
        bar.update(Progress(99_900_000_000_000, total, 0, 99_900_000.0, eta))
        bar.line("A line above it.")
        bar.close()

    lines = on_screen(monkeypatch, use)
    assert "A line above it." in lines
    assert any("99.9 TB" in line and "99.9 MB/s" in line for line in lines)
    assert any("166 h 40 min left" in line for line in lines) == (total is not None)
    assert lines[-1] == "END"


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("d/a.txt", "d/a.txt"),
        ("long/" * 40 + "end.jpg", "end.jpg"),
        ("\u6f22" * 200, "\u6f22\u6f22"),
    ],
)
def test_the_bar_has_the_present_file_and_how_many_are_done(
    monkeypatch: pytest.MonkeyPatch, name: str, seen: str
) -> None:
    def use() -> None:
        bar = Bar(12345)
        bar.update(Progress(1, 10, 1234, 5.0, None, name))
        bar.close()

    (line,) = {line.rstrip() for line in on_screen(monkeypatch, use) if seen in line}
    assert line.endswith("  1,234 of 12,345 files")


def test_the_bar_says_what_is_waited_for_until_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def use() -> None:
        face = Face("CMD", "send", Style(), io.BytesIO(), sys.stderr)
        face.tell(OfferSeen(1, 10))
        face.tell(Progress(3, 10, 0, 5.0, None, "a.txt"))
        face.tell(Waiting("the connection to come back"))
        face.tell(Progress(4, 10, 0, 5.0, None, "a.txt"))
        face.tell(Completed(1, 10, 0.0))

    lines = [line.strip() for line in on_screen(monkeypatch, use) if line.strip()]
    marks = [("a.txt", "30%"), ("Waiting for the connection to come back", "30%"), ("a.txt", "40%")]
    seen = [(one, two[:3]) for one, two in itertools.pairwise(lines) if "%" in two]
    assert [mark for mark, _ in itertools.groupby(seen)] == marks
    speeds = {"/s" in two for one, two in itertools.pairwise(lines) if one.startswith("Waiting")}
    assert speeds == {False}


def test_a_text_has_lines_of_its_own_where_a_bar_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def use() -> None:
        with open(sys.stderr.fileno(), "wb", closefd=False) as out:
            face = Face("CMD", "receive", Style(), out, sys.stderr)
            face.tell(Progress(3, 10, 0, 5.0, None, "text.txt"))
            face.tell(Text("the door\nis 4711\n"))
            face.tell(Completed(1, 10, 0.0))

    lines = on_screen(monkeypatch, use)
    assert {"the door", "is 4711"} <= set(lines)


# ---- words


@given(st.integers(0, 999 * 10**18))
def test_a_size_is_short_and_right(count: int) -> None:
    text = size(count)
    assert len(text) <= 7
    number, unit = text.split()
    factor = 1000 ** ["B", "kB", "MB", "GB", "TB", "PB", "EB"].index(unit)
    assert abs(float(number) * factor - count) <= count * 0.0051
    assert float(number) < 1000


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (9_994, "9.99 kB"), (9_996, "10.0 kB"),
     (99_960, "100 kB"), (999_600, "1.00 MB"), (12_345_678, "12.3 MB")],
)  # fmt: skip
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"),
     (185, "3 min 05 s"), (3599.6, "1 h 00 min"), (7620, "2 h 07 min")],
)  # fmt: skip
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_amounts() -> None:
    assert (files(1), files(1234)) == ("1 file", "1,234 files")
    assert (amount(1, None), amount(2, 3)) == ("1 file", "2 files, 3 B")
    assert summary(Progress(5, None, 0, 1.0, None)) == "5 B, 1 B/s"
    assert summary(Progress(5, 10, 0, 1.0, 3.0)) == "5 B of 10 B (50%), 1 B/s, 3.0 s left"


@given(st.lists(st.just("x")), st.integers(0, 30), st.integers(0, 10))
def test_a_list_says_how_many_more(names: list[str], more: int, most: int) -> None:
    lines = listed(names, len(names) + more, most)
    shown = [line for line in lines if line == "  x"]
    assert len(shown) == min(len(names), most)
    rest = len(names) + more - len(shown)
    assert (lines[-1] == f"  and {rest:,} more" if lines else rest == 0) == (rest > 0 or not lines)
