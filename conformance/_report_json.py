"""The report for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from conformance._case import Grade
from conformance._runner import Result, Verdict
from croc_core.values import VERSION


def as_json(results: Sequence[Result]) -> str:
    """Return the whole report as one JSON object."""
    report = {"protocol": VERSION, "hosts": [_host(result) for result in results]}
    return json.dumps(report, indent=1) + "\n"


def _host(result: Result) -> dict[str, Any]:
    return {
        "name": result.host,
        "passed": result.passed,
        "seconds": round(result.seconds, 3),
        "counts": {str(grade): result.count(grade) for grade in Grade},
        "cases": [_verdict(verdict) for verdict in result.verdicts],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    case = verdict.case
    return {
        "id": case.id,
        "part": str(case.part),
        "area": case.area,
        "title": case.title,
        "requirements": dict(zip(case.requirements, case.texts, strict=True)),
        "grade": str(verdict.grade),
        "detail": verdict.detail,
        "tolerated": verdict.tolerated or None,
        "seconds": round(verdict.seconds, 3),
    }
