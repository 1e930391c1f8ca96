"""The relay's two closed vocabularies: what happened, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field

# ---- what happened


@dataclass(frozen=True, slots=True)
class Asked:
    """An HTTP request has arrived whole. `address` is what the two-IP rule counts."""

    ask: int
    """A number for this request, used once."""
    method: str
    path: str
    body: bytes = field(repr=False)
    address: str


@dataclass(frozen=True, slots=True)
class AskerLeft:
    """The connection of a request that has no answer yet is gone."""

    ask: int


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """A TCP connection to data port number `index` (from 0) has been accepted."""

    link: int
    index: int
    address: str


@dataclass(frozen=True, slots=True)
class LinkReceived:
    """The answer to `Take`; empty `data` is the end of the stream."""

    link: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinkLost:
    """A TCP connection that was not stapled is gone."""

    link: int


@dataclass(frozen=True, slots=True)
class PairEnded:
    """A staple has ended by itself or by `Cut`."""

    pair: int


@dataclass(frozen=True, slots=True)
class Woke:
    """The relay's deadline has passed."""


Input = Asked | AskerLeft | LinkOpened | LinkReceived | LinkLost | PairEnded | Woke


# ---- what to do


@dataclass(frozen=True, slots=True)
class Answer:
    """Send the HTTP reply to a request."""

    ask: int
    status: int
    body: bytes = field(repr=False)
    retry_after: int | None = None
    """Seconds, for status 429."""


@dataclass(frozen=True, slots=True)
class Take:
    """Read once from an unstapled TCP connection, at most `limit` bytes."""

    link: int
    limit: int


@dataclass(frozen=True, slots=True)
class Say:
    """Write to an unstapled TCP connection."""

    link: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """Close an unstapled TCP connection, after what was said before."""

    link: int


@dataclass(frozen=True, slots=True)
class Staple:
    """Join two TCP connections; `to_a` and `to_b` came behind the identification lines."""

    pair: int
    a: int
    b: int
    to_a: bytes = field(repr=False)
    to_b: bytes = field(repr=False)
    idle: float


@dataclass(frozen=True, slots=True)
class Cut:
    """End a staple at once."""

    pair: int


Effect = Answer | Take | Say | Drop | Staple | Cut
