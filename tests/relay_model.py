"""The relay's rules over plain sets and dicts: slow, naive, and independent of the package.

It imports nothing of croc_core. Time is looked at anew at every event: all that is due happens
then. Effects are tuples: ("answer", ask, status, body), ("take", link), ("say", link, bytes),
("drop", link), ("staple", a, b, to_a, to_b), ("cut", a, b); bodies are without `message`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

OTHER = {"sender": "recipient", "recipient": "sender"}
OWNER = {"x": "sender", "y": "recipient", "hh_k": "recipient", "h_k": "sender"}
NEEDS = {"x": set(), "y": {"x"}, "hh_k": {"x"}, "h_k": {"y"}}
LINE = re.compile(rb"CROC/1 ([0-9a-z]{1,32}) ([0-9a-f]{32})\n")


class No(Exception):  # noqa: N818
    """A request is refused."""

    def __init__(self, status: int, code: str, **more: Any) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"code": code, **more}


@dataclass
class Wait:
    ask: int
    uuid: str
    address: str
    since: int
    until: float


@dataclass
class Link:
    number: int
    index: int
    address: str
    until: float
    bytes: bytes = b""


@dataclass
class Channel:
    name: str
    curve: str
    opened_ms: int
    touched: float
    uuids: dict[str, str]
    joins: dict[str, tuple[Any, ...]]
    opener: str
    addresses: set[str]
    seq: int = 1
    values: dict[str, str] = field(default_factory=dict)
    staplings: dict[str, int] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    pending: dict[tuple[int, str], Link] = field(default_factory=dict)
    staples: dict[int, tuple[int, int]] = field(default_factory=dict)
    ended: tuple[str, str | None, float] | None = None
    """(by, reason, when in monotonic seconds), once closed."""

    def shown(self) -> dict[str, Any]:
        return {
            "channel": self.name,
            "curve": self.curve,
            **{f: self.values.get(f) for f in OWNER},
            "stapled": bool(self.staplings),
            "staplings": self.staplings.copy(),
            "recipient": "recipient" in self.uuids,
            "seq": self.seq,
        }


class Model:
    def __init__(self, limits: Any, ports: tuple[int, ...]) -> None:
        self.limits = limits
        self.ports = ports
        self.channels: dict[str, Channel] = {}
        self.joined: dict[str, list[float]] = {}
        self.links: dict[int, Link] = {}
        """Those that have not said whose they are."""
        self.staples: set[tuple[int, int]] = set()
        """All that the backend still has, those of closed channels too."""
        self.uuids: set[str] = set()
        self.tokens: dict[str, tuple[float, float]] = {}
        self.now = 0.0
        self.unix_ms = 0
        self.out: list[tuple[Any, ...]] = []

    # ---- time

    def clock(self, now: float, unix_ms: int) -> None:
        self.now, self.unix_ms, self.out = now, unix_ms, []
        for link in [e for e in self.links.values() if e.until <= now]:
            del self.links[link.number]
            self.send_away(link.number, 408, "too_slow")
        for channel in [c for c in self.channels.values() if not c.ended]:
            for wait in [w for w in channel.waits.values() if w.until <= now]:
                self.unwait(channel, wait)
            for key, link in [e for e in channel.pending.items() if e[1].until <= now]:
                del channel.pending[key]
                channel.touched = now
                self.out.append(("drop", link.number))
            busy = channel.waits or channel.pending or channel.staples
            if not busy and channel.touched + self.limits.idle_timeout <= now:
                self.end(channel, "relay", "expired")
        for channel in list(self.channels.values()):
            if channel.ended and channel.ended[2] + self.limits.tombstone_ttl <= now:
                del self.channels[channel.name]
            old = channel.opened_ms + self.limits.channel_ttl * 1000 <= unix_ms
            if not channel.ended and not channel.staplings and old:
                self.end(channel, "relay", "expired")

    def end(self, channel: Channel, by: str, reason: str | None) -> None:
        channel.ended = (by, reason, self.now)
        channel.seq += 1
        channel.values = {}
        channel.addresses = set()
        for wait in list(channel.waits.values()):
            del channel.waits[self.role(channel, wait.uuid)]
            self.look(channel, wait)
        self.out += [("drop", link.number) for link in channel.pending.values()]
        self.out += [("cut", *pair) for pair in channel.staples.values()]
        channel.pending, channel.staples = {}, {}

    # ---- who may

    def role(self, channel: Channel, uuid: str) -> str:
        for role, held in channel.uuids.items():
            if held == uuid:
                return role
        raise No(403, "not_yours")

    def existing(self, name: str | None) -> Channel:
        if name not in self.channels:
            raise No(404, "no_such_channel")
        return self.channels[name]

    def not_closed(self, channel: Channel, uuid: str | None) -> None:
        if channel.ended:
            by, reason, _ = channel.ended
            more = {"by": by, "reason": reason} if reason else {"by": by}
            raise No(410, "closed", **(more if uuid in channel.uuids.values() else {}))

    def room(self, channel: Channel, address: str) -> None:
        if len(channel.addresses | {address}) > 2:
            raise No(403, "channel_full")

    def enter(self, channel: Channel, address: str) -> None:
        if address not in channel.addresses:
            channel.addresses.add(address)
            channel.seq += 1
        assert len(channel.addresses) <= 2

    # ---- requests

    def request(self, ask: int, call: Any) -> None:
        """Run one request; a refusal is its answer."""
        try:
            call()
        except No as no:
            self.out.append(("answer", ask, no.status, no.body))

    def join(
        self, ask: int, role: str, address: str, told: Any, name: str | None = None,
        curve: str | None = None, nonce: str | None = None,
    ) -> None:  # fmt: skip
        """*told* is the real reply, where chance picked a name and a uuid."""
        how = (nonce, name, address)
        for channel in self.channels.values():
            if nonce and not channel.ended and channel.joins.get(role, ((),))[0] == how:
                channel.touched = self.now
                return self.welcome(ask, channel, role)
        self.pay(address)
        if role == "recipient" or name in self.channels:
            channel = self.existing(name)
            self.not_closed(channel, None)
            self.room(channel, address)
            if role in channel.uuids:
                raise No(409, "occupied")
            if curve and curve != channel.curve:
                raise No(409, "curve")
            channel.addresses.add(address)
            channel.seq += 1
        else:
            alive = [c for c in self.channels.values() if not c.ended]
            if len([c for c in alive if c.opener == address]) >= self.limits.max_per_address:
                raise No(429, "too_many")
            if len(alive) >= self.limits.max_channels:
                raise No(503, "busy")
            assert told["channel"] not in self.channels
            assert name in (None, told["channel"])
            channel = Channel(
                told["channel"], curve or "x25519", self.unix_ms, self.now, {}, {}, address,
                {address},
            )  # fmt: skip
            self.channels[channel.name] = channel
        assert told["uuid"] not in self.uuids
        self.uuids.add(told["uuid"])
        channel.uuids[role] = told["uuid"]
        channel.joins[role] = (how, channel.seq)
        channel.touched = self.now
        self.news(channel)
        return self.welcome(ask, channel, role)

    def pay(self, address: str) -> None:
        full = float(self.limits.joins_per_minute)
        had, at = self.tokens.get(address, (full, 0.0))
        has = min(full, had + (self.now - at) * full / 60)
        if has < 1:
            raise No(429, "too_many")
        self.tokens[address] = (has - 1, self.now)

    def welcome(self, ask: int, channel: Channel, role: str) -> None:
        body = {
            "protocol": 1,
            "channel": channel.name,
            "uuid": channel.uuids[role],
            "role": role,
            "curve": channel.curve,
            "data": [{"kind": "tcp", "port": port} for port in self.ports],
            "seq": channel.joins[role][1],
        }
        self.out.append(("answer", ask, 200, body))

    def update(
        self, ask: int, name: str, uuid: str, address: str, act: dict[str, Any],
        since: int | None = None, wait: float = 0,
    ) -> None:  # fmt: skip
        channel = self.existing(name)
        if channel.ended and uuid in channel.uuids.values() and "close" in act:
            return self.out.append(("answer", ask, 200, channel.shown()))
        self.not_closed(channel, uuid)
        self.room(channel, address)
        role = self.role(channel, uuid)
        if "close" in act:
            self.enter(channel, address)
            self.end(channel, role, act.get("reason"))
            return self.out.append(("answer", ask, 200, channel.shown()))
        blind = role == "recipient" and "x" not in channel.values
        if not act and blind:
            if not wait:
                raise No(404, "no_x_yet")
            since = -1
        else:
            values = self.fits(channel, role, act)
            self.enter(channel, address)
            if values:
                assert not channel.values.keys() & values.keys()
                channel.values |= values
                channel.seq += 1
            channel.touched = self.now
            self.news(channel)
            since = channel.seq if since is None else since
        if not wait or (channel.seq > since and since >= 0):
            return self.out.append(("answer", ask, 200, channel.shown()))
        if role in channel.waits:
            self.unwait(channel, channel.waits[role])
        channel.waits[role] = Wait(ask, uuid, address, since, self.now + wait)
        return None

    def fits(self, channel: Channel, role: str, act: dict[str, Any]) -> dict[str, Any]:
        """The values that *act* sets anew."""
        values = {f: v for f, v in act.items() if f in OWNER}
        for f in values:
            if OWNER[f] != role:
                raise No(409, "out_of_turn")
        if act.get("curve", channel.curve) != channel.curve:
            raise No(409, "curve")
        for f in values:
            if not NEEDS[f] <= channel.values.keys():
                raise No(409, "out_of_turn")
        if all(channel.values.get(f) == v for f, v in values.items()):
            return {}
        if values.keys() & channel.values.keys():
            raise No(409, "already_set")
        return values

    # ---- waiting

    def news(self, channel: Channel) -> None:
        for role in ("sender", "recipient"):
            wait = channel.waits.get(role)
            if wait and channel.seq > wait.since and (role == "sender" or "x" in channel.values):
                self.unwait(channel, wait)

    def unwait(self, channel: Channel, wait: Wait) -> None:
        del channel.waits[self.role(channel, wait.uuid)]
        channel.touched = self.now
        self.look(channel, wait)

    def look(self, channel: Channel, wait: Wait) -> None:
        act: dict[str, Any] = {}
        self.request(
            wait.ask,
            lambda: self.update(wait.ask, channel.name, wait.uuid, wait.address, act),
        )

    def asker_left(self, ask: int) -> None:
        for channel in self.channels.values():
            for role, wait in list(channel.waits.items()):
                if wait.ask == ask:
                    del channel.waits[role]
                    channel.touched = self.now

    # ---- data connections

    def unstapled(self) -> list[Link]:
        pending = [link for c in self.channels.values() for link in c.pending.values()]
        return [*self.links.values(), *pending]

    def opened(self, number: int, index: int, address: str) -> None:
        here = self.unstapled()
        every = len(here) + 2 * len(self.staples)
        mine = len([e for e in here if e.address == address])
        unnamed = list(self.links.values())
        why = (503, "busy")
        if mine >= self.limits.max_pending_per_address:
            unnamed, why = [e for e in unnamed if e.address == address], (429, "too_many")
        elif len(here) < self.limits.max_pending_links and every < self.limits.max_links:
            why = (0, "")
        if why[0]:
            if not unnamed:
                self.send_away(number, *why)
                return
            often = [len([f for f in unnamed if f.address == e.address]) for e in unnamed]
            oldest = unnamed[often.index(max(often))]
            del self.links[oldest.number]
            self.send_away(oldest.number, *why)
        until = self.now + self.limits.handshake_timeout
        self.links[number] = Link(number, index, address, until)
        self.out.append(("take", number))

    def send_away(self, number: int, status: int, code: str) -> None:
        self.out += [("say", number, f"ERR {status} {code}\n".encode()), ("drop", number)]

    def received(self, number: int, data: bytes) -> None:
        if number not in self.links:
            return
        link = self.links[number]
        link.bytes += data
        if data and b"\n" not in link.bytes[:160] and len(link.bytes) < 160:
            self.out.append(("take", number))
            return
        del self.links[number]
        try:
            self.identify(link)
        except No as no:
            self.send_away(number, no.status, no.body["code"])

    def identify(self, link: Link) -> None:
        line = LINE.match(link.bytes)
        if not line:
            raise No(400, "malformed")
        link.bytes = link.bytes[line.end() :]
        channel, uuid = self.existing(line[1].decode()), line[2].decode()
        self.not_closed(channel, None)
        self.room(channel, link.address)
        role = self.role(channel, uuid)
        if "h_k" not in channel.values:
            raise No(409, "out_of_turn")
        self.enter(channel, link.address)
        channel.touched = self.now
        if link.index in channel.staples:
            self.out.append(("cut", *channel.staples.pop(link.index)))
        older = channel.pending.pop((link.index, role), None)
        if older:
            self.out.append(("drop", older.number))
        self.out.append(("say", link.number, b"OK\n"))
        other = channel.pending.pop((link.index, OTHER[role]), None)
        if other:
            a, b = (link, other) if role == "sender" else (other, link)
            self.out.append(("staple", a.number, b.number, b.bytes, a.bytes))
            channel.staples[link.index] = (a.number, b.number)
            self.staples.add((a.number, b.number))
            port = str(self.ports[link.index])
            channel.staplings[port] = channel.staplings.get(port, 0) + 1
            channel.seq += 1
        else:
            link.until = self.now + self.limits.idle_timeout
            channel.pending[link.index, role] = link
        self.news(channel)

    def lost(self, number: int) -> None:
        self.links.pop(number, None)
        for channel in self.channels.values():
            for key, link in list(channel.pending.items()):
                if link.number == number:
                    del channel.pending[key]
                    channel.touched = self.now

    def pair_ended(self, pair: tuple[int, int]) -> None:
        self.staples.remove(pair)
        for channel in self.channels.values():
            for index, held in list(channel.staples.items()):
                if held == pair:
                    del channel.staples[index]
                    channel.touched = self.now
