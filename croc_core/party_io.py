"""The two closed vocabularies of the sender and the recipient: what happened, and what to do.

`connection` numbers the data connections of a run from 0 (docs/protocol.md, "Several connections").
"""

from __future__ import annotations

from collections.abc import Callable

from croc_core.content import Arrived, Entry, Totals, Verdict
from croc_core.errors import Code, Failure
from croc_core.messages import Accept, Digests, Message, Size, Want
from croc_core.values import Value

# ---- what happened


class Started(Value, frozen=True):
    """The run may begin."""


class Replied(Value, frozen=True):
    """The relay's answer to the latest `Post`."""

    hidden = ("body",)

    status: int
    body: bytes


class Unanswered(Value, frozen=True):
    """The latest `Post` got no answer; `refused` where the relay could not even be reached."""

    refused: bool
    cause: str


class Identified(Value, frozen=True):
    """The relay's answer to the identification line, newline included."""

    connection: int
    answer: bytes


class Greeted(Value, frozen=True):
    """The peer's hello has come, as many bytes as were asked for, unchecked."""

    connection: int
    hello: bytes


class Heard(Value, frozen=True):
    """A control message; `last` where it ends the record with the last flag."""

    connection: int
    message: Message
    last: bool


class LinkEnded(Value, frozen=True):
    """The data connection is over; `whole` where the peer's record with the last flag came."""

    connection: int
    cause: str
    whole: bool = False


class Garbled(Value, frozen=True):
    """What came over the data connection is not what the protocol allows."""

    connection: int
    why: str


class Moved(Value, frozen=True):
    """Genuine records have come or gone on a data connection since the last time.

    `files` where they held bytes of files, or a record is coming in slowly: nothing else keeps a
    recipient waiting for more.
    """

    files: bool = True


class OfferSent(Value, frozen=True):
    """`SendOffer` is done. The answer to the offer is told after it, even where it came before."""

    totals: Totals


class PiecesSent(Value, frozen=True):
    """`SendPieces` is done on that connection.

    `totals` are of the whole choice, whatever this connection carried of it, with the bytes of
    streams left out; `sizes` are those of the streams that ended on this connection.
    """

    totals: Totals
    sizes: tuple[Size, ...] = ()
    connection: int = 0


class DigestsSent(Value, frozen=True):
    """`SendDigests` is done. The answer to them is told after it, even where it came before."""


class Compared(Value, frozen=True):
    """`Compare` is done."""


class WantSent(Value, frozen=True):
    """`SendWant` is done."""


class ComparedWords(Value, frozen=True):
    """The person has compared the verifier's words on both screens; `agree` where they are one.

    `question`: which verifier of the run that asks is meant, from 1; 0 is the latest.
    """

    agree: bool
    question: int = 0


class Judged(Value, frozen=True):
    """`Judge` is done."""

    verdict: Verdict


class Decided(Value, frozen=True):
    """The person, or a flag in their place, has decided about the offer.

    `question`: which `OfferSeen` of the run this answers, from 1; 0 is the latest.
    """

    accept: bool
    question: int = 0


class Finished(Value, frozen=True):
    """`Finish` is done: all that was chosen is whole, under its final name."""

    arrived: Arrived


class LocalBroke(Value, frozen=True):
    """Files of this computer could not be read or written, or the offer is over a limit of it."""

    failure: Failure


class Interrupted(Value, frozen=True):
    """The person, a signal or the program that owns the run ends it."""

    code: Code


class Woke(Value, frozen=True):
    """The machine's deadline has passed."""

    late: bool = False
    """Set by `Machine` alone: the state may not be waited in any longer, whatever renews it."""


Input = (
    Started | Replied | Unanswered | Identified | Greeted | Heard | LinkEnded | Garbled | Moved
    | OfferSent | PiecesSent | DigestsSent | Compared | WantSent | ComparedWords | Judged
    | Decided | Finished | LocalBroke | Interrupted | Woke
)  # fmt: skip


# ---- what to do


class Post(Value, frozen=True):
    """Send an HTTP request; an earlier one that has no answer is given up.

    Answered by one `Replied` or `Unanswered`. `after`: seconds to wait first. `wait`: seconds that
    the relay may take before it answers.
    """

    hidden = ("body",)

    path: str
    body: bytes
    after: float = 0.0
    wait: float = 0.0


class Dial(Value, frozen=True):
    """Connect to a data port and identify; answered by `Identified` or `LinkEnded`."""

    hidden = ("line",)

    connection: int
    port: int
    line: bytes


class Greet(Value, frozen=True):
    """Send the hello and read the peer's, `expect` bytes; `Greeted`, `Garbled` or `LinkEnded`."""

    connection: int
    hello: bytes
    expect: int


class Secure(Value, frozen=True):
    """From here on records are sealed and opened with these keys; not answered."""

    connection: int
    aead: str
    seal: Callable[[int], bytes]
    open: Callable[[int], bytes]


class Speak(Value, frozen=True):
    """Seal and send a control message, in its turn; not answered."""

    connection: int
    message: Message
    last: bool = False


class Hear(Value, frozen=True):
    """Wait for the next control message; `Heard`, `Garbled` or `LinkEnded`."""

    connection: int


class HalfClose(Value, frozen=True):
    """End the sending direction, after what was spoken; not answered."""

    connection: int


class Hang(Value, frozen=True):
    """Close the data connection; not answered, and nothing more comes of it."""

    connection: int


class SendOffer(Value, frozen=True):
    """Walk the source and send the offer; answered by `OfferSent` or `LocalBroke`."""

    connection: int
    tid: bytes


class Choose(Value, frozen=True):
    """The recipient's choice, or a part of it; `Garbled` where it is not of the offer."""

    connection: int
    accept: Accept


class SendPieces(Value, frozen=True):
    """Send what was chosen, or this connection's share of it; `PiecesSent` or `LocalBroke`.

    All connections of a dial that send pieces share the work between them.
    """

    connection: int


class SendDigests(Value, frozen=True):
    """Read and send the digests of what `Choose` said is held; `DigestsSent` or `LocalBroke`."""

    hidden = ("key",)

    connection: int
    tid: bytes
    key: bytes
    """Of the digests (docs/protocol.md, 9.5)."""


class Narrow(Value, frozen=True):
    """What the recipient still wants, or a part of it; `Garbled` where it was not chosen.

    The first one after a `Choose` or a dial puts the ranges in the place of all that was chosen.
    """

    connection: int
    want: Want


class EndRecords(Value, frozen=True):
    """Seal an empty record with the last flag, in its turn; not answered."""

    connection: int


class BeginOffer(Value, frozen=True):
    """A new offer begins, and the one before it is void; not answered."""


class Consider(Value, frozen=True):
    """Give the sink the next entries of the offer; not answered."""

    hidden = ("entries",)

    entries: tuple[Entry, ...]


class Judge(Value, frozen=True):
    """Let the sink judge the whole offer; answered by `Judged` or `LocalBroke`."""


class TakePieces(Value, frozen=True):
    """From here on pieces may come; as `Hear` for the message behind them, or `LocalBroke`."""

    connection: int


class Compare(Value, frozen=True):
    """Compare digests with what is held; answered by `Compared`, `Garbled` or `LocalBroke`."""

    hidden = ("key",)

    connection: int
    digests: Digests
    key: bytes


class SendWant(Value, frozen=True):
    """Send what the sink lacks of the chosen entries; `WantSent` or `LocalBroke`.

    Only once nothing is being written any more, and nothing is heard or taken until it is done.
    """

    connection: int
    tid: bytes


class Finish(Value, frozen=True):
    """Make everything final; answered by `Finished`, `Garbled` or `LocalBroke`."""

    sizes: tuple[Size, ...] = ()


class ShowVerifier(Value, frozen=True):
    """Show the verifier as four words, by their places in the list of 2,048; not answered.

    Where `ask` is set, the person's word is waited for: `ComparedWords`.
    """

    hidden = ("places",)

    places: tuple[int, int, int, int]
    ask: bool


class Show(Value, frozen=True):
    """Show an event of `croc_core.events` to the person or program; not answered."""

    event: object


Effect = (
    Post | Dial | Greet | Secure | Speak | Hear | HalfClose | Hang | SendOffer | Choose
    | SendPieces | SendDigests | Narrow | EndRecords | BeginOffer | Consider | Judge | TakePieces
    | Compare | SendWant | Finish | Show
    | ShowVerifier
)  # fmt: skip
