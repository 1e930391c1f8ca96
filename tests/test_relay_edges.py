"""The relay where it is easily a little wrong: clocks, memory, addresses that move."""

from __future__ import annotations

import json

import pytest

from croc_core.channel import Channel, Closed
from croc_core.limits import Limits
from croc_core.relay_io import Answer, Drop, LinkLost, Say, Take, Woke
from croc_core.values import Secret
from tests.relay_desk import A, B, C, Desk

TAKE = 160


def closed(desk: Desk, name: str) -> Closed:
    channel = desk.relay._book.channels[name]
    assert isinstance(channel, Closed)
    return channel


def test_a_tombstone_knows_when_it_was_closed_and_by_whom() -> None:
    desk = Desk(Limits(idle_timeout=10, channel_ttl=50))
    one, two, three = (desk.join("sender", A) for _ in range(3))
    desk.pass_time(2)
    desk.post(one, close=True)
    assert closed(desk, one.channel).closed_ms == desk.unix_ms
    desk.unix_ms += 48_000  # two is too old by this clock, though not idle
    desk.handle(Woke())
    assert closed(desk, two.channel).closed_ms == desk.unix_ms
    other = Desk(Limits(idle_timeout=10))
    idle = other.join("sender", A)
    other.pass_time(10)
    other.handle(Woke())
    assert closed(other, idle.channel).closed_ms == other.unix_ms
    assert closed(desk, three.channel).by == "relay"


def test_a_closed_channel_leaves_no_nonce_and_no_deadline_of_a_request() -> None:
    desk = Desk()
    sender = desk.join("sender", A, nonce="0" * 32)
    assert len(desk.relay._book.nonces) == 1
    held = desk.hold(sender, wait=5)
    reply = desk.post(sender, close=True)
    assert [e.ask for e in reply.later if isinstance(e, Answer)] == [held]
    assert desk.relay._book.nonces == {}
    assert desk.relay._book.asks == {}
    desk.pass_time(6)
    assert desk.handle(Woke()) == ()
    again = desk.join("sender", A, nonce="0" * 32)
    assert again.channel != sender.channel


def test_a_channel_without_a_nonce_does_not_free_that_of_another() -> None:
    desk = Desk()
    kept = desk.join("sender", A, nonce="1" * 32)
    gone = desk.join("sender", A)
    desk.post(gone, close=True)
    assert desk.join("sender", A, nonce="1" * 32) == kept


def test_a_repeated_join_is_a_sign_of_life() -> None:
    desk = Desk(Limits(idle_timeout=10))
    sender = desk.join("sender", A, nonce="2" * 32)
    desk.pass_time(9)
    assert desk.join("sender", A, nonce="2" * 32) == sender
    desk.pass_time(9)
    assert desk.post(sender).status == 200


def test_both_members_may_wait_at_once() -> None:
    desk = Desk()
    sender, recipient = desk.pair("x")
    a, b = desk.hold(sender, wait=20), desk.hold(recipient, wait=20)
    assert a != b
    later = desk.post(recipient, y="yy", hh_k="hh").later
    assert sorted(e.ask for e in later if isinstance(e, Answer)) == [a, b]


def test_a_link_from_a_new_address_wakes_who_waits() -> None:
    """A member moves: its link comes from elsewhere, which is a change that the other sees."""
    desk = Desk()
    sender = desk.join("sender", A)
    recipient = desk.join("recipient", A, channel=sender.channel)
    desk.post(sender, x="xx")
    desk.post(recipient, y="yy", hh_k="hh")
    seq = desk.post(sender, h_k="kk").body["seq"]
    held = desk.hold(sender, wait=20)
    effects = desk.link(1, recipient, address=B)
    answer = next(e for e in effects if isinstance(e, Answer))
    assert (answer.ask, json.loads(answer.body)["seq"]) == (held, seq + 1)
    assert Say(1, b"OK\n") in effects
    assert desk.post(sender, C).error == (403, "channel_full")


def test_who_waited_and_comes_from_a_new_address_is_let_in_when_it_is_answered() -> None:
    desk = Desk()
    sender = desk.join("sender", A)
    recipient = desk.join("recipient", A, channel=sender.channel)
    moved = desk.hold(recipient._replace(address=B), wait=20)
    waits = desk.hold(sender, wait=20)
    later = desk.post(sender, x="xx").later
    assert {e.ask for e in later if isinstance(e, Answer)} >= {moved, waits}
    assert desk.post(sender, C).error == (403, "channel_full")


def test_a_third_address_may_not_even_join() -> None:
    desk = Desk()
    sender = desk.join("sender", A)
    assert desk.post(sender, B).status == 200  # the sender has moved
    reply = desk.ask("/join", {"role": "recipient", "channel": sender.channel}, C)
    assert reply.error == (403, "channel_full")
    assert desk.join("recipient", B, channel=sender.channel).channel == sender.channel


def test_an_address_at_its_limit_pays_with_its_own_oldest_link() -> None:
    desk = Desk(Limits(max_pending_per_address=2))
    for number, address in enumerate((B, B, A, A), 1):
        assert desk.open(number, address) == (Take(number, TAKE),)
    assert desk.open(5, A) == (Say(3, b"ERR 429 too_many\n"), Drop(3), Take(5, TAKE))


def test_where_nobody_can_go_the_new_link_goes() -> None:
    desk = Desk(Limits(max_pending_per_address=1))
    sender, _ = desk.pair()
    desk.link(1, sender)
    assert desk.open(2) == (Say(2, b"ERR 429 too_many\n"), Drop(2))


@pytest.mark.parametrize("kind", ["lost", "pending"])
def test_a_link_keeps_a_channel_for_as_long_again_when_it_ends(kind: str) -> None:
    desk = Desk(Limits(idle_timeout=10))
    sender, _ = desk.pair()
    desk.link(1, sender)
    desk.pass_time(9)
    if kind == "lost":
        desk.handle(LinkLost(1))
        desk.pass_time(9)
        assert desk.post(sender).status == 200
    else:
        desk.pass_time(1)
        assert Drop(1) in desk.handle(Woke())
        desk.pass_time(9)
        assert desk.post(sender).status == 200


def test_the_age_of_a_channel_is_in_milliseconds() -> None:
    desk = Desk(Limits(channel_ttl=500, idle_timeout=10_000))
    desk.join("sender", A)
    assert desk.relay.deadline() == desk.mono + 500


@pytest.mark.parametrize("token", ["a", "XXXX", "None"])
def test_no_token_is_no_token(token: str) -> None:
    desk = Desk(token=Secret(token.encode()))
    assert desk.ask("/join", {"role": "sender"}).error == (401, "token")
    assert desk.join("sender", A, token=token).address == A


def test_a_sentence_about_a_request_is_bounded() -> None:
    reply = Desk().ask("/join", {"role": "sender", "x" * 400: 1})
    assert reply.status == 400
    assert len(reply.body["message"]) == 256
    assert reply.body["message"].startswith("the request is malformed: ")


def test_the_ports_of_data_listeners_are_told_as_they_are() -> None:
    desk = Desk()
    told = desk.ask("/join", {"role": "sender"}).body["data"]
    assert told == [{"kind": "tcp", "port": 9010}, {"kind": "tcp", "port": 9011}]
    desk.relay.data_ports = (7,)
    assert desk.relay.data_ports == (7,)
    assert desk.ask("/join", {"role": "sender"}).body["data"] == [{"kind": "tcp", "port": 7}]


def test_channels_of_an_earlier_relay_are_kept_as_they_are() -> None:
    channels: dict[str, Channel] = {}
    before = Desk(channels=channels)
    sender, recipient = before.pair("y")
    after = Desk(channels=channels)
    assert after.post(sender, h_k="kk").body["y"] == "yy"
    assert after.post(recipient).body["h_k"] == "kk"
