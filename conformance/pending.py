"""Cases of features that this project has laid out in docs/protocol.md and not built yet.

A case stands here only because its feature is missing. The list only shrinks: whoever builds a
feature takes its entries out, and an entry whose case passes fails the run (as an unexpected pass).
"""

from __future__ import annotations

_MEET = "redial and rejoin are laid out (9.1) and not built yet: a lost connection ends the run"
_MANY = "further connections are laid out (9.2) and not built yet: one connection is used"
_RESUME = "resume is laid out (9.5) and not built yet"
_ZSTD = "zstd is laid out (9.6) and not built yet"

PENDING: dict[str, str] = {
    "sender-redials": _MEET,
    "recipient-redials": _MEET,
    "sender-continues": _MEET,
    "recipient-wants-rest": _MEET,
    "recipient-new-offer": _MEET,
    "sender-rejoins": _MEET,
    "recipient-rejoins": _MEET,
    "sender-takes-more-connections": _MANY,
    "sender-digests": _RESUME,
    "recipient-resumes": _RESUME,
    "sender-compresses": _ZSTD,
    "recipient-names-zstd": _ZSTD,
}
"""Case id to reason: expected to fail on this project's own backends, and on no others."""
