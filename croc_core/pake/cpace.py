"""CPace in its initiator-responder setting: what every suite shares (draft-irtf-cfrg-cpace-21).

The sender is the initiator A, the recipient the responder B.
"""

from __future__ import annotations

from typing import Protocol

from croc_core.encoding import lv_cat, prepend_len
from croc_core.errors import Party, RemoteProtocolError


class Abort(RemoteProtocolError):  # noqa: N818
    """The peer's share is invalid: the run of the key agreement ends here."""

    def __init__(self, message: str) -> None:
        super().__init__(Party.PEER, message)


class Suite(Protocol):
    """A group with its map and its hash; pure functions from bytes to bytes.

    What `generator` returns is the suite's own matter: it is handed to `share` and is never sent.
    """

    @property
    def name(self) -> str:
        """The name that goes over the wire as `curve`."""

    @property
    def dsi(self) -> bytes:
        """The draft's domain separation identifier."""

    @property
    def share_length(self) -> int:
        """Length of a share, in bytes."""

    @property
    def scalar_length(self) -> int:
        """How many random bytes `scalar` wants."""

    def hash(self, data: bytes) -> bytes:
        """The draft's G.H, whole."""

    def generator(self, prs: bytes, ci: bytes, sid: bytes) -> bytes:
        """Derive the secret generator (section 6.1 and the suite's own section)."""

    def scalar(self, entropy: bytes) -> bytes:
        """Turn `scalar_length` random bytes into a scalar in its one canonical form."""

    def share(self, scalar: bytes, generator: bytes) -> bytes:
        """Return scalar times generator, as it is sent."""

    def agree(self, scalar: bytes, share: bytes) -> bytes:
        """Return K (the draft's scalar_mult_vfy); raises Abort on any share that is not valid."""

    def reflected(self, mine: bytes, theirs: bytes) -> bool:
        """Tell in constant time whether *theirs* is *mine* or its negative."""


def generator_string(dsi: bytes, prs: bytes, ci: bytes, sid: bytes, block_size: int) -> bytes:
    """Return the string that the generator is hashed from (section 6.1, `generator_string`).

    *prs* is padded with zeros so that it fills the first block of the hash, *block_size* bytes.
    """
    zeros = max(0, block_size - 1 - len(prepend_len(prs)) - len(prepend_len(dsi)))
    return lv_cat(dsi, prs, bytes(zeros), ci, sid)


def transcript_ir(ya: bytes, ada: bytes, yb: bytes, adb: bytes) -> bytes:
    """Return both shares with their associated data, the initiator's first (`transcript_ir`)."""
    return lv_cat(ya, ada) + lv_cat(yb, adb)


def isk_ir(suite: Suite, sid: bytes, k: bytes, transcript: bytes) -> bytes:
    """Return the intermediate session key over a `transcript_ir` (section 6.2, ISK)."""
    return suite.hash(lv_cat(suite.dsi + b"_ISK", sid, k) + transcript)
