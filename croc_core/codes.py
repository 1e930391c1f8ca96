"""Codes: what one person tells the other (docs/protocol.md, "Codes").

A code is `<channel>-<secret>`. The relay learns the channel; the secret never leaves the two ends,
and nothing that the relay sees is derived from it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from croc_core.values import Entropy, Secret, Value

CHANNEL = re.compile(r"[0-9a-z]{1,32}")
MAX_SECRET = 256
"""Longest normalised secret, in bytes of UTF-8."""
WORDS = 2048
"""Length of the word list: 11 bits a word."""
DEFAULT_WORDS = 3
WEAK_LENGTH = 9
"""A secret of one's own with fewer characters than this is warned about."""

_GAPS = re.compile(r"[\s_-]+")


class PhraseCode(Value, frozen=True):
    """A code, taken apart."""

    hidden = ("phrase",)

    channel: str
    phrase: str
    """The normalised secret, as text."""

    @property
    def secret(self) -> Secret:
        """The secret as the key agreement takes it."""
        return Secret(self.phrase.encode())

    @property
    def text(self) -> str:
        """The code as it is told."""
        return f"{self.channel}-{self.phrase}"


def normalise(text: str) -> str:
    """Return the one spelling of a code or a secret: NFKC, casefold, gaps as single hyphens.

    Spaces, `_` and `-` are gaps; those at the ends go. Case folding can undo NFKC, which is
    therefore done again: a spelling is its own spelling, so a code that is shown can be typed.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _GAPS.sub("-", unicodedata.normalize("NFKC", folded)).strip("-")


def secret_of(text: str) -> str:
    """Normalise a secret; ValueError, with a sentence for the person, where it cannot be one."""
    phrase = normalise(text)
    try:
        length = len(phrase.encode())
    except UnicodeEncodeError:
        raise ValueError("The code holds characters that are not text.") from None
    if not 1 <= length <= MAX_SECRET:
        raise ValueError(f"The secret part of a code has 1 to {MAX_SECRET} bytes.")
    return phrase


def parse(text: str) -> PhraseCode:
    """Take a code apart, as a person types it; ValueError with a sentence where it is none."""
    channel, gap, rest = normalise(text).partition("-")
    if not gap or not CHANNEL.fullmatch(channel):
        raise ValueError("A code looks like 7k2m-word-word-word.")
    return PhraseCode(channel, secret_of(rest))


def generate(words: Sequence[str], entropy: Entropy, count: int = DEFAULT_WORDS) -> str:
    """Make a secret of *count* words, 11 bits each, drawn from the list of 2,048."""
    if len(words) != WORDS:
        raise ValueError("the word list must have 2,048 words")
    draws = (int.from_bytes(entropy(2), "big") % WORDS for _ in range(count))
    return "-".join(words[draw] for draw in draws)


def is_weak(phrase: str, words: Sequence[str]) -> bool:
    """Say whether a secret of a person's own is easier to guess than it should be."""
    parts = phrase.split("-")
    known = set(words)
    if all(part in known for part in parts):
        return len(set(parts)) < DEFAULT_WORDS
    return len(set(phrase)) < WEAK_LENGTH
