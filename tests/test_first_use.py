"""What is decoded for the first time may be so in several threads at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIRST = """
import sys
from croc_core import heads, wire
completed = []

def see(frame, event, _):
    if event == "call" and frame.f_code.co_name == "get_class_annotations":
        completed.append(frame.f_locals)

def decode(call, data, kind):
    try:
        call(data, kind)
    except Exception:
        pass  # the type is completed before the first byte is looked at

sys.setprofile(see)
for kind in (wire.Join, wire.Joined, wire.Update, wire.State, wire.Error):
    decode(wire.decode_request, b"{}", kind)
for kind in (heads.HeadA, heads.HeadB):
    decode(heads.decode_head, b"\\x91\\x01", kind)
sys.setprofile(None)
sys.exit(len(completed))
"""


def test_no_type_is_completed_by_the_first_decoding() -> None:
    """msgspec completes a type at its first use, and crashes where two threads do it at once."""
    run = subprocess.run([sys.executable, "-c", FIRST], cwd=ROOT, check=False)
    assert run.returncode == 0
