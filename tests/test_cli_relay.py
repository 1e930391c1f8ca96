"""The relay's flags of trust and further limits, read and at work."""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends import _cli_relay
from backends._cli_parser import UsageError, parse
from backends._options import RelayOptions
from backends._peers import Connections, fit
from croc_core.limits import Limits
from tests.cli_help import LOCAL, Shell, shell

FLAGS = ("relay", "--host", LOCAL, "--port", "0", "--data-ports", "0")


@pytest.fixture
def sh(tmp_path: Path) -> Iterator[Shell]:
    with shell(tmp_path) as made:
        yield made


def options(*flags: str) -> tuple[dict[str, Any], dict[str, Any]]:
    args = parse(["relay", *flags], "croc")
    return _cli_relay.more_limits(args), _cli_relay.more_options(args)


def test_what_is_said_is_what_is_set() -> None:
    assert options() == ({}, {})
    limits, more = options(
        *("--limit", "pair-bytes=1000", "--limit", "pair-time=1.5", "--limit", "max-links=7"),
        *("--limit", "max-connections=9", "--limit", "keep-alive=2"),
        *("--trusted-proxy", "192.0.2.0/24", "--trusted-proxy", "2001:db8::1"),
    )
    assert limits == {"pair_bytes": 1000, "pair_time": 1.5, "max_links": 7}
    networks = ("192.0.2.0/24", "2001:db8::1/128")
    assert more == {
        "max_connections": 9,
        "keep_alive": 2.0,
        "trusted_proxies": tuple(map(ipaddress.ip_network, networks)),
    }
    Limits(**limits)
    RelayOptions(**more)


def test_every_limit_can_be_told() -> None:
    text = " ".join(_cli_relay._LIMITS) + " " + " ".join(_cli_relay.CONNECTIONS)
    flags = parse(["relay"], "croc")
    for name in (field.replace("_", "-") for field in Limits.__dataclass_fields__):
        assert hasattr(flags, name.replace("-", "_")) != (name in text.split()), name
    for name in _cli_relay.CONNECTIONS:
        assert name.replace("-", "_") in RelayOptions.__dataclass_fields__


@pytest.mark.parametrize(
    "flags",
    [
        ("--limit", "pair-bytes"),
        ("--limit", "nonsense=1"),
        ("--limit", "max-body=1"),
        ("--limit", "max-links=0"),
        ("--limit", "max-links=-1"),
        ("--limit", "max-links=1.5"),
        ("--limit", "pair-time=nan"),
        ("--limit", "pair-time=inf"),
        ("--limit", "pair-time=soon"),
        ("--trusted-proxy", "proxy.example"),
        ("--trusted-proxy", "192.0.2.1/24"),
        ("--trusted-proxy", "192.0.2.0/33"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(flags: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=rf"^{flags[0]} takes .*\.$"):
        options(*flags)


@pytest.mark.parametrize("name", ["max_connections", "max_connections_per_address", "keep_alive"])
def test_options_are_above_zero(name: str) -> None:
    given: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=name):
        RelayOptions(**given)


def test_what_a_relay_takes_fits_its_descriptors() -> None:
    limits, connections = fit(RelayOptions(), 1000)
    assert (connections.most, connections.per_address) == (750, 187)
    assert limits.max_links == 750
    limits, connections = fit(RelayOptions(), 1 << 20)
    assert (limits, connections) == (Limits(), Connections())
    told = RelayOptions(
        max_connections=100,
        max_connections_per_address=90,
        keep_alive=5,
        limits=Limits(handshake_timeout=3),
    )
    limits, connections = fit(told, 1 << 20)
    assert connections == Connections(100, 90, 3, 5)
    assert limits.max_links == 100
    assert fit(RelayOptions(max_connections=5000), 1000)[1].most == 750


def test_a_relay_says_at_its_start_what_it_takes(sh: Shell) -> None:
    run = sh.croc(*FLAGS, terminal=True, json=False)
    run.see("ends it.")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = " ".join(run.screen.decode().split())
    found = re.search(r"may open (\d+) files. It takes (\d+) connections", said)
    assert found is not None, said
    assert int(found[1]) == hard
    assert int(found[2]) == fit(RelayOptions(), hard)[1].most


def test_a_relay_that_was_ended_says_what_to_do(sh: Shell) -> None:
    relay = sh.croc(*FLAGS)
    relay.until("listening")
    relay.signal(signal.SIGTERM)
    assert relay.end() == 143
    assert (relay.error["code"], relay.error["party"]) == ("sigterm", "local")
    assert "Start it again" in relay.error["hint"]


def ask(url: str, forwarded: str, **body: Any) -> tuple[int, dict[str, Any]]:
    web = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    path = "/join" if "role" in body else "/channel"
    web.request("POST", path, json.dumps(body), {"X-Forwarded-For": forwarded})
    reply = web.getresponse()
    status, answer = reply.status, json.loads(reply.read())
    web.close()
    return status, answer


@pytest.mark.parametrize("listed", [True, False])
def test_only_a_listed_proxy_is_believed(sh: Shell, listed: bool) -> None:
    run = sh.croc(*FLAGS, *(("--trusted-proxy", LOCAL) if listed else ()))
    ready = run.until("listening")
    url = ready["url"]
    joined = ask(url, "1.1.1.1", role="sender")[1]
    seat = {"channel": joined["channel"], "uuid": joined["uuid"]}
    assert ask(url, "2.2.2.2", **seat)[0] == 200
    assert ask(url, "9.9.9.9, 3.3.3.3", **seat)[0] == (403 if listed else 200)
    assert ask(url, f"3.3.3.3, 1.1.1.1, {LOCAL}", **seat)[0] == 200
    with socket.create_connection((LOCAL, ready["ports"][0]), timeout=20) as link:
        line = f"PROXY TCP4 3.3.3.3 192.0.2.1 1 2\r\nCROC/1 {seat['channel']} {seat['uuid']}\n"
        link.sendall(line.encode())
        answer = link.makefile("rb").readline()
    assert answer == (b"ERR 403 channel_full\n" if listed else b"ERR 400 malformed\n")
