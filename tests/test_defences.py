"""The table of defences against the files that it names; the audit's judgement.

`python -m tests.defences` is the long form: it takes each defence out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.audit import judge
from tests.defences.table import ROWS, Taken

ROOT = Path(__file__).parent.parent
TAKEN = [taken for row in ROWS.values() for taken in row]


def test_there_is_a_row_for_each_threat() -> None:
    assert list(ROWS) == [f"S{number}" for number in range(1, 25)]
    assert all(ROWS.values())


@pytest.mark.parametrize("taken", TAKEN, ids=lambda taken: taken.file)
def test_a_defence_stands_where_the_table_says(taken: Taken) -> None:
    assert (ROOT / taken.file).read_text().count(taken.old) == 1
    assert taken.new != taken.old
    file, _, name = taken.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()


def test_the_doc_has_each_row_with_its_files_and_tests() -> None:
    lines = (ROOT / "docs" / "threat-model.md").read_text().splitlines()
    rows = {found[1]: line for line in lines if (found := re.match(r"\| (S\d+) \|", line))}
    assert list(rows) == list(ROWS)
    for name, line in rows.items():
        for taken in ROWS[name]:
            assert f"`{taken.file}`" in line, (name, taken.file)
            assert f"`{taken.test}`" in line, (name, taken.test)


def audited(*dependencies: Mapping[str, object]) -> str:
    return json.dumps({"dependencies": list(dependencies), "fixes": []})


GOOD = {"name": "a", "version": "1", "vulns": []}
HOLE = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("output", "easy", "strict"),
    [
        (audited(GOOD), 0, 0),
        (audited(GOOD, HOLE), 1, 1),
        (audited(GOOD, UNKNOWN), 0, 1),
        (audited(UNKNOWN, HOLE), 1, 1),
        (audited({"name": "croc-core", "skip_reason": "not found"}), 0, 0),
        ("", 0, 1),
        ("[]", 0, 1),
        ("{}", 0, 1),
    ],
)
def test_an_audit_never_says_that_it_looked_where_it_did_not(
    output: str, easy: int, strict: int
) -> None:
    status, lines = judge(output, "no network", strict=False)
    assert status == easy
    assert judge(output, "", strict=True)[0] == strict
    text = "\n".join(lines)
    assert ("b 2: CVE-1" in text) == ("CVE-1" in output)
    assert ("NOT audited" in text) == ('"c"' in output)
    assert ("Nothing was audited: no network" in text) == ("dependencies" not in output)
