"""One connection on a loop: what is read on demand, and what is sent in order."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol, TypeVar

from backends import _io as io
from backends._reactor import Reactor
from backends._sockets import cause
from backends._stream import drain, pump
from backends._throttle import Throttle

T = TypeVar("T")


class Hands(Protocol):
    """What a connection needs of the loop that it belongs to."""

    @property
    def throttle(self) -> Throttle | None:
        """What pumps and drains have to wait for."""
        ...

    def deliver(self, event: io.Input) -> None:
        """Hand an input to the node."""
        ...

    def in_thread(
        self, call: Callable[[], T], done: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """Run *call* in a thread, then *done* on the loop: its result, or what it raised."""
        ...

    def forget(self, conn: Connection) -> None:
        """Drop a connection that has closed itself."""
        ...


Outgoing = io.Send | io.Pump | io.HalfClose | io.Close


class Connection:
    """A socket, at most one read or drain, and a queue of what is to be sent.

    The reader stays registered from one read to the next and is taken away only when bytes come
    that nobody has asked for: that saves two system calls for each request.
    """

    __slots__ = (
        "_flushing",
        "_given_up",
        "_hands",
        "_limit",
        "_out",
        "_place",
        "_pumping",
        "_reactor",
        "_reading",
        "_sock",
        "_threads",
        "_writing",
        "closing",
        "number",
    )

    def __init__(
        self,
        number: io.Conn,
        sock: socket.socket,
        reactor: Reactor,
        hands: Hands,
    ) -> None:
        self.number = number
        self.closing = False
        self._sock = sock
        self._reactor = reactor
        self._hands = hands
        self._limit = 0  # of the read that is asked for
        self._out: list[Outgoing] = []
        self._place = 0  # in the first of them, if it is a Send
        self._flushing = False
        self._pumping = False  # the first of them is a Pump whose thread runs
        self._reading = False
        self._writing = False
        self._threads = 0  # that use the socket
        self._given_up = False

    def perform(self, effect: io.Read | io.Send | io.Pump | io.Drain | io.HalfClose) -> None:
        """Begin what the effect says."""
        if self.closing:
            return
        if isinstance(effect, io.Read):
            self._limit = effect.limit
            if not self._reading:
                self._reading = True
                self._reactor.add_reader(self._sock, self._readable)
        elif isinstance(effect, io.Drain):
            self._drain(effect)
        else:
            self._push(effect)

    def close(self, linger: float) -> None:
        """Close after what was sent before, within *linger* seconds; a read is given up at once."""
        if self.closing:
            return
        self.closing = self._given_up = True
        self._stop_reading()
        if not self._out or isinstance(self._out[0], io.Pump):
            self.abort()
            return
        if self._threads:
            self._shutdown(socket.SHUT_RD)
        self._reactor.call_later(linger, self.abort)
        self._push(io.Close(self.number))

    def abort(self) -> None:
        """Close at once; threads that use the socket notice."""
        if self._sock.fileno() < 0:
            return
        self.closing = self._given_up = True
        self._release()
        if self._threads:
            self._shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._hands.forget(self)

    def detach(self) -> tuple[socket.socket, bytes]:
        """Give up the socket, and what was still to be sent on it."""
        self._release()
        sends = [item.data for item in self._out if isinstance(item, io.Send)]
        return self._sock, b"".join(sends)[self._place :]

    def _release(self) -> None:
        self._stop_reading()
        if self._writing:
            self._writing = False
            self._reactor.remove_writer(self._sock)

    def _stop_reading(self) -> None:
        self._limit = 0
        if self._reading:
            self._reading = False
            self._reactor.remove_reader(self._sock)

    def _shutdown(self, how: int) -> None:
        try:
            self._sock.shutdown(how)
        except OSError:  # it is not connected any more
            return

    def _break(self, error: BaseException) -> None:
        if self._sock.fileno() < 0:
            return
        told = not self.closing
        self.abort()
        if told:
            self._hands.deliver(io.Broken(self.number, cause(error)))

    # ---- reading

    def _readable(self) -> None:
        limit = self._limit
        if not limit:  # nobody has asked: let the system hold the bytes
            self._stop_reading()
            return
        try:
            data = self._sock.recv(limit)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._break(error)
            return
        self._limit = 0
        self._hands.deliver(io.Received(self.number, data))

    def _drain(self, effect: io.Drain) -> None:
        self._stop_reading()
        own = self._sock.dup()
        self._in_thread(
            lambda: drain(
                own, effect.consumer, effect.patience, self._is_given_up, self._hands.throttle
            ),
            lambda raised: self._hands.deliver(io.Drained(self.number, raised)),
        )

    def _is_given_up(self) -> bool:
        return self._given_up

    def _in_thread(
        self, call: Callable[[], Exception | None], done: Callable[[Exception | None], None]
    ) -> None:
        """Run a data loop; *done* gets what it returns, unless the connection failed or closed."""
        self._threads += 1

        def finished(raised: Exception | None, failed: BaseException | None) -> None:
            self._threads -= 1
            if failed is not None:
                self._break(failed)
            elif not self._given_up:
                done(raised)

        self._hands.in_thread(call, finished)

    # ---- sending

    def _push(self, item: Outgoing) -> None:
        self._out.append(item)
        if len(self._out) == 1:
            self._flush()

    def _flush(self) -> None:
        """Send what can be sent now, in order."""
        if self._flushing or self._pumping:
            return
        self._flushing = True
        try:
            while self._out and self._sock.fileno() >= 0:
                if not self._send_first(self._out[0]):
                    return
        except (BlockingIOError, InterruptedError):
            if not self._writing:
                self._writing = True
                self._reactor.add_writer(self._sock, self._writable)
        except OSError as error:
            self._break(error)
        finally:
            self._flushing = False

    def _send_first(self, item: Outgoing) -> bool:
        """Go on with the first in the queue; say whether it is done with."""
        if isinstance(item, io.Send):
            if self._place < len(item.data):
                part = memoryview(item.data)[self._place :] if self._place else item.data
                self._place += self._sock.send(part)
                if self._place < len(item.data):
                    return True  # not done, but to be tried again until the system has enough
            self._place = 0
            del self._out[0]
            self._hands.deliver(io.Sent(self.number))
        elif isinstance(item, io.Pump):
            self._pumping = True
            own = self._sock.dup()
            producer, patience = item.producer, item.patience
            self._in_thread(
                lambda: pump(own, producer, patience, self._is_given_up, self._hands.throttle),
                self._pumped,
            )
            return False
        elif isinstance(item, io.HalfClose):
            del self._out[0]
            self._sock.shutdown(socket.SHUT_WR)
        else:
            self.abort()
            return False
        return True

    def _pumped(self, raised: Exception | None) -> None:
        self._pumping = False
        del self._out[0]
        self._hands.deliver(io.Pumped(self.number, raised))
        self._flush()  # what waited behind it, unless that runs by now

    def _writable(self) -> None:
        self._writing = False
        self._reactor.remove_writer(self._sock)
        self._flush()
