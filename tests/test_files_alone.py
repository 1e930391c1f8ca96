"""Calls from several threads: what one of them closes is not in use by another."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from backends.files.alone import Alone
from backends.files.sink import FileSink
from backends.files.source import FileSource
from croc_core.content import Arrived, Entry, Kind
from croc_core.errors import LocalProtocolError

PATIENCE = 20
"""Seconds after which a test fails rather than hangs."""
DATA = b"SECRET" * 10


class Door:
    """A lock that tells when a second caller stands before it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers = 0
        self.second = threading.Event()

    def __enter__(self) -> None:
        self._callers += 1
        if self._callers == 2:
            self.second.set()
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._lock.release()


def meet(
    monkeypatch: pytest.MonkeyPatch,
    thing: Alone,
    step: str,
    use: Callable[[], object],
    end: Callable[[], object],
) -> object:
    """Return what *use* returns; while it is in the call *step*, *end* runs in another thread."""
    door = Door()
    monkeypatch.setattr(thing, "_lock", door)
    barrier = threading.Barrier(2)
    real = getattr(os, step)
    slowed = threading.Event()

    def slow(*args: Any, **keywords: Any) -> Any:
        if not slowed.is_set():
            slowed.set()
            barrier.wait(PATIENCE)
            assert door.second.wait(PATIENCE), "the end did not wait"
        return real(*args, **keywords)

    with ThreadPoolExecutor() as pool:
        monkeypatch.setattr(os, step, slow)
        using = pool.submit(use)
        barrier.wait(PATIENCE)
        ending = pool.submit(end)
        result = using.result(PATIENCE)
        ending.result(PATIENCE)
    monkeypatch.setattr(os, step, real)
    return result


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Any:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before


def sink_of(place: Path, *sizes: int) -> FileSink:
    sink = FileSink(place, attended=True)
    sink.consider([Entry(Kind.FILE, f"d/{n}", size, {}) for n, size in enumerate(sizes)])
    sink.judge()
    sink.prepare()
    return sink


def refuses_all(sink: FileSink, place: Path) -> None:
    before = sorted(place.rglob("*"))
    calls: list[Callable[[], object]] = [
        lambda: sink.consider([]),
        sink.judge,
        sink.prepare,
        lambda: sink.write(0, 0, memoryview(DATA)),
        lambda: sink.write(0, len(DATA), memoryview(DATA)),
        lambda: sink.zeros(0, len(DATA), 1),
        lambda: sink.finish(()),
    ]
    for call in calls:
        with pytest.raises(LocalProtocolError):
            call()
    sink.abandon()
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("whole", [False, True])
def test_abandon_during_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    sink = sink_of(tmp_path, len(DATA) if whole else 1000)
    meet(monkeypatch, sink, "pwrite", lambda: sink.write(0, 0, memoryview(DATA)), sink.abandon)
    (kept,) = (path for path in (tmp_path / "d").iterdir())
    assert (kept.name == "0") == whole
    assert kept.read_bytes() == DATA
    refuses_all(sink, tmp_path)


def test_abandon_while_a_hole_ends_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = sink_of(tmp_path, 100)
    meet(monkeypatch, sink, "ftruncate", lambda: sink.zeros(0, 0, 100), sink.abandon)
    assert (tmp_path / "d" / "0").read_bytes() == bytes(100)
    refuses_all(sink, tmp_path)


def test_abandon_during_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = sink_of(tmp_path, 0, 0)
    arrived = meet(monkeypatch, sink, "link", lambda: sink.finish(()), sink.abandon)
    assert arrived == Arrived(2, 2, 0, ("d",))
    assert sorted(os.listdir(tmp_path / "d")) == ["0", "1"]
    refuses_all(sink, tmp_path)


def test_abandon_while_the_offer_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = FileSink(tmp_path, attended=True)
    sink.consider([Entry(Kind.FILE, "a", 1, {})])
    meet(monkeypatch, sink, "statvfs", sink.judge, sink.abandon)
    refuses_all(sink, tmp_path)


@pytest.mark.parametrize("step", ["open", "preadv"])
def test_a_source_is_closed_during_a_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_bytes(DATA)
    source = FileSource([tmp_path / "d"])
    assert len(list(source.walk())) == 2
    buffer = memoryview(bytearray(100))
    count = meet(monkeypatch, source, step, lambda: source.read_into(1, 0, buffer), source.close)
    assert bytes(buffer[: len(DATA)]) == DATA
    assert count == len(DATA)
    calls: list[Callable[[], object]] = [
        lambda: source.read_into(1, 0, buffer),
        lambda: source.hole(1, 0, 1),
        lambda: source.check(1),
        lambda: next(source.walk()),
    ]
    for call in calls:
        with pytest.raises(LocalProtocolError):
            call()
    source.close()


def test_a_source_is_closed_during_its_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").touch()
    source = FileSource([tmp_path / "d"])
    walk = source.walk()
    assert next(walk).path == "d"
    # The walk opens the folder for what is in it; the first step came through the real lock.
    entry = meet(monkeypatch, source, "open", lambda: next(walk), source.close)
    assert isinstance(entry, Entry)
    with pytest.raises(LocalProtocolError):
        next(walk)
