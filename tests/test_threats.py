"""Threats that no one module answers for: what a relay gets to see, and what is left behind.

docs/threat-model.md has the whole list; `tests.defences` takes each defence out.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends import _secrecy
from croc_core import codes
from tests.ports import own

TOOL = (sys.executable, "-m", "backends.asyncio")
RELAY, GATE = "127.0.0.2", "127.0.0.3"
"""Where the relay is, and where the parties think that it is. They themselves are at 127.0.0.1."""
PARTY = "127.0.0.1"
ROOT = Path(__file__).parent.parent


HANDSHAKE = 4096
"""What one connection carries before its data is less; four given bytes are not there by chance."""


class Gate:
    """Stands before a relay and keeps every byte that it gets and gives."""

    def __init__(self, ports: list[int]) -> None:
        self.seen: list[bytearray] = []
        self.peers: set[str] = set()
        self._choose = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._choose.register(self._wake, selectors.EVENT_READ)
        self._listeners = [socket.create_server((GATE, port)) for port in ports]
        for listener in self._listeners:
            self._choose.register(listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        open_ones: set[socket.socket] = set()
        while True:
            for key, _ in self._choose.select():
                sock: Any = key.fileobj
                if sock is self._wake:
                    for one in open_ones:
                        one.close()
                    return
                if sock in self._listeners:
                    inner, (peer, _) = sock.accept()
                    self.peers.add(peer)
                    outer = socket.create_connection((RELAY, sock.getsockname()[1]))
                    for one, other in ((inner, outer), (outer, inner)):
                        self.seen.append(bytearray())
                        self._choose.register(one, selectors.EVENT_READ, (other, self.seen[-1]))
                    open_ones |= {inner, outer}
                    continue
                other, seen = key.data
                try:
                    data = sock.recv(1 << 16)
                    seen += data
                    if data:
                        other.sendall(data)
                        continue
                    other.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                self._choose.unregister(sock)

    def close(self) -> None:
        self._waker.send(b"x")
        self._thread.join(20)
        for sock in (*self._listeners, self._wake, self._waker):
            sock.close()
        self._choose.close()


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def start(*arguments: str, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TOOL, *arguments, "--json"],
        stdout=subprocess.PIPE, text=True, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> int:
    with process:
        process.terminate()
    return process.returncode


class Capture:
    """One transfer of a folder, and all bytes that the relay got and gave."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "holiday-plans-9f3c"
        inside = self.folder / "inner-folder-77a1"
        inside.mkdir(parents=True)
        self.file = inside / "invoice-b2d8.pdf"
        self.content = hashlib.shake_256(b"content").digest(200_000)
        self.text = b"The quick brown fox, " * 500
        self.file.write_bytes(self.content)
        (inside / "letter-c4e6.txt").write_bytes(self.text)
        out = tmp_path / "in"
        out.mkdir()
        port, data = own(2)
        relay = start("relay", "--host", RELAY, "--port", str(port), "--data-ports", str(data))
        try:
            assert any(event["event"] == "listening" for event in events(relay))
            gate = Gate([port, data])
            try:
                at = {"CROC_RELAY": f"http://{GATE}:{port}"}
                with start("send", self.folder.name, cwd=tmp_path, **at) as sender:
                    told = events(sender)
                    self.code = next(e["code"] for e in told if e["event"] == "code")
                    with start("receive", "--yes", cwd=out, CROC_CODE=self.code, **at) as recipient:
                        recipient.communicate(timeout=60)
                    list(told)
                assert (recipient.returncode, sender.returncode) == (0, 0)
            finally:
                gate.close()
        finally:
            end(relay)
        self.peers = gate.peers
        self.seen = [bytes(seen) for seen in gate.seen]
        assert (out / self.file.relative_to(tmp_path)).read_bytes() == self.content

    def never(self, *secrets: str | bytes) -> None:
        """None of these passed the relay, neither way, nor in a form that is easily undone."""
        for secret in secrets:
            plain = secret.encode() if isinstance(secret, str) else secret
            forms = {plain, plain.lower(), plain.upper(), plain[::-1], plain.hex().encode()}
            forms |= {base64.b64encode(plain).rstrip(b"=")[:-1]}
            for form in forms:
                assert form
                assert not any(form in seen for seen in self.seen), (secret, form)


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return Capture(tmp_path_factory.mktemp("capture"))


def test_the_relay_saw_the_whole_run(captured: Capture) -> None:
    assert sum(map(len, captured.seen)) > len(captured.content)
    assert sum(b"POST /join" in seen for seen in captured.seen) == 2
    assert sum(seen.startswith(b"CROC/1 ") for seen in captured.seen) >= 2


def test_S3_the_relay_sees_nothing_of_the_secret_and_no_function_of_it(captured: Capture) -> None:
    parsed = codes.parse(captured.code)
    words = parsed.phrase.split("-")
    assert len(words) == 3
    # One word may be part of anything: of a field's name, or of 400 KB that look like chance.
    captured.never(parsed.phrase, parsed.secret.reveal, captured.code)
    captured.never("-".join(words[:2]), "-".join(words[1:]))
    for material in (parsed.phrase.encode(), parsed.secret.reveal, captured.code.encode()):
        for name in ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s", "sha3_256"):
            digest = hashlib.new(name, material).digest()
            captured.never(digest, digest[:8])
    joins = [seen for seen in captured.seen if b"POST /join" in seen and b'"sender"' in seen]
    (join,) = joins
    body = json.loads(join.partition(b"\r\n\r\n")[2].partition(b"}")[0] + b"}")
    assert "channel" not in body  # the relay picks it, and knows no word


def test_the_relay_sees_no_name_and_no_plaintext(captured: Capture) -> None:
    captured.never(*captured.file.parts[-3:], "letter-c4e6.txt", "invoice-b2d8", "holiday-plans")
    captured.never(captured.text[:21], hashlib.sha256(captured.content).digest())
    for place in range(0, len(captured.content), 1000):
        captured.never(captured.content[place : place + 16])


def test_S4_the_relay_sees_no_local_address_and_no_name_of_person_or_computer(
    captured: Capture,
) -> None:
    assert captured.peers == {PARTY}
    captured.never(PARTY)
    assert not any(socket.inet_aton(PARTY) in seen[:HANDSHAKE] for seen in captured.seen)
    for name in {socket.gethostname(), getpass.getuser(), str(Path.home()), str(ROOT)}:
        if len(name) > 5:  # a short one may be part of anything
            captured.never(name)


# ---- what a process leaves behind


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("command", ["send", "receive"])
def test_a_party_leaves_no_core_dump(command: str, tmp_path: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))  # a relay that never answers
    with listening:
        (tmp_path / "a").write_bytes(b"x")
        at = {"CROC_RELAY": f"http://127.0.0.1:{listening.getsockname()[1]}"}
        what = ["a"] if command == "send" else ["--yes"]
        process = start(command, *what, cwd=tmp_path, CROC_CODE="abcd-one-two-three", **at)
        try:
            listening.settimeout(20)
            with listening.accept()[0]:
                limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
                (core,) = [line.split()[4:6] for line in limits if line.startswith("Max core")]
                assert core == ["0", "0"]
        finally:
            end(process)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl")
def test_a_party_is_no_subject_of_a_dump() -> None:
    asks = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    begin = f"from {_secrecy.__name__} import no_core_dumps as no; no(); "
    for code, expected in ((asks, "1"), (begin + asks, "0")):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
        )
        assert done.stdout.strip() == expected
