"""The sentences of the failures that a machine can end in: what happened, whose side, what to do.

Text from the relay or the peer never stands in them, only words chosen here.
"""

from __future__ import annotations

from croc_core.errors import Code, Failure, Party
from croc_core.values import Reason

NEW_CODE = "The code is used up: start again with a new one."


_HERE: dict[str, str] = {
    "your decision": "Decide sooner, or use --yes.",
    "your comparison of the words": "Compare them sooner, with both people at hand.",
    "the files here": "Look after the disk.",
}
"""What is waited for on this side, and what to do about it."""


def timed_out(what: str, *, burnt: bool = False) -> Failure:
    """Nothing came in time; *what* was waited for."""
    if what in _HERE:
        hint = f"{_HERE[what]} {NEW_CODE}"
        return Failure(Code.TIMEOUT, Party.LOCAL, f"Gave up waiting for {what}.", hint)
    hint = NEW_CODE if burnt else "Check the network on both sides and try again."
    return Failure(Code.TIMEOUT, Party.PEER, f"Gave up waiting for {what}.", hint)


def interrupted(code: Code, *, burnt: bool = False) -> Failure:
    """The person or a signal ended the run."""
    hint = NEW_CODE if burnt else "To try again, the sender makes a new code."
    return Failure(code, Party.LOCAL, "Stopped before the end.", hint)


def unreachable(cause: str) -> Failure:
    """The relay could not be reached."""
    return Failure(
        Code.RELAY_UNREACHABLE,
        Party.RELAY,
        f"The relay cannot be reached: {cause}.",
        "Check its address (--relay or CROC_RELAY) and the network.",
    )


def relay_silent(*, burnt: bool = False) -> Failure:
    """The relay can be reached, or could be before, and does not answer."""
    hint = NEW_CODE if burnt else "Check that it still runs, and the network; then start again."
    return Failure(Code.TIMEOUT, Party.RELAY, "The relay does not answer.", hint)


def curve_unasked(curve: str) -> Failure:
    """The sender's curve is none that this side takes unasked."""
    return Failure(
        Code.PROTOCOL_ERROR,
        Party.PEER,
        f"The sender uses the curve {curve}, which has to be asked for by both sides.",
        f"Agree with the sender: --curve {curve} here, or another curve there.",
    )


_REFUSALS: dict[str, tuple[str, str]] = {
    "token": ("The relay wants a token to open channels.", "Set CROC_TOKEN, or ask who runs it."),
    "channel_full": (
        "Two other addresses are in this channel already.",
        "Somebody else joined it, or an address changed: start again with a new code.",
    ),
    "no_such_channel": (
        "The relay has no such channel.",
        "Check the code, and that the sender still waits and uses this relay.",
    ),
    "occupied": (
        "Somebody else is in this channel already.",
        "Check the code; if it is right, start again with a new one.",
    ),
    "curve": ("The sender chose another curve.", "Leave --curve out, or give the sender's."),
    "closed": ("The channel is closed.", "Start again with a new code."),
    "too_many": ("The relay has had too many requests from here.", "Wait a minute; try again."),
    "busy": ("The relay is full.", "Try again later, or use another relay."),
    "not_yours": ("The relay says that this channel is not ours.", "Start again with a new code."),
}


def refused(word: str, status: int, *, burnt: bool = False) -> Failure:
    """The relay answered with an error; *word* is its `code`, if we know it."""
    message, hint = _REFUSALS.get(
        word, (f"The relay refused the request (status {status}).", "Try another relay.")
    )
    return Failure(Code.RELAY_REFUSED, Party.RELAY, message, NEW_CODE if burnt else hint)


def no_channel() -> Failure:
    """The relay no longer has the channel, and the words of its code are used."""
    message, _ = _REFUSALS["no_such_channel"]
    return Failure(Code.RELAY_REFUSED, Party.RELAY, message, NEW_CODE)


def relay_broke(why: str, *, burnt: bool = False) -> Failure:
    """The relay sent what the protocol does not allow."""
    hint = NEW_CODE if burnt else "Is this address a croc relay? Try another one."
    return Failure(Code.PROTOCOL_ERROR, Party.RELAY, f"The relay makes no sense: {why}.", hint)


def peer_broke(why: str) -> Failure:
    """The other side sent what the protocol does not allow, or somebody between changed it."""
    return Failure(
        Code.PROTOCOL_ERROR,
        Party.PEER,
        f"The other side broke the protocol: {why}.",
        "Start again with a new code; if it happens again, compare the versions of both sides.",
    )


def version(spoken: str, *, burnt: bool = False) -> Failure:
    """The two ends speak different versions of the protocol."""
    hint = f"Update the older side. {NEW_CODE}" if burnt else "Update the older side."
    return Failure(Code.VERSION, Party.PEER, f"The versions do not fit: {spoken}.", hint)


def wrong_code_sender() -> Failure:
    """The recipient's proof did not fit: seen by the sender."""
    return Failure(
        Code.WRONG_CODE,
        Party.PEER,
        "The other side typed a different code, so nothing was sent.",
        "Nobody can try again with this code: send again and tell them the new one.",
    )


def closed_for_the_code(*, recipient: bool) -> Failure:
    """The relay says that the other side closed the channel because a proof did not fit."""
    if recipient:
        return Failure(
            Code.WRONG_CODE,
            Party.LOCAL,
            "The relay says that the code is not the sender's, so nothing was received.",
            "It can be tried only once: ask the sender to send again and for the new code.",
        )
    return Failure(
        Code.WRONG_CODE,
        Party.PEER,
        "The relay says that the other side does not take us for the sender, so nothing was sent.",
        "Somebody may be in between: send again with a new code.",
    )


def false_proof() -> Failure:
    """H(k) did not fit: whoever answered does not hold the secret."""
    return Failure(
        Code.WRONG_CODE,
        Party.PEER,
        "The sender could not prove that it knows the code.",
        "Somebody may be in between: ask the sender to send again with a new code.",
    )


def declined_by_peer() -> Failure:
    """The recipient did not want the offer."""
    return Failure(Code.DECLINED, Party.PEER, "The other side declined.", "Nothing was sent.")


def closed_as_declined() -> Failure:
    """The relay says that the recipient closed the channel, wanting nothing."""
    return Failure(
        Code.DECLINED,
        Party.PEER,
        "The relay says that the other side declined.",
        "Ask them; to try again, start with a new code.",
    )


def declined_here() -> Failure:
    """The person, or the flags, declined the offer."""
    return Failure(
        Code.DECLINED,
        Party.LOCAL,
        "Declined; nothing was written.",
        "To accept it after all, let the sender send it again.",
    )


_CLOSED: dict[str, str] = {
    Reason.CANCELLED: "cancelled",
    Reason.DONE: "has finished",
}

_PROBLEMS: dict[str, str] = {
    Code.LOCAL_FILE: "The other side had trouble with its files or its disk.",
    Code.TIMEOUT: "The other side gave up waiting.",
    Code.SIGINT: "The other side cancelled.",
    Code.SIGTERM: "The other side was shut down.",
    Code.PROTOCOL_ERROR: "The other side says that what we sent makes no sense.",
}


_ASK = "Ask them what happened, then start with a new code."


def stopped_by_peer(word: str) -> Failure:
    """The peer itself told why it stops: *word* is its `Problem`'s."""
    message = _PROBLEMS.get(word, "The other side had to stop.")
    return Failure(Code.PEER_LEFT, Party.PEER, message, _ASK)


def closed_by_peer(reason: str) -> Failure:
    """The relay says that the other side closed the channel; *reason* is what it says of why."""
    message = f"The relay says that the other side {_CLOSED.get(reason, 'had to stop')}."
    return Failure(Code.PEER_LEFT, Party.PEER, message, _ASK)


def peer_vanished(cause: str) -> Failure:
    """The data connection broke, and nobody said why."""
    return Failure(
        Code.PEER_LEFT,
        Party.PEER,
        f"The connection to the other side broke ({cause}).",
        "Check the network on both sides, then start again with a new code.",
    )


def gave_up(seconds: float, cause: Failure | None) -> Failure:
    """A lost connection did not come back, or nothing went on; *cause* is what was wrong last."""
    tried = f"It was tried again for {round(seconds)} seconds."
    hint = "Check the network on both sides, then start again with a new code."
    if cause is None:
        message = f"The connection to the other side was lost, and nothing went on. {tried}"
        return Failure(Code.TIMEOUT, Party.PEER, message, hint)
    return Failure(cause.code, cause.party, f"{cause.message} {tried}", cause.hint)


def words_differ() -> Failure:
    """The person says that the verifier's words are not the same on both screens."""
    return Failure(
        Code.PROTOCOL_ERROR,
        Party.PEER,
        "The words differ: somebody may be in between. Nothing more was sent or taken.",
        "Tell the code to nobody else, and over another way: start again with a new one.",
    )


def unconfirmed(cause: str) -> Failure:
    """All was sent, but the receipt did not come."""
    return Failure(
        Code.UNCONFIRMED,
        Party.PEER,
        f"Everything was sent, but the receipt did not come ({cause}).",
        "It probably arrived: ask the other side before you send it again.",
    )


def too_many_entries(limit: int) -> Failure:
    """The offer holds more entries than we take."""
    return Failure(
        Code.LOCAL_FILE,
        Party.LOCAL,
        f"The offer holds more than {limit} files and folders.",
        "Raise --max-files if that is right.",
    )


def nothing_usable() -> Failure:
    """Not one name of the offer can be used here."""
    return Failure(
        Code.DECLINED,
        Party.PEER,
        "Nothing of the offer can be taken here: every name is unsafe, or in use already.",
        "Receive into another folder, or ask the other side to rename the files.",
    )
