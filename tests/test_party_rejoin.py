"""The judges and rows around a loss, input by input: rejoin, asking, further connections."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from msgspec import structs

from croc_core import failures, wire
from croc_core import party_io as p
from croc_core import recipient_judge as rj
from croc_core import recipient_rejoin as rr
from croc_core import recipient_states as rs
from croc_core import sender_judge as sj
from croc_core import sender_rejoin as sr
from croc_core import sender_states as ss
from croc_core.encoding import b64url_encode
from croc_core.errors import Code, LocalProtocolError
from croc_core.handshake import (
    CapsOffer,
    Policy,
    hello,
    rejoin_channel,
    rejoin_secret,
    respond,
    start,
)
from croc_core.heads import framed
from croc_core.many import Leg, LegEnded, LegGreeted, LegRefused, LegTaken, Stage, connections
from croc_core.messages import Accept, Continue, Manifest, PiecesEnd, Range, Size, Want
from croc_core.pake import suite
from croc_core.party import (
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    Failed,
    LinkLost,
    NoAnswer,
    Patience,
    PeerBroke,
    Refused,
    RelayBroke,
    Renewed,
    Seat,
    TimedOut,
    VersionDiffers,
)
from croc_core.recipient import TABLE as RECIPIENT
from croc_core.reconnect import (
    AGAIN,
    FOREVER,
    AskingWhy,
    Bond,
    Greeting,
    Identifying,
    MeetAgain,
    Recovered,
    StillAway,
    Unsure,
)
from croc_core.sender import TABLE as SENDER
from croc_core.values import Moment, Role, Secret
from tests.test_party_tables import (
    CHANNEL,
    HELLOS,
    INITIATOR,
    SEAT,
    SECRET,
    SESSION,
    STRANGER,
    SUITE,
    TID,
    UUID,
)
from tests.test_sender import error, heard

NOW = Moment(1000.0, 0)
LOST = failures.peer_vanished("gone")
BOND = Bond(SEAT, SESSION, SESSION, until=1500.0, met=True, staplings=(1, 0, 0), vn=INITIATOR.vn)
ENTROPY = random.Random(7).randbytes
NEW = rejoin_channel(SESSION, 1)
NEW_SEAT = Seat(NEW, UUID, (9010, 9011, 9012))
MADE = start(SUITE, NEW, rejoin_secret(SESSION, 1), CapsOffer(), ENTROPY)
BACK = respond(suite, NEW, "x25519", MADE.x, rejoin_secret(SESSION, 1), Policy(), ENTROPY)
AFTER = structs.replace(BOND, seat=NEW_SEAT, n=1)
OTHER_VERSION = framed(msgspec.msgpack.encode([2, "x25519", {}]), bytes(32))


def of_sender(state: object, event: p.Input, **more: Any) -> Any:
    context = sj.SenderContext(SECRET, "one", "http://r", random.Random(4).randbytes, **more)
    return sj.interpret(context, state, event, NOW)


def of_recipient(state: object, event: p.Input, **more: Any) -> Any:
    context = rj.RecipientContext(CHANNEL, SECRET, random.Random(4).randbytes, **more)
    return rj.interpret(context, state, event, NOW)


def state(**more: Any) -> p.Replied:
    body: dict[str, Any] = {
        "channel": NEW, "curve": "x25519", "x": MADE.x, "y": None, "hh_k": None, "h_k": None,
        "stapled": False, "staplings": {}, "recipient": True, "seq": 6,
    }  # fmt: skip
    return p.Replied(200, json.dumps(body | more).encode())


def joined(role: str, **more: Any) -> p.Replied:
    data = [{"kind": "tcp", "port": port} for port in NEW_SEAT.ports]
    body: dict[str, Any] = {
        "protocol": 1, "channel": NEW, "uuid": UUID, "role": role, "curve": "x25519",
        "data": data, "seq": 1,
    }  # fmt: skip
    return p.Replied(200, json.dumps(body | more).encode())


POST = p.Post("/join", b"{}")
REOPENING = sr.Reopening(structs.replace(BOND, n=1), LOST, POST)
REPUBLISHING = sr.Republishing(AFTER, LOST, MADE)
RETURN = sr.AwaitingReturn(AFTER, LOST, MADE, 5)
REPROVING = sr.Reproving(structs.replace(AFTER, session=BACK.session), LOST)
REJOINING = rr.Rejoining(BOND, LOST, 1, POST)
NO_X = structs.replace(AFTER, n=0)
ASKING_X = rr.ReawaitingX(NO_X, LOST, "x25519", 5)
REANSWERING = rr.Reanswering(AFTER, LOST, BACK)
PROOF = rr.ReawaitingProof(AFTER, LOST, BACK.session, 5)
NOTHING = type(None)


@pytest.mark.parametrize(
    ("where", "event", "kind"),
    [
        (REOPENING, joined("sender"), sr.Reopened),
        (REOPENING, joined("recipient"), RelayBroke),
        (REOPENING, joined("sender", channel="other"), RelayBroke),
        (REOPENING, error(409, "occupied"), MeetAgain),
        (REOPENING, error(410, "closed"), MeetAgain),
        (REOPENING, error(401, "token"), StillAway),
        (REOPENING, error(503, "busy"), StillAway),
        (REOPENING, p.Replied(200, b"?"), StillAway),
        (REOPENING, p.Unanswered(True, "c"), StillAway),
        (REOPENING, p.Moved(), NOTHING),
        (REPUBLISHING, state(), sr.XThere),
        (REPUBLISHING, state(x=None), RelayBroke),
        (RETURN, state(), ss.NothingYet),
        (RETURN, state(y=BACK.y, hh_k=BACK.hh_k), ss.AnswerGood),
        (RETURN, state(y=BACK.y, hh_k=STRANGER.hh_k), PeerBroke),
        (RETURN, state(y="AAAA", hh_k=BACK.hh_k), PeerBroke),
        (RETURN, state(y=OTHER_VERSION, hh_k=BACK.hh_k), VersionDiffers),
        (REPROVING, state(h_k=BACK.session.h_k_wire), ss.ProofTaken),
        (REPROVING, state(), RelayBroke),
        (REJOINING, joined("recipient"), rr.Rejoined),
        (REJOINING, joined("sender"), RelayBroke),
        (REJOINING, joined("recipient", data=[]), RelayBroke),
        (REJOINING, error(404, "no_such_channel"), MeetAgain),
        (REJOINING, error(403, "channel_full"), MeetAgain),
        (REJOINING, error(409, "occupied"), MeetAgain),
        (REJOINING, error(410, "closed", by="sender"), MeetAgain),
        (REJOINING, error(429, "too_many"), StillAway),
        (REJOINING, p.Unanswered(False, "c"), StillAway),
        (REJOINING, p.Moved(), NOTHING),
        (ASKING_X, state(), rs.XGood),
        (ASKING_X, state(x=None), rs.NothingYet),
        (ASKING_X, error(404, "no_x_yet"), rs.NothingYet),
        (ASKING_X, p.Replied(404, b"?"), StillAway),
        (ASKING_X, state(x=INITIATOR.x[:-4]), PeerBroke),
        (ASKING_X, state(x=OTHER_VERSION), VersionDiffers),
        (REANSWERING, state(y=BACK.y, hh_k=BACK.hh_k), rs.AnswerTaken),
        (REANSWERING, state(), RelayBroke),
        (PROOF, state(), rs.NothingYet),
        (PROOF, state(h_k=BACK.session.h_k_wire), rr.ProofAgain),
        (PROOF, state(h_k=b64url_encode(bytes(32))), PeerBroke),
    ],
)  # fmt: skip
def test_what_an_input_means(where: Any, event: p.Input, kind: type[Any]) -> None:
    means = of_sender if isinstance(where, SENDERS) else of_recipient
    assert type(means(where, event)) is kind


SENDERS = (sr.Reopening, sr.Republishing, sr.AwaitingReturn, sr.Reproving)
REJOINED = [REPUBLISHING, RETURN, REPROVING, ASKING_X, REANSWERING, PROOF]


@pytest.mark.parametrize("where", [REOPENING, REJOINING, *REJOINED])
def test_what_every_state_of_a_rejoin_makes_of_the_rest(where: Any) -> None:
    means = of_sender if isinstance(where, SENDERS) else of_recipient
    role = Role.SENDER if isinstance(where, SENDERS) else Role.RECIPIENT
    table = SENDER if isinstance(where, SENDERS) else RECIPIENT
    assert type(means(where, p.Interrupted(Code.SIGINT))) is CalledOff
    assert type(means(where, p.Moved())) is NOTHING
    away = means(where, p.Unanswered(True, "refused"))
    assert isinstance(away, StillAway)
    assert away.failure.code is Code.RELAY_UNREACHABLE
    again, (post,) = table.step(where, away)
    assert again == structs.replace(where, failure=away.failure)
    assert isinstance(post, p.Post)
    assert post.after > 0
    assert means(where, p.Woke()) == StillAway(LOST)
    late = structs.replace(where, bond=structs.replace(where.bond, until=1000.0))
    ended = means(late, p.Woke())
    assert isinstance(ended, TimedOut)
    assert ended.failure.code is LOST.code
    assert "600 seconds" in ended.failure.message
    if where in REJOINED:
        other = role.other
        assert type(means(where, error(410, "closed", by=other, reason="failed"))) is ClosedByPeer
        assert type(means(where, error(410, "closed", by=role))) is ChannelGone
        for gone in (error(404, "no_such_channel"), error(403, "channel_full"), error(410)):
            found = means(where, gone)
            assert isinstance(found, MeetAgain)
            assert found.n == where.bond.n + 1
        assert type(means(where, error(500, "internal"))) is StillAway


def test_REJOIN_3_the_sender_takes_the_smallest_number_that_it_has_not_opened() -> None:
    asking = AskingWhy(BOND, LOST, again=True)
    found = of_sender(asking, error(404, "no_such_channel"))
    assert (found.n, found.until) == (1, 1500.0)
    body = msgspec.json.decode(found.request.body, type=wire.Join)
    assert (body.role, body.channel) == (Role.SENDER, NEW)
    after, effects = SENDER.step(asking, found)
    assert (after.bond.n, effects) == (1, (found.request,))
    assert of_sender(REOPENING, error(409, "occupied")).n == 2
    assert of_sender(RETURN, error(404, "no_such_channel")).n == 2


def test_REJOIN_4_the_recipient_asks_for_four_in_turn_with_a_pause_behind_them() -> None:
    bond = structs.replace(BOND, n=3)
    found = of_recipient(AskingWhy(bond, LOST, again=True), error(404, "no_such_channel"))
    asked = []
    for _ in range(9):
        body = msgspec.json.decode(found.request.body, type=wire.Join)
        asked.append((found.n, found.request.after > 0))
        assert body.channel == rejoin_channel(SESSION, found.n)
        where, _ = RECIPIENT.step(rr.Rejoining(bond, LOST, found.n, POST), found)
        found = of_recipient(where, error(404, "no_such_channel"))
    assert asked == [(n, again and n == 4) for again in (False, True) for n in (4, 5, 6, 7)] + [
        (4, True)
    ]  # fmt: skip
    used = of_recipient(REANSWERING, error(404, "no_such_channel"))
    assert (used.n, used.request.after) == (2, 2.0)


def test_REJOIN_4_a_number_is_used_as_soon_as_x_is_there() -> None:
    """Before that, the sender may not know that it has opened it, and opens it again."""
    later = structs.replace(REJOINING, n=3)
    waiting, _ = RECIPIENT.step(later, rr.Rejoined(NEW_SEAT, "x25519"))
    again = of_recipient(waiting, error(404, "no_such_channel"))
    assert (again.n, again.request.after) == (3, AGAIN)
    other, _ = RECIPIENT.step(waiting, again)
    assert of_recipient(other, error(404, "no_such_channel")).n == 4
    answered, _ = RECIPIENT.step(ASKING_X, of_recipient(ASKING_X, state()))
    assert of_recipient(answered, error(404, "no_such_channel")).n == 2


def test_REJOIN_5_all_is_fresh_and_the_words_are_not_in_it() -> None:
    one, two = (of_sender(REOPENING, joined("sender"), channel=CHANNEL) for _ in range(2))
    assert one.initiator.x == two.initiator.x  # chance is all that differs
    context = sj.SenderContext(SECRET, "one", "http://r", ENTROPY)
    first: Any = sj.interpret(context, REOPENING, joined("sender"), NOW)
    second: Any = sj.interpret(context, REOPENING, joined("sender"), NOW)
    for name in ("sid", "vn", "scalar", "x"):
        assert getattr(first.initiator, name) != getattr(second.initiator, name)
    words = respond(suite, NEW, "x25519", first.initiator.x, SECRET, Policy(), ENTROPY)
    where = sr.AwaitingReturn(AFTER, LOST, first.initiator, 0)
    assert type(of_sender(where, state(y=words.y, hh_k=words.hh_k))) is PeerBroke


def test_REJOIN_2_the_first_session_is_where_all_meetings_come_from() -> None:
    later = structs.replace(AFTER, session=BACK.session)
    assert of_sender(AskingWhy(later, LOST, again=True), error(404, "no_such_channel")).n == 2
    asked = of_sender(AskingWhy(later, LOST, again=True), error(403, "channel_full")).request
    assert json.loads(asked.body)["channel"] == rejoin_channel(SESSION, 2)
    asked = of_recipient(AskingWhy(later, LOST, again=True), error(403, "channel_full")).request
    assert json.loads(asked.body)["channel"] == rejoin_channel(SESSION, 2)


def test_step_by_step_on_the_new_channel() -> None:
    reopened = of_sender(REOPENING, joined("sender"))
    after, (post,) = SENDER.step(REOPENING, reopened)
    assert after == sr.Republishing(structs.replace(AFTER, staplings=()), LOST, reopened.initiator)
    assert isinstance(post, p.Post)
    assert json.loads(post.body)["x"] == reopened.initiator.x
    assert SENDER.step(REPUBLISHING, of_sender(REPUBLISHING, state())) == (
        sr.AwaitingReturn(AFTER, LOST, MADE, 6), (NEW_SEAT.post(since=6),)
    )  # fmt: skip
    early = of_sender(REPUBLISHING, state(y=BACK.y))
    assert early == sr.XThere(0)
    good = of_sender(RETURN, state(y=BACK.y, hh_k=BACK.hh_k))
    after, effects = SENDER.step(RETURN, good)
    assert after.bond.session == BACK.session
    assert (after.bond.vn, after.bond.first) == (MADE.vn, SESSION)
    assert effects == (NEW_SEAT.post(h_k=BACK.session.h_k_wire),)
    taken = of_sender(REPROVING, state(h_k=BACK.session.h_k_wire, staplings={"9011": 4}))
    after, effects = SENDER.step(REPROVING, taken)
    assert type(after) is Identifying
    assert after.bond.staplings == (0, 4, 0)
    assert effects == (NEW_SEAT.dial(),)
    rejoined = of_recipient(REJOINING, joined("recipient"))
    assert RECIPIENT.step(REJOINING, rejoined) == (
        rr.ReawaitingX(NO_X, LOST, "x25519", 0), (NEW_SEAT.post(since=0),)
    )  # fmt: skip
    answered = of_recipient(REANSWERING, state(y=BACK.y, hh_k=BACK.hh_k, h_k="AAAA"))
    assert answered == rs.AnswerTaken(0)
    after, effects = RECIPIENT.step(PROOF, rr.ProofAgain((0, 0, 0)))
    assert (after.bond.session, effects) == (BACK.session, (NEW_SEAT.dial(),))


# ---- asking, and for how long


def test_a_loss_is_borne_once_and_for_all_until_something_goes_on() -> None:
    fresh = structs.replace(BOND, until=FOREVER)
    for bond, until, after, tell in ((fresh, 1600.0, 0.0, True), (BOND, 1500.0, 2.0, False)):
        found = of_sender(ss.Offering(bond, TID), p.LinkEnded(0, "c"))
        said = (found.until, found.again, found.after, found.tell)
        assert said == (until, True, after, tell)
    early = structs.replace(fresh, met=False)
    found = of_sender(Identifying(early), p.LinkEnded(0, "c"))
    assert found.until == 1120.0
    crowded = of_sender(Identifying(early), p.Identified(0, b"ERR 429 too_many\n"))
    assert (crowded.until, crowded.after) == (1120.0, 2.0)
    never = Patience(reconnect=0.0)
    found = of_sender(ss.Offering(fresh, TID), p.LinkEnded(0, "c"), patience=never)
    assert (found.until, found.again, found.tell) == (1003.0, False, False)
    crowded = of_sender(Identifying(early), p.Identified(0, b"ERR 503 busy\n"), patience=never)
    assert (crowded.until, crowded.again) == (1120.0, True)
    late = Moment(1003.0, 0)
    asking = AskingWhy(structs.replace(fresh, until=1003.0), LOST, again=False)
    context = sj.SenderContext(SECRET, "one", "http://r", ENTROPY, patience=never)
    assert sj.interpret(context, asking, p.Woke(), late) == TimedOut(LOST)
    sent = structs.replace(fresh, sent=True, tid=TID)
    receipt = ss.AwaitingReceipt(sent, (), BOND.totals)
    assert type(of_sender(receipt, p.LinkEnded(0, "c"), patience=never)) is Unsure
    greeted, _ = SENDER.step(
        Greeting(structs.replace(early, until=1120.0), HELLOS[Role.SENDER], 1030.0),
        ss.HelloGood(HELLOS[Role.RECIPIENT], TID),
    )
    assert (greeted.bond.met, greeted.bond.until) == (True, FOREVER)


def test_without_reconnect_a_channel_that_is_gone_ends_it() -> None:
    waiting = ss.AwaitingStaple(structs.replace(BOND, until=FOREVER, met=False), 5, 1120.0)
    never = Patience(reconnect=0.0)
    found = of_sender(waiting, error(404, "no_such_channel"), patience=never)
    assert type(found) is ChannelGone
    assert type(of_sender(waiting, error(404, "no_such_channel"))) is MeetAgain


def test_PORT_16_after_a_redial_the_count_has_to_grow() -> None:
    waiting = ss.AwaitingStaple(BOND, 5, 1015.0)
    for count, kind in ((1, ss.NotStapled), (2, ss.IsStapled)):
        told = state(stapled=True, staplings={"9010": count})
        assert type(of_sender(waiting, told)) is kind
    first = ss.AwaitingStaple(structs.replace(BOND, staplings=(0, 0, 0)), 5, 1015.0)
    assert type(of_sender(first, state(stapled=True))) is ss.IsStapled


def test_who_does_not_come_back_is_looked_for_elsewhere() -> None:
    sends = ss.AwaitingStaple(BOND, 5, 1000.0)
    assert type(of_sender(sends, p.Woke())) is MeetAgain
    assert type(of_recipient(Greeting(BOND, HELLOS[Role.RECIPIENT], 1000.0), p.Woke())) is MeetAgain
    first = structs.replace(BOND, met=False, until=FOREVER)
    assert of_sender(structs.replace(sends, bond=first), p.Woke()).until == 1120.0
    greeting = Greeting(first, HELLOS[Role.RECIPIENT], 1000.0)
    assert of_recipient(greeting, p.Woke()).until == 1120.0
    assert type(of_recipient(greeting, p.LinkEnded(0, "c"))) is LinkLost
    for bond in (BOND, first):
        assert type(of_sender(structs.replace(sends, bond=bond), p.LinkEnded(0, "c"))) is LinkLost
        for taken in (
            of_sender(Identifying(bond), p.Identified(0, b"OK\n")),
            of_recipient(Identifying(bond), p.Identified(0, b"OK\n")),
        ):
            assert taken.by == 1015.0


def test_without_reconnect_who_does_not_come_is_waited_for_and_that_is_all() -> None:
    never = Patience(reconnect=0.0)
    first = structs.replace(BOND, met=False, until=FOREVER)
    sends = ss.AwaitingStaple(first, 5, 1000.0)
    assert type(of_sender(sends, p.Woke(), patience=never)) is TimedOut
    assert of_sender(sends, p.LinkEnded(0, "c"), patience=never) is None
    greeting = Greeting(first, HELLOS[Role.RECIPIENT], 1000.0)
    assert type(of_recipient(greeting, p.Woke(), patience=never)) is TimedOut
    for taken in (
        of_sender(Identifying(first), p.Identified(0, b"OK\n"), patience=never),
        of_recipient(Identifying(first), p.Identified(0, b"OK\n"), patience=never),
    ):
        assert taken.by == 1120.0


def test_a_want_that_is_smaller_is_progress_and_no_other() -> None:
    bond = structs.replace(BOND, tid=TID, wanted=10)
    for lengths, until in (((4, 5), FOREVER), ((4, 6), 1500.0), ((), FOREVER)):
        where = ss.AwaitingWant(bond, 0)
        *parts, last = [Want(TID, (Range(0, 0, n),), True) for n in lengths] + [
            Want(TID, (), False)
        ]
        for part in parts:
            found = of_sender(where, heard(part))
            where, effects = SENDER.step(where, found)
            assert effects == (p.Narrow(0, part), p.Hear(0))
        found = of_sender(where, heard(last))
        assert (found.sum, found.until) == (sum(lengths), until)
        after, _ = SENDER.step(where, found)
        assert (after.bond.wanted, after.bond.until) == (sum(lengths), until)
    where = ss.AwaitingWant(bond, 0)
    assert type(of_sender(where, heard(Want(TID, (), True)))) is PeerBroke
    assert type(of_sender(where, heard(Want(b"\1" * 16, (), False)))) is PeerBroke


def test_bytes_of_files_are_progress_and_no_others() -> None:
    taking = rs.Receiving(structs.replace(BOND, tid=TID), ())
    assert type(of_recipient(taking, p.Moved(files=True))) is Recovered
    assert of_recipient(taking, p.Moved(files=False)) is None
    after, effects = RECIPIENT.step(taking, Recovered())
    assert (after.bond.until, effects) == (FOREVER, ())
    assert type(of_recipient(after, p.Moved(files=True))) is Renewed


def test_REDIAL_3_5_what_goes_on_must_be_what_was_accepted() -> None:
    where = rs.AwaitingOffer(structs.replace(BOND, tid=TID))
    other = b"\1" * 16
    assert type(of_recipient(where, heard(Continue(TID)))) is rs.Continued
    for wrong in (Continue(other), Manifest(TID, ())):
        assert type(of_recipient(where, heard(wrong))) is PeerBroke
    assert type(of_recipient(where, heard(Continue(TID), last=True))) is PeerBroke
    assert type(of_recipient(where, heard(Manifest(other, ())))) is rs.OfferBegun
    assert type(of_recipient(rs.AwaitingOffer(BOND), heard(Continue(bytes(16))))) is PeerBroke
    after, effects = RECIPIENT.step(where, rs.OfferBegun(other, (), 0))
    assert (after.bond.tid, effects[0]) == (b"", p.BeginOffer())


def test_OFFER_10_all_parts_of_a_choice_agree() -> None:
    where = ss.AwaitingAccept(BOND, TID, (0, ()), held=False)
    part = Accept(TID, (), (0, 2), 3, (), more=True)
    assert type(of_sender(where, heard(part))) is PeerBroke, "a part that says nothing"
    said = ss.AwaitingAccept(BOND, TID, (3, (0, 2)), held=True)
    whole = Accept(TID, (), (0, 2), 3, (), more=False)
    found = of_sender(said, heard(whole), streams=1)
    assert type(found) is ss.AcceptHeld
    assert found.connections == 1
    for change in ({"connections": 2}, {"codecs": (0,)}):
        assert type(of_sender(said, heard(structs.replace(whole, **change)))) is PeerBroke


# ---- further connections


def legs(*stages: Stage) -> tuple[Leg, ...]:
    return tuple(Leg(stage, hello(Role.SENDER, i, bytes(32))) for i, stage in enumerate(stages, 1))


DIALLED, GREETING, BUSY, OVER, GONE = Stage
TAKEN = structs.replace(BOND, tid=TID, until=FOREVER, connections=3)


@pytest.mark.parametrize("role", list(Role))
def test_what_a_further_connection_brings(role: Role) -> None:
    means = of_sender if role is Role.SENDER else of_recipient

    def where(*stages: Stage) -> Any:
        if role is Role.SENDER:
            return ss.Sending(TAKEN, legs(*stages), ())
        return rs.Receiving(TAKEN, legs(*stages))

    theirs = hello(role.other, 1, bytes(32))
    full = p.Identified(1, b"ERR 503 busy\n")
    for stages, event, kind in (
        ((DIALLED, BUSY), p.Identified(1, b"OK\n"), LegTaken),
        ((DIALLED, BUSY), p.Identified(1, b"ERR 409 out_of_turn\n"), Refused),
        ((DIALLED, BUSY), p.Identified(1, b"ERR 404 no_such_channel\n"), LinkLost),
        ((DIALLED, BUSY), full, LegRefused if role is Role.SENDER else LinkLost),
        ((DIALLED, GONE), full, LinkLost),
        ((DIALLED, BUSY), p.Garbled(1, "c"), RelayBroke),
        ((DIALLED, BUSY), p.Greeted(1, theirs), NOTHING),
        ((GREETING, BUSY), p.Greeted(1, theirs), LegGreeted),
        ((GREETING, BUSY), p.Greeted(1, HELLOS[role.other]), PeerBroke),
        ((GREETING, BUSY), p.Identified(1, b"OK\n"), NOTHING),
        ((BUSY, BUSY), p.Garbled(1, "c"), PeerBroke),
        ((BUSY, BUSY), p.LinkEnded(1, "c"), LinkLost),
        ((GONE, BUSY), p.LinkEnded(1, "c"), NOTHING),
        ((), p.LinkEnded(1, "c"), NOTHING),
        ((BUSY, BUSY), p.LinkEnded(0, "c"), LinkLost),
    ):
        assert type(means(where(*stages), event)) is kind, (stages, event)
    assert type(means(where(OVER, BUSY), p.LinkEnded(1, "c"))) is NOTHING


def test_the_sender_ends_when_all_have_sent_their_share() -> None:
    totals = structs_totals(4, 3, 70)
    for stages, number, kind in (
        ((BUSY, BUSY), 1, ss.LegOut), ((BUSY, DIALLED), 1, ss.LegOut),
        ((OVER, BUSY), 2, ss.PiecesOut), ((BUSY, GONE), 1, ss.PiecesOut), ((), 0, ss.PiecesOut),
    ):  # fmt: skip
        where = ss.Sending(TAKEN, legs(*stages), (Size(3, 7),))
        found = of_sender(where, p.PiecesSent(totals, (Size(1, 2),), number))
        assert type(found) is kind
    assert found.end == PiecesEnd(TID, 4, 79, (Size(1, 2), Size(3, 7)))
    assert found.totals.bytes == 79
    where = ss.Sending(TAKEN, legs(OVER, BUSY), ())
    after, effects = SENDER.step(where, structs.replace(found, connection=2))
    assert effects[:2] == (p.EndRecords(2), p.HalfClose(2))
    assert after.up == (0, 1, 2)


def structs_totals(entries: int, files: int, size: int) -> Any:
    return BOND.totals._replace(entries=entries, files=files, bytes=size)


def test_MANY_6_only_those_without_another_side_are_not_waited_for() -> None:
    end = heard(PiecesEnd(TID, 0, 0, ()), last=True)
    for stages, kind in (
        ((), rs.TotalsGood), ((GONE, GONE), rs.TotalsGood), ((BUSY, GONE), rs.TotalsEarly),
        ((BUSY, GREETING), rs.TotalsUncounted), ((DIALLED, GONE), rs.TotalsUncounted),
    ):  # fmt: skip
        assert type(of_recipient(rs.Receiving(TAKEN, legs(*stages)), end)) is kind
    bond = structs.replace(TAKEN, staplings=(1, 4, 2))
    counting = rs.Counting(bond, legs(GREETING, DIALLED), ())
    some = state(staplings={"9010": 2, "9011": 5, "9012": 2})
    found = of_recipient(counting, some)
    assert found == rs.Counted((2,))
    after, effects = RECIPIENT.step(counting, found)
    assert [leg.stage for leg in after.legs] == [GREETING, GONE]
    assert effects == (p.Hang(2),)
    none = state(staplings={"9010": 2, "9011": 4, "9012": 2})
    found = of_recipient(counting, none)
    assert found == rs.AllIn((1, 2))
    assert RECIPIENT.step(counting, found)[1] == (p.Hang(1), p.Hang(2), p.Finish(()))
    assert of_recipient(rs.Counting(bond, legs(GREETING, BUSY), ()), none) == rs.Counted((1,))
    assert type(of_recipient(counting, p.Unanswered(False, "c"))) is NoAnswer
    assert type(of_recipient(counting, error(404, "no_such_channel"))) is LinkLost
    whole = p.LinkEnded(1, "it hung up", whole=True)
    assert of_recipient(rs.Gathering(TAKEN, legs(BUSY, BUSY), ()), whole) == LegEnded(1)
    assert of_recipient(rs.Gathering(TAKEN, legs(BUSY, GONE), ()), whole) == rs.AllIn((1,))
    assert of_recipient(rs.Receiving(TAKEN, legs(BUSY, GONE)), whole) == LegEnded(1)


@pytest.mark.parametrize(
    ("streams", "ports", "count"),
    [(1, 9, 1), (2, 9, 3), (2, 2, 1), (9, 4, 4), (99, 64, 16), (4, 1, 1)],
)  # fmt: skip
def test_how_many_connections(streams: int, ports: int, count: int) -> None:
    assert connections(streams, Seat(CHANNEL, UUID, tuple(range(ports)))) == count


def test_the_reprs_hold_no_secret() -> None:
    for where in (REPUBLISHING, RETURN, REPROVING, REANSWERING, PROOF):
        for secret in (SESSION.rejoin, MADE.vn, Secret(BACK.session.h_k)):
            assert repr(secret.reveal) not in repr(where)


def test_the_rest_of_the_rows() -> None:
    greeting = Greeting(BOND, HELLOS[Role.SENDER], 1015.0)
    assert of_sender(Identifying(BOND), p.Woke()).failure.code is Code.TIMEOUT
    assert type(of_sender(greeting, p.Woke())) is LinkLost
    sending = ss.Digesting(TAKEN)
    assert type(of_sender(sending, p.Moved())) is Renewed
    assert type(of_sender(ss.AwaitingWant(TAKEN, 0), p.Moved())) is Renewed
    held = ((0, 9),)
    for where in (
        rs.AwaitingDigests(TAKEN, held, 0, 0), rs.Comparing(TAKEN, held, 1, 0), rs.Wanting(TAKEN)
    ):  # fmt: skip
        assert type(of_recipient(where, p.Moved())) is Renewed
        assert type(of_recipient(where, p.Woke())) is LinkLost
        assert type(of_recipient(where, heard(Continue(TID)))) is PeerBroke
    more = rs.Comparing(TAKEN, held, 0, 1)
    assert RECIPIENT.step(more, of_recipient(more, p.Compared())) == (
        rs.AwaitingDigests(TAKEN, held, 0, 1), (p.Hear(0),)
    )  # fmt: skip
    assert type(of_recipient(rs.Finishing(TAKEN), p.Woke())) is TimedOut
    assert of_sender(ss.Idle(), p.Moved()) is None
    for means, final in ((of_sender, ss.Done(BOND.totals)), (of_recipient, Failed(LOST))):
        with pytest.raises(LocalProtocolError, match="over"):
            means(final, p.Woke())
    asking = AskingWhy(BOND, LOST, again=True)
    again, (post,) = SENDER.step(asking, of_sender(asking, error(503, "busy")))
    assert (again, post) == (asking, SEAT.post(after=2.0))
    asked, (post,) = RECIPIENT.step(ASKING_X, rs.NothingYet(7, 0.5))
    assert (asked.seq, post) == (7, NEW_SEAT.post(since=7, after=0.5))


def test_MANY_6_totals_wait_for_the_connections_that_are_up() -> None:
    where = rs.Receiving(TAKEN, legs(BUSY, GONE))
    after, effects = RECIPIENT.step(where, rs.TotalsEarly(()))
    assert (after, effects) == (rs.Gathering(TAKEN, where.legs, ()), ())


def test_once_all_has_come_a_loss_before_it_ends_nothing() -> None:
    where = rs.Receiving(structs.replace(TAKEN, until=1500.0), ())
    after, _ = RECIPIENT.step(where, rs.TotalsGood(()))
    assert after == rs.Finishing(TAKEN)
    gathering = rs.Gathering(where.bond, legs(BUSY), ())
    assert RECIPIENT.step(gathering, rs.AllIn((1,)))[0] == rs.Finishing(TAKEN)
