"""Cases for a sender or a recipient, by area. Importing this package enters them all."""

from __future__ import annotations

from conformance.client import slow  # isort: skip  # first: they wait for deadlines
from conformance.client import (
    asked,
    features,
    http,
    keys,
    liars,
    many,
    offers,
    ports,
    records,
    shares,
    tool,
    transfer,
    words,
)

__all__ = [
    "asked",
    "features",
    "http",
    "keys",
    "liars",
    "many",
    "offers",
    "ports",
    "records",
    "shares",
    "slow",
    "tool",
    "transfer",
    "words",
]
