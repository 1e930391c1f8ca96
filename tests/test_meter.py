"""The meter: what moved, how fast, and how long it will take."""

from __future__ import annotations

import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from backends._meter import TICK, Meter, name_of
from backends.files.sink import FileSink
from backends.files.source import FileSource
from backends.files.stream import StreamSink, StreamSource
from croc_core.content import Entry, Kind
from croc_core.events import Progress
from croc_core.incoming import Reader
from croc_core.party_io import Moved


def test_it_runs_from_the_first_record_to_the_end() -> None:
    meter, reader = Meter(), Reader()
    assert meter.deadline() is None
    assert meter.tick([reader], 5.0) == (None, None)
    meter.start(10.0)
    assert meter.deadline() == 10.0 + TICK
    assert meter.tick([reader], 10.1) == (None, None)
    assert meter.deadline() == 10.0 + TICK
    assert meter.tick([reader], 10.3) == (None, None)
    assert meter.deadline() == 10.3 + TICK
    reader.genuine = 1
    assert meter.tick([reader], 10.6) == (Moved(files=False), None)
    assert meter.tick([reader], 10.9) == (None, None)
    assert meter.seconds(12.5) == 2.5
    meter.stop()
    assert meter.deadline() is None
    assert meter.tick([reader], 20.0) == (None, None)


class Carrier:
    """Stands for a producer or a reader."""

    moved = passed = 0
    entry = -1


def expecting(meter: Meter, total: int | None, now: float = 0.0) -> Carrier:
    carrier = Carrier()
    meter.expect(total, now)
    meter.carry(carrier)
    return carrier


def test_pieces_are_shown_and_counted() -> None:
    meter, reader = Meter(), Reader()
    meter.start(0.0)
    carrier = expecting(meter, 1000, 10.0)
    assert meter.seconds(12.0) == 2.0
    assert meter.tick([reader], 11.0) == (None, Progress(0, 1000, 0, 0.0, None))
    carrier.moved = 100
    assert meter.tick([reader], 12.0) == (Moved(files=True), Progress(100, 1000, 0, 100.0, 9.0))
    carrier.passed = 3
    carrier.moved = 400  # 300 a second: a fifth of the way from 100 to 300
    assert meter.tick([reader], 13.0) == (Moved(files=True), Progress(400, 1000, 3, 140.0, 4.3))
    carrier.moved = 2000
    told, progress = meter.tick([reader], 14.0)
    assert told == Moved(files=True)
    assert progress is not None
    assert progress.eta == 0.0


def test_without_a_total_there_is_no_time_to_tell() -> None:
    meter, reader = Meter(), Reader()
    meter.start(0.0)
    expecting(meter, None).moved = 500
    assert meter.tick([reader], 1.0) == (Moved(files=True), Progress(500, None, 0, 500.0, None))
    assert meter.tick([reader], 1.0 + TICK)[0] is None


def test_the_name_is_that_of_the_last_file_that_has_begun() -> None:
    meter, reader = Meter({0: "a", 1: b"b\x1b", 2: None}.get), Reader()
    meter.start(0.0)
    carriers = [expecting(meter, None), Carrier()]
    meter.carry(carriers[1])
    names = []
    for second, entries in enumerate([(-1, -1), (0, -1), (0, 1), (2, 1)], 1):
        carriers[0].entry, carriers[1].entry = entries
        told = meter.tick([reader], float(second))[1]
        names.append(told and told.name)
    assert names == [None, "a", "b\\x1b", None]
    assert Reader().entry == -1


def test_who_has_files_names_them(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_text("1")
    source = FileSource([tmp_path / "d"])
    entries = list(source.walk())
    sink = FileSink(tmp_path / "in", attended=True)
    sink.begin()
    sink.consider([*entries, Entry(Kind.FILE, "../b", 1, {})])
    streams = StreamSource(io.BytesIO(), "out.tar"), StreamSink(io.BytesIO())
    streams[1].consider(entries[:1])
    assert [name_of(source)(n) for n in range(3)] == [b"d", b"d/a", None]
    assert [name_of(sink)(n) for n in range(4)] == [b"d", b"d/a", None, None]
    assert (name_of(streams[0])(0), name_of(streams[1])(0)) == ("out.tar", entries[0].path)
    assert name_of(streams[1])(1) is name_of(object())(0) is None
    source.close()
    sink.abandon()


def test_all_connections_count_together() -> None:
    meter, readers = Meter(), [Reader(), Reader()]
    meter.start(0.0)
    carriers = [expecting(meter, 1000), Carrier()]
    meter.carry(carriers[1])
    for carrier in carriers:
        carrier.moved, carrier.passed = 200, 2
    assert meter.tick(readers, 1.0) == (Moved(files=True), Progress(400, 1000, 4, 400.0, 1.5))
    readers[1].genuine = 5
    assert meter.tick(readers, 2.0)[0] == Moved(files=False)
    assert meter.tick(readers, 3.0)[0] is None


def test_bytes_count_once_however_often_it_is_dialled() -> None:
    meter, reader = Meter(), Reader()
    meter.start(0.0)
    carrier = expecting(meter, 1000, 5.0)
    carrier.moved, carrier.passed, reader.genuine = 600, 3, 700
    assert meter.tick([reader], 6.0)[0] == Moved(files=True)
    meter.stop()
    assert meter.deadline() is None
    carrier.moved = 900  # what an old thread still does is not looked at
    reader = Reader()
    meter.start(20.0)
    assert meter.tick([reader], 21.0) == (None, Progress(600, 1000, 3, 480.0, 0.8))
    meter.expect(1000, 22.0, held=550)  # so much had really arrived
    again = Carrier()
    meter.carry(again)
    told, progress = meter.tick([reader], 22.5)
    assert told is None
    assert progress is not None
    assert (progress.bytes, progress.files) == (550, 3)
    again.moved = 450
    told, progress = meter.tick([reader], 23.5)
    assert told == Moved(files=True)
    assert progress is not None
    assert progress.bytes == 1000
    assert meter.seconds(25.0) == 20.0, "from the first piece on"
    meter.expect(2000, 30.0)
    told, progress = meter.tick([reader], 31.0)
    assert progress is not None
    assert (progress.bytes, progress.files) == (0, 0), "another offer"


def test_a_record_that_comes_slowly_is_a_sign_of_life_but_a_byte_is_none() -> None:
    meter, reader = Meter(), Reader()
    meter.start(0.0)
    expecting(meter, None)
    told = []
    for second in range(1, 3001):
        reader.received += 1
        told.append(meter.tick([reader], float(second))[0])
    assert [t for t in told if t] == [Moved(files=True)] * 2
    assert told[1023] == told[2047] == Moved(files=True)
    reader.genuine += 3000  # padding, say
    assert meter.tick([reader], 3001.0)[0] == Moved(files=False)
    reader.received += 1023
    assert meter.tick([reader], 3002.0)[0] is None


@given(
    steps=st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(0, 50), st.booleans()), max_size=20)
)
def test_it_moves_exactly_when_bytes_have_moved(steps: list[tuple[float, int, bool]]) -> None:
    meter, reader = Meter(), Reader()
    now = 0.0
    came = went = 0
    meter.start(now)
    carrier = expecting(meter, 10_000, now)
    for pause, count, comes in steps:
        now += pause
        if comes:
            reader.genuine += count
            came += count
        else:
            carrier.moved += count
            went += count
        due = meter.deadline()
        assert due is not None
        told, progress = meter.tick([reader], now)
        if now < due:
            assert (told, progress) == (None, None)
            continue
        assert told == (Moved(files=went > 0) if came or went else None)
        assert progress is not None
        assert progress.bytes == carrier.moved
        assert progress.rate >= 0
        assert progress.eta is None or progress.eta >= 0
        came = went = 0
