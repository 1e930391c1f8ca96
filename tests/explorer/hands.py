"""A party's hands: inputs to the real machine, and what the machine wants done.

What backends do with bytes is done here with whole messages (compare backends/_party_node.py).
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, NamedTuple

import msgspec

from croc_core import messages, recipient, recipient_judge, sender, sender_judge
from croc_core import party_io as io
from croc_core.content import Arrived, Entry, Kind, Span, Totals, Verdict
from croc_core.errors import Code, Failure, LocalProtocolError, Party
from croc_core.events import CodeReady, OfferSeen
from croc_core.machine import Interpret, Machine
from croc_core.messages import Accept, Decline, Manifest, OfferEnd, Receipt
from croc_core.relay_io import AskerLeft
from croc_core.table import Row, Table
from croc_core.values import Role
from tests.explorer.world import (
    ASK,
    DIALLED,
    END,
    FIRST_LINK,
    GONE,
    HELD,
    NOW,
    PIECES,
    SIZE,
    STAPLED,
    TRUTH,
    UP,
    WRONG,
    Actor,
    Ask,
    Dead,
    Emission,
    Ended,
    Item,
    Link,
    Old,
    ToPeer,
    ToRelay,
    recipient_context,
    sender_context,
)

FOLDER, FILE = Entry(Kind.DIRECTORY, "dir", 0, {}), Entry(Kind.FILE, "dir/file", SIZE, {})
TOTALS = Totals(2, 1, SIZE)
VERDICT = Verdict((Span(0, 2),), TOTALS, (), 0, (), 0)
NOTHING = Verdict((), Totals(0, 0, 0), (("file", "a bad name"),), 2, (), 0)
ARRIVED = Arrived(2, 1, SIZE, ("dir",))
DISK = Failure(Code.LOCAL_FILE, Party.LOCAL, "The disk is full.")

OFFER, SEND, JUDGE, DECIDE, FINISH = "offer", "send", "judge", "decide", "finish"
OFFERED, SENT = "say that the offer is out", "say that the pieces are out"
PUMPS = (OFFER, SEND, OFFERED, SENT)

Result = tuple[Actor, tuple[Emission, ...]]


class Recording(Table[Any]):
    """A table that counts the rows that are taken."""

    def __init__(self, table: Table[Any]) -> None:
        super().__init__(table.start, table.final, table.rows)
        self.taken: Counter[Row[Any]] = Counter()

    def step(self, state: object, event: object) -> tuple[Any, tuple[Any, ...]]:
        found = self.row(type(state), type(event))
        if found is not None:
            self.taken[found] += 1
        return super().step(state, event)


class Parts(NamedTuple):
    """The tables and judges that the parties run by; a test may put others in."""

    sender: Table[io.Effect] = sender.TABLE
    recipient: Table[io.Effect] = recipient.TABLE
    sender_judge: Interpret = sender_judge.interpret
    recipient_judge: Interpret = recipient_judge.interpret


class Hands:
    """Pure functions from an actor and what happens to it to the actor after it."""

    def __init__(self, parts: Parts) -> None:
        self.sender = Recording(parts.sender)
        self.recipient = Recording(parts.recipient)
        self._sender_judge, self._recipient_judge = parts.sender_judge, parts.recipient_judge
        self._send = sender_context()
        self._receive = {True: recipient_context(), False: recipient_context(WRONG)}

    def _machine(self, actor: Actor) -> Machine[Any]:
        """The real machine in that state; as time is abstract, every deadline has passed."""
        none: frozenset[type[Any]] = frozenset()
        if actor.role is Role.SENDER:
            return Machine(self._send, actor.state, self.sender, self._sender_judge, {}, none)
        context = self._receive[actor.right]
        return Machine(context, actor.state, self.recipient, self._recipient_judge, {}, none)

    def table(self, actor: Actor) -> Recording:
        return self.sender if actor.role is Role.SENDER else self.recipient

    def over(self, actor: Actor) -> bool:
        """Whether its run has ended, by itself or by death."""
        return type(actor.state) in self.table(actor).final or isinstance(actor.state, Dead)

    def started(self, actor: Actor) -> bool:
        return type(actor.state) is not self.table(actor).start

    # ---- the machine

    def tell(self, actor: Actor, event: io.Input) -> Result:
        """Hand *event* to the machine and do what it wants."""
        machine = self._machine(actor)
        try:
            effects = machine.handle(event, NOW)
        except LocalProtocolError as bug:
            return actor._replace(broke=f"{type(event).__name__} breaks it: {bug}"), ()
        actor = _noted(actor, event)._replace(state=machine.state)
        out: list[Emission] = []
        for effect in effects:
            actor = self._perform(actor, effect, out)
        if self.over(actor):
            actor = _closed_all(actor, out)
        return actor, tuple(out)

    def _perform(self, actor: Actor, effect: io.Effect, out: list[Emission]) -> Actor:
        match effect:
            case io.Post(path, body):
                return _given_up(actor, out)._replace(ask=Ask(UP, path, body))
            case io.Dial(_, _, line):
                taken = [old.number for old in actor.old]
                first = FIRST_LINK[seat(actor)]
                number = next(n for n in itertools.count(first) if n not in taken)
                return actor._replace(link=Link(number, line))
            case io.Judge():
                return actor._replace(jobs=(*actor.jobs, (JUDGE, b"")))
            case io.Finish():
                return actor._replace(jobs=(*actor.jobs, (FINISH, b"")))
            case io.Show(CodeReady()):
                return actor._replace(shown=True)
            case io.Show(OfferSeen()) if actor.role is Role.RECIPIENT:
                return actor._replace(jobs=(*actor.jobs, (DECIDE, b"")))
            case io.Hang():
                return hung_up(actor, out)
        return _on_link(actor, effect, out) if actor.link is not None else actor

    # ---- what else happens to it

    def die(self, actor: Actor) -> Result:
        """The process is killed; the system closes what it had open."""
        out: list[Emission] = []
        actor = _closed_all(actor, out)
        return actor._replace(state=Dead(type(actor.state).__name__), jobs=()), tuple(out)


def seat(actor: Actor) -> int:
    """The party's number."""
    return 0 if actor.role is Role.SENDER else 1


def _noted(actor: Actor, event: io.Input) -> Actor:
    """Note a proof: what only a peer with the same secret can have made."""
    match event:
        case io.Replied(200, body):
            said = msgspec.json.decode(body)
            mine = actor.role is Role.SENDER
            proof = {"y": TRUTH.y, "hh_k": TRUTH.hh_k} if mine else {"h_k": TRUTH.h_k}
            if actor.right and all(said.get(field) == value for field, value in proof.items()):
                return actor._replace(confirmed=True)
        case io.Heard(_, Receipt(), _):
            return actor._replace(told=True)
    return actor


def _given_up(actor: Actor, out: list[Emission]) -> Actor:
    """An earlier request is given up; it may have been sent already."""
    ask = actor.ask
    if ask is not None and ask.stage == UP:
        actor = actor._replace(ghosts=tuple(sorted({*actor.ghosts, (ask.path, ask.body)})))
    elif ask is not None and ask.stage == HELD:
        out.append(ToRelay((AskerLeft(ASK[seat(actor)]),)))
    return actor._replace(ask=None)


def _closed_all(actor: Actor, out: list[Emission]) -> Actor:
    return hung_up(_given_up(actor, out), out)


def hung_up(actor: Actor, out: list[Emission]) -> Actor:
    """Its end of the data connection is closed, and pumps on it are over."""
    link = actor.link
    jobs = tuple(job for job in actor.jobs if job[0] not in PUMPS)
    actor = actor._replace(link=None, jobs=jobs)
    if link is None or link.stage in (DIALLED, GONE):
        return actor
    if link.stage == STAPLED:
        out.append(Ended(link.pair))
        return actor
    return actor._replace(old=(*actor.old, Old(link.number, link.line)))


def _on_link(actor: Actor, effect: io.Effect, out: list[Emission]) -> Actor:
    link = actor.link
    assert link is not None
    pumping = any(job in PUMPS for job, _ in actor.jobs)
    match effect:
        case io.Greet(_, hello, _):
            said = _say(link, (Item("hello", hello),), out)
            return actor._replace(link=said._replace(mode="hello", hearing=True))
        case io.Secure(_, _, seal, opened):
            own, peers = seal(0)[:8], opened(0)[:8]
            return actor._replace(link=link._replace(mode="records", seal=own, open=peers))
        case io.Speak(_, message, last):
            if pumping:  # it stands behind the pump, and a hang-up comes before that is over
                return actor
            return actor._replace(link=_say(link, (_record(link, message, last),), out))
        case io.HalfClose():
            return actor._replace(link=_say(link, (END,), out)._replace(out_closed=True))
        case io.Hear():
            return actor._replace(link=link._replace(hearing=True))
        case io.TakePieces():
            return actor._replace(link=link._replace(hearing=True, takes_pieces=True))
        case io.SendOffer(_, tid):
            return actor._replace(jobs=(*actor.jobs, (OFFER, tid)))
        case io.SendPieces():
            return actor._replace(jobs=(*actor.jobs, (SEND, b"")))
    return actor


def _record(link: Link, message: Any, last: bool = False) -> Item:
    return Item("record", messages.encode(message), link.seal, last)


def _say(link: Link, items: tuple[Item, ...], out: list[Emission]) -> Link:
    if link.out_closed or link.stage == GONE:
        return link
    if link.stage == STAPLED:
        out.append(ToPeer(link.pair, items))
        return link
    return link._replace(outbox=link.outbox + items)


# ---- jobs


def run_job(hands: Hands, actor: Actor, job: tuple[str, bytes]) -> Result:
    """A job has been done."""
    kind, tid = job
    out: list[Emission] = []
    actor = actor._replace(jobs=tuple(other for other in actor.jobs if other != job))
    link = actor.link
    event: io.Input
    match kind:
        case "offer" | "send":
            assert link is not None
            said = _say(link, _offer(link, tid) if kind == OFFER else _pieces(link), out)
            after = (OFFERED if kind == OFFER else SENT, b"")
            return actor._replace(link=said, jobs=(*actor.jobs, after)), tuple(out)
        case "say that the offer is out":
            event = io.OfferSent(TOTALS)
        case "say that the pieces are out":
            event = io.PiecesSent(TOTALS)
        case "judge":
            event = io.Judged(VERDICT)
        case "decide":
            event = io.Decided(True)
        case _:
            if actor.pieces < PIECES:
                event = io.Garbled(0, "bytes are missing")
            else:
                actor, event = actor._replace(held=True), io.Finished(ARRIVED)
    actor, more = hands.tell(actor, event)
    return actor, (*out, *more)


def _offer(link: Link, tid: bytes) -> tuple[Item, ...]:
    said = (Manifest(tid, (FOLDER,)), Manifest(None, (FILE,)), OfferEnd(tid, 2, SIZE))
    return tuple(_record(link, message) for message in said)


def _pieces(link: Link) -> tuple[Item, ...]:
    return (Item("piece", None, link.seal),) * PIECES


def fail_job(hands: Hands, actor: Actor, job: tuple[str, bytes], event: io.Input) -> Result:
    """A job has gone another way."""
    actor = actor._replace(jobs=tuple(other for other in actor.jobs if other != job))
    return hands.tell(actor, event)


# ---- reading


def readable(actor: Actor) -> bool:
    """Whether there is something to read, and hands that read it.

    An answer to an offer can be faster than the news that the offer is out; it is kept until then.
    """
    link = actor.link
    if link is None or not (link.inbox and link.hearing):
        return False
    item = link.inbox[0]
    early = (OFFERED, b"") in actor.jobs and item.kind == "record" and item.key == link.open
    return not (early and isinstance(plain(item), Accept | Decline))


def read(hands: Hands, actor: Actor) -> Result:
    """The hands read the next thing from the data connection."""
    link = actor.link
    assert link is not None
    assert link.inbox
    item, rest = link.inbox[0], link.inbox[1:]
    if item.kind == "piece" and item.key == link.open and link.takes_pieces:
        link = link._replace(inbox=rest)
        return actor._replace(link=link, pieces=actor.pieces + 1), ()
    actor = actor._replace(link=link._replace(inbox=rest, hearing=False))
    return hands.tell(actor, _means(link, item))


def unwritten(hands: Hands, actor: Actor) -> Result:
    """The hands read a piece, and cannot write it."""
    link = actor.link
    assert link is not None
    read_on = link._replace(inbox=link.inbox[1:], hearing=False)
    return hands.tell(actor._replace(link=read_on), io.LocalBroke(DISK))


def _means(link: Link, item: Item) -> io.Input:
    if item.kind == "end":
        return io.LinkEnded(0, "it broke")
    if link.mode == "line" and item.kind == "line":
        return io.Identified(0, item.what)
    if link.mode == "hello":
        return io.Greeted(0, item.what if item.kind == "hello" else b"junk")
    if item.kind == "record" and item.key == link.open:
        return io.Heard(0, plain(item), item.last)
    return io.Garbled(0, "it cannot be opened")


def plain(item: Item) -> Any:
    """The message in a record."""
    kind, length = messages.HEAD.unpack_from(item.what)
    messages.check_head(kind, length)
    return messages.decode(kind, item.what[messages.HEAD.size :])
