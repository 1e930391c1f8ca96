"""What a run tells its person or program: one closed set, the same for every face.

With `--json` each is one JSON object a line, its name under "event" (docs/protocol.md, "Events").
"""

from __future__ import annotations

import msgspec

from croc_core.errors import Failure


class Listening(msgspec.Struct, frozen=True, tag_field="event", tag="listening"):
    """A relay listens: the control plane's URL, its data ports, the addresses that it is on."""

    url: str
    ports: tuple[int, ...]
    host: str


class CodeReady(msgspec.Struct, frozen=True, tag_field="event", tag="code"):
    """The code stands; the recipient may join. The only event that holds a secret."""

    code: str
    channel: str
    relay: str

    def __repr__(self) -> str:
        return f"CodeReady(channel={self.channel!r}, relay={self.relay!r})"


class OfferSeen(msgspec.Struct, frozen=True, tag_field="event", tag="offer"):
    """What is offered (recipient) or was offered (sender): files, and bytes where known."""

    files: int
    bytes: int | None
    refused: int = 0
    overwrites: int = 0
    names: tuple[str, ...] = ()
    """The first top-level names, safe to show."""


class Waiting(msgspec.Struct, frozen=True, tag_field="event", tag="waiting"):
    """What the run waits for, as a sentence part: "the other side to join"."""

    what: str


class Note(msgspec.Struct, frozen=True, tag_field="event", tag="note"):
    """What somebody has to hear of though the run goes on, as a sentence, safe to show."""

    message: str


class Verifier(msgspec.Struct, frozen=True, tag_field="event", tag="verifier"):
    """Four words that both people can compare; `ask` where this run waits for its person's word."""

    words: str
    ask: bool


class Progress(msgspec.Struct, frozen=True, tag_field="event", tag="progress"):
    """How far the transfer is; `rate` in bytes a second, `eta` in seconds.

    `name` is that of the file that moves now, safe to show, where it is known.
    """

    bytes: int
    total: int | None
    files: int
    rate: float
    eta: float | None
    name: str | None = None


class Text(msgspec.Struct, frozen=True, tag_field="event", tag="text"):
    """A text that has arrived whole, as it came: it may hold anything."""

    text: str

    def __repr__(self) -> str:
        return f"Text({len(self.text)} characters)"


class Completed(msgspec.Struct, frozen=True, tag_field="event", tag="done"):
    """Success; `paths` are the final top-level names on the recipient's side."""

    files: int
    bytes: int
    seconds: float
    paths: tuple[str, ...] = ()


class Failed(msgspec.Struct, frozen=True, tag_field="event", tag="error"):
    """The run ended without success."""

    code: str
    message: str
    hint: str
    party: str

    @classmethod
    def of(cls, failure: Failure) -> Failed:
        """The event that tells of *failure*."""
        return cls(failure.code, failure.message, failure.hint, failure.party)


Event = (
    Listening
    | CodeReady
    | OfferSeen
    | Waiting
    | Note
    | Verifier
    | Progress
    | Text
    | Completed
    | Failed
)


def to_json(event: Event) -> bytes:
    """Encode an event as one line of JSON, newline included."""
    return msgspec.json.encode(event) + b"\n"
