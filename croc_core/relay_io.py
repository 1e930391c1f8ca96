"""The relay's two closed vocabularies: what happened, and what to do."""

from __future__ import annotations

from croc_core.values import Value

# ---- what happened


class Asked(Value, frozen=True):
    """An HTTP request has arrived whole. `address` is what the two-IP rule counts."""

    hidden = ("body",)

    ask: int
    """A number for this request, used once."""
    method: str
    path: str
    body: bytes
    address: str


class AskerLeft(Value, frozen=True):
    """The connection of a request that has no answer yet is gone."""

    ask: int


class LinkOpened(Value, frozen=True):
    """A TCP connection to data port number `index` (from 0) has been accepted."""

    link: int
    index: int
    address: str


class LinkReceived(Value, frozen=True):
    """The answer to `Take`; empty `data` is the end of the stream."""

    hidden = ("data",)

    link: int
    data: bytes


class LinkLost(Value, frozen=True):
    """A TCP connection that was not stapled is gone."""

    link: int


class PairEnded(Value, frozen=True):
    """A staple has ended by itself or by `Cut`."""

    pair: int


class Woke(Value, frozen=True):
    """The relay's deadline has passed."""


Input = Asked | AskerLeft | LinkOpened | LinkReceived | LinkLost | PairEnded | Woke


# ---- what to do


class Answer(Value, frozen=True):
    """Send the HTTP reply to a request."""

    hidden = ("body",)

    ask: int
    status: int
    body: bytes
    retry_after: int | None = None
    """Seconds, for status 429."""


class Take(Value, frozen=True):
    """Read once from an unstapled TCP connection, at most `limit` bytes."""

    link: int
    limit: int


class Say(Value, frozen=True):
    """Write to an unstapled TCP connection."""

    link: int
    data: bytes


class Drop(Value, frozen=True):
    """Close an unstapled TCP connection, after what was said before."""

    link: int


class Staple(Value, frozen=True):
    """Join two TCP connections; `to_a` and `to_b` came behind the identification lines."""

    hidden = (
        "to_a",
        "to_b",
    )

    pair: int
    a: int
    b: int
    to_a: bytes
    to_b: bytes
    idle: float
    most: int | None = None
    """Bytes, both ways together, soon after which the staple is to end."""


class Cut(Value, frozen=True):
    """End a staple at once."""

    pair: int


Effect = Answer | Take | Say | Drop | Staple | Cut
