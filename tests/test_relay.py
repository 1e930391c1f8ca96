"""The relay's requests: routes, statuses, repeats, waits, limits (docs/protocol.md, "HTTP")."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from croc_core.channel import Channel, Closed
from croc_core.errors import LocalProtocolError
from croc_core.limits import Limits
from croc_core.relay_io import Answer, Asked, AskerLeft, Effect, Woke
from croc_core.values import Secret
from tests.relay_desk import A, B, C, Desk, Person

NONCE = "ab" * 16


def answers(effects: tuple[Effect, ...]) -> dict[int, tuple[int, dict[str, Any]]]:
    return {e.ask: (e.status, json.loads(e.body)) for e in effects if isinstance(e, Answer)}


# ---- syntax, routes, versions


@pytest.mark.parametrize("path", ["/", "/joins", "/join/", "/join?x=1", "/data", "", "*"])
def test_other_paths_are_404_whatever_the_method(path: str) -> None:
    for method in ("POST", "GET", "OPTIONS"):
        reply = Desk().raw(path, b"{}", method=method)
        assert reply is not None
        assert reply.error == (404, "no_route")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "post"])
@pytest.mark.parametrize("path", ["/join", "/channel"])
def test_other_methods_are_405(path: str, method: str) -> None:
    reply = Desk().raw(path, b'{"role":"sender"}', method=method)
    assert reply is not None
    assert reply.error == (405, "method")


def test_a_body_is_taken_up_to_the_limit() -> None:
    limit = len(b'{"role":"sender"}')
    for more, status in ((0, 200), (1, 413)):
        reply = Desk(Limits(max_body=limit)).raw("/join", b'{"role":"sender"}' + b" " * more)
        assert reply is not None
        assert reply.status == status


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, "role"),
        ({"role": "both"}, "role"),
        ({"role": "recipient"}, "channel"),
        ({"role": "sender", "channel": "A"}, "channel"),
        ({"role": "sender", "channel": "a" * 33}, "channel"),
        ({"role": "sender", "channel": "a\n"}, "channel"),
        ({"role": "sender", "curve": ""}, "curve"),
        ({"role": "sender", "protocol": "1"}, "protocol"),
        ({"role": "sender", "protocol": True}, "protocol"),
        ({"role": "sender", "nonce": "ab"}, "nonce"),
        ({"role": "sender", "token": ""}, "token"),
        ({"role": "sender", "extra": 1, "protocol": 2}, "extra"),
    ],
)
def test_a_malformed_join_is_400_and_says_which_field(body: dict[str, Any], names: str) -> None:
    reply = Desk().ask("/join", body)
    assert reply.error == (400, "malformed")
    assert names in reply.body["message"]


@given(st.binary(max_size=60) | st.text(max_size=20).map(lambda t: json.dumps({t: t}).encode()))
def test_no_bytes_at_all_upset_it(body: bytes) -> None:
    desk = Desk()
    for path in ("/join", "/channel"):
        reply = desk.raw(path, body)
        assert reply is not None
        assert reply.error == (400, "malformed")
        assert len(reply.body["message"]) <= 256


def test_another_version_is_426_and_hears_which_one_is_spoken() -> None:
    for protocol in (0, 2, -1, 10**30):
        reply = Desk().ask("/join", {"role": "sender", "protocol": protocol})
        assert reply.error == (426, "version")
        assert "protocol 1" in reply.body["message"]


def test_the_checks_come_in_the_contracts_order() -> None:
    """Each request has this fault and every later one; the earliest is named."""
    desk = Desk()
    sender, _recipient = desk.pair("x")
    bad = {"uuid": "f" * 32, "y": "yy"}
    assert desk.ask("/channel", {"channel": "none", **bad}, C).error == (400, "malformed")
    bad["hh_k"] = "hh"
    assert desk.ask("/channel", {"channel": "none", **bad}, C).error == (404, "no_such_channel")
    full = {"channel": sender.channel, **bad}
    assert desk.ask("/channel", full, C).error == (403, "channel_full")
    assert desk.ask("/channel", full, A).error == (403, "not_yours")
    assert desk.post(sender, y="yy", hh_k="hh").error == (409, "out_of_turn")
    desk.post(sender, close=True)
    assert desk.ask("/channel", full, C).error == (410, "closed")
    join = {"role": "recipient", "channel": sender.channel, "curve": "p256"}
    assert desk.ask("/join", join | {"protocol": 2}, C).error == (426, "version")
    assert desk.ask("/join", join, C).error == (410, "closed")


# ---- join


def test_a_join_says_all_that_a_member_needs() -> None:
    desk = Desk()
    reply = desk.ask("/join", {"role": "sender", "curve": "p256", "channel": "mine"})
    uuid = reply.body.pop("uuid")
    assert reply.body == {
        "protocol": 1, "channel": "mine", "role": "sender", "curve": "p256", "seq": 1,
        "data": [{"kind": "tcp", "port": 9010}, {"kind": "tcp", "port": 9011}],
    }  # fmt: skip
    assert len(bytes.fromhex(uuid)) == 16
    reply = desk.ask("/join", {"role": "recipient", "channel": "mine"}, B)
    assert (reply.body["curve"], reply.body["role"], reply.body["seq"]) == ("p256", "recipient", 2)
    assert reply.body["uuid"] != uuid


def test_names_are_short_fresh_and_without_order() -> None:
    desk = Desk()
    names = [desk.join("sender", A).channel for _ in range(200)]
    assert len(set(names)) == 200
    assert all(len(n) == 4 and set(n) <= set("0123456789abcdefghjkmnpqrstvwxyz") for n in names)
    assert names != sorted(names)
    assert desk.post(desk.join("sender", A)).body["curve"] == "x25519"


def test_seats_and_curves() -> None:
    desk = Desk()
    assert desk.ask("/join", {"role": "recipient", "channel": "a"}).error[1] == "no_such_channel"
    desk.join("sender", A, channel="a")
    taken = {"role": "sender", "channel": "a"}
    assert desk.ask("/join", taken, B).error == (409, "occupied")
    wrong = {"role": "recipient", "channel": "a", "curve": "p256"}
    assert desk.ask("/join", wrong, B).error == (409, "curve")
    desk.join("recipient", A, channel="a", curve="x25519")
    assert desk.ask("/join", wrong, A).error == (409, "occupied")
    assert desk.ask("/join", {"role": "recipient", "channel": "a"}, C).error == (409, "occupied")


def test_a_repeated_join_gets_the_first_reply_and_takes_nothing() -> None:
    desk = Desk(Limits(joins_per_minute=2))
    ask = {"role": "sender", "nonce": NONCE}
    first = desk.ask("/join", ask)
    sender = Person(first.body["channel"], first.body["uuid"], A)
    desk.post(sender, x="xx")
    other = {"role": "recipient", "nonce": NONCE, "channel": sender.channel}
    second = desk.ask("/join", other, B)
    for _ in range(4):
        assert desk.ask("/join", ask).body == first.body
        assert desk.ask("/join", other, B).body == second.body
    assert desk.post(sender).body["seq"] == 3


def test_a_nonce_repeats_nothing_of_another_role_channel_or_address() -> None:
    desk = Desk()
    sender = desk.join("sender", A, nonce=NONCE)
    assert desk.join("sender", B, nonce=NONCE).channel != sender.channel
    named = {"role": "sender", "nonce": NONCE, "channel": sender.channel}
    assert desk.ask("/join", named).error == (409, "occupied")
    second = desk.join("sender", A, nonce=NONCE, channel="named")
    assert desk.join("sender", A, nonce=NONCE) == sender
    desk.join("recipient", A, nonce=NONCE, channel="named")
    desk.post(second, close=True)
    assert desk.join("sender", A, nonce=NONCE) == sender
    desk.post(sender, close=True)
    assert desk.join("sender", A, nonce=NONCE).channel not in (sender.channel, "named")


def test_a_closed_channels_name_is_not_given_out_until_it_is_forgotten() -> None:
    desk = Desk()
    sender = desk.join("sender", A, channel="a")
    desk.post(sender, close=True)
    for role in ("sender", "recipient"):
        reply = desk.ask("/join", {"role": role, "channel": "a"})
        assert reply.error == (410, "closed")
        assert "by" not in reply.body
    desk.pass_time(599)
    assert desk.ask("/join", {"role": "sender", "channel": "a"}).status == 410
    desk.pass_time(1)
    assert desk.ask("/join", {"role": "sender", "channel": "a"}).status == 200


def test_a_token_is_asked_of_senders_alone() -> None:
    desk = Desk(token=Secret("gehö".encode()))
    for body in ({}, {"token": "geho"}, {"token": "gehör"}):
        assert desk.ask("/join", {"role": "sender", **body}).error == (401, "token")
    sender = desk.join("sender", A, token="gehö")
    desk.join("recipient", B, channel=sender.channel)


# ---- posting


def test_values_pass_from_one_to_the_other_and_every_change_counts() -> None:
    desk = Desk()
    sender, recipient = desk.pair("h_k")
    assert desk.post(recipient).body == desk.post(sender).body == {
        "channel": sender.channel, "curve": "x25519", "x": "xx", "y": "yy", "hh_k": "hh",
        "h_k": "kk", "stapled": False, "staplings": {}, "recipient": True, "seq": 5,
    }  # fmt: skip


def test_a_value_can_be_set_to_the_same_again_and_never_to_another() -> None:
    desk = Desk()
    sender, recipient = desk.pair("h_k")
    for person, same, other in (
        (sender, {"x": "xx"}, {"x": "x1"}),
        (sender, {"x": "xx", "curve": "x25519"}, {"x": "x1", "curve": "x25519"}),
        (recipient, {"y": "yy", "hh_k": "hh"}, {"y": "y1", "hh_k": "hh"}),
        (recipient, {"y": "yy", "hh_k": "hh"}, {"y": "yy", "hh_k": "h1"}),
        (sender, {"h_k": "kk"}, {"h_k": "k1"}),
    ):
        assert desk.post(person, **same).body["seq"] == 5
        assert desk.post(person, **other).error == (409, "already_set")
    assert desk.post(sender, x="xx", curve="p256").error == (409, "curve")


def test_nobody_posts_what_is_not_theirs_or_not_yet() -> None:
    turns = {"": "x", "x": "y", "y": "h_k", "h_k": ""}
    acts: dict[str, dict[str, Any]] = {
        "x": {"x": "xx"}, "y": {"y": "yy", "hh_k": "hh"}, "h_k": {"h_k": "kk"}
    }  # fmt: skip
    for done, (field, act) in itertools.product(turns, acts.items()):
        desk = Desk()
        sender, recipient = desk.pair(done)
        owner, other = (recipient, sender) if field == "y" else (sender, recipient)
        assert desk.post(other, **act).error == (409, "out_of_turn")
        early = list(turns).index(field) > list(turns).index(done) + 1
        reply = desk.post(owner, **act)
        assert (reply.error == (409, "out_of_turn")) if early else (reply.status == 200)


# ---- addresses


def test_a_refused_request_takes_no_slot() -> None:
    desk = Desk()
    sender = desk.join("sender", A)
    for body in ({"uuid": "f" * 32}, {"uuid": sender.uuid, "h_k": "kk"}):
        assert desk.ask("/channel", {"channel": sender.channel, **body}, C).status in (403, 409)
    desk.ask("/join", {"role": "sender", "channel": sender.channel}, C)
    recipient = desk.join("recipient", B, channel=sender.channel)
    assert desk.post(recipient, C).error == (403, "channel_full")
    desk.post(sender, x="xx")
    assert desk.post(recipient).status == 200


def test_two_members_behind_one_address_leave_room_for_one_more() -> None:
    desk = Desk()
    sender, recipient = desk.pair("x", recipient_at=A)
    seq = desk.post(recipient).body["seq"]
    assert desk.post(recipient, B).body["seq"] == seq + 1
    assert desk.post(sender, B).body["seq"] == seq + 1
    assert desk.post(sender, C).error == (403, "channel_full")


def test_a_recipient_who_waited_for_x_in_vain_has_not_entered() -> None:
    desk = Desk()
    sender, recipient = desk.pair("", recipient_at=A)
    assert desk.post(recipient, B).error == (404, "no_x_yet")
    held = desk.hold(recipient._replace(address=B), wait=5)
    reply = desk.post(sender, C, x="xx")
    assert reply.status == 200
    assert answers(reply.later)[held][1]["code"] == "channel_full"


# ---- waiting


def test_a_wait_ends_with_the_first_change_after_since() -> None:
    desk = Desk()
    sender = desk.join("sender", A)
    assert desk.post(sender, since=0, wait=25).status == 200
    held = desk.hold(sender, since=1, wait=25)
    reply = desk.ask("/join", {"role": "recipient", "channel": sender.channel}, B)
    status, body = answers(reply.later)[held]
    assert (status, body["seq"], body["recipient"]) == (200, 2, True)


def test_a_wait_without_since_waits_for_any_change_after_its_own() -> None:
    desk = Desk()
    sender, recipient = desk.pair("")
    held = desk.hold(sender, x="xx", wait=25)
    reply = desk.post(recipient, y="yy", hh_k="hh")
    status, body = answers(reply.later)[held]
    assert (status, body["y"], body["seq"]) == (200, "yy", 4)
    assert desk.post(sender, since=4).body["seq"] == 4
    assert desk.post(sender, since=4, wait=0).body["seq"] == 4


def test_a_wait_ends_at_its_time_with_the_same_seq() -> None:
    desk = Desk()
    sender = desk.join("sender", A)
    held = desk.hold(sender, wait=7.5)
    assert desk.relay.deadline() == desk.mono + 7.5
    desk.pass_time(7.4)
    assert desk.handle(Woke()) == ()
    desk.pass_time(0.1)
    status, body = answers(desk.handle(Woke()))[held]
    assert (status, body["seq"]) == (200, 1)


def test_a_recipient_waits_for_x_and_for_nothing_else() -> None:
    desk = Desk()
    sender, recipient = desk.pair("", recipient_at=A)
    held = desk.hold(recipient, since=0, wait=25)
    assert desk.post(sender, B).body["seq"] == 3
    assert held in desk.relay._book.asks
    assert answers(desk.post(sender, x="xx").later)[held][1]["x"] == "xx"
    late = Desk()
    sender, recipient = late.pair("")
    held = late.hold(recipient, wait=1)
    late.pass_time(1)
    assert answers(late.handle(Woke()))[held][1]["code"] == "no_x_yet"
    held = late.hold(recipient, wait=1)
    reply = late.post(sender, close=True)
    assert answers(reply.later)[held] == (410, {
        "code": "closed", "message": "the channel is closed", "by": "sender"
    })  # fmt: skip


def test_a_newer_wait_releases_the_older() -> None:
    desk = Desk()
    sender, recipient = desk.pair("")
    for person, status in ((sender, 200), (recipient, 404)):
        body = {"channel": person.channel, "uuid": person.uuid, "wait": 25}
        first = desk.hold(person, wait=25)
        event = Asked(90 + first, "POST", "/channel", json.dumps(body).encode(), person.address)
        found = answers(desk.handle(event))
        assert {ask: answer[0] for ask, answer in found.items()} == {first: status}
    assert len(desk.relay._book.asks) == len(desk.relay._book.locals[sender.channel].waiters) == 2


def test_a_wait_dies_with_its_asker() -> None:
    desk = Desk()
    sender = desk.join("sender", A)
    held = desk.hold(sender, wait=25)
    assert desk.handle(AskerLeft(held)) == ()
    assert desk.handle(AskerLeft(held)) == ()
    assert desk.post(sender, x="xx").later == ()
    assert not desk.relay._book.asks


def test_one_request_number_cannot_be_held_twice() -> None:
    desk = Desk()
    sender = desk.join("sender", A)
    held = desk.hold(sender, wait=25)
    desk.number = held - 1
    with pytest.raises(LocalProtocolError):
        desk.post(sender, x="xx")
    desk.number = held
    assert desk.post(sender).body["x"] is None


# ---- the end


def test_close_frees_everything_and_tells_members_alone() -> None:
    desk = Desk()
    sender, recipient = desk.pair("h_k")
    held = desk.hold(sender, wait=25)
    reply = desk.post(recipient, close=True, reason="wrong_code")
    gone = {"code": "closed", "message": "the channel is closed", "by": "recipient",
            "reason": "wrong_code"}  # fmt: skip
    assert answers(reply.later) == {held: (410, gone)}
    assert (reply.status, reply.body["seq"]) == (200, 6)
    assert [reply.body[f] for f in ("x", "y", "hh_k", "h_k")] == [None] * 4
    acts: list[dict[str, Any]] = [{}, {"x": "xx"}, {"wait": 25}]
    for person, act in itertools.product((sender, recipient), acts):
        assert desk.post(person, C, **act).body == gone
    stranger = Person(sender.channel, "f" * 32, A)
    assert desk.post(stranger).body == {"code": "closed", "message": "the channel is closed"}
    assert desk.post(stranger, close=True).error == (410, "closed")
    assert desk.post(sender, C, close=True, reason="done", wait=9).body == reply.body
    channel = desk.relay._book.channels[sender.channel]
    assert isinstance(channel, Closed)
    assert channel.reason == "wrong_code"


def test_an_idle_channel_expires_and_a_request_keeps_it() -> None:
    desk = Desk(Limits(idle_timeout=10))
    sender, recipient = desk.pair("x")
    desk.pass_time(9)
    desk.post(sender)
    desk.post(Person(sender.channel, "f" * 32, A))
    desk.pass_time(9)
    assert desk.post(recipient).status == 200
    desk.pass_time(9)
    desk.post(Person(sender.channel, "f" * 32, A))
    desk.pass_time(1)
    reply = desk.post(recipient)
    assert reply.error == (410, "closed")
    assert (reply.body["by"], reply.body["reason"]) == ("relay", "expired")


def test_somebody_who_waits_keeps_a_channel() -> None:
    desk = Desk(Limits(idle_timeout=10))
    sender = desk.join("sender", A)
    desk.hold(sender, wait=25)
    desk.pass_time(24)
    assert desk.handle(Woke()) == ()
    desk.pass_time(1)
    desk.handle(Woke())
    desk.pass_time(9)
    assert desk.post(sender).status == 200


def test_a_channel_lives_for_its_time_and_wakes_the_relay_at_the_end() -> None:
    desk = Desk(Limits(channel_ttl=100, idle_timeout=1000))
    sender = desk.join("sender", A)
    held = desk.hold(sender, wait=25)
    desk.mono += 5
    desk.unix_ms += 99_999
    assert desk.handle(Woke()) == ()
    assert desk.relay.deadline() == pytest.approx(desk.mono + 0.001)
    desk.unix_ms += 1
    assert answers(desk.handle(Woke()))[held][1]["reason"] == "expired"


def test_a_clock_that_is_set_back_revives_nothing() -> None:
    desk = Desk(Limits(channel_ttl=100))
    one, two = desk.join("sender", A), desk.join("sender", A)
    desk.unix_ms += 100_000
    assert desk.post(one).status == 410
    desk.unix_ms -= 10**12
    assert desk.post(one).status == 410
    assert desk.post(two).status == 410
    assert desk.relay.deadline() is not None


# ---- limits


def test_joins_are_limited_for_each_address() -> None:
    desk = Desk(Limits(joins_per_minute=3))
    for _ in range(3):
        assert desk.ask("/join", {"role": "recipient", "channel": "none"}).status == 404
    reply = desk.ask("/join", {"role": "sender"})
    assert (*reply.error, reply.retry_after) == (429, "too_many", 20)
    assert desk.ask("/join", {"role": "sender"}, B).status == 200
    desk.pass_time(20)
    assert desk.ask("/join", {"role": "sender"}).status == 200


def test_open_channels_are_limited_for_each_address_and_in_all() -> None:
    desk = Desk(Limits(max_per_address=2, max_channels=3))
    first = desk.join("sender", A)
    desk.join("sender", A)
    reply = desk.ask("/join", {"role": "sender"})
    assert (*reply.error, reply.retry_after) == (429, "too_many", 60)
    desk.join("sender", B)
    assert desk.ask("/join", {"role": "sender"}, C).error == (503, "busy")
    assert desk.ask("/join", {"role": "sender", "channel": "mine"}, C).error == (503, "busy")
    desk.post(first, close=True)
    assert desk.ask("/join", {"role": "sender"}).status == 200


def test_hundreds_of_transfers_in_a_row_from_one_address_are_no_trouble() -> None:
    desk = Desk()
    for _ in range(500):
        sender, recipient = desk.pair("h_k", recipient_at=A)
        assert desk.post(recipient, close=True, reason="done").status == 200
        assert desk.post(sender).status == 410


def test_tombstones_are_capped_and_the_oldest_goes_first() -> None:
    desk = Desk(Limits(max_tombstones=2))
    people = [desk.join("sender", A) for _ in range(3)]
    for person in people:
        desk.post(person, close=True)
    assert [desk.post(p).status for p in people] == [404, 410, 410]
    assert len(desk.relay._timers) == 2


def test_unknown_channels_leave_memory_flat() -> None:
    desk = Desk(Limits(joins_per_minute=10**6))
    desk.join("sender", B)
    desk.ask("/join", {"role": "recipient", "channel": "none"})
    book = desk.relay._book

    def sizes() -> list[int]:
        held = [v for v in vars(book).values() if hasattr(v, "__len__")]
        return [len(v) for v in (*held, desk.relay._timers, desk.relay._rate)]

    before = sizes()
    for number in range(300):
        name = f"none{number}"
        desk.ask("/join", {"role": "recipient", "channel": name, "nonce": f"{number:032x}"})
        desk.ask("/channel", {"channel": name, "uuid": "f" * 32, "wait": 25})
        desk.link(number, Person(name, "f" * 32, A))
    assert sizes() == before
    assert len(desk.relay._timers._heap) < 100


def test_chance_that_repeats_itself_ends_in_busy_not_in_a_loop() -> None:
    desk = Desk(entropy=bytes)
    replies = [desk.ask("/join", {"role": "sender"}) for _ in range(30)]
    assert [r.status for r in replies] == [200] * 29 + [503]
    assert [len(r.body["channel"]) for r in replies[:29]] == list(range(4, 33))


# ---- a store that outlives the relay


def test_a_relay_takes_over_the_channels_of_an_earlier_one() -> None:
    store: dict[str, Channel] = {}
    desk = Desk(Limits(idle_timeout=10), channels=store)
    sender = desk.join("sender", A, nonce=NONCE)
    closed = desk.join("sender", B)
    desk.post(sender, x="xx")
    desk.post(closed, close=True, reason="failed")
    after = Desk(Limits(idle_timeout=10, max_per_address=1), channels=store)
    assert after.post(sender).body["x"] == "xx"
    assert after.join("sender", A, nonce=NONCE) == sender
    assert after.ask("/join", {"role": "sender"}).status == 429
    assert after.post(closed).body["reason"] == "failed"
    after.pass_time(10)
    assert after.post(sender).body["reason"] == "expired"
    after.pass_time(600)
    assert after.handle(Woke()) == ()
    assert store == {}
    assert after.relay.deadline() is None


def test_a_relay_is_never_finished_and_learns_its_ports_late() -> None:
    desk = Desk()
    desk.relay.data_ports = (5,)
    reply = desk.ask("/join", {"role": "sender"})
    assert reply.body["data"] == [{"kind": "tcp", "port": 5}]
    assert desk.relay.data_ports == (5,)
    assert desk.relay.finished is False
    assert Limits.embedded().max_pending_links == 8
