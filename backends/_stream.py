"""The blocking inner loops of the data path: a producer's bytes out, a connection's bytes in.

They run in a worker thread, on a duplicate of the connection's socket, which they close: Python's
socket timeout polls, so it does not matter that the duplicate shares its O_NONBLOCK with an event
loop. To end one from another thread, shut the original down.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from backends._io import Consumer, Producer
from backends._sockets import widen
from backends._throttle import Throttle

BULK = 65536
"""So many bytes at once, and the connection is worth larger buffers."""
FOREVER = 1e6
"""Seconds: as good as no limit. None instead would make the original block, too."""


def pump(
    own: socket.socket,
    producer: Producer,
    patience: float | None,
    given_up: Callable[[], bool],
    throttle: Throttle | None = None,
) -> Exception | None:
    """Send what *producer* makes until it ends; return what it raised, if it did.

    Raises OSError where the connection fails, TimeoutError where the other side took nothing for
    *patience* seconds.
    """
    with own:
        own.settimeout(patience or FOREVER)
        bulk = False
        while True:
            try:
                view = producer.fill()
            except Exception as error:  # the node judges it
                return error
            if view is None:
                return None
            if not bulk and len(view) >= BULK:
                bulk = True
                widen(own, socket.SO_SNDBUF)
            if throttle is None:
                while view:
                    view = view[own.send(view) :]
            else:
                _send_slowly(own, view, given_up, throttle)


def _send_slowly(
    own: socket.socket, view: memoryview, given_up: Callable[[], bool], throttle: Throttle
) -> None:
    while view:
        throttle.wait(given_up)
        count = own.send(view[: throttle.part])
        throttle.count(count)
        view = view[count:]


def drain(
    own: socket.socket,
    consumer: Consumer,
    patience: float | None,
    given_up: Callable[[], bool],
    throttle: Throttle | None = None,
) -> Exception | None:
    """Read into *consumer* until it is ready or the stream ends; return what it raised, if it did.

    Once *given_up* says so, the consumer is told nothing more. Raises OSError where the connection
    fails, TimeoutError where nothing came for *patience* seconds.
    """
    with own:
        own.settimeout(patience or FOREVER)
        bulk = False
        while True:
            try:
                if consumer.ready():
                    return None
                view = consumer.buffer()
            except Exception as error:  # the node judges it
                return error
            if throttle is None:
                count = own.recv_into(view)
            else:
                throttle.wait(given_up)
                count = own.recv_into(view[: throttle.part])
                throttle.count(count)
            if given_up():
                return None
            try:
                consumer.advance(count)
            except Exception as error:  # as above
                return error
            if count == 0:
                return None
            if not bulk and count >= BULK:
                bulk = True
                widen(own, socket.SO_RCVBUF)
