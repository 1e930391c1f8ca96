"""What a person sees of an offer before deciding."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from backends import _preview
from backends._preview import Preview
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
    for line in (*preview.lines(), *preview.everything()):
        assert line.isprintable()
    assert len(preview.everything()) == len(entries)


def test_the_top_is_shown_and_the_rest_on_request(tmp_path: Path) -> None:
    preview = Preview(tmp_path, attended=True)
    preview.consider([Entry(Kind.DIRECTORY, "d", 0, {}), file("d/in", 1234)])
    preview.consider([Entry(Kind.SYMLINK, b"d/link", 0, {"target": "in"}), file("../bad")])
    preview.consider([file("top")])
    (tmp_path / "top").write_text("there")
    preview.judge()
    assert preview.lines()[:4] == [
        "  d/",
        "  top  (1 B)",
        "These exist and would be replaced:",
        "  top",
    ]
    assert preview.lines()[4] == "These are left out:"
    assert preview.lines()[5].startswith("  ../bad: ")
    assert preview.everything() == [
        "  d/",
        "  d/in  (1.23 kB)",
        "  d/link -> in",
        "  ../bad  (1 B)",
        "  top  (1 B)",
    ]


def test_a_long_offer_is_cut(tmp_path: Path) -> None:
    preview = Preview(tmp_path, attended=True)
    for _ in range(3):
        preview.consider([file(f"{n}") for n in range(_preview.MAX_PATHS // 2)])
    rest = _preview.MAX_PATHS // 2
    assert preview.everything()[-1] == f"  and {rest:,} more"
    assert len(preview.everything()) == _preview.MAX_PATHS + 1
    assert preview.lines()[-1] == f"  and {rest * 3 - 8:,} more"
