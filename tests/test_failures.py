"""Every failure that a person can meet: what happened, whose side it was, and what to do."""

from __future__ import annotations

import errno
import inspect
import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from backends.files.trouble import local_error
from croc_core import failures
from croc_core.errors import Code, Failure, Party
from croc_core.values import Reason

WAITED = (
    "the other side to join", "the other side to connect", "the other side to accept",
    "the other side to take more", "the other side to go on", "the other side to come back",
    "the receipt", "the offer", "the rest of the offer", "the rest of the digests", "the sender",
    "the sender to prove itself", "the sender to connect", "more data",
)  # fmt: skip
HERE = ("your decision", "your comparison of the words", "the files here")
REFUSED = (
    "token", "channel_full", "no_such_channel", "occupied", "curve", "closed", "too_many", "busy",
    "not_yours", "some other word", "",
)  # fmt: skip
GIVEN: dict[str, tuple[Any, ...]] = {
    "what": (*WAITED, *HERE),
    "burnt": (False, True),
    "code": (Code.SIGINT, Code.SIGTERM),
    "cause": ("the name is not known", "reset"),
    "curve": ("siec",),
    "status": (400, 503),
    "why": ("its head is cut short",),
    "spoken": ("this side speaks version 1, the other side version 2",),
    "recipient": (False, True),
    "reason": (*Reason, "some other word"),
    "seconds": (600.0,),
    "limit": (2_000_000,),
}
WORDS = {"refused": REFUSED, "stopped_by_peer": (*Code, "some other word")}
SIDES = {
    Party.PEER: ("other side", "sender", "recipient", "words", "versions", "receipt", "offer",
                 "data", "digests"),
    Party.RELAY: ("relay", "channel", "Somebody else", "Two other addresses", "sender"),
}  # fmt: skip


def every() -> Iterator[tuple[str, Failure]]:
    """Each function of the module, with all that it may be given."""
    for name, make in inspect.getmembers(failures, inspect.isfunction):
        if name.startswith("_"):
            continue
        names = list(inspect.signature(make).parameters)
        given = {**GIVEN, "word": WORDS.get(name, ())}
        if name == "gave_up":
            given["cause"] = (None, failures.unreachable("reset"), failures.peer_vanished("reset"))
        for values in itertools.product(*(given[one] for one in names)):
            yield name, make(**dict(zip(names, values, strict=True)))


ALL = list(every())


@pytest.mark.parametrize(("name", "failure"), ALL, ids=[f"{n} {f.code}" for n, f in ALL])
def test_what_happened_whose_side_it_was_and_what_to_do(name: str, failure: Failure) -> None:
    assert failure.exit_status
    for text in (failure.message, failure.hint):
        assert re.fullmatch(r"[A-Z].*\.", text), "it is a sentence"
        assert len(text) <= 200
        assert not re.search(r"\.\.|  |None|Code\.|Reason\.|[{}<>]|\bERR\b", text)
    sides = SIDES.get(failure.party)
    assert sides is None or any(side in failure.message for side in sides), "whose side is said"


@pytest.mark.parametrize("what", HERE)
def test_what_was_waited_for_here_is_no_fault_of_the_other_side(what: str) -> None:
    assert failures.timed_out(what).party is Party.LOCAL


def test_all_functions_are_called() -> None:
    made = {name for name, _ in inspect.getmembers(failures, inspect.isfunction) if name[0] != "_"}
    assert {name for name, _ in ALL} == made
    for code in set(Code) - {Code.INTERNAL, Code.USAGE}:
        assert any(failure.code is code for _, failure in ALL) or code is Code.LOCAL_FILE


@pytest.mark.parametrize("number", [0, *sorted(errno.errorcode)])
def test_whatever_the_system_says_of_a_file_is_a_sentence(number: int) -> None:
    failure = local_error(OSError(number or None, "x"), "write", "\x1b[31mname").failure
    assert failure.party is Party.LOCAL
    assert re.fullmatch(r'Cannot write "[^"\x00-\x1f]*name": [^\x00-\x1f]+\.', failure.message)
    assert re.fullmatch(r"[A-Z].*\.", failure.hint)
