"""What a world is made of: the symbolic key agreement, the two parties, the outsider.

Everything here is a frozen, hashable value. A party is the machine's own state and what its hands
hold: the request under way, the data connection, jobs, the file. Data connections are modelled at
the level of messages; hellos and keys are the core's own.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, NamedTuple

from croc_core.encoding import lv_cat
from croc_core.handshake import CapsOffer, Policy, finish, respond, start
from croc_core.pake import Abort, Suite
from croc_core.recipient_judge import RecipientContext
from croc_core.relay_io import Input as RelayInput
from croc_core.sender_judge import SenderContext
from croc_core.values import Moment, Role, Secret

NOW = Moment(0.0, 0)
"""Time is abstract: no clock moves, and whatever waits may find that its deadline has passed."""
LATER = Moment(1e9, 0)
"""Past every deadline that a state can hold: only whether there is one makes a difference."""
CHANNEL = "dune"
CURVE = "symbolic"
PORTS = (9010, 9011, 9012)
SECRET = Secret(b"right-secret-word")
WRONG = Secret(b"wrong-secret-word")
PIECES = 2
"""The one file is so many pieces."""
SIZE = 2


NONCE = 16
"""Length of a join's nonce."""


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


class Chance:
    """Chance that is counted: `mark` is of the run, `at` is how often something was drawn.

    Equal histories draw equal bytes, and no two steps of a run the same, but for the nonces of
    joins: they are constant, so that a recipient may look for channels as long as it likes.
    """

    def __init__(self, mark: bytes, at: int = 0) -> None:
        self.mark, self.at = mark, at
        self.nonces = False
        self.drawn = False

    def __call__(self, length: int) -> bytes:
        if self.nonces and length == NONCE:
            return self.mark * length
        self.drawn = True
        return self.mark * (length - 1) + bytes([self.at])


class Case(NamedTuple):
    """What a run is about."""

    right: bool = True
    """Whether the recipient's secret is the sender's."""
    kept: str = ""
    """What the recipient's disk has of the file: nothing, or its first piece, good or rotten."""
    verify: tuple[bool, bool] = (False, False)
    """Whether the sender's and the recipient's person want to compare the words."""
    streams: int = 1
    """Over how many connections data is sent: 2 makes 3 connections."""


RIGHT = Case()


def sender_context(case: Case = RIGHT) -> SenderContext:
    return SenderContext(
        secret=SECRET,
        phrase="words",
        relay="http://relay",
        entropy=Chance(b"S"),
        channel=CHANNEL,
        curve=CURVE,
        caps=CapsOffer(verify=case.verify[0]),
        streams=case.streams,
        suite=lambda _: SUITE,
    )


def recipient_context(case: Case = RIGHT) -> RecipientContext:
    return RecipientContext(
        channel=CHANNEL,
        secret=SECRET if case.right else WRONG,
        entropy=Chance(b"R"),
        policy=Policy(suites=(CURVE,), verify=case.verify[1]),
        streams=case.streams,
        suite=lambda _: SUITE,
    )


class Truth(NamedTuple):
    """The only values by which the two honest parties can confirm each other."""

    x: str
    y: str
    hh_k: str
    h_k: str


@cache
def honest(
    secret: Secret, byte: bytes = b"R", at: int = 0, verify: tuple[bool, bool] = (False, False)
) -> Truth:
    """What the sender, which has drawn so often, and a recipient that holds *secret*, post."""
    made = start(SUITE, CHANNEL, SECRET, CapsOffer(verify=verify[0]), Chance(b"S", at))
    policy = Policy(suites=(CURVE,), verify=verify[1])
    answer = respond(lambda _: SUITE, CHANNEL, CURVE, made.x, secret, policy, Chance(byte))
    return Truth(made.x, answer.y, answer.hh_k, answer.session.h_k_wire)


TRUTH = honest(SECRET)
GUESS = honest(WRONG, b"O")
"""What somebody can post who has to guess the secret; its x is the sender's."""
assert finish(start(SUITE, CHANNEL, SECRET, CapsOffer(), Chance(b"S")), SUITE, *TRUTH[1:3])


# ---- the parties' hands

PAUSED, UP, HELD, DOWN, LOST = "paused", "up", "held", "down", "lost"
"""A request waits, is on its way, held by the relay, answered, or lost with its answer."""


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
    """line, hello, record, piece, over (an empty last record), junk or end."""
    what: Any = None
    key: bytes = b""
    last: bool = False


END = Item("end")
JUNK = Item("junk")


class Link(NamedTuple):
    """A party's data connection: its number at the relay, its line, which one it is, its port."""

    number: int
    line: bytes
    connection: int = 0
    port: int = 0
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
    unseen: int = -1
    """Of our hello on it, while nobody can have seen that: how much had been drawn before."""


class Old(NamedTuple):
    """A connection that its party has left, and the relay does not know it yet."""

    number: int
    line: bytes
    pair: int = 0


class Dead(NamedTuple):
    """The process is gone; it was in this state."""

    was: str


class Job(NamedTuple):
    """Something that the hands are at."""

    kind: str
    connection: int = 0
    of: Any = None


class Actor(NamedTuple):
    """A party: the machine's state and what its hands hold."""

    role: Role
    state: Any
    case: Case
    address: str
    ask: Ask | None = None
    ghosts: tuple[tuple[str, bytes], ...] = ()
    """Requests on their way that nobody waits for any more: (path, body)."""
    links: tuple[Link, ...] = ()
    """By their connection."""
    old: tuple[Old, ...] = ()
    jobs: tuple[Job, ...] = ()
    todo: tuple[int, ...] = ()
    """The sender's: the pieces that are wanted, and nobody has taken on in this dial."""
    wanted: tuple[int, ...] = ()
    """The sender's: the pieces that are wanted."""
    fresh: bool = True
    """Whether the next part of a `Want` begins afresh."""
    kept: str = ""
    """The recipient's: what its disk has from before this offer."""
    got: tuple[int, ...] = ()
    """The recipient's: the pieces that it has, and that are right."""
    wrote: tuple[int, ...] = ()
    """Those that it was sent in this dial."""
    held: bool = False
    """The file is whole, under its final name."""
    confirmed: bool = False
    """It has been handed the one proof that only its peer can make."""
    tried: int = 0
    """How many values of the other side the words of the code were tried against."""
    draws: int = 0
    hellos: tuple[bytes, ...] = ()
    """The ends of those that it has sent."""
    words: tuple[bytes, Any] | None = None
    """The session whose verifier was shown, and what was shown."""
    agreed: bool = False
    """Its person has said that the words are the same."""
    shown: bool = False
    """The code has been shown."""
    told: bool = False
    """The receipt has been heard."""
    broke: str = ""
    """How the core broke, or broke what must hold, if it did."""

    @property
    def right(self) -> bool:
        return self.case.right

    def link(self, connection: int) -> Link | None:
        return next((x for x in self.links if x.connection == connection), None)

    def with_link(self, link: Link) -> Actor:
        """With *link* in the place of what it had as that connection."""
        others = [x for x in self.links if x.connection != link.connection]
        return self._replace(links=tuple(sorted((*others, link), key=_connection)))

    def without(self, connection: int) -> Actor:
        return self._replace(links=tuple(x for x in self.links if x.connection != connection))


def _connection(link: Link) -> int:
    return link.connection


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
FIRST_LINK = (1, 101, 201)


def owner(link: int) -> int:
    """Whose a link with this number is."""
    return (link - 1) // 100


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
