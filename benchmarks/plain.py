"""Plaintext through the same relay: the limit that a transfer is measured against.

Two processes take the two seats of a channel with made-up values (a relay compares nothing), dial
the data port, are stapled, and move a file in the clear: `sendfile` into the socket on one side,
`recv_into` one buffer and `write` on the other.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

BUFFER = 1 << 20


def value() -> str:
    """A value of the right form."""
    return base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


class Member:
    """One seat of a channel on the relay at *url*."""

    def __init__(self, url: str, **join: Any) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self._host = parts.hostname
        self._http = http.client.HTTPConnection(self._host, parts.port, timeout=60)
        self.joined = self.post("/join", join)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send one request; return the reply."""
        self._http.request("POST", path, json.dumps(body))
        reply = self._http.getresponse()
        data: dict[str, Any] = json.loads(reply.read())
        assert reply.status == 200, data
        return data

    def update(self, **fields: Any) -> dict[str, Any]:
        """Read or change the channel."""
        seat = {"channel": self.joined["channel"], "uuid": self.joined["uuid"]}
        return self.post("/channel", {**seat, **fields})

    def dial(self) -> socket.socket:
        """Connect to the data port and identify."""
        sock = socket.create_connection((self._host, self.joined["data"][0]["port"]), timeout=60)
        line = f"CROC/1 {self.joined['channel']} {self.joined['uuid']}\n"
        sock.sendall(line.encode())
        assert sock.recv(3, socket.MSG_WAITALL) == b"OK\n"
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        return sock


def send(url: str, path: str) -> None:
    """Print the channel; wait for the recipient; send the file."""
    member = Member(url, role="sender")
    state = member.update(x=value(), curve="x25519")
    print(member.joined["channel"], flush=True)
    while state["y"] is None:
        state = member.update(since=state["seq"], wait=25)
    member.update(h_k=value())
    with member.dial() as sock, open(path, "rb") as file:
        while not (state := member.update(since=state["seq"], wait=25))["stapled"]:
            pass
        sock.sendfile(file)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b"!"


def receive(url: str, channel: str, path: str) -> None:
    """Take the other seat; write what comes."""
    member = Member(url, role="recipient", channel=channel)
    state = member.update(y=value(), hh_k=value())
    while state["h_k"] is None:
        state = member.update(since=state["seq"], wait=25)
    buffer = memoryview(bytearray(BUFFER))
    with member.dial() as sock, open(path, "wb", buffering=0) as file:
        while count := sock.recv_into(buffer):
            file.write(buffer[:count])
        sock.sendall(b"!")
    member.update(close=True, reason="done")


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(*sys.argv[2:])
    else:
        receive(*sys.argv[2:])
