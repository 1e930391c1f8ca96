"""A loss while it is being compared what the recipient holds: nothing of that is given up."""

from __future__ import annotations

from msgspec import structs

from croc_core import party_io as p
from croc_core import sender_states as ss
from croc_core.content import Span, Totals
from croc_core.errors import Code, LocalFileError
from croc_core.events import Completed
from croc_core.messages import Accept, Held, Problem, Range, Want
from croc_core.party import Leaving, LinkLost, Patience
from croc_core.reconnect import AskingWhy, Greeting, Unsure
from croc_core.sender import TABLE
from croc_core.values import Role
from tests.test_party_rejoin import BOND, LOST, of_sender
from tests.test_party_tables import HELLOS, TID

OVER = LinkLost(LOST, until=1400.0, again=True)
ACCEPT = Accept(TID, (Span(0, 1),), (0,), 1, (Held(0, 9),), more=False)


def accepted() -> ss.Digesting:
    waiting = ss.AwaitingAccept(structs.replace(BOND, until=1300.0), TID, (0, ()), held=True)
    after, _ = TABLE.step(waiting, ss.AcceptHeld(ACCEPT, 1, bytes(32)))
    assert isinstance(after, ss.Digesting)
    return after


def test_before_the_first_want_a_loss_ends_the_offer_and_another_is_made() -> None:
    digesting = accepted()
    comparing, _ = TABLE.step(digesting, ss.DigestsOut())
    for state in (digesting, comparing):
        asking, _ = TABLE.step(state, OVER)
        assert isinstance(asking, AskingWhy)
        assert asking.bond.tid == b""
        greeting = Greeting(asking.bond, HELLOS[Role.SENDER], 1100.0)
        again = of_sender(greeting, p.Greeted(0, HELLOS[Role.RECIPIENT]))
        assert isinstance(again, ss.HelloGood), "an offer, which the recipient compares"


def test_from_the_first_want_on_the_offer_is_gone_on_with() -> None:
    waiting, _ = TABLE.step(accepted(), ss.DigestsOut())
    sending, _ = TABLE.step(waiting, ss.WantWhole(Want(TID, (), more=False), 0, 1400.0))
    asking, _ = TABLE.step(sending, OVER)
    assert asking.bond.tid == TID
    greeting = Greeting(asking.bond, HELLOS[Role.SENDER], 1100.0)
    event = of_sender(greeting, p.Greeted(0, HELLOS[Role.RECIPIENT]))
    wanted, _ = TABLE.step(greeting, event)
    assert isinstance(wanted, ss.AwaitingWant)
    asking, _ = TABLE.step(wanted, OVER)
    assert asking.bond.tid == TID


def test_only_the_first_acceptance_makes_a_loss_good() -> None:
    digesting = accepted()
    assert digesting.bond.until > 1e9
    asking, _ = TABLE.step(digesting, OVER)
    waiting = ss.AwaitingAccept(asking.bond, b"n" * 16, (0, ()), held=True)
    after, _ = TABLE.step(waiting, ss.AcceptHeld(ACCEPT, 1, bytes(32)))
    assert after.bond.until == 1400.0


def test_STREAM_4_what_cannot_be_read_again_is_told_also_where_all_was_sent_before() -> None:
    bond = structs.replace(BOND, tid=TID, sent=True, accepted=True)
    waiting = ss.AwaitingWant(bond, 0, first=False)
    want = Want(TID, (Range(0, 5, 4),), more=False)
    sending, _ = TABLE.step(waiting, ss.WantWhole(want, 4, 1400.0))
    event = of_sender(sending, p.LocalBroke(LocalFileError("It cannot be read again.").failure))
    over, effects = TABLE.step(sending, event)
    assert isinstance(over, Leaving)
    assert over.failure.code is Code.LOCAL_FILE
    assert any(isinstance(e, p.Speak) and isinstance(e.message, Problem) for e in effects)


def test_what_has_no_size_is_told_as_no_bytes() -> None:
    waiting = ss.AwaitingReceipt(BOND, (), Totals(1, 1, None))
    _, effects = TABLE.step(waiting, ss.ReceiptGood())
    assert effects[-1] == p.Show(Completed(1, 0, 0.0))


def test_any_time_at_all_to_reconnect_in_is_used() -> None:
    waiting = ss.AwaitingReceipt(structs.replace(BOND, sent=True), (), Totals(1, 1, 5))
    for seconds, kind in ((0.0, Unsure), (0.5, LinkLost)):
        patience = Patience(reconnect=seconds)
        event = of_sender(waiting, p.LinkEnded(0, "it hung up"), patience=patience)
        assert isinstance(event, kind)
