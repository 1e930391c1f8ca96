"""The recipient: the seed's steps 5 to 7, 10, 13, 17 and 18 as a table of rows.

    step 5   Joining         POST /join
    step 5   AwaitingX       POST /channel, again and again, until X is there (the second step 5)
    step 7   Answering       POST /channel {y, hh_k}   (step 6, Y and k, are made on the way there)
    step 10  AwaitingProof   POST /channel, until h_k is there; it is checked against our own
    step 13  Identifying     TCP; the relay staples (step 14)
             Greeting ...    from the hellos on, everything is encrypted with k
    step 17  Receiving       nothing is written before the person has accepted
    step 18  Closing         POST /channel {close}

What an input means is judged in `recipient_judge.py`; the rows here only move. What they do about
an offer is in `recipient_offer.py`.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from croc_core.events import Completed, Waiting
from croc_core.many import (
    Leg,
    LegEnded,
    LegGreeted,
    LegTaken,
    Stage,
    drop_leg,
    greet_leg,
    secure_leg,
    with_leg,
)
from croc_core.messages import Receipt
from croc_core.party import (
    LAST_ROWS,
    LINK,
    RETRY,
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    Failed,
    Leaving,
    LocalFailed,
    NoAnswer,
    PeerBroke,
    PeerStopped,
    Refused,
    RelayBroke,
    Renewed,
    Step,
    TimedOut,
    Unreachable,
    VersionDiffers,
    endings,
    fail,
    hang_up,
    hangs,
    leave,
    peer_hello_length,
    say_and_leave,
    secure,
    stay,
)
from croc_core.party_io import (
    Effect,
    Finish,
    Greet,
    HalfClose,
    Hang,
    Hear,
    SendWant,
    Show,
    ShowVerifier,
    Speak,
    TakePieces,
)
from croc_core.recipient_join import (
    ask_proof,
    ask_proof_again,
    ask_proof_once_more,
    ask_x,
    ask_x_again,
    ask_x_once_more,
    dial,
    join,
    join_again,
    reply,
    reply_again,
)
from croc_core.recipient_offer import (
    accept,
    accept_held,
    ask_person,
    ask_verified,
    await_words,
    compare,
    decline,
    hear_digests,
    hear_more,
    hear_offer,
    judge,
    receive_wanted,
    want,
)
from croc_core.recipient_rejoin import REJOIN_ROWS
from croc_core.recipient_states import (
    Agreed,
    AgreedHeld,
    AllFinal,
    AllIn,
    Answering,
    AnswerTaken,
    AwaitingDigests,
    AwaitingEnd,
    AwaitingOffer,
    AwaitingOpen,
    AwaitingProof,
    AwaitingX,
    Begun,
    Closed,
    Closing,
    ComparedAll,
    ComparedSome,
    Comparing,
    Continued,
    Counted,
    Counting,
    CurveUnasked,
    Deciding,
    DigestsGood,
    Done,
    Finishing,
    Gathering,
    HearingOffer,
    HelloGood,
    HungUp,
    Idle,
    Joining,
    Judging,
    NothingUsable,
    NothingYet,
    OfferBegun,
    OfferGrew,
    OfferWhole,
    OpenGood,
    OpenShown,
    ProofBad,
    ProofGood,
    Receiving,
    Refusing,
    SeatTaken,
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
    XGood,
)
from croc_core.reconnect import (
    AWAY_ROWS,
    FOREVER,
    Bond,
    Greeting,
    Identifying,
    Recovered,
    go_on,
    lost,
    met,
)
from croc_core.table import Table, row
from croc_core.values import Reason, Role

# ---- actions


def greet(state: Identifying, event: TcpTaken) -> Step:
    """Send our hello; read the sender's."""
    greeting = Greeting(state.bond, event.hello, event.by)
    return greeting, (Greet(LINK, event.hello, peer_hello_length(Role.RECIPIENT)),)


def open_records(state: Greeting, event: HelloGood) -> Step:
    """From here on everything is sealed."""
    keys = secure(state.bond.session, Role.RECIPIENT, state.hello, event.theirs)
    return AwaitingOpen(met(state.bond)), (keys, Hear(LINK))


def await_offer(state: AwaitingOpen, _: OpenGood) -> Step:
    """The sender is bound to this run; what does it offer?"""
    return AwaitingOffer(state.bond), (Show(Waiting("the offer")), Hear(LINK))


def await_offer_shown(state: AwaitingOpen, event: OpenShown) -> Step:
    """Show the words; meanwhile, what does the sender offer?"""
    shown = ShowVerifier(event.places, event.ask)
    return AwaitingOffer(state.bond), (shown, Show(Waiting("the offer")), Hear(LINK))


def verified(state: Any, _: WordsAgree) -> Step:
    """Nobody is in between; the offer is still to come."""
    return replace(state, bond=replace(state.bond, verified=True)), ()


def resume_offer(state: AwaitingOffer, _: Continued) -> Step:
    """Say what is lacking of the offer that was accepted."""
    return Wanting(state.bond), (SendWant(LINK, state.bond.tid),)


def greet_further(state: Any, event: LegTaken) -> Step:
    """Send our hello on a further connection; read the sender's."""
    return greet_leg(state, event, Role.RECIPIENT)


def take_further(state: Any, event: LegGreeted) -> Step:
    """Take pieces from a further connection."""
    after, keys = secure_leg(state, event, Role.RECIPIENT)
    return after, (keys, TakePieces(event.connection))


def finish(state: Receiving, event: TotalsGood) -> Step:
    """Make everything final."""
    return _finishing(state.bond), (Finish(event.sizes),)


def _finishing(bond: Bond) -> Finishing:
    """All is here: a loss before it is made good."""
    return Finishing(replace(bond, until=FOREVER))


def gather(state: Receiving, event: TotalsEarly) -> Step:
    """Wait for the end of the further connections."""
    return Gathering(state.bond, state.legs, event.sizes), ()


def count(state: Receiving, event: TotalsUncounted) -> Step:
    """Ask which further connections the sender ever had."""
    return Counting(state.bond, state.legs, event.sizes), (state.seat.post(),)


def count_again(state: Counting, _: NoAnswer) -> Step:
    """The relay did not answer; ask again soon."""
    return state, (state.seat.post(after=RETRY),)


def counted(state: Counting, event: Counted) -> Step:
    """Hang up those that nobody was at the other end of; wait for the others."""
    further = state.legs
    for connection in event.alone:
        further = with_leg(further, connection, Leg(Stage.GONE))
    gathering = Gathering(state.bond, further, state.sizes)
    return gathering, tuple(Hang(connection) for connection in event.alone)


def finish_gathered(state: Any, event: AllIn) -> Step:
    """No further connection is left: make everything final."""
    hung = tuple(Hang(connection) for connection in event.done)
    return _finishing(state.bond), (*hung, Finish(state.sizes))


def confirm(state: Finishing, event: AllFinal) -> Step:
    """The receipt is our last record; then the half-close."""
    arrived = event.arrived
    receipt = Receipt(state.bond.tid, arrived.entries, arrived.bytes)
    return AwaitingEnd(state.bond, arrived), (
        Speak(LINK, receipt, last=True),
        HalfClose(LINK),
        Hear(LINK),
    )


def close(state: AwaitingEnd, _: HungUp) -> Step:
    """Step 18: close the channel."""
    done = state.seat.post(close=True, reason=Reason.DONE)
    return Closing(state.arrived), (*hangs(state), done)


def succeed(state: Closing, _: Closed) -> Step:
    """Nothing is left to do."""
    arrived = state.arrived
    completed = Completed(arrived.files, arrived.bytes, 0.0, arrived.paths)
    return Done(arrived), (Show(completed),)


# ---- the table

REQUEST = (TimedOut, CalledOff, Refused, RelayBroke)
GONE = (ClosedByPeer, ChannelGone, VersionDiffers)
LINKED = (CalledOff, PeerBroke, TimedOut, LocalFailed)
OFFERED = (AwaitingOffer, HearingOffer, Judging, Verifying, Deciding)
DIGESTING = (AwaitingDigests, Comparing, Wanting)
TAKING = (Receiving, Counting, Gathering)

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
    *endings(Identifying, hang_up, *REQUEST, LocalFailed, VersionDiffers),
    row(Greeting,      HelloGood,    AwaitingOpen,  open_records),
    *endings(Greeting, hang_up, *LINKED),
    row(AwaitingOpen,  OpenGood,     AwaitingOffer, await_offer),
    row(AwaitingOpen,  OpenShown,    AwaitingOffer, await_offer_shown),
    row(AwaitingOpen,  Renewed,      AwaitingOpen,  stay),
    *endings(AwaitingOpen, hang_up, *LINKED, PeerStopped),
    row(AwaitingOffer, OfferBegun,   HearingOffer,  hear_offer),
    row(AwaitingOffer, Continued,    Wanting,       resume_offer),
    row(AwaitingOffer, WordsAgree,   AwaitingOffer, verified),
    row(AwaitingOffer, Renewed,      AwaitingOffer, stay),
    row(HearingOffer,  OfferGrew,    HearingOffer,  hear_more),
    row(HearingOffer,  OfferWhole,   Judging,       judge),
    row(HearingOffer,  WordsAgree,   HearingOffer,  verified),
    row(HearingOffer,  Renewed,      HearingOffer,  stay),
    row(Judging,       VerdictGiven, Deciding,      ask_person),
    row(Judging,       VerdictEarly, Verifying,     await_words),
    row(Judging,       NothingUsable, Leaving,      decline),
    row(Judging,       WordsAgree,   Judging,       verified),
    row(Judging,       Renewed,      Judging,       stay),
    row(Verifying,     WordsAgree,   Deciding,      ask_verified),
    row(Deciding,      Agreed,       Receiving,     accept),
    row(Deciding,      AgreedHeld,   AwaitingDigests, accept_held),
    row(Deciding,      Refusing,     Leaving,       decline),
    row(AwaitingDigests, DigestsGood, Comparing,    compare),
    row(AwaitingDigests, Renewed,    AwaitingDigests, stay),
    row(Comparing,     ComparedSome, AwaitingDigests, hear_digests),
    row(Comparing,     ComparedAll,  Wanting,       want),
    row(Comparing,     Renewed,      Comparing,     stay),
    row(Wanting,       WantOut,      Receiving,     receive_wanted),
    row(Wanting,       Renewed,      Wanting,       stay),
    row(Receiving,     TotalsGood,   Finishing,     finish),
    row(Receiving,     TotalsEarly,  Gathering,     gather),
    row(Receiving,     TotalsUncounted, Counting,   count),
    row(Counting,      Counted,      Gathering,     counted),
    row(Counting,      NoAnswer,     Counting,      count_again),
    *(row(state, AllIn, Finishing, finish_gathered) for state in (Counting, Gathering)),
    *(r for state in TAKING for r in (
        row(state, LegTaken,   state, greet_further),
        row(state, LegGreeted, state, take_further),
        row(state, LegEnded,   state, drop_leg),
        row(state, Renewed,    state, stay),
        row(state, Recovered,  state, go_on),
        *endings(state, hang_up, Refused, RelayBroke, VersionDiffers),
    )),
    *(r for state in OFFERED + DIGESTING + TAKING for r in (
        *endings(state, say_and_leave, *LINKED),
        *endings(state, hang_up, PeerStopped),
    )),
    *(r for state in (AwaitingOffer, HearingOffer, Judging, Verifying)
      for r in endings(state, say_and_leave, WordsDiffer)),
    *lost(Identifying, Greeting, AwaitingOpen, *OFFERED, *DIGESTING, *TAKING),
    *AWAY_ROWS,
    *REJOIN_ROWS,
    row(Finishing,     AllFinal,     AwaitingEnd,   confirm),
    *endings(Finishing, say_and_leave, *LINKED),
    row(AwaitingEnd,   HungUp,       Closing,       close),
    row(Closing,       Closed,       Done,          succeed),
    *LAST_ROWS,
))
# fmt: on
