"""The cases of a sender and a recipient: broken ones are caught, each by a named case."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from pytest import MonkeyPatch  # noqa: PT013 - a type

from backends import _control, _link
from backends._http_client import HttpExchange
from backends._options import Options
from backends.files.policy import Policy
from conformance import client
from conformance._case import CASES, Grade, enter
from conformance._coverage import uncovered
from conformance._runner import judge
from conformance.subjects import memory_parties
from conformance.subjects.adapter import NOT_SUPPORTED, arguments
from conformance.subjects.command import CommandHost, adapted
from conformance.subjects.memory_parties import MemoryParties
from croc_core import (
    handshake,
    heads,
    messages,
    party,
    recipient_judge,
    recipient_states,
    sender_judge,
    sender_states,
)
from croc_core import party_io as p
from croc_core.events import to_json

assert client
HOST = MemoryParties()
Break = Callable[[MonkeyPatch], None]


def graded(slug: str) -> tuple[Grade, str]:
    verdict = judge(HOST, CASES[slug])
    return verdict.grade, verdict.detail


def judged(module: ModuleType, state: type[Any], when: Callable[[Any], bool], then: Any) -> Break:
    """A machine that makes *then* of an input that *when* picks, whatever it holds."""

    def broken(patch: MonkeyPatch) -> None:
        real = module._JUDGES[state]

        def instead(context: Any, state: Any, event: Any, *now: Any) -> Any:
            return then(state, event) if when(event) else real(context, state, event, *now)

        patch.setitem(module._JUDGES, state, instead)

    return broken


def put(target: object, name: str, value: object) -> Break:
    return lambda patch: patch.setattr(target, name, value)


def heard(kind: type[Any]) -> Callable[[Any], bool]:
    return lambda event: isinstance(event, p.Heard) and isinstance(event.message, kind)


def answered(event: Any) -> bool:
    return isinstance(event, p.Replied) and event.status == 200


def lenient(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.replace("+", "-") + "=" * (-len(text) % 4))


def shows_secret(patch: MonkeyPatch) -> None:
    patch.setattr(
        memory_parties, "to_json", lambda e: to_json(e).replace(b"the other side", b"otter")
    )


def forgets_reflection(patch: MonkeyPatch) -> None:
    patch.setattr(handshake, "_agree", lambda suite, k, mine, theirs: suite.agree(k, theirs))


def gives_up(name: str, seconds: float) -> Break:
    def broken(patch: MonkeyPatch) -> None:
        wanted = party.Patience()._replace(**{name: seconds})
        patch.setattr(memory_parties, "Options", lambda **given: Options(**given, patience=wanted))

    return broken


def overwrites(patch: MonkeyPatch) -> None:
    patch.setattr(
        memory_parties, "Options", lambda **given: Options(**given, existing=Policy.OVERWRITE)
    )


def fresh_nonces(patch: MonkeyPatch) -> None:
    """Each request of a join, repeats too, gets another nonce."""

    def make(authority: str, path: str, body: bytes) -> Any:
        fields = json.loads(body)
        if "nonce" in fields:
            fields["nonce"] = os.urandom(16).hex()
        return HttpExchange(authority, path, json.dumps(fields).encode())

    patch.setattr(_control, "HttpExchange", make)


def _done(state: Any, event: Any) -> Any:
    return sender_states.ReceiptGood()


S, R = sender_judge, recipient_judge
BROKEN: dict[str, Break] = {
    "recipient-false-proof": put(R, "proves", lambda session, h_k: True),
    "sender-guessed-hash": put(handshake, "_same", lambda ours, theirs: True),
    "recipient-commitment": put(R, "commits", lambda session, vn: True),
    "sender-refuses-x25519-reflected": forgets_reflection,
    "sender-hello-own-role": put(S, "greeted", lambda role, data: None),
    "recipient-hello-other-connection": put(R, "greeted", lambda role, data: None),
    "sender-port-refusal": put(S, "identified", lambda event: None),
    "recipient-refuses-x-stray-bits": put(heads, "b64url_decode", lenient),
    "sender-refuses-y-stray-bits": put(heads, "b64url_decode", lenient),
    "sender-refuses-head-too-long": put(heads, "MAX_HEAD", 1 << 20),
    "sender-refuses-head-too-many-caps": put(heads, "MAX_CAPS", 1 << 20),
    "sender-long-polls": put(S, "pause", lambda before, seq: 0.0),
    "sender-still-here": put(_link, "STILL_HERE", 1000.0),
    "recipient-still-here": put(_link, "STILL_HERE", 1000.0),
    "sender-not-sooner": gives_up("progress", 20.0),
    "recipient-stalled-peer": gives_up("progress", 100_000.0),
    "sender-relay-stalls": gives_up("request", 100_000.0),
    "recipient-no-overwrite": overwrites,
    "sender-secret-stays": shows_secret,
    "sender-repeats-join": fresh_nonces,
    "sender-receipt-tid": judged(S, sender_states.AwaitingReceipt, heard(messages.Receipt), _done),
    "sender-receipt-no-flag": judged(
        S, sender_states.AwaitingReceipt, heard(messages.Receipt), _done
    ),
    "sender-no-receipt": judged(
        S, sender_states.AwaitingReceipt, lambda e: isinstance(e, p.LinkEnded), _done
    ),
    "sender-other-tid": judged(
        S,
        sender_states.AwaitingAccept,
        heard(messages.Accept),
        lambda state, event: sender_states.AcceptWhole(event.message),
    ),
    "sender-x-not-shown": judged(
        S,
        sender_states.Publishing,
        answered,
        lambda state, event: sender_states.XTaken("k7w2-otter-lemon-violin", "", 0),
    ),
    "sender-asks-stapled": judged(
        S,
        sender_states.AwaitingStaple,
        lambda event: True,
        lambda state, event: sender_states.IsStapled(b"\x0bcroc-core/1" + bytes(51)),
    ),
    "recipient-end-count": judged(
        R,
        recipient_states.Receiving,
        heard(messages.PiecesEnd),
        lambda state, event: recipient_states.TotalsGood(()),
    ),
    "recipient-end-no-flag": judged(
        R,
        recipient_states.Receiving,
        heard(messages.PiecesEnd),
        lambda state, event: recipient_states.TotalsGood(()),
    ),
    "recipient-wrong-sum": judged(
        R,
        recipient_states.HearingOffer,
        heard(messages.OfferEnd),
        lambda state, event: recipient_states.OfferWhole(),
    ),
    "recipient-problem-ends": judged(
        R,
        recipient_states.AwaitingOffer,
        heard(messages.Problem),
        lambda state, event: None,
    ),
}


@pytest.mark.parametrize("slug", BROKEN)
def test_a_broken_party_is_caught(slug: str, monkeypatch: MonkeyPatch) -> None:
    assert graded(slug) == (Grade.PASS, "")
    BROKEN[slug](monkeypatch)
    grade, _ = graded(slug)
    assert grade in (Grade.FAIL, Grade.NON_STRICT)


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


def test_the_adapter_knows_two_roles() -> None:
    assert arguments({"CROC_ROLE": "sender", "CROC_FILE": "x"})
    assert arguments({"CROC_ROLE": "recipient", "CROC_OUT": "x", "CROC_CURVE": "p256"})
    assert arguments({"CROC_ROLE": "relay"}) is None
