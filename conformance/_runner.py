"""Runs cases against the subjects of a host, several at a time, and grades each one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from conformance._case import Case, Grade, SkippedError, UnmetError

_OVERTIME = 5.0
"""Seconds that a case gets beyond its limit before it is given up where it hangs."""


class Host(Protocol):
    """Where subjects of one kind come from."""

    name: str
    """As it stands in the report, such as "asyncio" or a URL."""
    workers: int
    """How many cases may run at the same time."""

    def lacks(self, case: Case) -> str | None:
        """Return why *case* cannot be judged here, or None where it can."""
        ...

    def subject(self, case: Case) -> AbstractContextManager[Any]:
        """Return the subject for *case*; what it opened is closed with it."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one case."""

    case: Case
    grade: Grade
    detail: str = ""
    """What was seen, or why it was skipped; empty for a PASS."""
    seconds: float = 0.0
    tolerated: str = ""
    """The reason that the expectations give for a failure."""

    @property
    def bad(self) -> bool:
        """Whether the run as a whole fails by it."""
        return self.grade is Grade.FAIL and not self.tolerated


@dataclass(frozen=True, slots=True)
class Result:
    """What came of all cases on one host."""

    host: str
    verdicts: tuple[Verdict, ...]
    seconds: float = field(default=0.0, compare=False)

    def count(self, grade: Grade) -> int:
        """How many cases got *grade*."""
        return sum(verdict.grade is grade for verdict in self.verdicts)

    @property
    def passed(self) -> bool:
        """Whether nothing failed that was not expected to."""
        return not any(verdict.bad for verdict in self.verdicts)


def run(
    host: Host, cases: Iterable[Case], tell: Callable[[Verdict], object] = lambda verdict: None
) -> Result:
    """Run *cases* on *host*; *tell* hears of each verdict as it comes, from any thread."""
    begun = time.monotonic()

    def one(case: Case) -> Verdict:
        verdict = judge(host, case)
        tell(verdict)
        return verdict

    with ThreadPoolExecutor(host.workers) as pool:
        verdicts = tuple(pool.map(one, cases))
    return Result(host.name, verdicts, time.monotonic() - begun)


def judge(host: Host, case: Case) -> Verdict:
    """Run one case. Never raises for what a subject does, and never hangs."""
    why = host.lacks(case)
    if why is not None:
        return Verdict(case, Grade.SKIPPED, why)
    begun = time.monotonic()
    found: list[tuple[Grade, str]] = []
    thread = threading.Thread(
        target=lambda: found.append(_grade(host, case)), name=case.id, daemon=True
    )
    thread.start()
    thread.join(case.limit + _OVERTIME)
    grade, detail = found[0] if found else (Grade.FAIL, f"no end within {case.limit:g} s")
    return Verdict(case, grade, detail, time.monotonic() - begun)


def _grade(host: Host, case: Case) -> tuple[Grade, str]:
    bad = Grade.FAIL if case.strict else Grade.NON_STRICT
    try:
        with host.subject(case) as subject:
            case.run(subject)
    except SkippedError as why:
        return Grade.SKIPPED, str(why)
    except UnmetError as unmet:
        return bad, str(unmet)
    except TimeoutError as error:
        return bad, str(error) or "nothing came in time"
    except OSError as error:
        return bad, f"the connection failed ({error.strerror or error})"
    except Exception as error:  # the subject's answer surprised the case, or a fault of the case
        return Grade.FAIL, f"{type(error).__name__}: {error}"
    return Grade.PASS, ""
