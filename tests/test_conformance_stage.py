"""The suite's own relay on sockets: what a slow or busy suite must not take for a failure."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from conformance._case import UnmetError
from conformance.client._net import Conn, SocketNet
from conformance.client._stage import Link, Stage

MUCH = 6 << 20
"""Bytes: more than a stage reads in a few steps."""


class Ended:
    """A subject that is over."""

    def status(self) -> int:
        return 0

    def output(self) -> tuple[str, str]:
        return "", ""

    def interrupt(self) -> None: ...
    def feed(self, data: bytes) -> None: ...
    def feed_end(self) -> None: ...
    def kill(self) -> None: ...


def start(role: str, environment: Mapping[str, str]) -> Ended:
    return Ended()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage(SocketNet(), start) as made:
        yield made


def until(stage: Stage, found: Callable[[], object]) -> None:
    """Let the network go on until *found*; a test that hangs here is given up by the runner."""
    while not found():
        stage.net.step(0.05)


def connected(stage: Stage) -> tuple[socket.socket, Conn]:
    """A connection to the first data port, from both sides."""
    sock = socket.create_connection((stage.net.host, stage.net.ports[1]))
    until(stage, lambda: stage.net.accepted)
    conn = stage.net.accepted.pop()
    return sock, conn


def test_all_that_an_ended_subject_sent_is_read(stage: Stage) -> None:
    sock, conn = connected(stage)
    link = Link(stage, conn, b"")
    stage.links.append(link)

    def send() -> None:
        with sock:
            sock.sendall(bytes(MUCH))

    sender = threading.Thread(target=send)
    sender.start()
    stage.run = Ended()
    assert len(link.read(MUCH, "its last words")) == MUCH
    assert link.ends("its end") == b""
    sender.join()


def test_what_an_ended_subject_did_not_send_is_not_awaited_for_ever(stage: Stage) -> None:
    sock, conn = connected(stage)
    link = Link(stage, conn, b"")
    stage.links.append(link)
    sock.close()
    stage.run = Ended()
    with pytest.raises(UnmetError):
        link.read(1, "its last words")


def test_what_was_said_before_a_broken_send_is_read(stage: Stage) -> None:
    sock, conn = connected(stage)
    conn.send(b"never read")
    sock.sendall(b"last words")
    sock.recv(1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    for _ in range(3):  # one of these meets the reset
        conn.send(b"too late")
    assert not conn.pending
    until(stage, lambda: conn.ended)
    assert bytes(conn.inbox) == b"last words"


def test_an_unused_port_stays_unused(stage: Stage) -> None:
    port = stage.net.unused_port()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((stage.net.host, port))
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((stage.net.host, port))


def test_a_redial_does_not_hide_that_the_connection_was_lost(stage: Stage) -> None:
    """Once the case awaits the failure, the other member has gone, whoever dials again."""
    stage.role = "sender"
    stage.desk.open("x25519")
    first, conn = connected(stage)
    second, again = connected(stage)
    stage.links += [Link(stage, conn, b"")]
    assert stage.link("its connection").conn is conn
    stage.links += [Link(stage, again, b"")]
    first.close()
    until(stage, lambda: conn.ended)
    stage.serve()
    assert stage.desk.closed is None
    stage._given_up = True
    stage.serve()
    assert stage.desk.closed == ("recipient", "cancelled")
    second.close()
