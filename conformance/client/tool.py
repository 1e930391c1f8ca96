"""Codes, events and exit statuses, as far as the tool offers them."""

from __future__ import annotations

import json

from conformance._case import Part, case, expect, skip
from conformance.client._both import both
from conformance.client._roles import Party, RecipientStage, SenderStage
from conformance.client._stage import CODE, SECRET
from croc_core import codes
from croc_core.errors import EXIT, Code

FIELDS: dict[str, set[str]] = {
    "listening": {"url", "ports", "host"},
    "code": {"code", "channel", "relay"},
    "offer": {"files", "bytes"},
    "waiting": {"what"},
    "note": {"message"},
    "progress": {"bytes", "total", "files", "rate", "eta"},
    "done": {"files", "bytes", "seconds", "paths"},
    "error": {"code", "message", "hint", "party"},
}


def _words() -> set[str]:
    from backends._words import words

    return set(words())


@case(Part.SENDER, "sender-draws-words", "CODE-3", "JOIN-1", "WORDS-7")
def draws_words(sender: SenderStage) -> None:
    """A sender without a code draws three words of the list, and the relay picks the channel."""
    sender.begin(code=None)
    sender.x()
    expect("channel" not in sender.requests("role", path="/join")[0].body, "it named a channel")
    found = sender.until(lambda: sender.events("code") or None, "its event `code`")[0]
    code = codes.parse(found["code"])
    words = code.phrase.split("-")
    expect(code.channel == sender.desk.channel == found["channel"], f"its code is {code.channel}")
    expect(len(words) == 3, f"its secret has {len(words)} words")
    expect(set(words) <= _words(), "its words are not of the list")
    sender.secret = code.phrase
    sender.whole()


@case(Part.SENDER, "sender-code-after-x", "WORDS-7", "EVENT-4")
def code_after_x(sender: SenderStage) -> None:
    """The code is told once the relay has taken X: then the other side may join."""
    sender.lie = lambda asked, answer: None if "x" in asked.body else answer
    sender.begin(code=None)
    sender.x()
    sender.never(lambda: sender.events("code"), "it told a code before X was taken", 0.5)


SPELLINGS = {
    "upper": CODE.upper(),
    "spaces": f"  {CODE.replace('-', ' ')} ",
    "mixed": CODE.replace("-", " _-", 1).replace("-", "--"),
    "wide": CODE.replace("k", "\uff4b").replace("-", "\u3000"),
}


def _spelling(name: str, text: str) -> None:
    def judge(recipient: RecipientStage) -> None:
        recipient.begin(code=text)
        recipient.whole()

    judge.__doc__ = f"A code is normalised before it is used: {name}."
    case(Part.RECIPIENT, f"recipient-code-{name}", "CODE-1", "CODE-2")(judge)


for _name, _text in SPELLINGS.items():
    _spelling(_name, _text)


@case(Part.RECIPIENT, "recipient-no-code", "CODE-2", "CODE-1", "EXIT-1")
def no_code(recipient: RecipientStage) -> None:
    """What is no code is a usage error, before anything is asked of the relay."""
    recipient.begin(code="just")
    recipient.fails("usage")
    expect(not recipient.asked, "it asked the relay")


@case(Part.RECIPIENT, "recipient-long-secret", "CODE-2")
def long_secret(recipient: RecipientStage) -> None:
    """A secret of more than 256 bytes is none."""
    recipient.begin(code="k7w2-" + "word" * 65)
    recipient.fails("usage")


@case(Part.SENDER, "sender-own-code", "CODE-2", "JOIN-2", "CLI-2")
def own_code(sender: SenderStage) -> None:
    """A code of a person's own is taken from the environment, normalised."""
    sender.begin(code=" K7W2 Otter_lemon--VIOLIN ")
    sender.whole()


@both("events", "EVENT-1", "EVENT-2", "EVENT-3")
def events(party: Party) -> None:
    """Standard output has lines of JSON with the fields of the table, the last one `done`."""
    party.begin()
    party.whole()
    assert party.run is not None
    lines = party.run.output()[0].splitlines()
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        expect(isinstance(event, dict) and "event" in event, f"no event: {line[:100]!r}")
        missing = FIELDS.get(event["event"], set()) - event.keys()
        if event["event"] == "done" and party.role == "sender":
            missing.discard("paths")
        expect(not missing, f"{event['event']} without {sorted(missing)}")
    if not lines:
        skip("it tells no events")
    expect(json.loads(lines[-1])["event"] == "done", f"its last event is {lines[-1][:100]}")


@both("error-event", "EVENT-3", "EXIT-1", "EXIT-2")
def error_event(party: Party) -> None:
    """A failed run ends with `error`, whose word fits its status and which says what to do."""
    party.begin()
    talk = party.seal()
    talk.say(b"\x33\0\0\0\0")
    status = party.ends()
    expect(status != 0, "it ended with success")
    told = party.events("error")
    if not told:
        skip("it tells no events")
    event = told[-1]
    expect(party.events()[-1] == event, "its last event is another")
    expect(EXIT[Code(event["code"])] == status, f"{event['code']} with status {status}")
    expect(event["party"] == "peer", f"it blames {event['party']}")
    expect(event["message"] and event["hint"], "it does not say what to do")


@both("unreachable", "EXIT-1", "EXIT-2", "LIVE-4")
def unreachable(party: Party) -> None:
    """A relay that is not there ends the run as `relay_unreachable`, blaming no one else."""
    port = party.net.unused_port()
    party.begin(CROC_RELAY=f"http://{party.net.host}:{port}")
    party.fails("relay_unreachable")
    told = party.events("error")
    expect(not told or told[-1]["party"] == "relay", f"it blames {told}")


@case(Part.RECIPIENT, "recipient-unknown-channel", "JOIN-4", "LIVE-4", "EXIT-1")
def unknown_channel(recipient: RecipientStage) -> None:
    """A channel that the relay does not have ends the run as `relay_refused`."""
    recipient.desk.open("x25519", "zzzz")
    recipient.begin()
    recipient.fails("relay_refused")


@case(Part.SENDER, "sender-occupied", "JOIN-2", "LIVE-4")
def occupied(sender: SenderStage) -> None:
    """A name that is taken ends a sender's run; it takes no other name unasked."""
    sender.desk.open("x25519")
    sender.begin()
    sender.fails("relay_refused")
    names = {asked.body.get("channel") for asked in sender.asked}
    expect(names == {CODE.partition("-")[0]}, f"it asked for {names}")
    expect(SECRET, "the suite has no secret")
