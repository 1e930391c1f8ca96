"""A box in the middle that breaks connections: in front of a relay, at the same ports."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Sequence

PART = 1 << 16


class Cutter:
    """Passes what comes to *host* on to *behind*, port by port, and cuts when it is told to.

    `passed` counts the bytes of each port, those that come from behind; `dials` its connections.
    """

    def __init__(self, host: str, behind: str, ports: Sequence[int]) -> None:
        self.passed: Counter[int] = Counter()
        self.dials: Counter[int] = Counter()
        self.cuts = 0
        self._host, self._behind = host, behind
        self._lock = threading.Lock()
        self._due: list[tuple[int, int]] = []  # (port, its bytes) of the cuts to come
        self._pairs: dict[int, list[tuple[socket.socket, socket.socket]]] = {}
        self._threads: list[threading.Thread] = []
        self._listeners = [self._listen(port) for port in ports]

    def cut_after(self, port: int, count: int) -> None:
        """Reset all connections of *port* once *count* bytes have passed there."""
        with self._lock:
            self._due.append((port, count))

    def cut(self, port: int) -> None:
        """Reset all connections of *port* now."""
        with self._lock:
            self._cut(port)

    def close(self) -> None:
        """Stop listening, cut everything, and wait for the threads."""
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for port in list(self._pairs):
                self._cut(port)
        for thread in self._threads:
            thread.join(10)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server((self._host, port))
        self._start(self._accept, listener, port)
        return listener

    def _start(self, call: object, *args: object) -> None:
        thread = threading.Thread(target=call, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, port: int) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection((self._behind, port))
            except OSError:
                _reset(near)
                continue
            with self._lock:
                self.dials[port] += 1
                self._pairs.setdefault(port, []).append((near, far))
            self._start(self._pass, near, far, port, False)
            self._start(self._pass, far, near, port, True)

    def _pass(self, source: socket.socket, sink: socket.socket, port: int, counted: bool) -> None:
        try:
            while data := source.recv(PART):
                sink.sendall(data)
                if counted:
                    self._count(port, len(data))
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(source)
            _reset(sink)

    def _count(self, port: int, count: int) -> None:
        with self._lock:
            self.passed[port] += count
            due = [one for one in self._due if one[0] == port and one[1] <= self.passed[port]]
            for one in due:
                self._due.remove(one)
            if due:
                self._cut(port)

    def _cut(self, port: int) -> None:
        self.cuts += 1
        for pair in self._pairs.pop(port, ()):
            for sock in pair:
                _reset(sock)


def _reset(sock: socket.socket) -> None:
    """Close with a reset; a thread that reads from it notices."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()
