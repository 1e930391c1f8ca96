"""The runs of `tests.faults`, in their short form: a kill of each side, and a full disk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kills import Outcome, Place, run
from tests.faults.others import run_other
from tests.faults.plan import Fault, Moment, Plan, draw

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and 127.0.0.0/8")
HALF = Moment(0.5)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("faults") / "place", 1)
    try:
        yield made
    finally:
        faults = made.close()
    assert faults == []


def broken(place: Place, *victims: str, **more: object) -> Outcome:
    """A run that is broken once, in the middle."""
    usual = {"shape": "mixed", "streams": 1, "sender": "threading", "recipient": "asyncio"}
    usual |= more
    fault = Fault(HALF, victims)
    plan = Plan(number=0, rate="25M", relay="asyncio", faults=(fault,), **usual)  # type: ignore[arg-type]
    outcome = run(place, plan)
    assert outcome.faults == []
    assert outcome.attempts[0].hit
    assert outcome.attempts[0].met
    return outcome


@pytest.mark.parametrize("victim", ["sender", "recipient"])
def test_what_a_killed_side_leaves_is_gone_on_with(place: Place, victim: str) -> None:
    streams = 3 if victim == "sender" else 1
    one, two = broken(place, victim, shape="one", streams=streams).attempts
    assert -9 in (one.sender, one.recipient)
    assert one.sender != 0
    assert one.recipient != 0
    assert (two.sender, two.recipient) == (0, 0)
    assert two.held > 0, "what had come is not sent again"


def test_a_relay_that_is_killed_and_comes_back_ends_nothing(place: Place) -> None:
    (only,) = broken(place, "relay", sender="asyncio", recipient="threading").attempts
    assert (only.sender, only.recipient) == (0, 0)


def test_a_disk_that_fills_up(place: Place) -> None:
    other = run_other(place, "disk_fills", 1, 0)
    if isinstance(other, str):
        pytest.skip(other)
    assert other.faults == []


def test_a_seed_draws_the_same_again() -> None:
    plans = [draw(7, number) for number in range(50)]
    assert plans == [draw(7, number) for number in range(50)]
    kinds = {fault.kind for plan in plans for fault in plan.faults}
    assert {"cut", "kill -9 of sender", "kill -9 of recipient", "kill -9 of relay"} <= kinds


def test_the_harness_sees_what_is_wrong(tmp_path: Path) -> None:
    from tests.faults.trees import Came, files, make

    top = make(tmp_path, "mixed", 1)
    sent = files(top)
    assert Came(sent, tmp_path).all
    some = next(path for path in sorted(top.rglob("*.bin")))
    good = some.read_bytes()
    for wrong in (good[:-1], good[:-1] + b"?", b""):
        some.write_bytes(wrong)
        came = Came(sent, tmp_path)
        assert not came.all
        assert len(came.faults) == 1
    some.unlink()
    part = some.with_name(f".{some.name}.00000000.croc-part")
    part.write_bytes(good[:100])
    part.chmod(0o600)
    came = Came(sent, tmp_path)
    assert came.faults == [f"parts without a journal: {came.hidden}"]
    assert came.right == sum(map(len, sent.values())) - len(good) + 100
    part.chmod(0o644)
    (top / "stranger").write_bytes(b"")
    assert len(Came(sent, tmp_path).faults) == 3
