"""What a party asks the relay, and what it makes of the answers."""

from __future__ import annotations

import re

from conformance._case import Part, case, expect
from conformance.client._both import both
from conformance.client._desk import Answer, Asked, refusal
from conformance.client._roles import Party, RecipientStage, SenderStage
from conformance.client._stage import CODE, SECRET

HARM = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
EVIL = "gone\x1b[2J\x1b]0;owned\x07\u202etxt.exe\x9b31m"


@both("requests-well-formed", "HTTP-2", "ENC-1", "CHAN-1")
def requests_well_formed(party: Party) -> None:
    """Every request is one that a strict relay takes."""
    party.begin()
    party.whole()
    faults = [(asked.path, fault) for asked in party.asked if (fault := asked.fault())]
    expect(not faults, f"a relay must refuse {faults}")
    kinds = {asked.headers.get("content-length") for asked in party.asked}
    expect(kinds, "there was no request at all")


@both("requests-carry-uuid", "CHAN-2", "TOKEN-3")
def requests_carry_uuid(party: Party) -> None:
    """Every request to /channel names the channel and the uuid, and shows no token."""
    party.begin(CROC_TOKEN="conformance-token")  # noqa: S106 - opens nothing
    party.whole()
    mine = party.desk.channel, party.desk.seats[party.role]
    for asked in party.requests():
        expect((asked.body["channel"], asked.body["uuid"]) == mine, f"it asked {asked.body}")
        expect("token" not in asked.body, "it sends its token in other requests than the join")
    out, err = party.run.output() if party.run else ("", "")
    expect("conformance-token" not in out + err, "it shows its token")


@both("unknown-reply-fields", "HTTP-3")
def unknown_reply_fields(party: Party) -> None:
    """Fields of a reply and kinds of data endpoint that it does not know are ignored."""

    def lie(asked: Asked, answer: Answer) -> Answer:
        if answer.status != 200:
            return answer
        more = {"colour": "red", "nested": {"a": [1, None]}}
        if asked.path == "/join":
            ways = [{"kind": "ws", "host": "h", "path": "/p"}, *party.desk.data]
            return answer.changed(**more, data=[*ways, {"kind": "pigeon", "port": 1}])
        return answer.changed(**more)

    party.lie = lie
    party.begin()
    party.whole()


@both("reply-bounded", "HTTP-8")
def reply_bounded(party: Party) -> None:
    """A reply without end is given up: it does not take what a hostile relay sends for ever."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
    party.lie = lambda asked, answer: Answer(raw=head + b'{"x":"' + b"A" * 8_000_000)
    party.begin()
    party.fails("protocol_error", "relay_refused", "relay_unreachable", "timeout")


def _lost(party: Party, wanted: str) -> list[Asked]:
    """Lose the reply to the first request that has the field *wanted*; return those that do."""
    lost: list[Asked] = []

    def lie(asked: Asked, answer: Answer) -> Answer:
        if wanted in asked.body and not lost:
            lost.append(asked)
            return Answer(lost=True)
        return answer

    party.lie = lie
    party.begin()
    party.whole()
    path = "/join" if wanted == "role" else "/channel"
    return party.requests(wanted, path=path)


@both("repeats-join", "HTTP-10", "JOIN-10")
def repeats_join(party: Party) -> None:
    """A join whose reply is lost is repeated with the same fields and the same nonce."""
    first, second, *_ = [*_lost(party, "role"), None, None]
    expect(first and second, "it did not ask again")
    assert first
    assert second
    expect(re.fullmatch("[0-9a-f]{32}", first.body.get("nonce", "")), "its join has no nonce")
    expect(first.body == second.body, f"it repeated {first.body} as {second.body}")


@case(Part.SENDER, "sender-repeats-x", "HTTP-10", "CHAN-4")
def repeats_x(sender: SenderStage) -> None:
    """An X whose reply is lost is posted again, the same."""
    values = {asked.body["x"] for asked in _lost(sender, "x")}
    expect(len(values) == 1, "it posted two different x")


@case(Part.SENDER, "sender-repeats-proof", "HTTP-10", "CHAN-4")
def repeats_proof(sender: SenderStage) -> None:
    """An H(k) whose reply is lost is posted again, the same."""
    asked = _lost(sender, "h_k")
    expect(len(asked) > 1, "it did not ask again")
    expect(len({one.body["h_k"] for one in asked}) == 1, "it posted two different h_k")


@case(Part.RECIPIENT, "recipient-repeats-y", "HTTP-10", "CHAN-4", "WORDS-3")
def repeats_y(recipient: RecipientStage) -> None:
    """A Y whose reply is lost is posted again, the same."""
    asked = _lost(recipient, "y")
    expect(len(asked) > 1, "it did not ask again")
    pairs = {(one.body["y"], one.body["hh_k"]) for one in asked}
    expect(len(pairs) == 1, "it posted two different y")


@both("repeats-after-500", "HTTP-10")
def repeats_after_500(party: Party) -> None:
    """A fault of the relay (500) is no end: the request is repeated."""
    failed: list[Asked] = []

    def lie(asked: Asked, answer: Answer) -> Answer:
        if len(failed) < 2 and asked.path == "/channel":
            failed.append(asked)
            return refusal(500, "internal")
        return answer

    party.lie = lie
    party.begin()
    party.whole()
    expect(len(failed) == 2, "it asked too seldom to be tried")


def _join_lie(party: Party, **fields: object) -> None:
    """Answer the join with other *fields*: it must end by blaming the relay."""
    party.lie = lambda asked, answer: (
        answer.changed(**fields) if asked.path == "/join" and answer.status == 200 else answer
    )
    party.begin()
    party.fails("protocol_error")
    expect(not party.requests("x") and not party.requests("y"), "it went on with that channel")


@both("join-wrong-role", "JOIN-13")
def join_wrong_role(party: Party) -> None:
    """A join that is answered with the other role is a fault of the relay."""
    _join_lie(party, role="recipient" if party.role == "sender" else "sender")


@both("join-wrong-channel", "JOIN-13")
def join_wrong_channel(party: Party) -> None:
    """A join that is answered with another channel is a fault of the relay."""
    _join_lie(party, channel="zzzz")


@both("join-no-endpoint", "JOIN-13")
def join_no_endpoint(party: Party) -> None:
    """A join that is answered without a data endpoint of a known kind is a fault of the relay."""
    _join_lie(party, data=[{"kind": "ws", "host": "h", "path": "/"}])


@case(Part.SENDER, "sender-join-wrong-curve", "JOIN-13")
def join_wrong_curve(sender: SenderStage) -> None:
    """A sender whose join is answered with another curve ends."""
    _join_lie(sender, curve="p224")


@both("reply-nonsense", "LIVE-4", "EXIT-2")
def reply_nonsense(party: Party) -> None:
    """A relay that answers with what is no JSON ends the run with a typed error."""
    party.lie = lambda asked, answer: Answer(200, b'<html>"Please log in"</html>')
    party.begin()
    party.fails("protocol_error", "relay_refused", "relay_unreachable")


@both("reply-not-http", "LIVE-4", "EXIT-2")
def reply_not_http(party: Party) -> None:
    """A server that does not speak HTTP ends the run with a typed error."""
    party.lie = lambda asked, answer: Answer(raw=b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    party.begin()
    party.fails("protocol_error", "relay_refused", "relay_unreachable")


@both("state-wrong-types", "LIVE-4")
def state_wrong_types(party: Party) -> None:
    """A state of the wrong types is a fault of the relay, and no crash."""
    fields = {"x": 7, "seq": "many", "stapled": "yes", "staplings": []}
    party.lie = lambda asked, answer: (
        Answer(200, {**party.desk.state(), **fields}, at_once=True)
        if asked.path == "/channel"
        else answer
    )
    party.begin()
    party.fails("protocol_error")


@case(Part.SENDER, "sender-x-not-shown", "CHAN-12")
def x_not_shown(sender: SenderStage) -> None:
    """A reply to X that shows another x is a fault of the relay."""
    sender.lie = lambda asked, answer: (
        answer.changed(x="AAAA") if "x" in asked.body and answer.status == 200 else answer
    )
    sender.begin()
    sender.fails("protocol_error")
    expect(not sender.events("code"), "it told a code whose X the relay has not taken")


@case(Part.RECIPIENT, "recipient-y-not-shown", "CHAN-12")
def y_not_shown(recipient: RecipientStage) -> None:
    """A reply to Y that shows another y is a fault of the relay."""
    recipient.lie = lambda asked, answer: (
        answer.changed(y="AAAA") if "y" in asked.body and answer.status == 200 else answer
    )
    recipient.begin()
    recipient.post_x(recipient.start())
    recipient.fails("protocol_error")


@both("long-polls", "WAIT-7")
def long_polls(party: Party) -> None:
    """It waits with long polls, and pauses where a relay answers at once without news."""
    party.lie = lambda asked, answer: answer if asked.path == "/join" else _at_once(answer)
    party.begin()
    party.request(*(["x"] if party.role == "sender" else []))
    before = len(party.asked)
    party.never(lambda: len(party.asked) > before + 12, "it asks without a pause", 2.0)
    party.until(lambda: len(party.asked) > before, "that it asks again")


def _at_once(answer: Answer) -> Answer:
    """The same answer, which no relay may hold."""
    body = {**answer.body, "seq": answer.body.get("seq", 0)}
    return Answer(answer.status, body, at_once=True)


@both("closed-ends", "CLOSE-9", "LIVE-4")
def closed_ends(party: Party) -> None:
    """A 410 of a member ends the run, without success, and no second run begins."""
    party.begin()
    party.request(*(["x"] if party.role == "sender" else []))
    party.leave("done")
    party.fails("peer_left", "relay_refused")


@both("close-is-no-success", "CLOSE-9", "END-8")
def close_is_no_success(party: Party) -> None:
    """The relay's word that all is done is no success: only the sealed stream's end is."""
    party.begin()
    party.seal()
    party.leave("done")
    for link in party.links:
        link.conn.reset()
    party.fails("peer_left", "protocol_error", "timeout")


@both("interrupt-closes", "CLOSE-10", "EXIT-1")
def interrupt_closes(party: Party) -> None:
    """Ctrl-C closes the channel with `cancelled`, and ends with 130."""
    party.begin()
    party.request("wait")
    assert party.run is not None
    party.run.interrupt()
    party.closes("cancelled")
    expect(party.ends() == 130, f"it ended with {party.run.status()}")


@both("error-text-harmless", "ERR-3", "WORDS-7")
def error_text_harmless(party: Party) -> None:
    """Control characters in the relay's text reach neither screen nor report."""
    party.lie = lambda asked, answer: Answer(
        403, {"code": "channel_full", "message": EVIL, "by": EVIL, "reason": EVIL}
    )
    party.begin()
    party.fails("relay_refused", "protocol_error")
    assert party.run is not None
    text = "".join(party.run.output())
    decoded = text + "".join(str(value) for event in party.events() for value in event.values())
    expect(not HARM.search(decoded), f"it shows {HARM.findall(decoded)}")


@both("version-426", "VER-2", "VER-4")
def version_426(party: Party) -> None:
    """A relay that speaks another version ends the run as `version`, with no other try."""
    party.lie = lambda asked, answer: refusal(426, "version")
    party.begin()
    party.fails("version")
    expect(len(party.asked) == 1, f"it asked {len(party.asked)} times")


@both("refusals-end", "LIVE-4", "EXIT-1")
def refusals_end(party: Party) -> None:
    """A refusal that a repeat cannot mend ends the run as `relay_refused`."""
    party.lie = lambda asked, answer: refusal(503, "busy")
    party.begin()
    party.fails("relay_refused")
    told = party.events("error")
    expect(not told or party.ends() == 6, "the word is relay_refused and the status is not 6")


@both("join-fresh-nonce", "JOIN-10")
def join_fresh_nonce(party: Party) -> None:
    """A join has a nonce of 16 bytes and asks for what the run wants, no more."""
    party.begin()
    body = party.request("role", path="/join").body
    expect(re.fullmatch("[0-9a-f]{32}", body.get("nonce", "")), "its join has no nonce")
    expect(body["role"] == party.role, f"it joined as {body['role']}")
    expect(body.get("channel") == CODE.partition("-")[0], f"it asked for {body.get('channel')}")


@both("secret-stays", "WORDS-7", "KEY-5", "EVENT-4")
def secret_stays(party: Party) -> None:
    """The secret is in no request, and in no output but the event `code`."""
    party.begin()
    party.whole()
    for asked in party.asked:
        text = asked.raw.decode() + str(asked.headers)
        expect(SECRET not in text, f"the relay sees the secret in a request to {asked.path}")
    assert party.run is not None
    out, err = party.run.output()
    lines = [line for line in out.splitlines() if '"event":"code"' not in line.replace(" ", "")]
    words = SECRET.split("-")
    expect(not any(word in "".join(lines) + err for word in words), "its output shows the secret")


@both("one-address", "ADDR-7")
def one_address(party: Party) -> None:
    """Data ports are dialled at the address, and from the address, of the HTTP connection."""
    party.begin()
    party.seal()
    expect(len(party.dialled_from) == 1, f"it came from {sorted(party.dialled_from)}")


@both("no-local-address", "DISC-5")
def no_local_address(party: Party) -> None:
    """No address of its computer stands in anything that the relay sees."""
    party.begin()
    party.whole()
    own = re.compile(r"\b(?:192\.168|10\.\d+|172\.(?:1[6-9]|2\d|3[01])|169\.254)\.\d+\.\d+\b|fe80:")
    for asked in party.asked:
        headers = {name: text for name, text in asked.headers.items() if name != "host"}
        found = own.findall(asked.raw.decode() + str(headers))
        expect(not found, f"a request to {asked.path} holds {found}")
