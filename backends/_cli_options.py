"""The options of a run, from the flags, then the environment, then the configuration file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backends import _config
from backends._cli_flags import rate
from backends._cli_parser import UsageError
from backends._options import Options, where

_PLAIN = ("curve", "streams", "reconnect", "discovery", "verify")
"""What both sides take as it stands from the flag or the file."""


@contextmanager
def usage() -> Iterator[None]:
    """Within, a ValueError is a sentence about the arguments."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


def env(name: str) -> str | None:
    """Return a variable of the environment; None where it is empty."""
    return os.environ.get(name) or None


def sender(args: argparse.Namespace, config: _config.Config) -> Options:
    """Return a sender's options; raises UsageError, and LocalFileError for the token's file."""
    given = _common(args, config)
    if given["relay"] is not None and args.host:
        raise UsageError(
            "--host says where a relay of your own listens; with a relay that is named there is "
            "none.",
            'A --relay "" hides the one that the environment or the configuration names.',
        )
    if given["relay"] is None and args.proxy:
        raise UsageError("--proxy leads to a relay: name it with --relay.")
    chosen = _chosen(args, config, ("compress", "gitignore"))
    token = env("CROC_TOKEN")
    if token is None and config.token_file is not None and given["relay"] is not None:
        token = read_token(config.token_file).decode("ascii")
    with usage():
        return Options(
            **given,
            **chosen,
            code=args.code or env("CROC_CODE"),
            token=token,
            host=args.host,
            follow=args.follow,
            exclude=(*config.exclude, *(args.exclude or ())),
            text=_text(args),
        )


def _text(args: argparse.Namespace) -> str | None:
    """Return the text to send, if one is."""
    if args.text is None:
        return None
    if args.paths:
        raise UsageError("--text sends a text in place of files: give one or the other.")
    if args.text != "-":
        return str(args.text)
    from backends.files.limits import MAX_TEXT

    data = sys.stdin.buffer.read(MAX_TEXT + 1)
    try:
        return data.decode()
    except UnicodeDecodeError:
        if len(data) > MAX_TEXT:  # cut in the middle of a character
            return data.decode(errors="replace")
        raise UsageError("What comes on standard input is no text; send it as a file.") from None


def recipient(args: argparse.Namespace, config: _config.Config, attended: bool) -> Options:
    """Return a recipient's options; raises UsageError."""
    given = _common(args, config)
    if given["relay"] is None and (args.proxy or not given.get("discovery", True)):
        raise UsageError(
            "Which relay? Give --relay, or set CROC_RELAY: the sender's side shows the address."
        )
    if args.stdout and args.json:
        raise UsageError("--stdout and --json both want standard output: take one.")
    if args.stdout:
        given["streams"] = 1  # what is written there goes in order
    with usage():
        return Options(
            **given,
            **_chosen(args, config, ("out", "compress")),
            max_files=args.max_files,
            yes=args.yes,
            existing=args.existing,
            attended=attended and not args.yes,
            stdout=args.stdout,
            save_text=args.save_text,
        )


def read_token(path: str) -> bytes:
    """Read a token's file; raises LocalFileError."""
    from backends.files.trouble import local_error
    from croc_core.errors import LocalFileError
    from croc_core.wire import MAX_TOKEN

    try:
        with open(path, "rb") as file:
            token = file.read(1025).strip()
    except OSError as error:
        raise local_error(error, "read", path) from None
    if not 1 <= len(token) <= MAX_TOKEN or not token.isascii():
        raise LocalFileError(
            "The token file does not hold a token.", f"It holds 1 to {MAX_TOKEN} ASCII characters."
        )
    return token


def _common(args: argparse.Namespace, config: _config.Config) -> dict[str, Any]:
    relay = _first(args.relay, env("CROC_RELAY"), config.relay)
    given = {"relay": relay, **_chosen(args, config, _PLAIN)}
    if relay is not None:
        given["proxy"] = _proxy(args, config, relay)
    throttle = args.throttle
    if throttle is None and config.throttle is not None:
        try:
            throttle = rate(str(config.throttle))
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"The throttle of the configuration file {error}.") from None
    return {**given, "throttle": throttle}


def _proxy(args: argparse.Namespace, config: _config.Config, relay: str) -> str | None:
    named = _first(args.proxy, env("CROC_PROXY"), config.proxy)
    if named is not None or args.proxy is not None:
        return named
    from backends._proxy import ambient

    with usage():
        return ambient(where(relay).host)


def _first(flag: str | None, variable: str | None, written: str | None) -> str | None:
    """Return the first that is given; an empty flag hides the others."""
    return (variable or written or None) if flag is None else flag or None


def _chosen(
    args: argparse.Namespace, config: _config.Config, names: tuple[str, ...]
) -> dict[str, Any]:
    """Return those of *names* that the flags or the file give, and leave the others out."""
    found = {}
    for name in names:
        flag = getattr(args, name)
        value = getattr(config, name) if flag is None else flag
        if value is not None:
            found[name] = value
    return found
