"""A small SOCKS5 (RFC 1928, 1929) and HTTP CONNECT proxy, which knows names that nobody else does.

`asked` are the destinations as the clients named them.
"""

from __future__ import annotations

import base64
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LOCAL = "127.0.0.1"
NAME = "relay.invalid"
"""Looked up by the proxy as LOCAL; nobody else knows it."""


class ProxyServer:
    def __init__(self, login: tuple[str, str] | None) -> None:
        self.asked: list[tuple[str, int]] = []
        self._login = login
        self._listener = socket.create_server((LOCAL, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, call: object, *args: object) -> None:
        thread = threading.Thread(target=call, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError):
            first = client.recv(1, socket.MSG_PEEK)
            (self._socks if first == b"\x05" else self._connect)(client)

    def _socks(self, client: socket.socket) -> None:
        _, count = take(client, 2)
        methods = take(client, count)
        wanted = 0 if self._login is None else 2
        if wanted not in methods:
            client.sendall(b"\x05\xff")
            client.close()
            return
        client.sendall(bytes((5, wanted)))
        if self._login is not None:
            _, length = take(client, 2)
            user = take(client, length).decode()
            password = take(client, take(client, 1)[0]).decode()
            right = (user, password) == self._login
            client.sendall(b"\x01\x00" if right else b"\x01\x01")
            if not right:
                client.close()
                return
        _, _, _, kind = take(client, 4)
        if kind == 3:
            host = take(client, take(client, 1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, take(client, size))
        (port,) = struct.unpack("!H", take(client, 2))
        tail = b"\x00\x01\x7f\x00\x00\x01\x00\x00"
        self._join(client, host, port, b"\x05\x00" + tail, b"\x05\x05" + tail)

    def _connect(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += take(client, 1)
        line, *fields = head.decode().split("\r\n")
        if self._login is not None:
            token = base64.b64encode(":".join(self._login).encode()).decode()
            if f"Proxy-Authorization: Basic {token}".lower() not in map(str.lower, fields):
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                client.close()
                return
        host, _, port = line.split()[1].rpartition(":")
        good, bad = b"HTTP/1.1 200 Go on\r\n\r\n", b"HTTP/1.1 502 No \x1b[31mway\r\n\r\n"
        self._join(client, host.strip("[]"), int(port), good, bad)

    def _join(self, client: socket.socket, host: str, port: int, good: bytes, bad: bytes) -> None:
        self.asked.append((host, port))
        try:
            server = socket.create_connection((LOCAL if host == NAME else host, port))
        except OSError:
            client.sendall(bad)
            client.close()
            return
        self._open.append(server)
        client.sendall(good)
        self._start(self._copy, server, client)
        self._copy(client, server)

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join()


def take(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


@contextmanager
def proxy_server(login: tuple[str, str] | None = None) -> Iterator[ProxyServer]:
    server = ProxyServer(login)
    try:
        yield server
    finally:
        server.close()
