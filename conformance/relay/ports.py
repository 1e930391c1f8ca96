"""Cases: data connections, from their line to the end of a stapling."""

from __future__ import annotations

import hashlib

from conformance._case import Part, case, expect, skip
from conformance.relay._play import Link, Member, RelayUnderTest, good, let_in, nonce
from conformance.relay.http import QUICK
from conformance.subjects._pipe import PATIENCE, Pipe

PART = b"0123456789abcdef" * 4096
"""64 KiB."""
MOST = 48 << 20
"""More bytes than any system's buffers and a sane relay's hold of one connection."""
SLUGGISH = 1.5
"""A connection that takes nothing for so long is stuck, in seconds."""
BAD_LINES = (b"HELLO", b"", b"CROC/1", b"CROC/1 abc", b"CROC/1  abc {u}", b"CROC/1 abc {u} ",
             b" CROC/1 abc {u}", b"croc/1 abc {u}", b"CROC/1 ABC {u}", b"CROC/1\tabc\t{u}",
             b"CROC/1 abc {u}\r", b"CROC/1 abc {v}", b"CROC/1 abc {u}00", b"CROC/1 \xff {u}",
             b"CROC/1 " + b"a" * 33 + b" {u}", b"GET / HTTP/1.1", b"CROC/ abc {u}")  # fmt: skip


def _answer(relay: RelayUnderTest, member: Member, line: bytes) -> tuple[str, Link]:
    link = relay.data(member.ports[0])
    link.pipe.send(line)
    return link.line(), link


def _two_ports(member: Member) -> None:
    if len(member.ports) < 2:
        skip("the relay has one data port only")


def _swallowed(pipe: Pipe) -> int:
    """Send until nothing is taken any more; return how many bytes were."""
    sent = 0
    try:
        while sent < MOST:
            pipe.send(PART, SLUGGISH)
            sent += len(PART)
    except TimeoutError:
        pass
    return sent


def _stapled(relay: RelayUnderTest, member: Member) -> None:
    relay.eventually(lambda: member.look()["stapled"], PATIENCE, "the relay does not say `stapled`")


@case(Part.RELAY, "port-lets-members-in", "PORT-2", "PORT-6")
def lets_members_in(relay: RelayUnderTest) -> None:
    """Both members' lines are answered OK on every port, and the relay adds nothing."""
    sender, recipient = relay.pair("proven")
    for index in range(len(sender.ports)):
        a, b = sender.dial(index), recipient.dial(index)
        let_in(a, b)
        _stapled(relay, sender)
        expect(a.quiet() and b.quiet(), "the relay wrote something of its own")


@case(Part.RELAY, "port-any-split", "PORT-2")
def any_split(relay: RelayUnderTest) -> None:
    """The line means the same however its bytes are split."""
    sender, recipient = relay.pair("proven")
    for step in (1, 3, 50):
        link = relay.data(sender.ports[0])
        line = sender.line()
        for at in range(0, len(line), step):
            link.pipe.send(line[at : at + step])
        let_in(link)
    let_in(recipient.dial())


@case(Part.RELAY, "port-malformed", "PORT-2")
def malformed(relay: RelayUnderTest) -> None:
    """A line that is none is `ERR 400 malformed`, and the connection is closed."""
    sender, _ = relay.pair("proven")
    for shape in BAD_LINES:
        line = shape.replace(b"{u}", nonce().encode()).replace(b"{v}", nonce().upper().encode())
        if shape.endswith(b"{v}"):
            line = b"CROC/1 abc " + b"A" * 32
        answer, link = _answer(relay, sender, line + b"\n")
        expect(answer == "ERR 400 malformed", f"{line!r} was answered {answer!r}")
        expect(link.gone(), f"after {line!r} the connection goes on")


@case(Part.RELAY, "port-long-line", "PORT-2")
def long_line(relay: RelayUnderTest) -> None:
    """Bytes without a newline are refused, not kept: the answer comes with no newline sent."""
    sender, _ = relay.pair("proven")
    answer, link = _answer(relay, sender, b"CROC/1 " + b"a" * 400)
    expect(answer == "ERR 400 malformed", f"407 bytes were answered {answer!r}")
    expect(link.gone(), "the connection goes on")


@case(Part.RELAY, "port-version", "PORT-2", "VER-1")
def version(relay: RelayUnderTest) -> None:
    """A line of another version is `ERR 426 version`, whatever else it holds."""
    sender, _ = relay.pair("proven")
    for line in (sender.line().replace(b"/1", b"/2"), b"CROC/2 something else\n", b"CROC/10 x\n"):
        answer, link = _answer(relay, sender, line)
        expect(answer == "ERR 426 version", f"{line!r} was answered {answer!r}")
        expect(link.gone(), f"after {line!r} the connection goes on")


@case(Part.RELAY, "port-slow-line", "PORT-3", flags=QUICK)
def slow_line(relay: RelayUnderTest) -> None:
    """A line that is not complete in time is `ERR 408 too_slow`, and the connection closed."""
    sender, _ = relay.pair("proven")
    for start in (b"", b"CROC/1 abc"):
        link = relay.data(sender.ports[0])
        link.pipe.send(start)
        answer = link.line()
        expect(answer == "ERR 408 too_slow", f"{start!r} and no more was answered {answer!r}")
        expect(link.gone(), "the connection goes on")


@case(Part.RELAY, "port-trickled-line", "PORT-3", flags=QUICK)
def trickled_line(relay: RelayUnderTest) -> None:
    """The deadline counts from the connection's start: a byte now and then does not move it."""
    sender, _ = relay.pair("proven")
    link = relay.data(sender.ports[0])
    for _ in range(150):  # fifteen seconds, for a deadline of three
        if not link.quiet():
            break
        link.pipe.send(b"C")
        relay.net.pause(0.1)
    expect(not link.quiet(), "a line of three seconds' limit was still read after fifteen")
    answer = link.line()
    expect(answer == "ERR 408 too_slow", f"it was answered {answer!r}")


@case(Part.RELAY, "port-refusals", "PORT-4")
def refusals(relay: RelayUnderTest) -> None:
    """Each refusal has its words, and the first of the order is the one that is given."""
    sender, recipient = relay.pair("answered")
    closed, _ = relay.pair("proven")
    good(closed.post(close=True))
    stranger = nonce().encode()
    asks = (
        (b"CROC/1 " + relay.fresh_name().encode() + b" " + stranger, "ERR 404 no_such_channel"),
        (closed.line().rstrip(), "ERR 410 closed"),
        (b"CROC/1 " + closed.channel.encode() + b" " + stranger, "ERR 410 closed"),
        (b"CROC/1 " + sender.channel.encode() + b" " + stranger, "ERR 403 not_yours"),
        (sender.line().rstrip(), "ERR 409 out_of_turn"),
        (recipient.line().rstrip(), "ERR 409 out_of_turn"),
    )
    for line, right in asks:
        answer, link = _answer(relay, sender, line + b"\n")
        expect(answer == right, f"expected {right!r}, got {answer!r}")
        expect(link.gone(), f"after {right!r} the connection goes on")
    expect(sender.look()["stapled"] is False, "something was stapled")


@case(Part.RELAY, "port-early-bytes", "PORT-5")
def early_bytes(relay: RelayUnderTest) -> None:
    """What comes behind the line, before the other side is there, arrives first and in order."""
    for late in (0, 1):
        pair = relay.pair("proven")
        early = pair[1 - late].dial(more=b"behind the line, ")
        let_in(early)
        early.pipe.send(b"before the other, ")
        other = pair[late].dial(more=b"mine, ")
        let_in(other)
        early.pipe.send(b"after it")
        other.pipe.send(b"too")
        text = b"behind the line, before the other, after it"
        expect(other.read(len(text)) == text, "the early bytes come otherwise")
        expect(early.read(9) == b"mine, too", "the bytes of the second one come otherwise")


@case(Part.RELAY, "port-unread-until-stapled", "PORT-5")
def unread_until_stapled(relay: RelayUnderTest) -> None:
    """A connection that waits is read no further than its line."""
    sender, recipient = relay.pair("proven")
    link = sender.dial()
    let_in(link)
    sent = _swallowed(link.pipe)
    expect(sent < MOST, f"{sent >> 20} MiB were read with nobody there to get them")
    other = recipient.dial()
    let_in(other)
    digest = hashlib.sha256(other.read(sent)).digest()
    right = hashlib.sha256(PART * (sent // len(PART))).digest()
    expect(digest == right, "they arrive, but not all as they were sent")


@case(Part.RELAY, "port-moves-bytes", "PORT-6", "CHAN-10")
def moves_bytes(relay: RelayUnderTest) -> None:
    """Every byte goes both ways as it is; the state says `stapled` and counts it."""
    sender, recipient, a, b = relay.stapled()
    every = bytes(range(256)) * 64
    for number in range(32):
        there, back = every[number:], every[: -number - 1]
        a.pipe.send(there)
        b.pipe.send(back)
        expect(b.read(len(there)) == there, "the sender's bytes come otherwise")
        expect(a.read(len(back)) == back, "the recipient's bytes come otherwise")
    expect(a.quiet() and b.quiet(), "there are more bytes than were sent")
    _stapled(relay, recipient)
    counts = sender.look()["staplings"]
    expect(counts == {str(sender.ports[0]): 1}, f"one stapling is counted as {counts}")


@case(Part.RELAY, "port-same-port-only", "PORT-7")
def same_port_only(relay: RelayUnderTest) -> None:
    """Connections to different ports are not stapled."""
    sender, recipient = relay.pair("proven")
    _two_ports(sender)
    a, b = sender.dial(0, b"over the wrong port"), recipient.dial(1)
    let_in(a, b)
    expect(sender.look()["stapled"] is False, "different ports were stapled")
    expect(a.quiet() and b.quiet(), "bytes went from one port to another")
    right = recipient.dial(0)
    let_in(right)
    expect(right.read(4) == b"over", "on the right port they arrive")
    expect(b.quiet(), "the other port got something too")


@case(Part.RELAY, "port-one-of-each-role", "PORT-7", "PORT-8")
def one_of_each_role(relay: RelayUnderTest) -> None:
    """Two connections of one member are not stapled; the newer one replaces the older."""
    for index in (0, 1):
        pair = relay.pair("proven")
        older = pair[index].dial(more=b"old")
        let_in(older)
        expect(older.quiet(), "the first one waits")
        newer = pair[index].dial(more=b"new")
        let_in(newer)
        expect(older.gone(), "the older one is not closed")
        expect(pair[index].look()["stapled"] is False, "a member was stapled with itself")
        other = pair[1 - index].dial()
        let_in(other)
        expect(other.read(3) == b"new", "the newer one is stapled")


@case(Part.RELAY, "port-channels-apart", "PORT-7")
def channels_apart(relay: RelayUnderTest) -> None:
    """Connections of different channels are not stapled."""
    (one, _), (_, two) = relay.pair("proven"), relay.pair("proven")
    a, b = one.dial(more=b"for my own channel"), two.dial()
    let_in(a, b)
    states = one.look()["stapled"], two.look()["stapled"]
    expect(states == (False, False), "two channels were stapled")
    expect(a.quiet() and b.quiet(), "bytes went from one channel to another")


@case(Part.RELAY, "port-again-while-stapled", "PORT-9", "CHAN-10")
def again_while_stapled(relay: RelayUnderTest) -> None:
    """A member that identifies again cuts the old pair; the next stapling is counted."""
    for index in (0, 1):
        *pair, a, b = relay.stapled()
        member, other = pair[index], pair[1 - index]
        a.pipe.send(b"x")
        expect(b.read(1) == b"x", "the stapling carries bytes")
        again = member.dial(more=b"again")
        let_in(again)
        expect(a.gone() and b.gone(), "the old pair goes on")
        expect(member.look()["stapled"] is True, "`stapled` did not stay true")
        redialled = other.dial()
        let_in(redialled)
        expect(redialled.read(5) == b"again", "the new pair carries")
        counts = member.look()["staplings"]
        expect(counts == {str(member.ports[0]): 2}, f"two staplings are counted as {counts}")


@case(Part.RELAY, "port-stapled-stays", "CHAN-10", "CHAN-9")
def stapled_stays(relay: RelayUnderTest) -> None:
    """Staplings are changes that a wait sees, and `stapled` stays when they end."""
    sender, recipient = relay.pair("proven")
    web = sender.wait(sender.look()["seq"])
    a, b = sender.dial(), recipient.dial()
    let_in(a, b)
    expect(good(web.read())["stapled"] is True, "the wait did not end with the stapling")
    for link in (a, b):
        link.pipe.close()
    relay.settle()
    state = sender.look()
    expect(state["stapled"] is True and state["staplings"] == {str(sender.ports[0]): 1},
           f"after its end it is {state}")  # fmt: skip


@case(Part.RELAY, "port-counts-each-port", "CHAN-10", "PORT-7")
def counts_each_port(relay: RelayUnderTest) -> None:
    """Every port has its own count, and a stapling on one leaves the other alone."""
    sender, recipient, a, b = relay.stapled()
    _two_ports(sender)
    c, d = sender.dial(1), recipient.dial(1)
    let_in(c, d)
    c.pipe.send(b"two")
    a.pipe.send(b"one")
    expect(b.read(3) == b"one" and d.read(3) == b"two", "each port carries its own bytes")
    right = {str(port): 1 for port in sender.ports[:2]}
    counts = sender.look()["staplings"]
    expect(counts == right, f"expected {right}, got {counts}")


@case(Part.RELAY, "port-half-close", "PORT-10")
def half_close(relay: RelayUnderTest) -> None:
    """The end of one direction is passed on after its bytes; the other direction goes on."""
    for first in (0, 1):
        *_, a, b = relay.stapled()
        ends = (a, b) if first == 0 else (b, a)
        ends[0].pipe.send(PART)
        ends[0].pipe.half_close()
        got = ends[1].read(len(PART) + 1)
        expect(got == PART, f"{len(got)} of {len(PART)} bytes came before the end")
        for _ in range(3):
            ends[1].pipe.send(b"still here")
            expect(ends[0].read(10) == b"still here", "the other direction has ended too")
        ends[1].pipe.half_close()
        expect(ends[0].gone(), "the second end is not passed on")


@case(Part.RELAY, "port-early-half-close", "PORT-10", "PORT-5")
def early_half_close(relay: RelayUnderTest) -> None:
    """A direction that ended before the stapling still delivers its bytes and its end."""
    sender, recipient, a, b = relay.stapled()
    c = sender.dial(more=b"all of it")
    let_in(c)
    expect(a.gone() and b.gone(), "the new connection replaces the pair")
    d = recipient.dial()
    c.pipe.half_close()
    let_in(d)
    expect(d.read(10) == b"all of it", "the bytes and the end arrive")
    d.pipe.send(b"back")
    expect(c.read(4) == b"back", "the other direction is open")


@case(Part.RELAY, "port-slow-reader", "PORT-11")
def slow_reader(relay: RelayUnderTest) -> None:
    """A relay holds little of a pair whose reader is slow, and loses nothing of it."""
    *_, a, b = relay.stapled()
    sent = _swallowed(a.pipe)
    expect(sent < MOST, f"{sent >> 20} MiB were taken with nobody reading")
    b.pipe.send(b"the other way is free")
    expect(a.read(9) == b"the other", "the slow direction blocks the other one")
    digest = hashlib.sha256(b.read(sent)).digest()
    right = hashlib.sha256(PART * (sent // len(PART))).digest()
    expect(digest == right, "not all arrived as it was sent")


@case(Part.RELAY, "port-peer-vanishes", "PORT-6")
def peer_vanishes(relay: RelayUnderTest) -> None:
    """Where one end is gone the other one sees its end, and both can meet again."""
    sender, recipient, a, b = relay.stapled()
    a.pipe.close()
    expect(b.gone(), "the other end goes on")
    b.pipe.close()
    c, d = sender.dial(more=b"new"), recipient.dial()
    let_in(c, d)
    expect(d.read(3) == b"new", "the new pair carries bytes")
