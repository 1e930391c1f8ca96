"""A party as a node: files that fail, things that come late, and what is left open at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from backends import _io as io
from croc_core import party_io as p
from croc_core.content import Arrived, Entry, Span, Verdict
from croc_core.errors import Code, LocalFileError, Party
from croc_core.events import Completed, Failed, OfferSeen, Progress
from croc_core.messages import Problem, Receipt
from tests.memory_files import MemorySink, MemorySource, file, folder, stream
from tests.party_help import PATIENCE, failure_of, fair, met, when


class Failing(MemorySink):
    """A sink that fails at one place."""

    def __init__(self, place: str, error: Exception) -> None:
        super().__init__()
        self.place, self.error = place, error

    def _at(self, place: str) -> None:
        if place == self.place:
            raise self.error

    def consider(self, entries: Sequence[Entry]) -> None:
        self._at("consider")
        super().consider(entries)

    def judge(self) -> Verdict:
        self._at("judge")
        return super().judge()

    def prepare(self) -> None:
        self._at("prepare")
        super().prepare()

    def write(self, entry: int, offset: int, data: memoryview) -> None:
        self._at("write")
        super().write(entry, offset, data)

    def finish(self, sizes: Sequence[tuple[int, int]]) -> Arrived:
        self._at("finish")
        return super().finish(sizes)


@pytest.mark.parametrize("place", ["consider", "judge", "prepare", "write", "finish"])
@pytest.mark.parametrize("kind", ["disk", "bug"])
def test_a_sink_that_fails_ends_both_with_a_word(place: str, kind: str) -> None:
    error = LocalFileError("The disk is full.", "Make room.") if kind == "disk" else KeyError("x")
    world = met(sink=Failing(place, error)).run()
    fair(world)
    ours = failure_of(world.recipient)
    assert ours.code is (Code.LOCAL_FILE if kind == "disk" else Code.INTERNAL)
    assert ours.party is Party.LOCAL
    assert world.sink.state == "abandoned"
    theirs = failure_of(world.sender)
    assert theirs.code is Code.PEER_LEFT
    assert world.recipient.machine.did(p.Speak)[-1] == p.Speak(0, Problem(ours.code, ""), last=True)


class Broken(MemorySource):
    """A source whose walk fails, or stops after an entry."""

    def walk(self) -> Iterator[Entry]:
        yield self.items[0].entry
        raise LocalFileError("The folder is gone.", "")


def test_a_source_that_fails_during_the_walk_ends_both() -> None:
    world = met()
    source = Broken(world.source.items)
    world.sender.node._source = source  # type: ignore[attr-defined]
    world.run()
    assert failure_of(world.sender).message == "The folder is gone."
    assert "files" in failure_of(world.recipient).message
    assert source.closed


def test_a_stream_tells_its_size_at_the_end() -> None:
    items = (stream("out", b"y" * 5000), file("a", b"z"))
    world = met(items=items).run()
    fair(world)
    assert world.sender.shown(OfferSeen)[0].bytes is None
    assert world.sender.shown(Completed)[0].bytes == 5001
    assert bytes(world.sink.data[0]) == b"y" * 5000


def test_END_8_a_choice_beyond_the_offer_is_refused() -> None:
    world = met(items=(file("a", b"1"),))
    judge = world.sink.judge
    world.sink.judge = lambda: judge()._replace(chosen=(Span(0, 9),))  # type: ignore[method-assign]
    world.run()
    assert failure_of(world.sender).code is Code.PROTOCOL_ERROR
    assert "not offered" in failure_of(world.sender).message
    assert not world.sink.calls


def test_the_decision_may_come_at_once_or_later() -> None:
    world = met(decide=None)
    yes = io.Told(p.Decided(True))
    when(
        world,
        "recipient",
        "Deciding",
        lambda: world.at(9.0, lambda: world.to_party("recipient", yes)),
    )
    world.run()
    assert world.recipient.node.failure is None
    assert world.now > 109
    world.recipient.node.handle(yes, world.moment())  # too late is no matter


def test_at_the_end_all_is_given_back() -> None:
    world = met()
    effects: dict[str, list[io.Effect]] = {"sender": [], "recipient": []}
    for role, member in world.parties.items():
        _record(member.node, effects[role])
    world.run()
    for role, member in world.parties.items():
        done = effects[role]
        dials = [e.conn for e in done if isinstance(e, io.Connect)]
        assert len(dials) == 1
        assert io.Close(dials[0]) in done
        assert member.node.finished
    assert world.source.closed
    assert world.sink.state == "finished", "what is whole is never abandoned"


def _record(node: Any, into: list[io.Effect]) -> None:
    handle = node.handle

    def recorded(event: io.Input, now: Any) -> tuple[io.Effect, ...]:
        effects: tuple[io.Effect, ...] = handle(event, now)
        into.extend(effects)
        return effects

    node.handle = recorded


def test_a_failed_run_closes_its_connection_and_says_so_once() -> None:
    world = met()
    effects: list[io.Effect] = []
    _record(world.sender.node, effects)
    when(world, "sender", "AwaitingReceipt", lambda: world.vanish("recipient"))
    world.run()
    assert failure_of(world.sender).code is Code.UNCONFIRMED
    told = world.sender.shown(Failed)
    assert told == [Failed.of(failure_of(world.sender))]
    assert told[0].code == "unconfirmed"
    dialled = [e.conn for e in effects if isinstance(e, io.Connect)]
    assert [e.conn for e in effects if isinstance(e, io.Close)] == dialled


def test_progress_is_shown_while_pieces_move() -> None:
    world = met(items=(file("a", b"x" * 100),))
    node: Any = world.recipient.node
    when(world, "recipient", "Finishing", lambda: world.at(0.0, lambda: None))
    finish = world.sink.finish

    def slow(sizes: Sequence[tuple[int, int]]) -> Arrived:
        node._meter._next = world.now  # a tick is due
        world._party("recipient", io.Woke())
        return finish(sizes)

    world.sink.finish = slow  # type: ignore[method-assign]
    world.run()
    shown = world.recipient.shown(Progress)
    assert shown
    assert shown[-1].bytes == 100
    assert shown[-1].total == 100


def test_a_sign_of_life_keeps_a_long_finish_going() -> None:
    """The sender waits for the receipt as long as the recipient shows that it lives."""
    world = met(patience=PATIENCE._replace(person=1000.0))
    party = world.recipient
    node: Any = party.node
    work = node._work

    def slow(call: Any, after: Any, **options: Any) -> tuple[io.Effect, ...]:
        (made,) = work(call, after, **options)
        if party.machine.state.__class__.__name__ != "Finishing":
            return (made,)
        world.at(200.0, lambda: world.to_party("recipient", io.Worked(made.job, made.call())))
        return (io.Tell("working"),)

    node._work = slow
    world.run()
    assert world.now > 300
    fair(world)
    assert world.sender.node.failure is None
    heard = [s.event.message for s in world.sender.machine.seen if isinstance(s.event, p.Heard)]
    assert isinstance(heard[-1], Receipt)
    moved = [s for s in world.sender.machine.seen
             if isinstance(s.event, p.Moved) and s.state.__name__ == "AwaitingReceipt"]  # fmt: skip
    assert len(moved) >= 200 // 15


def test_the_sooner_of_all_deadlines_counts() -> None:
    world = met()
    node = world.sender.node
    assert node.deadline() is None
    node.handle(io.Started(), world.moment())
    assert node.deadline() == world.sender.machine.deadline()


def test_both_sides_hear_the_first_names() -> None:
    items = (
        file("a\x1bb", b"1"),
        folder("d"),
        file("d/x", b""),
        file("e/f", b"2"),
        *(file(f"n{n}", b"") for n in range(20)),
    )
    world = met(items=items)
    world.run()
    fair(world)
    for party in (world.sender, world.recipient):
        (seen,) = party.shown(OfferSeen)
        assert seen.names == ("a\\x1bb", "d", "e", *(f"n{n}" for n in range(7)))
