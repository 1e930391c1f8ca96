from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.files import ignore
from backends.files.source import FileSource
from croc_core.content import Entry, Kind
from croc_core.errors import LocalFileError


def sent(*tops: Path, exclude: tuple[str, ...] = (), gitignore: bool = False) -> list[str]:
    source = FileSource(tops, exclude=exclude, gitignore=gitignore)
    entries: list[Entry] = list(source.walk())
    source.close()
    return [os.fsdecode(entry.path) for entry in entries]


def plant(top: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    return top


def test_hidden_files_are_sent(tmp_path: Path) -> None:
    top = plant(tmp_path / "t", {".h": "", ".d/.e": "", ".gitignore": "*"})
    assert sent(top) == ["t", "t/.d", "t/.d/.e", "t/.gitignore", "t/.h"]


def test_patterns_given_are_seen_from_each_top(tmp_path: Path) -> None:
    files = {"a.o": "", "d/a.o": "", "d/keep.o": "", "b": "", "d/b": "", "e/x": ""}
    tops = [plant(tmp_path / name, files) for name in ("s", "t")]
    (tmp_path / "x.o").touch()
    found = sent(*tops, tmp_path / "x.o", exclude=("*.o", "!keep.o", "/b", "e/"))
    assert found == [
        *(f"{top}{name}" for top in "st" for name in ("", "/d", "/d/b", "/d/keep.o")),
        "x.o",  # who names it wants it
    ]


@pytest.mark.parametrize("bad", ["!", "a\\"])
def test_a_bad_pattern_is_told_at_once(tmp_path: Path, bad: str) -> None:
    with pytest.raises(LocalFileError, match="is no pattern"):
        FileSource([tmp_path], exclude=["*.o", bad])
    top = plant(tmp_path / "t", {".gitignore": f"a\r\n{bad}\nb", "a": "", "b": "", "c": ""})
    assert sent(top, gitignore=True) == ["t", "t/.gitignore", "t/c"]  # as git does


def test_what_is_given_has_the_last_word(tmp_path: Path) -> None:
    top = plant(tmp_path / "t", {"d/.gitignore": "!x\nk", "d/x": "", "d/k": "", "d/l": ""})
    found = sent(top, exclude=("x", "!k"), gitignore=True)
    assert found == ["t", "t/d", "t/d/.gitignore", "t/d/k", "t/d/l"]


def test_the_rules_of_the_repository_above(tmp_path: Path) -> None:
    repository = plant(
        tmp_path / "r",
        {
            ".git/HEAD": "",
            ".gitignore": "*.o\n/sub/deep/only\nbuild/\n",
            "sub/.gitignore": "!keep.o\ngone\n",
            "sub/deep/a.o": "",
            "sub/deep/keep.o": "",
            "sub/deep/only": "",
            "sub/deep/gone/x": "",
            "sub/deep/build/x": "",
            "build/x.o": "",
        },
    )
    (tmp_path / ".gitignore").write_text("keep.o")  # outside of the repository
    assert sent(repository / "sub" / "deep", gitignore=True) == ["deep", "deep/keep.o"]
    assert sent(repository / "build", gitignore=True) == ["build", "build/x.o"]
    found = sent(repository, gitignore=True)
    assert "r/sub/deep/only" not in found
    assert "r/.git/HEAD" in found
    assert "r/build" not in found
    shutil.rmtree(repository / ".git")
    assert len(sent(repository / "sub" / "deep", gitignore=True)) == 8


def test_a_file_of_patterns_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = plant(tmp_path / "t", {"a": "", "patterns": "a"})
    (top / ".gitignore").symlink_to("patterns")
    assert "t/a" in sent(top, gitignore=True)  # git does not follow it either
    (top / ".gitignore").unlink()
    (top / ".gitignore").mkdir()
    assert "t/a" in sent(top, gitignore=True)
    (top / ".gitignore").rmdir()
    os.mkfifo(top / ".gitignore")
    assert "t/a" in sent(top, gitignore=True)
    (top / ".gitignore").unlink()
    (top / ".gitignore").write_text("a\nb\n")
    monkeypatch.setattr(ignore, "MAX_BYTES", 3)
    with pytest.raises(LocalFileError, match=r'"t/.gitignore" is too long'):
        sent(top, gitignore=True)
    monkeypatch.setattr(ignore, "_FILE", os.O_DIRECTORY)
    with pytest.raises(LocalFileError, match=r"Cannot read .t/.gitignore"):
        sent(top, gitignore=True)


names = st.sampled_from(["a", "b", "c.o", "d", "é", "x y"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
lines = st.one_of(
    paths,
    paths.map("/{}".format),
    paths.map("!{}".format),
    paths.map("{}/".format),
    st.sampled_from(["*.o", "!*.o", "**/a", "a/**", "*", "!*/", "# a", "", "d/*", "!d/a", "x\\ y"]),
)
files = st.lists(lines, max_size=4).map("\n".join)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not there")
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(paths, min_size=1, max_size=8),
    st.dictionaries(st.sampled_from(["", "d", "a", "d/a"]), files),
)
def test_as_git_does(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[str], rules: dict[str, str]
) -> None:
    top = tmp_path_factory.mktemp("git") / "t"
    top.mkdir()
    for path in wanted:
        place = top / path
        if any(p.is_file() for p in place.parents) or place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    for folder, text in rules.items():
        if (top / folder).is_dir():
            (top / folder / ".gitignore").write_text(text)
    bare = {"HOME": str(top), "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}

    def git(*arguments: str) -> list[str]:
        done = subprocess.run(
            ["git", *arguments], cwd=top, env=bare, capture_output=True, text=True, check=True
        )
        return done.stdout.split("\0")[:-1]

    git("init", "-q", ".")
    tracked = git("ls-files", "-z", "--others", "--exclude-standard")
    source = FileSource([top], gitignore=True, exclude=["/.git"])
    found = [e.path for e in source.walk() if e.kind is Kind.FILE]
    source.close()
    assert sorted(map(str, found)) == sorted(f"t/{name}" for name in tracked)
