"""Features that a case asks for by CROC_WITH: verifier, streams, one's own relay, discovery.

What no feature of a subject is, it says so (status 127), and the case is SKIPPED.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from conformance._case import Part, case, expect, skip
from conformance.client._both import both
from conformance.client._desk import Asked
from conformance.client._meet import LARGE, again, ended, meet_again, middle
from conformance.client._roles import FILES, Party, RecipientStage, SenderStage, file
from conformance.client._stage import NOT_SUPPORTED, SECRET, Run
from conformance.client._talk import Piece, Talk
from conformance.relay._play import RelayUnderTest
from conformance.subjects._pipe import PATIENCE
from croc_core import messages
from croc_core.content import Kind
from croc_core.encoding import b64url_encode
from croc_core.handshake import commits, verifier_indices
from croc_core.messages import Continue, Open, PiecesEnd, Problem, Range, Size, Want

YES, NO = b"yes\n", b"no\n"
TOGETHER = 0.02
"""What comes within so many seconds has come at once, for who looks for others to answer."""


@both("unknown-feature", "CLI-1")
def unknown_feature(party: Party) -> None:
    """What is asked for and is no feature of it is refused (127), and never left out in silence."""
    party.begin(CROC_WITH="teleportation")
    run = party.run
    assert run is not None
    party.until(lambda: run.status() is not None, "its end", outlives=True)
    expect(run.status() == NOT_SUPPORTED, f"it ended with {run.status()}")
    expect(not party.asked, "it asked the relay")


# ---- the verifier


def _feed(party: Party, line: bytes) -> None:
    assert party.run is not None
    party.run.feed(line)


def _words(party: Party, talk: Talk, vn: bytes) -> None:
    """Where it tells the words as an event, they are the right ones."""
    from backends._words import words

    listed = words()
    right = [listed[place] for place in verifier_indices(talk.session, vn)]
    for event in party.events("verifier")[-1:]:
        expect(event["words"].split() == right, f"it shows other words than {right}")


@case(Part.SENDER, "sender-verify", "VERIFY-4", "VERIFY-3", "CLI-1")
def sender_verify(sender: SenderStage) -> None:
    """A sender whose person asked to verify offers nothing before that person agrees."""
    sender.begin(CROC_WITH="verify")
    talk = sender.seal()
    expect(talk.session.sender_verify, "its head does not say that it verifies")
    opened, _ = talk.control(Open)
    expect(commits(talk.session, opened.vn), "its Open does not fit the commit of its head")
    sender.never(lambda: talk.link.conn.inbox, "it offers before its person agrees", 1.0)
    _words(sender, talk, opened.vn)
    _feed(sender, YES)
    offer = sender.offer_behind_open(talk)
    sender.accept(talk, offer)
    sender.receipt(talk, sender.pieces(talk)[1])
    sender.part(talk)
    sender.succeeds()


@case(Part.RECIPIENT, "recipient-verify", "VERIFY-4", "VERIFY-3", "CLI-1")
def recipient_verify(recipient: RecipientStage) -> None:
    """A recipient whose person asked to verify accepts nothing before that person agrees."""
    recipient.begin(CROC_WITH="verify")
    talk = recipient.opened()
    expect(talk.session.recipient_verify, "its head does not say that it verifies")
    recipient.offer(talk, *(file(path, data) for path, data in FILES.items()))
    recipient.never(lambda: talk.link.conn.inbox, "it accepts before its person agrees", 1.0)
    expect(not recipient.held(), "it writes before its person agrees")
    _words(recipient, talk, recipient.initiator.vn.reveal)
    _feed(recipient, YES)
    recipient.accepted(talk)


@both("verify-differs", "VERIFY-4", "EXIT-1")
def verify_differs(party: Party) -> None:
    """Where the person says that the words differ, the run ends before anything is offered."""
    party.begin(CROC_WITH="verify")
    if isinstance(party, SenderStage):
        talk = party.seal()
        talk.control(Open)
    else:
        assert isinstance(party, RecipientStage)
        talk = party.opened()
        party.offer(talk, file("a.txt", b"abc"))
    _feed(party, NO)
    party.closes("failed", "cancelled", "wrong_code", "declined")
    party.fails("protocol_error", "declined", "wrong_code")
    if len(talk.link.conn.inbox) > 20:
        kind = talk.hear("its Problem").kind
        expect(kind == Problem.type, f"it sent type {kind:#x}")
    if isinstance(party, RecipientStage):
        expect(not party.held(), f"it holds {sorted(party.held())}")


@both("verify-holds", "VERIFY-5")
def verify_holds(party: Party) -> None:
    """What the person agreed to holds when the two meet again: nobody is asked once more."""
    first = middle(party, CROC_WITH="verify")
    party.restart_relay()
    first.link.conn.reset()
    ended(party, meet_again(party, first.session))


@both("verify-asks-anew", "VERIFY-5", "VERIFY-4")
def verify_asks_anew(party: Party) -> None:
    """Where the person had not agreed before the loss, the new session asks anew."""
    party.begin(CROC_WITH="verify")
    first = party.seal()
    if isinstance(party, SenderStage):
        first.control(Open)
    else:
        assert isinstance(party, RecipientStage)
        first.say(Open(party.initiator.vn.reveal))
    party.never(lambda: False, "", 0.3)
    party.restart_relay()
    first.link.conn.reset()
    talk = meet_again(party, first.session)
    if isinstance(party, SenderStage):
        talk.control(Open)
    else:
        assert isinstance(party, RecipientStage)
        talk.say(Open(party.initiator.vn.reveal))
        party.offer(talk, file("a.txt", b"abc"))
    party.never(lambda: talk.link.conn.inbox, "it goes on, and nobody has agreed", 1.0)
    _feed(party, YES)
    party.never(lambda: False, "", 0.5)
    _feed(party, YES)  # where the first was to the question before
    heard = talk.hear("its offer, or its Accept")
    wanted = messages.Manifest.type if party.role == "sender" else messages.Accept.type
    expect(heard.kind == wanted, f"it sent type {heard.kind:#x}")


@both("verify-shown", "VERIFY-3")
def verify_shown(party: Party) -> None:
    """Where the other side asks to verify, the words are shown here, too."""
    party.verify = True
    party.begin()
    party.whole()
    if not party.events("verifier"):
        skip("it tells no event of its words")


# ---- a stream to send


def _streaming(sender: SenderStage, data: bytes) -> tuple[Talk, bytes]:
    sender.begin(CROC_WITH="stream")
    assert sender.run is not None
    sender.run.feed(data)
    sender.run.feed_end()
    talk = sender.seal()
    offer = sender.offer(talk)
    kinds = [(entry.kind, entry.size) for entry in offer.entries]
    expect(kinds == [(Kind.STREAM, None)], f"it offers {kinds}")
    expect(offer.bytes is None, f"it says that a stream has {offer.bytes} bytes")
    sender.accept(talk, offer)
    return talk, offer.tid


@case(Part.SENDER, "sender-stream", "STREAM-1", "STREAM-2", "STREAM-3")
def sender_stream(sender: SenderStage) -> None:
    """A stream comes whole, in order, and its size at the end."""
    data = LARGE[:3_000_001]
    talk, _ = _streaming(sender, data)
    pieces, end = sender.pieces(talk)
    at = 0
    for one in pieces:
        expect(one.offset == at, f"a gap or an overlap at {at}")
        at += one.length
    expect(b"".join(one.plain for one in pieces) == data, "the bytes are others")
    expect((end.sizes, end.bytes) == ((Size(0, len(data)),), len(data)), f"its end is {end}")
    sender.receipt(talk, end)
    sender.part(talk)
    sender.succeeds()


@case(Part.SENDER, "sender-stream-again", "STREAM-4", "REDIAL-5")
def stream_again(sender: SenderStage) -> None:
    """A stream that is wanted from the beginning again comes so, or ends as `local_file`."""
    data = LARGE * 2
    talk, tid = _streaming(sender, data)
    at = 0
    while at < len(LARGE):
        at += Piece.of(talk.hear("its pieces")).length
    talk.link.conn.reset()  # as much is left: behind its last piece it would be in doubt (END-7)
    talk = again(sender, talk)
    talk.control(Open)
    if talk.hear("Continue or a new offer").kind != Continue.type:
        skip("it offers anew where it could go on")
    talk.say(Want(tid, (Range(0, 0, (1 << 63) - 1),), False))
    at = 0
    while (heard := talk.hear("its pieces or its Problem")).kind == messages.PIECE:
        one = Piece.of(heard)
        expect(one.plain == data[at : at + one.length], f"it fills in other bytes at {at}")
        at += one.length
    if heard.kind == PiecesEnd.type:
        expect(at == len(data), f"it ended after {at} bytes")
        return
    expect(heard.kind == Problem.type and heard.last, f"it sent type {heard.kind:#x}")
    expect(heard.message.code == "local_file", f"it said {heard.message}")  # type: ignore[attr-defined]
    sender.fails("local_file")


# ---- a relay of one's own


def _own(sender: SenderStage, how: str, channel: str) -> str:
    """Start a sender with a relay of its own; return that relay's URL, once the code stands."""
    sender.begin(code=f"{channel}-{SECRET}", CROC_RELAY="", CROC_WITH=how)
    sender.until(lambda: sender.events("code") or None, "its event `code`")
    told = sender.events("listening")
    expect(told, "it does not tell where its relay listens")
    return str(told[0]["url"])


@case(Part.SENDER, "sender-own-relay", "CLI-3", "TOKEN-1")
def own_relay(sender: SenderStage) -> None:
    """A relay of one's own lets in its sender and one recipient alone, and ends with the run."""
    channel = _fresh()
    net = sender.net.reach(_own(sender, "embedded", channel))
    with RelayUnderTest(net) as relay:
        for name in (channel, "other", None):
            reply = relay.post("/join", role="sender", **({"channel": name} if name else {}))
            expect(reply.status == 401, f"another sender's join was answered {reply}")
        reply = relay.post("/join", role="recipient", channel="other")
        expect(reply.status == 404, f"a join of another channel was answered {reply}")
        member = relay.join("recipient", channel=channel)
        reply = relay.post("/join", role="recipient", channel=channel)
        expect(reply.says(409, "occupied"), f"a second recipient was answered {reply}")
        links = [relay.data(member.ports[0]) for _ in range(12)]

        def waiting() -> int:
            return sum(link.quiet() for link in links)

        relay.eventually(lambda: waiting() <= 8, PATIENCE, "more than 8 data connections may wait")
        relay.settle()
        expect(waiting() == 8, f"{waiting()} data connections may wait")
        kept = relay.web()
        kept.write("/nowhere", {})
        kept.read()
        assert sender.run is not None
        sender.run.interrupt()
        sender.ends()
        # By now its port may be another's, so that only this connection shows whether it is there.
        expect(kept.ended(), "its relay is there after its end")


# ---- discovery


def _fresh() -> str:
    """A channel's name that no other run on this network has."""
    return "q" + os.urandom(8).hex()


def _query(channel: str) -> bytes:
    return b"croc-core/1?" + os.urandom(16) + channel.encode()


def _answer(query: bytes, port: int) -> bytes:
    return b"croc-core/1!" + query[12:28] + port.to_bytes(2, "big")


@case(Part.SENDER, "sender-found", "DISC-1")
def sender_found(sender: SenderStage) -> None:
    """A sender answers a query that names its channel, with its port, and no other query."""
    channel = _fresh()
    port = urlsplit(_own(sender, "discovery", channel)).port
    asked = _query(channel)
    others = (_query(channel[:-1]), _query(channel + "x"), _query(""), asked[:-1], b"?" + asked,
              asked.replace(b"/1?", b"/2?"), asked[:20], asked + b"\n")  # fmt: skip
    found = sender.net.ask(*others, asked)
    expect(set(found) == {_answer(asked, port or 0)}, f"it answered {found}")


@case(Part.SENDER, "sender-not-found", "DISC-4")
def sender_not_found(sender: SenderStage) -> None:
    """A sender that is not to be found answers nobody."""
    channel = _fresh()
    _own(sender, "embedded", channel)
    expect(not sender.net.ask(_query(channel), patience=1.0), "it answered a query")


def _looking(recipient: RecipientStage, *hosts: str) -> list[bytes]:
    """Start a recipient that looks for its relay; each of *hosts* answers. Return the queries."""
    queries: list[bytes] = []
    channel = _fresh()

    def hearing(data: bytes, _: str) -> list[tuple[str, bytes]]:
        if not data.endswith(channel.encode()):
            return []
        queries.append(data)
        return [(host, _answer(data, recipient.net.ports[0])) for host in hosts]

    recipient.net.listen(hearing)
    recipient.desk.open("x25519", channel)
    recipient.begin(code=f"{channel}-{SECRET}", CROC_RELAY="", CROC_WITH="discovery")
    return queries


@case(Part.RECIPIENT, "recipient-finds", "DISC-2", "DISC-1")
def recipient_finds(recipient: RecipientStage) -> None:
    """Where exactly one relay has the channel, the recipient takes that."""
    queries = _looking(recipient, recipient.net.host)
    recipient.whole()
    expect({len(query) for query in queries} == {28 + 17}, f"its queries are {queries}")
    expect(len({query[:28] for query in queries}) == 1, "its queries have different ids")


@case(Part.RECIPIENT, "recipient-finds-two", "DISC-2")
def recipient_finds_two(recipient: RecipientStage) -> None:
    """With two relays that have the channel it stops, and asks for `--relay`."""
    run = _heard_two(recipient)
    expect(not _joins(recipient), "it picked one of them")
    recipient.fails("relay_unreachable", "usage", "relay_refused")
    expect("--relay" in "".join(run.output()), "it does not ask for --relay")


def _heard_two(recipient: RecipientStage) -> Run:
    """Start it until two answers have come to it together; nothing is said of one that is late."""
    while True:
        recipient.net.tardy = 0.0
        _looking(recipient, recipient.net.host, "127.0.0.2")
        run = _over_or_joined(recipient)
        if recipient.net.tardy <= TOGETHER:
            return run
        recipient.restart_relay()


def _joins(recipient: RecipientStage) -> list[Asked]:
    """Its requests for the channel that it looks for now; an earlier search had another one."""
    name = recipient.desk.channel
    return [one for one in recipient.asked if one.body.get("channel") == name]


def _over_or_joined(recipient: RecipientStage) -> Run:
    run = recipient.run
    assert run is not None
    recipient.until(lambda: _joins(recipient) or run.status() is not None, "its end", outlives=True)
    return run


@case(Part.RECIPIENT, "recipient-finds-none", "DISC-2", "LIVE-4")
def recipient_finds_none(recipient: RecipientStage) -> None:
    """With no relay that has the channel it ends."""
    _looking(recipient)
    recipient.fails("relay_unreachable", "usage")


@case(Part.RECIPIENT, "recipient-finds-nonsense", "DISC-3", "LIVE-4")
def recipient_finds_nonsense(recipient: RecipientStage) -> None:
    """Answers to other queries, and what is none, lead nowhere."""
    channel, port = _fresh(), recipient.net.ports[0]

    def hearing(data: bytes, _: str) -> list[tuple[str, bytes]]:
        right = _answer(data, port)
        wrong = (_answer(_query(channel), port), right[:-1], right + b"\0", _answer(data, 0),
                 right.replace(b"/1!", b"/2!"), data, b"")  # fmt: skip
        return [(recipient.net.host, one) for one in wrong if data.endswith(channel.encode())]

    recipient.net.listen(hearing)
    recipient.desk.open("x25519", channel)
    recipient.begin(code=f"{channel}-{SECRET}", CROC_RELAY="", CROC_WITH="discovery")
    recipient.fails("relay_unreachable", "usage")
    expect(not recipient.asked, "it followed what is no answer")


@case(Part.RECIPIENT, "recipient-finds-liar", "DISC-3", "KEY-3", "KEY-6")
def recipient_finds_liar(recipient: RecipientStage) -> None:
    """Who answers without knowing the code is told from the sender by the key agreement."""
    _looking(recipient, recipient.net.host)
    recipient.post_x(recipient.start("another-secret-altogether"))
    recipient.until(lambda: recipient.desk.y or None, "its y")
    recipient.desk.put(h_k=b64url_encode(bytes(32)))
    recipient.fails("wrong_code")
    expect(not recipient.links and not recipient.early_links, "it dialled for a liar")


@case(Part.RECIPIENT, "recipient-looks-not", "DISC-4")
def looks_not(recipient: RecipientStage) -> None:
    """A recipient that is told the relay sends no query."""
    channel = _fresh()
    queries: list[bytes] = []
    recipient.net.listen(lambda data, _: queries.append(data) or [])  # type: ignore[func-returns-value]
    recipient.desk.open("x25519", channel)
    recipient.begin(code=f"{channel}-{SECRET}")
    recipient.whole()
    mine = [query for query in queries if channel.encode() in query]
    expect(not mine, f"it sent {mine}")
