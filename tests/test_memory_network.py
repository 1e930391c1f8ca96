"""The network in memory: whole transfers, virtual time, and each thing that connections promise."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import _io as io
from backends.memory import MemorySink, MemorySource, Network, Recipient, Sender
from backends.memory import _network as network_module
from backends.memory._host import Host
from backends.memory._wire import GIVES_UP, End
from croc_core.errors import Code, RemoteProtocolError
from croc_core.events import CodeReady, Completed, OfferSeen
from croc_core.limits import Limits
from croc_core.party import Patience
from croc_core.party_io import Decided
from croc_core.values import Moment

FILES = {"letter.txt": b"Dear Anna", "photos/": b"", "photos/a.jpg": bytes(range(256)) * 4000}


def pair(net: Network) -> tuple[Sender, Recipient]:
    net.relay()
    sender = net.sender(FILES)
    return sender, net.recipient(sender)


def test_the_documents_example() -> None:
    text = network_module.__doc__ or ""
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    assert len(lines) > 5
    exec("\n".join(lines), {})


def test_a_transfer_and_what_both_people_see() -> None:
    net = Network(seed=5)
    sender, recipient = pair(net)
    net.run()
    assert sender.succeeded
    assert recipient.succeeded
    assert recipient.files == FILES
    assert any(isinstance(e, CodeReady) and e.code == sender.code for e in sender.events)
    assert isinstance(sender.events[-1], Completed)
    assert isinstance(recipient.events[-1], Completed)
    assert recipient.events[-1].paths == ("letter.txt", "photos")


def test_one_seed_is_one_run_whatever_the_process() -> None:
    text = (
        "from backends.memory import Network\n"
        "net = Network(seed=3); net.relay(); s = net.sender({'a': b'x' * 70000})\n"
        "r = net.recipient(s); net.run(); print(s.code, net.clock.steps, net.seconds, s.events)"
    )
    outs = {
        subprocess.run(
            [sys.executable, "-c", text],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outs) == 1
    codes = {Network(seed=n).entropy("sender")(8) for n in range(20)}
    assert len(codes) == 20


def test_the_relay_forgets_everything_in_the_end() -> None:
    net = Network()
    relay = net.relay()
    sender = net.sender(FILES)
    net.recipient(sender)
    net.run()
    assert relay.channels  # a tombstone
    net.settle()
    assert relay.channels == {}
    assert relay.node.connections == 0
    assert relay.node.deadline() is None
    assert net.seconds >= Limits().tombstone_ttl


def test_a_person_decides_later() -> None:
    net = Network()
    net.relay()
    sender = net.sender(FILES)
    recipient = net.recipient(sender, decide=lambda offer: None)
    net.run(seconds=600)
    assert any(isinstance(event, OfferSeen) for event in recipient.events)
    assert recipient.files == {}
    assert net.seconds == 600
    recipient.tell(Decided(True))
    net.run()
    assert recipient.files == FILES


def test_a_person_declines() -> None:
    net = Network()
    net.relay()
    sender = net.sender(FILES)
    recipient = net.recipient(sender, decide=lambda offer: False)
    net.run()
    assert sender.failure is not None
    assert sender.failure.code is Code.DECLINED
    assert recipient.failure is not None
    assert recipient.failure.code is Code.DECLINED
    assert recipient.files == {}


def test_a_wrong_code() -> None:
    net = Network()
    net.relay()
    sender = net.sender(FILES, channel="abcd", phrase="one two three")
    net.run(seconds=1)
    assert sender.code == "abcd-one-two-three"
    recipient = net.recipient("abcd-one-two-thee")
    net.run()
    for party in (sender, recipient):
        assert party.failure is not None
        assert party.failure.code is Code.WRONG_CODE
    assert recipient.files == {}


def test_an_interrupted_sender() -> None:
    net = Network()
    sender, recipient = pair(net)
    net.run(seconds=0.5)
    sender.interrupt()
    net.run()
    assert sender.failure is not None
    assert sender.failure.code is Code.SIGINT
    assert recipient.node is None  # the code reached nobody


def test_nobody_comes() -> None:
    net = Network(patience=Patience(meeting=300.0))
    net.relay()
    sender = net.sender(FILES)
    net.run()
    assert sender.failure is not None
    assert sender.failure.code is Code.TIMEOUT
    assert 300 <= net.seconds < 330


def test_no_relay() -> None:
    with pytest.raises(ValueError, match="relay"):
        Network().sender(FILES)
    net = Network()
    net.relay().crash()
    sender = net.sender(FILES)
    net.run()
    assert sender.failure is not None
    assert sender.failure.code is Code.RELAY_UNREACHABLE


def test_several_at_once_and_a_third_address() -> None:
    net = Network()
    net.relay()
    pairs = []
    for n in range(5):
        sender = net.sender({str(n): bytes([n]) * 1000}, name=f"s{n}")
        pairs.append((n, net.recipient(sender, name=f"r{n}")))
    net.run()
    for n, recipient in pairs:
        assert recipient.files == {str(n): bytes([n]) * 1000}
    late = net.recipient("zzzz-not-there-now", name="late")
    net.run()
    assert late.failure is not None
    assert late.failure.code is Code.RELAY_REFUSED


# ---- files in memory


def test_names_that_are_taken_or_unsafe_are_refused() -> None:
    net = Network()
    net.relay()
    sender = net.sender({"a": b"new", "../b": b"no", "/c": b"no", "d": b"yes", "e\x1b": b"no"})
    recipient = net.recipient(sender, files={"a": b"old"})
    net.run()
    assert recipient.files == {"a": b"old", "d": b"yes"}
    seen = next(e for e in recipient.events if isinstance(e, OfferSeen))
    assert (seen.files, seen.refused) == (1, 4)


@given(st.lists(st.booleans(), max_size=12))
def test_a_verdict_names_just_what_is_taken(free: list[bool]) -> None:
    sink = MemorySink({str(n): b"" for n, is_free in enumerate(free) if not is_free})
    sink.consider(list(MemorySource({str(n): b"x" for n in range(len(free))}).walk()))
    verdict = sink.judge()
    chosen = [n for span in verdict.chosen for n in range(span.first, span.first + span.count)]
    assert chosen == [n for n, is_free in enumerate(free) if is_free]
    assert verdict.totals == (len(chosen), len(chosen), len(chosen))
    assert verdict.refused_count == len(free) - len(chosen)
    assert all(a.first + a.count < b.first for a, b in itertools.pairwise(verdict.chosen))


def test_no_room() -> None:
    net = Network()
    net.relay()
    sender = net.sender({"a": bytes(1000)})
    files: dict[str, bytes] = {}
    recipient = net.recipient(sender, sink=MemorySink(files, room=999))
    net.run()
    assert recipient.failure is not None
    assert recipient.failure.code is Code.LOCAL_FILE
    assert files == {}


@given(st.binary(max_size=300), st.randoms(use_true_random=False))
def test_a_file_is_there_once_it_is_whole(data: bytes, chance: random.Random) -> None:
    files: dict[str, bytes] = {}
    sink = MemorySink(files)
    sink.consider(list(MemorySource({"f": data}).walk()))
    sink.judge()
    sink.prepare()
    cuts = sorted({0, len(data), *(chance.randint(0, len(data)) for _ in range(5))})
    parts = [(a, data[a:b]) for a, b in itertools.pairwise(cuts)]
    chance.shuffle(parts)
    for offset, part in parts:
        assert "f" not in files
        with pytest.raises(RemoteProtocolError):
            sink.write(0, len(data) - len(part) + 1, memoryview(part))
        if any(part):
            sink.write(0, offset, memoryview(part))
        else:
            sink.zeros(0, offset, len(part))
    assert files == {"f": data}
    assert sink.finish(()).bytes == len(data)
    with pytest.raises(RemoteProtocolError):
        sink.write(0, 0, memoryview(b"x"))


def test_what_is_missing_is_said() -> None:
    sink = MemorySink({})
    sink.consider(list(MemorySource({"f": b"12"}).walk()))
    sink.judge()
    sink.prepare()
    sink.write(0, 1, memoryview(b"2"))
    with pytest.raises(RemoteProtocolError):
        sink.finish(())
    with pytest.raises(RemoteProtocolError):
        sink.write(1, 0, memoryview(b"2"))


# ---- the promises of `_io`


class Puppet:
    """A node that does what a test tells it and keeps what happens."""

    def __init__(self) -> None:
        self.seen: list[io.Input] = []
        self.finished = False
        self.due: float | None = None

    def handle(self, event: io.Input, now: Moment) -> tuple[io.Effect, ...]:
        if isinstance(event, io.Told):
            assert isinstance(event.what, tuple)
            return event.what
        self.seen.append(event)
        if isinstance(event, io.Woke):
            assert self.due is not None
            assert now.mono >= self.due
            self.due = None
        return ()

    def deadline(self) -> float | None:
        return self.due


class Bench:
    """Three puppets: a relay in the middle (m) with one listener for HTTP and one for data."""

    def __init__(self) -> None:
        self.net = Network()
        self.nodes = {name: Puppet() for name in "abm"}
        self.hosts = {name: self.net.host(name) for name in "abm"}
        for name, node in self.nodes.items():
            self.hosts[name].start(node, (80, 81) if name == "m" else ())
        self.net.settle()
        for node in self.nodes.values():
            node.seen.clear()

    def do(self, name: str, *effects: io.Effect, seconds: float = 1.0) -> list[io.Input]:
        """Have *name* do it; return all that it sees in the next *seconds*."""
        self.nodes[name].seen.clear()
        self.hosts[name].deliver(io.Told(effects))
        self.wait(seconds)
        return self.seen(name)

    def wait(self, seconds: float) -> None:
        end = self.net.clock.now + seconds
        while (due := self.net.clock.next()) is not None and due <= end:
            self.net.clock.step()
        self.net.clock.now = end

    def seen(self, name: str) -> list[io.Input]:
        found = self.nodes[name].seen
        self.nodes[name].seen = []
        return found

    def connect(self, name: str, port: int = 81) -> tuple[io.Conn, io.Conn]:
        dialled = io.Conn(2)
        (connected,) = self.do(name, io.Connect(dialled, "m", port))
        (accepted,) = self.seen("m")
        assert isinstance(connected, io.Connected)
        assert isinstance(accepted, io.Accepted)
        assert accepted.peer == connected.local == self.hosts[name].address
        assert accepted.listener == port - 81
        return dialled, accepted.conn

    def end(self, name: str, conn: io.Conn) -> End:
        return self.hosts[name]._conns[conn].end


class Bytes:
    """A producer of parts, and a consumer of a fixed number of bytes."""

    def __init__(self, parts: list[bytes] | None = None, count: int = 0) -> None:
        self.parts = list(parts or [])
        self.count = count
        self.got = bytearray()
        self.room = bytearray(1000)
        self.ends = 0

    def fill(self) -> memoryview | None:
        return memoryview(self.parts.pop(0)) if self.parts else None

    def ready(self) -> bool:
        return len(self.got) >= self.count

    def buffer(self) -> memoryview:
        return memoryview(self.room)[: self.count - len(self.got)]

    def advance(self, count: int) -> None:
        self.ends += count == 0
        self.got += self.room[:count]


def test_sends_keep_their_order_and_reads_are_asked_for() -> None:
    bench = Bench()
    a, m = bench.connect("a")
    pumped = bench.do(
        "a",
        io.Send(a, b"one"),
        io.Pump(a, Bytes([b"two", b"three"])),
        io.Send(a, b"four"),
        io.HalfClose(a),
    )
    assert pumped == [io.Sent(a), io.Pumped(a), io.Sent(a)]
    assert bench.seen("m") == []
    assert bench.do("m", io.Read(m, 4)) == [io.Received(m, b"onet")]
    assert bench.do("m", io.Read(m)) == [io.Received(m, b"wothreefour")]
    assert bench.do("m", io.Read(m)) == [io.Received(m, b"")]
    assert bench.do("m", io.Send(m, b"back")) == [io.Sent(m)]
    assert bench.do("a", io.Read(a)) == [io.Received(a, b"back")]


def test_a_drain_ends_when_its_consumer_is_ready_or_the_stream_ends() -> None:
    bench = Bench()
    a, m = bench.connect("a")
    five, more = Bytes(count=5), Bytes(count=50)
    assert bench.do("m", io.Drain(m, five)) == []
    bench.do("a", io.Send(a, b"abc"))
    assert bench.seen("m") == []
    bench.do("a", io.Send(a, b"defg"))
    assert bench.seen("m") == [io.Drained(m)]
    assert five.got == b"abcde"
    bench.do("m", io.Drain(m, more))
    bench.do("a", io.Close(a))
    assert bench.seen("m") == [io.Drained(m)]
    assert more.got == b"fg"
    assert more.ends == 1


def test_what_producers_and_consumers_raise_is_told() -> None:
    bench = Bench()
    a, m = bench.connect("a")
    fault = ValueError("no")

    class Bad(Bytes):
        def fill(self) -> memoryview | None:
            raise fault

        def ready(self) -> bool:
            raise fault

    assert bench.do("a", io.Pump(a, Bad()), io.Send(a, b"x")) == [io.Pumped(a, fault), io.Sent(a)]
    assert bench.do("m", io.Drain(m, Bad())) == [io.Drained(m, fault)]


def test_patience_ends() -> None:
    bench = Bench()
    a, m = bench.connect("a")
    assert bench.do("m", io.Drain(m, Bytes(count=9), patience=5.0), seconds=4.9) == []
    bench.do("a", io.Send(a, b"x"), seconds=4.9)
    assert bench.seen("m") == []
    bench.wait(1)
    assert bench.seen("m") == [io.Broken(m, "timed out")]
    bench = Bench()
    a, m = bench.connect("a")
    long = io.Pump(a, Bytes([bytes(1 << 20)]), patience=5.0)
    assert bench.do("a", long, seconds=4.9) == []
    bench.do("m", io.Read(m), seconds=0.05)
    bench.do("m", io.Read(m), seconds=4.0)
    assert bench.seen("a") == []
    bench.wait(2)
    assert bench.seen("a") == [io.Broken(a, "timed out")]


def test_a_slow_reader_holds_the_sender_up() -> None:
    bench = Bench()
    a, m = bench.connect("a")
    big = bytes(bench.net._weather.window)
    assert bench.do("a", io.Send(a, big), io.Send(a, b"x")) == [io.Sent(a)]
    bench.do("m", io.Read(m))
    assert bench.seen("a") == []
    bench.do("m", io.Read(m))  # half of the window is free again
    assert bench.seen("a") == [io.Sent(a)]


def test_close_sends_what_was_sent_before_and_nothing_more_comes_of_it() -> None:
    bench = Bench()
    a, m = bench.connect("a")
    bench.do("m", io.Read(m))
    assert bench.do("a", io.Read(a), io.Send(a, b"bye"), io.Close(a), io.Send(a, b"no")) == []
    assert bench.seen("m") == [io.Received(m, b"bye")]
    assert bench.do("m", io.Read(m)) == [io.Received(m, b"")]
    # bytes that meet a closed end come back as a reset
    assert bench.do("m", io.Send(m, b"hello?")) == [io.Sent(m)]
    assert bench.do("m", io.Read(m)) == [io.Broken(m, "connection reset")]
    assert bench.do("m", io.Read(m), io.Send(m, b"x"), io.Close(m)) == []


def test_a_close_with_bytes_unread_is_a_reset() -> None:
    bench = Bench()
    a, m = bench.connect("a")
    bench.do("a", io.Send(a, b"unread"))
    bench.do("m", io.Close(m))
    assert bench.do("a", io.Read(a)) == [io.Broken(a, "connection reset")]


def test_a_reset_is_noticed_by_what_is_under_way_or_comes_next() -> None:
    bench = Bench()
    a, m = bench.connect("a")
    bench.do("a", io.Read(a))
    bench.end("a", a).wire.reset()
    bench.wait(0.1)
    assert bench.seen("a") == [io.Broken(a, "connection reset")]
    assert bench.seen("m") == []
    assert bench.do("m", io.Send(m, b"x"), io.Read(m)) == [io.Broken(m, "connection reset")]


def test_dials_that_fail() -> None:
    bench = Bench()
    conn = io.Conn(2)
    assert bench.do("a", io.Connect(conn, "m", 82)) == [io.Broken(conn, "connection refused")]
    assert bench.do("a", io.Connect(conn, "x", 80)) == [io.Broken(conn, "no such host")]
    bench.hosts["m"].stop()
    assert bench.do("a", io.Connect(conn, "m", 80)) == [io.Broken(conn, "connection refused")]
    bench = Bench()
    assert bench.do("a", io.Connect(conn, "m", 80), io.Close(conn)) == []
    (accepted,) = bench.seen("m")
    assert isinstance(accepted, io.Accepted)
    assert bench.do("m", io.Read(accepted.conn)) == [io.Received(accepted.conn, b"")]


def stapled() -> tuple[Bench, io.Conn, io.Conn]:
    bench = Bench()
    a, ma = bench.connect("a")
    b, mb = bench.connect("b")
    staple = io.Staple(7, ma, mb, to_a=b"for a", to_b=b"for b", idle=100.0)
    assert bench.do("m", io.Send(ma, b"OK "), staple) == []
    return bench, a, b


def test_a_staple_passes_bytes_and_ends_both_ways() -> None:
    bench, a, b = stapled()
    assert bench.do("a", io.Read(a)) == [io.Received(a, b"OK for a")]
    assert bench.do("b", io.Read(b)) == [io.Received(b, b"for b")]
    bench.do("a", io.Send(a, b"hi"), io.HalfClose(a))
    assert bench.do("b", io.Read(b)) == [io.Received(b, b"hi")]
    assert bench.do("b", io.Read(b)) == [io.Received(b, b"")]
    bench.do("b", io.Send(b, b"there"), io.HalfClose(b))
    assert bench.do("a", io.Read(a)) == [io.Received(a, b"there")]
    assert bench.seen("m") == [io.Unstapled(7, 7, 10, "done")]


def test_a_staple_ends_when_it_is_cut_or_idle_or_broken() -> None:
    bench, a, _ = stapled()
    assert bench.do("m", io.Cut(7), io.Cut(7)) == [io.Unstapled(7, 5, 5, "cut")]
    bench, a, _ = stapled()
    bench.do("a", io.Send(a, b"x"))
    bench.wait(98)
    assert bench.seen("m") == []
    bench.wait(2)
    assert bench.seen("m") == [io.Unstapled(7, 6, 5, "idle")]
    bench, a, _ = stapled()
    bench.end("a", a).wire.reset()
    bench.wait(0.1)
    assert bench.seen("m") == [io.Unstapled(7, 5, 5, "reset")]


def test_a_staple_holds_no_more_than_its_windows() -> None:
    bench, a, b = stapled()
    bench.do("a", io.Pump(a, Bytes([bytes(65536)] * 64)), seconds=10)
    assert bench.seen("a") == []
    assert bench.end("a", a).sent <= 2 * bench.net._weather.window
    consumer = Bytes(count=5 + 64 * 65536)
    assert bench.do("b", io.Drain(b, consumer)) == [io.Drained(b)]
    assert bench.seen("a") == [io.Pumped(a)]


def test_a_staple_of_a_broken_connection() -> None:
    bench = Bench()
    _, ma = bench.connect("a")
    _, mb = bench.connect("b")
    bench.end("m", ma).wire.reset()
    bench.do("m", io.Read(ma))
    assert bench.do("m", io.Staple(1, ma, mb, b"", b"", 9.0)) == [io.Unstapled(1, 0, 0, "reset")]


def test_work_and_deadlines() -> None:
    bench = Bench()
    assert bench.do("a", io.Work(4, lambda: "done")) == [io.Worked(4, "done")]
    fault = OSError("no")

    def fail() -> None:
        raise fault

    assert bench.do("a", io.Work(5, fail)) == [io.Worked(5, None, fault)]
    node = bench.nodes["a"]
    node.due = bench.net.clock.now + 10
    assert bench.do("a", seconds=9) == []
    bench.wait(2)
    assert bench.seen("a") == [io.Woke()]


def test_bytes_that_vanish_kill_the_connection_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    a, m = bench.connect("a")
    monkeypatch.setattr(bench.net._weather, "carry", lambda end, data: None)
    bench.do("m", io.Read(m))
    assert bench.do("a", io.Send(a, b"x"), io.Read(a)) == [io.Sent(a)]
    bench.wait(GIVES_UP)
    assert bench.seen("a") == [io.Broken(a, "connection timed out")]
    assert bench.seen("m") == []


def test_a_finished_node_is_stopped() -> None:
    bench = Bench()
    _, m = bench.connect("a")
    bench.do("m", io.Read(m))
    bench.nodes["a"].finished = True
    bench.do("a")
    assert not bench.hosts["a"].running
    assert bench.seen("m") == [io.Received(m, b"")]
    host: Host = bench.hosts["a"]
    assert host._conns == {}


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.binary(max_size=2000))
def test_any_seed(seed: int, data: bytes) -> None:
    net = Network(seed=seed)
    net.relay()
    sender = net.sender({"f": data})
    recipient = net.recipient(sender)
    net.run()
    assert recipient.files == {"f": data}
    assert sender.succeeded
