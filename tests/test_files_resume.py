from __future__ import annotations

import fcntl
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.files import journal as journal_module
from backends.files import part as part_module
from backends.files import sink as sink_module
from backends.files import writing as writing_module
from backends.files.journal import MAGIC, SUFFIX, Announced, Batch, Earlier, Journal
from backends.files.names import PART_SUFFIX, part_name
from backends.files.policy import Policy
from backends.files.sink import FileSink
from croc_core.content import Entry, Kind, Stretch, Verdict
from croc_core.errors import LocalFileError, LocalProtocolError
from croc_core.resume import digest

KEY = b"k" * 32
BLOCK = 4


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sink_module, part_module, writing_module):
        monkeypatch.setattr(module, "BLOCK", BLOCK)


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before


class File:
    """A file of the sender."""

    def __init__(self, path: str, data: bytes, mtime: int | None = 10**18 + 1) -> None:
        self.path, self.data, self.mtime = path, data, mtime

    @property
    def entry(self) -> Entry:
        meta: dict[str, Any] = {"mode": 0o640}
        if self.mtime is not None:
            meta["mtime"] = self.mtime
        return Entry(Kind.FILE, self.path, len(self.data), meta)


def begun(root: Path, offer: list[Any], policy: Policy = Policy.ASK) -> tuple[FileSink, Verdict]:
    sink = FileSink(root, policy, attended=True)
    sink.begin()
    sink.consider([item.entry if isinstance(item, File) else item for item in offer])
    verdict = sink.judge()
    sink.prepare()
    return sink, verdict


def compare(sink: FileSink, verdict: Verdict, offer: list[Any]) -> list[Stretch]:
    """Send the digests of what is held; return what lacks."""
    for entry, length in verdict.held:
        data = offer[entry].data
        assert 0 < length <= len(data)
        blocks = [data[at : min(at + BLOCK, length)] for at in range(0, length, BLOCK)]
        digests = [digest(KEY, block) for block in blocks]
        for at in range(0, len(digests), 3):
            sink.compare(entry, at, digests[at : at + 3], KEY)
    return list(sink.lacking())


def send(sink: FileSink, offer: list[Any], stretch: Stretch) -> None:
    entry, offset, length = stretch
    data = offer[entry].data[offset : offset + length]
    if data and not any(data):
        sink.zeros(entry, offset, length)
    elif data:
        sink.write(entry, offset, memoryview(data))


def send_all(root: Path, offer: list[Any], policy: Policy = Policy.ASK) -> Verdict:
    sink, verdict = begun(root, offer, policy)
    for stretch in compare(sink, verdict, offer):
        send(sink, offer, stretch)
    sink.finish(())
    return verdict


def kill(sink: FileSink) -> None:
    """Leave everything as a killed process does: its descriptors are closed, and no more."""
    for part in sink._parts.values():
        part.close()
    if sink._journal is not None:
        os.close(sink._journal._fd)
    if sink._earlier is not None:
        sink._earlier.close(superseded=False)
    sink._close()


def ours(root: Path) -> list[str]:
    return sorted(p.name for p in root.rglob(f".*{PART_SUFFIX.decode()}"))


def journals(root: Path) -> list[Path]:
    return sorted(root.glob(f".*{SUFFIX.decode()}"))


# -- broken again and again

names = st.sampled_from(["a", "b", "d/a", "d/e/f", "d/g"])
ends = st.sampled_from([kill, FileSink.abandon])
contents = st.one_of(st.binary(max_size=22), st.integers(0, 22).map(bytes))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(names, contents, min_size=1, max_size=4),
    st.sampled_from([Policy.ASK, Policy.RENAME, Policy.SKIP]),
    st.booleans(),
    st.data(),
)
def test_broken_again_and_again(
    tmp_path_factory: pytest.TempPathFactory,
    files: dict[str, bytes],
    policy: Policy,
    taken: bool,
    data: st.DataObject,
) -> None:
    root = tmp_path_factory.mktemp("resume") / "root"
    if taken:
        root.mkdir()
        (root / "a").write_bytes(b"theirs")
        (root / "d").mkdir()
    draw: Callable[[Any], Any] = data.draw
    offer: list[Any] = [File(path, content) for path, content in files.items()]
    offer += [Entry(Kind.DIRECTORY, "d", 0, {"mode": 0o751, "mtime": 10**18})]
    offer += [Entry(Kind.SYMLINK, "d/link", 0, {"target": "a"})]
    come: dict[str, set[int]] = {path: set() for path in files}
    for _ in range(draw(st.integers(0, 4))):
        plan = draw(st.tuples(st.integers(0, 99).map(random.Random), st.floats(0, 1), ends))
        broken_run(root, offer, policy, come, *plan)
        for path in root.rglob("*"):
            if path.is_file() and not path.name.endswith(PART_SUFFIX.decode()):
                assert path.read_bytes() in {*files.values(), b"theirs"}
    send_all(root, offer, policy)
    assert ours(root) == []
    top = root / ("d (1)" if taken and policy is Policy.RENAME else "d")
    for name, content in files.items():
        place = top / name[2:] if name.startswith("d/") else root / name
        if name == "a" and taken:
            assert (root / "a").read_bytes() == (content if policy is Policy.ASK else b"theirs")
            place = root / {Policy.ASK: "a", Policy.SKIP: "a", Policy.RENAME: "a (1)"}[policy]
        if not (name == "a" and taken and policy is Policy.SKIP):
            assert place.read_bytes() == content
            assert stat.S_IMODE(place.stat().st_mode) == 0o640
    assert os.readlink(top / "link") == "a"
    if not taken or policy is Policy.RENAME:
        assert stat.S_IMODE(top.stat().st_mode) == 0o751
        assert top.stat().st_mtime_ns == 10**18
    allowed = {"a", "b", "d"} | ({"a (1)", "d (1)"} if policy is Policy.RENAME else set())
    assert {path.name for path in root.iterdir()} <= allowed


def broken_run(
    root: Path,
    offer: list[Any],
    policy: Policy,
    come: dict[str, set[int]],
    chance: random.Random,
    share: float,
    end: Callable[[FileSink], None],
) -> None:
    """Run up to some point; what had come whole before is not asked for."""
    sink, verdict = begun(root, offer, policy)
    left = compare(sink, verdict, offer)
    for item in offer[: len(come)]:
        size = len(item.data)
        lacks = {
            at
            for entry, offset, length in left
            if offer[entry] is item
            for at in range(offset, offset + length)
        }
        assert not blocks_in(come[item.path], size) & lacks
        come[item.path] = set(range(size)) - lacks
    pieces = [
        Stretch(entry, at, min(3, offset + length - at))
        for entry, offset, length in left
        for at in range(offset, offset + length, 3)
    ]
    if chance.random() < 0.5:
        chance.shuffle(pieces)
    for piece in pieces[: round(share * len(pieces))]:
        send(sink, offer, piece)
        come[offer[piece.entry].path] |= set(range(piece.offset, sum(piece[1:])))
    end(sink)


def blocks_in(come: set[int], size: int) -> set[int]:
    """The bytes of the blocks that have come whole."""
    found: set[int] = set()
    for at in range(0, size, BLOCK):
        block = set(range(at, min(at + BLOCK, size)))
        if block <= come:
            found |= block
    return found


# -- what goes on and what does not


@pytest.mark.parametrize("end", [kill, FileSink.abandon])
def test_the_next_run_goes_on_where_the_last_one_was(
    tmp_path: Path, end: Callable[[FileSink], None]
) -> None:
    offer = [File("done", b"0123456789"), File("d/part", b"abcdefghijklm"), File("new", b"xyz")]
    sink, verdict = begun(tmp_path, offer)
    assert verdict.held == ()
    send(sink, offer, Stretch(0, 0, 10))
    send(sink, offer, Stretch(1, 0, 9))
    end(sink)
    before = (tmp_path / "done").stat()
    assert len(journals(tmp_path)) == 1
    sink, verdict = begun(tmp_path, offer)
    assert verdict.held == ((0, 10), (1, 9))
    assert verdict.overwrites == ()
    assert verdict.totals == (3, 3, 26)
    assert compare(sink, verdict, offer) == [Stretch(1, 9, 4), Stretch(2, 0, 3)]
    send(sink, offer, Stretch(1, 9, 4))
    send(sink, offer, Stretch(2, 0, 3))
    assert sink.finish(()) == (3, 3, 26, ("done", "d", "new"))
    after = (tmp_path / "done").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (tmp_path / "d" / "part").read_bytes() == b"abcdefghijklm"
    assert ours(tmp_path) == []


def test_what_a_person_changed_is_theirs(tmp_path: Path) -> None:
    offer = [File("a", b"aaaa"), File("b", b"bbbb"), File("c", b"cccc"), File("e", b"e")]
    sink, _ = begun(tmp_path, offer)
    for entry in range(3):
        send(sink, offer, Stretch(entry, 0, 4))
    kill(sink)
    (tmp_path / "a").write_bytes(b"mine")
    os.truncate(tmp_path / "b", 3)
    (tmp_path / "c").unlink()
    (tmp_path / "c").symlink_to("b")
    sink, verdict = begun(tmp_path, offer)
    assert verdict.held == ()
    assert verdict.overwrites == ("a", "b", "c")
    sink.abandon()


def test_a_file_of_the_sender_that_changed(tmp_path: Path) -> None:
    old = [File("a", b"0123456789"), File("b", b"0123456789"), File("c", b"0123")]
    sink, _ = begun(tmp_path, old)
    send(sink, old, Stretch(0, 0, 9))
    send(sink, old, Stretch(1, 0, 9))
    send(sink, old, Stretch(2, 0, 4))
    kill(sink)
    new = [File("a", b"0123xx6789", 5), File("b", b"0123456789+"), File("c", b"012x", 6)]
    sink, verdict = begun(tmp_path, new)
    assert verdict.held == ((0, 9),)  # of another size, nothing is held
    assert verdict.overwrites == ("c",)
    assert compare(sink, verdict, new) == [
        Stretch(0, 4, 4),
        Stretch(0, 9, 1),
        Stretch(1, 0, 11),
        Stretch(2, 0, 4),
    ]
    for stretch in list(sink.lacking()):
        send(sink, new, stretch)
    sink.finish(())
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {f.path: f.data for f in new}


def test_zeros_over_what_was_wrong(tmp_path: Path) -> None:
    old = [File("a", b"0123456789abcdef")]
    sink, _ = begun(tmp_path, old)
    send(sink, old, Stretch(0, 0, 14))
    kill(sink)
    new = [File("a", b"0123" + bytes(12))]
    sink, verdict = begun(tmp_path, new)
    assert compare(sink, verdict, new) == [Stretch(0, 4, 12)]
    send(sink, new, Stretch(0, 4, 12))
    sink.finish(())
    assert (tmp_path / "a").read_bytes() == new[0].data


def test_a_whole_file_that_is_wrong_stays_and_its_good_blocks_are_used(tmp_path: Path) -> None:
    old = [File("a", b"0123456789abcdef")]
    sink, _ = begun(tmp_path, [*old, File("b", b"b")])
    send(sink, old, Stretch(0, 0, 16))
    kill(sink)
    new = [File("a", b"0123xx6789abcdef"), File("b", b"b")]  # and its time stayed
    sink, verdict = begun(tmp_path, new)
    assert verdict.held == ((0, 16),)
    left = compare(sink, verdict, new)
    assert left == [Stretch(0, 4, 4), Stretch(1, 0, 1)]
    for stretch in left:
        send(sink, new, stretch)
    sink.finish(())
    assert (tmp_path / "a").read_bytes() == old[0].data
    assert (tmp_path / "a (1)").read_bytes() == new[0].data
    assert ours(tmp_path) == []


def test_without_digests_all_is_sent_anew(tmp_path: Path) -> None:
    offer = [File("a", b"0123456789"), File("b", b"bbbb"), File("c", b"c")]
    sink, _ = begun(tmp_path, offer)
    send(sink, offer, Stretch(0, 0, 9))
    send(sink, offer, Stretch(1, 0, 4))
    kill(sink)
    sink, verdict = begun(tmp_path, offer)
    assert len(verdict.held) == 2
    for entry, item in enumerate(offer):
        send(sink, offer, Stretch(entry, 0, len(item.data)))
    sink.finish(())
    assert (tmp_path / "a").read_bytes() == b"0123456789"
    assert (tmp_path / "b").read_bytes() == b"bbbb"
    assert (tmp_path / "b (1)").read_bytes() == b"bbbb"
    assert ours(tmp_path) == []


def test_a_run_that_ends_before_the_digests_loses_nothing(tmp_path: Path) -> None:
    offer = [File("a", b"0123456789"), File("b", b"bbbb"), File("c", b"cc")]
    sink, _ = begun(tmp_path, offer)
    send(sink, offer, Stretch(0, 0, 9))
    send(sink, offer, Stretch(1, 0, 4))
    kill(sink)
    for end in (FileSink.abandon, kill, FileSink.abandon):
        sink, verdict = begun(tmp_path, offer)
        assert verdict.held == ((0, 9), (1, 4))
        sink.compare(0, 0, [digest(KEY, b"0123")], KEY)
        end(sink)
    sink = FileSink(tmp_path, attended=True)
    sink.consider([item.entry for item in offer])
    assert sink.judge().held == ((0, 9), (1, 4))
    sink.abandon()  # declined
    verdict = send_all(tmp_path, offer)
    assert verdict.held == ((0, 9), (1, 4))
    assert ours(tmp_path) == []


def test_a_second_offer_in_one_run(tmp_path: Path) -> None:
    first = [File("a", b"0123456789"), File("b", b"bbbb"), File("gone", b"gone")]
    sink, _ = begun(tmp_path, first)
    send(sink, first, Stretch(0, 0, 9))
    send(sink, first, Stretch(1, 0, 4))
    second = [File("new", b"new"), File("b", b"bbbb"), File("a", b"0123456789")]
    sink.begin()
    with pytest.raises(LocalProtocolError):
        sink.write(0, 0, memoryview(b"x"))
    sink.consider([item.entry for item in second])
    verdict = sink.judge()
    sink.prepare()
    assert verdict.held == ((1, 4), (2, 9))
    assert compare(sink, verdict, second) == [Stretch(0, 0, 3), Stretch(2, 9, 1)]
    send(sink, second, Stretch(0, 0, 3))
    send(sink, second, Stretch(2, 9, 1))
    sink.finish(())
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.name[0] != "."} == {
        item.path: item.data for item in second
    }


def test_a_link_that_is_lost_within_a_run(tmp_path: Path) -> None:
    offer: list[Any] = [
        File("a", b"0123456789"),
        Entry(Kind.DIRECTORY, "d", 0, {}),
        File("b", b"bbbb"),
        File("c", b""),
        Entry(Kind.STREAM, "s", None, {}),
        File("e", b"eeee"),
    ]
    sink, verdict = begun(tmp_path, offer)
    sink.write(0, 4, memoryview(b"45"))
    sink.write(0, 0, memoryview(b"01"))
    sink.write(2, 0, memoryview(b"bbbb"))
    sink.write(4, 0, memoryview(b"stream"))
    assert list(sink.lacking()) == [
        Stretch(0, 2, 2),
        Stretch(0, 6, 4),
        Stretch(4, 6, (1 << 63) - 1 - 6),
        Stretch(5, 0, 4),
    ]
    assert verdict.totals.bytes is None
    for stretch in [Stretch(0, 2, 2), Stretch(0, 6, 4), Stretch(5, 0, 4)]:
        send(sink, offer, stretch)
    sink.write(4, 6, memoryview(b"!"))
    assert sink.finish(((4, 7),)) == (6, 5, 25, ("a", "d", "b", "c", "s", "e"))
    assert (tmp_path / "s").read_bytes() == b"stream!"


def test_a_file_killed_between_its_two_names(tmp_path: Path) -> None:
    """Where a file gets its name by a link, it has two for a moment."""
    offer = [File("a", b"0123456789"), File("b", b"b")]
    sink, _ = begun(tmp_path, offer)
    send(sink, offer, Stretch(0, 0, 9))
    (part,) = (p for p in tmp_path.iterdir() if p.name.startswith(".a."))
    send(sink, offer, Stretch(0, 9, 1))
    kill(sink)
    os.link(tmp_path / "a", part)
    verdict = send_all(tmp_path, offer)
    assert verdict.held == ((0, 10),)
    assert verdict.overwrites == ()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_other_files_are_left_as_they_are(tmp_path: Path) -> None:
    movie, other = [File("movie", b"0123456789"), File("m2", b"2")], [File("other", b"xyz")]
    sink, _ = begun(tmp_path, movie)
    send(sink, movie, Stretch(0, 0, 9))
    sink.abandon()
    before = ours(tmp_path)
    assert len(before) == 2
    send_all(tmp_path, other)
    assert ours(tmp_path) == before
    assert send_all(tmp_path, movie).held == ((0, 9),)
    assert ours(tmp_path) == []


def test_two_runs_at_one_time_share_nothing(tmp_path: Path) -> None:
    offer = [File("a", b"0123456789")]
    one, _ = begun(tmp_path, offer)
    send(one, offer, Stretch(0, 0, 9))
    two, verdict = begun(tmp_path, offer)
    assert verdict.held == ()
    send(two, offer, Stretch(0, 0, 5))
    kill(two)
    three, verdict = begun(tmp_path, offer)
    assert verdict.held == ((0, 5),)
    four, verdict = begun(tmp_path, offer)
    assert verdict.held == ()
    four.abandon()
    send(one, offer, Stretch(0, 9, 1))
    one.finish(())
    three.abandon()
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_the_room_that_is_held_is_not_needed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = [File("a", b"0123456789")]
    sink, _ = begun(tmp_path, offer)
    send(sink, offer, Stretch(0, 0, 6))
    kill(sink)
    for room in (4, 3):
        monkeypatch.setattr(writing_module.Writing, "_room", lambda _, room=room: room)
        sink = FileSink(tmp_path, attended=True)
        sink.consider([offer[0].entry])
        if room == 4:
            assert sink.judge().held == ((0, 6),)
        else:
            with pytest.raises(LocalFileError, match="not enough room: 4 bytes"):
                sink.judge()
        sink.abandon()


def test_parts_that_are_open_at_one_time_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backends.files import judge as judge_module

    monkeypatch.setattr(judge_module, "MAX_KEPT", 2)
    offer = [File(f"{n}", b"0123456789") for n in range(4)]
    sink, _ = begun(tmp_path, offer)
    for entry in range(4):
        send(sink, offer, Stretch(entry, 0, 9))
    kill(sink)
    verdict = send_all(tmp_path, offer)
    assert [entry for entry, _ in verdict.held] == [0, 1]
    assert ours(tmp_path) == []


# -- what a journal may be


def test_a_journal_is_written_ahead_and_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing_module, "AHEAD", 8)
    offer = [File(f"{n:02}", b"0123") for n in range(20)]
    sink, _ = begun(tmp_path, offer)
    (journal,) = journals(tmp_path)
    lengths = []
    for entry in range(20):
        send(sink, offer, Stretch(entry, 0, 4))
        lengths.append(journal.stat().st_size)
    assert len(set(lengths)) == 3
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    sink.finish(())
    assert not journal.exists()


def said(root: Path) -> tuple[dict[bytes, Announced], dict[bytes, bytes]]:
    """What the journals of *root* come to."""
    fd = os.open(root, os.O_RDONLY)
    try:
        earlier = Earlier(fd)
        files = {path: found for old in earlier._old for path, found in old.files.items()}
        folders = {path: name for old in earlier._old for path, name in old.folders.items()}
        earlier.close(superseded=False)
        return files, folders
    finally:
        os.close(fd)


def write_journal(root: Path, *batches: Batch) -> Path:
    fd = os.open(root, os.O_RDONLY)
    journal = Journal(fd, 1)
    for batch in batches:
        journal.note(batch)
    assert journal.sound
    journal.close(keep=True)
    os.close(fd)
    (path,) = journals(root)
    return path


@settings(deadline=None)
@given(st.data())
def test_a_torn_or_spoilt_journal(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("torn")
    batches = [
        Batch([Announced(b"a%d" % n, n, n) for n in range(count)], [(b"f%d" % count, b"f")])
        for count in (3, 1, 2)
    ]
    path = write_journal(root, *batches)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    spoilt = bytearray(whole[:cut])
    if spoilt and data.draw(st.booleans()):
        spoilt[data.draw(st.integers(0, cut - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(spoilt)
    files, folders = said(root)
    assert set(files) <= {b"a0", b"a1", b"a2"}
    assert set(folders) <= {b"f3", b"f1", b"f2"}
    if spoilt == whole:
        assert len(files) == len(folders) == 3
    assert path.read_bytes() == spoilt


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_at_all(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, magic: bool
) -> None:
    root = tmp_path_factory.mktemp("junk")
    place = root / f".x{SUFFIX.decode()}"
    place.write_bytes(MAGIC * magic + junk)
    said(root)
    send_all(root, [File("a", b"0123")])
    assert (root / "a").read_bytes() == b"0123"
    assert place.exists() or magic or MAGIC.startswith(junk)


@pytest.mark.parametrize(
    "path", [b"../out/f", b"/etc/f", b"d/../../out/f", b"out/f", b"a\0b", b"", b"."]
)
def test_a_journal_that_lies_leads_nowhere(tmp_path: Path, path: bytes) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    out.mkdir()
    (root / "out").symlink_to(out)
    (out / "f").write_bytes(b"0123456789")
    os.utime(out / "f", ns=(10**18 + 1, 10**18 + 1))
    (out / os.fsdecode(part_name(b"f", 7))).write_bytes(b"01234")
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    write_journal(
        root, Batch([Announced(path, 10, 7), Announced(b"a", 1 << 62, -(1 << 62))], [(path, b"..")])
    )
    offer = [File("out/f", b"0123456789"), File("f", b"0123456789"), File("a", b"0123")]
    sink, verdict = begun(root, offer)
    assert verdict.held == ()
    sink.abandon()
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def plant_link(part: Path, precious: Path) -> None:
    part.symlink_to(precious)


def plant_hard_link(part: Path, precious: Path) -> None:
    os.link(precious, part)


def plant_folder(part: Path, precious: Path) -> None:
    part.mkdir()


def plant_fifo(part: Path, precious: Path) -> None:
    os.mkfifo(part)


@pytest.mark.parametrize("plant", [plant_link, plant_hard_link, plant_folder, plant_fifo])
@pytest.mark.parametrize("late", [False, True])
def test_a_part_that_was_swapped(
    tmp_path: Path, plant: Callable[[Path, Path], None], late: bool
) -> None:
    root, precious = tmp_path / "root", tmp_path / "precious"
    root.mkdir()
    precious.write_bytes(b"0123456789")
    offer = [File("a", b"0123456789")]
    sink, _ = begun(root, offer)
    send(sink, offer, Stretch(0, 0, 9))
    kill(sink)
    (part,) = (p for p in root.iterdir() if p.name.startswith(".a."))

    def swap() -> None:
        part.unlink()
        plant(part, precious)

    if not late:
        swap()
    sink, verdict = begun(root, offer)
    assert verdict.held == (((0, 9),) if late else ())
    if late:
        swap()
    for stretch in compare(sink, verdict, offer):
        send(sink, offer, stretch)
    sink.finish(())
    assert precious.read_bytes() == b"0123456789"
    assert precious.stat().st_mtime_ns != offer[0].mtime
    assert (root / "a").read_bytes() == b"0123456789"
    assert not (root / "a").is_symlink()
    assert (root / "a").stat().st_ino != precious.stat().st_ino


@pytest.mark.parametrize("how", ["link", "fifo", "folder", "large", "many"])
def test_a_journal_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    offer = [File("a", b"0123456789")]
    sink, _ = begun(tmp_path, offer)
    send(sink, offer, Stretch(0, 0, 9))
    kill(sink)
    (journal,) = journals(tmp_path)
    if how == "large":
        monkeypatch.setattr(journal_module, "MAX_BYTES", 10)
    elif how == "many":
        monkeypatch.setattr(journal_module, "MAX_JOURNALS", 0)
    else:
        journal.rename(tmp_path / "other")
        if how == "link":
            journal.symlink_to("other")
        elif how == "fifo":
            os.mkfifo(journal)
        else:
            journal.mkdir()
    assert send_all(tmp_path, offer).held == ()
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_journal_and_a_part_of_another_user(tmp_path: Path) -> None:
    offer = [File("a", b"0123456789")]
    sink, _ = begun(tmp_path, offer)
    send(sink, offer, Stretch(0, 0, 9))
    kill(sink)
    for place in tmp_path.iterdir():
        os.chown(place, 12345, -1)
        sink, verdict = begun(tmp_path, offer)
        assert verdict.held == ()
        sink.abandon()
        os.chown(place, 0, -1)


def test_a_folder_that_takes_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fcntl, "flock", refuse)
    offer = [File("a", b"0123456789"), File("b", b"b")]
    sink, _ = begun(tmp_path, offer)
    send(sink, offer, Stretch(0, 0, 10))
    sink.abandon()
    monkeypatch.undo()
    send_all(tmp_path, offer)
    assert (tmp_path / "a").read_bytes() == b"0123456789"
    shutil.rmtree(tmp_path)


def test_without_a_time_of_change_nobody_knows_whose_a_file_is(tmp_path: Path) -> None:
    offer = [File("a", b"0123", None), File("b", b"b")]
    sink, _ = begun(tmp_path, offer)
    send(sink, offer, Stretch(0, 0, 4))
    kill(sink)
    sink, verdict = begun(tmp_path, offer)
    assert verdict.held == ()
    assert verdict.overwrites == ("a",)
    sink.abandon()


def test_what_was_not_compared_is_lacking(tmp_path: Path) -> None:
    offer = [File("a", b"0123456789"), File("b", b"bbbb")]
    sink, _ = begun(tmp_path, offer)
    send(sink, offer, Stretch(0, 0, 9))
    send(sink, offer, Stretch(1, 0, 4))
    kill(sink)
    sink, _ = begun(tmp_path, offer)
    sink.compare(0, 0, [digest(KEY, b"0123")], KEY)
    assert list(sink.lacking()) == [Stretch(0, 0, 10), Stretch(1, 0, 4)]
    sink.abandon()
