"""Cases: what a relay gives to strangers, and its token."""

from __future__ import annotations

import contextlib
import json

from conformance._case import Need, Part, case, expect
from conformance.relay._play import Link, RelayUnderTest, good, nonce
from conformance.relay._web import Reply
from conformance.subjects._pipe import PATIENCE

WITH_TOKEN = {"token_file": "(a file of the suite)"}
MOST_LINKS = 4608
"""A relay that lets a stranger have so many waiting data connections has no limit."""


def _limited(reply: Reply) -> None:
    """Check a 429: it says after how many whole seconds to ask again."""
    expect(reply.says(429, "too_many"), f"it was answered {reply}")
    after = reply.headers.get("retry-after", "")
    expect(after.isdecimal() and int(after) > 0, f"Retry-After is {after!r}")


@case(Part.RELAY, "limit-channels", "JOIN-12", flags={"max_channels": 2})
def channels(relay: RelayUnderTest) -> None:
    """Open channels are limited in all: 503 `busy`, until one is closed."""
    first, _ = relay.join("sender"), relay.join("sender")
    reply = relay.post("/join", role="sender")
    expect(reply.says(503, "busy"), f"one too many was answered {reply}")
    good(first.post(close=True))
    relay.join("sender")


@case(Part.RELAY, "limit-channels-of-one", "JOIN-12", flags={"max_per_address": 2})
def channels_of_one(relay: RelayUnderTest) -> None:
    """Open channels of one address are limited: 429, until one is closed."""
    first, second = relay.join("sender"), relay.join("sender")
    _limited(relay.post("/join", role="sender"))
    relay.join("recipient", channel=second.channel)
    good(first.post(close=True))
    relay.join("sender")


@case(Part.RELAY, "limit-retry-after", "ERR-2", flags={"joins_per_minute": 3})
def retry_after(relay: RelayUnderTest) -> None:
    """Joins of one address are limited: 429 with Retry-After in whole seconds."""
    for _ in range(3):
        relay.join("sender")
    _limited(relay.post("/join", role="sender"))
    _limited(relay.post("/join", role="recipient", channel=relay.fresh_name()))


@case(Part.RELAY, "limit-rate-spares-repeats", "JOIN-9", flags={"joins_per_minute": 2})
def rate_spares_repeats(relay: RelayUnderTest) -> None:
    """A repeated join takes nothing, of the rate neither."""
    ask = {"role": "sender", "nonce": nonce()}
    first = relay.post("/join", **ask)
    relay.member(good(first))
    for _ in range(5):
        expect(relay.post("/join", **ask).body == first.body, "the repeat was answered otherwise")
    relay.join("sender")
    _limited(relay.post("/join", role="sender"))


@case(Part.RELAY, "limit-body", "HTTP-4", flags={"max_body": 9000})
def body(relay: RelayUnderTest) -> None:
    """A body up to the limit is taken, and one byte more is 413 `too_large`."""
    for size, status in ((9000, 200), (9001, 413)):
        web = relay.web()
        web.write_body("/join", json.dumps({"role": "sender"}).encode().ljust(size))
        reply = web.read()
        expect(reply.status == status, f"{size} bytes were answered {reply}")


@case(Part.RELAY, "limit-waiting-links", "PORT-12", needs=(Need.FLOOD,))
def waiting_links(relay: RelayUnderTest) -> None:
    """Data connections of one address that only wait are limited: 429, or 503 in all."""
    port = relay.join("sender").ports[0]
    links: list[Link] = []
    answers: list[str] = []
    with contextlib.suppress(ConnectionError):
        for _ in range(0, MOST_LINKS, 64):
            links += (relay.data(port) for _ in range(64))
            relay.settle()
            # A relay may refuse the newest, or let go the oldest for it.
            told = [link for link in (links[0], *links[-64:]) if not link.quiet()]
            links = [link for link in links if link not in told]
            answers = [line for link in told if (line := link.line()) != "ERR 408 too_slow"]
            if answers or not links:
                break
    expect(answers, f"{len(links)} connections that say nothing were all let in")
    right = answers[0] in ("ERR 429 too_many", "ERR 503 busy")
    expect(right, f"they are refused with {answers[0]!r}")
    for link in links:
        link.pipe.close()


@case(Part.RELAY, "limit-links-come-back", "PORT-12", needs=(Need.FLOOD,))
def links_come_back(relay: RelayUnderTest) -> None:
    """Who has gone counts no more: after hundreds that came and went a member gets in again."""
    sender, _ = relay.pair("proven")
    port = sender.ports[0]
    for number in range(480):
        link = relay.data(port) if number % 4 else sender.dial()
        if number % 4 == 1:
            link.pipe.send(b"nonsense\n")
        if number % 4 < 2:
            link.line()
        link.pipe.close()
    relay.eventually(  # silent ones may count until their deadline of 10 s
        lambda: sender.dial().line() == "OK", PATIENCE, "a member is refused"
    )


@case(Part.RELAY, "token-of-senders", "TOKEN-1", flags=WITH_TOKEN)
def token_of_senders(relay: RelayUnderTest) -> None:
    """A sender's join without the right token is 401, whether the channel exists or not."""
    sender = relay.join("sender", channel=relay.fresh_name())
    right = relay.token or ""
    for more in ({}, {"token": "x"}, {"token": right[:-1]}, {"token": right + "x"},
                 {"token": right.upper()}):  # fmt: skip
        for name in (sender.channel, relay.fresh_name()):
            reply = relay.post("/join", role="sender", channel=name, **more)
            expect(reply.says(401, "token"), f"a join with {more} was answered {reply}")
            expect(right.encode() not in reply.body, "the reply shows the token")
    reply = relay.post("/join", role="sender", token=right, channel=sender.channel)
    expect(reply.says(409, "occupied"), f"with the token it was answered {reply}")


@case(Part.RELAY, "token-order", "HTTP-11", "TOKEN-1", flags=WITH_TOKEN)
def token_order(relay: RelayUnderTest) -> None:
    """The token is checked after syntax and version, and before the rest."""
    checks = (({"role": "sender", "nonce": "?"}, 400), ({"role": "sender", "protocol": 2}, 426),
              ({"role": "sender", "channel": relay.fresh_name()}, 401))  # fmt: skip
    for fields, status in checks:
        reply = relay.post("/join", **fields)
        expect(reply.status == status, f"{fields} was answered {reply}")


@case(Part.RELAY, "token-not-of-recipients", "TOKEN-2", flags=WITH_TOKEN)
def token_not_of_recipients(relay: RelayUnderTest) -> None:
    """A recipient joins without a token, and with any one."""
    for more in ({}, {"token": "anything"}):
        relay.join("recipient", channel=relay.join("sender").channel, **more)


@case(Part.RELAY, "token-of-no-relay", "JOIN-1")
def token_of_no_relay(relay: RelayUnderTest) -> None:
    """A relay without a token takes a join that has one."""
    relay.join("sender", token=relay.token or "anything")
