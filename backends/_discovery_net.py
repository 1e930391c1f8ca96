"""The sockets of discovery: queries and answers on every interface (docs/protocol.md, 11.4)."""

from __future__ import annotations

import os
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from backends._discovery import ID, port_of, query
from backends._options import Where
from backends._sockets import literal
from croc_core.codes import CHANNEL

PORT = 8003
"""UDP port of the queries."""
GROUP_4 = "239.255.67.82"
"""Of the site's own groups (RFC 2365); the queries go no further than one link."""
GROUP_6 = "ff12::4352:4f43"
"""A group of one link that nobody has registered (RFC 4291 section 2.7)."""
LONGEST = 64
"""Nothing longer than this, in bytes, is looked at."""
WINDOW = 0.15
"""How long others may answer once a query is out, in seconds."""
PATIENCE = 2.0
"""How long to ask where nobody answers, in seconds."""
_PAUSES = (0.0, 0.04, 0.06, 0.15)
"""Before the first queries, in seconds; the last one comes again and again."""


def open_answering(host: str | None) -> tuple[list[socket.socket], list[socket.socket]]:
    """Open the sockets that queries come to, and beside each the one that answers go out of.

    Non-blocking; none where the system has none to give. With *host*, an address of this computer,
    queries count that come to its interface alone, and it is what the answers come from.
    """
    heard: list[socket.socket] = []
    wanted: dict[int, list[int]] = {}
    address = None
    info = None
    if host is None:
        wanted = {socket.AF_INET: _interfaces(), socket.AF_INET6: _interfaces()}
    elif infos := literal(host, 0):
        info = infos[0]
        family, where = info[0], info[4]
        address = where[0] if family == socket.AF_INET else None
        scope = (where[3] or _interface_of(where[0])) if len(where) == 4 else 0
        wanted = {family: [scope]} if scope or address else {}
    for family, interfaces in wanted.items():
        for some in _together(family, interfaces):
            with suppress(OSError):  # the family is not there, or the port is taken
                if (sock := _listening(family, some, address)) is not None:
                    heard.append(sock)
    if info is None:
        return heard, heard
    return heard, [_bound(info[0], info[4]) for _ in heard]


def _interface_of(address: str) -> int:
    """Return the number of the interface that has the IPv6 *address*; 0 where none has it."""
    import ifaddr  # only with an address of a person's choice

    found = socket.inet_pton(socket.AF_INET6, address)
    return next(
        (
            adapter.index or 0
            for adapter in ifaddr.get_adapters()
            for ip in adapter.ips
            if ip.is_IPv6 and socket.inet_pton(socket.AF_INET6, ip.ip[0]) == found
        ),
        0,
    )


def _together(family: int, interfaces: list[int]) -> list[list[int]]:
    """Return which interfaces a socket has: a group of one link is bound on each by itself."""
    if family == socket.AF_INET or sys.platform == "win32":
        return [interfaces]
    return [[index] for index in interfaces]


def _bound(family: int, address: tuple[str, int] | tuple[str, int, int, int]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    with suppress(OSError):  # it listens there, so it is one of ours
        sock.bind(address)
    return sock


def _listening(family: int, interfaces: list[int], address: str | None) -> socket.socket | None:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    joined = 0
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT") and sys.platform != "linux":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        group = GROUP_4 if family == socket.AF_INET else GROUP_6
        level = socket.IPPROTO_IP if family == socket.AF_INET else socket.IPPROTO_IPV6
        if family == socket.AF_INET6:
            sock.setsockopt(level, socket.IPV6_V6ONLY, 1)
        if sys.platform == "linux":  # IP_MULTICAST_ALL, IPV6_MULTICAST_ALL: what we joined alone
            with suppress(OSError):
                sock.setsockopt(level, 49 if family == socket.AF_INET else 29, 0)
        if sys.platform == "win32":
            sock.bind(("", PORT))
        else:  # whatever comes to another address is not heard
            sock.bind((group, PORT) if family == socket.AF_INET else (group, PORT, 0, *interfaces))
        binary = socket.inet_pton(family, group)
        for index in interfaces:
            with suppress(OSError):
                sock.setsockopt(level, *_membership(family, binary, index, address))
                joined += 1
    except BaseException:
        sock.close()
        raise
    if not joined:
        sock.close()
        return None
    return sock


def _membership(family: int, group: bytes, index: int, address: str | None) -> tuple[int, bytes]:
    if family == socket.AF_INET6:
        return socket.IPV6_JOIN_GROUP, group + struct.pack("@I", index)
    if address is not None:
        return socket.IP_ADD_MEMBERSHIP, group + socket.inet_aton(address)
    return socket.IP_ADD_MEMBERSHIP, _interface(group, index)


def answer_all(
    sock: socket.socket, out: socket.socket, answer: Callable[[bytes, str], bytes | None]
) -> None:
    """Answer by *out* what has come to *sock*, though not for ever."""
    for _ in range(16):
        try:
            data, address = sock.recvfrom(LONGEST + 1)
        except OSError:  # nothing more, or a word about an answer that did not get through
            return
        reply = answer(data, address[0])
        if reply is not None:
            with suppress(OSError):
                out.sendto(reply, address)


def search(channel: str, enough: threading.Event) -> list[Where]:
    """Ask for the relays that have *channel*; blocks, up to `WINDOW` or `PATIENCE` seconds.

    Ends soon once *enough* is set.
    """
    if not CHANNEL.fullmatch(channel):
        return []
    identity = os.urandom(ID)
    asked = query(identity, channel)
    found: dict[Where, None] = {}
    sockets = [s for s in (_asking(socket.AF_INET), _asking(socket.AF_INET6)) if s is not None]
    try:
        with selectors.DefaultSelector() as selector:
            for sock in sockets:
                selector.register(sock, selectors.EVENT_READ)
            begun = time.monotonic()
            end, due, turn = begun + PATIENCE, begun, 0
            while sockets and not enough.is_set() and (now := time.monotonic()) < end:
                if now >= due:
                    _ask(sockets, asked)
                    turn += 1
                    due = now + _PAUSES[min(turn, len(_PAUSES) - 1)]
                for key, _ in selector.select(max(0.0, min(due, end) - time.monotonic())):
                    _listen(key.fileobj, identity, found)  # type: ignore[arg-type]
                if found and end == begun + PATIENCE:
                    end = max(begun + WINDOW, time.monotonic() + WINDOW / 2)
        for sock in sockets:  # what came in time, though we were kept from looking
            _listen(sock, identity, found)
    finally:
        for sock in sockets:
            sock.close()
    return list(found)


def _asking(family: int) -> socket.socket | None:
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError:  # the system has no such family
        return None
    sock.setblocking(False)
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
    return sock


def _ask(sockets: list[socket.socket], asked: bytes) -> None:
    """Send the query on each interface, by IPv4 first."""
    for sock in sockets:
        for index in _interfaces():
            with suppress(OSError):  # an interface that is down, or without an address
                if sock.family == socket.AF_INET:
                    which = _interface(bytes(4), index)
                    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, which)
                    sock.sendto(asked, (GROUP_4, PORT))
                else:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
                    sock.sendto(asked, (GROUP_6, PORT, 0, index))


def _interfaces() -> list[int]:
    return [index for index, _ in socket.if_nameindex()]


def _interface(group: bytes, index: int) -> bytes:
    """Return struct ip_mreqn: an interface by its number, behind a group where one is joined."""
    if sys.platform == "win32":  # struct ip_mreq there takes a number as an address in net 0
        return group * any(group) + struct.pack("!I", index)
    return group + bytes(4) + struct.pack("@i", index)


def _listen(sock: socket.socket, identity: bytes, found: dict[Where, None]) -> None:
    with suppress(OSError):
        while True:
            data, address = sock.recvfrom(LONGEST + 1)
            port = port_of(data, identity)
            if port is not None:
                host, scope = address[0].partition("%")[0], address[3:]
                zone = f"%{socket.if_indextoname(scope[0])}" if scope and scope[0] else ""
                found[Where(host + zone, port)] = None
