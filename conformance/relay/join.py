"""Cases: taking a seat."""

from __future__ import annotations

import itertools
import re

from conformance._case import Need, Part, case, expect
from conformance.relay._play import H_K, HH_K, ONE, TWO, RelayUnderTest, X, Y, good, nonce

ALPHABET = set("0123456789abcdefghjkmnpqrstvwxyz")


@case(Part.RELAY, "join-new-channel", "JOIN-1", "JOIN-8")
def new_channel(relay: RelayUnderTest) -> None:
    """A sender that names no channel gets a new one, with all that a member needs."""
    joined = good(relay.post("/join", role="sender"))
    relay.member(joined)
    fields = {"protocol", "channel", "uuid", "role", "curve", "data", "seq"}
    expect(fields <= joined.keys(), f"the reply has only {sorted(joined)}")
    expect(joined["protocol"] == 1 and joined["role"] == "sender", f"it says {joined}")
    expect(re.fullmatch(r"[0-9a-f]{32}", joined["uuid"]), "the uuid is 32 of 0-9a-f")
    expect(re.fullmatch(r"[0-9a-z]{1,32}", joined["channel"]), "the name is 1 to 32 of 0-9a-z")
    expect(type(joined["seq"]) is int, "seq is an integer")
    ports = [one["port"] for one in joined["data"] if one["kind"] == "tcp"]
    expect(ports and len(joined["data"]) <= 64, "1 to 64 data endpoints, one of kind tcp")
    expect(all(type(port) is int and 0 < port < 65536 for port in ports), f"ports {ports}")


@case(Part.RELAY, "join-named-channel", "JOIN-2")
def named_channel(relay: RelayUnderTest) -> None:
    """A sender that names a channel opens that one; a second one is 409 `occupied`."""
    name = relay.fresh_name()
    expect(relay.join("sender", channel=name).channel == name, "the channel has another name")
    reply = relay.post("/join", role="sender", channel=name)
    expect(reply.says(409, "occupied"), f"the second sender was answered {reply}")


@case(Part.RELAY, "join-closed-name", "JOIN-2", "CLOSE-6")
def closed_name(relay: RelayUnderTest) -> None:
    """A name whose tombstone stands is 410 `closed`, for either role."""
    sender = relay.join("sender", channel=relay.fresh_name())
    good(sender.post(close=True))
    for role in ("sender", "recipient"):
        reply = relay.post("/join", role=role, channel=sender.channel)
        expect(reply.says(410, "closed"), f"the {role} was answered {reply}")


@case(Part.RELAY, "join-recipient-names", "JOIN-3")
def recipient_names(relay: RelayUnderTest) -> None:
    """A recipient that names no channel is 400 `malformed`."""
    reply = relay.post("/join", role="recipient")
    expect(reply.says(400, "malformed"), f"it was answered {reply}")


@case(Part.RELAY, "join-unknown", "JOIN-4")
def unknown(relay: RelayUnderTest) -> None:
    """A recipient's join of an unknown channel is 404, and leaves the name free."""
    name = relay.fresh_name()
    for _ in range(2):
        reply = relay.post("/join", role="recipient", channel=name)
        expect(reply.says(404, "no_such_channel"), f"it was answered {reply}")
    relay.join("sender", channel=name)


@case(Part.RELAY, "join-seat-taken", "JOIN-5")
def seat_taken(relay: RelayUnderTest) -> None:
    """A second recipient is 409 `occupied`, and so is a second sender."""
    sender, _ = relay.pair()
    for role in ("sender", "recipient"):
        reply = relay.post("/join", role=role, channel=sender.channel)
        expect(reply.says(409, "occupied"), f"the second {role} was answered {reply}")


@case(Part.RELAY, "join-other-curve", "JOIN-6")
def other_curve(relay: RelayUnderTest) -> None:
    """A recipient that names another curve is 409 `curve`, and takes no seat."""
    sender = relay.join("sender", curve="p256")
    reply = relay.post("/join", role="recipient", channel=sender.channel, curve="x25519")
    expect(reply.says(409, "curve"), f"it was answered {reply}")
    relay.join("recipient", channel=sender.channel, curve="p256")


@case(Part.RELAY, "join-default-curve", "JOIN-7")
def default_curve(relay: RelayUnderTest) -> None:
    """A channel has the curve of its sender's join, or x25519."""
    for given, curve in (({}, "x25519"), ({"curve": "p521"}, "p521")):
        sender = relay.join("sender", **given)
        expect(sender.look()["curve"] == curve, f"{given} made {sender.look()['curve']}")
        reply = good(relay.post("/join", role="recipient", channel=sender.channel))
        relay.member(reply)
        expect(reply["curve"] == curve, f"the recipient was told {reply['curve']}")


@case(Part.RELAY, "join-unknown-curve", "JOIN-7")
def unknown_curve(relay: RelayUnderTest) -> None:
    """A curve that nobody knows is taken: the relay knows of none."""
    for curve in ("nobody0knows0this", "z", "9" * 32):
        sender = relay.join("sender", curve=curve)
        expect(sender.look()["curve"] == curve, "the curve is another one")


@case(Part.RELAY, "join-uuids", "JOIN-8")
def uuids(relay: RelayUnderTest) -> None:
    """No uuid is like another one, and none shows where it does not belong."""
    pairs = [relay.pair() for _ in range(8)]
    found = [member.uuid for pair in pairs for member in pair]
    expect(len(set(found)) == len(found), "a uuid was given twice")
    columns = [len({uuid[at] for uuid in found}) for at in range(32)]
    expect(min(columns) > 2, "the uuids have places in which they hardly differ")
    sender, recipient = pairs[0]
    good(sender.post(x=X))
    replies = sender.post().body + recipient.post().body
    expect(not any(uuid.encode() in replies for uuid in found), "a state shows a uuid")


@case(Part.RELAY, "join-again-sender", "JOIN-9")
def again_sender(relay: RelayUnderTest) -> None:
    """A sender's join with the same nonce gets the first reply again, byte for byte."""
    for more in ({}, {"channel": relay.fresh_name()}):
        ask = {"role": "sender", "nonce": nonce(), **more}
        first = relay.post("/join", **ask)
        sender = relay.member(good(first))
        relay.join("recipient", channel=sender.channel)
        good(sender.post(x=X))
        seq = sender.look()["seq"]
        again = relay.post("/join", **ask)
        expect(again.body == first.body, f"{first} became {again}")
        expect(sender.look()["seq"] == seq, "the repeated join changed the channel")


@case(Part.RELAY, "join-again-recipient", "JOIN-9")
def again_recipient(relay: RelayUnderTest) -> None:
    """A recipient's join with the same nonce gets the first reply again, byte for byte."""
    sender = relay.join("sender")
    ask = {"role": "recipient", "channel": sender.channel, "nonce": nonce()}
    first = relay.post("/join", **ask)
    recipient = relay.member(good(first))
    good(sender.post(x=X))
    good(recipient.post(y=Y, hh_k=HH_K))
    again = relay.post("/join", **ask)
    expect(again.body == first.body, f"{first} became {again}")


@case(Part.RELAY, "join-other-nonce", "JOIN-9", "JOIN-5")
def other_nonce(relay: RelayUnderTest) -> None:
    """Another nonce, or none, is another join: no reply of others is given out."""
    sender = relay.join("sender", channel=relay.fresh_name(), nonce=nonce())
    shared = nonce()
    relay.join("recipient", channel=sender.channel, nonce=shared)
    asks = [("recipient", {"nonce": nonce()}), ("recipient", {}), ("sender", {"nonce": shared}),
            ("sender", {"nonce": nonce()})]  # fmt: skip
    for role, more in asks:
        reply = relay.post("/join", role=role, channel=sender.channel, **more)
        expect(reply.says(409, "occupied"), f"a {role} with {more} was answered {reply}")


@case(Part.RELAY, "join-again-unnamed-by-nonce", "JOIN-9")
def again_unnamed(relay: RelayUnderTest) -> None:
    """Unnamed joins with different nonces open different channels, with the same one one."""
    one, two = nonce(), nonce()
    names = [relay.join("sender", nonce=which).channel for which in (one, two, one, two)]
    expect(names[0] == names[2] and names[1] == names[3], f"repeats opened others: {names}")
    expect(names[0] != names[1], "two nonces got one channel")


@case(Part.RELAY, "join-again-elsewhere", "JOIN-9", needs=(Need.ADDRESSES,))
def again_elsewhere(relay: RelayUnderTest) -> None:
    """The same nonce from another address is another join: it gets nobody's uuid."""
    shared = nonce()
    first = relay.join("sender", ONE, nonce=shared)
    second = relay.join("sender", TWO, nonce=shared)
    expect(first.channel != second.channel, "another address got the first one's seat")
    reply = relay.post("/join", local=TWO, role="sender", channel=first.channel, nonce=shared)
    expect(reply.says(409, "occupied"), f"by name it was answered {reply}")


@case(Part.RELAY, "join-again-after-close", "JOIN-9")
def again_after_close(relay: RelayUnderTest) -> None:
    """Once the channel is closed a repeated join does not bring it back."""
    named = {"role": "sender", "channel": relay.fresh_name(), "nonce": nonce()}
    good(relay.member(good(relay.post("/join", **named))).post(close=True))
    reply = relay.post("/join", **named)
    expect(reply.says(410, "closed"), f"it was answered {reply}")
    shared = nonce()
    first = relay.join("sender", nonce=shared)
    good(first.post(close=True))
    second = relay.join("sender", nonce=shared)
    expect(second.channel != first.channel, "the closed channel's seat was given out again")


@case(Part.RELAY, "join-version", "JOIN-11", "VER-1")
def version(relay: RelayUnderTest) -> None:
    """Another protocol is 426 `version`, with a message that names what the relay speaks."""
    for protocol in (0, 2, 99, -1):
        reply = relay.post("/join", role="sender", protocol=protocol)
        expect(reply.says(426, "version"), f"protocol {protocol} was answered {reply}")
        expect("1" in reply.data["message"], f"it does not say what it speaks: {reply}")
    relay.join("sender", protocol=1)


@case(Part.RELAY, "join-names", "CODE-5")
def names(relay: RelayUnderTest) -> None:
    """Names that the relay picks have 4 letters or more of the list, at random."""
    found = [relay.join("sender").channel for _ in range(24)]
    expect(len(set(found)) == len(found), "a name was given twice")
    expect(all(len(name) >= 4 for name in found), f"a name is short: {found}")
    expect(all(set(name) <= ALPHABET for name in found), f"other letters: {found}")
    numbers = [int(name, 36) for name in found]
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    expect(len(steps) > len(found) // 2, f"the names follow each other: {found}")
    firsts = {name[0] for name in found}
    expect(len(firsts) > 4, f"the names begin alike: {found}")


@case(Part.RELAY, "join-data-of-both", "JOIN-1")
def data_of_both(relay: RelayUnderTest) -> None:
    """Both members are told of the same data ports, in the same order."""
    sender, recipient = relay.pair("proven")
    expect(sender.ports == recipient.ports, f"{sender.ports} and {recipient.ports}")
    good(sender.post(h_k=H_K))
