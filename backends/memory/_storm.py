"""The weather of a plan: what its faults do to connections."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

from backends import _io as io
from backends.memory._clock import Clock
from backends.memory._host import Host
from backends.memory._plan import Fault, Kind, Plan
from backends.memory._weather import LATENCY, WINDOW, Route, Weather
from backends.memory._wire import End, Wire

EARLY = 3_000
"""Bytes of a connection that are split as finely as the plan says; later ones less."""
FEW = 8
"""So many connections of a host to a listener are split like that; who asks again and again opens
more of them."""
SLOW_READ = 2_000


class Storm(Weather):
    """Faults on the way. `struck` are the faults of the plan that made a difference so far."""

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self.struck: set[Fault] = set()
        self.wires: list[Wire] = []
        self.seen: dict[End, bytearray] = {}
        """What each client has sent, as the relay's network card sees it."""
        self.look: Callable[[End], None] = lambda end: None
        """Called for a client's end after it has sent something."""
        self._plan = plan
        self._clock = clock
        self._chance = random.Random(f"{plan.seed}/storm")  # noqa: S311
        self._passed: Counter[End] = Counter()
        self._dead: set[Wire] = set()
        self._slow = {(f.who, f.kind): f for f in plan.faults if f.kind in _OF_HOSTS}
        everywhere = {f.kind: f for f in plan.faults if f.kind in (Kind.SPLIT, Kind.DELAY)}
        self._split = everywhere.get(Kind.SPLIT)
        self._delay = everywhere.get(Kind.DELAY)
        self.window = self._chance.choice((2_000, 20_000, WINDOW))

    def silence(self, wire: Wire) -> None:
        """Let nothing more pass on *wire*."""
        self._dead.add(wire)

    # ---- as a Weather

    def route(self, wire: Wire) -> Route:
        """See `Weather`."""
        self.wires.append(wire)
        for fault in self._on(wire, Kind.REFUSE, Kind.LOSE):
            self.struck.add(fault)
            return Route(refused=fault.kind is Kind.REFUSE, lost=fault.kind is Kind.LOSE)
        return Route(LATENCY + self._extra())

    def pace(self, end: End, count: int) -> tuple[int, float]:
        """See `Weather`."""
        if count:
            count = self._cut(end, count)
            for fault in self._on(end.wire, Kind.TRUNCATE, Kind.FLIP):
                left = int(fault.at) - self._passed[end]
                if end.is_client and left > 0:
                    count = min(count, left)
        return count, LATENCY + self._extra()

    def read(self, end: End, count: int) -> int:
        """See `Weather`."""
        if self._slow_reader(end):
            return min(count, SLOW_READ)  # by crumbs it would never get to an end
        return self._cut(end, count)

    def rest(self, end: End) -> float:
        """See `Weather`."""
        fault = self._slow_reader(end)
        if fault is None:
            return 0.0
        self.struck.add(fault)
        return fault.size

    def lag(self, host: Host) -> float:
        """See `Weather`."""
        return self._of_host(host, Kind.LAG)

    def work(self, host: Host) -> float:
        """See `Weather`."""
        return self._of_host(host, Kind.SLOW_WORK)

    def reset_loses(self, end: End) -> bool:
        """See `Weather`."""
        del end
        return self._chance.random() < 0.5

    def carry(self, end: End, data: bytes) -> bytes | None:
        """See `Weather`."""
        wire = end.wire
        if end.is_client:
            self.seen.setdefault(end, bytearray()).extend(data)
            self.look(end)
        if wire in self._dead:
            return None
        before = self._passed[end]
        self._passed[end] += len(data)
        for fault in self._on(wire, Kind.RESET, Kind.DROP, Kind.TRUNCATE, Kind.FLIP):
            if fault.kind in (Kind.RESET, Kind.DROP):
                if before + self._passed[end.peer] + len(data) > fault.at:
                    self._break(fault, wire)
                    return None
            elif end.is_client and data and before <= fault.at < before + len(data):
                self.struck.add(fault)
                if fault.kind is Kind.TRUNCATE:
                    self._dead.add(wire)
                    return b""
                at = int(fault.at) - before
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        return data

    # ---- inside

    def _break(self, fault: Fault, wire: Wire) -> None:
        self.struck.add(fault)
        self._dead.add(wire)
        if fault.kind is Kind.RESET:
            self._clock.after(0.0, wire.reset)

    def _on(self, wire: Wire, *kinds: Kind) -> Iterator[Fault]:
        """Yield the faults of those kinds that are for *wire*."""
        port = "http" if wire.listener == io.HTTP else "data"
        for fault in self._plan.faults:
            if fault.kind in kinds and (fault.who, fault.port, fault.number) == (
                wire.client,
                port,
                wire.number,
            ):
                yield fault

    def _slow_reader(self, end: End) -> Fault | None:
        if not end.is_client or end.wire.listener == io.HTTP:
            return None
        return self._slow.get((end.wire.client, Kind.SLOW_READER))

    def _of_host(self, host: Host, kind: Kind) -> float:
        fault = self._slow.get((host.name, kind))
        if fault is None:
            return 0.0
        self.struck.add(fault)
        return self._chance.random() * fault.size

    def _extra(self) -> float:
        if self._delay is None:
            return 0.001 * self._chance.random()
        self.struck.add(self._delay)
        return self._chance.random() * self._delay.size

    def _cut(self, end: End, count: int) -> int:
        if self._split is None:
            return count
        self.struck.add(self._split)
        most = max(1, int(self._split.size))
        if max(end.sent, end.read) > EARLY or end.wire.number >= FEW:
            most = max(most, 20_000)
        return self._chance.randint(1, min(count, most))


_OF_HOSTS = (Kind.LAG, Kind.SLOW_WORK, Kind.SLOW_READER)
