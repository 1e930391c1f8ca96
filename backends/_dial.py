"""Dialling: every address of a name, the next one without waiting long for the one before."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from backends import _io as io
from backends._reactor import Reactor, Timer
from backends._sockets import Info, literal, open_for, prepare, resolve

STAGGER = 0.25
"""How long one address may keep the next one waiting, in seconds (RFC 8305 section 5)."""
_UNDER_WAY = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR})

T = TypeVar("T")


class InThread(Protocol):
    """How to run a call in a thread, as `Hands.in_thread`."""

    def __call__(
        self, call: Callable[[], T], done: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """Run *call*, then *done* on the loop."""
        ...


class Dial:
    """Tries the addresses of a name, until one answers, none does, or it is cancelled.

    *done* gets a connected socket, or why there is none: the OSError of the first address, or a
    UnicodeError for no name at all. Each address may take *timeout* seconds. Where a proxy is
    named, that does all this, and why it failed is a `ProxyError`.
    """

    def __init__(
        self,
        reactor: Reactor,
        effect: io.Connect,
        timeout: float,
        done: Callable[[socket.socket | None, BaseException | None], None],
    ) -> None:
        self._reactor = reactor
        self._effect = effect
        self._timeout = timeout
        self._done = done
        self._over = False
        self._left: deque[Info] = deque()
        self._waiting: dict[socket.socket, Timer] = {}
        self._next: Timer | None = None
        self._errors: dict[Info, OSError] = {}  # one for each address that was tried

    def start(self, in_thread: InThread) -> None:
        """Begin; a name that must be looked up is looked up in a thread."""
        host, port = self._effect.host, self._effect.port
        if self._effect.proxy is not None:
            in_thread(self._tunnel, self._tunnelled)
            return
        infos = literal(host, port)
        if infos is None:
            in_thread(lambda: resolve(host, port), self._found)
        else:
            self._found(infos, None)

    def cancel(self) -> None:
        """Give it up; *done* is not called."""
        self._over = True
        self._stop_next()
        for sock in list(self._waiting):
            self._let_go(sock)
            sock.close()

    def _tunnel(self) -> socket.socket:
        from backends._proxy import tunnel  # few runs have a proxy

        assert self._effect.proxy is not None
        return tunnel(self._effect.proxy, self._effect, self._timeout)

    def _tunnelled(self, sock: socket.socket | None, error: BaseException | None) -> None:
        if sock is not None and self._over:
            sock.close()
        if self._over:
            return
        if sock is not None:
            prepare(sock)
        self._finish(sock, error)

    def _found(self, infos: list[Info] | None, error: BaseException | None) -> None:
        if self._over:
            return
        if error is not None:
            self._finish(None, error)
            return
        self._left.extend(infos or ())
        self._go_on()

    def _go_on(self) -> None:
        """Try the next address, and the one after it soon; or end where none is left."""
        self._stop_next()
        while self._left:
            info = self._left.popleft()
            try:
                self._attempt(info)
            except OSError as error:
                self._errors[info] = error
                continue
            if self._left:
                self._next = self._reactor.call_later(STAGGER, self._go_on)
            return
        if not self._waiting:
            none = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
            self._finish(None, next(iter(self._errors.values()), none))

    def _attempt(self, info: Info) -> None:
        sock = open_for(info, self._effect.local)
        code = sock.connect_ex(info[4])
        if code not in _UNDER_WAY:
            sock.close()
            raise _error(code)
        self._errors[info] = _error(errno.ETIMEDOUT)  # until it is known better
        give_up = partial(self._failed, sock, info, errno.ETIMEDOUT)
        self._waiting[sock] = self._reactor.call_later(self._timeout, give_up)
        self._reactor.add_writer(sock, partial(self._answered, sock, info))

    def _answered(self, sock: socket.socket, info: Info) -> None:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._failed(sock, info, code)
        else:
            self._let_go(sock)
            self._finish(sock, None)

    def _failed(self, sock: socket.socket, info: Info, code: int) -> None:
        self._let_go(sock)
        sock.close()
        self._errors[info] = _error(code)
        self._go_on()

    def _finish(self, sock: socket.socket | None, error: BaseException | None) -> None:
        self.cancel()
        self._done(sock, error)

    def _let_go(self, sock: socket.socket) -> None:
        self._waiting.pop(sock).cancel()
        self._reactor.remove_writer(sock)

    def _stop_next(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
