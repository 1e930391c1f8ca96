"""What a recipient does about an offer, until it takes data: actions of `recipient.py`'s rows."""

from __future__ import annotations

from msgspec.structs import replace

from croc_core.content import Verdict
from croc_core.events import OfferSeen
from croc_core.many import (
    legs,
)
from croc_core.messages import Decline
from croc_core.party import (
    LINK,
    WORD,
    Ending,
    Leaving,
    Step,
)
from croc_core.party_io import (
    BeginOffer,
    Compare,
    Consider,
    Effect,
    Hang,
    Hear,
    Judge,
    SendWant,
    Show,
    Speak,
    TakePieces,
)
from croc_core.recipient_states import (
    Agreed,
    AgreedHeld,
    AwaitingDigests,
    AwaitingOffer,
    ComparedAll,
    ComparedSome,
    Comparing,
    Deciding,
    DigestsGood,
    HearingOffer,
    Judging,
    OfferBegun,
    OfferGrew,
    OfferWhole,
    Receiving,
    VerdictEarly,
    VerdictGiven,
    Verifying,
    Wanting,
    WantOut,
    WordsAgree,
)
from croc_core.reconnect import (
    Bond,
)


def hear_offer(state: AwaitingOffer, event: OfferBegun) -> Step:
    """The first entries; what was accepted before is void."""
    bond, count = replace(state.bond, tid=b""), len(event.entries)
    hearing = HearingOffer(bond, event.tid, count, event.bytes)
    return hearing, (BeginOffer(), Consider(event.entries), Hear(LINK))


def hear_more(state: HearingOffer, event: OfferGrew) -> Step:
    """More entries."""
    count = state.entries + len(event.entries)
    hearing = HearingOffer(state.bond, state.tid, count, event.bytes)
    return hearing, (Consider(event.entries), Hear(LINK))


def judge(state: HearingOffer, _: OfferWhole) -> Step:
    """Judge names, room and what exists, before anything is written."""
    return Judging(state.bond, state.tid, state.entries), (Judge(), Hear(LINK))


def ask_person(state: Judging, event: VerdictGiven) -> Step:
    """Show the offer; the person decides."""
    return _deciding(state.bond, state.tid, event.verdict)


def await_words(state: Judging, event: VerdictEarly) -> Step:
    """The offer is shown only once the words were compared."""
    return Verifying(state.bond, state.tid, event.verdict), ()


def ask_verified(state: Verifying, _: WordsAgree) -> Step:
    """Nobody is in between: show the offer; the person decides."""
    return _deciding(replace(state.bond, verified=True), state.tid, state.verdict)


def _deciding(bond: Bond, tid: bytes, verdict: Verdict) -> Step:
    totals = verdict.totals
    seen = OfferSeen(totals.files, totals.bytes, verdict.refused_count, verdict.overwrite_count)
    return Deciding(bond, tid, verdict), (Show(seen),)


def accept(state: Deciding, event: Agreed) -> Step:
    """Step 17: take the data."""
    after, dials = _receiving(_accepted(state, event.connections))
    said = tuple(Speak(LINK, part) for part in event.accepts)
    return after, (TakePieces(LINK), *said, *dials)


def accept_held(state: Deciding, event: AgreedHeld) -> Step:
    """Some of it is held: the sender's digests say which blocks are right."""
    said = tuple(Speak(LINK, part) for part in event.accepts)
    return AwaitingDigests(_accepted(state, event.connections), event.held, 0, 0), said


def _accepted(state: Deciding, connections: int) -> Bond:
    """The bond with the accepted offer."""
    return replace(
        state.bond,
        tid=state.tid,
        totals=state.verdict.totals,
        connections=connections,
        verified=True,
    )


def _receiving(bond: Bond) -> tuple[Receiving, tuple[Effect, ...]]:
    """Take the pieces, and dial the further connections."""
    further, dials = legs(bond)
    return Receiving(bond, further), dials


def compare(state: AwaitingDigests, event: DigestsGood) -> Step:
    """Compare with what is held."""
    after = Comparing(state.bond, state.held, event.at, event.block)
    return after, (Compare(LINK, event.digests, event.key),)


def hear_digests(state: Comparing, _: ComparedSome) -> Step:
    """The next ones."""
    return AwaitingDigests(state.bond, state.held, state.at, state.block), (Hear(LINK),)


def want(state: Comparing, _: ComparedAll) -> Step:
    """Say what is lacking."""
    return Wanting(state.bond), (SendWant(LINK, state.bond.tid),)


def receive_wanted(state: Wanting, _: WantOut) -> Step:
    """Take the data."""
    after, dials = _receiving(state.bond)
    return after, (TakePieces(LINK), *dials)


def decline(state: Judging | Deciding, event: Ending) -> Step:
    """Say no, hang up, close the channel once that has had time to arrive."""
    close = state.seat.post(close=True, reason=event.reason, after=WORD)
    said = Speak(LINK, Decline(state.tid), last=True)
    return Leaving(event.failure), (said, Hang(LINK), close)
