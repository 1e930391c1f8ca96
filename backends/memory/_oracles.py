"""What must hold in every simulated transfer, whatever went wrong.

- A file under its final name is whole and right, or it is not there; it never goes away again.
- A sender tells of success only once the recipient holds every accepted file.
- A recipient that succeeded has a sender that did, or one that is `unconfirmed` after a fault that
  can take a receipt away.
- The relay sees no byte of a file, no name and no secret; failures tell none either.
- Nobody dials a data port before the proof, speaks before its turn, or seals before the hellos.
- Buffers are bounded; every run ends in time; a failure is typed, and of a fault that leads there.
- What cannot hurt a transfer does not, and what cannot even hold it up does not do that.
- In the end the relay remembers nothing, and nobody has a connection left; strangers are sent away.

A violation is a sentence. Some are seen while the run goes on, by looking over shoulders; the rest
is judged once nothing is left to happen.
"""

from __future__ import annotations

from typing import NamedTuple

from backends import _io as io
from backends.memory._clock import START
from backends.memory._host import Host
from backends.memory._network import HTTP_PORT, Network, Recipient, RelayHost, Sender
from backends.memory._plan import PROMPT, Kind, Plan, is_harmless
from backends.memory._storm import Storm
from backends.memory._wire import End
from croc_core.channel import Channel, Proven, Stapled
from croc_core.errors import Code, Failure
from croc_core.events import Completed
from croc_core.handshake import HELLO_LENGTH
from croc_core.values import Role

OK = len(b"OK\n")
MAX_QUEUED = 1 << 17
"""Most bytes that a node may have given for one connection, not counting its pumps."""
LONGEST = 7_200.0
"""Within so many virtual seconds every party has ended (`PATIENCE` of the run decides)."""
SHORTEST = 10.0
"""As `LONGEST`, where nothing holds anybody up."""
WINDOW = 16
"""So many bytes of a file in a row must not be seen by the relay."""
BROKEN_BY = {
    Code.PROTOCOL_ERROR: {Kind.FLIP, Kind.TRUNCATE, Kind.RESTART},
    Code.WRONG_CODE: {Kind.WRONG_CODE, Kind.BURN},
    Code.DECLINED: {Kind.DECLINE},
    Code.SIGINT: {Kind.INTERRUPT},
    Code.LOCAL_FILE: {Kind.FULL_DISK, Kind.BAD_FILE},
    Code.UNCONFIRMED: {
        Kind.RESET, Kind.DROP, Kind.TRUNCATE, Kind.FLIP, Kind.RESTART, Kind.NAT, Kind.CRASH,
        Kind.INTERRUPT, Kind.DELAY, Kind.LAG, Kind.SLOW_READER,
    },
    Code.RELAY_UNREACHABLE: {
        Kind.REFUSE, Kind.LOSE, Kind.RESTART, Kind.DELAY, Kind.LAG, Kind.DROP, Kind.RESET, Kind.NAT,
    },
}  # fmt: skip
"""Which faults a failure may come of; one that is not named here may come of any."""


class Pair(NamedTuple):
    """A sender, a recipient, and what is sent."""

    sender: Sender
    recipient: Recipient
    files: dict[str, bytes]


class Oracles:
    """Watches one run; `found` are the violations, in the order in which they were seen."""

    def __init__(self, plan: Plan, storm: Storm) -> None:
        self.found: list[str] = []
        self.pairs: list[Pair] = []
        self.relay: RelayHost
        self.network: Network
        self._plan = plan
        self._storm = storm
        self._reached: set[type[Channel]] = set()  # how far any channel has come
        storm.look = self._look

    # ---- while the run goes on

    def took(self, host: Host, event: io.Input) -> None:
        """See `Tap`."""

    def does(self, host: Host, effect: io.Effect) -> None:
        """See `Tap`: judge success at the very moment at which it is told."""
        if host is self.relay.host:
            self._reached |= {type(channel) for channel in self.relay.channels.values()}
        if isinstance(effect, io.Connect):
            self._dialled(host, effect)
        if not isinstance(effect, io.Tell) or not isinstance(effect.event, Completed):
            return
        for sender, recipient, files in self.pairs:
            if host in (sender.host, recipient.host) and dict(recipient.files) != files:
                self.found.append(f"{host.name} tells of success before every file is there")

    def _dialled(self, host: Host, effect: io.Connect) -> None:
        """A member dials a data port only after the sender's proof, which the right code gives."""
        members = [p.host for pair in self.pairs for p in pair[:2]]
        if host not in members or effect.port == HTTP_PORT:
            return
        if not self._reached & {Proven, Stapled}:
            self.found.append(f"{host.name} dials a data port before the proof")
        if self._has(Kind.WRONG_CODE) and host.name in ("sender", "recipient"):
            self.found.append(f"{host.name} dials a data port with the wrong code")

    def _look(self, end: End) -> None:
        """Nobody says anything before it may: hello after OK, records after the other's hello."""
        name, wire = end.wire.client, end.wire
        if wire.listener == io.HTTP or name not in ("sender", "recipient"):
            return
        role = Role(name)
        seen = self._storm.seen[end]
        line = seen.find(b"\n") + 1
        said = len(seen) - line if line else 0
        if said and end.read < OK:
            self.found.append(f"{name} speaks before the relay has said OK")
        if said and role is Role.SENDER and Stapled not in self._reached:
            self.found.append("the sender speaks before the staple")
        if said > HELLO_LENGTH[role] and end.read < OK + HELLO_LENGTH[role.other]:
            self.found.append(f"{name} seals before it has read the other's hello")

    # ---- at the end

    def judge(self) -> list[str]:
        """Return all violations of a run in which nothing is left to happen."""
        for pair in self.pairs:
            self._judge_pair(pair)
        for party in self.network.parties:
            name = party.host.name
            if not party.finished:
                self.found.append(f"{name} has not ended")
            elif party.failure is not None:
                self._judge_failure(name, party.failure)
        took = self.network.last_end - START
        prompt = all(fault.kind in PROMPT for fault in self._plan.faults)
        if took > (SHORTEST if prompt else LONGEST):
            self.found.append(f"the run took {took:.0f} virtual seconds")
        self._judge_relay()
        for host in self.network.hosts.values():
            if host.most_queued > MAX_QUEUED:
                self.found.append(f"{host.name} queued {host.most_queued} bytes")
            if host.open:
                self.found.append(f"{host.name} has left {host.open} connections open")
        return self.found

    def _judge_pair(self, pair: Pair) -> None:
        sender, recipient, files = pair
        held = dict(recipient.files)
        for path, data in held.items():
            if files.get(path) != data:
                self.found.append(f"{path} is there, and not what was sent")
        if sender.succeeded and held != files:
            self.found.append("the sender succeeded without the recipient holding everything")
        if recipient.succeeded and held != files:
            self.found.append("the recipient succeeded without holding everything")
        if recipient.succeeded and sender.failure is not None:
            if sender.failure.code is not Code.UNCONFIRMED:
                self.found.append(f"the recipient succeeded, the sender ended {sender.failure}")
            elif is_harmless(self._plan):
                self.found.append("a receipt was lost that nothing took")
        if is_harmless(self._plan) and not (sender.succeeded and recipient.succeeded):
            ends = f"{sender.failure}; {recipient.failure}"
            self.found.append(f"{sender.host.name} failed of what nobody may fail of: {ends}")

    def _judge_failure(self, name: str, failure: Failure) -> None:
        text = f"{failure.message} {failure.hint}"
        if failure.code is Code.INTERNAL or not failure.message:
            self.found.append(f"{name} ended by a bug: {failure}")
        if not text.isprintable():
            self.found.append(f"{name} says what cannot be shown: {text!r}")
        for sender, _, _ in self.pairs:
            phrase = sender.code.partition("-")[2]
            if phrase and phrase in text:
                self.found.append(f"{name} tells the secret: {text!r}")
        causes = BROKEN_BY.get(failure.code)
        if causes is not None and not any(self._has(kind) for kind in causes):
            self.found.append(f"{name} ended {failure.code} of nothing that leads there: {failure}")

    def _judge_relay(self) -> None:
        relay = self.relay
        left = (len(relay.channels), relay.node.connections, relay.node.deadline())
        if left != (0, 0, None):
            self.found.append(f"the relay still holds (channels, connections, deadline) {left}")
        for end, seen in self._storm.seen.items():
            for pair in self.pairs:
                secret = _secret_in(bytes(seen), pair)
                if secret and end.wire.client == pair[0].host.name:
                    self.found.append(f"the relay sees {secret}")

    def _has(self, kind: Kind) -> bool:
        return any(fault.kind is kind for fault in self._plan.faults)


def _secret_in(seen: bytes, pair: Pair) -> str:
    """Say what the relay sees of what it must not."""
    phrase = pair.sender.code.partition("-")[2]
    if phrase and phrase.encode() in seen:
        return "the secret"
    for path, data in pair.files.items():
        if path.encode() in seen:
            return "a name"
        for at in range(0, len(data) - WINDOW, max(WINDOW, len(data) // 8)):
            if data[at : at + WINDOW] in seen:
                return "a file"
    return ""
