"""The matrix: transfers between backends are judged by what people see, and faults are seen."""

from __future__ import annotations

import pytest

from conformance import matrix
from conformance._case import expect
from conformance.client._stage import tree
from conformance.matrix import Table, meetings, slug


def test_a_mixed_meeting() -> None:
    pattern = slug("asyncio", "threading", "asyncio", matrix.folder)
    (met,) = meetings(pattern)
    assert (met.slug, met.detail) == (pattern, "")


def one_byte_off(table: Table) -> None:
    """A folder arrives, and one byte is not right."""
    sender, code = table.send({"a.txt": b"right"})
    recipient = table.receive(code)
    assert (table.ends(sender), table.ends(recipient)) == (0, 0)
    expect(tree(table.out) == {"outgoing/a.txt": b"wrong"}, "the file is another")


def nobody_sends(table: Table) -> None:
    """A recipient whose sender is not there succeeds."""
    recipient = table.receive("zzzz-otter-lemon")
    expect(table.ends(recipient) == 0, "it failed")


def test_a_fault_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "SCENARIOS", (one_byte_off, nobody_sends))
    found = list(meetings("*-from-asyncio-to-asyncio-over-threading"))
    assert [met.detail for met in found] == ["the file is another", "it failed"]
