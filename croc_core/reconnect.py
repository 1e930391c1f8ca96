"""When a data connection is lost: what is kept, and how both sides come back.

docs/protocol.md, 9.1. The states, events and rows here stand in both tables. `AskingWhy` asks the
relay whether the channel lives: then the way leads to `Identifying`, as on the first dial. Where it
does not, the two meet again on a channel that nobody else knows of (`sender_rejoin.py`,
`recipient_rejoin.py`).
"""

from __future__ import annotations

import math
from typing import Any

from msgspec.structs import replace

from croc_core.content import Totals
from croc_core.errors import Failure
from croc_core.events import Waiting
from croc_core.handshake import Session
from croc_core.party import (
    LINK,
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    Ending,
    Leaving,
    LinkLost,
    Seat,
    Step,
    TimedOut,
    endings,
    fail,
    hangs,
    leave,
)
from croc_core.party_io import Effect, Post, Show
from croc_core.table import Row, row
from croc_core.values import Reason, Secret, Value

AGAIN = 2.0
"""Pause before the next try where one has failed already, in seconds."""
FOREVER = math.inf
EVERYTHING = 1 << 128
"""More bytes than any offer has."""


class Bond(Value, frozen=True):
    """What outlives a data connection. Each side leaves the other's fields alone."""

    seat: Seat
    session: Session
    first: Session
    """Of the run's first handshake: where channels to meet again on come from."""
    n: int = 0
    """The last channel to meet again on that was opened (sender) or had its X (recipient)."""
    until: float = FOREVER
    """When a loss that nothing has made good must have ended, in monotonic seconds."""
    met: bool = False
    """Whether the two ever had a data connection."""
    verified: bool = False
    """Whether the words need not be shown any more."""
    staplings: tuple[int, ...] = ()
    """How often each data port was stapled, as the relay said before the dial."""
    tid: bytes = b""
    """Of the offer that was accepted; empty before that."""
    connections: int = 1
    """For that offer."""
    vn: Secret = Secret(b"")
    """The sender's."""
    wanted: int = EVERYTHING
    """The sender's: the bytes of the last `Want`."""
    sent: bool = False
    """The sender's: everything was sent once, and may be received."""
    totals: Totals = Totals(0, 0, 0)
    """The recipient's: of what was accepted."""
    accepted: bool = False
    """The sender's: an earlier offer was accepted, so that accepting is no progress any more."""


def stapled(seat: Seat, staplings: dict[str, int]) -> tuple[int, ...]:
    """How often each port of *seat* was stapled."""
    return tuple(staplings.get(str(port), 0) for port in seat.ports)


def met(bond: Bond) -> Bond:
    """The two have each other's hello; the first time ends what came before."""
    return bond if bond.met else replace(bond, met=True, until=FOREVER)


# ---- states


class Away(Value, frozen=True):
    """Base of the states that keep a bond and have no data connection."""

    bond: Bond

    @property
    def seat(self) -> Seat:
        """Where to close the channel."""
        return self.bond.seat

    @property
    def lasting(self) -> Bond:
        """What of the bond outlives the loss of a data connection."""
        return self.bond

    @property
    def until(self) -> float:
        """The end of every wait, in monotonic seconds."""
        return self.bond.until

    @property
    def up(self) -> tuple[int, ...]:
        """The data connections that are to be hung up."""
        return ()


class Linked(Away, frozen=True):
    """Base of the states that have data connection 0."""

    @property
    def up(self) -> tuple[int, ...]:
        """The data connections that are to be hung up."""
        return (LINK,)


class AskingWhy(Away, frozen=True):
    """A data connection broke: the relay is asked whether the channel lives."""

    failure: Failure
    """What to say if nobody knows more."""
    again: bool
    """Whether to connect again."""


class Identifying(Linked, frozen=True):
    """Steps 11 and 13: the TCP port has been dialled."""


class Greeting(Linked, frozen=True):
    """Our hello is out; the other side's is awaited."""

    hello: bytes
    by: float
    """When the other side must be here, in monotonic seconds."""

    @property
    def until(self) -> float:
        """The end of the wait, in monotonic seconds."""
        return min(self.by, self.bond.until)


# ---- events


class ChannelLives(Value, frozen=True):
    """The relay knows of no close: the other side is just not there."""


class ChannelBack(Value, frozen=True):
    """The channel lives, so both can dial again."""

    staplings: tuple[int, ...]


class StillAway(Value, frozen=True):
    """The relay does not answer, or makes no sense: it is asked again."""

    failure: Failure


class MeetAgain(Value, frozen=True):
    """The channel is gone, or the other side does not come there: another one, number `n`."""

    failure: Failure
    """What to say if that comes to nothing."""
    n: int
    request: Post
    until: float = 0.0
    """When to have given up, in monotonic seconds."""


class Recovered(Value, frozen=True):
    """The first bytes of files since a loss."""


class Unsure(Ending, frozen=True):
    """Any failure once everything was sent: it may have arrived."""


# ---- actions


def lose(state: Any, event: LinkLost) -> Step:
    """Hang up every connection; ask the relay whether the channel lives."""
    bond = replace(state.lasting, until=event.until)
    told = (Show(Waiting("the connection to come back")),) * event.tell
    asking = AskingWhy(bond, event.failure, event.again)
    return asking, (*hangs(state), *told, bond.seat.post(after=event.after))


def ask_why_again(state: AskingWhy, event: StillAway) -> Step:
    """Ask the relay once more, after a while."""
    return replace(state, failure=event.failure), (state.seat.post(after=AGAIN),)


def redial(state: AskingWhy, event: ChannelBack) -> Step:
    """Dial the same port of the same channel anew."""
    bond = replace(state.bond, staplings=event.staplings)
    return Identifying(bond), (bond.seat.dial(),)


def give_up(state: AskingWhy, _: ChannelLives) -> Step:
    """Nobody knows why; close the channel."""
    return Leaving(state.failure), (state.seat.post(close=True, reason=Reason.FAILED),)


def go_on(state: Any, _: Recovered) -> Step:
    """The loss is made good."""
    return replace(state, bond=replace(state.bond, until=FOREVER)), ()


AWAY_ROWS: tuple[Row[Effect], ...] = (
    row(AskingWhy, ChannelBack, Identifying, redial),
    row(AskingWhy, StillAway, AskingWhy, ask_why_again),
    row(AskingWhy, ChannelLives, Leaving, give_up),
    *endings(AskingWhy, leave, TimedOut, CalledOff),
    *endings(AskingWhy, fail, ClosedByPeer, ChannelGone),
)
"""Asking the relay, in both tables."""


def lost(*states: type[Any]) -> tuple[Row[Effect], ...]:
    """A row for the loss of a data connection in each of *states*."""
    return tuple(row(state, LinkLost, AskingWhy, lose) for state in states)
