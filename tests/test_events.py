"""Events keep to themselves what is not for a log."""

from __future__ import annotations

from croc_core.errors import Code, Failure, Party
from croc_core.events import CodeReady, Failed, Text, to_json


def test_a_log_of_events_tells_no_secret() -> None:
    assert repr(Text("Dear Anna")) == "Text(9 characters)"
    code = CodeReady("7hk2-able", "7hk2", "http://relay")
    assert repr(code) == "CodeReady(channel='7hk2', relay='http://relay')"


def test_an_event_is_a_line() -> None:
    assert to_json(Text('a"\n')) == b'{"event":"text","text":"a\\"\\n"}\n'


def test_a_failure_is_told_in_all_its_parts() -> None:
    failure = Failure(Code.TIMEOUT, Party.RELAY, "It did not answer.", "Try another.")
    told = Failed.of(failure)
    assert (told.code, told.message, told.hint, told.party) == (
        "timeout", "It did not answer.", "Try another.", "relay",
    )  # fmt: skip
