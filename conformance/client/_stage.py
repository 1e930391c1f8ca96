"""The stage of a case: a sender or a recipient under test, and the suite's own relay around it.

Nothing runs beside the case: whenever it waits for something, the stage serves the relay's ports
meanwhile. `lie` may change or swallow each of the relay's answers.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol, Self, TypeVar

import h11

from conformance._case import UnmetError, expect, skip
from conformance.client._desk import CHANNEL, Answer, Asked, Desk, refusal
from conformance.client._net import Conn, Net
from conformance.client._trace import Trace, trace
from croc_core.identify import Identified, parse_line

SECRET = "otter-lemon-violin"  # noqa: S105 - of the suite's own channels
CODE = f"{CHANNEL}-{SECRET}"
WAIT = 60.0
"""How long a case waits for the subject's next step, in seconds: nothing here judges speed."""
SOON = 40.0
"""How long it waits for a failure, in seconds: what silence alone would bring (LIVE-2) is none."""
_TICK = 0.05
_LEFT = 5.0
"""How long bytes of a subject that has ended may be on their way, in seconds."""
NOT_SUPPORTED = 127

T = TypeVar("T")
Lie = Callable[[Asked, Answer], Answer | None]
"""Takes a request and the honest answer; returns what is answered, or None to hold it."""


class Run(Protocol):
    """A subject that has been started."""

    def status(self) -> int | None:
        """Return its exit status, or None while it runs; negative where a signal killed it."""
        ...

    def output(self) -> tuple[str, str]:
        """Return what it wrote to standard output and standard error so far."""
        ...

    def interrupt(self) -> None:
        """Press Ctrl-C: SIGINT."""
        ...

    def feed(self, data: bytes) -> None:
        """Write to its standard input, which is a pipe where CROC_WITH wants one."""
        ...

    def feed_end(self) -> None:
        """End its standard input."""
        ...

    def kill(self) -> None:
        """End it at once, and wait until it has."""
        ...


Start = Callable[[str, Mapping[str, str]], Run]
"""Starts the subject for a role with these variables in its environment."""


class Link:
    """An identified data connection of the subject."""

    def __init__(self, stage: Stage, conn: Conn, line: bytes) -> None:
        self.conn, self.line = conn, line
        self._stage = stage

    def read(self, count: int, what: str, seconds: float = WAIT) -> bytes:
        """Return the next *count* bytes."""
        inbox = self.conn.inbox
        self._stage.until(lambda: len(inbox) >= count or self.conn.ended, what, seconds)
        if len(inbox) < count:
            said = self._stage.last_words()
            raise UnmetError(f"it hung up where {what} was awaited; it said last: {said}")
        data = bytes(inbox[:count])
        del inbox[:count]
        return data

    def ends(self, what: str, seconds: float = WAIT) -> bytes:
        """Wait for the end of the subject's stream; return the bytes before it."""
        self._stage.until(lambda: self.conn.ended, what, seconds, outlives=True)
        return bytes(self.conn.inbox)


class Stage:
    """What both roles have in common; see the module's docstring."""

    role = ""

    def __init__(self, net: Net, start: Start) -> None:
        self.net = net
        self.desk = Desk(net.ports[1:])
        self.asked: list[Asked] = []
        """All requests so far."""
        self.links: list[Link] = []
        """All data connections that were identified so far."""
        self.lie: Lie | None = None
        self.port_answer: bytes | None = b"OK\n"
        """The answer to an honest identification; None holds it back."""
        self.early_links: list[bytes] = []
        """Lines that came before the subject's own confirmation."""
        self.dialled_from: set[str] = set()
        """Addresses of all connections to the relay."""
        self.run: Run | None = None
        self.trace: Trace | None = None
        """What it did, once the case is over."""
        self.folder = tempfile.TemporaryDirectory(prefix="croc-conformance-")
        self.path = Path(self.folder.name)
        self._start = start
        self._web: dict[Conn, h11.Connection] = {}
        self._partials: dict[Conn, tuple[str, dict[str, str], bytearray]] = {}
        self._raw: list[Conn] = []
        self._held: list[Asked] = []
        self._used = 0
        self._given_up = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.trace = trace(self)
        if self.run is not None:
            self.run.kill()
        self.net.close()
        self.folder.cleanup()

    # ---- the subject

    def launch(self, environment: Mapping[str, str]) -> None:
        """Start the subject, once more after it has ended; an empty CROC_RELAY is none."""
        if self.run is not None:
            self.run.kill()
        relay = f"http://{self.net.host}:{self.net.ports[0]}"
        common = {"CROC_CONFORMANCE": "1", "CROC_RELAY": relay, "CROC_ROLE": self.role}
        given = {**common, **environment}
        self._given_up = False
        self.run = self._start(self.role, {name: text for name, text in given.items() if text})

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """Return the events that the subject has told, or those of one name."""
        assert self.run is not None
        found = []
        for line in self.run.output()[0].splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and name in ("", event.get("event")):
                found.append(event)
        return found

    def ends(self, seconds: float = WAIT) -> int:
        """Wait until the subject has ended; return its exit status."""
        run = self.run
        assert run is not None
        self.until(lambda: run.status() is not None, "its end", seconds, outlives=True)
        status = run.status()
        assert status is not None
        if status == NOT_SUPPORTED:
            skip("the command says that it does not support this (exit status 127)")
        expect(status >= 0, f"it died of signal {-status}: {self.last_words()}")
        trace = "Traceback" in "".join(run.output())
        expect(not trace, f"it ended with a stack trace: {self.last_words()}")
        return status

    def succeeds(self, seconds: float = WAIT) -> None:
        """Wait for its end, which must be success."""
        status = self.ends(seconds)
        expect(status == 0, f"it ended with {status}: {self.last_words()}")

    def fails(self, *codes: str, seconds: float = SOON) -> None:
        """Wait for its end, which must not be success; if it says why, by one of *codes*.

        A lost connection alone ends no run (9.1). So once none is left of the data connections
        that the case has played on, the relay says that the other member has closed the channel:
        whoever asks why, or dials again, ends as `peer_left`. Who has not noticed that something
        is wrong does not get that far.
        """
        self._given_up = True
        status = self.ends(seconds)
        expect(status != 0, "it ended with success")
        expect(not self.events("done"), "it said that it was done, and failed")
        told = [event.get("code") for event in self.events("error")]
        wanted = " or ".join(codes)
        expect(not told or not codes or told[-1] in codes, f"it told of {told}, not of {wanted}")

    def last_words(self) -> str:
        """What the subject said last, for a report."""
        assert self.run is not None
        out, err = self.run.output()
        lines = [line for line in (*out.splitlines(), *err.splitlines()) if line.strip()]
        return lines[-1][:300] if lines else "it said nothing"

    # ---- waiting

    def until(
        self,
        found: Callable[[], T | None],
        what: str,
        seconds: float = WAIT,
        *,
        outlives: bool = False,
    ) -> T:
        """Serve the relay's ports until *found* returns something; UnmetError after *seconds*.

        It is an error where the subject ends meanwhile, unless what is awaited *outlives* it.
        """
        end = self.net.now() + seconds
        while True:
            over = self.run is not None and self.run.status() is not None
            self.serve_rest() if over else self.serve()
            result = found()
            if result:
                return result
            if over and not outlives:
                self._ended_early(what)
            if self.net.now() >= end:
                raise UnmetError(f"{what} did not come within {seconds:g} s")
            self.net.step(min(_TICK, max(0.0, end - self.net.now())))

    def never(self, found: Callable[[], object], what: str, seconds: float) -> None:
        """Serve the ports for *seconds*, or until the subject ends; *what* must not happen."""
        end = self.net.now() + seconds
        while self.net.now() < end:
            self.serve()
            expect(not found(), what)
            if self.run is not None and self.run.status() is not None:
                break
            self.net.step(_TICK)
        self.serve_rest()
        expect(not found(), what)

    def _ended_early(self, what: str) -> NoReturn:
        self.ends()
        raise UnmetError(f"it ended where {what} was awaited: {self.last_words()}")

    # ---- the relay

    def restart_relay(self) -> None:
        """Lose all memory of the channel, as a relay does that has crashed."""
        self.desk = Desk(self.net.ports[1:])

    def serve_rest(self) -> None:
        """Look at all that has come, and where the subject has ended, at all that it has sent.

        What it sent last may be more than is read at once, and comes after its exit status.
        """
        for _ in range(4):
            self.net.step(0.0)
        self.serve()
        end = self.net.now() + _LEFT
        while self.run is not None and self.run.status() is not None and self._coming():
            if self.net.now() >= end:  # a process that it has left behind holds on to it
                return
            self.net.step(_TICK)
            self.serve()

    def _coming(self) -> bool:
        """Whether there is a connection whose end was not read yet, and is to be."""
        conns = (*self._web, *self._raw, *(link.conn for link in self.links))
        return not all(conn.ended or conn.unread for conn in conns)

    def serve(self) -> None:
        """Look at all that has come."""
        for conn in self.net.accepted:
            self.dialled_from.add(conn.peer)
            if conn.listener:
                self._raw.append(conn)
            else:
                self._web[conn] = h11.Connection(h11.SERVER)
        self.net.accepted.clear()
        for conn in list(self._web):
            self._serve_web(conn)
        for conn in list(self._raw):
            self._serve_raw(conn)
        self._release()

    def _serve_web(self, conn: Conn) -> None:
        parser = self._web[conn]
        if conn.inbox:
            parser.receive_data(bytes(conn.inbox))
            conn.inbox.clear()
        try:
            while (asked := self._request(parser, conn)) is not None:
                self.asked.append(asked)
                self._held.append(asked)
        except h11.RemoteProtocolError as error:
            raise UnmetError(f"its request is no HTTP/1.1: {error}") from None
        if conn.ended:
            self._held = [asked for asked in self._held if asked.conn is not conn]
            del self._web[conn]
            conn.close()

    def _request(self, parser: h11.Connection, conn: Conn) -> Asked | None:
        if parser.their_state is h11.DONE:
            return None
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Request):
                expect(event.method == b"POST", f"it sent a {event.method!r}")
                headers = {key.decode(): value.decode() for key, value in event.headers}
                self._partials[conn] = event.target.decode(), headers, bytearray()
            elif isinstance(event, h11.Data):
                self._partials[conn][2].extend(event.data)
            elif isinstance(event, h11.EndOfMessage):
                path, headers, body = self._partials.pop(conn)
                return Asked(path, bytes(body), conn, self.net.now(), headers, self.desk.seq)
            else:
                return None

    def leave(self, reason: str = "cancelled") -> None:
        """Close the channel as the other member does."""
        if self.desk.closed is None:
            self.desk.closed = ("recipient" if self.role == "sender" else "sender"), reason
            self.desk.seq += 1

    def _release(self) -> None:
        """Answer what can be answered by now."""
        played = self.links[: self._used] or self.links
        if self._given_up and played and all(link.conn.ended for link in played):
            self.leave()
        for asked in list(self._held):
            answer: Answer | None = self.desk.answer(asked)
            assert answer is not None
            if self.lie is not None:
                answer = self.lie(asked, answer)
            if answer is not None and not self._waits(asked, answer):
                self._held.remove(asked)
                self._reply(asked.conn, answer)

    def _waits(self, asked: Asked, answer: Answer) -> bool:
        """Whether an honest relay would hold this request still."""
        wait = asked.body.get("wait", 0)
        late = answer.at_once or self.net.now() >= asked.at + wait
        if not wait or late or asked.body.get("close"):
            return False
        if answer.status == 404 and isinstance(answer.body, dict):
            return answer.body.get("code") == "no_x_yet"
        if answer.status != 200 or not isinstance(answer.body, dict):
            return False
        return bool(answer.body.get("seq", 0) <= asked.body.get("since", asked.seq))

    def _reply(self, conn: Conn, answer: Answer) -> None:
        if answer.lost:
            conn.close()
            self._web.pop(conn, None)
            return
        conn.send(answer.bytes())
        if answer.raw is not None:
            conn.close()
            self._web.pop(conn, None)
            return
        parser = self._web.get(conn)
        if parser is not None:  # keep its state machine in step: the bytes themselves are ours
            parser.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            parser.send(h11.EndOfMessage())
            if parser.our_state is h11.MUST_CLOSE:
                conn.close()
                self._web.pop(conn, None)
            else:
                parser.start_next_cycle()

    def _serve_raw(self, conn: Conn) -> None:
        found = parse_line(bytes(conn.inbox[:400]))
        if found is None:
            if conn.ended:
                self._raw.remove(conn)
            return
        expect(isinstance(found, Identified), f"it identified with {bytes(conn.inbox[:160])!r}")
        assert isinstance(found, Identified)
        if self.port_answer is None:
            return
        self._raw.remove(conn)
        end = conn.inbox.index(b"\n") + 1
        line = bytes(conn.inbox[:end])
        del conn.inbox[:end]
        if not self.desk.channel:
            self._turn_away(conn, b"ERR 404 no_such_channel\n")
            return
        if self.desk.closed is not None:
            self._turn_away(conn, b"ERR 410 closed\n")
            return
        mine = (self.desk.channel, self.desk.seats.get(self.role))
        expect((found.channel, found.uuid) == mine, "it identified as another member")
        if self.desk.h_k is None:
            self.early_links.append(line)
            self._turn_away(conn, b"ERR 409 out_of_turn\n")
            return
        conn.send(self.port_answer)
        if self.port_answer != b"OK\n":
            conn.finish()  # what it says all the same is looked at
        self.links.append(Link(self, conn, line))

    def _turn_away(self, conn: Conn, answer: bytes) -> None:
        conn.send(answer)
        conn.close()

    def link(self, what: str = "its data connection") -> Link:
        """Return the subject's next data connection."""
        self.until(lambda: len(self.links) > self._used, what)
        self._used += 1
        return self.links[self._used - 1]

    # ---- what was asked

    def requests(self, *fields: str, path: str = "/channel") -> list[Asked]:
        """The requests so far to *path* that have all of *fields*."""
        return [a for a in self.asked if a.path == path and all(f in a.body for f in fields)]

    def request(self, *fields: str, path: str = "/channel", what: str = "") -> Asked:
        """Return the first request with *fields*, as soon as it is there."""
        name = what or f"its {path[1:]} with {', '.join(fields)}"
        return self.until(lambda: self.requests(*fields, path=path), name)[0]

    def closes(self, *reasons: str) -> None:
        """Expect that the subject closes, or has closed, the channel with one of *reasons*."""
        asked = self.until(lambda: self.requests("close"), "its close", outlives=True)[0]
        said = asked.body.get("reason")
        expect(not reasons or said in reasons, f"it closed with {said}, not {' or '.join(reasons)}")

    def gone(self) -> Answer:
        """The answer of a relay that has no such channel."""
        return refusal(404, "no_such_channel")

    # ---- files

    def make(self, where: str, files: Mapping[str, bytes]) -> Path:
        """Write *files* into the folder *where*; a path that ends in "/" is a folder."""
        base = self.path / where
        base.mkdir(exist_ok=True)
        for name, data in files.items():
            path = base / name
            if name.endswith("/"):
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        return base


def tree(base: Path) -> dict[str, bytes]:
    """All files below *base*, links not followed, by their paths."""
    found = {}
    for folder, _, names in os.walk(base):
        for name in names:
            path = Path(folder, name)
            data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            found[path.relative_to(base).as_posix()] = data
    return found


def names(messages: Sequence[object]) -> str:
    """The kinds of *messages*, for a report."""
    return ", ".join(type(message).__name__ for message in messages) or "nothing"
