"""Cases: requests that wait."""

from __future__ import annotations

from conformance._case import Need, Part, case, expect
from conformance.relay._play import H_K, HH_K, ONE, TWO, WOKEN, RelayUnderTest, X, Y, good


@case(Part.RELAY, "wait-ends-with-change", "WAIT-1")
def ends_with_change(relay: RelayUnderTest) -> None:
    """A wait ends with the first change after `since`, and shows it."""
    sender, recipient = relay.pair("offered")
    web = sender.wait(sender.look()["seq"])
    expect(web.pipe.quiet(), "it was answered before anything changed")
    good(recipient.post(y=Y, hh_k=HH_K))
    state = good(web.read())
    expect((state["y"], state["hh_k"]) == (Y, HH_K), f"it was answered with {state}")


@case(Part.RELAY, "wait-without-since", "WAIT-1")
def without_since(relay: RelayUnderTest) -> None:
    """Without `since` a wait counts from the seq that it came at."""
    sender, recipient = relay.pair("offered")
    web = sender.wait()
    expect(web.pipe.quiet(), "it was answered before anything changed")
    good(recipient.post(y=Y, hh_k=HH_K))
    expect(good(web.read())["y"] == Y, "it does not show the change")


@case(Part.RELAY, "wait-old-since", "WAIT-1")
def old_since(relay: RelayUnderTest) -> None:
    """A wait whose `since` is old already is answered at once."""
    sender, recipient = relay.pair("offered")
    for member in (sender, recipient):
        for since in (0, member.look()["seq"] - 1):
            state = good(member.wait(since).read())
            expect(state["x"] == X, f"it was answered with {state}")


@case(Part.RELAY, "wait-runs-out", "WAIT-1")
def runs_out(relay: RelayUnderTest) -> None:
    """A wait in which nothing changes ends with 200 and the same seq, and not before its time."""
    sender, _ = relay.pair("offered")
    before = sender.look()
    web = sender.wait(before["seq"], wait=8)
    expect(web.pipe.quiet(), "it was answered at once")
    state = good(web.read())
    expect(state == before, f"{before} became {state}")


@case(Part.RELAY, "wait-of-nothing", "WAIT-1")
def of_nothing(relay: RelayUnderTest) -> None:
    """`wait` 0, and `since` without `wait`, are answered at once."""
    sender = relay.join("sender")
    for fields in ({"wait": 0}, {"wait": 0.0, "since": sender.seq}, {"since": sender.seq + 9}):
        expect(good(sender.post(**fields))["seq"] == sender.seq, f"{fields} changed seq")


@case(Part.RELAY, "wait-far-since", "WAIT-1")
def far_since(relay: RelayUnderTest) -> None:
    """A `since` that lies ahead waits until seq is above it."""
    sender, recipient = relay.pair()
    web = sender.wait(sender.look()["seq"] + 1)
    good(sender.post(x=X))
    expect(web.pipe.quiet(), "a seq that is not above `since` released it")
    good(recipient.post(y=Y, hh_k=HH_K))
    expect(good(web.read())["y"] == Y, "it does not show the change")


@case(Part.RELAY, "wait-sees-the-seat", "WAIT-1", "CHAN-9")
def sees_the_seat(relay: RelayUnderTest) -> None:
    """The recipient's joining ends the sender's wait."""
    sender = relay.join("sender")
    web = sender.wait(sender.seq)
    expect(web.pipe.quiet(), "it was answered before anybody joined")
    relay.join("recipient", channel=sender.channel)
    expect(good(web.read())["recipient"] is True, "it does not show the recipient")


@case(Part.RELAY, "wait-action-first", "WAIT-2")
def action_first(relay: RelayUnderTest) -> None:
    """A request with an action and a wait takes the action first."""
    sender, recipient = relay.pair()
    web = sender.wait()
    released = relay.web()
    released.patience = WOKEN
    expect(web.pipe.quiet(), "it was answered before anything changed")
    released.write("/channel", sender.fields(x=X, wait=25))
    expect(good(web.read())["x"] == X, "the newer wait releases the older with x")
    relay.settle()
    expect(released.pipe.quiet(), "its own change, in a wait without `since`, released it")
    good(recipient.post(y=Y, hh_k=HH_K))
    expect(good(released.read())["y"] == Y, "it does not show the change")


@case(Part.RELAY, "wait-action-with-since", "WAIT-2")
def action_with_since(relay: RelayUnderTest) -> None:
    """An action that changes the channel is news for a `since` from before it."""
    sender, _ = relay.pair()
    seq = sender.look()["seq"]
    web = relay.web()
    web.patience = WOKEN
    web.write("/channel", sender.fields(x=X, since=seq, wait=25))
    expect(good(web.read())["x"] == X, "it does not show its own value")


@case(Part.RELAY, "wait-one-each", "WAIT-3")
def one_each(relay: RelayUnderTest) -> None:
    """A newer wait of the same uuid releases the older one with the state as it is."""
    sender, recipient = relay.pair("offered")
    seq = sender.look()["seq"]
    older, other = sender.wait(seq), recipient.wait(seq)
    expect(older.pipe.quiet(), "it was answered before anything changed")
    newer = sender.wait(seq)
    expect(good(older.read())["seq"] == seq, "it was released with another state")
    expect(newer.pipe.quiet(), "the newer one was released too")
    expect(other.pipe.quiet(), "the other member's was released too")
    good(recipient.post(y=Y, hh_k=HH_K))
    expect(good(newer.read())["y"] == good(other.read())["y"] == Y, "both see the change")


@case(Part.RELAY, "wait-look-releases-none", "WAIT-3")
def look_releases_none(relay: RelayUnderTest) -> None:
    """A request that does not wait leaves the one that waits where it is."""
    sender, recipient = relay.pair("offered")
    web = sender.wait(sender.look()["seq"])
    sender.look()
    expect(web.pipe.quiet(), "a look released the wait")
    good(recipient.post(y=Y, hh_k=HH_K))
    expect(good(web.read())["y"] == Y, "it does not show the change")


@case(Part.RELAY, "wait-for-x-only", "WAIT-4")
def for_x_only(relay: RelayUnderTest) -> None:
    """A recipient's wait before x ends with x, whatever `since` says."""
    sender, recipient = relay.pair()
    web = recipient.wait(0)
    expect(web.pipe.quiet(), "it was answered before x, with an old `since`")
    good(sender.post(x=X))
    expect(good(web.read())["x"] == X, "it does not show x")


@case(Part.RELAY, "wait-for-x-through-changes", "WAIT-4", needs=(Need.ADDRESSES,))
def for_x_through_changes(relay: RelayUnderTest) -> None:
    """A change that is not x, such as an address that gets in, does not end that wait."""
    sender, recipient = relay.pair("paired", (ONE, ONE))
    web = recipient.wait(0)
    expect(web.pipe.quiet(), "it was answered before x, with an old `since`")
    good(relay.post("/channel", local=TWO, **sender.fields()))
    expect(web.pipe.quiet(), "an address that got in released it")
    good(sender.post(x=X))
    expect(good(web.read())["x"] == X, "it does not show x")


@case(Part.RELAY, "wait-released-by-close", "WAIT-5", "CLOSE-2")
def released_by_close(relay: RelayUnderTest) -> None:
    """A close releases all that wait at once with 410, also who waits for x."""
    for stage in ("paired", "offered"):
        sender, recipient = relay.pair(stage)
        webs = [sender.wait(sender.look()["seq"]), recipient.wait()]
        expect(all(web.pipe.quiet() for web in webs), "one was answered before the close")
        good(sender.post(close=True, reason="cancelled"))
        for web in webs:
            reply = web.read()
            expect(reply.says(410, "closed"), f"a wait was answered {reply}")
            said = {name: reply.data.get(name) for name in ("by", "reason")}
            expect(said == {"by": "sender", "reason": "cancelled"}, f"it says {said}")


@case(Part.RELAY, "wait-asker-gone", "WAIT-6")
def asker_gone(relay: RelayUnderTest) -> None:
    """Askers that hang up while they wait leave nothing behind, and take nothing along."""
    sender, recipient = relay.pair("offered")
    seq = sender.look()["seq"]
    for _ in range(50):
        sender.wait(seq).pipe.close()
        recipient.wait(seq).pipe.close()
    web = sender.wait(seq)
    good(recipient.post(y=Y, hh_k=HH_K))
    expect(good(web.read())["y"] == Y, "a wait after fifty that hung up")
    expect(good(sender.post(h_k=H_K))["h_k"] == H_K, "the channel goes on")
