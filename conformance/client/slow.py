"""Cases that wait for a deadline of the protocol. They come first, and wait beside the others."""

from __future__ import annotations

import os

from conformance._case import Part, case, expect
from conformance.client._both import both
from conformance.client._roles import FILES, Party, RecipientStage, SenderStage, file, talking
from conformance.client._stage import NOT_SUPPORTED, WAIT
from croc_core import messages
from croc_core.content import Entry, Kind
from croc_core.messages import Manifest, Receipt


@both("relay-stalls", "LIVE-4")
def relay_stalls(party: Party) -> None:
    """A relay that takes the request and never answers ends the run, by a typed error."""
    party.lie = lambda asked, answer: None
    party.begin()
    party.fails("timeout", "relay_unreachable", seconds=WAIT)


@case(Part.SENDER, "sender-still-here", "LIVE-1")
def sender_still_here(sender: SenderStage) -> None:
    """A sender that waits for the Accept for 15 seconds says STILL_HERE."""
    talk = talking(sender)
    heard = talk.hear_any("its sign of life", 20)
    expect(heard.kind == messages.STILL_HERE and not heard.body, f"it sent {heard.kind:#x}")


@case(Part.RECIPIENT, "recipient-still-here", "LIVE-1")
def recipient_still_here(recipient: RecipientStage) -> None:
    """A recipient that waits for more says STILL_HERE after 15 seconds."""
    talk = talking(recipient)
    recipient.offer(talk, file("a.txt", b"abc"))
    recipient.accepted(talk)
    heard = talk.hear_any("its sign of life", 20)
    expect(heard.kind == messages.STILL_HERE and not heard.body, f"it sent {heard.kind:#x}")


@both("not-sooner", "LIVE-2", "LIVE-4")
def not_sooner(party: Party) -> None:
    """It bears 40 seconds of silence on connection 0, and gives it up soon after 60."""
    talk = talking(party)
    begun = party.net.now()
    party.until(lambda: talk.link.conn.ended, "that it hangs up", 2 * WAIT, outlives=True)
    seconds = party.net.now() - begun
    expect(seconds > 40, f"it gave up after {seconds:.0f} s")
    party.fails("timeout", "peer_left")


@both("stalled-peer", "LIVE-4", "LIVE-2")
def stalled_peer(party: Party) -> None:
    """A peer that greets and then says nothing, and reads nothing, is given up."""
    party.begin()
    talk = party.seal()
    begun = len(party.asked)
    talk.link.conn.unread = True
    party.until(
        lambda: len(party.asked) > begun, "that it asks the relay why", 2 * WAIT, outlives=True
    )
    talk.link.conn.reset()
    party.fails("timeout", "peer_left", seconds=2 * WAIT)


@case(Part.RECIPIENT, "recipient-closes-after-five", "END-6")
def closes_after_five(recipient: RecipientStage) -> None:
    """Where the sender does not hang up, it closes the channel after 5 seconds, with success."""
    recipient.begin()
    talk = recipient.opened()
    recipient.sent(talk, FILES)
    recipient.end(talk, 1, sum(map(len, FILES.values())))
    talk.control(Receipt)
    recipient.closes("done")
    recipient.succeeds()


@case(Part.RECIPIENT, "recipient-endless-offer", "OFFER-9")
def endless_offer(recipient: RecipientStage) -> None:
    """An offer without end is given up with a typed error, in bounded memory."""
    recipient.begin(CROC_WITH="most=20000")  # else it costs whoever takes millions much time
    asked = recipient.run
    assert asked is not None
    recipient.until(lambda: recipient.asked or asked.status() is not None, "its join",
                    outlives=True)  # fmt: skip
    if asked.status() == NOT_SUPPORTED:
        recipient.begin()
    talk = recipient.opened()
    recipient.tid = os.urandom(16)
    many = tuple(Entry(Kind.DIRECTORY, "d", 0, {}) for _ in range(10_000))
    body = messages.encode(Manifest(None, many))
    talk.say(Manifest(recipient.tid, (many[0],)))
    sent = 0
    while recipient.run and recipient.run.status() is None and sent < 4_000_000:
        talk.say(*[body] * 15)
        sent += 15 * len(many)
        recipient.until(lambda: not talk.link.conn.pending, "that it takes more", outlives=True)
    recipient.refuses("local_file", "declined", "protocol_error", "peer_left")
