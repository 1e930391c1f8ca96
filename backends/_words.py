"""The word list of the protocol: BIP-39 English, 2,048 words, from the package `mnemonic`."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import pathlib

SHA256 = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
"""Of the file: the protocol freezes the list."""


@functools.cache
def words() -> tuple[str, ...]:
    """Return the list in its order; RuntimeError where the installed one is another."""
    # Found without importing the package: its import costs more than a whole key agreement.
    spec = importlib.util.find_spec("mnemonic")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package mnemonic, which holds the word list, is not installed")
    data = (pathlib.Path(spec.origin).parent / "wordlist" / "english.txt").read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise RuntimeError("the word list of the package mnemonic is not the protocol's")
    return tuple(data.decode().split())
