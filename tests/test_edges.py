"""Where one more or one less makes the difference, in the small modules."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

import croc_core
from croc_core import identify
from croc_core.channel import Member, open_channel
from croc_core.content import Entry, Kind, TopNames
from croc_core.encoding import b64url_decode, b64url_encode, lv_cat, lv_split
from croc_core.incoming import End, Reader
from croc_core.limits import Limits, Rate
from croc_core.names import ALPHABET, new_name
from croc_core.parser import Parser
from croc_core.seal import HEADER
from croc_core.values import Moment, Role, Secret, Value
from tests.record_help import pair, secured


def classes() -> Iterator[type[Any]]:
    """Every class that the core defines."""
    for module in pkgutil.walk_packages(croc_core.__path__, "croc_core."):
        loaded = importlib.import_module(module.name)
        yield from (
            kind
            for kind in vars(loaded).values()
            if isinstance(kind, type) and kind.__module__ == module.name
        )


def test_every_struct_is_frozen_and_every_record_that_says_so() -> None:
    """Rule 3 of docs/architecture.md: a state, an event, an effect is a value."""
    structs = [kind for kind in classes() if issubclass(kind, msgspec.Struct)]
    assert len(structs) > 100
    assert [kind for kind in structs if not kind.__struct_config__.frozen] == []
    assert [kind for kind in structs if not kind.__struct_config__.eq] == []
    records: list[Any] = [kind for kind in classes() if dataclasses.is_dataclass(kind)]
    loose = {kind.__name__ for kind in records if not kind.__dataclass_params__.frozen}
    assert loose <= {"Local"}


def test_a_value_reads_as_it_is_written() -> None:
    class Pair(Value, frozen=True):
        hidden = ("b",)
        a: int
        b: int
        c: str

    assert repr(Pair(1, 2, "x")) == "Pair(a=1, c='x')"
    assert repr(Secret(b"abc")) == "Secret()"


def test_a_channels_repr_has_no_value_and_no_address() -> None:
    channel = open_channel("7k2m", "x25519", Member("0" * 32, None, False, "10.0.0.1", 1), 5)
    assert repr(channel) == "OpenedAlone(7k2m, seq=1)"


@pytest.mark.parametrize("length", [127, 128, (1 << 14) - 1, 1 << 14, (1 << 21) - 1, 1 << 21])
def test_a_part_of_any_length_comes_back(length: int) -> None:
    part = bytes(length)
    assert lv_split(lv_cat(part, b"x"), 2) == (part, b"x")


@pytest.mark.parametrize("head", [b"", b"\0", b"\0\0"])
def test_base64url_of_every_last_byte(head: bytes) -> None:
    for last in range(256):
        data = head + bytes([last])
        text = base64.urlsafe_b64encode(data).decode().replace("=", "")
        assert b64url_encode(data) == text
        assert b64url_decode(text) == data


def test_only_the_first_line_is_the_relays() -> None:
    assert identify.parse_reply(b"OK\nab\nc") == identify.Welcome(b"ab\nc")
    found = identify.parse_reply(b"ERR 404 no_such_channel\nOK\n")
    assert found == identify.Refusal(404, "no_such_channel")
    line = identify.encode_line("7k2m", "0" * 32)
    assert identify.parse_line(line + line) == identify.Identified("7k2m", "0" * 32, line)


def test_a_length_of_names_is_crowded_when_more_than_one_in_64_is_taken() -> None:
    asked: list[int] = []

    def count(length: int) -> int:
        asked.append(length)
        return int(len(ALPHABET) ** length // 64 + (length < 6))

    assert new_name(bytes, set(), count) == ALPHABET[0] * 6
    assert asked == [4, 5, 6]


def test_the_limits_of_a_relay_inside_a_senders_run() -> None:
    assert Limits.embedded() == Limits(max_channels=8, max_pending_links=8, max_links=64)


def test_a_rate_is_full_again_after_one_cost() -> None:
    rate = Rate(2, 10)
    assert [rate.take("a", 100.0) for _ in range(3)] == [0.0, 0.0, 30.0]
    assert rate.take("a", 129.0) == 1.0
    assert rate.take("a", 130.0) == 0.0
    assert rate.take("a", 130.0) == 30.0


def test_the_other_role() -> None:
    assert Role.SENDER.other is Role.RECIPIENT
    assert Role.RECIPIENT.other is Role.SENDER
    assert (Role.SENDER, Role.RECIPIENT) == ("sender", "recipient")
    assert Moment(1.0, 2) == (1.0, 2)


def test_a_reader_counts_all_that_comes_before_anything_is_secured() -> None:
    reader = Reader()
    assert (reader.received, reader.passed, reader.moved, reader.entry) == (0, 0, 0, -1)
    for part in (b"4", b"27"):
        reader.buffer()[: len(part)] = part
        reader.advance(len(part))
    assert reader.received == 3
    reader.advance(0)
    assert reader.ready()
    assert reader.take() == End(whole=False)
    assert reader.received == 3


def test_a_reader_asks_for_no_more_than_a_header_before_it_knows_the_length() -> None:
    reader = secured(pair()[1])
    assert len(reader.buffer()) == HEADER


def test_a_parser_that_was_fed_nothing_waits() -> None:
    assert Parser().parse() is None


def test_the_first_ten_names_at_the_top_are_kept_as_they_came() -> None:
    top = TopNames()
    names: list[str | bytes] = ["b c/x/y", b"a d/y/z", "b c/z"]
    for name in (*names, *(f"{n}/x" for n in range(20))):
        top.add(Entry(Kind.FILE, name, 0, {}))
    assert list(top.found) == ["b c", b"a d", *"01234567"]
