"""Sealed records: STREAM over an AEAD, as in age (docs/protocol.md, "Records").

A record is a u32 big-endian header and a ciphertext. Header bit 31 is the last flag, bits 30 to 21
are zero, the rest is the ciphertext's length, 16 to 2^20 + 16. The nonce is an 11-byte counter and
the last flag; the header is associated data. A key covers 2^16 records; g is the key's number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cryptography.exceptions import InvalidTag

from croc_core.errors import LocalProtocolError, Party, RemoteProtocolError

HEADER = 4
TAG = 16
MAX_PLAIN = 1 << 20
"""Most plaintext bytes in one record."""
LAST = 1 << 31
REKEY_SHIFT = 16
"""A key is used for 2^16 records: at 1 MiB each, 2^32 AES blocks."""

KeyFor = Callable[[int], bytes]
"""Returns the 32-byte key with number g of one direction of one connection."""


class Aead(Protocol):
    """What `cryptography`'s AEADs offer; sealing and opening may be in place."""

    def encrypt_into(
        self, nonce: bytes, data: memoryview, associated_data: bytes, buf: memoryview, /
    ) -> int:
        """Seal *data* into *buf*, which is 16 bytes longer."""
        ...

    def decrypt_into(
        self, nonce: bytes, data: memoryview, associated_data: bytes, buf: memoryview, /
    ) -> int:
        """Open *data* into *buf*, which is 16 bytes shorter; InvalidTag where it is not genuine."""
        ...


def aead(name: str) -> Callable[[bytes], Aead]:
    """Return the AEAD of that name ("aes256gcm" or "chacha20poly1305"): key to cipher."""
    from cryptography.hazmat.primitives.ciphers import aead as ciphers

    kinds: dict[str, Callable[[bytes], Aead]] = {
        "aes256gcm": ciphers.AESGCM,
        "chacha20poly1305": ciphers.ChaCha20Poly1305,
    }
    return kinds[name]


class _Stream:
    """Counter, key and end of one direction of one connection."""

    def __init__(self, name: str, key_for: KeyFor) -> None:
        self._make = aead(name)
        self._key_for = key_for
        self._counter = 0
        self._cipher = self._make(key_for(0))
        self.ended = False
        """The record with the last flag has passed."""

    def _nonce(self, last: bool) -> bytes:
        """Return the next record's nonce, with its key in place."""
        counter = self._counter
        if counter and not counter & ((1 << REKEY_SHIFT) - 1):
            self._cipher = self._make(self._key_for(counter >> REKEY_SHIFT))
        return (counter << 8 | last).to_bytes(12, "big")

    def _count(self, last: bool) -> None:
        self._counter += 1
        self.ended = last


class Sealer(_Stream):
    """Seals the records of one direction."""

    def seal(self, buffer: memoryview, length: int, *, last: bool = False) -> int:
        """Seal in place the *length* bytes at buffer[4:]; return the length of the record.

        The buffer holds at least 4 + length + 16 bytes. Raises LocalProtocolError after the last
        record or for more than 2^20 bytes.
        """
        if self.ended or length > MAX_PLAIN:
            raise LocalProtocolError("sealing after the end, or too much for one record")
        end = HEADER + length + TAG
        header = (length + TAG | (LAST if last else 0)).to_bytes(HEADER, "big")
        buffer[:HEADER] = header
        nonce = self._nonce(last)  # before the cipher is looked at: it may become the next one
        self._cipher.encrypt_into(nonce, buffer[HEADER : end - TAG], header, buffer[HEADER:end])
        self._count(last)
        return end

    def record(self, plain: bytes, *, last: bool = False) -> bytes:
        """Return *plain* as one sealed record; for control messages."""
        buffer = bytearray(HEADER + len(plain) + TAG)
        buffer[HEADER:-TAG] = plain
        self.seal(memoryview(buffer), len(plain), last=last)
        return bytes(buffer)


class Opener(_Stream):
    """Opens the records of one direction."""

    _forged = False

    def length(self, header: bytes) -> int:
        """Return the ciphertext's length; RemoteProtocolError where *header* is not allowed."""
        length = int.from_bytes(header, "big") & ~LAST
        if self.ended or self._forged:
            raise RemoteProtocolError(Party.PEER, "a record after the last one")
        if not TAG <= length <= MAX_PLAIN + TAG:
            raise RemoteProtocolError(Party.PEER, "a record has an impossible length")
        return length

    def open(self, header: bytes, cipher: memoryview) -> memoryview:
        """Open *cipher* in place and return the plaintext within it.

        Raises RemoteProtocolError, for good, where the record is not genuine or not in its place.
        """
        last = bool(header[0] & 0x80)
        plain = cipher[:-TAG]
        nonce = self._nonce(last)
        try:
            self._cipher.decrypt_into(nonce, cipher, header, plain)
        except InvalidTag:
            self._forged = True
            text = "a record is not genuine: it was changed, lost or moved on its way"
            raise RemoteProtocolError(Party.PEER, text) from None
        self._count(last)
        return plain
