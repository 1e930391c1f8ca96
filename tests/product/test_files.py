"""What is sent, and what is done with it where it arrives."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from backends.files.policy import Policy
from croc_core.errors import Code, TransferError
from croc_core.events import Event, Note, OfferSeen
from tests.runs import SOON, Run
from tests.test_face import World

MTIME = 1_600_000_000_123_456_789
MANY = 10_000


def tree(top: Path) -> dict[str, bytes | None]:
    """Every path below *top*, with what a file holds; None is a folder."""
    return {
        str(path.relative_to(top)): path.read_bytes() if path.is_file() else None
        for path in sorted(top.rglob("*"))
    }


def declined(*runs: Run) -> None:
    for run in runs:
        with pytest.raises(TransferError) as caught:
            run.end()
        assert caught.value.failure.code is Code.DECLINED


def test_several_files_folders_and_empty_folders(world: World, tmp_path: Path) -> None:
    what = tmp_path / "what"
    for name in ("album/deep/er", "album/nothing in here", "notes"):
        (what / name).mkdir(parents=True)
    for name in ("album/1.jpg", "album/deep/er/2.jpg", "album/empty", "a.txt", "notes/żółw"):
        (what / name).write_bytes(b"" if name.endswith("empty") else name.encode())
    sending = world.send("send", what / "a.txt", what / "album", what / "notes")
    receiving = world.receive(sending)
    assert sending.end().files == receiving.end().files == 5
    assert tree(world.out) == tree(what)


def test_the_code_stands_before_anything_is_read(world: World, tmp_path: Path) -> None:
    """Reading a TiB of nothing would take minutes."""
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 40)
    sending = world.send("send", tmp_path / "huge")
    assert sending.code.get(timeout=SOON / 2)
    sending.transfer.cancel()
    with pytest.raises(TransferError) as caught:
        sending.end()
    assert caught.value.failure.code is Code.SIGINT


def test_ten_thousand_small_files(world: World, tmp_path: Path) -> None:
    """How fast that is: docs/performance.md."""
    folder = tmp_path / "many"
    folder.mkdir()
    data = os.urandom(1024)
    for number in range(MANY):
        (folder / str(number)).write_bytes(data)
    sending = world.send("send", folder)
    receiving = world.receive(sending)
    assert sending.end().files == receiving.end().files == MANY
    found = list((world.out / "many").iterdir())
    assert len(found) == MANY
    assert all(path.read_bytes() == data for path in found)


def test_mode_time_and_links_are_kept_safely(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    script = folder / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o6750)
    os.utime(script, ns=(MTIME, MTIME))
    (folder / "inside").symlink_to("script")
    (folder / "outside").symlink_to("/etc/passwd")
    sending = world.send("send", folder)

    def accept(event: Event, transfer: Any) -> None:
        if isinstance(event, OfferSeen):
            transfer.accept()

    receiving = world.receive(sending, answer=accept, yes=False, attended=True)
    sending.end()
    receiving.end()
    came = world.out / "d"
    assert stat.S_IMODE((came / "script").stat().st_mode) == 0o750, "no setuid"
    assert (came / "script").stat().st_mtime_ns == MTIME
    assert os.readlink(came / "inside") == "script"
    assert not os.path.lexists(came / "outside")
    told = [event.message for event in sending.events if isinstance(event, Note)]
    assert any("outside" in message for message in told)


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        (Policy.OVERWRITE, {"f": b"new"}),
        (Policy.SKIP, {"f": b"old"}),
        (Policy.RENAME, {"f": b"old", "f (1)": b"new"}),
    ],
)
def test_overwrite_skip_or_keep_both(
    world: World, tmp_path: Path, policy: Policy, after: dict[str, bytes]
) -> None:
    (tmp_path / "f").write_bytes(b"new")
    world.out.mkdir()
    (world.out / "f").write_bytes(b"old")
    sending = world.send("send", tmp_path / "f")
    receiving = world.receive(sending, existing=policy)
    for run in (sending, receiving):
        if policy is Policy.SKIP:
            declined(run)  # nothing is left to take
        else:
            run.end()
    assert tree(world.out) == after


@pytest.mark.parametrize("yes", [True, False])
def test_it_is_asked_before_anything_is_replaced(
    world: World, tmp_path: Path, *, yes: bool
) -> None:
    (tmp_path / "f").write_bytes(b"new")
    world.out.mkdir()
    (world.out / "f").write_bytes(b"old")
    sending = world.send("send", tmp_path / "f")

    def answer(event: Event, transfer: Any) -> None:
        if isinstance(event, OfferSeen):
            assert event.overwrites == 1
            assert tree(world.out) == {"f": b"old"}
            transfer.accept() if yes else transfer.decline()

    receiving = world.receive(sending, answer=answer, yes=False)
    if yes:
        sending.end()
        receiving.end()
    else:
        declined(sending, receiving)
    assert tree(world.out) == {"f": b"new" if yes else b"old"}


def test_patterns_and_gitignore_leave_out(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    (folder / "build").mkdir(parents=True)
    for name in ("main.c", "main.o", "secret.key", "build/out"):
        (folder / name).write_text(name)
    (folder / ".gitignore").write_text("build/\n*.key\n")
    sending = world.send("send", folder, exclude=("*.o",), gitignore=True)
    receiving = world.receive(sending)
    sending.end()
    receiving.end()
    names = tree(world.out / "project").keys()
    assert names == {"main.c", ".gitignore"}
