"""The two encodings that everything signed or sent rests on: lv_cat and base64url.

`lv_cat` is the length-prefixed concatenation of draft-irtf-cfrg-cpace-21: each part is preceded by
its length as an unsigned LEB128 number. Decoding is strict, so that there is one encoding for each
value: a prefix that is longer than needed is refused.
"""

from __future__ import annotations

import base64
import binascii
import re

B64URL = re.compile(r"[A-Za-z0-9_-]+")


def prepend_len(part: bytes) -> bytes:
    """Return *part* behind its length as a minimal unsigned LEB128 number."""
    rest = len(part)
    prefix = bytearray()
    while rest >= 0x80:
        prefix.append(rest & 0x7F | 0x80)
        rest >>= 7
    prefix.append(rest)
    return bytes(prefix) + part


def lv_cat(*parts: bytes) -> bytes:
    """Concatenate *parts*, each behind its length (CPace draft, `lv_cat`)."""
    return b"".join(map(prepend_len, parts))


def lv_split(data: bytes, count: int) -> tuple[bytes, ...]:
    """Split *data* into exactly *count* parts as `lv_cat` joined them.

    Raises ValueError on a truncated part, trailing bytes or a prefix that is not minimal.
    """
    parts = []
    at = 0
    for _ in range(count):
        length, at = _leb128(data, at)
        if at + length > len(data):
            raise ValueError("a part is cut short")
        parts.append(data[at : at + length])
        at += length
    if at != len(data):
        raise ValueError("bytes after the last part")
    return tuple(parts)


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Read one minimal LEB128 number of at most 28 bits; return it and the place behind it."""
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= len(data):
            raise ValueError("a length is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise ValueError("a length is not minimal")
            return value, at
    raise ValueError("a length is too long")


def b64url_encode(data: bytes) -> str:
    """Encode as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """Decode canonical base64url without padding.

    Raises ValueError on any other character, an impossible length, or stray bits at the end.
    """
    if not B64URL.fullmatch(text):
        raise ValueError("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if b64url_encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
