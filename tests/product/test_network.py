"""Getting to a relay: one's own, over either family of addresses."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from croc_core.events import CodeReady, Listening
from tests.runs import SOON, RelayRun, Run, nothing

HERE = {"ipv4": "127.0.0.1", "ipv6": "::1"}


def through(backend: str, relay: str, out: Path, **options: Any) -> None:
    """A text goes through that relay."""
    sending = Run(backend, "send_text", ("x",), nothing, relay=relay, **options)
    code = sending.code.get(timeout=SOON)
    receiving = Run(backend, "receive", (code,), nothing, relay=relay, yes=True, out=str(out))
    receiving.end()
    sending.end()
    assert receiving.transfer.texts == ["x"]


def test_a_sender_brings_its_own_relay(backend: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    sending = Run(backend, "send", (tmp_path / "f",), nothing, host="127.0.0.1")
    code = sending.code.get(timeout=SOON)
    (ready,) = (event for event in sending.events if isinstance(event, CodeReady))
    assert any(isinstance(event, Listening) for event in sending.events)
    options = {"relay": ready.relay, "yes": True, "out": str(tmp_path / "in")}
    Run(backend, "receive", (code,), nothing, **options).end()
    sending.end()
    assert (tmp_path / "in" / "f").read_bytes() == b"hello"
    with pytest.raises(ConnectionRefusedError):  # it ends with the run
        socket.create_connection(("127.0.0.1", int(ready.relay.rpartition(":")[2])))


@pytest.mark.parametrize("family", HERE)
def test_ipv4_and_ipv6(backend: str, tmp_path: Path, family: str) -> None:
    host = HERE[family]
    relay = RelayRun(host)
    try:
        shown = f"[{host}]" if ":" in host else host
        through(backend, f"http://{shown}:{relay.ports[0]}", tmp_path)
    finally:
        relay.stop()


@pytest.mark.parametrize("family", HERE)
def test_the_family_that_answers_is_taken(
    backend: str, tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name has an address of each family, and the relay is at one of them."""
    relay = RelayRun(HERE[family])
    look = socket.getaddrinfo

    def both(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "relay.test":
            return look(host, port, *args, **kwargs)
        return [found for one in ("::1", "127.0.0.1") for found in look(one, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    try:
        through(backend, f"http://relay.test:{relay.ports[0]}", tmp_path)
    finally:
        relay.stop()
