"""Data connections at the relay: identification, pairing, replacement, ends, limits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from croc_core.errors import LocalProtocolError
from croc_core.limits import Limits
from croc_core.relay_io import (
    Answer,
    Cut,
    Drop,
    LinkLost,
    LinkOpened,
    LinkReceived,
    PairEnded,
    Say,
    Staple,
    Take,
    Woke,
)
from tests.relay_desk import A, B, C, Desk, Person, said

OK = b"OK\n"
D, E = "10.0.0.4", "10.0.0.5"


def test_two_members_are_stapled_on_one_port_and_what_came_early_is_passed_on() -> None:
    desk = Desk(Limits(idle_timeout=33))
    sender, recipient = desk.pair()
    held = desk.hold(sender, wait=25)
    assert desk.link(1, recipient, b"from recipient") == (Say(1, OK),)
    say, staple, answer = desk.link(2, sender, b"from sender")
    assert say == Say(2, OK)
    assert staple == Staple(1, 2, 1, b"from recipient", b"from sender", 33)
    assert isinstance(answer, Answer)
    assert answer.ask == held
    body = json.loads(answer.body)
    assert (body["stapled"], body["staplings"], body["seq"]) == (True, {"9010": 1}, 6)


def test_a_port_is_stapled_with_itself_alone() -> None:
    desk = Desk()
    sender, recipient = desk.pair()
    assert desk.link(1, sender, index=0) == (Say(1, OK),)
    assert desk.link(2, recipient, index=1) == (Say(2, OK),)
    assert [type(e) for e in desk.link(3, sender, index=1)] == [Say, Staple]
    assert desk.post(sender).body["staplings"] == {"9011": 1}


@given(st.integers(1, 44))
def test_a_line_may_come_in_pieces(cut: int) -> None:
    desk = Desk()
    sender, _ = desk.pair()
    assert desk.open(1) == (Take(1, 160),)
    line = f"CROC/1 {sender.channel} {sender.uuid}\n".encode()
    assert desk.handle(LinkReceived(1, line[:cut])) == (Take(1, 160 - cut),)
    assert desk.handle(LinkReceived(1, line[cut:])) == (Say(1, OK),)


def test_refusals_come_in_the_contracts_order() -> None:
    desk = Desk()
    sender, recipient = desk.pair("y")
    stranger = Person(sender.channel, "f" * 32, A)
    assert said(desk.link(1, stranger._replace(channel="none"))) == b"ERR 404 no_such_channel\n"
    assert said(desk.link(2, stranger, address=C)) == b"ERR 403 channel_full\n"
    assert said(desk.link(3, stranger)) == b"ERR 403 not_yours\n"
    assert said(desk.link(4, sender)) == b"ERR 409 out_of_turn\n"
    desk.post(sender, close=True)
    assert said(desk.link(5, stranger, address=C)) == b"ERR 410 closed\n"
    for number, line in enumerate((b"CROC/2 x\n", b"HELO\n", b"C" * 160, b""), 6):
        desk.open(number)
        err = b"ERR 426 version\n" if number == 6 else b"ERR 400 malformed\n"
        assert said(desk.handle(LinkReceived(number, line))) == err
    assert desk.relay._book.unstapled.total == 0
    assert desk.post(recipient).status == 410


def test_an_accepted_identification_lets_its_address_in_and_a_refused_one_does_not() -> None:
    desk = Desk()
    sender, recipient = desk.pair("y", recipient_at=A)
    desk.link(1, sender, address=B)
    desk.post(sender, h_k="kk")
    assert desk.link(2, recipient, address=C) == (Say(2, OK),)
    assert said(desk.link(3, sender, address=B)) == b"ERR 403 channel_full\n"


def test_a_newer_link_replaces_the_older_pending_one() -> None:
    desk = Desk()
    sender, recipient = desk.pair()
    desk.link(1, sender)
    assert desk.link(2, sender) == (Drop(1), Say(2, OK))
    assert desk.handle(LinkLost(1)) == ()
    staple = desk.link(3, recipient)[1]
    assert isinstance(staple, Staple)
    assert (staple.a, staple.b) == (2, 3)


def test_who_identifies_again_cuts_the_old_staple_and_pends() -> None:
    desk = Desk()
    sender, recipient = desk.pair()
    desk.link(1, sender)
    desk.link(2, recipient)
    assert desk.link(3, recipient) == (Cut(1), Say(3, OK))
    assert desk.handle(PairEnded(1)) == ()
    assert desk.link(4, sender)[1] == Staple(2, 4, 3, b"", b"", 600.0)
    assert desk.post(sender).body["staplings"] == {"9010": 2}


def test_the_end_of_an_old_staple_does_not_free_the_port_of_the_new() -> None:
    desk = Desk(Limits(idle_timeout=10))
    sender, recipient = desk.pair()
    for link, person in ((1, sender), (2, recipient), (3, sender), (4, recipient)):
        desk.link(link, person)
    desk.handle(PairEnded(1))
    desk.pass_time(100)
    assert desk.post(sender).status == 200
    desk.pass_time(9)
    desk.handle(PairEnded(2))
    desk.handle(PairEnded(2))
    desk.pass_time(9)
    assert desk.handle(Woke()) == ()
    assert sender.channel in desk.relay._book.locals
    desk.pass_time(1)
    assert desk.post(sender).body["reason"] == "expired"


def test_a_stapled_channel_is_never_too_old() -> None:
    desk = Desk(Limits(channel_ttl=5, idle_timeout=10))
    sender, recipient = desk.pair()
    desk.link(1, sender)
    desk.link(2, recipient)
    desk.pass_time(100)
    assert desk.post(sender).status == 200


def test_close_drops_and_cuts_at_once() -> None:
    desk = Desk()
    sender, recipient = desk.pair()
    desk.link(1, sender, index=0)
    desk.link(2, recipient, index=0)
    desk.link(3, sender, index=1)
    assert desk.post(sender, close=True).later == (Drop(3), Cut(1))
    assert desk.handle(LinkReceived(3, b"late")) == ()
    assert desk.handle(LinkLost(3)) == ()
    assert desk.handle(PairEnded(1)) == ()
    assert desk.relay._book.unstapled.total == 0


def test_a_slow_link_is_told_so() -> None:
    desk = Desk(Limits(handshake_timeout=3))
    desk.open(1)
    desk.pass_time(2)
    assert desk.handle(LinkReceived(1, b"CRO")) == (Take(1, 157),)
    assert desk.relay.deadline() == desk.mono + 1
    desk.pass_time(1)
    assert said(desk.handle(Woke())) == b"ERR 408 too_slow\n"
    assert desk.relay.deadline() is None


def test_a_link_and_a_request_of_one_number_have_each_their_own_deadline() -> None:
    desk = Desk(Limits(handshake_timeout=3))
    sender = desk.join("sender", A)
    held = desk.hold(sender, wait=20)
    desk.open(held)
    desk.post(sender, x="xx")  # answers the held request, whose deadline goes
    desk.pass_time(3)
    assert said(desk.handle(Woke())) == b"ERR 408 too_slow\n"
    held = desk.hold(sender, wait=20)
    desk.open(held)
    desk.handle(LinkLost(held))  # and its deadline goes, not the request's
    desk.pass_time(20)
    (answer,) = desk.handle(Woke())
    assert isinstance(answer, Answer)
    assert answer.ask == held


def test_a_link_does_not_pend_for_ever() -> None:
    desk = Desk(Limits(idle_timeout=10))
    sender, _ = desk.pair()
    desk.link(1, sender)
    desk.pass_time(9)
    assert desk.handle(Woke()) == ()
    desk.pass_time(1)
    assert desk.handle(Woke()) == (Drop(1),)
    desk.pass_time(9)
    assert desk.post(sender).status == 200


def test_a_lost_link_leaves_nothing() -> None:
    desk = Desk()
    sender, recipient = desk.pair()
    desk.open(1)
    desk.handle(LinkLost(1))
    desk.link(2, sender)
    desk.handle(LinkLost(2))
    assert desk.relay._book.unstapled.total == 0
    assert desk.link(3, recipient) == (Say(3, OK),)


TAKE = 160


def test_a_link_that_is_silent_keeps_no_other_out() -> None:
    desk = Desk(Limits(max_pending_per_address=2, max_pending_links=4, max_links=5))
    assert desk.open(1) == (Take(1, TAKE),)
    assert desk.open(2) == (Take(2, TAKE),)
    # Its address has no room for it: the oldest of that address goes.
    assert desk.open(3) == (Say(1, b"ERR 429 too_many\n"), Drop(1), Take(3, TAKE))
    assert desk.handle(LinkReceived(1, b"late")) == desk.handle(LinkLost(1)) == ()
    assert desk.open(4, B) == (Take(4, TAKE),)
    assert desk.open(5, C) == (Take(5, TAKE),)
    # There is no room at all: the oldest of the address with the most goes.
    assert desk.open(6, C) == (Say(2, b"ERR 503 busy\n"), Drop(2), Take(6, TAKE))
    desk.handle(LinkReceived(4, b"CRO"))  # it has begun its line, and is as old as before
    assert desk.open(7, D) == (Say(5, b"ERR 503 busy\n"), Drop(5), Take(7, TAKE))
    assert desk.open(8, E) == (Say(3, b"ERR 503 busy\n"), Drop(3), Take(8, TAKE))
    assert desk.open(9, E) == (Say(4, b"ERR 503 busy\n"), Drop(4), Take(9, TAKE))
    desk.pass_time(10)
    late = desk.handle(Woke())
    assert [e.link for e in late if isinstance(e, Drop)] == [6, 7, 8, 9]
    assert desk.relay._book.unstapled.total == 0
    assert desk.relay.deadline() is None


def test_a_flood_of_silent_links_does_not_stop_a_transfer() -> None:
    desk = Desk(Limits.embedded())
    sender, recipient = desk.pair()
    for link in range(100, 120):
        desk.open(link, C)
    desk.link(1, sender, address=A)
    for link in range(120, 140):
        desk.open(link, C)
    desk.open(2, B)
    for link in range(140, 160):
        desk.open(link, C)
    line = f"CROC/1 {recipient.channel} {recipient.uuid}\n".encode()
    assert [type(e) for e in desk.handle(LinkReceived(2, line))] == [Say, Staple]


def test_links_that_are_identified_are_limited_for_each_address_and_in_all() -> None:
    desk = Desk(Limits(max_pending_per_address=2, max_pending_links=3, max_links=5))
    sender, recipient = desk.pair()
    for index in (0, 1):
        desk.link(1 + index, sender, index=index)
    assert said(desk.open(3)) == b"ERR 429 too_many\n"
    other = desk.pair(recipient_at=C)[1]
    desk.link(4, other)
    assert said(desk.open(5, C)) == b"ERR 503 busy\n"
    desk.handle(LinkLost(4))
    for index in (0, 1):
        desk.link(6 + index, recipient, index=index)
    assert desk.open(30) == (Take(30, TAKE),)
    assert desk.open(31) == (Say(30, b"ERR 503 busy\n"), Drop(30), Take(31, TAKE))
    assert desk.handle(LinkLost(31)) == ()
    desk.link(32, other)
    assert said(desk.open(33, B)) == b"ERR 503 busy\n"
    desk.handle(PairEnded(1))
    assert desk.open(34, B) == (Take(34, TAKE),)


def test_what_cannot_happen_is_the_callers_bug_and_changes_nothing() -> None:
    desk = Desk()
    sender, recipient = desk.pair()
    desk.open(1)
    desk.link(2, sender)
    for event in (
        LinkOpened(1, 0, A),
        LinkOpened(2, 0, A),
        LinkOpened(3, 2, A),
        LinkOpened(3, -1, A),
        LinkReceived(2, b"x"),
    ):
        with pytest.raises(LocalProtocolError):
            desk.handle(event)
    assert desk.relay._book.unstapled.total == 2
    assert [type(e) for e in desk.link(4, recipient)] == [Say, Staple]


def test_a_staple_lasts_and_carries_no_more_than_it_may() -> None:
    desk = Desk(Limits(pair_time=3600.0, pair_bytes=1 << 30, idle_timeout=9999.0))
    sender, recipient = desk.pair()
    desk.link(1, recipient)
    staple = desk.link(2, sender)[1]
    assert isinstance(staple, Staple)
    assert (staple.pair, staple.most) == (1, 1 << 30)
    desk.pass_time(3599.9)
    assert desk.handle(Woke()) == ()
    assert desk.relay.deadline() == pytest.approx(desk.mono + 0.1)
    desk.pass_time(0.2)
    assert desk.handle(Woke()) == (Cut(1),)
    assert desk.handle(Woke()) == ()
    assert desk.handle(PairEnded(1)) == ()
    assert desk.post(sender).status == 200


def test_a_staple_that_has_ended_in_time_is_not_cut() -> None:
    desk = Desk(Limits(pair_time=60.0))
    sender, recipient = desk.pair()
    desk.link(1, recipient)
    desk.link(2, sender)
    desk.handle(PairEnded(1))
    desk.pass_time(61)
    assert desk.handle(Woke()) == ()


def test_without_a_bound_a_staple_has_none() -> None:
    desk = Desk(Limits(idle_timeout=1e9))
    sender, recipient = desk.pair()
    desk.link(1, recipient)
    staple = desk.link(2, sender)[1]
    assert isinstance(staple, Staple)
    assert staple.most is None
    desk.pass_time(1e6)
    assert desk.handle(Woke()) == ()
