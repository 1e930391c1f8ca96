"""Load for a relay, by raw sockets and one thread: `python -m benchmarks.crowd WHAT URL NUMBER`.

    waiting    so many channels, each with a long poll that stays; ends with its standard input
    cycles     whole lives of channels for so many seconds, 16 at a time
    echo       the same requests to a server that answers each with its own body
    pairs      so many stapled pairs, 8 MiB through each at once

Each prints one line of JSON when it is done, or when all wait.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import selectors
import socket
import sys
import time
from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

AT_ONCE = 16
"""Channels that live at one time, each with two connections."""
PAIR_BYTES = 8 << 20
_CHUNK = 1 << 18
_TIMEOUT = 120.0

Step = Generator[tuple[int, str, dict[str, Any]], dict[str, Any], None]
"""Yields which of its two connections posts what where, and gets the reply."""


def value() -> str:
    """Return a value of the right form."""
    return base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def request(path: str, body: dict[str, Any]) -> bytes:
    """Return a POST."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: relay\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


class Client:
    """A connection that is kept alive."""

    def __init__(self, address: tuple[str, int], local: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection(address, _TIMEOUT, (local, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    def feed(self) -> dict[str, Any] | None:
        """Read once; return a reply that is whole now."""
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the relay hung up")
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return None
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        length = int(lower[at:].partition(b"\r\n")[0])
        if len(rest) < length:
            return None
        if b" 200 " not in head[:13]:
            raise RuntimeError(self._data.decode("latin-1"))
        self._data = rest[length:]
        reply: dict[str, Any] = json.loads(rest[:length])
        return reply

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post and wait for the reply."""
        self.sock.sendall(request(path, body))
        while (reply := self.feed()) is None:
            pass
        return reply


def life() -> Step:
    """Eight requests: a channel from its opening to its close."""
    joined = yield 0, "/join", {"role": "sender"}
    name = joined.get("channel", "1234")
    sender = {"channel": name, "uuid": joined.get("uuid", "0" * 32)}
    joined = yield 1, "/join", {"role": "recipient", "channel": name}
    recipient = {"channel": name, "uuid": joined.get("uuid", "0" * 32)}
    yield 0, "/channel", {**sender, "x": value(), "curve": "x25519"}
    yield 1, "/channel", {**recipient, "y": value(), "hh_k": value()}
    yield 0, "/channel", {**sender, "h_k": value()}
    yield 0, "/channel", {**sender}
    yield 1, "/channel", {**recipient}
    yield 0, "/channel", {**sender, "close": True, "reason": "done"}


def cycles(address: tuple[str, int], seconds: float) -> dict[str, float]:
    """Live `AT_ONCE` lives at a time for so long; return how many, and how many requests."""
    selector = selectors.DefaultSelector()
    lives: list[Step] = []
    for number in range(AT_ONCE):
        step = life()
        lives.append(step)
        pair = [Client(address), Client(address)]
        for client in pair:
            selector.register(client.sock, selectors.EVENT_READ, (number, pair, client))
        _post(pair, next(step))
    begun = time.perf_counter()
    done = requests = 0
    while (spent := time.perf_counter() - begun) < seconds:
        for key, _ in selector.select():
            number, pair, client = key.data
            reply = client.feed()
            if reply is None:
                continue
            requests += 1
            try:
                _post(pair, lives[number].send(reply))
            except StopIteration:
                done += 1
                lives[number] = life()
                _post(pair, next(lives[number]))
    return {"cycles": done, "requests": requests, "seconds": spent}


def _post(pair: list[Client], what: tuple[int, str, dict[str, Any]]) -> None:
    pair[what[0]].sock.sendall(request(what[1], what[2]))


def waiting(address: tuple[str, int], count: int) -> list[Client]:
    """Open channels, each with a long poll; return what must not be dropped."""
    kept = []
    for number in range(count):
        client = Client(address, _local(number))
        joined = client.post("/join", {"role": "sender"})
        seat = {"channel": joined["channel"], "uuid": joined["uuid"]}
        state = client.post("/channel", {**seat, "x": value(), "curve": "x25519"})
        poll = {**seat, "since": state["seq"], "wait": 25}
        client.sock.sendall(request("/channel", poll))
        kept.append(client)
    return kept


def pairs(address: tuple[str, int], count: int) -> dict[str, Any]:
    """Staple so many pairs, then send through all at once; return how long each took."""
    selector = selectors.DefaultSelector()
    zeros, scratch = memoryview(bytes(_CHUNK)), memoryview(bytearray(_CHUNK))
    left: dict[socket.socket, int] = {}
    for number in range(count):
        source, sink = _pair(address, _local(number))
        left[source] = left[sink] = PAIR_BYTES
        selector.register(source, selectors.EVENT_WRITE)
        selector.register(sink, selectors.EVENT_READ)
    begun = time.perf_counter()
    ends: list[float] = []
    while len(ends) < count:
        ready = selector.select(_TIMEOUT)
        if not ready:
            break
        for key, event in ready:
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if event & selectors.EVENT_WRITE:
                left[sock] -= sock.send(zeros[: left[sock]])
            else:
                got = sock.recv_into(scratch)
                if not got:
                    raise RuntimeError("a staple ended early")
                left[sock] -= got
                if not left[sock]:
                    ends.append(time.perf_counter() - begun)
            if not left[sock]:
                selector.unregister(sock)
    return {"ends": sorted(ends), "complete": len(ends) == count}


def _pair(address: tuple[str, int], local: str) -> tuple[socket.socket, socket.socket]:
    """Return two sockets that a relay has stapled."""
    a, b = Client(address, local), Client(address, local)
    steps = life()
    what = next(steps)
    joined = []
    for _ in range(5):
        reply = (a, b)[what[0]].post(what[1], what[2])
        joined.append(reply)
        what = steps.send(reply)
    socks = []
    for reply in joined[:2]:
        port = reply["data"][0]["port"]
        sock = socket.create_connection((address[0], port), _TIMEOUT, (local, 0))
        line = f"CROC/1 {reply['channel']} {reply['uuid']}\n".encode()
        sock.sendall(line)
        socks.append(sock)
    for sock in socks:
        assert sock.recv(3, socket.MSG_WAITALL) == b"OK\n"
        sock.setblocking(False)
    for client in (a, b):
        client.sock.close()
    return socks[0], socks[1]


def _local(number: int) -> str:
    """Return an address of loopback: a relay gives one address only so much."""
    return f"127.1.{number // 50 // 250}.{number // 50 % 250 + 1}"


def main() -> None:
    """Do what the arguments say."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    what, url, number = sys.argv[1:]
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    address = (parts.hostname, parts.port)
    if what == "waiting":
        kept = waiting(address, int(number))
        print(json.dumps({"waiting": len(kept)}), flush=True)
        sys.stdin.read()
    elif what == "pairs":
        print(json.dumps(pairs(address, int(number))), flush=True)
    else:
        print(json.dumps(cycles(address, float(number))), flush=True)


if __name__ == "__main__":
    main()
