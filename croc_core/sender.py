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

from msgspec import UNSET

from croc_core import failures, wire
from croc_core.events import CodeReady, Completed, OfferSeen, Waiting
from croc_core.handshake import Initiator
from croc_core.messages import Open
from croc_core.party import (
    LAST_ROWS,
    LINK,
    RETRY,
    AskingWhy,
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    Ending,
    Failed,
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
    end_at_once,
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
    Choose,
    Dial,
    Effect,
    Greet,
    HalfClose,
    Hang,
    Hear,
    Post,
    SendOffer,
    SendPieces,
    Show,
    Speak,
)
from croc_core.sender_states import (
    AcceptPart,
    AcceptWhole,
    AnswerBad,
    AnswerGood,
    AwaitingAccept,
    AwaitingAnswer,
    AwaitingReceipt,
    AwaitingStaple,
    Begun,
    DeclinedByPeer,
    Done,
    Forgotten,
    Greeting,
    HelloGood,
    Identifying,
    Idle,
    IsStapled,
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
    XTaken,
)
from croc_core.table import Table, row
from croc_core.values import Role, Secret

# ---- actions


def join(_: Idle, event: Begun) -> Step:
    """Step 1: ask for a channel."""
    return Opening(event.request, event.until), (event.request,)


def join_again(state: Opening, _: NoAnswer) -> Step:
    """Ask once more; the nonce makes it the same request."""
    request = state.request
    return state, (Post(request.path, request.body, RETRY),)


def publish(state: Opening, event: SeatTaken) -> Step:
    """Step 3: send X."""
    seat, initiator = event.seat, event.initiator
    return Publishing(seat, initiator, state.until), (_x(seat, initiator, 0.0),)


def publish_again(state: Publishing, _: NoAnswer) -> Step:
    """Send X once more."""
    return state, (_x(state.seat, state.initiator, RETRY),)


def _x(seat: Seat, initiator: Initiator, after: float) -> Post:
    return seat.post(x=initiator.x, curve=initiator.suite, after=after)


def tell_code(state: Publishing, event: XTaken) -> Step:
    """Step 4 is the person's; step 8 begins."""
    code = CodeReady(event.code, state.seat.channel, event.relay)
    return AwaitingAnswer(state.seat, state.initiator, event.seq, state.until), (
        Show(code),
        Show(Waiting("the other side to join")),
        state.seat.post(since=event.seq),
    )


def ask_again(state: AwaitingAnswer, event: NothingYet) -> Step:
    """Step 8: ask for Y and H(H(k)) again."""
    again = AwaitingAnswer(state.seat, state.initiator, event.seq, state.until)
    return again, (state.seat.post(since=event.seq, after=event.after),)


def ask_once_more(state: AwaitingAnswer, _: NoAnswer) -> Step:
    """The relay did not answer; ask again soon."""
    return state, (state.seat.post(since=state.seq, after=RETRY),)


def open_again(state: AwaitingAnswer, event: Forgotten) -> Step:
    """Step 1 again, for the same channel: nobody has used the words."""
    request = event.request
    return Opening(request, state.until), (Post(request.path, request.body, RETRY),)


def prove(state: AwaitingAnswer, event: AnswerGood) -> Step:
    """Step 9: send H(k)."""
    proving = Proving(state.seat, event.session, state.initiator.vn)
    return proving, (state.seat.post(h_k=event.session.h_k_wire),)


def prove_again(state: Proving, _: NoAnswer) -> Step:
    """Send H(k) once more."""
    return state, (state.seat.post(h_k=state.session.h_k_wire, after=RETRY),)


def dial(state: Proving, _: ProofTaken) -> Step:
    """Step 11: connect to the TCP port and identify."""
    seat = state.seat
    identifying = Identifying(seat, state.session, state.vn)
    return identifying, (Dial(LINK, seat.port, seat.line()),)


def ask_stapled(state: Identifying, _: TcpTaken) -> Step:
    """Step 16: ask whether the connections are stapled."""
    return AwaitingStaple(state.seat, state.session, state.vn, 0), (state.seat.post(),)


def ask_stapled_again(state: AwaitingStaple, event: NotStapled) -> Step:
    """Step 16, again."""
    waiting = AwaitingStaple(state.seat, state.session, state.vn, event.seq)
    return waiting, (state.seat.post(since=event.seq, after=event.after),)


def ask_stapled_once_more(state: AwaitingStaple, _: NoAnswer) -> Step:
    """The relay did not answer; ask again soon."""
    return state, (state.seat.post(since=state.seq, after=RETRY),)


def greet(state: AwaitingStaple, event: IsStapled) -> Step:
    """Send our hello; read the recipient's."""
    greeting = Greeting(state.seat, state.session, state.vn, event.hello)
    return greeting, (Greet(LINK, event.hello, peer_hello_length(Role.SENDER)),)


def offer(state: Greeting, event: HelloGood) -> Step:
    """Step 12: from here on everything is sealed. Open, then offer."""
    keys = secure(state.session, Role.SENDER, state.hello, event.theirs)
    return Offering(state.seat, event.tid), (
        keys,
        Speak(LINK, Open(state.vn.reveal)),
        Hear(LINK),
        SendOffer(LINK, event.tid),
    )


def await_accept(state: Offering, event: OfferOut) -> Step:
    """The recipient decides."""
    seen = OfferSeen(event.totals.files, event.totals.bytes)
    waiting = Waiting("the other side to accept")
    return AwaitingAccept(state.seat, state.tid), (Show(seen), Show(waiting))


def choose(state: AwaitingAccept, event: AcceptPart) -> Step:
    """Note a part of the choice."""
    return state, (Choose(LINK, event.accept), Hear(LINK))


def send(state: AwaitingAccept, event: AcceptWhole) -> Step:
    """Step 17: send the data."""
    return Sending(state.seat, state.tid), (
        Choose(LINK, event.accept),
        Hear(LINK),
        SendPieces(LINK),
    )


def total(state: Sending, event: PiecesOut) -> Step:
    """Say what it came to; our last record."""
    waiting = AwaitingReceipt(state.seat, state.tid, event.totals)
    return waiting, (Speak(LINK, event.end, last=True), Show(Waiting("the receipt")))


def succeed(state: AwaitingReceipt, _: ReceiptGood) -> Step:
    """The recipient holds everything; the recipient closes the channel."""
    totals = state.totals
    completed = Completed(totals.files, totals.bytes or 0, 0.0)
    return Done(totals), (HalfClose(LINK), Hang(LINK), Show(completed))


def unsure(_: AwaitingReceipt, event: Ending) -> Step:
    """The receipt will not come any more."""
    failure = failures.unconfirmed(event.failure.message.rstrip("."))
    return Unconfirmed(failure), (Hang(LINK),)


# ---- the table

REQUEST = (TimedOut, CalledOff, Refused, RelayBroke)
GONE = (ClosedByPeer, ChannelGone, VersionDiffers)
LINKED = (CalledOff, PeerBroke, TimedOut)
UNSURE = (*LINKED, LinkLost, LocalFailed)

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
    row(Identifying,    LinkLost,     AskingWhy,       ask_why),
    *endings(Identifying, hang_up, *REQUEST, LocalFailed, VersionDiffers),
    row(AwaitingStaple, IsStapled,    Greeting,        greet),
    row(AwaitingStaple, NotStapled,   AwaitingStaple,  ask_stapled_again),
    row(AwaitingStaple, NoAnswer,     AwaitingStaple,  ask_stapled_once_more),
    *endings(AwaitingStaple, hang_up, *REQUEST),
    *endings(AwaitingStaple, end_at_once, *GONE),
    row(Greeting,       HelloGood,    Offering,        offer),
    row(Greeting,       LinkLost,     AskingWhy,       ask_why),
    *endings(Greeting, hang_up, *LINKED, LocalFailed),
    row(Offering,       OfferOut,     AwaitingAccept,  await_accept),
    row(Offering,       Renewed,      Offering,        stay),
    row(Offering,       LinkLost,     AskingWhy,       ask_why),
    *endings(Offering, hang_up, *LINKED, PeerStopped, DeclinedByPeer),
    *endings(Offering, say_and_leave, LocalFailed),
    row(AwaitingAccept, AcceptPart,   AwaitingAccept,  choose),
    row(AwaitingAccept, AcceptWhole,  Sending,         send),
    row(AwaitingAccept, Renewed,      AwaitingAccept,  stay),
    row(AwaitingAccept, LinkLost,     AskingWhy,       ask_why),
    *endings(AwaitingAccept, hang_up, PeerStopped, DeclinedByPeer),
    *endings(AwaitingAccept, say_and_leave, *LINKED, LocalFailed),
    row(Sending,        PiecesOut,    AwaitingReceipt, total),
    row(Sending,        Renewed,      Sending,         stay),
    row(Sending,        LinkLost,     AskingWhy,       ask_why),
    *endings(Sending, hang_up, *LINKED, PeerStopped),
    *endings(Sending, say_and_leave, LocalFailed),
    row(AwaitingReceipt, ReceiptGood, Done,            succeed),
    row(AwaitingReceipt, Renewed,     AwaitingReceipt, stay),
    *endings(AwaitingReceipt, hang_up, PeerStopped),
    *(row(AwaitingReceipt, event, Unconfirmed, unsure) for event in UNSURE),
    *LAST_ROWS,
))
# fmt: on


def join_request(curve: str, channel: str | None, nonce: str, token: Secret | None) -> Post:
    """Step 1's request; the nonce makes it one request however often it is sent."""
    body = wire.Join(
        role=Role.SENDER,
        channel=UNSET if channel is None else channel,
        curve=curve,
        nonce=nonce,
        token=UNSET if token is None else token.reveal.decode(),
    )
    return Post("/join", wire.encode(body))
