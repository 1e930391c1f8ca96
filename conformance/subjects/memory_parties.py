"""This project's sender and recipient on the network in memory, where time jumps.

The parties read and write real files; everything between them and the suite is in memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from backends import _discovery as discovery
from backends import _io as io
from backends._options import MAX_FILES, Options
from backends._session import Session, receiving, sending, sending_from
from backends.files.stream import StreamSource
from conformance._case import Case
from conformance.client._roles import Party
from conformance.subjects.adapter import NOT_SUPPORTED
from conformance.subjects.command import STAGES
from conformance.subjects.memory_net import MemoryNet
from croc_core.errors import Code, Failure
from croc_core.errors import Party as Side
from croc_core.events import Failed, Verifier, to_json
from croc_core.party_io import ComparedWords
from croc_core.values import Moment

_KNOWN = {"verify", "stream", "embedded", "discovery"}
_OWN = (8100, 9101, 9102, 9103, 9104)
"""The ports of a sender's own relay."""


class MemoryRun:
    """See `Run`."""

    def __init__(self, net: MemoryNet, role: str, environment: Mapping[str, str]) -> None:
        self._net = net
        self._lines: list[bytes] = []
        self._failure: Failure | None = None
        self._session: Session | None = None
        self._given = Given()
        self._host = net.network.host(f"{role} {len(net.network.hosts)}")
        self._asked = [one for one in environment.get("CROC_WITH", "").split(",") if one]
        self._supported = all(map(_known, self._asked))
        if self._supported:
            self._start(role, environment)

    def _start(self, role: str, environment: Mapping[str, str]) -> None:
        try:
            session = self._made(role, environment)
        except ValueError as error:
            self._failure = Failure(Code.USAGE, Side.LOCAL, str(error))
            self._lines.append(to_json(Failed.of(self._failure)))
            return
        self._session = session
        self._host.hear = self._hear
        session.inject = lambda what: self._host.deliver(io.Told(what))
        node: Any = _Found(session.node, self._net) if session.listen else session.node
        if isinstance(node, discovery.Searching):
            node._look = lambda channel, enough: self._net.look(channel)
        self._host.start(node, _OWN[: len(session.listen)])

    def _made(self, role: str, environment: Mapping[str, str]) -> Session:
        counted = dict(one.split("=") for one in self._asked if "=" in one)
        own = role == "sender" and "CROC_RELAY" not in environment
        options = Options(
            relay=environment.get("CROC_RELAY"),
            curve=environment.get("CROC_CURVE"),
            token=environment.get("CROC_TOKEN"),
            yes=True,
            out=environment.get("CROC_OUT", "."),
            code=environment.get("CROC_CODE") if role == "sender" else None,
            verify="verify" in self._asked,
            streams=int(counted.get("streams", 1)),
            host=self._host.address if own else None,
            discovery="discovery" in self._asked,
            max_files=int(counted.get("most", MAX_FILES)),
        )
        if role == "recipient":
            return receiving(options, environment["CROC_CODE"], options.decide, _quiet)
        if "stream" in self._asked:
            return sending_from(options, StreamSource(self._given))
        return sending(options, [environment["CROC_FILE"]], _quiet)

    def _hear(self, event: Any) -> None:
        self._lines.append(to_json(event))
        if isinstance(event, Verifier) and event.ask:
            self._given.ask(self._compared)

    def _compared(self, line: bytes) -> None:
        assert self._session is not None
        self._session.inject(ComparedWords(line == b"yes"))

    def status(self) -> int | None:
        """See `Run`."""
        if not self._supported:
            return NOT_SUPPORTED
        if self._session is None:
            assert self._failure is not None
            return self._failure.exit_status
        if not self._session.node.finished:
            return None
        failure = self._session.outcome()
        return 0 if failure is None else failure.exit_status

    def output(self) -> tuple[str, str]:
        """See `Run`."""
        return b"".join(self._lines).decode(), ""

    def interrupt(self) -> None:
        """See `Run`."""
        if self._session is not None:
            self._session.interrupt(Code.SIGINT)

    def feed(self, data: bytes) -> None:
        """See `Run`; what a stream has is to be there before anything is read of it."""
        self._given.feed(data)

    def feed_end(self) -> None:
        """See `Run`: what is there is all."""

    def kill(self) -> None:
        """See `Run`."""
        self._host.crash()


class Given:
    """Standard input: bytes of a stream, or the lines of a person."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._asking: list[Callable[[bytes], None]] = []

    def feed(self, data: bytes) -> None:
        """More of it."""
        self._data += data
        self._answer()

    def read(self, size: int) -> bytes:
        """See `Readable`."""
        data = bytes(self._data[:size])
        del self._data[:size]
        return data

    def ask(self, answered: Callable[[bytes], None]) -> None:
        """Give *answered* the next line."""
        self._asking.append(answered)
        self._answer()

    def _answer(self) -> None:
        while self._asking and b"\n" in self._data:
            line, _, rest = bytes(self._data).partition(b"\n")
            self._data[:] = rest
            self._asking.pop(0)(line)


class _Found:
    """A sender with a relay of its own, which the net can ask where it is."""

    def __init__(self, node: io.Node, net: MemoryNet) -> None:
        self._node, self._net = node, net

    @property
    def finished(self) -> bool:
        """See `Node`."""
        return self._node.finished

    def deadline(self) -> float | None:
        """See `Node`."""
        return self._node.deadline()

    def handle(self, event: io.Input, now: Moment) -> tuple[io.Effect, ...]:
        """See `Node`; there is no multicast in memory, so an `Answer` goes to the net."""
        effects = self._node.handle(event, now)
        self._net.answers += [e.answer for e in effects if isinstance(e, io.Answer)]
        return tuple(e for e in effects if not isinstance(e, io.Answer))


def _known(feature: str) -> bool:
    """Say whether a case may ask for *feature*."""
    return feature in _KNOWN or re.fullmatch(r"(streams|most)=\d+", feature) is not None


def _quiet(_: str) -> None:
    return None


class MemoryParties:
    """The host of senders and recipients in memory."""

    name = "memory"
    workers = 1

    def lacks(self, case: Case) -> str | None:
        """See `Host`: nothing is lacking."""
        return None

    @contextmanager
    def subject(self, case: Case) -> Iterator[Party]:
        """See `Host`."""
        net = MemoryNet()
        with STAGES[case.part](net, lambda role, env: MemoryRun(net, role, env)) as stage:
            yield stage
