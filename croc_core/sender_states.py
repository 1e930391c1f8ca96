"""The sender's states, one for each wait, and the narrow events that its rows know."""

from __future__ import annotations

from croc_core.content import Totals
from croc_core.errors import Failure
from croc_core.handshake import Initiator, Session
from croc_core.messages import Accept, PiecesEnd
from croc_core.party import Ending, Seat
from croc_core.party_io import Post
from croc_core.values import Reason, Secret, Value

# ---- states


class Idle(Value, frozen=True):
    """Not begun."""


class Opening(Value, frozen=True):
    """Step 1: a channel has been asked for."""

    request: Post
    """As it was sent; its nonce makes a repeat harmless."""
    until: float
    """How long to wait for the other person, in monotonic seconds."""


class Publishing(Value, frozen=True):
    """Step 3: X is on its way to the relay."""

    seat: Seat
    initiator: Initiator
    until: float


class AwaitingAnswer(Value, frozen=True):
    """Step 8: the other person has the code or will get it; Y and H(H(k)) are awaited."""

    seat: Seat
    initiator: Initiator
    seq: int
    until: float


class Proving(Value, frozen=True):
    """Step 9: H(H(k)) was right, so H(k) is on its way to the relay."""

    seat: Seat
    session: Session
    vn: Secret


class Identifying(Value, frozen=True):
    """Step 11: the TCP port has been dialled."""

    seat: Seat
    session: Session
    vn: Secret


class AwaitingStaple(Value, frozen=True):
    """Step 16: the relay is asked whether the connections are stapled."""

    seat: Seat
    session: Session
    vn: Secret
    seq: int


class Greeting(Value, frozen=True):
    """Our hello is out; the recipient's is awaited."""

    seat: Seat
    session: Session
    vn: Secret
    hello: bytes


class Offering(Value, frozen=True):
    """Records have begun; the offer is going out."""

    seat: Seat
    tid: bytes


class AwaitingAccept(Value, frozen=True):
    """The offer is out; the recipient's decision is awaited."""

    seat: Seat
    tid: bytes


class Sending(Value, frozen=True):
    """Step 17: the data is going out."""

    seat: Seat
    tid: bytes


class AwaitingReceipt(Value, frozen=True):
    """All is sent; only the receipt makes it a success."""

    seat: Seat
    tid: bytes
    totals: Totals


class Done(Value, frozen=True):
    """Final: the recipient holds everything that it accepted, and has said so."""

    totals: Totals


class Unconfirmed(Value, frozen=True):
    """Final: all was sent, and the receipt did not come."""

    failure: Failure


# ---- narrow events; those that end a run are in party.py


class Begun(Value, frozen=True):
    """The run begins."""

    request: Post
    until: float


class Forgotten(Value, frozen=True):
    """The relay has no channel of that name any more, and no Y was read: it is opened again."""

    request: Post


class SeatTaken(Value, frozen=True):
    """The relay has given us a channel; X is made."""

    seat: Seat
    initiator: Initiator


class XTaken(Value, frozen=True):
    """The relay holds X: the code may be told."""

    hidden = ("code",)

    code: str
    relay: str
    seq: int
    """The last one that brought no news; 0 where Y came along already."""


class NothingYet(Value, frozen=True):
    """No answer from the recipient so far."""

    seq: int
    after: float


class AnswerGood(Value, frozen=True):
    """H(H(k)) is right: the recipient holds the secret."""

    session: Session


class AnswerBad(Ending, frozen=True):
    """H(H(k)) is wrong: the code is burnt."""

    reason = Reason.WRONG_CODE


class ProofTaken(Value, frozen=True):
    """The relay holds H(k)."""


class TcpTaken(Value, frozen=True):
    """The relay has taken our identification."""


class NotStapled(Value, frozen=True):
    """The recipient's connection is not there yet."""

    seq: int
    after: float


class IsStapled(Value, frozen=True):
    """The relay has stapled the connections."""

    hello: bytes


class HelloGood(Value, frozen=True):
    """The recipient's hello is what it must be."""

    theirs: bytes
    tid: bytes


class OfferOut(Value, frozen=True):
    """The whole offer has been sent."""

    totals: Totals


class AcceptPart(Value, frozen=True):
    """A part of the recipient's choice; more will come."""

    accept: Accept


class AcceptWhole(Value, frozen=True):
    """The end of the recipient's choice."""

    accept: Accept


class DeclinedByPeer(Ending, frozen=True):
    """The recipient wants nothing of it."""

    reason = Reason.DECLINED


class PiecesOut(Value, frozen=True):
    """All that was chosen has been sent."""

    totals: Totals
    end: PiecesEnd


class ReceiptGood(Value, frozen=True):
    """The recipient holds everything."""
