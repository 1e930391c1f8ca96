"""The options of a run and of a relay: one frozen type each, the same for every face."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from backends.files.limits import MAX_OFFERED
from backends.files.policy import Policy
from croc_core.events import OfferSeen
from croc_core.limits import Limits
from croc_core.pake import ALLOWED, DEFAULT, HISTORIC
from croc_core.party import Patience
from croc_core.values import Secret

if TYPE_CHECKING:
    from backends._peers import Network

PORT = 8003
"""Default port of a relay's control plane."""
DATA_PORTS = (27001, 27002, 27003, 27004)
MAX_FILES = MAX_OFFERED
"""Most entries of an offer."""
MIN_THROTTLE = 1024
"""Least throttle, in bytes a second: with less a record takes too long to be a sign of life."""
MAX_STREAMS = 15
"""Most data connections that carry files; there are 16 with the one for messages."""
STREAMS = 4
"""How many data connections carry files where nothing is said: several times one on a path that
loses packets, and no slower on one that does not (docs/performance.md)."""
MANY_FROM = 16 << 20
"""Where nothing is said, fewer bytes than this come over one connection."""
RECONNECT = 600.0
"""How long to try to reconnect without progress where nothing else is said, in seconds."""
MAX_RECONNECT = 86400
"""Longest time to try to reconnect, in seconds."""
CURVES = (*ALLOWED, *HISTORIC)


class Where(NamedTuple):
    """A relay's control plane."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """As a person reads and types it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def where(text: str) -> Where:
    """Read a relay's address: `http://host:port`, `host:port` or `host`.

    Raises ValueError with a sentence for the person.
    """
    sample = "A relay's address looks like http://relay.example:8003."
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = PORT if parts.port is None else parts.port
    except ValueError:
        raise ValueError(sample) from None
    if re.search(r"[^\w.:%~-]", parts.hostname or ""):  # spaces, and what no name has
        raise ValueError(sample)
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(sample)
    return Where(parts.hostname, port)


@dataclass(frozen=True, slots=True)
class Options:
    """How to send or receive; what a run does not need is not looked at."""

    relay: str | None = None
    """Address of the relay; None: a sender runs one of its own."""
    curve: str | None = None
    """Key agreement; None: a sender takes x25519, a recipient any of the usual ones."""
    code: str | None = field(default=None, repr=False)
    """A sender's own code; None: a fresh one."""
    token: str | None = field(default=None, repr=False)
    """What the relay wants to see before it opens a channel."""
    host: str | None = None
    """Where a sender's own relay listens; None: on every interface."""
    out: str = "."
    """The folder to receive into."""
    yes: bool = False
    """Accept whatever is offered, without asking."""
    existing: Policy = Policy.ASK
    """What to do where a name exists already; without a decision, ASK declines."""
    follow: bool = False
    """Send what symbolic links point to, in place of the links."""
    attended: bool = False
    """Whether a person looks at the offer; see `FileSink`."""
    max_files: int = MAX_FILES
    """Most entries to accept in one offer."""
    throttle: int | None = None
    """Most bytes a second that a run sends or takes, over all its connections; None: no bound."""
    streams: int | None = None
    """How many data connections may carry files at one time; None: four, and one for less than
    16 MiB."""
    verify: bool = False
    """Show four words that both people compare, and wait for this person's word about them."""
    reconnect: float = RECONNECT
    """How long to try to reconnect without progress, in seconds; 0: not at all."""
    exclude: tuple[str, ...] = ()
    """Patterns, as in a .gitignore, of what is not sent."""
    gitignore: bool = False
    """Leave out what the .gitignore files in the folders sent leave out."""
    proxy: str | None = field(default=None, repr=False)
    """Goes to the relay through this: socks5://host:port or http://host:port."""
    discovery: bool = True
    """With no relay named, ask for it on the local network, or answer there."""
    compress: bool = True
    """Compress what gets smaller, where that is faster."""
    text: str | None = field(default=None, repr=False)
    """A text to send in place of files."""
    stdout: bool = False
    """Write the one file, stream or text that is received to standard output."""
    save_text: bool = False
    """Save a text that is received as a file; without this it is shown."""
    patience: Patience = Patience()

    def __post_init__(self) -> None:
        if self.throttle is not None and self.throttle < MIN_THROTTLE:
            raise ValueError(f"A throttle is at least {MIN_THROTTLE} bytes a second.")
        if self.streams is not None and not 1 <= self.streams <= MAX_STREAMS:
            raise ValueError(f"There are 1 to {MAX_STREAMS} streams.")
        if not 0 <= self.reconnect <= MAX_RECONNECT:
            raise ValueError(f"To reconnect may take 0 to {MAX_RECONNECT} seconds.")
        if self.curve is not None and self.curve not in CURVES:
            raise ValueError(f"The curve is one of {', '.join(CURVES)}.")
        if self.relay is not None:
            where(self.relay)
        if self.proxy is not None:
            from backends._proxy import proxy

            proxy(self.proxy)

    def decide(self, offer: OfferSeen) -> bool | None:
        """Decide about an offer by the flags alone; None where a person has to be asked.

        `yes` never replaces a file by itself: that takes a policy.
        """
        if not self.yes:
            return None
        return self.existing is not Policy.ASK or not offer.overwrites

    @property
    def sender_curve(self) -> str:
        """The curve that a sender uses."""
        return self.curve or DEFAULT


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """How to run a relay."""

    host: str | None = None
    """Where to listen; None: on every interface."""
    port: int = PORT
    """Of the control plane; 0: any free one."""
    data_ports: tuple[int, ...] = DATA_PORTS
    """Where connections are stapled; 0: any free one."""
    token: Secret | None = None
    """What a sender must show to open a channel."""
    ipv6_prefix: int = 128
    """How many bits of an IPv6 address count for the two-address rule."""
    trusted_proxies: tuple[Network, ...] = ()
    """Proxies that may say who their client is: X-Forwarded-For, or the PROXY protocol."""
    max_connections: int | None = None
    """Connections in all; None: as many as the system's descriptors allow."""
    max_connections_per_address: int | None = None
    """The same, from one address; None: a quarter of all, and 1,024 at most."""
    keep_alive: float = 75.0
    """Seconds that a connection without a request is kept."""
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        for name in ("max_connections", "max_connections_per_address", "keep_alive"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be a number above zero")
