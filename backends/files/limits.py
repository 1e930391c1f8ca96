"""Bounds that several places share."""

from __future__ import annotations

MAX_OFFERED = 2_000_000
"""Greatest number of entries of an offer; each takes some 200 bytes of memory and its name (at
most `offer.NAME_BYTES` together)."""
MAX_TEXT = 1 << 20
"""Greatest length of the texts of an offer that are shown, together, in bytes (TEXT-2)."""
