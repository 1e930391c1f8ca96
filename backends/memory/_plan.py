"""What a simulated transfer is made of: files, people, and what goes wrong. A plan is a value."""

from __future__ import annotations

import enum
import random

import msgspec


class Kind(enum.StrEnum):
    """What can go wrong."""

    SPLIT = "split"
    """Bytes travel and are read in pieces of at most `size` bytes."""
    DELAY = "delay"
    """Everything takes up to `size` seconds longer."""
    LAG = "lag"
    """The host takes up to `size` seconds to notice anything."""
    SLOW_WORK = "slow_work"
    """The host's files take up to `size` seconds for each call."""
    SLOW_READER = "slow_reader"
    """The host reads at most 2,000 bytes from a data port, then rests `size` seconds."""
    DUPLICATE = "duplicate"
    """The host's HTTP request `number` is sent a second time, `size` seconds later."""
    CLOCK = "clock"
    """The host's wall clock jumps by `size` seconds at `at` seconds."""
    RESET = "reset"
    """Connection `number` of the host to `port` breaks after `at` bytes."""
    DROP = "drop"
    """Connection `number` of the host to `port` is silent after `at` bytes, both ways."""
    REFUSE = "refuse"
    """Dial `number` of the host to `port` is refused."""
    LOSE = "lose"
    """Dial `number` of the host to `port` gets no answer."""
    TRUNCATE = "truncate"
    """What the host sends on data connection `number` ends after `at` bytes."""
    FLIP = "flip"
    """Of what the host sends on data connection `number`, bit 0 of byte `at` is turned over."""
    RESTART = "restart"
    """The relay fails at `at` seconds and comes back `size` seconds later, with no memory."""
    NAT = "nat"
    """The host's address changes at `at` seconds, and its connections break."""
    INTERRUPT = "interrupt"
    """The host's person presses Ctrl-C at `at` seconds."""
    CRASH = "crash"
    """The host fails at `at` seconds; its connections end, or with `size` are silent."""
    FULL_DISK = "full_disk"
    """The recipient's disk is full after `at` bytes."""
    BAD_FILE = "bad_file"
    """The sender's disk fails after `at` bytes were read."""
    DECLINE = "decline"
    """The recipient says no."""
    LATE = "late"
    """The recipient decides after `size` seconds."""
    WRONG_CODE = "wrong_code"
    """The recipient types another code."""
    BURN = "burn"
    """Somebody else joins the channel with a guess, `at` seconds after the code stands."""
    JUNK = "junk"
    """A stranger sends the relay nonsense at `at` seconds, on `port`."""
    GUESS = "guess"
    """A stranger who knows the channel guesses uuids, on `port`."""
    CRAWL = "crawl"
    """A stranger begins a request at `at` seconds and sends a byte every `size` seconds."""
    NEIGHBOURS = "neighbours"
    """Two other people use the relay at the same time."""


class Fault(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that goes wrong; see `Kind` for what the fields mean."""

    kind: Kind
    who: str = ""
    port: str = ""
    """ "http" or "data"."""
    number: int = 0
    at: float = 0.0
    size: float = 0.0


class Plan(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A transfer and its faults; `seed` decides all else."""

    seed: int
    sizes: tuple[int, ...] = (1000,)
    """Of the files, in bytes."""
    faults: tuple[Fault, ...] = ()
    curve: str = "x25519"
    streams: int = 1
    """Over how many data connections both would send files."""
    why: str = ""
    """What this plan once found, for one that is kept."""


def encode(plan: Plan) -> str:
    """Return *plan* as one line of JSON."""
    return msgspec.json.encode(plan).decode()


def decode(text: str | bytes) -> Plan:
    """Return the plan that `encode` wrote; ValueError where it is none."""
    return msgspec.json.decode(text, type=Plan)


# ---- what must succeed all the same

BENIGN = frozenset(
    {Kind.SPLIT, Kind.SLOW_READER, Kind.DUPLICATE, Kind.LATE, Kind.JUNK, Kind.GUESS, Kind.CRAWL,
     Kind.NEIGHBOURS, Kind.SLOW_WORK}
)  # fmt: skip
"""Faults that no transfer may fail of, within the sizes that `draw` gives them."""


ENDLESS = 400_000.0
"""Seconds of rest for each read times bytes: who reads more slowly is not waited for to the end."""
PROMPT = frozenset(
    {Kind.SPLIT, Kind.DUPLICATE, Kind.JUNK, Kind.GUESS, Kind.CRAWL, Kind.NEIGHBOURS}
)  # fmt: skip
"""Faults that do not even hold a transfer up."""


def is_harmless(plan: Plan) -> bool:
    """Say whether the transfer must succeed in spite of all faults."""
    lost = sum(_costs_a_request(fault) for fault in plan.faults)
    # A byte at a time, and a rest behind each: that is too slow in itself.
    kinds = {fault.kind for fault in plan.faults}
    crumbs = Kind.SPLIT in kinds and Kind.LAG in kinds
    rests = [fault.size for fault in plan.faults if fault.kind is Kind.SLOW_READER]
    endless = sum(rests) * sum(plan.sizes) > ENDLESS
    return (
        lost <= 1
        and not (crumbs or endless)
        and all(
            fault.kind in BENIGN or _is_small(fault) or _costs_a_request(fault)
            for fault in plan.faults
        )
    )


def _is_small(fault: Fault) -> bool:
    match fault.kind:
        case Kind.DELAY | Kind.LAG:
            return fault.size <= 0.5
        case Kind.CLOCK:
            return fault.who != "relay" or fault.size < 36_000
    return False


def _costs_a_request(fault: Fault) -> bool:
    """Whether a request is lost, which is repeated; the first dial of all says who is there."""
    if fault.port != "http":
        return False
    return fault.kind in (Kind.RESET, Kind.DROP) or (
        fault.kind in (Kind.REFUSE, Kind.LOSE) and fault.number > 0
    )


# ---- drawing

PEOPLE = ("sender", "recipient")
HOSTS = (*PEOPLE, "relay")
_SIZES = (0, 1, 30, 400, 5_000, 70_000, 700_000)
_SIZE_WEIGHTS = (2, 2, 4, 6, 6, 4, 1)
_KINDS = {
    Kind.SPLIT: 8, Kind.DELAY: 7, Kind.LAG: 5, Kind.SLOW_WORK: 3, Kind.SLOW_READER: 4,
    Kind.DUPLICATE: 8, Kind.CLOCK: 4, Kind.RESET: 14, Kind.DROP: 8, Kind.REFUSE: 2, Kind.LOSE: 2,
    Kind.TRUNCATE: 3, Kind.FLIP: 3, Kind.RESTART: 8, Kind.NAT: 6, Kind.INTERRUPT: 4, Kind.CRASH: 4,
    Kind.FULL_DISK: 3, Kind.BAD_FILE: 2, Kind.DECLINE: 1, Kind.LATE: 3, Kind.WRONG_CODE: 1,
    Kind.BURN: 2, Kind.JUNK: 4, Kind.GUESS: 3, Kind.CRAWL: 3, Kind.NEIGHBOURS: 3,
}  # fmt: skip
_GENTLE = BENIGN | {Kind.DELAY, Kind.LAG, Kind.CLOCK}
_CURVES = ("p256", "p384")


def draw(seed: int) -> Plan:
    """Return the plan of *seed*: one in ten is without a fault, three in ten with gentle ones."""
    chance = random.Random(f"{seed}/plan")  # noqa: S311
    sizes = tuple(
        chance.randrange(size // 2, size + 1)
        for size in chance.choices(_SIZES, _SIZE_WEIGHTS, k=chance.choice((1, 1, 2, 3, 6)))
    )
    mood = chance.random()
    count = 0 if mood < 0.1 else chance.choice((1, 1, 1, 2, 2, 3, 4))
    gentle = mood < 0.4
    kinds = {kind: weight for kind, weight in _KINDS.items() if not gentle or kind in _GENTLE}
    picked = chance.choices(tuple(kinds), tuple(kinds.values()), k=count)
    faults = tuple(_fault(kind, chance, sum(sizes), gentle) for kind in dict.fromkeys(picked))
    curve = chance.choice(_CURVES) if chance.random() < 0.02 else "x25519"
    streams = chance.choice((2, 3)) if chance.random() < 0.2 else 1
    return Plan(seed, sizes, faults, curve, streams)


def _fault(kind: Kind, chance: random.Random, total: int, gentle: bool) -> Fault:
    who = chance.choice(PEOPLE)
    port = chance.choice(("http", "data"))
    moment = round(chance.random() * chance.choice((0.1, 1.5, 1.5, 1.5, 5.0, 40.0)), 3)
    match kind:
        case Kind.RESET | Kind.DROP:
            port = chance.choice((port, "data"))
            return Fault(kind, who, port, _number(chance), _byte(chance, port, total))
        case Kind.TRUNCATE | Kind.FLIP:
            return Fault(kind, who, "data", _number(chance), _byte(chance, "data", total))
        case Kind.REFUSE | Kind.LOSE:
            return Fault(kind, who, port, _number(chance))
        case Kind.RESTART:
            return Fault(kind, "relay", at=moment, size=chance.choice((0.0, 0.3, 5.0, 90.0)))
        case Kind.CRASH:
            return Fault(kind, who, at=moment, size=chance.choice((0.0, 1.0)))
        case Kind.NAT | Kind.INTERRUPT:
            return Fault(kind, who, at=moment)
        case Kind.FULL_DISK | Kind.BAD_FILE:
            return Fault(kind, at=chance.randrange(total + 1))
        case Kind.CLOCK:
            hours = chance.choice((-30.0, -1.0, 1.0) if gentle else (-1.0, 1.0, 30.0))
            return Fault(kind, chance.choice(HOSTS), at=moment, size=hours * 3600)
        case Kind.BURN:
            return Fault(kind, at=round(1.5 * chance.random(), 3))
        case Kind.CRAWL:
            return Fault(kind, "stranger", port, at=moment, size=chance.choice((0.5, 3.0, 40.0)))
    if kind in _PACES:
        return _slowness(kind, who, chance, gentle)
    return Fault(kind, port=port, at=moment)


_PACES = {
    Kind.SPLIT: (1, 2, 7, 60, 1400),
    Kind.DELAY: (0.05, 0.5, 0.5, 4.0, 30.0),
    Kind.LAG: (0.01, 0.3, 0.3, 3.0),
    Kind.SLOW_WORK: (1.0, 20.0, 100.0),
    Kind.SLOW_READER: (0.01, 0.3, 2.0),
    Kind.DUPLICATE: (0.0, 0.02, 0.5, 30.0),
    Kind.LATE: (0.1, 5.0, 200.0),
}


def _slowness(kind: Kind, who: str, chance: random.Random, gentle: bool) -> Fault:
    paces = _PACES[kind]
    if gentle and kind in (Kind.DELAY, Kind.LAG):
        paces = paces[:-1][:3]
    size = chance.choice(paces)
    match kind:
        case Kind.SPLIT | Kind.DELAY | Kind.LATE:
            who = ""
        case Kind.LAG:
            who = chance.choice(HOSTS)
        case Kind.SLOW_WORK:
            who = "recipient"
    number = chance.randrange(8) if kind is Kind.DUPLICATE else 0
    return Fault(kind, who, number=number, size=size)


def _number(chance: random.Random) -> int:
    return chance.choice((0, 0, 0, 0, 0, 1, 2))


def _byte(chance: random.Random, port: str, total: int) -> float:
    """Pick a byte of a connection: near its beginning, about the receipt, or anywhere."""
    if port == "http":
        return chance.randrange(chance.choice((1, 400, 4_000)))
    receipt = total + 470 + chance.randrange(160)
    return chance.choice((chance.randrange(300), chance.randrange(total + 900), receipt))
