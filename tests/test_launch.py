"""A command's process: its status and what it printed arrive, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LAUNCH = "from backends._launch import launch; import os, sys\n"


def python(text: str) -> subprocess.CompletedProcess[bytes]:
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", LAUNCH + text]
    return subprocess.run(command, capture_output=True, timeout=60, env=buffered)


@pytest.mark.parametrize("status", [0, 1, 3, 130])
def test_the_status_and_all_that_was_printed_arrive(status: int) -> None:
    ended = python(
        "def main():\n"
        "    print('x' * 300_000); print('y' * 300_000, file=sys.stderr)\n"
        f"    return {status}\n"
        "launch(main)"
    )
    assert ended.returncode == status
    assert ended.stdout == b"x" * 300_000 + b"\n"
    assert ended.stderr == b"y" * 300_000 + b"\n"


def test_nothing_runs_behind_it() -> None:
    ended = python(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()\n"
        "launch(lambda: 4)\nprint('behind')"
    )
    assert (ended.returncode, ended.stdout) == (4, b"")


def test_a_reader_that_is_gone_is_no_trace_and_no_hang() -> None:
    ended = python("r, w = os.pipe(); os.close(r); os.dup2(w, 1)\nlaunch(lambda: print('x') or 5)")
    assert ended.returncode in (5, 120)  # 120: the interpreter's word for an output that is lost
    assert b"Traceback" not in ended.stderr


def test_what_is_raised_is_not_swallowed() -> None:
    ended = python("def main(): raise SystemExit(7)\nlaunch(main)")
    assert ended.returncode == 7


@pytest.mark.skipif(sys.platform != "linux", reason="where the system's allocator is glibc")
@pytest.mark.parametrize(
    ("command", "given", "found"),
    [("relay", None, "malloc"), ("relay", "debug", "debug"), ("send", None, None)],
)
def test_a_relay_takes_its_memory_from_the_system(
    command: str, given: str | None, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONMALLOC", raising=False)
    if given is not None:
        monkeypatch.setenv("PYTHONMALLOC", given)
    text = "launch(lambda: print(os.getpid(), os.environ.get('PYTHONMALLOC'), sys.argv[1:]) or 0)"
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCH + text, command, "--x y"], stdout=subprocess.PIPE, text=True
    ) as process:
        said = process.communicate(timeout=60)[0]
    assert said == f"{process.pid} {found} {[command, '--x y']}\n"
