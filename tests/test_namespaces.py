"""The address rule between real hosts: a relay, two people and an outsider in network namespaces.

Needs Linux, root and `ip`; is skipped with the reason where one is missing.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

VALUE = "A" * 43
HOSTS = {"relay": 1, "alice": 2, "bob": 3, "eve": 4}
NET4, NET6 = "10.77.0.", "fd77::"
TOOL = (sys.executable, "-m", "backends.asyncio")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)


def why_not() -> str | None:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    if shutil.which("ip") is None:
        return "there is no ip (iproute2)"
    probe = f"cc{os.getpid()}"
    try:
        ip("netns", "add", probe)
        ip("netns", "del", probe)
    except (OSError, subprocess.SubprocessError) as error:
        return f"no network namespace can be made: {error}"
    return None


class Net:
    """Four hosts on one wire, each in a namespace of its own."""

    def __init__(self) -> None:
        self.names = {host: f"cc{os.getpid()}{host}" for host in HOSTS}

    def set_up(self) -> None:
        for name in self.names.values():
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        hub = self.names["relay"]
        ip("-n", hub, "link", "add", "hub", "type", "bridge")
        ip("-n", hub, "link", "set", "hub", "up")
        for host in ("alice", "bob", "eve"):
            ends = ("name", "e0", "netns", self.names[host])
            ip("-n", hub, "link", "add", host, "type", "veth", "peer", *ends)
            ip("-n", hub, "link", "set", host, "master", "hub", "up")
            ip("-n", self.names[host], "link", "set", "e0", "up")
        for host, number in HOSTS.items():
            self.address(host, number)

    def address(self, host: str, number: int) -> None:
        """Give a host a further address of each family."""
        device = "hub" if host == "relay" else "e0"
        ip("-n", self.names[host], "addr", "add", f"{NET4}{number}/24", "dev", device)
        ip("-n", self.names[host], "addr", "add", f"{NET6}{number}/64", "dev", device, "nodad")

    def tear_down(self) -> None:
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=20)

    def start(self, host: str, *command: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ip", "netns", "exec", self.names[host], *command],
            stdout=subprocess.PIPE, text=True, env={**os.environ, **env},
        )  # fmt: skip

    def dial(self, host: str, to: tuple[str, int], local: str) -> socket.socket:
        """Connect from *host*: a socket stays in the namespace that it was made in."""

        def there() -> socket.socket:
            with open(f"/run/netns/{self.names[host]}", "rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0):
                    raise OSError(ctypes.get_errno(), "setns")
            return socket.create_connection(to, timeout=20, source_address=(local, 0))

        return in_thread(there)


def in_thread(call: Callable[[], socket.socket]) -> socket.socket:
    """Run *call* in a thread of its own, which alone goes into another namespace."""
    outcome: list[socket.socket | BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    (result,) = outcome
    if isinstance(result, BaseException):
        raise result
    return result


class Site(NamedTuple):
    net: Net
    port: int
    data_port: int


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The hosts, and a relay on the one of that name, on all its addresses."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    net = Net()
    try:
        net.set_up()
        net.address("alice", 20)
        flags = ("--json", "--port", "8003", "--data-ports", "27001", "--idle-timeout", "60")
        relay = net.start("relay", *TOOL, "relay", *flags)
        assert relay.stdout is not None
        try:
            while json.loads(relay.stdout.readline())["event"] != "listening":
                pass
            yield Site(net, 8003, 27001)
        finally:
            relay.terminate()
            relay.wait(20)
            relay.stdout.close()
    finally:
        net.tear_down()


class Person:
    """Somebody on a host, who asks the relay over one family."""

    def __init__(self, site: Site, host: str, net: str, number: int | None = None) -> None:
        self.site, self.host = site, host
        self.at = f"{net}1"
        self.local = f"{net}{number or HOSTS[host]}"

    def ask(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        data = json.dumps(body).encode()
        with self.site.net.dial(self.host, (self.at, self.site.port), self.local) as sock:
            head = f"POST {path} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n"
            sock.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        head_of, _, rest = answer.partition(b"\r\n\r\n")
        return int(head_of.split()[1]), json.loads(rest)

    def identify(self, channel: str, uuid: str) -> tuple[bytes, socket.socket]:
        sock = self.site.net.dial(self.host, (self.at, self.site.data_port), self.local)
        sock.sendall(f"CROC/1 {channel} {uuid}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            answer += sock.recv(1)
        return answer, sock


@pytest.mark.parametrize("net", [NET4, NET6])
def test_two_hosts_are_in_and_the_outsider_is_not_whatever_it_shows(site: Site, net: str) -> None:
    alice, bob, eve = (Person(site, host, net) for host in ("alice", "bob", "eve"))
    joined = alice.ask("/join", role="sender")[1]
    name, sender = joined["channel"], joined["uuid"]
    recipient = bob.ask("/join", role="recipient", channel=name)[1]["uuid"]
    seats = {"sender": {"channel": name, "uuid": sender}}
    seats["recipient"] = {"channel": name, "uuid": recipient}
    full = (403, "channel_full")

    def refused(status: int, body: dict[str, Any]) -> tuple[int, str]:
        return status, body["code"]

    assert refused(*eve.ask("/join", role="recipient", channel=name)) == full
    for seat in seats.values():
        assert refused(*eve.ask("/channel", **seat)) == full
        assert refused(*eve.ask("/channel", **seat, close=True)) == full
    assert alice.ask("/channel", **seats["sender"], x=VALUE)[0] == 200
    assert bob.ask("/channel", **seats["recipient"], y=VALUE, hh_k=VALUE)[0] == 200
    assert alice.ask("/channel", **seats["sender"], h_k=VALUE)[0] == 200
    for uuid in (sender, recipient):
        answer, sock = eve.identify(name, uuid)
        sock.close()
        assert answer == b"ERR 403 channel_full\n"
    # Whose address changes on the way is a third one too, as after a NAT's change of mind.
    moved = Person(site, "alice", net, 20)
    assert refused(*moved.ask("/channel", **seats["sender"])) == full
    answer, sock = moved.identify(name, sender)
    sock.close()
    assert answer == b"ERR 403 channel_full\n"
    # And the two go on.
    (ok_a, a), (ok_b, b) = alice.identify(name, sender), bob.identify(name, recipient)
    with a, b:
        assert (ok_a, ok_b) == (b"OK\n", b"OK\n")
        a.sendall(b"from alice")
        assert b.recv(10, socket.MSG_WAITALL) == b"from alice"
    assert bob.ask("/channel", **seats["recipient"], close=True, reason="done")[0] == 200


def test_one_person_with_an_address_of_each_family_is_two_addresses(site: Site) -> None:
    over4, over6 = Person(site, "alice", NET4), Person(site, "alice", NET6)
    joined = over4.ask("/join", role="sender")[1]
    seat = {"channel": joined["channel"], "uuid": joined["uuid"]}
    assert over6.ask("/channel", **seat)[0] == 200
    bob = Person(site, "bob", NET4)
    status, error = bob.ask("/join", role="recipient", channel=joined["channel"])
    assert (status, error["code"]) == (403, "channel_full")


@pytest.mark.parametrize("net", [NET4, NET6])
def test_a_file_goes_from_host_to_host(site: Site, net: str, tmp_path: Path) -> None:
    source, out = tmp_path / "photo.jpg", tmp_path / "in"
    source.write_bytes(os.urandom(3 << 20))
    out.mkdir()
    at = f"[{net}1]" if ":" in net else f"{net}1"
    relay = ("--relay", f"http://{at}:{site.port}", "--json")
    sender = site.net.start("alice", *TOOL, "send", str(source), *relay)
    assert sender.stdout is not None
    events = (json.loads(line) for line in sender.stdout)
    code = next(event["code"] for event in events if event["event"] == "code")
    receive = (*TOOL, "receive", "--yes", "--out", str(out), *relay)
    recipient = site.net.start("bob", *receive, CROC_CODE=code)
    recipient.communicate(timeout=60)
    assert [event["event"] for event in events][-1] == "done"
    assert (recipient.returncode, sender.wait(60)) == (0, 0)
    sender.stdout.close()
    assert (out / source.name).read_bytes() == source.read_bytes()
