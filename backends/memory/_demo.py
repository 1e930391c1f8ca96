"""A whole transfer as a readable sequence of messages, by looking over the nodes' shoulders."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from backends import _io as io
from backends.memory._host import Host
from backends.memory._network import Network
from croc_core import messages as m
from croc_core import party_io as p
from croc_core.events import CodeReady, Completed, Event, OfferSeen
from croc_core.machine import Machine
from croc_core.values import Moment

FILES = {
    "letter.txt": b"Dear Anna, here are the pictures.\n",
    "photos/": b"",
    "photos/lake.jpg": bytes(range(256)) * 2400,
}
LONG = 18
"""So much of a value is shown, in characters."""
NAMES = {"sender": "Sender", "relay": "Relay", "recipient": "Recipient"}


class Message(NamedTuple):
    """One arrow, or a note where *to* is the one who it is from."""

    seconds: float
    source: str
    to: str
    text: str
    sealed: bool = False
    reply: bool = False


class Watched:
    """A machine that somebody looks at while it is driven."""

    def __init__(
        self,
        machine: Machine[Any],
        heard: Callable[[p.Input], None],
        said: Callable[[p.Effect], None],
    ) -> None:
        self._machine = machine
        self._heard = heard
        self._said = said

    def handle(self, event: p.Input, now: Moment) -> tuple[p.Effect, ...]:
        """See `Machine`."""
        self._heard(event)
        effects = self._machine.handle(event, now)
        for effect in effects:
            self._said(effect)
        return effects

    @property
    def state(self) -> object:
        """See `Machine`."""
        return self._machine.state

    def deadline(self) -> float | None:
        """See `Machine`."""
        return self._machine.deadline()

    @property
    def finished(self) -> bool:
        """See `Machine`."""
        return self._machine.finished


class Story:
    """Collects what happens between the hosts of one network."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.network: Network
        self._pieces = 0

    def wrap(self, name: str, machine: Machine[Any]) -> Watched:
        """See `Network`."""
        return Watched(machine, lambda e: self._heard(name, e), lambda e: self._said(name, e))

    # ---- as a Tap: what only the relay does

    def took(self, host: Host, event: io.Input) -> None:
        """See `Tap`."""
        if host.name == "relay" and isinstance(event, io.Unstapled):
            text = f"staple over: {event.a_to_b} bytes there, {event.b_to_a} back"
            self._add("relay", "relay", text)

    def does(self, host: Host, effect: io.Effect) -> None:
        """See `Tap`."""
        if isinstance(effect, io.Staple):
            self._add(host.name, host.name, "staples the two connections")

    # ---- what the machines hear and say

    def _heard(self, name: str, event: p.Input) -> None:
        other = "recipient" if name == "sender" else "sender"
        match event:
            case p.Replied(status, body):
                self._add("relay", name, f"{status} {shortened(body)}", reply=True)
            case p.Identified(_, answer):
                self._add("relay", name, answer.decode("ascii").strip(), reply=True)
            case p.Greeted(_, hello):
                self._add(other, name, f"hello, {len(hello)} bytes")
            case p.Heard(_, message, last):
                self._flush(other, name)
                self._add(other, name, told(message) + " (last)" * last, sealed=True)

    def _said(self, name: str, effect: p.Effect) -> None:
        match effect:
            case p.Post(path, body, after):
                pause = f" (after {after:g} s)" if after else ""
                self._add(name, "relay", f"POST {path} {shortened(body)}{pause}")
            case p.Dial(_, _, line):
                self._add(name, "relay", clipped(line.decode("ascii").strip(), 40))
            case p.SendPieces():
                self._pieces = sum(map(len, FILES.values()))
            case p.Show(CodeReady(code)):
                self._add(name, "recipient", f"tells the code: {code}")
            case p.Show(OfferSeen() | Completed() as event):
                self._add(name, name, shown(event))

    def _flush(self, source: str, to: str) -> None:
        if self._pieces and to == "recipient":
            self._add(source, to, f"pieces: {self._pieces} bytes of files", sealed=True)
            self._pieces = 0

    def _add(
        self, source: str, to: str, text: str, *, sealed: bool = False, reply: bool = False
    ) -> None:
        seconds = self.network.seconds
        self.messages.append(Message(seconds, source, to, text, sealed, reply))


def tell(seed: int) -> list[Message]:
    """Run a transfer of `FILES` and return what passed between the three."""
    story = Story()
    story.network = network = Network(seed, taps=(story,), wrap=story.wrap)
    network.relay()
    recipient = network.recipient(network.sender(FILES))
    network.run()
    assert recipient.files == FILES
    return story.messages


def shortened(body: bytes) -> str:
    """Return a JSON body on one line, its long values cut and its nulls left out."""
    fields = json.loads(body)
    parts = []
    for name, value in fields.items():
        if value is None or value == {}:
            continue
        if name == "data":
            text = ", ".join(f"{way['kind']} {way['port']}" for way in value)
        else:
            text = value if isinstance(value, str) else json.dumps(value)
        parts.append(f"{name}: {clipped(text)}")
    return "{" + ", ".join(parts) + "}"


def clipped(text: str, length: int = LONG) -> str:
    """Return *text*, or its start and how long it is."""
    return text if len(text) <= length else f"{text[: length - 8]}… ({len(text)})"


def told(message: m.Message) -> str:
    """Return a message of the sealed stream in a few words."""
    name = type(message).__name__
    if isinstance(message, m.Manifest):
        names = ", ".join(str(entry.path) for entry in message.entries)
        return f"{name}: {clipped(names, 60)}"
    fields = msgspec.structs.asdict(message)
    values = (f"{key} {_value(value)}" for key, value in fields.items() if value)
    return f"{name}: {', '.join(values)}"


def _value(value: object) -> str:
    if isinstance(value, bytes):
        return f"{value[:4].hex()}…"
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, msgspec.Struct):
        return "+".join(str(part) for part in msgspec.structs.astuple(value))
    return str(value)


def shown(event: Event) -> str:
    """Return what a person sees."""
    if isinstance(event, OfferSeen):
        return f"the person sees {event.files} files, {event.bytes} bytes"
    assert isinstance(event, Completed)
    return f"done: {event.files} files, {event.bytes} bytes"


def as_text(story: list[Message]) -> Iterator[str]:
    """Yield the lines of the sequence for a terminal; `=>` is sealed, `->` is not."""
    for message in story:
        when = f"{message.seconds:7.3f} s"
        if message.source == message.to:
            yield f"{when}  {message.source:9}     {'':9}  * {message.text}"
        else:
            arrow = "=>" if message.sealed else "->"
            yield f"{when}  {message.source:9} {arrow}  {message.to:9}  {message.text}"


def as_mermaid(story: list[Message]) -> Iterator[str]:
    """Yield the lines of a Mermaid sequence diagram; what stands in sealed records is marked."""
    yield "sequenceDiagram"
    for name, title in NAMES.items():
        yield f"    participant {name} as {title}"
    for message in story:
        text = message.text.replace(";", ",").replace("#", "")
        if message.source == message.to:
            yield f"    Note over {message.source}: {text}"
        else:
            arrow = "-->>" if message.reply else "->>"
            seal = "sealed: " if message.sealed else ""
            yield f"    {message.source}{arrow}{message.to}: {seal}{text}"


def show(seed: int, *, mermaid: bool) -> None:
    """Print the sequence."""
    lines = (as_mermaid if mermaid else as_text)(tell(seed))
    sys.stdout.write("\n".join(lines) + "\n")
