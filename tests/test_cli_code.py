"""The code on the screen, in the clipboard, and as a person types it."""

from __future__ import annotations

import base64
import io
import os
import shlex
from pathlib import Path

import pytest

from backends import _clipboard
from backends._cli_flags import rate
from backends._qr import BORDER, qr
from backends._ui import Face, Style
from backends._ui_ask import unknown_words
from croc_core.events import CodeReady


def told(found: bool, urls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> tuple[Face, str]:
    """Return a sender's face with a relay of its own, and what it said of a code."""
    err = io.StringIO()
    face = Face("CMD", "send", Style(), io.BytesIO(), err)
    face.found = found
    monkeypatch.setattr(face, "_urls", lambda relay: urls)
    face.tell(CODE)
    return face, err.getvalue()


CODE = CodeReady("abcd-one-two", "abcd", "http://h:1")
ONE, TWO = ("http://192.0.2.7:1",), ("http://192.0.2.7:1", "http://[2001:db8::1]:1")


@pytest.mark.parametrize("urls", [ONE, TWO])
def test_what_the_other_side_types(monkeypatch: pytest.MonkeyPatch, urls: tuple[str, ...]) -> None:
    lines = [f"  CMD receive --relay {url}" for url in urls[:1]]
    lines += [f'  CMD receive --relay "{url}"' for url in urls[1:]]  # brackets are a pattern to zsh
    for found in (False, True):
        said = told(found, urls, monkeypatch)[1].splitlines()
        assert [line for line in said if "--relay" in line] == lines
        assert ("  CMD receive" in said) == found
        assert not found or said.index("  CMD receive") < said.index(lines[0])


@pytest.mark.parametrize(
    ("found", "urls", "typed"),
    [(False, ONE, " --relay http://192.0.2.7:1"), (False, TWO, " --relay http://192.0.2.7:1"),
     (True, ONE, " --relay http://192.0.2.7:1"), (True, TWO, "")],
)  # fmt: skip
def test_what_is_scanned_is_all_that_is_typed(
    monkeypatch: pytest.MonkeyPatch, found: bool, urls: tuple[str, ...], typed: str
) -> None:
    """Of several addresses nobody knows which one is right, and whoever scans is near."""
    face, _ = told(found, urls, monkeypatch)
    odd = CodeReady("abcd-it's;ls", "abcd", "")
    assert shlex.split(face.typed(odd))[0] == "CROC_CODE=abcd-it's;ls"
    assert face.typed(CODE) == f"CROC_CODE=abcd-one-two CMD receive{typed}"


def test_a_qr_code_fits_the_screen() -> None:
    segno = pytest.importorskip("segno")
    text = (
        "CROC_CODE=7k2mabcd-abandon-ability-abstract python -m backends.asyncio receive "
        "--relay http://[2001:db8:1111:2222:3333:4444:5555:6666]:65535"
    )
    lines = qr(text)
    code = segno.make_qr(text, error="l")
    width = len(code.matrix) + 2 * BORDER
    assert {len(line) for line in lines} == {width}
    assert width < 60
    top = {" ": (1, 1), "▄": (1, 0), "▀": (0, 1), "█": (0, 0)}
    rows = [[top[c][half] for c in line] for line in lines for half in (0, 1)]
    inner = [row[BORDER:-BORDER] for row in rows[BORDER : BORDER + len(code.matrix)]]
    assert inner == [list(row) for row in code.matrix]


def test_the_clipboard(tmp_path: Path) -> None:
    for name, status in (("xclip", 1), ("xsel", 0)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\ncat > {tmp_path}/{name}.got\nexit {status}\n")
        program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert _clipboard.copy("code", {"PATH": path}) is None  # no display
    assert _clipboard.copy("code", {"PATH": path, "DISPLAY": ":0"}) == "xsel"
    assert (tmp_path / "xsel.got").read_text() == "code"
    assert base64.b64decode(_clipboard.by_terminal("code")[7:-1]) == b"code"


def test_a_word_that_is_none_is_doubted_among_words() -> None:
    assert unknown_words("abandon-ability-abel") == ["abel"]
    assert unknown_words("abandon-ability-able") == []
    for own in ("mine", "8jx-k2vq-0plr", "abandon-x"):  # a person's own
        assert unknown_words(own) == []


def test_a_code_is_told_once() -> None:
    err = io.StringIO()
    face = Face("CMD", "send", Style(), io.BytesIO(), err)
    for _ in range(2):  # the relay was reached again
        face.tell(CodeReady("abcd-one-two", "abcd", "http://h:1"))
    face.tell(CodeReady("abcd-one-three", "abcd", "http://h:1"))
    assert err.getvalue().count("Code: abcd-one-two") == 1
    assert "Code: abcd-one-three" in err.getvalue()


@pytest.mark.parametrize(
    ("text", "number"),
    [("1024", 1024), ("500k", 500_000), ("1.5M", 1_500_000), ("10MB/s", 10**7), ("2g", 2 * 10**9)],
)
def test_rates(text: str, number: int) -> None:
    assert rate(text) == number
