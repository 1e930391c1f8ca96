"""The command line's flags (docs/protocol.md, "The command line"), the same for every backend."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from backends._options import DATA_PORTS, MAX_FILES, PORT
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


class UsageError(Exception):
    """The arguments are wrong: a sentence, and where to read how the command is used."""

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


_SENTENCES = (
    (r"argument (\S+?)(?:/\S+)?: (takes .*)", r"\1 \2"),
    (r"argument (\S+): expected (?:one|at least one) argument", r"\1 takes a value"),
    (r"argument (\S+): not allowed with argument (\S+)", r"\1 does not go together with \2"),
    (r"argument (\S+): invalid (?:int|float) value: (.*)", r"\1 takes a number, not \2"),
    (r"argument COMMAND: invalid choice: (.*) \(choose from .*\)", r"There is no command \1"),
    (r"the following arguments are required: (.*)", r"Something is missing: \1"),
    (r"unrecognized arguments: (.*)", r"This is not known here: \1"),
)
"""What argparse says, and how we say it."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises in place of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        for pattern, sentence in _SENTENCES:
            if found := re.fullmatch(pattern, message, re.DOTALL):
                message = found.expand(sentence)
                break
        message = message[:1].upper() + message[1:] if message[:1] != "-" else message
        raise UsageError(message.rstrip(".") + ".", f"See {self.prog} --help.")


def parse(arguments: Sequence[str], command: str) -> argparse.Namespace:
    """Read *arguments*; *command* is what is typed before them. `command` names the command.

    Raises UsageError, and SystemExit after --help and --version.
    """
    parser = _Parser(
        prog=command,
        description="Send files to another computer, end-to-end encrypted, by a short code.",
        epilog="COMMAND --help says more of each.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="Say the version and stop.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, add, what, more in (
        ("send", _add_send, "Send files and folders.", _ENVIRONMENT + _ENVIRONMENT_TOKEN),
        ("receive", _add_receive, "Receive what somebody sends.", _ENVIRONMENT),
        ("relay", _add_relay, "Run a relay, at which senders and recipients meet.", ""),
        ("demo", _add_demo, "Show a transfer on this computer.", ""),
    ):
        add(commands.add_parser(name, help=what, description=what, epilog=more, allow_abbrev=False))
    return parser.parse_args(arguments)


_ENVIRONMENT = (
    "Environment: CROC_RELAY is the relay where --relay is not given; CROC_CODE is the code, "
    "which other users of this computer cannot see there."
)
_ENVIRONMENT_TOKEN = " CROC_TOKEN is the token that the relay wants to see."  # noqa: S105


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
    parser.add_argument("--json", action="store_true", help="Write events as JSON lines on stdout.")
    parser.add_argument("--quiet", action="store_true", help="Say only what must be said.")
    parser.add_argument("--plain", action="store_true", help="Show progress as plain lines.")


def _add_party(parser: argparse.ArgumentParser, relay: str, curve: str) -> None:
    parser.add_argument("--relay", metavar="URL", help=relay)
    parser.add_argument(
        "--curve",
        metavar="NAME",
        help=f"The key agreement: {', '.join(ALLOWED)}, or historic: {', '.join(HISTORIC)} "
        f"({curve}).",
    )
    _add_face(parser)


def _add_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="A file or a folder to send.")
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
        "The relay's address, as the sender shows it (default: CROC_RELAY).",
        "default: the sender's, but none of the historic ones",
    )
    parser.add_argument("--out", default=".", metavar="FOLDER", help="Where to write (default: .).")
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
