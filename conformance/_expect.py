"""expectations.toml: failures that are known and tolerated, each with its reason.

    [[tolerated]]
    case = "join-busy-limit"
    reason = "this relay has no limit yet; see its issue 12"

A tolerated failure does not fail the run. A tolerated case that passes does: the entry is out of
date and has to go.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from conformance._case import CASES, Grade
from conformance._runner import Result, Verdict


class ExpectationsError(ValueError):
    """The file of expectations cannot be used."""


def load(path: Path) -> dict[str, str]:
    """Read the file at *path*: the reason for each tolerated case. Raises ExpectationsError."""
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("tolerated", [])
        found = {entry["case"]: entry["reason"] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExpectationsError(
            f"{path}: each [[tolerated]] has a case and a reason ({error})"
        ) from None
    for name, reason in found.items():
        if name not in CASES:
            raise ExpectationsError(f"{path}: there is no case {name!r}")
        if not isinstance(reason, str) or not reason.strip():
            raise ExpectationsError(f"{path}: {name} is tolerated without a reason")
    return found


def apply(result: Result, tolerated: Mapping[str, str]) -> Result:
    """Mark the failures that are tolerated, and fail what passed although it was not expected."""

    def mark(verdict: Verdict) -> Verdict:
        reason = tolerated.get(verdict.case.id)
        if reason is None or verdict.grade is Grade.SKIPPED:
            return verdict
        if verdict.grade is Grade.PASS:
            detail = f"passed, but the expectations tolerate a failure: {reason}"
            return replace(verdict, grade=Grade.FAIL, detail=detail)
        return replace(verdict, tolerated=reason)

    return replace(result, verdicts=tuple(map(mark, result.verdicts)))
