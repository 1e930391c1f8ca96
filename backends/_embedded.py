"""A sender with a relay of its own, as one node: `send FILE` with nothing else running."""

from __future__ import annotations

from collections.abc import Callable

from backends._addresses import usable
from backends._io import Effect, Input, Started, Tell, Told, Unstapled, Woke, Worked
from backends._options import Where
from backends._party_node import SenderNode
from backends._relay_node import RelayNode
from croc_core.errors import Failure
from croc_core.events import Listening
from croc_core.values import Moment

LINGER = 3.0
"""How long the relay outstays the sender, so that the recipient hears of the end, in seconds."""


class Embedded:
    """Routes what happens to the relay or to the sender.

    The backend's own connections (odd numbers) are the relay's, the dialled ones the sender's.
    """

    def __init__(
        self, relay: RelayNode, host: str | None, party: Callable[[Where, str], SenderNode]
    ) -> None:
        self._relay = relay
        self._host = host
        self._make = party
        self._party: SenderNode | None = None
        self._until: float | None = None
        self._now = 0.0

    @property
    def failure(self) -> Failure | None:
        """How the sender's run ended."""
        return None if self._party is None else self._party.failure

    @property
    def finished(self) -> bool:
        """See `Node`: the sender is done, and the recipient has gone or had time to."""
        if self._until is None:
            return False
        return not self._relay.connections or self._now >= self._until

    def deadline(self) -> float | None:
        """See `Node`."""
        party = None if self._party is None else self._party.deadline()
        times = (party, self._relay.deadline(), self._until)
        return min((t for t in times if t is not None), default=None)

    def handle(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        """See `Node`."""
        self._now = now.mono
        effects = self._route(event, now)
        party = self._party
        if party is not None and party.finished and self._until is None:
            self._until = now.mono + LINGER
        return effects

    def _route(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        party = self._party
        match event:
            case Started(ports):
                return self._start(event, ports[0], now)
            case Worked() | Told():
                return () if party is None or party.finished else party.handle(event, now)
            case Woke():
                woken = () if party is None or party.finished else party.handle(event, now)
                return self._relay.handle(event, now) + woken
            case Unstapled():
                return self._relay.handle(event, now)
        if getattr(event, "conn", 0) % 2:
            return self._relay.handle(event, now)
        return () if party is None or party.finished else party.handle(event, now)

    def _start(self, event: Started, port: int, now: Moment) -> tuple[Effect, ...]:
        addresses = usable() if self._host is None else (self._host,)
        urls = tuple(Where(address, port).url for address in addresses)
        inner = "127.0.0.1" if self._host is None else self._host
        self._party = self._make(Where(inner, port), urls[0] if urls else "")
        listening = Listening(urls[0] if urls else "", event.ports[1:], self._host or "")
        self._relay.handle(event, now)  # all that it says is where it listens
        return Tell(listening), *self._party.handle(Started(), now)
