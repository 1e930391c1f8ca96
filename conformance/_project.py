"""All cases on this project's own backends: what `nox -s conformance` runs.

Here nothing may be skipped: a case that a backend of ours cannot be judged by is a hole.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from conformance._case import Case, Grade, Part, chosen, enter
from conformance._runner import Host, Result, Verdict, run
from conformance.matrix import meetings
from conformance.subjects import command
from conformance.subjects.launch import BACKENDS, LaunchedRelays, backend
from conformance.subjects.memory import MemoryRelays
from conformance.subjects.memory_parties import MemoryParties

MEMORY = "memory"
MATRIX = "matrix"


@dataclass(frozen=True, slots=True)
class Column:
    """All that was judged of one backend."""

    name: str
    result: Result

    @property
    def good(self) -> int:
        """How many cases passed without any reservation."""
        return self.result.count(Grade.PASS)

    @property
    def total(self) -> int:
        """How many cases there are."""
        return len(self.result.verdicts)


def columns(pattern: str = "*") -> Iterator[Column]:
    """Run every case whose id fits *pattern* on every backend that is there.

    Those over sockets run beside each other, for much of what they do is to wait for a deadline.
    """
    enter("relay", "client")
    with ThreadPoolExecutor(len(BACKENDS)) as pool:
        yield from filter(None, pool.map(lambda name: _column(name, pattern), BACKENDS))
    yield from filter(None, (_column(MEMORY, pattern),))
    begun = time.monotonic()
    met = tuple(_met(pattern))
    yield Column(MATRIX, Result(MATRIX, met, time.monotonic() - begun))


def _column(name: str, pattern: str) -> Column | None:
    """Judge one backend; None where it is not there."""
    with contextlib.ExitStack() as stack:
        relays, parties = _hosts(name, stack)
        if relays is None or parties is None:
            return None
        results = (
            run(relays, chosen(pattern, Part.RELAY)),
            run(parties, chosen(pattern, Part.SENDER, Part.RECIPIENT)),
        )
    return Column(name, _joined(name, results))


def _met(pattern: str) -> Iterator[Verdict]:
    """The matrix, each meeting as a case of its own."""
    for meeting in meetings(pattern):
        case = Case(meeting.slug, Part.RECIPIENT, ("EXIT-1",), meeting.scenario)
        grade = Grade.FAIL if meeting.detail else Grade.PASS
        yield Verdict(case, grade, meeting.detail, meeting.seconds)


def _hosts(name: str, stack: contextlib.ExitStack) -> tuple[Host | None, Host | None]:
    if name == MEMORY:
        return MemoryRelays(), MemoryParties()
    words = backend(name)
    relays = None if words is None else stack.enter_context(LaunchedRelays(name, words))
    return relays, command.backend(name)


def _joined(name: str, results: Sequence[Result]) -> Result:
    verdicts = tuple(
        replace(verdict, grade=Grade.FAIL, detail=f"skipped: {verdict.detail}")
        if verdict.grade is Grade.SKIPPED
        else verdict
        for result in results
        for verdict in result.verdicts
    )
    return Result(name, verdicts, sum(result.seconds for result in results))
