"""The explorer in short, and proof that it sees: each seeded bug is found, with a story."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from croc_core import (
    book,
    channel,
    judge,
    links,
    recipient,
    recipient_link_judge,
    relay,
    sender,
    sender_link_judge,
)
from croc_core import party_io as io
from croc_core import recipient_judge as rj
from croc_core import recipient_states as rs
from croc_core import sender_judge as sj
from croc_core import sender_states as ss
from croc_core.handshake import hello
from croc_core.machine import Interpret
from croc_core.messages import Receipt
from croc_core.party import LINK, Failed, LinkLost
from croc_core.reconnect import AskingWhy, MeetAgain, StillAway, Unsure
from croc_core.table import Row, Table, row
from croc_core.values import Moment, Role
from tests.explorer import hands
from tests.explorer.__main__ import SHORT, main
from tests.explorer.engine import Bounds
from tests.explorer.hands import Parts
from tests.explorer.jobs import ARRIVED
from tests.explorer.liar import explore_lies
from tests.explorer.search import BACK, CODES, NO_END, UNWELL, explore
from tests.explorer.story import report, story
from tests.explorer.world import SECRET, TRUTH, Actor, Case, Link, honest

NOTHING = Bounds(faults=0, outsider=0, mortal=False)
SMALL = Bounds(faults=1, outsider=1)
THIN = SMALL._replace(thin=29)
BEHIND = Bounds(faults=1, outsider=0, mortal=False, behind=True)
LOSSES = Bounds(faults=1, outsider=0, mortal=False, losses=True, roams=True)
APART_AND_TOGETHER = (False, True)


# ---- what holds


def test_nothing_is_broken_within_small_bounds() -> None:
    found = explore(THIN, homes=APART_AND_TOGETHER)
    assert found.closed
    assert found.good, report(found)
    assert found.states > 2_000


CASES = (
    Case(),
    Case(kept="good"),
    Case(kept="rotten"),
    *(Case(verify=verify) for verify in ((True, True), (True, False), (False, True))),
)


def test_what_loses_nothing_but_connections_ends_well_on_both_sides() -> None:
    found = explore(LOSSES, cases=CASES)
    assert found.closed
    assert found.good, report(found)
    assert set(found.endings) == set(BACK)


def test_three_connections_end_well_in_every_order() -> None:
    found = explore(NOTHING, cases=(Case(streams=2),))
    assert found.good, report(found)
    assert set(found.endings) == {("done", "done")}
    rows = found.untaken["sender"] + found.untaken["recipient"]
    assert not {"Sending + LegOut", "Receiving + LegEnded", "Gathering + AllIn"} & set(rows)


@pytest.mark.parametrize("together", APART_AND_TOGETHER)
@pytest.mark.parametrize(
    ("right", "ending"), [(True, ("done", "done")), (False, ("wrong_code", "wrong_code"))]
)
def test_a_run_without_faults_has_one_kind_of_ending(
    right: bool, together: bool, ending: tuple[str, str]
) -> None:
    found = explore(NOTHING, homes=(together,), cases=(Case(right=right),))
    assert found.good, report(found)
    assert set(found.endings) == {ending}


def test_without_faults_an_outsider_stops_a_run_but_makes_nobody_unsure() -> None:
    found = explore(Bounds(faults=0, outsider=4, mortal=False))
    assert found.good, report(found)
    arrived = {e for e in found.endings if {"done", "unconfirmed"} & {*e}}
    assert arrived == {("done", "done")}
    assert ("wrong_code", "wrong_code") in found.endings
    assert any("relay_refused" in e for e in found.endings)


def test_with_faults_and_deaths_success_is_alone_only_where_the_receipt_was_lost() -> None:
    found = explore(Bounds(faults=1, outsider=0), cases=(Case(),))
    lone = {a for a, b in found.endings if b == "done"}
    assert lone == {"done", "unconfirmed", "dead"}
    assert {b for a, b in found.endings if a == "done"} == {"done", "dead"}


def test_numbers_of_staples_are_only_names() -> None:
    """The reduction: worlds that differ in the numbers of staples are one."""
    bounds = Bounds(faults=1, outsider=1, mortal=False)
    short = explore(bounds, cases=(Case(),))
    whole = explore(bounds._replace(fresh_pairs=True), cases=(Case(),))
    assert whole.states >= short.states
    assert (whole.good, set(whole.endings), whole.untaken) == (
        short.good,
        set(short.endings),
        short.untaken,
    )


def test_past_the_limit_runs_are_brought_to_their_end() -> None:
    found = explore(Bounds(faults=3, outsider=3), limit=2_000)
    assert not found.closed
    assert found.good, report(found)
    assert 2_000 < found.states < 200_000


def test_a_relay_that_lies_makes_nobody_report_what_is_not_so() -> None:
    found = explore_lies()
    assert found.good, report(found)
    assert found.closed
    assert ("done", "done") in found.endings
    assert {a for a, b in found.endings if b == "done"} <= {"done", "unconfirmed", "peer_left"}
    assert {b for a, b in found.endings if a == "done"} == {"done"}


def test_the_symbolic_key_agreement_agrees_on_equal_secrets_alone() -> None:
    assert honest(SECRET) == TRUTH
    assert len({*TRUTH, *honest(SECRET, b"Z"), TRUTH.x}) == 7


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faults", "0", "--outsider", "0"]) == 0
    said = capsys.readouterr().out
    assert said.count("violations: 0") == len(SHORT) + 1
    assert "A relay that lies" in said
    assert "rows of the channel that no search took: " in said
    assert "the whole space" in said


# ---- what is seeded


class Seed(NamedTuple):
    """A bug: how it is put in, what it must break, and within which bounds it shows."""

    plant: Callable[[pytest.MonkeyPatch], Parts | None]
    breaks: str
    bounds: Bounds = SMALL
    cases: tuple[Case, ...] = CODES


def changed(table: Table[Any], *new: Row[Any], without: tuple[type[Any], ...] = ()) -> Table[Any]:
    """*table* with these rows in the place of its own; or *without* one: a state and an event."""
    cells = {(r.source, r.event) for r in new} | ({without} if without else set())
    kept = [r for r in table.rows if (r.source, r.event) not in cells]
    return Table(table.start, table.final, (*kept, *new))


def judged(inner: Interpret, state: type[Any], make: Callable[..., object]) -> Interpret:
    """*inner*, but in *state* what `make(context, state, input)` returns, if that is something."""

    def outer(context: Any, at: Any, event: io.Input, now: Moment) -> object | None:
        found = make(context, at, event) if isinstance(at, state) else None
        return found if found is not None else inner(context, at, event, now)

    return outer


# ---- seeds in the relay


def third_address(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(judge, "MAX_ADDRESSES", 3)


def stapled_early(patch: pytest.MonkeyPatch) -> None:
    real = judge.judge_link

    def early(of: channel.Channel, uuid: str, address: str) -> judge.Allowed | judge.Refused:
        found = real(of, uuid, address)
        if isinstance(found, judge.Refused):
            return found
        return found._replace(events=(*found.events, channel.PairStapled(9010)))

    patch.setattr(links, "judge_link", early)


def x_overwritten(patch: pytest.MonkeyPatch) -> None:
    real = judge._put

    def put(of: Any, ready: bool, event: Any) -> Any:
        again = ready and isinstance(event, channel.XPosted)
        return (event,) if again else real(of, ready, event)

    patch.setattr(judge, "_put", put)
    alone = channel.OfferedAlone
    over: Row[Any] = row(alone, channel.XPosted, alone, channel._posted(alone))
    patch.setattr(channel, "TABLE", changed(channel.TABLE, over))


def close_frees_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(book.Book, "_bury", book.Book._remember)


def close_leaves_waiters(patch: pytest.MonkeyPatch) -> None:
    real = book.Book._bury

    def bury(self: book.Book, tombstone: channel.Closed, now: Moment) -> None:
        asks = dict(self.asks)
        real(self, tombstone, now)
        self.asks.update(asks)

    patch.setattr(book.Book, "_bury", bury)


def tombstone_given_out(patch: pytest.MonkeyPatch) -> None:
    real = relay.Relay._take_seat

    def take(self: relay.Relay, event: Any, join: Any, now: Moment) -> Any:
        closed = isinstance(self._book.channels.get(join.channel or ""), channel.Closed)
        if closed and join.role is Role.SENDER:
            return self._open(event, join, now)
        return real(self, event, join, now)

    patch.setattr(relay.Relay, "_take_seat", take)


def refusal_takes_a_slot(patch: pytest.MonkeyPatch) -> None:
    real = relay.Relay._update

    def update(self: relay.Relay, event: Any, said: Any, action: Any, now: Moment) -> Any:
        of: Any = self._book.channels.get(said.channel)
        room = isinstance(of, channel.Open) and len(of.addresses) < 2
        if room and event.address not in of.addresses:
            self._book.apply(of.name, (channel.AddressEntered(event.address),), now)
        return real(self, event, said, action, now)

    patch.setattr(relay.Relay, "_update", update)


def any_line_is_the_recipients(patch: pytest.MonkeyPatch) -> None:
    real = judge.judge_link

    def trusting(of: Any, uuid: str, address: str) -> judge.Allowed | judge.Refused:
        found = real(of, uuid, address)
        wrong = found == judge.NOT_YOURS and isinstance(of, channel.Proven | channel.Stapled)
        return real(of, of.recipient.uuid, address) if wrong else found

    patch.setattr(links, "judge_link", trusting)


# ---- seeds in the parties


def own_proof_taken_for_the_senders(_: pytest.MonkeyPatch) -> Parts:
    def look(_: Any, state: rs.AwaitingProof, event: io.Input) -> object | None:
        said = isinstance(event, io.Replied) and state.session.hh_k_wire.encode() in event.body
        return rs.ProofGood((0, 0, 0)) if said else None

    return Parts(recipient_judge=judged(rj.interpret, rs.AwaitingProof, look))


def proofs_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("croc_core.handshake._same", lambda expected, posted: True)


def receipt_before_the_files_are_final(_: pytest.MonkeyPatch) -> Parts:
    def confirm(state: rs.Receiving, _: rs.TotalsGood) -> Any:
        return rs.AwaitingEnd(state.bond, ARRIVED), (
            io.Speak(LINK, Receipt(state.bond.tid, 2, 2), last=True),
            io.HalfClose(LINK),
            io.Hear(LINK),
        )

    early = row(rs.Receiving, rs.TotalsGood, rs.AwaitingEnd, confirm)
    return Parts(recipient=changed(recipient.TABLE, early))


def no_receipt(_: pytest.MonkeyPatch) -> Parts:
    def confirm(state: rs.Finishing, event: rs.AllFinal) -> Any:
        return rs.AwaitingEnd(state.bond, event.arrived), (io.HalfClose(LINK), io.Hear(LINK))

    silent = row(rs.Finishing, rs.AllFinal, rs.AwaitingEnd, confirm)
    return Parts(recipient=changed(recipient.TABLE, silent))


def success_without_a_receipt(_: pytest.MonkeyPatch) -> Parts:
    def hope(state: ss.AwaitingReceipt, _: Any) -> Any:
        return ss.Done(state.totals), (io.Hang(LINK),)

    rows = (row(ss.AwaitingReceipt, event, ss.Done, hope) for event in (LinkLost, Unsure))
    return Parts(sender=changed(sender.TABLE, *rows))


def failure_where_it_may_have_arrived(_: pytest.MonkeyPatch) -> Parts:
    def doubt(_: ss.AwaitingReceipt, event: Unsure) -> Any:
        return Failed(event.failure), (io.Hang(LINK),)

    return Parts(sender=changed(sender.TABLE, row(ss.AwaitingReceipt, Unsure, Failed, doubt)))


def patience_without_end(_: pytest.MonkeyPatch) -> Parts:
    def deaf(context: Any, at: Any, event: io.Input, now: Moment) -> object | None:
        if isinstance(at, ss.AwaitingStaple) and isinstance(event, io.Woke):
            return None
        return sj.interpret(context, at, event, now)

    return Parts(sender_judge=deaf)


def a_row_left_out(_: pytest.MonkeyPatch) -> Parts:
    return Parts(recipient=changed(recipient.TABLE, without=(rs.Receiving, LinkLost)))


def a_second_guess(_: pytest.MonkeyPatch) -> Parts:
    def again(context: Any, at: Any, event: io.Input, now: Moment) -> object | None:
        found = sj.interpret(context, at, event, now)
        return ss.NothingYet(at.seq, 0.0) if isinstance(found, ss.AnswerBad) else found

    return Parts(sender_judge=again)


# ---- seeds in what comes behind a loss, in resume, verifier and several connections


def a_hello_for_every_dial(patch: pytest.MonkeyPatch) -> None:
    same = hello(Role.SENDER, LINK, b"S" * 32)
    patch.setattr(sender_link_judge, "own_hello", lambda *_: same)


def never_a_rejoin(_: pytest.MonkeyPatch) -> Parts:
    def stay(context: Any, at: Any, event: io.Input, now: Moment) -> object | None:
        found = rj.interpret(context, at, event, now)
        asks = isinstance(at, AskingWhy) and isinstance(found, MeetAgain)
        return StillAway(at.failure) if asks else found

    return Parts(recipient_judge=stay)


def all_is_sent_again(_: pytest.MonkeyPatch) -> Parts:
    def deaf(state: ss.AwaitingWant, event: ss.WantWhole) -> Any:
        after, effects = sender.send_wanted(state, event)
        return after, tuple(e for e in effects if not isinstance(e, io.Narrow))

    return Parts(sender=changed(sender.TABLE, row(ss.AwaitingWant, ss.WantWhole, ss.Sending, deaf)))


def words_are_not_waited_for(_: pytest.MonkeyPatch) -> Parts:
    def hasty(context: Any, at: Any, event: io.Input, now: Moment) -> object | None:
        found = sj.interpret(context, at, event, now)
        if isinstance(found, ss.HelloAsked):
            return ss.HelloShown(found.theirs, b"t" * 16, found.places)
        return found

    return Parts(sender_judge=hasty)


def legs_are_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recipient_link_judge, "_totals", lambda _, end: rs.TotalsGood(end.sizes))


# ---- a seed in the hands


def answers_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    """What a backend did once: an accept overtook the news that the offer is out."""

    def readable(_: Actor, link: Link) -> bool:
        return bool(link.inbox) and link.hearing

    patch.setattr(hands, "readable", readable)


SEEDS = {
    "third address": Seed(third_address, "three addresses are in"),
    "stapled early": Seed(stapled_early, "stapled does not say what was stapled", NOTHING),
    "x overwritten": Seed(x_overwritten, "x was overwritten"),
    "close frees nothing": Seed(close_frees_nothing, "a closed channel still holds something"),
    "waiters left": Seed(close_leaves_waiters, "a closed channel still holds something"),
    "tombstone given out": Seed(tombstone_given_out, "a closed channel was opened again"),
    "slot for the refused": Seed(
        refusal_takes_a_slot, "a request was refused and changed something"
    ),
    "any line": Seed(any_line_is_the_recipients, "somebody who is not the member was stapled"),
    "own proof": Seed(
        own_proof_taken_for_the_senders,
        "the recipient went to the data port, sealed, opened or wrote unconfirmed",
    ),
    "proofs not compared": Seed(
        proofs_not_compared, "the sender gave its proof away unconfirmed", NOTHING
    ),
    "receipt too early": Seed(
        receipt_before_the_files_are_final,
        "the recipient reports files that it does not hold",
        NOTHING,
    ),
    "no receipt": Seed(no_receipt, UNWELL, NOTHING),
    "success in hope": Seed(
        success_without_a_receipt, "the sender reports success without a receipt", BEHIND
    ),
    "failure in doubt": Seed(
        failure_where_it_may_have_arrived,
        "the recipient holds the file, and the sender says that nothing arrived",
        BEHIND,
    ),
    "no deadline": Seed(patience_without_end, NO_END, Bounds(faults=0, outsider=0)),
    "answer too early": Seed(answers_are_not_kept, UNWELL, NOTHING),
    "second guess": Seed(
        a_second_guess,
        "the sender tried the words of the code against more than one value",
        NOTHING,
    ),
    "one hello": Seed(a_hello_for_every_dial, "a hello was sent twice", LOSSES),
    "no rejoin": Seed(never_a_rejoin, NO_END, LOSSES),
    "sent again": Seed(
        all_is_sent_again, "bytes that it has were sent again", NOTHING, (Case(kept="good"),)
    ),
    "words unasked": Seed(
        words_are_not_waited_for,
        "the sender went on before its person had compared the words",
        NOTHING,
        (Case(verify=(True, False)),),
    ),
    "legs unasked": Seed(
        legs_are_not_waited_for, "a piece of another", NOTHING, (Case(streams=2),)
    ),
    "row left out": Seed(a_row_left_out, "the core refuses its hands: Woke breaks it: ", BEHIND),
}


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS.keys())
def test_a_seeded_bug_is_found(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = seed.plant(monkeypatch)
    found = explore(
        seed.bounds, parts=parts, cases=seed.cases, homes=APART_AND_TOGETHER, first=True
    )
    sentence = next((s for s in found.broken if s.startswith(seed.breaks)), None)
    assert sentence is not None, sorted(found.broken)
    told = story(found, sentence).splitlines()
    assert told[0] == f"Broken: {sentence}."
    assert told[1].startswith("  0. sender Idle, recipient Idle")
    assert len(told) == len(found.broken[sentence]) + 3
    assert "violations: 0" not in report(found)
    if seed.bounds == NOTHING:
        assert "(!)" not in "\n".join(told[:-1])


@pytest.mark.parametrize("name", ["own proof", "proofs not compared", "success in hope"])
def test_a_seeded_bug_is_found_by_a_relay_that_lies(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = SEEDS[name]
    found = explore_lies(seed.plant(monkeypatch), first=True)
    assert any(sentence.startswith(seed.breaks) for sentence in found.broken), found.broken
    assert "as it likes" in report(found)
