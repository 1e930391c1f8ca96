"""The command line over loopback: real processes, every exit status."""

from __future__ import annotations

import http.server
import json
import re
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from backends import _cli, _cli_options
from backends._cli_parser import UsageError, parse
from backends._options import CURVES, STREAMS, Options
from backends._session import Session
from backends.asyncio._run import AsyncioBackend
from croc_core.party import Patience
from tests.cli_help import LOCAL, Shell, shell

INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.fixture
def sh(tmp_path: Path) -> Iterator[Shell]:
    with shell(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """What a run in this process does to the handlers is undone."""
    before = [(number, signal.getsignal(number)) for number in (INT, TERM)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A relay that always says the same."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer((LOCAL, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://{LOCAL}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(bytes(range(256)) * 4000)
    return path


# ---- 0


def test_a_file_goes_through(sh: Shell, file: Path, tmp_path: Path) -> None:
    url = sh.relay()
    sender = sh.croc("send", file.name, "--relay", url)
    code = sender.until("code")
    assert code["relay"] == url
    assert code["code"].split("-")[0] == code["channel"]
    assert code["code"].count("-") == 3
    recipient = sh.croc("receive", "--yes", "--out", "in", CROC_CODE=code["code"], CROC_RELAY=url)
    assert (recipient.end(), sender.end()) == (0, 0)
    assert (tmp_path / "in" / "photo.jpg").read_bytes() == file.read_bytes()
    for run in (recipient, sender):
        assert run.err == ""
        offer = next(event for event in run.events if event["event"] == "offer")
        assert (offer["files"], offer["bytes"]) == (1, 1_024_000)
        done = run.events[-1]
        assert (done["event"], done["files"], done["bytes"]) == ("done", 1, 1_024_000)
        assert done["seconds"] >= 0
    assert recipient.events[-1]["paths"] == ["photo.jpg"]
    secret = code["code"].partition("-")[2]
    assert [e["event"] for e in sender.events if secret in json.dumps(e)] == ["code"]


def test_a_sender_has_a_relay_of_its_own(sh: Shell, file: Path, tmp_path: Path) -> None:
    sender = sh.croc("send", file.name, "--host", LOCAL)
    listening = sender.until("listening")
    assert listening["host"] == LOCAL
    assert len(listening["ports"]) == STREAMS + 1
    code = sender.until("code")
    assert code["relay"] == listening["url"]
    recipient = sh.croc("receive", code["code"], "--relay", listening["url"], "--yes",
                        "--out", "in")  # fmt: skip
    assert (recipient.end(), sender.end()) == (0, 0)
    assert (tmp_path / "in" / "photo.jpg").read_bytes() == file.read_bytes()
    with pytest.raises(ConnectionRefusedError):  # it ends with the run
        socket.create_connection((LOCAL, int(listening["url"].rpartition(":")[2])))


def test_a_person_is_told_what_to_type(sh: Shell, file: Path) -> None:
    sender = sh.croc("send", file.name, "--host", LOCAL, terminal=True)
    code = sender.until("code")
    sender.see(f"Code: {code['code']}\r\n")
    sender.see(f"\r\n  python -m backends.asyncio receive --relay {code['relay']}\r\n")
    sender.see("Waiting for the other side to join\r\n")


def test_a_code_of_ones_own(sh: Shell, file: Path) -> None:
    url = sh.relay()
    sender = sh.croc("send", file.name, "--relay", url, terminal=True, CROC_CODE="Mine Weak")
    assert sender.until("code")["code"] == "mine-weak"
    sender.see("easy to guess")
    assert "easy to guess" in next(e for e in sender.events if e["event"] == "note")["message"]
    chosen = sh.croc("send", file.name, "--relay", url, "--code", "yours-8Jx k2vQ 0pLr m")
    assert chosen.until("code")["code"] == "yours-8jx-k2vq-0plr-m"
    taken = sh.croc("send", file.name, "--relay", url, CROC_CODE="mine-weak")
    assert (taken.end(), taken.error["code"]) == (6, "relay_refused")


def test_an_empty_relay_hides_the_environment(sh: Shell, file: Path) -> None:
    sender = sh.croc(
        "send", file.name, "--relay", "", "--host", LOCAL, CROC_RELAY=f"http://{LOCAL}:1"
    )
    assert sender.until("listening")


# ---- 1


class Broken:
    name = "broken"

    def run(self, session: Session, tell: object) -> None:
        raise RuntimeError("xyzzy")


def test_1_internal(file: Path, capfdbinary: pytest.CaptureFixture[bytes],
                    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.delenv("CROC_DEBUG", raising=False)
    arguments = ["send", "--json", str(file), "--relay", LOCAL]
    assert _cli.main(Broken(), arguments) == 1
    out, err = capfdbinary.readouterr()
    error = json.loads(out)
    assert (error["code"], error["party"]) == ("internal", "local")
    assert "report" in error["hint"]
    assert err == b""
    monkeypatch.setenv("CROC_DEBUG", "1")
    assert _cli.main(Broken(), arguments) == 1
    assert b"xyzzy" in capfdbinary.readouterr().err


# ---- 2

USAGE: dict[str, tuple[str, ...]] = {
    "no such command": ("fly",),
    "no such flag": ("send", "x", "--fly"),
    "a shortened flag": ("send", "x", "--rel", "y"),
    "nothing to send": ("send",),
    "no relay": ("receive", "a-b", "--no-discovery"),
    "a proxy without a relay": ("send", "photo.jpg", "--proxy", "socks5://127.0.0.1:1"),
    "a proxy of no kind": ("send", "photo.jpg", "--relay", "x", "--proxy", "ftp://127.0.0.1:1"),
    "nobody to compare words": ("send", "photo.jpg", "--verify"),
    "nobody to compare words here": ("receive", "a-b", "--relay", "x", "--verify"),
    "a text and a file": ("send", "photo.jpg", "--text", "x"),
    "standard input and a file": ("send", "-", "photo.jpg"),
    "standard output twice": ("receive", "a-b", "--relay", "x", "--stdout"),
    "a throttle of nothing": ("send", "photo.jpg", "--throttle", "0"),
    "no shell": ("completion", "tcsh"),
    "no code": ("receive", "--relay", "x"),
    "no code at all": ("receive", "--relay", "x", "hello"),
    "two policies": ("receive", "a-b", "--relay", "x", "--skip", "--rename"),
    "no such curve": ("send", "photo.jpg", "--curve", "p0"),
    "no relay's address": ("send", "photo.jpg", "--relay", "ftp://x"),
    "a relay of two words": ("send", "photo.jpg", "--relay", "foo bar"),
    "no files": ("receive", "a-b", "--relay", "x", "--max-files", "0"),
    "a host that is no name": ("relay", "--host", "a..b"),
    "two places": ("send", "photo.jpg", "--relay", "x", "--host", "y"),
    "no code of one's own": ("send", "photo.jpg", "--code", "x"),
    "port": ("relay", "--port", "65536"),
    "a word for a port": ("relay", "--port", "abc"),
    "no port number": ("relay", "--port", "²"),
    "ports": ("relay", "--data-ports", "4-1"),
    "same ports": ("relay", "--data-ports", "1,1"),
    "many ports": ("relay", "--data-ports", "1-99"),
    "prefix": ("relay", "--ipv6-prefix", "129"),
    "limit": ("relay", "--max-channels", "0"),
    "number": ("relay", "--idle-timeout", "soon"),
    "a host elsewhere": ("relay", "--host", "192.0.2.77", "--port", "0", "--data-ports", "0"),
    "a demo of a folder": ("demo", "."),
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE.keys())
def test_2_usage(
    arguments: tuple[str, ...], file: Path, monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:  # fmt: skip
    monkeypatch.chdir(file.parent)
    for name in ("CROC_CODE", "CROC_RELAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CROC_CONFIG", "")
    assert _cli.main(AsyncioBackend(), [*arguments, "--json"]) == 2
    out, err = capfdbinary.readouterr()
    error = json.loads(out)
    assert (error["event"], error["code"], error["party"]) == ("error", "usage", "local")
    assert error["message"].endswith(".")
    assert err == b""


def test_2_usage_for_a_person(sh: Shell) -> None:
    run = sh.croc("send", json=False)
    assert run.end() == 2
    assert run.out == b""
    assert run.err.splitlines() == [
        "Error: Something is missing: PATH.",
        "See python -m backends.asyncio send --help.",
    ]
    assert "Traceback" not in run.err


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_what_is_asked_for_is_no_error(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _cli.main(AsyncioBackend(), [flag]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("fly",), "There is no command 'fly'."),
        (("relay", "--port", "abc"), "--port takes a number from 0 to 65535, not 'abc'."),
        (("relay", "--data-ports", "x"),
         "--data-ports takes ports from 0 to 65535, such as 27001-27004, not 'x'."),
        (("relay", "--max-body", "x"), "--max-body takes a number, not 'x'."),
        (("relay", "--port"), "--port takes a value."),
        (("receive", "--skip", "--rename"), "--rename does not go together with --skip."),
        (("send", "x", "--fly"), "This is not known here: --fly."),
    ],
)  # fmt: skip
def test_2_usage_is_a_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(arguments, "croc")
    assert str(caught.value) == sentence
    assert caught.value.usage.startswith("See croc ")
    assert caught.value.usage.endswith(" --help.")


@pytest.mark.parametrize("command", ["send", "receive", "relay", "demo"])
def test_help_is_whole(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([command, "--help"], "croc")
    text = " ".join(capsys.readouterr().out.split())
    about = text.partition("options:")[2].partition("Environment:")[0]
    for flag in re.findall(r" (--[a-z0-9-]+ [A-Z]+) ", about):
        sentence = about.partition(flag)[2].partition(" --")[0].strip()
        assert sentence.endswith("."), flag
        assert "default: " in sentence, flag
    named = {
        "send": ("CROC_RELAY", "CROC_CODE", "CROC_TOKEN", "links are sent as links", *CURVES),
        "receive": ("CROC_RELAY", "CROC_CODE", *CURVES),
        "relay": ("8003", "27001-27004", "10000", "CROC_TOKEN"),
    }
    for word in named.get(command, ()):
        assert word in text, word


@pytest.mark.parametrize(
    ("typed", "command"),
    [("/usr/bin/croc-core", "croc-core"), ("/x/backends/asyncio/__main__.py", None)],
)
def test_what_was_typed_is_what_is_shown(
    typed: str, command: str | None, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("sys.argv", [typed, "send"])
    assert _cli.main(AsyncioBackend()) == 2
    assert f"See {command or 'python -m backends.asyncio'} send --help." in capsys.readouterr().err


def test_the_relay_takes_as_many_files_as_it_may(sh: Shell) -> None:
    start = (
        "import resource as r, runpy, sys; n = r.RLIMIT_NOFILE;"
        "r.setrlimit(n, (64, r.getrlimit(n)[1]));"
        "runpy.run_module('backends.asyncio', run_name='__main__')"
    )
    flags = ["relay", "--json", "--host", LOCAL, "--port", "0", "--data-ports", "0"]
    run = sh.start(["-c", start, *flags], False, {}, False)
    run.until("listening")
    soft, hard = resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard


def test_the_port_is_taken(sh: Shell) -> None:
    port = sh.relay().rpartition(":")[2]
    run = sh.croc("relay", "--host", LOCAL, "--port", port, "--data-ports", "0")
    assert run.end() == 2
    assert run.error["message"] == f"Cannot listen at port {port}: the port is in use already."
    assert run.error["hint"] == "Choose another --port."
    run = sh.croc("relay", "--host", LOCAL, "--port", "0", "--data-ports", f"0,{port}")
    assert run.end() == 2
    assert port in run.error["message"]
    assert run.error["hint"] == "Choose another --data-ports."
    run = sh.croc("relay", "--host", "192.0.2.77", "--port", "0", "--data-ports", "0")
    assert run.end() == 2
    assert "192.0.2.77" in run.error["message"]
    assert run.error["hint"] == "Choose another --host."


# ---- 3, 4, 5, 6


def test_3_wrong_code(sh: Shell, file: Path, tmp_path: Path) -> None:
    url = sh.relay()
    sender = sh.croc("send", file.name, "--relay", url)
    channel = sender.until("code")["channel"]
    recipient = sh.croc("receive", f"{channel}-a-b-c", "--relay", url, "--yes", "--out", "in")
    assert (sender.end(), recipient.end()) == (3, 3)
    assert (sender.error["code"], sender.error["party"]) == ("wrong_code", "peer")
    assert (recipient.error["code"], recipient.error["party"]) == ("wrong_code", "local")
    assert not (tmp_path / "in").exists()


def test_4_nobody_is_there_to_accept(sh: Shell, file: Path, tmp_path: Path) -> None:
    url = sh.relay()
    sender = sh.croc("send", file.name, "--relay", url)
    code = sender.until("code")["code"]
    recipient = sh.croc("receive", code, "--relay", url, "--out", "in")
    assert (sender.end(), recipient.end()) == (4, 4)
    assert (sender.error["code"], sender.error["party"]) == ("declined", "peer")
    assert (recipient.error["code"], recipient.error["party"]) == ("declined", "local")
    assert "--yes" in recipient.error["hint"]
    assert not (tmp_path / "in").exists()


def test_5_relay_unreachable(sh: Shell, file: Path) -> None:
    with socket.socket() as deaf:  # bound, but it does not listen
        deaf.bind((LOCAL, 0))
        url = f"http://{LOCAL}:{deaf.getsockname()[1]}"
        sender = sh.croc("send", file.name, "--relay", url)
        recipient = sh.croc("receive", "a-b-c-d", "--relay", url)
        for run in (sender, recipient):
            assert run.end() == 5
            assert (run.error["code"], run.error["party"]) == ("relay_unreachable", "relay")


def test_6_relay_refused(sh: Shell) -> None:
    run = sh.croc("receive", "none-a-b-c", "--relay", sh.relay())
    assert run.end() == 6
    assert (run.error["code"], run.error["party"]) == ("relay_refused", "relay")


def test_a_relay_with_a_token(sh: Shell, file: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open sesame\n")
    url = sh.relay("--token-file", "token")
    without = sh.croc("send", file.name, "--relay", url)
    assert (without.end(), without.error["code"]) == (6, "relay_refused")
    assert "CROC_TOKEN" in without.error["hint"]
    sender = sh.croc("send", file.name, "--relay", url, CROC_TOKEN="open sesame")
    assert sender.until("code")


# ---- 7, 130, 143


def test_7_peer_left_and_143(sh: Shell, file: Path) -> None:
    url = sh.relay()
    sender = sh.croc("send", file.name, "--relay", url)
    code = sender.until("code")["code"]
    recipient = sh.croc("receive", code, "--relay", url, terminal=True)
    recipient.until("offer")
    recipient.see("Accept?")
    sender.signal(TERM)
    assert (sender.end(), recipient.end()) == (143, 7)
    assert (sender.error["code"], sender.error["party"]) == ("sigterm", "local")
    assert (recipient.error["code"], recipient.error["party"]) == ("peer_left", "peer")


def test_7_peer_left_and_130(sh: Shell, file: Path) -> None:
    url = sh.relay()
    sender = sh.croc("send", file.name, "--relay", url)
    code = sender.until("code")["code"]
    recipient = sh.croc("receive", code, "--relay", url, terminal=True)
    recipient.see("Accept?")
    recipient.signal(INT)
    assert (sender.end(), recipient.end()) == (7, 130)
    assert (recipient.error["code"], recipient.error["party"]) == ("sigint", "local")
    assert (sender.error["code"], sender.error["party"]) == ("peer_left", "peer")


@pytest.mark.parametrize(("number", "status"), [(INT, 130), (TERM, 143)])
def test_a_waiting_sender_is_interrupted(
    sh: Shell, file: Path, number: signal.Signals, status: int
) -> None:
    sender = sh.croc("send", file.name, "--relay", sh.relay())
    sender.until("waiting")
    sender.signal(number)
    assert sender.end() == status


@pytest.mark.parametrize(("number", "status"), [(INT, 130), (TERM, 143)])
def test_a_relay_is_interrupted(sh: Shell, number: signal.Signals, status: int) -> None:
    relay = sh.croc("relay", "--host", LOCAL, "--port", "0", "--data-ports", "0")
    relay.until("listening")
    relay.signal(number)
    assert relay.end() == status


@pytest.mark.parametrize(("number", "status"), [(INT, 130), (TERM, 143)])
def test_the_prompt_is_interrupted(sh: Shell, number: signal.Signals, status: int) -> None:
    run = sh.croc("receive", "--relay", LOCAL, terminal=True)
    run.see("7k2m-word")
    run.signal(number)
    assert run.end() == status
    assert run.error["code"] == number.name.lower()


STUBBORN = """
import os, sys
from backends import _io as io
from backends._session import Session
from backends.asyncio._run import AsyncioBackend

class Stubborn:
    finished = False
    def deadline(self): return None
    def handle(self, event, now): return (io.Tell(type(event).__name__),)

try:
    AsyncioBackend().run(Session(Stubborn(), lambda: None), lambda e: print(e, flush=True))
except KeyboardInterrupt:
    os._exit(99)
"""


def test_a_second_interrupt_ends_at_once(sh: Shell) -> None:
    run = sh.start(["-c", STUBBORN], False, {}, True)
    assert run.process.stdout is not None
    assert run.process.stdout.readline() == b"Started\n"
    run.signal(INT)
    assert run.process.stdout.readline() == b"Told\n"
    run.signal(TERM)
    assert run.process.stdout.readline() == b"Told\n"
    run.signal(INT)
    assert run.end() == 99


# ---- 8, 9, 10, 11, 12


def test_8_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    hasty = partial(Options, patience=Patience(request=0.2))
    monkeypatch.setattr(_cli_options, "Options", hasty)
    monkeypatch.setenv("CROC_CONFIG", "")
    with socket.create_server((LOCAL, 0)) as silent:
        url = f"http://{LOCAL}:{silent.getsockname()[1]}"
        arguments = ["receive", "a-b-c-d", "--relay", url, "--json", "--out", str(tmp_path)]
        assert _cli.main(AsyncioBackend(), arguments) == 8
    assert json.loads(capfdbinary.readouterr().out)["code"] == "timeout"


@pytest.mark.parametrize(
    "arguments",
    [("send", "nothing"), ("relay", "--token-file", "nothing"), ("demo", "nothing")],
)
def test_9_local_file(sh: Shell, arguments: tuple[str, ...]) -> None:
    run = sh.croc(*arguments)
    assert run.end() == 9
    assert (run.error["code"], run.error["party"]) == ("local_file", "local")
    assert 'nothing"' in run.error["message"]


def test_9_an_empty_path(sh: Shell, file: Path) -> None:
    run = sh.croc("send", file.name, "")
    assert (run.end(), run.error["message"]) == (9, "An empty path names nothing.")


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff", b"x" * 257])
def test_9_no_token(sh: Shell, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    assert sh.croc("relay", "--token-file", "token").end() == 9


def test_10_protocol_error(sh: Shell, file: Path) -> None:
    with answering(200, b"{}") as url:
        sender = sh.croc("send", file.name, "--relay", url)
        recipient = sh.croc("receive", "a-b-c-d", "--relay", url)
        for run in (sender, recipient):
            assert run.end() == 10
            assert (run.error["code"], run.error["party"]) == ("protocol_error", "relay")


DIES_AT_THE_END = """
import os, sys
from backends._options import Options
from backends._session import receiving_into
from backends.asyncio._run import AsyncioBackend
from backends.files.sink import FileSink

class Dies(FileSink):
    def finish(self, sizes):
        os._exit(0)

options = Options(relay=sys.argv[1])
session = receiving_into(options, sys.argv[2], lambda _: True, Dies(".", attended=False))
AsyncioBackend().run(session, lambda _: None)
"""


def test_11_unconfirmed(sh: Shell, file: Path, tmp_path: Path) -> None:
    url = sh.relay()
    sender = sh.croc("send", file, "--relay", url, "--reconnect", "1")
    code = sender.until("code")["code"]
    (tmp_path / "in").mkdir()
    sh.folder = tmp_path / "in"
    assert sh.start(["-c", DIES_AT_THE_END, url, code], False, {}, True).end() == 0
    assert sender.end() == 11
    assert (sender.error["code"], sender.error["party"]) == ("unconfirmed", "peer")


def test_12_version(sh: Shell, file: Path) -> None:
    with answering(426, b'{"code":"version","message":"2 only"}') as url:
        sender = sh.croc("send", file.name, "--relay", url)
        recipient = sh.croc("receive", "a-b-c-d", "--relay", url)
        for run in (sender, recipient):
            assert run.end() == 12
            assert run.error["code"] == "version"
