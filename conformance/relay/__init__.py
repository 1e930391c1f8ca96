"""Cases for a relay, by area. Importing this package enters them all."""

from __future__ import annotations

from conformance.relay import addresses, channel, close, http, join, limits, ports, waiting

__all__ = ["addresses", "channel", "close", "http", "join", "limits", "ports", "waiting"]
