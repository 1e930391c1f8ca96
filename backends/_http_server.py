"""HTTP/1.1 for a relay, without I/O: bytes in, whole requests out (docs/protocol.md, "HTTP").

h11 reads each request (RFC 9112) with a parser of its own, which is dropped as soon as the request
is whole: a held long poll then costs no parser. How the bytes are split changes nothing.
"""

from __future__ import annotations

import re

import h11

from croc_core import wire
from croc_core.values import Value

MAX_HEAD = 16384
"""Greatest size of a request's head, and of a chunked body's framing, in bytes."""

_HEAD_END = re.compile(rb"\n\r?\n")
_SLICE = 4096
"""How many bytes of a body h11 gets at a time; keeps the accounting of chunks cheap."""
_UNBOUNDED = 1 << 40
"""h11's own bound is off: it depends on how the bytes are split, `MAX_HEAD` does not."""
_MISTAKES = frozenset({400, 404, 405})
_MOST_MISTAKES = 8
"""How many such replies a connection gets, the last one with its end: a flood has to come anew."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    413: "Content Too Large",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Request(Value, frozen=True):
    """A request has arrived whole; nothing further is read before `reply`."""

    hidden = ("body",)

    method: str
    path: str
    body: bytes
    forwarded: tuple[str, ...] = ()
    """The entries of X-Forwarded-For, the nearest hop last. Worth only what its sender is worth."""


class Interim(Value, frozen=True):
    """Send these bytes and go on reading."""

    data: bytes


class Refusal(Value, frozen=True):
    """Send these bytes, a whole error reply, and close: the connection is of no more use."""

    data: bytes


class Ended(Value, frozen=True):
    """The stream has ended, and not within a request: close quietly."""


Event = Request | Interim | Refusal | Ended


def render(
    status: int,
    body: bytes,
    *,
    retry_after: int | None = None,
    keep_alive: bool = False,
    head_only: bool = False,
) -> bytes:
    """Return a whole reply with a JSON body; *retry_after* in seconds."""
    more = "" if keep_alive else "Connection: close\r\n"
    if retry_after is not None:
        more += f"Retry-After: {retry_after}\r\n"
    if status == 405:
        more += "Allow: POST\r\n"
    head = (
        f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n{more}\r\n"
    ).encode("ascii")
    return head if head_only else head + body


def render_error(status: int, code: str, message: str, retry_after: int | None = None) -> bytes:
    """Return a whole error reply, after which the connection is closed."""
    return render(status, wire.encode(wire.Error(code, message)), retry_after=retry_after)


class _BadRequestError(Exception):
    """A request that gets no further; the arguments are `render_error`'s."""


_MALFORMED = (400, "malformed", "This is not a request in HTTP/1.1 that this relay can read.")


class HttpServer:
    """One connection of a client: feed it bytes, answer its requests one at a time.

    Any bytes at all give an event, never an exception. A pipelined request waits until the one
    before it is answered: after `reply`, call `resume`.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_closed",
        "_fed",
        "_head_only",
        "_keep",
        "_max_body",
        "_mistakes",
        "_parser",
        "_request",
        "busy",
    )

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._buffer = b""
        self._parser: h11.Connection | None = None
        self._request: tuple[str, str, tuple[str, ...]] | None = None
        self._body = bytearray()
        self._fed = 0
        self._head_only = False
        self._keep = False
        self._closed = False
        self._mistakes = 0
        self.busy = False
        """Whether a request waits for its reply."""

    @property
    def begun(self) -> bool:
        """Whether a part of a request that is not whole yet has arrived."""
        return not self.busy and bool(self._parser or self._buffer)

    @property
    def buffered(self) -> int:
        """How many bytes of later requests wait, in bytes."""
        return len(self._buffer)

    @property
    def keep_alive(self) -> bool:
        """Whether the connection goes on after the last reply."""
        return self._keep and not self._closed

    def receive(self, data: bytes) -> tuple[Event, ...]:
        """Take the next bytes, empty at the end of the stream, and say what they amount to."""
        if self._closed:
            return ()
        if data:
            self._buffer += data
            return () if self.busy else self.resume()
        self._closed = True
        return (Refusal(render_error(*_MALFORMED)),) if self.begun else (Ended(),)

    def resume(self) -> tuple[Event, ...]:
        """Look for the next request in the bytes that are there already."""
        events: list[Event] = []
        try:
            self._advance(events)
        except _BadRequestError as bad:
            events.append(self._refuse(*bad.args))
        except h11.ProtocolError:
            events.append(self._refuse(*_MALFORMED))
        return tuple(events)

    def too_slow(self) -> Refusal:
        """Refuse the request that has begun and has not become whole in time."""
        return self._refuse(408, "too_slow", "The request did not arrive in time.")

    def reply(self, status: int, body: bytes, retry_after: int | None = None) -> bytes:
        """Return the reply to the last request. `keep_alive` then says whether to go on."""
        self.busy = False
        self._mistakes += status in _MISTAKES
        self._closed = self._closed or not self._keep or self._mistakes >= _MOST_MISTAKES
        return render(
            status,
            body,
            retry_after=retry_after,
            keep_alive=self.keep_alive,
            head_only=self._head_only,
        )

    def _refuse(self, status: int, code: str, message: str) -> Refusal:
        self._closed = True
        self._buffer = b""
        self._body = bytearray()
        self._parser = None
        return Refusal(render_error(status, code, message))

    def _advance(self, events: list[Event]) -> None:
        if self._closed or self.busy:
            return
        if self._parser is None and not self._read_head(events):
            return
        self._read_body(events)

    def _read_head(self, events: list[Event]) -> bool:
        """Start a parser once the header block is there; say whether it was."""
        self._buffer = self._buffer.lstrip(b"\r\n")  # RFC 9112 section 2.2
        if not self._buffer:
            return False
        if not 0x21 <= self._buffer[0] <= 0x7E:  # such as a TLS greeting: wait for no more
            raise _BadRequestError(*_MALFORMED)
        found = _HEAD_END.search(self._buffer, 0, MAX_HEAD)
        if found is None:
            if len(self._buffer) >= MAX_HEAD:
                raise _BadRequestError(
                    431, "headers", f"The header fields are larger than {MAX_HEAD} bytes."
                )
            return False
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_UNBOUNDED)
        parser.receive_data(self._buffer[: found.end()])
        self._buffer = self._buffer[found.end() :]
        request = parser.next_event()
        if not isinstance(request, h11.Request):
            raise _BadRequestError(*_MALFORMED)
        self._judge(request)
        self._parser, self._fed = parser, 0
        if parser.they_are_waiting_for_100_continue:
            events.append(Interim(_CONTINUE))
        return True

    def _judge(self, request: h11.Request) -> None:
        """Remember what matters of a request's head; refuse what its length alone forbids."""
        length: bytes | None = None
        chunked = False
        forwarded: list[str] = []
        for name, value in request.headers:
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                chunked = True
            elif name == b"x-forwarded-for":
                forwarded += [part.strip() for part in value.decode("latin-1").split(",")]
        two_ends = chunked and length is not None  # readers could differ on where it ends
        if two_ends or not request.http_version.startswith(b"1."):
            raise _BadRequestError(*_MALFORMED)
        if length is not None and int(length) > self._max_body:
            self._too_large()
        method = request.method.decode("ascii")
        self._head_only = method == "HEAD"
        self._request = (method, _path(request.target.decode("ascii")), tuple(forwarded))

    def _too_large(self) -> None:
        raise _BadRequestError(413, "too_large", f"The body is larger than {self._max_body} bytes.")

    def _read_body(self, events: list[Event]) -> None:
        parser = self._parser
        assert parser is not None
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > self._max_body:
                    self._too_large()
            elif isinstance(event, h11.EndOfMessage):
                self._check_framing(parser)
                self._finish(parser, events)
                return
            elif event is not h11.NEED_DATA:
                raise _BadRequestError(*_MALFORMED)
            elif self._buffer:
                part, self._buffer = self._buffer[:_SLICE], self._buffer[_SLICE:]
                self._fed += len(part)
                parser.receive_data(part)
                continue
            else:
                self._check_framing(parser, waiting=True)
                return
            self._check_framing(parser)

    def _check_framing(self, parser: h11.Connection, waiting: bool = False) -> None:
        """Refuse a chunked body whose framing, not its content, is what is long."""
        behind = 0 if waiting else len(parser.trailing_data[0])
        if self._fed - behind - len(self._body) > MAX_HEAD:
            raise _BadRequestError(*_MALFORMED)

    def _finish(self, parser: h11.Connection, events: list[Event]) -> None:
        assert self._request is not None
        self._keep = parser.their_state is h11.DONE
        self._buffer = parser.trailing_data[0] + self._buffer
        method, path, forwarded = self._request
        events.append(Request(method, path, bytes(self._body), forwarded))
        self._parser = self._request = None
        self._body = bytearray()
        self.busy = True


def _path(target: str) -> str:
    """Return the path of a request target, which may be an absolute URL (RFC 9112 3.2.2)."""
    if target[:7].lower() == "http://":
        _, slash, rest = target[7:].partition("/")
        return slash + rest or "/"
    return target
