"""Further data connections of a transfer (docs/protocol.md, 9.2): what both tables share."""

from __future__ import annotations

import enum
from typing import Any

from msgspec.structs import replace

from croc_core.messages import MAX_CONNECTIONS
from croc_core.party import LINK, Seat, Step, peer_hello_length, secure
from croc_core.party_io import Effect, Greet, Hang, Secure
from croc_core.reconnect import Bond, Linked
from croc_core.values import Role, Value


class Stage(enum.IntEnum):
    """How far a further connection is."""

    DIALLED = 0
    GREETING = 1
    BUSY = 2
    """Both hellos are there: pieces may pass."""
    OVER = 3
    """The sender's: all has gone out, and the direction is closed."""
    GONE = 4
    """Hung up."""


class Leg(Value, frozen=True):
    """One further connection."""

    stage: Stage = Stage.DIALLED
    hello: bytes = b""
    """Ours, once the relay has taken our identification."""


Legs = tuple[Leg, ...]
"""Connection i is the one at i - 1."""


class Legged(Linked, frozen=True):
    """Base of the states that may have further connections."""

    legs: Legs

    @property
    def up(self) -> tuple[int, ...]:
        """The data connections that are to be hung up."""
        further = (i for i, leg in enumerate(self.legs, 1) if leg.stage is not Stage.GONE)
        return LINK, *further


class LegTaken(Value, frozen=True):
    """The relay has taken our identification on a further connection."""

    connection: int
    hello: bytes


class LegGreeted(Value, frozen=True):
    """The other side's hello on a further connection is what it must be."""

    connection: int
    theirs: bytes


class LegRefused(Value, frozen=True):
    """The relay has no room for a further connection, and there are others."""

    connection: int


class LegEnded(Value, frozen=True):
    """The recipient's: a further connection has ended as it should; others are still up."""

    connection: int


def connections(streams: int, seat: Seat) -> int:
    """How many connections a side uses that would like to send data over *streams* of them."""
    most = min(streams + 1, len(seat.ports), MAX_CONNECTIONS)
    return most if most > 2 else 1  # connection 0 carries no pieces beside others


def legs(bond: Bond) -> tuple[Legs, tuple[Effect, ...]]:
    """The further connections of *bond*, just dialled; and the dials."""
    count = min(bond.connections, len(bond.seat.ports))
    return (Leg(),) * (count - 1), tuple(bond.seat.dial(i) for i in range(1, count))


def with_leg(legs: Legs, connection: int, leg: Leg) -> Legs:
    """*legs* with another one for *connection*."""
    return *legs[: connection - 1], leg, *legs[connection:]


def greet_leg(state: Any, event: LegTaken, mine: Role) -> Step:
    """Greet on a further connection."""
    made = with_leg(state.legs, event.connection, Leg(Stage.GREETING, event.hello))
    greet = Greet(event.connection, event.hello, peer_hello_length(mine))
    return replace(state, legs=made), (greet,)


def secure_leg(state: Any, event: LegGreeted, mine: Role) -> tuple[Any, Secure]:
    """Both hellos are there: the connection has keys of its own."""
    number, bond = event.connection, state.bond
    ours = state.legs[number - 1].hello
    keys = secure(bond.session, mine, ours, event.theirs, number, bond.tid)
    made = with_leg(state.legs, number, Leg(Stage.BUSY, ours))
    return replace(state, legs=made), keys


def drop_leg(state: Any, event: LegRefused | LegEnded) -> Step:
    """Hang it up; the others go on."""
    made = with_leg(state.legs, event.connection, Leg(Stage.GONE))
    return replace(state, legs=made), (Hang(event.connection),)
