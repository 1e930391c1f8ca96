"""The sender: the seed's steps 1 to 4, 8, 9, 11, 12, 16 and 17 as a table of rows.

    step 1   Opening          POST /join
    step 3   Publishing       POST /channel {x}       (step 2, X, is made on the way there)
    step 4   CodeReady        a person tells the other one the code
    step 8   AwaitingAnswer   POST /channel, again and again, until y and hh_k are there
    step 9   Proving          POST /channel {h_k}     (step 8 again, H(H(k)), is checked on the way)
    step 11  Identifying      TCP
    step 16  AwaitingStaple   POST /channel
    step 12  Greeting ...     from the hellos on, everything is encrypted with k
    step 17  Sending

What an input means is judged in `sender_judge.py`; the rows here only move.
"""

from __future__ import annotations

from msgspec.structs import replace

from croc_core.events import Completed, OfferSeen, Waiting
from croc_core.many import (
    Leg,
    LegGreeted,
    LegRefused,
    Legs,
    LegTaken,
    Stage,
    drop_leg,
    greet_leg,
    legs,
    secure_leg,
    with_leg,
)
from croc_core.messages import Continue, Open
from croc_core.party import (
    LAST_ROWS,
    LINK,
    RETRY,
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    Failed,
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
    end_at_once,
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
    Choose,
    Effect,
    EndRecords,
    Greet,
    HalfClose,
    Hear,
    Narrow,
    SendDigests,
    SendOffer,
    SendPieces,
    Show,
    ShowVerifier,
    Speak,
)
from croc_core.reconnect import (
    AWAY_ROWS,
    FOREVER,
    AskingWhy,
    Bond,
    Greeting,
    Identifying,
    Unsure,
    lost,
    met,
)
from croc_core.sender_join import (
    ask_again,
    ask_once_more,
    dial,
    join,
    join_again,
    open_again,
    prove,
    prove_again,
    publish,
    publish_again,
    tell_code,
)
from croc_core.sender_rejoin import REJOIN_ROWS, unsure
from croc_core.sender_states import (
    AcceptHeld,
    AcceptPart,
    AcceptWhole,
    AnswerBad,
    AnswerGood,
    AwaitingAccept,
    AwaitingAnswer,
    AwaitingReceipt,
    AwaitingStaple,
    AwaitingWant,
    Begun,
    DeclinedByPeer,
    Digesting,
    DigestsOut,
    Done,
    Forgotten,
    HelloAgain,
    HelloAsked,
    HelloGood,
    HelloShown,
    Idle,
    IsStapled,
    LegOut,
    NothingYet,
    NotStapled,
    Offering,
    OfferOut,
    Opening,
    PiecesOut,
    ProofTaken,
    Proving,
    Publishing,
    ReceiptGood,
    SeatTaken,
    Sending,
    TcpTaken,
    Unconfirmed,
    Verifying,
    WantPart,
    WantWhole,
    WordsAgree,
    WordsDiffer,
    XTaken,
)
from croc_core.table import Table, row
from croc_core.values import Role

# ---- actions


def ask_stapled(state: Identifying, event: TcpTaken) -> Step:
    """Step 16: ask whether the connections are stapled."""
    return AwaitingStaple(state.bond, 0, event.by), (state.seat.post(),)


def ask_stapled_again(state: AwaitingStaple, event: NotStapled) -> Step:
    """Step 16, again."""
    waiting = replace(state, seq=event.seq)
    return waiting, (state.seat.post(since=event.seq, after=event.after),)


def ask_stapled_once_more(state: AwaitingStaple, _: NoAnswer) -> Step:
    """The relay did not answer; ask again soon."""
    return state, (state.seat.post(since=state.seq, after=RETRY),)


def greet(state: AwaitingStaple, event: IsStapled) -> Step:
    """Send our hello; read the recipient's."""
    greeting = Greeting(state.bond, event.hello, event.by)
    return greeting, (Greet(LINK, event.hello, peer_hello_length(Role.SENDER)),)


def _opened(state: Greeting, theirs: bytes) -> tuple[Effect, ...]:
    """From here on everything is sealed, and the first word is Open."""
    keys = secure(state.bond.session, Role.SENDER, state.hello, theirs)
    return keys, Speak(LINK, Open(state.bond.vn.reveal)), Hear(LINK)


def offer(state: Greeting, event: HelloGood) -> Step:
    """Step 12: from here on everything is sealed. Open, then offer."""
    opened = _opened(state, event.theirs)
    return Offering(met(state.bond), event.tid), (*opened, SendOffer(LINK, event.tid))


def offer_shown(state: Greeting, event: HelloShown) -> Step:
    """Offer, and show the words that the other side compares."""
    opened = _opened(state, event.theirs)
    show = ShowVerifier(event.places, ask=False)
    return Offering(met(state.bond), event.tid), (*opened, show, SendOffer(LINK, event.tid))


def ask_words(state: Greeting, event: HelloAsked) -> Step:
    """Open, and wait until our person has compared the words."""
    opened = _opened(state, event.theirs)
    return Verifying(met(state.bond)), (*opened, ShowVerifier(event.places, ask=True))


def offer_verified(state: Verifying, event: WordsAgree) -> Step:
    """Nobody is in between: offer."""
    bond = replace(state.bond, verified=True)
    return Offering(bond, event.tid), (SendOffer(LINK, event.tid),)


def resume_offer(state: Greeting, event: HelloAgain) -> Step:
    """Go on with the offer that was accepted; what does the recipient lack?"""
    opened = _opened(state, event.theirs)
    told = Show(Waiting("the other side to go on"))
    on = Speak(LINK, Continue(state.bond.tid))
    return AwaitingWant(met(state.bond), 0), (*opened, on, told)


def await_accept(state: Offering, event: OfferOut) -> Step:
    """The recipient decides."""
    seen = OfferSeen(event.totals.files, event.totals.bytes)
    waiting = Waiting("the other side to accept")
    after = AwaitingAccept(state.bond, state.tid, (0, ()), held=False)
    return after, (Show(seen), Show(waiting))


def choose(state: AwaitingAccept, event: AcceptPart) -> Step:
    """Note a part of the choice."""
    part = event.accept
    said, held = (part.connections, part.codecs), state.held or bool(part.held)
    return replace(state, said=said, held=held), (Choose(LINK, part), Hear(LINK))


def _accepted(state: AwaitingAccept, connections: int) -> Bond:
    """The bond with the accepted offer; the first time a loss before it is made good."""
    bond = state.bond
    until = bond.until if bond.accepted else FOREVER
    return replace(bond, tid=state.tid, connections=connections, verified=True, until=until)


def send(state: AwaitingAccept, event: AcceptWhole) -> Step:
    """Step 17: send the data."""
    after, dials = _sending(_accepted(state, event.connections))
    return after, (Choose(LINK, event.accept), Hear(LINK), *dials)


def send_digests(state: AwaitingAccept, event: AcceptHeld) -> Step:
    """The recipient holds some of it: which blocks are right?"""
    bond = _accepted(state, event.connections)
    digests = SendDigests(LINK, bond.tid, event.key)
    return Digesting(bond), (Choose(LINK, event.accept), Hear(LINK), digests)


def await_want(state: Digesting, _: DigestsOut) -> Step:
    """What does the recipient lack?"""
    return AwaitingWant(state.bond, 0, first=True), ()


def narrow(state: AwaitingWant, event: WantPart) -> Step:
    """Note a part of what it lacks."""
    return replace(state, sum=event.sum), (Narrow(LINK, event.want), Hear(LINK))


def send_wanted(state: AwaitingWant, event: WantWhole) -> Step:
    """Send what is lacking."""
    bond = replace(state.bond, wanted=event.sum, until=event.until)
    after, dials = _sending(bond)
    return after, (Narrow(LINK, event.want), Hear(LINK), *dials)


def _sending(bond: Bond) -> tuple[Sending, tuple[Effect, ...]]:
    """Send on the only connection, or dial the further ones."""
    further, dials = legs(bond)
    # Who asks for data is not done: what was sent before is in doubt no more.
    return Sending(replace(bond, sent=False), further, ()), dials or (SendPieces(LINK),)


def greet_further(state: Sending, event: LegTaken) -> Step:
    """Send our hello on a further connection; read the recipient's."""
    return greet_leg(state, event, Role.SENDER)


def send_further(state: Sending, event: LegGreeted) -> Step:
    """Send a share of the data over a further connection."""
    after, keys = secure_leg(state, event, Role.SENDER)
    return after, (keys, SendPieces(event.connection))


def end_further(state: Sending, event: LegOut) -> Step:
    """A further connection has nothing left to send."""
    after = replace(state, legs=_over(state, event.connection), sizes=state.sizes + event.sizes)
    return after, _end_leg(event.connection)


def _over(state: Sending, connection: int) -> Legs:
    return with_leg(state.legs, connection, Leg(Stage.OVER)) if connection else state.legs


def _end_leg(connection: int) -> tuple[Effect, ...]:
    return (EndRecords(connection), HalfClose(connection)) if connection else ()


def total(state: Sending, event: PiecesOut) -> Step:
    """Say what it came to; our last record."""
    number, bond = event.connection, replace(state.bond, sent=True)
    waiting = AwaitingReceipt(bond, _over(state, number), event.totals)
    end = Speak(LINK, event.end, last=True)
    return waiting, (*_end_leg(number), end, Show(Waiting("the receipt")))


def succeed(state: AwaitingReceipt, _: ReceiptGood) -> Step:
    """The recipient holds everything; the recipient closes the channel."""
    totals = state.totals
    completed = Completed(totals.files, totals.bytes or 0, 0.0)
    return Done(totals), (HalfClose(LINK), *hangs(state), Show(completed))


# ---- the table

REQUEST = (TimedOut, CalledOff, Refused, RelayBroke)
GONE = (ClosedByPeer, ChannelGone, VersionDiffers)
LINKED = (CalledOff, PeerBroke, TimedOut)

# fmt: off
TABLE: Table[Effect] = Table(Idle, (Done, Failed, Unconfirmed), (
    #   state           event         next state       action
    row(Idle,           Begun,        Opening,         join),
    row(Opening,        SeatTaken,    Publishing,      publish),
    row(Opening,        NoAnswer,     Opening,         join_again),
    *endings(Opening, fail, *REQUEST, *GONE, Unreachable),
    row(Publishing,     XTaken,       AwaitingAnswer,  tell_code),
    row(Publishing,     NoAnswer,     Publishing,      publish_again),
    *endings(Publishing, leave, *REQUEST),
    *endings(Publishing, fail, *GONE),
    row(AwaitingAnswer, NothingYet,   AwaitingAnswer,  ask_again),
    row(AwaitingAnswer, NoAnswer,     AwaitingAnswer,  ask_once_more),
    row(AwaitingAnswer, Forgotten,    Opening,         open_again),
    row(AwaitingAnswer, AnswerGood,   Proving,         prove),
    *endings(AwaitingAnswer, leave, *REQUEST, AnswerBad, PeerBroke, VersionDiffers),
    *endings(AwaitingAnswer, fail, ClosedByPeer),
    row(Proving,        ProofTaken,   Identifying,     dial),
    row(Proving,        NoAnswer,     Proving,         prove_again),
    *endings(Proving, leave, *REQUEST),
    *endings(Proving, fail, *GONE),
    row(Identifying,    TcpTaken,     AwaitingStaple,  ask_stapled),
    *endings(Identifying, hang_up, *REQUEST, LocalFailed, VersionDiffers),
    row(AwaitingStaple, IsStapled,    Greeting,        greet),
    row(AwaitingStaple, NotStapled,   AwaitingStaple,  ask_stapled_again),
    row(AwaitingStaple, NoAnswer,     AwaitingStaple,  ask_stapled_once_more),
    *endings(AwaitingStaple, hang_up, *REQUEST),
    *endings(AwaitingStaple, end_at_once, *GONE),
    row(Greeting,       HelloGood,    Offering,        offer),
    row(Greeting,       HelloShown,   Offering,        offer_shown),
    row(Greeting,       HelloAsked,   Verifying,       ask_words),
    row(Greeting,       HelloAgain,   AwaitingWant,    resume_offer),
    *endings(Greeting, hang_up, *LINKED, LocalFailed),
    row(Verifying,      WordsAgree,   Offering,        offer_verified),
    row(Verifying,      Renewed,      Verifying,       stay),
    *endings(Verifying, hang_up, PeerStopped),
    *endings(Verifying, say_and_leave, *LINKED, LocalFailed, WordsDiffer),
    row(Offering,       OfferOut,     AwaitingAccept,  await_accept),
    row(Offering,       Renewed,      Offering,        stay),
    *endings(Offering, hang_up, *LINKED, PeerStopped, DeclinedByPeer),
    *endings(Offering, say_and_leave, LocalFailed),
    row(AwaitingAccept, AcceptPart,   AwaitingAccept,  choose),
    row(AwaitingAccept, AcceptWhole,  Sending,         send),
    row(AwaitingAccept, AcceptHeld,   Digesting,       send_digests),
    row(AwaitingAccept, Renewed,      AwaitingAccept,  stay),
    *endings(AwaitingAccept, hang_up, PeerStopped, DeclinedByPeer),
    *endings(AwaitingAccept, say_and_leave, *LINKED, LocalFailed),
    row(Digesting,      DigestsOut,   AwaitingWant,    await_want),
    row(Digesting,      Renewed,      Digesting,       stay),
    *endings(Digesting, hang_up, *LINKED, PeerStopped),
    *endings(Digesting, say_and_leave, LocalFailed),
    row(AwaitingWant,   WantPart,     AwaitingWant,    narrow),
    row(AwaitingWant,   WantWhole,    Sending,         send_wanted),
    row(AwaitingWant,   Renewed,      AwaitingWant,    stay),
    *endings(AwaitingWant, hang_up, PeerStopped),
    *endings(AwaitingWant, say_and_leave, *LINKED, LocalFailed),
    row(Sending,        LegTaken,     Sending,         greet_further),
    row(Sending,        LegGreeted,   Sending,         send_further),
    row(Sending,        LegRefused,   Sending,         drop_leg),
    row(Sending,        LegOut,       Sending,         end_further),
    row(Sending,        PiecesOut,    AwaitingReceipt, total),
    row(Sending,        Renewed,      Sending,         stay),
    *endings(Sending, hang_up, *LINKED, PeerStopped, Refused, RelayBroke, VersionDiffers),
    *endings(Sending, say_and_leave, LocalFailed),
    row(AwaitingReceipt, ReceiptGood, Done,            succeed),
    row(AwaitingReceipt, Renewed,     AwaitingReceipt, stay),
    *endings(AwaitingReceipt, hang_up, PeerStopped),
    *lost(Identifying, AwaitingStaple, Greeting, Verifying, Offering, AwaitingAccept, Digesting,
          AwaitingWant, Sending, AwaitingReceipt),
    *(row(state, Unsure, Unconfirmed, unsure)
      for state in (AskingWhy, Identifying, AwaitingStaple, Greeting, AwaitingWant,
                    AwaitingReceipt)),
    *AWAY_ROWS,
    *REJOIN_ROWS,
    *LAST_ROWS,
))
# fmt: on
