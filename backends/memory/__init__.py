"""The network in memory: the same nodes as everywhere, without sockets and without waiting."""

from __future__ import annotations

from backends.memory._network import Network, Party, Recipient, RelayHost, Sender
from backends.memory.files import MemorySink, MemorySource

__all__ = [
    "MemorySink",
    "MemorySource",
    "Network",
    "Party",
    "Recipient",
    "RelayHost",
    "Sender",
]
