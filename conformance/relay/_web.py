"""HTTP/1.1 from the side of a strict client, over any pipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance._case import UnmetError
from conformance.subjects._pipe import PATIENCE, Pipe

_MOST = 1 << 20
"""Most bytes that are read of a reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; the names of its header fields are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        try:
            found = json.loads(self.body)
        except ValueError:
            raise UnmetError(f"the body is no JSON: {self.body[:80]!r}") from None
        if not isinstance(found, dict):
            raise UnmetError(f"the body is no JSON object: {self.body[:80]!r}")
        return found

    def says(self, status: int, code: str | None = None) -> bool:
        """Say whether it has this status, and this code for a program."""
        return self.status == status and (code is None or self.data.get("code") == code)

    def __str__(self) -> str:
        return f"{self.status} {self.body[:120].decode('utf-8', 'replace')}"


def request(authority: str, method: str, path: str, body: bytes, *more: str) -> bytes:
    """Return the bytes of a request; *more* are further header fields."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {authority}", "Content-Type: application/json"]
    head += [f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


class Web:
    """One HTTP connection."""

    def __init__(self, pipe: Pipe, authority: str, patience: float = PATIENCE) -> None:
        """*patience* is how long a reply is awaited, in seconds."""
        self.pipe = pipe
        self.patience = patience
        self._authority = authority
        self._buffer = b""

    def write(self, path: str, fields: Mapping[str, Any], *more: str, method: str = "POST") -> None:
        """Send a request with *fields* as its JSON body."""
        self.write_body(path, json.dumps(fields).encode(), *more, method=method)

    def write_body(self, path: str, body: bytes, *more: str, method: str = "POST") -> None:
        """Send a request with any body."""
        self.pipe.send(request(self._authority, method, path, body, *more))

    def read(self) -> Reply:
        """Read one reply. Raises UnmetError where it is none, TimeoutError, OSError."""
        patience = self.patience
        status, headers = self._head(patience)
        while status == 100:
            status, headers = self._head(patience)
        return Reply(status, headers, self._body(headers, patience))

    def ended(self, patience: float = PATIENCE) -> bool:
        """Wait for the relay to close; say whether it did so without another byte."""
        try:
            return not self._buffer and not self.pipe.receive(1, patience)
        except ConnectionError:
            return True

    def _more(self, patience: float) -> None:
        data = self.pipe.receive(patience=patience)
        if not data:
            raise UnmetError("the relay closed the connection within a reply")
        self._buffer += data
        if len(self._buffer) > _MOST:
            raise UnmetError(f"a reply of more than {_MOST} bytes")

    def _head(self, patience: float) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._buffer:
            self._more(patience)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise UnmetError(f"no HTTP reply: {first[:80]!r}")
        fields = (line.partition(":") for line in lines)
        return int(parts[1]), {name.lower(): value.strip() for name, _, value in fields}

    def _take(self, count: int, patience: float) -> bytes:
        while len(self._buffer) < count:
            self._more(patience)
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _body(self, headers: Mapping[str, str], patience: float) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks(patience)
        if "content-length" in headers:
            return self._take(int(headers["content-length"]), patience)
        while data := self.pipe.receive(patience=patience):
            self._buffer += data
        return self._take(len(self._buffer), patience)

    def _chunks(self, patience: float) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._buffer:
                self._more(patience)
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            size = int(line.partition(b";")[0], 16)
            body += self._take(size + 2, patience)[:-2]
            if not size:
                return body
