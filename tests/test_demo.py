"""The demo: three processes, compared files, nothing left behind."""

from __future__ import annotations

import signal
import socket
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli_help import Shell, shell


@pytest.fixture
def sh(tmp_path: Path) -> Iterator[Shell]:
    with shell(tmp_path) as made:
        yield made


def test_it_shows_a_transfer(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    run = sh.croc("demo", TMPDIR=str(tmp_path / "tmp"))
    assert run.end() == 0
    names = [event["event"] for event in run.events if event["event"] != "progress"]
    assert names == ["listening", "code", "offer", "done"]
    assert run.events[-1]["bytes"] == 8_000_000
    assert run.err == ""
    assert not list((tmp_path / "tmp").iterdir())
    port = run.events[0]["url"].rpartition(":")[2]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))


def test_it_says_the_result_at_the_end(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "my file").write_bytes(b"1234")
    run = sh.croc("demo", "my file", json=False, CROC_RELAY="http://127.0.0.1:1", CROC_CODE="a-b")
    assert run.end() == 0
    assert run.out.decode().splitlines()[-1].startswith("The demo worked")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_nothing_is_left_running(
    sh: Shell, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    mark = uuid.uuid4().hex
    (tmp_path / "tmp").mkdir()
    (tmp_path / "big").write_bytes(b"x" * 200_000_000)  # so that it does not end before us
    run = sh.croc("demo", "big", TMPDIR=str(tmp_path / "tmp"), MARK=mark)
    run.until("code")
    assert len(marked(mark)) >= 3  # the demo, the relay, the sender
    run.signal(number)
    assert run.end() == status
    assert not marked(mark)
    assert not list((tmp_path / "tmp").iterdir())


def marked(mark: str) -> list[str]:
    """The processes that have *mark* in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(folder.name)
        except OSError:  # it has ended, or is not ours
            continue
    return found


def test_it_notices_a_difference(tmp_path: Path) -> None:
    from backends._demo import _same

    def file(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    one = file("one", b"x" * (1 << 20) + b"y")
    assert _same(one, one)
    assert _same(file("e", b""), file("f", b""))
    for other in (b"x" * (1 << 20) + b"z", b"x" * (1 << 20), b"x" * (1 << 20) + b"yy", b""):
        assert not _same(one, file("other", other))
        assert not _same(file("other", other), one)
