"""What a person sees of an offer before deciding."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from backends import _preview
from backends._preview import Preview
from backends.files.policy import Policy
from croc_core.content import Entry, Kind

PATHS = st.text() | st.binary()


def file(path: str | bytes, size: int = 1) -> Entry:
    return Entry(Kind.FILE, path, size, {})


@given(st.lists(PATHS), st.lists(PATHS))
def test_everything_shown_is_harmless(paths: list[str | bytes], targets: list[str | bytes]) -> None:
    entries = [file(path) for path in paths]
    entries += [Entry(Kind.SYMLINK, "x", 0, {"target": target}) for target in targets]
    preview = Preview("nowhere", attended=True)
    preview.consider(entries)
    with contextlib.suppress(Exception):
        preview.judge()
    lines = (*preview.lines(), *preview.left_out(), *preview.everything())
    assert all(line.isprintable() for line in lines)
    assert len(preview.everything()) == len(entries)


def test_the_top_is_shown_and_the_rest_on_request(tmp_path: Path) -> None:
    preview = Preview(tmp_path, attended=True)
    preview.consider([Entry(Kind.DIRECTORY, "d", 0, {}), file("d/in", 1234)])
    preview.consider([Entry(Kind.SYMLINK, b"d/link", 0, {"target": "in"}), file("../bad")])
    preview.consider([file("top")])
    (tmp_path / "top").write_text("there")
    preview.judge()
    assert preview.lines() == [
        "  d/",
        "  top  (1 B)",
        "These exist and would be replaced:",
        "  top",
    ]
    (left_out,) = preview.left_out()
    assert left_out.startswith('Left out: "../bad": ')
    assert preview.everything() == [
        "  d/",
        "  d/in  (1.23 kB)",
        "  d/link -> in",
        "  ../bad  (1 B)  (left out)",
        "  top  (1 B)",
    ]


def test_what_is_left_out_is_not_among_what_is_taken(tmp_path: Path) -> None:
    preview = Preview(tmp_path, Policy.SKIP, attended=False)
    names: list[str | bytes] = [".hidden", "there", "new", "implied/in", b"implied\xff/in"]
    preview.consider([file(name) for name in names])
    (tmp_path / "there").touch()
    verdict = preview.judge()
    assert verdict.totals.files == 3
    assert preview.lines() == ["  new  (1 B)", "  implied/", "  implied\\xff/"]
    assert len(preview.left_out()) == 2
    assert 'Left out: "there": it exists already.' in preview.left_out()
    assert [line.endswith("(left out)") for line in preview.everything()] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_of_much_that_is_left_out_some_is_told(tmp_path: Path) -> None:
    preview = Preview(tmp_path, attended=True)
    preview.consider([file(f"../{n}") for n in range(1000)])
    preview.judge()
    assert preview.lines() == []
    said = preview.left_out()
    assert len(said) == _preview.MAX_LEFT_OUT + 1
    assert said[-1] == f"Left out: {1000 - _preview.MAX_LEFT_OUT} more."


def test_a_long_offer_is_cut(tmp_path: Path) -> None:
    preview = Preview(tmp_path, attended=True)
    for part in range(3):
        preview.consider([file(f"{part}-{n}") for n in range(_preview.MAX_PATHS // 2)])
    preview.judge()
    rest = _preview.MAX_PATHS // 2
    assert preview.everything()[-1] == f"  and {rest:,} more"
    assert len(preview.everything()) == _preview.MAX_PATHS + 1
    assert preview.lines()[-1] == f"  and {rest * 3 - 8:,} more"
