"""A party's HTTP requests, one at a time, over one kept connection; without I/O.

Every request of the protocol may be repeated, so one that a reused connection loses is sent again
at once over a new one; any other loss is the machine's to judge. A new connection goes from and to
the addresses of the one before (docs/protocol.md, ADDR-7), unless that cannot be any more: then the
host is looked up again, and the system picks the address here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from backends._http_client import HttpExchange, ReplyLostError, authority
from backends._io import (
    Broken,
    Close,
    Conn,
    Connect,
    Connected,
    Effect,
    Input,
    Read,
    Received,
    Send,
)
from croc_core.errors import RemoteProtocolError
from croc_core.party_io import Post, Replied, Unanswered
from croc_core.values import Moment, Value

ANSWER = 10.0
"""How long the relay may take for an answer beyond the `wait` that was asked for, in seconds."""

Outcome = tuple[tuple[Effect, ...], Replied | Unanswered | None]


class Ends(Value, frozen=True):
    """The two ends of the control connection: where the data ports are dialled to and from."""

    peer: str
    local: str | None


class Control:
    """Turns each `Post` into one `Replied` or `Unanswered`."""

    def __init__(self, host: str, port: int, numbers: Iterator[int] | None = None) -> None:
        self._host, self._port = host, port
        self._numbers = numbers or itertools.count(2, 2)
        self.ends = Ends(host, None)
        """Known from the first answer on."""
        self._post: Post | None = None
        self._due: float | None = None  # when to send the post
        self._limit: float | None = None  # when to give it up
        self._conn: Conn | None = None
        self._connected = False
        self._reused = False
        self._exchange: HttpExchange | None = None

    def deadline(self) -> float | None:
        """When to call `woke`, in monotonic seconds."""
        return self._due if self._due is not None else self._limit

    def post(self, post: Post, now: Moment) -> tuple[Effect, ...]:
        """Begin *post*; one that is under way is given up."""
        effects = self._drop() if self._post is not None else ()
        self._post, self._due, self._limit = post, None, None
        if post.after > 0:
            self._due = now.mono + post.after
            return effects
        return effects + self._go(now)

    def woke(self, now: Moment) -> Outcome:
        """The deadline may have passed."""
        if self._due is not None and now.mono >= self._due:
            self._due = None
            return self._go(now), None
        if self._limit is not None and now.mono >= self._limit:
            return self._lost(refused=not self._connected, cause="no answer in time")
        return (), None

    def close(self) -> tuple[Effect, ...]:
        """The run is over."""
        self._post = self._due = self._limit = None
        return self._drop()

    def renew(self) -> tuple[Effect, ...]:
        """The network has failed elsewhere: the next post is not to go into an old connection."""
        return () if self._post is not None and self._due is None else self._drop()

    def owns(self, event: Input) -> bool:
        """Say whether *event* is about the control connection."""
        return self._conn is not None and getattr(event, "conn", None) == self._conn

    def handle(self, event: Input, now: Moment) -> Outcome:
        """Take an input about the control connection."""
        match event:
            case Connected(conn, peer, local):
                self._connected = True
                self.ends = Ends(peer, local)
                return self._send(conn), None
            case Received(conn, data):
                return self._received(conn, data, now)
            case Broken(_, cause):
                self._conn = None
                if self._post is None:
                    return (), None
                again = self._again(now) or self._elsewhere(now)
                return again or self._lost(not self._connected, cause)
        return (), None

    def _go(self, now: Moment) -> tuple[Effect, ...]:
        assert self._post is not None
        self._limit = now.mono + ANSWER + self._post.wait
        if self._conn is not None:
            self._reused = True
            return self._send(self._conn)
        self._reused = self._connected = False
        conn = self._conn = Conn(next(self._numbers))
        return (Connect(conn, self.ends.peer, self._port, self.ends.local),)

    def _send(self, conn: Conn) -> tuple[Effect, ...]:
        assert self._post is not None
        name = authority(self._host, self._port)
        self._exchange = HttpExchange(name, self._post.path, self._post.body)
        return Send(conn, self._exchange.request), Read(conn)

    def _received(self, conn: Conn, data: bytes, now: Moment) -> Outcome:
        if self._exchange is None:
            return (), None
        try:
            reply = self._exchange.receive(data)
        except ReplyLostError:
            closing = self._drop()
            effects, outcome = self._again(now) or self._lost(False, "it closed the connection")
            return closing + effects, outcome
        except RemoteProtocolError:
            return self._done(Replied(0, b""), keep=False)
        if reply is None:
            return (Read(conn),), None
        return self._done(Replied(reply.status, reply.body), keep=reply.keep_alive)

    def _again(self, now: Moment) -> Outcome | None:
        """Repeat a request that went into a connection which the relay had closed meanwhile."""
        return (self._go(now), None) if self._reused else None

    def _elsewhere(self, now: Moment) -> Outcome | None:
        """Dial without regard to where we were before, which may not be here any more."""
        if self._connected or self.ends.local is None:
            return None
        self.ends = Ends(self._host, None)
        return self._go(now), None

    def _lost(self, refused: bool, cause: str) -> Outcome:
        if refused:
            self.ends = Ends(self._host, None)  # another of the host's addresses may do
        return self._done(Unanswered(refused, cause), keep=False)

    def _done(self, outcome: Replied | Unanswered, *, keep: bool) -> Outcome:
        self._post = self._due = self._limit = self._exchange = None
        return () if keep else self._drop(), outcome

    def _drop(self) -> tuple[Effect, ...]:
        conn, self._conn, self._exchange = self._conn, None, None
        return () if conn is None else (Close(conn),)
