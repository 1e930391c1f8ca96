"""The channel of the suite's own relay: honest, unless the case changes an answer."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from conformance.client._net import Conn
from croc_core import wire

CHANNEL = "k7w2"
MAX_NULLS = ("x", "y", "hh_k", "h_k")


@dataclass(slots=True)
class Asked:
    """A request as it came."""

    path: str
    raw: bytes
    conn: Conn
    at: float
    headers: dict[str, str]
    seq: int
    """That of the channel when it came."""
    body: dict[str, Any] = field(default_factory=dict)
    """Empty where it is no JSON object."""

    def __post_init__(self) -> None:
        try:
            body = json.loads(self.raw)
        except ValueError:
            return
        if isinstance(body, dict):
            self.body = body

    def fault(self) -> str | None:
        """Say why a relay must refuse this as malformed, or None."""
        kind: Any = {"/join": wire.Join, "/channel": wire.Update}.get(self.path)
        if kind is None:
            return f"there is no {self.path}"
        try:
            update = wire.decode_request(self.raw, kind)
            if isinstance(update, wire.Update):
                wire.action_of(update)
        except ValueError as error:
            return str(error)
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply: JSON of *body*, or just these bytes in the place of everything."""

    status: int = 200
    body: Any = None
    raw: bytes | None = None
    lost: bool = False
    """The connection is closed instead."""
    at_once: bool = False
    """It is not held, whatever the request asks for."""

    def changed(self, **fields: Any) -> Answer:
        """The same with other fields."""
        return Answer(self.status, {**self.body, **fields})

    def bytes(self) -> bytes:
        """As it is sent."""
        if self.raw is not None:
            return self.raw
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        head = f"HTTP/1.1 {self.status} As-It-Is\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def refusal(status: int, code: str, **more: str) -> Answer:
    """An error of docs/protocol.md, 3.5."""
    return Answer(status, {"code": code, "message": f"It is {code}.", **more})


class Desk:
    """One channel: what was posted to it, by whom, and how it stands."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self.data = [{"kind": "tcp", "port": port} for port in ports]
        self.channel = ""
        self.curve = ""
        self.x: str | None = None
        self.y: str | None = None
        self.hh_k: str | None = None
        self.h_k: str | None = None
        self.staplings: dict[str, int] = {}
        self.seats: dict[str, str] = {}
        """Role to uuid."""
        self.closed: tuple[str, str] | None = None
        """By whom, and the reason or nothing."""
        self.seq = 0
        self._joins: dict[str, Answer] = {}

    def open(self, curve: str, channel: str = CHANNEL) -> None:
        """Open the channel as the sender does who is played by the suite."""
        self.channel, self.curve = channel, curve
        self.seats["sender"] = secrets.token_hex(16)
        self.seq += 1

    def put(self, **values: str | None) -> None:
        """Set values as the other side does."""
        for name, value in values.items():
            setattr(self, name, value)
        self.seq += 1

    def staple(self, port: int) -> None:
        """Note that *port* was stapled."""
        self.staplings[str(port)] = self.staplings.get(str(port), 0) + 1
        self.seq += 1

    def forget(self) -> None:
        """Lose all memory of the channel."""
        self.channel = ""

    def state(self) -> dict[str, Any]:
        """The channel as its members see it."""
        gone = self.closed is not None
        values = {name: None if gone else getattr(self, name) for name in MAX_NULLS}
        return {
            "channel": self.channel,
            "curve": self.curve,
            **values,
            "stapled": bool(self.staplings),
            "staplings": self.staplings,
            "recipient": "recipient" in self.seats,
            "seq": self.seq,
        }

    def answer(self, asked: Asked) -> Answer:
        """Answer as an honest relay does, without any wait."""
        fault = asked.fault()
        if fault is not None:
            return refusal(400, "malformed")
        return self._join(asked.body) if asked.path == "/join" else self._channel(asked.body)

    def _join(self, body: dict[str, Any]) -> Answer:
        if body.get("protocol", 1) != 1:
            return refusal(426, "version")
        nonce = body.get("nonce", "")
        if nonce in self._joins:
            return self._joins[nonce]
        role, channel = body["role"], body.get("channel", CHANNEL)
        if role == "recipient" and channel != self.channel:
            return refusal(404, "no_such_channel")
        if role in self.seats and channel == self.channel:
            return refusal(409, "occupied")
        if role == "recipient" and body.get("curve", self.curve) != self.curve:
            return refusal(409, "curve")
        if role == "sender":
            self.channel, self.curve = channel, body.get("curve", "x25519")
        self.seats[role] = secrets.token_hex(16)
        self.seq += 1
        reply = Answer(
            200,
            {
                "protocol": 1,
                "channel": channel,
                "uuid": self.seats[role],
                "role": role,
                "curve": self.curve,
                "data": self.data,
                "seq": self.seq,
            },
        )
        self._joins[nonce] = reply
        return reply

    def _channel(self, body: dict[str, Any]) -> Answer:
        if body["channel"] != self.channel:
            return refusal(404, "no_such_channel")
        role = next((role for role, uuid in self.seats.items() if uuid == body["uuid"]), None)
        if self.closed is not None:
            if role and body.get("close"):
                return Answer(200, self.state())
            by, reason = self.closed
            told = {"by": by, **({"reason": reason} if reason else {})} if role else {}
            return refusal(410, "closed", **told)
        if role is None:
            return refusal(403, "not_yours")
        return self._act(role, body)

    def _act(self, role: str, body: dict[str, Any]) -> Answer:
        if body.get("close"):
            self.closed = role, body.get("reason", "")
            self.seq += 1
            return Answer(200, self.state())
        own = ("x", "h_k") if role == "sender" else ("y", "hh_k")
        given = [name for name in MAX_NULLS if name in body]
        turn = {"x": True, "y": self.x, "hh_k": self.x, "h_k": self.y}
        if not all(name in own and turn[name] for name in given):
            return refusal(409, "out_of_turn")
        if body.get("curve", self.curve) != self.curve:
            return refusal(409, "curve")
        for name in given:
            if getattr(self, name) not in (None, body[name]):
                return refusal(409, "already_set")
        if any(getattr(self, name) is None for name in given):
            self.put(**{name: body[name] for name in given})
        if role == "recipient" and self.x is None and not given:
            return refusal(404, "no_x_yet")
        return Answer(200, self.state())
