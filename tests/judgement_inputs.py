"""Inputs of both parties, each by a name, and the values that they are made of."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from croc_core import party_io as p
from croc_core.content import Arrived, Entry, Kind, Span, Totals, Verdict
from croc_core.errors import Code, Failure, Party
from croc_core.handshake import (
    CapsOffer,
    Policy,
    finish,
    hello,
    rejoin_channel,
    respond,
    start,
)
from croc_core.heads import CapsA, CapsB, HeadA, HeadB, encode_head, framed
from croc_core.messages import (
    Accept,
    Continue,
    Decline,
    Digests,
    Held,
    Manifest,
    Message,
    OfferEnd,
    Open,
    PiecesEnd,
    Problem,
    Range,
    Receipt,
    Size,
    Want,
)
from croc_core.pake import suite
from croc_core.party import Patience, Seat
from croc_core.values import Moment, Role, Secret

NOW = Moment(1000.0, 1_700_000_000_000)
LATER = Moment(2000.0, 1_700_000_000_000)
CHANNEL, UUID = "7k2m", "0" * 32
TID, OTHER_TID = b"\1" * 16, b"\2" * 16
WORDS = Secret(b"one-two-three")
SEAT = Seat(CHANNEL, UUID, (9010, 9011, 9012))
PATIENCE = Patience(meeting=5000.0, reconnect=300.0)
BRIEF = PATIENCE._replace(reconnect=0.0)


def chance() -> Any:
    """The same bytes each time."""
    return random.Random(6).randbytes


_draw = chance()
CURVE = suite("x25519")
INITIATOR = start(CURVE, CHANNEL, WORDS, CapsOffer(), _draw)
RESPONDER = respond(suite, CHANNEL, "x25519", INITIATOR.x, WORDS, Policy(), _draw)
STRANGER = respond(suite, CHANNEL, "x25519", INITIATOR.x, Secret(b"x"), Policy(), _draw)
SESSION = finish(INITIATOR, CURVE, RESPONDER.y, RESPONDER.hh_k)
HELLOS = {(role, i): hello(role, i, _draw(32)) for role in Role for i in range(3)}
TOTALS = Totals(2, 1, 5)
VERDICT = Verdict((Span(0, 2),), TOTALS, (), 1, (), 2)
HOLDING = VERDICT._replace(held=((0, 5), (1, 0)))
ARRIVED = Arrived(2, 1, 5, ("a", "b"))
NEWER = framed(encode_head(HeadB(2, "x25519", CapsB(2, "aes256gcm", False))), bytes(32))
NEWER_X = framed(
    encode_head(HeadA(2, "x25519", bytes(32), bytes(32), CapsA(2, ("aes256gcm",), False))),
    bytes(32),
)
BEFORE = Failure(Code.PEER_LEFT, Party.PEER, "What it was before.", "Do it.")
ENTRIES = (Entry(Kind.FILE, "a", 5, {}), Entry(Kind.DIRECTORY, "b", 0, {}))
STREAM = (Entry(Kind.STREAM, "s", None, {}),)
HUGE = tuple(Entry(Kind.FILE, f"{n}", (1 << 63) - 1, {}) for n in range(2))


# ---- inputs


def _error(status: int, code: str, **more: str) -> p.Replied:
    return p.Replied(status, json.dumps({"code": code, "message": "m"} | more).encode())


def _state(**more: Any) -> p.Replied:
    body: dict[str, Any] = {
        "channel": CHANNEL, "curve": "x25519", "x": INITIATOR.x, "y": RESPONDER.y,
        "hh_k": RESPONDER.hh_k, "h_k": SESSION.h_k_wire, "stapled": False,
        "staplings": {"9010": 1, "9011": 2}, "recipient": True, "seq": 6,
    }  # fmt: skip
    return p.Replied(200, json.dumps(body | more).encode())


def _joined(role: str, **more: Any) -> p.Replied:
    data = [{"kind": "ws", "port": 1}, *({"kind": "tcp", "port": n} for n in SEAT.ports)]
    body = {"protocol": 1, "channel": CHANNEL, "uuid": UUID, "role": role, "curve": "x25519",
            "data": data, "seq": 1}  # fmt: skip
    return p.Replied(200, json.dumps(body | more).encode())


def _replies(role: Role) -> Iterator[tuple[str, p.Input]]:
    yield "state", _state()
    for name in ("x", "y", "hh_k", "h_k"):
        yield f"state without {name}", _state(**{name: None})
    yield "state with our X alone", _state(y=None, hh_k=None, h_k=None)
    yield "state with nothing", _state(x=None, y=None, hh_k=None, h_k=None, staplings={})
    yield "state with nothing new", _state(x=None, y=None, hh_k=None, h_k=None, seq=5)
    yield "state after 64 changes", _state(x=None, y=None, hh_k=None, h_k=None, seq=64)
    yield "state after many changes", _state(x=None, y=None, hh_k=None, h_k=None, seq=65)
    yield "state with a stranger's answer", _state(y=STRANGER.y, hh_k=STRANGER.hh_k)
    yield "state with a stranger's H(H(k))", _state(hh_k=STRANGER.hh_k)
    yield "state with another X", _state(x=STRANGER.y)
    yield "state with another curve", _state(curve="p256")
    yield "state with curve p224", _state(curve="p224")
    yield "state with curve p192", _state(curve="p192")
    yield "state with a y that is none", _state(y="AAAA")
    yield "state with an x that is none", _state(x="AAAA")
    yield "state with a wrong H(k)", _state(h_k=RESPONDER.hh_k)
    yield "state with an answer of another version", _state(y=NEWER)
    yield "state with an x of another version", _state(x=NEWER_X)
    yield "state, stapled", _state(stapled=True, staplings={})
    yield "state, stapled once more", _state(stapled=True, staplings={"9010": 9, "9012": 9})
    again = rejoin_channel(SESSION, 3)
    for joined in Role:
        yield f"joined as {joined}", _joined(joined)
        yield f"joined as {joined} where they meet again", _joined(joined, channel=again)
    yield "joined another channel", _joined(role, channel="other")
    yield "joined on another curve", _joined(role, curve="p256", channel=again)
    yield "joined without a data port", _joined(role, data=[])
    yield "joined without one, meeting again", _joined(role, data=[], channel=again)
    for by in ("sender", "recipient", "relay"):
        for reason in ("done", "cancelled", "failed", "declined", "wrong_code"):
            yield f"410 {reason} by {by}", _error(410, "closed", by=by, reason=reason)
    yield "410 closed", _error(410, "closed")
    for status, code in (
        (400, "bad"), (401, "token"), (403, "channel_full"), (403, "not_yours"),
        (404, "no_such_channel"), (404, "no_x_yet"), (404, "else"), (408, "slow"),
        (409, "already_set"), (409, "occupied"), (409, "curve"), (418, "teapot"),
        (426, "version"), (429, "too_many"), (500, "no_x_yet"), (503, "busy"),
    ):  # fmt: skip
        yield f"{status} {code}", _error(status, code)
    yield "200 that makes no sense", p.Replied(200, b"{")
    yield "404 that makes no sense", p.Replied(404, b"?")
    yield "no answer", p.Unanswered(False, "it got lost")
    yield "nobody there", p.Unanswered(True, "connection refused")


MESSAGES: dict[str, tuple[Message, bool]] = {
    "open": (Open(INITIATOR.vn.reveal), False),
    "open of another run": (Open(bytes(32)), False),
    "open as the last": (Open(INITIATOR.vn.reveal), True),
    "continue": (Continue(TID), False),
    "continue as the last": (Continue(TID), True),
    "continue another": (Continue(OTHER_TID), False),
    "a new offer": (Manifest(OTHER_TID, ENTRIES), False),
    "a new offer as the last": (Manifest(OTHER_TID, ENTRIES), True),
    "the offer anew": (Manifest(TID, ENTRIES), False),
    "a new offer of a stream": (Manifest(OTHER_TID, STREAM), False),
    "a new offer too large": (Manifest(OTHER_TID, HUGE), False),
    "a new offer of too many": (Manifest(OTHER_TID, ENTRIES * 3), False),
    "more of the offer": (Manifest(None, ENTRIES), False),
    "more as the last": (Manifest(None, ENTRIES), True),
    "nothing more of the offer": (Manifest(None, ()), False),
    "more, a stream": (Manifest(None, STREAM), False),
    "more, too large": (Manifest(None, HUGE), False),
    "more, too many": (Manifest(None, ENTRIES * 2), False),
    "the offer's end": (OfferEnd(TID, 2, 5), False),
    "the offer's end as the last": (OfferEnd(TID, 2, 5), True),
    "the end of another": (OfferEnd(OTHER_TID, 2, 5), False),
    "the offer's end, a stream": (OfferEnd(TID, 2, None), False),
    "accept": (Accept(TID, (Span(0, 2),), (0, 2), 2, (), False), False),
    "accept another": (Accept(OTHER_TID, (Span(0, 2),), (0, 2), 2, (), False), False),
    "accept over many": (Accept(TID, (Span(0, 2),), (0, 2), 16, (), False), False),
    "accept a part": (Accept(TID, (Span(0, 2),), (0, 2), 3, (), True), False),
    "accept, held": (Accept(TID, (), (0, 2), 3, (Held(0, 1),), False), False),
    "accept a part, held": (Accept(TID, (), (0, 2), 3, (Held(0, 1),), True), False),
    "accept a part of nothing": (Accept(TID, (), (0, 2), 3, (), True), False),
    "accept the rest": (Accept(TID, (Span(0, 2),), (0, 2), 3, (), False), False),
    "accept with other codecs": (Accept(TID, (Span(0, 2),), (0, 1), 3, (), False), False),
    "decline": (Decline(TID), True),
    "decline another": (Decline(OTHER_TID), True),
    "digests": (Digests(TID, 0, 0, (bytes(32),)), False),
    "digests as the last": (Digests(TID, 0, 0, (bytes(32),)), True),
    "digests of the rest": (Digests(TID, 1, 1, (bytes(32),) * 2), False),
    "digests of some of the rest": (Digests(TID, 1, 1, (bytes(32),)), False),
    "digests of another": (Digests(OTHER_TID, 0, 0, (bytes(32),)), False),
    "no digests": (Digests(TID, 0, 0, ()), False),
    "too many digests": (Digests(TID, 0, 0, (bytes(32),) * 2), False),
    "digests of another block": (Digests(TID, 0, 1, (bytes(32),)), False),
    "want": (Want(TID, (Range(0, 0, 5), Range(1, 0, 7)), False), False),
    "want as much": (Want(TID, (Range(0, 0, 100),), False), False),
    "want a part": (Want(TID, (Range(0, 0, 5),), True), False),
    "want a part of nothing": (Want(TID, (), True), False),
    "want nothing": (Want(TID, (), False), False),
    "want of another": (Want(OTHER_TID, (Range(0, 0, 5),), False), False),
    "the pieces' end": (PiecesEnd(TID, 2, 5, ()), True),
    "the pieces' end, not last": (PiecesEnd(TID, 2, 5, ()), False),
    "the pieces' end, sizes": (PiecesEnd(TID, 2, 9, (Size(0, 4),)), True),
    "the pieces' end, entries": (PiecesEnd(TID, 3, 5, ()), True),
    "the pieces' end of another": (PiecesEnd(OTHER_TID, 2, 5, ()), True),
    "receipt": (Receipt(TID, 2, 5), True),
    "receipt, not last": (Receipt(TID, 2, 5), False),
    "receipt for other bytes": (Receipt(TID, 2, 6), True),
    "receipt for another": (Receipt(OTHER_TID, 2, 5), True),
    **{f"problem {word}": (Problem(word, "text"), True)
       for word in ("local_file", "timeout", "sigint", "sigterm", "protocol_error", "else")},
}  # fmt: skip


def _lines() -> Iterator[tuple[str, p.Input]]:
    for i in (0, 1, 2):
        yield f"{i} taken", p.Identified(i, b"OK\n")
        for status in (403, 404, 408, 409, 410, 418, 426, 429, 503):
            yield f"{i} ERR {status}", p.Identified(i, f"ERR {status} busy\n".encode())
    yield "0 ERR 409 occupied", p.Identified(0, b"ERR 409 occupied\n")
    yield "0 nothing", p.Identified(0, b"")
    yield "0 senseless", p.Identified(0, b"HTTP\n")


def _connections(role: Role) -> Iterator[tuple[str, p.Input]]:
    yield from _lines()
    for i in (0, 1, 2):
        yield f"hello {i}", p.Greeted(i, HELLOS[role.other, i])
        yield f"our hello {i}", p.Greeted(i, HELLOS[role, i])
        yield f"garbled {i}", p.Garbled(i, "it is cut")
        for whole in (False, True):
            yield f"end {i}{' whole' * whole}", p.LinkEnded(i, "reset", whole)
    yield "hello 1 of 0", p.Greeted(0, HELLOS[role.other, 1])
    for name, (message, last) in MESSAGES.items():
        yield name, p.Heard(0, message, last)


def inputs(role: Role) -> dict[str, p.Input]:
    """By name, all that a party may be handed here."""
    found: dict[str, p.Input] = {
        "started": p.Started(),
        "woke": p.Woke(False),
        "woke late": p.Woke(True),
        "interrupted": p.Interrupted(Code.SIGINT),
        "shut down": p.Interrupted(Code.SIGTERM),
        "no such file": p.LocalBroke(BEFORE),
        "moved": p.Moved(False),
        "files moved": p.Moved(True),
        "offer sent": p.OfferSent(TOTALS),
        "pieces sent": p.PiecesSent(TOTALS),
        "pieces sent on 1": p.PiecesSent(TOTALS, (Size(1, 4),), 1),
        "pieces sent on 2": p.PiecesSent(TOTALS._replace(bytes=None), (Size(3, 2),), 2),
        "digests sent": p.DigestsSent(),
        "compared": p.Compared(),
        "want sent": p.WantSent(),
        "words agree": p.ComparedWords(True),
        "words differ": p.ComparedWords(False),
        "judged": p.Judged(VERDICT),
        "judged, held": p.Judged(HOLDING),
        "judged, all refused": p.Judged(VERDICT._replace(totals=Totals(0, 0, 0))),
        "judged, empty": p.Judged(Verdict((), Totals(0, 0, 0), (), 0, (), 0)),
        "yes": p.Decided(True),
        "no": p.Decided(False),
        "finished": p.Finished(ARRIVED),
    }
    return found | dict(_replies(role)) | dict(_connections(role))
