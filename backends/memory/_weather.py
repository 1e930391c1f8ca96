"""How a network treats what passes through it. This one is calm; a simulation has storms."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from backends.memory._host import Host
    from backends.memory._wire import End, Wire

LATENCY = 0.01
"""From one host to another, in seconds."""
WINDOW = 1 << 18
"""How many bytes one direction of a connection holds that were sent and not yet read."""
READ = 1 << 16
"""Most bytes that one read gives."""


class Route(NamedTuple):
    """What becomes of a dial: a connection, a refusal, or with `lost` no answer at all."""

    seconds: float = LATENCY
    refused: bool = False
    lost: bool = False


class Weather:
    """A calm day: everything passes whole, in order, a hundredth of a second later."""

    window = WINDOW

    def route(self, wire: Wire) -> Route:
        """Say what becomes of the dial of *wire*."""
        del wire
        return Route()

    def pace(self, end: End, count: int) -> tuple[int, float]:
        """Say how many of *count* bytes that *end* sends travel together, and for how long."""
        del end
        return count, LATENCY

    def carry(self, end: End, data: bytes) -> bytes | None:
        """Return what becomes of *data* on its way from *end*; None: it vanishes, without a word.

        Empty is the end of the stream, both as *data* and as the answer. Who resets the connection
        here does so by the clock.
        """
        del end
        return data

    def read(self, end: End, count: int) -> int:
        """Say how many of the *count* bytes that are there one read gives: at least one."""
        del end
        return count

    def rest(self, end: End) -> float:
        """How long *end* reads nothing after a read, in seconds."""
        del end
        return 0.0

    def lag(self, host: Host) -> float:
        """How long a host takes to notice something, in seconds."""
        del host
        return 0.0

    def work(self, host: Host) -> float:
        """How long a call of `Work` takes, in seconds."""
        del host
        return 0.001

    def reset_loses(self, end: End) -> bool:
        """Say whether a reset takes along what was there to be read."""
        del end
        return False
