"""The frame of the suite: cases, grades, expectations, requirements, coverage."""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from conformance import _runner
from conformance._case import (
    CASES,
    Case,
    Grade,
    Need,
    Part,
    case,
    cases,
    chosen,
    enter,
    expect,
    is_must,
    skip,
)
from conformance._coverage import EXEMPT, needless, uncovered
from conformance._expect import ExpectationsError, apply, load
from conformance._runner import Result, Verdict, judge, run
from conformance.requirements import REQUIREMENTS
from docs.make_requirements import DOCS, TARGET, made

enter("relay", "client")
MUST, SHOULD = ("JOIN-1",), ("JOIN-12",)


class Bench:
    """A host whose subjects are nothing but a list that their case writes to."""

    name = "bench"
    workers = 3

    def __init__(self) -> None:
        self.seen: list[str] = []

    def lacks(self, case: Case) -> str | None:
        return "no addresses here" if Need.ADDRESSES in case.needs else None

    @contextmanager
    def subject(self, case: Case) -> Iterator[list[str]]:
        yield self.seen
        self.seen.append(f"end of {case.id}")


def made_case(play: Callable[[list[str]], object], ids: tuple[str, ...] = MUST) -> Case:
    def case_of_it(seen: list[str]) -> None:
        play(seen)

    return Case("a-case", Part.RELAY, ids, case_of_it)


def unmet(_: object) -> None:
    expect(False, "it did not")


def late(_: object) -> None:
    raise TimeoutError("nothing came within 10 s")


def reset(_: object) -> None:
    raise ConnectionResetError(104, "Connection reset")


def crash(_: object) -> None:
    raise KeyError("code")


@pytest.mark.parametrize(
    ("play", "ids", "grade", "detail"),
    [
        (lambda _: None, MUST, Grade.PASS, ""),
        (unmet, MUST, Grade.FAIL, "it did not"),
        (unmet, SHOULD, Grade.NON_STRICT, "it did not"),
        (unmet, SHOULD + MUST, Grade.FAIL, "it did not"),
        (late, MUST, Grade.FAIL, "nothing came within 10 s"),
        (late, SHOULD, Grade.NON_STRICT, "nothing came within 10 s"),
        (reset, MUST, Grade.FAIL, "the connection failed (Connection reset)"),
        (crash, MUST, Grade.FAIL, "KeyError: 'code'"),
        (crash, SHOULD, Grade.FAIL, "KeyError: 'code'"),
        (lambda _: skip("one port only"), MUST, Grade.SKIPPED, "one port only"),
    ],
)
def test_grades(
    play: Callable[[list[str]], object], ids: tuple[str, ...], grade: Grade, detail: str
) -> None:
    verdict = judge(Bench(), made_case(play, ids))
    assert (verdict.grade, verdict.detail) == (grade, detail)
    assert verdict.bad == (grade is Grade.FAIL)


def test_what_a_host_lacks_is_skipped_and_never_run() -> None:
    host = Bench()
    verdict = judge(host, replace(made_case(unmet), needs=frozenset({Need.ADDRESSES})))
    assert (verdict.grade, verdict.detail) == (Grade.SKIPPED, "no addresses here")
    assert host.seen == []


def test_a_subject_is_closed_also_after_a_pass() -> None:
    host = Bench()
    judge(host, made_case(lambda seen: seen.append("played")))
    assert host.seen == ["played", "end of a-case"]


def test_a_case_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runner, "_OVERTIME", 0.0)
    free = threading.Event()
    try:
        verdict = judge(Bench(), replace(made_case(lambda _: free.wait()), limit=0.1))
    finally:
        free.set()
    assert (verdict.grade, verdict.detail) == (Grade.FAIL, "no end within 0.1 s")


def test_all_run_in_order_and_several_at_a_time() -> None:
    meeting = threading.Barrier(3)
    several = [replace(made_case(lambda _: meeting.wait(20)), id=f"case-{n}")
               for n in range(6)]  # fmt: skip
    heard: list[Verdict] = []
    result = run(Bench(), several, heard.append)
    assert [verdict.case.id for verdict in result.verdicts] == [one.id for one in several]
    assert result.passed
    assert result.count(Grade.PASS) == len(heard) == 6


# ---- entering cases


@pytest.mark.parametrize(
    ("slug", "ids"), [("Not-A-Slug", MUST), ("two--dashes", MUST), ("none", ()), ("x", ("NO-1",))]
)
def test_a_case_that_is_not_well_formed_is_refused(slug: str, ids: tuple[str, ...]) -> None:
    def play(_: object) -> None:
        """Play."""

    with pytest.raises(ValueError, match="names no requirement"):
        case(Part.RELAY, slug, *ids)(play)
    assert slug not in CASES


def test_a_case_says_what_it_judges_and_has_one_name() -> None:
    def silent(_: object) -> None: ...

    with pytest.raises(ValueError, match="does not say what it judges"):
        case(Part.RELAY, "silent", *MUST)(silent)
    with pytest.raises(ValueError, match="there twice"):
        case(Part.RELAY, next(iter(CASES)), *MUST)(unmet)


def test_flags_need_a_subject_that_takes_them() -> None:
    for one in CASES.values():
        assert bool(one.flags) == (Need.FLAGS in one.needs)
        assert all(re.fullmatch(r"--[a-z0-9-]+", flag) for flag, _ in one.flags)


def test_cases_are_chosen_by_a_pattern() -> None:
    assert [one.id for one in chosen("join-un*", Part.RELAY)] == [
        "join-unknown",
        "join-unknown-curve",
    ]
    assert list(chosen("*", Part.RELAY)) == list(cases(Part.RELAY))


@pytest.mark.parametrize("one", CASES.values(), ids=lambda one: one.id)
def test_a_case_is_small_and_says_a_sentence(one: Case) -> None:
    assert one.title.endswith("."), "the docstring's first line is a sentence"
    tree = ast.parse(Path(one.run.__code__.co_filename).read_text("utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    found = next(node for node in functions if node.name == one.run.__name__)
    assert found.end_lineno is not None
    assert found.end_lineno - found.lineno < 30


# ---- requirements and coverage


def test_the_requirements_are_those_of_the_document() -> None:
    assert TARGET.read_text("utf-8") == made((DOCS / "protocol.md").read_text("utf-8"))


def test_the_requirements_are_word_for_word() -> None:
    document = (DOCS / "protocol.md").read_text("utf-8")
    assert len(REQUIREMENTS) > 200
    for name, sentence in REQUIREMENTS.items():
        assert f"\n**{name}** {sentence}\n" in document
    assert is_must("JOIN-1")
    assert is_must("KEY-5")  # a MUST NOT
    assert not is_must("JOIN-12")


def test_exemptions_are_needed_and_have_a_reason() -> None:
    assert needless() == []
    assert all(reason.strip() for reason in EXEMPT.values())


FAMILIES = {"HTTP", "JOIN", "CHAN", "WAIT", "CLOSE", "ERR", "ADDR", "PORT", "TOKEN"}
OF_PARTIES = {"HTTP-3", "HTTP-8", "HTTP-10", "JOIN-10", "JOIN-13", "CLOSE-9", "ERR-3", "ADDR-7",
              "PORT-1", "PORT-14", "PORT-15", "PORT-16", "TOKEN-3"}  # fmt: skip
"""Those in the families of the relay that bind a party."""


def test_every_must_of_a_relay_has_a_case() -> None:
    judged = {name for one in cases(Part.RELAY) for name in one.requirements}
    relays = {name for name in REQUIREMENTS if name.split("-")[0] in FAMILIES and is_must(name)}
    assert relays - judged == OF_PARTIES


def test_a_must_without_a_case_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    for slug in [slug for slug, one in CASES.items() if "WAIT-6" in one.requirements]:
        monkeypatch.delitem(CASES, slug)
    assert "WAIT-6" in uncovered()
    monkeypatch.setitem(EXEMPT, "WAIT-1", "it has a case, so this is needless")
    monkeypatch.setitem(EXEMPT, "JOIN-12", "it is a SHOULD, so this is needless")
    assert needless() == ["WAIT-1", "JOIN-12"]


def test_no_case_leans_on_the_core_that_it_judges() -> None:
    machines = {"relay", "book", "links", "judge", "channel", "sender", "recipient", "party",
                "machine", "sender_judge", "recipient_judge"}  # fmt: skip
    root = TARGET.parent
    for file in (*(root / "relay").glob("*.py"), *(root / "client").glob("*.py")):
        found = re.findall(
            r"^ *(?:from|import) croc_core[. ](?:import )?(\w+)", file.read_text(), re.M
        )
        assert not machines & set(found), file


# ---- expectations


def a_result(*grades: Grade) -> Result:
    some = list(cases(Part.RELAY))
    return Result(
        "bench", tuple(Verdict(one, g, "seen") for one, g in zip(some, grades, strict=False))
    )


def test_a_tolerated_failure_does_not_fail_the_run() -> None:
    result = a_result(Grade.FAIL, Grade.PASS, Grade.NON_STRICT)
    assert not result.passed
    names = [verdict.case.id for verdict in result.verdicts]
    marked = apply(result, {names[0]: "known", names[2]: "known too"})
    assert marked.passed
    assert [verdict.tolerated for verdict in marked.verdicts] == ["known", "", "known too"]
    assert not apply(result, {names[2]: "another"}).passed


def test_an_unexpected_pass_fails() -> None:
    result = a_result(Grade.PASS, Grade.SKIPPED)
    names = [verdict.case.id for verdict in result.verdicts]
    marked = apply(result, dict.fromkeys(names, "issue 12"))
    assert not marked.passed
    assert [verdict.grade for verdict in marked.verdicts] == [Grade.FAIL, Grade.SKIPPED]
    assert "issue 12" in marked.verdicts[0].detail


def test_expectations_are_read(tmp_path: Path) -> None:
    file = tmp_path / "expectations.toml"
    name = next(iter(CASES))
    file.write_text(f'[[tolerated]]\ncase = "{name}"\nreason = "issue 12"\n')
    assert load(file) == {name: "issue 12"}
    file.write_text("")
    assert load(file) == {}


@pytest.mark.parametrize(
    "text",
    ["[[tolerated]]\ncase = 'no-such-case'\nreason = 'r'", "[[tolerated]]\nreason = 'r'",
     "[[tolerated]]\ncase = 'join-unknown'\nreason = ' '", "tolerated = 1", "[[tolerated",
     "[[tolerated]]\ncase = 'join-unknown'\nreason = 1"],
)  # fmt: skip
def test_expectations_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    file = tmp_path / "expectations.toml"
    file.write_text(text)
    with pytest.raises(ExpectationsError, match=r"expectations\.toml"):
        load(file)
    with pytest.raises(ExpectationsError):
        load(tmp_path / "missing.toml")
