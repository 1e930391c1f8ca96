"""Cases: the end of a channel, and what is left of it."""

from __future__ import annotations

from conformance._case import Part, case, expect
from conformance.relay._play import RelayUnderTest, X, good, let_in, nonce

SECONDS = 5
IDLE = {"idle_timeout": SECONDS}
LONG = 60.0
"""Seconds within which a relay with a limit of a few has to expire what nobody uses."""
REASONS = ("done", "wrong_code", "declined", "cancelled", "failed")


@case(Part.RELAY, "close-by-either", "CLOSE-1")
def by_either(relay: RelayUnderTest) -> None:
    """Either member can close, at every stage."""
    for stage in ("paired", "offered", "answered", "proven"):
        for closer in (0, 1):
            pair = relay.pair(stage)
            good(pair[closer].post(close=True))
            reply = pair[1 - closer].post()
            expect(reply.says(410, "closed"), f"after the close the other reads {reply}")


@case(Part.RELAY, "close-by-nobody-else", "CLOSE-1")
def by_nobody_else(relay: RelayUnderTest) -> None:
    """A stranger's close is 403, and the channel stays open."""
    sender, _ = relay.pair("offered")
    other = relay.join("sender")
    for uuid in (nonce(), other.uuid):
        reply = relay.post("/channel", channel=sender.channel, uuid=uuid, close=True)
        expect(reply.says(403, "not_yours"), f"it was answered {reply}")
    sender.look()


@case(Part.RELAY, "close-says-by-and-reason", "CLOSE-5")
def says_by_and_reason(relay: RelayUnderTest) -> None:
    """A member reads who closed and why; a reason that was not given is not there."""
    for reason in (*REASONS, None):
        more = {} if reason is None else {"reason": reason}
        for closer in (0, 1):
            pair = relay.pair()
            good(pair[closer].post(close=True, **more))
            for member in pair:
                reply = member.post(wait=5)
                expect(reply.says(410, "closed"), f"it was answered {reply}")
                said = {name: reply.data.get(name) for name in ("by", "reason")}
                right = {"by": pair[closer].role, "reason": reason}
                expect(said == right, f"{right} became {said}")


@case(Part.RELAY, "close-tells-no-stranger", "CLOSE-5")
def tells_no_stranger(relay: RelayUnderTest) -> None:
    """Who was no member gets 410 without by and reason, by whatever route."""
    sender, _ = relay.pair()
    good(sender.post(close=True, reason="wrong_code"))
    replies = [
        relay.post("/channel", channel=sender.channel, uuid=nonce()),
        relay.post("/channel", channel=sender.channel, uuid=nonce(), close=True),
        relay.post("/join", role="recipient", channel=sender.channel),
        relay.post("/join", role="sender", channel=sender.channel),
    ]
    for reply in replies:
        expect(reply.says(410, "closed"), f"a stranger was answered {reply}")
        expect(b"wrong_code" not in reply.body and b"sender" not in reply.body,
               f"a stranger learned who or why: {reply}")  # fmt: skip


@case(Part.RELAY, "close-frees-values", "CLOSE-2", "CLOSE-4")
def frees_values(relay: RelayUnderTest) -> None:
    """The reply to a close, and to every later one, shows no value any more."""
    sender, recipient = relay.pair("proven")
    for member in (sender, recipient, sender):
        state = good(member.post(close=True))
        left = {name: state[name] for name in ("x", "y", "hh_k", "h_k")}
        expect(not any(left.values()), f"the closed channel still shows {left}")


@case(Part.RELAY, "close-first-decides", "CLOSE-4")
def first_decides(relay: RelayUnderTest) -> None:
    """A second close is 200 and changes neither who nor why."""
    sender, recipient = relay.pair("offered")
    good(recipient.post(close=True, reason="declined"))
    good(sender.post(close=True, reason="failed"))
    good(recipient.post(close=True))
    reply = sender.post()
    said = {name: reply.data.get(name) for name in ("by", "reason")}
    expect(said == {"by": "recipient", "reason": "declined"}, f"it says {said}")


@case(Part.RELAY, "close-everything-else-is-410", "CLOSE-5")
def everything_else_is_410(relay: RelayUnderTest) -> None:
    """Any other request of a member to a closed channel is 410."""
    sender, _ = relay.pair("offered")
    good(sender.post(close=True))
    for fields in ({}, {"x": X}, {"h_k": X}, {"y": X, "hh_k": X}, {"wait": 5}, {"since": 0}):
        reply = sender.post(**fields)
        expect(reply.says(410, "closed"), f"{fields} was answered {reply}")


@case(Part.RELAY, "close-tombstone-stays", "CLOSE-3", "CLOSE-6")
def tombstone_stays(relay: RelayUnderTest) -> None:
    """The tombstone stands after a while, and its name is not given out."""
    sender, recipient = relay.pair()
    good(sender.post(close=True, reason="failed"))
    relay.net.pause(relay.net.leisure)
    reply = recipient.post()
    expect(reply.says(410, "closed"), f"the member is answered {reply}")
    expect(reply.data.get("reason") == "failed", f"the reason is gone: {reply}")
    for _ in range(3):
        reply = relay.post("/join", role="sender", channel=sender.channel)
        expect(reply.says(410, "closed"), f"the name was given out: {reply}")


@case(Part.RELAY, "close-cuts-data", "CLOSE-2")
def cuts_data(relay: RelayUnderTest) -> None:
    """A close cuts the channel's staplings at once, and drops who waits on a data port."""
    sender, recipient, a, b = relay.stapled()
    waiting = sender.dial(1)
    let_in(waiting)
    a.pipe.send(b"early")
    expect(b.read(5) == b"early", "the stapling carries bytes")
    expect(a.quiet() and waiting.quiet(), "nothing has ended yet")
    good(recipient.post(close=True))
    for link, which in ((a, "sender's end"), (b, "recipient's end"), (waiting, "one that waits")):
        expect(link.gone(), f"the {which} goes on after the close")


@case(Part.RELAY, "close-expires-idle", "CLOSE-7", flags=IDLE)
def expires_idle(relay: RelayUnderTest) -> None:
    """A channel that nobody uses is closed by the relay, with reason `expired`."""
    sender = relay.join("sender")
    ask = {"role": "recipient", "channel": sender.channel}  # refused, so it is no use
    relay.eventually(
        lambda: relay.post("/join", **ask).status == 410, LONG, "an idle channel stays open"
    )
    said = sender.post().data
    expect((said.get("by"), said.get("reason")) == ("relay", "expired"), f"it says {said}")


@case(Part.RELAY, "close-expires-old", "CLOSE-7", flags={"channel_ttl": SECONDS})
def expires_old(relay: RelayUnderTest) -> None:
    """A channel that is open too long without a stapling is closed, used or not."""
    sender = relay.join("sender")
    relay.eventually(lambda: sender.post().status == 410, LONG, "an old channel stays open")
    said = sender.post().data
    expect((said.get("by"), said.get("reason")) == ("relay", "expired"), f"it says {said}")


@case(Part.RELAY, "close-expires-after-stapling", "CLOSE-7", flags=IDLE)
def expires_after_stapling(relay: RelayUnderTest) -> None:
    """A stapling that has ended keeps no channel open."""
    sender, _, a, b = relay.stapled()
    for link in (a, b):
        link.pipe.close()
    ask = {"role": "recipient", "channel": sender.channel}
    relay.eventually(
        lambda: relay.post("/join", **ask).status == 410, LONG, "a channel that was used stays open"
    )


@case(Part.RELAY, "close-not-while-used", "CLOSE-7", flags=IDLE)
def not_while_used(relay: RelayUnderTest) -> None:
    """A channel that is looked at now and then is not idle."""
    now = relay.net.now
    sender, used = relay.join("sender"), now()
    for _ in range(24):
        relay.net.pause(SECONDS / 16)
        looked = now()
        reply = sender.post()
        if reply.status == 410 and now() - used >= SECONDS:  # we came too late, not the relay
            sender, used = relay.join("sender"), now()
            continue
        good(reply)
        used = looked


@case(Part.RELAY, "close-not-while-waited-on", "CLOSE-8", flags=IDLE)
def not_while_waited_on(relay: RelayUnderTest) -> None:
    """A channel that a request waits on does not expire for being idle."""
    sender, idle = relay.join("sender"), relay.join("sender")
    web = sender.wait(sender.look()["seq"])
    ask = {"role": "recipient", "channel": idle.channel}
    relay.eventually(
        lambda: relay.post("/join", **ask).status == 410, LONG, "an idle channel stays open"
    )
    relay.net.pause(1)
    expect(web.pipe.quiet(), "it was answered, with nothing changed")
    sender.look()


@case(Part.RELAY, "close-not-while-stapled", "CLOSE-8", flags=IDLE)
def not_while_stapled(relay: RelayUnderTest) -> None:
    """A channel with a live stapling does not expire for being idle."""
    sender, _, a, b = relay.stapled()
    for _ in range(24):
        a.pipe.send(b"here")
        expect(b.read(4) == b"here", "the stapling has ended")
        relay.net.pause(SECONDS / 16)
    sender.look()
