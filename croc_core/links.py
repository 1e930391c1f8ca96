"""Data connections of a relay: from the accept over the identification to the staple."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from croc_core.book import Book, LinkTimer, PairTimer, Pending, Timer
from croc_core.channel import PairStapled
from croc_core.errors import LocalProtocolError
from croc_core.identify import (
    MALFORMED,
    MAX_LINE,
    Identified,
    Refusal,
    encode_reply,
    parse_line,
)
from croc_core.judge import NO_SUCH_CHANNEL, Refused, judge_link
from croc_core.limits import counted
from croc_core.relay_io import (
    Cut,
    Drop,
    Effect,
    LinkLost,
    LinkOpened,
    LinkReceived,
    Say,
    Staple,
    Take,
)
from croc_core.timers import Timers
from croc_core.values import Moment, Role

BUSY = Refusal(503, "busy")
TOO_MANY = Refusal(429, "too_many")
TOO_SLOW = Refusal(408, "too_slow")


class _Unnamed(NamedTuple):
    """A link that has not said whose it is."""

    listener: int
    address: str
    counted: str
    """See `croc_core.limits.counted`."""
    received: bytes


class Links:
    """The links that have no channel yet, and the staples. Pending links stand in the book."""

    def __init__(self, book: Book, timers: Timers[Timer], out: list[Effect]) -> None:
        self.ports: tuple[int, ...] = ()
        self._book = book
        self._limits = book.limits
        self._timers = timers
        self._out = out
        self._unnamed: dict[int, _Unnamed] = {}
        self._pairs: dict[int, tuple[str, int]] = {}
        self._last_pair = 0

    def opened(self, event: LinkOpened, now: Moment) -> None:
        """Ask a new link for its line, or send it away where there is no room.

        Links that have not said whose they are keep no other out: the oldest of them goes first.
        """
        link = event.link
        if link in self._unnamed or link in self._book.pending:
            raise LocalProtocolError(f"link {link} is open already")
        if not 0 <= event.index < len(self.ports):
            raise LocalProtocolError(f"there is no data port number {event.index}")
        why = self._make_room(event.address)
        if why is not None:
            self._send_away(link, why)
            return
        self._book.unstapled.add(event.address)
        self._unnamed[link] = _Unnamed(event.index, event.address, counted(event.address), b"")
        self._timers.set(LinkTimer(link), now.mono + self._limits.handshake_timeout)
        self._out.append(Take(link, MAX_LINE))

    def received(self, event: LinkReceived, now: Moment) -> None:
        """Go on with a link's line."""
        if event.link in self._book.pending:
            raise LocalProtocolError(f"link {event.link} was read without Take")
        unnamed = self._unnamed.get(event.link)
        if unnamed is None:
            return  # it was dropped while this was on its way
        received = unnamed.received + event.data
        parsed = parse_line(received) if event.data else MALFORMED
        if parsed is None:
            self._unnamed[event.link] = unnamed._replace(received=received)
            self._out.append(Take(event.link, MAX_LINE - len(received)))
            return
        del self._unnamed[event.link]
        self._timers.cancel(LinkTimer(event.link))
        self._book.unstapled.drop(unnamed.address)
        if isinstance(parsed, Identified):
            self._identified(event.link, unnamed, parsed, now)
        else:
            self._send_away(event.link, parsed)

    def lost(self, event: LinkLost, now: Moment) -> None:
        """Forget a link, if it is not forgotten already."""
        unnamed = self._unnamed.pop(event.link, None)
        if unnamed is not None:
            self._timers.cancel(LinkTimer(event.link))
            self._book.unstapled.drop(unnamed.address)
        elif event.link in self._book.pending:
            self._book.unpend(event.link, now)

    def time_out(self, link: int, now: Moment) -> None:
        """Drop a link that was too slow to say whose it is, or has been pending too long."""
        unnamed = self._unnamed.pop(link, None)
        if unnamed is not None:
            self._book.unstapled.drop(unnamed.address)
            self._send_away(link, TOO_SLOW)
        else:
            self._book.unpend(link, now)
            self._out.append(Drop(link))

    def pair_ended(self, pair: int, now: Moment) -> None:
        """Free the port of a staple that has ended; its channel may be long gone."""
        name, index = self._pairs.pop(pair, ("", 0))
        self._timers.cancel(PairTimer(pair))
        local = self._book.locals.get(name)
        if local is not None and local.pairs.get(index) == pair:
            del local.pairs[index]
            local.touched = now.mono

    def pair_is_old(self, pair: int) -> None:
        """Cut a staple that has lasted for as long as one may; its end is told like any other."""
        self._out.append(Cut(pair))

    def _make_room(self, address: str) -> Refusal | None:
        """See to it that there is room for a link from *address*; say why, where there is none."""
        unstapled = self._book.unstapled
        in_all = unstapled.total + 2 * len(self._pairs)
        if unstapled[address] >= self._limits.max_pending_per_address:
            why, oldest = TOO_MANY, self._oldest(counted(address))
        elif unstapled.total >= self._limits.max_pending_links or in_all >= self._limits.max_links:
            why, oldest = BUSY, self._oldest(None)
        else:
            return None
        if oldest is None:
            return why
        self._timers.cancel(LinkTimer(oldest))
        unstapled.drop(self._unnamed.pop(oldest).address)
        self._send_away(oldest, why)
        return None

    def _oldest(self, key: str | None) -> int | None:
        """Return the oldest unnamed link of a counted address; None: of the one with the most."""
        if key is None:
            counts = Counter(unnamed.counted for unnamed in self._unnamed.values())
            key = max(counts, key=counts.__getitem__, default=None)
        return next((n for n, it in self._unnamed.items() if it.counted == key), None)

    def _send_away(self, link: int, why: Refusal) -> None:
        self._out += (Say(link, encode_reply(why)), Drop(link))

    def _identified(self, link: int, unnamed: _Unnamed, line: Identified, now: Moment) -> None:
        channel = self._book.channels.get(line.channel)
        verdict = judge_link(channel, line.uuid, unnamed.address) if channel else NO_SUCH_CHANNEL
        if isinstance(verdict, Refused):
            self._send_away(link, Refusal(verdict.status, verdict.code))
            return
        self._book.apply(line.channel, verdict.events, now)
        pending = Pending(link, unnamed.address, line.rest)
        self._book.unstapled.add(unnamed.address)
        other = self._book.pend(line.channel, (unnamed.listener, verdict.role), pending, now)
        self._timers.set(LinkTimer(link), now.mono + self._limits.idle_timeout)
        self._out.append(Say(link, encode_reply(None)))
        if other is not None:
            both = (pending, other) if verdict.role is Role.SENDER else (other, pending)
            self._staple(line.channel, unnamed.listener, *both, now)

    def _staple(self, name: str, index: int, a: Pending, b: Pending, now: Moment) -> None:
        """Join the sender's link and the recipient's: their own timers are over."""
        self._book.unpend(a.link, now)
        self._book.unpend(b.link, now)
        self._last_pair += 1
        pair = self._last_pair
        self._pairs[pair] = (name, index)
        self._book.locals[name].pairs[index] = pair
        limits = self._limits
        if limits.pair_time is not None:
            self._timers.set(PairTimer(pair), now.mono + limits.pair_time)
        staple = Staple(
            pair, a.link, b.link, b.rest, a.rest, limits.idle_timeout, limits.pair_bytes
        )
        self._out.append(staple)
        self._book.apply(name, (PairStapled(self.ports[index]),), now)
