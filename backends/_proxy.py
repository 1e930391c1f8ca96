"""Going to the relay through a SOCKS5 or HTTP CONNECT proxy, for requests and for data.

The handshakes are python-socks's. Names are looked up by the proxy. Which address the relay sees,
and whether it is the same for each connection, is the proxy's to decide (docs/cli.md, "Proxies").
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from backends._io import Broken, Connect, Connected, Effect, Input, Node, Proxy
from backends._show import show
from backends._sockets import cause
from croc_core.errors import Failure
from croc_core.values import Moment

PORTS = {"socks5": 1080, "socks5h": 1080, "http": 8080}
"""The kinds of proxy, and the port of each where none is given."""
_SAMPLE = "A proxy looks like socks5://proxy.example:1080 or http://proxy.example:8080."


class ProxyError(OSError):
    """The proxy did not lead to the relay; its text is a sentence part."""

    def __init__(self, why: str) -> None:
        super().__init__(None, why)


def proxy(text: str) -> Proxy:
    """Read a proxy's URL; ValueError with a sentence for the person, which holds no password."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(_SAMPLE) from None
    if parts.scheme not in PORTS or parts.path.strip("/") or parts.query or not parts.hostname:
        raise ValueError(_SAMPLE)
    if port == 0 or re.search(r"[^\w.:%~-]", parts.hostname):
        raise ValueError(_SAMPLE)
    return Proxy(
        parts.scheme.removesuffix("h"),
        parts.hostname,
        port or PORTS[parts.scheme],
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
    )


def ambient(host: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return what ALL_PROXY says for the relay *host*; None where NO_PROXY names it, or it is here.

    Kinds of proxy that are not known here are not looked at: they were set for other programs.
    """
    named = environment.get("ALL_PROXY") or environment.get("all_proxy")
    if not named or urlsplit(named).scheme not in PORTS or _is_here(host):
        return None
    skipped = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    for name in (part.strip().lower().lstrip(".") for part in skipped.split(",")):
        if name == "*" or (name and (host.lower() == name or host.lower().endswith(f".{name}"))):
            return None
    return named


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Through:
    """A party's node whose connections all go through *proxy*."""

    def __init__(self, node: Node, proxy: Proxy) -> None:
        self._node = node
        self._proxy = proxy
        self._hosts: dict[int, str] = {}

    @property
    def finished(self) -> bool:
        """See `Node`."""
        return self._node.finished

    @property
    def failure(self) -> Failure | None:
        """How the run ended."""
        failure: Failure | None = getattr(self._node, "failure", None)
        return failure

    def deadline(self) -> float | None:
        """See `Node`."""
        return self._node.deadline()

    def handle(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        """See `Node`.

        The peer of a connection is the host that was asked for: only the proxy knows its address,
        and further connections are to go there too.
        """
        if isinstance(event, Connected | Broken):
            host = self._hosts.pop(event.conn, None)
            if host is not None and isinstance(event, Connected):
                event = msgspec.structs.replace(event, peer=host)
        return tuple(map(self._through, self._node.handle(event, now)))

    def _through(self, effect: Effect) -> Effect:
        if not isinstance(effect, Connect):
            return effect
        self._hosts[effect.conn] = effect.host
        return msgspec.structs.replace(effect, proxy=self._proxy)


def tunnel(proxy: Proxy, effect: Connect, timeout: float) -> socket.socket:
    """Return a connection to where *effect* says; blocks. *timeout* in seconds, for each step.

    Raises ProxyError.
    """
    from python_socks import ProxyConnectionError, ProxyType
    from python_socks import ProxyError as RefusedError
    from python_socks.sync import Proxy as Dialler

    kind = ProxyType.SOCKS5 if proxy.kind == "socks5" else ProxyType.HTTP
    host = effect.host
    if kind is ProxyType.HTTP and ":" in host:
        host = f"[{host}]"
    dialler = Dialler(kind, proxy.host, proxy.port, proxy.user, proxy.password, rdns=True)
    local = None if effect.local is None else (effect.local, 0)
    try:
        return dialler.connect(host, effect.port, timeout, local_addr=local)
    except ProxyConnectionError as error:
        raise ProxyError(
            f"the proxy cannot be reached: {cause(error.__cause__ or error)}"
        ) from error
    except RefusedError as error:
        raise ProxyError(f"the proxy says: {show(str(error), 100)}") from error
    except OSError as error:
        late = isinstance(error, TimeoutError)
        why = "did not answer in time" if late else "broke the connection off"
        raise ProxyError(f"the proxy {why}") from error
