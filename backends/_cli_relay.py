"""The relay's flags that say whom it believes and how much it gives; see docs/reliability.md."""

from __future__ import annotations

import argparse
import ipaddress
from typing import Any

from croc_core.limits import Limits

CONNECTIONS = {
    "max-connections": "connections in all",
    "max-connections-per-address": "connections of one address",
    "keep-alive": "seconds that a connection without a request is kept",
}
"""The names of `--limit` that are fields of `RelayOptions`."""
_LIMITS = {
    "max-links": "data connections in all",
    "max-pending-links": "data connections that wait, in all",
    "max-pending-per-address": "data connections that wait, of one address",
    "tombstone-ttl": "seconds that a closed channel is remembered",
    "max-tombstones": "closed channels that are remembered",
    "max-rated": "addresses whose joins are counted",
    "pair-bytes": "bytes that one pair of connections may carry",
    "pair-time": "seconds that one pair of connections may last",
}
_DEFAULTS = {
    "max-connections": "as many as the open files allow",
    "max-connections-per-address": "a quarter of that, at most 1024",
    "keep-alive": 75.0,
}
_SECONDS = frozenset({"keep-alive", "tombstone-ttl", "pair-time"})


def add_bounds(parser: argparse.ArgumentParser) -> None:
    """Add the flags to the relay's *parser*."""
    parser.add_argument(
        "--trusted-proxy",
        action="append",
        type=_network,
        default=[],
        metavar="CIDR",
        dest="trusted_proxies",
        help="A proxy, or a network of them, whose word about its clients is believed: in "
        "X-Forwarded-For, or by the PROXY protocol; may be given more than once (default: none).",
    )
    limits = Limits()
    defaults = {name: getattr(limits, name.replace("-", "_")) for name in _LIMITS} | _DEFAULTS
    names = "; ".join(
        f"{name} ({what}, {defaults[name] or 'no bound'})"
        for name, what in (_LIMITS | CONNECTIONS).items()
    )
    parser.add_argument(
        "--limit",
        action="append",
        type=_limit,
        default=[],
        metavar="NAME=NUMBER",
        dest="more_limits",
        help=f"A further limit; may be given more than once (default: as it stands here). {names}.",
    )


def more_limits(args: argparse.Namespace) -> dict[str, Any]:
    """Return what `--limit` says of `Limits`, by field."""
    return {
        name.replace("-", "_"): value for name, value in args.more_limits if name not in CONNECTIONS
    }


def more_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what `--trusted-proxy` and `--limit` say of `RelayOptions`, by field."""
    options: dict[str, Any] = {
        name.replace("-", "_"): value for name, value in args.more_limits if name in CONNECTIONS
    }
    if args.trusted_proxies:
        options["trusted_proxies"] = tuple(args.trusted_proxies)
    return options


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"takes an address or a network, such as 192.0.2.0/24, not {text!r}"
        ) from None


def _limit(text: str) -> tuple[str, int | float]:
    name, equals, number = text.partition("=")
    if not equals or name not in _LIMITS | CONNECTIONS:
        known = ", ".join(_LIMITS | CONNECTIONS)
        raise argparse.ArgumentTypeError(f"takes NAME=NUMBER, with one of {known}, not {text!r}")
    try:
        value = float(number) if name in _SECONDS else int(number)
        Limits(pair_time=value)  # above zero, and a number
    except ValueError:
        what = "a number of seconds" if name in _SECONDS else "a whole number"
        raise argparse.ArgumentTypeError(
            f"takes {what} above zero for {name}, not {number!r}"
        ) from None
    return name, value
