"""Ports that are taken on several addresses, or again after a restart.

A port that the system chose on one address may be in use on another, and may be given away while
a relay is down. These are below the range that systems choose from, and one process's alone.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator

FIRST, LAST, BLOCK = 20_000, 32_000, 200
GUARD = "127.0.99.99"
"""Who has bound the first port of a block here owns the block, until the process ends."""


def own(count: int) -> tuple[int, ...]:
    """*count* ports that nobody else is given; they come round again after `BLOCK`."""
    return tuple(next(_ports) for _ in range(count))


def _bound(host: str, port: int) -> socket.socket | None:
    sock = socket.socket()
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        return None
    return sock


def _block() -> tuple[socket.socket, int]:
    for first in range(FIRST, LAST, BLOCK):
        if guard := _bound(GUARD, first):
            return guard, first
    raise RuntimeError(f"Every block of ports from {FIRST} to {LAST} is taken")


def _free(first: int) -> Iterator[int]:
    for port in itertools.cycle(range(first, first + BLOCK)):
        if probe := _bound("127.0.0.1", port):  # a service of this machine may sit there
            probe.close()
            yield port


_guard, _first = _block()
_ports = _free(_first)
