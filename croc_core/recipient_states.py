"""The recipient's states, one for each wait, and the narrow events that its rows know."""

from __future__ import annotations

from croc_core.content import Arrived, Entry, Totals, Verdict
from croc_core.handshake import Responder, Session
from croc_core.messages import Accept, Size
from croc_core.party import Ending, Seat
from croc_core.party_io import Post
from croc_core.values import Reason, Value


class Idle(Value, frozen=True):
    """Not begun."""


class Joining(Value, frozen=True):
    """Step 5: the channel has been asked for."""

    request: Post
    """As it was sent; its nonce makes a repeat harmless."""


class AwaitingX(Value, frozen=True):
    """Step 5 again: X is awaited."""

    seat: Seat
    curve: str
    seq: int


class Answering(Value, frozen=True):
    """Step 7: Y and H(H(k)) are on their way to the relay. The code is used from here on."""

    seat: Seat
    responder: Responder


class AwaitingProof(Value, frozen=True):
    """Step 10: the sender's H(k) is awaited."""

    seat: Seat
    session: Session
    seq: int


class Identifying(Value, frozen=True):
    """Step 13: the TCP port has been dialled."""

    seat: Seat
    session: Session


class Greeting(Value, frozen=True):
    """Our hello is out; the sender's is awaited."""

    seat: Seat
    session: Session
    hello: bytes


class AwaitingOpen(Value, frozen=True):
    """Records have begun; the sender's first is awaited."""

    seat: Seat
    session: Session


class AwaitingOffer(Value, frozen=True):
    """The beginning of the offer is awaited."""

    seat: Seat


class HearingOffer(Value, frozen=True):
    """The offer is coming in: so many entries so far, and so many bytes (None: unknown)."""

    seat: Seat
    tid: bytes
    entries: int
    bytes: int | None


class Judging(Value, frozen=True):
    """The offer is whole; the sink judges it."""

    seat: Seat
    tid: bytes
    entries: int


class Deciding(Value, frozen=True):
    """The person decides; nothing has been written."""

    seat: Seat
    tid: bytes
    verdict: Verdict


class Receiving(Value, frozen=True):
    """Step 17, on the other side: the data is coming in."""

    seat: Seat
    tid: bytes
    totals: Totals


class Finishing(Value, frozen=True):
    """All has come; it is being made final."""

    seat: Seat
    tid: bytes


class AwaitingEnd(Value, frozen=True):
    """The receipt is out; the sender is to hang up."""

    seat: Seat
    arrived: Arrived


class Closing(Value, frozen=True):
    """Step 18: the channel is being closed."""

    arrived: Arrived


class Done(Value, frozen=True):
    """Final: everything that was accepted is whole, under its final name."""

    arrived: Arrived


# ---- narrow events; those that end a run are in party.py


class Begun(Value, frozen=True):
    """The run begins."""

    request: Post


class SeatTaken(Value, frozen=True):
    """The relay has given us the recipient's seat."""

    seat: Seat
    curve: str


class NothingYet(Value, frozen=True):
    """What is awaited is not there so far."""

    seq: int
    after: float


class CurveUnasked(Ending, frozen=True):
    """The sender's curve is none that this side takes."""

    reason = Reason.DECLINED


class XGood(Value, frozen=True):
    """X is what it must be; Y, k and H(H(k)) are made."""

    responder: Responder


class AnswerTaken(Value, frozen=True):
    """The relay holds Y and H(H(k))."""

    seq: int
    """The last one that brought no news; 0 where H(k) came along already."""


class ProofGood(Value, frozen=True):
    """H(k) is right: the sender holds the secret."""


class ProofBad(Ending, frozen=True):
    """H(k) is wrong."""

    reason = Reason.WRONG_CODE


class TcpTaken(Value, frozen=True):
    """The relay has taken our identification."""

    hello: bytes


class HelloGood(Value, frozen=True):
    """The sender's hello is what it must be."""

    theirs: bytes


class OpenGood(Value, frozen=True):
    """The sender opened what its head committed to."""


class OfferBegun(Value, frozen=True):
    """The first entries of an offer."""

    hidden = ("entries",)

    tid: bytes
    entries: tuple[Entry, ...]
    bytes: int | None


class OfferGrew(Value, frozen=True):
    """More entries of the offer; `bytes` is the sum so far."""

    hidden = ("entries",)

    entries: tuple[Entry, ...]
    bytes: int | None


class OfferWhole(Value, frozen=True):
    """The offer is complete, and its totals fit."""


class VerdictGiven(Value, frozen=True):
    """The sink has judged."""

    verdict: Verdict


class NothingUsable(Ending, frozen=True):
    """Not one entry of the offer can be taken."""

    reason = Reason.DECLINED


class Agreed(Value, frozen=True):
    """The offer is accepted; the choice as messages."""

    hidden = ("accepts",)

    accepts: tuple[Accept, ...]


class Refusing(Ending, frozen=True):
    """The offer is declined."""

    reason = Reason.DECLINED


class TotalsGood(Value, frozen=True):
    """The sender's totals are those of what was accepted."""

    sizes: tuple[Size, ...]


class AllFinal(Value, frozen=True):
    """Everything is whole, under its final name."""

    arrived: Arrived


class HungUp(Value, frozen=True):
    """The sender has hung up, or will not in time: it makes no difference any more."""


class Closed(Value, frozen=True):
    """The relay has closed the channel, or cannot be told."""
