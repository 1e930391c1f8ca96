"""The outsider: it knows the channel, has an address of its own, and guesses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from croc_core import channel as c
from croc_core import wire
from croc_core.identify import encode_line
from croc_core.relay_io import Input, LinkOpened, LinkReceived
from croc_core.values import Role
from tests.explorer.relays import request
from tests.explorer.world import (
    ADDRESSES,
    ASK,
    CHANNEL,
    CURVE,
    FIRST_LINK,
    GUESS,
    OUTSIDER,
    PORTS,
    TRUTH,
    Answered,
    CutOff,
    Delivery,
    Dropped,
    Joined,
    Outsider,
    Restarted,
)

HOME = ADDRESSES[OUTSIDER]
WRONG_UUID = "f" * 32
LINK = FIRST_LINK[OUTSIDER]
CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("x", {"x": GUESS.h_k}),
    ("y", {"y": GUESS.y, "hh_k": GUESS.hh_k}),
    ("the sender's x as y", {"y": TRUTH.x, "hh_k": GUESS.hh_k}),
    ("h_k", {"h_k": GUESS.h_k}),
    ("a look", {}),
    ("a close", {"close": True}),
)

Attempt = tuple[int, str, tuple[Input, ...]]


def attempts(who: Outsider, channel: c.Channel | None) -> Iterator[Attempt]:
    """(faults that it costs, what, the relay's inputs): all that it can try."""
    for role in Role:
        body = wire.encode(wire.Join(role=role, channel=CHANNEL, curve=CURVE))
        yield 0, f"the outsider joins as {role}", (_ask("/join", body),)
    for luck, name, uuid in _uuids(who, channel):
        for what, changes in CHANGES:
            body = wire.encode(wire.Update(CHANNEL, uuid, **changes))
            yield luck, f"the outsider posts {what} with {name}", (_ask("/channel", body),)
        if not who.line:
            for port in range(min(2, len(PORTS))):
                opened = LinkOpened(LINK + port, port, HOME)
                said = LinkReceived(LINK + port, encode_line(CHANNEL, uuid))
                yield luck, f"the outsider connects to port {port} with {name}", (opened, said)


def _ask(path: str, body: bytes) -> Input:
    return request(ASK[OUTSIDER], path, body, HOME)


def _uuids(who: Outsider, channel: c.Channel | None) -> Iterator[tuple[int, str, str]]:
    yield 0, "a wrong guess", WRONG_UUID
    if who.uuid:
        yield 0, "its own uuid", who.uuid
    for role in Role:
        member = getattr(channel, role, None)
        if member is not None and member.uuid != who.uuid:
            yield 1, f"the {role}'s uuid, by luck", member.uuid


def after(
    who: Outsider, inputs: tuple[Input, ...], deliveries: tuple[tuple[int, Delivery], ...]
) -> Outsider:
    """The outsider once it has seen what came back to it."""
    match inputs[-1]:
        case LinkReceived(_, line):
            who = who._replace(line=line)
    for to, delivery in deliveries:
        if to in (OUTSIDER, -1):
            who = absorb(who, delivery)
    return who


def absorb(who: Outsider, delivery: Delivery) -> Outsider:
    """The outsider after something has come to it."""
    match delivery:
        case Answered(200, body):
            return who._replace(uuid=msgspec.json.decode(body).get("uuid", who.uuid))
        case Joined(_, pair):
            return who._replace(pair=pair)
        case Dropped():
            return who._replace(line=b"", pair=0)
        case CutOff(pair) if pair == who.pair:
            return who._replace(line=b"", pair=0)
        case Restarted():
            return who._replace(line=b"", pair=0)
    return who
