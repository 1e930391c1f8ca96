"""What `receive` asks, shows and decides, on a real terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli_help import Run, Shell, shell


@pytest.fixture
def sh(tmp_path: Path) -> Iterator[Shell]:
    with shell(tmp_path) as made:
        yield made


@pytest.fixture
def offered(tmp_path: Path) -> tuple[str, ...]:
    """Two files; one of them exists where they are to go."""
    for name, text in (("a.txt", "new a"), ("b.txt", "new b"), ("in/a.txt", "old a")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return "a.txt", "b.txt"


def held(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def send(sh: Shell, *names: str) -> tuple[Run, str, str]:
    url = sh.relay()
    sender = sh.croc("send", *names, "--relay", url)
    return sender, sender.until("code")["code"], url


OLD = {"a.txt": "old a"}
NEW = {"a.txt": "new a", "b.txt": "new b"}


@pytest.mark.parametrize(
    ("flags", "after"),
    [
        (("--overwrite",), NEW),
        (("--skip",), {"a.txt": "old a", "b.txt": "new b"}),
        (("--rename",), {"a.txt": "old a", "a (1).txt": "new a", "b.txt": "new b"}),
    ],
)
def test_a_policy_decides(
    sh: Shell, offered: tuple[str, ...], tmp_path: Path, flags: tuple[str, ...],
    after: dict[str, str],
) -> None:  # fmt: skip
    sender, code, url = send(sh, *offered)
    recipient = sh.croc("receive", code, "--relay", url, "--out", "in", "--yes", *flags)
    assert (sender.end(), recipient.end()) == (0, 0)
    assert held(tmp_path / "in") == after


def test_yes_alone_replaces_nothing(sh: Shell, offered: tuple[str, ...], tmp_path: Path) -> None:
    sender, code, url = send(sh, *offered)
    recipient = sh.croc("receive", code, "--relay", url, "--out", "in", "--yes")
    assert (sender.end(), recipient.end()) == (4, 4)
    assert held(tmp_path / "in") == OLD
    for flag in ("--overwrite", "--skip", "--rename"):
        assert flag in recipient.error["hint"]
    assert next(e for e in recipient.events if e["event"] == "offer")["overwrites"] == 1


@pytest.mark.parametrize(
    ("answer", "status", "after"),
    [
        ("y\n", 0, NEW),
        ("Yes\n", 0, NEW),
        ("n\n", 4, OLD),
        ("\n", 4, OLD),
        ("yellow\n", 4, OLD),
        ("\x04", 4, OLD),  # the end of the input
    ],
)
def test_a_person_decides(
    sh: Shell, offered: tuple[str, ...], tmp_path: Path, answer: str, status: int,
    after: dict[str, str],
) -> None:  # fmt: skip
    sender, code, url = send(sh, *offered)
    recipient = sh.croc("receive", "--relay", url, "--out", "in", terminal=True)
    recipient.see("The code (it looks like 7k2m-word-word-word): ")
    recipient.type("hello\n")
    recipient.see("A code looks like")
    recipient.type(code.upper().replace("-", " ") + "\n")
    recipient.see("Offer: 2 files, 10 B\r\n  a.txt  (5 B)\r\n  b.txt  (5 B)\r\n")
    recipient.see("These exist and would be replaced:\r\n  a.txt\r\n")
    recipient.see("Accept?")
    recipient.type(answer)
    assert (sender.end(), recipient.end()) == (status, status)
    assert held(tmp_path / "in") == after


def test_everything_can_be_listed(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "deep" / "down" / "x\x1b[31m\n").write_text("1")
    (tmp_path / "deep" / "down" / "far.txt").write_text("12")
    _, code, url = send(sh, "deep")
    recipient = sh.croc("receive", "--relay", url, "--out", "in", terminal=True, CROC_CODE=code)
    recipient.see("Accept?")
    assert b"far.txt" not in recipient.screen
    recipient.type("l\n")
    recipient.see("  deep/down/far.txt  (2 B)\r\n")
    recipient.see("  deep/down/x\\x1b[31m\\x0a  (1 B)  (left out)\r\n")
    assert b"\x1b" not in recipient.screen
    recipient.see("Accept?")


def test_quiet_still_asks(sh: Shell, offered: tuple[str, ...]) -> None:
    sender, code, url = send(sh, *offered)
    recipient = sh.croc("receive", "--relay", url, "--quiet", "--out", "x", terminal=True,
                        json=False, CROC_CODE=code)  # fmt: skip
    recipient.see("  a.txt  (5 B)\r\n")
    recipient.see("Accept?")
    assert b"Waiting" not in recipient.screen
    recipient.type("y\n")
    assert (sender.end(), recipient.end()) == (0, 0)
    assert recipient.out == b""


def test_without_a_person_hidden_names_are_refused(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("evil")
    (tmp_path / "good").write_text("good")
    sender, code, url = send(sh, ".bashrc", "good")
    recipient = sh.croc("receive", code, "--relay", url, "--yes", "--out", "in", terminal=True)
    assert (sender.end(), recipient.end()) == (0, 0)
    assert held(tmp_path / "in") == {"good": "good"}
    notes = [event["message"] for event in recipient.events if event["event"] == "note"]
    assert len(notes) == 1
    assert notes[0].startswith('Left out: ".bashrc": ')


def test_no_more_files_than_one_wants(sh: Shell, offered: tuple[str, ...], tmp_path: Path) -> None:
    for most, statuses in ((1, False), (2, True)):
        sender, code, url = send(sh, *offered)
        recipient = sh.croc(
            "receive", code, "--relay", url, "--out", "y", "--yes", "--max-files", most
        )
        assert ((recipient.end(), sender.end()) == (0, 0)) == statuses
        assert (tmp_path / "y").exists() == statuses


def test_where_nothing_is_usable_the_reasons_are_told(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("evil")
    _, code, url = send(sh, ".bashrc")
    recipient = sh.croc("receive", code, "--relay", url, "--yes", "--out", "in", "--quiet",
                        json=False)  # fmt: skip
    assert recipient.end() != 0
    assert recipient.err.startswith('Left out: ".bashrc": ')


def test_what_the_sender_leaves_out_is_told(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "out").symlink_to("/")
    (tmp_path / "d" / "in").write_text("x")
    sender, code, url = send(sh, "d")
    quiet = sh.croc("send", "d", "--relay", url, "--quiet", json=False, CROC_CODE="q-d-e-f")
    for key in (code, "q-d-e-f"):
        assert sh.croc("receive", key, "--relay", url, "--yes", "--out", key).end() == 0
    assert (sender.end(), quiet.end()) == (0, 0)
    sentence = 'Left out: "d/out" is a link that leads out of what is sent.'
    assert {"event": "note", "message": sentence} in sender.events
    assert sentence in quiet.err


def test_no_code_is_typed(sh: Shell) -> None:
    run = sh.croc("receive", "--relay", "127.0.0.1", terminal=True)
    run.see("The code")
    run.type("\x04")
    assert (run.end(), run.error["code"]) == (2, "usage")


def test_nobody_reads_the_events(sh: Shell, offered: tuple[str, ...], tmp_path: Path) -> None:
    sender, code, url = send(sh, *offered)
    assert sender.process.stdout is not None
    sender.process.stdout.close()
    recipient = sh.croc("receive", code, "--relay", url, "--out", "x", "--yes")
    assert recipient.end() == 0
    assert sender.process.wait(30) == 0
    assert held(tmp_path / "x") == NEW


@pytest.mark.parametrize("flags", [(), ("--plain",)])
def test_no_control_characters_in_a_pipe(
    sh: Shell, offered: tuple[str, ...], tmp_path: Path, flags: tuple[str, ...]
) -> None:
    _, code, url = send(sh, *offered)
    recipient = sh.croc("receive", code, "--relay", url, "--yes", "--out", "x", *flags, json=False)
    assert recipient.end() == 0
    assert recipient.out == b""
    assert recipient.err.endswith(f"Received 2 files, 10 B: a.txt, b.txt, in {tmp_path / 'x'}.\n")
    assert recipient.err.replace("\n", "").isprintable()
