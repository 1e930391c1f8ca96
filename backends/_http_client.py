"""HTTP/1.1 for a party, without I/O: one POST and its reply (docs/protocol.md, "HTTP")."""

from __future__ import annotations

import h11

from croc_core.errors import Party, RemoteProtocolError
from croc_core.values import Value

MAX_REPLY = 65536
"""Greatest reply body, in bytes."""
MAX_FRAMING = 32768
"""Greatest size of everything in a reply that is not its body, in bytes."""
_UNBOUNDED = 1 << 40


class Reply(Value, frozen=True):
    """The relay's whole reply."""

    hidden = ("body",)

    status: int
    body: bytes
    keep_alive: bool = False
    """Whether the next request may go over the same connection."""
    retry_after: int | None = None
    """Seconds to wait before asking again, where the relay said so."""


class ReplyLostError(RemoteProtocolError):
    """The connection ended before the reply was whole: the request may be repeated."""


def authority(host: str, port: int) -> str:
    """Return host and port as they stand in a URL and in the Host field; IPv6 in brackets."""
    name = host.partition("%")[0]  # a zone means nothing to the other side (RFC 6874)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


class HttpExchange:
    """One POST: send `request`, feed what comes to `receive` until it returns the reply."""

    def __init__(self, authority: str, path: str, body: bytes) -> None:
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_UNBOUNDED)
        self._status = 0
        self._retry_after: int | None = None
        self._body = bytearray()
        self._fed = 0
        headers = [
            ("Host", authority),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        send = self._parser.send
        head = send(h11.Request(method="POST", target=path, headers=headers)) or b""
        rest = (send(h11.Data(data=body)) or b"") if body else b""
        self.request = head + rest + (send(h11.EndOfMessage()) or b"")
        """The bytes of the request."""

    def receive(self, data: bytes) -> Reply | None:
        """Take the next bytes, empty at the end of the stream; return the reply once it is whole.

        Raises ReplyLostError where the stream ends before that, and RemoteProtocolError with
        Party.RELAY where the bytes are not a reply or too many.
        """
        self._fed += len(data)
        try:
            self._parser.receive_data(data)
            return self._advance(ended=not data)
        except h11.ProtocolError as error:
            if not data:
                raise _lost() from None
            raise _nonsense(str(error)) from None

    def _advance(self, ended: bool) -> Reply | None:
        while True:
            event = self._parser.next_event()
            if isinstance(event, h11.Response):
                self._take_head(event)
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > MAX_REPLY:
                    raise _nonsense(f"it is larger than {MAX_REPLY} bytes")
            elif isinstance(event, h11.EndOfMessage):
                rest = len(self._parser.trailing_data[0])
                self._check_framing(rest)
                keep = self._parser.their_state is h11.DONE and not rest and not ended
                return Reply(self._status, bytes(self._body), keep, self._retry_after)
            elif event is h11.NEED_DATA:
                self._check_framing(0)
                return None
            elif not isinstance(event, h11.InformationalResponse):
                raise _lost() if ended else _nonsense("it switches to another protocol")

    def _take_head(self, response: h11.Response) -> None:
        self._status = response.status_code
        for name, value in response.headers:
            if name == b"retry-after" and value.isdigit() and len(value) < 10:
                self._retry_after = int(value)

    def _check_framing(self, behind: int) -> None:
        if self._fed - behind - len(self._body) > MAX_FRAMING:
            raise _nonsense("its header fields are too large")


def _nonsense(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(Party.RELAY, f"the relay's reply makes no sense ({what})")


def _lost() -> ReplyLostError:
    return ReplyLostError(Party.RELAY, "the relay closed the connection before it had replied")
