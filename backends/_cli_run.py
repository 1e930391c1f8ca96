"""The commands that run one session: `relay`, `send`, `receive`."""

from __future__ import annotations

import errno
import os
import threading
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from backends import _cli_options, _config, _session
from backends import _io as io
from backends._cli_flags import LIMITS
from backends._cli_parser import UsageError
from backends._cli_relay import more_limits, more_options
from backends._options import Options, RelayOptions
from backends._preview import Preview
from backends._secrecy import no_core_dumps
from backends._show import show
from backends._sockets import CannotListenError, cause
from backends._ui import Face
from backends._ui_ask import Questions, ask_code, can_ask, unknown_words
from croc_core import codes
from croc_core.errors import Code, Failure, Party
from croc_core.events import CodeReady, Failed, OfferSeen, Text, Verifier
from croc_core.limits import Limits
from croc_core.party_io import ComparedWords, Decided, Interrupted
from croc_core.values import Moment, Secret

if TYPE_CHECKING:
    from backends._cli import Backend
    from croc_core.content import Sink, Source

# ---- relay


def relay(backend: Backend, args: Namespace, face: Face) -> int:
    """Run a relay until a signal ends it."""
    given = {name: getattr(args, name) for name in LIMITS if getattr(args, name) is not None}
    ports = {"port": args.port, "data_ports": args.data_ports, "ipv6_prefix": args.ipv6_prefix}
    try:
        limits = Limits(**given, **more_limits(args))
    except ValueError as error:
        raise UsageError(f"--{str(error).replace('_', '-')}.") from None
    options = RelayOptions(
        host=args.host,
        token=None if args.token_file is None else Secret(_cli_options.read_token(args.token_file)),
        limits=limits,
        **{name: value for name, value in ports.items() if value is not None},
        **more_options(args),
    )
    _raise_open_files()
    session = _session.relaying(options, face.note)
    node = _Stoppable(session.node)
    session.node, session.outcome = node, lambda: node.failure
    return _run(backend, session, face.tell, face)


def _raise_open_files() -> None:
    """Allow this process as many open files as the system lets it: a transfer takes several."""
    try:
        import resource
    except ImportError:  # Windows knows no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems call it unlimited, and mean less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Stoppable:
    """A relay's node that ends on a signal, as a party's does."""

    def __init__(self, node: io.Node) -> None:
        self._node = node
        self.failure: Failure | None = None

    @property
    def finished(self) -> bool:
        """See `Node`."""
        return self.failure is not None

    def deadline(self) -> float | None:
        """See `Node`."""
        return self._node.deadline()

    def handle(self, event: io.Input, now: Moment) -> tuple[io.Effect, ...]:
        """See `Node`."""
        if isinstance(event, io.Told) and isinstance(event.what, Interrupted):
            hint = "Start it again where people still need it; who was connected tries again then."
            self.failure = Failure(event.what.code, Party.LOCAL, "The relay has stopped.", hint)
            return (io.Tell(Failed.of(self.failure)),)
        return self._node.handle(event, now)


# ---- send


def send(backend: Backend, args: Namespace, face: Face) -> int:
    """Send files and folders, a text, or what comes on standard input."""
    no_core_dumps()
    options = _cli_options.sender(args, _config_file())
    face.found = options.relay is None and options.discovery
    _check_verify(options, face, piped="-" in args.paths or args.text == "-")
    with _cli_options.usage():
        source = _source(args.paths, options, face)
        sending = _Sending(args, face, _session.sending_from(options, source))
        if options.code is not None:
            _warn_if_weak(codes.parse(options.code).phrase, face)
    if options.relay is not None:
        face.note(f"Connecting to {show(options.relay)}")
    return _run(backend, sending.session, sending.tell, face)


def _check_verify(options: Options, face: Face, *, piped: bool = False) -> None:
    if options.verify and not can_ask(face, piped=piped):
        raise UsageError("--verify needs somebody at a terminal, who compares the words.")


def _source(paths: Sequence[str], options: Options, face: Face) -> Source:
    if options.text is not None:
        from backends.files.text import TextSource

        return TextSource(options.text)
    if "-" in paths:
        if len(paths) > 1:
            raise UsageError("Standard input (-) goes alone, without other paths.")
        from backends.files.stream import StreamSource

        return StreamSource(open(0, "rb", buffering=0, closefd=False))
    from backends.files.source import FileSource

    return FileSource(
        paths,
        follow=options.follow,
        exclude=options.exclude,
        gitignore=options.gitignore,
        say=face.warn,
    )


class _Sending:
    """A sender's run: shows the code in every way that was asked for."""

    def __init__(self, args: Namespace, face: Face, session: _session.Session) -> None:
        self.session = session
        self._args = args
        self._face = face
        self._questions = Questions(face)
        self._shown = False
        self._verifiers = 0

    def tell(self, event: Any) -> None:
        """Show *event*."""
        self._face.tell(event)
        if isinstance(event, CodeReady) and not self._shown:
            self._shown = True
            self._show(event)
        elif isinstance(event, Verifier) and event.ask:
            self._verifiers += 1
            number, inject = self._verifiers, self.session.inject
            self._questions.compare(lambda same: inject(ComparedWords(same, number)))

    def _show(self, event: CodeReady) -> None:
        if self._args.qr:
            from backends._qr import qr

            for line in qr(self._face.typed(event)):
                self._face.say(line)
        if self._args.clipboard:
            threading.Thread(target=self._copy, args=(event.code,), daemon=True).start()

    def _copy(self, code: str) -> None:
        from backends._clipboard import by_terminal, copy

        program = copy(code)
        if program is not None:
            self._face.note(f"The code is in the clipboard (by {program}).")
        elif self._face.raw(by_terminal(code)):
            self._face.note("The terminal was asked to put the code into the clipboard.")
        else:
            self._face.warn("There is no clipboard here: install wl-copy, xclip or xsel.")


def _warn_if_weak(phrase: str, face: Face) -> None:
    from backends._words import words

    if codes.is_weak(phrase, words()):
        face.warn("This code is easy to guess; without --code you get a better one.")


# ---- receive


def receive(backend: Backend, args: Namespace, face: Face) -> int:
    """Receive into a folder, or to standard output."""
    no_core_dumps()
    asks = can_ask(face)
    options = _cli_options.recipient(args, _config_file(), asks)
    _check_verify(options, face)
    with _cli_options.usage():
        code = _code(args.code or _cli_options.env("CROC_CODE"), face, asks)
        receiving = _Receiving(options, face, asks)
        receiving.session = _session.receiving_into(options, code, receiving.decide, receiving.sink)
    if options.relay is not None:
        face.note(f"Connecting to {show(options.relay)}")
    return _run(backend, receiving.session, receiving.tell, face)


def _code(given: str | None, face: Face, asks: bool) -> str:
    """Return the code: as given, or as a person types it."""
    if given is not None:
        return given
    doubted = ""
    while asks:
        line = ask_code(face, "The code (it looks like 7k2m-word-word-word): ")
        if line is None:
            break
        try:
            code = codes.parse(line)
        except ValueError as error:
            face.say(str(error))
            continue
        unknown = unknown_words(code.phrase)
        if not unknown or code.text == doubted:
            return code.text
        doubted = code.text
        face.say(f"No word of a code: {show(', '.join(unknown))}. Type the code again, please.")
    raise UsageError("Which code? Give it at the prompt, in CROC_CODE, or as an argument.")


class _Receiving:
    """A recipient's run: shows the offer, and asks about it where somebody is there."""

    session: _session.Session

    def __init__(self, options: Options, face: Face, asks: bool) -> None:
        self._preview: Preview | None = None
        self._options = options
        self._face = face
        self._asks = asks
        self._questions = Questions(face)
        self._why = ""
        self._offers = self._verifiers = 0  # that have been shown
        self._listed = False
        self._offered = False
        self.sink = self._sink()

    def _sink(self) -> Sink:
        options = self._options
        if options.stdout:
            from backends.files.stream import StreamSink

            return StreamSink(open(1, "wb", buffering=0, closefd=False))
        self._face.folder = os.path.abspath(options.out)
        self._preview = Preview(
            options.out,
            options.existing,
            attended=options.attended,
            say=self._face.warn,
            show_text=lambda text: self.session.inject(Text(text)),
            save_texts=options.save_text,
        )
        return self._preview

    def decide(self, offer: OfferSeen) -> bool | None:
        """Decide by the flags; None where the person is asked."""
        decision = self._options.decide(offer)
        if decision is False:
            self._why = "Files exist already: add --overwrite, --skip or --rename to --yes."
        elif decision is None and not self._asks:
            self._why = "Nobody is here to ask: use --yes to accept."
            return False
        return decision

    def tell(self, event: Any) -> None:
        """Show *event*; ask where it is the offer."""
        if isinstance(event, Failed) and event.code == Code.DECLINED:
            event = self._explained(event)
        if isinstance(event, Failed) and not self._listed:
            self._tell_left_out()
        self._face.tell(event)
        inject = self.session.inject
        if isinstance(event, OfferSeen):
            self._offers += 1
            self._show_offer()
            if self._asks and not self._options.yes:
                listed = [] if self._preview is None else self._preview.everything()
                number = self._offers
                self._questions.accept(listed, lambda yes: inject(Decided(yes, number)))
        elif isinstance(event, Verifier) and event.ask:
            self._verifiers += 1
            which = self._verifiers
            self._questions.compare(lambda same: inject(ComparedWords(same, which)))

    def _explained(self, event: Failed) -> Failed:
        """Return that the offer was declined, with what only this side of it knows."""
        if self._why:
            return msgspec.structs.replace(event, hint=self._why)
        if self._options.stdout and not self._offered:
            text = "Standard output takes one file, stream or text; a folder or more is offered."
            hint = "Receive it into a folder: leave --stdout out, and let the sender send it again."
            return msgspec.structs.replace(event, message=text, hint=hint)
        return event

    def _show_offer(self) -> None:
        for line in [] if self._preview is None else self._preview.lines():
            self._face.note(line) if self._options.yes else self._face.say(line)
        self._tell_left_out()

    def _tell_left_out(self) -> None:
        """Tell of what is left out, also where nothing is left to accept."""
        self._listed = True
        for line in [] if self._preview is None else self._preview.left_out():
            self._face.warn(line)


# ---- all


def _run(
    backend: Backend, session: _session.Session, tell: Callable[[Any], None], face: Face
) -> int:
    """Run *session*; return its exit status."""
    try:
        backend.run(session, tell)
    except CannotListenError as error:
        raise _usage_of(error, session) from error
    finally:
        face.close()
    failure = session.outcome()
    return 0 if failure is None else failure.exit_status


def _usage_of(error: CannotListenError, session: _session.Session) -> UsageError:
    """Say which flag says where it cannot be listened."""
    host, port = error.where.host, error.where.port
    if not port:
        at, flag = host or "any address", "--host"
    else:
        at = f"port {port}"
        flag = "--port" if error.where is session.listen[0] else "--data-ports"
        if error.errno not in (errno.EADDRINUSE, errno.EACCES) and host:
            at, flag = f"{host}, {at}", "--host"
    return UsageError(f"Cannot listen at {at}: {cause(error)}.", f"Choose another {flag}.")


def _config_file() -> _config.Config:
    """Read the configuration file."""
    with _cli_options.usage():
        return _config.load()
