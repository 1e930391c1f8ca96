"""Sealed records: what was sealed, in its order, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nacl import bindings

from croc_core.errors import LocalProtocolError, Party, RemoteProtocolError
from croc_core.seal import MAX_PLAIN, REKEY_SHIFT, Opener, Sealer, aead
from tests.record_help import AEADS, keys, pair

CIPHERS: dict[str, Callable[[bytes], Any]] = {
    "aes256gcm": AESGCM,
    "chacha20poly1305": ChaCha20Poly1305,
}
PLAIN = st.binary(max_size=80)
KNOWN = (
    "000000146dcedabdf880eb82ebd065d0d7e888c8aa8e78e6",
    "800000106dd64340f6dee294dc1c1477762ba9d3",
    "000000147bca2d52b8b28975c2695716653f5ef98718f842",
)
"""Key 00..1f, counters 0, 1 (last, empty) and 0, made by the one-shot calls of the AEADs."""


def by_hand(name: str, counter: int, plain: bytes, last: bool) -> bytes:
    """The record as the protocol describes it, put together from the AEAD's one-shot call."""
    key = keys("a")(counter // 65536)
    nonce = counter.to_bytes(11, "big") + (b"\x01" if last else b"\x00")
    header = (len(plain) + 16 + (0x80000000 if last else 0)).to_bytes(4, "big")
    sealed: bytes = CIPHERS[name](key).encrypt(nonce, plain, header)
    return header + sealed


def opened(opener: Opener, record: bytes) -> bytes:
    """What *opener* makes of one record; its length is checked as a reader does."""
    data = bytearray(record)
    assert opener.length(record[:4]) == len(record) - 4
    return bytes(opener.open(record[:4], memoryview(data)[4:]))


def refused(opener: Opener, record: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        opened(opener, record)
    assert caught.value.party is Party.PEER
    return str(caught.value)


def at(stream: Any, counter: int) -> Any:
    """Put a sealer or an opener where *counter* records have passed."""
    stream._counter = counter
    stream._cipher = stream._make(stream._key_for(max(0, counter - 1) >> REKEY_SHIFT))
    return stream


# ---- known answers


def test_known_records() -> None:
    sealer = Sealer("aes256gcm", lambda g: bytes(range(32)))
    assert sealer.record(b"croc").hex() == KNOWN[0]
    assert sealer.record(b"", last=True).hex() == KNOWN[1]
    assert Sealer("chacha20poly1305", lambda g: bytes(range(32))).record(b"croc").hex() == KNOWN[2]


@pytest.mark.parametrize("name", AEADS)
@given(plains=st.lists(PLAIN, min_size=1, max_size=5), last=..., start=st.integers(0, 1 << 20))
@example(plains=[b""] * 3, last=True, start=65535)
@example(plains=[b"a"] * 3, last=False, start=(1 << 16) * 7 - 1)
def test_records_are_those_of_the_protocol(
    name: str, plains: list[bytes], last: bool, start: int
) -> None:
    sealer, opener = (at(end, start) for end in pair(name))
    for number, plain in enumerate(plains):
        final = last and number == len(plains) - 1
        record = sealer.record(plain, last=final)
        assert record == by_hand(name, start + number, plain, final)
        assert opened(opener, record) == plain
        assert sealer.ended == opener.ended == final


def test_chacha_as_another_library_has_it() -> None:
    record = Sealer("chacha20poly1305", keys("a")).record(b"hello")
    plain = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
        record[4:], record[:4], bytes(12), keys("a")(0)
    )
    assert plain == b"hello"


@pytest.mark.parametrize("name", AEADS)
@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 65536, MAX_PLAIN - 1, MAX_PLAIN])
def test_every_size_up_to_the_greatest(name: str, length: int) -> None:
    plain = hashlib.shake_256(b"%d" % length).digest(length)
    sealer, opener = pair(name)
    record = sealer.record(plain)
    assert record == by_hand(name, 0, plain, False)
    assert opened(opener, record) == plain


def test_sealing_in_place_touches_its_record_alone() -> None:
    sealer, opener = pair()
    buffer = bytearray(b"\xaa" * 100)
    buffer[4:14] = b"0123456789"
    assert sealer.seal(memoryview(buffer), 10, last=True) == 30
    assert buffer[30:] == b"\xaa" * 70
    assert opened(opener, bytes(buffer[:30])) == b"0123456789"


def test_opening_is_in_place() -> None:
    sealer, opener = pair()
    data = bytearray(sealer.record(b"0123456789"))
    plain = opener.open(bytes(data[:4]), memoryview(data)[4:])
    assert plain.obj is data
    assert data[4:14] == b"0123456789"


# ---- keys


@pytest.mark.parametrize("name", AEADS)
def test_a_key_covers_65536_records(name: str) -> None:
    asked: list[int] = []

    def key_for(g: int) -> bytes:
        asked.append(g)
        return keys("a")(g)

    sealer, opener = at(Sealer(name, key_for), 65534), at(Opener(name, key_for), 65534)
    asked.clear()
    for number in range(65534, 65539):
        record = sealer.record(b"%d" % number)
        assert record == by_hand(name, number, b"%d" % number, False)
        assert opened(opener, record) == b"%d" % number
        assert asked == ([1, 1] if number >= 65536 else [])


def test_keys_are_asked_for_once() -> None:
    asked: list[int] = []
    sealer = Sealer("aes256gcm", lambda g: asked.append(g) or bytes(32))  # type: ignore[func-returns-value]
    for _ in range(3):
        sealer.record(b"")
    assert asked == [0]


def test_unknown_aeads_are_a_callers_fault() -> None:
    with pytest.raises(KeyError):
        aead("aes128gcm")


# ---- what a channel may do to records


@pytest.mark.parametrize("name", AEADS)
@settings(max_examples=60)
@given(plain=PLAIN, last=..., bit=st.integers(0), start=st.sampled_from([0, 1, 65536]))
def test_any_flipped_bit_is_refused(
    name: str, plain: bytes, last: bool, bit: int, start: int
) -> None:
    sealer, opener = (at(end, start) for end in pair(name))
    record = bytearray(sealer.record(plain, last=last))
    bit %= len(record) * 8
    record[bit // 8] ^= 1 << bit % 8
    # Where the flip is in the length, as many bytes follow as it says.
    length = int.from_bytes(record[:4], "big") & 0x7FFFFFFF
    if length <= MAX_PLAIN + 16:
        record = (record + bytes(length))[: 4 + length]
    refused(opener, bytes(record))
    assert not opener.ended


def test_every_single_bit_of_a_short_record_matters() -> None:
    record = Sealer("aes256gcm", keys("a")).record(b"ab")
    for bit in range(32, len(record) * 8):
        flipped = bytearray(record)
        flipped[bit // 8] ^= 1 << bit % 8
        assert "not genuine" in refused(Opener("aes256gcm", keys("a")), bytes(flipped))


@pytest.mark.parametrize("name", AEADS)
def test_lost_moved_doubled_and_foreign_records_are_refused(name: str) -> None:
    def fresh() -> tuple[list[bytes], Opener]:
        sealer, opener = pair(name)
        return [sealer.record(bytes([n])) for n in range(3)], opener

    records, opener = fresh()
    refused(opener, records[1])  # lost or moved
    records, opener = fresh()
    assert opened(opener, records[0]) == b"\0"
    refused(opener, records[0])  # doubled
    records, opener = fresh()
    refused(opener, Sealer(name, keys("b")).record(b"\0"))  # another direction or connection
    records, opener = fresh()
    other = next(n for n in AEADS if n != name)
    refused(opener, Sealer(other, keys("a")).record(b"\0"))
    # the same place under the next key, and the next place under the same key
    refused(at(Opener(name, keys("a")), 65536), records[0])
    refused(Opener(name, keys("a")), at(Sealer(name, keys("a")), 65536).record(b"\0"))


def test_the_last_flag_is_bound() -> None:
    for last in (False, True):
        record = bytearray(Sealer("aes256gcm", keys("a")).record(b"x", last=last))
        record[0] ^= 0x80
        opener = Opener("aes256gcm", keys("a"))
        refused(opener, bytes(record))
        assert not opener.ended


def test_nothing_follows_the_last_record() -> None:
    sealer, opener = pair()
    record = sealer.record(b"x", last=True)
    with pytest.raises(LocalProtocolError):
        sealer.record(b"y")
    assert opened(opener, record) == b"x"
    assert opener.ended
    more = by_hand("aes256gcm", 1, b"y", False)
    assert "after the last" in refused(opener, more)


def test_after_a_forgery_nothing_is_opened() -> None:
    sealer, opener = pair()
    record = sealer.record(b"x")
    forged = bytearray(record)
    forged[-1] ^= 1
    refused(opener, bytes(forged))
    with pytest.raises(RemoteProtocolError):
        opener.length(record[:4])
    assert not opener.ended, "a forgery is not an end"


@given(header=st.binary(min_size=4, max_size=4))
@example(bytes.fromhex("0000000f"))
@example(bytes.fromhex("00000010"))
@example(bytes.fromhex("80000010"))
@example(bytes.fromhex("00100010"))
@example(bytes.fromhex("80100010"))
@example(bytes.fromhex("00100011"))
@example(bytes.fromhex("00000000"))
@example(bytes.fromhex("ffffffff"))
def test_headers(header: bytes) -> None:
    opener = Opener("aes256gcm", keys("a"))
    number = int.from_bytes(header, "big")
    length = number & 0x1FFFFF
    if number & 0x7FE00000 or not 16 <= length <= 2**20 + 16:
        with pytest.raises(RemoteProtocolError, match="impossible length"):
            opener.length(header)
    else:
        assert opener.length(header) == length


@pytest.mark.parametrize("bit", range(21, 31))
@pytest.mark.parametrize("last", [0, 1 << 31])
def test_header_bits_21_to_30_are_zero(bit: int, last: int) -> None:
    opener = Opener("aes256gcm", keys("a"))
    with pytest.raises(RemoteProtocolError, match="impossible length"):
        opener.length((last | 1 << bit | 100).to_bytes(4, "big"))


def test_too_much_for_one_record_is_a_callers_fault() -> None:
    sealer = Sealer("aes256gcm", keys("a"))
    with pytest.raises(LocalProtocolError):
        sealer.record(bytes(MAX_PLAIN + 1))
    # and nothing changed
    assert sealer.record(b"x") == by_hand("aes256gcm", 0, b"x", False)
