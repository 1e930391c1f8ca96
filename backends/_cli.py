"""The command line of every backend: `relay`, `send`, `receive`, `demo`.

Whatever happens ends in an exit status of the table and a sentence, never in a stack trace.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol

from croc_core import failures
from croc_core.errors import Code, Failure, Party, TransferError

if TYPE_CHECKING:
    from argparse import Namespace

    from backends._session import Session
    from backends._ui import Face


class Backend(Protocol):
    """What the command line needs of a backend."""

    name: str
    """Its module, as `python -m` takes it."""

    def run(self, session: Session, tell: Callable[[object], None]) -> None:
        """Run *session* to its end, signals included; *tell* gets every event.

        Raises OSError where a listener cannot be opened, KeyboardInterrupt on a second SIGINT.
        """
        ...


class _Terminated(BaseException):
    """SIGTERM came while no session was running."""


def main(backend: Backend, arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* (by default the process's) name; return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    face: Face | None = None
    try:
        signal.signal(signal.SIGTERM, _terminate)
        from backends._cli_parser import parse
        from backends._ui import Face, Style

        command = _typed(backend)
        args = parse(given, command)
        style = Style(*(getattr(args, name, False) for name in Style._fields))
        face = Face(command, args.command, style)
        return _command(args.command)(backend, args, face)
    except SystemExit as ended:  # --help and --version
        return int(ended.code or 0)
    except KeyboardInterrupt:
        _end_now(face, given, failures.interrupted(Code.SIGINT))
    except _Terminated:
        _end_now(face, given, failures.interrupted(Code.SIGTERM))
    except Exception as error:
        return _fail(face, given, failure_of(error))


def _typed(backend: Backend) -> str:
    """Return what was typed before the arguments."""
    installed = os.path.basename(sys.argv[0]) == "croc-core"
    return "croc-core" if installed else f"python -m {backend.name}"


def _terminate(*_: object) -> NoReturn:
    raise _Terminated


def _command(name: str) -> Callable[[Backend, Namespace, Face], int]:
    """Return the command *name*; each one imports what it needs."""
    if name == "demo":
        from backends._demo import demo

        return demo
    if name == "completion":
        return _completion
    from backends import _cli_run

    return {"relay": _cli_run.relay, "send": _cli_run.send, "receive": _cli_run.receive}[name]


def _completion(backend: Backend, args: Namespace, face: Face) -> int:
    """Print a shell's script."""
    from backends._cli_parser import build
    from backends._completion import script

    del backend, face
    print(script(args.shell, "croc-core", build("croc-core")), end="")
    return 0


def failure_of(error: Exception) -> Failure:
    """Return the failure that *error* stands for; one that nobody expected is internal."""
    from backends._cli_parser import UsageError

    if isinstance(error, UsageError):
        return Failure(Code.USAGE, Party.LOCAL, str(error), error.usage)
    if isinstance(error, TransferError):
        return error.failure
    if os.environ.get("CROC_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    return Failure(
        Code.INTERNAL,
        Party.LOCAL,
        f"A fault of this program ({type(error).__name__}).",
        "Please report it, with what CROC_DEBUG=1 shows.",
    )


def _fail(face: Face | None, given: Sequence[str], failure: Failure) -> int:
    """Tell of *failure*, also where the arguments could not be read; return its exit status."""
    from backends._ui import Face, Style
    from croc_core.events import Failed

    if face is None:
        face = Face("", "", Style(json="--json" in given))
    face.tell(Failed.of(failure))
    return failure.exit_status


def _end_now(face: Face | None, given: Sequence[str], failure: Failure) -> NoReturn:
    """End the process without waiting for anything that is under way."""
    status = _fail(face, given, failure)
    os._exit(status)
