"""The configuration file, and what goes before it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import _cli_options, _config
from backends._cli_parser import UsageError, parse
from backends._config import Config

NAMES = ("CROC_RELAY", "CROC_PROXY", "CROC_TOKEN", "CROC_CODE", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "CROC_CONFIG", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def sender(arguments: list[str], config: Config) -> Any:
    return _cli_options.sender(parse(["send", "x", *arguments], "croc"), config)


def test_no_file_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert _config.load() == Config()
    (tmp_path / "croc-core").write_text("")  # a file in the folder's place
    assert _config.load() == Config()
    monkeypatch.setenv("CROC_CONFIG", "")
    assert _config.load() == Config()


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    ours = _config.place()
    platformdirs = pytest.importorskip("platformdirs")
    assert ours == str(platformdirs.user_config_path("croc-core") / "config.toml")
    monkeypatch.setattr("sys.platform", "plan9")
    assert os.path.basename(_config.place()) == "config.toml"


def test_what_it_may_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        'relay = "relay.example"\nthrottle = "10M"\nstreams = 4\nreconnect = 5\n'
        'discovery = false\ncompress = false\nexclude = ["*.o"]\ntoken-file = "token"\n'
    )
    (tmp_path / "token").write_text("abc\n")
    monkeypatch.setenv("CROC_CONFIG", str(path))
    made = sender(["--exclude", "*.a"], _config.load())
    assert (made.relay, made.throttle, made.streams, made.reconnect) == (
        "relay.example", 10_000_000, 4, 5)  # fmt: skip
    assert (made.discovery, made.compress, made.exclude) == (False, False, ("*.o", "*.a"))
    assert made.token == "abc"  # beside the file that names it


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("relay = 5", "relay"),
        ('rellay = "x"', "rellay"),
        ("streams = -1", "streams"),
        ("relay = ", ""),
        ('token = "secret"', "token"),  # no secret stands in it
        ("x = " + "[" * 5000, ""),
        ("#" * 70_000, "65536"),
    ],
)
def test_a_bad_file_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    monkeypatch.setenv("CROC_CONFIG", str(path))
    with pytest.raises(ValueError, match=r"^The configuration file .* cannot be used: ") as caught:
        _config.load()
    assert why in str(caught.value)


def test_a_file_that_was_named_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROC_CONFIG", "/nonexistent/c.toml")
    with pytest.raises(ValueError, match="does not exist"):
        _config.load()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(_config.parse(data, "c"), Config)


def test_who_goes_before_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(relay="file.example", proxy="http://file.example:1", throttle=5000, verify=True)
    made = sender([], config)
    assert (made.relay, made.proxy, made.throttle) == (
        "file.example", "http://file.example:1", 5000)  # fmt: skip
    assert made.verify
    monkeypatch.setenv("CROC_RELAY", "env.example")
    monkeypatch.setenv("CROC_PROXY", "http://env.example:1")
    made = sender([], config)
    assert (made.relay, made.proxy) == ("env.example", "http://env.example:1")
    flags = ["--relay", "flag.example", "--proxy", "socks5://flag.example", "--throttle", "2k"]
    made = sender(flags, config)
    assert (made.relay, made.proxy, made.throttle) == (
        "flag.example", "socks5://flag.example", 2000)  # fmt: skip
    made = sender(["--relay", "flag.example", "--proxy", ""], config)
    assert made.proxy is None
    assert sender(["--relay", ""], config).relay is None
    with pytest.raises(UsageError, match="throttle of the configuration file"):
        sender([], Config(throttle="fast"))


def test_the_proxy_that_other_programs_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://p.example:9")
    assert sender(["--relay", "r.example"], Config()).proxy == "socks5h://p.example:9"
    assert sender(["--relay", "r.example", "--proxy", ""], Config()).proxy is None
    for near in ("127.0.0.1", "[::1]:5", "localhost:5"):
        assert sender(["--relay", near], Config()).proxy is None
    monkeypatch.setenv("NO_PROXY", "other, .example")
    assert sender(["--relay", "r.example"], Config()).proxy is None
    assert sender(["--relay", "rexample"], Config()).proxy
    monkeypatch.setenv("ALL_PROXY", "ftp://p.example:9")  # for others
    assert sender(["--relay", "rexample"], Config()).proxy is None


def test_no_password_in_a_repr() -> None:
    made = sender(["--relay", "r", "--proxy", "http://me:hunter2@p.example"], Config())
    assert "hunter2" not in repr(made)
    with pytest.raises(UsageError) as caught:
        sender(["--relay", "r", "--proxy", "ftp://me:hunter2@p.example"], Config())
    assert "hunter2" not in json.dumps(str(caught.value))
