"""The recipient's states, one for each wait, and the narrow events that its rows know.

Those around a lost data connection are in reconnect.py and recipient_rejoin.py.
"""

from __future__ import annotations

from croc_core.content import Arrived, Entry, Verdict
from croc_core.handshake import Responder, Session
from croc_core.many import Legged
from croc_core.messages import Accept, Digests, Size
from croc_core.party import Ending, Seat
from croc_core.party_io import Post
from croc_core.reconnect import Linked
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


class AwaitingOpen(Linked, frozen=True):
    """Records have begun; the sender's first is awaited."""


class AwaitingOffer(Linked, frozen=True):
    """The beginning of the offer is awaited, or the word that an accepted one goes on."""


class HearingOffer(Linked, frozen=True):
    """The offer is coming in: so many entries so far, and so many bytes (None: unknown)."""

    tid: bytes
    entries: int
    bytes: int | None


class Judging(Linked, frozen=True):
    """The offer is whole; the sink judges it."""

    tid: bytes
    entries: int


class Verifying(Linked, frozen=True):
    """The person compares the verifier's words before anything is accepted."""

    tid: bytes
    verdict: Verdict


class Deciding(Linked, frozen=True):
    """The person decides; nothing has been written."""

    tid: bytes
    verdict: Verdict


class AwaitingDigests(Linked, frozen=True):
    """Digests of what is held are awaited, in the order of `held`: next comes this place of it."""

    held: tuple[tuple[int, int], ...]
    """Entries, and how many of their first bytes are held."""
    at: int
    block: int


class Comparing(Linked, frozen=True):
    """Digests are being compared with what is held; the place is that behind them."""

    held: tuple[tuple[int, int], ...]
    at: int
    block: int


class Wanting(Linked, frozen=True):
    """The sender is being told what is lacking."""


class Receiving(Legged, frozen=True):
    """Step 17, on the other side: the data is coming in."""


class Counting(Legged, frozen=True):
    """The sender has said what it came to; which further connections did it ever have?"""

    sizes: tuple[Size, ...]


class Gathering(Legged, frozen=True):
    """The sender has said what it came to; further connections have not ended yet."""

    sizes: tuple[Size, ...]


class Finishing(Linked, frozen=True):
    """All has come; it is being made final."""


class AwaitingEnd(Linked, frozen=True):
    """The receipt is out; the sender is to hang up."""

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

    staplings: tuple[int, ...]


class ProofBad(Ending, frozen=True):
    """H(k) is wrong."""

    reason = Reason.WRONG_CODE


class TcpTaken(Value, frozen=True):
    """The relay has taken our identification."""

    hello: bytes
    by: float


class HelloGood(Value, frozen=True):
    """The sender's hello is what it must be."""

    theirs: bytes


class OpenGood(Value, frozen=True):
    """The sender opened what its head committed to."""


class OpenShown(Value, frozen=True):
    """As `OpenGood`; the words are to be compared, by our person where `ask` is set."""

    hidden = ("places",)

    places: tuple[int, int, int, int]
    ask: bool


class WordsAgree(Value, frozen=True):
    """The person says that the words are the same."""


class WordsDiffer(Ending, frozen=True):
    """The person says that they are not."""


class Continued(Value, frozen=True):
    """The sender goes on with the offer that was accepted."""


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


class VerdictEarly(Value, frozen=True):
    """The sink has judged, and the person has not compared the words yet."""

    verdict: Verdict


class NothingUsable(Ending, frozen=True):
    """Not one entry of the offer can be taken."""

    reason = Reason.DECLINED


class Agreed(Value, frozen=True):
    """The offer is accepted; the choice as messages."""

    hidden = ("accepts",)

    accepts: tuple[Accept, ...]
    connections: int


class Refusing(Ending, frozen=True):
    """The offer is declined."""

    reason = Reason.DECLINED


class AgreedHeld(Value, frozen=True):
    """As `Agreed`, and a part of it is held already: entries and lengths."""

    hidden = ("accepts",)

    accepts: tuple[Accept, ...]
    connections: int
    held: tuple[tuple[int, int], ...]


class DigestsGood(Value, frozen=True):
    """The digests that are next; behind them comes the place `at`, `block`."""

    hidden = ("key",)

    digests: Digests
    key: bytes
    at: int
    block: int


class ComparedSome(Value, frozen=True):
    """They are compared; more will come."""


class ComparedAll(Value, frozen=True):
    """All are compared."""


class WantOut(Value, frozen=True):
    """The sender knows what is lacking."""


class TotalsGood(Value, frozen=True):
    """The sender's totals are those of what was accepted."""

    sizes: tuple[Size, ...]


class TotalsEarly(Value, frozen=True):
    """As `TotalsGood`, and some further connections have not ended."""

    sizes: tuple[Size, ...]


class TotalsUncounted(Value, frozen=True):
    """As `TotalsEarly`, and some may have nobody on the other side."""

    sizes: tuple[Size, ...]


class Counted(Value, frozen=True):
    """These further connections have nobody on the other side; others are still to end."""

    alone: tuple[int, ...]


class AllIn(Value, frozen=True):
    """The last of the further connections has ended, or is one of those without another side."""

    done: tuple[int, ...]
    """To be hung up."""


class AllFinal(Value, frozen=True):
    """Everything is whole, under its final name."""

    arrived: Arrived


class HungUp(Value, frozen=True):
    """The sender has hung up, or will not in time: it makes no difference any more."""


class Closed(Value, frozen=True):
    """The relay has closed the channel, or cannot be told."""
