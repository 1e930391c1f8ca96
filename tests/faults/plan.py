"""What goes wrong in a run, and when: drawn by a seed, so that it can be drawn again."""

from __future__ import annotations

import random
from typing import NamedTuple

from tests.faults.trees import SHAPES

BACKENDS = ("asyncio", "threading")
KILLS: tuple[tuple[str, ...], ...] = (
    ("sender",),
    ("recipient",),
    ("relay",),
    ("sender", "recipient"),
    ("sender", "relay"),
    ("recipient", "relay"),
    ("sender", "recipient", "relay"),
)
_WEIGHTS = (8, 8, 8, 2, 1, 1, 1)


class Moment(NamedTuple):
    """When it happens: at a share of the bytes, or some time after an event."""

    share: float | None
    """Of all bytes that are to come; None: by time."""
    anchor: str = "start"
    """After the recipient's start, or one of its events."""
    delay: float = 0.0
    """In seconds."""

    def __str__(self) -> str:
        if self.share is not None:
            return f"at {self.share:.4f} of the bytes"
        return f"{self.delay:.3f} s after {self.anchor}"


class Fault(NamedTuple):
    """What happens to one attempt."""

    moment: Moment
    victims: tuple[str, ...]
    """Who is killed; nobody: connections are cut."""
    more: tuple[float, ...] = ()
    """Shares of the bytes at which connections are cut once more."""
    pause: float = 0.0
    """How long the relay stays away, in seconds."""

    @property
    def kind(self) -> str:
        """What happens, in words."""
        return f"kill -9 of {' and '.join(self.victims)}" if self.victims else "cut"

    def __str__(self) -> str:
        again = f", again at {', '.join(f'{share:.3f}' for share in self.more)}" * bool(self.more)
        away = f", relay away {self.pause:.1f} s" * ("relay" in self.victims)
        return f"{self.kind} {self.moment}{again}{away}"


class Plan(NamedTuple):
    """A run: attempts with a fault each, then one without any."""

    number: int
    shape: str
    streams: int
    rate: str
    """Of the throttle; empty: none, so that much of a transfer is on its way at any moment."""
    relay: str
    sender: str
    recipient: str
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        faults = "; then ".join(map(str, self.faults))
        return (
            f"run {self.number}: {self.shape}, {self.streams} streams, "
            f"rate {self.rate or 'any'}, relay {self.relay}, sender {self.sender}, "
            f"recipient {self.recipient}: {faults}"
        )


def draw(seed: int, number: int) -> Plan:
    """Draw run *number* of *seed*."""
    chance = random.Random(f"faults {seed} {number}")
    victims = () if number % 5 == 4 else chance.choices(KILLS, _WEIGHTS)[0]
    faults = [_fault(chance, victims)]
    while len(faults) < 3 and chance.random() < 0.25:
        faults.append(_fault(chance, chance.choices(KILLS, _WEIGHTS)[0]))
    return Plan(
        number,
        chance.choice(SHAPES),
        chance.choice((1, 1, 3)),
        chance.choice(("", "12M", "25M")),
        BACKENDS[number // 10 % 2],  # a relay serves ten runs
        chance.choice(BACKENDS),
        chance.choice(BACKENDS),
        tuple(faults),
    )


def _fault(chance: random.Random, victims: tuple[str, ...]) -> Fault:
    more: tuple[float, ...] = ()
    if not victims:
        more = tuple(sorted(chance.random() for _ in range(chance.choice((0, 0, 1, 2)))))
    return Fault(_moment(chance), victims, more, chance.choice((0.0, 0.0, chance.uniform(0, 2))))


def _moment(chance: random.Random) -> Moment:
    drawn = chance.random()
    if drawn < 0.7:
        return Moment(chance.random())
    if drawn < 0.8:  # around the end
        return Moment(1 - chance.random() ** 4 * 0.01)
    if drawn < 0.9:
        return Moment(None, "offer", chance.uniform(0, 0.1))
    return Moment(None, "start", chance.uniform(0, 1.2))
