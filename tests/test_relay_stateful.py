"""The relay beside its model: whatever people, links and clocks do, both say the same."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from croc_core.channel import Closed
from croc_core.limits import Limits
from croc_core.relay import Relay
from croc_core.relay_io import (
    Answer,
    Asked,
    AskerLeft,
    Cut,
    Drop,
    Effect,
    Input,
    LinkLost,
    LinkOpened,
    LinkReceived,
    PairEnded,
    Say,
    Staple,
    Take,
    Woke,
)
from croc_core.values import Moment
from tests.relay_model import Channel, Model

LIMITS = Limits(
    handshake_timeout=4,
    channel_ttl=90,
    idle_timeout=20,
    max_channels=4,
    max_per_address=3,
    joins_per_minute=30,
    max_links=24,
    max_pending_links=8,
    max_pending_per_address=5,
    tombstone_ttl=30,
)
PORTS = (9010, 9011)
HOSTS = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
NONCES = (None, None, "a" * 32, "b" * 32)
hosts = st.sampled_from(HOSTS)
homes = st.sampled_from([True, True, True, False])
roles = st.sampled_from(["sender", "recipient"])
picks = st.integers(0, 63)
waits = st.sampled_from([0, 0, 3, 25])
sinces = st.sampled_from([None, -1, 0, 1])
acts = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"x": st.sampled_from(["xx", "x1"])}),
    st.sampled_from([{"x": "xx", "curve": "x25519"}, {"x": "xx", "curve": "p256"}]),
    st.fixed_dictionaries({"y": st.sampled_from(["yy", "y1"]), "hh_k": st.just("hh")}),
    st.fixed_dictionaries({"h_k": st.sampled_from(["kk", "k1"])}),
    st.sampled_from([{"close": True}, {"close": True, "reason": "failed"}]),
)


STEPS: list[tuple[str, dict[str, Any]]] = [
    ("sender", {"x": "xx"}),
    ("recipient", {"y": "yy", "hh_k": "hh"}),
    ("sender", {"h_k": "kk"}),
]


def by_subject(effects: list[tuple[Any, ...]]) -> dict[Any, list[tuple[Any, ...]]]:
    """The order counts for one request or link, not between them."""
    found = defaultdict(list)
    for effect in effects:
        of = "ask" if effect[0] == "answer" else "link"
        for number in effect[1:3] if effect[0] in ("staple", "cut") else effect[1:2]:
            found[of, number].append(effect)
    return found


class RelayBesideModel(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32 - 1), unix_ms=st.integers(0, 10**7))
    def begin(self, seed: int, unix_ms: int) -> None:
        self.relay = Relay(random.Random(seed).randbytes, LIMITS, PORTS)
        self.model = Model(LIMITS, PORTS)
        self.mono = 100.0
        self.unix_ms = unix_ms
        self.numbers = 0
        self.people: list[tuple[str, str, str, str]] = []
        """(name, uuid, role, address) of everyone who ever joined."""
        self.links: list[int] = []
        self.pairs: dict[int, tuple[int, int]] = {}
        self.seen: dict[tuple[str, str], dict[str, Any]] = {}

    # ---- driving both

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def handle(self, event: Input) -> list[tuple[Any, ...]]:
        now = Moment(self.mono, self.unix_ms)
        self.model.clock(*now)
        effects = [self.told(e) for e in self.relay.handle(event, now)]
        deadline = self.relay.deadline()
        assert deadline is None or deadline > self.mono
        return effects

    def told(self, effect: Effect) -> tuple[Any, ...]:
        match effect:
            case Answer():
                body = json.loads(effect.body)
                body.pop("message", None)
                assert (effect.retry_after is not None) == (effect.status == 429)
                return ("answer", effect.ask, effect.status, body)
            case Take():
                assert 0 < effect.limit <= 160
                return ("take", effect.link)
            case Say():
                return ("say", effect.link, effect.data)
            case Drop():
                return ("drop", effect.link)
            case Staple():
                self.pairs[effect.pair] = (effect.a, effect.b)
                return ("staple", effect.a, effect.b, effect.to_a, effect.to_b)
            case Cut():
                return ("cut", *self.pairs[effect.pair])

    def same(self, effects: list[tuple[Any, ...]]) -> None:
        assert by_subject(effects) == by_subject(self.model.out)

    def post(self, address: str, path: str, body: dict[str, Any]) -> list[tuple[Any, ...]]:
        data = json.dumps({f: v for f, v in body.items() if v is not None}).encode()
        return self.handle(Asked(self.numbers, "POST", path, data, address))

    # ---- people

    def person(self, pick: int) -> tuple[str, str, str, str]:
        """Pick somebody who joined, or a stranger who knows a name."""
        if pick == 63:
            return (self.people[-1][0], "f" * 32, "sender", HOSTS[0])
        return self.people[-1 - pick % len(self.people)]

    def do_join(self, role: str, host: str, **more: Any) -> None:
        ask = self.number()
        effects = self.post(host, "/join", {"role": role, **more})
        reply = next(e for e in effects if e[:2] == ("answer", ask))
        name, curve, nonce = (more.get(f) for f in ("channel", "curve", "nonce"))
        self.model.request(
            ask, lambda: self.model.join(ask, role, host, reply[3], name, curve, nonce)
        )
        self.same(effects)
        if reply[2] == 200:
            person = (reply[3]["channel"], reply[3]["uuid"], role, host)
            if person not in self.people:
                self.people.append(person)

    @rule(
        role=roles, host=hosts, pick=picks, nonce=st.sampled_from(NONCES),
        curve=st.sampled_from([None, None, "x25519", "p256"]),
    )  # fmt: skip
    def join(self, role: str, host: str, pick: int, nonce: str | None, curve: str | None) -> None:
        names = ["a", "b", *(p[0] for p in self.people)]
        name = names[pick % len(names)]
        if role == "sender" and pick % 3 == 0:
            self.do_join(role, host, curve=curve, nonce=nonce)
        else:
            self.do_join(role, host, channel=name, curve=curve, nonce=nonce)

    def do_update(
        self, person: tuple[str, str, str, str], host: str, act: dict[str, Any],
        since: int | None = None, wait: float = 0,
    ) -> None:  # fmt: skip
        ask = self.number()
        name, uuid = person[:2]
        body = {"channel": name, "uuid": uuid, **act, "since": since, "wait": wait or None}
        effects = self.post(host, "/channel", body)
        self.model.request(ask, lambda: self.model.update(ask, name, uuid, host, act, since, wait))
        self.same(effects)
        for effect in effects:
            if effect[0] == "answer" and effect[2] == 200:
                self.keeps_values(effect[3])

    def keeps_values(self, state: dict[str, Any]) -> None:
        """No value is ever seen to be another one than before in the life of its channel."""
        key = (state["channel"], next(p[1] for p in self.people[::-1] if p[0] == state["channel"]))
        held = self.seen.setdefault(key, {})
        for f in ("x", "y", "hh_k", "h_k"):
            if state[f] is not None:
                assert held.setdefault(f, state[f]) == state[f]

    @precondition(lambda self: self.people)
    @rule(pick=picks, home=homes, host=hosts, act=acts, since=sinces, wait=waits)
    def update(
        self, pick: int, home: bool, host: str, act: dict[str, Any], since: int | None, wait: int
    ) -> None:
        person = self.person(pick)
        channel = self.model.channels.get(person[0])
        if since is not None:
            since = max(0, since + (channel.seq if channel else 0))
        self.do_update(person, person[3] if home else host, act, since, wait)

    @precondition(lambda self: self.people)
    @rule(pick=picks, newer=sinces, act=st.just({}))
    def wait_for_news(self, pick: int, newer: int | None, act: dict[str, Any]) -> None:
        self.update(pick, True, "", act, newer, 25)

    @rule(pick=picks, steps=st.integers(1, 6))
    def progress(self, pick: int, steps: int) -> None:
        """Do what comes next on some channel, so that late states are common."""
        for _ in range(steps):
            channels = [c for c in self.model.channels.values() if not c.ended]
            if not channels:
                self.do_join("sender", HOSTS[pick % 2])
            else:
                self.do_next(channels[pick % len(channels)], pick)

    def do_next(self, channel: Channel, pick: int) -> None:
        people = {p[2]: p for p in self.people if p[1] in channel.uuids.values()}
        if "recipient" not in people:
            self.do_join("recipient", HOSTS[pick % 2], channel=channel.name)
            return
        for role, act in STEPS:
            if not act.keys() & channel.values.keys():
                self.do_update(people[role], people[role][3], act)
                return
        for role in ("sender", "recipient"):
            self.do_link(people[role], people[role][3], pick % 2, role.encode())

    @rule(pick=picks)
    def leave(self, pick: int) -> None:
        effects = self.handle(AskerLeft(self.numbers - pick % 4))
        self.model.asker_left(self.numbers - pick % 4)
        self.same(effects)

    # ---- data connections

    def open_link(self, host: str, index: int) -> int:
        link = self.number()
        self.links.append(link)
        effects = self.handle(LinkOpened(link, index, host))
        self.model.opened(link, index, host)
        self.same(effects)
        return link

    def do_link(
        self, person: tuple[str, str, str, str], host: str, index: int, rest: bytes, cut: int = 0
    ) -> None:
        link = self.open_link(host, index)
        line = f"CROC/1 {person[0]} {person[1]}\n".encode() + rest
        if cut:
            self.do_receive(link, line[:cut])
            self.do_receive(link, line[cut:])
        else:
            self.do_receive(link, line)

    def do_receive(self, link: int, data: bytes) -> None:
        effects = self.handle(LinkReceived(link, data))
        self.model.received(link, data)
        self.same(effects)

    @precondition(lambda self: self.people)
    @rule(
        pick=picks, home=homes, host=hosts, index=st.integers(0, 1),
        rest=st.binary(max_size=5), cut=st.integers(0, 40),
    )  # fmt: skip
    def identify(self, pick: int, home: bool, host: str, index: int, rest: bytes, cut: int) -> None:
        person = self.person(pick)
        if pick % 8 == 7:
            odd = [b"", b"GET / HTTP/1.1\r\n", b"C" * 160, b"CROC/1", b"C" * 159]
            link = self.open_link(host, index)
            self.do_receive(link, odd[cut % len(odd)])
        else:
            self.do_link(person, person[3] if home else host, index, rest, cut)

    @precondition(lambda self: self.links)
    @rule(pick=picks)
    def lose(self, pick: int) -> None:
        link = self.links[-1 - pick % len(self.links)]
        if any(link in pair for pair in self.model.staples):
            return
        effects = self.handle(LinkLost(link))
        self.model.lost(link)
        self.same(effects)

    @precondition(lambda self: self.pairs)
    @rule(pick=picks)
    def end_pair(self, pick: int) -> None:
        number = sorted(self.pairs)[-1 - pick % len(self.pairs)]
        links = self.pairs.pop(number)
        effects = self.handle(PairEnded(number))
        self.model.pair_ended(links)
        self.same(effects)

    # ---- time

    @rule(
        seconds=st.sampled_from([0.0, 0.5, 1.0, 4.0, 19.0, 20.0, 40.0]),
        jump_ms=st.sampled_from([None, None, None, -(10**8), -1, 60_000, 100_000]),
    )
    def tick(self, seconds: float, jump_ms: int | None) -> None:
        """Time goes on; the Unix clock may go its own way."""
        self.mono += seconds
        self.unix_ms += int(seconds * 1000) if jump_ms is None else jump_ms
        self.same(self.handle(Woke()))

    @rule()
    def sleep(self) -> None:
        """Sleep for as long as the relay lets us."""
        deadline = self.relay.deadline()
        if deadline is not None:
            self.unix_ms += int((deadline - self.mono) * 1000)
            self.mono = deadline
            self.same(self.handle(Woke()))

    # ---- always

    @invariant()
    def bounded(self) -> None:
        if not hasattr(self, "relay"):
            return
        book = self.relay._book
        alive = {c.name for c in self.model.channels.values() if not c.ended}
        assert book.locals.keys() == alive
        assert book.channels.keys() == self.model.channels.keys()
        for channel in book.channels.values():
            if not isinstance(channel, Closed):
                assert set(channel.addresses) == self.model.channels[channel.name].addresses
                assert channel.seq == self.model.channels[channel.name].seq
        assert book.asks.keys() == {
            w.ask for c in self.model.channels.values() for w in c.waits.values()
        }
        assert book.unstapled.total == len(self.model.unstapled())
        assert book.opened_by.total == len(alive)
        assert book.lengths.total == len(self.model.channels)
        assert len(book.nonces) <= len(alive)
        timers = len(book.channels) + len(book.asks) + book.unstapled.total
        assert len(self.relay._timers) == timers


RelayBesideModel.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestRelayBesideModel = RelayBesideModel.TestCase
