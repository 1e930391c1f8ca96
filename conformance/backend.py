"""`check_backend(factory)`: does a backend keep to the rules of `backends._io`?

For authors of Python transports. A backend is a loop around a node; the factory makes one:

    def factory(node, listen, tell):
        return MyLoop(node, listen=listen, tell=tell)     # has run(), inject(what), stop()

    check_backend(factory)

Each check runs a node of its own on the backend, with plain sockets of the suite at the other end,
and raises UnmetError with a sentence. One thread calls `run`, another `inject` and `stop`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

from backends import _io as io
from conformance import _bench
from conformance._bench import Bench, Factory, Parts, read, reset
from conformance._case import UnmetError, expect

BOUND = 16 << 20
"""More bytes than this a backend must not take from a producer that nobody reads."""

# ---- the checks


def byte_split(bench: Bench) -> None:
    """However bytes are split on their way, the same bytes are read, in order."""
    data = bytes(range(256)) * 8
    for size in (1, 7, 1000, len(data)):
        conn, sock = bench.pair()
        with sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            got = b""
            for at in range(0, min(len(data), size * 64), size):
                sock.sendall(data[at : at + size])
                while len(got) < min(at + size, len(data)):
                    bench.do(io.Read(conn, 500))
                    received = bench.next(io.Received)
                    expect(len(received.data) <= 500, "a Read gave more than its limit")
                    got += received.data
            expect(got == data[: len(got)], "the bytes that were read are not those sent")
            bench.do(io.Close(conn))


def nothing_unasked(bench: Bench) -> None:
    """Nothing is read before it is asked for, and a Read is answered once."""
    conn, sock = bench.pair()
    with sock:
        sock.sendall(b"early")
        bench.silent()
        bench.do(io.Read(conn, 3))
        expect(bench.next(io.Received).data == b"ear", "a Read gave other bytes")
        bench.silent()
        bench.do(io.Read(conn))
        expect(bench.next(io.Received).data == b"ly", "a Read gave other bytes")


def sends_in_order(bench: Bench) -> None:
    """Sends, a Pump and a HalfClose keep their order; each is answered."""
    conn, sock = bench.pair()
    with sock:
        parts = Parts(iter([b"2" * 100_000, b"3" * 100_000]))
        bench.do(io.Send(conn, b"1"), io.Pump(conn, parts), io.Send(conn, b"4"), io.HalfClose(conn))
        expect(read(sock) == b"1" + b"2" * 100_000 + b"3" * 100_000 + b"4", "the order is another")
        bench.next(io.Sent)
        expect(bench.next(io.Pumped).error is None, "the pump failed")
        bench.next(io.Sent)


def half_close(bench: Bench) -> None:
    """After a HalfClose reading goes on; the end of the stream is an empty Received."""
    conn, sock = bench.pair()
    with sock:
        bench.do(io.Send(conn, b"bye"), io.HalfClose(conn))
        expect(read(sock) == b"bye", "what was sent before the half-close is not there")
        bench.next(io.Sent)
        sock.sendall(b"still")
        bench.do(io.Read(conn))
        expect(bench.next(io.Received).data == b"still", "reading ended with the half-close")
        sock.shutdown(socket.SHUT_WR)
        bench.do(io.Read(conn))
        expect(bench.next(io.Received).data == b"", "the end of the stream is not empty")


def drain(bench: Bench) -> None:
    """A Drain ends when its consumer is ready, and tells it of the end of the stream once."""
    conn, sock = bench.pair()
    with sock:
        consumer = Parts(count=200_000)
        bench.do(io.Drain(conn, consumer))
        sock.sendall(b"d" * 200_000 + b"rest")
        expect(bench.next(io.Drained).error is None, "the drain failed")
        expect(bytes(consumer.got) == b"d" * 200_000, "the drain gave other bytes")
        rest = Parts(count=100)
        bench.do(io.Drain(conn, rest))
        sock.shutdown(socket.SHUT_WR)
        bench.next(io.Drained)
        expect(rest.got == b"rest" and rest.ends == 1, f"{rest.got!r}, {rest.ends} ends")


def errors_pass(bench: Bench) -> None:
    """What a producer, a consumer or a call raises comes back as the answer."""

    def fails() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("on purpose")

    conn, sock = bench.pair()
    with sock:
        bench.do(io.Pump(conn, Parts(fails())))
        expect(isinstance(bench.next(io.Pumped).error, ValueError), "the error is lost")
        bench.do(io.Work(7, lambda: [][0]))
        worked = bench.next(io.Worked)
        expect(worked.job == 7 and isinstance(worked.error, IndexError), f"{worked}")
        bench.do(io.Work(8, lambda: 42))
        expect(bench.next(io.Worked).result == 42, "the result is lost")


def slow_reader(bench: Bench) -> None:
    """A producer whose bytes nobody reads is not asked for ever: memory is bounded."""
    conn, sock = bench.pair()
    with sock:
        parts = Parts(bytes(1 << 20) for _ in range(256))
        bench.do(io.Pump(conn, parts))
        before = -1
        while before != parts.made:
            before = parts.made
            bench.silent(0.3)
        expect(parts.made < BOUND, f"it took {parts.made} bytes that nobody read")
        expect(len(read(sock, 256 << 20)) == 256 << 20, "bytes are missing")
        bench.next(io.Pumped)


def no_patience(bench: Bench) -> None:
    """A Pump whose peer takes nothing, and a Drain whose peer gives nothing, break in time."""
    conn, sock = bench.pair()
    with sock:
        bench.do(io.Drain(conn, Parts(count=10), patience=0.3))
        expect(bench.next(io.Broken).conn == conn, "another connection broke")
    conn, sock = bench.pair()
    with sock:
        endless = (bytes(1 << 20) for _ in range(256))
        bench.do(io.Pump(conn, Parts(endless), patience=0.3))
        expect(bench.next(io.Broken).conn == conn, "another connection broke")


def peer_vanishes(bench: Bench) -> None:
    """A connection that is reset is Broken once; effects that name it then do nothing."""
    conn, sock = bench.pair()
    bench.do(io.Read(conn))
    reset(sock)
    broken = bench.next(io.Broken)
    expect(broken.conn == conn and broken.cause, f"{broken}")
    bench.do(io.Send(conn, b"x"), io.Read(conn), io.HalfClose(conn), io.Close(conn))
    bench.silent()


def cancellation(bench: Bench) -> None:
    """Close gives up a Read and a Drain without an input, behind what was sent before."""
    first, one = bench.pair()
    second, two = bench.pair()
    bench.do(io.Read(first), io.Send(first, b"last words"), io.Close(first))
    expect(read(one) == b"last words", "what was sent before the Close is lost")
    bench.do(io.Drain(second, Parts(count=10)), io.Close(second))
    expect(read(two) == b"", "bytes came")
    bench.do(io.Work(1, lambda: None))
    event = bench.puppet.seen.get(timeout=_bench.WAIT)
    if event == io.Sent(first):  # it may be answered before the Close
        event = bench.puppet.seen.get(timeout=_bench.WAIT)
    expect(isinstance(event, io.Worked), f"{event} came of a connection that is closed")
    bench.silent()


def dials(bench: Bench) -> None:
    """A Connect is answered by Connected with both addresses, or by Broken with a cause."""
    with socket.create_server((_bench.HOST, 0)) as server:
        bench.do(io.Connect(io.Conn(2), _bench.HOST, server.getsockname()[1], _bench.HOST))
        connected = bench.next(io.Connected)
        ends = (connected.conn, connected.peer, connected.local)
        expect(ends == (2, _bench.HOST, _bench.HOST), f"{connected}")
        port = server.getsockname()[1]
    bench.do(io.Close(io.Conn(2)))
    bench.do(io.Connect(io.Conn(4), _bench.HOST, port))
    broken = bench.next(io.Broken)
    expect(broken.conn == 4 and broken.cause, f"{broken}")


def staples(bench: Bench) -> None:
    """A Staple moves bytes both ways, what it is given first; each end passes by itself."""
    (a, one), (b, two) = bench.pair(1), bench.pair(1)
    with one, two:
        one.sendall(b"from a")
        bench.do(io.Staple(1, a, b, b"to a", b"to b", 30.0))
        expect(read(two, 10) == b"to bfrom a", "b got other bytes")
        expect(read(one, 4) == b"to a", "a got other bytes")
        one.shutdown(socket.SHUT_WR)
        expect(read(two) == b"", "bytes came behind the end")
        two.sendall(b"x" * 500_000)
        expect(read(one, 500_000) == b"x" * 500_000, "one end closed both directions")
        two.shutdown(socket.SHUT_WR)
        ended = bench.next(io.Unstapled)
        counts = (ended.pair, ended.a_to_b, ended.b_to_a, ended.cause)
        expect(counts in ((1, 10, 500_004, "done"), (1, 6, 500_000, "done")), f"{ended}")


def staple_bounded(bench: Bench) -> None:
    """A staple whose reader is slow stops reading: it holds a bounded number of bytes."""
    (a, one), (b, two) = bench.pair(1), bench.pair(1)
    with one, two:
        bench.do(io.Staple(2, a, b, b"", b"", 30.0))
        one.settimeout(1.0)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 4 * BOUND:
                sent += one.send(bytes(1 << 16))
        expect(sent < 2 * BOUND, f"it took {sent} bytes that nobody read")
        expect(len(read(two, sent)) == sent, "bytes are missing")
        bench.do(io.Cut(2))
        expect(bench.next(io.Unstapled).cause == "cut", "a Cut ends otherwise")


def staple_ends(bench: Bench) -> None:
    """A staple without a byte is idle after its time; one that is reset says so."""
    (a, one), (b, two) = bench.pair(1), bench.pair(1)
    with one, two:
        bench.do(io.Staple(3, a, b, b"", b"", 0.3))
        expect(bench.next(io.Unstapled).cause == "idle", "an idle staple ends otherwise")
    (a, one), (b, two) = bench.pair(1), bench.pair(1)
    with two:
        bench.do(io.Staple(4, a, b, b"", b"", 30.0))
        reset(one)
        expect(bench.next(io.Unstapled).cause == "reset", "a reset staple ends otherwise")


def wakes(bench: Bench) -> None:
    """Woke comes when the deadline has passed, and once; what is told is told in order."""
    bench.call(lambda: setattr(bench.puppet, "due", time.monotonic() + 0.2))
    bench.next(io.Woke)
    bench.silent()
    bench.do(*(io.Tell(number) for number in range(100)))
    bench.do(io.Work(1, lambda: None))
    bench.next(io.Worked)
    expect(bench.told == list(range(100)), "what was told came in another order")


CHECKS: tuple[Callable[[Bench], None], ...] = (
    byte_split,
    nothing_unasked,
    sends_in_order,
    half_close,
    drain,
    errors_pass,
    slow_reader,
    no_patience,
    peer_vanishes,
    cancellation,
    dials,
    staples,
    staple_bounded,
    staple_ends,
    wakes,
)


def check_backend(factory: Factory) -> None:
    """Run every check; UnmetError with its name and a sentence at the first that is not kept."""
    for check in CHECKS:
        try:
            run_check(factory, check)
        except UnmetError as unmet:
            raise UnmetError(f"{check.__name__}: {unmet}") from unmet
        except OSError as error:
            raise UnmetError(f"{check.__name__}: {error}") from error
    clean_shutdown(factory)


def run_check(factory: Factory, check: Callable[[Bench], None]) -> None:
    """Run one check on a backend of its own, which must leave nothing open."""
    before = _open()
    bench = Bench(factory)
    with contextlib.closing(bench):
        try:
            check(bench)
        except BaseException:
            with contextlib.suppress(UnmetError):  # the first thing that is wrong is told
                bench.stop()
            raise
        bench.stop()
    _nothing_left(before)


def clean_shutdown(factory: Factory) -> None:
    """With connections, a dial, a read, a pump and a staple under way, stop leaves nothing open."""
    before = _open()
    bench = Bench(factory)
    with contextlib.closing(bench):
        pairs = [bench.pair(number % 2) for number in range(5)]
        conns = [conn for conn, _ in pairs]
        endless = Parts(bytes(1 << 16) for _ in range(1 << 20))
        bench.do(
            io.Read(conns[0]),
            io.Pump(conns[1], endless),
            io.Drain(conns[2], Parts(count=10)),
            io.Staple(1, conns[3], conns[4], b"", b"", 30.0),
            io.Connect(io.Conn(2), "192.0.2.1", 9),
        )
        bench.stop()
        for _, sock in pairs[2:]:
            sock.settimeout(_bench.WAIT)
            with contextlib.suppress(ConnectionResetError):
                expect(sock.recv(1) == b"", "a connection outlives the backend")
    _nothing_left(before)


def _open() -> tuple[set[str], int]:
    """The descriptors of this process, where the system shows them, and its threads."""
    found = set()
    folder = "/proc/self/fd"
    if os.path.isdir(folder):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                found.add(f"{name}:{os.readlink(f'{folder}/{name}')}")
    return found, threading.active_count()


def _nothing_left(before: tuple[set[str], int]) -> None:
    end = time.monotonic() + _bench.WAIT
    while True:
        gc.collect()
        descriptors, threads = _open()
        left = sorted(descriptors - before[0])
        if not left and threads <= before[1]:
            return
        if time.monotonic() > end:
            raise UnmetError(f"left open: {left}, {threads - before[1]} threads")
        time.sleep(0.05)
