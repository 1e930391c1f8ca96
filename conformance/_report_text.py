"""The report for a terminal: one table, then what went wrong, then one line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from backends._show import show
from conformance._case import Case, Grade
from conformance._runner import Result, Verdict

_SHORT = {
    Grade.PASS: "pass",
    Grade.FAIL: "FAIL",
    Grade.NON_STRICT: "non-strict",
    Grade.SKIPPED: "skipped",
}


def text(results: Sequence[Result]) -> str:
    """Return the whole report: a row for each case, a column for each host."""
    lines = [*_table(results), ""]
    for result in results:
        for verdict in result.verdicts:
            lines += _story(result.host, verdict)
    lines += (_count(result) for result in results)
    return "\n".join(lines) + "\n"


def summary(parts: Iterable[tuple[str, int, int]]) -> str:
    """Return `name=passed/all` for each part, in one line."""
    return " ".join(f"{name}={good}/{of}" for name, good, of in parts)


def mark(verdict: Verdict) -> str:
    """Return the word for a verdict in the table."""
    return _SHORT[verdict.grade] + (" (tolerated)" if verdict.tolerated else "")


def _table(results: Sequence[Result]) -> Iterator[str]:
    cases: dict[str, Case] = {}
    marks: dict[tuple[str, str], str] = {}
    for result in results:
        for verdict in result.verdicts:
            cases[verdict.case.id] = verdict.case
            marks[result.host, verdict.case.id] = mark(verdict)
    width = max(map(len, cases), default=4)
    hosts = [result.host for result in results]
    columns = [max(len(host), 10) for host in hosts]
    head = "  ".join(host.ljust(size) for host, size in zip(hosts, columns, strict=True))
    yield f"{'case'.ljust(width)}  {'requirement'.ljust(11)}  {head}".rstrip()
    for name, case in cases.items():
        cells = (marks.get((host, name), "-") for host in hosts)
        row = "  ".join(cell.ljust(size) for cell, size in zip(cells, columns, strict=True))
        yield f"{name.ljust(width)}  {case.requirements[0].ljust(11)}  {row}".rstrip()


def _story(host: str, verdict: Verdict) -> list[str]:
    """Say what is to be said of a verdict that is no plain PASS."""
    if verdict.grade is Grade.PASS:
        return []
    case = verdict.case
    lines = [f"{host}: {case.id}: {verdict.grade}", f"    {case.title}"]
    lines += textwrap.wrap(
        show(verdict.detail, 1000), 96, initial_indent="    ", subsequent_indent="    "
    )
    if verdict.grade is not Grade.SKIPPED:
        for name, sentence in zip(case.requirements, case.texts, strict=True):
            lines += textwrap.wrap(
                f"{name}: {sentence}", 96, initial_indent="    ", subsequent_indent="        "
            )
    if verdict.tolerated:
        lines.append(f"    tolerated: {show(verdict.tolerated, 1000)}")
    return [*lines, ""]


def _count(result: Result) -> str:
    counts = ", ".join(f"{result.count(grade)} {_SHORT[grade]}" for grade in Grade)
    return f"{result.host}: {counts}, in {result.seconds:.1f} s"
