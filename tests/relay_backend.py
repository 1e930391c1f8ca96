"""A relay node between a test and a backend that keeps to the rules, without sockets."""

from __future__ import annotations

import itertools
import json
from typing import Any

from backends import _io as io
from backends._http_client import HttpExchange, Reply
from backends._peers import Addresses, Connections
from backends._relay_node import RelayNode
from croc_core.limits import Limits
from croc_core.relay import Relay
from croc_core.values import Moment

VALUE = "A" * 43
PORTS = (9009, 9010)
START = Moment(1000.0, 1_700_000_000_000)
LIMITS = Connections(most=12, per_address=4, request_timeout=10.0, keep_alive=75.0)


def entropy() -> Any:
    numbers = itertools.count(1)
    return lambda size: (
        next(numbers).to_bytes(size, "big")
        if size < 8
        else (next(numbers) * 0x9E3779B97F4A7C15 % (1 << 64)).to_bytes(8, "big").rjust(size, b"\7")
    )


class Backend:
    """A backend without sockets that holds the node to the rules of `backends._io`."""

    def __init__(self, addresses: Addresses | None = None, acknowledge: bool = True) -> None:
        self.relay = Relay(entropy(), Limits())
        self.node = RelayNode(self.relay, addresses or Addresses(), LIMITS)
        self.now = START
        self.acknowledge = acknowledge
        self.reading: dict[int, int] = {}
        self.unsent: dict[int, int] = {}
        self.sent: dict[int, bytes] = {}
        self.half_closed: set[int] = set()
        self.open: set[int] = set()
        self.stapled: dict[int, io.Staple] = {}
        self.cut: list[int] = []
        self.told: list[object] = []
        self.numbers = itertools.count(1, 2)
        self.give(io.Started(PORTS))

    def give(self, event: io.Input) -> None:
        for effect in self.node.handle(event, self.now):
            self.perform(effect)

    def perform(self, effect: io.Effect) -> None:
        if isinstance(effect, io.Tell):
            self.told.append(effect.event)
        elif isinstance(effect, io.Staple):
            self.open -= {effect.a, effect.b}
            assert not {effect.a, effect.b} & set(self.reading)
            self.stapled[effect.pair] = effect
        elif isinstance(effect, io.Cut):
            self.cut.append(effect.pair)
        else:
            assert not isinstance(effect, io.Connect | io.Pump | io.Drain | io.Work | io.Answer)
            conn = effect.conn
            assert conn in self.open
            if isinstance(effect, io.Read):
                assert conn not in self.reading
                assert 0 < effect.limit <= 65536
                self.reading[conn] = effect.limit
            elif isinstance(effect, io.Send):
                assert conn not in self.half_closed
                self.sent[conn] += effect.data
                self.unsent[conn] = self.unsent.get(conn, 0) + 1
                if self.acknowledge:
                    self.took(conn)
            elif isinstance(effect, io.HalfClose):
                self.half_closed.add(conn)
            else:
                self.open.remove(conn)
                self.reading.pop(conn, None)

    def took(self, conn: int) -> None:
        """The peer has read what was sent."""
        for _ in range(self.unsent.pop(conn, 0)):
            if conn in self.open:
                self.give(io.Sent(io.Conn(conn)))

    def accept(self, listener: int = io.HTTP, peer: str = "10.0.0.1") -> int:
        conn = next(self.numbers)
        self.open.add(conn)
        self.sent[conn] = b""
        self.give(io.Accepted(io.Conn(conn), listener, peer))
        return conn

    def feed(self, conn: int, data: bytes) -> None:
        """Hand over bytes as fast as they are asked for; empty is the end."""
        while conn in self.reading:
            limit = self.reading.pop(conn)
            self.give(io.Received(io.Conn(conn), data[:limit]))
            data = data[limit:]
            if not data:
                return

    def later(self, seconds: float) -> None:
        """Let time pass, waking the node whenever it wants to be woken."""
        end = self.now.mono + seconds
        while (due := self.node.deadline()) is not None and due <= end:
            self.at(max(due, self.now.mono))
            self.give(io.Woke())
        self.at(end)

    def at(self, mono: float) -> None:
        self.now = Moment(mono, START.unix_ms + int((mono - START.mono) * 1000))

    def reply(self, conn: int) -> tuple[int, dict[str, Any]]:
        """Take the one reply that was sent on *conn*."""
        data, self.sent[conn] = self.sent[conn], b""
        reply = HttpExchange("r", "/", b"").receive(data)
        assert isinstance(reply, Reply)
        return reply.status, json.loads(reply.body)

    def post(self, conn: int, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        self.feed(conn, request(path, **body))
        return self.reply(conn)

    def proven(self) -> tuple[str, str, str]:
        """A channel whose key is agreed on: its name and the uuids of its members."""
        a, b = self.accept(peer="10.0.0.1"), self.accept(peer="10.0.0.2")
        one = self.post(a, "/join", role="sender")[1]
        name, sender = one["channel"], one["uuid"]
        recipient = self.post(b, "/join", role="recipient", channel=name)[1]["uuid"]
        self.post(a, "/channel", channel=name, uuid=sender, x=VALUE)
        self.post(b, "/channel", channel=name, uuid=recipient, y=VALUE, hh_k=VALUE)
        assert self.post(a, "/channel", channel=name, uuid=sender, h_k=VALUE)[0] == 200
        self.feed(a, b"")
        self.feed(b, b"")
        return name, sender, recipient


def request(path: str, **body: Any) -> bytes:
    return HttpExchange("relay:9009", path, json.dumps(body).encode()).request
