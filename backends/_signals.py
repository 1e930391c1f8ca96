"""SIGINT and SIGTERM while a session runs on a loop, in the main thread."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backends._reactor import Reactor
from croc_core.errors import Code


@contextmanager
def interrupting(interrupt: Callable[[Code], None], reactor: Reactor) -> Iterator[None]:
    """Within, SIGINT and SIGTERM call *interrupt*, and a second SIGINT raises KeyboardInterrupt.

    Behind it both do nothing, as the outcome stands. *interrupt* takes no lock.
    """
    interrupts = 0
    over = False

    def handle(number: int, _: object) -> None:
        nonlocal interrupts
        if over:
            return
        interrupts += number == signal.SIGINT
        if interrupts > 1:
            raise KeyboardInterrupt
        interrupt(Code.SIGINT if number == signal.SIGINT else Code.SIGTERM)

    # Python's handlers wait for the interpreter: one that comes just before the loop begins to
    # wait is seen only because the system writes to a socket at once.
    woken, waker = socket.socketpair()
    with woken, waker:
        woken.setblocking(False)
        waker.setblocking(False)
        reactor.add_reader(woken, lambda: woken.recv(4096))
        before = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, handle)
        signal.signal(signal.SIGTERM, handle)
        try:
            yield
        finally:
            over = True
            signal.set_wakeup_fd(before)
            reactor.remove_reader(woken)
