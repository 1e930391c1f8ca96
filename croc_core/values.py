"""The small values that every layer speaks of: roles, names, addresses, secrets, limits."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import msgspec

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


class Value(msgspec.Struct, frozen=True):
    """Base of the plain values: frozen, hashable, equal by type and content.

    A msgspec Struct, which a short run can afford a hundred of: a dataclass takes forty times as
    long to define and five times as long to make. Fields named in `hidden` stay out of the repr.
    """

    hidden: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        shown = (f for f in self.__struct_fields__ if f not in self.hidden)
        return f"{type(self).__name__}({', '.join(f'{f}={getattr(self, f)!r}' for f in shown)})"


class Secret(Value, frozen=True):
    """Bytes that must not reach a log, a message or a repr."""

    hidden = ("reveal",)
    reveal: bytes


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
