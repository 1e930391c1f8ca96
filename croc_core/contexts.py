"""What a sender and a recipient know before they begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from croc_core.content import Codec
from croc_core.handshake import CapsOffer, Policy
from croc_core.pake import DEFAULT, Suite
from croc_core.pake import suite as suite_named
from croc_core.party import Patience
from croc_core.values import Entropy, Secret


@dataclass(frozen=True, slots=True)
class SenderContext:
    """What a sender knows before it begins; it never changes."""

    secret: Secret
    """The normalised secret: the code without its channel."""
    phrase: str = field(repr=False)
    """The secret as it is told to the other person."""
    relay: str
    """The relay's URL, to be told."""
    entropy: Entropy = field(repr=False)
    channel: str | None = None
    """The channel to open; None for any."""
    curve: str = DEFAULT
    token: Secret | None = None
    caps: CapsOffer = CapsOffer()
    patience: Patience = Patience()
    streams: int = 1
    """Over how many data connections to send, if the recipient and the relay allow it."""
    suite: Callable[[str], Suite] = suite_named
    """Finds the key agreement by its name."""


@dataclass(frozen=True, slots=True)
class RecipientContext:
    """What a recipient knows before it begins; it never changes."""

    channel: str
    secret: Secret
    """The normalised secret: the code without its channel."""
    entropy: Entropy = field(repr=False)
    curve: str | None = None
    """The only curve to accept; None for any that `policy` allows."""
    policy: Policy = Policy()
    patience: Patience = Patience()
    streams: int = 1
    """Over how many data connections to be sent to, if the relay allows it."""
    many_from: int = 0
    """Fewer bytes than this come over one connection, and so does what has no size: dialling more
    takes longer than it gains."""
    codecs: tuple[int, ...] = (Codec.RAW, Codec.ZEROS)
    """How pieces may be written."""
    max_entries: int = 2_000_000
    suite: Callable[[str], Suite] = suite_named
    """Finds the key agreement by its name."""
