"""The two closed vocabularies of the sender and the recipient: what happened, and what to do.

`connection` numbers the data connections of a run from 0 (docs/protocol.md, "Several connections").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from croc_core.content import Arrived, Entry, Totals, Verdict
from croc_core.errors import Code, Failure
from croc_core.messages import Accept, Message, Size

# ---- what happened


@dataclass(frozen=True, slots=True)
class Started:
    """The run may begin."""


@dataclass(frozen=True, slots=True)
class Replied:
    """The relay's answer to the latest `Post`."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The latest `Post` got no answer; `refused` where the relay could not even be reached."""

    refused: bool
    cause: str


@dataclass(frozen=True, slots=True)
class Identified:
    """The relay's answer to the identification line, newline included."""

    connection: int
    answer: bytes


@dataclass(frozen=True, slots=True)
class Greeted:
    """The peer's hello has come, as many bytes as were asked for, unchecked."""

    connection: int
    hello: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """A control message; `last` where it ends the record with the last flag."""

    connection: int
    message: Message
    last: bool


@dataclass(frozen=True, slots=True)
class LinkEnded:
    """The data connection is over: cleanly, or broken for the stated cause."""

    connection: int
    cause: str


@dataclass(frozen=True, slots=True)
class Garbled:
    """What came over the data connection is not what the protocol allows."""

    connection: int
    why: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes have come or gone on a data connection since the last time."""


@dataclass(frozen=True, slots=True)
class OfferSent:
    """`SendOffer` is done."""

    totals: Totals


@dataclass(frozen=True, slots=True)
class PiecesSent:
    """`SendPieces` is done."""

    totals: Totals
    sizes: tuple[Size, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """`Judge` is done."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Decided:
    """The person, or a flag in their place, has decided about the offer."""

    accept: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """`Finish` is done: all that was chosen is whole, under its final name."""

    arrived: Arrived


@dataclass(frozen=True, slots=True)
class LocalBroke:
    """Files of this computer could not be read or written, or the offer is over a limit of it."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The person, a signal or the program that owns the run ends it."""

    code: Code


@dataclass(frozen=True, slots=True)
class Woke:
    """The machine's deadline has passed."""


Input = (
    Started | Replied | Unanswered | Identified | Greeted | Heard | LinkEnded | Garbled | Moved
    | OfferSent | PiecesSent | Judged | Decided | Finished | LocalBroke | Interrupted | Woke
)  # fmt: skip


# ---- what to do


@dataclass(frozen=True, slots=True)
class Post:
    """Send an HTTP request; an earlier one that has no answer is given up.

    Answered by one `Replied` or `Unanswered`. `after`: seconds to wait first. `wait`: seconds that
    the relay may take before it answers.
    """

    path: str
    body: bytes = field(repr=False)
    after: float = 0.0
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to a data port and identify; answered by `Identified` or `LinkEnded`."""

    connection: int
    port: int
    line: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Greet:
    """Send the hello and read the peer's, `expect` bytes; `Greeted`, `Garbled` or `LinkEnded`."""

    connection: int
    hello: bytes
    expect: int


@dataclass(frozen=True, slots=True)
class Secure:
    """From here on records are sealed and opened with these keys; not answered."""

    connection: int
    aead: str
    seal: Callable[[int], bytes]
    open: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Speak:
    """Seal and send a control message, in its turn; not answered."""

    connection: int
    message: Message
    last: bool = False


@dataclass(frozen=True, slots=True)
class Hear:
    """Wait for the next control message; `Heard`, `Garbled` or `LinkEnded`."""

    connection: int


@dataclass(frozen=True, slots=True)
class HalfClose:
    """End the sending direction, after what was spoken; not answered."""

    connection: int


@dataclass(frozen=True, slots=True)
class Hang:
    """Close the data connection; not answered, and nothing more comes of it."""

    connection: int


@dataclass(frozen=True, slots=True)
class SendOffer:
    """Walk the source and send the offer; answered by `OfferSent` or `LocalBroke`."""

    connection: int
    tid: bytes


@dataclass(frozen=True, slots=True)
class Choose:
    """The recipient's choice, or a part of it; `Garbled` where it is not of the offer."""

    connection: int
    accept: Accept


@dataclass(frozen=True, slots=True)
class SendPieces:
    """Send what was chosen; answered by `PiecesSent` or `LocalBroke`."""

    connection: int


@dataclass(frozen=True, slots=True)
class Consider:
    """Give the sink the next entries of the offer; not answered."""

    entries: tuple[Entry, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Judge:
    """Let the sink judge the whole offer; answered by `Judged` or `LocalBroke`."""


@dataclass(frozen=True, slots=True)
class TakePieces:
    """From here on pieces may come; as `Hear` for the message behind them, or `LocalBroke`."""

    connection: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Make everything final; answered by `Finished`, `Garbled` or `LocalBroke`."""

    sizes: tuple[Size, ...] = ()


@dataclass(frozen=True, slots=True)
class Show:
    """Show an event of `croc_core.events` to the person or program; not answered."""

    event: object


Effect = (
    Post | Dial | Greet | Secure | Speak | Hear | HalfClose | Hang | SendOffer | Choose
    | SendPieces | Consider | Judge | TakePieces | Finish | Show
)  # fmt: skip
