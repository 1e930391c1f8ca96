"""A relay gives memory back when a storm is over, and only then."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends._peers import Connections
from backends._rest import FEW, QUIET, Rest, give_back
from tests.relay_backend import Backend


class Given:
    """A `Rest` with a count of what it gave back."""

    def __init__(self) -> None:
        self.times = 0
        self.rest = Rest(self.count)

    def count(self) -> None:
        self.times += 1


def test_it_is_given_back_once_it_has_fallen_to_half_and_falls_no_further() -> None:
    given = Given()
    given.rest.note(2 * FEW, 0.0)
    given.rest.note(FEW + 1, 1.0)
    assert given.rest.due is None
    given.rest.note(FEW, 2.0)
    assert given.rest.due == 2.0 + QUIET
    given.rest.note(9, 3.0)  # it goes on falling
    assert given.rest.due == 3.0 + QUIET
    given.rest.note(FEW, 3.0 + QUIET - 0.1)
    assert given.times == 0
    given.rest.note(9, 3.0 + QUIET)
    assert (given.times, given.rest.due) == (1, None)
    given.rest.note(0, 100.0)
    assert (given.times, given.rest.due) == (1, None)


def test_who_comes_back_meanwhile_keeps_it() -> None:
    given = Given()
    given.rest.note(2 * FEW, 0.0)
    given.rest.note(0, 1.0)
    given.rest.note(FEW + 1, 1.0 + QUIET)
    assert (given.times, given.rest.due) == (0, None)
    given.rest.note(0, 20.0)
    assert given.rest.due == 20.0 + QUIET


def test_what_is_remembered_for_longer_is_given_back_later() -> None:
    given = Given()
    given.rest.note(20_000, 0.0)
    for now, held, times in ((1.0, 10_000, 0), (10.0, 10_000, 1), (600.0, 0, 1), (610.0, 0, 2)):
        given.rest.note(held, now)
        assert given.times == times


@given(st.lists(st.tuples(st.integers(0, 4 * FEW), st.floats(0, 2 * QUIET)), max_size=60))
def test_it_is_rare(steps: list[tuple[int, float]]) -> None:
    given, now, last, gone, before = Given(), 0.0, -QUIET, 0, 0
    for held, passed in steps:
        now += passed
        times = given.times
        given.rest.note(held, now)
        gone += max(0, before - held)
        before = held
        if given.times > times:
            assert now - last >= QUIET  # that long there was less than half
            last = now
        assert given.times * (FEW // 2) <= gone
        assert given.rest.due is None or given.rest.due > now


def test_a_relay_counts_its_connections_and_the_names_of_its_channels() -> None:
    backend = Backend()
    backend.node._limits = Connections()
    given = Given()
    backend.node._rest = given.rest
    conns = [backend.accept(peer=f"10.0.1.{number % 4}") for number in range(FEW)]
    for conn in 2 * conns:
        backend.post(conn, "/join", role="sender")
    for conn in conns:
        backend.feed(conn, b"")
    assert given.rest.due is None  # 2 of 3 are there
    backend.later(backend.relay.limits.idle_timeout)
    assert given.rest.due is None  # as tombstones
    backend.later(backend.relay.limits.tombstone_ttl)
    assert given.rest.due is not None
    assert given.rest.due == backend.node.deadline()
    backend.later(QUIET)
    assert (given.times, given.rest.due) == (1, None)


def test_a_table_that_was_emptied_gives_its_room_back() -> None:
    emptied = dict.fromkeys(range(10_000))
    kept = dict.fromkeys(range(10_000))
    emptied.popitem()
    while emptied:
        emptied.popitem()
    holder = [emptied, kept]
    assert sys.getsizeof(emptied) > 100_000
    give_back()
    assert sys.getsizeof(emptied) < 100
    assert list(holder[1]) == list(range(10_000))


def test_names_that_were_looked_up_are_forgotten() -> None:
    if not sys.getallocatedblocks():
        pytest.skip("the interpreter does not count what the system gives")
    give_back()
    before = sys.getallocatedblocks()
    names = [f"no such thing {number}" for number in range(10_000)]
    for name in names:
        getattr(before, name, None)
    del name, names
    assert sys.getallocatedblocks() - before > 300
    give_back()
    assert sys.getallocatedblocks() - before < 100


STORM = """
import re
from backends._rest import give_back

def held():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmRSS:\\s*(\\d+)", status.read())[1]) // 1024

give_back()
before = held()
storm = [bytes(200) for _ in range(200_000)]
kept = storm[::2000]
height = held()
del storm
left = held()
give_back()
print(before, height, left, held())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and glibc")
def test_memory_between_pieces_in_use_goes_back_to_the_system() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STORM],
        env={"PYTHONMALLOC": "malloc"}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    before, height, left, after = map(int, done.stdout.split())
    assert height - before > 40
    assert left - before > 20
    assert after - before < 8
