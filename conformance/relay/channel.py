"""Cases: the values of a channel, whose they are, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance._case import Part, case, expect
from conformance.relay._play import H_K, HH_K, Member, RelayUnderTest, X, Y, good, nonce

BAD_VALUES: Mapping[str, Any] = {
    "padding": "eHg=",
    "one character": "A",
    "an impossible length": "AAAAA",
    "the other alphabet": "ab+/",
    "a space": "ab c",
    "a newline": "abc\n",
    "nothing": "",
    "2,052 characters": "A" * 2052,
    "a number": 1,
    "null": None,
    "a list": ["AA"],
}
VALUES: dict[str, dict[str, str]] = {
    "x": {"x": X},
    "y": {"y": Y, "hh_k": HH_K},
    "h_k": {"h_k": H_K},
}


def _refused(who: Member, status: int, code: str, **fields: Any) -> None:
    reply = who.post(**fields)
    expect(reply.says(status, code), f"the {who.role}'s {sorted(fields)} was answered {reply}")


@case(Part.RELAY, "channel-whole-exchange", "CHAN-11", "CHAN-3")
def whole_exchange(relay: RelayUnderTest) -> None:
    """Every value arrives at the other side, character for character."""
    sender, recipient = relay.pair()
    for who, fields in ((sender, VALUES["x"]), (recipient, VALUES["y"]), (sender, VALUES["h_k"])):
        shown = good(who.post(**fields))
        for reader in (shown, sender.look(), recipient.look()):
            seen = {name: reader[name] for name in fields}
            expect(seen == fields, f"{fields} was posted and {seen} is read")


@case(Part.RELAY, "channel-state-fields", "CHAN-11", "CHAN-10")
def state_fields(relay: RelayUnderTest) -> None:
    """The state has every field of the table, null or false where nothing is set."""
    sender = relay.join("sender")
    state = sender.look()
    nothing = dict.fromkeys(("x", "y", "hh_k", "h_k"))
    empty: dict[str, Any] = {"channel": sender.channel, "curve": "x25519", **nothing}
    empty |= {"stapled": False, "staplings": {}, "recipient": False}
    seen = {name: state.get(name, "(nothing)") for name in empty}
    expect(seen == empty, f"a new channel is {state}")
    relay.join("recipient", channel=sender.channel)
    expect(sender.look()["recipient"] is True, "the recipient's seat is not shown as taken")


@case(Part.RELAY, "channel-lengths", "CHAN-6", "CHAN-11")
def lengths(relay: RelayUnderTest) -> None:
    """Values of 2 and of 2,048 characters are taken and given back."""
    for value in ("AA", "-_", "A" * 2047, "z" * 2048):
        sender = relay.join("sender")
        expect(good(sender.post(x=value))["x"] == value, f"{len(value)} characters came back other")


@case(Part.RELAY, "channel-bad-values", "CHAN-6", "HTTP-2")
def bad_values(relay: RelayUnderTest) -> None:
    """A value of another type, alphabet or length is 400, and is not set."""
    sender, recipient = relay.pair("offered")
    for value in BAD_VALUES.values():
        _refused(sender, 400, "malformed", x=value)
        _refused(recipient, 400, "malformed", y=value, hh_k=HH_K)
        _refused(recipient, 400, "malformed", y=Y, hh_k=value)
        _refused(sender, 400, "malformed", h_k=value)
    state = sender.look()
    expect((state["x"], state["y"], state["h_k"]) == (X, None, None), f"it became {state}")


@case(Part.RELAY, "channel-no-judgement", "CHAN-6")
def no_judgement(relay: RelayUnderTest) -> None:
    """A relay takes an h_k and an hh_k that have nothing to do with each other."""
    sender, recipient = relay.pair("offered")
    good(recipient.post(y=Y, hh_k="AAAA"))
    good(sender.post(h_k="BBBB"))
    expect(recipient.look()["h_k"] == "BBBB", "h_k is another one")


@case(Part.RELAY, "channel-one-action", "CHAN-1")
def one_action(relay: RelayUnderTest) -> None:
    """More than one action in a request, or half of one, is 400 and changes nothing."""
    sender, recipient = relay.pair("offered")
    before = sender.look()
    mixes: list[tuple[Member, dict[str, Any]]] = [
        (sender, {"x": X, "h_k": H_K}),
        (sender, {"x": X, "close": True}),
        (sender, {"h_k": H_K, "close": True}),
        (sender, {"h_k": H_K, "curve": "x25519"}),
        (sender, {"curve": "x25519"}),
        (sender, {"reason": "done"}),
        (recipient, {"y": Y}),
        (recipient, {"hh_k": HH_K}),
        (recipient, {"y": Y, "hh_k": HH_K, "curve": "x25519"}),
        (recipient, {"y": Y, "hh_k": HH_K, "close": True}),
        (recipient, {"y": Y, "hh_k": HH_K, "reason": "done"}),
    ]
    for who, fields in mixes:
        _refused(who, 400, "malformed", **fields)
    expect(sender.look() == before, "a refused mix changed the channel")


@case(Part.RELAY, "channel-wrong-uuid", "CHAN-2")
def wrong_uuid(relay: RelayUnderTest) -> None:
    """A uuid that is not a member's is 403 `not_yours`, for reading and for every action."""
    sender, recipient = relay.pair("answered")
    other = relay.join("sender")
    near = sender.uuid[:-1] + ("0" if sender.uuid[-1] != "0" else "1")
    for uuid in (nonce(), other.uuid, near, "0" * 32, recipient.uuid[::-1]):
        asks: tuple[dict[str, Any], ...] = ({}, *VALUES.values(), {"close": True})
        for fields in asks:
            reply = relay.post("/channel", channel=sender.channel, uuid=uuid, **fields)
            expect(reply.says(403, "not_yours"), f"{sorted(fields)} was answered {reply}")
    expect(sender.look()["h_k"] is None, "a stranger set h_k")


@case(Part.RELAY, "channel-unknown", "HTTP-11")
def unknown(relay: RelayUnderTest) -> None:
    """A request to a channel that does not exist is 404 `no_such_channel`."""
    name = relay.fresh_name()
    for fields in ({}, {"x": X}, {"close": True}, {"wait": 5}):
        reply = relay.post("/channel", channel=name, uuid=nonce(), **fields)
        expect(reply.says(404, "no_such_channel"), f"{fields} was answered {reply}")


@case(Part.RELAY, "channel-wrong-role", "CHAN-3")
def wrong_role(relay: RelayUnderTest) -> None:
    """What is the other role's to set is 409 `out_of_turn`, at any time."""
    sender, recipient = relay.pair()
    for step in ("x", "y", "h_k", ""):
        _refused(recipient, 409, "out_of_turn", **VALUES["x"])
        _refused(sender, 409, "out_of_turn", **VALUES["y"])
        _refused(recipient, 409, "out_of_turn", **VALUES["h_k"])
        if step:
            good((recipient if step == "y" else sender).post(**VALUES[step]))


@case(Part.RELAY, "channel-before-its-turn", "CHAN-3")
def before_its_turn(relay: RelayUnderTest) -> None:
    """y before x, and h_k before y, are 409 `out_of_turn`."""
    sender, recipient = relay.pair()
    _refused(recipient, 409, "out_of_turn", **VALUES["y"])
    _refused(sender, 409, "out_of_turn", **VALUES["h_k"])
    good(sender.post(x=X))
    _refused(sender, 409, "out_of_turn", **VALUES["h_k"])
    state = recipient.look()
    expect(state["y"] is None and state["h_k"] is None, f"it was set: {state}")


@case(Part.RELAY, "channel-same-again", "CHAN-4", "CHAN-9")
def same_again(relay: RelayUnderTest) -> None:
    """The value that is set can be posted again at any later time, and changes nothing."""
    sender, recipient = relay.pair("proven")
    before = sender.look()
    again = ({**VALUES["x"], "curve": "x25519"}, *VALUES.values())
    for fields in again:
        state = good((recipient if "y" in fields else sender).post(**fields))
        expect(state == before, f"{sorted(fields)} again made {state} of {before}")


@case(Part.RELAY, "channel-other-value", "CHAN-5")
def other_value(relay: RelayUnderTest) -> None:
    """Another value than the one that is set is 409 `already_set`."""
    sender, recipient = relay.pair("proven")
    before = sender.look()
    _refused(sender, 409, "already_set", x="BBBB")
    _refused(recipient, 409, "already_set", y="BBBB", hh_k=HH_K)
    _refused(recipient, 409, "already_set", y=Y, hh_k="BBBB")
    _refused(sender, 409, "already_set", h_k="BBBB")
    expect(sender.look() == before, "a refused value changed the channel")


@case(Part.RELAY, "channel-no-x-yet", "CHAN-7")
def no_x_yet(relay: RelayUnderTest) -> None:
    """A recipient's look before x is 404 `no_x_yet`; the sender's is 200."""
    sender, recipient = relay.pair()
    _refused(recipient, 404, "no_x_yet")
    sender.look()
    good(sender.post(x=X))
    expect(recipient.look()["x"] == X, "x is not there")


@case(Part.RELAY, "channel-no-x-yet-after-wait", "CHAN-7")
def no_x_yet_after_wait(relay: RelayUnderTest) -> None:
    """With a wait, `no_x_yet` comes after it and not before."""
    _, recipient = relay.pair()
    web = recipient.wait(wait=8)
    expect(web.pipe.quiet(), "it was answered at once")
    reply = web.read()
    expect(reply.says(404, "no_x_yet"), f"it was answered {reply}")


@case(Part.RELAY, "channel-curve-beside-x", "CHAN-8")
def curve_beside_x(relay: RelayUnderTest) -> None:
    """A curve beside x that is not the channel's is 409 `curve`; the channel's is taken."""
    sender = relay.join("sender", curve="p384")
    _refused(sender, 409, "curve", x=X, curve="x25519")
    expect(sender.look()["x"] is None, "x was set all the same")
    good(sender.post(x=X, curve="p384"))


@case(Part.RELAY, "channel-seq-grows", "CHAN-9")
def seq_grows(relay: RelayUnderTest) -> None:
    """seq grows with a seat and with each value, and with nothing else."""
    sender = relay.join("sender")
    seen = [sender.look()["seq"], sender.look()["seq"]]
    expect(seen[0] == seen[1] == sender.seq, f"looking changed seq: {sender.seq}, {seen}")
    recipient = relay.join("recipient", channel=sender.channel)
    now = sender.look()["seq"]
    expect(recipient.seq == now > seen[1], f"the recipient's seat: {seen[1]}, {now}")
    for who, fields in ((sender, VALUES["x"]), (recipient, VALUES["y"]), (sender, VALUES["h_k"])):
        before, now = now, good(who.post(**fields))["seq"]
        expect(now > before, f"{sorted(fields)} left seq at {now}")
        expect(who.look()["seq"] == now, "looking changed seq")


@case(Part.RELAY, "channel-apart", "CHAN-2", "CHAN-11")
def apart(relay: RelayUnderTest) -> None:
    """What happens in one channel does not show in another."""
    (one, _), (two, other) = relay.pair(), relay.pair()
    before = two.look()
    good(one.post(x=X))
    good(one.post(close=True, reason="failed"))
    expect(two.look() == before, "another channel has changed")
    _refused(other, 404, "no_x_yet")
