"""What an input means to the recipient from its dial to the end of the transfer."""

from __future__ import annotations

from collections.abc import Sequence

from croc_core import failures, wire
from croc_core.content import MAX_SIZE, Entry, Verdict
from croc_core.contexts import RecipientContext
from croc_core.handshake import commits, resume_key, verifier_indices
from croc_core.many import LegEnded, Legged, Stage, connections
from croc_core.many_judge import of_leg
from croc_core.messages import Accept, Continue, Digests, Held, Manifest, OfferEnd, Open, PiecesEnd
from croc_core.party import (
    Ending,
    LinkLost,
    LocalFailed,
    NoAnswer,
    PeerBroke,
    Renewed,
    TimedOut,
    own_hello,
)
from croc_core.party_io import (
    Compared,
    ComparedWords,
    Decided,
    Finished,
    Garbled,
    Greeted,
    Heard,
    Identified,
    Input,
    Interrupted,
    Judged,
    LinkEnded,
    Moved,
    Replied,
    Unanswered,
    WantSent,
    Woke,
)
from croc_core.party_judge import bytes_trouble, greeted, identified, link_trouble, port_trouble
from croc_core.recipient_rejoin_judge import meet_again
from croc_core.recipient_states import (
    Agreed,
    AgreedHeld,
    AllFinal,
    AllIn,
    AwaitingDigests,
    AwaitingEnd,
    AwaitingOffer,
    AwaitingOpen,
    ComparedAll,
    ComparedSome,
    Comparing,
    Continued,
    Counted,
    Counting,
    Deciding,
    DigestsGood,
    Finishing,
    Gathering,
    HearingOffer,
    HelloGood,
    HungUp,
    Judging,
    NothingUsable,
    OfferBegun,
    OfferGrew,
    OfferWhole,
    OpenGood,
    OpenShown,
    Receiving,
    Refusing,
    TcpTaken,
    TotalsEarly,
    TotalsGood,
    TotalsUncounted,
    VerdictEarly,
    VerdictGiven,
    Verifying,
    Wanting,
    WantOut,
    WordsAgree,
    WordsDiffer,
)
from croc_core.reconnect import FOREVER, Greeting, Identifying, Recovered, stapled
from croc_core.reconnect_judge import Silent, channel_now, other_side
from croc_core.resume import blocks
from croc_core.values import Moment, Role

SPANS_A_MESSAGE = 4000
"""Spans, or held ranges, in one `Accept`: well under the bound of a control message."""


def identifying(
    context: RecipientContext, state: Identifying, event: Input, now: Moment
) -> object | None:
    """The relay has taken us on its data port."""
    if not isinstance(event, Identified):
        return port_trouble(event)
    by = now.mono + other_side(context.patience)
    return identified(event) or TcpTaken(own_hello(Role.RECIPIENT, context.entropy), by)


def greeting(context: RecipientContext, state: Greeting, event: Input, _: Moment) -> object | None:
    """The sender is there."""
    match event:
        case Greeted(_, data):
            return greeted(Role.RECIPIENT, data) or HelloGood(data)
        case Woke():
            late = failures.timed_out("the sender to connect")
            again = context.patience.reconnect
            return meet_again(context, state.bond, late) if again else TimedOut(late)
    return bytes_trouble(event)


def awaiting_open(
    _: RecipientContext, state: AwaitingOpen, event: Input, __: Moment
) -> object | None:
    """The sender's first word shows whether it is bound to this run."""
    bond = state.bond
    session = bond.session
    match event:
        case Moved():
            return Renewed()
        case Heard(_, Open(vn), last):
            if last or not commits(session, vn):
                return PeerBroke(failures.peer_broke("it opens another run than this one"))
            if bond.verified or not (session.sender_verify or session.recipient_verify):
                return OpenGood()
            return OpenShown(verifier_indices(session, vn), session.recipient_verify)
    return link_trouble(event, "the sender")


def _words(agree: bool) -> WordsAgree | WordsDiffer:
    return WordsAgree() if agree else WordsDiffer(failures.words_differ())


def _sum(so_far: int | None, entries: Sequence[Entry]) -> int | None:
    """The bytes of an offer, or None as soon as one entry's size is not known."""
    for entry in entries:
        if so_far is None or entry.size is None:
            return None
        so_far += entry.size
    return so_far


def _grown(
    context: RecipientContext, before: int, manifest: Manifest, total: int | None
) -> Ending | None:
    """None where an offer may grow by *manifest*; else how the run ends."""
    if before + len(manifest.entries) > context.max_entries:
        return LocalFailed(failures.too_many_entries(context.max_entries))
    if total is not None and total > MAX_SIZE:
        return PeerBroke(failures.peer_broke("its offer is larger than any disk"))
    return None


def awaiting_offer(
    context: RecipientContext, state: AwaitingOffer, event: Input, _: Moment
) -> object | None:
    """A new offer begins, or the accepted one goes on."""
    accepted = state.bond.tid
    match event:
        case Moved():
            return Renewed()
        case ComparedWords(agree):
            return _words(agree)
        case Heard(_, Continue(tid), False) if accepted and tid == accepted:
            return Continued()
        case Heard(_, Manifest(bytes() as tid) as manifest, False) if tid != accepted:
            total = _sum(0, manifest.entries)
            trouble = _grown(context, 0, manifest, total)
            return trouble or OfferBegun(tid, manifest.entries, total)
    return link_trouble(event, "the offer")


def hearing_offer(
    context: RecipientContext, state: HearingOffer, event: Input, _: Moment
) -> object | None:
    """More of the offer, or its end."""
    match event:
        case Moved():
            return Renewed()
        case ComparedWords(agree):
            return _words(agree)
        case Heard(_, Manifest(None) as manifest, False) if manifest.entries:
            total = _sum(state.bytes, manifest.entries)
            return _grown(context, state.entries, manifest, total) or OfferGrew(
                manifest.entries, total
            )
        case Heard(_, OfferEnd(tid, entries, total), False):
            if (tid, entries, total) == (state.tid, state.entries, state.bytes):
                return OfferWhole()
            return PeerBroke(failures.peer_broke("its offer does not add up"))
    return link_trouble(event, "the rest of the offer")


def judging(_: RecipientContext, state: Judging, event: Input, __: Moment) -> object | None:
    """The sink has judged."""
    match event:
        case Moved():
            return Renewed()
        case ComparedWords(agree):
            return _words(agree)
        case Judged(verdict):
            if not verdict.totals.entries and verdict.refused_count:
                return NothingUsable(failures.nothing_usable())
            early = state.bond.session.recipient_verify and not state.bond.verified
            return VerdictEarly(verdict) if early else VerdictGiven(verdict)
    return link_trouble(event, "the files here")


def verifying(_: RecipientContext, __: Verifying, event: Input, ___: Moment) -> object | None:
    """The person has compared the words; their time does not grow where the sender is alive."""
    if isinstance(event, ComparedWords):
        return _words(event.agree)
    return link_trouble(event, "your comparison of the words")


def deciding(context: RecipientContext, state: Deciding, event: Input, _: Moment) -> object | None:
    """The person has decided; their time does not grow where the sender is alive."""
    if isinstance(event, Decided):
        return _agreed(context, state) if event.accept else Refusing(failures.declined_here())
    return link_trouble(event, "your decision")


def _agreed(context: RecipientContext, state: Deciding) -> Agreed | AgreedHeld:
    few = (state.verdict.totals.bytes or 0) < context.many_from
    count = 1 if few else connections(context.streams, state.seat)
    held = tuple(pair for pair in state.verdict.held if pair[1])
    accepts = _accepts(context, state.tid, state.verdict, held, count)
    return AgreedHeld(accepts, count, held) if held else Agreed(accepts, count)


def _accepts(
    context: RecipientContext,
    tid: bytes,
    verdict: Verdict,
    held: tuple[tuple[int, int], ...],
    count: int,
) -> tuple[Accept, ...]:
    """The choice as messages: first all spans, then what is held of them."""
    step = SPANS_A_MESSAGE
    spans = [verdict.chosen[at : at + step] for at in range(0, len(verdict.chosen), step)]
    kept = [held[at : at + step] for at in range(0, len(held), step)]
    parts = [(part, ()) for part in spans] + [((), tuple(Held(*h) for h in part)) for part in kept]
    parts = parts or [((), ())]
    return tuple(
        Accept(tid, chosen, context.codecs, count, holding, more=number < len(parts))
        for number, (chosen, holding) in enumerate(parts, 1)
    )


def awaiting_digests(
    _: RecipientContext, state: AwaitingDigests, event: Input, __: Moment
) -> object | None:
    """The digests that come next, and no others."""
    match event:
        case Moved():
            return Renewed()
        case Heard(_, Digests(tid, entry, block, digests) as said, False):
            of, length = state.held[state.at]
            end = block + len(digests)
            last = blocks(length)
            fits = (tid, entry, block) == (state.bond.tid, of, state.block) and digests
            if not fits or end > last:
                return PeerBroke(failures.peer_broke("its digests are not those asked for"))
            at, after = (state.at + 1, 0) if end == last else (state.at, end)
            return DigestsGood(said, resume_key(state.bond.session), at, after)
    return link_trouble(event, "the rest of the digests")


def comparing(_: RecipientContext, state: Comparing, event: Input, __: Moment) -> object | None:
    """What is held has been looked at."""
    match event:
        case Moved():
            return Renewed()
        case Compared():
            return ComparedSome() if state.at < len(state.held) else ComparedAll()
    return link_trouble(event, "the files here")


def wanting(_: RecipientContext, __: Wanting, event: Input, ___: Moment) -> object | None:
    """The sender has been told what is lacking."""
    match event:
        case Moved():
            return Renewed()
        case WantSent():
            return WantOut()
    return link_trouble(event, "the files here")


def receiving(
    context: RecipientContext, state: Receiving, event: Input, _: Moment
) -> object | None:
    """Data, or the sender's totals."""
    match event:
        case Heard(_, PiecesEnd() as end, last):
            totals = state.bond.totals
            known = totals.bytes is None or end.bytes == totals.bytes
            if last and end.tid == state.bond.tid and end.entries == totals.entries and known:
                return _totals(state, end)
            return PeerBroke(failures.peer_broke("its totals are not those of its offer"))
    return _taking(context, state, event)


def _totals(state: Receiving, end: PiecesEnd) -> TotalsGood | TotalsEarly | TotalsUncounted:
    stages = {leg.stage for leg in state.legs} - {Stage.GONE}
    if not stages:
        return TotalsGood(end.sizes)
    return TotalsEarly(end.sizes) if stages == {Stage.BUSY} else TotalsUncounted(end.sizes)


def counting(context: RecipientContext, state: Counting, event: Input, _: Moment) -> object | None:
    """Which further connections did the sender ever have?"""
    if not isinstance(event, Replied | Unanswered):
        return _taking(context, state, event)
    found = channel_now(Role.RECIPIENT, event)
    if isinstance(found, Silent):
        return NoAnswer()
    if not isinstance(found, wire.State):
        return LinkLost(failures.no_channel())
    now, before = stapled(state.seat, found.staplings), state.bond.staplings
    alone = tuple(
        i
        for i, leg in enumerate(state.legs, 1)
        if leg.stage in (Stage.DIALLED, Stage.GREETING) and now[i] <= before[i]
    )
    return Counted(alone) if _others(state, alone) else AllIn(alone)


def _others(state: Legged, done: tuple[int, ...]) -> bool:
    """Whether a further connection is left beside *done*."""
    return any(leg.stage is not Stage.GONE for i, leg in enumerate(state.legs, 1) if i not in done)


def gathering(
    context: RecipientContext, state: Gathering, event: Input, _: Moment
) -> object | None:
    """The end of the further connections."""
    return _taking(context, state, event)


def _taking(context: RecipientContext, state: Legged, event: Input) -> object | None:
    """Data, and the life of the further connections."""
    match event:
        case Moved(True):
            return Renewed() if state.bond.until == FOREVER else Recovered()
        case LinkEnded(number, _, True) if number:
            behind = not isinstance(state, Receiving) and not _others(state, (number,))
            return AllIn((number,)) if behind else LegEnded(number)
    if getattr(event, "connection", 0):
        return of_leg(Role.RECIPIENT, state, event, context.entropy)
    return link_trouble(event, "more data")


def finishing(_: RecipientContext, __: Finishing, event: Input, ___: Moment) -> object | None:
    """All is final."""
    match event:
        case Finished(arrived):
            return AllFinal(arrived)
        case LinkEnded():
            return None  # all has come: the sender is needed for the receipt alone
        case Woke():
            return TimedOut(failures.timed_out("the files here"))
    return bytes_trouble(event)


def awaiting_end(_: RecipientContext, __: AwaitingEnd, event: Input, ___: Moment) -> object | None:
    """The sender hangs up, or not: it makes no difference."""
    ends = isinstance(event, LinkEnded | Garbled | Heard | Woke | Interrupted)
    return HungUp() if ends else None
