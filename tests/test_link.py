"""The data connection of a party: what goes out in which order, and what comes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from backends._gate import ShutError
from backends._io import (
    Broken,
    Close,
    Conn,
    Connect,
    Connected,
    Drain,
    Drained,
    Effect,
    HalfClose,
    Pump,
    Pumped,
    Send,
    Sent,
)
from backends._link import STILL_HERE, Link, broken
from croc_core import messages
from croc_core.content import Totals
from croc_core.errors import Code, Failure, LocalFileError, Party, RemoteProtocolError
from croc_core.messages import Accept, Decline, Message, Open, Problem, Want, still_here
from croc_core.party import secure
from croc_core.party_io import (
    EndRecords,
    Garbled,
    Greet,
    Greeted,
    Heard,
    Identified,
    LinkEnded,
    LocalBroke,
    OfferSent,
    PiecesSent,
    Speak,
)
from croc_core.seal import Opener, Sealer
from croc_core.values import Role
from tests.memory_files import MemorySink, file
from tests.test_party_tables import HELLOS, SESSION, TID

CONN = Conn(4)
LINE = b"CROC/1 7k2m x\n"
SENT = OfferSent(Totals(0, 0, 0))
OPEN = Open(bytes(32))
ACCEPT = Accept(TID, (), (), 1, (), False)


class Peer:
    """The recipient at the other end of a sender's link."""

    def __init__(self) -> None:
        keys = secure(SESSION, Role.RECIPIENT, HELLOS[Role.RECIPIENT], HELLOS[Role.SENDER])
        self.sealer, self.opener = Sealer(keys.aead, keys.seal), Opener(keys.aead, keys.open)

    def open(self, data: bytes) -> bytes:
        return bytes(self.opener.open(data[:4], memoryview(bytearray(data[4:]))))


def feed(link: Link, data: bytes, *, end: bool = False) -> Exception | None:
    """What a backend does with a drain: read until the consumer is ready."""
    reader = link.reader
    try:
        while not reader.ready():
            buffer = reader.buffer()
            count = min(len(buffer), len(data))
            if not count and not end:
                raise AssertionError("more is wanted")
            buffer[:count] = data[:count]
            data = data[count:]
            reader.advance(count)
            if not count:
                break
    except RemoteProtocolError as error:
        return error
    assert not data, "nothing behind a unit is read"
    return None


def told(link: Link, data: bytes, *, end: bool = False, now: float = 0.0) -> Sequence[Any]:
    error = feed(link, data, end=end)
    effects, inputs = link.handle(Drained(CONN, error), now)
    assert effects == ()
    return inputs


def drain_of(link: Link) -> Drain:
    """The drain that a link asks for each time."""
    return Drain(CONN, link._consumer)


def greeted() -> Link:
    link = Link(0, CONN, LINE)
    link.handle(Connected(CONN, "a", "b"), 0.0)
    assert told(link, b"OK\n") == (Identified(0, b"OK\n"),)
    link.greet(Greet(0, HELLOS[Role.SENDER], 66))
    return link


def sealed() -> tuple[Link, Peer]:
    link = greeted()
    assert told(link, HELLOS[Role.RECIPIENT]) == (Greeted(0, HELLOS[Role.RECIPIENT]),)
    link.secure(secure(SESSION, Role.SENDER, HELLOS[Role.SENDER], HELLOS[Role.RECIPIENT]), 100.0)
    return link, Peer()


class Producer:
    def fill(self) -> memoryview | None:
        return None


def test_from_the_dial_to_the_records() -> None:
    link = Link(0, CONN, LINE)
    assert link.dial("10.0.0.9", 9010, "10.0.0.1") == (Connect(CONN, "10.0.0.9", 9010, "10.0.0.1"),)
    effects, inputs = link.handle(Connected(CONN, "a", "b"), 0.0)
    assert effects == (Send(CONN, LINE), drain_of(link))
    assert inputs == ()
    assert link.hear() == (), "one drain at a time"
    assert told(link, b"ERR 409 out_of_turn\n") == (Identified(0, b"ERR 409 out_of_turn\n"),)
    assert link.greet(Greet(0, b"hello", 5)) == (Send(CONN, b"hello"), drain_of(link))
    assert link.handle(Sent(CONN), 0.0) == ((), ())
    assert told(link, b"howdy") == (Greeted(0, b"howdy"),)
    assert link.hang() == (Close(CONN),)


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"x" * 64, Garbled), (b"", LinkEnded), (b"OK", LinkEnded)],
)
def test_a_port_that_gives_no_answer(data: bytes, kind: type[Any]) -> None:
    link = Link(0, CONN, LINE)
    link.handle(Connected(CONN, "a", "b"), 0.0)
    (what,) = told(link, data, end=True)
    assert type(what) is kind
    assert what.connection == 0


def test_a_connection_that_breaks() -> None:
    link = greeted()
    assert link.handle(Broken(CONN, "reset"), 0.0) == ((), (LinkEnded(0, "reset"),))


def test_messages_are_sealed_and_opened() -> None:
    link, peer = sealed()
    (send,) = link.speak(Speak(0, OPEN), 100.0)
    assert isinstance(send, Send)
    assert send.conn == CONN
    assert peer.open(send.data)[:1] == b"\1"
    assert OPEN.vn not in send.data
    assert link.hear() == (drain_of(link),)
    record = peer.sealer.record(messages.encode(ACCEPT))
    assert told(link, record) == (Heard(0, ACCEPT, False),)
    record = peer.sealer.record(messages.encode(Problem("timeout", "")), last=True)
    assert told(link, record) == (Heard(0, Problem("timeout", ""), True),)
    assert told(link, b"", end=True) == (LinkEnded(0, "it hung up", whole=True),)


def test_a_record_of_nobody_is_garbled() -> None:
    link, peer = sealed()
    record = bytearray(peer.sealer.record(still_here()))
    record[7] ^= 1
    (what,) = told(link, bytes(record))
    assert isinstance(what, Garbled)
    assert "not genuine" in what.why


def test_an_end_without_the_last_flag_is_one_in_the_middle() -> None:
    link, peer = sealed()
    assert told(link, peer.sealer.record(still_here())[:9], end=True) == (
        LinkEnded(0, "it ended in the middle"),
    )


def _all(effects: Sequence[Effect], peer: Peer) -> list[int | type]:
    """Message types of the records that are sent, and other effects by their type."""
    return [peer.open(e.data)[0] if isinstance(e, Send) else type(e) for e in effects]


def test_what_is_said_during_a_pump_comes_behind_it_in_order() -> None:
    link, peer = sealed()
    producer = Producer()
    (pump,) = link.pump(producer, lambda: SENT)
    assert isinstance(pump, Pump)
    assert pump.conn == CONN
    assert link.speak(Speak(0, OPEN), 1.0) == ()
    assert link.speak(Speak(0, Problem("timeout", ""), last=True), 1.0) == ()
    assert link.half_close(1.0) == ()
    assert link.still_here(1e9) == (), "a record between would take the place of a queued one"
    effects, inputs = link.handle(Pumped(CONN), 2.0)
    assert _all(effects, peer) == [1, 0x0C, HalfClose]
    assert inputs == (SENT,)
    assert link.half_close(3.0) == (HalfClose(CONN),)
    assert link.still_here(1e9) == (), "nothing follows the last record"


def test_a_pump_that_fails_says_whose_fault_it_was() -> None:
    link, _ = sealed()
    failure = Failure(Code.LOCAL_FILE, Party.LOCAL, "It is gone.", "")
    link.pump(Producer(), lambda: SENT)
    assert link.handle(Pumped(CONN, LocalFileError("It is gone.")), 0.0)[1] == (
        LocalBroke(failure),
    )


@pytest.mark.parametrize("early", [ACCEPT, Decline(TID), Want(TID, (), False)])
@pytest.mark.parametrize("fails", [False, True])
def test_an_answer_before_the_news_of_the_offer_waits_for_it(early: Message, fails: bool) -> None:
    link, peer = sealed()
    link.hear()
    link.pump(Producer(), lambda: SENT)
    assert told(link, peer.sealer.record(messages.encode(early))) == ()
    effects, inputs = link.handle(Pumped(CONN, LocalFileError("x") if fails else None), 0.0)
    assert effects == ()
    assert inputs[1:] == (Heard(0, early, False),)
    assert isinstance(inputs[0], LocalBroke if fails else OfferSent)
    assert link.hear() == (drain_of(link),)
    link.pump(Producer(), lambda: SENT)
    assert link.handle(Pumped(CONN), 0.0)[1] == (SENT,), "told once"


def test_a_problem_is_told_at_once() -> None:
    link, peer = sealed()
    link.pump(Producer(), lambda: SENT)
    problem = Problem("local_file", "")
    assert told(link, peer.sealer.record(messages.encode(problem), last=True)) == (
        Heard(0, problem, True),
    )


def test_LIVE_1_a_sign_of_life_after_15_seconds_of_silence() -> None:
    link = greeted()
    assert link.still_here(1e9) == (), "not before the records"
    link, peer = sealed()  # at 100
    assert STILL_HERE == 15
    assert link.still_here(114.9) == ()
    (sign,) = link.still_here(115.0)
    assert isinstance(sign, Send)
    assert peer.open(sign.data) == bytes([0x80, 0, 0, 0, 0])
    assert link.still_here(129.9) == ()
    (said,) = link.speak(Speak(0, OPEN), 120.0)
    assert isinstance(said, Send)
    assert peer.open(said.data)[0] == 1
    assert link.still_here(134.9) == ()
    link.pump(Producer(), lambda: SENT)
    link.handle(Pumped(CONN), 130.0)
    assert link.still_here(144.9) == ()
    assert len(link.still_here(145.0)) == 1


def test_pieces_go_to_the_sink_only_when_they_may() -> None:
    link, peer = sealed()
    piece = bytes.fromhex("070000000e" + "00000000" + "0000000000000000" + "00" + "41")
    (what,) = told(link, peer.sealer.record(piece))
    assert isinstance(what, Garbled)
    link, peer = sealed()
    sink = MemorySink().accept_all([file("a", b"A")])
    link.reader.allow_pieces(sink)
    (what,) = told(link, peer.sealer.record(piece + piece))
    assert sink.calls == [(0, 0, b"A")]
    assert isinstance(what, Garbled), "the second one lies over the first"


def test_what_an_error_means() -> None:
    assert broken(3, RemoteProtocolError(Party.PEER, "why")) == Garbled(3, "why")
    failure = LocalFileError("No room.").failure
    assert broken(3, LocalFileError("No room.")) == LocalBroke(failure)
    bug = broken(3, ZeroDivisionError("x"))
    assert isinstance(bug, LocalBroke)
    assert (bug.failure.code, bug.failure.party) == (Code.INTERNAL, Party.LOCAL)
    assert "ZeroDivisionError" in bug.failure.message


def test_a_bug_in_the_sink_ends_the_run_and_nothing_else() -> None:
    link, _ = sealed()
    effects, (what,) = link.handle(Drained(CONN, ZeroDivisionError("x")), 0.0)
    assert effects == ()
    assert isinstance(what, LocalBroke)


def further() -> tuple[Link, Peer]:
    """A sender's connection 1."""
    link = Link(1, CONN, LINE)
    link.handle(Connected(CONN, "a", "b"), 0.0)
    told(link, b"OK\n")
    link.greet(Greet(1, HELLOS[Role.SENDER], 66))
    told(link, HELLOS[Role.RECIPIENT])
    link.secure(secure(SESSION, Role.SENDER, HELLOS[Role.SENDER], HELLOS[Role.RECIPIENT]), 100.0)
    return link, Peer()


def test_MANY_5_a_further_connection_ends_with_an_empty_last_record() -> None:
    link, peer = further()
    link.pump(Producer(), lambda: PiecesSent(Totals(1, 1, 1), (), 1))
    assert link.speak(EndRecords(1), 1.0) == ()
    assert link.half_close(1.0) == ()
    (send, half), inputs = link.handle(Pumped(CONN), 2.0)
    assert isinstance(send, Send)
    assert peer.open(send.data) == b""
    assert peer.opener.ended
    assert half == HalfClose(CONN)
    assert inputs == (PiecesSent(Totals(1, 1, 1), (), 1),)
    assert told(link, b"", end=True) == (LinkEnded(1, "it ended in the middle"),)


def test_MANY_3_no_sign_of_life_on_a_further_connection() -> None:
    link, _ = further()
    assert link.still_here(1e9) == ()


def test_what_was_given_up_comes_to_the_files_no_more() -> None:
    link, _ = sealed()
    (drain,) = link.hear()
    (pump,) = link.pump(Producer(), lambda: SENT)
    assert isinstance(drain, Drain)
    assert isinstance(pump, Pump)
    assert not drain.consumer.ready()
    assert link.hang() == (Close(CONN),)
    with pytest.raises(ShutError):
        drain.consumer.ready()
    assert pump.producer.fill() is None
