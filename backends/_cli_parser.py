"""The command line's flags (docs/protocol.md, "The command line"), the same for every backend."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import NoReturn

from backends import _cli_flags as flags


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
    args = build(command).parse_args(arguments)
    if args.command == "send" and not args.paths and args.text is None:
        raise UsageError("Something is missing: PATH.", f"See {command} send --help.")
    return args


def build(command: str) -> argparse.ArgumentParser:
    """Return the parser; *command* is what is typed before the arguments."""
    parser = _Parser(
        prog=command,
        description="Send files to another computer, end-to-end encrypted, by a short code.",
        epilog="COMMAND --help says more of each.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="Say the version and stop.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, add, what, more in flags.COMMANDS:
        add(commands.add_parser(name, help=what, description=what, epilog=more, allow_abbrev=False))
    return parser


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
