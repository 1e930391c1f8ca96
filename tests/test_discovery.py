"""Discovery between real hosts, over IPv4 and over IPv6: found, refused, and lied to.

Needs Linux, root and `ip`; is skipped with the reason where one is missing.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backends import _discovery, _discovery_net
from backends._discovery_net import open_answering
from backends._options import Where
from tests.cli_help import LOCAL, ROOT, shell
from tests.test_namespaces import NET4, NET6, TOOL, Net, ip, why_not

CHANNEL = "look5"
CODE = f"{CHANNEL}-8jx-k2vq-0plr"
LIE = f"{CHANNEL}-another-secret"
DATA = b"found on the wire"


class Wire(Net):
    """Hosts on one wire that know one family of addresses alone; a relay runs nowhere."""

    def __init__(self, net: str) -> None:
        super().__init__()
        self.net = net
        self.running: list[subprocess.Popen[str]] = []

    def set_up(self) -> None:
        super().set_up()
        for name in self.names.values():
            if self.net == NET4:
                ip("-n", name, "-6", "addr", "flush", "scope", "global")
                ip("-n", name, "-6", "addr", "flush", "scope", "link")
            else:
                ip("-n", name, "-4", "addr", "flush", "scope", "global")

    def send(self, host: str, path: Path, code: str, *flags: str) -> subprocess.Popen[str]:
        """Start a sender with a relay of its own; return once its code stands."""
        sender = self.croc(host, "send", str(path), *flags, CROC_CODE=code)
        assert sender.stdout is not None
        for line in sender.stdout:
            if json.loads(line)["event"] == "code":
                return sender
        raise AssertionError("no code")

    def receive(self, host: str, out: Path) -> tuple[int, list[dict[str, Any]]]:
        """Receive without being told of a relay; return the status, and the events."""
        recipient = self.croc(host, "receive", "--yes", "--out", str(out), CROC_CODE=CODE)
        text, _ = recipient.communicate(timeout=60)
        return recipient.returncode, [json.loads(line) for line in text.splitlines()]

    def croc(self, host: str, command: str, *flags: str, **env: str) -> subprocess.Popen[str]:
        env |= {"PYTHONPATH": str(ROOT), "CROC_CONFIG": "", "CROC_RELAY": ""}
        process = self.start(host, *TOOL, command, "--json", *flags, **env)
        self.running.append(process)
        return process

    def end_all(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait(20)
            if process.stdout is not None:
                process.stdout.close()
        self.running.clear()


@pytest.fixture(scope="module", params=[NET4, NET6])
def hosts(request: pytest.FixtureRequest) -> Iterator[Wire]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    made = Wire(request.param)
    try:
        made.set_up()
        yield made
    finally:
        made.tear_down()


@pytest.fixture
def wire(hosts: Wire) -> Iterator[Wire]:
    yield hosts
    hosts.end_all()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "photo.jpg"
    made.write_bytes(DATA)
    return made


def places(events: list[dict[str, Any]]) -> list[str]:
    return [event["what"] for event in events if event["event"] == "waiting"]


@pytest.mark.parametrize("at_one_address", [False, True])
def test_another_host_finds_the_sender(
    wire: Wire, path: Path, tmp_path: Path, at_one_address: bool
) -> None:
    own = f"{wire.net}2"
    sender = wire.send("alice", path, CODE, *(("--host", own) if at_one_address else ()))
    status, events = wire.receive("bob", tmp_path / "in")
    assert status == 0, events
    assert sender.wait(60) == 0
    assert (tmp_path / "in" / path.name).read_bytes() == DATA
    (found,) = (what for what in places(events) if what.startswith("the relay at "))
    if at_one_address or wire.net == NET4:
        assert Where(own, 1).url[:-1] in found
    else:
        assert "http://[fe80:" in found or f"http://[{NET6}" in found


def test_two_that_answer_end_it_before_either_hears_of_the_recipient(
    wire: Wire, path: Path, tmp_path: Path
) -> None:
    senders = [wire.send(host, path, CODE) for host in ("alice", "eve")]
    status, events = wire.receive("bob", tmp_path / "in")
    assert (status, events[-1]["code"]) == (5, "relay_unreachable")
    assert "2 computers" in events[-1]["message"]
    assert "--relay" in events[-1]["hint"]
    assert not (tmp_path / "in").exists()
    assert [sender.poll() for sender in senders] == [None, None], "their codes are not used up"


def test_who_answers_in_anothers_name_gets_nothing_and_gives_nothing(
    wire: Wire, path: Path, tmp_path: Path
) -> None:
    """The channel is no secret, so anybody may answer; the code's secret is what counts."""
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / path.name).write_bytes(b"not what it says")
    sender = wire.send("alice", path, CODE, "--no-discovery")
    liar = wire.send("eve", bad / path.name, LIE)
    status, events = wire.receive("bob", tmp_path / "in")
    assert (status, events[-1]["code"]) == (3, "wrong_code"), events
    assert not any(event["event"] == "offer" for event in events)
    assert not (tmp_path / "in").exists()
    assert liar.wait(60) == 3
    assert sender.poll() is None, "its code is not used up"


def test_who_must_not_be_found_is_not(wire: Wire, path: Path, tmp_path: Path) -> None:
    wire.send("alice", path, CODE, "--no-discovery")
    wire.send("eve", path, f"other-{CODE.partition('-')[2]}")
    status, events = wire.receive("bob", tmp_path / "in")
    assert (status, events[-1]["code"]) == (5, "relay_unreachable")
    assert "Nobody" in events[-1]["message"]


def test_two_at_one_host_are_two(wire: Wire, path: Path, tmp_path: Path) -> None:
    for _ in range(2):
        wire.send("alice", path, CODE)
    status, events = wire.receive("bob", tmp_path / "in")
    assert (status, events[-1]["code"]) == (5, "relay_unreachable"), events
    assert os.listdir(tmp_path) == [path.name]


def test_S20_who_answers_in_anothers_name_is_not_the_other_side(path: Path, tmp_path: Path) -> None:
    """The same on one host, where no namespace can be made."""
    with shell(tmp_path) as sh:
        liar = sh.croc("send", path, "--host", LOCAL, CROC_CODE=LIE)
        liar.until("code")
        recipient = sh.croc("receive", "--yes", "--out", "in", CROC_CODE=CODE)
        assert (recipient.end(), liar.end()) == (3, 3), recipient.events
        assert not any(event["event"] == "offer" for event in recipient.events)
        assert not (tmp_path / "in").exists()


def test_queries_of_both_families_are_heard() -> None:
    """Also where no namespace can be made: the loopback interface is there."""
    families = {socket.AF_INET}
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
        families.add(socket.AF_INET6)
    except OSError:
        pass  # this system has no IPv6
    heard, answering = open_answering(None)
    try:
        assert {sock.family for sock in heard} == families
        assert answering == heard
    finally:
        for sock in heard:
            sock.close()


def test_an_answer_that_came_in_time_counts_though_we_were_kept_from_looking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock goes on between two looks: what came meanwhile is a second relay all the same."""
    times = [0.0]  # the last one stays
    asking: list[tuple[socket.socket, bytes]] = []
    look = _discovery_net._listen

    def ask(sockets: list[socket.socket], asked: bytes) -> None:
        if not asking:
            sockets[0].bind(("127.0.0.1", 0))
            asking.append((sockets[0], asked))
            answer(4001)

    def answer(port: int) -> None:
        sock, asked = asking[0]
        told = _discovery.Answerer("k7w2", port)(asked, "127.0.0.1")
        assert told is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(told, sock.getsockname())

    def looked(sock: Any, identity: bytes, found: dict[Where, None]) -> None:
        look(sock, identity, found)
        if len(found) == 1 and len(times) == 1 and not times[0]:
            times.append(_discovery_net.PATIENCE)
            answer(4002)

    def monotonic() -> float:
        return times.pop(0) if len(times) > 1 else times[0]

    monkeypatch.setattr(_discovery_net, "time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr(_discovery_net, "_ask", ask)
    monkeypatch.setattr(_discovery_net, "_listen", looked)
    found = _discovery_net.search("k7w2", threading.Event())
    assert {where.port for where in found} == {4001, 4002}
