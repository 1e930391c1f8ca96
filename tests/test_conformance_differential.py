"""The same case on the three backends: the same requests, the same events, the same end."""

from __future__ import annotations

from functools import cache

import pytest

from conformance import client
from conformance._case import CASES, Part
from conformance._runner import Host
from conformance.client._trace import Trace
from conformance.subjects.memory_parties import MemoryParties
from conformance.subjects.warm import WarmHost

assert client

SCRIPTS = (
    "sender-requests-well-formed",
    "recipient-requests-well-formed",
    "sender-repeats-join",
    "recipient-repeats-y",
    "sender-join-wrong-role",
    "recipient-join-no-endpoint",
    "sender-reply-nonsense",
    "recipient-version-426",
    "sender-closed-ends",
    "recipient-interrupt-closes",
    "sender-interrupt-closes",
    "sender-wrong-code",
    "recipient-false-proof",
    "sender-head-other-version",
    "recipient-refuses-p256-off-curve",
    "sender-port-refusal",
    "recipient-port-nonsense",
    "sender-hello-changed",
    "recipient-record-flipped",
    "sender-record-replayed",
    "recipient-message-unknown",
    "sender-problem-ends",
    "recipient-path-parent",
    "recipient-decline-is-last",
    "sender-declined",
    "sender-no-receipt",
    "recipient-piece-overlap",
    "recipient-end-sum",
    "recipient-accepts-all",
    "sender-keeps-to-choice",
    "recipient-unknown-channel",
    "sender-unreachable",
    "recipient-wants-rest",
    "sender-rejoins",
    "recipient-rejoins",
    "recipient-many",
    "recipient-many-control",
    "recipient-digests-order",
    "recipient-resumes",
    "sender-want-beyond",
    "recipient-zstd",
    "recipient-zstd-longer",
    "sender-verify",
    "recipient-verify-differs",
    "sender-stream",
    "recipient-finds-two",
)


@cache
def host(name: str) -> Host:
    return MemoryParties() if name == "memory" else WarmHost(name)


def played(name: str, slug: str) -> Trace:
    case = CASES[slug]
    with host(name).subject(case) as stage:
        case.run(stage)
        if stage.run.status() is None:
            stage.ends()
    trace: Trace | None = stage.trace
    assert trace is not None
    return trace


@pytest.mark.parametrize("slug", SCRIPTS)
def test_three_backends_do_the_same(slug: str) -> None:
    memory = played("memory", slug)
    assert played("asyncio", slug) == memory
    assert played("threading", slug) == memory


def test_a_trace_tells_runs_apart() -> None:
    """Else all of the above would be worth nothing."""
    traces = {slug: played("memory", slug) for slug in SCRIPTS}
    assert len(set(traces.values())) > len(SCRIPTS) // 2
    assert all(trace.events for trace in traces.values())


def test_every_script_is_of_a_party() -> None:
    assert {CASES[slug].part for slug in SCRIPTS} == {Part.SENDER, Part.RECIPIENT}
