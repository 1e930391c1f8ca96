"""Data ports and hellos."""

from __future__ import annotations

import os
import re

from conformance._case import Part, case, expect
from conformance.client._both import both
from conformance.client._roles import Party, RecipientStage, SenderStage
from conformance.client._talk import subjects_hello
from croc_core.handshake import HELLO_LENGTH, hello
from croc_core.values import Role

LINE = re.compile(rb"CROC/1 [0-9a-z]{1,32} [0-9a-f]{32}\n")


def _role(party: Party) -> Role:
    return Role(party.role)


@both("line", "PORT-1", "PORT-15", "MANY-1", "PORT-16")
def line(party: Party) -> None:
    """It dials the first data port once, after its confirmation, with the line as it must be."""
    party.begin()
    party.whole()
    expect(not party.early_links, "it dialled before its confirmation")
    expect(len(party.links) == 1, f"it dialled {len(party.links)} times")
    link = party.links[0]
    expect(LINE.fullmatch(link.line) and len(link.line) <= 160, f"its line is {link.line!r}")
    expect(link.conn.listener == 1, "connection 0 is not at the first data port")


@case(Part.SENDER, "sender-proof-before-dial", "PORT-15")
def proof_before_dial(sender: SenderStage) -> None:
    """A sender does not identify before its H(k) is answered with 200."""
    sender.lie = lambda asked, answer: None if "h_k" in asked.body else answer
    sender.begin()
    sender.post_y(sender.respond())
    sender.request("h_k")
    sender.never(lambda: sender.links or sender.early_links, "it dialled a data port", 1.5)


@case(Part.RECIPIENT, "recipient-proof-before-dial", "PORT-15", "KEY-6")
def recipient_proof_before_dial(recipient: RecipientStage) -> None:
    """A recipient does not dial before it has read the right H(k)."""
    recipient.begin()
    recipient.answer()
    recipient.never(lambda: recipient.links or recipient.early_links, "it dialled", 1.5)


@case(Part.SENDER, "sender-asks-stapled", "PORT-16", "HELLO-5")
def asks_stapled(sender: SenderStage) -> None:
    """A sender asks until stapled is true, and sends nothing behind its line before that."""
    sender.begin()
    sender.confirm()
    link = sender.link()
    before = len(sender.asked)
    sender.until(
        lambda: any({"since", "wait"} <= asked.body.keys() for asked in sender.asked[before:]),
        "its long poll for the stapling",
    )
    sender.never(lambda: link.conn.inbox, "it sent bytes before it was stapled", 1.0)
    sender.desk.staple(sender.net.ports[1])
    subjects_hello(link, Role.SENDER)


@case(Part.RECIPIENT, "recipient-hello-at-once", "PORT-16", "HELLO-1", "HELLO-5")
def hello_at_once(recipient: RecipientStage) -> None:
    """A recipient sends its hello right after OK, and nothing more before the sender's."""
    recipient.begin()
    recipient.confirm()
    link = recipient.link()
    subjects_hello(link, Role.RECIPIENT)
    recipient.never(lambda: link.conn.inbox, "it sealed before it had the other hello", 1.0)


@case(Part.SENDER, "sender-hello-then-waits", "HELLO-1", "HELLO-5")
def hello_then_waits(sender: SenderStage) -> None:
    """A sender sends its hello, and seals nothing before it has read the recipient's."""
    sender.begin()
    sender.confirm()
    link = sender.staple()
    subjects_hello(link, Role.SENDER)
    sender.never(lambda: link.conn.inbox, "it sealed before it had the other hello", 1.0)


@both("hello-fresh", "HELLO-2")
def hello_fresh(party: Party) -> None:
    """The salt of a hello is fresh: not zero, and none of what was posted."""
    party.begin()
    talk = party.seal()
    expect(talk.session, "there is no session")
    salt = talk.theirs[-32:]
    expect(len(set(salt)) > 8, f"its salt is {salt.hex()}")
    expect(salt not in (talk.session.sid, talk.session.th), "its salt is not of its own")


def _false_hello(party: Party, data: bytes) -> None:
    """Greet with *data*: the dial ends, and nothing is sealed."""
    party.begin()
    party.confirm()
    link = party.link()
    party.desk.staple(party.net.ports[1])
    subjects_hello(link, _role(party))
    link.conn.send(data)
    party.fails("protocol_error", "peer_left", "timeout")
    expect(not link.conn.inbox, "it sealed a record")


@both("hello-reflected", "HELLO-4")
def hello_reflected(party: Party) -> None:
    """Its own hello sent back is refused."""
    party.begin()
    party.confirm()
    link = party.link()
    party.desk.staple(party.net.ports[1])
    mine = subjects_hello(link, _role(party))
    link.conn.send((mine + bytes(8))[: HELLO_LENGTH[_role(party).other]])
    party.fails("protocol_error", "peer_left", "timeout")
    expect(not link.conn.inbox, "it sealed a record")


@both("hello-own-role", "HELLO-4", "HELLO-3")
def hello_own_role(party: Party) -> None:
    """A hello of its own role is refused."""
    _false_hello(party, hello(_role(party), 0, os.urandom(32)) + bytes(4))


@both("hello-other-connection", "HELLO-4")
def hello_other_connection(party: Party) -> None:
    """A hello for another connection is refused."""
    _false_hello(party, hello(_role(party).other, 1, os.urandom(32)))


@both("hello-changed", "HELLO-4")
def hello_changed(party: Party) -> None:
    """A hello with any other byte than the layout has is refused."""
    data = bytearray(hello(_role(party).other, 0, os.urandom(32)))
    data[3] ^= 1
    _false_hello(party, bytes(data))


@both("hello-in-parts", "HELLO-3")
def hello_in_parts(party: Party) -> None:
    """A hello may come byte by byte; exactly its length is read."""
    party.begin()
    session = party.confirm()
    link = party.link()
    party.desk.staple(party.net.ports[1])
    subjects_hello(link, _role(party))
    data = hello(_role(party).other, 0, os.urandom(32))
    for at in range(0, len(data), 7):
        link.conn.send(data[at : at + 7])
        party.net.step(0.01)
    if isinstance(party, SenderStage):
        party.until(lambda: len(link.conn.inbox) > 20 or None, "its first record")
    else:
        party.never(lambda: link.conn.ended, "it hung up", 0.5)
    expect(session.suite, "there is no session")


def _port_answer(party: Party, answer: bytes, *codes: str) -> None:
    party.port_answer = answer
    party.begin()
    party.confirm()
    party.link()
    party.desk.staple(party.net.ports[1])
    party.fails(*codes)
    expect(not any(link.conn.inbox for link in party.links), "it went on all the same")


@both("port-nonsense", "PORT-14")
def port_nonsense(party: Party) -> None:
    """An answer of a data port that is neither OK nor ERR is a fault of the relay."""
    _port_answer(party, b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol_error")


@both("port-endless", "PORT-14")
def port_endless(party: Party) -> None:
    """An answer without an end is given up after 64 bytes."""
    _port_answer(party, b"O" * 4096, "protocol_error")


@both("port-refusal", "PORT-14", "LIVE-4")
def port_refusal(party: Party) -> None:
    """A refusal of a data port is no way in: it ends the run, or leads to another meeting."""
    _port_answer(party, b"ERR 403 channel_full\n", "relay_refused", "peer_left")


@both("port-version", "PORT-14", "VER-2")
def port_version(party: Party) -> None:
    """A data port that speaks another version ends the run as `version`."""
    _port_answer(party, b"ERR 426 version\n", "version")


@both("port-lost-asks-why", "PORT-17")
def port_lost_asks_why(party: Party) -> None:
    """When it loses its data connection, it asks the relay once why."""
    party.begin()
    talk = party.seal()
    party.leave("cancelled")
    before = len(party.asked)
    talk.link.conn.close()
    party.until(lambda: len(party.asked) > before or None, "its question", outlives=True)
    party.fails("peer_left")
