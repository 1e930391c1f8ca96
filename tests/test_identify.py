"""The identification of a data connection: strict, and indifferent to how its bytes are split."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from croc_core.errors import Party, RemoteProtocolError
from croc_core.identify import (
    MALFORMED,
    MAX_LINE,
    MAX_REPLY,
    OTHER_VERSION,
    Identified,
    Refusal,
    Welcome,
    encode_line,
    encode_reply,
    parse_line,
    parse_reply,
)

UUID = "0123456789abcdef" * 2
names = st.from_regex(r"\A[0-9a-z]{1,32}\Z")
uuids = st.from_regex(r"\A[0-9a-f]{32}\Z")


@given(names, uuids, st.binary(max_size=90))
def test_a_line_is_read_as_it_was_written_and_no_byte_behind_it_is_lost(
    name: str, uuid: str, rest: bytes
) -> None:
    line = encode_line(name, uuid)
    assert len(line) <= MAX_LINE
    assert parse_line(line + rest) == Identified(name, uuid, rest)
    assert all(parse_line(line[:end]) is None for end in range(len(line)))


@given(st.binary(max_size=200) | st.from_regex(rb"CROC/[0-9]{1,3} .{0,190}\n?.{0,9}"))
@example(b"C" * 159)
@example(b"C" * 160)
@example(b"C" * 159 + b"\n")
@example(b"C" * 160 + b"\n")
@example(b"CROC/2" + b" " * 153 + b"\n")
@example(b"CROC/2" + b" " * 154 + b"\n")
def test_a_judgement_once_given_stands_whatever_follows(data: bytes) -> None:
    verdicts = [parse_line(data[:end]) for end in range(len(data) + 1)]
    first = next((v for v in verdicts if v is not None), None)
    for end, verdict in enumerate(verdicts):
        if isinstance(verdict, Identified):
            assert isinstance(first, Identified)
            assert verdict[:2] == first[:2]
            assert data[:end].endswith(verdict.rest)
        else:
            assert verdict is None or verdict == first
    assert (first is None) == (len(data) < MAX_LINE and b"\n" not in data)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\r", b"CROC/1", b"CROC/1 ", b"CROC/1 abcd", f"CROC/1 abcd {UUID}\r".encode(),
        f"CROC/1  abcd {UUID}".encode(), f"CROC/1 abcd {UUID} ".encode(),
        f" CROC/1 abcd {UUID}".encode(), f"croc/1 abcd {UUID}".encode(),
        f"CROC/1 ABCD {UUID}".encode(), f"CROC/1 abcd {UUID.upper()}".encode(),
        f"CROC/1 abcd {UUID}0".encode(), f"CROC/1 abcd {UUID[1:]}".encode(),
        f"CROC/1 {'a' * 33} {UUID}".encode(), f"CROC/1 {UUID}".encode(),
        f"CROC/01 abcd {UUID}".encode(), b"CROC/ 2", b"CROC/-1", b"CROC/2x", b"CROC/x a b",
        b"CROC/1234567890 a b", b"GET / HTTP/1.1", f"CROC/1 abc\0 {UUID}".encode(), b"CROC/1\t",
    ],
)  # fmt: skip
def test_nothing_else_is_a_line(line: bytes) -> None:
    assert parse_line(line + b"\n") == MALFORMED


@pytest.mark.parametrize("version", [b"0", b"2", b"10", b"19", b"999999999"])
def test_another_version_is_told_apart(version: bytes) -> None:
    for more in (b"", b" ", b" whatever it is\r"):
        assert parse_line(b"CROC/" + version + more + b"\n") == OTHER_VERSION


@given(st.integers(100, 599), st.from_regex(r"\A[a-z_]{1,32}\Z"), st.binary(max_size=40))
def test_an_answer_is_read_as_it_was_written(status: int, code: str, rest: bytes) -> None:
    for answer, parsed in (
        (encode_reply(None), Welcome(rest)),
        (encode_reply(Refusal(status, code)), Refusal(status, code)),
    ):
        assert len(answer) <= MAX_REPLY
        assert parse_reply(answer + rest) == parsed
        assert all(parse_reply(answer[:end]) is None for end in range(len(answer)))
    assert (encode_reply(None), encode_reply(MALFORMED)) == (b"OK\n", b"ERR 400 malformed\n")


@pytest.mark.parametrize(
    "answer",
    [b"\n", b"OK \n", b"OK\r\n", b"ok\n", b"ERR\n", b"ERR 400\n", b"ERR 99 a\n", b"ERR 600 a\n",
     b"ERR 400 A\n", b"ERR 400 a b\n", b"ERR 400 a\x1b[1m\n", b"ERR 400 " + b"a" * 33 + b"\n",
     b"x" * 64, b"x" * 63 + b"\n"],
)  # fmt: skip
def test_another_answer_is_the_relays_fault(answer: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_reply(answer)
    assert caught.value.party is Party.RELAY
