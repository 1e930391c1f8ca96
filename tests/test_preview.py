"""What a person sees of an offer before deciding."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import _preview
from backends._preview import Preview
from backends.files.policy import Policy
from croc_core.content import Entry, Kind

PATHS = st.text() | st.binary()


ALARM = "Look at these: they are hidden, or can be run as programs:"
ALL = "All of it, by its topmost names:"


def file(path: str | bytes, size: int = 1, mode: int = 0o644) -> Entry:
    return Entry(Kind.FILE, path, size, {"mode": mode})


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


def test_what_changes_how_programs_run_is_named(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    preview = Preview(tmp_path, attended=True)
    preview.consider([file("photo.jpg", 3), file(".config/autostart/x.desktop", 3, 0o777)])
    preview.consider([file(".ssh/authorized_keys", 3), file("bin/run", 3, 0o645), file("bin/x", 3)])
    preview.judge()
    assert preview.lines() == [
        ALARM,
        "  .ssh/authorized_keys  (3 B)",
        "  .config/autostart/x.desktop  (3 B)  (executable)",
        "  bin/run  (3 B)  (executable)",
        ALL,
        "  .ssh/  (into the folder that exists)",
        "  photo.jpg  (3 B)",
        "  .config/",
        "  bin/",
    ]


NAMES = st.lists(st.sampled_from(["a", "b", "c", ".h", ".i"]), min_size=1, max_size=3)
THERE = st.sets(st.sampled_from(["a", "b", ".h", "a/.h"]), max_size=3)


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, st.integers(0, 0o777))), THERE, st.booleans(), st.data())
def test_nothing_hidden_or_executable_is_missing(
    tmp_path_factory: pytest.TempPathFactory,
    offer: list[tuple[list[str], int]],
    there: set[str],
    attended: bool,
    data: st.DataObject,
) -> None:
    root = tmp_path_factory.mktemp("preview")
    for name in there:
        (root / name).mkdir(parents=True, exist_ok=True)
    policy = data.draw(st.sampled_from(Policy))
    preview = Preview(root, policy, attended=attended)
    preview.consider([file("/".join(names), 1, mode) for names, mode in offer])
    spans = preview.judge().chosen
    taken = [offer[n] for span in spans for n in range(span.first, span.first + span.count)]
    alarming = {
        f"  {'/'.join(names)}  (1 B)" + ("  (executable)" if attended and mode & 0o111 else "")
        for names, mode in taken
        if any(name[0] == "." for name in names) or (attended and mode & 0o111)
    }
    tops = {
        f"  {names[0]}"
        + ("  (1 B)" if len(names) == 1 else "/")
        + (
            "  (into the folder that exists)"
            if (root / names[0]).is_dir() and policy is not Policy.RENAME
            else ""
        )
        for names, _ in taken
    }
    lines = preview.lines()
    if alarming:
        assert lines[0] == ALARM
        split = lines.index(ALL)
        alarms, lines = lines[1:split], lines[split + 1 :]
        assert set(alarms[: _preview.MAX_ALARMS]) <= alarming
        more = len(alarming) - _preview.MAX_ALARMS
        assert alarms[_preview.MAX_ALARMS :] == ([f"  and {more} more"] if more > 0 else [])
        assert len(set(alarms)) == len(alarms) == min(len(alarming), _preview.MAX_ALARMS + 1)
    assert set(lines) == tops
    assert len(lines) == len(tops)


def test_what_touches_what_exists_cannot_be_padded_out_of_sight(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".profile").touch()
    preview = Preview(tmp_path, attended=True)
    preview.consider([file(f"{n}", 1, 0o755) for n in range(50)])
    preview.consider([file(f".new/{n}") for n in range(50)])
    preview.consider([file(".ssh/config"), file(".profile")])
    preview.judge()
    lines = preview.lines()
    assert lines[1:4] == ["  .ssh/config  (1 B)", "  .profile  (1 B)", "  .new/0  (1 B)"]
    assert lines[_preview.MAX_ALARMS + 1] == f"  and {102 - _preview.MAX_ALARMS} more"
    assert lines[_preview.MAX_ALARMS + 3] == "  .ssh/  (into the folder that exists)"
    assert lines[-2:] == ["These exist and would be replaced:", "  .profile"]
