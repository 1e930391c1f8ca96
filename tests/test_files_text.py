from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.files.limits import MAX_TEXT
from backends.files.sink import FileSink
from backends.files.text import LABEL, TextSource
from croc_core.content import Entry, Kind, Span
from croc_core.errors import LocalFileError, RemoteProtocolError


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before


def text(data: bytes, path: str | bytes = "text.txt") -> Entry:
    return Entry(Kind.TEXT, path, len(data), {})


def given_text(sink: FileSink, *texts: bytes, path: str | bytes = "text.txt") -> None:
    sink.begin()
    sink.consider([text(data, path) for data in texts])
    assert sink.judge().chosen == (Span(0, len(texts)),)
    sink.prepare()
    for number, data in enumerate(texts):
        if data:
            sink.write(number, 0, memoryview(data))


def test_a_text_goes_out_as_it_is() -> None:
    source = TextSource("grüße\n\x1b[31m")
    (entry,) = source.walk()
    assert entry == Entry(Kind.TEXT, LABEL, 13, {})
    buffer = bytearray(20)
    assert source.read_into(0, 0, memoryview(buffer)[:4]) == 4
    assert source.read_into(0, 4, memoryview(buffer)[4:]) == 9
    assert buffer[:13].decode() == "grüße\n\x1b[31m"
    assert source.read_into(0, 13, memoryview(buffer)) == 0
    assert source.hole(0, 0, 13) == 0
    source.check(0)
    source.close()


@pytest.mark.parametrize(
    ("bad", "says"),
    [("", "empty"), ("é" * (MAX_TEXT // 2 + 1), "1,048,578 bytes"), ("\ud800", "no character")],
)
def test_a_text_that_cannot_be_sent(bad: str, says: str) -> None:
    with pytest.raises(LocalFileError, match=says) as caught:
        TextSource(bad)
    assert caught.value.failure.hint
    TextSource("é" * (MAX_TEXT // 2))


@pytest.mark.parametrize("label", ["text.txt", "../../etc/x", "a\x1b/b", b"\xff", "con", "x" * 999])
def test_a_text_is_shown_at_the_end_and_never_stored(tmp_path: Path, label: str | bytes) -> None:
    shown: list[str] = []
    sink = FileSink(tmp_path / "new", attended=False, show_text=shown.append)
    given_text(sink, "grüße\n".encode(), b"", b"two", path=label)
    assert shown == []
    assert sink.finish(()) == (3, 3, 11, ())
    assert shown == ["grüße\n", "two", ""]
    assert list((tmp_path / "new").iterdir()) == []


def test_a_text_beside_files(tmp_path: Path) -> None:
    shown: list[str] = []
    sink = FileSink(tmp_path, attended=True, show_text=shown.append)
    sink.consider([Entry(Kind.FILE, "a", 1, {}), text(b"hello\0", "a"), text(b"", "a")])
    assert sink.judge().totals == (3, 3, 7)
    sink.prepare()
    sink.write(1, 0, memoryview(b"hello"))
    sink.zeros(1, 5, 1)
    sink.write(0, 0, memoryview(b"x"))
    sink.finish(())
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert shown == ["hello\0", ""]


def test_a_text_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    shown: list[str] = []
    sink = FileSink(tmp_path, attended=True, show_text=shown.append)
    given_text(sink, b"hello")
    sink.begin()
    sink.consider([text(b"hello")])
    assert sink.judge().held == ()
    sink.prepare()
    sink.write(0, 0, memoryview(b"he"))
    assert [tuple(stretch) for stretch in sink.lacking()] == [(0, 2, 3)]
    sink.abandon()
    assert list(tmp_path.iterdir()) == []
    assert shown == []


def test_what_is_no_text(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True, show_text=lambda _: None)
    with pytest.raises(RemoteProtocolError, match="a text that is none"):
        given_text(sink, b"\xff")
    sink.abandon()


def test_long_texts_are_refused(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True, show_text=lambda _: None)
    sink.consider([Entry(Kind.TEXT, "t", MAX_TEXT - 1, {}), Entry(Kind.TEXT, "u", 2, {})])
    verdict = sink.judge()
    assert verdict.chosen == (Span(0, 1),)
    assert verdict.refused == (("u", "the text is too long to show"),)
    sink.abandon()


def test_nobody_to_show_it_to(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True)
    sink.consider([text(b"x")])
    assert sink.judge().refused == (("text.txt", "a text, which there is no place to show here"),)
    sink.abandon()


def test_a_text_is_saved_where_somebody_asks(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True, save_texts=True)
    long = b"x" * (MAX_TEXT + 1)
    given_text(sink, long)
    assert sink.finish(()).paths == ("text.txt",)
    assert (tmp_path / "text.txt").read_bytes() == long
    sink = FileSink(tmp_path, attended=True, save_texts=True)
    sink.consider([text(b"x", "../x"), text(b"x")])
    verdict = sink.judge()
    assert [name for name, _ in verdict.refused] == ["../x"]
    assert verdict.overwrites == ("text.txt",)
    sink.abandon()
