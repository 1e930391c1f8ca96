"""lv_cat and base64url: one encoding for each value, and nothing else is read."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from croc_core.encoding import b64url_decode, b64url_encode, lv_cat, lv_split, prepend_len

PARTS = st.lists(st.binary(max_size=300), max_size=6)


def leb128(number: int) -> bytes:
    """The number in 7-bit groups, written the slow way."""
    groups = [number % 128]
    while number := number // 128:
        groups.append(number % 128)
    return bytes([g + 128 for g in groups[:-1]] + groups[-1:])


@given(length=st.integers(0, 1 << 16))
@example(127)
@example(128)
@example((1 << 14) - 1)
@example(1 << 14)
def test_a_length_is_minimal_leb128(length: int) -> None:
    part = bytes(length)
    assert prepend_len(part) == leb128(length) + part


def test_lv_cat_of_the_draft() -> None:
    # draft-irtf-cfrg-cpace, appendix A.1.2 and A.3.4: prepend_len and lv_cat
    assert prepend_len(b"") == bytes.fromhex("00")
    assert prepend_len(b"1234") == bytes.fromhex("0431323334")
    assert prepend_len(bytes(range(127))) == b"\x7f" + bytes(range(127))
    assert prepend_len(bytes(range(128))) == b"\x80\x01" + bytes(range(128))
    assert lv_cat(b"1234", b"5", b"", b"678") == bytes.fromhex("043132333401350003363738")


@given(parts=PARTS)
def test_split_undoes_cat(parts: list[bytes]) -> None:
    assert lv_split(lv_cat(*parts), len(parts)) == tuple(parts)


@given(parts=PARTS, count=st.integers(0, 8))
def test_another_number_of_parts_is_refused(parts: list[bytes], count: int) -> None:
    if count != len(parts):
        with pytest.raises(ValueError, match=r"cut short|after the last"):
            lv_split(lv_cat(*parts), count)


@given(data=st.binary(max_size=40), count=st.integers(0, 4))
@example(data=b"\x80\x00", count=1)
@example(data=b"\x81\x00a", count=1)
@example(data=b"\x80\x80\x80\x80\x01", count=1)
@example(data=b"\xff\xff\xff\x7f", count=1)
@example(data=b"\x80", count=1)
def test_what_is_read_is_what_would_be_written(data: bytes, count: int) -> None:
    try:
        parts = lv_split(data, count)
    except ValueError:
        return
    assert lv_cat(*parts) == data
    assert len(parts) == count


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "a length is cut short"),
        (b"\x80", "a length is cut short"),
        (b"\x02a", "a part is cut short"),
        (b"\x01ab", "bytes after the last part"),
        (b"\x81\x00a", "a length is not minimal"),
        (b"\x80\x80\x80\x80\x01", "a length is too long"),
    ],
)
def test_each_fault_has_its_word(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        lv_split(data, 1)


@given(data=st.binary(min_size=1, max_size=100))
def test_base64url_as_the_standard_writes_it(data: bytes) -> None:
    text = b64url_encode(data)
    assert text == base64.b64encode(data, b"-_").decode().rstrip("=")
    assert b64url_decode(text) == data


@given(text=st.text(alphabet=string.ascii_letters + string.digits + "-_+/= \n", max_size=12))
@example("A")
@example("AB")
@example("AAB")
@example("AA==")
@example("AA\n")
@example("")
@example("\u0100\u0100")
def test_only_the_canonical_text_is_read(text: str) -> None:
    try:
        data = b64url_decode(text)
    except ValueError:
        return
    assert text
    assert b64url_encode(data) == text


def test_base64url_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not base64url"):
        b64url_decode("")


@pytest.mark.parametrize("text", ["AB", "AAB", "_9", "a"])
def test_stray_bits_and_impossible_lengths_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        b64url_decode(text)


def test_rfc4648_section_10() -> None:
    known = {b"f": "Zg", b"fo": "Zm8", b"foo": "Zm9v", b"foob": "Zm9vYg", b"fooba": "Zm9vYmE"}
    for data, text in known.items():
        assert (b64url_encode(data), b64url_decode(text)) == (text, data)
    assert b64url_decode("-_8") == b"\xfb\xff"
