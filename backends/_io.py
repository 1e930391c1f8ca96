"""The byte-level vocabulary between a node (relay, sender or recipient) and a backend.

A *node* is sans-IO: the core's machine with HTTP and framing around it. It is told what happened
(`Input`) and answers with what to do (`Effect`). A backend is a loop that waits for inputs and
performs effects; it knows nothing of the protocol, and every backend gets all three nodes by doing
these few things:

    node.handle(event, now) -> tuple[Effect, ...]     node.deadline() -> float | None
    node.finished -> bool

Rules for a backend: hand over `Started()` first; hand over inputs one at a time; perform effects in
order without waiting for their results; hand over `Woke()` when `deadline()` (seconds on the
monotonic clock) has passed; stop, closing all that is open, once `finished` is true.

What else a backend has to know: a `Woke` too many does no harm; inputs of a connection that wait
to be handed over are dropped once the node closes or staples it; a connection that fails while
nothing is under way on it says so when something is; bytes that were sent and are not out yet when
it is stapled go before `to_a` or `to_b`, and their `Sent` does not come; what was sent before a
`Close` is still on its way when the node is finished.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NewType, Protocol

from croc_core.values import Moment, Value


class Proxy(Value, frozen=True):
    """Where a proxy is, and who we are there."""

    hidden = ("user", "password")

    kind: str
    """`socks5` or `http`."""
    host: str
    port: int
    user: str | None = None
    password: str | None = None


Conn = NewType("Conn", int)
"""A connection's number: the node picks even ones for its dials, the backend odd ones."""

HTTP = -1
"""`Accepted.listener` of the control plane; data listeners count from 0."""


class Producer(Protocol):
    """Bytes to send, made on demand: the sender's data path. Runs on any one thread at a time."""

    def fill(self) -> memoryview | None:
        """Return the next bytes, valid until the next call, or None at the end.

        May read files. Raises CrocError where the data cannot be had.
        """
        ...


class Consumer(Protocol):
    """A place for received bytes: the recipient's data path. Runs on any one thread at a time."""

    def ready(self) -> bool:
        """Say whether the unit that the node waits for is complete; checked before each read."""
        ...

    def buffer(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        ...

    def advance(self, count: int) -> None:
        """Take the *count* bytes just read into `buffer()`; 0 is the end of the stream.

        May write files. Raises CrocError where the bytes are not what the protocol allows.
        """
        ...


# ---- what happened


class Started(Value, frozen=True):
    """The node may begin; `ports` are those listened on: HTTP first, then the data ports."""

    ports: tuple[int, ...] = ()


class Accepted(Value, frozen=True):
    """A peer has connected to a listener. Nothing is read until `Read` asks for it."""

    conn: Conn
    listener: int
    peer: str
    """The peer's IP address, as the socket says it."""


class Connected(Value, frozen=True):
    """A dial has succeeded; `peer` and `local` are the IP addresses of its two ends."""

    conn: Conn
    peer: str
    local: str


class Received(Value, frozen=True):
    """The answer to one `Read`; empty `data` is the end of the stream."""

    hidden = ("data",)

    conn: Conn
    data: bytes


class Sent(Value, frozen=True):
    """The answer to one `Send`: its bytes are in the system's hands."""

    conn: Conn


class Broken(Value, frozen=True):
    """A dial, read, send, pump or drain has failed.

    The backend has closed the connection: nothing more comes of it, and effects that name it do
    nothing (a `Staple` is answered by `Unstapled` with cause "reset"). `cause` is a plain sentence
    part for people, as in "connection refused".
    """

    conn: Conn
    cause: str


class Pumped(Value, frozen=True):
    """A `Pump` is over: all was sent, or `error` says what the producer raised."""

    conn: Conn
    error: BaseException | None = None


class Drained(Value, frozen=True):
    """A `Drain` is over: the consumer is ready or at the end, or `error` says what it raised."""

    conn: Conn
    error: BaseException | None = None


class Worked(Value, frozen=True):
    """A `Work` is over, with its result or what it raised."""

    job: int
    result: object = None
    error: BaseException | None = None


class Unstapled(Value, frozen=True):
    """A staple has ended: the bytes that went each way, and why.

    `cause` is "done" (both ends closed), "reset", "idle" (no progress in time), "full" (`most`
    bytes have gone) or "cut" (by `Cut`).
    """

    pair: int
    a_to_b: int
    b_to_a: int
    cause: str


class Woke(Value, frozen=True):
    """The node's deadline has passed."""


class Told(Value, frozen=True):
    """Something from the person or the program that owns the node, such as a decision.

    A `Note` is for the person: it is told among the events of the run.
    """

    what: object


Input = (
    Started | Accepted | Connected | Received | Sent | Broken | Pumped | Drained | Worked
    | Unstapled | Woke | Told
)  # fmt: skip


# ---- what to do


class Connect(Value, frozen=True):
    """Dial; answered by one `Connected` or `Broken`. `local`: the address to dial from, or any.

    With a `proxy` it is dialled through that, and looked up there.
    """

    conn: Conn
    host: str
    port: int
    local: str | None = None
    proxy: Proxy | None = None


class Read(Value, frozen=True):
    """Read once, at most 64 KiB; answered by one `Received` or `Broken`."""

    conn: Conn
    limit: int = 65536


class Send(Value, frozen=True):
    """Send all of `data`; answered by one `Sent` or `Broken`. Sends keep their order."""

    hidden = ("data",)

    conn: Conn
    data: bytes


class Pump(Value, frozen=True):
    """Send what the producer makes until it ends; answered by one `Pumped` or `Broken`.

    Keeps its place among the sends of the connection. `Broken` after `patience` seconds in which
    the other side took nothing; None sets no limit.
    """

    conn: Conn
    producer: Producer
    patience: float | None = None


class Drain(Value, frozen=True):
    """Read into the consumer until it is ready; answered by one `Drained` or `Broken`.

    May run while a `Send` or `Pump` on the same connection does. At the end of the stream the
    consumer is told once (`advance(0)`), and the drain is over. `Broken` after `patience` seconds
    in which nothing came; None sets no limit.
    """

    conn: Conn
    consumer: Consumer
    patience: float | None = None


class HalfClose(Value, frozen=True):
    """End the sending direction after what was sent before; reading goes on."""

    conn: Conn


class Close(Value, frozen=True):
    """Close after what was sent before (waiting at most a few seconds); no more inputs come of it.

    A read, drain or pump that is under way is given up without an input.
    """

    conn: Conn


class Staple(Value, frozen=True):
    """Join two connections: bytes go both ways unchanged, half-close included.

    `to_a` and `to_b` go first. Both connections are the backend's from here on; answered by one
    `Unstapled` when both directions have ended, after `idle` seconds without a byte, or soon after
    `most` bytes in all.
    """

    hidden = (
        "to_a",
        "to_b",
    )

    pair: int
    a: Conn
    b: Conn
    to_a: bytes
    to_b: bytes
    idle: float
    most: int | None = None


class Cut(Value, frozen=True):
    """End a staple at once and close both of its connections; answered by its `Unstapled`."""

    pair: int


class Work(Value, frozen=True):
    """Run a call that may block (files, names); answered by one `Worked`."""

    job: int
    call: Callable[[], object]


class Tell(Value, frozen=True):
    """Show an event to the person or the program that owns the node; not answered."""

    event: object


class Answer(Value, frozen=True):
    """Answer queries on the local network (docs/protocol.md, 11.4), to the end of the run.

    `answer` takes a datagram and the address that it came from. `host`: the address to hear them
    on, or all. Where the network does not let it, nothing happens; not answered itself.
    """

    host: str | None
    answer: Callable[[bytes, str], bytes | None]


Effect = (
    Connect | Read | Send | Pump | Drain | HalfClose | Close | Staple | Cut | Work | Tell | Answer
)  # fmt: skip


class Node(Protocol):
    """What a backend drives."""

    def handle(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        """Take one input and say what to do."""
        ...

    def deadline(self) -> float | None:
        """When to hand over `Woke`, in seconds on the monotonic clock, or None."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the node wants no more inputs."""
        ...
