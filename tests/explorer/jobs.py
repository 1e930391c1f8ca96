"""What a party's hands do by themselves: files, persons, pumps. See `hands.py`."""

from __future__ import annotations

from croc_core import party_io as io
from croc_core.content import Arrived, Entry, Kind, Span, Totals, Verdict
from croc_core.errors import Code, Failure, Party
from croc_core.messages import Digests, Manifest, Message, OfferEnd, Range, Want
from croc_core.resume import digest
from tests.explorer import hands as h
from tests.explorer.hands import Hands, Result
from tests.explorer.world import PIECES, SIZE, Actor, Emission, Item, Job, Link

FOLDER, FILE = Entry(Kind.DIRECTORY, "dir", 0, {}), Entry(Kind.FILE, "dir/file", SIZE, {})
TOTALS = Totals(2, 1, SIZE)
VERDICT = Verdict((Span(0, 2),), TOTALS, (), 0, (), 0)
NOTHING = Verdict((), Totals(0, 0, 0), (("file", "a bad name"),), 2, (), 0)
ARRIVED = Arrived(2, 1, SIZE, ("dir",))
DISK = Failure(Code.LOCAL_FILE, Party.LOCAL, "The disk is full.")
FIRST = {"good": b"a", "rotten": b"x"}
"""The first piece, as the sender has it and as it should not be."""


def run(hands: Hands, actor: Actor, job: Job) -> Result:
    """A job has been done, or a pump has come to its next step."""
    out: list[Emission] = []
    actor = _done(actor, job)
    link = actor.link(job.connection)
    if job.kind in h.OUT:
        assert link is not None
        return _pump(actor, job, link, out), tuple(out)
    event: io.Input
    match job.kind:
        case h.JUDGE:
            held = ((1, 1),) if actor.kept else ()
            event = io.Judged(VERDICT._replace(held=held))
        case h.DECIDE:
            event = io.Decided(True)
        case h.WORDS:
            actor, event = actor._replace(agreed=True), io.ComparedWords(True)
        case h.COMPARE:
            actor, event = _compared(actor, *job.of), io.Compared()
        case h.FINISH if actor.got != h.ALL:
            event = io.Garbled(0, "bytes are missing")
        case h.FINISH:
            actor, event = actor._replace(held=True), io.Finished(ARRIVED)
        case _:
            event = _out(job)
    return hands.tell(actor, event)


def _done(actor: Actor, job: Job) -> Actor:
    return actor._replace(jobs=tuple(other for other in actor.jobs if other != job))


def _out(job: Job) -> io.Input:
    match job.kind:
        case "say that the offer is out":
            return io.OfferSent(TOTALS)
        case "say that the pieces are out":
            return io.PiecesSent(TOTALS, (), job.connection)
        case "say that the digests are out":
            return io.DigestsSent()
    return io.WantSent()


def _pump(actor: Actor, job: Job, link: Link, out: list[Emission]) -> Actor:
    """Send all of it; of the pieces one, where several connections share them."""
    over = Job(h.OUT[job.kind], job.connection)
    if job.kind == h.SEND:
        share = actor.todo[:1] if link.connection else actor.todo
        tid = actor.state.bond.tid
        items = tuple(Item("piece", (piece, tid), link.seal) for piece in share)
        actor = actor._replace(todo=actor.todo[len(share) :])
        over = over if not actor.todo else job
    else:
        items = tuple(h.record(link, message) for message in _messages(actor, job))
    return actor.with_link(h.say(link, items, out))._replace(jobs=(*actor.jobs, over))


def _messages(actor: Actor, job: Job) -> tuple[Message, ...]:
    match job.kind:
        case h.OFFER:
            tid = job.of
            return Manifest(tid, (FOLDER,)), Manifest(None, (FILE,)), OfferEnd(tid, 2, SIZE)
        case h.DIGEST:
            tid, key = job.of
            return (Digests(tid, 1, 0, (digest(key, FIRST["good"]),)),)
    ranges = [Range(1, piece, 1) for piece in h.ALL if piece not in actor.got]
    lacking: list[tuple[Range, ...]] = [(one,) for one in ranges] or [()]
    return tuple(
        Want(job.of, part, more=number < len(lacking)) for number, part in enumerate(lacking, 1)
    )


def _compared(actor: Actor, digests: Digests, key: bytes) -> Actor:
    """What is as the sender has it counts as come."""
    right = digests.digests == (digest(key, FIRST[actor.kept]),)
    return actor._replace(got=(0,) if right else ())


def fail(hands: Hands, actor: Actor, job: Job, event: io.Input) -> Result:
    """A job has gone another way."""
    return hands.tell(_done(actor, job), event)


assert len(h.ALL) == PIECES
