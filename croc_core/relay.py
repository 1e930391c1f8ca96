"""The relay: two people's requests and connections meet here, and it learns nothing of either.

`Relay.handle(event, now)` takes one thing that happened and says what to do; `deadline()` is when
it wants to be woken. The routes and statuses are those of docs/protocol.md, "HTTP".
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from hmac import compare_digest

from msgspec import UNSET

from croc_core.book import AskTimer, Book, LinkTimer, PairTimer, Timer, Waiter
from croc_core.channel import Channel, Closed, Member, RecipientJoined, open_channel, view
from croc_core.errors import LocalProtocolError
from croc_core.judge import (
    NO_SUCH_CHANNEL,
    NO_X_YET,
    Refused,
    is_repeated,
    judge_join,
    judge_update,
)
from croc_core.limits import Limits, Rate
from croc_core.links import Links
from croc_core.names import new_name
from croc_core.relay_io import (
    Asked,
    AskerLeft,
    Effect,
    Input,
    LinkLost,
    LinkOpened,
    LinkReceived,
    PairEnded,
)
from croc_core.timers import Timers
from croc_core.values import VERSION, Entropy, Moment, Role, Secret
from croc_core.wire import Action, DataPort, Join, Joined, Update, action_of, decode_request

DEFAULT_CURVE = "x25519"
"""The curve of a channel whose sender named none."""
NO_ROUTE = Refused(404, "no_route", "there are only /join and /channel")
METHOD = Refused(405, "method", "use POST")
TOO_LARGE = Refused(413, "too_large", "the request's body is too large")
OTHER_VERSION = Refused(426, "version", f"this relay speaks protocol {VERSION}")
TOKEN = Refused(401, "token", "this relay opens channels only for those who have its token")
TOO_MANY_JOINS = Refused(429, "too_many", "too many joins from this address, try again later")
TOO_MANY_OPEN = Refused(
    429, "too_many", "too many open channels of this address, close one", retry_after=60
)
BUSY = Refused(503, "busy", "this relay has no room for another channel now")


class Relay:
    """A relay for strangers: bounded in everything, and never in doubt whose fault it was.

    *entropy* makes names and uuids; *data_ports* are the ports that data listeners 0, 1, ... have
    (they may be set later, before the first request); with a *token*, only those who have it open
    channels. *channels* may hold channels of an earlier run or of a shared store.
    """

    finished = False
    """A relay runs until it is stopped."""

    def __init__(
        self,
        entropy: Entropy,
        limits: Limits,
        data_ports: tuple[int, ...] = (),
        token: Secret | None = None,
        channels: MutableMapping[str, Channel] | None = None,
    ) -> None:
        self.limits = limits
        self._entropy = entropy
        self._token = token
        self._out: list[Effect] = []
        self._timers: Timers[Timer] = Timers()
        self._book = Book(limits, self._timers, self._out, {} if channels is None else channels)
        self._links = Links(self._book, self._timers, self._out)
        self._rate = Rate(limits.joins_per_minute, limits.max_rated)
        self._adopted = not channels
        self._last = Moment(0.0, 0)
        self.data_ports = data_ports

    @property
    def data_ports(self) -> tuple[int, ...]:
        """The ports of the data listeners."""
        return self._links.ports

    @data_ports.setter
    def data_ports(self, ports: tuple[int, ...]) -> None:
        self._links.ports = ports
        self._data = tuple(DataPort("tcp", port) for port in ports)

    @property
    def names(self) -> int:
        """How many channels are open or remembered."""
        return len(self._book.channels)

    def deadline(self) -> float | None:
        """When to hand over `Woke`, in monotonic seconds, or None."""
        when = self._timers.next()
        age_ms = self._book.next_age()
        if age_ms is None:
            return when
        old_at = self._last.mono + (age_ms - self._last.unix_ms) / 1000
        return old_at if when is None else min(when, old_at)

    def handle(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        """Take one thing that happened; return what to do, in order.

        What is late for its deadline goes first, so that only *now* counts and not who woke us.
        Raises LocalProtocolError, with nothing changed by *event*, where it cannot have happened.
        News of a request, link or staple that has been given up meanwhile is no error.
        """
        if not self._adopted:
            self._adopted = True
            self._book.adopt(now)
        while (timer := self._timers.pop(now.mono)) is not None:
            self._time_out(timer, now)
        self._book.expire_old(now)
        self._last = now
        match event:
            case Asked():
                self._asked(event, now)
            case AskerLeft():
                self._book.asker_left(event.ask, now)
            case LinkOpened():
                self._links.opened(event, now)
            case LinkReceived():
                self._links.received(event, now)
            case LinkLost():
                self._links.lost(event, now)
            case PairEnded():
                self._links.pair_ended(event.pair, now)
            case _:
                pass  # Woke: done above
        effects = tuple(self._out)
        self._out.clear()
        return effects

    def _time_out(self, timer: Timer, now: Moment) -> None:
        match timer:
            case AskTimer():
                self._book.time_out(timer.ask, now)
            case LinkTimer():
                self._links.time_out(timer.link, now)
            case PairTimer():
                self._links.pair_is_old(timer.pair)
            case _:
                self._book.check(timer.name, now)

    # ---- requests

    def _asked(self, event: Asked, now: Moment) -> None:
        if event.ask in self._book.asks:
            raise LocalProtocolError(f"request {event.ask} is held already")
        request = self._read(event)
        why: Refused | None
        if isinstance(request, Refused):
            why = request
        elif isinstance(request, Join):
            why = self._join(event, request, now)
        else:
            why = self._update(event, *request, now)
        if why is not None:
            self._book.refuse(event.ask, why)

    def _read(self, event: Asked) -> Join | tuple[Update, Action] | Refused:
        """Check all that can be said of a request without knowing any channel."""
        if event.path not in ("/join", "/channel"):
            return NO_ROUTE
        if event.method != "POST":
            return METHOD
        if len(event.body) > self.limits.max_body:
            return TOO_LARGE
        try:
            if event.path == "/join":
                return decode_request(event.body, Join)
            update = decode_request(event.body, Update)
            return update, action_of(update)
        except ValueError as error:
            return Refused(400, "malformed", f"the request is malformed: {error}"[:256])

    def _join(self, event: Asked, join: Join, now: Moment) -> Refused | None:
        if join.protocol != VERSION:
            return OTHER_VERSION
        if join.role is Role.SENDER and not self._may_open(join):
            return TOKEN
        name = self._repeated(event, join)
        if name is None:
            delay = self._rate.take(event.address, now.mono)
            if delay:
                return TOO_MANY_JOINS._replace(retry_after=math.ceil(delay))
            taken = self._take_seat(event, join, now)
            if isinstance(taken, Refused):
                return taken
            name = taken
        self._book.touch(name, now)
        channel = self._book.channels[name]
        member: Member = getattr(channel, join.role)
        body = Joined(
            VERSION, name, member.uuid, join.role, channel.curve, self._data, member.joined_seq
        )
        self._book.answer(event.ask, body)
        return None

    def _may_open(self, join: Join) -> bool:
        if self._token is None:
            return True
        return compare_digest((join.token or "").encode(), self._token.reveal)

    def _repeated(self, event: Asked, join: Join) -> str | None:
        """Return the channel of the join that this one repeats, if it does."""
        if not join.nonce:
            return None
        name = join.channel or self._book.nonces.get((join.nonce, event.address), "")
        channel = self._book.channels.get(name)
        named = bool(join.channel)
        if channel and is_repeated(channel, join.role, join.nonce, named, event.address):
            return name
        return None

    def _take_seat(self, event: Asked, join: Join, now: Moment) -> str | Refused:
        """Take the seat that is asked for, and return the channel's name."""
        channel = self._book.channels.get(join.channel or "")
        if channel is None:
            return NO_SUCH_CHANNEL if join.role is Role.RECIPIENT else self._open(event, join, now)
        why = judge_join(channel, join.role, join.curve or None, event.address)
        if why is None:
            joined = RecipientJoined(self._uuid(), join.nonce or None, event.address)
            self._book.apply(channel.name, (joined,), now)
        return why or channel.name

    def _open(self, event: Asked, join: Join, now: Moment) -> str | Refused:
        """Open a channel for a sender, under the name that was asked for or a new one."""
        book = self._book
        if book.opened_by[event.address] >= self.limits.max_per_address:
            return TOO_MANY_OPEN
        if len(book.locals) >= self.limits.max_channels:
            return BUSY
        name = join.channel or new_name(self._entropy, book.channels, book.lengths.__getitem__)
        if name is None:
            return BUSY
        sender = Member(self._uuid(), join.nonce or None, bool(join.channel), event.address, 1)
        book.open(open_channel(name, join.curve or DEFAULT_CURVE, sender, now.unix_ms), now)
        return name

    def _uuid(self) -> str:
        return self._entropy(16).hex()

    def _update(self, event: Asked, update: Update, action: Action, now: Moment) -> Refused | None:
        book = self._book
        channel = book.channels.get(update.channel)
        if channel is None:
            return NO_SUCH_CHANNEL
        verdict = judge_update(channel, update.uuid, event.address, action, now.unix_ms)
        wait = update.wait or 0.0
        waiter = Waiter(event.ask, update.uuid, event.address, -1)
        if verdict is NO_X_YET and wait:
            book.hold(update.channel, Role.RECIPIENT, waiter, wait, now)
            return None
        if isinstance(verdict, Refused):
            return verdict
        if verdict.events:
            channel = book.apply(update.channel, verdict.events, now)
        book.touch(update.channel, now)
        since = channel.seq if update.since is UNSET else update.since
        if wait and channel.seq <= since and not isinstance(channel, Closed):
            book.hold(update.channel, verdict.role, waiter._replace(since=since), wait, now)
        else:
            book.answer(event.ask, view(channel))
        return None
