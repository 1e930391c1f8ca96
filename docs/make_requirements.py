"""Make conformance/requirements.py from protocol.md: `python docs/make_requirements.py`."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent
TARGET = DOCS.parent / "conformance" / "requirements.py"
HEAD = '''# ruff: noqa: E501
"""Every requirement of docs/protocol.md, word for word. Made by docs/make_requirements.py."""

from __future__ import annotations

_TEXT = r"""
'''
TAIL = '''"""

REQUIREMENTS: dict[str, str] = dict(line.split(" ", 1) for line in _TEXT.strip().splitlines())
"""Each id with its sentence."""
'''


def made(text: str) -> str:
    """Return the module for the protocol document *text*."""
    found = re.findall(r"^\*\*([A-Z]+-[0-9]+)\*\* (.+)$", text, re.M)
    return HEAD + "".join(f"{name} {sentence}\n" for name, sentence in found) + TAIL


if __name__ == "__main__":
    TARGET.write_text(made((DOCS / "protocol.md").read_text("utf-8")), "utf-8")
