"""The sender's judge and rows, input by input: what each means, and what is asked for then."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from msgspec import structs

from croc_core import failures, wire
from croc_core import sender_states as ss
from croc_core.content import Span, Totals
from croc_core.encoding import b64url_encode
from croc_core.errors import Code, Party
from croc_core.events import CodeReady, Completed, OfferSeen, Waiting, to_json
from croc_core.handshake import stream_key
from croc_core.heads import framed
from croc_core.messages import Accept, Decline, Held, Open, PiecesEnd, Problem, Receipt, Size
from croc_core.party import (
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    Ending,
    Failed,
    Leaving,
    LinkLost,
    LocalFailed,
    NoAnswer,
    PeerBroke,
    PeerStopped,
    Refused,
    RelayBroke,
    Renewed,
    TimedOut,
    Unreachable,
    VersionDiffers,
)
from croc_core.party_io import (
    Choose,
    Dial,
    Garbled,
    Greeted,
    HalfClose,
    Hang,
    Hear,
    Heard,
    Identified,
    Input,
    Interrupted,
    LinkEnded,
    LocalBroke,
    Moved,
    OfferSent,
    PiecesSent,
    Post,
    Replied,
    Secure,
    SendOffer,
    SendPieces,
    Show,
    Speak,
    Started,
    Unanswered,
    Woke,
)
from croc_core.reconnect import (
    AskingWhy,
    Bond,
    ChannelBack,
    ChannelLives,
    Greeting,
    Identifying,
    MeetAgain,
    StillAway,
    Unsure,
)
from croc_core.sender import TABLE
from croc_core.sender_judge import SenderContext, interpret, sender
from croc_core.values import Moment, Role, Secret
from tests.test_party_tables import (
    CHANNEL,
    HELLOS,
    INITIATOR,
    RESPONDER,
    SEAT,
    SECRET,
    SESSION,
    STRANGER,
    TID,
    UUID,
)

NOW = Moment(1000.0, 0)
VN = INITIATOR.vn
POST = Post("/join", b'{"role":"sender","curve":"x25519","channel":"7k2m"}')
ANY = Post("/join", b'{"role":"sender","curve":"x25519"}')
TOTALS = Totals(3, 2, 77)
FAILURE = failures.peer_vanished("gone")

OPENING = ss.Opening(POST, 2000.0)
PUBLISHING = ss.Publishing(SEAT, INITIATOR, 2000.0)
AWAITING = ss.AwaitingAnswer(SEAT, INITIATOR, 5, 2000.0)
PROVING = ss.Proving(SEAT, SESSION, VN)
BOND = Bond(SEAT, SESSION, SESSION, staplings=(0, 0, 0), vn=VN)
TAKEN = structs.replace(BOND, tid=TID, verified=True, met=True)
IDENTIFYING = Identifying(BOND)
STAPLING = ss.AwaitingStaple(BOND, 5, 1120.0)
GREETING = Greeting(BOND, HELLOS[Role.SENDER], 1030.0)
MET = structs.replace(BOND, met=True)
OFFERING = ss.Offering(MET, TID)
ACCEPTING = ss.AwaitingAccept(MET, TID, (0, ()), held=False)
SENDING = ss.Sending(TAKEN, (), ())
RECEIPT = ss.AwaitingReceipt(structs.replace(TAKEN, sent=True), (), TOTALS)
ASKING = AskingWhy(MET, FAILURE, again=True)
ONCE = AskingWhy(MET, FAILURE, again=False)
LEAVING = Leaving(FAILURE)


def context(**more: Any) -> SenderContext:
    counter = iter(range(256))
    return SenderContext(
        SECRET, "one-two-three", "http://r", lambda n: bytes([next(counter)]) * n, **more
    )


def means(state: object, event: Input, **more: Any) -> Any:
    return interpret(context(**more), state, event, NOW)


def move(where: object, event: object) -> Any:
    return TABLE.step(where, event)


def state(**more: Any) -> Replied:
    body: dict[str, Any] = {
        "channel": CHANNEL, "curve": "x25519", "x": INITIATOR.x, "y": None, "hh_k": None,
        "h_k": None, "stapled": False, "staplings": {}, "recipient": True, "seq": 6,
    }  # fmt: skip
    return Replied(200, json.dumps(body | more).encode())


def joined(**more: Any) -> Replied:
    body: dict[str, Any] = {
        "protocol": 1, "channel": CHANNEL, "uuid": UUID, "role": "sender", "curve": "x25519",
        "data": [{"kind": "ws"}, {"kind": "tcp", "port": 9010}, {"kind": "tcp", "port": 9011}],
        "seq": 1,
    }  # fmt: skip
    return Replied(200, json.dumps(body | more).encode())


def error(status: int, code: str = "x", **more: Any) -> Replied:
    return Replied(status, json.dumps({"code": code, "message": "", **more}).encode())


def heard(message: Any, *, last: bool = False) -> Heard:
    return Heard(0, message, last)


Y, HH_K = RESPONDER.y, RESPONDER.hh_k
ANSWER = state(y=Y, hh_k=HH_K)
OTHER_VERSION = framed(msgspec.msgpack.encode([2, "x25519", {}]), bytes(32))
ACCEPT = Accept(TID, (Span(0, 3),), (0, 2), 1, (), False)
RECEIVED = Receipt(TID, 3, 77)


@pytest.mark.parametrize(
    ("where", "event", "kind"),
    [
        (ss.Idle(), Moved(), type(None)),
        (OPENING, joined(), ss.SeatTaken),
        (OPENING, joined(channel="other"), RelayBroke),
        (OPENING, joined(role="recipient"), RelayBroke),
        (OPENING, joined(curve="p256"), RelayBroke),
        (OPENING, joined(data=[]), RelayBroke),
        (OPENING, joined(data=[{"kind": "ws"}]), RelayBroke),
        (OPENING, state(), RelayBroke),
        (OPENING, error(409, "occupied"), Refused),
        (OPENING, error(404, "no_such_channel"), ChannelGone),
        (OPENING, error(404, "no_route"), Refused),
        (OPENING, error(408, "too_slow"), NoAnswer),
        (OPENING, error(500, "internal"), NoAnswer),
        (OPENING, error(503, "busy"), Refused),
        (OPENING, error(429, "too_many"), Refused),
        (OPENING, error(426, "version"), VersionDiffers),
        (OPENING, error(410, "closed"), ChannelGone),
        (OPENING, error(410, "closed", by="relay"), ChannelGone),
        (OPENING, error(410, "closed", by="sender"), ChannelGone),
        (OPENING, error(410, "closed", by="recipient"), ClosedByPeer),
        (OPENING, error(200), RelayBroke),
        (OPENING, Unanswered(True, "c"), Unreachable),
        (OPENING, Unanswered(False, "c"), NoAnswer),
        (OPENING, Woke(), TimedOut),
        (OPENING, Interrupted(Code.SIGTERM), CalledOff),
        (OPENING, Moved(), type(None)),
        (PUBLISHING, state(), ss.XTaken),
        (PUBLISHING, state(x=None), RelayBroke),
        (PUBLISHING, state(x=Y), RelayBroke),
        (PUBLISHING, error(409, "already_set"), Refused),
        (PUBLISHING, Unanswered(True, "c"), NoAnswer),
        (AWAITING, ANSWER, ss.AnswerGood),
        (AWAITING, state(), ss.NothingYet),
        (AWAITING, state(y=Y), ss.NothingYet),
        (AWAITING, state(hh_k=HH_K), ss.NothingYet),
        (AWAITING, state(y=Y, hh_k=STRANGER.hh_k), ss.AnswerBad),
        (AWAITING, state(y=STRANGER.y, hh_k=STRANGER.hh_k), ss.AnswerBad),
        (AWAITING, state(y=Y, hh_k=SESSION.h_k_wire), ss.AnswerBad),
        (AWAITING, state(y=INITIATOR.x, hh_k=HH_K), PeerBroke),
        (AWAITING, state(y="AAAA", hh_k=HH_K), PeerBroke),
        (AWAITING, state(y=OTHER_VERSION, hh_k=HH_K), VersionDiffers),
        (AWAITING, error(404, "no_such_channel"), ss.Forgotten),
        (AWAITING, error(410, "closed", by="relay", reason="expired"), ss.Forgotten),
        (AWAITING, error(410, "closed", by="recipient"), ClosedByPeer),
        (AWAITING, error(403, "channel_full"), Refused),
        (AWAITING, Unanswered(True, "c"), NoAnswer),
        (AWAITING, Woke(), TimedOut),
        (AWAITING, LinkEnded(0, "c"), type(None)),
        (PROVING, state(h_k=SESSION.h_k_wire), ss.ProofTaken),
        (PROVING, state(), RelayBroke),
        (PROVING, state(h_k=HH_K), RelayBroke),
        (PROVING, error(404, "no_such_channel"), ChannelGone),
        (PROVING, Woke(), TimedOut),
        (IDENTIFYING, Identified(0, b"OK\n"), ss.TcpTaken),
        (IDENTIFYING, Identified(0, b"OK"), RelayBroke),
        (IDENTIFYING, Identified(0, b"ERR 409 out_of_turn\n"), Refused),
        (IDENTIFYING, Identified(0, b"ERR 410 closed\n"), LinkLost),
        (IDENTIFYING, Identified(0, b"ERR 426 version\n"), VersionDiffers),
        (IDENTIFYING, Identified(0, b"HTTP/1.1 400\n"), RelayBroke),
        (IDENTIFYING, Garbled(0, "c"), RelayBroke),
        (IDENTIFYING, LinkEnded(0, "c"), LinkLost),
        (IDENTIFYING, LocalBroke(FAILURE), LocalFailed),
        (IDENTIFYING, heard(Problem("x", "")), type(None)),
        (STAPLING, state(stapled=True), ss.IsStapled),
        (STAPLING, state(stapled=False), ss.NotStapled),
        (STAPLING, error(429, "too_many"), Refused),
        (STAPLING, error(410, "closed", by="recipient", reason="wrong_code"), ClosedByPeer),
        (STAPLING, Woke(), MeetAgain),
        (STAPLING, LinkEnded(0, "c"), LinkLost),
        (GREETING, Greeted(0, HELLOS[Role.RECIPIENT]), ss.HelloGood),
        (GREETING, Greeted(0, HELLOS[Role.SENDER]), PeerBroke),
        (GREETING, Greeted(0, bytes(66)), PeerBroke),
        (GREETING, Garbled(0, "c"), PeerBroke),
        (GREETING, heard(Problem("x", "")), type(None)),
        (OFFERING, OfferSent(TOTALS), ss.OfferOut),
        (OFFERING, Moved(), Renewed),
        (OFFERING, heard(Decline(TID), last=True), ss.DeclinedByPeer),
        (OFFERING, heard(Decline(bytes(15) + b"x"), last=True), PeerBroke),
        (OFFERING, heard(Problem("timeout", ""), last=True), PeerStopped),
        (OFFERING, heard(ACCEPT), PeerBroke),
        (OFFERING, LocalBroke(FAILURE), LocalFailed),
        (ACCEPTING, heard(ACCEPT), ss.AcceptWhole),
        (ACCEPTING, heard(msgspec.structs.replace(ACCEPT, more=True)), ss.AcceptPart),
        (ACCEPTING, heard(msgspec.structs.replace(ACCEPT, tid=b"\1" * 16)), PeerBroke),
        (ACCEPTING, heard(msgspec.structs.replace(ACCEPT, connections=2)), ss.AcceptWhole),
        (ACCEPTING, heard(msgspec.structs.replace(ACCEPT, held=(Held(0, 1),))), ss.AcceptHeld),
        (IDENTIFYING, Identified(0, b"ERR 404 no_such_channel\n"), LinkLost),
        (IDENTIFYING, Identified(0, b"ERR 503 busy\n"), LinkLost),
        (STAPLING, error(404, "no_such_channel"), MeetAgain),
        (ACCEPTING, heard(Decline(TID), last=True), ss.DeclinedByPeer),
        (ACCEPTING, heard(Decline(b"\1" * 16), last=True), PeerBroke),
        (ACCEPTING, heard(RECEIVED, last=True), PeerBroke),
        (ACCEPTING, Moved(), Renewed),
        (SENDING, PiecesSent(TOTALS, (Size(0, 1),)), ss.PiecesOut),
        (SENDING, Moved(), Renewed),
        (SENDING, Moved(files=False), Renewed),
        (ACCEPTING, Moved(files=False), Renewed),
        (ACCEPTING, heard(Accept(TID, (), (0,), 1, (), True)), PeerBroke),
        (SENDING, heard(RECEIVED, last=True), PeerBroke),
        (SENDING, heard(Problem("local_file", ""), last=True), PeerStopped),
        (SENDING, LocalBroke(FAILURE), LocalFailed),
        (RECEIPT, heard(RECEIVED, last=True), ss.ReceiptGood),
        (RECEIPT, heard(RECEIVED), Unsure),
        (RECEIPT, heard(Receipt(b"\1" * 16, 3, 77), last=True), Unsure),
        (RECEIPT, heard(Receipt(TID, 2, 77), last=True), Unsure),
        (RECEIPT, heard(Receipt(TID, 3, 76), last=True), Unsure),
        (RECEIPT, heard(Problem("local_file", ""), last=True), PeerStopped),
        (RECEIPT, LinkEnded(0, "c"), LinkLost),
        (RECEIPT, Moved(), Renewed),
        (RECEIPT, Woke(), LinkLost),
        (RECEIPT, Woke(late=True), Unsure),
        (RECEIPT, Interrupted(Code.SIGINT), Unsure),
        (ASKING, state(), ChannelBack),
        (ASKING, error(410, "closed", by="recipient", reason="declined"), ClosedByPeer),
        (ASKING, error(410, "closed", by="sender"), ChannelGone),
        (ASKING, error(410, "closed", by="relay"), MeetAgain),
        (ASKING, error(410, "closed"), MeetAgain),
        (ASKING, error(404, "no_such_channel"), MeetAgain),
        (ASKING, error(403, "channel_full"), MeetAgain),
        (ASKING, error(503, "busy"), StillAway),
        (ASKING, error(429, "too_many"), StillAway),
        (ASKING, Replied(200, b"?"), StillAway),
        (ASKING, Replied(302, b"<html>"), StillAway),
        (ASKING, Unanswered(False, "c"), StillAway),
        (ASKING, Woke(), StillAway),
        (ASKING, Interrupted(Code.SIGINT), CalledOff),
        (ASKING, Moved(), type(None)),
        (ONCE, state(), ChannelLives),
        (ONCE, error(410, "closed", by="recipient", reason="declined"), ClosedByPeer),
        (ONCE, error(410, "closed", by="relay"), ChannelGone),
        (ONCE, error(404, "no_such_channel"), ChannelGone),
        (ONCE, Replied(200, b"?"), ChannelLives),
        (ONCE, Unanswered(False, "c"), ChannelLives),
        (ONCE, Woke(), ChannelLives),
        (ONCE, Interrupted(Code.SIGINT), CalledOff),
        (LEAVING, Replied(200, b"?"), object),
        (LEAVING, Moved(), type(None)),
    ],
)  # fmt: skip
def test_what_an_input_means(where: object, event: Input, kind: type[Any]) -> None:
    found = means(where, event)
    assert type(found) is kind or (kind is object and found is not None)


@pytest.mark.parametrize(
    ("where", "event", "code", "party"),
    [
        (OPENING, Woke(), Code.TIMEOUT, Party.RELAY),
        (ACCEPTING, Woke(late=True), Code.TIMEOUT, Party.PEER),
        (OPENING, Interrupted(Code.SIGTERM), Code.SIGTERM, Party.LOCAL),
        (OPENING, Unanswered(True, "c"), Code.RELAY_UNREACHABLE, Party.RELAY),
        (OPENING, error(401, "token"), Code.RELAY_REFUSED, Party.RELAY),
        (OPENING, error(426, "version"), Code.VERSION, Party.PEER),
        (OPENING, Replied(200, b""), Code.PROTOCOL_ERROR, Party.RELAY),
        (AWAITING, state(y=Y, hh_k=STRANGER.hh_k), Code.WRONG_CODE, Party.PEER),
        (AWAITING, state(y="AAAA", hh_k=HH_K), Code.PROTOCOL_ERROR, Party.PEER),
        (AWAITING, state(y=OTHER_VERSION, hh_k=HH_K), Code.VERSION, Party.PEER),
        (STAPLING, error(410, "closed", by="recipient", reason="wrong_code"), Code.WRONG_CODE,
         Party.PEER),
        (STAPLING, error(410, "closed", by="recipient", reason="declined"), Code.DECLINED,
         Party.PEER),
        (STAPLING, error(410, "closed", by="recipient", reason="cancelled"), Code.PEER_LEFT,
         Party.PEER),
        (STAPLING, error(410, "closed", by="recipient", reason="\x1b[31m"), Code.PEER_LEFT,
         Party.PEER),
        (STAPLING, error(410, "closed", by="recipient"), Code.PEER_LEFT, Party.PEER),
        (IDENTIFYING, LinkEnded(0, "c"), Code.PEER_LEFT, Party.PEER),
        (OFFERING, LocalBroke(FAILURE), FAILURE.code, FAILURE.party),
        (OFFERING, heard(Problem("\x1b", "\x1b")), Code.PEER_LEFT, Party.PEER),
        (ACCEPTING, heard(Decline(TID)), Code.DECLINED, Party.PEER),
    ],
)  # fmt: skip
def test_whose_side_it_was(where: object, event: Input, code: Code, party: Party) -> None:
    ending = means(where, event)
    assert isinstance(ending, Ending)
    assert (ending.failure.code, ending.failure.party) == (code, party)
    assert ending.failure.message.endswith(".")
    assert "\x1b" not in ending.failure.message + ending.failure.hint


def test_the_other_side_says_why_it_stops() -> None:
    problem = means(OFFERING, heard(Problem("local_file", ""), last=True))
    assert "files or its disk" in problem.failure.message
    closed = means(STAPLING, error(410, "closed", by="recipient", reason="cancelled"))
    assert closed.failure.message == "The relay says that the other side cancelled."


def test_a_late_answer_of_the_relay_names_what_was_waited_for() -> None:
    silent = means(AWAITING, Woke()).failure
    assert (silent.code, silent.party) == (Code.TIMEOUT, Party.RELAY)
    assert "relay does not answer" in silent.message
    late = interpret(context(), AWAITING, Woke(), Moment(2000.0, 0))
    assert isinstance(late, TimedOut)
    assert "other side to join" in late.failure.message


def test_JOIN_1_without_a_channel_any_is_right() -> None:
    begun = means(ss.Idle(), Started())
    assert "channel" not in json.loads(begun.request.body)
    assert begun.until == NOW.mono + 86400
    opening = ss.Opening(ANY, 2000.0)
    taken = means(opening, joined(channel="zz9"))
    assert taken.seat.channel == "zz9"
    assert taken.seat.ports == (9010, 9011)
    assert taken.seat.uuid == UUID


def test_TOKEN_3_the_token_goes_into_the_join_alone() -> None:
    begun = means(ss.Idle(), Started(), channel=CHANNEL, token=Secret(b"t0k"), curve="p256")
    body = msgspec.json.decode(begun.request.body, type=wire.Join)
    assert (body.role, body.channel, body.curve, body.token) == ("sender", CHANNEL, "p256", "t0k")
    assert body.nonce == "00" * 16
    assert "t0k" not in repr(begun)
    assert "t0k" not in repr(context(token=Secret(b"t0k")))


def test_HEAD_1_a_channel_that_is_opened_again_gets_all_anew() -> None:
    made = [means(OPENING, joined()), interpret(context(), OPENING, joined(), NOW)]
    assert made[0].initiator.x == made[1].initiator.x  # chance is all that differs
    one = context()
    taken: list[Any] = [interpret(one, OPENING, joined(), NOW) for _ in range(2)]
    first, second = taken
    for name in ("sid", "vn", "scalar", "x"):
        assert getattr(first.initiator, name) != getattr(second.initiator, name)
    forgotten = interpret(one, AWAITING, error(404, "no_such_channel"), NOW)
    assert isinstance(forgotten, ss.Forgotten)
    after, (again,) = move(AWAITING, forgotten)
    assert after == ss.Opening(forgotten.request, 2000.0)
    assert again == Post("/join", forgotten.request.body, 0.5)
    assert json.loads(again.body)["channel"] == CHANNEL


@pytest.mark.parametrize(("seq", "after"), [(6, 0.0), (5, 0.5), (4, 0.5)])
def test_WAIT_7_a_pause_where_there_is_no_news(seq: int, after: float) -> None:
    assert means(AWAITING, state(seq=seq)) == ss.NothingYet(seq, after)
    assert means(STAPLING, state(seq=seq)) == ss.NotStapled(seq, after)
    again, (asked,) = move(AWAITING, ss.NothingYet(seq, after))
    assert again == ss.AwaitingAnswer(SEAT, INITIATOR, seq, 2000.0)
    assert json.loads(asked.body) | {"channel": 0, "uuid": 0} == {
        "channel": 0, "uuid": 0, "since": seq, "wait": 25.0
    }  # fmt: skip
    assert (asked.after, asked.wait) == (after, 25.0)


def test_an_answer_that_is_there_already_is_asked_for_at_once() -> None:
    assert means(PUBLISHING, state(seq=7)).seq == 7
    assert means(PUBLISHING, state(seq=7, y=Y, hh_k=HH_K)).seq == 0


def test_step_by_step() -> None:
    after, effects = move(PUBLISHING, ss.XTaken("c-s", "http://r", 4))
    assert after == ss.AwaitingAnswer(SEAT, INITIATOR, 4, 2000.0)
    assert effects[:2] == (
        Show(CodeReady("c-s", CHANNEL, "http://r")), Show(Waiting("the other side to join"))
    )  # fmt: skip
    assert move(AWAITING, ss.AnswerGood(SESSION)) == (
        PROVING, (SEAT.post(h_k=SESSION.h_k_wire),)
    )  # fmt: skip
    assert move(PROVING, ss.ProofTaken((0, 0, 0))) == (
        IDENTIFYING, (Dial(0, 9010, f"CROC/1 {CHANNEL} {UUID}\n".encode()),)
    )  # fmt: skip
    assert move(IDENTIFYING, ss.TcpTaken(1120.0)) == (
        ss.AwaitingStaple(BOND, 0, 1120.0), (SEAT.post(),)
    )  # fmt: skip
    after, effects = move(GREETING, ss.HelloGood(HELLOS[Role.RECIPIENT], TID))
    assert after == OFFERING
    assert isinstance(effects[0], Secure)
    assert effects[1:] == (Speak(0, Open(VN.reveal)), Hear(0), SendOffer(0, TID))
    for keys, role in ((effects[0].seal, Role.SENDER), (effects[0].open, Role.RECIPIENT)):
        for g in (0, 1, 7):
            hellos = HELLOS[Role.SENDER], HELLOS[Role.RECIPIENT]
            assert keys(g) == stream_key(SESSION, role, 0, *hellos, b"", g)
    assert move(OFFERING, ss.OfferOut(TOTALS)) == (
        ACCEPTING, (Show(OfferSeen(2, 77)), Show(Waiting("the other side to accept")))
    )  # fmt: skip
    part = ss.AwaitingAccept(MET, TID, (1, (0, 2)), held=False)
    assert move(ACCEPTING, ss.AcceptPart(ACCEPT)) == (part, (Choose(0, ACCEPT), Hear(0)))
    assert move(ACCEPTING, ss.AcceptWhole(ACCEPT, 1)) == (
        SENDING, (Choose(0, ACCEPT), Hear(0), SendPieces(0))
    )  # fmt: skip
    out = means(SENDING, PiecesSent(TOTALS._replace(bytes=76), (Size(0, 1),)))
    end = PiecesEnd(TID, 3, 77, (Size(0, 1),))
    assert move(SENDING, out) == (
        RECEIPT, (Speak(0, end, last=True), Show(Waiting("the receipt")))
    )  # fmt: skip
    assert move(RECEIPT, ss.ReceiptGood()) == (
        ss.Done(TOTALS), (HalfClose(0), Hang(0), Show(Completed(2, 77, 0.0)))
    )  # fmt: skip


@pytest.mark.parametrize("event", [Woke(late=True), Interrupted(Code.SIGINT), Garbled(0, "x"),
                                   LocalBroke(FAILURE)])  # fmt: skip
def test_END_7_without_a_receipt_it_is_unconfirmed(event: Input) -> None:
    found = means(RECEIPT, event)
    after, effects = move(RECEIPT, found)
    assert isinstance(after, ss.Unconfirmed)
    assert after.failure.code is Code.UNCONFIRMED
    assert after.failure.exit_status == 11
    assert found.failure.message.rstrip(".") in after.failure.message
    assert effects == (Hang(0),), "a close would cut off what is still on its way"


def test_END_9_a_problem_behind_the_totals_is_no_success() -> None:
    after, _ = move(RECEIPT, PeerStopped(FAILURE))
    assert after == Leaving(FAILURE)
    assert move(after, means(after, Woke()))[0] == Failed(FAILURE)


def test_why_it_broke_is_the_relays_word_where_it_has_one() -> None:
    for event, kept in ((error(410, "closed", by="recipient", reason="cancelled"), False),
                        (error(410, "closed", by="relay"), True)):  # fmt: skip
        after, effects = move(ONCE, means(ONCE, event))
        assert isinstance(after, Failed)
        assert (after.failure == FAILURE) is kept
        assert effects == ()
    after, effects = move(ONCE, means(ONCE, state()))
    assert (after, effects) == (Leaving(FAILURE), (SEAT.post(close=True, reason="failed"),))


def test_KEY_6_the_wrong_proof_ends_with_its_reason() -> None:
    bad = means(AWAITING, state(y=Y, hh_k=STRANGER.hh_k))
    after, effects = move(AWAITING, bad)
    assert isinstance(after, Leaving)
    assert effects == (SEAT.post(close=True, reason="wrong_code"),)


def test_a_suite_is_found_by_the_curve_of_the_context() -> None:
    asked: list[str] = []

    def find(name: str) -> Any:
        asked.append(name)
        return context().suite(name)

    means(OPENING, joined(), suite=find)
    means(AWAITING, ANSWER, suite=find)
    assert asked == ["x25519", "x25519"]


def test_the_patience_of_each_wait() -> None:
    machine = sender(replace(context(), channel=CHANNEL))
    machine.handle(Started(), NOW)
    assert machine.deadline() == NOW.mono + 30
    machine.handle(joined(), NOW)
    assert machine.deadline() == NOW.mono + 30
    (again,) = machine.handle(Unanswered(False, ""), NOW)
    assert isinstance(again, Post)
    x = json.loads(again.body)["x"]
    machine.handle(state(x=x), NOW)
    assert machine.deadline() == NOW.mono + 55
    machine.handle(state(x=x, seq=9), Moment(1010.0, 0))
    assert machine.deadline() == 1065.0
    machine.handle(Unanswered(False, ""), Moment(1020.0, 0))
    assert machine.deadline() == 1065.0, "no answer is no news"


def test_the_reprs_hold_no_secret() -> None:
    for value in (PUBLISHING, PROVING, GREETING, ss.XTaken("7k2m-one", "r", 1), context()):
        text = repr(value)
        assert "one" not in text.replace("None", "").replace("reason", "")
        assert repr(VN.reveal) not in text
        assert b64url_encode(SESSION.h_k) not in text


def test_events_are_lines_of_json() -> None:
    line = to_json(Waiting("the receipt"))
    assert line == b'{"event":"waiting","what":"the receipt"}\n'
    assert json.loads(to_json(CodeReady("a-b", "a", "r"))) == {
        "event": "code", "code": "a-b", "channel": "a", "relay": "r"
    }  # fmt: skip


def test_a_relay_whose_seq_always_rises_is_asked_with_a_pause() -> None:
    asked = 0
    now = msgspec.structs.replace(AWAITING, seq=0)
    for seq in range(1, 1000):
        found = means(now, state(y=None, hh_k=None, seq=seq))
        assert isinstance(found, ss.NothingYet)
        asked += found.after == 0
        now = msgspec.structs.replace(now, seq=found.seq)
    assert asked <= 64
    assert found.after > 0
