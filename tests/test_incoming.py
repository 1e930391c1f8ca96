"""The receiving side: any split gives the same, and a hostile channel gives a prefix."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from croc_core.errors import (
    CrocError,
    LocalFileError,
    LocalProtocolError,
    Party,
    RemoteProtocolError,
)
from croc_core.identify import MAX_REPLY
from croc_core.incoming import End, Heard, Hello, Line, Reader
from croc_core.messages import Continue, Decline, Message, encode, still_here
from croc_core.seal import MAX_PLAIN, Opener, Sealer
from tests.memory_files import MemorySink, file
from tests.record_help import AEADS, close, keys, pair, push, secured
from tests.test_messages import ANY
from tests.test_parser import (
    SKIPPED,
    Control,
    Item,
    Raw,
    Squeezed,
    Zeros,
    expected,
    flat,
    inflate,
    items,
    open_sink,
)

HELLO = 63
TID = bytes(16)
CUTS = st.lists(st.integers(1, 80), max_size=80)


def cut(sealer: Sealer, plain: bytes, sizes: Sequence[int], last: bool) -> list[bytes]:
    """Seal *plain* in records of those sizes and, at the end, one of all that is left."""
    records = []
    at = 0
    for size in sizes:
        records.append(sealer.record(plain[at : at + size]))
        at += size
    return [*records, sealer.record(plain[at:], last=last)]


# ---- splits


def session(data: bytes, cuts: Sequence[int], sink: MemorySink) -> list[object]:
    """Read line, hello and records as a node does; what came, in order."""
    reader = Reader()
    found: list[object] = []
    for unit in push(reader, data, cuts):
        found += flat(list(sink.calls))
        sink.calls.clear()
        found.append(unit)
        if isinstance(unit, Line):
            reader.expect_hello(HELLO)
        elif isinstance(unit, Hello):
            reader.secure(Opener("aes256gcm", keys("a")))
        else:
            reader.allow_pieces(sink, inflate)
    found += flat(list(sink.calls))
    sink.calls.clear()
    return [*found, close(reader)]


@given(
    line=st.binary(max_size=MAX_REPLY - 1).filter(lambda b: b"\n" not in b),
    sent=items(),
    sizes=st.lists(st.integers(0, 50), max_size=20),
    cuts=CUTS,
    last=...,
)
@example(line=b"OK", sent=[Raw(0, 0, b"a" * 300)], sizes=[], cuts=[1] * 500, last=True)
@example(line=b"x" * 63, sent=[], sizes=[], cuts=[], last=True)
def test_any_split_of_the_stream_gives_the_same(
    line: bytes, sent: list[Item], sizes: list[int], cuts: list[int], last: bool
) -> None:
    sent = [Control(Continue(TID)), *sent]
    plain = b"".join(item.encode() for item in sent)
    hello = bytes(range(HELLO))
    records = cut(Sealer("aes256gcm", keys("a")), plain, sizes, last)
    data = line + b"\n" + hello + b"".join(records)
    found = session(data, cuts, open_sink())
    ends = bool(plain[sum(sizes) :]) and last and isinstance(sent[-1], Control)
    wanted: list[object] = [Line(line + b"\n"), Hello(hello)]
    wanted += [Heard(x, False) if isinstance(x, Message) else x for x in expected(sent)]
    if ends:
        heard = wanted.pop()
        assert isinstance(heard, Heard)
        wanted.append(Heard(heard.message, True))
    assert found == [*wanted, End(whole=last)]
    assert found == session(data, [], open_sink())


@pytest.mark.parametrize("size", [1, 2, 16384, MAX_PLAIN])
def test_records_of_any_size_from_elsewhere(size: int) -> None:
    data = (bytes(range(251)) * 4200)[: MAX_PLAIN if size > 2 else 2000]
    piece = Raw(0, 0, data).encode()
    sealer, opener = pair()
    records = []
    for at in range(0, len(piece), size):
        records.append(sealer.record(piece[at : at + size]))
        if size == 2:  # with empty ones in between
            records.append(sealer.record(b""))
    records.append(sealer.record(b"", last=True))
    reader = secured(opener)
    sink = MemorySink().accept_all([file("a", data)])
    reader.allow_pieces(sink)
    stream = b"".join(records)
    assert list(push(reader, stream, [7000] * 50)) == []
    assert close(reader) == End(whole=True)
    assert sink.data[0] == data
    assert (reader.moved, reader.genuine) == (len(data), len(piece))


@given(first=st.binary(max_size=70), hello=st.integers(1, 66))
def test_a_hello_is_exactly_as_long_as_it_is(first: bytes, hello: int) -> None:
    reader = Reader()
    reader.expect_hello(hello)
    buffer = reader.buffer()
    assert len(buffer) == hello
    count = min(len(first), hello)
    buffer[:count] = first[:count]
    reader.advance(count)
    assert reader.ready() == (count == hello or not count)
    if 0 < count < hello:
        assert len(reader.buffer()) == hello - count
    if count == hello:
        assert reader.take() == Hello(first[:hello])


def test_records_that_came_along_with_the_hello_are_kept() -> None:
    sealer, opener = pair()
    reader = Reader()
    data = b"OK\n" + b"hello" + sealer.record(encode(Decline(TID)), last=True)
    units = push(reader, data)
    assert next(units) == Line(b"OK\n")
    reader.expect_hello(5)
    assert next(units) == Hello(b"hello")
    reader.secure(opener)
    assert next(units) == Heard(Decline(TID), last=True)


# ---- what is not allowed


@given(data=st.binary(min_size=MAX_REPLY, max_size=200), cuts=CUTS)
def test_a_line_without_an_end_is_refused(data: bytes, cuts: list[int]) -> None:
    reader = Reader()
    with pytest.raises(RemoteProtocolError) as caught:
        list(push(reader, data.replace(b"\n", b"x"), cuts))
    assert caught.value.party is Party.RELAY


def test_the_longest_line() -> None:
    line = b"x" * (MAX_REPLY - 1) + b"\n"
    assert list(push(Reader(), line, [1] * 100)) == [Line(line)]
    assert list(push(Reader(), line + b"OK\n")) == [Line(line), Line(b"OK\n")]


@settings(max_examples=200)
@given(stage=st.integers(0, 2), data=st.binary(max_size=150), cuts=CUTS)
@example(stage=2, data=b"\x00\x00\x00\x0f", cuts=[])
def test_any_bytes_give_a_unit_or_a_typed_error(stage: int, data: bytes, cuts: list[int]) -> None:
    reader = Reader()
    if stage == 1:
        reader.expect_hello(66)
    if stage == 2:
        reader.secure(Opener("aes256gcm", keys("a")))
    try:
        units = list(push(reader, data, cuts))
    except RemoteProtocolError as error:
        assert error.party is (Party.RELAY, Party.PEER, Party.PEER)[stage]  # noqa: PT017
        return
    assert all(isinstance(unit, (Line, Hello)[stage]) for unit in units)
    assert close(reader) == End(whole=False)


@settings(max_examples=200)
@given(plain=st.binary(max_size=100), sent=items(), at=st.integers(0), sizes=CUTS)
def test_any_plaintext_gives_units_or_a_typed_error(
    plain: bytes, sent: list[Item], at: int, sizes: list[int]
) -> None:
    """As a peer that has the keys can do."""
    good = b"".join(item.encode() for item in sent)
    at %= len(good) + 1
    sealer, opener = pair()
    reader = secured(opener)
    reader.allow_pieces(open_sink(), inflate)
    records = cut(sealer, good[:at] + plain + good[at:], sizes, last=True)
    try:
        units = list(push(reader, b"".join(records)))
    except RemoteProtocolError as error:
        assert error.party is Party.PEER  # noqa: PT017
        return
    assert all(isinstance(unit, Heard) for unit in units)
    close(reader)


def test_a_refusal_is_for_good() -> None:
    sealer, opener = pair()
    bad = encode(Decline(TID))[:5] + b"\xc0" * 19
    record = sealer.record(bad + encode(Decline(TID)))
    reader = secured(opener)
    with pytest.raises(RemoteProtocolError) as first:
        list(push(reader, record))
    for _ in range(2):
        with pytest.raises(RemoteProtocolError) as again:
            reader.ready()
        assert again.value is first.value
    reader.advance(0)
    with pytest.raises(RemoteProtocolError):
        reader.ready()


def test_trouble_of_the_sink_is_for_good() -> None:
    class Full(MemorySink):
        def write(self, entry: int, offset: int, data: memoryview) -> None:
            raise LocalFileError("The disk is full.", "Make room.")

    sealer, opener = pair()
    reader = secured(opener)
    reader.allow_pieces(Full())
    with pytest.raises(LocalFileError):
        list(push(reader, sealer.record(Raw(0, 0, b"a").encode() + still_here())))
    with pytest.raises(LocalFileError):
        reader.ready()


def test_misuse_is_the_callers_fault() -> None:
    reader = Reader()
    with pytest.raises(LocalProtocolError, match="nothing is ready"):
        reader.take()
    with pytest.raises(LocalProtocolError, match="before the keys"):
        reader.allow_pieces(MemorySink())
    assert reader.moved == 0


# ---- ends


@pytest.mark.parametrize("stage", ["line", "hello", "records"])
@pytest.mark.parametrize("left", [0, 1])
def test_an_end_before_the_last_record_is_not_whole(stage: str, left: int) -> None:
    reader = Reader()
    if stage == "hello":
        reader.expect_hello(HELLO)
    if stage == "records":
        reader.secure(pair()[1])
    assert list(push(reader, bytes(left))) == []
    assert close(reader) == End(whole=False)
    assert close(reader) == End(whole=False)


@pytest.mark.parametrize(
    ("plain", "tail", "whole"),
    [
        (encode(Decline(TID)), b"", True),
        (b"", b"", True),
        (encode(Decline(TID)), b"\x00", False),
        (encode(Decline(TID)), b"\x00\x00\x00", False),
        (encode(Decline(TID))[:-1], b"", False),
        (b"\x06\x00", b"", False),
    ],
)
def test_an_end_after_the_last_record(plain: bytes, tail: bytes, whole: bool) -> None:
    sealer, opener = pair()
    reader = secured(opener)
    list(push(reader, sealer.record(plain, last=True) + tail))
    assert close(reader) == End(whole=whole)


@pytest.mark.parametrize("cuts", [[], [1] * 200])
def test_a_header_after_the_last_record_is_refused(cuts: list[int]) -> None:
    sealer, opener = pair()
    reader = secured(opener)
    data = sealer.record(encode(Decline(TID)), last=True) + bytes.fromhex("00000010")
    units = push(reader, data, cuts)
    assert next(units) == Heard(Decline(TID), last=True)
    with pytest.raises(RemoteProtocolError, match="after the last"):
        next(units)


def test_last_is_said_of_the_message_that_ends_the_last_record() -> None:
    message = encode(Decline(TID))
    for plains, lasts in (
        ([message * 2], [False, True]),
        ([message, message], [False, True]),
        ([message, b""], [False]),
        ([message + still_here()], [False]),
        ([message[:5], message[5:]], [True]),
    ):
        sealer, opener = pair()
        reader = secured(opener)
        records = cut(sealer, b"".join(plains), [len(p) for p in plains[:-1]], last=True)
        units = list(push(reader, b"".join(records)))
        assert units == [Heard(Decline(TID), last) for last in lasts]
        assert close(reader) == End(whole=True)


def test_what_is_behind_a_unit_waits_for_it() -> None:
    """A piece behind an accept-like message reaches the sink that the machine sets then."""
    sealer, opener = pair()
    reader = secured(opener)
    record = sealer.record(encode(Continue(TID)) + Raw(0, 0, b"a").encode())
    units = push(reader, record)
    assert next(units) == Heard(Continue(TID), last=False)
    sink = open_sink()
    reader.allow_pieces(sink)
    assert list(units) == []
    assert sink.calls == [(0, 0, b"a")]


# ---- a further connection


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("message", [still_here(), encode(Decline(TID))])
def test_a_further_connection_takes_pieces_alone(message: bytes, allowed: bool) -> None:
    sealer, opener = pair()
    reader = Reader(further=True)
    reader.secure(opener)
    sink = open_sink()
    data = b""
    if allowed:
        reader.allow_pieces(sink, inflate)
        data = Raw(0, 0, b"abc").encode() + Squeezed(0, 3, b"d" * 50).encode()
    stream = sealer.record(data + message) + sealer.record(b"", last=True)
    if message != still_here():
        with pytest.raises(RemoteProtocolError, match="further connection"):
            list(push(reader, stream))
    else:
        assert list(push(reader, stream)) == []
        assert close(reader) == End(whole=True)
    assert reader.moved == (53 if allowed else 0)


def test_a_further_connection_that_is_cut_is_not_whole() -> None:
    sealer, opener = pair()
    reader = Reader(further=True)
    reader.secure(opener)
    reader.allow_pieces(open_sink())
    assert list(push(reader, sealer.record(Raw(0, 0, b"abc").encode()))) == []
    assert close(reader) == End(whole=False)


# ---- memory


def test_the_buffer_is_one_record_and_never_grows() -> None:
    sealer, opener = pair()
    record = sealer.record(bytes.fromhex("85 000fffff") + bytes(MAX_PLAIN - 5)) + b"\x00"
    tracemalloc.start()
    try:
        reader = secured(opener)
        reader.allow_pieces(open_sink())
        buffers = {id(reader.buffer().obj)}
        assert list(push(reader, record)) == []
        buffers.add(id(reader.buffer().obj))
        with pytest.raises(RemoteProtocolError):
            list(push(reader, b"\xff" * 3))
        assert len(buffers) == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The test itself copies each read once.
    assert peak < 2 * MAX_PLAIN + (1 << 16)


@given(header=st.integers(0, (1 << 32) - 1))
@example((1 << 20) + 16)
@example((1 << 20) + 17)
@example(15)
def test_a_length_is_checked_before_room_is_given(header: int) -> None:
    reader = secured(pair()[1])
    data = header.to_bytes(4, "big")
    length = header & 0x7FFFFFFF
    if 16 <= length <= MAX_PLAIN + 16:
        assert list(push(reader, data)) == []
        assert len(reader.buffer()) == length + 4
    else:
        with pytest.raises(RemoteProtocolError, match="impossible length"):
            list(push(reader, data))


# ---- a hostile channel


def upto(sent: list[Item], length: int) -> list[object]:
    """What the first *length* bytes of the plaintext of *sent* must give, message ends included."""
    found: list[object] = []
    at = 0
    for item in sent:
        data = item.encode()
        at += len(data)
        if at <= length:
            found += [(m, at) if isinstance(m, Message) else m for m in expected([item])]
        elif isinstance(item, Raw):
            come = max(0, len(item.data) - (at - length))
            found += expected([Raw(item.entry, item.offset, item.data[:come])])
        if at >= length:
            break
    return found


class Channel(RuleBasedStateMachine):
    """A sender, a channel that does its worst, and a reader beside a model.

    The model: as long as the bytes that were delivered begin with whole genuine records in order,
    exactly what those hold has come out; the first other byte is an error or a stream cut short.
    """

    @initialize(aead=st.sampled_from(AEADS), start=st.sampled_from([0, 65534]))
    def begin(self, aead: str, start: int) -> None:
        names = ["sender 0", "recipient 0", "sender 1", "sender 0 redialled"]
        self.sealer = Sealer(aead, keys(names[0]))
        self.foreign = [Sealer(aead, keys(name)) for name in names[1:]]
        opener = Opener(aead, keys(names[0]))
        for end in (self.sealer, opener, *self.foreign):
            end._counter = start
        self.reader = secured(opener)
        self.sink = open_sink()
        self.reader.allow_pieces(self.sink, inflate)
        self.sent: list[Item] = []
        self.ends = [0, 0, 0]
        self.plain = b""  # said and not sealed yet
        self.lengths: list[int] = []  # of the records' plaintexts
        self.records: list[bytes] = []
        self.abroad: list[bytes] = []
        self.last = False
        self.wire: list[bytes] = []
        self.delivered = b""
        self.found: list[object] = []
        self.error: CrocError | None = None

    # the sender

    @precondition(lambda self: not self.last)
    @rule(message=ANY)
    def say(self, message: Message) -> None:
        self.put(Control(message))

    @precondition(lambda self: not self.last)
    @rule(item=SKIPPED)
    def pad(self, item: Item) -> None:
        self.put(item)

    @precondition(lambda self: not self.last)
    @rule(entry=st.integers(0, 2), data=st.binary(min_size=1, max_size=100), squeeze=st.booleans())
    def piece(self, entry: int, data: bytes, squeeze: bool) -> None:
        self.put((Squeezed if squeeze else Raw)(entry, self.ends[entry], data))
        self.ends[entry] += len(data)

    @precondition(lambda self: not self.last)
    @rule(entry=st.integers(0, 2), count=st.integers(0, 5000))
    def zeros(self, entry: int, count: int) -> None:
        self.put(Zeros(entry, self.ends[entry], count))
        self.ends[entry] += count

    def put(self, item: Item) -> None:
        self.sent.append(item)
        self.plain += item.encode()

    @precondition(lambda self: not self.last)
    @rule(length=st.integers(0, 200), last=st.integers(0, 4))
    def seal(self, length: int, last: int) -> None:
        self.last = not last
        length = len(self.plain) if self.last else length
        part, self.plain = self.plain[:length], self.plain[length:]
        record = self.sealer.record(part, last=self.last)
        self.lengths.append(len(part))
        self.records.append(record)
        self.wire.append(record)
        self.abroad += [other.record(part, last=self.last) for other in self.foreign]

    # the channel

    @precondition(lambda self: self.wire and self.abroad)
    @rule(
        at=st.integers(0),
        how=st.sampled_from(["drop", "double", "move", "flip", "cut", "swap"]),
        n=st.integers(0),
    )
    def attack(self, at: int, how: str, n: int) -> None:
        at %= len(self.wire)
        record = self.wire[at]
        if how == "drop":
            del self.wire[at]
        elif how == "double":
            self.wire.insert(at, record)
        elif how == "move":
            del self.wire[at]
            self.wire.insert(n % (len(self.wire) + 1), record)
        elif how == "flip" and record:
            bit = n % (len(record) * 8)
            flipped = bytearray(record)
            flipped[bit // 8] ^= 1 << bit % 8
            self.wire[at] = bytes(flipped)
        elif how == "cut":
            self.wire[at] = record[: n % max(1, len(record))]
        elif how == "swap":  # for one of another direction, connection or dial
            self.wire[at] = self.abroad[n % len(self.abroad)]

    @precondition(lambda self: self.records)
    @rule(n=st.integers(0), at=st.integers(0))
    def replay(self, n: int, at: int) -> None:
        self.wire.insert(at % (len(self.wire) + 1), self.records[n % len(self.records)])

    @rule(data=st.binary(min_size=1, max_size=40))
    def invent(self, data: bytes) -> None:
        self.wire.append(data)

    # the reader

    @precondition(lambda self: self.wire)
    @rule(count=st.integers(1, 6), cuts=st.lists(st.integers(1, 60), max_size=20))
    def deliver(self, count: int, cuts: list[int]) -> None:
        data = b"".join(self.wire[:count])
        del self.wire[:count]
        self.delivered += data
        if self.error is None:
            self.read(data, cuts)

    def read(self, data: bytes, cuts: list[int]) -> None:
        try:
            for unit in push(self.reader, data, cuts):
                self.collect()
                self.found.append(unit)
        except RemoteProtocolError as error:
            self.error = error
        self.collect()

    def collect(self) -> None:
        self.found += flat(list(self.sink.calls))
        self.sink.calls.clear()

    def genuine(self) -> int:
        """How many whole records the delivered bytes begin with."""
        count = at = 0
        for record in self.records:
            if not self.delivered.startswith(record, at):
                break
            at += len(record)
            count += 1
        return count

    @invariant()
    def exactly_the_genuine_prefix_has_come(self) -> None:
        if not hasattr(self, "found"):
            return
        count = self.genuine()
        length = sum(self.lengths[:count])
        ended = self.last and count == len(self.records) and self.lengths[-1] > 0
        wanted = [
            Heard(thing[0], ended and thing[1] == length)
            if isinstance(thing, tuple) and isinstance(thing[0], Message)
            else thing
            for thing in upto(self.sent, length)
        ]
        assert self.found == wanted
        whole = b"".join(self.records)
        if self.error is not None:
            assert not whole.startswith(self.delivered)

    def teardown(self) -> None:
        if not hasattr(self, "found") or self.error is not None:
            return
        whole = b"".join(self.records)
        assert close(self.reader) == End(self.last and self.delivered == whole)


Channel.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestChannel = Channel.TestCase
