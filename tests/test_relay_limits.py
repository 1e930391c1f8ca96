"""Limits, the two ways of counting, and the names that a relay gives out."""

from __future__ import annotations

import ipaddress
import random
from collections import Counter, deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from croc_core.limits import AddressTally, Limits, Rate, Tally, counted
from croc_core.names import ALPHABET, new_name
from croc_core.values import address_of


@pytest.mark.parametrize("bad", [0, -1, float("inf"), float("nan")])
def test_a_limit_is_a_number_above_zero(bad: float) -> None:
    with pytest.raises(ValueError, match="idle_timeout"):
        Limits(idle_timeout=bad)
    assert Limits(idle_timeout=0.001).idle_timeout == 0.001


def test_the_limits_inside_a_run_are_small() -> None:
    assert Limits.embedded().max_channels < 10
    assert Limits.embedded().max_pending_links == 8


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"))))
def test_a_tally_counts_and_forgets(moves: list[tuple[bool, str]]) -> None:
    tally: Tally[str] = Tally()
    model: Counter[str] = Counter()
    for more, key in moves:
        if more:
            tally.add(key)
            model[key] += 1
        elif model[key]:
            tally.drop(key)
            model[key] -= 1
        assert [tally[k] for k in "abc"] == [model[k] for k in "abc"]
        assert (tally.total, len(tally)) == (model.total(), len(+model))


@given(st.ip_addresses(), st.integers(0, 128))
def test_ipv6_counts_by_64_bits_and_ipv4_whole(address: Any, prefix: int) -> None:
    text = address_of(str(address), prefix)
    if ":" not in text:
        assert counted(text) == text
        return
    network = ipaddress.ip_network((address_of(str(address)), min(prefix, 64)), strict=False)
    assert counted(text) == counted(counted(text)) == str(network)


def test_tallies_and_rates_of_addresses_go_by_64_bits() -> None:
    one, two, other = "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"
    tally = AddressTally()
    tally.add(one)
    assert [tally[a] for a in (one, two, other)] == [1, 1, 0]
    tally.drop(two)
    assert len(tally) == tally[one] == 0
    rate = Rate(1, 10)
    assert rate.take(one, 5.0) == rate.take(other, 5.0) == 0
    assert rate.take(two, 5.0)


@given(st.sampled_from([1, 3, 7, 60]), st.lists(st.integers(0, 40), max_size=60))
def test_no_more_than_the_burst_and_the_rate_pass(per_minute: int, gaps: list[int]) -> None:
    """In any span of t seconds at most per_minute * (1 + t/60) pass, and a refusal says when."""
    rate = Rate(per_minute, 10)
    now, passed = 1000.0, deque[float]()
    for gap in gaps:
        now += gap
        delay = rate.take("a", now)
        if delay:
            now += delay + 1e-6
            assert rate.take("a", now) == 0
        passed.append(now)
        for index, since in enumerate(passed):
            assert len(passed) - index <= per_minute * (1 + (now - since) / 60) + 1e-3


def test_a_full_burst_passes_and_the_next_waits_for_exactly_one_token() -> None:
    for per_minute in (1, 3, 7, 1200):
        rate = Rate(per_minute, 10)
        assert not any(rate.take("a", 5.0) for _ in range(per_minute))
        assert rate.take("a", 5.0) == pytest.approx(60 / per_minute)
        assert rate.take("b", 5.0) == 0


def test_only_so_many_addresses_are_remembered_the_latest() -> None:
    rate = Rate(1, 2)
    for address in ("a", "b", "c"):
        assert rate.take(address, 5.0) == 0
    assert len(rate) == 2
    assert rate.take("c", 5.0)
    assert rate.take("b", 5.0)
    assert rate.take("a", 5.0) == 0
    busy = Rate(2, 2)
    for address in ("a", "b", "a", "c"):
        busy.take(address, 5.0)
    assert busy.take("a", 5.0)


def test_names_are_of_an_alphabet_without_look_alikes() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert not set("iloul") & set(ALPHABET)
    chance = random.Random(1)
    names = [new_name(chance.randbytes, (), lambda _: 0) for _ in range(2000)]
    assert {len(n or "") for n in names} == {4}
    assert set("".join(n or "" for n in names)) == set(ALPHABET)


def test_a_crowded_length_is_left() -> None:
    chance = random.Random(1)
    for taken, length in ((32**4 // 64, 4), (32**4 // 64 + 1, 5), (32**5 // 64 + 1, 6)):
        name = new_name(chance.randbytes, (), lambda _, n=taken: n)  # type: ignore[misc]
        assert len(name or "") == length


def test_a_taken_name_is_never_given_again() -> None:
    drawn = iter([bytes(4), bytes(4), bytes([1, 2, 3, 36])])
    assert new_name(lambda _: next(drawn), {"0000"}, lambda _: 0) == "1234"
    everything = {"0" * length for length in range(4, 33)}
    assert new_name(bytes, everything - {"0" * 32}, lambda _: 0) == "0" * 32
    assert new_name(bytes, everything, lambda _: 0) is None
