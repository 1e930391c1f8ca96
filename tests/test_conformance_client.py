"""The cases of a sender and a recipient: broken ones are caught, each by a named case."""

from __future__ import annotations

import re

import pytest
from pytest import MonkeyPatch  # noqa: PT013 - a type

from conformance import client
from conformance._case import CASES, Grade, enter
from conformance._coverage import uncovered
from conformance._runner import judge
from conformance.subjects.adapter import NOT_SUPPORTED, arguments
from conformance.subjects.command import CommandHost, adapted
from conformance.subjects.memory_parties import MemoryParties
from tests.broken_parties import BROKEN

assert client
HOST = MemoryParties()


def graded(slug: str) -> tuple[Grade, str]:
    verdict = judge(HOST, CASES[slug])
    return verdict.grade, verdict.detail


@pytest.mark.parametrize("slug", BROKEN)
def test_a_broken_party_is_caught(slug: str, monkeypatch: MonkeyPatch) -> None:
    assert graded(slug) == (Grade.PASS, "")
    BROKEN[slug](monkeypatch)
    grade, detail = graded(slug)
    assert grade in (Grade.FAIL, Grade.NON_STRICT)
    assert not re.match(r"\w+Error: ", detail), "it crashed, so nothing was judged"


# ---- what there is


def test_every_must_has_a_case() -> None:
    enter("relay", "client")
    assert uncovered() == []


# ---- the contract


def test_a_command_by_its_contract() -> None:
    host = CommandHost("asyncio", adapted("asyncio"), None)
    assert host.lacks(CASES["recipient-keys"])
    assert judge(host, CASES["sender-keys"]).grade is Grade.PASS


def test_a_command_that_supports_nothing_is_skipped() -> None:
    host = CommandHost("none", f"sh -c 'exit {NOT_SUPPORTED}'", None)
    verdict = judge(host, CASES["sender-keys"])
    assert (verdict.grade, "127" in verdict.detail) == (Grade.SKIPPED, True)


def test_a_command_that_does_nothing_fails() -> None:
    host = CommandHost("true", "true", "true")
    slugs = ("sender-keys", "recipient-keys", "sender-wrong-code", "recipient-path-parent")
    assert {judge(host, CASES[slug]).grade for slug in slugs} == {Grade.FAIL}


def test_the_adapter_refuses_what_it_does_not_know() -> None:
    sender = {"CROC_ROLE": "sender", "CROC_FILE": "x"}
    assert arguments({**sender, "CROC_WITH": "stream,streams=3"}) == [
        "send", "--json", "--streams", "3", "--", "-"
    ]  # fmt: skip
    for asked in ("teleportation", "verify,teleportation", "most=3", "streams=", "streams=x"):
        assert arguments({**sender, "CROC_WITH": asked}) is None


def test_the_adapter_knows_two_roles() -> None:
    assert arguments({"CROC_ROLE": "sender", "CROC_FILE": "x"})
    assert arguments({"CROC_ROLE": "recipient", "CROC_OUT": "x", "CROC_CURVE": "p256"})
    assert arguments({"CROC_ROLE": "relay"}) is None
