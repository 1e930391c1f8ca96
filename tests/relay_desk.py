"""A relay on a table: requests and links by hand, time by hand."""

from __future__ import annotations

import json
import random
from collections.abc import MutableMapping
from typing import Any, NamedTuple

from croc_core.channel import Channel
from croc_core.limits import Limits
from croc_core.relay import Relay
from croc_core.relay_io import Answer, Asked, Drop, Effect, Input, LinkOpened, LinkReceived, Say
from croc_core.values import Moment, Secret

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


class Reply(NamedTuple):
    """An answered request; `later` are the other effects of the same event."""

    status: int
    body: dict[str, Any]
    retry_after: int | None
    later: tuple[Effect, ...]

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.body["code"]


class Person(NamedTuple):
    channel: str
    uuid: str
    address: str


class Desk:
    def __init__(
        self,
        limits: Limits | None = None,
        token: Secret | None = None,
        channels: MutableMapping[str, Channel] | None = None,
        entropy: Any = None,
    ) -> None:
        chance = entropy or random.Random(7).randbytes
        self.relay = Relay(chance, limits or Limits(), (9010, 9011), token, channels)
        self.mono = 50.0
        self.unix_ms = 1_700_000_000_000
        self.number = 0

    def handle(self, event: Input) -> tuple[Effect, ...]:
        return self.relay.handle(event, Moment(self.mono, self.unix_ms))

    def pass_time(self, seconds: float) -> None:
        self.mono += seconds
        self.unix_ms += round(seconds * 1000)

    def raw(self, path: str, body: bytes, address: str = A, method: str = "POST") -> Reply | None:
        """Ask; None where the request is held. Its number is `self.number`."""
        self.number += 1
        effects = self.handle(Asked(self.number, method, path, body, address))
        for effect in effects:
            if isinstance(effect, Answer) and effect.ask == self.number:
                later = tuple(e for e in effects if e is not effect)
                body_ = json.loads(effect.body)
                return Reply(effect.status, body_, effect.retry_after, later)
        return None

    def ask(self, path: str, body: dict[str, Any], address: str = A) -> Reply:
        reply = self.raw(path, json.dumps(body).encode(), address)
        assert reply is not None
        return reply

    def hold(self, person: Person, **body: Any) -> int:
        """Ask for news that is not there yet; return the number of the request."""
        asked = {"channel": person.channel, "uuid": person.uuid, **body}
        assert self.raw("/channel", json.dumps(asked).encode(), person.address) is None
        return self.number

    def join(self, role: str, address: str, **more: Any) -> Person:
        reply = self.ask("/join", {"role": role, **more}, address)
        assert reply.status == 200, reply
        return Person(reply.body["channel"], reply.body["uuid"], address)

    def post(self, person: Person, address: str | None = None, **more: Any) -> Reply:
        body = {"channel": person.channel, "uuid": person.uuid, **more}
        return self.ask("/channel", body, address or person.address)

    def pair(self, until: str = "h_k", recipient_at: str = B) -> tuple[Person, Person]:
        """Two members, and the values up to *until*: "", "x", "y" or "h_k"."""
        sender = self.join("sender", A)
        recipient = self.join("recipient", recipient_at, channel=sender.channel)
        steps = ("", "x", "y", "h_k").index(until)
        for person, body in (
            (sender, {"x": "xx"}), (recipient, {"y": "yy", "hh_k": "hh"}), (sender, {"h_k": "kk"})
        )[:steps]:  # fmt: skip
            assert self.post(person, **body).status == 200
        return sender, recipient

    def open(self, link: int, address: str = A, index: int = 0) -> tuple[Effect, ...]:
        return self.handle(LinkOpened(link, index, address))

    def link(
        self, link: int, person: Person, rest: bytes = b"", index: int = 0, **at: str
    ) -> tuple[Effect, ...]:
        """Open a link and identify it; return what the line led to."""
        self.open(link, at.get("address", person.address), index)
        line = f"CROC/1 {person.channel} {person.uuid}\n".encode()
        return self.handle(LinkReceived(link, line + rest))


def said(effects: tuple[Effect, ...]) -> bytes:
    """What a link was told before it was dropped."""
    say, drop = effects
    assert isinstance(say, Say)
    assert drop == Drop(say.link)
    return say.data
