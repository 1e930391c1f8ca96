"""A party's hands: inputs to the real machine, and what the machine wants done.

What backends do with bytes is done here with whole messages (compare backends/_party_node.py);
what they do with files and persons is in `jobs.py`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, NamedTuple

import msgspec

from croc_core import messages, recipient, recipient_judge, sender, sender_judge
from croc_core import party_io as io
from croc_core import recipient_states as rs
from croc_core import sender_states as ss
from croc_core.errors import LocalProtocolError
from croc_core.events import CodeReady, OfferSeen
from croc_core.machine import Interpret, Machine
from croc_core.messages import Accept, Decline, Receipt, Want
from croc_core.party import LINK, Leaving
from croc_core.reconnect import FOREVER, Away
from croc_core.relay_io import AskerLeft
from croc_core.table import Row, Table
from croc_core.values import Moment, Role
from tests.explorer.world import (
    ASK,
    DIALLED,
    END,
    FIRST_LINK,
    GONE,
    HELD,
    NOW,
    PAUSED,
    PIECES,
    PORTS,
    SECRET,
    STAPLED,
    UP,
    Actor,
    Ask,
    Case,
    Chance,
    Dead,
    Emission,
    Ended,
    Item,
    Job,
    Link,
    Old,
    ToPeer,
    ToRelay,
    honest,
    recipient_context,
    sender_context,
)

OFFER, SEND, DIGEST, TELL = "offer", "send", "send digests", "say what is lacking"
JUDGE, DECIDE, FINISH, COMPARE, WORDS = "judge", "decide", "finish", "compare", "compare words"
OUT = {
    OFFER: "say that the offer is out",
    SEND: "say that the pieces are out",
    DIGEST: "say that the digests are out",
    TELL: "say that the wants are out",
}
PUMPS = (*OUT, *OUT.values())
ANSWERED = (OUT[OFFER], OUT[DIGEST])
"""What is answered; an answer is kept until it is told that this is out."""
ALL = tuple(range(PIECES))

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

    def __init__(self, parts: Parts, *, reconnects: bool = True) -> None:
        self.sender = Recording(parts.sender)
        self.recipient = Recording(parts.recipient)
        self._judges = {Role.SENDER: parts.sender_judge, Role.RECIPIENT: parts.recipient_judge}
        self.reconnects = reconnects
        self._contexts: dict[tuple[Role, Case], Any] = {}
        self.longest = {
            Role.SENDER: sender_judge.sender(sender_context())._longest,
            Role.RECIPIENT: recipient_judge.recipient(recipient_context())._longest,
        }

    def _context(self, role: Role, case: Case) -> Any:
        found = self._contexts.get((role, case))
        if found is None:
            found = sender_context(case) if role is Role.SENDER else recipient_context(case)
            if not self.reconnects:  # every run draws little: its chance may be constant
                patience = found.patience._replace(reconnect=0.0)
                object.__setattr__(found, "patience", patience)
            self._contexts[role, case] = found
        return found

    def _machine(self, actor: Actor, context: Any) -> Machine[Any]:
        """The real machine in that state; as time is abstract, every deadline has passed."""
        none: frozenset[type[Any]] = frozenset()
        table, judge = self.table(actor), self._judges[actor.role]
        return Machine(context, actor.state, table, judge, {}, none, self.longest[actor.role])

    def table(self, actor: Actor) -> Recording:
        return self.sender if actor.role is Role.SENDER else self.recipient

    def over(self, actor: Actor) -> bool:
        """Whether its run has ended, by itself or by death."""
        return type(actor.state) in self.table(actor).final or isinstance(actor.state, Dead)

    def started(self, actor: Actor) -> bool:
        return type(actor.state) is not self.table(actor).start

    # ---- the machine

    def tell(self, actor: Actor, event: io.Input, now: Moment = NOW) -> Result:
        """Hand *event* to the machine and do what it wants."""
        context = self._context(actor.role, actor.case)
        chance: Chance = context.entropy
        chance.at, chance.drawn = actor.draws, False
        chance.nonces = not isinstance(event, io.Greeted | io.ComparedWords)
        machine = self._machine(actor, context)
        try:
            effects = machine.handle(event, now)
        except LocalProtocolError as bug:
            return actor._replace(broke=f"{type(event).__name__} breaks it: {bug}"), ()
        actor = _noted(actor, event)._replace(
            state=machine.state, draws=actor.draws + (chance.drawn and self.reconnects)
        )
        out: list[Emission] = []
        for effect in effects:
            actor = self._perform(actor, effect, out)
        if self.over(actor):
            actor = _closed_all(actor, out)
        return actor, tuple(out)

    def _perform(self, actor: Actor, effect: io.Effect, out: list[Emission]) -> Actor:
        match effect:
            case io.Post(path, body, after):
                ends = isinstance(actor.state, Leaving | rs.Closing)
                stage = PAUSED if after and not ends else UP
                return _given_up(actor, out)._replace(ask=Ask(stage, path, body))
            case io.Dial(connection, port, line):
                return _dialled(actor, Link(_number(actor), line, connection, PORTS.index(port)))
            case io.Judge():
                return _with_job(actor, Job(JUDGE))
            case io.Finish():
                return _with_job(actor, Job(FINISH))
            case io.Compare(_, digests, key):
                return _with_job(actor, Job(COMPARE, 0, (digests, key)))
            case io.BeginOffer():
                # What came of the one before is on the disk still.
                kept = "good" if 0 in actor.got else actor.kept
                return actor._replace(kept=kept, got=(), wrote=())
            case io.ShowVerifier(places, ask):
                actor = actor._replace(words=(actor.state.bond.session.th, places))
                return _with_job(actor, Job(WORDS)) if ask else actor
            case io.Show(CodeReady()):
                return actor._replace(shown=True)
            case io.Show(OfferSeen()) if actor.role is Role.RECIPIENT:
                return _with_job(actor, Job(DECIDE))
            case io.Hang(connection):
                return hung_up(actor, connection, out)
        link = actor.link(getattr(effect, "connection", -1))
        return actor if link is None else _on_link(actor, link, effect, out)

    # ---- what else happens to it

    def die(self, actor: Actor) -> Result:
        """The process is killed; the system closes what it had open."""
        out: list[Emission] = []
        actor = _closed_all(actor, out)
        return actor._replace(state=Dead(type(actor.state).__name__), jobs=()), tuple(out)


def seat(actor: Actor) -> int:
    """The party's number."""
    return 0 if actor.role is Role.SENDER else 1


def awaited_back(actor: Actor) -> bool:
    """Whether it bears a loss, and so has a deadline until which that must be made good."""
    return isinstance(actor.state, Away) and actor.state.bond.until != FOREVER


def _with_job(actor: Actor, job: Job) -> Actor:
    return actor._replace(jobs=(*actor.jobs, job))


def _number(actor: Actor) -> int:
    """The lowest number that none of its data connections has."""
    taken = {link.number for link in actor.links} | {old.number for old in actor.old}
    return next(n for n in itertools.count(FIRST_LINK[seat(actor)]) if n not in taken)


def _dialled(actor: Actor, link: Link) -> Actor:
    if link.connection == LINK:
        actor = actor._replace(fresh=True, wrote=(), todo=actor.wanted)
    return actor.with_link(link)


def _noted(actor: Actor, event: io.Input) -> Actor:
    """Note a proof: what only a peer with the same secret can have made."""
    match event:
        case io.Replied(200, body):
            return _proved(actor, msgspec.json.decode(body))
        case io.Heard(_, Receipt(), _):
            return actor._replace(told=True)
    return actor


def _proved(actor: Actor, said: dict[str, Any]) -> Actor:
    """Which proofs are genuine is worked out from the other side's part in the agreement."""
    state, verify = actor.state, actor.case.verify
    if isinstance(state, ss.AwaitingAnswer) and said.get("y"):
        true = honest(SECRET, b"R", state.initiator.sid[-1], verify)
        good = actor.right and (said["y"], said["hh_k"]) == (true.y, true.hh_k)
        return actor._replace(tried=actor.tried + 1, confirmed=actor.confirmed or good)
    if isinstance(state, rs.AwaitingX) and said.get("x"):
        return actor._replace(tried=actor.tried + 1)
    if isinstance(state, rs.AwaitingProof) and said.get("h_k"):
        true = honest(SECRET, b"R", state.session.sid[-1], verify)
        good = actor.right and said["h_k"] == true.h_k
        return actor._replace(confirmed=actor.confirmed or good)
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
    actor = _given_up(actor, out)
    for link in actor.links:
        actor = hung_up(actor, link.connection, out)
    return actor


def hung_up(actor: Actor, connection: int, out: list[Emission]) -> Actor:
    """Its end of the data connection is closed; with connection 0 all that the hands were at."""
    link = actor.link(connection)
    if link is None:
        return actor
    jobs = tuple(j for j in actor.jobs if connection != LINK and j.connection != connection)
    actor = actor.without(connection)._replace(jobs=jobs)
    if link.unseen == actor.draws - 1 >= 0:  # as if it had never been drawn
        actor = actor._replace(draws=link.unseen, hellos=actor.hellos[:-1])
    if link.stage in (DIALLED, GONE):
        return actor
    if link.stage == STAPLED:
        out.append(Ended(link.pair))
        return actor
    return actor._replace(old=(*actor.old, Old(link.number, link.line)))


def _on_link(actor: Actor, link: Link, effect: io.Effect, out: list[Emission]) -> Actor:
    here = link.connection
    match effect:
        case io.Speak(_, message, last):
            if any(j.kind in PUMPS and j.connection == here for j in actor.jobs):
                return actor  # it stands behind the pump, and a hang-up comes before that is over
            return actor.with_link(say(link, (record(link, message, last),), out))
        case io.HalfClose():
            return actor.with_link(say(link, (END,), out)._replace(out_closed=True))
        case io.EndRecords():
            return actor.with_link(say(link, (Item("over", None, link.seal),), out))
        case io.SendOffer(_, tid):
            return _with_job(actor, Job(OFFER, here, tid))
        case io.SendPieces():
            return _with_job(actor, Job(SEND, here))
        case io.SendDigests(_, tid, key):
            return _with_job(actor, Job(DIGEST, here, (tid, key)))
        case io.SendWant(_, tid):
            return _with_job(actor, Job(TELL, here, tid))
        case io.Choose(_, accept):
            return actor._replace(wanted=ALL, todo=ALL, fresh=True) if accept.spans else actor
        case io.Narrow(_, want):
            ranges = tuple(r.offset for r in want.ranges)
            ranges = ranges if actor.fresh else actor.todo + ranges
            return actor._replace(wanted=ranges, todo=ranges, fresh=False)
    return _begun_on(actor, link, effect, out)


def _begun_on(actor: Actor, link: Link, effect: io.Effect, out: list[Emission]) -> Actor:
    match effect:
        case io.Greet(_, hello, _):
            if hello[-1:] in actor.hellos:
                return actor._replace(broke="a hello was sent twice")
            actor = actor._replace(hellos=(*actor.hellos, hello[-1:]))
            unseen = -1 if link.stage == STAPLED else actor.draws - 1
            said = say(link, (Item("hello", hello),), out)
            return actor.with_link(said._replace(mode="hello", hearing=True, unseen=unseen))
        case io.Secure(_, _, seal, opened):
            own, peers = seal(0)[:8], opened(0)[:8]
            return actor.with_link(link._replace(mode="records", seal=own, open=peers))
        case io.Hear():
            return actor.with_link(link._replace(hearing=True))
        case io.TakePieces():
            return actor.with_link(link._replace(hearing=True, takes_pieces=True))
    return actor


def record(link: Link, message: Any, last: bool = False) -> Item:
    return Item("record", messages.encode(message), link.seal, last)


def say(link: Link, items: tuple[Item, ...], out: list[Emission]) -> Link:
    if link.out_closed or link.stage == GONE:
        return link
    if link.stage == STAPLED:
        out.append(ToPeer(link.pair, items))
        return link
    return link._replace(outbox=link.outbox + items)


# ---- reading


def readable(actor: Actor, link: Link) -> bool:
    """Whether there is something to read, and hands that read it.

    An answer to an offer can be faster than the news that the offer is out; it is kept until then.
    """
    if not (link.inbox and link.hearing):
        return False
    item = link.inbox[0]
    out = any(j.kind in ANSWERED and j.connection == link.connection for j in actor.jobs)
    early = out and item.kind == "record" and item.key == link.open
    return not (early and isinstance(plain(item), Accept | Decline | Want))


def read(hands: Hands, actor: Actor, link: Link) -> Result:
    """The hands read the next thing from the data connection."""
    item, rest = link.inbox[0], link.inbox[1:]
    if item.kind == "piece" and item.key == link.open and link.takes_pieces:
        actor = _written(actor.with_link(link._replace(inbox=rest)), item.what)
        return hands.tell(actor, io.Moved()) if not actor.broke else (actor, ())
    actor = actor.with_link(link._replace(inbox=rest, hearing=False))
    return hands.tell(actor, _means(link, item))


def _written(actor: Actor, what: tuple[int, bytes]) -> Actor:
    """A piece is written; pieces know which offer they are of."""
    piece, tid = what
    if not isinstance(actor.state, Away) or tid != actor.state.bond.tid:
        return actor._replace(broke="a piece of another offer was written")
    if piece in actor.wrote:
        return actor._replace(broke="the same bytes were written twice in one dial")
    if piece in actor.got:
        return actor._replace(broke="bytes that it has were sent again")
    wrote, got = sorted((*actor.wrote, piece)), sorted((*actor.got, piece))
    return actor._replace(wrote=tuple(wrote), got=tuple(got))


def unwritten(hands: Hands, actor: Actor, link: Link, event: io.Input) -> Result:
    """The hands read a thing, and cannot do with it what they should."""
    read_on = link._replace(inbox=link.inbox[1:], hearing=False)
    return hands.tell(actor.with_link(read_on), event)


def _means(link: Link, item: Item) -> io.Input:
    here = link.connection
    if item.kind == "end":
        return io.LinkEnded(here, "it broke")
    if link.mode == "line" and item.kind == "line":
        return io.Identified(here, item.what)
    if link.mode == "hello":
        return io.Greeted(here, item.what if item.kind == "hello" else b"junk")
    if item.kind == "record" and item.key == link.open:
        return io.Heard(here, plain(item), item.last)
    if item.kind == "over" and item.key == link.open:
        return io.LinkEnded(here, "it is over", whole=True)
    return io.Garbled(here, "it cannot be opened")


def plain(item: Item) -> Any:
    """The message in a record."""
    kind, length = messages.HEAD.unpack_from(item.what)
    messages.check_head(kind, length)
    return messages.decode(kind, item.what[messages.HEAD.size :])
