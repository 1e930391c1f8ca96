"""What inputs mean to either party: the relay's answers, trouble on the way, the end."""

from __future__ import annotations

from typing import TypeVar

from croc_core import failures, wire
from croc_core.errors import Failure, RemoteProtocolError
from croc_core.handshake import check_hello
from croc_core.identify import Welcome, parse_reply
from croc_core.messages import Message, Problem
from croc_core.party import (
    LINK,
    CalledOff,
    ChannelGone,
    ClosedByPeer,
    Ending,
    Leaving,
    Left,
    LinkLost,
    LocalFailed,
    NoAnswer,
    PeerBroke,
    PeerStopped,
    Refused,
    RelayBroke,
    TimedOut,
    Unreachable,
    VersionDiffers,
)
from croc_core.party_io import (
    Garbled,
    Heard,
    Identified,
    Input,
    Interrupted,
    LinkEnded,
    LocalBroke,
    Replied,
    Unanswered,
    Woke,
)
from croc_core.values import Reason, Role


def leaving(_: Leaving, event: Input) -> object | None:
    """Any answer will do, and none will, too."""
    return Left() if isinstance(event, Replied | Unanswered | Woke | Interrupted) else None


T = TypeVar("T")


def answer(event: Replied, kind: type[T], role: Role, *, burnt: bool) -> T | Ending | NoAnswer:
    """Judge the relay's answer to *role*: the body that was asked for, or how the run ends."""
    try:
        if event.status == 200:
            return wire.decode_reply(event.body, kind)
        error = wire.decode_reply(event.body, wire.Error)
    except RemoteProtocolError as garbage:
        return RelayBroke(failures.relay_broke(str(garbage), burnt=burnt))
    if event.status == 410 and error.by == role.other:
        return ClosedByPeer(_closed(role, error.reason or ""))
    refusal = failures.refused(error.code, event.status, burnt=burnt)
    if event.status == 426:
        return VersionDiffers(failures.version("the relay speaks another version", burnt=burnt))
    if event.status == 410 or error.code == "no_such_channel":
        return ChannelGone(refusal)
    return NoAnswer() if event.status in (408, 500) else Refused(refusal)


def _closed(role: Role, reason: str) -> Failure:
    """What a close in the name of the other side means for *role*: it is the relay's word."""
    if reason == Reason.WRONG_CODE:
        return failures.closed_for_the_code(recipient=role is Role.RECIPIENT)
    if reason == Reason.DECLINED and role is Role.SENDER:
        return failures.closed_as_declined()
    return failures.closed_by_peer(reason)


def request_trouble(
    event: Input, what: str | None = None, *, first: bool = False, burnt: bool = False
) -> Ending | NoAnswer | None:
    """What every state that waits for the relay makes of inputs other than its answer.

    *what* is what the relay's answers are to bring; None where they alone are waited for.
    """
    match event:
        case Unanswered(refused, cause):
            return Unreachable(failures.unreachable(cause)) if first and refused else NoAnswer()
        case Woke():
            silent = failures.relay_silent(burnt=burnt)
            return TimedOut(silent if what is None else failures.timed_out(what, burnt=burnt))
        case Interrupted(code):
            return CalledOff(failures.interrupted(code, burnt=burnt))
    return None


def link_trouble(event: Input, what: str) -> Ending | None:
    """What every state behind the keys makes of inputs that are not what it waits for."""
    match event:
        case Heard(_, Problem(code, _), _):
            return PeerStopped(failures.stopped_by_peer(code))
        case Heard(_, message, _):
            return PeerBroke(failures.peer_broke(f"{name(message)} out of place"))
    return bare_trouble(event, what)


def bare_trouble(event: Input, what: str) -> Ending | None:
    """As `link_trouble`, where there are no records and so no messages yet."""
    if isinstance(event, Woke):
        silent = failures.timed_out(what)
        return TimedOut(silent) if event.late else LinkLost(silent)
    return bytes_trouble(event)


def bytes_trouble(event: Input) -> Ending | None:
    """As `bare_trouble`, but for the time that is up."""
    match event:
        case LinkEnded(_, cause):
            return LinkLost(failures.peer_vanished(cause))
        case Garbled(_, why):
            return PeerBroke(failures.peer_broke(why))
        case LocalBroke(failure):
            return LocalFailed(failure)
        case Interrupted(code):
            return CalledOff(failures.interrupted(code))
    return None


def name(message: Message) -> str:
    """The message's name, for a sentence."""
    return f"a message {type(message).__name__}"


def identified(event: Identified) -> Ending | None:
    """None where the relay has taken our identification line; else how the run ends."""
    try:
        reply = parse_reply(event.answer)
    except RemoteProtocolError as error:
        return RelayBroke(failures.relay_broke(str(error)))
    if isinstance(reply, Welcome):
        return None
    if reply is None:
        return RelayBroke(failures.relay_broke("its data port did not finish its answer"))
    if reply.status == 426:
        return VersionDiffers(failures.version("the relay speaks another version"))
    refusal = failures.refused(reply.code, reply.status)
    if reply.status in (403, 404, 408, 410):
        return LinkLost(refusal)  # is the channel gone, or closed, and by whom?
    if reply.status in (429, 503):
        return LinkLost(refusal, crowded=True)
    return Refused(refusal)


def port_trouble(event: Input) -> Ending | None:
    """What the wait for a data port makes of inputs that are not its answer."""
    if isinstance(event, Garbled):
        return RelayBroke(failures.relay_broke(event.why))
    return bare_trouble(event, "the relay's data port")


def greeted(mine: Role, data: bytes, connection: int = LINK) -> Ending | None:
    """None where *data* is the other side's hello; else how the run ends."""
    try:
        check_hello(data, mine.other, connection)
    except RemoteProtocolError as error:
        return PeerBroke(failures.peer_broke(str(error)))
    return None
