"""The errors of the protocol: whose side it was, what happened, what to do.

`LocalProtocolError` is a bug of the program that drives a machine. `RemoteProtocolError` is what a
codec raises on bytes that the relay or the peer should not have sent. `Failure` is a value: how a
run ended, for a person and for a script (docs/protocol.md, "Exit codes and errors").
"""

from __future__ import annotations

import enum

from croc_core.values import Value


class Party(enum.StrEnum):
    """Whose side an error was on."""

    LOCAL = "local"
    RELAY = "relay"
    PEER = "peer"


class Code(enum.StrEnum):
    """The word of each exit status; the number is in `EXIT`."""

    INTERNAL = "internal"
    USAGE = "usage"
    WRONG_CODE = "wrong_code"
    DECLINED = "declined"
    RELAY_UNREACHABLE = "relay_unreachable"
    RELAY_REFUSED = "relay_refused"
    PEER_LEFT = "peer_left"
    TIMEOUT = "timeout"
    LOCAL_FILE = "local_file"
    PROTOCOL_ERROR = "protocol_error"
    UNCONFIRMED = "unconfirmed"
    VERSION = "version"
    SIGINT = "sigint"
    SIGTERM = "sigterm"


EXIT: dict[Code, int] = {
    Code.INTERNAL: 1,
    Code.USAGE: 2,
    Code.WRONG_CODE: 3,
    Code.DECLINED: 4,
    Code.RELAY_UNREACHABLE: 5,
    Code.RELAY_REFUSED: 6,
    Code.PEER_LEFT: 7,
    Code.TIMEOUT: 8,
    Code.LOCAL_FILE: 9,
    Code.PROTOCOL_ERROR: 10,
    Code.UNCONFIRMED: 11,
    Code.VERSION: 12,
    Code.SIGINT: 130,
    Code.SIGTERM: 143,
}


class Failure(Value, frozen=True):
    """How a run ended without success: a sentence for a person, a word for a script.

    `message` says what happened, `hint` what to do about it; neither holds a secret, and text that
    came from the relay or the peer has been made safe to show before it stands here.
    """

    code: Code
    party: Party
    message: str
    hint: str = ""

    @property
    def exit_status(self) -> int:
        """The process's exit status for this failure."""
        return EXIT[self.code]


class CrocError(Exception):
    """Base of every error that this package raises on purpose."""


class LocalProtocolError(CrocError):
    """The caller broke the rules of a machine or a codec; nothing changed."""


class RemoteProtocolError(CrocError):
    """The relay or the peer sent what the protocol does not allow."""

    def __init__(self, party: Party, message: str) -> None:
        super().__init__(message)
        self.party = party


class TransferError(CrocError):
    """A run failed; `failure` says how. What library users catch."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.message} {failure.hint}".rstrip())
        self.failure = failure


class LocalFileError(TransferError):
    """A file of this computer could not be read or written."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(Failure(Code.LOCAL_FILE, Party.LOCAL, message, hint))
