"""The channels of one relay, and what hangs on them in this process only.

A channel is a value (`croc_core.channel`) and could live in a store that relays share. Waiters,
pending links and staples cannot travel, so they stand beside it in `Local`. Whoever changes a
channel does so through `apply`, which wakes the waiters, and a channel that is closed loses all
that hangs on it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import NamedTuple

from croc_core.channel import (
    Channel,
    Closed,
    Event,
    Expired,
    Member,
    Open,
    Stapled,
    step,
    view,
)
from croc_core.judge import Refused, judge_update
from croc_core.limits import AddressTally, Limits, Tally
from croc_core.relay_io import Answer, Cut, Drop, Effect
from croc_core.timers import Timers
from croc_core.values import Moment, Role
from croc_core.wire import Error, Joined, Look, State, encode


@dataclass(frozen=True, slots=True)
class ChannelTimer:
    """It may be time to expire the channel, or to forget its tombstone."""

    name: str


@dataclass(frozen=True, slots=True)
class AskTimer:
    """The longest wait of a request is over."""

    ask: int


@dataclass(frozen=True, slots=True)
class LinkTimer:
    """A link has not identified itself, or has been pending, for too long."""

    link: int


@dataclass(frozen=True, slots=True)
class PairTimer:
    """A staple has lasted for as long as one may."""

    pair: int


Timer = ChannelTimer | AskTimer | LinkTimer | PairTimer
"""Not tuples: those are equal wherever their numbers are, and one would cancel the other."""


class Waiter(NamedTuple):
    """A request that is held until the channel's `seq` is above `since`."""

    ask: int
    uuid: str
    address: str
    since: int


class Pending(NamedTuple):
    """A link that has identified itself and waits for the other member's."""

    link: int
    address: str
    rest: bytes
    """What came behind its line: the other member's, once stapled."""


@dataclass(slots=True)
class Local:
    """What hangs on one open channel in this process."""

    opener: Member
    touched: float
    """When a member last did something, in monotonic seconds."""
    waiters: dict[Role, Waiter] = field(default_factory=dict)
    pending: dict[tuple[int, Role], Pending] = field(default_factory=dict)
    pairs: dict[int, int] = field(default_factory=dict)
    """The live staple of each port index."""

    @property
    def busy(self) -> bool:
        """Whether somebody is connected to the channel now."""
        return bool(self.waiters or self.pending or self.pairs)


class Book:
    """Channels by name, and everything that has to change together with one of them."""

    def __init__(
        self,
        limits: Limits,
        timers: Timers[Timer],
        out: list[Effect],
        channels: MutableMapping[str, Channel],
    ) -> None:
        self.limits = limits
        self.channels = channels
        self.locals: dict[str, Local] = {}
        self.nonces: dict[tuple[str, str], str] = {}
        """The channel that a sender's join without a name opened, by nonce and address."""
        self.opened_by = AddressTally()
        self.lengths: Tally[int] = Tally()
        """How many names, of channels and tombstones, have a length."""
        self.unstapled = AddressTally()
        """How many links that are not stapled each address has."""
        self.asks: dict[int, tuple[str, Role]] = {}
        self.pending: dict[int, tuple[str, tuple[int, Role]]] = {}
        self._timers = timers
        self._out = out
        self._ages: Timers[str] = Timers()
        """When channels are too old, in Unix milliseconds: that clock may jump."""
        self._tombstones: dict[str, None] = {}

    # ---- channels

    def adopt(self, now: Moment) -> None:
        """Take in the channels that the mapping held before this relay began."""
        for channel in tuple(self.channels.values()):
            if isinstance(channel, Closed):
                self.lengths.add(len(channel.name))
                self._remember(channel, now)
            else:
                self.open(channel, now)

    def open(self, channel: Open, now: Moment) -> None:
        """Enter a channel."""
        sender = channel.sender
        self.channels[channel.name] = channel
        self.locals[channel.name] = Local(sender, now.mono)
        self.opened_by.add(sender.address)
        self.lengths.add(len(channel.name))
        if sender.nonce and not sender.named:
            self.nonces[sender.nonce, sender.address] = channel.name
        self._ages.set(channel.name, channel.opened_ms + self.limits.channel_ttl * 1000)
        self.check(channel.name, now)

    def touch(self, name: str, now: Moment) -> None:
        """Note that a member has just done something; nothing, if the channel is closed."""
        local = self.locals.get(name)
        if local is not None:
            local.touched = now.mono

    def apply(self, name: str, events: Iterable[Event], now: Moment) -> Channel:
        """Take an open channel through *events*, wake whom that concerns, and return it."""
        channel = self.channels[name]
        for event in events:
            channel = self.channels[name] = step(channel, event)
        if isinstance(channel, Closed):
            self._bury(channel, now)
        else:
            self._settle(name, now)
        return self.channels[name]

    def check(self, name: str, now: Moment) -> None:
        """Expire the channel if it has been idle for too long, else look again later.

        The tombstone of a closed channel is forgotten.
        """
        local = self.locals.get(name)
        if local is None:
            self._forget(name)
            return
        idle_at = (now.mono if local.busy else local.touched) + self.limits.idle_timeout
        if idle_at <= now.mono:
            self.apply(name, (Expired(now.unix_ms),), now)
        else:
            self._timers.set(ChannelTimer(name), idle_at)

    def expire_old(self, now: Moment) -> None:
        """Expire the channels that are too old by the Unix clock, as it stands now."""
        while (name := self._ages.pop(now.unix_ms)) is not None:
            if not isinstance(self.channels[name], Stapled):
                self.apply(name, (Expired(now.unix_ms),), now)

    def next_age(self) -> float | None:
        """When a channel will be too old, in Unix milliseconds."""
        return self._ages.next()

    def _bury(self, tombstone: Closed, now: Moment) -> None:
        """Free all that hung on a channel that has just been closed."""
        name = tombstone.name
        local = self.locals.pop(name)
        self._ages.cancel(name)
        self.opened_by.drop(local.opener.address)
        key = (local.opener.nonce or "", local.opener.address)
        if self.nonces.get(key) == name:
            del self.nonces[key]
        for waiter in local.waiters.values():
            del self.asks[waiter.ask]
            self._timers.cancel(AskTimer(waiter.ask))
            self._look(name, waiter, now)
        for pending in local.pending.values():
            self._leave(pending)
            self._out.append(Drop(pending.link))
        self._out.extend(Cut(pair) for pair in local.pairs.values())
        self._remember(tombstone, now)

    def _remember(self, tombstone: Closed, now: Moment) -> None:
        self._tombstones[tombstone.name] = None
        self._timers.set(ChannelTimer(tombstone.name), now.mono + self.limits.tombstone_ttl)
        if len(self._tombstones) > self.limits.max_tombstones:
            oldest = next(iter(self._tombstones))
            self._timers.cancel(ChannelTimer(oldest))
            self._forget(oldest)

    def _forget(self, name: str) -> None:
        del self._tombstones[name]
        del self.channels[name]
        self.lengths.drop(len(name))

    # ---- waiters

    def answer(self, ask: int, body: Joined | State) -> None:
        """Answer a request that was allowed."""
        self._out.append(Answer(ask, 200, encode(body)))

    def refuse(self, ask: int, why: Refused) -> None:
        """Answer a request with an error."""
        body = encode(Error(why.code, why.message, why.by, why.reason))
        self._out.append(Answer(ask, why.status, body, why.retry_after))

    def hold(self, name: str, role: Role, waiter: Waiter, wait: float, now: Moment) -> None:
        """Hold a member's request for *wait* seconds at most; its older one is answered now."""
        self._release(name, role, now)
        self.locals[name].waiters[role] = waiter
        self.asks[waiter.ask] = (name, role)
        self._timers.set(AskTimer(waiter.ask), now.mono + wait)

    def time_out(self, ask: int, now: Moment) -> None:
        """Answer a request that was held for as long as it asked."""
        self._release(*self.asks[ask], now)

    def asker_left(self, ask: int, now: Moment) -> None:
        """Forget a request that is held, if it is."""
        if ask in self.asks:
            self._take(*self.asks[ask], now)

    def _settle(self, name: str, now: Moment) -> None:
        """Answer the waiters of an open channel that its latest change concerns."""
        for role in tuple(self.locals[name].waiters):
            channel = self.channels[name]
            waiter = self.locals[name].waiters.get(role)
            # Before x a recipient waits for x alone.
            blind = role is Role.RECIPIENT and not hasattr(channel, "x")
            if waiter is not None and channel.seq > waiter.since and not blind:
                self._release(name, role, now)

    def _release(self, name: str, role: Role, now: Moment) -> None:
        """Answer the waiter of this role, if there is one."""
        waiter = self._take(name, role, now)
        if waiter is not None:
            self._look(name, waiter, now)

    def _take(self, name: str, role: Role, now: Moment) -> Waiter | None:
        local = self.locals[name]
        waiter = local.waiters.pop(role, None)
        if waiter is not None:
            local.touched = now.mono
            del self.asks[waiter.ask]
            self._timers.cancel(AskTimer(waiter.ask))
        return waiter

    def _look(self, name: str, waiter: Waiter, now: Moment) -> None:
        """Judge a held request as if it came now: it may be the one that lets its address in."""
        verdict = judge_update(
            self.channels[name], waiter.uuid, waiter.address, Look(), now.unix_ms
        )
        if isinstance(verdict, Refused):
            self.refuse(waiter.ask, verdict)
        else:
            self.answer(waiter.ask, view(self.apply(name, verdict.events, now)))

    # ---- pending links

    def pend(
        self, name: str, key: tuple[int, Role], pending: Pending, now: Moment
    ) -> Pending | None:
        """Let a link wait for the other member's; return that one if it is there already.

        An older link of the same member is dropped, and so is the staple that the port had.
        """
        local = self.locals[name]
        local.touched = now.mono
        index, role = key
        if index in local.pairs:
            self._out.append(Cut(local.pairs.pop(index)))
        older = local.pending.get(key)
        if older is not None:
            self.unpend(older.link, now)
            self._out.append(Drop(older.link))
        local.pending[key] = pending
        self.pending[pending.link] = (name, key)
        return local.pending.get((index, role.other))

    def unpend(self, link: int, now: Moment) -> None:
        """Let a link wait no longer."""
        name, key = self.pending[link]
        local = self.locals[name]
        local.touched = now.mono
        self._leave(local.pending.pop(key))

    def _leave(self, pending: Pending) -> None:
        del self.pending[pending.link]
        self._timers.cancel(LinkTimer(pending.link))
        self.unstapled.drop(pending.address)
