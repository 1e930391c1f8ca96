"""Errors say whose side it was, and a failure has the exit status of the contract."""

from __future__ import annotations

from croc_core.errors import (
    EXIT,
    Code,
    CrocError,
    Failure,
    LocalFileError,
    LocalProtocolError,
    Party,
    RemoteProtocolError,
    TransferError,
)

CONTRACT = """1 internal, 2 usage, 3 wrong_code, 4 declined, 5 relay_unreachable, 6 relay_refused,
7 peer_left, 8 timeout, 9 local_file, 10 protocol_error, 11 unconfirmed, 12 version, 130 sigint,
143 sigterm"""


def test_exit_statuses_are_those_of_the_contract() -> None:
    told = dict(item.split()[::-1] for item in CONTRACT.split(","))
    assert {str(code): str(number) for code, number in EXIT.items()} == told
    assert set(EXIT) == set(Code)
    for code in Code:
        assert Failure(code, Party.PEER, "It failed.").exit_status == EXIT[code]


def test_each_error_says_whose_side_it_was() -> None:
    assert RemoteProtocolError(Party.RELAY, "nonsense").party is Party.RELAY
    file = LocalFileError("It is full.", "Make room.")
    assert file.failure == Failure(Code.LOCAL_FILE, Party.LOCAL, "It is full.", "Make room.")
    assert str(file) == "It is full. Make room."
    assert str(TransferError(Failure(Code.TIMEOUT, Party.PEER, "Too slow."))) == "Too slow."
    for kind in (LocalProtocolError, RemoteProtocolError, LocalFileError):
        assert issubclass(kind, CrocError)
