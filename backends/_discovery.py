"""Finding a sender's own relay on the local network (docs/protocol.md, 11.4).

A query names a channel and goes to a multicast group of IPv4 and of IPv6 on each interface; who has
that channel answers with a port, and the address is the one that the answer comes from. All of it
is a hint: who the other side is, only the key agreement says.
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable

from backends._io import Answer, Effect, Input, Node, Started, Tell, Told, Work, Worked
from backends._options import Where
from croc_core import failures
from croc_core.errors import Code, Failure, Party
from croc_core.events import CodeReady, Failed, Waiting
from croc_core.party_io import Interrupted
from croc_core.values import Moment

QUERY = b"croc-core/1?"
ANSWER = b"croc-core/1!"
ID = 16
"""Bytes of a query's id."""
_MANY = 64
"""Ids of queries that a sender remembers."""
_JOB = 1
"""The number of the search; a party's own jobs are even."""


def query(identity: bytes, channel: str) -> bytes:
    """Return the query with that id for *channel*."""
    return QUERY + identity + channel.encode()


class Answerer:
    """Answers the queries that name one channel, and each id to one address alone.

    The first one that it comes from: a recipient asks in several ways and wants one answer.
    """

    def __init__(self, channel: str, port: int) -> None:
        self._channel = channel.encode()
        self._port = port
        self._asked: OrderedDict[bytes, str] = OrderedDict()

    def __call__(self, data: bytes, address: str) -> bytes | None:
        """Return the answer to *data* from *address*, or None."""
        identity = data[len(QUERY) : len(QUERY) + ID]
        if data != QUERY + identity + self._channel or len(identity) != ID:
            return None
        if self._asked.setdefault(identity, address) != address:
            return None
        if len(self._asked) > _MANY:
            self._asked.popitem(last=False)
        return ANSWER + identity + struct.pack("!H", self._port)


def port_of(data: bytes, identity: bytes) -> int | None:
    """Return the port that an answer to the query with that id names; None for anything else."""
    head = ANSWER + identity
    if len(data) != len(head) + 2 or not data.startswith(head):
        return None
    port: int = struct.unpack("!H", data[len(head) :])[0]
    return port or None


# ---- the sender


class Discoverable:
    """The node of a sender with a relay of its own, which answers who asks for its channel.

    Only once the code stands: then the channel has x.
    """

    def __init__(self, node: Node, host: str | None) -> None:
        self._node = node
        self._host = host
        self._port: int | None = None
        self._channel = ""

    @property
    def finished(self) -> bool:
        """See `Node`."""
        return self._node.finished

    def deadline(self) -> float | None:
        """See `Node`."""
        return self._node.deadline()

    def handle(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        """See `Node`."""
        if isinstance(event, Started):
            self._port = event.ports[0]
        effects = self._node.handle(event, now)
        told = [effect.event for effect in effects if isinstance(effect, Tell)]
        for what in told:
            if isinstance(what, CodeReady) and what.channel != self._channel and self._port:
                self._channel = what.channel
                answer = Answer(self._host, Answerer(what.channel, self._port))
                return *effects, answer
        return effects


# ---- the recipient


class Searching:
    """A recipient's node that first looks for the relay; *make* makes the party for the place.

    *look* gets the channel and what is set when it need not go on; it may block.
    """

    def __init__(
        self,
        channel: str,
        make: Callable[[Where], Node],
        look: Callable[[str, threading.Event], list[Where]] | None = None,
    ) -> None:
        self._channel = channel
        self._make = make
        self._look = look
        self._party: Node | None = None
        self._failure: Failure | None = None
        self._enough = threading.Event()

    @property
    def failure(self) -> Failure | None:
        """How the run ended."""
        failure: Failure | None = getattr(self._party, "failure", None)
        return self._failure or failure

    @property
    def finished(self) -> bool:
        """See `Node`."""
        return self._failure is not None or (self._party is not None and self._party.finished)

    def deadline(self) -> float | None:
        """See `Node`."""
        return None if self._party is None else self._party.deadline()

    def handle(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        """See `Node`."""
        if self._party is not None:
            return self._party.handle(event, now)
        match event:
            case Started():
                waiting = Waiting("the sender's relay on this network to answer")
                return Tell(waiting), Work(_JOB, self._search)
            case Told(Interrupted(code)):
                return self._fail(failures.interrupted(code))
            case Worked(_, found, error):
                places = found if error is None and isinstance(found, list) else []
                return self._found(places, now)
        return ()

    def _search(self) -> list[Where]:
        from backends._discovery_net import search

        return (self._look or search)(self._channel, self._enough)

    def _found(self, places: list[Where], now: Moment) -> tuple[Effect, ...]:
        if len(places) != 1:
            return self._fail(_none() if not places else _several(len(places)))
        self._party = self._make(places[0])
        waiting = Waiting(f"the relay at {places[0].url}")
        return Tell(waiting), *self._party.handle(Started(), now)

    def _fail(self, failure: Failure) -> tuple[Effect, ...]:
        self._failure = failure
        self._enough.set()
        return (Tell(Failed.of(failure)),)


def _none() -> Failure:
    return Failure(
        Code.RELAY_UNREACHABLE,
        Party.RELAY,
        "Nobody on this network has the channel of this code.",
        "Look whether the code is right; else type the line with --relay that the sender's side "
        "shows.",
    )


def _several(count: int) -> Failure:
    return Failure(
        Code.RELAY_UNREACHABLE,
        Party.RELAY,
        f"{count} computers on this network say that they have the channel of this code.",
        "Name the right one: type the line with --relay that the sender's side shows.",
    )
