"""A server that answers each POST with its own body: `python -m benchmarks.echo h11|httptools|raw`.

What a relay's requests cost where nothing is done with them, by the parser. It prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class _Echo(asyncio.Protocol):
    """Keeps the transport."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.begin()

    def begin(self) -> None:
        """Get ready for the first request."""


class H11(_Echo):
    """By h11, both ways."""

    def begin(self) -> None:
        import h11

        self._h11 = h11
        self._conn = h11.Connection(h11.SERVER)
        self._body = b""

    def data_received(self, data: bytes) -> None:
        h11, conn = self._h11, self._conn
        conn.receive_data(data)
        while True:
            event = conn.next_event()
            if isinstance(event, h11.Data):
                self._body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                body, self._body = self._body, b""
                headers = [
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(body))),
                ]
                out = conn.send(h11.Response(status_code=200, headers=headers)) or b""
                out += conn.send(h11.Data(data=body)) or b""
                out += conn.send(h11.EndOfMessage()) or b""
                self.transport.write(out)
                conn.start_next_cycle()
            elif event is h11.NEED_DATA or event is h11.PAUSED:
                return
            elif isinstance(event, h11.ConnectionClosed):
                self.transport.close()
                return


class Httptools(_Echo):
    """By httptools, which is node's parser in C."""

    def begin(self) -> None:
        import httptools  # type: ignore[import-not-found, unused-ignore]

        self._parser: Any = httptools.HttpRequestParser(self)
        self._body = b""

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        self.transport.write(_HEAD % len(body) + body)


class Raw(_Echo):
    """By next to nothing: what the loop and the sockets take."""

    def begin(self) -> None:
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if found and len(rest) >= (length := int(head.rpartition(b":")[2])):
            self._data = rest[length:]
            self.transport.write(_HEAD % length + rest[:length])


KINDS: dict[str, type[_Echo]] = {"h11": H11, "httptools": Httptools, "raw": Raw}


async def main() -> None:
    """Serve until the end."""
    server = await asyncio.get_running_loop().create_server(KINDS[sys.argv[1]], "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
