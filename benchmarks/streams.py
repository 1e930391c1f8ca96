"""Plain bytes over several connections: `python -m benchmarks.streams serve|send ...`.

What a path gives by the number of connections and the size of their send buffers, without anything
of this project. The server prints its port, then for each round its rate in bytes a second.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time

_CHUNK = 1 << 18


def serve(host: str, seconds: float) -> None:
    """Take rounds of connections; measure each from its first byte for *seconds*."""
    listener = socket.create_server((host, 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    buffer = bytearray(_CHUNK)
    while True:
        first, _ = listener.accept()
        count = first.recv(1)[0]
        socks = [first] + [listener.accept()[0] for _ in range(count - 1)]
        selector = selectors.DefaultSelector()
        for sock in socks:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
        begun, got = time.perf_counter(), 0
        while (spent := time.perf_counter() - begun) < seconds:
            for key, _ in selector.select(0.1):
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                got += ready.recv_into(buffer)
        for sock in socks:
            sock.close()
        print(got / spent, flush=True)


def send(host: str, port: str, count: str, buffer: str) -> None:
    """Send by *count* connections until they break; *buffer* bytes each, 0: as the system does."""
    selector = selectors.DefaultSelector()
    zeros = bytes(_CHUNK)
    for number in range(int(count)):
        sock = socket.socket()
        if int(buffer):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, int(buffer))
        sock.connect((host, int(port)))
        if not number:
            sock.sendall(bytes([int(count)]))
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_WRITE)
    try:
        while True:
            for key, _ in selector.select():
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                ready.send(zeros)
    except ConnectionError:
        return


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], float(sys.argv[3]))
    else:
        send(*sys.argv[2:])
