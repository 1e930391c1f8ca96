"""Every judgement of both parties as it is kept in `tests/vectors/judgements.txt`."""

from __future__ import annotations

from typing import Any

import pytest

from croc_core import recipient, sender
from croc_core.values import Role
from tests import judgements

STATES = judgements.states()


@pytest.mark.parametrize("heading", STATES)
def test_each_input_means_what_is_kept(heading: str) -> None:
    """Where this differs on purpose: `python -m tests.judgements`, and read the difference."""
    assert judgements.told(*STATES[heading]) == judgements.kept()[heading]


def test_every_state_that_waits_is_among_them() -> None:
    tables: dict[Role, Any] = {Role.SENDER: sender.TABLE, Role.RECIPIENT: recipient.TABLE}
    there = {(role, type(state)) for role, state in STATES.values()}
    assert there == {(r, s) for r, t in tables.items() for s in t.states if s not in t.final}
    assert list(judgements.kept()) == list(STATES)
