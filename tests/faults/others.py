"""What else goes wrong: disks, sources, descriptors, sleeping sides and clocks; one function each.

Each takes a `Place` and a `Random`, and returns an `Other`: what happened, and what was wrong.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from croc_core.errors import EXIT, Code
from tests.faults import trees
from tests.faults.kills import BRIEF, LEFT, LONG, SLACK, WAITS, Pair, Place
from tests.faults.plan import BACKENDS
from tests.faults.processes import Process, Relay

FILES = EXIT[Code.LOCAL_FILE]
DISK = 40
"""Size of the small disk, in MiB."""


class SkippedError(Exception):
    """It cannot be done here; the text says why."""


class Other(msgspec.Struct):
    """What came of it; `faults` are sentences, and there are none."""

    ends: list[str] = []
    faults: list[str] = []

    def expect(self, right: bool, what: str) -> None:
        """Note *what* if it is not *right*."""
        if not right:
            self.faults.append(what)


class Meeting:
    """One transfer into *out* on backends by chance; something happens at a share of the bytes."""

    def __init__(self, place: Place, chance: random.Random, source: Path, out: Path) -> None:
        self.place, self.source, self.out = place, source, out
        self.sent = trees.files(source)
        self.backends = chance.choice(BACKENDS), chance.choice(BACKENDS)
        place.open(place.relay.backend if place.relay else chance.choice(BACKENDS))
        self.carried = 0

    def run(
        self,
        other: Other,
        *,
        share: float = 0.0,
        act: Callable[[Process, Process], None] | None = None,
        again: int = BRIEF,
        longest: float = LONG,
        sender: dict[str, Any] | None = None,
        recipient: dict[str, Any] | None = None,
        slow: tuple[object, ...] = ("--throttle", "25M"),
    ) -> tuple[int | None, int | None]:
        """Run it; return both statuses, having noted whatever is wrong in any case."""
        tap = self.place.tap
        assert tap is not None
        before = tap.carried
        common = ("--reconnect", again)
        with Pair(self.place, *self.backends) as pair:
            code = pair.send(self.source, *common, *slow, **(sender or {}))
            if code is None:
                assert pair.sender is not None
                pair.sender.ended(SLACK)
                other.faults += pair.sender.faults()
                return pair.sender.status, None
            pair.receive(code, self.out, *common, **(recipient or {}))
            one, two = pair.both()
            if act is not None:
                tap.at(int(share * sum(map(len, self.sent.values()))), lambda: act(one, two))
            for process in (two, one):
                if process is one and two.status and one.heard("offer") is None:
                    process.signal(signal.SIGTERM)  # nobody came, and it would wait for a day
                if not process.ended(longest + SLACK):
                    other.faults.append(f"{process.name} does not end in {longest + SLACK} s")
            tap.forget()
            for process in (one, two):
                other.faults += process.faults()
                if process.status:
                    other.ends.append(f"{process.name}: {_said(process)}")
            ends = one.status, two.status
        self.carried = tap.carried - before
        came = trees.Came(self.sent, self.out)
        other.ends.append(f"{ends[0]}, {ends[1]}")
        if 0 in ends:
            other.expect(came.all, f"{ends}, but {came.whole} of {len(self.sent)} files are there")
        return ends


def _said(process: Process) -> str:
    return f"{process.failure.get('message', '')} {process.failure.get('hint', '')}"


def _out(place: Place) -> Path:
    out = place.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    return out


@contextlib.contextmanager
def small_disk(place: Place) -> Iterator[Path]:
    """A file system of DISK MiB."""
    at = place.folder / "disk"
    at.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "croc-faults", str(at)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SkippedError("there is no mount here") from None
    if done.returncode:
        raise SkippedError(f"a small disk needs root ({done.stderr.strip()})")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False)


# ---- disks


def disk_fills(place: Place, chance: random.Random) -> Other:
    """Somebody else fills the disk while a file comes; once there is room again, it goes on."""
    other = Other()
    with small_disk(place) as disk:
        out = disk / "out"
        out.mkdir()
        meeting = Meeting(place, chance, place.sources["one"], out)
        ballast = disk / "ballast"
        ends = meeting.run(other, share=chance.uniform(0.1, 0.7), act=lambda *_: _fill(ballast))
        other.expect(ends == (EXIT[Code.PEER_LEFT], FILES), f"a full disk: {ends}")
        ballast.unlink()
        before = trees.Came(meeting.sent, out)
        other.faults += before.faults
        ends = meeting.run(other)
        other.expect(ends == (0, 0), f"with room again: {ends}")
        total = sum(map(len, meeting.sent.values()))
        most = total - before.right + total // 50
        other.expect(before.right > 0, "nothing was kept")
        other.expect(meeting.carried <= most, f"{meeting.carried} sent, {before.right} were there")
        other.ends.append(f"kept {before.right} bytes of {total}, then {meeting.carried} came")
    return other


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(64 << 10))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def disk_is_full(place: Place, chance: random.Random) -> Other:
    """There is no room from the beginning: both are told before anything is written."""
    other = Other()
    with small_disk(place) as disk:
        out = disk / "out"
        out.mkdir()
        (disk / "ballast").write_bytes(bytes((DISK - 10) << 20))
        meeting = Meeting(place, chance, place.sources["one"], out)
        ends = meeting.run(other)
        other.expect(ends == (EXIT[Code.PEER_LEFT], FILES), f"no room: {ends}")
        other.expect(not list(out.iterdir()), "something was written")
    return other


def read_only(place: Place, chance: random.Random) -> Other:
    """The target may not be written to."""
    other = Other()
    with small_disk(place) as disk:
        out = disk / "out"
        out.mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        meeting = Meeting(place, chance, place.sources[chance.choice(trees.SHAPES)], out)
        ends = meeting.run(other)
        other.expect(ends == (EXIT[Code.PEER_LEFT], FILES), f"read only: {ends}")
        other.expect(not list(out.iterdir()), "something was written")
    return other


# ---- sources


def source_changes(place: Place, chance: random.Random) -> Other:
    """A file grows, shrinks, is written over, replaced or removed while it is being sent."""
    other = Other()
    how = chance.choice(("grow", "shrink", "rewrite", "replace", "remove"))
    copy = place.folder / "changing"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(place.sources["mixed"], copy / "mixed")
    victims = sorted((copy / "mixed" / "large").iterdir())
    out = _out(place)
    meeting = Meeting(place, chance, copy / "mixed", out)
    late = chance.choice(victims)
    share = chance.uniform(0.0, 0.9)
    ends = meeting.run(other, share=share, act=lambda *_: _change(late, how, chance))
    told = {(FILES, EXIT[Code.PEER_LEFT]), (0, 0)}
    other.expect(ends in told, f"{how}: {ends}")
    other.ends.append(f"{how} at {share:.2f}: {ends}")
    new = trees.files(copy / "mixed")
    came = trees.Came(meeting.sent, out)
    other.faults += came.faults
    if ends != (0, 0):
        meeting.sent = new
        ends = meeting.run(other, recipient={"existing": "--overwrite"})
        other.expect(ends == (0, 0), f"{how}, sent again: {ends}")
        # A file that was whole before its source was removed is the recipient's.
        left = {name for name in trees.files(out) if name.rpartition("/")[2] == late.name}
        other.expect(how == "remove" or bool(left), f"{late.name} did not come")
    return other


def _change(path: Path, how: str, chance: random.Random) -> None:
    size = path.stat().st_size
    if how == "remove":
        path.unlink()
    elif how == "shrink":
        os.truncate(path, chance.randrange(size))
    elif how == "grow":
        with path.open("ab") as file:
            file.write(chance.randbytes(100_000))
    elif how == "rewrite":
        with path.open("r+b") as file:
            file.write(chance.randbytes(size))
    else:
        fresh = path.with_name("fresh")
        fresh.write_bytes(chance.randbytes(size))
        fresh.replace(path)


# ---- descriptors


def few_descriptors(place: Place, chance: random.Random) -> Other:
    """A side may open just so many files: it succeeds, or ends with a sentence; the other, too."""
    other = Other()
    side = chance.choice(("sender", "recipient"))
    number = chance.choice((12, 14, 16, 18, 20, 24, 32, 48))
    source = place.sources[chance.choice(("many", "mixed"))]
    meeting = Meeting(place, chance, source, _out(place))
    limited: dict[str, Any] = {side: {"files": number}}
    ends = meeting.run(other, **limited)
    other.ends.append(f"{side} with {number} descriptors: {ends}")
    other.faults += trees.Came(meeting.sent, meeting.out).faults
    if ends != (0, 0):
        ends = meeting.run(other)
        other.expect(ends == (0, 0), f"with enough descriptors: {ends}")
    return other


def relay_without_descriptors(place: Place, chance: random.Random) -> Other:
    """A crowd takes all that a relay may open; when it goes all is as before."""
    other = Other()
    place.close()
    backend = chance.choice(BACKENDS)
    relay = Relay("127.0.73.1", backend, ports=1, files=64)
    try:
        crowd = []
        for number in range(200):
            sock = socket.socket()
            sock.settimeout(1.0)
            sock.bind((f"127.0.74.{number % 200 + 1}", 0))
            crowd.append(sock)
            with contextlib.suppress(OSError):
                sock.connect((relay.host, relay.ports[number % 2]))
        until = time.monotonic() + SLACK
        while relay.sockets() <= relay.at_start and time.monotonic() < until:
            time.sleep(0.05)
        most = relay.sockets() - relay.at_start
        other.expect(most > 0, "nobody was let in")
        for sock in crowd:
            sock.close()
        other.faults += relay.faults()
        with Pair(place, chance.choice(BACKENDS), chance.choice(BACKENDS)) as pair:
            source, out = place.sources["mixed"], _out(place)
            place.relay, near = relay, Place.NEAR
            Place.NEAR = relay.host  # without a tap
            try:
                code = pair.send(source, "--reconnect", BRIEF)
                assert code is not None, pair.sender and pair.sender.failure
                pair.receive(code, out, "--reconnect", BRIEF)
            finally:
                place.relay, Place.NEAR = None, near
            one, two = pair.both()
            other.expect(two.ended(LONG) and one.ended(LONG), "a transfer does not end")
            other.expect((one.status, two.status) == (0, 0), f"{_said(one)}; {_said(two)}")
            other.faults += one.faults() + two.faults()
        other.ends.append(f"{backend}: 200 connections, 64 descriptors, {most} let in")
    finally:
        other.faults += relay.stop()
    return other


# ---- sides that sleep, and clocks


def stopped(place: Place, chance: random.Random) -> Other:
    """A side stops (SIGSTOP) for good: the other ends in time; woken, it ends, too."""
    other = Other()
    who = chance.choice(("sender", "recipient"))
    meeting = Meeting(place, chance, place.sources["one"], _out(place))
    began = 0.0
    asleep: list[Process] = []

    def stop(sender: Process, recipient: Process) -> None:
        nonlocal began
        began = time.monotonic()
        asleep.append(sender if who == "sender" else recipient)
        asleep[0].signal(signal.SIGSTOP)

    assert place.tap is not None
    tap = place.tap
    with Pair(place, *meeting.backends) as pair:
        flags = ("--reconnect", BRIEF)
        code = pair.send(meeting.source, *flags, "--throttle", "12M")
        assert code is not None
        pair.receive(code, meeting.out, *flags)
        one, two = pair.both()
        tap.at(int(chance.uniform(0.05, 0.6) * (24 << 20)), lambda: stop(one, two))
        awake = two if who == "sender" else one
        most = WAITS["progress"] + BRIEF + WAITS["request"] + SLACK
        other.expect(awake.ended(most), f"{awake.name} does not end in {most} s")
        took = time.monotonic() - began
        other.expect(bool(asleep) and asleep[0].status is None, "it did not stop")
        for process in asleep:
            process.signal(signal.SIGCONT)
            other.expect(process.ended(most), f"{process.name}, woken, does not end in {most} s")
        for process in (one, two):
            other.faults += process.faults()
            other.expect(process.status in {*LEFT, 0}, f"{process.name}: {process.status}")
        other.ends.append(f"{who} asleep: {one.status}, {two.status} after {took:.1f} s")
        came = trees.Came(meeting.sent, meeting.out)
        other.faults += came.faults
        other.expect(one.status != 0 or came.all, "the sender says that all arrived")
    return other


def nap(place: Place, chance: random.Random) -> Other:
    """A side or the relay stops for some seconds: the transfer goes on."""
    other = Other()
    who = chance.choice(("sender", "recipient", "relay"))
    meeting = Meeting(place, chance, place.sources["one"], _out(place))
    relay = place.relay
    assert relay is not None

    def doze(sender: Process, recipient: Process) -> None:
        process = {"sender": sender, "recipient": recipient, "relay": relay.process}[who]
        process.signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.5, 4))  # how long it sleeps
        process.signal(signal.SIGCONT)

    ends = meeting.run(other, share=chance.uniform(0, 0.9), act=doze, again=LONG)
    other.expect(ends == (0, 0), f"{who} slept: {ends}")
    other.ends.append(f"{who}: {ends}")
    return other


def clock_jumps(place: Place, chance: random.Random) -> Other:
    """The wall clock of relay, sender and recipient jumps by a day, one way or the other."""
    other = Other()
    place.close()

    def tuning() -> dict[str, float]:
        return {"jump": chance.choice((-86400.0, 86400.0)), "after": chance.uniform(0.3, 1.5)}

    relay = tuning()
    place.open(chance.choice(BACKENDS), **relay)
    meeting = Meeting(place, chance, place.sources["one"], _out(place))
    sides: dict[str, Any] = {"sender": {"tuning": tuning()}, "recipient": {"tuning": tuning()}}
    ends = meeting.run(other, **sides, slow=("--throttle", "15M"))
    other.expect(ends == (0, 0), f"clocks jumped: {ends}")
    other.ends.append(f"relay {relay}, sides {sides}: {ends}")
    other.faults += place.close()
    return other


OTHERS = (
    disk_fills, disk_is_full, read_only, source_changes, few_descriptors,
    relay_without_descriptors, stopped, nap, clock_jumps,
)  # fmt: skip


def run_other(place: Place, name: str, seed: int, number: int) -> Other | str:
    """Run one of OTHERS by its name; a sentence is why it cannot be done here."""
    act = next(one for one in OTHERS if one.__name__ == name)
    try:
        return act(place, random.Random(f"{name} {seed} {number}"))
    except SkippedError as skipped:
        return str(skipped)
