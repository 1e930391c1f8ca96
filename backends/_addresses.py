"""The addresses of this computer by which another one may reach it."""

from __future__ import annotations

import ipaddress


def usable() -> tuple[str, ...]:
    """Return them, IPv4 first; the loopback address where there is no other."""
    import ifaddr  # costs 40 ms, and only a relay that listens everywhere needs it

    found = [
        address.ip if isinstance(address.ip, str) else address.ip[0]
        for adapter in ifaddr.get_adapters()
        for address in adapter.ips
    ]
    parsed = sorted({ipaddress.ip_address(text) for text in found}, key=lambda a: (a.version, a))
    outer = [str(a) for a in parsed if not a.is_loopback and not a.is_link_local]
    return tuple(outer) or ("127.0.0.1",)
