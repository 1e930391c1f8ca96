"""What makes a shell complete the commands and flags, made from the parser itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

_FILES = ("PATH", "FILE", "FOLDER")
"""What the parser calls a file or a folder."""


class Flag(NamedTuple):
    """A flag of a command."""

    name: str
    takes: bool
    """Whether a value follows."""
    files: bool
    """Whether that is a file or a folder."""
    what: str


class Command(NamedTuple):
    """A command, its flags, and the words that its first argument may be, if they are fixed."""

    name: str
    what: str
    flags: tuple[Flag, ...]
    words: tuple[str, ...]
    files: bool
    """Whether its arguments are files."""


def commands(parser: argparse.ArgumentParser) -> Iterator[Command]:
    """Yield the commands of *parser*."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield _command(name, command)


def _command(name: str, parser: argparse.ArgumentParser) -> Command:
    flags, words, files = [], (), False
    for action in parser._actions:
        if action.option_strings:
            what = (action.help or "").partition(" (")[0].partition(". ")[0].rstrip(".")
            files_follow = action.metavar in _FILES
            flags.append(Flag(action.option_strings[-1], action.nargs != 0, files_follow, what))
        else:
            words = tuple(action.choices or ())
            files = action.metavar in _FILES
    return Command(name, parser.description or "", tuple(flags), words, files)


def script(shell: str, program: str, parser: argparse.ArgumentParser) -> str:
    """Return the script for *shell* (bash, zsh or fish), for the installed *program*."""
    known = list(commands(parser))
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](program, known)


def _bash(program: str, known: list[Command]) -> str:
    cases = []
    for command in known:
        named = "|".join(flag.name for flag in command.flags if flag.files)
        other = "|".join(flag.name for flag in command.flags if flag.takes and not flag.files)
        words = " ".join((*(flag.name for flag in command.flags), *command.words))
        files = 'COMPREPLY+=($(compgen -f -- "$cur"))' if command.files else ":"
        cases.append(
            f"    {command.name})\n"
            "      case $prev in\n"
            f'        {named or "--"}) COMPREPLY=($(compgen -f -- "$cur")); return;;\n'
            f"        {other or '--'}) return;;\n"
            "      esac\n"
            f"      COMPREPLY=($(compgen -W '{words}' -- \"$cur\"))\n"
            f"      [[ $cur == -* ]] || {files};;\n"
        )
    names = " ".join(command.name for command in known)
    function = "_" + program.replace("-", "_")
    return (
        f"{function}() {{\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
        "  COMPREPLY=()\n"
        "  if (( COMP_CWORD == 1 )); then\n"
        f"    COMPREPLY=($(compgen -W '{names} --help --version' -- \"$cur\"))\n"
        "    return\n"
        "  fi\n"
        "  case ${COMP_WORDS[1]} in\n" + "".join(cases) + "  esac\n"
        "}\n"
        f"complete -o filenames -F {function} {program}\n"
    )


def _zsh(program: str, known: list[Command]) -> str:
    names = " ".join(_quoted(f"{command.name}:{_no_colon(command.what)}") for command in known)
    cases = []
    for command in known:
        lines = [
            _quoted(
                f"{flag.name}[{_no_bracket(flag.what)}]"
                + (":value:" * flag.takes)
                + ("_files" * flag.files)
            )
            for flag in command.flags
        ]
        if command.words:
            lines.append(_quoted(f"1:word:({' '.join(command.words)})"))
        elif command.files:
            lines.append(_quoted("*:file:_files"))
        cases.append(f"    {command.name}) _arguments {' '.join(lines)};;\n")
    function = "_" + program.replace("-", "_")
    return (
        f"#compdef {program}\n"
        f"{function}() {{\n"
        "  if (( CURRENT == 2 )); then\n"
        f"    local -a names=({names})\n"
        "    _describe command names\n"
        "    return\n"
        "  fi\n"
        "  local name=$words[2]\n"
        "  shift words; (( CURRENT-- ))\n"
        "  case $name in\n" + "".join(cases) + "  esac\n"
        "}\n"
        # A file of zsh's own folders is the function when it is called for the first time.
        f'if [[ $funcstack[1] == {function} ]]; then {function} "$@"; '
        f"else compdef {function} {program}; fi\n"
    )


def _fish(program: str, known: list[Command]) -> str:
    lines = [f"complete -c {program} -f"]
    for command in known:
        first = _quoted("__fish_use_subcommand")
        lines.append(
            f"complete -c {program} -n {first} -a {command.name} -d {_quoted(command.what)}"
        )
        here = _quoted(f"__fish_seen_subcommand_from {command.name}")
        start = f"complete -c {program} -n {here}"
        if command.files:
            lines.append(f"{start} -F")
        if command.words:
            lines.append(f"{start} -a {_quoted(' '.join(command.words))}")
        for flag in command.flags:
            takes = " -r -F" if flag.files else " -x" if flag.takes else ""
            lines.append(f"{start} -l {flag.name.strip('-')}{takes} -d {_quoted(flag.what)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _no_colon(text: str) -> str:
    return text.replace(":", "\\:")


def _no_bracket(text: str) -> str:
    return text.replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
