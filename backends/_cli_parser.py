"""The command line's flags (docs/protocol.md, "The command line"), the same for every backend."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from backends.files.policy import Policy

MAX_DATA_PORTS = 64
"""Most data ports of a relay."""


_TIMES = {
    "handshake-timeout": "for a request or an identification",
    "channel-ttl": "of a channel in which nobody meets",
    "idle-timeout": "of a channel in which nothing happens",
}
_COUNTS = {
    "max-channels": "of open channels",
    "max-per-address": "of open channels of one address",
    "joins-per-minute": "from one address",
    "max-body": "of bytes of a request",
}
LIMITS = tuple(name.replace("-", "_") for name in (*_TIMES, *_COUNTS))
"""The relay's flags that are fields of `Limits`."""


class UsageError(Exception):
    """The arguments are wrong: a sentence, and how the command is used."""

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


class _Parser(argparse.ArgumentParser):
    """A parser that raises in place of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        sentence = message[:1].upper() + message[1:].rstrip(".") + "."
        raise UsageError(sentence, " ".join(self.format_usage().split()))


def parse(arguments: Sequence[str], module: str) -> argparse.Namespace:
    """Read *arguments*; *module* is what `python -m` runs. `command` names the command.

    Raises UsageError, and SystemExit after --help and --version.
    """
    parser = _Parser(
        prog=f"python -m {module}",
        description="Send files to another computer, end-to-end encrypted, by a short code.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say the version and stop")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_send(commands.add_parser("send", help="send files and folders", allow_abbrev=False))
    _add_receive(commands.add_parser("receive", help="receive them", allow_abbrev=False))
    _add_relay(commands.add_parser("relay", help="run a relay", allow_abbrev=False))
    _add_demo(
        commands.add_parser("demo", help="show a transfer on this computer", allow_abbrev=False)
    )
    return parser.parse_args(arguments)


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Say the version and end."""
        from importlib import metadata

        from croc_core.values import VERSION

        try:
            version = metadata.version("croc-core")
        except metadata.PackageNotFoundError:
            version = "(not installed)"
        print(f"croc-core {version}, protocol {VERSION}")
        parser.exit()


def _add_face(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="events as JSON lines on stdout")
    parser.add_argument("--quiet", action="store_true", help="say only what must be said")
    parser.add_argument("--plain", action="store_true", help="progress as plain lines")


def _add_party(parser: argparse.ArgumentParser, relay: str) -> None:
    parser.add_argument("--relay", metavar="URL", help=relay)
    parser.add_argument("--curve", metavar="NAME", help="the key agreement, such as x25519")
    _add_face(parser)


def _add_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="what to send")
    _add_party(parser, "the relay's address (or CROC_RELAY); without one, run one here")
    parser.add_argument(
        "--code", help="a code of your own, CHANNEL-SECRET; better in CROC_CODE, which hides it"
    )
    parser.add_argument(
        "--follow", action="store_true", help="send what links point to, not the links"
    )
    parser.add_argument("--host", help="where a relay of our own listens (default: everywhere)")


def _add_receive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "code", nargs="?", metavar="CODE", help="the code (or CROC_CODE); without one, we ask"
    )
    _add_party(parser, "the relay's address (or CROC_RELAY)")
    parser.add_argument("--out", default=".", metavar="FOLDER", help="where to write (default: .)")
    parser.add_argument("--yes", action="store_true", help="accept without asking")
    existing = parser.add_mutually_exclusive_group()
    for policy, what in (
        (Policy.OVERWRITE, "replace files that exist"),
        (Policy.SKIP, "leave files that exist alone"),
        (Policy.RENAME, "keep both, the new one under another name"),
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
    parser.add_argument("--host", help="where to listen (default: everywhere)")
    parser.add_argument("--port", type=_port, help="of the control plane (default: 8003)")
    parser.add_argument(
        "--data-ports",
        type=_ports,
        metavar="PORTS",
        help="such as 27001-27004 (the default) or 27001,27005; 0 is any free one",
    )
    parser.add_argument("--token-file", metavar="FILE", help="opening channels takes its token")
    parser.add_argument("--ipv6-prefix", type=_prefix, metavar="BITS", help="that tell two apart")
    for name, what in _TIMES.items():
        parser.add_argument(f"--{name}", type=float, metavar="SECONDS", help=what)
    for name, what in _COUNTS.items():
        parser.add_argument(f"--{name}", type=int, metavar="NUMBER", help=what)
    _add_face(parser)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="what to send (default: some MB)")
    _add_face(parser)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return port


def _ports(text: str) -> tuple[int, ...]:
    """Read `27001-27004`, `27001,27005` or `0`."""
    ports: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin = _port(first)
        end = _port(last) if dash else begin
        if end < begin or end - begin >= MAX_DATA_PORTS:
            raise argparse.ArgumentTypeError(f"1 to {MAX_DATA_PORTS} ports, such as 27001-27004")
        ports += range(begin, end + 1)
    fixed = [port for port in ports if port]
    if len(ports) > MAX_DATA_PORTS or len(set(fixed)) < len(fixed):
        raise argparse.ArgumentTypeError(f"1 to {MAX_DATA_PORTS} ports, each one once")
    return tuple(ports)


def _prefix(text: str) -> int:
    bits = int(text)
    if not 1 <= bits <= 128:
        raise argparse.ArgumentTypeError("a number of bits from 1 to 128")
    return bits
