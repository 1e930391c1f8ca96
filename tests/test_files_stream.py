from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.files import sink as sink_module
from backends.files import stream as stream_module
from backends.files.sink import FileSink
from backends.files.stream import StreamSink, StreamSource
from croc_core.content import MAX_SIZE, Entry, Kind, Stretch
from croc_core.errors import LocalFileError, LocalProtocolError, RemoteProtocolError

PATIENCE = 20
STREAM = Entry(Kind.STREAM, "s", None, {})


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before


# -- to send


class Plain:
    """Has `read` and nothing else; gives the portions, a None where one is empty."""

    def __init__(self, portions: list[bytes]) -> None:
        self._portions = portions

    def read(self, size: int) -> bytes | None:
        if not self._portions:
            return b""
        portion, self._portions[0] = self._portions[0][:size], self._portions[0][size:]
        if not self._portions[0]:
            self._portions.pop(0)
        return portion or None


reads = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 15)), max_size=30)


@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(1, 12), reads)
def test_what_is_read_again_is_the_same(
    portions: list[bytes], kept: int, plan: list[tuple[int, int]]
) -> None:
    whole = b"".join(portions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_module, "KEPT", kept)
        source = StreamSource(Plain(portions), "s")
        assert list(source.walk()) == [STREAM]
        read = 0
        for back, size in plan + [(0, 9)] * 99:
            buffer = bytearray(size)
            offset = max(0, read - back)
            if offset < read - kept:
                with pytest.raises(LocalFileError, match="needed again"):
                    source.read_into(0, offset, memoryview(buffer))
                continue
            count = source.read_into(0, offset, memoryview(buffer))
            assert buffer[:count] == whole[offset : offset + count]
            assert count or offset == len(whole)
            read = max(read, offset + count)
        assert read == len(whole)
        assert source.hole(0, 0, 5) == 0
        source.check(0)
    for entry, offset in ((1, 0), (0, -1), (0, read + 1)):
        with pytest.raises(LocalProtocolError):
            source.read_into(entry, offset, memoryview(bytearray(4)))


def test_a_pipe_gives_what_is_there_and_does_not_wait_for_more() -> None:
    ours, theirs = os.pipe()
    for buffering in (0, -1):
        with open(ours, "rb", buffering=buffering, closefd=False) as pipe:
            source = StreamSource(pipe)
            os.write(theirs, b"some")
            buffer = memoryview(bytearray(100))
            assert source.read_into(0, 0, buffer) == 4
    os.close(theirs)
    assert source.read_into(0, 0, buffer) == 4
    os.close(ours)


def test_a_read_that_waits_ends_when_the_source_is_closed() -> None:
    ours, theirs = os.pipe()
    with open(ours, "rb", buffering=0) as pipe, ThreadPoolExecutor() as pool:
        source = StreamSource(pipe)
        reading = pool.submit(source.read_into, 0, 0, memoryview(bytearray(9)))
        source.close()
        with pytest.raises(LocalProtocolError):
            reading.result(PATIENCE)
    os.close(theirs)


def test_a_stream_that_fails() -> None:
    class Broken:
        def read(self, size: int) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(LocalFileError, match='Cannot read "stdin": the disk reports an error'):
        StreamSource(Broken()).read_into(0, 0, memoryview(bytearray(9)))


def test_a_closed_end_of_a_pipe_is_the_end() -> None:
    ours, theirs = os.pipe()
    os.close(theirs)
    with open(ours, "rb", buffering=0) as pipe:
        assert StreamSource(pipe).read_into(0, 0, memoryview(bytearray(9))) == 0


# -- to write to


def opened(sink: Any, *entries: Entry) -> Any:
    sink.begin()
    sink.consider(entries)
    verdict = sink.judge()
    sink.prepare()
    return verdict


class Little:
    """Takes a few bytes at a time."""

    def __init__(self) -> None:
        self.taken = b""
        self.flushed = b""

    def write(self, data: memoryview) -> int:
        self.taken += data[:3]
        return len(data[:3])

    def flush(self) -> None:
        self.flushed = self.taken


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.TEXT, Kind.STREAM])
def test_one_thing_is_written_in_order(kind: Kind) -> None:
    out = Little()
    sink = StreamSink(out)
    verdict = opened(sink, Entry(kind, "../x", None if kind is Kind.STREAM else 12, {}))
    assert verdict.totals == (1, 1, None if kind is Kind.STREAM else 12)
    sink.write(0, 0, memoryview(b"01234"))
    assert out.flushed == b"01234"
    size = MAX_SIZE if kind is Kind.STREAM else 12
    assert list(sink.lacking()) == [Stretch(0, 5, size - 5)]
    with pytest.raises(RemoteProtocolError, match="not next"):
        sink.write(0, 6, memoryview(b"x"))
    sink.zeros(0, 5, 4)
    sink.write(0, 9, memoryview(b"abc"))
    assert list(sink.lacking()) == ([Stretch(0, 12, size - 12)] if kind is Kind.STREAM else [])
    assert sink.finish([(0, 12)] if kind is Kind.STREAM else []) == (1, 1, 12, ())
    assert out.taken == b"01234\0\0\0\0abc"
    sink.abandon()
    with pytest.raises(LocalProtocolError):
        sink.write(0, 12, memoryview(b"x"))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([Entry(Kind.DIRECTORY, "d", 0, {})], "it is no file"),
        ([Entry(Kind.SYMLINK, "d", 0, {"target": "x"})], "it is no file"),
        ([Entry(Kind.FILE, "a\x1b", 1, {})] * 30, "only one file can be written to a stream"),
        ([], None),
    ],
)
def test_all_else_is_refused(entries: list[Entry], reason: str | None) -> None:
    sink = StreamSink(io.BytesIO())
    verdict = opened(sink, *entries)
    assert verdict.chosen == ()
    assert verdict.refused_count == len(entries)
    assert {why for _, why in verdict.refused} == ({reason} if reason else set())
    assert len(verdict.refused) <= stream_module.MAX_SHOWN
    assert "\x1b" not in str(verdict.refused)
    with pytest.raises(RemoteProtocolError):
        sink.write(0, 0, memoryview(b"x"))
    assert sink.finish(()) == (0, 0, 0, ())


def test_what_is_missing_or_too_much_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for sizes in ((), ((0, 1),)):
        sink = StreamSink(io.BytesIO())
        opened(sink, Entry(Kind.FILE, "a", 1, {}))
        with pytest.raises(RemoteProtocolError):
            sink.finish(sizes)
        for offset, length in ((0, 2), (0, 0), (-1, 1)):
            with pytest.raises(RemoteProtocolError):
                sink.zeros(0, offset, length)
    wrong: list[list[tuple[int, int]]] = [[], [(0, 2)], [(0, 1), (1, 0)]]
    for told in wrong:
        sink = StreamSink(io.BytesIO())
        opened(sink, STREAM)
        sink.write(0, 0, memoryview(b"x"))
        with pytest.raises(RemoteProtocolError):
            sink.finish(told)
    with pytest.raises(LocalProtocolError):
        sink.compare(0, 0, [b"x"], b"k")
    monkeypatch.setattr(stream_module, "MAX_OFFERED", 2)
    with pytest.raises(RemoteProtocolError, match="more than 2"):
        sink.consider([STREAM] * 3)


def test_a_second_offer_needs_a_clean_start() -> None:
    sink = StreamSink(io.BytesIO())
    opened(sink, STREAM, STREAM)
    assert opened(sink, STREAM).totals.entries == 1
    sink.write(0, 0, memoryview(b"x"))
    with pytest.raises(LocalFileError, match="cannot be taken back"):
        sink.begin()


def test_a_program_that_stops_reading() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs, "wb", buffering=0) as pipe:
        sink = StreamSink(pipe)
        opened(sink, STREAM)
        with pytest.raises(LocalFileError, match="has ended"):
            sink.write(0, 0, memoryview(b"x"))


def test_a_writable_that_takes_nothing_now() -> None:
    class Full:
        def write(self, data: memoryview) -> None:
            return None

    sink = StreamSink(Full())
    opened(sink, STREAM)
    with pytest.raises(LocalFileError, match="Cannot write"):
        sink.write(0, 0, memoryview(b"x"))


def test_abandon_does_not_wait_for_who_reads() -> None:
    ours, theirs = os.pipe()
    with open(theirs, "wb", buffering=0) as pipe, ThreadPoolExecutor() as pool:
        sink = StreamSink(pipe)
        opened(sink, STREAM)
        writing = pool.submit(sink.write, 0, 0, memoryview(bytes(1 << 20)))
        os.read(ours, 1)  # it has begun
        ending = threading.Thread(target=sink.abandon)
        ending.start()
        ending.join(PATIENCE)
        assert not ending.is_alive()
        assert not writing.done()
        os.close(ours)
        with pytest.raises(LocalFileError):
            writing.result(PATIENCE)


# -- into a folder


def test_a_stream_gets_its_name_at_its_end(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True)
    verdict = opened(sink, Entry(Kind.FILE, "a", 1, {}), STREAM, Entry(Kind.STREAM, "e", None, {}))
    assert verdict.totals == (3, 3, None)
    sink.write(1, 0, memoryview(b"abc"))
    sink.zeros(1, 3, 2)
    assert not (tmp_path / "s").exists()
    with pytest.raises(RemoteProtocolError, match="gap"):
        sink.write(1, 9, memoryview(b"x"))
    sink.write(0, 0, memoryview(b"a"))
    for sizes in ([], [(1, 5)], [(1, 5), (2, 1)], [(2, 0), (1, 5)], [(1, 4), (2, 0)]):
        with pytest.raises(RemoteProtocolError):
            sink.finish(sizes)
    assert sink.finish([(1, 5), (2, 0)]) == (3, 3, 6, ("a", "s", "e"))
    assert (tmp_path / "s").read_bytes() == b"abc\0\0"
    assert (tmp_path / "e").read_bytes() == b""
    assert len(list(tmp_path.iterdir())) == 3


def test_a_stream_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = FileSink(tmp_path, attended=True, max_stream=5)
    opened(sink, STREAM)
    sink.write(0, 0, memoryview(b"abc"))
    with pytest.raises(LocalFileError, match='"s", whose size nobody knows, is more'):
        sink.write(0, 3, memoryview(b"abc"))
    sink.abandon()
    room = 100
    monkeypatch.setattr(sink_module, "RESERVE", 20)
    monkeypatch.setattr(FileSink, "_room", lambda _: room)
    sink = FileSink(tmp_path, attended=True)
    opened(sink, STREAM)
    with pytest.raises(LocalFileError):
        sink.zeros(0, 0, 1 << 60)
    for at in range(0, 50, 10):
        sink.write(0, at, memoryview(bytes(10)))
        room -= 10
    room = 21

    def write_on() -> None:
        for at in range(50, 100, 10):
            sink.write(0, at, memoryview(bytes(10)))

    with pytest.raises(LocalFileError) as caught:
        write_on()
    assert caught.value.failure.hint
    sink.abandon()


def test_a_stream_left_by_a_killed_run_goes_when_it_has_come_whole(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True)
    opened(sink, STREAM)
    sink.write(0, 0, memoryview(b"abc"))
    sink.abandon()
    assert len(list(tmp_path.iterdir())) == 2
    sink = FileSink(tmp_path, attended=True)
    assert opened(sink, STREAM).held == ()
    sink.write(0, 0, memoryview(b"abcd"))
    sink.finish([(0, 4)])
    assert [p.name for p in tmp_path.iterdir()] == ["s"]
