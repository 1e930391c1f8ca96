"""What each command takes: its arguments, flags and their values."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from backends._cli_relay import add_bounds
from backends._options import (
    DATA_PORTS,
    MAX_FILES,
    MAX_RECONNECT,
    MAX_STREAMS,
    MIN_THROTTLE,
    PORT,
    RECONNECT,
)
from backends.files.policy import Policy
from croc_core.limits import Limits
from croc_core.pake import ALLOWED, DEFAULT, HISTORIC

MAX_DATA_PORTS = 64
"""Most data ports of a relay."""
_TIMES = {
    "handshake-timeout": "Seconds for a request or an identification",
    "channel-ttl": "Seconds until a channel in which nobody meets is closed",
    "idle-timeout": "Seconds until a channel in which nothing happens is closed",
}
_COUNTS = {
    "max-channels": "Most open channels",
    "max-per-address": "Most open channels of one address",
    "joins-per-minute": "Most joins from one address in a minute",
    "max-body": "Most bytes of a request",
}
LIMITS = tuple(name.replace("-", "_") for name in (*_TIMES, *_COUNTS))
"""The relay's flags that are fields of `Limits`."""


def _add_face(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="Write events as JSON lines on stdout.")
    parser.add_argument("--quiet", action="store_true", help="Say only what must be said.")
    parser.add_argument("--plain", action="store_true", help="Show progress as plain sentences.")


def _add_party(parser: argparse.ArgumentParser, relay: str, curve: str) -> None:
    """Add what both sides of a transfer take; what is not given is None, for the configuration."""
    parser.add_argument("--relay", metavar="URL", help=relay)
    parser.add_argument(
        "--proxy",
        metavar="URL",
        help="Go to the relay through socks5://HOST:PORT or http://HOST:PORT (default: "
        "CROC_PROXY, then ALL_PROXY).",
    )
    _add_switch(
        parser,
        "--no-discovery",
        "discovery",
        "Do not look for a relay on the local network, and do not answer who does.",
    )
    parser.add_argument(
        "--curve",
        metavar="NAME",
        help=f"The key agreement: {', '.join(ALLOWED)}, or historic: {', '.join(HISTORIC)} "
        f"({curve}).",
    )
    _add_switch(
        parser,
        "--verify",
        "verify",
        "Show four words that both people compare, and go on once you say that they are the same.",
    )
    parser.add_argument(
        "--throttle",
        type=rate,
        metavar="RATE",
        help="Most bytes a second, such as 500k, 10M or 1G (default: no bound).",
    )
    parser.add_argument(
        "--streams",
        type=_number(1, MAX_STREAMS),
        metavar="NUMBER",
        help="How many connections carry files at one time, as far as the other side and the "
        "relay's ports go along (default: 4, and 1 for less than 16 MiB).",
    )
    parser.add_argument(
        "--reconnect",
        type=_number(0, MAX_RECONNECT),
        metavar="SECONDS",
        help="How long to try to reconnect without getting further; 0 is not at all "
        f"(default: {RECONNECT:g}).",
    )
    _add_switch(
        parser,
        "--no-compress",
        "compress",
        "Compress nothing (default: what gets smaller fast enough, where both sides do it).",
    )
    _add_face(parser)


def _add_switch(parser: argparse.ArgumentParser, flag: str, name: str, what: str) -> None:
    """Add a flag without a value; where it is not given it is None, for the configuration."""
    parser.add_argument(
        flag, action="store_const", const=not flag.startswith("--no-"), dest=name, help=what
    )


def _add_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="A file or a folder to send; - sends what comes on standard input.",
    )
    parser.add_argument(
        "--text",
        metavar="TEXT",
        help="Send a text; - takes it from standard input (default: files are sent).",
    )
    _add_party(
        parser,
        "The relay's address, such as http://relay.example:8003 (default: CROC_RELAY; without "
        "either, a relay runs here while this lasts).",
        f"default: {DEFAULT}",
    )
    parser.add_argument(
        "--code",
        help="A code of your own, CHANNEL-SECRET; it is better in CROC_CODE, which hides it "
        "(default: a fresh one).",
    )
    parser.add_argument(
        "--qr", action="store_true", help="Show as a QR code what the other side types."
    )
    parser.add_argument("--clipboard", action="store_true", help="Copy the code to the clipboard.")
    parser.add_argument(
        "--exclude",
        action="append",
        metavar="PATTERN",
        help="Leave out what this matches, by the rules of a .gitignore file; may be repeated "
        "(default: nothing).",
    )
    _add_switch(
        parser,
        "--gitignore",
        "gitignore",
        "Leave out what the .gitignore files in the folders leave out.",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="Send what links point to. Without this, links are sent as links, and those that "
        "lead out of what is sent are left out.",
    )
    parser.add_argument("--host", help="Where a relay of our own listens (default: everywhere).")


def _add_receive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "code",
        nargs="?",
        metavar="CODE",
        help="The code; it is better in CROC_CODE, or typed when we ask (default: CROC_CODE; "
        "without either, we ask).",
    )
    _add_party(
        parser,
        "The relay's address, as the sender shows it (default: CROC_RELAY; without either, the "
        "sender's own relay is looked for on the local network).",
        "default: the sender's, but none of the historic ones",
    )
    parser.add_argument("--out", metavar="FOLDER", help="Where to write (default: .).")
    parser.add_argument(
        "--stdout",
        action="store_true",
        help="Write the one file or text that comes to standard output.",
    )
    parser.add_argument(
        "--save-text",
        action="store_true",
        help="Save a text that comes as a file (default: it is shown).",
    )
    parser.add_argument(
        "--yes", action="store_true", help="Accept without asking (default: we ask)."
    )
    parser.add_argument(
        "--max-files",
        type=_number(1, MAX_FILES),
        default=MAX_FILES,
        metavar="NUMBER",
        help=f"Most files and folders to take (default: {MAX_FILES}).",
    )
    existing = parser.add_mutually_exclusive_group()
    for policy, what in (
        (Policy.OVERWRITE, "Replace files that exist (default: we ask)."),
        (Policy.SKIP, "Leave files that exist alone."),
        (Policy.RENAME, "Keep both, the new one under another name."),
    ):
        existing.add_argument(
            f"--{policy.value}",
            action="store_const",
            const=policy,
            default=Policy.ASK,
            dest="existing",
            help=what,
        )


def _add_relay(parser: argparse.ArgumentParser) -> None:
    limits = Limits()
    parser.add_argument("--host", help="Where to listen (default: everywhere).")
    parser.add_argument(
        "--port",
        type=_port,
        help=f"The port of the control plane; 0 is any free one (default: {PORT}).",
    )
    parser.add_argument(
        "--data-ports",
        type=_ports,
        metavar="PORTS",
        help="The data ports, such as 27001,27005; 0 is any free one (default: "
        f"{DATA_PORTS[0]}-{DATA_PORTS[-1]}).",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="A file with the token that a sender must show in CROC_TOKEN (default: none).",
    )
    parser.add_argument(
        "--ipv6-prefix",
        type=_number(1, 128),
        metavar="BITS",
        help="How many bits tell two IPv6 addresses apart (default: 128).",
    )
    for names, kind, metavar in ((_TIMES, float, "SECONDS"), (_COUNTS, int, "NUMBER")):
        for name, what in names.items():
            default = getattr(limits, name.replace("-", "_"))
            parser.add_argument(
                f"--{name}", type=kind, metavar=metavar, help=f"{what} (default: {default:g})."
            )
    add_bounds(parser)
    _add_face(parser)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="What to send (default: some made-up megabytes)."
    )
    _add_face(parser)


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:20]) <= most):
            raise argparse.ArgumentTypeError(f"takes a number from {least} to {most}, not {text!r}")
        return int(text)

    return number


_port = _number(0, 65535)

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def rate(text: str) -> int:
    """Read bytes a second: `500k`, `1.5M`, `10MB/s`; ArgumentTypeError where it is none."""
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?) ?([kmg]?)(?:b(?:/s)?)?", text, re.I | re.A)
    number = 0 if found is None else round(float(found[1]) * _UNITS[found[2].lower()])
    if number < MIN_THROTTLE:
        raise argparse.ArgumentTypeError(
            f"takes at least {MIN_THROTTLE} bytes a second, such as 500k or 10M, not {text!r}"
        )
    return number


def _ports(text: str) -> tuple[int, ...]:
    """Read `27001-27004`, `27001,27005` or `0`."""
    ports: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            begin = _port(first)
            end = _port(last) if dash else begin
        except argparse.ArgumentTypeError:
            raise argparse.ArgumentTypeError(
                f"takes ports from 0 to 65535, such as 27001-27004, not {text!r}"
            ) from None
        if end < begin or end - begin >= MAX_DATA_PORTS:
            raise argparse.ArgumentTypeError(
                f"takes 1 to {MAX_DATA_PORTS} ports, such as 27001-27004"
            )
        ports += range(begin, end + 1)
    fixed = [port for port in ports if port]
    if len(ports) > MAX_DATA_PORTS or len(set(fixed)) < len(fixed):
        raise argparse.ArgumentTypeError(f"takes 1 to {MAX_DATA_PORTS} ports, each one once")
    return tuple(ports)


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"{', '.join(SHELLS)}.")


SHELLS = ("bash", "zsh", "fish")
_ENVIRONMENT = (
    "Environment: CROC_RELAY is the relay where --relay is not given; CROC_CODE is the code, and "
    "CROC_PROXY the proxy, which other users of this computer cannot see there; CROC_CONFIG is "
    "the configuration file."
)
_ENVIRONMENT_TOKEN = " CROC_TOKEN is the token that the relay wants to see."  # noqa: S105
COMMANDS = (
    ("send", _add_send, "Send files, folders, a text or a stream.",
     _ENVIRONMENT + _ENVIRONMENT_TOKEN),
    ("receive", _add_receive, "Receive what somebody sends.", _ENVIRONMENT),
    ("relay", _add_relay, "Run a relay, at which senders and recipients meet.", ""),
    ("demo", _add_demo, "Show a transfer on this computer.", ""),
    ("completion", _add_completion, "Print what makes a shell complete these commands.", ""),
)  # fmt: skip
"""Each command: its name, what adds its arguments, what it does, and what else to say of it."""
