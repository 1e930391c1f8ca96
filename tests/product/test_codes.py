"""Codes: how long, who learns them, how they are typed, shown and copied."""

from __future__ import annotations

import math
import os
import pty
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backends._qr import qr
from backends._words import words
from croc_core.errors import TransferError
from croc_core.events import CodeReady
from tests.cli_help import PATIENCE, ROOT
from tests.product.conftest import Commands
from tests.runs import SOON, RelayRun, Run, nothing
from tests.test_face import World
from tests.test_threats import GATE, RELAY, Gate

OWN = "7k2m-umbrella-marmalade-telescope"


def test_a_code_is_short_and_its_secret_has_33_bits(world: World, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    sending = world.send("send", tmp_path / "f")
    channel, *secret = sending.code.get(timeout=SOON).split("-")
    known = set(words())
    assert len(channel) == 4
    assert len(secret) * math.log2(len(known)) == 33
    assert known.issuperset(secret)
    sending.transfer.cancel()
    with pytest.raises(TransferError):
        sending.end()


def test_the_relay_learns_nothing_of_the_secret(backend: str, tmp_path: Path) -> None:
    relay = RelayRun(RELAY)
    gate = Gate(list(relay.ports))
    try:
        at = f"http://{GATE}:{relay.ports[0]}"
        sending = Run(backend, "send_text", ("Dear Anna",), nothing, relay=at, code=OWN)
        assert sending.code.get(timeout=SOON) == OWN
        Run(backend, "receive", (OWN,), nothing, relay=at, yes=True, out=str(tmp_path)).end()
        sending.end()
    finally:
        gate.close()
        relay.stop()
    seen = b"".join(gate.seen).lower()
    assert b"7k2m" in seen
    for part in (b"umbrella", b"marmalade", b"telescope", b"anna"):
        assert part not in seen


def test_a_code_of_ones_own_forgives_case_and_separators(world: World) -> None:
    sending = world.send("send_text", "x", code="7K2M_Umbrella marmalade-Telescope")
    assert sending.code.get(timeout=SOON) == OWN
    receiving = Run(world.backend, "receive", ("7k2m umbrella MARMALADE telescope",), nothing,
                    relay=world.url, yes=True)  # fmt: skip
    receiving.end()
    sending.end()
    assert any(isinstance(event, CodeReady) for event in sending.events)


def test_words_complete_at_the_prompt(backend: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", f"backends.{backend}", "receive", "--relay", "127.0.0.1:1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CROC_CONFIG": "", "TERM": "xterm"}
    environment.pop("CROC_CODE", None)
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment
    )
    os.close(theirs)
    screen = b""

    def see(text: bytes) -> None:
        nonlocal screen
        while text not in screen:
            assert select.select([ours], [], [], PATIENCE)[0], screen
            screen += os.read(ours, 4096)

    try:
        see(b"7k2m-word-word-word): ")
        os.write(ours, b"7k2m-umbr\t-mapl\t-")
        see(b"umbrella-maple-")
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(ours)


def test_a_code_as_a_picture_and_in_the_clipboard(
    sh: Commands, backend: str, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"x")
    tool = tmp_path / "bin" / "wl-copy"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ncat > {tmp_path}/clipboard\n")
    tool.chmod(stat.S_IRWXU)
    path = f"{tool.parent}:{os.environ['PATH']}"
    sender = sh.croc("send", "f", "--qr", "--clipboard", "--host", "127.0.0.1", terminal=True,
                     WAYLAND_DISPLAY="x", PATH=path)  # fmt: skip
    ready = sender.until("code")
    code, relay = ready["code"], ready["relay"]
    line = f"CROC_CODE={code} python -m backends.{backend} receive --relay {relay}"
    sender.see("\r\n".join(qr(line)))
    sender.see("The code is in the clipboard (by wl-copy).")
    assert (tmp_path / "clipboard").read_text() == code
