"""A stranger who means ill: `python -m benchmarks.garbage HOST HTTP-PORT DATA-PORT`.

Reads names of other people's channels from standard input, one a line ("pair NAME" where both seats
are taken, "open NAME" where the recipient is awaited), up to an empty line. Then it does all that a
stranger can do to a relay, from addresses of its own, until standard input ends; and prints what
the relay answered, as JSON: a count for each kind and answer.

It guesses no names: a name that is right, joined before the recipient, uses up the code's one
guess by design (docs/protocol.md, "Codes"). It shows names that it knows with uuids that are wrong.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import random
import sys
from collections.abc import Callable

CROWD = 40
"""How many things it does at a time, of each kind."""
FLOOD = "127.200.0.1"
"""The one address that floods."""
SLOW = 8.0
"""How long it holds a connection on which it says nothing more, in seconds; less than a relay's
own deadline for half of them."""


def request(path: str, **body: object) -> bytes:
    """One request with a JSON body."""
    data = json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: r\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


class Stranger:
    """Does it, and counts what it is answered."""

    def __init__(self, host: str, http: int, data: int, seed: int) -> None:
        self.host, self.http, self.data = host, http, data
        self.random = random.Random(seed)
        self.paired: list[str] = []
        self.open: list[str] = []
        self.done = False
        self.counts: collections.Counter[str] = collections.Counter()

    def address(self) -> str:
        """One of 256 addresses that nobody else has."""
        return f"127.201.{self.random.randrange(256)}.1"

    def uuid(self) -> str:
        return self.random.randbytes(16).hex()

    def malformed(self) -> tuple[int, bytes, float]:
        kind = self.random.randrange(5)
        junk = self.random.randbytes(self.random.randrange(1, 3000))
        return (
            self.http,
            (
                junk,
                b"\x16\x03\x01\x02\x00" + junk,
                b"POST /join HTTP/1.1\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
                request("/join", role="sender")[:-2] + b"{{",
                request("/join", role="sender").replace(b"Length: ", b"Length: 9999"),
            )[kind],
            0.5,
        )

    def half(self) -> tuple[int, bytes, float]:
        whole = request("/join", role="sender")
        return self.http, whole[: self.random.randrange(1, len(whole) - 1)], SLOW

    def noise(self) -> tuple[int, bytes, float]:
        return self.data, self.random.randbytes(self.random.randrange(1, 400)), 0.5

    def silence(self) -> tuple[int, bytes, float]:
        return self.data, b"CROC/1 "[: self.random.randrange(7)], SLOW

    def unknown(self) -> tuple[int, bytes, float]:
        name = "0" + "".join(self.random.choices("abcdefghjk", k=30))  # no relay's own
        if self.random.randrange(2):
            return self.data, f"CROC/1 {name} {self.uuid()}\n".encode(), 0.5
        path, more = self.random.choice(
            (("/join", {"role": "recipient"}), ("/channel", {"uuid": self.uuid(), "wait": 25}))
        )
        return self.http, request(path, channel=name, **more), 0.5

    def flood(self) -> tuple[int, bytes, float]:
        return self.http, request("/join", role="sender") * 20, 0.5

    def burn(self) -> tuple[int, bytes, float]:
        paired, known = self.random.choice(self.paired), self.random.choice(self.open + self.paired)
        close = {"close": True, "reason": "wrong_code"}
        return self.random.choice(
            (
                (self.http, request("/join", role="recipient", channel=paired), 0.5),
                (self.http, request("/channel", channel=known, uuid=self.uuid(), **close), 0.5),
                (self.http, request("/channel", channel=known, uuid=self.uuid(), x="AAAA"), 0.5),
                (self.data, f"CROC/1 {paired} {self.uuid()}\n".encode(), 0.5),
            )
        )

    async def go_on(self, kind: str, make: Callable[[], tuple[int, bytes, float]]) -> None:
        while not self.done:
            port, data, patience = make()
            local = FLOOD if kind == "flood" else self.address()
            try:
                async with asyncio.timeout(20):
                    answer = await self.say(local, port, data, patience)
            except (OSError, TimeoutError) as error:
                answer = type(error).__name__
            self.counts[f"{kind}: {answer}"] += 1

    async def say(self, local: str, port: int, data: bytes, patience: float) -> str:
        reader, writer = await asyncio.open_connection(self.host, port, local_addr=(local, 0))
        try:
            writer.write(data)
            answer = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    answer = await reader.read(4096)
            words = answer[:16].split()
            return words[1].decode("ascii", "replace") if len(words) > 1 else "nothing"
        finally:
            writer.transport.abort()


async def storm(stranger: Stranger) -> None:
    """Do all of it until standard input ends."""
    kinds = (
        stranger.malformed, stranger.half, stranger.noise, stranger.silence, stranger.unknown,
        stranger.flood, stranger.burn,
    )  # fmt: skip
    crowd = [
        asyncio.ensure_future(stranger.go_on(kind.__name__, kind))
        for kind in kinds
        for _ in range(CROWD)
    ]
    await asyncio.to_thread(sys.stdin.read)
    stranger.done = True
    for one in crowd:
        one.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)


def main() -> None:
    host, http, data = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    stranger = Stranger(host, http, data, 1)
    for line in iter(sys.stdin.readline, "\n"):
        kind, name = line.split()
        (stranger.paired if kind == "pair" else stranger.open).append(name)
    asyncio.run(storm(stranger))
    print(json.dumps(dict(sorted(stranger.counts.items()))))


if __name__ == "__main__":
    main()
