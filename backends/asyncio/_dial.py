"""Dialling: every address of a name, the next one without waiting long for the one before."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from backends import _io as io
from backends._sockets import Info, literal, open_for, resolve

STAGGER = 0.25
"""How long one address may keep the next one waiting, in seconds (RFC 8305 section 5)."""
_UNDER_WAY = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR})

T = TypeVar("T")


class InThread(Protocol):
    """How to run a call in a thread, as `Hands.in_thread`."""

    def __call__(
        self, call: Callable[[], T], done: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """Run *call*, then *done* on the event loop."""
        ...


async def dial(effect: io.Connect, timeout: float, in_thread: InThread) -> socket.socket:
    """Return a connected socket; each address may take *timeout* seconds.

    Raises OSError, that of the first address, where none answers; UnicodeError for no name at all.
    """
    infos = literal(effect.host, effect.port)
    if infos is None:
        infos = await _look_up(effect.host, effect.port, in_thread)
    return await _first(deque(infos), effect.local, timeout)


async def _look_up(host: str, port: int, in_thread: InThread) -> list[Info]:
    found: asyncio.Future[list[Info]] = asyncio.get_running_loop().create_future()

    def done(infos: list[Info] | None, error: BaseException | None) -> None:
        if found.done():  # given up meanwhile
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(infos or [])

    in_thread(lambda: resolve(host, port), done)
    return await found


async def _first(infos: deque[Info], local: str | None, timeout: float) -> socket.socket:
    """Dial one address after the other; the first that answers ends the others."""
    tasks: list[asyncio.Task[socket.socket]] = []
    won: socket.socket | None = None
    error: BaseException = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    try:
        while infos or not all(task.done() for task in tasks):
            if infos:
                tasks.append(asyncio.ensure_future(_attempt(infos.popleft(), local, timeout)))
            await asyncio.wait(
                [task for task in tasks if not task.done()],
                timeout=STAGGER if infos else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            good = [task for task in tasks if task.done() and task.exception() is None]
            if good:
                won = good[0].result()
                return won
        error = tasks[0].exception() or error if tasks else error
        raise error
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, socket.socket) and ended is not won:
                ended.close()


async def _attempt(info: Info, local: str | None, timeout: float) -> socket.socket:
    sock = open_for(info, local)
    try:
        async with asyncio.timeout(timeout):
            await _connected(sock, info)
    except TimeoutError as error:
        sock.close()
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error
    except BaseException:
        sock.close()
        raise
    return sock


async def _connected(sock: socket.socket, info: Info) -> None:
    code = sock.connect_ex(info[4])
    if code in _UNDER_WAY:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(sock, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
