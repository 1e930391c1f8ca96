"""The names that a relay gives to channels: short, at random, never in sequence."""

from __future__ import annotations

from collections.abc import Callable, Container

from croc_core.values import Entropy

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""32 characters; the four that are easily misread (i, l, o, u) are left out."""
SHORTEST = 4
LONGEST = 32
_CROWDED = 64
_TRIES = 8


def new_name(entropy: Entropy, taken: Container[str], count: Callable[[int], int]) -> str | None:
    """Return a random name that is not in *taken*, or None where chance yields only taken ones.

    *count* says how many taken names have a length. A length of which more than 1/64 is taken is
    not used any more: names stay hard to guess, and one try nearly always does.
    """
    length = SHORTEST
    while count(length) * _CROWDED > len(ALPHABET) ** length:
        length += 1
    while length <= LONGEST:
        for _ in range(_TRIES):
            name = "".join(ALPHABET[byte % len(ALPHABET)] for byte in entropy(length))
            if name not in taken:
                return name
        length += 1
    return None
