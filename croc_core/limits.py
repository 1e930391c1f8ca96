"""What a relay allows: the limits, and the two ways in which it counts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from croc_core.values import address_of

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a relay gives to strangers. Raises ValueError where a limit is not above zero.

    Why each is what it is: docs/reliability.md.

    The defaults let one computer run some hundred transfers in a row. What strangers cost is bound
    to their connections: measured, about 9 kB for a held request with others behind it and 17 kB
    for a head that does not end, thus some 17 MB for one address with 1,024 connections, and some
    400 MB for a relay that 24,576 of them fill.
    """

    handshake_timeout: float = 10.0
    """Seconds from a data connection's start to the end of its identification."""
    channel_ttl: float = 86_400.0
    """Seconds that a channel may be open without having been stapled."""
    idle_timeout: float = 600.0
    """Seconds that a channel lives without a request, a waiter, a pending link or a staple; that a
    link may be pending; and that a staple may be without a byte."""
    max_channels: int = 10_000
    """Open channels in all. Each holds at most two waiters."""
    max_per_address: int = 256
    """Open channels that were opened from one address."""
    joins_per_minute: int = 1_200
    """Joins from one address: so many at once, and so many a minute for longer."""
    max_body: int = 16_384
    """Bytes of a request's body."""
    max_links: int = 4_096
    """Data connections in all, stapled ones included."""
    max_pending_links: int = 1_024
    """Data connections that are not stapled yet."""
    max_pending_per_address: int = 128
    """The same, from one address."""
    tombstone_ttl: float = 600.0
    """Seconds that a closed channel is remembered, and its name not given out."""
    max_tombstones: int = 10_000
    """Closed channels that are remembered; the oldest is forgotten first."""
    max_rated: int = 10_000
    """Addresses whose joins are counted; the one that joined longest ago is forgotten first."""
    pair_bytes: int | None = None
    """Bytes of one staple, both ways together; it ends soon after. None: as many as there are, for
    a file may be of any size and a relay holds none of it."""
    pair_time: float | None = None
    """Seconds that one staple may last, whatever moves; None: as long as something does."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{field.name} must be a number above zero")

    @classmethod
    def embedded(cls) -> Limits:
        """The limits of a relay inside one sender's run; only its own sender has the token."""
        return cls(max_channels=8, max_pending_links=8, max_links=64)


def counted(address: str) -> str:
    """Return what counts and rates go by: an IPv4 address, or the /64 of an IPv6 one.

    One host commonly has a whole /64 to itself (RFC 6177). *address* is one of `address_of`; the
    two-address rule goes by that as it is.
    """
    if ":" not in address:
        return address
    host, _, bits = address.partition("/")
    return address_of(host, min(64, int(bits or 64)))


class Tally(Generic[K]):
    """How many of something each key has; a key that has none takes no memory."""

    def __init__(self) -> None:
        self._counts: dict[K, int] = {}
        self.total = 0

    def __getitem__(self, key: K) -> int:
        return self._counts.get(key, 0)

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, key: K) -> None:
        """Count one more."""
        self._counts[key] = self[key] + 1
        self.total += 1

    def drop(self, key: K) -> None:
        """Count one less of what was counted by `add`."""
        self._counts[key] -= 1
        self.total -= 1
        if not self._counts[key]:
            del self._counts[key]


class AddressTally(Tally[str]):
    """A tally by address, as `counted`."""

    def __getitem__(self, key: str) -> int:
        return super().__getitem__(counted(key))

    def add(self, key: str) -> None:
        """See `Tally`."""
        super().add(counted(key))

    def drop(self, key: str) -> None:
        """See `Tally`."""
        super().drop(counted(key))


class Rate:
    """A token bucket for each address, as `counted`: the moment at which it is full again."""

    def __init__(self, per_minute: int, max_keys: int) -> None:
        self._cost = 60.0 / per_minute
        self._max_keys = max_keys
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, address: str, now: float) -> float:
        """Take one token and return 0, or take none and return the seconds until there is one.

        *now* is seconds on a clock that never goes back.
        """
        address = counted(address)
        full_at = max(self._full_at.get(address, now), now) + self._cost
        # A little slack, so that the sum of many costs is not over by a rounding error.
        if full_at - now > 60.0 + 1e-6:
            return full_at - now - 60.0
        # The key goes to the end: the first one is then the one that joined longest ago.
        self._full_at.pop(address, None)
        self._full_at[address] = full_at
        if len(self._full_at) > self._max_keys:
            del self._full_at[next(iter(self._full_at))]
        return 0.0
