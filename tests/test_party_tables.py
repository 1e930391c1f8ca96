"""The parties' tables and judges over generated states and inputs."""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from croc_core import party_io as p
from croc_core import recipient, recipient_judge, sender, sender_judge, wire
from croc_core import recipient_rejoin as rr
from croc_core import recipient_states as rs
from croc_core import sender_rejoin as sr
from croc_core import sender_states as ss
from croc_core.content import Arrived, Entry, Kind, Span, Totals, Verdict
from croc_core.errors import Code, Failure, LocalProtocolError, Party
from croc_core.events import CodeReady, Completed
from croc_core.handshake import (
    CapsOffer,
    Initiator,
    Policy,
    Responder,
    Session,
    hello,
    respond,
    start,
)
from croc_core.many import Leg, LegEnded, LegGreeted, LegRefused, LegTaken, Stage
from croc_core.messages import (
    Accept,
    Continue,
    Decline,
    Digests,
    Held,
    Manifest,
    Message,
    OfferEnd,
    Open,
    PiecesEnd,
    Problem,
    Range,
    Receipt,
    Size,
    Want,
)
from croc_core.pake import suite
from croc_core.party import Ending, Failed, Leaving, LinkLost, Renewed, Seat, StreamKeys
from croc_core.reconnect import (
    FOREVER,
    AskingWhy,
    Away,
    Bond,
    ChannelLives,
    Greeting,
    Identifying,
    Linked,
    MeetAgain,
    Recovered,
    Unsure,
)
from croc_core.sender_join import join_request
from croc_core.table import Row, Table
from croc_core.values import Moment, Reason, Role, Secret
from tests.test_machines_doc import reach

ENTROPY = random.Random(3).randbytes
CHANNEL, UUID, TID = "7k2m", "0" * 32, bytes(16)
SECRET = Secret(b"one-two-three")
SUITE = suite("x25519")
SEAT = Seat(CHANNEL, UUID, (9010, 9011, 9012))
INITIATOR = start(SUITE, CHANNEL, SECRET, CapsOffer(), ENTROPY)
RESPONDER = respond(suite, CHANNEL, "x25519", INITIATOR.x, SECRET, Policy(), ENTROPY)
STRANGER = respond(suite, CHANNEL, "x25519", INITIATOR.x, Secret(b"x"), Policy(), ENTROPY)
SESSION = RESPONDER.session
HELLOS = {role: hello(role, 0, ENTROPY(32)) for role in Role}
POST = join_request("x25519", CHANNEL, UUID, None)
NOW = Moment(1000.0, 1_700_000_000_000)


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two parties."""

    role: Role
    table: Table[p.Effect]
    machine: Any
    interpret: Callable[[Any, Any, p.Input, Moment], object | None]
    context: Any
    confirmed: type[Any]
    """The first state behind the confirmation."""
    linked: frozenset[type[Any]]
    """States that hold a data connection."""
    asked: frozenset[type[Any]]
    """States in which the relay owes an answer."""


def linked(table: Table[p.Effect]) -> frozenset[type[Any]]:
    return frozenset(state for state in table.states if issubclass(state, Linked))


SENDER = Side(
    Role.SENDER, sender.TABLE,
    sender_judge.sender(ctx := sender_judge.SenderContext(
        SECRET, "one-two-three", "r", ENTROPY, streams=2
    )),
    sender_judge.interpret, ctx, ss.Proving, linked(sender.TABLE),
    frozenset({ss.Opening, ss.Publishing, ss.AwaitingAnswer, ss.Proving, ss.AwaitingStaple,
               AskingWhy, Leaving, sr.Reopening, sr.Republishing, sr.AwaitingReturn,
               sr.Reproving}),
)  # fmt: skip
RECIPIENT = Side(
    Role.RECIPIENT, recipient.TABLE,
    recipient_judge.recipient(cty := recipient_judge.RecipientContext(
        CHANNEL, SECRET, ENTROPY, streams=2
    )),
    recipient_judge.interpret, cty, Identifying, linked(recipient.TABLE),
    frozenset({rs.Joining, rs.AwaitingX, rs.Answering, rs.AwaitingProof, rs.Closing, AskingWhy,
               Leaving, rs.Counting, rr.Rejoining, rr.ReawaitingX, rr.Reanswering,
               rr.ReawaitingProof}),
)  # fmt: skip
SIDES = (SENDER, RECIPIENT)
both = pytest.mark.parametrize("side", SIDES, ids=lambda side: str(side.role))
ROWS = [(side, r) for side in SIDES for r in side.table.rows]
each_row = pytest.mark.parametrize(
    ("side", "row"), ROWS,
    ids=[f"{s.role}-{r.source.__name__}-{r.event.__name__}" for s, r in ROWS],
)  # fmt: skip

# ---- values of every kind

ints = st.integers(0, 9)
failures = st.builds(Failure, st.sampled_from(Code), st.sampled_from(Party), st.text(max_size=5))
totals = st.builds(Totals, ints, ints, ints | st.none())
entries = st.sampled_from(
    [
        Entry(Kind.FILE, "a", 5, {}),
        Entry(Kind.DIRECTORY, "b", 0, {}),
        Entry(Kind.STREAM, "c", None, {}),
        Entry(Kind.FILE, "d", (1 << 63) - 1, {}),
    ]
)
some_entries = st.lists(entries, max_size=3).map(tuple)
spans = st.lists(st.builds(Span, ints, st.integers(1, 9)), max_size=3).map(tuple)
verdicts = st.builds(Verdict, spans, totals, st.just(()), ints, st.just(()), ints)
arrived = st.builds(Arrived, ints, ints, ints, st.just(("a",)))
tids = st.sampled_from([TID, b"\1" * 16])
sizes = st.lists(st.builds(Size, ints, ints), max_size=2).map(tuple)
accepts = st.builds(
    Accept, tids, spans, st.just((0, 2)), st.sampled_from([1, 1, 1, 2]),
    st.sampled_from([(), (Held(0, 1),)]), st.booleans(),
)  # fmt: skip
ranges = st.lists(st.builds(Range, ints, ints, ints), max_size=2).map(tuple)
wants = st.builds(Want, tids, ranges, st.booleans())
digests = st.builds(
    Digests, tids, st.integers(0, 1), st.integers(0, 1),
    st.lists(st.just(bytes(32)), max_size=4).map(tuple),
)  # fmt: skip
messages: st.SearchStrategy[Message] = st.one_of(
    st.sampled_from([Open(INITIATOR.vn.reveal), Open(bytes(32)), Continue(TID), Decline(TID)]),
    st.builds(Manifest, tids | st.none(), some_entries),
    st.builds(OfferEnd, tids, ints, ints | st.none()),
    accepts, st.builds(Decline, tids), wants, digests,
    st.builds(PiecesEnd, tids, ints, ints, sizes), st.builds(Receipt, tids, ints, ints),
    st.builds(Problem, st.sampled_from([*Code]) | st.text(max_size=9), st.text(max_size=9)),
)  # fmt: skip
junk = st.sampled_from(
    ["AAAA", INITIATOR.x, RESPONDER.y, RESPONDER.hh_k, SESSION.h_k_wire, STRANGER.y]
)
hellos = st.deferred(
    lambda: st.sampled_from([*HELLOS.values(), *LEG_HELLOS.values(), bytes(63), bytes(66)])
)

bodies = st.one_of(
    st.builds(
        wire.State, st.just(CHANNEL), st.sampled_from(["x25519", "p256"]),
        st.just(INITIATOR.x) | junk | st.none(), st.just(RESPONDER.y) | junk | st.none(),
        st.just(RESPONDER.hh_k) | junk | st.none(), st.just(SESSION.h_k_wire) | junk | st.none(),
        st.booleans(), st.just({"9010": 5, "9011": 1}), st.booleans(), ints,
    ),
    st.builds(
        wire.Joined, st.just(1), st.sampled_from([CHANNEL, "other"]), st.just(UUID),
        st.sampled_from(Role), st.sampled_from(["x25519", "p256"]),
        st.lists(st.builds(wire.DataPort, st.sampled_from(["tcp", "ws"]), st.just(9010)),
                 max_size=2).map(tuple),
        ints,
    ),
    st.builds(
        wire.Error,
        st.sampled_from(["closed", "no_such_channel", "no_x_yet", "occupied", "teapot", "version"]),
        st.text(max_size=5), st.sampled_from([None, "relay", "sender", "recipient", "?"]),
        st.sampled_from([None, "?", *Reason]),
    ),
).map(msgspec.json.encode)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
).map(msgspec.json.encode)
statuses = st.sampled_from(
    [200, 200, 200, 0, 302, 400, 403, 404, 408, 409, 410, 426, 429, 500, 503]
)
lines = st.sampled_from(
    [
        b"OK\n",
        b"OK\n",
        b"ERR 503 busy\n",
        b"ERR 410 closed\n",
        b"ERR 426 version\n",
        b"ERR 409 out_of_turn\n",
    ]
)

LEG_HELLOS: dict[tuple[Role, int], bytes] = {
    (role, i): hello(role, i, ENTROPY(32)) for role in Role for i in range(len(SEAT.ports))
}
held = st.just(((0, 5), (1, 9 << 20)))


def legs(side: Side) -> st.SearchStrategy[Any]:
    return st.tuples(
        *(st.builds(Leg, st.sampled_from(Stage), st.just(LEG_HELLOS[side.role, i]))
          for i in (1, 2))
    )  # fmt: skip


@functools.cache
def bonds(side: Side, sent: bool) -> st.SearchStrategy[Any]:
    """Bonds; with *sent* some of a sender that has sent everything once."""
    return st.builds(
        Bond, st.just(SEAT), st.just(SESSION), st.just(SESSION), ints,
        st.sampled_from([FOREVER, 999.0, 1e9]), st.booleans(), st.booleans(),
        st.tuples(ints, ints, ints), st.sampled_from([TID, b""]), st.sampled_from([1, 3]),
        st.just(INITIATOR.vn), ints, st.booleans() if sent else st.just(False), totals,
    )  # fmt: skip


by_type: dict[Any, st.SearchStrategy[Any]] = {
    p.Replied: st.builds(
        p.Replied, statuses | st.integers(0, 999), bodies | anything | st.binary()
    ),
    p.Identified: st.builds(p.Identified, st.integers(0, 2), lines | st.binary(max_size=70)),
    p.Greeted: st.builds(p.Greeted, st.integers(0, 2), hellos | st.binary(max_size=70)),
    p.Heard: st.builds(p.Heard, st.just(0), messages, st.booleans()),
    p.Post: st.just(POST),
    Seat: st.just(SEAT),
    Initiator: st.just(INITIATOR),
    Responder: st.sampled_from([RESPONDER, STRANGER]),
    Session: st.just(SESSION),
    Secret: st.just(INITIATOR.vn),
    Failure: failures,
    Totals: totals,
    Verdict: verdicts,
    Arrived: arrived,
    Accept: accepts,
    PiecesEnd: st.builds(PiecesEnd, tids, ints, ints, sizes),
    Want: wants,
    Digests: digests,
    float: st.sampled_from([0.0, 999.0, 1e9]),
    bytes: tids,
}
by_name: dict[str, Callable[[Side], st.SearchStrategy[Any]]] = {
    "legs": legs,
    "held": lambda side: held,
    "said": lambda side: st.sampled_from([(0, ()), (1, (0, 2)), (3, (0, 2))]),
    "places": lambda side: st.just((1, 2, 3, 4)),
    "staplings": lambda side: st.tuples(ints, ints, ints),
    "done": lambda side: st.sampled_from([(1,), (2,), (1, 2)]),
    "alone": lambda side: st.sampled_from([(1,), (2,), (1, 2), ()]),
    "hello": lambda side: st.just(HELLOS[side.role]),
    "theirs": lambda side: st.just(HELLOS[side.role.other]),
    "curve": lambda side: st.just("x25519"),
    "entries": lambda side: some_entries,
    "accepts": lambda side: st.lists(accepts, min_size=1, max_size=3).map(tuple),
    "sizes": lambda side: sizes,
}


def _a(kind: Any, side: Side) -> st.SearchStrategy[Any]:
    if kind in by_type:
        return by_type[kind]
    said: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        said |= inspect.get_annotations(base)
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name in kind.__struct_fields__:
        special = by_name.get(name) if said[name] not in ("int", "bool") else None
        fields[name] = special(side) if special else _of(said[name])
    if issubclass(kind, Away):
        fields["bond"] = bonds(side, side.table.row(kind, Unsure) is not None)
        if kind in (rs.Finishing, rs.AwaitingEnd):
            fields["bond"] = fields["bond"].map(lambda b: structs.replace(b, until=FOREVER))
        if kind is ss.AwaitingReceipt:
            fields["bond"] = fields["bond"].map(lambda b: structs.replace(b, sent=True))
    if kind is rs.AwaitingDigests:
        fields["at"] = st.integers(0, 1)
    if kind.__name__.startswith("Leg"):
        fields["connection"] = st.integers(1, 2)
    elif "connection" in fields:
        fields["connection"] = st.integers(0, 3)
    return st.builds(kind, **fields)


def _of(annotation: str) -> st.SearchStrategy[Any]:
    named = {kind.__name__: values for kind, values in by_type.items()}
    named |= {
        "int": ints, "int | None": ints | st.none(), "str": st.text(max_size=5),
        "bool": st.booleans(), "Bond": st.none(),
        "Code": st.sampled_from([Code.SIGINT, Code.SIGTERM]), "tuple[Size, ...]": sizes,
    }  # fmt: skip
    return named[annotation]


WAITS = [(side, s) for side in SIDES for s in side.table.states if s not in side.table.final]


_cached: Callable[[Any, Side], st.SearchStrategy[Any]] = functools.cache(_a)


def a(kind: type[Any], side: Side) -> st.SearchStrategy[Any]:
    """Values of a state, an event or an input."""
    return _cached(kind, side)


@functools.cache
def input_for(side: Side) -> st.SearchStrategy[Any]:
    """Every input."""
    return st.one_of(*(a(kind, side) for kind in get_args(p.Input)))


# ---- the shape of the tables


@both
def test_each_state_can_be_reached_and_left(side: Side) -> None:
    arrows = {(r.source, r.target) for r in side.table.rows}
    assert reach(side.table.start, arrows) == set(side.table.states)
    back = {(target, source) for source, target in arrows}
    for state in side.table.states:
        assert reach(state, arrows) & side.table.final
    assert not {r.source for r in side.table.rows} & side.table.final
    assert set().union(*(reach(f, back) for f in side.table.final)) == set(side.table.states)


@both
def test_each_wait_has_its_patience(side: Side) -> None:
    going = set(side.table.states) - side.table.final
    assert set(side.machine._patience) == going
    assert all(0 < seconds <= 3600 for seconds in side.machine._patience.values())
    for r in side.table.rows:
        if r.event in side.machine._renewing:
            assert r.source is r.target, "only a wait that goes on is renewed"
    assert Renewed in side.machine._renewing


@both
def test_each_judged_state_has_a_judge(side: Side) -> None:
    module = sender_judge if side is SENDER else recipient_judge
    assert set(module._JUDGES) == set(side.table.states) - side.table.final


@both
def test_WORDS_2_3_no_way_leads_back_from_the_use_of_the_words(side: Side) -> None:
    arrows = {(r.source, r.target) for r in side.table.rows}
    used = ss.Proving if side is SENDER else rs.Answering
    before = {s for s in side.table.states if used in reach(s, arrows)} - {used}
    assert not reach(used, arrows) & before
    evaluates = [r for r in side.table.rows if r.target is used and r.source is not used]
    assert len(evaluates) == 1


@both
def test_KEY_6_every_way_to_the_data_goes_through_the_confirmation(side: Side) -> None:
    good = {ss.AnswerGood, rs.ProofGood}
    arrows = {(r.source, r.target) for r in side.table.rows if r.event not in good}
    assert not reach(side.table.start, arrows) & side.linked


# ---- what the rows do


@each_row
@settings(max_examples=8)
@given(data=st.data())
def test_a_row_does_what_its_place_asks_for(
    side: Side, row: Row[p.Effect], data: st.DataObject
) -> None:
    state, event = data.draw(a(row.source, side)), data.draw(a(row.event, side))
    after, effects = side.table.step(state, event)
    assert type(after) is row.target
    posts = [e for e in effects if isinstance(e, p.Post)]
    hung = tuple(e.connection for e in effects if isinstance(e, p.Hang))

    quiet = row.source is row.target and row.event in (Renewed, Recovered, *LEG_EVENTS)
    asks = row.target in side.asked and not quiet
    assert len(posts) == asks, "the relay is asked exactly where its answer is awaited"
    if posts:
        assert effects[-1] is posts[0] or row.source in (ss.Publishing,)
    if isinstance(event, LegRefused | LegEnded):
        assert hung == (event.connection,)
    elif isinstance(event, rs.Counted | rs.AllIn):
        assert hung == (event.alone if isinstance(event, rs.Counted) else event.done)
    else:
        lets_go = row.target in GONE and row.source in side.linked
        assert hung == (state.up if lets_go else ()), "a data connection is hung up once"

    if row.target is Leaving and isinstance(event, Ending):
        body = msgspec.json.decode(posts[0].body, type=wire.Update)
        reason = type(event).reason
        assert (body.channel, body.uuid, body.close, body.reason) == (CHANNEL, UUID, True, reason)
    if isinstance(event, Ending) and row.target in (Leaving, Failed):
        assert after.failure == event.failure
    if row.event is ChannelLives:
        assert after.failure == state.failure
    check_effects(side, row, effects)
    for name in ("tid", "session", "vn", "initiator"):
        if hasattr(state, name) and hasattr(after, name):
            assert getattr(after, name) == getattr(state, name), "what a run has, it keeps"
    if isinstance(state, Away) and isinstance(after, Away):
        before, now = state.bond, after.bond
        assert now.first == before.first
        assert (now.seat, now.session) == (before.seat, before.session) or row.event in (
            sr.Reopened, rr.Rejoined, ss.AnswerGood, rr.ProofAgain
        )  # fmt: skip
        assert now.until >= before.until or row.event in (LinkLost, MeetAgain, ss.WantWhole)
        assert now.sent >= before.sent or row.event in (ss.WantWhole, ss.AcceptWhole)
        assert now.verified >= before.verified
        if now.verified > before.verified:
            assert row.event in (ss.WordsAgree, rs.WordsAgree, ss.AcceptWhole, ss.AcceptHeld,
                                 rs.Agreed, rs.AgreedHeld)  # fmt: skip


LEG_EVENTS = (LegTaken, LegGreeted, LegRefused, LegEnded, ss.LegOut)
GONE = (AskingWhy, Leaving, Failed, ss.Unconfirmed, ss.Done, rs.Closing, sr.Reopening, rr.Rejoining)
"""States without a data connection that follow on some with one."""


def check_effects(  # noqa: C901
    side: Side, row: Row[p.Effect], effects: tuple[p.Effect, ...]
) -> None:
    """No effect stands out of its place."""
    linked = row.source in side.linked or row.target in side.linked
    for effect in effects:
        match effect:
            case p.Dial(number, port, line):
                assert (row.target is Identifying) == (number == 0)
                assert row.target in (Identifying, ss.Sending, rs.Receiving)
                assert (port, line) == (9010 + number, SEAT.dial().line)
            case p.Greet(number, _, expect) if number:
                assert row.event is LegTaken
                assert expect == len(HELLOS[side.role.other])
            case p.Greet(_, ours, expect):
                assert row.target is Greeting
                assert (ours, expect) == (HELLOS[side.role], len(HELLOS[side.role.other]))
            case p.Secure(number, _, seal, open_) if number:
                assert row.event is LegGreeted
                assert isinstance(seal, StreamKeys)
                assert isinstance(open_, StreamKeys)
                assert seal.connection == open_.connection == number
                assert (seal.direction, open_.direction) == (side.role, side.role.other)
            case p.Secure(_, aead, seal, open_):
                assert row.source is Greeting
                assert aead == SESSION.aead
                assert isinstance(seal, StreamKeys)
                assert isinstance(open_, StreamKeys)
                assert (seal.direction, open_.direction) == (side.role, side.role.other)
                assert seal.hello_s == open_.hello_s == HELLOS[Role.SENDER]
                assert seal.hello_r == open_.hello_r == HELLOS[Role.RECIPIENT]
                assert seal(0) != open_(0)
            case p.Speak(_, message, last):
                assert linked
                assert last == isinstance(message, Decline | Problem | PiecesEnd | Receipt)
            case p.TakePieces(number):
                assert (number > 0) == (row.event is LegGreeted)
                assert row.event in (rs.Agreed, rs.WantOut, LegGreeted)
            case p.Finish():
                assert row.event in (rs.TotalsGood, rs.AllIn)
            case p.Show(Completed()):
                assert row.target in (ss.Done, rs.Done)
            case p.Show(CodeReady()):
                assert row.event is ss.XTaken
            case p.Hear() | p.Hang() | p.HalfClose() | p.SendOffer() | p.SendPieces() | p.Choose():
                assert linked


@both
def test_nothing_is_said_after_the_last_word(side: Side) -> None:
    dial_anew = (LinkLost, MeetAgain)
    arrows = {(r.source, r.target) for r in side.table.rows if r.event not in dial_anew}
    says: dict[Row[p.Effect], list[p.Speak]] = {}
    for r in side.table.rows:
        state, event = _example(a(r.source, side)), _example(a(r.event, side))
        says[r] = [e for e in side.table.step(state, event)[1] if isinstance(e, p.Speak)]
    for r, said in says.items():
        if any(s.last for s in said):
            assert said[-1].last
            later = reach(r.target, arrows)
            assert not [q for q, s in says.items() if q.source in later and s], r


def _example(values: st.SearchStrategy[Any]) -> Any:
    found: list[Any] = []

    @settings(max_examples=1, database=None)
    @given(values)
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    return found[0]


# ---- the judges


@pytest.mark.parametrize(
    ("side", "kind"), WAITS, ids=[f"{side.role}-{kind.__name__}" for side, kind in WAITS]
)
@settings(max_examples=12)
@given(data=st.data())
def test_every_input_in_every_state_is_nothing_or_has_a_row(
    side: Side, kind: type[Any], data: st.DataObject
) -> None:
    for what in get_args(p.Input):
        for _ in range(4 if what in (p.Replied, p.Heard) else 1):
            state, event = data.draw(a(kind, side)), data.draw(a(what, side))
            narrow = side.interpret(side.context, state, event, NOW)
            assert narrow is None or side.table.row(kind, type(narrow)), (state, event, narrow)
            if what in (p.Interrupted, p.Woke) and kind is not side.table.start:
                assert narrow is not None, "a person can end every wait, and so can time"


@both
@settings(max_examples=100)
@given(data=st.data())
def test_a_machine_takes_whatever_comes(side: Side, data: st.DataObject) -> None:
    """Steered to go on where it can; what comes in between changes nothing or ends it."""
    make: Any = sender_judge.sender if side is SENDER else recipient_judge.recipient
    machine = make(side.context)
    now = 10.0
    machine.handle(p.Started(), Moment(now, 0))
    for _ in range(data.draw(st.integers(1, 30))):
        event = data.draw(input_for(side))
        if isinstance(event, p.Woke):
            due = machine.deadline()
            assert due is not None
            early = Moment(due - 0.001, 0)
            if early.mono >= now:
                state = machine.state
                assert machine.handle(event, early) == ()
                assert machine.state is state
                now = due
        machine.handle(event, Moment(now, 0))
        if machine.finished:
            assert machine.deadline() is None
            break
        if isinstance(event, p.Woke) and type(machine.state) in side.table.states:
            assert type(machine.state) in (Leaving, AskingWhy, rs.Closing, *AGAIN), (
                "a wait that is over is left"
            )


AGAIN = (sr.Reopening, sr.Republishing, sr.AwaitingReturn, sr.Reproving, rr.Rejoining,
         rr.ReawaitingX, rr.Reanswering, rr.ReawaitingProof)  # fmt: skip
"""States that are asked in again until the end of all waiting."""


@both
def test_nothing_is_taken_after_the_end(side: Side) -> None:
    for final in side.table.final:
        state = _example(a(final, side))
        with pytest.raises(LocalProtocolError, match="over"):
            side.interpret(side.context, state, p.Woke(), NOW)


def test_the_codecs_that_a_recipient_takes() -> None:
    verdict = Verdict((), Totals(0, 0, 0), (), 0, (), 0)
    deciding = rs.Deciding(Bond(SEAT, SESSION, SESSION), TID, verdict)
    context = replace(RECIPIENT.context, codecs=(0, 1, 2))
    agreed = recipient_judge.interpret(context, deciding, p.Decided(True), NOW)
    assert agreed == rs.Agreed((Accept(TID, (), (0, 1, 2), 3, (), False),), 3)
