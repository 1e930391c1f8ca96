"""The cases for relays: our own passes them all, and each broken one is caught by its case."""

from __future__ import annotations

import re

import pytest

from conformance._case import CASES, Grade, Need, Part, cases, enter
from conformance._runner import Verdict, judge, run
from conformance.subjects.launch import LaunchedRelays, backend
from conformance.subjects.memory import MemoryRelays
from conformance.subjects.url import RelayByUrl
from tests.broken_relays import RELAYS, Broken

enter("relay")
RELAY_CASES = tuple(cases(Part.RELAY))


def told(verdicts: tuple[Verdict, ...]) -> list[str]:
    return [f"{v.case.id}: {v.grade}: {v.detail}" for v in verdicts if v.grade is not Grade.PASS]


def test_our_relay_in_memory_passes_all() -> None:
    assert told(run(MemoryRelays(), RELAY_CASES).verdicts) == []


def test_our_relay_on_sockets_passes_all() -> None:
    command = backend("asyncio")
    assert command is not None
    with LaunchedRelays("asyncio", command) as host:
        assert told(run(host, RELAY_CASES).verdicts) == []


@pytest.mark.parametrize("broken", RELAYS, ids=lambda broken: broken.id)
def test_a_broken_relay_is_caught(broken: Broken) -> None:
    with broken.in_force():
        verdict = judge(MemoryRelays("broken", broken.make), CASES[broken.case])
    expected = Grade.FAIL if CASES[broken.case].strict else Grade.NON_STRICT
    assert verdict.grade is expected
    assert not re.match(r"[A-Za-z]+(Error|Exception): ", verdict.detail), "caught by a crash only"


def test_there_are_enough_broken_relays() -> None:
    assert len({broken.id for broken in RELAYS}) == len(RELAYS) >= 25
    areas = {CASES[broken.case].area for broken in RELAYS}
    assert areas == {case.area for case in RELAY_CASES}


def test_a_relay_of_others_is_asked_nothing_that_harms_it() -> None:
    command = backend("asyncio")
    assert command is not None
    with LaunchedRelays("asyncio", command) as host:
        net = host.check()
        near = RelayByUrl(f"http://{net.authority}")
        far = RelayByUrl("http://relay.example:8003")
        for case in RELAY_CASES:
            harmful = bool(case.needs & {Need.FLAGS, Need.FLOOD})
            assert bool(near.lacks(case)) == harmful
            assert bool(far.lacks(case)) == bool(case.needs)
        some = [case for case in RELAY_CASES if case.area in ("join", "addresses")]
        result = run(near, some)
    assert result.passed
    assert result.count(Grade.SKIPPED) == sum(case.id == "address-mapped-is-ipv4" for case in some)


@pytest.mark.parametrize("url", ["https://a", "http://", "http://a/b", "ftp://a"])
def test_what_is_no_relays_url(url: str) -> None:
    with pytest.raises(ValueError, match="is not the URL of a relay"):
        RelayByUrl(url)
