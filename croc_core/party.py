"""What the sender and the recipient share: their seat and their ways to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import msgspec

from croc_core import wire
from croc_core.errors import Failure
from croc_core.handshake import HELLO_LENGTH, Session, hello, stream_key
from croc_core.identify import encode_line
from croc_core.messages import Problem
from croc_core.party_io import Dial, Effect, Hang, Post, Secure, Speak
from croc_core.table import Row, row
from croc_core.values import Entropy, Reason, Role, Value

POLL = wire.MAX_WAIT
"""How long a long poll may take, in seconds."""
RETRY = 0.5
"""Pause before a request that got no answer is sent again, in seconds."""
BUSY = 64
"""A channel that has changed more often than this before the data is asked for with a pause."""
WORD = 0.5
"""How much earlier the last word over a data connection is sent than the close, in seconds."""
LINK = 0
"""The data connection that carries everything but further pieces."""

Step = tuple[Any, tuple[Effect, ...]]


class Patience(NamedTuple):
    """Longest waits, in seconds."""

    request: float = 30.0
    """For the relay's answer, retries included; a long poll may take `POLL` longer."""
    meeting: float = 86400.0
    """For the other person to join, in all."""
    staple: float = 120.0
    """For the other side's TCP connection where a loss is not made good."""
    progress: float = 60.0
    """On a data connection without a byte."""
    person: float = 3600.0
    """For the person's decision."""
    parting: float = 3.0
    """For the relay to take note of the end."""
    farewell: float = 5.0
    """For the sender to hang up after the receipt (docs/protocol.md, "Order of the end")."""
    redial: float = 15.0
    """For the other side's TCP connection where a loss is made good: then both meet elsewhere."""
    reconnect: float = 600.0
    """For a lost connection to come back and go on, in all; 0: it is not tried."""


# ---- values that states carry


class Seat(Value, frozen=True):
    """Our place in a channel."""

    channel: str
    uuid: str
    ports: tuple[int, ...]
    """Of the data connections, by their number."""

    def dial(self, connection: int = LINK) -> Dial:
        """Connect to the port of *connection* and identify."""
        return Dial(connection, self.ports[connection], encode_line(self.channel, self.uuid))

    def post(self, *, since: int | None = None, after: float = 0.0, **changes: str | bool) -> Post:
        """The request that makes *changes*, or with *since* waits for news."""
        waiting = since is not None
        body = wire.Update(
            self.channel,
            self.uuid,
            **changes,  # type: ignore[arg-type]
            since=since if since is not None else msgspec.UNSET,
            wait=POLL if waiting else msgspec.UNSET,
        )
        return Post("/channel", wire.encode(body), after, POLL if waiting else 0.0)


class StreamKeys(Value, frozen=True):
    """The keys of one direction of one connection, by their number g."""

    hidden = (
        "session",
        "hello_s",
        "hello_r",
    )

    session: Session
    direction: Role
    connection: int
    hello_s: bytes
    hello_r: bytes
    transfer: bytes = b""

    def __call__(self, g: int) -> bytes:
        """Return the 32-byte key number *g*."""
        return stream_key(
            self.session,
            self.direction,
            self.connection,
            self.hello_s,
            self.hello_r,
            self.transfer,
            g,
        )


def secure(
    session: Session,
    mine: Role,
    ours: bytes,
    theirs: bytes,
    connection: int = LINK,
    transfer: bytes = b"",
) -> Secure:
    """The effect that begins sealed records once both hellos are known."""
    hellos = (ours, theirs) if mine is Role.SENDER else (theirs, ours)
    return Secure(
        connection,
        session.aead,
        StreamKeys(session, mine, connection, *hellos, transfer),
        StreamKeys(session, mine.other, connection, *hellos, transfer),
    )


def pause(before: int, seq: int) -> float:
    """How long to wait before the next question: no time for news, but not without end."""
    return 0.0 if before < seq <= BUSY else RETRY


def own_hello(mine: Role, entropy: Entropy, connection: int = LINK) -> bytes:
    """A fresh hello; drawn only once its dial has been answered."""
    return hello(mine, connection, entropy(32))


def peer_hello_length(mine: Role) -> int:
    """How many bytes the other side's hello has."""
    return HELLO_LENGTH[mine.other]


# ---- states of the end, in both tables


class Leaving(Value, frozen=True):
    """The channel is being closed; the outcome stands."""

    failure: Failure


class Failed(Value, frozen=True):
    """Final: the run ended without success."""

    failure: Failure


# ---- narrow events of the end


class Ending(Value, frozen=True):
    """Base of the events after which the run ends; the relay is told `reason`."""

    failure: Failure
    reason: ClassVar[Reason] = Reason.FAILED


class TimedOut(Ending, frozen=True):
    """Nothing came in time."""


class CalledOff(Ending, frozen=True):
    """The person, a signal or the owner of the run ended it."""

    reason = Reason.CANCELLED


class Unreachable(Ending, frozen=True):
    """The relay could not be reached at all."""


class Refused(Ending, frozen=True):
    """The relay refused a request."""


class ChannelGone(Ending, frozen=True):
    """The relay has forgotten the channel, or closed it by itself."""


class ClosedByPeer(Ending, frozen=True):
    """The relay says that the other side closed the channel."""


class RelayBroke(Ending, frozen=True):
    """The relay broke the protocol."""


class VersionDiffers(Ending, frozen=True):
    """Relay or peer speak another version."""


class PeerBroke(Ending, frozen=True):
    """The other side, or whoever is between, broke the protocol."""


class PeerStopped(Ending, frozen=True):
    """The other side said over the data connection that it stops."""


class LinkLost(Ending, frozen=True):
    """A data connection is gone or was not to be had, and nothing said why."""

    crowded: bool = False
    """Whether the relay said that it has no room for it now."""
    until: float = 0.0
    """When to have given up, in monotonic seconds."""
    again: bool = False
    """Whether to connect again."""
    tell: bool = False
    """Whether the person is to hear of it."""
    after: float = 0.0
    """How long to wait before the relay is asked, in seconds."""


class LocalFailed(Ending, frozen=True):
    """Files of this computer failed us."""


class NoAnswer(Value, frozen=True):
    """A request got lost, or its answer: it is asked again."""


class Renewed(Value, frozen=True):
    """Bytes moved on the data connection."""


class Left(Value, frozen=True):
    """The relay has heard that we leave, or cannot be told."""


# ---- actions of the end


def fail(_: object, event: Ending) -> Step:
    """End at once: there is no channel to close."""
    return Failed(event.failure), ()


def leave(state: Any, event: Ending) -> Step:
    """Close the channel, then end."""
    return Leaving(event.failure), (state.seat.post(close=True, reason=event.reason),)


def hang_up(state: Any, event: Ending) -> Step:
    """Hang up, close the channel, then end."""
    close = state.seat.post(close=True, reason=event.reason)
    return Leaving(event.failure), (*hangs(state), close)


def say_and_leave(state: Any, event: Ending) -> Step:
    """Tell the other side why, hang up, close the channel, then end.

    The close comes a little later: it cuts the connection on which the word is on its way.
    """
    problem = Problem(event.failure.code, "")
    close = state.seat.post(close=True, reason=event.reason, after=WORD)
    return Leaving(event.failure), (Speak(LINK, problem, last=True), *hangs(state), close)


def end_at_once(state: Any, event: Ending) -> Step:
    """Hang up and end: the channel is closed already."""
    return Failed(event.failure), hangs(state)


def hangs(state: Any) -> tuple[Effect, ...]:
    """Hang up every data connection of *state*."""
    return tuple(Hang(connection) for connection in state.up)


def part(state: Leaving, _: Left) -> Step:
    """The relay knows, or cannot be told."""
    return Failed(state.failure), ()


def stay(state: Any, _: Renewed) -> Step:
    """Wait on, as long again."""
    return state, ()


Action = Callable[[Any, Any], Step]


def endings(source: type[Any], act: Action, *events: type[Ending]) -> tuple[Row[Effect], ...]:
    """A row for each of *events*; the target follows from the action."""
    target = Leaving if act in (leave, hang_up, say_and_leave) else Failed
    return tuple(row(source, event, target, act) for event in events)


LAST_ROWS: tuple[Row[Effect], ...] = (row(Leaving, Left, Failed, part),)
"""The end of both tables."""
