"""The recipient: the seed's steps 5 to 7, 10, 13, 17 and 18 as a table of rows.

    step 5   Joining         POST /join
    step 5   AwaitingX       POST /channel, again and again, until X is there (the second step 5)
    step 7   Answering       POST /channel {y, hh_k}   (step 6, Y and k, are made on the way there)
    step 10  AwaitingProof   POST /channel, until h_k is there; it is checked against our own
    step 13  Identifying     TCP; the relay staples (step 14)
             Greeting ...    from the hellos on, everything is encrypted with k
    step 17  Receiving       nothing is written before the person has accepted
    step 18  Closing         POST /channel {close}

What an input means is judged in `recipient_judge.py`; the rows here only move.
"""

from __future__ import annotations

from msgspec import UNSET

from croc_core import wire
from croc_core.events import Completed, OfferSeen, Waiting
from croc_core.messages import Decline, Receipt
from croc_core.party import (
    LAST_ROWS,
    LINK,
    RETRY,
    WORD,
    AskingWhy,
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    Ending,
    Failed,
    Leaving,
    LinkLost,
    LocalFailed,
    NoAnswer,
    PeerBroke,
    PeerStopped,
    Refused,
    RelayBroke,
    Renewed,
    Seat,
    Step,
    TimedOut,
    Unreachable,
    VersionDiffers,
    ask_why,
    endings,
    fail,
    hang_up,
    leave,
    peer_hello_length,
    say_and_leave,
    secure,
    stay,
)
from croc_core.party_io import (
    Consider,
    Dial,
    Effect,
    Finish,
    Greet,
    HalfClose,
    Hang,
    Hear,
    Judge,
    Post,
    Show,
    Speak,
    TakePieces,
)
from croc_core.recipient_states import (
    Agreed,
    AllFinal,
    Answering,
    AnswerTaken,
    AwaitingEnd,
    AwaitingOffer,
    AwaitingOpen,
    AwaitingProof,
    AwaitingX,
    Begun,
    Closed,
    Closing,
    CurveUnasked,
    Deciding,
    Done,
    Finishing,
    Greeting,
    HearingOffer,
    HelloGood,
    HungUp,
    Identifying,
    Idle,
    Joining,
    Judging,
    NothingUsable,
    NothingYet,
    OfferBegun,
    OfferGrew,
    OfferWhole,
    OpenGood,
    ProofBad,
    ProofGood,
    Receiving,
    Refusing,
    SeatTaken,
    TcpTaken,
    TotalsGood,
    VerdictGiven,
    XGood,
)
from croc_core.table import Table, row
from croc_core.values import Reason, Role

# ---- actions


def join(_: Idle, event: Begun) -> Step:
    """Step 5: ask for the channel."""
    return Joining(event.request), (event.request,)


def join_again(state: Joining, _: NoAnswer) -> Step:
    """Ask once more; the nonce makes it the same request."""
    request = state.request
    return state, (Post(request.path, request.body, RETRY),)


def ask_x(_: Joining, event: SeatTaken) -> Step:
    """Step 5 again: ask for X."""
    seat = event.seat
    return AwaitingX(seat, event.curve, 0), (seat.post(since=0),)  # X may be there already


def ask_x_again(state: AwaitingX, event: NothingYet) -> Step:
    """No X yet; ask again."""
    waiting = AwaitingX(state.seat, state.curve, event.seq)
    return waiting, (state.seat.post(since=event.seq, after=event.after),)


def ask_x_once_more(state: AwaitingX, _: NoAnswer) -> Step:
    """The relay did not answer; ask again soon."""
    return state, (state.seat.post(since=state.seq, after=RETRY),)


def reply(state: AwaitingX, event: XGood) -> Step:
    """Step 7: send Y and H(H(k))."""
    return Answering(state.seat, event.responder), (_y(state.seat, event, 0.0),)


def reply_again(state: Answering, _: NoAnswer) -> Step:
    """Send Y and H(H(k)) once more: the same ones, as nothing is drawn anew."""
    return state, (_y(state.seat, state, RETRY),)


def _y(seat: Seat, made: XGood | Answering, after: float) -> Post:
    return seat.post(y=made.responder.y, hh_k=made.responder.hh_k, after=after)


def ask_proof(state: Answering, event: AnswerTaken) -> Step:
    """Step 10: ask for H(k)."""
    waiting = AwaitingProof(state.seat, state.responder.session, event.seq)
    return waiting, (state.seat.post(since=event.seq),)


def ask_proof_again(state: AwaitingProof, event: NothingYet) -> Step:
    """No H(k) yet; ask again."""
    waiting = AwaitingProof(state.seat, state.session, event.seq)
    return waiting, (state.seat.post(since=event.seq, after=event.after),)


def ask_proof_once_more(state: AwaitingProof, _: NoAnswer) -> Step:
    """The relay did not answer; ask again soon."""
    return state, (state.seat.post(since=state.seq, after=RETRY),)


def dial(state: AwaitingProof, _: ProofGood) -> Step:
    """Step 13: connect to the TCP port and identify."""
    seat = state.seat
    return Identifying(seat, state.session), (Dial(LINK, seat.port, seat.line()),)


def greet(state: Identifying, event: TcpTaken) -> Step:
    """Send our hello; read the sender's."""
    greeting = Greeting(state.seat, state.session, event.hello)
    return greeting, (Greet(LINK, event.hello, peer_hello_length(Role.RECIPIENT)),)


def open_records(state: Greeting, event: HelloGood) -> Step:
    """From here on everything is sealed."""
    keys = secure(state.session, Role.RECIPIENT, state.hello, event.theirs)
    return AwaitingOpen(state.seat, state.session), (keys, Hear(LINK))


def await_offer(state: AwaitingOpen, _: OpenGood) -> Step:
    """The sender is bound to this run; what does it offer?"""
    return AwaitingOffer(state.seat), (Show(Waiting("the offer")), Hear(LINK))


def hear_offer(state: AwaitingOffer, event: OfferBegun) -> Step:
    """The first entries."""
    count = len(event.entries)
    hearing = HearingOffer(state.seat, event.tid, count, event.bytes)
    return hearing, (Consider(event.entries), Hear(LINK))


def hear_more(state: HearingOffer, event: OfferGrew) -> Step:
    """More entries."""
    count = state.entries + len(event.entries)
    hearing = HearingOffer(state.seat, state.tid, count, event.bytes)
    return hearing, (Consider(event.entries), Hear(LINK))


def judge(state: HearingOffer, _: OfferWhole) -> Step:
    """Judge names, room and what exists, before anything is written."""
    return Judging(state.seat, state.tid, state.entries), (Judge(), Hear(LINK))


def ask_person(state: Judging, event: VerdictGiven) -> Step:
    """Show the offer; the person decides."""
    verdict = event.verdict
    seen = OfferSeen(
        verdict.totals.files,
        verdict.totals.bytes,
        verdict.refused_count,
        verdict.overwrite_count,
    )
    return Deciding(state.seat, state.tid, verdict), (Show(seen),)


def accept(state: Deciding, event: Agreed) -> Step:
    """Step 17: take the data."""
    said = tuple(Speak(LINK, part) for part in event.accepts)
    return Receiving(state.seat, state.tid, state.verdict.totals), (TakePieces(LINK), *said)


def decline(state: Judging | Deciding, event: Ending) -> Step:
    """Say no, hang up, close the channel once that has had time to arrive."""
    close = state.seat.post(close=True, reason=event.reason, after=WORD)
    said = Speak(LINK, Decline(state.tid), last=True)
    return Leaving(event.failure), (said, Hang(LINK), close)


def finish(state: Receiving, event: TotalsGood) -> Step:
    """Make everything final."""
    return Finishing(state.seat, state.tid), (Finish(event.sizes),)


def confirm(state: Finishing, event: AllFinal) -> Step:
    """The receipt is our last record; then the half-close."""
    arrived = event.arrived
    receipt = Receipt(state.tid, arrived.entries, arrived.bytes)
    return AwaitingEnd(state.seat, arrived), (
        Speak(LINK, receipt, last=True),
        HalfClose(LINK),
        Hear(LINK),
    )


def close(state: AwaitingEnd, _: HungUp) -> Step:
    """Step 18: close the channel."""
    done = state.seat.post(close=True, reason=Reason.DONE)
    return Closing(state.arrived), (Hang(LINK), done)


def succeed(state: Closing, _: Closed) -> Step:
    """Nothing is left to do."""
    arrived = state.arrived
    completed = Completed(arrived.files, arrived.bytes, 0.0, arrived.paths)
    return Done(arrived), (Show(completed),)


# ---- the table

REQUEST = (TimedOut, CalledOff, Refused, RelayBroke)
GONE = (ClosedByPeer, ChannelGone, VersionDiffers)
LINKED = (CalledOff, PeerBroke, TimedOut, LocalFailed)

# fmt: off
TABLE: Table[Effect] = Table(Idle, (Done, Failed), (
    #   state          event         next state     action
    row(Idle,          Begun,        Joining,       join),
    row(Joining,       SeatTaken,    AwaitingX,     ask_x),
    row(Joining,       NoAnswer,     Joining,       join_again),
    *endings(Joining, fail, *REQUEST, *GONE, Unreachable),
    row(AwaitingX,     XGood,        Answering,     reply),
    row(AwaitingX,     NothingYet,   AwaitingX,     ask_x_again),
    row(AwaitingX,     NoAnswer,     AwaitingX,     ask_x_once_more),
    *endings(AwaitingX, leave, *REQUEST, CurveUnasked, PeerBroke, VersionDiffers),
    *endings(AwaitingX, fail, ClosedByPeer, ChannelGone),
    row(Answering,     AnswerTaken,  AwaitingProof, ask_proof),
    row(Answering,     NoAnswer,     Answering,     reply_again),
    *endings(Answering, leave, *REQUEST),
    *endings(Answering, fail, *GONE),
    row(AwaitingProof, ProofGood,    Identifying,   dial),
    row(AwaitingProof, NothingYet,   AwaitingProof, ask_proof_again),
    row(AwaitingProof, NoAnswer,     AwaitingProof, ask_proof_once_more),
    *endings(AwaitingProof, leave, *REQUEST, ProofBad),
    *endings(AwaitingProof, fail, *GONE),
    row(Identifying,   TcpTaken,     Greeting,      greet),
    row(Identifying,   LinkLost,     AskingWhy,     ask_why),
    *endings(Identifying, hang_up, *REQUEST, LocalFailed, VersionDiffers),
    row(Greeting,      HelloGood,    AwaitingOpen,  open_records),
    row(Greeting,      LinkLost,     AskingWhy,     ask_why),
    *endings(Greeting, hang_up, *LINKED),
    row(AwaitingOpen,  OpenGood,     AwaitingOffer, await_offer),
    row(AwaitingOpen,  Renewed,      AwaitingOpen,  stay),
    row(AwaitingOpen,  LinkLost,     AskingWhy,     ask_why),
    *endings(AwaitingOpen, hang_up, *LINKED, PeerStopped),
    row(AwaitingOffer, OfferBegun,   HearingOffer,  hear_offer),
    row(AwaitingOffer, Renewed,      AwaitingOffer, stay),
    row(AwaitingOffer, LinkLost,     AskingWhy,     ask_why),
    *endings(AwaitingOffer, say_and_leave, *LINKED),
    *endings(AwaitingOffer, hang_up, PeerStopped),
    row(HearingOffer,  OfferGrew,    HearingOffer,  hear_more),
    row(HearingOffer,  OfferWhole,   Judging,       judge),
    row(HearingOffer,  Renewed,      HearingOffer,  stay),
    row(HearingOffer,  LinkLost,     AskingWhy,     ask_why),
    *endings(HearingOffer, say_and_leave, *LINKED),
    *endings(HearingOffer, hang_up, PeerStopped),
    row(Judging,       VerdictGiven, Deciding,      ask_person),
    row(Judging,       NothingUsable, Leaving,      decline),
    row(Judging,       Renewed,      Judging,       stay),
    row(Judging,       LinkLost,     AskingWhy,     ask_why),
    *endings(Judging, say_and_leave, *LINKED),
    *endings(Judging, hang_up, PeerStopped),
    row(Deciding,      Agreed,       Receiving,     accept),
    row(Deciding,      Refusing,     Leaving,       decline),
    row(Deciding,      LinkLost,     AskingWhy,     ask_why),
    *endings(Deciding, say_and_leave, *LINKED),
    *endings(Deciding, hang_up, PeerStopped),
    row(Receiving,     TotalsGood,   Finishing,     finish),
    row(Receiving,     Renewed,      Receiving,     stay),
    row(Receiving,     LinkLost,     AskingWhy,     ask_why),
    *endings(Receiving, say_and_leave, *LINKED),
    *endings(Receiving, hang_up, PeerStopped),
    row(Finishing,     AllFinal,     AwaitingEnd,   confirm),
    *endings(Finishing, say_and_leave, *LINKED),
    row(AwaitingEnd,   HungUp,       Closing,       close),
    row(Closing,       Closed,       Done,          succeed),
    *LAST_ROWS,
))
# fmt: on


def join_request(channel: str, curve: str | None, nonce: str) -> Post:
    """Step 5's request; the nonce makes it one request however often it is sent."""
    body = wire.Join(
        role=Role.RECIPIENT,
        channel=channel,
        curve=UNSET if curve is None else curve,
        nonce=nonce,
    )
    return Post("/join", wire.encode(body))
