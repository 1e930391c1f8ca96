"""What a world is made of: the symbolic key agreement, the two parties, the outsider.

Everything here is a frozen, hashable value. A party is the machine's own state and what its hands
hold: the request under way, the data connection, jobs, the file. Data connections are modelled at
the level of messages; hellos and keys are the core's own.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from croc_core.encoding import lv_cat
from croc_core.handshake import CapsOffer, Policy, finish, respond, start
from croc_core.pake import Abort, Suite
from croc_core.recipient_judge import RecipientContext
from croc_core.relay_io import Input as RelayInput
from croc_core.sender_judge import SenderContext
from croc_core.values import Entropy, Moment, Role, Secret

NOW = Moment(0.0, 0)
"""Time is abstract: no clock moves, and whatever waits may find that its deadline has passed."""
CHANNEL = "dune"
CURVE = "symbolic"
PORTS = (9010, 9011)
SECRET = Secret(b"right-secret-word")
WRONG = Secret(b"wrong-secret-word")
PIECES = 2
"""The one file is so many pieces."""
SIZE = 2


class Symbolic:
    """A key agreement without a group: equal secrets and a pair of scalars give equal keys."""

    name = CURVE
    dsi = b"symbolic"
    share_length = 16
    scalar_length = 8

    def hash(self, data: bytes) -> bytes:
        return hashlib.sha512(data).digest()

    def generator(self, prs: bytes, ci: bytes, sid: bytes) -> bytes:
        return hashlib.sha256(lv_cat(prs, ci, sid)).digest()[:8]

    def scalar(self, entropy: bytes) -> bytes:
        return entropy

    def share(self, scalar: bytes, generator: bytes) -> bytes:
        return generator + scalar

    def agree(self, scalar: bytes, share: bytes) -> bytes:
        if len(share) != self.share_length:
            raise Abort("not a share")
        return share[:8] + b"".join(sorted((scalar, share[8:])))

    def reflected(self, mine: bytes, theirs: bytes) -> bool:
        return mine == theirs


SUITE: Suite = Symbolic()


def constant(byte: bytes) -> Entropy:
    """Chance that never changes, so that equal histories are equal states."""
    return lambda length: byte * length


def sender_context() -> SenderContext:
    return SenderContext(
        secret=SECRET,
        phrase="words",
        relay="http://relay",
        entropy=constant(b"S"),
        channel=CHANNEL,
        curve=CURVE,
        suite=lambda _: SUITE,
    )


def recipient_context(secret: Secret = SECRET) -> RecipientContext:
    return RecipientContext(
        channel=CHANNEL,
        secret=secret,
        entropy=constant(b"R"),
        policy=Policy(suites=(CURVE,)),
        suite=lambda _: SUITE,
    )


class Truth(NamedTuple):
    """The only values by which the two honest parties can confirm each other."""

    x: str
    y: str
    hh_k: str
    h_k: str


def honest(secret: Secret, byte: bytes = b"R") -> Truth:
    """What the sender, and a recipient that holds *secret*, post."""
    made = start(SUITE, CHANNEL, SECRET, CapsOffer(), constant(b"S"))
    policy = Policy(suites=(CURVE,))
    answer = respond(lambda _: SUITE, CHANNEL, CURVE, made.x, secret, policy, constant(byte))
    return Truth(made.x, answer.y, answer.hh_k, answer.session.h_k_wire)


TRUTH = honest(SECRET)
GUESS = honest(WRONG, b"O")
"""What somebody can post who has to guess the secret; its x is the sender's."""
assert finish(
    start(SUITE, CHANNEL, SECRET, CapsOffer(), constant(b"S")), SUITE, TRUTH.y, TRUTH.hh_k
)


# ---- the parties' hands

UP, HELD, DOWN, LOST = "up", "held", "down", "lost"
"""A request is on its way, held by the relay, answered, or lost with or before its answer."""


class Ask(NamedTuple):
    """The request under way."""

    stage: str
    path: str
    body: bytes
    status: int = 0
    reply: bytes = b""
    refused: bool = False
    """Of a lost one: the relay could not even be reached."""


DIALLED, WAITING, STAPLED, GONE = "dialled", "waiting", "stapled", "gone"


class Item(NamedTuple):
    """Something on its way to a party over its data connection."""

    kind: str
    """line, hello, record, piece, junk or end."""
    what: Any = None
    key: bytes = b""
    last: bool = False


END = Item("end")
JUNK = Item("junk")


class Link(NamedTuple):
    """A party's data connection."""

    number: int
    line: bytes
    stage: str = DIALLED
    pair: int = 0
    inbox: tuple[Item, ...] = ()
    outbox: tuple[Item, ...] = ()
    """Sent before there was anybody to read it."""
    hearing: bool = True
    mode: str = "line"
    seal: bytes = b""
    open: bytes = b""
    takes_pieces: bool = False
    out_closed: bool = False


class Old(NamedTuple):
    """A connection that its party has left, and the relay does not know it yet."""

    number: int
    line: bytes
    pair: int = 0


class Dead(NamedTuple):
    """The process is gone; it was in this state."""

    was: str


class Actor(NamedTuple):
    """A party: the machine's state and what its hands hold."""

    role: Role
    state: Any
    right: bool
    """Whether its secret is the sender's."""
    address: str
    ask: Ask | None = None
    ghosts: tuple[tuple[str, bytes], ...] = ()
    """Requests on their way that nobody waits for any more: (path, body)."""
    link: Link | None = None
    old: tuple[Old, ...] = ()
    jobs: tuple[tuple[str, bytes], ...] = ()
    pieces: int = 0
    held: bool = False
    """The file is whole, under its final name."""
    confirmed: bool = False
    """It has been handed the one proof that only its peer can make."""
    shown: bool = False
    """The code has been shown."""
    told: bool = False
    """The receipt has been heard."""
    broke: str = ""
    """How the core broke, if it did."""


class Outsider(NamedTuple):
    """Somebody who knows the channel and not the secret."""

    left: int
    """How many more things it will get done."""
    uuid: str = ""
    line: bytes = b""
    pair: int = 0


SENDER, RECIPIENT, OUTSIDER = 0, 1, 2
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
ROAMED = ("10.0.0.4", "10.0.0.5")
ASK = (1, 2, 3)
GHOST = (101, 102)
FIRST_LINK = (1, 11, 21)


def owner(link: int) -> int:
    """Whose a link with this number is."""
    return (link - 1) // 10


# ---- what goes from one to another


class ToRelay(NamedTuple):
    inputs: tuple[RelayInput, ...]


class ToPeer(NamedTuple):
    pair: int
    items: tuple[Item, ...]


class Ended(NamedTuple):
    """A side of this staple is gone."""

    pair: int


Emission = ToRelay | ToPeer | Ended


class Answered(NamedTuple):
    status: int
    body: bytes


class Said(NamedTuple):
    number: int
    data: bytes


class Dropped(NamedTuple):
    number: int


class Joined(NamedTuple):
    """Stapled."""

    number: int
    pair: int


class CutOff(NamedTuple):
    pair: int


class Restarted(NamedTuple):
    pass


class Came(NamedTuple):
    pair: int
    items: tuple[Item, ...]


Delivery = Answered | Said | Dropped | Joined | CutOff | Restarted | Came
