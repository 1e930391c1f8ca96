"""The two stages: a sender under test with a recipient played by the suite, and the reverse.

Each method goes one step further on the honest way; a case leaves the way where it wants to.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conformance._case import UnmetError, expect
from conformance.client._stage import CODE, SECRET, SOON, WAIT, Link, Stage, tree
from conformance.client._talk import Piece, Talk, greet, piece
from croc_core import messages
from croc_core.content import Entry, Kind, Span
from croc_core.errors import RemoteProtocolError
from croc_core.handshake import (
    CapsOffer,
    Initiator,
    Policy,
    Responder,
    Session,
    WrongSecret,
    commits,
    finish,
    respond,
    start,
)
from croc_core.heads import VersionMismatch
from croc_core.messages import Accept, Held, Manifest, OfferEnd, Open, PiecesEnd, Receipt
from croc_core.pake import ALLOWED, suite
from croc_core.values import Role, Secret

FILES: dict[str, bytes] = {"letter.txt": b"Dear Anna, the fish is well.\n"}


class Offer(NamedTuple):
    """What the sender under test offers."""

    tid: bytes
    entries: tuple[Entry, ...]
    bytes: int | None


class Party(Stage):
    """A stage whose subject can be brought to the usual places, whatever its role."""

    verify = False
    """Whether the person of the side that is played asks to verify."""

    def begin(self, **environment: Any) -> None:
        """Start the subject in the usual way."""
        raise NotImplementedError

    def confirm(self) -> Session:
        """Go on until both sides have shown that they know the code."""
        raise NotImplementedError

    def seal(self) -> Talk:
        """Go on until both hellos have passed."""
        raise NotImplementedError

    def whole(self) -> None:
        """Go on to the end, which must be success on both sides."""
        raise NotImplementedError


class SenderStage(Party):
    """A sender under test."""

    role = "sender"
    secret = SECRET
    """That of its code."""
    in_hand: Offer
    """What `talking` heard."""

    def begin(
        self, files: Mapping[str, bytes] | None = None, code: str | None = CODE, **environment: Any
    ) -> None:
        """Start it with *files*; one of them is given as a file, several as their folder."""
        given = FILES if files is None else files
        base = self.make("outgoing", given)
        path = base / next(iter(given)) if len(given) == 1 else base
        code_of = {} if code is None else {"CROC_CODE": code}
        self.launch({"CROC_FILE": str(path), **code_of, **environment})

    def x(self) -> str:
        """Wait for its X; return the latest."""
        self.request("x")
        return str(self.requests("x")[-1].body["x"])

    def respond(self, secret: str | None = None) -> Responder:
        """Make the answer to its X, and post nothing yet."""
        x = self.x()
        policy = Policy(suites=(*ALLOWED, "p224", "siec"), verify=self.verify)
        phrase, curve = Secret((secret or self.secret).encode()), self.desk.curve
        try:
            return respond(suite, self.desk.channel, curve, x, phrase, policy, os.urandom)
        except (RemoteProtocolError, VersionMismatch) as error:
            raise UnmetError(f"its x cannot be used: {error}") from None

    def post_y(self, made: Responder) -> None:
        """Join as the recipient and post its answer."""
        self.desk.seats["recipient"] = os.urandom(16).hex()
        self.desk.put(y=made.y, hh_k=made.hh_k)

    def confirm(self) -> Session:
        """See `Party`."""
        made = self.respond()
        self.post_y(made)
        h_k = self.request("h_k").body["h_k"]
        expect(h_k == made.session.h_k_wire, "its h_k is not that of docs/protocol.md")
        return made.session

    def staple(self) -> Link:
        """Wait for its dial, dial as the recipient, and staple the two."""
        link = self.link()
        port = self.net.ports[link.conn.listener]
        self.desk.staple(port)
        return link

    def seal(self) -> Talk:
        """See `Party`."""
        session = self.confirm()
        return greet(self.staple(), session, Role.RECIPIENT)

    def offer(self, talk: Talk) -> Offer:
        """Hear Open and the whole offer."""
        opened, _ = talk.control(Open)
        expect(commits(talk.session, opened.vn), "its Open does not fit the commit of its head")
        return self.offer_behind_open(talk)

    def offer_behind_open(self, talk: Talk) -> Offer:
        """Hear the whole offer."""
        entries: list[Entry] = []
        tid: bytes | None = None
        while True:
            heard = talk.hear("its offer")
            message = heard.message
            if isinstance(message, Manifest):
                expect((message.tid is None) == (tid is not None), "tid in the wrong Manifest")
                tid = tid or message.tid
                entries += message.entries
                continue
            expect(isinstance(message, OfferEnd), f"{type(message).__name__} within its offer")
            assert isinstance(message, OfferEnd)
            assert tid is not None
            expect(message.tid == tid, "OfferEnd has another tid than the offer")
            expect(message.entries == len(entries), "OfferEnd miscounts the entries")
            return Offer(tid, tuple(entries), message.bytes)

    def accept(
        self, talk: Talk, offer: Offer, spans: Sequence[Span] | None = None, **more: object
    ) -> None:
        """Accept all of the offer, or *spans* of it."""
        chosen = (Span(0, len(offer.entries)),) if spans is None else tuple(spans)
        fields = {"codecs": (0, 2), "connections": 1, "held": (), "more": False, **more}
        talk.say(Accept(offer.tid, chosen, **fields))  # type: ignore[arg-type]

    def pieces(self, talk: Talk, seconds: float = WAIT) -> tuple[list[Piece], PiecesEnd]:
        """Hear all pieces and their end, which must be the sender's last."""
        found: list[Piece] = []
        while True:
            heard = talk.hear("its pieces", seconds)
            if heard.kind == messages.PIECE:
                found.append(Piece.of(heard))
                continue
            message = heard.message
            expect(isinstance(message, PiecesEnd), f"{type(message).__name__} within its pieces")
            assert isinstance(message, PiecesEnd)
            expect(heard.last, "PiecesEnd is not in a record with the last flag")
            return found, message

    def receipt(self, talk: Talk, end: PiecesEnd) -> None:
        """Send the right receipt, and half-close."""
        talk.say(Receipt(end.tid, end.entries, end.bytes), last=True)
        talk.link.conn.finish()

    def part(self, talk: Talk) -> None:
        """Read its half-close, and close the channel as the recipient does."""
        talk.link.ends("its half-close")
        talk.link.conn.close()
        self.desk.closed = "recipient", "done"
        self.desk.seq += 1

    def whole(self) -> None:
        """See `Party`."""
        talk = self.seal()
        offer = self.offer(talk)
        self.accept(talk, offer)
        _, end = self.pieces(talk)
        self.receipt(talk, end)
        self.part(talk)
        self.succeeds()

    def to_end(self) -> tuple[Talk, PiecesEnd]:
        """Go on until all pieces have come and the receipt is awaited."""
        talk = self.seal()
        offer = self.offer(talk)
        self.accept(talk, offer)
        return talk, self.pieces(talk)[1]


def file(path: str | bytes, data: bytes = b"", **meta: int | str | bytes) -> Entry:
    """An entry of a file to offer."""
    return Entry(Kind.FILE, path, len(data), {"mode": 0o644, **meta})


class RecipientStage(Party):
    """A recipient under test."""

    role = "recipient"
    tid = b""
    holds: list[Held]
    """What the last Accept said to hold."""
    codecs: tuple[int, ...]
    connections = 1

    @property
    def out(self) -> Path:
        """The folder that it receives into."""
        return self.path / "incoming"

    def begin(
        self, existing: Mapping[str, bytes] | None = None, code: str = CODE, **environment: Any
    ) -> None:
        """Open the channel as the sender, and start it; its folder has the files *existing*."""
        self.make("incoming", existing or {})
        if not self.desk.channel:
            self.desk.open("x25519")
        self.launch({"CROC_OUT": str(self.out), "CROC_CODE": code, **environment})

    def held(self) -> dict[str, bytes]:
        """What stands in its folder now."""
        return tree(self.out)

    def start(self, secret: str = SECRET, **caps: object) -> Initiator:
        """Make an X for the channel's curve, and post nothing yet."""
        phrase = Secret(secret.encode())
        offered = CapsOffer(**{"verify": self.verify, **caps})  # type: ignore[arg-type]
        return start(suite(self.desk.curve), self.desk.channel, phrase, offered, os.urandom)

    def post_x(self, made: Initiator) -> None:
        """Post X as the sender."""
        self.initiator = made
        self.desk.put(x=made.x)

    def answer(self) -> Session:
        """Post X, wait for its Y, and check that: what the sender's own confirmation is."""
        if self.desk.x is None:
            self.post_x(self.start())
        asked = self.request("y", "hh_k")
        try:
            return finish(
                self.initiator, suite(self.desk.curve), asked.body["y"], asked.body["hh_k"]
            )
        except WrongSecret:
            raise UnmetError("its hh_k is not that of docs/protocol.md") from None
        except RemoteProtocolError as error:
            raise UnmetError(f"its y cannot be used: {error}") from None

    def confirm(self) -> Session:
        """See `Party`."""
        session = self.answer()
        self.desk.put(h_k=session.h_k_wire)
        return session

    def seal(self) -> Talk:
        """See `Party`."""
        session = self.confirm()
        link = self.link()
        self.desk.staple(self.net.ports[link.conn.listener])
        return greet(link, session, Role.SENDER)

    def opened(self) -> Talk:
        """Go on until Open was said."""
        talk = self.seal()
        talk.say(Open(self.initiator.vn.reveal))
        return talk

    def offer(self, talk: Talk, *entries: Entry) -> None:
        """Offer *entries*."""
        self.tid = os.urandom(16)
        total = sum(entry.size or 0 for entry in entries)
        streams = any(entry.size is None for entry in entries)
        end = OfferEnd(self.tid, len(entries), None if streams else total)
        talk.say(Manifest(self.tid, entries), end)

    def accepted(self, talk: Talk) -> list[int]:
        """Hear its Accept, all of it; return the numbers of the chosen entries."""
        chosen: list[int] = []
        self.holds = []
        said: set[tuple[object, int]] = set()
        while True:
            accept, last = talk.control(Accept)
            expect(not last, "Accept is in its last record")
            expect(accept.tid == self.tid, "Accept has another tid than the offer")
            for span in accept.spans:
                expect(not chosen or span.first > chosen[-1], "its spans are not in rising order")
                chosen += range(span.first, span.first + span.count)
            self.holds += accept.held
            said.add((accept.codecs, accept.connections))
            expect(len(said) == 1, "the parts of its Accept do not agree")
            if not accept.more:
                self.codecs, self.connections = accept.codecs, accept.connections
                return chosen

    def end(self, talk: Talk, entries: int, total: int) -> None:
        """Send PiecesEnd, the last of the sender."""
        talk.say(PiecesEnd(self.tid, entries, total, ()), last=True)

    def receipt(self, talk: Talk, entries: int, total: int) -> None:
        """Hear its Receipt, which must be right and its last, and its half-close; hang up."""
        receipt, last = talk.control(Receipt)
        expect(last, "its Receipt is not in a record with the last flag")
        right = (self.tid, entries, total)
        expect((receipt.tid, receipt.entries, receipt.bytes) == right, f"it sent {receipt}")
        expect(not talk.link.ends("its half-close"), "bytes came behind its Receipt")
        talk.link.conn.finish()

    def sent(self, talk: Talk, files: Mapping[str, bytes]) -> list[int]:
        """Offer *files*, and send all that is chosen of them; return the chosen numbers."""
        self.offer(talk, *(file(path, data) for path, data in files.items()))
        chosen = self.accepted(talk)
        data = list(files.values())
        for number in chosen:
            if data[number]:
                talk.say(piece(number, 0, data[number]))
        return chosen

    def delivered(self, talk: Talk, files: Mapping[str, bytes]) -> None:
        """Send *files* whole, to the end on both sides; all must be taken and stand there."""
        chosen = self.sent(talk, files)
        expect(len(chosen) == len(files), f"of {len(files)} harmless files it chose {len(chosen)}")
        total = sum(map(len, files.values()))
        self.end(talk, len(files), total)
        self.receipt(talk, len(files), total)
        self.succeeds()
        wanted = {path: data for path, data in files.items() if not path.endswith("/")}
        held = self.held()
        visible = {path: data for path, data in held.items() if not unfinished(path)}
        expect(visible == wanted, f"its folder holds {sorted(held)}")

    def whole(self) -> None:
        """See `Party`."""
        self.delivered(self.opened(), FILES)

    def refuses(self, *codes: str, seconds: float = SOON) -> None:
        """Expect that it ends by one of *codes*, and has written no final file."""
        self.fails(*codes, seconds=seconds)
        visible = {path for path in self.held() if not unfinished(path)}
        expect(not visible, f"it holds {sorted(visible)}, although what came was not allowed")


def talking(party: Party) -> Talk:
    """Bring the subject to where the other side is to speak next."""
    party.begin()
    if isinstance(party, SenderStage):
        talk = party.seal()
        party.in_hand = party.offer(talk)
        return talk
    assert isinstance(party, RecipientStage)
    return party.opened()


def unfinished(path: str) -> bool:
    """Whether a name shows that the file is not whole (PIECE-6): hidden, or marked as a part."""
    name = path.rpartition("/")[2]
    return name.startswith(".") or name.endswith((".part", ".partial", ".croc", ".tmp"))
