"""What every backend does with sockets in the same way: listening, names, options, causes."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterable
from itertools import chain, zip_longest

from croc_core.values import Value

BACKLOG = 1024
BUFFER = 1 << 20
"""SO_SNDBUF and SO_RCVBUF of a bulk connection to a near peer, in bytes: measured best."""
NEAR = 0.002
"""A round trip up to which a peer is near, in seconds; further away the system's tuning is best."""

Info = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]
"""An entry of `socket.getaddrinfo`."""


class Listen(Value, frozen=True):
    """Where to listen: host None is every interface, port 0 any free port."""

    host: str | None
    port: int


class CannotListenError(OSError):
    """It cannot be listened at `where`; what says why is its cause."""

    def __init__(self, where: Listen, error: OSError | UnicodeError) -> None:
        number = error.errno if isinstance(error, OSError) else None
        super().__init__(number, str(error))
        self.where = where
        self.__cause__ = error


def listen(where: Listen) -> list[socket.socket]:
    """Open the listening sockets for *where*, all on one port, non-blocking.

    Raises CannotListenError where the port is taken or the host is not of this computer.
    """
    try:
        return _listen(where)
    except (OSError, UnicodeError) as error:
        raise CannotListenError(where, error) from error


def _listen(where: Listen) -> list[socket.socket]:
    if where.host is None:
        return [_listen_everywhere(where.port)]
    found = socket.getaddrinfo(
        where.host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    opened: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((info[0], info[4]) for info in found):
            port = opened[0].getsockname()[1] if opened else where.port
            opened.append(_open_listener(family, (address[0], port, *address[2:])))
    except BaseException:
        close_all(opened)
        raise
    return opened


def _listen_everywhere(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return _open_listener(socket.AF_INET6, ("::", port), both=True)
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise
    return _open_listener(socket.AF_INET, ("0.0.0.0", port))  # noqa: S104 - asked for by host None


def _open_listener(family: int, address: tuple[object, ...], both: bool = False) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two programs share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            mapped = str(address[0]).startswith("::ffff:")  # an IPv4 address takes IPv4's peers
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not (both or mapped))
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close each of *sockets*."""
    for sock in sockets:
        sock.close()


def literal(host: str, port: int) -> list[Info] | None:
    """Return the address that *host* is, or None where it is a name that must be looked up."""
    try:
        return resolve(host, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None


def resolve(host: str, port: int, flags: int = 0) -> list[Info]:
    """Return the addresses of *host*, families taking turns (RFC 8305 section 4); may block.

    Raises OSError where there is none, UnicodeError where the name cannot be one.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    infos: list[Info] = [info for info in dict.fromkeys(found) if len(info[4]) in (2, 4)]  # type: ignore[misc]
    first = [i for i in infos if i[0] == infos[0][0]]
    rest = [i for i in infos if i[0] != infos[0][0]]
    return [i for i in chain(*zip_longest(first, rest)) if i is not None]


def open_for(info: Info, local: str | None) -> socket.socket:
    """Open a non-blocking socket to dial *info* with, bound to the address *local* if one is given.

    Raises OSError, also where *local* is of another family.
    """
    sock = socket.socket(info[0], info[1], info[2])
    try:
        prepare(sock)
        if local is not None:
            bound = socket.getaddrinfo(
                local, 0, info[0], socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
            sock.bind(bound[0][4])
    except BaseException:
        sock.close()
        raise
    return sock


def prepare(sock: socket.socket) -> None:
    """Set what each connection needs: no blocking, no waiting for more to send."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def widen(sock: socket.socket, option: int) -> None:
    """Give a bulk connection to a near peer a `BUFFER`; *option* is SO_SNDBUF or SO_RCVBUF."""
    trip = round_trip(sock)
    if trip is not None and trip <= NEAR:
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)


def round_trip(sock: socket.socket) -> float | None:
    """Return the smoothed round-trip time in seconds, or None where the system does not say."""
    if sys.platform != "linux":
        return None
    try:  # struct tcp_info: tcpi_rtt, in microseconds, is the 16th of the u32 that follow 8 bytes
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 72)
    except OSError:
        return None
    return float(struct.unpack_from("=I", data, 68)[0]) / 1e6 if len(data) == 72 else None


_CAUSES = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset by the other side",
    errno.EPIPE: "connection closed by the other side",
    errno.ETIMEDOUT: "no answer in time",
    errno.EHOSTUNREACH: "that computer cannot be reached",
    errno.ENETUNREACH: "that network cannot be reached",
    errno.EADDRINUSE: "the port is in use already",
    errno.EADDRNOTAVAIL: "that address is not one of this computer's",
    errno.EACCES: "the system does not allow it",
    errno.EMFILE: "too many open files",
}


def cause(error: BaseException) -> str:
    """Return a plain sentence part that says why a connection failed."""
    if isinstance(error, socket.gaierror | UnicodeError):
        return "the name was not found"
    if isinstance(error, TimeoutError) and not error.errno:
        return "no progress in time"
    if isinstance(error, CannotListenError):
        return cause(error.__cause__ or OSError())
    number = error.errno if isinstance(error, OSError) else None
    return (
        _CAUSES.get(number or 0)
        or (error.strerror if isinstance(error, OSError) else "")
        or "failed"
    )
