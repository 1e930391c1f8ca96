"""The documents of the command line against the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
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


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("croc-core rec", ["receive"]),
        ("croc-core send --thr", ["--throttle"]),
        ("croc-core receive --overw", ["--overwrite"]),
        ("croc-core completion f", ["fish"]),
        ("croc-core send --relay x --q", ["--quiet", "--qr"]),
    ],
)
def test_bash_completes(line: str, wanted: list[str]) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    words = " ".join(f"'{word}'" for word in line.split())
    code = (
        script("bash", "croc-core", build("croc-core"))
        + f"COMP_WORDS=({words})\nCOMP_CWORD={len(line.split()) - 1}\n_croc_core\n"
        + 'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run([bash, "-c", code], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(wanted)
