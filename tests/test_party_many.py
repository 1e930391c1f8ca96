"""Several connections, resume and the verifier in whole runs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from backends import _io as io
from croc_core import party_io as p
from croc_core.errors import Code, Party
from croc_core.events import Verifier
from croc_core.handshake import CapsOffer, Policy
from croc_core.messages import Accept, Digests, Want
from croc_core.resume import BLOCK
from tests.memory_files import MemorySink, file, stream
from tests.party_help import ITEMS, PATIENCE, World, failure_of, fair, met, when
from tests.test_party_reconnect import spoken, times
from tests.test_seed_steps import whole

BIG = (
    *ITEMS, file("big", b"0123456789abcdef" * (1 << 20)), stream("s", b"y" * 5000),
)  # fmt: skip


def several(sends: int = 3, takes: int = 3, **more: Any) -> World:
    """A run whose parties would like so many data connections."""
    return met(streams=sends, takes={"streams": takes}, **more)


# ---- several connections


@pytest.mark.parametrize(
    ("sends", "takes", "count"),
    [(3, 3, 4), (2, 3, 3), (3, 2, 3), (1, 3, 1), (3, 1, 1), (15, 15, 4)],
)
def test_MANY_1_as_many_connections_as_both_want(sends: int, takes: int, count: int) -> None:
    world = several(sends, takes, items=BIG)
    world.run()
    whole(world)
    for role in world.parties:
        machine = world.parties[role].machine
        dials = [dial.connection for dial in machine.did(p.Dial)]
        own = count if role == "sender" else max(1, min(takes + 1, 4) if takes > 1 else 1)
        assert dials == list(range(own))
    sent = [send.connection for send in world.sender.machine.did(p.SendPieces)]
    assert sorted(sent) == (list(range(1, count)) if count > 1 else [0])
    assert [end.connection for end in world.sender.machine.did(p.EndRecords)] == sorted(
        n for n in sent if n
    )
    (accept,) = spoken(world, "recipient", Accept)
    assert accept.message.connections == max(dials) + 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(("more", "count"), [(0, 4), (1, 1)])
def test_few_bytes_and_what_has_no_size_come_over_one_connection(more: int, count: int) -> None:
    size = sum(len(item.data) for item in ITEMS)
    for items, expected in ((ITEMS, count), ((stream("s", b"y" * 5000),), 1)):
        world = met(streams=3, takes={"streams": 3, "many_from": size + more}, items=items)
        world.run()
        whole(world)
        (accept,) = spoken(world, "recipient", Accept)
        assert accept.message.connections == expected  # type: ignore[attr-defined]


def test_MANY_4_7_keys_of_their_own_and_a_loss_is_a_loss_of_all() -> None:
    world = several(items=BIG)
    world.run()
    keys = [s.seal for s in world.sender.machine.did(p.Secure)]
    tid = world.sender.machine.did(p.SendOffer)[0].tid
    assert [(k.connection, k.transfer) for k in keys] == [
        (0, b""), *((i, tid) for i in (1, 2, 3))
    ]  # fmt: skip

    world = several(items=BIG)
    left = [1]

    def lose(state: type[Any], event: p.Input) -> p.Input:
        if isinstance(event, p.Greeted) and event.connection == 2 and left:
            left.pop()
            return p.LinkEnded(2, "reset")
        return event

    world.recipient.machine.change = lose
    world.run()
    whole(world)
    lost = next(s for s in world.recipient.machine.seen if s.after.__name__ == "AskingWhy")
    hung = [e.connection for e in lost.effects if isinstance(e, p.Hang)]
    assert hung == [0, 1, 2, 3]
    assert times(world, "sender", "AskingWhy") == 1


@pytest.mark.parametrize("status", [b"ERR 503 busy\n", b"ERR 429 too_many\n"])
def test_the_sender_does_with_fewer(status: bytes) -> None:
    world = several(items=BIG)
    lines = iter(range(9))

    def refuse(state: type[Any], event: p.Input) -> p.Input:
        if isinstance(event, p.Identified) and event.connection == 2:
            return p.Identified(2, status)
        return event

    def spoil(role: str, data: bytes) -> bytes:
        third = role == "sender" and data.startswith(b"CROC/1 ") and next(lines) == 2
        return data.replace(b"CROC/1", b"CROC?1") if third else data

    world.meddle = spoil
    world.sender.machine.change = refuse
    world.run()
    whole(world)
    assert p.Hang(2) in world.sender.machine.did(p.Hang)
    assert "Counting" in world.recipient.machine.path
    assert not times(world, "sender", "AskingWhy")
    sent = [send.connection for send in world.sender.machine.did(p.SendPieces)]
    assert sorted(sent) == [1, 3]


def test_MANY_6_the_answer_to_the_count_may_be_lost() -> None:
    world = several(2, 3, items=BIG)
    when(world, "recipient", "Counting", lambda: setattr(
        world, "fault", lambda role, n, post: "lost" if role == "recipient" and not post.after
        and b"close" not in post.body else None
    ))  # fmt: skip
    world.run()
    whole(world)
    assert any(post.after == 0.5 for post in world.recipient.desk.posts)


@pytest.mark.parametrize("state", ["Receiving", "Counting", "Gathering"])
def test_REDIAL_7_a_cut_covers_all_connections(state: str) -> None:
    world = several(2, 3, items=BIG)
    when(world, "recipient", state, world.cut)
    world.run()
    fair(world)
    if "Gathering" in world.recipient.machine.path or state != "Gathering":
        assert world.recipient.node.failure is None


def test_a_restarted_relay_in_the_middle_of_several_connections() -> None:
    world = several(items=BIG)
    when(world, "recipient", "Receiving", lambda: world.at(0.004, world.restart))
    world.run()
    whole(world)
    assert times(world, "sender", "Reopening")


# ---- resume


def kept(*items: Any, spoil: int | None = None) -> MemorySink:
    """A sink that holds the first bytes of *items* from an earlier run."""
    sink = MemorySink()
    for item, length in items:
        data = bytearray(item.data[:length])
        if spoil is not None:
            data[spoil] ^= 1
        sink.kept[item.entry.path, item.entry.size] = bytes(data)
    return sink


def test_RESUME_3_what_is_held_is_not_sent_again() -> None:
    big = file("big", bytes(range(256)) * (3 * BLOCK // 256) + b"tail")
    small = file("small", b"x" * 3000)
    for spoil, lacks in ((None, 4), (BLOCK + 7, 4 + BLOCK)):
        sink = kept((big, 3 * BLOCK), spoil=spoil)
        sink.kept[small.entry.path, small.entry.size] = b"x" * 2000
        world = met(items=(*ITEMS, big, small), sink=sink)
        world.run()
        whole(world)
        (want,) = sink.wants
        lacking = {s.entry: 0 for s in want}
        for s in want:
            lacking[s.entry] += s.length
        assert lacking == {0: 5, 1: 10, 2: 3000, 3: lacks, 4: 1000}
        (said,) = [a.message for a in spoken(world, "recipient", Accept) if a.message.held]  # type: ignore[attr-defined]
        assert [(h.entry, h.length) for h in said.held] == [(3, 3 * BLOCK), (4, 2000)]  # type: ignore[attr-defined]
        assert "Comparing" in world.recipient.machine.path
        assert not spoken(world, "recipient", Digests)
        keys = {c.key for c in world.recipient.machine.did(p.Compare)}
        assert keys == {d.key for d in world.sender.machine.did(p.SendDigests)}


@pytest.mark.parametrize(
    "state", ["Digesting", "AwaitingWant", "AwaitingDigests", "Comparing", "Wanting"]
)
@pytest.mark.parametrize("how", ["cut", "restart"])
def test_a_loss_while_the_digests_pass(state: str, how: str) -> None:
    big = file("big", bytes(range(256)) * (3 * BLOCK // 256))
    world = met(items=(big, *ITEMS), sink=kept((big, 2 * BLOCK)))
    role = "sender" if state in ("Digesting", "AwaitingWant") else "recipient"
    when(world, role, state, getattr(world, how))
    world.run()
    whole(world)


def test_RESUME_2_digests_out_of_order_are_no_digests() -> None:
    big = file("big", bytes(range(256)) * (3 * BLOCK // 256))

    def wrong(change: dict[str, Any]) -> World:
        world = met(items=(big,), sink=kept((big, 2 * BLOCK)))

        def meddle(state: type[Any], event: p.Input) -> p.Input:
            match event:
                case p.Heard(number, Digests(tid, entry, block, digests), last):
                    said = structs.replace(Digests(tid, entry, block, digests), **change)
                    return p.Heard(number, said, last)
            return event

        world.recipient.machine.change = meddle
        return world.run()

    for change in (
        {"tid": bytes(16)}, {"entry": 1}, {"block": 1}, {"digests": ()},
        {"digests": (bytes(32),) * 3},
    ):  # fmt: skip
        failure = failure_of(wrong(change).recipient)
        assert (failure.code, failure.party) == (Code.PROTOCOL_ERROR, Party.PEER), change


# ---- the verifier


def verifying(sends: bool, takes: bool, **more: Any) -> World:
    policy = Policy(verify=takes)
    return met(caps=CapsOffer(verify=sends), takes={"policy": policy}, **more)


def answers(world: World, role: str, agree: bool, states: set[str]) -> None:
    """The person of *role* compares the words as soon as it is in one of *states*."""
    for state in states:
        when(world, role, state, lambda: world.to_party(role, io.Told(p.ComparedWords(agree))))


@pytest.mark.parametrize(("sends", "takes"), [(True, False), (False, True), (True, True)])
def test_VERIFY_3_4_both_show_the_same_words_and_nothing_goes_before(
    sends: bool, takes: bool
) -> None:
    world = verifying(sends, takes)
    answers(world, "sender", True, {"Verifying"})
    answers(world, "recipient", True, {"Verifying"})
    world.run()
    whole(world)
    one, two = (world.parties[role].shown(Verifier) for role in ("sender", "recipient"))
    assert [v.words for v in one] == [v.words for v in two]
    assert len(one) == 1
    assert len(one[0].words.split()) == 4
    assert ([v.ask for v in one], [v.ask for v in two]) == ([sends], [takes])
    assert ("Verifying" in world.sender.machine.path) is sends
    assert ("Verifying" in world.recipient.machine.path) is takes


@pytest.mark.parametrize("state", ["AwaitingOffer", "HearingOffer", "Judging"])
def test_the_person_may_be_faster_than_the_offer(state: str) -> None:
    world = verifying(False, True)
    answers(world, "recipient", True, {state})
    world.run()
    whole(world)


@pytest.mark.parametrize("state", ["AwaitingOffer", "HearingOffer", "Judging", "Verifying"])
@pytest.mark.parametrize("role", ["sender", "recipient"])
def test_words_that_differ_end_it(role: str, state: str) -> None:
    world = verifying(role == "sender", role == "recipient")
    answers(world, role, False, {"Verifying" if role == "sender" else state})
    world.run()
    fair(world)
    failure = failure_of(world.parties[role])
    assert (failure.code, failure.party) == (Code.PROTOCOL_ERROR, Party.PEER)
    assert "differ" in failure.message
    other = failure_of(world.parties["recipient" if role == "sender" else "sender"])
    assert other.code is Code.PEER_LEFT


@pytest.mark.parametrize("how", ["cut", "restart"])
@pytest.mark.parametrize("role", ["sender", "recipient"])
def test_VERIFY_5_agreement_holds_for_what_comes_back(role: str, how: str) -> None:
    world = verifying(role == "sender", role == "recipient")
    answers(world, role, True, {"Verifying"})
    when(world, "recipient", "Receiving", getattr(world, how))
    world.run()
    whole(world)
    assert len(world.parties[role].shown(Verifier)) == 1


def test_VERIFY_5_without_it_the_new_session_asks_anew() -> None:
    world = verifying(True, False)
    when(world, "sender", "Verifying", world.restart)
    world.run()
    fair(world)
    shown = [v.words for v in world.sender.shown(Verifier)]
    assert len(shown) == len(set(shown)) == 2
    assert failure_of(world.sender).code is Code.TIMEOUT
    assert not spoken(world, "recipient", Want)


def test_a_person_who_never_compares_ends_it_in_time() -> None:
    for sends in (True, False):
        world = verifying(sends, not sends, patience=PATIENCE._replace(person=50.0))
        world.run()
        fair(world)
        role = "sender" if sends else "recipient"
        failure = failure_of(world.parties[role])
        assert failure.code is Code.TIMEOUT
        assert "words" in failure.message
