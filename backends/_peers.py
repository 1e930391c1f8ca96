"""Whose connection it is, and how many a relay takes: the socket's peer counts (S21).

A proxy that the operator listed may name another: in X-Forwarded-For of a request, or in a header
of the PROXY protocol (haproxy.org, "The PROXY protocol", versions 1 and 2) before the first byte of
a connection. Nobody else is asked. A listed proxy has to write the header itself: one that passes
bytes on as they come would let its clients write it.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from croc_core.limits import Limits
from croc_core.values import Value, address_of

if TYPE_CHECKING:
    from backends._options import RelayOptions

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HEADER = 1_024
"""Greatest size of a PROXY header in bytes; both addresses take 232, the rest is extensions."""
_MAX_TEXT = 107
_FIRST = 15
"""No header is shorter, and no identification either."""
_BINARY = b"\r\n\r\n\0\r\nQUIT\n"
_TEXT = b"PROXY "
_PORT = rb"(0|[1-9][0-9]{0,4})"
_HOST = rb"([0-9a-fA-F:.]+)"
_NAMED = re.compile(b" ".join((rb"PROXY (TCP[46])", _HOST, _HOST, _PORT, _PORT)))
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [ -~]*)?")
_LENGTHS = {0x1: 4, 0x2: 16}
"""Size of an address in bytes, by the family of the binary header."""


class Addresses(Value, frozen=True):
    """Which address the two-IP rule counts (docs/protocol.md, "Addresses")."""

    ipv6_prefix: int = 128
    trusted: tuple[Network, ...] = ()
    """Proxies that are believed; nobody else is."""

    def of_peer(self, peer: str) -> str:
        """Return the address to count for a connection from *peer*."""
        return address_of(peer, self.ipv6_prefix)

    def of_request(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return the address to count for a request: the nearest hop that is no trusted proxy.

        Raises ValueError where a trusted proxy names something that is not an address.
        """
        hops = [*forwarded, peer]
        while len(hops) > 1 and self.trusts(hops[-1]):
            hops.pop()
        return self.of_peer(hops[-1])

    def trusts(self, peer: str) -> bool:
        """Say whether *peer* is one of the trusted proxies."""
        if not self.trusted:
            return False
        address = ipaddress.ip_address(address_of(peer))
        return any(address in network for network in self.trusted)


class Connections(Value, frozen=True):
    """How many connections a relay takes, and how long they may take; times in seconds."""

    most: int = 24_576
    """In all, data connections included."""
    per_address: int = 1_024
    """From one address; of IPv6, from one /64."""
    request_timeout: float = 10.0
    """From a request's first byte to its last one; also from the accept to the first byte."""
    keep_alive: float = 75.0
    """For a connection without a request, and for reading a reply."""

    @classmethod
    def within(cls, descriptors: int, request_timeout: float) -> Connections:
        """Return the connections for a process that may have so many *descriptors* open.

        A quarter of them is for staples' pipes, files and the system; an address gets a quarter of
        the rest.
        """
        whole = cls(request_timeout=request_timeout)
        most = max(1, min(whole.most, descriptors * 3 // 4))
        return cls(most, max(1, min(whole.per_address, most // 4)), request_timeout)


def fit(options: RelayOptions, descriptors: int) -> tuple[Limits, Connections]:
    """Return what a relay gives that may have so many *descriptors* open."""
    whole = Connections.within(descriptors, options.limits.handshake_timeout)
    most = min(whole.most, options.max_connections or whole.most)
    each = options.max_connections_per_address or whole.per_address
    connections = Connections(most, min(most, each), whole.request_timeout, options.keep_alive)
    limits = options.limits
    return dataclasses.replace(limits, max_links=min(limits.max_links, most)), connections


class Named(NamedTuple):
    """What begins a proxied connection has been read."""

    source: str | None
    """The address that it names; None where it names none, or where there is no header."""
    rest: bytes
    """What came behind it; without a header, all."""


def read_header(received: bytes) -> Named | int:
    """Read all that has come of a connection from a listed proxy so far.

    An int is how many bytes more there are at least: who reads no more than that never reads past
    the header. Raises ValueError where a header has begun and is none.
    """
    if received.startswith(_BINARY):
        return _binary(received)
    if received.startswith(_TEXT):
        return _text(received)
    if _BINARY.startswith(received) or _TEXT.startswith(received):
        return _FIRST - len(received)
    return Named(None, received)


def _text(received: bytes) -> Named | int:
    end = received.find(b"\r\n", 0, _MAX_TEXT)
    if end < 0:
        if len(received) >= _MAX_TEXT:
            raise ValueError("the header's line does not end")
        return max(_FIRST - len(received), 1 if received.endswith(b"\r") else 2)
    line, rest = received[:end], received[end + 2 :]
    found = _NAMED.fullmatch(line)
    if found is None:
        if _UNKNOWN.fullmatch(line):
            return Named(None, rest)
        raise ValueError("the header's line is none")
    kind = ipaddress.IPv4Address if found[1] == b"TCP4" else ipaddress.IPv6Address
    source, _ = (kind(found[n].decode("ascii")) for n in (2, 3))
    if max(int(found[4]), int(found[5])) > 65535:
        raise ValueError("a port is at most 65535")
    return Named(str(source), rest)


def _binary(received: bytes) -> Named | int:
    if len(received) < 16:
        return 16 - len(received)
    command, family = received[12], received[13] >> 4
    size = 16 + int.from_bytes(received[14:16], "big")
    if command not in (0x20, 0x21) or received[13] & 15 > 2 or family > 3 or size > MAX_HEADER:
        raise ValueError("the header is of no known form")
    if len(received) < size:
        return size - len(received)
    length = _LENGTHS.get(family)
    if command == 0x20 or length is None:  # the proxy speaks for itself, or no IP address is named
        return Named(None, received[size:])
    if size < 16 + 2 * length + 4:
        raise ValueError("the header has no room for its addresses")
    return Named(str(ipaddress.ip_address(received[16 : 16 + length])), received[size:])
