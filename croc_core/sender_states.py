"""The sender's states, one for each wait, and the narrow events that its rows know."""

from __future__ import annotations

from dataclasses import dataclass, field

from croc_core.content import Totals
from croc_core.errors import Failure
from croc_core.handshake import Initiator, Session
from croc_core.messages import Accept, PiecesEnd
from croc_core.party import Ending, Seat
from croc_core.party_io import Post
from croc_core.values import Reason, Secret

# ---- states


@dataclass(frozen=True, slots=True)
class Idle:
    """Not begun."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Step 1: a channel has been asked for."""

    request: Post
    """As it was sent; its nonce makes a repeat harmless."""
    until: float
    """How long to wait for the other person, in monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """Step 3: X is on its way to the relay."""

    seat: Seat
    initiator: Initiator
    until: float


@dataclass(frozen=True, slots=True)
class AwaitingAnswer:
    """Step 8: the other person has the code or will get it; Y and H(H(k)) are awaited."""

    seat: Seat
    initiator: Initiator
    seq: int
    until: float


@dataclass(frozen=True, slots=True)
class Proving:
    """Step 9: H(H(k)) was right, so H(k) is on its way to the relay."""

    seat: Seat
    session: Session
    vn: Secret


@dataclass(frozen=True, slots=True)
class Identifying:
    """Step 11: the TCP port has been dialled."""

    seat: Seat
    session: Session
    vn: Secret


@dataclass(frozen=True, slots=True)
class AwaitingStaple:
    """Step 16: the relay is asked whether the connections are stapled."""

    seat: Seat
    session: Session
    vn: Secret
    seq: int


@dataclass(frozen=True, slots=True)
class Greeting:
    """Our hello is out; the recipient's is awaited."""

    seat: Seat
    session: Session
    vn: Secret
    hello: bytes


@dataclass(frozen=True, slots=True)
class Offering:
    """Records have begun; the offer is going out."""

    seat: Seat
    tid: bytes


@dataclass(frozen=True, slots=True)
class AwaitingAccept:
    """The offer is out; the recipient's decision is awaited."""

    seat: Seat
    tid: bytes


@dataclass(frozen=True, slots=True)
class Sending:
    """Step 17: the data is going out."""

    seat: Seat
    tid: bytes


@dataclass(frozen=True, slots=True)
class AwaitingReceipt:
    """All is sent; only the receipt makes it a success."""

    seat: Seat
    tid: bytes
    totals: Totals


@dataclass(frozen=True, slots=True)
class Done:
    """Final: the recipient holds everything that it accepted, and has said so."""

    totals: Totals


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """Final: all was sent, and the receipt did not come."""

    failure: Failure


# ---- narrow events; those that end a run are in party.py


@dataclass(frozen=True, slots=True)
class Begun:
    """The run begins, or begins again on a channel that the relay has forgotten."""

    request: Post
    until: float


class Forgotten(Begun):
    """The relay has no channel of that name any more, and no Y was read: it is opened again."""


@dataclass(frozen=True, slots=True)
class SeatTaken:
    """The relay has given us a channel; X is made."""

    seat: Seat
    initiator: Initiator


@dataclass(frozen=True, slots=True)
class XTaken:
    """The relay holds X: the code may be told."""

    code: str = field(repr=False)
    relay: str
    seq: int
    """The last one that brought no news; 0 where Y came along already."""


@dataclass(frozen=True, slots=True)
class NothingYet:
    """No answer from the recipient so far."""

    seq: int
    after: float


@dataclass(frozen=True, slots=True)
class AnswerGood:
    """H(H(k)) is right: the recipient holds the secret."""

    session: Session


class AnswerBad(Ending):
    """H(H(k)) is wrong: the code is burnt."""

    reason = Reason.WRONG_CODE


@dataclass(frozen=True, slots=True)
class ProofTaken:
    """The relay holds H(k)."""


@dataclass(frozen=True, slots=True)
class TcpTaken:
    """The relay has taken our identification."""


@dataclass(frozen=True, slots=True)
class NotStapled:
    """The recipient's connection is not there yet."""

    seq: int
    after: float


@dataclass(frozen=True, slots=True)
class IsStapled:
    """The relay has stapled the connections."""

    hello: bytes


@dataclass(frozen=True, slots=True)
class HelloGood:
    """The recipient's hello is what it must be."""

    theirs: bytes
    tid: bytes


@dataclass(frozen=True, slots=True)
class OfferOut:
    """The whole offer has been sent."""

    totals: Totals


@dataclass(frozen=True, slots=True)
class AcceptPart:
    """A part of the recipient's choice; more will come."""

    accept: Accept


@dataclass(frozen=True, slots=True)
class AcceptWhole:
    """The end of the recipient's choice."""

    accept: Accept


class DeclinedByPeer(Ending):
    """The recipient wants nothing of it."""

    reason = Reason.DECLINED


@dataclass(frozen=True, slots=True)
class PiecesOut:
    """All that was chosen has been sent."""

    totals: Totals
    end: PiecesEnd


@dataclass(frozen=True, slots=True)
class ReceiptGood:
    """The recipient holds everything."""
