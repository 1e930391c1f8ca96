"""The simulator: nothing is violated, runs can be had again, and the oracles can bark."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import _link, _relay_node
from backends._io import Send
from backends.memory import _simulate
from backends.memory._cli import main
from backends.memory._many import Mix, simulate_many
from backends.memory._plan import (
    BENIGN,
    HOSTS,
    PEOPLE,
    Fault,
    Kind,
    Plan,
    decode,
    draw,
    encode,
    is_harmless,
)
from backends.memory._simulate import Result, shrink, simulate
from backends.memory.files import MemorySink
from croc_core import incoming, seal
from croc_core.errors import RemoteProtocolError
from croc_core.party_io import Greet

SEEDS = sorted((pathlib.Path(__file__).parent / "seeds").glob("*.json"))


# ---- the house itself


def test_nothing_is_violated() -> None:
    for seed in range(60):
        result = simulate(draw(seed))
        assert not result.violations, f"seed {seed}: {result.violations}"


@pytest.mark.parametrize("file", SEEDS, ids=lambda file: file.stem)
def test_what_once_failed(file: pathlib.Path) -> None:
    plan = decode(file.read_bytes())
    assert plan.why, "a kept plan says what it found"
    assert not simulate(plan).violations


def plans() -> st.SearchStrategy[Plan]:
    """Any plan at all, so that what fails is made small."""
    fault = st.builds(
        Fault,
        st.sampled_from(list(Kind)),
        st.sampled_from(HOSTS),
        st.sampled_from(("http", "data")),
        st.integers(0, 2),
        st.sampled_from((0.0, 0.5, 1.1, 1.2, 3.0)) | st.integers(0, 1500).map(float),
        st.sampled_from((0.01, 0.3, 1.0, 7.0)),
    )
    sizes = st.lists(st.integers(0, 900), min_size=1, max_size=3).map(tuple)
    return st.builds(Plan, st.integers(0, 9), sizes, st.lists(fault, max_size=3).map(tuple))


@settings(max_examples=30, deadline=None)
@given(plans())
def test_no_plan_breaks_what_must_hold(plan: Plan) -> None:
    kinds = [fault.kind for fault in plan.faults]
    plan = msgspec.structs.replace(  # one of a kind, as `draw` has it
        plan, faults=tuple(f for n, f in enumerate(plan.faults) if f.kind not in kinds[:n])
    )
    found = [v for v in simulate(plan).violations if "nobody may fail of" not in v]
    assert not found


@pytest.mark.parametrize("kind", sorted(BENIGN))
def test_a_benign_fault_strikes_and_is_survived(kind: Kind) -> None:
    who = "recipient" if kind is Kind.SLOW_WORK else "sender"
    fault = Fault(kind, who, "data", number=1, at=0.5, size=0.3 if kind is not Kind.SPLIT else 7.0)
    result = simulate(Plan(1, (3000,), (fault,)))
    assert result == msgspec.structs.replace(
        result, violations=(), struck=(kind,), succeeded=True, outcome="ok/ok"
    )


MENDED = {
    Kind.RESET: Fault(Kind.RESET, "sender", "data", 0, at=600),
    Kind.DROP: Fault(Kind.DROP, "recipient", "data", 0, at=200),
    Kind.TRUNCATE: Fault(Kind.TRUNCATE, "sender", "data", 0, at=900),
    Kind.RESTART: Fault(Kind.RESTART, "relay", at=1.25, size=30),
    Kind.NAT: Fault(Kind.NAT, "recipient", at=1.27),
}


@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("kind", sorted(MENDED))
def test_a_lost_connection_comes_back(kind: Kind, streams: int) -> None:
    result = simulate(Plan(1, (300_000, 9000), (MENDED[kind],), streams=streams))
    assert result.struck == (kind,)
    assert not result.violations
    assert result.outcome == "ok/ok"
    assert result.redials >= 1


ENDS = {
    Kind.REFUSE: (Fault(Kind.REFUSE, "sender", "http", 0), "relay_unreachable"),
    Kind.LOSE: (Fault(Kind.LOSE, "sender", "http", 0), "relay_unreachable"),
    Kind.FLIP: (Fault(Kind.FLIP, "sender", "data", 0, at=900), "protocol_error"),
    Kind.NAT: (Fault(Kind.NAT, "sender", at=0.5), "relay_refused"),
    Kind.CRASH: (Fault(Kind.CRASH, "sender", at=1.2, size=1), "gone/timeout"),
    Kind.INTERRUPT: (Fault(Kind.INTERRUPT, "sender", at=1.2), "sigint"),
    Kind.FULL_DISK: (Fault(Kind.FULL_DISK, at=100), "local_file"),
    Kind.BAD_FILE: (Fault(Kind.BAD_FILE, at=100), "local_file"),
    Kind.DECLINE: (Fault(Kind.DECLINE), "declined"),
    Kind.WRONG_CODE: (Fault(Kind.WRONG_CODE), "wrong_code"),
    Kind.BURN: (Fault(Kind.BURN, at=0.5), "wrong_code"),
}


@pytest.mark.parametrize("kind", sorted(ENDS))
def test_a_fault_that_ends_a_run_ends_it_typed(kind: Kind) -> None:
    fault, word = ENDS[kind]
    result = simulate(Plan(1, (3000,), (fault,)))
    assert result.struck == (kind,)
    assert not result.violations
    assert not result.succeeded
    assert word in result.outcome


def test_every_kind_has_a_test_of_its_own() -> None:
    assert BENIGN | set(MENDED) | set(ENDS) | {Kind.DELAY, Kind.LAG, Kind.CLOCK} == set(Kind)


# ---- one seed is one run


def test_one_seed_is_one_run_whatever_the_process() -> None:
    text = (
        "from backends.memory._many import run_seed\n"
        "for n in range(40, 50): print(run_seed(n).digest, run_seed(n).outcome)"
    )
    outs = {
        subprocess.run(
            [sys.executable, "-c", text],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outs) == 1
    digests = [line.split()[0] for line in outs.pop().splitlines()]
    assert len(set(digests)) == 10


def test_plans_are_values() -> None:
    for seed in range(300):
        plan = draw(seed)
        assert draw(seed) == plan
        assert decode(encode(plan)) == plan
        assert len({fault.kind for fault in plan.faults}) == len(plan.faults)
    with pytest.raises(ValueError, match="kind"):
        decode('{"seed": 1, "faults": [{"kind": "no"}]}')


def test_the_mix_that_is_promised() -> None:
    drawn = [draw(seed) for seed in range(2000)]
    assert sum(bool(plan.faults) for plan in drawn) > 1600
    assert sum(bool(plan.faults) and is_harmless(plan) for plan in drawn) > 600
    kinds = Counter(fault.kind for plan in drawn for fault in plan.faults)
    assert set(kinds) == set(Kind)
    assert min(kinds.values()) > 8
    hit = {(f.who, f.port) for p in drawn for f in p.faults if f.kind is Kind.RESET}
    assert hit == {(who, port) for who in PEOPLE for port in ("http", "data")}


# ---- the oracles bark


def violated(plan: Plan) -> str:
    return "; ".join(simulate(plan).violations)


def test_a_receipt_before_the_end_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.memory.files.MemorySink._settle", lambda *_: None)
    finish = MemorySink.finish

    def lie(sink: MemorySink, sizes: object) -> object:
        sink._parts.clear()
        return finish(sink, ())

    monkeypatch.setattr("backends.memory.files.MemorySink.finish", lie)
    assert "tells of success before every file is there" in violated(Plan(1))
    assert "succeeded without" in violated(Plan(1))


def test_a_wrong_byte_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: seal.Opener, header: bytes, cipher: memoryview) -> memoryview:
        try:
            return genuine(self, header, cipher)
        except RemoteProtocolError:
            return cipher[:-16]

    genuine = seal.Opener.open
    assert not violated(Plan(1, (900,), (Fault(Kind.FLIP, "sender", "data", 0, at=700),)))
    monkeypatch.setattr(seal.Opener, "open", careless)
    found = [
        violated(Plan(1, (900,), (Fault(Kind.FLIP, "sender", "data", 0, at=at),)))
        for at in range(300, 800, 100)
    ]
    assert any("not what was sent" in text for text in found)


def test_records_before_the_hello_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    greet = _link.Link.greet

    def eager(self: _link.Link, effect: object) -> tuple[object, ...]:
        assert isinstance(effect, Greet)
        return *greet(self, effect), Send(self.conn, bytes(50))

    monkeypatch.setattr(_link.Link, "greet", eager)
    assert "seals before it has read the other's hello" in violated(Plan(1))


def test_a_leak_of_the_relay_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_relay_node.RelayNode, "_asker_left", lambda self, web: None)
    assert violated(Plan(1, (9,), (Fault(Kind.INTERRUPT, "sender", at=0.5),)))


def test_a_plaintext_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clear:
        def encrypt_into(self, nonce: bytes, data: bytes, header: bytes, out: memoryview) -> int:
            out[: len(data)] = bytes(data)
            out[len(data) :] = bytes(16)
            return len(out)

        def decrypt_into(self, nonce: bytes, data: bytes, header: bytes, out: memoryview) -> int:
            out[:] = bytes(data[:-16])
            return len(out)

    monkeypatch.setattr(seal, "aead", lambda name: lambda key: Clear())
    text = violated(Plan(1, (500,)))
    assert "the relay sees a name" in text or "the relay sees a file" in text


def test_a_run_without_an_end_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_simulate, "MAX_STEPS", 50)
    assert "no end in sight" in violated(Plan(1))


def test_a_failure_of_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming.Reader, "take", lambda self: incoming.Hello(b"?"))
    assert "failed of what nobody may fail of" in violated(Plan(1))


def test_a_node_that_raises_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(self: incoming.Reader) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(incoming.Reader, "take", take)
    assert "ValueError: a bug" in violated(Plan(1))


# ---- shrinking and the command


def break_with(kind: Kind) -> Callable[[Plan], Result]:
    """A simulator that takes *kind* for a violation."""

    def play(plan: Plan, trace: object = None) -> Result:
        del trace
        bad = any(fault.kind is kind for fault in plan.faults)
        return Result(plan.seed, ("bad",) * bad, (), "", True, 0.0, "")

    return play


def test_a_plan_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_simulate, "simulate", break_with(Kind.NAT))
    nat = Fault(Kind.NAT, "sender")
    plan = Plan(1, (70, 8000), (Fault(Kind.LATE), nat, Fault(Kind.SPLIT, size=1.0)))
    assert shrink(plan) == Plan(1, (0,), (nat,))


def test_a_violation_is_one_line_that_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = next(n for n in range(999) if any(f.kind is Kind.NAT for f in draw(n).faults))
    monkeypatch.setattr(_simulate, "simulate", break_with(Kind.NAT))
    monkeypatch.setattr("backends.memory._many.simulate", break_with(Kind.NAT))
    said: list[str] = []
    assert simulate_many(seed, 1, 1, said.append) == 1
    assert said[0].startswith("VIOLATION: bad")
    assert f"simulate --seed {seed} --runs 1" in said[0]
    plan = decode(said[1].partition("--plan '")[2].rstrip("'"))
    assert [fault.kind for fault in plan.faults] == [Kind.NAT]
    assert said[-1] == "runs=1 violations=1"


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seed", "3", "--runs", "24", "--jobs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "runs=24 violations=0"
    assert any(line.startswith("with a fault: ") for line in lines)
    assert main(["simulate", "--plan", encode(Plan(5, (10,))), "--trace"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "runs=1 violations=0"
    assert sum("Completed(" in line for line in lines) == 2
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--plan", "{"])
    assert end.value.code == 2


def test_the_report() -> None:
    mix = Mix()
    mix.add(Result(1, (), ("split", "split"), "ok/ok", True, 3600.0, ""))
    mix.add(Result(2, ("bad",), ("reset",), "peer_left/ok", False, 3600.0, ""))
    mix.add(Result(3, (), (), "ok/ok", True, 0.0, ""))
    lines = list(mix.lines(6.0))
    assert lines[-1] == "runs=3 violations=1"
    assert "2 virtual hours in 6.0 s, 30 transfers a minute" in lines
    assert "with a fault: 2 (66.7%); succeeded after one: 1 (33.3%)" in lines
    assert any(line.split() == ["1", "split", "1"] for line in lines)
    assert any(line.split() == ["1", "reset", "0"] for line in lines)
