from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends._splice import CHUNK, COPY, Flow, Pipes, Want

Ends = tuple[socket.socket, socket.socket, socket.socket, socket.socket]


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    near.setblocking(False)
    far.setblocking(False)
    return near, far


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Writer -> source, sink -> reader."""
    writer, source = tcp_pair()
    sink, reader = tcp_pair()
    socks = (writer, source, sink, reader)
    yield socks
    for sock in socks:
        sock.close()


@pytest.fixture(
    params=["spliced", "no pipes", "refused at once", "refused with a full pipe", "slowly"]
)
def pipes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipes]:
    """The ways in which bytes may have to go; what the system cannot do is played."""
    if request.param == "no pipes":
        monkeypatch.setattr(os, "pipe2", _raise(errno.EMFILE), raising=False)
    elif request.param == "refused at once":
        monkeypatch.setattr(os, "splice", _raise(errno.EPERM), raising=False)
    elif sys.platform != "linux":
        pytest.skip("no splice here")
    elif request.param == "refused with a full pipe":
        monkeypatch.setattr(os, "splice", _in_only(os.splice))
    elif request.param == "slowly":
        monkeypatch.setattr(os, "splice", _at_most(4099, os.splice))
    made = Pipes()
    yield made
    made.close()


def _raise(number: int) -> object:
    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def _at_most(most: int, real: Any) -> object:
    """Play a system that splices less than it is asked to, and less out than in."""

    def call(source: int, sink: int, count: int, flags: int) -> int:
        most_now = most if socket_fd(source) else most // 3
        return real(source, sink, min(count, most_now), flags=flags)  # type: ignore[no-any-return]

    return call


def _in_only(real: object) -> object:
    def call(source: int, sink: int, count: int, flags: int) -> int:
        if socket_fd(source):
            return real(source, sink, count, flags=flags)  # type: ignore[operator,no-any-return]
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    return call


def socket_fd(fd: int) -> bool:
    return os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")


def send_some(sock: socket.socket, data: bytes) -> bytes:
    try:
        return data[sock.send(data) :]
    except BlockingIOError:
        return data


def read_some(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 20)
    except BlockingIOError:
        return b""


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12, deadline=None
)
@given(
    data=st.lists(st.sampled_from([1, 100, COPY, COPY + 1, CHUNK, 3 * CHUNK + 7]), max_size=4),
    first=st.sampled_from([b"", b"first"]),
    budget=st.sampled_from([1, 4096, 1 << 30]),
    reads=st.sampled_from([1, 3]),
)
def test_bytes_arrive_whole_and_in_order_and_then_the_end(
    pipes: Pipes, data: list[int], first: bytes, budget: int, reads: int
) -> None:
    writer, source = tcp_pair()
    sink, reader = tcp_pair()
    with writer, source, sink, reader:
        whole = b"".join(os.urandom(n) for n in data)
        rest, got, ended = whole, b"", False
        flow = Flow(source, sink, first, pipes)
        want = flow.turn(budget)
        turns = 0
        while want is not Want.NOTHING:
            rest = send_some(writer, rest) if rest else rest
            if not rest and not ended:
                writer.shutdown(socket.SHUT_WR)
                ended = True
            want = flow.turn(budget)
            turns += 1
            if turns % reads == 0:
                got += read_some(reader)
        reader.setblocking(True)
        while part := reader.recv(1 << 20):
            got += part
        assert got == first + whole
        assert flow.moved == len(got)


def test_a_reader_that_does_not_read_costs_bounded_memory(ends: Ends, pipes: Pipes) -> None:
    writer, source, sink, _ = ends
    flow = Flow(source, sink, b"", pipes)
    sent, want = 0, Want.READ
    idle = 0
    while idle < 50:  # until nothing moves any more: all buffers are full
        before = sent, flow.moved
        with contextlib.suppress(BlockingIOError):
            sent += writer.send(bytes(1 << 20))
        want = flow.turn(1 << 30)
        idle = idle + 1 if (sent, flow.moved) == before else 0
    assert want is Want.WRITE
    assert len(flow._rest) <= CHUNK
    assert flow._held <= CHUNK
    flow.close()
    assert (flow._rest, flow._held, flow._pipe) == (b"", 0, None)


@pytest.mark.skipif(sys.platform != "linux", reason="no splice here")
def test_a_budget_bounds_one_turn(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "splice", _at_most(3000, os.splice))
    writer, source, sink, reader = ends
    pipes = Pipes()
    flow = Flow(source, sink, b"", pipes)
    sent = 100_000 - len(send_some(writer, bytes(100_000)))
    turns = 0
    while flow.moved < sent:
        before = flow.moved
        assert flow.turn(1) in (Want.READ, Want.WRITE)
        assert flow.moved - before <= 3000
        read_some(reader)
        turns += 1
    assert turns >= 1
    pipes.close()


@pytest.mark.skipif(sys.platform != "linux", reason="no splice here")
def test_a_pipe_is_held_only_while_bytes_are_in_it(ends: Ends) -> None:
    writer, source, sink, reader = ends
    pipes = Pipes(spare=1)
    flow = Flow(source, sink, b"", pipes)
    assert flow.turn(1 << 30) is Want.READ
    assert flow._pipe is None
    writer.send(b"x")
    other = pipes.take()
    assert other is not None
    while flow.moved < 1:
        assert flow.turn(1 << 30) is Want.READ
    assert flow._pipe is None
    assert len(pipes._spare) == 1
    pipes.give(other)  # one is spare already: this one is closed
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(other.reader)
    pipes.close()
    reader.recv(1)


@pytest.mark.skipif(sys.platform != "linux", reason="no splice here")
def test_pipes_grow_within_a_budget_and_give_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    pipes = Pipes(spare=0, grown=1)
    a, b = pipes.take(), pipes.take()
    assert a is not None
    assert b is not None

    def size(fd: int) -> int:
        return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)

    usual = size(b.writer)
    pipes.grow(a)
    pipes.grow(a)
    pipes.grow(b)
    assert (size(a.writer), size(b.writer)) == (CHUNK, usual)
    pipes.give(a)  # no spare is kept: the budget is free again
    pipes.grow(b)
    assert size(b.writer) == CHUNK
    pipes.give(b)
    c = pipes.take()
    assert c is not None
    monkeypatch.setattr(fcntl, "fcntl", _raise(errno.EPERM))
    pipes.grow(c)  # refused: it stays as it is
    assert not c.grown
    pipes.give(c)


@pytest.mark.skipif(sys.platform != "linux", reason="no splice here")
def test_pipes_are_few_and_who_gets_none_copies() -> None:
    pipes = Pipes(spare=1, most=2)
    taken = [pipes.take() for _ in range(3)]
    assert [pipe is None for pipe in taken] == [False, False, True]
    writer, source = tcp_pair()
    sink, reader = tcp_pair()
    with writer, source, sink, reader:
        flow = Flow(source, sink, b"", pipes)
        data = os.urandom(COPY)
        writer.send(data)
        reader.setblocking(True)
        got = b""
        while len(got) < len(data):
            flow.turn(1 << 30)
            if flow.moved > len(got):
                got += reader.recv(1 << 20)
        assert got == data
        assert flow._pipe is None
    for pipe in taken[:2]:
        assert pipe is not None
        pipes.give(pipe)  # one is kept, the other closed
    again = [pipes.take() for _ in range(3)]
    assert [pipe is None for pipe in again] == [False, False, True]
    for pipe in again[:2]:
        assert pipe is not None
        pipes.discard(pipe)


AS_NOBODY = """
import errno, fcntl, os, resource, socket, threading
from backends._splice import CHUNK, Flow, Pipes, Want
from tests.test_splice import tcp_pair

def ends():
    writer, source = tcp_pair()
    sink, reader = tcp_pair()
    writer.setblocking(True)
    reader.setblocking(True)
    return writer, source, sink, reader

def carry(pipes, writer, source, sink, reader):
    data = os.urandom(8 << 20)
    got = []
    def send():
        writer.sendall(data)
        writer.shutdown(socket.SHUT_WR)
    def take():
        got.extend(iter(lambda: reader.recv(1 << 20), b""))
    threads = [threading.Thread(target=send), threading.Thread(target=take)]
    for thread in threads:
        thread.start()
    flow = Flow(source, sink, b"", pipes)
    while flow.turn(1 << 20) is not Want.NOTHING:
        assert not took or flow._pipe is None
    for thread in threads:
        thread.join()
    assert b"".join(got) == data

took = []
one, other = ends(), ends()
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
held = []
try:
    while len(held) < 400:
        held.append(os.pipe())
        fcntl.fcntl(held[-1][1], fcntl.F_SETPIPE_SZ, CHUNK)
    print("no bound")
except PermissionError:
    pipes = Pipes()
    carry(pipes, *one)
    assert not any(pipe.grown for pipe in pipes._spare)
    print("small pipes")
now = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (now, now))
try:
    while True:
        took.append(os.dup(0))
except OSError as error:
    assert error.errno == errno.EMFILE
carry(Pipes(), *other)
print("no pipes")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no splice here")
def test_a_user_without_rights_is_served_with_small_pipes_and_with_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split("\n")[0] in ("small pipes", "no bound"), done.stderr
    assert done.stdout.split("\n")[1:] == ["no pipes", ""], done.stderr


def test_a_reset_is_an_oserror(ends: Ends) -> None:
    writer, source, sink, _ = ends
    pipes = Pipes()
    flow = Flow(source, sink, b"", pipes)
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.close()
    sink.setblocking(True)  # nothing is held, so only the source can make a turn fail
    source.setblocking(True)
    with pytest.raises(ConnectionResetError):
        flow.turn(1)
    flow.close()
    pipes.close()
