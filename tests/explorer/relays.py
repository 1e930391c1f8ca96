"""The real relay as a value: copied, stepped, and named by all that it holds."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from croc_core.book import AskTimer, Book, ChannelTimer, LinkTimer, Local
from croc_core.channel import Channel, Closed, Stapled
from croc_core.limits import Limits, Tally
from croc_core.links import Links
from croc_core.relay import Relay
from croc_core.relay_io import (
    Answer,
    Asked,
    Cut,
    Drop,
    Effect,
    Input,
    PairEnded,
    Say,
    Staple,
    Woke,
)
from croc_core.timers import Timers
from tests.explorer.world import (
    ASK,
    CHANNEL,
    NOW,
    PORTS,
    Answered,
    CutOff,
    Delivery,
    Dropped,
    Joined,
    Said,
    owner,
)

LIMITS = Limits(joins_per_minute=1_000_000)
LONG_AGO = -1e9
Staples = tuple[tuple[str, int], ...]
EVERYBODY = -1
_RELAY = {
    "limits", "_entropy", "_token", "_out", "_timers", "_book", "_links", "_rate", "_adopted",
    "_last", "_data",
}  # fmt: skip
_BOOK = {
    "limits", "channels", "locals", "nonces", "opened_by", "lengths", "unstapled", "asks",
    "pending", "_timers", "_out", "_ages", "_tombstones",
}  # fmt: skip
_LINKS = {"ports", "_book", "_limits", "_timers", "_out", "_unnamed", "_pairs", "_last_pair"}


class Draws:
    """The relay's chance: every draw is another one."""

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def __call__(self, length: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(length, "big")


class Node(NamedTuple):
    """A relay that is never stepped itself, only its copies."""

    relay: Relay
    staples: tuple[tuple[str, int], ...] = ()
    """How many times it has stapled two connections of each channel that is open."""

    @property
    def channel(self) -> Channel | None:
        return self.relay._book.channels.get(CHANNEL)

    @property
    def book(self) -> Book:
        return self.relay._book

    @property
    def links(self) -> Links:
        return self.relay._links


def fresh(draws: int = 0) -> Node:
    """A relay that has just been started."""
    return Node(Relay(Draws(draws), LIMITS, PORTS))


def _draws(relay: Relay) -> int:
    entropy = relay._entropy
    assert isinstance(entropy, Draws)
    return entropy.count


def restarted(node: Node) -> Node:
    """The relay after its process has been started anew; its chance goes on."""
    return fresh(_draws(node.relay))


def _copy_timers(old: Timers[Any], new: Timers[Any]) -> None:
    new._heap = list(old._heap)
    new._live = dict(old._live)
    new._number = itertools.count(max((entry[1] for entry in old._heap), default=0) + 1)


def _copy_tally(old: Tally[Any], new: Tally[Any]) -> None:
    new._counts, new.total = dict(old._counts), old.total


def copy(relay: Relay) -> Relay:
    """An independent copy."""
    new = Relay(Draws(_draws(relay)), relay.limits, PORTS)
    # A field that is not copied here would make two relays share it.
    assert (set(vars(new)), set(vars(new._book)), set(vars(new._links))) == (_RELAY, _BOOK, _LINKS)
    new._adopted, new._last = relay._adopted, relay._last
    new._rate._full_at = dict(relay._rate._full_at)
    _copy_timers(relay._timers, new._timers)
    book, old = new._book, relay._book
    book.channels.update(old.channels)
    book.locals = {
        name: Local(it.opener, it.touched, dict(it.waiters), dict(it.pending), dict(it.pairs))
        for name, it in old.locals.items()
    }
    book.nonces, book.asks = dict(old.nonces), dict(old.asks)
    book.pending, book._tombstones = dict(old.pending), dict(old._tombstones)
    for name in ("opened_by", "lengths", "unstapled"):
        _copy_tally(getattr(old, name), getattr(book, name))
    _copy_timers(old._ages, book._ages)
    links = new._links
    links._unnamed, links._pairs = dict(relay._links._unnamed), dict(relay._links._pairs)
    links._last_pair = relay._links._last_pair
    return new


def name_of(node: Node) -> tuple[Any, ...]:
    """All that the relay holds, as one hashable value; two relays of one name act alike."""
    relay, book, links = node.relay, node.book, node.links
    return (
        tuple(sorted(book.channels.items())),
        tuple(
            (
                name,
                local.opener,
                frozenset(local.waiters.items()),
                frozenset(local.pending.items()),
                frozenset(local.pairs.items()),
            )
            for name, local in sorted(book.locals.items())
        ),
        frozenset(book.nonces.items()),
        frozenset(book.asks.items()),
        frozenset(book.pending.items()),
        tuple(book._tombstones),
        tuple(frozenset(t._counts.items()) for t in (book.opened_by, book.lengths, book.unstapled)),
        frozenset(book._ages._live),
        frozenset(relay._timers._live),
        frozenset(links._unnamed.items()),
        frozenset(links._pairs.items()),
        links._last_pair,
        _draws(relay),
        node.staples,
    )


def act(
    node: Node, inputs: tuple[Input, ...], fresh_pairs: bool
) -> tuple[Node, tuple[Effect, ...]]:
    """What the relay is after *inputs*, and what it wants done."""
    return _act(copy(node.relay), node.staples, inputs, fresh_pairs)


def _act(
    relay: Relay, staples: Staples, inputs: tuple[Input, ...], fresh_pairs: bool
) -> tuple[Node, tuple[Effect, ...]]:
    effects: list[Effect] = []
    counts = dict(staples)
    for event in inputs:
        if not fresh_pairs:  # the lowest number that is free will do: numbers are only names
            links = relay._links
            free = next(n for n in itertools.count(1) if n not in links._pairs)
            links._last_pair = free - 1
        for effect in relay.handle(event, NOW):
            effects.append(effect)
            if isinstance(effect, Staple):
                name = relay._links._pairs[effect.pair][0]
                counts[name] = counts.get(name, 0) + 1
            if isinstance(effect, Cut):  # the hands report the end of what they cut
                assert not relay.handle(PairEnded(effect.pair), NOW)
    if not fresh_pairs:
        relay._links._last_pair = 0
    open_ones = {n for n, c in relay._book.channels.items() if not isinstance(c, Closed)}
    left = tuple(sorted((name, count) for name, count in counts.items() if name in open_ones))
    return Node(relay, left), tuple(effects)


def deliveries(effects: tuple[Effect, ...]) -> tuple[tuple[int, Delivery], ...]:
    """Who hears what of it."""
    found: list[tuple[int, Delivery]] = []
    for effect in effects:
        match effect:
            case Answer(ask, status, body):
                if ask in ASK:
                    found.append((ASK.index(ask), Answered(status, body)))
            case Say(link, data):
                found.append((owner(link), Said(link, data)))
            case Drop(link):
                found.append((owner(link), Dropped(link)))
            case Staple(pair, a, b):
                found += [(owner(a), Joined(a, pair)), (owner(b), Joined(b, pair))]
            case Cut(pair):
                found.append((EVERYBODY, CutOff(pair)))
    return tuple(found)


def overdue(node: Node) -> list[tuple[str, bool, Node, tuple[Effect, ...]]]:
    """What the relay's deadlines do: (what, whether it is only a wait, after, effects)."""
    found = []
    for timer in sorted(node.relay._timers._live, key=repr):
        relay = copy(node.relay)
        waits = True
        match timer:
            case AskTimer(ask):
                what = f"the wait of request {ask} is over"
            case LinkTimer(link):
                what = f"connection {link} has waited too long"
            case ChannelTimer(name):
                waits = False
                local = relay._book.locals.get(name)
                if local is None:
                    what = "the relay forgets the channel's tombstone"
                elif local.busy:
                    continue
                else:
                    local.touched = LONG_AGO
                    what = "the channel has been idle for too long"
        relay._timers.set(timer, NOW.mono)
        found.append((what, waits, *_act(relay, node.staples, (Woke(),), False)))
    for name, channel in sorted(node.book.channels.items()):
        if not isinstance(channel, Closed | Stapled):
            relay = copy(node.relay)
            relay._book._ages.set(name, NOW.mono)
            after = _act(relay, node.staples, (Woke(),), False)
            found.append(("the channel is too old", False, *after))
    return found


def request(ask: int, path: str, body: bytes, address: str, method: str = "POST") -> Asked:
    """A request as the relay sees it."""
    return Asked(ask, method, path, body, address)
