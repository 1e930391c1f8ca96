"""One run of a plan: attempts that are broken, then one that is not; and what must hold always."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from croc_core.errors import EXIT, Code
from croc_core.wire import MAX_WAIT
from tests.faults import trees
from tests.faults.plan import Fault, Plan
from tests.faults.processes import Process, Relay
from tests.faults.tap import Tap

WAITS = {"request": 8.0, "staple": 8.0, "redial": 4.0, "progress": 8.0}
"""Shorter waits than a person's, in seconds, so that many runs fit into an hour."""
BRIEF, LONG = 2, 45
"""--reconnect, in seconds: where a side is killed, and where all can come back."""
SLACK = 25.0
"""The sum of the other waits, and of what two busy cores take, in seconds."""
JOINING = WAITS["request"] + MAX_WAIT
"""What a recipient waits for the sender's proof, in seconds."""
LEFT = {EXIT[code] for code in (Code.PEER_LEFT, Code.TIMEOUT, Code.UNCONFIRMED)}
AWAY = {EXIT[code] for code in (Code.RELAY_UNREACHABLE, Code.RELAY_REFUSED)}
TIMES = 6
"""Most attempts of a run."""


class Attempt(msgspec.Struct):
    """What an attempt came to."""

    fault: str = ""
    kind: str = ""
    hit: bool = False
    """Whether the fault happened before both had ended."""
    met: bool = False
    """Whether the recipient had seen the offer by then."""
    sender: int | None = None
    recipient: int | None = None
    carried: int = 0
    """Bytes on the data ports."""
    held: int = 0
    """Bytes that were there before it, and right."""
    lacking: int = 0
    seconds: float = 0.0


class Outcome(msgspec.Struct):
    """What a run came to; `faults` are sentences, and there are none."""

    plan: str
    total: int
    attempts: list[Attempt] = []
    faults: list[str] = []
    seconds: float = 0.0


class Place:
    """Where runs take place: a relay with a tap before it, and what is sent."""

    NEAR, FAR = "127.0.71.1", "127.0.72.1"

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.sources = {}
        for shape in trees.SHAPES:
            (folder / f"source {shape}").mkdir(parents=True)
            self.sources[shape] = trees.make(folder / f"source {shape}", shape, seed)
        self.sent = {shape: trees.files(top) for shape, top in self.sources.items()}
        self.relay: Relay | None = None
        self.tap: Tap | None = None

    def open(self, backend: str, **tuning: Any) -> tuple[Relay, Tap]:
        """Return the relay; another one where its backend is another."""
        if self.relay is not None and self.relay.backend != backend:
            self.close()
        while self.relay is None or self.tap is None:
            self.relay = Relay(self.FAR, backend, **tuning)
            try:
                self.tap = Tap(self.NEAR, self.FAR, self.relay.ports)
            except OSError:  # one of the ports is taken there
                self.relay.stop()
                self.relay = None
        return self.relay, self.tap

    @property
    def url(self) -> str:
        assert self.relay is not None
        return f"http://{self.NEAR}:{self.relay.ports[0]}"

    def close(self) -> list[str]:
        """End the relay."""
        found = [] if self.relay is None else self.relay.faults() + self.relay.stop()
        if self.tap is not None:
            self.tap.close()
        self.relay = self.tap = None
        return found


class Pair(contextlib.AbstractContextManager["Pair"]):
    """A sender and a recipient."""

    def __init__(self, place: Place, senders: str, recipients: str, **more: Any) -> None:
        self.place = place
        self._senders, self._recipients = senders, recipients
        self._patience = more.pop("patience", WAITS)
        self._more = more
        self.sender: Process | None = None
        self.recipient: Process | None = None
        self._processes: list[Process] = []

    def send(self, source: Path, *flags: object, **more: Any) -> str | None:
        """Start the sender; return its code."""
        arguments = ("send", source, "--relay", self.place.url, *flags)
        self.sender = self._start(self._senders, *arguments, **more)
        code = self.sender.until("code")
        return None if code is None else str(code["code"])

    def receive(
        self, code: str, out: Path, *flags: object, existing: str = "--skip", **more: Any
    ) -> Process:
        """Start a recipient."""
        arguments = ("receive", "--yes", existing, "--relay", self.place.url, "--out", out, *flags)
        self.recipient = self._start(self._recipients, *arguments, CROC_CODE=code, **more)
        return self.recipient

    def _start(self, backend: str, *arguments: object, **more: Any) -> Process:
        tuning = {"patience": self._patience, **more.pop("tuning", {})}
        process = Process(backend, *arguments, tuning=tuning, **self._more, **more)
        self._processes.append(process)
        return process

    def both(self) -> tuple[Process, Process]:
        assert self.sender is not None
        assert self.recipient is not None
        return self.sender, self.recipient

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.close()


def run(place: Place, plan: Plan) -> Outcome:
    """Run *plan* until the recipient has everything."""
    began = time.monotonic()
    sent = place.sent[plan.shape]
    outcome = Outcome(str(plan), sum(map(len, sent.values())))
    out = place.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for number in range(TIMES):
        fault = plan.faults[number] if number < len(plan.faults) else None
        before = trees.Came(sent, out)
        attempt = Attempt(
            str(fault or ""),
            "undisturbed" if fault is None else fault.kind,
            held=before.right,
            lacking=outcome.total - before.right,
        )
        outcome.attempts.append(attempt)
        found = _attempt(place, plan, fault, attempt, out)
        after = trees.Came(sent, out)
        found += after.faults
        if attempt.sender == 0 and not after.all:
            found.append(f"the sender says that all arrived: {after.whole} files of {len(sent)}")
        if attempt.recipient == 0 and not after.all:
            found.append(f"the recipient says it has all: {after.whole} of {len(sent)}")
        if after.right < before.right:
            found.append(f"of {before.right} bytes {after.right} are left")
        found += _amount(outcome.total, len(sent), attempt) if not attempt.hit else []
        outcome.faults += [f"attempt {number + 1}: {what}" for what in found]
        if after.all or outcome.faults:
            break
    else:
        outcome.faults.append("it does not come to an end")
    outcome.seconds = round(time.monotonic() - began, 2)
    return outcome


def _amount(total: int, files: int, attempt: Attempt) -> list[str]:
    """Whether only what was lacking was sent."""
    most = attempt.lacking + total // 50 + 400 * files + (128 << 10)
    if attempt.carried <= most:
        return []
    return [f"{attempt.carried} bytes were sent where {attempt.lacking} were lacking"]


def _attempt(
    place: Place, plan: Plan, fault: Fault | None, attempt: Attempt, out: Path
) -> list[str]:
    relay, tap = place.open(plan.relay)
    began, carried = time.monotonic(), tap.carried
    kills_a_side = fault is not None and {"sender", "recipient"} & {*fault.victims}
    again = BRIEF if kills_a_side else LONG
    flags: tuple[object, ...] = ("--reconnect", again, "--streams", plan.streams)
    slow = ("--throttle", plan.rate) if plan.rate else ()
    with Pair(place, plan.sender, plan.recipient) as pair:
        code = pair.send(place.sources[plan.shape], *flags, *slow)
        if code is None:
            return ["the sender gives no code", *pair.both()[0].faults()]
        pair.receive(code, out, *flags)
        if fault is not None:
            _break(relay, tap, pair, fault, attempt)
        found = _end(pair, fault, attempt, out, flags)
        tap.forget()
        sender, recipient = pair.both()
        attempt.sender, attempt.recipient = sender.status, recipient.status
        found += sender.faults() + recipient.faults()
        found += _fitting(fault, attempt, sender, recipient)
    attempt.carried = tap.carried - carried
    attempt.seconds = round(time.monotonic() - began, 2)
    return found


def _break(relay: Relay, tap: Tap, pair: Pair, fault: Fault, attempt: Attempt) -> None:
    """Let it happen."""
    sender, recipient = pair.both()
    who = {"sender": sender, "recipient": recipient, "relay": relay.process}
    hit = threading.Event()

    def strike() -> None:
        for victim in fault.victims:
            who[victim].signal(signal.SIGKILL)
        if not fault.victims:
            tap.cut_all()
        hit.set()

    moment = fault.moment
    if moment.share is not None:
        for share in fault.more:
            tap.at(int(attempt.lacking * share), tap.cut_all)
        tap.at(int(attempt.lacking * moment.share), strike)
        while not hit.wait(0.01):
            if sender.status is not None and recipient.status is not None:
                return
    else:
        if moment.anchor != "start" and recipient.until(moment.anchor) is None:
            return
        time.sleep(moment.delay)  # the moment itself
        if sender.status is not None and recipient.status is not None:
            return
        strike()
    attempt.hit = True
    attempt.met = recipient.heard("offer") is not None
    if "relay" in fault.victims:
        time.sleep(fault.pause)
        relay.process.close()
        relay.start()


def _end(
    pair: Pair, fault: Fault | None, attempt: Attempt, out: Path, flags: tuple[Any, ...]
) -> list[str]:
    """Wait for the end of both, as long as it may take."""
    sender, recipient = pair.both()
    killed = {} if fault is None or not attempt.hit else {*fault.victims}
    longest = (BRIEF if {"sender", "recipient"} & {*killed} else LONG) + SLACK
    longest += 0 if attempt.met else JOINING
    found: list[str] = []
    if attempt.hit and not attempt.met and "sender" not in killed and _came_to_nothing(recipient):
        if sender.ended(BRIEF + WAITS["staple"] + WAITS["request"]):
            return found
        # Nobody has come, as it sees it; the code is good for whoever comes.
        code = [event for event in sender.events if event["event"] == "code"][-1]["code"]
        recipient = pair.receive(code, out, *flags)
        if recipient.ended(longest) and recipient.status == EXIT[Code.RELAY_REFUSED]:
            sender.signal(signal.SIGTERM)  # or somebody had come, and never answered
            sender.ended(SLACK)
            return found
    for process in (recipient, sender):
        if not process.ended(longest):
            last = [event for event in process.events if event["event"] != "progress"][-4:]
            found.append(f"{process.name} does not end in {longest} s: {last}")
    return found


def _came_to_nothing(recipient: Process) -> bool:
    return recipient.ended(JOINING + SLACK) and recipient.status != 0


def _fitting(
    fault: Fault | None, attempt: Attempt, sender: Process, recipient: Process
) -> list[str]:
    """Whether each of the two ended as what happened lets it end."""
    ends = (sender.status, recipient.status)
    if fault is None or not attempt.hit:
        return [] if ends == (0, 0) else [f"undisturbed they ended with {_said(sender, recipient)}"]
    killed = {*fault.victims}
    if not killed & {"sender", "recipient"} and attempt.met:
        # Both hold keys: they come back, whatever became of relay and connections.
        fine = ends == (0, 0) or ends == (EXIT[Code.UNCONFIRMED], 0)
        return [] if fine else [f"they did not come back: {_said(sender, recipient)}"]
    fitting = LEFT | AWAY | {0, -9, 143}
    return [] if {*ends} <= fitting else [f"they ended with {_said(sender, recipient)}"]


def _said(*processes: Process) -> str:
    return ", ".join(f"{one.status} ({one.failure.get('message', '')})" for one in processes)
