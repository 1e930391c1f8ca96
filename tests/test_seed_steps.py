"""Whole runs of both parties with a real relay: the seed step by step, and every way to go wrong.

A test that begins with an id is of that requirement of docs/protocol.md.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from backends._io import Told
from croc_core import messages
from croc_core.errors import Code, Party
from croc_core.events import CodeReady, Completed, Failed, OfferSeen
from croc_core.failures import NEW_CODE
from croc_core.limits import Limits
from croc_core.party_io import (
    Decided,
    Dial,
    Greet,
    HalfClose,
    Hang,
    Heard,
    LinkEnded,
    Post,
    Replied,
    Secure,
    Show,
    Speak,
    Unanswered,
)
from croc_core.relay import Relay
from tests.memory_files import MemorySink, arrived_as, file
from tests.party_help import ITEMS, PATIENCE, World, failure_of, fair, met, told_of, when

SENDER = (
    "Idle", "Opening", "Publishing", "AwaitingAnswer", "Proving", "Identifying", "AwaitingStaple",
    "Greeting", "Offering", "AwaitingAccept", "Sending", "AwaitingReceipt", "Done",
)  # fmt: skip
RECIPIENT = (
    "Idle", "Joining", "AwaitingX", "Answering", "AwaitingProof", "Identifying", "Greeting",
    "AwaitingOpen", "AwaitingOffer", "HearingOffer", "Judging", "Deciding", "Receiving",
    "Finishing", "AwaitingEnd", "Closing", "Done",
)  # fmt: skip
EVERYWHERE = [("sender", s) for s in SENDER[1:-1]] + [("recipient", s) for s in RECIPIENT[1:-1]]


def bodies(world: World, role: str) -> list[dict[str, Any]]:
    """What *role* asked of the relay, in order."""
    return [json.loads(post.body) for post in world.parties[role].desk.posts]


def replies(world: World, role: str) -> list[dict[str, Any]]:
    """What the relay answered to *role*, in order."""
    seen = world.parties[role].machine.seen
    return [json.loads(s.event.body) for s in seen if isinstance(s.event, Replied)]


def whole(world: World) -> None:
    """Both say that all went well, and it did."""
    for member in world.parties.values():
        assert member.node.failure is None
        assert len(member.shown(Completed)) == 1
        assert not member.shown(Failed)
    assert world.sink.state == "finished"
    arrived_as(world.source.items, world.sink)
    assert world.source.closed
    fair(world)


# ---- the seed


def test_the_steps_in_order() -> None:
    world = met().run()
    assert tuple(world.sender.machine.path) == SENDER
    assert tuple(world.recipient.machine.path) == RECIPIENT
    assert [set(b) - {"channel", "uuid"} for b in bodies(world, "sender")] == [
        {"role", "curve", "nonce"}, {"x", "curve"}, {"since", "wait"}, {"since", "wait"}, {"h_k"},
        set(),
    ]  # fmt: skip
    assert [set(b) - {"channel", "uuid"} for b in bodies(world, "recipient")] == [
        {"role", "nonce"}, {"since", "wait"}, {"y", "hh_k"}, {"since", "wait"}, {"close", "reason"}
    ]  # fmt: skip
    whole(world)


def test_JOIN_2_the_sender_opens_the_channel_that_it_names() -> None:
    world = met().run()
    asked = bodies(world, "sender")[0]
    assert asked["role"] == "sender"
    assert asked["channel"] == "7k2m"
    assert replies(world, "sender")[0]["channel"] == "7k2m"


def test_CHAN_2_the_uuid_stands_in_each_request() -> None:
    world = met().run()
    for role in world.parties:
        uuid = replies(world, role)[0]["uuid"]
        assert {b["uuid"] for b in bodies(world, role)[1:]} == {uuid}
        assert {b["channel"] for b in bodies(world, role)} == {"7k2m"}


def test_CHAN_3_x_goes_out_before_the_code_is_told() -> None:
    world = met().run()
    (told,) = [
        s for s in world.sender.machine.seen
        if any(isinstance(e, Show) and isinstance(e.event, CodeReady) for e in s.effects)
    ]  # fmt: skip
    assert (told.state.__name__, told.after.__name__) == ("Publishing", "AwaitingAnswer")
    (code,) = world.sender.shown(CodeReady)
    assert (code.code, code.channel, code.relay) == (
        "7k2m-abandon-ability-able", "7k2m", "http://relay"
    )  # fmt: skip
    assert "abandon" not in repr(code)


def test_JOIN_10_a_join_has_a_fresh_nonce() -> None:
    world = met().run()
    nonces = [bodies(world, role)[0]["nonce"] for role in world.parties]
    assert len(set(nonces)) == 2
    assert all(len(bytes.fromhex(nonce)) == 16 for nonce in nonces)


def test_JOIN_4_a_recipient_without_a_channel_is_told_so() -> None:
    world = World()
    world.fault = lambda role, n, post: "lost" if role == "sender" else None
    world.join()
    world.run()
    failure = failure_of(world.recipient)
    assert failure.code is Code.RELAY_REFUSED
    assert "no such channel" in failure.message
    assert world.recipient.machine.path == ["Idle", "Joining", "Failed"]


def test_CHAN_7_a_recipient_waits_for_x() -> None:
    world = World()
    when(world, "sender", "Publishing", world.join)
    delayed = iter(["lost"] * 3)
    world.fault = lambda role, n, post: (
        next(delayed, None) if (role, b'"x"' in post.body) == ("sender", True) else None
    )
    world.run()
    whole(world)


def test_KEY_4_hh_k_is_posted_by_one_and_h_k_by_the_other() -> None:
    world = met().run()
    proofs = [b["h_k"] for b in bodies(world, "sender") if "h_k" in b]
    answers = [b["hh_k"] for b in bodies(world, "recipient") if "hh_k" in b]
    assert len(proofs) == len(answers) == 1
    assert proofs != answers


def test_PORT_1_both_identify_by_the_line() -> None:
    world = met().run()
    for role, member in world.parties.items():
        (dial,) = member.machine.did(Dial)
        uuid = replies(world, role)[0]["uuid"]
        assert dial == Dial(0, 9010, f"CROC/1 7k2m {uuid}\n".encode())


def test_PORT_16_the_sender_greets_only_after_the_stapling() -> None:
    world = met().run()
    (at,) = [
        n for n, s in enumerate(world.sender.machine.seen)
        if any(isinstance(e, Greet) for e in s.effects)
    ]  # fmt: skip
    reply = world.sender.machine.seen[at].event
    assert isinstance(reply, Replied)
    assert json.loads(reply.body)["stapled"] is True


def test_HELLO_2_3_hellos_are_fresh_and_of_the_right_length() -> None:
    world = met().run()
    ours, theirs = (m.machine.did(Greet)[0] for m in world.parties.values())
    assert (len(ours.hello), ours.expect, len(theirs.hello), theirs.expect) == (63, 66, 66, 63)
    assert ours.hello[-32:] != theirs.hello[-32:]


def test_KEY_6_nothing_of_the_files_is_in_what_passes() -> None:
    secret = b"a plain text that nobody between may see"
    world = met(items=(file("name-of-the-file", secret * 20),)).run()
    whole(world)
    passed = b"".join(data for _, data in world.sent)
    assert len(passed) > len(secret) * 20
    assert secret not in passed
    assert b"name-of-the-file" not in passed


def test_OFFER_1_open_is_the_first_record_and_the_offer_follows() -> None:
    world = met().run()
    heard = [s.event.message for s in world.recipient.machine.seen if isinstance(s.event, Heard)]
    assert [type(m).__name__ for m in heard] == ["Open", "Manifest", "OfferEnd", "PiecesEnd"]
    (offer,) = world.recipient.shown(OfferSeen)
    assert (offer.files, offer.bytes) == (3, 3015)
    assert world.sender.shown(OfferSeen) == [offer]


def test_OFFER_2_a_tid_is_fresh_and_the_same_all_the_way() -> None:
    tids = set()
    for seed in (5, 6):
        world = met(seed=seed).run()
        heard = [s.event.message for m in world.parties.values() for s in m.machine.seen
                 if isinstance(s.event, Heard)]  # fmt: skip
        found: set[bytes] = {m.tid for m in heard if hasattr(m, "tid")}
        assert len(found) == 1
        tids |= found
    assert len(tids) == 2
    assert all(len(tid) == 16 for tid in tids)


def test_END_3_6_the_order_of_the_end() -> None:
    world = met()
    order: list[str] = []
    finish = world.sink.finish
    world.sink.finish = lambda sizes: (order.append("final"), finish(sizes))[1]  # type: ignore[method-assign, func-returns-value]
    for role, member in world.parties.items():
        member.machine.entered = _noting(order, role, member.machine.entered)
    world.run()
    tail = order[order.index("recipient Finishing") :]
    assert tail == [
        "recipient Finishing", "final", "recipient AwaitingEnd", "sender Done",
        "recipient Closing", "recipient Done",
    ]  # fmt: skip
    said = world.recipient.machine.did(Speak)
    assert isinstance(said[-1].message, messages.Receipt)
    assert [s.last for s in said] == [False, True]
    assert (
        len(world.recipient.machine.did(HalfClose)) == len(world.sender.machine.did(HalfClose)) == 1
    )
    closing = next(s for s in world.recipient.machine.seen if s.after.__name__ == "Closing")
    assert isinstance(closing.event, LinkEnded)
    assert bodies(world, "recipient")[-1]["reason"] == "done"


def _noting(order: list[str], role: str, before: Any) -> Any:
    def entered(state: type[Any]) -> None:
        before(state)
        order.append(f"{role} {state.__name__}")

    return entered


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_bytes_may_come_in_any_parts(chunk: int) -> None:
    whole(met(chunk=chunk).run())


def test_ADDR_6_two_behind_one_address() -> None:
    whole(met(recipient_at="10.0.0.1").run())


def test_OFFER_10_a_part_can_be_chosen() -> None:
    world = met(sink=MemorySink(lambda n, _: n != 1)).run()
    whole(world)
    assert list(world.sink.data) == [0, 2]
    assert world.sender.shown(Completed)[0].bytes == 3005


def test_nothing_usable_is_declined() -> None:
    world = met(sink=MemorySink(lambda n, _: False)).run()
    assert failure_of(world.sender).code is Code.DECLINED
    assert failure_of(world.recipient).code is Code.DECLINED
    assert bodies(world, "recipient")[-1]["reason"] == "declined"


# ---- lost replies


@pytest.mark.parametrize("loss", ["lost", "deaf"])
@pytest.mark.parametrize(
    ("role", "number"), [("sender", n) for n in range(6)] + [("recipient", n) for n in range(5)]
)
def test_HTTP_10_a_lost_reply_is_asked_for_again_and_changes_nothing(
    role: str, number: int, loss: str
) -> None:
    world = met()
    world.fault = lambda who, n, post: loss if (who, n) == (role, number) else None
    world.run()
    whole(world)
    asked = bodies(world, role)
    if "close" in asked[number]:
        assert len(asked) == number + 1
        return
    lost, again = asked[number], asked[number + 1]
    assert lost | {"since": 0, "wait": 0} == again | {"since": 0, "wait": 0}
    assert world.parties[role].desk.posts[number + 1].after == 0.5
    # every value was set once, and each side joined once
    assert len({b["x"] for b in bodies(world, "sender") if "x" in b}) == 1
    assert len({b["y"] for b in bodies(world, "recipient") if "y" in b}) == 1


def test_a_relay_that_cannot_be_reached() -> None:
    world = World()
    world.fault = lambda role, n, post: "unreachable"
    world.join()
    world.run()
    for member in world.parties.values():
        failure = failure_of(member)
        assert (failure.code, failure.party) == (Code.RELAY_UNREACHABLE, Party.RELAY)
        assert "connection refused" in failure.message


# ---- the code


def test_S19_a_wrong_code_burns_the_code_and_both_are_told() -> None:
    world = met(typed="abandon-ability-zoo").run()
    ours, theirs = failure_of(world.sender), failure_of(world.recipient)
    assert ours.code is theirs.code is Code.WRONG_CODE
    assert (ours.party, theirs.party) == (Party.PEER, Party.LOCAL)
    assert "again with this code" in ours.hint
    assert "only once" in theirs.hint
    assert world.sent == []
    assert not world.sink.entries
    assert bodies(world, "sender")[-1] | {"uuid": ""} == {
        "channel": "7k2m", "uuid": "", "close": True, "reason": "wrong_code"
    }  # fmt: skip
    assert not any("h_k" in b for b in bodies(world, "sender"))
    fair(world)


def test_WORDS_6_a_forgotten_channel_is_opened_again_with_fresh_values() -> None:
    world = World()
    when(world, "sender", "AwaitingAnswer", lambda: world.at(1.0, forget))

    def forget() -> None:
        world.relay = Relay(random.Random(6).randbytes, Limits(), (9010,))
        # the held request is lost with the relay
        world.sender.desk.lose()
        world.at(2.0, world.join)

    world.run()
    whole(world)
    xs = [b["x"] for b in bodies(world, "sender") if "x" in b]
    assert len(xs) == len(set(xs)) == 2
    joins = [b for b in bodies(world, "sender") if "role" in b]
    assert len({b["nonce"] for b in joins}) == 2
    assert {b["channel"] for b in joins} == {"7k2m"}


def test_WORDS_1_the_first_values_are_final() -> None:
    other = met(phrase="other-words-here").run()
    x = next(b["x"] for b in bodies(other, "sender") if "x" in b)
    y, hh_k = next((b["y"], b["hh_k"]) for b in bodies(other, "recipient") if "y" in b)
    world = met()
    when(world, "sender", "Proving", lambda: told_of(world, "sender", y=y, hh_k=hh_k))
    when(world, "recipient", "Answering", lambda: told_of(world, "recipient", x=x))
    whole(world.run())


def test_WORDS_5_a_run_that_used_the_words_is_told_so() -> None:
    refusals = (b'404{"code":"no_such_channel"}', b'426{"code":"version"}', b'403{"code":"x"}')
    answers = [Replied(200, b"?"), *(Replied(int(r[:3]), r[3:]) for r in refusals)]
    for state in ("Answering", "AwaitingProof"):
        for nonsense in answers:
            world = met()
            when(world, "recipient", state, lambda w=world, r=nonsense: _answer(w, r))  # type: ignore[misc]
            world.run()
            assert NEW_CODE in failure_of(world.recipient).hint
        world = met()
        when(world, "recipient", state, lambda w=world: w.interrupt("recipient"))  # type: ignore[misc]
        world.run()
        assert failure_of(world.recipient).hint == NEW_CODE
        world = met()
        when(world, "recipient", state, lambda w=world: setattr(w, "fault", lambda *_: "lost"))  # type: ignore[misc]
        world.run()
        failure = failure_of(world.recipient)
        assert (failure.code, failure.hint) == (Code.TIMEOUT, NEW_CODE)


def _answer(world: World, reply: Replied) -> None:
    world.fault = lambda role, n, post: reply if role == "recipient" else None


# ---- a relay that attacks


def _values() -> dict[str, str]:
    """Values of another run with the same code."""
    other = met(sender_at="10.0.0.7").run()
    found: dict[str, str] = {}
    for role in other.parties:
        for body in bodies(other, role):
            found |= {k: v for k, v in body.items() if k in ("x", "y", "hh_k", "h_k")}
    return found


def _flipped(value: str) -> str:
    return value[:-8] + ("B" if value[-8] == "A" else "A") + value[-7:]


@pytest.mark.parametrize("name", ["x", "y", "hh_k", "h_k"])
@pytest.mark.parametrize("how", ["flip", "reflect", "nonsense", "longer"])
def test_a_relay_that_changes_a_value_gets_nothing(name: str, how: str) -> None:
    victim = "sender" if name in ("y", "hh_k") else "recipient"
    world = met()
    mirror = {"x": "h_k", "y": "x", "hh_k": "y", "h_k": "hh_k"}

    def change(state: type[Any], event: Any) -> Any:
        if not isinstance(event, Replied) or event.status != 200:
            return event
        body = json.loads(event.body)
        if not body.get(name) or state.__name__ == "Answering":
            return event
        ways = {
            "flip": _flipped(body[name]),
            "reflect": body.get(mirror[name]) or "AAAA",
            "nonsense": "AAAA",
            "longer": body[name] + "AAAA",
        }
        return Replied(200, json.dumps(body | {name: ways[how]}).encode())

    world.parties[victim].machine.change = change
    world.run()
    for member in world.parties.values():
        assert failure_of(member).code in (Code.WRONG_CODE, Code.PROTOCOL_ERROR, Code.PEER_LEFT)
    assert not world.parties[victim].machine.did(Dial)
    for member in world.parties.values():
        assert not member.machine.did(Secure)
    assert not world.sink.entries
    fair(world)


def test_values_of_an_earlier_run_are_refused() -> None:
    old = _values()
    assert set(old) == {"x", "y", "hh_k", "h_k"}
    for names in (("x",), ("y", "hh_k"), ("h_k",)):
        world = met(phrase="legal-winner-thank")  # the same code again would be a run of its own
        victim = "sender" if "y" in names else "recipient"
        told_of(world, victim, **{name: old[name] for name in names})
        world.run()
        assert not world.parties[victim].machine.did(Dial)
        fair(world)


@pytest.mark.parametrize("reply", [
    Replied(200, b""), Replied(200, b"[]"), Replied(200, b"{}"), Replied(0, b""),
    Replied(200, b"\xff\xfe"), Replied(200, b"[" * 5000), Replied(302, b"<html>"),
    Replied(418, b'{"code":"teapot"}'), Replied(500, b'{"code":"internal"}'),
    Replied(410, b'{"code":"closed","by":"relay"}'), Replied(503, b'{"code":"busy"}'),
    Replied(426, b'{"code":"version"}'), Replied(404, b'{"code":"no_x_yet"}'),
], ids=str)  # fmt: skip
@pytest.mark.parametrize(
    ("role", "number"), [("sender", n) for n in range(6)] + [("recipient", n) for n in range(5)]
)
def test_a_relay_that_makes_no_sense_ends_the_run(role: str, number: int, reply: Replied) -> None:
    world = met()
    world.fault = lambda who, n, post: reply if who == role and n >= number else None
    if role == "sender" and number < 2:
        world.at(50.0, world.join)
    world.run()
    fair(world)
    failed = type(world.parties[role].machine.state).__name__
    if (role, number) == ("recipient", 4):
        assert failed == "Done", "how the close is answered makes no difference"
    else:
        assert failed == "Failed"
        assert failure_of(world.parties[role]).exit_status not in (0, 1)


# ---- ends


def test_OFFER_11_declined() -> None:
    world = met(decide=False).run()
    ours, theirs = failure_of(world.sender), failure_of(world.recipient)
    assert (ours.code, ours.party) == (Code.DECLINED, Party.PEER)
    assert (theirs.code, theirs.party) == (Code.DECLINED, Party.LOCAL)
    said = world.recipient.machine.did(Speak)
    assert [(type(s.message).__name__, s.last) for s in said] == [("Decline", True)]
    assert bodies(world, "recipient")[-1]["reason"] == "declined"
    assert world.sink.state == "abandoned"
    assert not world.sink.calls


def test_END_7_10_a_lost_receipt_is_unconfirmed_here_and_success_there() -> None:
    world = met()
    when(world, "recipient", "AwaitingEnd", world.cut)
    world.run()
    failure = failure_of(world.sender)
    assert failure.code is Code.UNCONFIRMED
    assert "ask the other side" in failure.hint
    assert type(world.recipient.machine.state).__name__ == "Done"
    assert world.recipient.node.failure is None
    fair(world)


def test_a_connection_that_breaks_while_files_are_made_final_costs_nothing() -> None:
    world = met()
    when(world, "recipient", "Finishing", world.cut)
    world.run()
    assert failure_of(world.sender).code is Code.UNCONFIRMED
    assert world.recipient.node.failure is None
    assert world.sink.state == "finished"


@pytest.mark.parametrize(("role", "state"), EVERYWHERE)
def test_cancelled_at_every_state(role: str, state: str) -> None:
    world = met()
    other = "recipient" if role == "sender" else "sender"
    when(world, role, state, lambda: world.interrupt(role))
    if other not in [r for r, m in world.parties.items() if m.machine.seen]:
        world.at(60.0, world.join)
    world.run()
    fair(world)
    mine, theirs = world.parties[role], world.parties[other]
    if state in ("AwaitingEnd", "Closing"):
        assert mine.node.failure is None
    elif state != "AwaitingReceipt":
        failure = failure_of(mine)
        if role == "recipient" and state == "Finishing":
            return  # it may have been done already
        assert failure.code is Code.SIGINT
        assert failure.party is Party.LOCAL
        assert failure_of(theirs).code in (Code.PEER_LEFT, Code.RELAY_REFUSED, Code.TIMEOUT)
        asked = bodies(world, role)
        if len(asked) > 1:
            assert asked[-1]["reason"] == "cancelled"


@pytest.mark.parametrize(("role", "state"), EVERYWHERE)
def test_S24_a_peer_that_vanishes_at_every_state(role: str, state: str) -> None:
    world = met()
    other = "recipient" if role == "sender" else "sender"
    when(world, role, state, lambda: world.vanish(role))
    if role == "sender":
        world.at(5.0, lambda: None if world.recipient.machine.seen else world.join())
    began = world.now
    world.run()
    fair(world)
    node = world.parties[other].node
    assert node.finished
    assert world.now - began < PATIENCE.meeting + 200
    if node.failure is not None:
        assert node.failure.code in (
            Code.PEER_LEFT, Code.TIMEOUT, Code.UNCONFIRMED, Code.RELAY_REFUSED
        )  # fmt: skip
        assert node.failure.hint
    else:
        assert (role, state) in (
            ("sender", "AwaitingReceipt"), ("recipient", "AwaitingEnd"), ("recipient", "Closing")
        )  # fmt: skip


@pytest.mark.parametrize(("role", "state"), EVERYWHERE)
def test_the_data_connection_breaks_at_every_state(role: str, state: str) -> None:
    world = met()
    when(world, role, state, world.cut)
    world.run()
    fair(world)
    for member in world.parties.values():
        assert member.node.finished
        if member.node.failure is not None:
            assert member.node.failure.code in (Code.PEER_LEFT, Code.UNCONFIRMED, Code.TIMEOUT)


def test_LIVE_4_the_other_person_never_comes() -> None:
    world = World()
    began = world.now
    world.parties.pop("recipient")
    world.run()
    failure = failure_of(world.sender)
    assert failure.code is Code.TIMEOUT
    assert "to join" in failure.message
    assert world.now == pytest.approx(began + PATIENCE.meeting, abs=0.1)
    assert bodies(world, "sender")[-1]["reason"] == "failed"


def test_a_relay_that_forgets_again_and_again_gains_no_time() -> None:
    world = World()
    world.parties.pop("recipient")
    gone = Replied(404, b'{"code":"no_such_channel"}')
    world.fault = lambda role, n, post: gone if b'"since"' in post.body else None
    began = world.now

    def fresh(state: type[Any]) -> None:
        if state.__name__ == "Opening":
            world.relay = Relay(random.Random(6).randbytes, Limits(), (9010,))

    world.sender.machine.entered = fresh
    world.run()
    assert failure_of(world.sender).code is Code.TIMEOUT
    assert world.now <= began + PATIENCE.meeting + 5
    assert len(world.sender.desk.posts) < 3 * 2 * PATIENCE.meeting + 20, (
        "no pause between the tries"
    )


def test_LIVE_1_a_slow_person_is_waited_for_with_signs_of_life() -> None:
    world = met(decide=None)

    def decide() -> None:
        world.to_party("recipient", Told(Decided(True)))

    when(world, "recipient", "Deciding", lambda: world.at(90.0, decide))
    world.run()
    whole(world)


def test_a_person_who_never_decides() -> None:
    world = met(decide=None).run()
    assert failure_of(world.recipient).code is Code.TIMEOUT
    assert failure_of(world.sender).code is Code.PEER_LEFT
    problems = [s.message for s in world.recipient.machine.did(Speak)]
    assert problems == [messages.Problem("timeout", "")]
    (heard,) = [s.event for s in world.sender.machine.seen if isinstance(s.event, Heard)]
    assert heard == Heard(0, problems[0], last=True)


def test_PIECE_5_a_file_that_changed_ends_both() -> None:
    world = met()
    world.source.changed = frozenset({1})
    world.run()
    assert failure_of(world.sender).code is Code.LOCAL_FILE
    theirs = failure_of(world.recipient)
    assert theirs.code is Code.PEER_LEFT
    assert "files" in theirs.message
    assert len(world.sender.machine.did(Hang)) == 1
    fair(world)


def test_no_post_is_lost_on_the_way_to_the_test() -> None:
    world = met().run()
    for member in world.parties.values():
        assert member.machine.did(Post) == member.desk.posts
        assert not [s for s in member.machine.seen if isinstance(s.event, Unanswered)]
    assert len(ITEMS) == 3


def test_PORT_6_CHAN_10_the_relay_staples_the_two_and_says_so_from_then_on() -> None:
    world = met().run()
    told = [reply for reply in replies(world, "sender") if "stapled" in reply]
    stapled = [reply["stapled"] for reply in told]
    assert stapled == sorted(stapled), "once set it stays"
    assert stapled[-1] is True
    assert told[-1]["staplings"] == {"9010": 1}
    assert all(reply["staplings"] == {} for reply in told if not reply["stapled"])
