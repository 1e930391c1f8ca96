"""What chosen inputs mean in chosen states of both parties, as text: the whole judgement.

`python -m tests.judgements` writes `tests/vectors/judgements.txt`; `tests/test_judgements.py` holds
the code to it. A change of it is a change of what people read, or of what the machines do, and is
to be read line by line.
"""

from __future__ import annotations

import enum
import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from croc_core import party_io as p
from croc_core import recipient, recipient_judge, sender, sender_judge
from croc_core import recipient_rejoin as rr
from croc_core import recipient_states as rs
from croc_core import sender_rejoin as sr
from croc_core import sender_states as ss
from croc_core.content import Totals
from croc_core.contexts import RecipientContext, SenderContext
from croc_core.errors import Failure
from croc_core.handshake import (
    Session,
    rejoin_channel,
)
from croc_core.many import Leg, Stage
from croc_core.messages import (
    Size,
)
from croc_core.party import Leaving, Patience, StreamKeys
from croc_core.reconnect import AskingWhy, Bond, Greeting, Identifying
from croc_core.sender_join import join_request
from croc_core.values import Moment, Role, Secret
from tests.judgement_inputs import (
    ARRIVED,
    BEFORE,
    BRIEF,
    CHANNEL,
    HELLOS,
    HOLDING,
    INITIATOR,
    LATER,
    NOW,
    PATIENCE,
    RESPONDER,
    SEAT,
    SESSION,
    TID,
    TOTALS,
    UUID,
    VERDICT,
    WORDS,
    chance,
    inputs,
)

KEPT = Path(__file__).parent / "vectors" / "judgements.txt"

# ---- states

FRESH = Bond(SEAT, SESSION, SESSION, staplings=(0, 0, 0), vn=INITIATOR.vn, until=1120.0)
MET = structs.replace(FRESH, met=True, n=2, until=math.inf, staplings=(1, 1, 1))
TAKEN = structs.replace(
    MET, tid=TID, totals=TOTALS, connections=3, verified=True, wanted=100, staplings=(1, 1, 1)
)
LOST = structs.replace(TAKEN, until=1200.0, n=2)
GONE_ON = structs.replace(
    LOST, seat=structs.replace(SEAT, channel=rejoin_channel(SESSION, 2)), totals=Totals(2, 1, None)
)
SENT = structs.replace(TAKEN, sent=True)
SENT_LOST = structs.replace(LOST, sent=True)


def _showing(bond: Bond, *, sender_: bool, recipient_: bool) -> Bond:
    session = structs.replace(bond.session, sender_verify=sender_, recipient_verify=recipient_)
    return structs.replace(bond, session=session, verified=False)


def _legs(role: Role) -> dict[str, tuple[Leg, ...]]:
    ours = HELLOS[role, 1], HELLOS[role, 2]
    return {
        "up": (Leg(Stage.BUSY, ours[0]), Leg(Stage.BUSY, ours[1])),
        "coming": (Leg(Stage.DIALLED), Leg(Stage.GREETING, ours[1])),
        "one": (Leg(Stage.BUSY, ours[0]), Leg(Stage.GONE)),
        "last": (Leg(Stage.OVER), Leg(Stage.DIALLED)),
        "none": (Leg(Stage.GONE), Leg(Stage.GONE)),
    }


def _shared(role: Role) -> Iterator[tuple[str, Any]]:
    bonds = {"fresh": FRESH, "met": MET, "lost": LOST}
    if role is Role.SENDER:
        bonds["sent"] = SENT_LOST
    for name, bond in bonds.items():
        yield f"{name}", Identifying(bond)
        yield f"{name}", Greeting(bond, HELLOS[role, 0], 1100.0)
        yield f"{name}", AskingWhy(bond, BEFORE, True)
    yield "once", AskingWhy(MET, BEFORE, False)
    yield "", Leaving(BEFORE)


def sender_states() -> Iterator[tuple[str, Any]]:
    """Of the sender, each with a word of what sets it apart."""
    yield "", ss.Idle()
    yield "any channel", ss.Opening(join_request("x25519", None, UUID, None), 5000.0)
    yield "again", ss.Opening(join_request("x25519", CHANNEL, UUID, None), 5000.0)
    yield "", ss.Publishing(SEAT, INITIATOR, 5000.0)
    yield "", ss.AwaitingAnswer(SEAT, INITIATOR, 5, 5000.0)
    yield "too long", ss.AwaitingAnswer(SEAT, INITIATOR, 5, 1000.0)
    yield "", ss.Proving(SEAT, SESSION, INITIATOR.vn)
    yield from _shared(Role.SENDER)
    for name, bond in (("fresh", FRESH), ("met", MET), ("lost", LOST)):
        yield name, ss.AwaitingStaple(bond, 5, 1120.0)
    for ours in (False, True):
        for theirs in (False, True):
            shown = _showing(MET, sender_=ours, recipient_=theirs)
            yield f"words {ours:d}{theirs:d}", Greeting(shown, HELLOS[Role.SENDER, 0], 1100.0)
    yield "verified", Greeting(structs.replace(
        _showing(MET, sender_=True, recipient_=True), verified=True
    ), HELLOS[Role.SENDER, 0], 1100.0)  # fmt: skip
    yield "", ss.Verifying(_showing(MET, sender_=True, recipient_=False))
    yield "", ss.Offering(MET, TID)
    yield "first", ss.AwaitingAccept(MET, TID, (0, ()), False)
    yield "more", ss.AwaitingAccept(MET, TID, (3, (0, 2)), False)
    yield "held", ss.AwaitingAccept(MET, TID, (3, (0, 2)), True)
    yield "", ss.Digesting(TAKEN)
    yield "", ss.AwaitingWant(TAKEN, 0)
    yield "lost", ss.AwaitingWant(LOST, 50)
    yield "sent", ss.AwaitingWant(SENT, 0)
    for name, legs in _legs(Role.SENDER).items():
        yield name, ss.Sending(TAKEN, legs, (Size(2, 7),))
    yield "alone", ss.Sending(LOST, (), ())
    yield "up", ss.AwaitingReceipt(SENT, _legs(Role.SENDER)["up"], TOTALS)
    yield "lost", ss.AwaitingReceipt(SENT_LOST, (), TOTALS)
    for name, bond in (("met", MET), ("sent", SENT_LOST)):
        there = structs.replace(bond, seat=GONE_ON.seat)
        request = join_request("x25519", rejoin_channel(SESSION, 3), UUID, None)
        yield name, sr.Reopening(structs.replace(bond, n=3), BEFORE, request)
        yield name, sr.Republishing(there, BEFORE, INITIATOR)
        yield name, sr.AwaitingReturn(there, BEFORE, INITIATOR, 5)
        yield name, sr.Reproving(there, BEFORE)


def recipient_states() -> Iterator[tuple[str, Any]]:
    """Of the recipient, each with a word of what sets it apart."""
    request = p.Post("/join", b"{}")
    yield "", rs.Idle()
    yield "", rs.Joining(request)
    yield "", rs.AwaitingX(SEAT, "x25519", 5)
    yield "p256", rs.AwaitingX(SEAT, "p256", 5)
    yield "p224", rs.AwaitingX(SEAT, "p224", 5)
    yield "unheard of", rs.AwaitingX(SEAT, "p192", 5)
    yield "", rs.Answering(SEAT, RESPONDER)
    yield "", rs.AwaitingProof(SEAT, SESSION, 5)
    yield from _shared(Role.RECIPIENT)
    for ours in (False, True):
        for theirs in (False, True):
            shown = _showing(MET, sender_=theirs, recipient_=ours)
            yield f"words {ours:d}{theirs:d}", rs.AwaitingOpen(shown)
    yield "verified", rs.AwaitingOpen(TAKEN)
    yield "met", rs.AwaitingOffer(MET)
    yield "taken", rs.AwaitingOffer(TAKEN)
    yield "sizes", rs.HearingOffer(MET, TID, 2, 5)
    yield "stream", rs.HearingOffer(MET, TID, 2, None)
    yield "plain", rs.Judging(MET, TID, 2)
    yield "words", rs.Judging(_showing(MET, sender_=False, recipient_=True), TID, 2)
    yield "", rs.Verifying(_showing(MET, sender_=False, recipient_=True), TID, VERDICT)
    yield "plain", rs.Deciding(MET, TID, VERDICT)
    yield "held", rs.Deciding(MET, TID, HOLDING)
    yield "first", rs.AwaitingDigests(TAKEN, ((0, 5), (1, 9 << 20)), 0, 0)
    yield "second", rs.AwaitingDigests(TAKEN, ((0, 5), (1, 9 << 20)), 1, 1)
    yield "some", rs.Comparing(TAKEN, ((0, 5), (1, 9 << 20)), 1, 0)
    yield "all", rs.Comparing(TAKEN, ((0, 5), (1, 9 << 20)), 2, 0)
    yield "", rs.Wanting(TAKEN)
    for name, legs in _legs(Role.RECIPIENT).items():
        yield name, rs.Receiving(TAKEN, legs)
        yield name, rs.Counting(TAKEN, legs, ())
        yield name, rs.Gathering(TAKEN, legs, (Size(0, 4),))
    yield "alone", rs.Receiving(GONE_ON, ())
    yield "", rs.Finishing(TAKEN)
    yield "", rs.AwaitingEnd(TAKEN, ARRIVED)
    yield "", rs.Closing(ARRIVED)
    for name, bond in (("met", MET), ("lost", LOST)):
        there = structs.replace(bond, seat=GONE_ON.seat)
        yield name, rr.Rejoining(bond, BEFORE, 3, request)
        yield name, rr.Rejoining(bond, BEFORE, 6, request)
        yield name, rr.ReawaitingX(there, BEFORE, "x25519", 5)
        yield name, rr.Reanswering(there, BEFORE, RESPONDER)
        yield name, rr.ReawaitingProof(there, BEFORE, SESSION, 5)


# ---- as text


def _long(data: bytes) -> str:
    return f"<{len(data)}: {hashlib.sha256(data).hexdigest()[:8]}>"


def text(value: Any, *before: Any) -> str:
    """A value in one line, long ones by a digest, without fields that are as *before*, or usual."""
    match value:
        case enum.Enum():
            return str(value.name)
        case Failure():
            return f"{value.code} {value.party} {_long(value.hint.encode())} {value.message}"
        case p.Post():
            body = {k: text(v) for k, v in json.loads(value.body).items()}
            if (body.get("channel"), body.get("uuid")) == (CHANNEL, text(UUID)):
                del body["channel"], body["uuid"]
            after = f" after {value.after}" * bool(value.after)
            waits = f" waits {value.wait}" * bool(value.wait)
            return f"{value.path} {', '.join(f'{k}={v}' for k, v in body.items())}{after}{waits}"
        case Secret():
            return f"secret {_long(value.reveal)}"
        case StreamKeys():
            keys = value(0) + value(1)
            return f"keys {value.direction} {value.connection} {_long(keys)}"
        case bytes():
            return value.hex() if len(value) <= 4 else _long(value)
        case str():
            return (
                value
                if (len(value) <= 300 and " " in value) or len(value) < 32
                else _long(value.encode())
            )
        case msgspec.Struct() | tuple():
            return _compound(value, before)
    return repr(value)


def _compound(value: Any, before: tuple[Any, ...]) -> str:
    names = getattr(value, "__struct_fields__", getattr(value, "_fields", None))
    if names is None:
        return f"({', '.join(map(text, value))})"
    if isinstance(value, Session):
        return f"session {_long(repr([text(getattr(value, n)) for n in names]).encode())}"
    fields = []
    usual = _usual(type(value), names)
    for name in names:
        mine = getattr(value, name)
        known = [getattr(b, name) for b in before if hasattr(b, name)]
        if mine not in (known or usual.get(name, [])):
            fields.append(f"{name}={text(mine, *known)}")
    return f"{type(value).__name__}({', '.join(fields)})"


def _usual(kind: Any, names: tuple[str, ...]) -> dict[str, list[Any]]:
    """What fields are unless they are given: not worth a word."""
    given = getattr(kind, "__struct_defaults__", None)
    if given is None:
        return {name: [value] for name, value in kind._field_defaults.items()}
    return {n: [v] for n, v in zip(reversed(names), reversed(given), strict=False)}


def _context(role: Role, patience: Patience) -> Any:
    if role is Role.SENDER:
        return SenderContext(
            WORDS, "one-two-three", "http://relay", chance(), patience=patience, streams=2
        )
    return RecipientContext(CHANNEL, WORDS, chance(), patience=patience, streams=2, max_entries=5)


def meaning(role: Role, state: Any, event: p.Input, patience: Patience, now: Moment) -> str:
    """What *event* means in *state*, and what follows."""
    judge: Any = sender_judge if role is Role.SENDER else recipient_judge
    table: Any = sender.TABLE if role is Role.SENDER else recipient.TABLE
    found = judge.interpret(_context(role, patience), state, event, now)
    if found is None:
        return "nothing"
    after, effects = table.step(state, found)
    same = "" if after == state else f" -> {text(after, state, found)}"
    return "; ".join([f"{text(found, state)}{same}", *map(text, effects)])


BRIEFLY = ("woke", "woke late", "interrupted", "end 0", "0 ERR 410", "0 ERR 503",
           "410 done by relay", "no such file")  # fmt: skip
"""What is judged once more, later and without patience."""


def states() -> dict[str, tuple[Role, Any]]:
    """All of both sides, by a heading."""
    found = {}
    for role, its in ((Role.SENDER, sender_states()), (Role.RECIPIENT, recipient_states())):
        for word, state in its:
            name = f"{role} {type(state).__name__} {word}".strip()
            found[name if name not in found else f"{name} more"] = role, state
    return found


def told(role: Role, state: Any) -> str:
    """What each input means in *state*, equal ones together."""
    every = inputs(role)
    groups: dict[str, list[str]] = {}
    for name, event in every.items():
        groups.setdefault(meaning(role, state, event, PATIENCE, NOW), []).append(name)
    for name in BRIEFLY:
        what = meaning(role, state, every[name], BRIEF, LATER)
        groups.setdefault(what, []).append(f"{name}, without patience")
    nothing = groups.pop("nothing", [])
    lines = [f"  {'; '.join(names)}\n    {what}" for what, names in groups.items()]
    return "\n".join([*lines, f"  nothing: {len(nothing)} others"])


def kept() -> dict[str, str]:
    """The headings of the file, each with what stands below it."""
    found = {}
    for part in KEPT.read_text().split("\n\n"):
        heading, _, below = part.strip("\n").partition("\n")
        found[heading] = below
    return found


def main() -> None:
    """Write the file."""
    parts = [f"{name}\n{told(role, state)}\n" for name, (role, state) in states().items()]
    KEPT.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
