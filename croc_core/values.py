"""The small values that every layer speaks of: roles, names, addresses, secrets, limits."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

PROTOCOL = b"croc-core/1"
"""P of the key schedule: the protocol's name and version in everything that is hashed."""
VERSION = 1
MAX_VALUE = 2048
"""Greatest length of x, y, hh_k or h_k as base64url, in characters."""


Entropy = Callable[[int], bytes]
"""Returns that many fresh random bytes. Always passed in: the core has no source of its own."""


class Moment(NamedTuple):
    """What time it is, on the two clocks that a machine may be told of."""

    mono: float
    """Seconds on a clock that never jumps: deadlines of this process."""
    unix_ms: int
    """Unix milliseconds: what a channel carries, as it may travel to another relay."""


class Role(enum.StrEnum):
    """The two seats of a channel."""

    SENDER = "sender"
    RECIPIENT = "recipient"

    @property
    def other(self) -> Role:
        """The role on the other side."""
        return Role.RECIPIENT if self is Role.SENDER else Role.SENDER


class Reason(enum.StrEnum):
    """Why a member closed the channel."""

    DONE = "done"
    WRONG_CODE = "wrong_code"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Secret:
    """Bytes that must not reach a log, a message or a repr."""

    reveal: bytes = field(repr=False)


def address_of(host: str, ipv6_prefix: int = 128) -> str:
    """Return the address that the two-IP rule counts for the peer *host*.

    An IPv4-mapped IPv6 address is its IPv4 address; other IPv6 addresses keep their first
    *ipv6_prefix* bits (docs/protocol.md, "Addresses"). Raises ValueError for anything else.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if ipv6_prefix < 128:
            return str(ipaddress.ip_network((address, ipv6_prefix), strict=False))
    return str(address)
