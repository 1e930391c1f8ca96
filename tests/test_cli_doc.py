"""The documents of the command line against the command line."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from backends._cli_parser import build
from backends._completion import commands, script
from croc_core.events import Event, to_json
from docs import make_events, make_man
from tests.test_ui import EVENTS

SCHEMA: dict[str, Any] = json.loads(make_events.text())


def test_doc_the_schema_is_fresh() -> None:
    assert make_events.PLACE.read_text() == make_events.text()
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_doc_each_event_is_of_the_schema(event: Event) -> None:
    line = json.loads(to_json(event))
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(line)
    for name in ("event", next(name for name in line if name != "event")):
        assert not validator.is_valid({key: line[key] for key in line if key != name})
    assert not validator.is_valid({**line, "event": "other"})


def test_doc_the_manual_is_fresh() -> None:
    assert make_man.MAN.read_text() == make_man.man()
    guide = make_man.GUIDE.read_text()
    assert guide == make_man.guide(guide)


def test_doc_completion_knows_every_command_and_flag() -> None:
    known = {command.name: command for command in commands(build("croc-core"))}
    assert known.keys() == make_man.parsers().keys()
    for shell in ("bash", "zsh", "fish"):
        text = script(shell, "croc-core", build("croc-core"))
        for command in known.values():
            assert command.name in text
            for flag in command.flags:
                assert (flag.name if shell != "fish" else f"-l {flag.name[2:]}") in text


LINES = pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("croc-core rec", ["receive"]),
        ("croc-core send --thr", ["--throttle"]),
        ("croc-core receive --overw", ["--overwrite"]),
        ("croc-core completion f", ["fish"]),
        ("croc-core send --relay x --q", ["--quiet", "--qr"]),
        ("croc-core receive --out here_", ["here_is_a_file"]),
        ("croc-core send here_", ["here_is_a_file"]),
        ("croc-core send --relay here_", []),
    ],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "here_is_a_file").touch()
    return tmp_path


@LINES
def test_fish_completes(line: str, wanted: list[str], folder: Path) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("there is no fish here")
    (folder / "croc.fish").write_text(script("fish", "croc-core", build("croc-core")))
    done = subprocess.run(
        [fish, "--no-config", "-c", f'source croc.fish; complete -C "{line}"'],
        capture_output=True, text=True, check=True, cwd=folder,
        env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip
    assert sorted(row.partition("\t")[0] for row in done.stdout.splitlines()) == sorted(wanted)


@LINES
@pytest.mark.parametrize("autoloaded", [False, True])
def test_zsh_completes(line: str, wanted: list[str], folder: Path, autoloaded: bool) -> None:
    """In a terminal of its own, as nothing less makes zsh complete."""
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("there is no zsh here")
    (folder / "fns").mkdir()
    (folder / "fns" / "_croc_core").write_text(script("zsh", "croc-core", build("croc-core")))
    ways = "source fns/_croc_core" if not autoloaded else ""
    fpath = "fpath=($PWD/fns $fpath); " if autoloaded else ""
    begin = (
        f"{fpath}autoload -Uz compinit; compinit -u -D; {ways}; setopt no_beep; PS1=; PS2=\n"
        'compadd() { local -a found; builtin compadd -O found "$@"; '
        'print -rl -- $found >> got; builtin compadd "$@" }\n'
        "zle-line-init() { print -n RE''ADY }; zle -N zle-line-init\n"  # it reads keys by now
    )
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [zsh, "-f", "-i"], stdin=slave, stdout=slave, stderr=slave, cwd=folder,
        start_new_session=True, env={**os.environ, "HOME": str(folder), "TERM": "dumb"},
    )  # fmt: skip
    os.close(slave)
    try:
        os.write(master, begin.encode())
        until(master, b"READY")
        os.write(master, f"{line}\t".encode())
        os.write(master, b"\x15print DO''NE\n")
        until(master, b"DONE")
    finally:
        process.kill()
        process.wait()
        os.close(master)
    got = folder / "got"
    found = set(got.read_text().split()) if got.exists() else set()
    assert found == set(wanted)


def until(master: int, mark: bytes) -> None:
    seen = b""
    while mark not in seen:
        ready, _, _ = select.select([master], [], [], 30)
        assert ready, seen
        seen += os.read(master, 4096)


@LINES
def test_bash_completes(line: str, wanted: list[str], folder: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    words = " ".join(f"'{word}'" for word in line.split())
    code = (
        script("bash", "croc-core", build("croc-core"))
        + f"COMP_WORDS=({words})\nCOMP_CWORD={len(line.split()) - 1}\n_croc_core\n"
        + 'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [bash, "-c", code], capture_output=True, text=True, check=True, cwd=folder
    )
    assert sorted(done.stdout.split()) == sorted(wanted)
