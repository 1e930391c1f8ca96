"""A channel as a value: its table, its judgements, and what never changes in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from croc_core.channel import (
    TABLE,
    AddressEntered,
    Answered,
    Channel,
    Closed,
    Event,
    Expired,
    Member,
    MemberClosed,
    OfferedAlone,
    OfferedPaired,
    OpenedAlone,
    OpenedPaired,
    PairStapled,
    ProofPosted,
    Proven,
    RecipientJoined,
    Stapled,
    XPosted,
    YPosted,
    open_channel,
    role_of,
    step,
    view,
)
from croc_core.errors import LocalProtocolError
from croc_core.judge import (
    GONE,
    NO_X_YET,
    NOT_YOURS,
    OUT_OF_TURN,
    Allowed,
    Refused,
    judge_join,
    judge_link,
    judge_update,
)
from croc_core.values import Reason, Role
from croc_core.wire import Action, Close, Look, PutProof, PutX, PutY

S, R = "5" * 32, "e" * 32
START = open_channel("abcd", "x25519", Member(S, None, False, "1.1.1.1", 1), 1000)
EVENTS: tuple[Event, ...] = (
    RecipientJoined(R, "n" * 32, "2.2.2.2"),
    AddressEntered("2.2.2.2"),
    XPosted("xx"),
    YPosted("yy", "hh"),
    ProofPosted("kk"),
    PairStapled(9010),
    MemberClosed(Role.RECIPIENT, Reason.DONE, 2000),
    Expired(3000),
)
STATES = (
    OpenedAlone, OpenedPaired, OfferedAlone, OfferedPaired, Answered, Proven, Stapled, Closed
)  # fmt: skip
LIFE = (EVENTS[0], *EVENTS[2:6])
VALUES = ("x", "y", "hh_k", "h_k")


def reach(depth: int = 7) -> Iterator[tuple[Channel, Event, Channel]]:
    """Every step from every channel within *depth* events, by breadth."""
    level: set[Channel] = {START}
    seen: set[Channel] = {START}
    for _ in range(depth):
        following: set[Channel] = set()
        for channel, event in itertools.product(level, EVENTS):
            if TABLE.row(type(channel), type(event)):
                after = step(channel, event)
                following.add(after)
                yield channel, event, after
        level = following - seen
        seen |= level


def test_every_cell_has_a_row_or_is_refused_with_nothing_changed() -> None:
    examples: dict[type, Channel] = {type(START): START}
    for _, _, after in reach():
        examples.setdefault(type(after), after)
    assert set(examples) == set(STATES) == set(TABLE.states)
    assert {type(e) for e in EVENTS} == set(TABLE.events)
    for state, event in itertools.product(STATES, EVENTS):
        channel = examples[state]
        before = msgspec.json.encode(channel)
        found = TABLE.row(state, type(event))
        if found is None:
            with pytest.raises(LocalProtocolError, match=type(event).__name__):
                step(channel, event)
        else:
            assert type(step(channel, event)) is found.target
        assert msgspec.json.encode(channel) == before


def test_every_state_is_reached_and_each_can_end() -> None:
    for state in TABLE.states:
        seen, level = set(), {state}
        while level:
            seen |= level
            level = {r.target for r in TABLE.rows if r.source in level} - seen
        assert Closed in seen
    assert not [r for r in TABLE.rows if r.source is Closed]
    assert TABLE.final == {Closed}


def test_no_row_sets_a_value_and_keeps_its_state_nor_sets_one_anew() -> None:
    for before, event, after in reach():
        assert after.seq == before.seq + 1
        assert (after.name, after.curve) == (before.name, before.curve)
        if isinstance(after, Closed):
            assert not any(hasattr(after, f) for f in (*VALUES, "addresses", "sender"))
            assert after.staplings == getattr(before, "staplings", ())
            continue
        for field in VALUES:
            if hasattr(before, field):
                assert getattr(after, field) == getattr(before, field)
            elif hasattr(after, field):
                assert type(after) is not type(before)
                assert getattr(after, field) == getattr(event, field)
        assert view(after).stapled >= view(before).stapled
        assert set(getattr(before, "addresses", ())) <= set(after.addresses)


def test_the_events_leave_exactly_their_mark() -> None:
    channel: Channel = START
    for event in LIFE:
        channel = step(channel, event)
    channel = step(channel, EVENTS[5])
    channel = step(step(channel, PairStapled(22)), AddressEntered("1.1.1.1"))
    assert channel == Stapled(
        name="abcd", curve="x25519", seq=9, opened_ms=1000, addresses=("1.1.1.1", "2.2.2.2"),
        sender=Member(S, None, False, "1.1.1.1", 1),
        recipient=Member(R, "n" * 32, True, "2.2.2.2", 2),
        x="xx", y="yy", hh_k="hh", h_k="kk", staplings=((22, 1), (9010, 2)),
    )  # fmt: skip
    assert view(channel).staplings == {"22": 1, "9010": 2}
    assert step(channel, EVENTS[6]) == Closed(
        name="abcd", curve="x25519", seq=10, sender_uuid=S, recipient_uuid=R,
        staplings=((22, 1), (9010, 2)), by="recipient", reason="done", closed_ms=2000,
    )  # fmt: skip
    alone = step(START, EVENTS[7])
    assert isinstance(alone, Closed)
    assert (alone.by, alone.reason, alone.closed_ms, alone.recipient_uuid) == (
        "relay", "expired", 3000, None
    )  # fmt: skip
    assert view(alone).recipient is False
    assert view(step(channel, EVENTS[6])).recipient is True


def test_every_channel_travels_as_json_and_is_hashable_and_keeps_its_secrets() -> None:
    for _, _, channel in reach():
        data = msgspec.json.encode(channel)
        again = msgspec.json.decode(data, type=Channel)
        assert again == channel
        assert hash(again) == hash(channel)
        assert S not in repr(channel)
        assert "abcd" in repr(channel)
    assert S not in repr(START.sender)
    with pytest.raises(AttributeError):
        START.seq = 2  # type: ignore[misc]


# ---- judgements

ACTIONS: tuple[Action, ...] = (
    Look(), PutX("xx"), PutX("x1", "x25519"), PutX("xx", "p256"), PutY("yy", "hh"),
    PutY("yy", "h1"), PutProof("kk"), PutProof("k1"), Close(), Close(Reason.FAILED),
)  # fmt: skip


@given(
    st.lists(st.sampled_from(EVENTS), max_size=9),
    st.sampled_from([S, R, "f" * 32]),
    st.sampled_from(["1.1.1.1", "2.2.2.2", "3.3.3.3"]),
    st.sampled_from(ACTIONS),
)
def test_what_is_allowed_can_happen(
    events: list[Event], uuid: str, address: str, action: Action
) -> None:
    """No judgement lets through what the table does not have, or a third address."""
    channel: Channel = START
    for event in events:
        if TABLE.row(type(channel), type(event)):
            channel = step(channel, event)
    for verdict in (
        judge_update(channel, uuid, address, action, 5),
        judge_link(channel, uuid, address),
    ):
        if isinstance(verdict, Refused):
            assert 400 <= verdict.status < 500
            continue
        assert verdict.role is role_of(channel, uuid)
        after = channel
        for event in verdict.events:
            after = step(after, event)
        assert len(getattr(after, "addresses", ())) <= 2
        assert isinstance(after, Closed) or address in after.addresses


def test_who_was_a_member_learns_how_it_ended_and_may_close_again() -> None:
    channel: Channel = step(step(START, EVENTS[0]), EVENTS[6])
    told = GONE._replace(by="recipient", reason="done")
    for uuid, role in ((S, Role.SENDER), (R, Role.RECIPIENT)):
        assert judge_update(channel, uuid, "9.9.9.9", Look(), 5) == told
        assert judge_update(channel, uuid, "9.9.9.9", Close(), 5) == Allowed(role, ())
    for action in ACTIONS:
        assert judge_update(channel, "f" * 32, "1.1.1.1", action, 5) == GONE
    alone = step(START, EVENTS[7])
    assert role_of(alone, "") is None
    assert judge_join(alone, Role.SENDER, None, "1.1.1.1") == GONE


def test_an_empty_seat_is_nobodys() -> None:
    assert role_of(START, S) is Role.SENDER
    assert role_of(START, R) is role_of(START, "") is None
    assert judge_update(START, R, "1.1.1.1", Look(), 5) == NOT_YOURS
    assert role_of(step(START, EVENTS[0]), R) is Role.RECIPIENT


def test_events_of_what_is_allowed() -> None:
    channel: Channel = START
    entered = AddressEntered("2.2.2.2")
    for uuid, action, event in (
        (S, PutX("xx"), XPosted("xx")),
        (R, PutY("yy", "hh"), YPosted("yy", "hh")),
        (S, PutProof("kk"), ProofPosted("kk")),
    ):
        if uuid == R:
            channel = step(channel, RecipientJoined(R, None, "1.1.1.1"))
        role = Role.SENDER if uuid == S else Role.RECIPIENT
        verdict = judge_update(channel, uuid, "2.2.2.2", action, 5)
        assert verdict == Allowed(role, (entered, event))
        channel = step(channel, event)
        assert judge_update(channel, uuid, "1.1.1.1", action, 5) == Allowed(role, ())
    closing = judge_update(channel, R, "1.1.1.1", Close(Reason.DECLINED), 77)
    ends: tuple[Any, ...] = (MemberClosed(Role.RECIPIENT, Reason.DECLINED, 77),)
    assert closing == Allowed(Role.RECIPIENT, ends)
    assert judge_link(channel, S, "2.2.2.2") == Allowed(Role.SENDER, (entered,))
    early = step(START, EVENTS[0])
    assert judge_link(early, S, "1.1.1.1") == OUT_OF_TURN
    assert judge_update(early, R, "2.2.2.2", Look(), 5) == NO_X_YET
