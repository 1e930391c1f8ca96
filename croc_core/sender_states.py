"""The sender's states, one for each wait, and the narrow events that its rows know.

Those around a lost data connection are in reconnect.py and sender_rejoin.py.
"""

from __future__ import annotations

from msgspec.structs import replace

from croc_core.content import Totals
from croc_core.errors import Failure
from croc_core.handshake import Initiator, Session
from croc_core.many import Legged
from croc_core.messages import Accept, PiecesEnd, Size, Want
from croc_core.party import Ending, Seat
from croc_core.party_io import Post
from croc_core.reconnect import Bond, Linked
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


class AwaitingStaple(Linked, frozen=True):
    """Step 16: the relay is asked whether the connections are stapled."""

    seq: int
    by: float
    """When the other side must be here, in monotonic seconds."""

    @property
    def until(self) -> float:
        """The end of the wait, in monotonic seconds."""
        return min(self.by, self.bond.until)


class Verifying(Linked, frozen=True):
    """The person compares the verifier's words before anything is offered."""


class Offering(Linked, frozen=True):
    """Records have begun; the offer is going out."""

    tid: bytes


class AwaitingAccept(Linked, frozen=True):
    """The offer is out; the recipient's decision is awaited."""

    tid: bytes
    said: tuple[int, tuple[int, ...]]
    """What all parts of the choice must agree in: connections (0 before the first) and codecs."""
    held: bool
    """Whether a part said that something is held."""


class Digesting(Linked, frozen=True):
    """The digests of what the recipient holds are going out."""

    @property
    def lasting(self) -> Bond:
        """Nobody knows what the recipient holds: all is offered, and compared, anew."""
        return _again(self.bond)


class AwaitingWant(Linked, frozen=True):
    """What the recipient lacks is awaited: so many bytes so far."""

    sum: int
    first: bool = False
    """Whether it is still comparing what it holds."""

    @property
    def lasting(self) -> Bond:
        """See `Digesting.lasting`."""
        return _again(self.bond) if self.first else self.bond


def _again(bond: Bond) -> Bond:
    """The bond without its offer; a loss is made good by an acceptance only once."""
    return replace(bond, tid=b"", accepted=True)


class Sending(Legged, frozen=True):
    """Step 17: the data is going out."""

    sizes: tuple[Size, ...]
    """Of the streams that have ended on further connections."""


class AwaitingReceipt(Legged, frozen=True):
    """All is sent; only the receipt makes it a success."""

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

    staplings: tuple[int, ...]


class TcpTaken(Value, frozen=True):
    """The relay has taken our identification."""

    by: float


class NotStapled(Value, frozen=True):
    """The recipient's connection is not there yet."""

    seq: int
    after: float


class IsStapled(Value, frozen=True):
    """The relay has stapled the connections."""

    hello: bytes
    by: float


class HelloGood(Value, frozen=True):
    """The recipient's hello is what it must be."""

    theirs: bytes
    tid: bytes


class HelloShown(Value, frozen=True):
    """As `HelloGood`; the recipient's person wants to compare the verifier's words."""

    hidden = ("places",)

    theirs: bytes
    tid: bytes
    places: tuple[int, int, int, int]


class HelloAsked(Value, frozen=True):
    """As `HelloGood`; our own person is to compare the words first."""

    hidden = ("places",)

    theirs: bytes
    places: tuple[int, int, int, int]


class HelloAgain(Value, frozen=True):
    """As `HelloGood`, and the offer was accepted before: it goes on."""

    theirs: bytes


class WordsAgree(Value, frozen=True):
    """The person says that the words are the same."""

    tid: bytes


class WordsDiffer(Ending, frozen=True):
    """The person says that they are not."""


class OfferOut(Value, frozen=True):
    """The whole offer has been sent."""

    totals: Totals


class AcceptPart(Value, frozen=True):
    """A part of the recipient's choice; more will come."""

    accept: Accept


class AcceptWhole(Value, frozen=True):
    """The end of the recipient's choice."""

    accept: Accept
    connections: int


class AcceptHeld(Value, frozen=True):
    """The end of the recipient's choice, and it holds some of it already."""

    accept: Accept
    connections: int
    key: bytes
    """Of the digests."""

    hidden = ("key",)


class DeclinedByPeer(Ending, frozen=True):
    """The recipient wants nothing of it."""

    reason = Reason.DECLINED


class DigestsOut(Value, frozen=True):
    """All digests have been sent."""


class WantPart(Value, frozen=True):
    """A part of what the recipient lacks; more will come. `sum`: the bytes so far."""

    want: Want
    sum: int


class WantWhole(Value, frozen=True):
    """The end of what it lacks. `until`: when a loss must have ended now."""

    want: Want
    sum: int
    until: float


class LegOut(Value, frozen=True):
    """A further connection has sent its share; others have not."""

    connection: int
    sizes: tuple[Size, ...]


class PiecesOut(Value, frozen=True):
    """All that was chosen has been sent, last on that connection."""

    connection: int
    totals: Totals
    end: PiecesEnd


class ReceiptGood(Value, frozen=True):
    """The recipient holds everything."""
