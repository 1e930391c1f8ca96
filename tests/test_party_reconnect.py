"""Lost connections in whole runs: redial, rejoin, and what ends them all the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from croc_core import party_io as p
from croc_core.errors import Code
from croc_core.events import Waiting
from croc_core.messages import Continue
from croc_core.relay_io import LinkLost
from tests.party_help import PATIENCE, World, failure_of, fair, met, when
from tests.test_seed_steps import whole

LINKED_S = (
    "Identifying", "AwaitingStaple", "Greeting", "Offering", "AwaitingAccept", "Sending",
)  # fmt: skip
LINKED_R = (
    "Identifying", "Greeting", "AwaitingOpen", "AwaitingOffer", "HearingOffer", "Judging",
    "Deciding", "Receiving",
)  # fmt: skip
LINKED = [("sender", s) for s in LINKED_S] + [("recipient", s) for s in LINKED_R]


def times(world: World, role: str, state: str) -> int:
    return world.parties[role].machine.path.count(state)


def spoken(world: World, role: str, kind: type) -> list[p.Speak]:
    speaks = world.parties[role].machine.did(p.Speak)
    return [speak for speak in speaks if isinstance(speak.message, kind)]


@pytest.mark.parametrize(("role", "state"), LINKED)
def test_REDIAL_1_a_cut_in_any_state_is_borne(role: str, state: str) -> None:
    world = met()
    when(world, role, state, world.cut)
    world.run()
    whole(world)
    for who in world.parties:
        path = world.parties[who].machine.path
        assert not {"Reopening", "Rejoining"} & set(path), path


@pytest.mark.parametrize(("role", "state"), LINKED)
def test_REJOIN_1_a_restarted_relay_in_any_state_is_borne(role: str, state: str) -> None:
    world = met()
    when(world, role, state, world.restart)
    world.run()
    whole(world)
    assert times(world, "sender", "Reopening")
    assert times(world, "recipient", "Rejoining")


def met_late(**options: Any) -> World:
    """As `met`; the recipient hears of H(k), and dials, half a second after the sender."""
    world = met(**options)
    proofs = itertools.count()

    def lose_the_first(role: str, _: int, __: p.Post) -> str | None:
        asks = role == "recipient" and type(world.recipient.machine.state).__name__
        return "lost" if asks == "AwaitingProof" and not next(proofs) else None

    world.fault = lose_the_first
    return world


def drop_dial(world: World, *, noticed: bool) -> None:
    """The relay loses the sender's data connection; the sender is told, or is not."""
    for end in world.sender.ends.values():
        world.to_relay(LinkLost(end.link))
        if noticed:
            end.broken("connection reset")


@pytest.mark.parametrize("noticed", [True, False])
def test_a_first_dial_that_is_lost_unread_is_dialled_anew(noticed: bool) -> None:
    """Nobody reads while the staple is awaited, so a loss may show by nothing but the time."""
    world = met_late()
    when(world, "sender", "AwaitingStaple", lambda: drop_dial(world, noticed=noticed))
    world.run()
    whole(world)
    assert times(world, "sender", "AwaitingStaple") == 2
    assert times(world, "sender", "AskingWhy") == noticed
    assert times(world, "sender", "Reopening") == (not noticed)


def test_without_reconnect_a_first_dial_that_is_lost_unread_is_a_timeout() -> None:
    world = met_late(patience=PATIENCE._replace(reconnect=0.0))
    when(world, "sender", "AwaitingStaple", lambda: drop_dial(world, noticed=True))
    world.run()
    fair(world)
    assert failure_of(world.sender).code in (Code.TIMEOUT, Code.PEER_LEFT)
    assert times(world, "sender", "AskingWhy") == 0


@pytest.mark.parametrize("state", ["Identifying", "AwaitingStaple"])
def test_REJOIN_1_another_address_before_the_first_staple_is_borne(state: str) -> None:
    world = met_late()
    desk = world.sender.desk

    def roam() -> None:
        desk.ends = replace(desk.ends, local="10.0.0.7")
        desk._address = "10.0.0.7"
        drop_dial(world, noticed=True)

    when(world, "sender", state, roam)
    world.run()
    whole(world)
    assert times(world, "sender", "Reopening") == 1
    assert times(world, "recipient", "Rejoining") == 1


def test_REDIAL_2_new_hellos_and_new_keys() -> None:
    world = met()
    when(world, "sender", "AwaitingReceipt", world.cut)
    when(world, "recipient", "Receiving", world.cut)
    world.run()
    whole(world)
    for role in world.parties:
        hellos = [greet.hello for greet in world.parties[role].machine.did(p.Greet)]
        assert len(hellos) == len(set(hellos)) >= 2


def test_REDIAL_3_5_6_an_accepted_offer_goes_on_and_only_what_lacks_is_sent() -> None:
    world = met()
    when(world, "sender", "AwaitingReceipt", world.cut)
    world.run()
    whole(world)
    tid = world.recipient.machine.did(p.SendWant)[0].tid
    assert [said.message for said in spoken(world, "sender", Continue)] == [Continue(tid)]
    assert len(world.sender.machine.did(p.SendOffer)) == 1
    wants = [n.want for n in world.sender.machine.did(p.Narrow)]
    assert wants
    assert all(want.tid == tid for want in wants)
    assert len(world.sink.wants) == 1


@pytest.mark.parametrize("state", ["Offering", "AwaitingAccept"])
def test_REDIAL_3_without_an_accept_there_is_a_new_offer(state: str) -> None:
    world = met()
    when(world, "sender", state, world.cut)
    world.run()
    whole(world)
    first, second = [offer.tid for offer in world.sender.machine.did(p.SendOffer)]
    assert first != second
    assert not spoken(world, "sender", Continue)
    assert world.sink.offers >= 1


def test_the_person_hears_that_the_connection_is_to_come_back_once() -> None:
    world = met()
    for state in ("AwaitingAccept", "Sending", "AwaitingReceipt"):
        when(world, "sender", state, world.cut)
    world.run()
    whole(world)
    told = [event.what for event in world.sender.shown(Waiting)]
    assert told.count("the connection to come back") >= 1
    assert "the other side to go on" in told


@pytest.mark.parametrize("role", ["sender", "recipient"])
@pytest.mark.parametrize("again", [0.0, 120.0])
def test_a_peer_that_never_comes_back_ends_it_in_time(role: str, again: float) -> None:
    world = met(patience=PATIENCE._replace(reconnect=again))
    other = "recipient" if role == "sender" else "sender"
    when(world, other, "Sending" if other == "sender" else "Receiving", lambda: world.vanish(other))
    lost: list[float] = []
    when(world, role, "AskingWhy", lambda: lost.append(world.now))
    world.run()
    fair(world)
    failure = failure_of(world.parties[role])
    assert failure.code in (Code.PEER_LEFT, Code.TIMEOUT, Code.UNCONFIRMED)
    assert world.now - lost[0] < again + 10
    assert ("120 seconds" in failure.message) is (again > 0)


def test_END_7_behind_the_last_piece_it_is_unconfirmed_whatever_is_said() -> None:
    world = met()
    when(world, "recipient", "Finishing", world.cut)
    world.run()
    fair(world)
    assert world.recipient.node.failure is None
    assert failure_of(world.sender).code is Code.UNCONFIRMED
    assert times(world, "sender", "AskingWhy") == 1


def test_a_full_relay_is_asked_again_until_it_has_room() -> None:
    world = met()
    left = iter(range(3))

    def full(state: type, event: p.Input) -> p.Input:
        if isinstance(event, p.Identified) and next(left, None) is not None:
            return p.Identified(0, b"ERR 503 busy\n")
        return event

    world.sender.machine.change = full
    world.run()
    whole(world)
    assert times(world, "sender", "AskingWhy") == 3
    asked = [post.after for post in world.sender.desk.posts if post.after == 2.0]
    assert len(asked) == 3
