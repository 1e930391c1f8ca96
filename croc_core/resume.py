"""The digests that say which blocks of a held file are still right (docs/protocol.md, 9.5)."""

from __future__ import annotations

import hashlib

BLOCK = 4 << 20
"""Length of a block, in bytes; the last one of a held range may be shorter."""


def begin(key: bytes) -> hashlib.blake2b:
    """Begin the digest of a block that comes in parts."""
    return hashlib.blake2b(digest_size=32, key=key)


def digest(key: bytes, block: bytes | memoryview) -> bytes:
    """BLAKE2b (RFC 7693) of one block, 32 bytes, keyed with the session's resume key."""
    state = begin(key)
    state.update(block)
    return state.digest()


def blocks(length: int) -> int:
    """How many blocks *length* bytes have."""
    return -(-length // BLOCK)
