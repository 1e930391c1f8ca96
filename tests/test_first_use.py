"""What is decoded for the first time in several threads at once crashes none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIRST = """
import sys, threading
from croc_core import heads, wire
sys.setswitchinterval(1e-6)
start = threading.Barrier(16)
JOIN, UPDATE = b'{"role":"sender"}', b'{"channel":"abc","uuid":"' + b"0" * 32 + b'","since":1}'

def decode():
    start.wait()
    wire.decode_request(UPDATE, wire.Update)
    wire.decode_request(JOIN, wire.Join)

threads = [threading.Thread(target=decode) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_may_decode_for_the_first_time_together() -> None:
    """Where a type is completed by two threads, some of these runs die of SIGSEGV."""
    runs = [subprocess.Popen([sys.executable, "-c", FIRST], cwd=ROOT) for _ in range(20)]
    assert [run.wait() for run in runs] == [0] * len(runs)
