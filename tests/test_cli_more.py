"""Streams, texts, the verifier, and finding the relay: the command line as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from backends._discovery import ANSWER, ID, Answerer, Searching, port_of, query
from backends._discovery_net import search
from backends._io import Started, Told, Worked
from backends._options import Where
from croc_core.errors import Code
from croc_core.party_io import Interrupted
from croc_core.values import Moment
from tests.cli_help import LOCAL, ROOT, Shell, shell

BACKENDS = ["asyncio", "threading"]
NOW = Moment(0.0, 0)


@pytest.fixture
def sh(tmp_path: Path) -> Iterator[Shell]:
    with shell(tmp_path) as made:
        yield made


def croc(backend: str, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    """Start a command that has no terminal at all."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CROC_CONFIG": "", **variables}
    return subprocess.Popen(
        [sys.executable, "-m", f"backends.{backend}", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        start_new_session=True,
    )  # fmt: skip


def sending(backend: str, *arguments: str, data: bytes, **variables: str) -> threading.Thread:
    """Start a sender and feed it; return once its code stands. The thread ends with it."""
    sender = croc(backend, "send", "--json", *arguments, **variables)
    assert sender.stdin is not None
    assert sender.stdout is not None
    ready = threading.Event()

    def follow() -> None:
        with sender:
            for line in sender.stdout or ():
                if b'"event":"code"' in line:
                    ready.set()
        ready.set()

    def feed() -> None:
        with suppress(OSError):
            (sender.stdin or sys.stdout.buffer).write(data)
        with suppress(OSError):
            (sender.stdin or sys.stdin).close()

    thread = threading.Thread(target=follow)
    thread.start()
    threading.Thread(target=feed).start()
    assert ready.wait(30)
    return thread


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_pipe_goes_through(sh: Shell, backend: str) -> None:
    url, code, data = sh.relay(), "pipe-8jx-k2vq-0plr", os.urandom(3_000_000)
    sender = sending(backend, "-", data=data, CROC_RELAY=url, CROC_CODE=code)
    recipient = croc(backend, "receive", "--stdout", "--yes", CROC_RELAY=url, CROC_CODE=code)
    out, err = recipient.communicate(timeout=60)
    assert recipient.returncode == 0, err
    sender.join(60)
    assert out == data


def test_a_folder_is_no_stream(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"x")
    url, code = sh.relay(), "pipe-8jx-k2vq-0plr"
    sender = sh.croc("send", "d", CROC_RELAY=url, CROC_CODE=code)
    sender.until("code")
    recipient = croc("asyncio", "receive", "--stdout", "--yes", CROC_RELAY=url, CROC_CODE=code)
    out, err = recipient.communicate(timeout=60)
    assert (recipient.returncode, sender.end(), out) == (4, 4, b"")
    assert err.endswith(b"leave --stdout out, and let the sender send it again.\n")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_text_is_shown_or_saved(sh: Shell, tmp_path: Path, backend: str) -> None:
    url, code = sh.relay(), "text-8jx-k2vq-0plr"
    given = {"CROC_RELAY": url, "CROC_CODE": code}
    sender = sending(backend, "--text", "-", data="höre\n\x1b[31m".encode(), **given)
    out, err = croc(backend, "receive", "--yes", "--out", str(tmp_path), **given).communicate(
        timeout=60
    )
    sender.join(60)
    assert out.decode() == "höre\n\x1b[31m", err  # no terminal shows it
    given["CROC_CODE"] = "text2-8jx-k2vq-0plr"  # a code is for once
    sender = sending(backend, "--text", "saved", data=b"", **given)
    saving = croc(backend, "receive", "--yes", "--save-text", "--out", str(tmp_path), **given)
    assert saving.communicate(timeout=60)[0] == b""
    sender.join(60)
    assert saving.returncode == 0
    assert [path.read_text() for path in tmp_path.glob("*.txt")] == ["saved"]
    given["CROC_CODE"] = "text3-8jx-k2vq-0plr"
    sender = sending(backend, "--text", "h\u00f6re\n\x1b", data=b"", **given)
    reading = croc(backend, "receive", "--json", "--yes", "--out", str(tmp_path / "no"), **given)
    events = [json.loads(line) for line in reading.communicate(timeout=60)[0].splitlines()]
    sender.join(60)
    assert [event["text"] for event in events if event["event"] == "text"] == ["h\u00f6re\n\x1b"]
    assert events[-1]["event"] == "done"
    assert not list((tmp_path / "no").glob("*"))


@pytest.mark.parametrize("answer", ["y", "n"])
def test_the_words_are_compared(sh: Shell, tmp_path: Path, answer: str) -> None:
    (tmp_path / "f").write_bytes(b"x")
    url = sh.relay()
    sender = sh.croc("send", "f", "--verify", "--qr", terminal=True, CROC_RELAY=url)
    code = sender.until("code")["code"]
    sender.see("▀")  # the QR code
    recipient = sh.croc("receive", "--yes", "--out", "in", CROC_RELAY=url, CROC_CODE=code)
    words = sender.until("verifier")
    sender.see("[y/N]")
    assert words["ask"] is True
    assert len(words["words"].replace("-", " ").split()) == 4
    sender.type(f"{answer}\n")
    assert recipient.until("verifier")["words"] == words["words"]
    if answer == "y":
        assert (recipient.end(), sender.end()) == (0, 0)
    else:
        assert 0 not in (recipient.end(), sender.end())
        assert not (tmp_path / "in" / "f").exists()


@pytest.mark.parametrize("answer", ["y", "n"])
def test_who_sends_a_pipe_compares_words_at_the_terminal(
    sh: Shell, tmp_path: Path, answer: str
) -> None:
    url, code = sh.relay(), "pipe-8jx-k2vq-0plr"
    sender = sh.at_terminal("send", "-", "--verify", CROC_RELAY=url, CROC_CODE=code)
    sender.see("Waiting for")
    recipient = sh.croc("receive", "--yes", "--out", "in", CROC_RELAY=url, CROC_CODE=code)
    assert sender.process.stdin is not None
    sender.process.stdin.write(b"y\n" * 10)
    sender.process.stdin.close()
    sender.see("[y/N]")
    sender.type(f"{answer}\n")
    statuses = recipient.end(), sender.process.wait(30)
    if answer == "y":
        assert statuses == (0, 0)
        assert (tmp_path / "in" / "stdin").read_bytes() == b"y\n" * 10
    else:
        assert 0 not in statuses
        assert not (tmp_path / "in" / "stdin").exists()


def test_with_stdout_the_question_goes_to_the_terminal(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"the one file")
    url, code = sh.relay(), "pipe-8jx-k2vq-0plr"
    sender = sh.croc("send", "f", CROC_RELAY=url, CROC_CODE=code)
    sender.until("code")
    recipient = sh.croc("receive", "--stdout", terminal=True, json=False, CROC_RELAY=url)
    recipient.see("The code")
    recipient.type(f"{code}\n")
    recipient.see("Accept? [y/N")
    recipient.type("y\n")
    recipient.see("Received 1 file")
    assert (recipient.end(), sender.end()) == (0, 0)
    assert recipient.out == b"the one file"


def test_words_of_a_pipe_need_a_terminal() -> None:
    """A terminal that only shows is not enough: nobody could answer there."""
    with croc("asyncio", "send", "-", "--verify") as sender:
        _, err = sender.communicate(timeout=30)
    assert sender.returncode == 2
    assert b"terminal" in err


# ---- discovery


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_relay_is_found(sh: Shell, tmp_path: Path, backend: str) -> None:
    """On the loopback interface: its sender answers there alone."""
    (tmp_path / "f").write_bytes(b"found")
    module = ["-m", f"backends.{backend}"]
    sender = sh.start([*module, "send", "--json", "f", "--host", LOCAL], False, {}, False)
    code = sender.until("code")
    arguments = [*module, "receive", "--json", "--yes", "--out", "in"]
    recipient = sh.start(arguments, False, {"CROC_CODE": code["code"]}, False)
    assert (recipient.end(), sender.end()) == (0, 0), recipient.events
    assert (tmp_path / "in" / "f").read_bytes() == b"found"


def test_two_that_have_the_channel_end_it_and_who_must_not_answer_does_not(
    sh: Shell, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"x")
    code = "twin2-8jx-k2vq-0plr"
    silent = sh.croc("send", "f", "--host", LOCAL, "--no-discovery", CROC_CODE=code)
    silent.until("code")
    first = sh.croc("send", "f", "--host", LOCAL, CROC_CODE=code)
    first.until("code")
    found = search("twin2", threading.Event())
    assert [place.url for place in found] == [first.events[-1]["relay"]]
    sh.croc("send", "f", "--host", LOCAL, CROC_CODE=code).until("code")
    recipient = sh.croc("receive", "--yes", CROC_CODE=code)
    assert recipient.end() == 5
    assert "2 computers" in recipient.error["message"]
    assert "--relay" in recipient.error["hint"]


def test_nobody_else_is_answered() -> None:
    answerer, one, two = Answerer("abcd", 4711), b"1" * ID, b"2" * ID
    good = answerer(query(one, "abcd"), "a")
    assert good == answerer(query(one, "abcd"), "a")  # the answer was lost
    assert good is not None
    assert (port_of(good, one), port_of(good, two), port_of(good + b"x", one)) == (4711, None, None)
    assert len(good) <= len(query(one, "abcd")) + 2  # no amplifier
    assert answerer(query(one, "abcd"), "b") is None
    for bad in (b"", query(two, "abc"), query(two, "abcde"), query(two, ""), ANSWER + two):
        assert answerer(bad, "a") is None
    for number in range(1000):  # it does not remember for ever
        answerer(query(number.to_bytes(ID, "big"), "abcd"), "a")
    assert len(answerer._asked) <= 64


@pytest.mark.parametrize("places", [[], [Where("a", 1), Where("b", 1)]])
def test_a_search_needs_one_answer(places: list[Where]) -> None:
    node = Searching("abcd", lambda where: pytest.fail("it went on"))
    node.handle(Started(), NOW)
    node.handle(Worked(1, places), NOW)
    assert node.finished
    assert node.failure is not None
    assert node.failure.code is Code.RELAY_UNREACHABLE


def test_a_search_can_be_interrupted() -> None:
    seen: list[threading.Event] = []

    def look(channel: str, enough: threading.Event) -> list[Where]:
        seen.append(enough)
        return []

    node = Searching("abcd", lambda where: pytest.fail("it went on"), look)
    *_, work = node.handle(Started(), NOW)
    work.call()  # type: ignore[union-attr]
    node.handle(Told(Interrupted(Code.SIGINT)), NOW)
    assert node.finished
    assert seen[0].is_set()
    assert search("abcd", seen[0]) == []


def test_what_matches_is_left_out(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("a.o", "b.c", "c.log"):
        (tmp_path / "d" / name).write_text(name)
    (tmp_path / "d" / ".gitignore").write_text("*.log\n")
    url = sh.relay()
    arguments = ("--exclude", "*.o", "--gitignore", "--relay", url, "--streams", "2")
    sender = sh.croc("send", "d", *arguments, "--throttle", "10M", "--no-compress")
    code = sender.until("code")["code"]
    recipient = sh.croc("receive", "--yes", "--out", "in", CROC_RELAY=url, CROC_CODE=code)
    assert (recipient.end(), sender.end()) == (0, 0)
    assert sorted(os.listdir(tmp_path / "in" / "d")) == [".gitignore", "b.c"]
