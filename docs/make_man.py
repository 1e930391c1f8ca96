"""Writes croc-core.1 and the flags in cli.md, from the command line's own parser."""

from __future__ import annotations

import argparse
import pathlib
import re

from backends._cli_parser import build
from croc_core.errors import EXIT

HERE = pathlib.Path(__file__).parent
MAN = HERE / "croc-core.1"
GUIDE = HERE / "cli.md"
BEGIN, END = "<!-- flags: made by make_man.py -->", "<!-- end of flags -->"


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command."""
    for action in build("croc-core")._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("there are no commands")


def rows(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """Return each argument of a command as it is typed, and what it does."""
    found = []
    for action in parser._actions:
        metavar = str(action.metavar or action.dest.upper())
        if action.option_strings:
            name = ", ".join(action.option_strings)
            name += "" if action.nargs == 0 else f" {metavar}"
        else:
            name = metavar
        found.append((name, (action.help or "").replace("%%", "%")))
    return found


def man() -> str:
    """Return the manual page."""
    lines = [
        '.TH CROC-CORE 1 "" "croc-core" "User Commands"',
        ".SH NAME",
        "croc-core \\- send files to another computer, end-to-end encrypted, by a short code",
        ".SH SYNOPSIS",
        ".B croc-core",
        ".I COMMAND",
        "[arguments]",
    ]
    for name, parser in parsers().items():
        lines += [".SH " + name.upper(), _roff(parser.description or "")]
        for typed, what in rows(parser):
            lines += [".TP", f".B {_roff(typed)}", _roff(what)]
        if parser.epilog:
            lines += [".PP", _roff(parser.epilog)]
    lines += [".SH EXIT STATUS"]
    for code, status in [("success", 0), *EXIT.items()]:
        lines += [".TP", f".B {status}", _roff(str(getattr(code, "value", code)))]
    return "\n".join(lines) + "\n"


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped[:1] in (".", "'") else escaped


def flags() -> str:
    """Return the part of cli.md that lists the flags."""
    lines = []
    for name, parser in parsers().items():
        lines += [
            "",
            f"### {name}",
            "",
            parser.description or "",
            "",
            "| argument | what it does |",
        ]
        lines += ["| --- | --- |"]
        lines += [f"| `{typed}` | {what} |" for typed, what in rows(parser)]
    return "\n".join((*lines, ""))


def guide(text: str) -> str:
    """Return cli.md with its flags as they are."""
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    return head + BEGIN + "\n" + re.sub(r"\n{3,}", "\n\n", flags()) + "\n" + END + tail


if __name__ == "__main__":
    MAN.write_text(man())
    GUIDE.write_text(guide(GUIDE.read_text()))
