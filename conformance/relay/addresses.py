"""Cases: never more than two addresses on one channel."""

from __future__ import annotations

from conformance._case import Need, Part, case, expect
from conformance.relay._play import (
    H_K,
    HH_K,
    ONE,
    THREE,
    TWO,
    Member,
    RelayUnderTest,
    X,
    Y,
    good,
    let_in,
    nonce,
)

HERE = (Need.ADDRESSES,)


def _from(relay: RelayUnderTest, member: Member, local: str, **more: object) -> tuple[int, str]:
    """Send a member's request from another address; return status and code."""
    reply = relay.post("/channel", local=local, **member.fields(**more))
    return reply.status, str(reply.data.get("code", ""))


@case(Part.RELAY, "address-third-is-full", "ADDR-4", "ADDR-5", needs=HERE)
def third_is_full(relay: RelayUnderTest) -> None:
    """Once two addresses are in, a third is 403 `channel_full`, whatever uuid it shows."""
    sender, recipient = relay.pair("offered", (ONE, TWO))
    full = (403, "channel_full")
    for member in (sender, recipient):
        for more in ({}, {"x": X}, {"y": Y, "hh_k": HH_K}, {"close": True}, {"wait": 5}):
            answer = _from(relay, member, THREE, **more)
            expect(answer == full, f"the {member.role}'s uuid from a third address: {answer}")
    for role in ("sender", "recipient"):
        reply = relay.post("/join", local=THREE, role=role, channel=sender.channel)
        expect(reply.says(*full), f"a third address's join as {role} was answered {reply}")
    reply = relay.post("/channel", local=THREE, channel=sender.channel, uuid=nonce())
    expect(reply.says(*full), f"a stranger at a third address was answered {reply}")
    expect(recipient.look()["x"] == X, "the channel goes on")


@case(Part.RELAY, "address-refused-takes-no-slot", "ADDR-3", "HTTP-9", needs=HERE)
def refused_takes_no_slot(relay: RelayUnderTest) -> None:
    """A refused request lets no address in: the right one gets in after it."""
    sender = relay.join("sender", ONE)
    refused = [
        relay.post("/join", local=TWO, role="sender", channel=sender.channel),
        relay.post("/join", local=TWO, role="recipient", channel=sender.channel, curve="p521"),
        relay.post("/channel", local=TWO, channel=sender.channel, uuid=nonce()),
        relay.post("/channel", local=TWO, **sender.fields(h_k=H_K)),
        relay.post("/channel", local=TWO, **sender.fields(x="?")),
    ]
    expect(all(400 <= reply.status < 500 for reply in refused), "what is wrong is refused")
    recipient = relay.join("recipient", THREE, channel=sender.channel)
    answer = _from(relay, recipient, TWO)
    expect(answer == (403, "channel_full"), f"now two are in, and a third gets {answer}")


@case(Part.RELAY, "address-member-from-second", "ADDR-3", "CHAN-9", needs=HERE)
def member_from_second(relay: RelayUnderTest) -> None:
    """A member's request from a second address lets it in, counts as a change, and fills up."""
    sender = relay.join("sender", ONE)
    before = sender.look()["seq"]
    reply = relay.post("/channel", local=TWO, **sender.fields())
    expect(good(reply)["seq"] > before, "an address got in, and seq did not grow")
    again = relay.post("/channel", local=TWO, **sender.fields())
    expect(good(again)["seq"] == good(reply)["seq"], "the same address counted again")
    join = relay.post("/join", local=THREE, role="recipient", channel=sender.channel)
    expect(join.says(403, "channel_full"), f"a third address's join was answered {join}")
    relay.join("recipient", TWO, channel=sender.channel)


@case(Part.RELAY, "address-both-behind-one", "ADDR-6", needs=HERE)
def both_behind_one(relay: RelayUnderTest) -> None:
    """Two members behind one address are one: there is room for another address."""
    sender, recipient = relay.pair("offered", (ONE, ONE))
    expect(_from(relay, recipient, TWO)[0] == 200, "a second address does not get in")
    expect(_from(relay, sender, TWO)[0] == 200, "it is in for one member only")
    expect(_from(relay, sender, THREE) == (403, "channel_full"), "a third one got in")


@case(Part.RELAY, "address-one-seats-guard", "ADDR-6")
def one_seats_guard(relay: RelayUnderTest) -> None:
    """Behind one address, seats and uuids still guard."""
    sender, _ = relay.pair("offered")
    reply = relay.post("/join", role="recipient", channel=sender.channel)
    expect(reply.says(409, "occupied"), f"a third person's join was answered {reply}")
    reply = relay.post("/channel", channel=sender.channel, uuid=nonce())
    expect(reply.says(403, "not_yours"), f"a third person's look was answered {reply}")


@case(Part.RELAY, "address-on-data-ports", "ADDR-4", "ADDR-5", "PORT-4", needs=HERE)
def on_data_ports(relay: RelayUnderTest) -> None:
    """A data connection from a third address is `ERR 403 channel_full`."""
    sender, recipient = relay.pair("proven", (ONE, TWO))
    for member in (sender, recipient):
        answer = member.dial(local=THREE).line()
        expect(answer == "ERR 403 channel_full", f"a third address was answered {answer!r}")
    let_in(sender.dial(), recipient.dial())


@case(Part.RELAY, "address-enters-by-data-port", "ADDR-3", needs=HERE)
def enters_by_data_port(relay: RelayUnderTest) -> None:
    """An identification lets a member's second address in, while there is room."""
    sender, recipient = relay.pair("proven", (ONE, ONE))
    let_in(recipient.dial(local=TWO))
    answer = sender.dial(local=THREE).line()
    expect(answer == "ERR 403 channel_full", f"the third one was answered {answer!r}")
    expect(_from(relay, sender, THREE) == (403, "channel_full"), "by HTTP it gets in")


@case(Part.RELAY, "address-refused-line-takes-no-slot", "ADDR-3", needs=HERE)
def refused_line_takes_no_slot(relay: RelayUnderTest) -> None:
    """A refused identification lets no address in."""
    sender, recipient = relay.pair("answered", (ONE, ONE))
    expect(sender.dial(local=TWO).line() == "ERR 409 out_of_turn", "h_k is not set yet")
    stranger = relay.data(sender.ports[0], TWO)
    stranger.pipe.send(f"CROC/1 {sender.channel} {nonce()}\n".encode())
    expect(stranger.line() == "ERR 403 not_yours", "it is nobody's uuid")
    expect(_from(relay, recipient, THREE)[0] == 200, "there was room, and it did not get in")


@case(Part.RELAY, "address-claimed-does-not-count", "ADDR-1", needs=HERE)
def claimed_does_not_count(relay: RelayUnderTest) -> None:
    """What a stranger's header says of its address does not count."""
    sender, _ = relay.pair("offered", (ONE, TWO))
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP", "Via"):
        for claimed in (ONE, f"for={ONE}", "10.1.2.3"):
            web = relay.web(THREE)
            web.write("/channel", sender.fields(), f"{name}: {claimed}")
            reply = web.read()
            expect(reply.says(403, "channel_full"), f"{name}: {claimed} was answered {reply}")
            web = relay.web(ONE)
            web.write("/channel", sender.fields(), f"{name}: 10.9.9.9")
            expect(web.read().status == 200, f"a member with {name}: 10.9.9.9 is refused")


@case(Part.RELAY, "address-mapped-is-ipv4", "ADDR-2", needs=HERE,
      flags={"host": "::ffff:127.0.0.1", "ipv6_prefix": 64})  # fmt: skip
def mapped_is_ipv4(relay: RelayUnderTest) -> None:
    """IPv4-mapped addresses count as IPv4: no IPv6 prefix makes three of them one."""
    sender, recipient = relay.pair("offered", (ONE, TWO))
    answer = _from(relay, recipient, THREE)
    expect(answer == (403, "channel_full"), f"a third address was answered {answer}")
    expect(sender.look()["x"] == X, "the channel goes on")
