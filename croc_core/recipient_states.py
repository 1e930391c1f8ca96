"""The recipient's states, one for each wait, and the narrow events that its rows know."""

from __future__ import annotations

from dataclasses import dataclass, field

from croc_core.content import Arrived, Entry, Totals, Verdict
from croc_core.handshake import Responder, Session
from croc_core.messages import Accept, Size
from croc_core.party import Ending, Seat
from croc_core.party_io import Post
from croc_core.values import Reason


@dataclass(frozen=True, slots=True)
class Idle:
    """Not begun."""


@dataclass(frozen=True, slots=True)
class Joining:
    """Step 5: the channel has been asked for."""

    request: Post
    """As it was sent; its nonce makes a repeat harmless."""


@dataclass(frozen=True, slots=True)
class AwaitingX:
    """Step 5 again: X is awaited."""

    seat: Seat
    curve: str
    seq: int


@dataclass(frozen=True, slots=True)
class Answering:
    """Step 7: Y and H(H(k)) are on their way to the relay. The code is used from here on."""

    seat: Seat
    responder: Responder


@dataclass(frozen=True, slots=True)
class AwaitingProof:
    """Step 10: the sender's H(k) is awaited."""

    seat: Seat
    session: Session
    seq: int


@dataclass(frozen=True, slots=True)
class Identifying:
    """Step 13: the TCP port has been dialled."""

    seat: Seat
    session: Session


@dataclass(frozen=True, slots=True)
class Greeting:
    """Our hello is out; the sender's is awaited."""

    seat: Seat
    session: Session
    hello: bytes


@dataclass(frozen=True, slots=True)
class AwaitingOpen:
    """Records have begun; the sender's first is awaited."""

    seat: Seat
    session: Session


@dataclass(frozen=True, slots=True)
class AwaitingOffer:
    """The beginning of the offer is awaited."""

    seat: Seat


@dataclass(frozen=True, slots=True)
class HearingOffer:
    """The offer is coming in: so many entries so far, and so many bytes (None: unknown)."""

    seat: Seat
    tid: bytes
    entries: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Judging:
    """The offer is whole; the sink judges it."""

    seat: Seat
    tid: bytes
    entries: int


@dataclass(frozen=True, slots=True)
class Deciding:
    """The person decides; nothing has been written."""

    seat: Seat
    tid: bytes
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Receiving:
    """Step 17, on the other side: the data is coming in."""

    seat: Seat
    tid: bytes
    totals: Totals


@dataclass(frozen=True, slots=True)
class Finishing:
    """All has come; it is being made final."""

    seat: Seat
    tid: bytes


@dataclass(frozen=True, slots=True)
class AwaitingEnd:
    """The receipt is out; the sender is to hang up."""

    seat: Seat
    arrived: Arrived


@dataclass(frozen=True, slots=True)
class Closing:
    """Step 18: the channel is being closed."""

    arrived: Arrived


@dataclass(frozen=True, slots=True)
class Done:
    """Final: everything that was accepted is whole, under its final name."""

    arrived: Arrived


# ---- narrow events; those that end a run are in party.py


@dataclass(frozen=True, slots=True)
class Begun:
    """The run begins."""

    request: Post


@dataclass(frozen=True, slots=True)
class SeatTaken:
    """The relay has given us the recipient's seat."""

    seat: Seat
    curve: str


@dataclass(frozen=True, slots=True)
class NothingYet:
    """What is awaited is not there so far."""

    seq: int
    after: float


@dataclass(frozen=True, slots=True)
class XGood:
    """X is what it must be; Y, k and H(H(k)) are made."""

    responder: Responder


@dataclass(frozen=True, slots=True)
class AnswerTaken:
    """The relay holds Y and H(H(k))."""

    seq: int
    """The last one that brought no news; 0 where H(k) came along already."""


@dataclass(frozen=True, slots=True)
class ProofGood:
    """H(k) is right: the sender holds the secret."""


class ProofBad(Ending):
    """H(k) is wrong."""

    reason = Reason.WRONG_CODE


@dataclass(frozen=True, slots=True)
class TcpTaken:
    """The relay has taken our identification."""

    hello: bytes


@dataclass(frozen=True, slots=True)
class HelloGood:
    """The sender's hello is what it must be."""

    theirs: bytes


@dataclass(frozen=True, slots=True)
class OpenGood:
    """The sender opened what its head committed to."""


@dataclass(frozen=True, slots=True)
class OfferBegun:
    """The first entries of an offer."""

    tid: bytes
    entries: tuple[Entry, ...] = field(repr=False)
    bytes: int | None


@dataclass(frozen=True, slots=True)
class OfferGrew:
    """More entries of the offer; `bytes` is the sum so far."""

    entries: tuple[Entry, ...] = field(repr=False)
    bytes: int | None


@dataclass(frozen=True, slots=True)
class OfferWhole:
    """The offer is complete, and its totals fit."""


@dataclass(frozen=True, slots=True)
class VerdictGiven:
    """The sink has judged."""

    verdict: Verdict


class NothingUsable(Ending):
    """Not one entry of the offer can be taken."""

    reason = Reason.DECLINED


@dataclass(frozen=True, slots=True)
class Agreed:
    """The offer is accepted; the choice as messages."""

    accepts: tuple[Accept, ...] = field(repr=False)


class Refusing(Ending):
    """The offer is declined."""

    reason = Reason.DECLINED


@dataclass(frozen=True, slots=True)
class TotalsGood:
    """The sender's totals are those of what was accepted."""

    sizes: tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class AllFinal:
    """Everything is whole, under its final name."""

    arrived: Arrived


@dataclass(frozen=True, slots=True)
class HungUp:
    """The sender has hung up, or will not in time: it makes no difference any more."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The relay has closed the channel, or cannot be told."""
