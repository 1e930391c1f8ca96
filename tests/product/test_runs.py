"""How a transfer runs: streams, resume, throttle, what it shows, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from croc_core.errors import Code, TransferError
from croc_core.events import Progress
from croc_core.party import Patience
from tests.cli_help import LOCAL, PATIENCE, ROOT, Run
from tests.product.conftest import Commands
from tests.runs import Run as LibraryRun
from tests.runs import nothing
from tests.test_breaks import World as BreakingWorld
from tests.test_cli import answering
from tests.test_face import World

SCHEMA = json.loads((ROOT / "docs" / "events.schema.json").read_text())
CODE = "pipe-8jx-k2vq-0plr"


def test_a_pipe_streams_with_no_file_in_between(sh: Commands, backend: str, tmp_path: Path) -> None:
    """What went in is out at the other side before more comes, and the length is not known."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    given = {"CROC_RELAY": sh.relay(), "CROC_CODE": CODE, "CROC_CONFIG": ""}
    environment = {**os.environ, **given, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)}

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"backends.{backend}", *arguments], cwd=scratch, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip

    with start("send", "-", "--no-compress") as sender:
        assert sender.stderr is not None
        assert sender.stdin is not None
        while b"Waiting for the other side" not in (line := sender.stderr.readline()):
            assert line
        with start("receive", "--stdout", "--yes") as recipient:
            assert recipient.stdout is not None
            for _ in range(3):
                part = os.urandom(50_000)
                sender.stdin.write(part)
                came = b""
                while len(came) < len(part):
                    came += recipient.stdout.read(len(part) - len(came)) or b""
                assert came == part
                assert not list(scratch.iterdir())
            sender.stdin.close()
            assert recipient.stdout.read() == b""
            assert (recipient.wait(PATIENCE), sender.wait(PATIENCE)) == (0, 0)
    assert not list(scratch.iterdir())


def test_a_later_run_goes_on_where_a_broken_one_ended(breaking: BreakingWorld) -> None:
    size, (port,) = len(breaking.content), breaking.data
    breaking.cutter.cut_after(port, size * 3 // 4)
    sending = breaking.send(reconnect=0.0, throttle=64 << 20)
    receiving = breaking.receive(sending, reconnect=0.0)
    for run in (sending, receiving):
        with pytest.raises(TransferError):
            run.end()
    names = [path.name for path in breaking.out.iterdir()]
    assert "big.bin" not in names
    assert len(names) > 1, "what came, and a journal beside it"
    before = breaking.cutter.passed[port]
    sending = breaking.send()
    receiving = breaking.receive(sending)
    assert sending.end().bytes == receiving.end().bytes
    assert breaking.arrived()
    assert breaking.cutter.passed[port] - before < size // 2


@pytest.mark.parametrize("slow", ["sender", "recipient"])
def test_a_throttle_of_either_side(world: World, tmp_path: Path, slow: str) -> None:
    rate = 1 << 20
    (tmp_path / "f").write_bytes(os.urandom(rate))
    throttle = {slow: rate}
    sending = world.send("send", tmp_path / "f", throttle=throttle.get("sender"))
    receiving = world.receive(sending, throttle=throttle.get("recipient"))
    begun = time.monotonic()
    sending.end()
    receiving.end()
    # The first eighth of a second's part goes at once; more than the rate never does.
    assert time.monotonic() - begun > 0.8


def test_progress_with_speed_and_time_left(sh: Commands, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(os.urandom(3 << 20))
    url = sh.relay()
    sender = sh.croc("send", "f", "--relay", url, "--throttle", "2M", "--no-compress",
                     terminal=True)  # fmt: skip
    code = sender.until("code")["code"]
    sender.see("Waiting for the other side to join")
    recipient = sh.croc("receive", "--relay", url, "--yes", "--plain", "--out", "in", json=False,
                        CROC_CODE=code)  # fmt: skip
    assert recipient.end() == 0
    assert re.search(r"B of 3\.15 MB \(\d+%\), [\d.]+ .?B/s, [\d.]+ s left", recipient.err)
    assert "\x1b" not in recipient.err
    sender.see(" left")
    assert re.search(rb"\d+%.* MB  +[\d.]+ .?B/s  [\d.]+ s left", sender.screen)
    assert sender.end() == 0
    assert {"bytes", "total", "files", "rate", "eta"} <= next(
        event for event in sender.events if event["event"] == "progress"
    ).keys()


def ends(*runs: Run) -> list[tuple[int, str, str]]:
    """How each ended; every event of it is of the schema."""
    found = []
    for run in runs:
        status = run.end()
        for event in run.events:
            jsonschema.validate(event, SCHEMA)
        found.append((status, run.error["code"], run.error["party"]))
        assert run.error["message"].endswith(".")
    return found


def test_events_and_statuses_for_scripts(sh: Commands, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    url = sh.relay()
    wrong = sh.croc("send", "f", "--relay", url)
    channel = wrong.until("code")["channel"]
    recipient = sh.croc("receive", "--relay", url, "--yes", CROC_CODE=f"{channel}-a-b-c")
    assert ends(wrong, recipient) == [(3, "wrong_code", "peer"), (3, "wrong_code", "local")]
    declined = sh.croc("send", "f", "--relay", url)
    code = declined.until("code")["code"]
    nobody = sh.croc("receive", "--relay", url, CROC_CODE=code)
    assert ends(declined, nobody) == [(4, "declined", "peer"), (4, "declined", "local")]
    stopped = sh.croc("send", "f", "--relay", url)
    stopped.until("waiting")
    stopped.signal(signal.SIGINT)
    assert ends(stopped) == [(130, "sigint", "local")]
    assert ends(sh.croc("send", "nothing")) == [(9, "local_file", "local")]


def failures(backend: str, url: str, **options: Any) -> list[TransferError]:
    """How a sender and a recipient end at that relay."""
    found = []
    for begin, what in (("send_text", "x"), ("receive", CODE)):
        run = LibraryRun(backend, begin, (what,), nothing, relay=url, **options)
        with pytest.raises(TransferError) as caught:
            run.end()
        found.append(caught.value)
    return found


def test_a_relay_that_says_nothing_ends_it(backend: str) -> None:
    with socket.create_server((LOCAL, 0)) as silent:
        url = f"http://{LOCAL}:{silent.getsockname()[1]}"
        for error in failures(backend, url, patience=Patience(request=0.2)):
            assert error.failure.code is Code.TIMEOUT
            assert error.failure.party == "relay"
            assert error.failure.message
            assert error.failure.hint


def test_another_version_is_told_as_such(backend: str) -> None:
    with answering(426, b'{"code":"version","message":"x"}') as url:
        for error in failures(backend, url):
            assert error.failure.code is Code.VERSION
            assert "version" in error.failure.message
            assert error.failure.hint


def test_progress_is_an_event_of_the_library(world: World, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(os.urandom(2 << 20))
    sending = world.send("send", tmp_path / "f", throttle=4 << 20)
    receiving = world.receive(sending)
    sending.end()
    receiving.end()
    for run in (sending, receiving):
        seen = [event for event in run.events if isinstance(event, Progress)]
        assert seen
        assert all(event.total == 2 << 20 for event in seen)
        assert any(event.rate > 0 and event.eta is not None for event in seen)
