from __future__ import annotations

import errno
import os
import socket
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.files.source import FileSource
from backends.files.tree import TOP, Tree
from croc_core.content import Entry, Kind
from croc_core.errors import Code, LocalFileError, LocalProtocolError

unprivileged = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def read(source: FileSource, entry: int, piece: int = 7) -> bytes:
    buffer = memoryview(bytearray(piece))
    whole = b""
    while count := source.read_into(entry, len(whole), buffer):
        whole += buffer[:count]
    source.check(entry)
    return whole


names = st.sampled_from(["a", "b", ".h", "é", "e\u0301", "x y", "-", "A", "\udcff", "l\n"])
trees = st.recursive(
    st.one_of(st.binary(max_size=20), st.none()),
    lambda below: st.dictionaries(names, below, max_size=4),
    max_leaves=12,
)
Node = bytes | None | dict[str, "Node"]


def plant(place: Path, tree: Node) -> None:
    """Make a file of bytes, a folder of a dictionary, an empty folder of None."""
    if isinstance(tree, bytes):
        place.write_bytes(tree)
        return
    place.mkdir()
    for name, below in (tree or {}).items():
        plant(place / name, below)


@settings(deadline=None)
@given(trees)
def test_all_that_is_there_is_offered(tmp_path_factory: pytest.TempPathFactory, tree: Node) -> None:
    top = tmp_path_factory.mktemp("source") / "top"
    plant(top, tree)
    expected = {os.fsencode("top"): top}
    expected |= {os.fsencode(p.relative_to(top.parent)): p for p in top.rglob("*")}
    said: list[str] = []
    source = FileSource([top], say=said.append)
    entries = list(source.walk())
    raw = [e.path.encode() if isinstance(e.path, str) else e.path for e in entries]
    assert sorted(raw) == sorted(expected)
    assert said == []
    for number, (entry, path) in enumerate(zip(entries, raw, strict=True)):
        info = expected[path].stat()
        assert entry.meta == {"mode": info.st_mode & 0o777, "mtime": info.st_mtime_ns}
        above = path.rpartition(b"/")[0]
        assert not above or above in raw[:number]
        if expected[path].is_dir():
            assert entry.kind is Kind.DIRECTORY
            assert entry.size == 0
        else:
            assert entry.size == info.st_size
            assert read(source, number) == expected[path].read_bytes()
    source.close()


def test_nothing_is_walked_before_the_walk(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    source = FileSource([tmp_path / "d"])
    (tmp_path / "d" / "later").write_bytes(b"x")
    walk = source.walk()
    (tmp_path / "d" / "latest").write_bytes(b"x")
    assert [e.path for e in walk] == ["d", "d/later", "d/latest"]
    (tmp_path / "d" / "later").unlink()
    assert [e.path for e in source.walk()] == ["d", "d/latest"]  # an offer made anew


@pytest.mark.parametrize("where", ["missing", "fifo", "/", "nothing"])
def test_a_bad_argument_is_told_at_once(tmp_path: Path, where: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    paths = [] if where == "nothing" else [tmp_path / where]
    with pytest.raises(LocalFileError) as caught:
        FileSource(paths)
    assert caught.value.failure.code is Code.LOCAL_FILE
    assert caught.value.failure.hint


@pytest.mark.parametrize("path", ["", b""])
def test_an_empty_argument_is_not_the_current_folder(path: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(LocalFileError, match="An empty path names nothing"):
        FileSource([tmp_path, path])


@pytest.mark.parametrize("again", ["a", "b/../a", "./a"])
def test_an_argument_that_is_named_twice(
    again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").touch()
    with pytest.raises(LocalFileError, match='/a" is named twice'):
        FileSource(["a", again])


@unprivileged
def test_an_unreadable_argument_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").touch(0o000)
    with pytest.raises(LocalFileError, match="permission denied"):
        FileSource([tmp_path / "a"])


@pytest.mark.parametrize("twin", ["a", "A", "other/../a"])
def test_two_arguments_of_one_name(tmp_path: Path, twin: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "a").touch()
    (tmp_path / "x" / "a").touch()
    with pytest.raises(LocalFileError, match="under one name"):
        FileSource([tmp_path / "x" / "a", tmp_path / twin])


def test_a_dot_is_sent_as_the_folder_that_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert [e.path for e in FileSource(["."]).walk()] == ["here"]
    assert [e.path for e in FileSource([b"../here/"]).walk()] == ["here"]


def test_what_is_no_file_is_left_out_with_a_word(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(top / "socket"))
    (top / "out").symlink_to("../x")
    (top / "absolute").symlink_to(top / "fifo")
    (top / "bad\x1b").symlink_to("/")
    (top / "stays").symlink_to("fifo")
    said: list[str] = []
    source = FileSource([top], say=said.append)
    assert [e.path for e in source.walk()] == ["top", "top/stays"]
    assert len(said) == 5
    assert 'Left out: "top/bad\\x1b" is a link that leads out of what is sent.' in said
    assert read(source, 1) == b""


def test_what_cannot_be_read_ends_the_walk_when_all_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "top"
    (top / "b").mkdir(parents=True)
    for name in ("a", "b/c", "d"):
        (top / name).touch()

    def access(name: bytes, mode: int, *, dir_fd: int) -> bool:
        return name != b"a"

    def listdir(fd: int) -> list[str]:
        if os.path.samestat(os.fstat(fd), (top / "b").stat()):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(fd)

    real = os.listdir
    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(os, "listdir", listdir)
    said: list[str] = []
    source = FileSource([top], say=said.append)
    seen: list[str | bytes] = []
    with pytest.raises(LocalFileError, match="2 things that are to be sent") as caught:
        seen.extend(entry.path for entry in source.walk())
    assert seen == ["top", "top/d"]
    assert said == [f'Cannot read "top/{name}": Permission denied.' for name in "ab"]
    assert "--exclude" in caught.value.failure.hint
    said.clear()
    source = FileSource([top], exclude=["a", "b"], say=said.append)
    assert [entry.path for entry in source.walk()] == ["top", "top/d"]
    assert said == ["Left out by patterns: 2 names."]
    monkeypatch.undo()
    assert [entry.path for entry in FileSource([top], exclude=["*"]).walk()] == ["top"]


@unprivileged
def test_what_really_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").touch(0o000)
    with pytest.raises(LocalFileError, match="Something that is to be sent cannot be read"):
        list(FileSource([tmp_path]).walk())


def test_a_path_that_is_too_long_is_left_out_with_a_word(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(18):
        os.mkdir("d" * 250, dir_fd=here)
        deeper = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    said: list[str] = []
    entries = list(FileSource([tmp_path], say=said.append).walk())
    assert len(entries) == 17
    assert max(len(entry.path) for entry in entries) <= 4096
    assert ["has a path that is too long" in line for line in said] == [True]


def test_links_are_kept_or_followed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "d").mkdir(parents=True)
    (tmp_path / "out").write_bytes(b"outside")
    (top / "d" / "f").symlink_to("../../out")
    (top / "d" / "up").symlink_to("..")
    (top / "e").symlink_to("d")
    (top / "none").symlink_to("missing")
    (top / "self").symlink_to("self")
    kept = list(FileSource([top]).walk())
    assert [(e.path, e.meta["target"]) for e in kept if e.kind is Kind.SYMLINK] == [
        ("top/d/up", ".."),
        ("top/e", "d"),
        ("top/none", "missing"),
        ("top/self", "self"),
    ]
    said: list[str] = []
    source = FileSource([top], follow=True, say=said.append)
    entries = list(islice(source.walk(), 20))
    assert [e.path for e in entries] == ["top", "top/d", "top/d/f", "top/e", "top/e/f"]
    assert read(source, 2) == read(source, 4) == b"outside"
    assert sum("in a circle" in line for line in said) == 2
    assert sum("leads nowhere" in line for line in said) == 2
    argument = FileSource([top / "d" / "f"])  # a link that is named is what it leads to
    assert next(argument.walk()).size == 7
    assert read(argument, 0) == b"outside"


def test_a_folder_too_deep_is_left_out(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 70)
    deep.mkdir(parents=True)
    said: list[str] = []
    entries = list(FileSource([tmp_path / "d"], say=said.append).walk())
    assert len(entries) == 63
    assert ["lies too deep" in line for line in said] == [True]


def change_shrink(file: Path) -> None:
    os.truncate(file, 5)


def change_grow(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"more")


def change_content(file: Path) -> None:
    before = file.stat()
    file.write_bytes(b"B" * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def change_inode(file: Path) -> None:
    before = file.stat()
    file.rename(file.with_name("old"))
    file.write_bytes(b"B" * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_link(file: Path) -> None:
    file.rename(file.with_name("old"))
    file.symlink_to("old")


def change_gone(file: Path) -> None:
    file.unlink()


CHANGES = [change_shrink, change_grow, change_content, change_inode, change_link, change_gone]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("top", [False, True])
def test_a_file_that_changed_before_it_was_read(tmp_path: Path, change: object, top: bool) -> None:
    file = tmp_path / "d" / "file"
    file.parent.mkdir()
    file.write_bytes(b"A" * 20)
    source = FileSource([file if top else file.parent])
    number = len(list(source.walk())) - 1
    assert callable(change)
    change(file)
    if top and change is change_link:
        return  # an argument may be a link, and it leads to the same file
    with pytest.raises(LocalFileError, match=r'file" changed|file": (it is not there|a link)'):
        read(source, number)
    source.close()


@pytest.mark.parametrize("change", CHANGES[:3])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, change: object) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"A" * 20)
    source = FileSource([file])
    list(source.walk())
    assert source.read_into(0, 0, memoryview(bytearray(8))) == 8
    assert callable(change)
    change(file)
    with pytest.raises(LocalFileError, match='"file" changed'):
        read(source, 0)
    source.close()


def test_a_read_never_passes_the_offered_size(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"A" * 20)
    source = FileSource([file])
    list(source.walk())
    buffer = bytearray(8)
    source.read_into(0, 0, memoryview(buffer)[:1])
    change_grow(file)
    assert source.read_into(0, 18, memoryview(buffer)) == 2
    assert buffer == b"AA" + bytes(6)
    with pytest.raises(LocalProtocolError):
        source.read_into(1, 0, memoryview(buffer))
    change_shrink(file)
    with pytest.raises(LocalFileError, match="changed"):
        source.read_into(0, 18, memoryview(buffer))
    source.close()


def test_holes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as stream:
        stream.seek(1 << 20)
        stream.write(b"x" * 4096)
        stream.truncate(3 << 20)
    if file.stat().st_blocks * 512 >= 3 << 20:
        pytest.skip("this file system keeps no holes")
    source = FileSource([file])
    list(source.walk())
    assert source.hole(0, 0, 3 << 20) == 1 << 20
    assert source.hole(0, 4096, 100) == 100
    assert source.hole(0, 1 << 20, 100) == 0
    assert source.hole(0, (1 << 20) + 4096, 9 << 20) == (2 << 20) - 4096
    source.close()
    solid = tmp_path / "solid"
    solid.write_bytes(bytes(9000))
    source = FileSource([solid])
    list(source.walk())
    assert source.hole(0, 0, 9000) == 0
    source.close()


def test_descriptors_are_few_and_given_back(tmp_path: Path) -> None:
    for i in range(100):
        (tmp_path / "d" / f"{i}").mkdir(parents=True)
        (tmp_path / "d" / f"{i}" / "f").write_bytes(b"%d" % i)
    before = len(os.listdir("/proc/self/fd"))
    source = FileSource([tmp_path / "d"])
    entries = list(source.walk())
    buffer = memoryview(bytearray(8))
    for number, entry in enumerate(entries):
        if entry.kind is Kind.FILE:
            count = source.read_into(number, 0, buffer)
            assert entry.path == f"d/{bytes(buffer[:count]).decode()}/f"
    assert len(os.listdir("/proc/self/fd")) <= before + 48
    source.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_entry_takes_little_memory(tmp_path: Path) -> None:
    """Measured on the folder listing too, which is held while the folder is walked."""
    for i in range(3000):
        (tmp_path / f"a-name-of-usual-length-{i:06}").touch()
    source = FileSource([tmp_path])
    tracemalloc.start()
    entries: list[Entry] = []
    for entry in source.walk():
        entries[:] = [entry]
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 3000 * 120
    assert peak < 3000 * 300
    source.close()


@given(st.lists(st.tuples(st.integers(0, 100), st.binary(min_size=1, max_size=5)), max_size=20))
def test_a_tree_gives_back_what_it_was_given(rows: list[tuple[int, bytes]]) -> None:
    tree = Tree()
    paths: list[bytes] = []
    for at, (parent, name) in enumerate(rows):
        above = parent % (at + 1) - 1
        assert tree.add(above, name) == at
        paths.append(name if above == TOP else paths[above] + b"/" + name)
    assert len(tree) == len(rows)
    assert [tree.path(row) for row in range(len(tree))] == paths
    assert [tree.name(row) for row in range(len(tree))] == [name for _, name in rows]
