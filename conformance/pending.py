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

_FACE = "the contract of a subject by command has no way to ask for it"

UNBUILT: dict[str, str] = {
    "REJOIN-6": _MEET,
    "MANY-6": _MANY,
    "MANY-7": _MANY,
    "STREAM-4": "a stream is sent from a pipe, which the command line does not offer yet (9.3)",
    "VERIFY-4": "the verifier is laid out (9.8) and not built yet",
    "VERIFY-5": "the verifier is laid out (9.8) and not built yet",
    "CLI-1": _FACE + ": what a feature is, a person says; tests of the command line hold it",
    "CLI-3": _FACE + ": a relay inside a sender; tests of the embedded relay hold it",
    "DISC-1": "discovery is laid out (11.4) and not built yet",
    "DISC-2": "discovery is laid out (11.4) and not built yet",
    "DISC-3": "discovery is laid out (11.4) and not built yet",
    "DISC-4": "discovery is laid out (11.4) and not built yet",
}
"""Requirements without a case so far, each with the reason; this list only shrinks, too."""
