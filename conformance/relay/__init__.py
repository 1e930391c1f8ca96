"""Cases for a relay, by area. Importing this package enters them all."""

from __future__ import annotations

from conformance.relay import http, join

__all__ = ["http", "join"]
