"""The relay under test, and members of its channels as the suite plays them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from conformance._case import UnmetError, expect, skip
from conformance.relay._web import Reply, Web
from conformance.subjects._pipe import PATIENCE, Net, Pipe

ONE, TWO, THREE = "127.0.0.1", "127.0.0.2", "127.0.0.3"
"""The addresses of a case that needs several."""
LONGEST = 25.0
"""Seconds: the longest wait that may be asked for."""
WOKEN = 20.0
"""What ends such a wait comes within so many seconds, and not with its end."""
X, Y, HH_K, H_K = "eHh4eHg", "eXl5eXk", "aGhoaGg", "aGtoa2hrZQ"
"""Values that a relay takes, for it looks only at their alphabet and length."""


def nonce() -> str:
    """A fresh nonce for a join, or a uuid that is nobody's."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Member:
    """Who holds a seat, as the reply to its join says."""

    relay: RelayUnderTest = field(repr=False)
    channel: str
    uuid: str
    role: str
    seq: int
    ports: tuple[int, ...]
    local: str | None
    """The address that it speaks from."""

    def fields(self, **more: Any) -> dict[str, Any]:
        """The body of a request of this member."""
        return {"channel": self.channel, "uuid": self.uuid, **more}

    def post(self, **more: Any) -> Reply:
        """Ask for, or change, the channel."""
        return self.relay.post("/channel", local=self.local, **self.fields(**more))

    def look(self) -> dict[str, Any]:
        """The channel's state, which the relay must give."""
        return good(self.post())

    def wait(self, since: int | None = None, wait: float = LONGEST) -> Web:
        """Send a request that the relay holds, and let it be taken before what comes next."""
        more = {} if since is None else {"since": since}
        web = self.relay.web(self.local)
        if wait == LONGEST:
            web.patience = WOKEN
        web.write("/channel", self.fields(wait=wait, **more))
        self.relay.settle()
        return web

    def line(self) -> bytes:
        """How a data connection says that it is this member's."""
        return f"CROC/1 {self.channel} {self.uuid}\n".encode()

    def dial(self, index: int = 0, more: bytes = b"", local: str | None = None) -> Link:
        """Open a data connection, send its line (and *more* behind it) and read the answer."""
        link = self.relay.data(self.ports[index], local or self.local)
        link.pipe.send(self.line() + more)
        return link


class Link:
    """A data connection, with what was read of it."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self._buffer = b""

    def line(self, patience: float = PATIENCE) -> str:
        """Read the relay's answer, without its newline. Bytes behind it are kept."""
        while b"\n" not in self._buffer:
            data = self.pipe.receive(patience=patience)
            if not data:
                raise UnmetError(f"the relay closed after {self._buffer!r}, without an answer")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("ascii", "replace")

    def read(self, count: int, patience: float = PATIENCE) -> bytes:
        """Read *count* bytes, or what there is up to the end of the stream."""
        got = bytearray(self._buffer)
        while len(got) < count:
            data = self.pipe.receive(patience=patience)
            if not data:
                break
            got += data
        self._buffer = bytes(got[count:])
        return bytes(got[:count])

    def gone(self, patience: float = PATIENCE) -> bool:
        """Wait for the end; say whether it came without another byte."""
        try:
            return not self.read(1, patience)
        except ConnectionError:
            return True

    def quiet(self) -> bool:
        """Say whether nothing has come by now."""
        return not self._buffer and self.pipe.quiet()


class RelayUnderTest:
    """What a case has to do with: connections to the relay, closed with it."""

    def __init__(self, net: Net, token: str | None = None) -> None:
        self.net = net
        self.token = token
        """What a sender must show, where the relay has one."""
        self._pipes: list[Pipe] = []
        self._members: list[Member] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:  # be a good guest: leave nothing open
            try:
                member.post(close=True)
            except (OSError, UnmetError):
                break
        for pipe in self._pipes:
            pipe.close()

    def dial(self, port: int | None = None, local: str | None = None) -> Pipe:
        """Connect; None is the port of HTTP."""
        pipe = self.net.dial(port, local)
        self._pipes.append(pipe)
        return pipe

    def web(self, local: str | None = None) -> Web:
        """Open an HTTP connection."""
        return Web(self.dial(None, local), self.net.authority)

    def data(self, port: int, local: str | None = None) -> Link:
        """Open a data connection."""
        return Link(self.dial(port, local))

    def post(self, path: str, /, *, local: str | None = None, **fields: Any) -> Reply:
        """Send one request on a connection of its own."""
        web = self.web(local)
        web.write(path, fields)
        reply = web.read()
        web.pipe.close()
        self._pipes.remove(web.pipe)
        return reply

    def settle(self) -> None:
        """Let the relay take what was sent on other connections.

        Nothing says in which order a relay looks at its connections; it has the time of two whole
        exchanges on new ones to look at all that came before.
        """
        for _ in range(2):
            self.post("/nowhere")

    def fresh_name(self) -> str:
        """A name that no other channel has."""
        return "t" + secrets.token_hex(12)

    def join(self, role: str, local: str | None = None, **more: Any) -> Member:
        """Join, which the relay must allow."""
        if role == "sender" and self.token is not None:
            more.setdefault("token", self.token)
        reply = self.post("/join", local=local, role=role, **more)
        if reply.status in (429, 503):
            skip(f"the relay's limits are too low for this suite ({reply})")
        return self.member(good(reply), local)

    def member(self, joined: dict[str, Any], local: str | None = None) -> Member:
        """Return the member that the reply to a join speaks of."""
        ports = tuple(one["port"] for one in joined["data"] if one["kind"] == "tcp")
        channel, uuid, role, seq = (joined[name] for name in ("channel", "uuid", "role", "seq"))
        member = Member(self, channel, uuid, role, seq, ports, local)
        self._members.append(member)
        return member

    def pair(
        self, stage: str = "paired", locals: tuple[str | None, str | None] = (None, None)
    ) -> tuple[Member, Member]:
        """Sender and recipient of a new channel: `paired`, `offered`, `answered` or `proven`."""
        sender = self.join("sender", locals[0])
        recipient = self.join("recipient", locals[1], channel=sender.channel)
        steps = (("offered", sender, {"x": X}), ("answered", recipient, {"y": Y, "hh_k": HH_K}),
                 ("proven", sender, {"h_k": H_K}))  # fmt: skip
        for name, who, values in steps[: ("paired", "offered", "answered", "proven").index(stage)]:
            expect(who.post(**values).says(200), f"the values of {name} are taken")
        return sender, recipient

    def stapled(self, index: int = 0) -> tuple[Member, Member, Link, Link]:
        """A channel with a stapled data port, and the two ends of it."""
        sender, recipient = self.pair("proven")
        a, b = sender.dial(index), recipient.dial(index)
        let_in(a, b)
        return sender, recipient, a, b

    def eventually(self, holds: Callable[[], object], within: float, sentence: str) -> None:
        """Ask again and again until it holds; fail with *sentence* after *within* seconds."""
        step = 0.1
        for _ in range(int(within / step)):
            if holds():
                return
            self.net.pause(step)
        raise UnmetError(f"{sentence} (not within {within:g} s)")


def good(reply: Reply) -> dict[str, Any]:
    """Return the body of a reply that must be 200."""
    expect(reply.status == 200, f"expected 200, got {reply}")
    return reply.data


def let_in(*links: Link) -> None:
    """Read the answers to members' data connections, which must be OK."""
    for link in links:
        answer = link.line()
        expect(answer == "OK", f"a member's data connection was answered {answer!r}")
