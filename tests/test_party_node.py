"""A party as a node: files that fail, things that come late, and what is left open at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from backends import _io as io
from backends._party_base import PARTING
from croc_core import party_io as p
from croc_core.content import Arrived, Entry, Span, Verdict
from croc_core.errors import Code, LocalFileError, Party
from croc_core.events import Completed, Failed, Note, OfferSeen, Progress
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


def test_a_late_answer_to_a_void_offer_is_none() -> None:
    world = met(decide=None)
    cut_in(world, "recipient", "Deciding")
    world.at(30.0, lambda: world.to_party("recipient", io.Told(p.Decided(True, 1))))
    world.at(40.0, lambda: world.to_party("recipient", io.Told(p.Decided(True, 3))))
    world.at(60.0, lambda: world.to_party("recipient", io.Told(p.Decided(False, 2))))
    world.run()
    assert len(world.recipient.shown(OfferSeen)) == 2
    assert failure_of(world.recipient).code is Code.DECLINED
    assert not world.sink.calls


def test_late_words_are_none() -> None:
    world = met()
    node = world.recipient.node
    node._asked[p.ComparedWords] = 2
    node._translate(io.Told(p.ComparedWords(True, 1)), world.moment())
    assert not node._inputs
    node._translate(io.Told(p.ComparedWords(True, 2)), world.moment())
    node._translate(io.Told(p.ComparedWords(True)), world.moment())
    assert len(node._inputs) == 2


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


def cut_in(world: Any, role: str, state: str) -> None:
    """Break all data connections as soon as *role* has come to *state*; once."""
    when(world, role, state, lambda: world.at(0.0, world.cut))


class Busy:
    """Stands for the gate of a connection whose thread still writes, and then does not."""

    def __init__(self, waited: list[str]) -> None:
        self.busy = True
        self._waited = waited

    def wait(self) -> None:
        self._waited.append("waited")
        self.busy = False


def test_REDIAL_5_nothing_is_asked_for_before_the_last_thread_has_written() -> None:
    waited: list[str] = []
    world = met(items=(file("a", b"x" * 100_000),), chunk=5_000)
    node: Any = world.recipient.node
    lacking = world.sink.lacking

    def looked() -> Any:
        waited.append("lacking")
        return lacking()

    world.sink.lacking = looked  # type: ignore[method-assign]
    when(world, "recipient", "Receiving", lambda: node._stale.append(Busy(waited)))
    cut_in(world, "sender", "Sending")
    world.run()
    fair(world)
    assert world.recipient.node.failure is None
    assert waited[:2] == ["waited", "lacking"]


def test_REDIAL_4_a_second_offer_begins_once_nobody_writes_for_the_first() -> None:
    begun: list[str] = []
    world = met(decide=None)
    node: Any = world.recipient.node
    begin, consider = world.sink.begin, world.sink.consider
    world.sink.begin = lambda: (begun.append("begin"), begin())[1]  # type: ignore[func-returns-value, method-assign]

    def considered(entries: Sequence[Entry]) -> None:
        begun.append("consider")
        consider(entries)

    world.sink.consider = considered  # type: ignore[method-assign]
    yes = io.Told(p.Decided(True))
    when(world, "recipient", "Deciding", lambda: node._stale.append(Busy(begun)))
    cut_in(world, "recipient", "Deciding")
    for after in (30.0, 60.0, 90.0):
        world.at(after, lambda: world.to_party("recipient", yes))
    world.run()
    fair(world)
    assert world.recipient.node.failure is None
    assert begun == ["begin", "consider", "waited", "begin", "consider"]


def test_a_verdict_on_an_offer_that_is_void_is_not_told() -> None:
    world = met()
    node: Any = world.recipient.node
    (work,) = node._work(lambda: 1, lambda result: p.Compared())
    node._hang(0)
    node._links[0] = None  # as if there were one
    assert node._links.pop(0) is None
    assert node._jobs.worked(io.Worked(work.job, 1))[1] == p.Compared(), "no connection was lost"
    (work,) = node._work(lambda: 1, lambda result: p.Compared())
    node._perform(p.Dial(0, 1, b""), world.moment())
    node._perform(p.Hang(0), world.moment())
    assert node.handle(io.Worked(work.job, 1), world.moment()) == ()
    assert not node._inputs


def test_a_note_of_the_program_is_told() -> None:
    world = met()
    node = world.sender.node
    note = Note("A pipe is left out.")
    assert node.handle(io.Told(note), world.moment()) == (io.Tell(note),)


def test_files_that_cannot_be_put_away_do_not_keep_a_run_from_its_end() -> None:
    world = met()
    node: Any = world.recipient.node
    node.handle(io.Started(), world.moment())
    node.handle(io.Told(p.Interrupted(Code.SIGINT)), world.moment())
    assert node._machine.finished
    assert not node.finished, "the sink is being put away"
    due = node.deadline()
    assert due == world.now + PARTING
    world.now = due
    effects = node.handle(io.Woke(), world.moment())
    assert node.finished
    assert [e.event.code for e in effects] == ["sigint"]
