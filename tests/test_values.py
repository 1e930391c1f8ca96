"""The small values: addresses as the two-IP rule counts them, roles, secrets."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from croc_core.values import Role, Secret, address_of

V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)


@given(address=V4)
def test_a_mapped_address_is_its_ipv4_address(address: ipaddress.IPv4Address) -> None:
    assert address_of(str(address)) == str(address)
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | int(address))
    for text in (str(mapped), mapped.exploded, f"::FFFF:{address}"):
        assert address_of(text) == str(address)
        assert address_of(text, 64) == str(address)


@given(address=V6, prefix=st.integers(1, 128), flip=st.integers(0, 127))
def test_ipv6_counts_as_its_first_bits(
    address: ipaddress.IPv6Address, prefix: int, flip: int
) -> None:
    other = ipaddress.IPv6Address(int(address) ^ 1 << 127 - flip)
    if address.ipv4_mapped or other.ipv4_mapped:
        return
    same = address_of(str(address), prefix) == address_of(str(other), prefix)
    assert same == (flip >= prefix)


@given(address=V6)
def test_every_spelling_of_an_ipv6_address_is_one(address: ipaddress.IPv6Address) -> None:
    spellings = {str(address), address.exploded, address.exploded.upper(), f"{address}%eth0"}
    assert len({address_of(text) for text in spellings}) == 1
    if not address.ipv4_mapped:
        assert address_of(str(address)) == str(address)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4:80", "[::1]", "01.2.3.4"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        address_of(text)


def test_roles_face_each_other() -> None:
    assert [role.other for role in Role] == [Role.RECIPIENT, Role.SENDER]


def test_a_secret_stays_out_of_sight() -> None:
    secret = Secret(b"sesame")
    assert "sesame" not in f"{secret!r} {secret}"
    assert secret.reveal == b"sesame"
    assert secret == Secret(b"sesame")
