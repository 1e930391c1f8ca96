"""Whole transfers through proxies, on real sockets; what a proxy refuses is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends._io import Conn, Connect
from backends._proxy import ProxyError, proxy, tunnel
from tests.cli_help import LOCAL, Shell, shell
from tests.proxies import NAME, proxy_server

LOGIN = ("me", "pass word")


@pytest.fixture
def sh(tmp_path: Path) -> Iterator[Shell]:
    with shell(tmp_path) as made:
        yield made


@pytest.mark.parametrize("backend", ["asyncio", "threading"])
@pytest.mark.parametrize("kind", ["socks5", "http"])
@pytest.mark.parametrize("login", [None, LOGIN])
def test_a_transfer_through_a_proxy(
    sh: Shell, tmp_path: Path, kind: str, backend: str, login: tuple[str, str] | None
) -> None:
    (tmp_path / "f").write_bytes(bytes(range(256)) * 1000)
    port = sh.relay().rpartition(":")[2]
    relay = f"http://{NAME}:{port}"  # a name that only the proxy knows
    with proxy_server(login) as server:
        who = "" if login is None else "me:pass%20word@"
        by = f"{kind}://{who}{LOCAL}:{server.port}"
        module = ["-m", f"backends.{backend}"]
        given = {"CROC_RELAY": relay, "CROC_PROXY": by}
        sender = sh.start([*module, "send", "--json", "f"], False, given, False)
        code = sender.until("code")["code"]
        arguments = [*module, "receive", "--json", "--yes", "--out", "in"]
        recipient = sh.start(arguments, False, {**given, "CROC_CODE": code}, False)
        assert (recipient.end(), sender.end()) == (0, 0)
    assert (tmp_path / "in" / "f").read_bytes() == (tmp_path / "f").read_bytes()
    assert {host for host, _ in server.asked} == {NAME}  # requests and data, looked up there
    assert len({port for _, port in server.asked}) == 2


@pytest.mark.parametrize("kind", ["socks5", "http"])
def test_what_a_proxy_refuses(sh: Shell, tmp_path: Path, kind: str) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with socket.create_server((LOCAL, 0)) as closed:
        free = closed.getsockname()[1]
    relay = f"http://{NAME}:{free}"
    with proxy_server() as server:
        by = f"{kind}://{LOCAL}:{server.port}"
        run = sh.croc("send", "f", "--relay", relay, "--proxy", by)
        assert run.end() == 5
        assert "the proxy says: " in run.error["message"]
        assert run.error["message"].isprintable()
    run = sh.croc("send", "f", "--relay", relay, "--proxy", f"{kind}://{LOCAL}:{free}")
    assert run.end() == 5
    assert "the proxy cannot be reached: connection refused" in run.error["message"]


@pytest.mark.parametrize("kind", ["socks5", "http"])
def test_a_wrong_login_and_a_silent_proxy(kind: str) -> None:
    where = Connect(Conn(2), LOCAL, 9)
    with proxy_server(LOGIN) as server, pytest.raises(ProxyError):
        tunnel(proxy(f"{kind}://me:wrong@{LOCAL}:{server.port}"), where, 5.0)
    with socket.create_server((LOCAL, 0)) as silent:
        by = proxy(f"{kind}://{LOCAL}:{silent.getsockname()[1]}")
        with pytest.raises(ProxyError, match="did not answer in time"):
            tunnel(by, where, 0.05)


def test_ipv6_by_number(sh: Shell) -> None:
    with proxy_server() as server:
        for kind in ("socks5", "http"):
            with pytest.raises(ProxyError):  # nobody listens there; it was asked rightly
                tunnel(proxy(f"{kind}://{LOCAL}:{server.port}"), Connect(Conn(2), "::1", 1), 5.0)
    assert server.asked == [("::1", 1)] * 2


@pytest.mark.parametrize(
    "text", ["", "x", "ftp://h:1", "socks5://", "http://h:0", "http://h:99999", "http://h/x"]
)
def test_what_is_no_proxy(text: str) -> None:
    with pytest.raises(ValueError, match="A proxy looks like"):
        proxy(text)


def test_what_is_one() -> None:
    made = proxy("socks5h://us%40er:pw@[::1]")
    assert (made.kind, made.host, made.port) == ("socks5", "::1", 1080)
    assert (made.user, made.password) == ("us@er", "pw")
    assert "pw" not in repr(made)
    assert proxy("http://h").port == 8080
