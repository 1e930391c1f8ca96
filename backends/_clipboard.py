"""Copying to the clipboard, by the programs that systems have for it; only when it is asked for."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping

PATIENCE = 3.0
"""How long a program may take, in seconds."""


def programs(environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Yield the commands that may do it here, the best first; each takes the text on its stdin."""
    if sys.platform == "darwin":
        yield ["pbcopy"]
    if environment.get("WAYLAND_DISPLAY"):
        yield ["wl-copy"]
    if environment.get("DISPLAY"):
        yield ["xclip", "-selection", "clipboard"]
        yield ["xsel", "--clipboard", "--input"]
    if sys.platform == "win32" or environment.get("WSL_DISTRO_NAME"):
        yield ["clip.exe"]


def copy(text: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Copy *text*; return the name of the program that took it, or None. May block for seconds."""
    for name, *arguments in programs(environment):
        path = shutil.which(name, path=environment.get("PATH"))
        if path is None:
            continue
        try:
            done = subprocess.run(  # noqa: S603 - a program of the list above
                [path, *arguments],
                input=text.encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return name
    return None


def by_terminal(text: str) -> str:
    """Return what asks a terminal to do it (OSC 52); many do, but none says so."""
    return f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07"
