"""A long wire between two network namespaces: `python -m benchmarks.wire A B`, as root, on Linux.

It makes a TUN device in each namespace and carries packets between them: late, at a rate, through
a queue that is as long as the wire, and some of them never. What TCP makes of it is the kernel's
own TCP, as on a real path; only the wire is made up. It prints a line when it stands.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import random
import select
import struct
import subprocess
import time
from collections import deque

NAME = "wire"
ADDRESSES = ("10.77.0.1", "10.77.0.2")
_TUNSETIFF = 0x400454CA
_TUN, _NO_HEADER = 0x0001, 0x1000
_NEWNET = 0x40000000
_BATCH = 128
_MTU = 1500


def tun(namespace: str) -> int:
    """Return the descriptor of a new device in *namespace*; this thread stays in there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}") as place:
        if libc.setns(place.fileno(), _NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", NAME.encode(), _TUN | _NO_HEADER))
    return fd


def configure(namespace: str, own: str, other: str) -> None:
    """Give the device its address and a queue that drops nothing by itself."""
    for command in (
        ["addr", "add", own, "peer", other, "dev", NAME],
        ["link", "set", NAME, "up", "mtu", str(_MTU), "txqueuelen", "20000"],
        ["link", "set", "lo", "up"],
    ):
        subprocess.run(["ip", "-n", namespace, *command], check=True)


class Way:
    """One direction: *rate* in bytes a second, *delay* in seconds, *loss* from 0 to 1."""

    def __init__(self, source: int, sink: int, rate: float, delay: float, loss: float) -> None:
        self.source = source
        self._sink = sink
        self._rate = rate
        self._delay = delay
        self._loss = loss
        self._free_at = 0.0  # when the last byte that was taken is on the wire
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._chance = random.Random(7)
        self.seen = self.lost = self.overflowed = 0

    def take(self, now: float) -> None:
        """Read what the kernel has for us."""
        for _ in range(_BATCH):
            try:
                packet = os.read(self.source, 65536)
            except BlockingIOError:
                return
            self.seen += 1
            if self._chance.random() < self._loss:
                self.lost += 1
                continue
            begin = max(now, self._free_at)
            if begin - now > 2 * self._delay:  # the queue holds what the whole path does
                self.overflowed += 1
                continue
            self._free_at = begin + len(packet) / self._rate
            self._under_way.append((self._free_at + self._delay, packet))

    def give(self, now: float) -> float | None:
        """Hand over what has arrived; return when the next one does."""
        while self._under_way:
            due, packet = self._under_way[0]
            if due > now:
                return due
            self._under_way.popleft()
            try:
                os.write(self._sink, packet)
            except OSError:  # the device is going down
                continue
        return None


def main() -> None:
    """Carry packets until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("namespaces", nargs=2)
    parser.add_argument("--delay", type=float, default=0.025, help="seconds, each way")
    parser.add_argument("--loss", type=float, default=0.001, help="of the packets, each way")
    parser.add_argument("--rate", type=float, default=50e6, help="bytes a second, each way")
    options = parser.parse_args()
    a, b = (tun(name) for name in options.namespaces)
    for name, own, other in zip(options.namespaces, ADDRESSES, ADDRESSES[::-1], strict=True):
        configure(name, own, other)
    what = (options.rate, options.delay, options.loss)
    ways = {a: Way(a, b, *what), b: Way(b, a, *what)}
    poll = select.poll()
    for fd in ways:
        poll.register(fd, select.POLLIN)
    print("up", flush=True)
    while True:
        now = time.monotonic()
        dues = [due for way in ways.values() if (due := way.give(now)) is not None]
        patience = 1.0 if not dues else max(0.0, min(dues) - time.monotonic())
        for fd, _ in poll.poll(patience * 1000):
            ways[fd].take(time.monotonic())


if __name__ == "__main__":
    main()
