"""The load run of `benchmarks.load`, in its short form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and many addresses on loopback")
def test_a_relay_under_load_serves_all_and_is_afterwards_as_before() -> None:
    size = ("--channels", "200", "--pairs", "20", "--transfers", "1", "--idle", "15")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *size, "--seconds", "1", "--rounds", "1"],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
