"""A relay that runs already, somewhere: all that the suite knows of it is its URL."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from conformance._case import Case, Need
from conformance.relay._play import ONE, THREE, TWO, RelayUnderTest
from conformance.subjects._pipe import SocketNet

_LACKS = {
    Need.ADDRESSES: f"needs a relay on this computer, to speak to it from {ONE}, {TWO} and {THREE}",
    Need.FLAGS: "needs a relay that the suite starts itself, with limits of the case (--command)",
    Need.FLOOD: "opens thousands of connections, which is no way to treat a relay of others",
}


class RelayByUrl:
    """The host of one relay that others run."""

    workers = 6

    def __init__(self, url: str, token: str | None = None) -> None:
        """Raise ValueError where *url* is none of a relay. *token*: what it wants to see."""
        parts = urlsplit(url if "//" in url else f"//{url}")
        if parts.scheme not in ("", "http") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"{url!r} is not the URL of a relay, such as http://host:8003")
        self.name = url
        self._net = SocketNet(parts.hostname, parts.port or 80)
        self._token = token

    def check(self) -> None:
        """Raise OSError where nothing takes connections there."""
        self._net.dial(None, None).close()

    def lacks(self, case: Case) -> str | None:
        """See `Host`: nothing is asked of a relay of others that could harm it."""
        return next((_LACKS[need] for need in sorted(case.needs) if not self._has(need)), None)

    @contextmanager
    def subject(self, case: Case) -> Iterator[RelayUnderTest]:
        """See `Host`."""
        with RelayUnderTest(self._net, self._token) as relay:
            yield relay

    def _has(self, need: Need) -> bool:
        return need is Need.ADDRESSES and _loopback(self._net.host)


def _loopback(host: str) -> bool:
    """Say whether *host* is an address of this computer that 127.0.0.2 can speak to."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.version == 4 and address.is_loopback
