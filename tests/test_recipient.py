"""The recipient's judge and rows, input by input; see `test_sender.py`."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from msgspec import structs

from croc_core import failures, wire
from croc_core import recipient_states as rs
from croc_core.content import MAX_SIZE, Arrived, Entry, Kind, Span, Totals, Verdict
from croc_core.errors import Code, Party
from croc_core.events import Completed, OfferSeen, Waiting
from croc_core.failures import NEW_CODE
from croc_core.handshake import Policy, stream_key
from croc_core.heads import framed
from croc_core.messages import (
    Decline,
    Manifest,
    OfferEnd,
    Open,
    PiecesEnd,
    Problem,
    Receipt,
    Size,
)
from croc_core.party import (
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    Ending,
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
    BeginOffer,
    Consider,
    Decided,
    Finish,
    Finished,
    Garbled,
    Greet,
    Greeted,
    HalfClose,
    Hang,
    Hear,
    Heard,
    Identified,
    Input,
    Interrupted,
    Judge,
    Judged,
    LinkEnded,
    LocalBroke,
    Moved,
    Post,
    Replied,
    Secure,
    Show,
    Speak,
    Started,
    TakePieces,
    Unanswered,
    Woke,
)
from croc_core.recipient import TABLE
from croc_core.recipient_judge import RecipientContext, interpret, recipient
from croc_core.recipient_link_judge import SPANS_A_MESSAGE
from croc_core.reconnect import Bond, Greeting, Identifying
from croc_core.values import Moment, Role
from tests.test_party_tables import (
    CHANNEL,
    HELLOS,
    INITIATOR,
    RESPONDER,
    SEAT,
    SECRET,
    SESSION,
    TID,
    UUID,
)
from tests.test_sender import error, heard, joined

NOW = Moment(1000.0, 0)
POST = Post("/join", b"{}")
FAILURE = failures.peer_vanished("gone")
ENTRIES = (Entry(Kind.FILE, "a", 5, {}), Entry(Kind.DIRECTORY, "b", 0, {}))
TOTALS = Totals(2, 1, 5)
VERDICT = Verdict((Span(0, 2),), TOTALS, (), 1, (), 2)
ARRIVED = Arrived(2, 1, 5, ("a", "b"))

JOINING = rs.Joining(POST)
ASKING_X = rs.AwaitingX(SEAT, "x25519", 5)
ANSWERING = rs.Answering(SEAT, RESPONDER)
PROOF = rs.AwaitingProof(SEAT, SESSION, 5)
BOND = Bond(SEAT, SESSION, SESSION, staplings=(0, 0, 0))
MET = structs.replace(BOND, met=True)
TAKEN = structs.replace(MET, tid=TID, totals=TOTALS, verified=True)
IDENTIFYING = Identifying(BOND)
GREETING = Greeting(BOND, HELLOS[Role.RECIPIENT], 1120.0)
OPENING = rs.AwaitingOpen(MET)
OFFER = rs.AwaitingOffer(MET)
HEARING = rs.HearingOffer(MET, TID, 1, 5)
JUDGING = rs.Judging(MET, TID, 2)
DECIDING = rs.Deciding(MET, TID, VERDICT)
RECEIVING = rs.Receiving(TAKEN, ())
FINISHING = rs.Finishing(TAKEN)
ENDING = rs.AwaitingEnd(TAKEN, ARRIVED)
CLOSING = rs.Closing(ARRIVED)


def context(**more: Any) -> RecipientContext:
    return RecipientContext(CHANNEL, SECRET, random.Random(4).randbytes, **more)


def means(where: object, event: Input, **more: Any) -> Any:
    return interpret(context(**more), where, event, NOW)


def move(where: object, event: object) -> Any:
    return TABLE.step(where, event)


def state(**more: Any) -> Replied:
    body: dict[str, Any] = {
        "channel": CHANNEL, "curve": "x25519", "x": INITIATOR.x, "y": RESPONDER.y,
        "hh_k": RESPONDER.hh_k, "h_k": None, "stapled": False, "staplings": {}, "recipient": True,
        "seq": 6,
    }  # fmt: skip
    return Replied(200, json.dumps(body | more).encode())


def seat(**more: Any) -> Replied:
    return joined(role="recipient", **more)


def huge(count: int) -> tuple[Entry, ...]:
    return tuple(Entry(Kind.FILE, f"{n}", MAX_SIZE, {}) for n in range(count))


STREAM = (Entry(Kind.STREAM, "s", None, {}),)
END = PiecesEnd(TID, 2, 5, ())
OTHER_VERSION = framed(
    msgspec.msgpack.encode([2, "x25519", bytes(32), bytes(32), {}]), INITIATOR.share
)


@pytest.mark.parametrize(
    ("where", "event", "kind"),
    [
        (rs.Idle(), Started(), rs.Begun),
        (rs.Idle(), Woke(), type(None)),
        (JOINING, seat(), rs.SeatTaken),
        (JOINING, joined(), RelayBroke),
        (JOINING, seat(channel="other"), RelayBroke),
        (JOINING, seat(data=[]), RelayBroke),
        (JOINING, error(404, "no_such_channel"), ChannelGone),
        (JOINING, error(409, "occupied"), Refused),
        (JOINING, error(409, "curve"), Refused),
        (JOINING, error(410, "closed"), ChannelGone),
        (JOINING, error(410, "closed", by="sender"), ClosedByPeer),
        (JOINING, Unanswered(True, "c"), Unreachable),
        (JOINING, Unanswered(False, "c"), NoAnswer),
        (ASKING_X, state(), rs.XGood),
        (ASKING_X, state(x=None), rs.NothingYet),
        (ASKING_X, error(404, "no_x_yet"), rs.NothingYet),
        (ASKING_X, error(404, "no_such_channel"), ChannelGone),
        (ASKING_X, Replied(404, b"?"), RelayBroke),
        (ASKING_X, error(500, "no_x_yet"), NoAnswer),
        (ASKING_X, state(curve="p256"), RelayBroke),
        (ASKING_X, state(x="AAAA"), PeerBroke),
        (ASKING_X, state(x=OTHER_VERSION), VersionDiffers),
        (ASKING_X, Unanswered(True, "c"), NoAnswer),
        (ANSWERING, state(), rs.AnswerTaken),
        (ANSWERING, state(y=None), RelayBroke),
        (ANSWERING, state(hh_k=None), RelayBroke),
        (ANSWERING, state(y=INITIATOR.x), RelayBroke),
        (ANSWERING, state(hh_k=SESSION.h_k_wire), RelayBroke),
        (ANSWERING, error(409, "already_set"), Refused),
        (ANSWERING, error(410, "closed", by="sender", reason="wrong_code"), ClosedByPeer),
        (PROOF, state(h_k=SESSION.h_k_wire), rs.ProofGood),
        (PROOF, state(), rs.NothingYet),
        (PROOF, state(h_k=RESPONDER.hh_k), rs.ProofBad),
        (PROOF, state(h_k="AAAA"), rs.ProofBad),
        (PROOF, state(h_k="AB"), rs.ProofBad),
        (PROOF, error(410, "closed", by="sender", reason="wrong_code"), ClosedByPeer),
        (IDENTIFYING, Identified(0, b"OK\n"), rs.TcpTaken),
        (IDENTIFYING, Identified(0, b"ERR 403 channel_full\n"), LinkLost),
        (IDENTIFYING, Identified(0, b"ERR 410 closed\n"), LinkLost),
        (IDENTIFYING, LinkEnded(0, "c"), LinkLost),
        (GREETING, Greeted(0, HELLOS[Role.SENDER]), rs.HelloGood),
        (GREETING, Greeted(0, HELLOS[Role.RECIPIENT]), PeerBroke),
        (OPENING, heard(Open(INITIATOR.vn.reveal)), rs.OpenGood),
        (OPENING, heard(Open(INITIATOR.vn.reveal), last=True), PeerBroke),
        (OPENING, heard(Open(bytes(32))), PeerBroke),
        (OPENING, heard(Manifest(TID, ENTRIES)), PeerBroke),
        (OPENING, heard(Problem("x", ""), last=True), PeerStopped),
        (OPENING, Moved(), Renewed),
        (OPENING, LocalBroke(FAILURE), LocalFailed),
        (OFFER, heard(Manifest(TID, ENTRIES)), rs.OfferBegun),
        (OFFER, heard(Manifest(TID, ENTRIES), last=True), PeerBroke),
        (OFFER, heard(Manifest(None, ENTRIES)), PeerBroke),
        (OFFER, heard(OfferEnd(TID, 0, 0)), PeerBroke),
        (OFFER, heard(Manifest(TID, huge(2))), PeerBroke),
        (OFFER, Moved(), Renewed),
        (HEARING, heard(Manifest(None, ENTRIES)), rs.OfferGrew),
        (HEARING, heard(Manifest(None, ENTRIES), last=True), PeerBroke),
        (HEARING, heard(Manifest(TID, ENTRIES)), PeerBroke),
        (HEARING, heard(Manifest(None, huge(1))), PeerBroke),
        (HEARING, heard(OfferEnd(TID, 1, 5)), rs.OfferWhole),
        (HEARING, heard(OfferEnd(TID, 1, 5), last=True), PeerBroke),
        (HEARING, heard(OfferEnd(b"\1" * 16, 1, 5)), PeerBroke),
        (HEARING, heard(OfferEnd(TID, 2, 5)), PeerBroke),
        (HEARING, heard(OfferEnd(TID, 1, 6)), PeerBroke),
        (HEARING, heard(OfferEnd(TID, 1, None)), PeerBroke),
        (HEARING, Moved(), Renewed),
        (JUDGING, Judged(VERDICT), rs.VerdictGiven),
        (JUDGING, Judged(Verdict((), Totals(0, 0, 0), (), 1, (), 0)), rs.NothingUsable),
        (JUDGING, Judged(Verdict((), Totals(0, 0, 0), (), 0, (), 0)), rs.VerdictGiven),
        (JUDGING, heard(Problem("sigint", ""), last=True), PeerStopped),
        (JUDGING, heard(Manifest(None, ())), PeerBroke),
        (JUDGING, LocalBroke(FAILURE), LocalFailed),
        (JUDGING, Moved(), Renewed),
        (DECIDING, Decided(True), rs.Agreed),
        (DECIDING, Decided(False), rs.Refusing),
        (DECIDING, Moved(), type(None)),
        (DECIDING, heard(END, last=True), PeerBroke),
        (RECEIVING, heard(END, last=True), rs.TotalsGood),
        (RECEIVING, heard(END), PeerBroke),
        (RECEIVING, heard(PiecesEnd(b"\1" * 16, 2, 5, ()), last=True), PeerBroke),
        (RECEIVING, heard(PiecesEnd(TID, 1, 5, ()), last=True), PeerBroke),
        (RECEIVING, heard(PiecesEnd(TID, 2, 4, ()), last=True), PeerBroke),
        (RECEIVING, Garbled(0, "c"), PeerBroke),
        (RECEIVING, LocalBroke(FAILURE), LocalFailed),
        (RECEIVING, Moved(), Renewed),
        (RECEIVING, Moved(files=False), type(None)),
        (HEARING, Moved(files=False), Renewed),
        (HEARING, heard(Manifest(None, ())), PeerBroke),
        (FINISHING, Finished(ARRIVED), rs.AllFinal),
        (FINISHING, LinkEnded(0, "c"), type(None)),
        (FINISHING, Garbled(0, "bytes are missing"), PeerBroke),
        (FINISHING, LocalBroke(FAILURE), LocalFailed),
        (FINISHING, heard(Problem("x", "")), type(None)),
        (ENDING, LinkEnded(0, "c"), rs.HungUp),
        (ENDING, Garbled(0, "c"), rs.HungUp),
        (ENDING, heard(Problem("x", "")), rs.HungUp),
        (ENDING, Woke(), rs.HungUp),
        (ENDING, Interrupted(Code.SIGINT), rs.HungUp),
        (ENDING, Moved(), type(None)),
        (CLOSING, Replied(500, b"?"), rs.Closed),
        (CLOSING, Unanswered(True, "c"), rs.Closed),
        (CLOSING, Interrupted(Code.SIGINT), rs.Closed),
        (CLOSING, Woke(), rs.Closed),
        (CLOSING, Moved(), type(None)),
    ],
)  # fmt: skip
def test_what_an_input_means(where: object, event: Input, kind: type[Any]) -> None:
    assert type(means(where, event)) is kind


@pytest.mark.parametrize(
    ("where", "event", "code", "party"),
    [
        (JOINING, error(410, "closed", by="sender", reason="wrong_code"), Code.WRONG_CODE,
         Party.LOCAL),
        (JOINING, error(404, "no_such_channel"), Code.RELAY_REFUSED, Party.RELAY),
        (PROOF, state(h_k=RESPONDER.hh_k), Code.WRONG_CODE, Party.PEER),
        (PROOF, error(410, "closed", by="sender", reason="declined"), Code.PEER_LEFT, Party.PEER),
        (DECIDING, Decided(False), Code.DECLINED, Party.LOCAL),
        (JUDGING, Judged(Verdict((), Totals(0, 0, 0), (), 1, (), 0)), Code.DECLINED, Party.PEER),
        (HEARING, heard(OfferEnd(TID, 2, 5)), Code.PROTOCOL_ERROR, Party.PEER),
        (RECEIVING, LinkEnded(0, "c"), Code.PEER_LEFT, Party.PEER),
        (RECEIVING, Woke(), Code.TIMEOUT, Party.PEER),
    ],
)  # fmt: skip
def test_whose_side_it_was(where: object, event: Input, code: Code, party: Party) -> None:
    ending = means(where, event)
    assert isinstance(ending, Ending)
    assert (ending.failure.code, ending.failure.party) == (code, party)


@pytest.mark.parametrize("where", [ANSWERING, PROOF])
@pytest.mark.parametrize(
    "event",
    [
        Woke(), Interrupted(Code.SIGINT), Replied(200, b"?"), error(403, "channel_full"),
        error(404, "no_such_channel"), error(410, "closed"), error(426, "version"),
    ],
)  # fmt: skip
def test_WORDS_5_from_y_on_the_code_is_used(where: object, event: Input) -> None:
    assert NEW_CODE in means(where, event).failure.hint
    assert NEW_CODE not in means(ASKING_X, event).failure.hint


@pytest.mark.parametrize("reason", ["wrong_code", "declined", "cancelled", "failed", None, "?"])
def test_WORDS_5_whatever_the_sender_closes_with(reason: str | None) -> None:
    hint = means(PROOF, error(410, "closed", by="sender", reason=reason)).failure.hint
    assert "new" in hint
    assert "code" in hint


def test_the_join_is_what_the_context_says() -> None:
    begun = means(rs.Idle(), Started(), curve="p256")
    body = msgspec.json.decode(begun.request.body, type=wire.Join)
    assert (body.role, body.channel, body.curve) == (Role.RECIPIENT, CHANNEL, "p256")
    assert len(bytes.fromhex(str(body.nonce))) == 16
    plain = means(rs.Idle(), Started())
    assert "curve" not in json.loads(plain.request.body)
    assert move(rs.Idle(), plain) == (rs.Joining(plain.request), (plain.request,))
    again = Post("/join", plain.request.body, 0.5)
    assert move(rs.Joining(plain.request), NoAnswer()) == (rs.Joining(plain.request), (again,))


@pytest.mark.parametrize(("seq", "after"), [(6, 0.0), (5, 0.5), (4, 0.5)])
def test_WAIT_7_a_pause_where_there_is_no_news(seq: int, after: float) -> None:
    assert means(ASKING_X, state(x=None, seq=seq)) == rs.NothingYet(seq, after)
    assert means(PROOF, state(seq=seq)) == rs.NothingYet(seq, after)
    assert means(ASKING_X, error(404, "no_x_yet")) == rs.NothingYet(5, 0.5)
    waits = SEAT.post(since=seq, after=after)
    event = rs.NothingYet(seq, after)
    assert move(ASKING_X, event) == (rs.AwaitingX(SEAT, "x25519", seq), (waits,))
    assert move(PROOF, event) == (rs.AwaitingProof(SEAT, SESSION, seq), (waits,))
    assert move(PROOF, NoAnswer()) == (PROOF, (SEAT.post(since=5, after=0.5),))


def test_a_proof_that_is_there_already_is_asked_for_at_once() -> None:
    assert means(ANSWERING, state(seq=9)) == rs.AnswerTaken(9)
    assert means(ANSWERING, state(seq=9, h_k=SESSION.h_k_wire)) == rs.AnswerTaken(0)


def test_HEAD_4_the_policy_and_the_curve_of_the_person() -> None:
    assert isinstance(means(ASKING_X, state(), curve="x25519"), rs.XGood)
    for more in ({"curve": "p256"}, {"policy": Policy(suites=("p256",))}):
        refused = means(ASKING_X, state(), **more)
        assert isinstance(refused, rs.CurveUnasked)
        assert refused.failure.code is Code.PROTOCOL_ERROR
        assert "curve x25519" in refused.failure.message
        assert "--curve x25519" in refused.failure.hint
    unknown = rs.AwaitingX(ASKING_X.seat, "evilcurve", 0)
    assert "evilcurve" not in str(means(unknown, state(curve="evilcurve")).failure)
    good = means(ASKING_X, state(), curve="x25519", policy=Policy(aeads=("chacha20poly1305",)))
    assert good.responder.session.aead == "chacha20poly1305"
    asked = means(ASKING_X, state(), curve="x25519", policy=Policy(verify=True))
    assert asked.responder.session.recipient_verify


def test_OFFER_9_the_entries_are_bounded() -> None:
    at_most = means(OFFER, heard(Manifest(TID, ENTRIES)), max_entries=2)
    assert at_most == rs.OfferBegun(TID, ENTRIES, 5)
    for where, tid, most in ((OFFER, TID, 1), (HEARING, None, 2)):
        beyond = means(where, heard(Manifest(tid, ENTRIES)), max_entries=most)
        assert isinstance(beyond, LocalFailed)
        assert f"more than {most} files" in beyond.failure.message
        assert beyond.failure.code is Code.LOCAL_FILE


def test_OFFER_6_the_sum_is_unknown_with_a_stream() -> None:
    assert means(OFFER, heard(Manifest(TID, huge(1)))).bytes == MAX_SIZE
    assert means(OFFER, heard(Manifest(TID, STREAM + ENTRIES))).bytes is None
    assert means(HEARING, heard(Manifest(None, STREAM))).bytes is None
    unknown = rs.HearingOffer(MET, TID, 1, None)
    assert means(unknown, heard(Manifest(None, ENTRIES))).bytes is None
    assert means(unknown, heard(OfferEnd(TID, 1, None))) == rs.OfferWhole()
    assert isinstance(means(unknown, heard(OfferEnd(TID, 1, 0))), PeerBroke)
    taking = rs.Receiving(structs.replace(TAKEN, totals=Totals(2, 1, None)), ())
    end = PiecesEnd(TID, 2, 99, (Size(0, 99),))
    assert means(taking, heard(end, last=True)) == rs.TotalsGood((Size(0, 99),))


@pytest.mark.parametrize("count", [0, 1, SPANS_A_MESSAGE, SPANS_A_MESSAGE + 1, 2 * SPANS_A_MESSAGE])
def test_OFFER_10_a_long_choice_takes_several_messages(count: int) -> None:
    spans = tuple(Span(2 * n, 1) for n in range(count))
    deciding = rs.Deciding(MET, TID, VERDICT._replace(chosen=spans))
    accepts = means(deciding, Decided(True)).accepts
    assert tuple(span for accept in accepts for span in accept.spans) == spans
    assert len(accepts) == max(1, -(-count // SPANS_A_MESSAGE))
    assert [accept.more for accept in accepts] == [True] * (len(accepts) - 1) + [False]
    for accept in accepts:
        assert (accept.tid, accept.codecs, accept.connections, accept.held) == (TID, (0, 2), 1, ())


def test_step_by_step() -> None:
    assert move(JOINING, rs.SeatTaken(SEAT, "x25519")) == (
        rs.AwaitingX(SEAT, "x25519", 0), (SEAT.post(since=0),)
    )  # fmt: skip
    posted = SEAT.post(y=RESPONDER.y, hh_k=RESPONDER.hh_k)
    assert move(ASKING_X, rs.XGood(RESPONDER)) == (ANSWERING, (posted,))
    again = SEAT.post(y=RESPONDER.y, hh_k=RESPONDER.hh_k, after=0.5)
    assert move(ANSWERING, NoAnswer()) == (ANSWERING, (again,))
    assert move(ANSWERING, rs.AnswerTaken(5)) == (PROOF, (SEAT.post(since=5),))
    assert move(PROOF, rs.ProofGood((0, 0, 0))) == (IDENTIFYING, (SEAT.dial(),))
    hello = HELLOS[Role.RECIPIENT]
    assert move(IDENTIFYING, rs.TcpTaken(hello, 1120.0)) == (GREETING, (Greet(0, hello, 63),))
    after, effects = move(GREETING, rs.HelloGood(HELLOS[Role.SENDER]))
    assert after == OPENING
    assert isinstance(effects[0], Secure)
    assert effects[1:] == (Hear(0),)
    for keys, role in ((effects[0].open, Role.SENDER), (effects[0].seal, Role.RECIPIENT)):
        hellos = HELLOS[Role.SENDER], HELLOS[Role.RECIPIENT]
        assert keys(3) == stream_key(SESSION, role, 0, *hellos, b"", 3)
    assert move(OPENING, rs.OpenGood()) == (OFFER, (Show(Waiting("the offer")), Hear(0)))
    assert move(OFFER, rs.OfferBegun(TID, ENTRIES, 5)) == (
        rs.HearingOffer(MET, TID, 2, 5), (BeginOffer(), Consider(ENTRIES), Hear(0))
    )  # fmt: skip
    assert move(HEARING, rs.OfferGrew(ENTRIES, 9)) == (
        rs.HearingOffer(MET, TID, 3, 9), (Consider(ENTRIES), Hear(0))
    )  # fmt: skip
    assert move(HEARING, rs.OfferWhole()) == (rs.Judging(MET, TID, 1), (Judge(), Hear(0)))
    assert move(JUDGING, rs.VerdictGiven(VERDICT)) == (DECIDING, (Show(OfferSeen(1, 5, 1, 2)),))
    agreed = means(DECIDING, Decided(True))
    assert move(DECIDING, agreed) == (
        RECEIVING, (TakePieces(0), *(Speak(0, part) for part in agreed.accepts))
    )  # fmt: skip
    assert move(RECEIVING, rs.TotalsGood((Size(0, 1),))) == (FINISHING, (Finish((Size(0, 1),)),))
    assert move(FINISHING, rs.AllFinal(ARRIVED)) == (
        ENDING, (Speak(0, Receipt(TID, 2, 5), last=True), HalfClose(0), Hear(0))
    )  # fmt: skip
    assert move(ENDING, rs.HungUp()) == (CLOSING, (Hang(0), SEAT.post(close=True, reason="done")))
    assert move(CLOSING, rs.Closed()) == (
        rs.Done(ARRIVED), (Show(Completed(1, 5, 0.0, ("a", "b"))),)
    )  # fmt: skip


def test_OFFER_11_a_decline_is_the_last_word() -> None:
    for where, event in ((JUDGING, rs.NothingUsable), (DECIDING, rs.Refusing)):
        assert move(where, event(FAILURE)) == (
            Leaving(FAILURE),
            (
                Speak(0, Decline(TID), last=True),
                Hang(0),
                SEAT.post(close=True, reason="declined", after=0.5),
            ),
        )


@pytest.mark.parametrize("where", [OFFER, HEARING, JUDGING, DECIDING, RECEIVING, FINISHING])
@pytest.mark.parametrize("event", [CalledOff, PeerBroke, TimedOut, LocalFailed])
def test_MSG_4_the_sender_is_told_why(where: object, event: type[Ending]) -> None:
    reason = "cancelled" if event is CalledOff else "failed"
    assert move(where, event(FAILURE)) == (
        Leaving(FAILURE),
        (
            Speak(0, Problem(FAILURE.code, ""), last=True), Hang(0),
            SEAT.post(close=True, reason=reason, after=0.5),
        ),
    )  # fmt: skip


def test_the_patience_of_each_wait() -> None:
    machine = recipient(context())
    machine.handle(Started(), NOW)
    assert machine.deadline() == NOW.mono + 30
    machine.handle(seat(), NOW)
    machine.handle(state(x=None, seq=9), Moment(1050.0, 0))
    assert machine.deadline() == NOW.mono + 55, "news of something else gains no time"
    (posted,) = machine.handle(state(), Moment(1052.0, 0))
    assert machine.deadline() == 1052 + 30
    assert isinstance(posted, Post)
    body = json.loads(posted.body)
    assert body["uuid"] == UUID
    machine.handle(state(y=body["y"], hh_k=body["hh_k"]), Moment(1053.0, 0))
    assert machine.deadline() == 1053 + 55
    (asked,) = machine.handle(Woke(), Moment(1108.0, 0))
    assert isinstance(asked, Post)
    assert json.loads(asked.body)["reason"] == "failed"
    assert machine.deadline() == 1108 + 3
    machine.handle(Woke(), Moment(1111.0, 0))
    assert machine.finished


def test_the_reprs_hold_no_secret() -> None:
    for value in (ANSWERING, PROOF, GREETING, OPENING, context()):
        assert repr(SESSION.root.reveal) not in repr(value)
        assert repr(SESSION.h_k) not in repr(value)
        assert repr(SECRET.reveal) not in repr(value)


def test_heard_is_what_the_helpers_say() -> None:
    assert heard(END) == Heard(0, END, False)
