from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.files import offer as offer_module
from backends.files import sink as sink_module
from backends.files.journal import SUFFIX
from backends.files.offer import REFUSED, Offered
from backends.files.policy import Policy
from backends.files.sink import FileSink
from croc_core.content import Arrived, Entry, Kind, Verdict
from croc_core.errors import LocalFileError, LocalProtocolError, Party, RemoteProtocolError

Meta = dict[str, int | str | bytes | bool | None]


def file(path: str | bytes, size: int, **meta: int) -> Entry:
    return Entry(Kind.FILE, path, size, dict(meta))


def folder(path: str, **meta: int) -> Entry:
    return Entry(Kind.DIRECTORY, path, 0, dict(meta))


def link(path: str, target: str) -> Entry:
    return Entry(Kind.SYMLINK, path, 0, {"target": target})


def content(entry: int, size: int) -> bytes:
    return bytes((entry * 31 + i) % 255 + 1 for i in range(size))


def numbers(verdict: Verdict) -> list[int]:
    return [n for span in verdict.chosen for n in range(span.first, span.first + span.count)]


def opened(sink: FileSink, entries: list[Entry]) -> Verdict:
    sink.consider(entries)
    verdict = sink.judge()
    sink.prepare()
    return verdict


def put(sink: FileSink, entry: int, size: int, offset: int = 0) -> None:
    sink.write(entry, offset, memoryview(content(entry, size)[offset:]))


def received(root: Path, entries: list[Entry], policy: Policy = Policy.ASK) -> Arrived:
    sink = FileSink(root, policy, attended=True)
    for number in numbers(opened(sink, entries)):
        if entries[number].size:
            put(sink, number, entries[number].size or 0)
    return sink.finish(())


def snapshot(place: Path) -> dict[str, tuple[Any, ...]]:
    """Everything below *place* (and itself): kind, content, inode of all but folders."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in [place, *place.rglob("*")]:
        info = path.lstat()
        key = str(path.relative_to(place))
        if path.is_symlink():
            found[key] = ("link", os.readlink(path), info.st_ino)
        elif path.is_dir():
            found[key] = ("folder", stat.S_IMODE(info.st_mode))
        elif not path.is_file():
            found[key] = ("special", info.st_ino)
        else:
            found[key] = ("file", path.read_bytes(), info.st_ino, info.st_mtime_ns, info.st_mode)
    return found


def listed(place: Path) -> list[str]:
    """The names in *place* in order, without those of journals."""
    return sorted(p.name for p in place.iterdir() if not p.name.endswith(SUFFIX.decode()))


# -- whatever is offered

parts = st.sampled_from(
    ["a", "b", "A", "d", "é", "e\u0301", ".h", "..", ".", "", "con", "x:", "n\0"]
)
paths = st.one_of(
    st.lists(st.sampled_from(["a", "b", "d", "e"]), min_size=1, max_size=3).map("/".join),
    st.lists(parts, min_size=1, max_size=4).map("/".join),
    st.sampled_from(["/etc/x", "../outside/f", "d/../../outside/f", "out/f", "out", b"\xff", b"a"]),
)
targets = st.sampled_from(
    ["a", "..", "../..", "../a", "../../outside", "/etc", "b/../..", "out", ""]
)
offers = st.lists(
    st.one_of(
        st.builds(file, paths, st.integers(0, 12)),
        st.builds(folder, paths),
        st.builds(link, paths, targets),
        st.builds(lambda p: Entry(Kind.TEXT, p, 3, {}), paths),
    ),
    max_size=10,
)
existing = st.dictionaries(
    st.sampled_from(["a", "b", "d", "d/a", "d/b", "out", "d/e", "a (1)"]),
    st.sampled_from(["file", "folder", "link out", "link to a folder", "fifo"]),
    max_size=4,
)


def plant(root: Path, tree: dict[str, str]) -> None:
    for name, what in sorted(tree.items()):
        place = root / name
        if place.parent.is_symlink() or not place.parent.is_dir():
            continue
        if what == "file":
            place.write_bytes(b"old " + name.encode())
        elif what == "folder":
            place.mkdir()
        elif what == "fifo":
            os.mkfifo(place)
        else:
            place.symlink_to("../outside/f" if what == "link out" else root.parent / "outside")


@settings(deadline=None, max_examples=200)
@given(offers, existing, st.sampled_from(Policy), st.booleans(), st.data())
def test_whatever_is_offered(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[Entry],
    tree: dict[str, str],
    policy: Policy,
    attended: bool,
    data: st.DataObject,
) -> None:
    base = tmp_path_factory.mktemp("sink")
    root, outside = base / "root", base / "outside"
    outside.mkdir()
    (outside / "f").write_bytes(b"precious")
    draw: Callable[[Any], Any] = data.draw
    if tree or draw(st.booleans()):
        root.mkdir()
        plant(root, tree)
    before = snapshot(root) if root.exists() else {}
    sink = FileSink(root, policy, attended=attended)
    sink.consider(entries)
    verdict = sink.judge()
    assert (snapshot(root) if root.exists() else {}) == before  # nothing is written yet
    chosen = numbers(verdict)
    assert len(chosen) + verdict.refused_count == len(entries)
    assert len(verdict.refused) == verdict.refused_count  # so few are all listed
    assert verdict.totals.entries == len(chosen)
    assert verdict.totals.bytes == sum(entries[n].size or 0 for n in chosen)
    sink.prepare()

    pieces = [
        (number, offset, offset + 4)
        for number in chosen
        for offset in range(0, entries[number].size or 0, 4)
    ]
    pieces = draw(st.permutations(pieces))
    stop = draw(st.one_of(st.none(), st.integers(0, len(pieces))))
    for number, start, end in pieces[:stop]:
        whole = content(number, entries[number].size or 0)
        sink.write(number, start, memoryview(whole)[start:end])
    if stop is None:
        arrived = sink.finish(())
        assert arrived[:3] == verdict.totals
    else:
        sink.abandon()

    assert snapshot(outside) == {
        ".": ("folder", stat.S_IMODE(outside.stat().st_mode)),
        "f": ("file", b"precious", *list(snapshot(outside)["f"])[2:]),
    }
    assert sorted(p.name for p in base.iterdir()) == ["outside", "root"]
    after = snapshot(root)
    replaced = {str(name) for name in verdict.overwrites}
    assert not replaced or policy in (Policy.ASK, Policy.OVERWRITE)
    for name, was in before.items():
        assert after[name] == was or name in replaced or was[0] == "folder"
    wholes = {content(n, entries[n].size or 0) for n in chosen if entries[n].kind is Kind.FILE}
    for name in set(after) - set(before):
        if after[name][0] == "file" and not name.endswith(".croc-part"):
            assert after[name][1] in wholes
        if after[name][0] == "link" and not tree:
            top = root.resolve() / Path(name).parts[0]
            real = Path(os.path.realpath(root / name))
            assert real == top or top in real.parents
    if stop is None:
        assert not [name for name in after if name.endswith(".croc-part")]
        for number in chosen:
            expect(root, entries[number], number, policy)


def expect(root: Path, entry: Entry, number: int, policy: Policy) -> None:
    """What was chosen is there; under RENAME the topmost name may have got a number."""
    relative = os.fsdecode(entry.path) if isinstance(entry.path, bytes) else entry.path
    top, _, below = relative.partition("/")
    tops = [top] + [f"{top} ({n})" for n in range(1, 5) if policy is Policy.RENAME]
    kinds: dict[Kind, Callable[[Path], bool]] = {
        Kind.FILE: lambda p: p.read_bytes() == content(number, entry.size or 0),
        Kind.DIRECTORY: lambda p: True,
        Kind.SYMLINK: lambda p: os.readlink(p) == entry.meta["target"],
    }
    found = [p for name in tops for p in [root / name / below] if os.path.lexists(p)]
    tests = {Kind.FILE: os.path.isfile, Kind.DIRECTORY: os.path.isdir, Kind.SYMLINK: os.path.islink}
    assert any(tests[entry.kind](p) and kinds[entry.kind](p) for p in found)


simple = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(simple, st.integers(0, 9), max_size=6))
def test_good_names_are_all_accepted(
    tmp_path_factory: pytest.TempPathFactory, sizes: dict[str, int]
) -> None:
    files = {n: s for n, s in sizes.items() if not any(o.startswith(n + "/") for o in sizes)}
    entries = [file(name, size) for name, size in files.items()]
    root = tmp_path_factory.mktemp("good")
    arrived = received(root, entries)
    assert arrived.files == len(files)
    assert sorted(arrived.paths) == sorted({n.partition("/")[0] for n in files})
    for number, (name, size) in enumerate(files.items()):
        assert (root / name).read_bytes() == content(number, size)


# -- what a verdict says


def test_one_bad_name_does_not_force_out_the_others(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True)
    entries = [file("a", 1), file("../b\x1b", 1), file("c", 1), file("C", 1), folder("c/d")]
    entries += [Entry(Kind.STREAM, "s", None, {}), folder("d"), file("d/e", 1), folder("d")]
    verdict = opened(sink, entries)
    assert [tuple(span.__struct_fields__) for span in verdict.chosen[:1]] == [("first", "count")]
    assert numbers(verdict) == [0, 2, 5, 6, 7]
    assert dict(verdict.refused) == {
        "../b\\x1b": "the path leads out of its folder",
        "C": "another name in the offer is the same, at least to some systems",
        "c/d": "it lies below something that is not a folder",
        "d": "another name in the offer is the same, at least to some systems",
    }
    sink.abandon()


def test_collisions_go_by_folder_and_by_spelling(tmp_path: Path) -> None:
    entries = [file("D/a", 0), file("d/b", 0), folder("D"), folder("d"), file("D/A", 0)]
    entries += [file("x/a", 0), file("caf\u00e9", 0), file("cafe\u0301", 0), folder("D")]
    sink = FileSink(tmp_path, attended=True)
    assert numbers(opened(sink, entries)) == [0, 2, 5, 6]
    sink.abandon()


def test_hidden_names_need_somebody_who_looks(tmp_path: Path) -> None:
    entries = [file(".profile", 0), file("p/.git", 0), file(".ssh/key", 0)]
    for attended, chosen in ((True, [0, 1, 2]), (False, [1])):
        sink = FileSink(tmp_path, attended=attended)
        assert numbers(opened(sink, entries)) == chosen
        sink.abandon()


def test_the_policies(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"old")
    (tmp_path / "a.txt").write_bytes(b"old")
    (tmp_path / "a (2).txt").write_bytes(b"old")
    entries = [file("a.txt", 2), file("a (1).txt", 2), folder("d"), file("d/f", 2), file("d/g", 2)]
    sink = FileSink(tmp_path, attended=True)
    sink.consider(entries)
    asked = sink.judge()
    assert asked.overwrites == ("a.txt", "d/f")
    assert asked.overwrite_count == 2
    sink.policy = Policy.SKIP
    skipped = sink.judge()
    assert numbers(skipped) == [1, 2, 4]
    assert skipped.refused == (("a.txt", "it exists already"), ("d/f", "it exists already"))
    sink.policy = Policy.RENAME  # the folder `d` was open under its own name before
    renamed = sink.judge()
    assert numbers(renamed) == [0, 1, 2, 3, 4]
    sink.prepare()
    for number in (0, 1, 3, 4):
        put(sink, number, 2)
    arrived = sink.finish(())
    assert arrived.paths == ("a (3).txt", "a (1).txt", "d (1)")
    assert (tmp_path / "d" / "f").read_bytes() == b"old"
    assert (tmp_path / "d (1)" / "f").read_bytes() == content(3, 2)
    assert not (tmp_path / "d" / "g").exists()


def test_a_folder_and_a_file_never_replace_one_another(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_bytes(b"old")
    os.mkfifo(tmp_path / "p")
    before = snapshot(tmp_path)
    sink = FileSink(tmp_path, Policy.OVERWRITE, attended=True)
    entries = [file("d", 1), folder("f"), file("f/x", 1), file("p", 1), folder("p2")]
    assert numbers(opened(sink, entries)) == [4]
    sink.abandon()
    assert snapshot(tmp_path) == before


def test_too_little_room_is_told_before_anything_is_written(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "new" / "er", attended=True)
    sink.consider([file("a", 1 << 62)])
    with pytest.raises(LocalFileError, match="not enough room") as caught:
        sink.judge()
    assert caught.value.failure.hint
    assert list(tmp_path.iterdir()) == []
    sink.abandon()


def test_the_person_may_reach_the_root_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    received(tmp_path / "link", [file("a", 1)])
    assert (tmp_path / "real" / "a").exists()


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(LocalFileError, match="folder"):
        FileSink(tmp_path / "f", attended=True).judge()


# -- what is written


@pytest.mark.parametrize(("attended", "mode"), [(True, 0o750), (False, 0o640)])
def test_modes_and_dates(tmp_path: Path, attended: bool, mode: int) -> None:
    umask = os.umask(0o027)
    try:
        sink = FileSink(tmp_path, attended=attended)
        entries = [
            folder("d", mode=0o555, mtime=10**18),
            file("d/a", 1, mode=0o6777, mtime=10**18 + 1),
            file("d/b", 0, mtime=-(10**9)),
            file("d/c", 1, mode=0o444, mtime=1 << 70),
            folder("d/e", mode=0o000),
            file("f/g", 0),
        ]
        opened(sink, entries)
        assert os.umask(0o027) == 0o027
        put(sink, 1, 1)
        put(sink, 3, 1)
        sink.finish(())
    finally:
        os.umask(umask)
    d = tmp_path / "d"
    assert (d / "a").stat().st_mode == stat.S_IFREG | mode
    assert (d / "a").stat().st_mtime_ns == 10**18 + 1
    assert (d / "b").stat().st_mode == stat.S_IFREG | 0o640
    assert (d / "b").stat().st_mtime == -1
    assert stat.S_IMODE((d / "c").stat().st_mode) == 0o440
    assert stat.S_IMODE(d.stat().st_mode) == 0o550
    assert d.stat().st_mtime_ns == 10**18
    assert stat.S_IMODE((d / "e").stat().st_mode) == 0
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o750
    d.chmod(0o700)


def test_a_folder_that_was_there_keeps_its_marks(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o711)
    (tmp_path / "d").chmod(0o711)
    received(tmp_path, [folder("d", mode=0o777, mtime=5), file("d/a", 1)])
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o711
    assert (tmp_path / "d").stat().st_mtime_ns != 5


def test_while_it_grows_it_is_hidden_and_private(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True)
    opened(sink, [file("a", 4, mode=0o666)])
    sink.write(0, 2, memoryview(b"cd"))
    (journal,) = tmp_path.glob(f".*{SUFFIX.decode()}")
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    (part,) = (tmp_path / name for name in listed(tmp_path))
    assert part.name.startswith(".a.")
    assert part.name.endswith(".croc-part")
    assert len(part.name) == len(".a.01234567.croc-part")
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    sink.write(0, 0, memoryview(b"ab"))
    assert (tmp_path / "a").read_bytes() == b"abcd"
    assert listed(tmp_path) == ["a"]
    sink.finish(())
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_zeros_take_no_room(tmp_path: Path) -> None:
    size = 64 << 20
    sink = FileSink(tmp_path, attended=True)
    opened(sink, [file("a", size + 2), file("b", size), file("c", size + 1)])
    sink.zeros(0, 1, size)
    sink.write(0, 0, memoryview(b"x"))
    sink.write(0, size + 1, memoryview(b"y"))
    sink.zeros(1, 0, size)
    sink.write(2, 0, memoryview(b"z"))
    sink.zeros(2, 1, size)
    sink.finish(())
    assert (tmp_path / "a").stat().st_size == size + 2
    assert (tmp_path / "b").stat().st_size == size
    assert (tmp_path / "c").stat().st_size == size + 1
    with (tmp_path / "a").open("rb") as stream:
        assert stream.read(2) == b"x\0"
        stream.seek(-2, 2)
        assert stream.read() == b"\0y"
    assert sum(p.stat().st_blocks for p in tmp_path.iterdir()) * 512 < 1 << 20


@pytest.mark.parametrize(
    ("entry", "offset", "data"),
    [
        (0, 0, b"12345"),  # past the size
        (0, 3, b"12"),
        (0, 1, b""),
        (0, -1, b"1"),
        (1, 0, b"1"),  # a folder
        (2, 0, b"1"),  # refused
        (3, 0, b"1"),  # empty
        (4, 0, b"1"),  # done
        (5, 0, b"1"),  # overlaps
        (6, 0, b"1"),  # not offered
        (-1, 0, b"1"),
    ],
)
def test_what_the_sender_may_not_send(tmp_path: Path, entry: int, offset: int, data: bytes) -> None:
    entries = [file("a", 4), folder("d"), file("..", 4), file("e", 0), file("f", 1), file("g", 4)]
    sink = FileSink(tmp_path, attended=True)
    opened(sink, entries)
    put(sink, 4, 1)
    sink.write(5, 0, memoryview(b"12"))
    before = snapshot(tmp_path)
    with pytest.raises(RemoteProtocolError) as caught:
        sink.write(entry, offset, memoryview(data))
    assert caught.value.party is Party.PEER
    with pytest.raises(RemoteProtocolError):
        sink.zeros(entry, offset, len(data))
    assert snapshot(tmp_path) == before
    sink.abandon()


def test_too_many_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_module, "MAX_PARTS", 3)
    monkeypatch.setattr(sink_module, "MAX_OFFERED", 5)
    sink = FileSink(tmp_path, attended=True)
    opened(sink, [file(f"{n}", 2) for n in range(5)])
    for number in range(3):
        sink.write(number, 0, memoryview(b"x"))
    with pytest.raises(RemoteProtocolError, match="too many files at once"):
        sink.write(3, 0, memoryview(b"x"))
    sink.write(2, 1, memoryview(b"x"))
    sink.write(3, 0, memoryview(b"x"))
    sink.abandon()
    other = FileSink(tmp_path, attended=True)
    with pytest.raises(RemoteProtocolError, match="more than 5 entries"):
        other.consider([file(f"{n}", 2) for n in range(6)])
    other.abandon()


def test_what_is_missing_at_the_end_is_told(tmp_path: Path) -> None:
    for sizes in ((), ((1, 5),)):
        sink = FileSink(tmp_path, attended=True)
        opened(sink, [file("a", 4), file("b", 0)])
        if sizes:
            put(sink, 0, 4)
        with pytest.raises(RemoteProtocolError, match=r"not whole|not accepted"):
            sink.finish(sizes)
        sink.abandon()
    assert listed(tmp_path) == ["a"]


def test_calls_out_of_order(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True)
    calls: list[Callable[[], object]] = [
        sink.prepare,
        lambda: sink.write(0, 0, memoryview(b"x")),
        lambda: sink.finish(()),
    ]
    for call in calls:
        with pytest.raises(LocalProtocolError):
            call()
    opened(sink, [])
    calls = [lambda: sink.consider([]), sink.judge, sink.prepare]
    for call in calls:
        with pytest.raises(LocalProtocolError):
            call()
    assert sink.finish(()) == Arrived(0, 0, 0, ())
    sink.abandon()
    sink.abandon()


# -- somebody meddles meanwhile


@pytest.mark.parametrize("moment", ["before prepare", "before write", "between writes"])
@pytest.mark.parametrize("policy", [Policy.ASK, Policy.OVERWRITE])
def test_a_folder_swapped_for_a_link(tmp_path: Path, moment: str, policy: Policy) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "d").mkdir(parents=True)
    outside.mkdir()
    (outside / "a").write_bytes(b"precious")
    sink = FileSink(root, policy, attended=True)
    sink.consider([file("d/a", 4), file("d/b", 4), link("d/l", "a")])
    sink.judge()

    def swap() -> None:
        (root / "d").rename(tmp_path / "moved")
        (root / "d").symlink_to(outside)

    before = snapshot(outside)
    if moment == "before prepare":
        swap()
    sink.prepare()
    if moment == "before write":
        swap()
    if moment == "between writes":
        sink.write(0, 0, memoryview(b"ab"))
        swap()
        sink.write(0, 2, memoryview(b"cd"))  # it goes on in the folder that it opened
        assert (tmp_path / "moved" / "a").read_bytes() == b"abcd"
    else:
        with pytest.raises(LocalFileError, match="link"):
            sink.write(0, 0, memoryview(b"abcd"))
    sink.abandon()
    assert snapshot(outside) == before
    assert (root / "d").is_symlink()


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    said: list[str] = []
    for policy in (Policy.ASK, Policy.SKIP, Policy.RENAME):
        sink = FileSink(tmp_path / policy.value, policy, attended=True, say=said.append)
        opened(sink, [file("a.b", 1), link("d/l", "x"), file("d/e", 0)])
        for name in ("a.b", "d/l", "d/e"):
            place = tmp_path / policy.value / name
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(b"theirs")
        put(sink, 0, 1)
        assert sink.finish(()).paths == ("a (1).b", "d")
        assert (place.parent.parent / "a.b").read_bytes() == b"theirs"
        assert (place.parent.parent / "a (1).b").read_bytes() == content(0, 1)
        assert os.readlink(place.parent / "l (1)") == "x"
        assert (place.parent / "e (1)").read_bytes() == b""
        assert place.read_bytes() == b"theirs"
    sink = FileSink(tmp_path, Policy.OVERWRITE, attended=True)
    opened(sink, [file("a", 1)])
    (tmp_path / "a").write_bytes(b"theirs")
    put(sink, 0, 1)
    assert sink.finish(()).paths == ("a",)  # the person said so
    assert (tmp_path / "a").read_bytes() == content(0, 1)
    assert said[0] == '"a.b" appeared meanwhile; what arrived is "a (1).b".'
    assert len(said) == 9


@pytest.mark.parametrize("how", ["renameat2", "look and rename"])
def test_file_systems_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from backends.files import confine

    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    if how == "look and rename":
        monkeypatch.setattr(confine, "_renameat2", lambda: None)
    sink = FileSink(tmp_path, attended=True)
    opened(sink, [file("a", 1), file("b", 1)])
    (tmp_path / "b").write_bytes(b"theirs")
    put(sink, 0, 1)
    put(sink, 1, 1)
    sink.finish(())
    assert (tmp_path / "a").read_bytes() == content(0, 1)
    assert (tmp_path / "b").read_bytes() == b"theirs"
    assert (tmp_path / "b (1)").read_bytes() == content(1, 1)


def test_a_replaced_link_is_replaced_itself(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "precious"
    root.mkdir()
    outside.write_bytes(b"precious")
    (root / "a").symlink_to("../precious")
    received(root, [file("a", 3)], Policy.OVERWRITE)
    assert outside.read_bytes() == b"precious"
    assert not (root / "a").is_symlink()
    assert (root / "a").read_bytes() == content(0, 3)


# -- failures


def test_abandon_keeps_what_can_be_used_and_removes_the_rest(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "theirs").mkdir()
    (tmp_path / ".z.00000000.croc-part").touch()  # of another run
    sink = FileSink(tmp_path, attended=True, say=said.append)
    names = ["a", "b", "c", "d/e/f", "theirs/g"]
    opened(sink, [file(name, 8) for name in names])
    sink.write(0, 0, memoryview(b"abc"))
    sink.write(0, 5, memoryview(b"x"))
    for number in (1, 3, 4):
        sink.write(number, 4, memoryview(b"x"))
    put(sink, 2, 8)
    sink.abandon()
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")}
    left -= {p.name for p in tmp_path.glob(f".*{SUFFIX.decode()}")}
    (part,) = (name for name in left if name.startswith(".a."))
    assert left == {part, "c", "theirs", ".z.00000000.croc-part"}
    assert (tmp_path / part).read_bytes() == b"abc"
    where = "receive it into the same folder again to go on."
    assert said == [f'What arrived of "a" is kept in "{part}": {where}']


def in_child(action: Callable[[], None]) -> int:
    """Run *action* in a child process; return its wait status (0: it returned)."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    try:
        action()
    except BaseException:
        os._exit(1)
    os._exit(0)


@pytest.mark.parametrize("hole", [False, True])
def test_a_full_disk(tmp_path: Path, hole: bool) -> None:
    """The limit on a file's size stands in for the end of the disk: it fails in mid-write too."""

    def action() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        sink = FileSink(tmp_path, attended=True)
        opened(sink, [file("small", 900), file("large", 3000)])
        put(sink, 0, 900)
        sink.write(1, 0, memoryview(content(1, 3000))[:600])
        rest = memoryview(content(1, 3000))[600:]
        with pytest.raises(LocalFileError, match='Cannot write "large": the file is too large'):
            sink.zeros(1, 600, 2400) if hole else sink.write(1, 600, rest)
        sink.abandon()

    assert in_child(action) == 0
    names = listed(tmp_path)
    assert names[1] == "small"
    assert names[0].startswith(".large.")
    kept = (tmp_path / names[0]).read_bytes()
    assert len(kept) == (600 if hole else 1000)
    assert content(1, 3000).startswith(kept)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o500)
    (tmp_path / "x").mkdir(mode=0o000)
    sink = FileSink(tmp_path, attended=True)
    verdict = opened(sink, [file("d/a", 1), file("x/a", 1)])
    assert numbers(verdict) == [0]
    assert "Permission denied" in verdict.refused[0][1]
    with pytest.raises(LocalFileError, match='Cannot write "d/a": permission denied'):
        put(sink, 0, 1)
    sink.abandon()


STEPS = ["open", "mkdir", "pwrite", "ftruncate", "fchmod", "utime", "close", "link", "unlink"]
STEPS += ["rename", "symlink"]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 75), st.booleans(), st.sampled_from([Policy.ASK, Policy.RENAME]))
def test_killed_at_any_step_no_final_name_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, step: int, after: bool, policy: Policy
) -> None:
    root = tmp_path_factory.mktemp("killed")
    (root / "old").write_bytes(b"old")
    entries = [folder("d"), file("d/a", 9), file("old", 6), link("d/l", "a"), file("d/z", 0)]
    entries.append(file("d/hole", 6))

    def action() -> None:
        left = [step]

        def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*args: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] == 0 and not after:
                    os.kill(os.getpid(), signal.SIGKILL)
                result = call(*args, **named)
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            return wrapper

        for name in STEPS:
            setattr(os, name, deadly(getattr(os, name)))
        sink = FileSink(root, policy, attended=True)
        opened(sink, entries)
        sink.write(1, 3, memoryview(content(1, 9)[3:6]))
        put(sink, 2, 6)
        sink.write(1, 0, memoryview(content(1, 9)[:3]))
        sink.zeros(5, 3, 3)
        sink.write(5, 0, memoryview(b"abc"))
        put(sink, 1, 9, 6)
        sink.finish(())

    status = in_child(action)
    assert status in (0, signal.SIGKILL)
    allowed = {
        "old": [b"old", content(2, 6)] if policy is Policy.ASK else [b"old"],
        "old (1)": [content(2, 6)],
        "a": [content(1, 9)],
        "z": [b""],
        "hole": [b"abc\0\0\0"],
    }
    for path in root.rglob("*"):
        if path.is_symlink():
            assert path.name == "l" or path.name.endswith(".croc-part")
        elif path.is_file() and not path.name.endswith(".croc-part"):
            assert path.read_bytes() in allowed[path.name]
    assert (root / "old").exists()
    assert status or len(list(root.rglob("*"))) >= 6


# -- what it costs


def test_an_entry_takes_little_memory(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True)
    tracemalloc.start()
    count = 20_000
    for start in range(0, count, 100):
        sink.consider(
            [file(f"folder/sub {n % 99}/a name {n:06}.txt", 5) for n in range(start, start + 100)]
        )
    verdict = sink.judge()
    sink.prepare()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.totals.entries == count
    assert held < count * 300
    sink.abandon()


def test_many_implied_folders_and_long_links_are_bounded(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, attended=True)
    sink.consider([file(f"{n}/" * 60 + "a", 0) for n in range(200)])
    verdict = sink.judge()
    assert {reason for _, reason in verdict.refused} == {"its folder is not in the offer"}
    assert verdict.refused_count == 200 - 10_000 // 60
    sink.abandon()
    sink = FileSink(tmp_path, attended=True)
    sink.consider([link(f"l/{n}", "x/" * 2000 + "x") for n in range(500)])
    verdict = sink.judge()
    assert {why for _, why in verdict.refused} == {"the links of this offer are too long to hold"}
    assert 300 < verdict.refused_count < 500
    sink.abandon()


@given(
    st.lists(st.lists(st.sampled_from(["a", "bb", "ccc", "é"]), min_size=1, max_size=3)),
    st.integers(0, 12),
)
def test_the_names_of_an_offer_are_bounded(paths: list[list[str]], room: int) -> None:
    offered = Offered(attended=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offer_module, "NAME_BYTES", room)
        for path in paths:
            offered.add(file("/".join(path), 0))
    held = [offered.tree.name(row) for row in range(len(offered.tree))]
    assert offered.tree.name_bytes == sum(map(len, held)) <= room
    for path, row in zip(paths, offered.rows, strict=True):
        assert row == REFUSED or offered.tree.path(row) == "/".join(path).encode()
    if any(reason.startswith("the names") for _, reason in offered.refused):
        assert offered.tree.name_bytes > room - 3


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    entries = [file(f"{n}/" * 20 + "a", 2) for n in range(50)]
    received(tmp_path, entries)
    assert len(os.listdir("/proc/self/fd")) == before
    sink = FileSink(tmp_path, attended=True)
    opened(sink, entries)
    for number in range(50):
        sink.write(number, 0, memoryview(b"x"))
    assert len(os.listdir("/proc/self/fd")) <= before + 50 + 34
    sink.abandon()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        sink = FileSink(tmp_path, attended=True)
        opened(sink, [file("small", 900), file("large", 500_000)])
        put(sink, 0, 900)
        sink.write(1, 0, memoryview(content(1, 5000)))
        (tmp_path / "other").write_bytes(bytes(900_000))
        with pytest.raises(
            LocalFileError, match='Cannot write "large": the disk is full'
        ) as caught:
            put(sink, 1, 500_000, 5000)
        assert caught.value.failure.hint
        sink.abandon()
        (kept,) = (p for p in tmp_path.iterdir() if p.name.startswith(".large."))
        assert kept.stat().st_size >= 5000
        assert content(1, 500_000).startswith(kept.read_bytes())
        assert (tmp_path / "small").read_bytes() == content(0, 900)
        assert not (tmp_path / "large").exists()
    finally:
        subprocess.run(["umount", tmp_path], check=True)
