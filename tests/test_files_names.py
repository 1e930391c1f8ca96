from __future__ import annotations

import os
import posixpath
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.files.names import (
    BadName,
    components,
    cut,
    fold,
    link_stays,
    part_name,
)
from backends.files.policy import variants

REFUSED: dict[str, list[str | bytes]] = {
    "empty": ["", "a//b", "a/"],
    "leads out": [".", "..", "a/..", "../a", "a/./b", "a/../b", "./a"],
    "absolute": ["/", "//", "/a", "/etc/passwd", b"/a"],
    "backslash or a colon": [
        "C:",
        "C:/a",
        "c:\\a",
        "a\\b",
        "..\\a",
        "a:b",
        "a/b:$DATA",
        "\\\\h\\s",
    ],
    "control": ["a\0", "\x1b[0m", "a\nb", "a/\x7f", "\x85", "a\x9b"],
    "dot or a space": ["a.", "a ", "a/b. ", "...", "a /b", " "],
    "device": ["con", "CON", "nul.txt", "a/Aux", "com1", "LPT9.tar.gz", "CONIN$", "com¹", "nul .x"],
    "too long": ["a" * 256, "é" * 128, "a/" * 2048 + "aa", "é/" * 1400 + "a", b"a" * 4097],
    "too deep": ["a/" * 64 + "a"],
    "unfinished": [".a.01234567.croc-part", "x/a.Croc-Part"],
    "valid text": ["\ud800", "a\udc80"],
}


@pytest.mark.parametrize(("why", "path"), [(w, p) for w, ps in REFUSED.items() for p in ps])
def test_refused(why: str, path: str | bytes) -> None:
    with pytest.raises(BadName, match=why):
        components(path)


@pytest.mark.parametrize(
    "path",
    [
        *["a", "a/b.c", ".a", "..a", "a..b", "-rf", "~", "conx", "com10", "lpt", "é" * 127],
        *["a/" * 63 + "a", b"\xff\xfe", "漢字/🐊", "a b", " a", "$x", "a*?", "null", "a" * 255],
    ],
)
def test_accepted(path: str | bytes) -> None:
    raw = path if isinstance(path, bytes) else path.encode()
    assert [c.name for c in components(path)] == raw.split(b"/")


def test_the_longest_path_is_accepted() -> None:
    longest = "/".join(["a" * 255] * 16)
    assert len(longest) == 4095
    assert len(components(longest)) == 16
    with pytest.raises(BadName, match="too long"):
        components(longest + "/b")


pieces = st.one_of(
    st.text(st.characters(categories=None), max_size=6),
    st.sampled_from(["..", ".", "", "a", "con", "a:", "b\\", "\0", "é", "e\u0301", "A"]),
)


@given(st.lists(pieces, max_size=5).map("/".join))
def test_what_is_accepted_stays_below_whatever_the_root(path: str) -> None:
    try:
        parts = components(path)
    except BadName:
        return
    for name, _ in parts:
        assert name not in (b"", b".", b"..")
        assert not set(b"/\\:\0") & set(name)
        assert len(name) <= 255
    joined = posixpath.normpath(b"/root/" + b"/".join(part.name for part in parts))
    assert joined == b"/root/" + path.encode()


@given(st.lists(st.one_of(st.text(max_size=4), pieces), max_size=4).map("/".join))
def test_bytes_and_text_of_one_name_are_one(text: str) -> None:
    verdicts: list[object] = []
    for path in (text.encode(errors="replace"), text.encode(errors="replace").decode()):
        try:
            verdicts.append(components(path))
        except BadName as reason:
            verdicts.append(str(reason))
    assert verdicts[0] == verdicts[1]


@given(st.text(max_size=10))
def test_names_that_some_system_takes_for_one_fold_alike(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert fold(unicodedata.normalize(form, text)) == fold(text)
    assert fold(text.lower()) == fold(text) or text.lower().upper() != text.upper()
    assert fold(fold(text)) == fold(text)


def test_folding_tells_other_names_apart() -> None:
    assert fold("É") == fold("e\u0301") != fold("e")
    assert fold("Straße") == fold("STRASSE")
    assert fold("a") != fold("b")


@pytest.mark.parametrize(
    ("above", "target", "stays"),
    [
        (0, "a", False),  # a link at the top has nothing that it stays in
        (1, "a", True),
        (1, ".", True),
        (1, "./a//b/", True),
        (1, "..", False),
        (2, "..", True),
        (2, "../a", True),
        (2, "../..", False),
        (3, "../../a", True),
        (3, "a/..", False),
        (3, "../a/../b", False),
        (3, "/a", False),
        (3, "", False),
        (3, "a\\b", False),
        (3, "C:", False),
        (3, "a\0", False),
        (3, "\ud800", False),
        (3, b"\xff", True),
        (3, "a" * 256, False),
        (3, "./" * 3000, False),
    ],
)
def test_links(above: int, target: str | bytes, stays: bool) -> None:
    assert link_stays(above, target) is stays


steps = st.lists(st.sampled_from(["..", ".", "a", "b", "l", "m"]), min_size=1, max_size=5)


@given(st.lists(st.tuples(steps, steps), max_size=5))
def test_links_that_stay_stay_together(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[list[str], list[str]]]
) -> None:
    """However such links lead to one another, the system never resolves one to outside."""
    top = tmp_path_factory.mktemp("links").resolve() / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "b" / "a").mkdir(parents=True)
    for where, target in links:
        place = [step for step in where if step in "ab"][:2]
        link = top.joinpath(*place) / where[-1]
        text = "/".join(target)
        free = link.parent.is_dir() and where[-1] in "lm" and not link.is_symlink()
        if free and link_stays(1 + len(place), text):
            link.symlink_to(text)
    for root, folders, files in os.walk(top):
        for name in folders + files:
            path = Path(os.path.realpath(os.path.join(root, name)))
            assert path == top or top in path.parents


@given(
    st.binary(min_size=1, max_size=255).filter(lambda n: not set(n) & set(b"/\0")), st.booleans()
)
def test_variants_fit_and_differ(name: bytes, folder: bool) -> None:
    first = [v for v, _ in zip(variants(name, folder), range(12), strict=False)]
    assert len(set(first)) == 12
    assert name not in first
    assert all(len(v) <= 255 for v in first)
    assert len(part_name(name, 1 << 40)) <= 255
    with pytest.raises(BadName):
        components(part_name(name, 7))


def test_variants_keep_the_extension() -> None:
    assert next(variants(b"a.txt")) == b"a (1).txt"
    assert next(variants(b".bashrc")) == b".bashrc (1)"
    assert next(variants(b"v1.2", folder=True)) == b"v1.2 (1)"
    assert next(variants("é".encode() * 125 + b".tgz")) == "é".encode() * 123 + b" (1).tgz"
    assert next(variants(b"a." + b"b" * 40)) == b"a." + b"b" * 40 + b" (1)"


@given(st.text(max_size=20), st.integers(0, 60))
def test_cut_never_splits_a_character(text: str, room: int) -> None:
    short = cut(text.encode(errors="replace"), room)
    assert len(short) <= room
    assert text.encode(errors="replace").decode().startswith(short.decode())
