"""The calls of a node: in order, one at a time, and some of them forgotten."""

from __future__ import annotations

import itertools

import pytest

from backends._io import Work, Worked
from backends._jobs import Jobs
from croc_core.party_io import Compared, WantSent


def test_calls_are_done_one_after_the_other() -> None:
    jobs = Jobs(itertools.count(2, 2))
    (first,) = jobs.add(lambda: "a", lambda result: Compared() if result == "a" else None)
    assert isinstance(first, Work)
    assert first.call() == "a"
    assert jobs.add(lambda: "b", lambda result: WantSent()) == ()
    (second,), told = jobs.worked(Worked(first.job, "a"))
    assert told == Compared()
    assert second.call() == "b"
    assert jobs.worked(Worked(second.job, "b")) == ((), WantSent())
    assert jobs.worked(Worked(second.job, "b")) == ((), None), "twice is once"


def test_what_is_forgotten_is_still_waited_for() -> None:
    jobs = Jobs(itertools.count(2, 2))
    (first,) = jobs.add(lambda: 1, lambda _: Compared())
    jobs.add(lambda: 2, lambda _: Compared())
    jobs.forget()
    assert jobs.add(lambda: 3, lambda _: WantSent()) == (), "the first one still runs"
    (third,), told = jobs.worked(Worked(first.job, None, OSError()))
    assert told is None
    assert third.call() == 3
    assert jobs.worked(Worked(third.job)) == ((), WantSent())


def test_what_a_call_raises_is_raised() -> None:
    jobs = Jobs(itertools.count(2, 2))
    (work,) = jobs.add(lambda: 1, lambda _: Compared())
    with pytest.raises(KeyError):
        jobs.worked(Worked(work.job, None, KeyError()))
