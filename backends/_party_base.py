"""What a sender and a recipient share as nodes: the machine with HTTP and framing around it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from backends._control import Control
from backends._gate import Gate
from backends._io import Broken, Conn, Effect, Input, Started, Tell, Told, Woke, Worked
from backends._jobs import After, Jobs
from backends._link import Link, broken
from backends._meter import Meter, name_of
from backends._show import show
from croc_core import party_io as p
from croc_core.content import TopNames
from croc_core.errors import Failure
from croc_core.events import Completed, Failed, Note, OfferSeen, Text, Verifier
from croc_core.machine import Machine
from croc_core.party import LINK
from croc_core.values import Moment

PARTING = 5.0
"""How long files may take to be put away at the end of a run, in seconds."""


class PartyNode:
    """Drives one machine; the machine's words become bytes here, in one place for every backend."""

    def __init__(self, machine: Machine[Any], host: str, port: int, files: object = None) -> None:
        self.failure: Failure | None = None
        """How the run ended, once it is finished; None is success."""
        self._machine = machine
        self._numbers = itertools.count(2, 2)
        self._control = Control(host, port, self._numbers)
        self._links: dict[int, Link] = {}
        self._stale: list[Gate] = []  # of connections given up whose threads may still be at it
        self._meter = Meter(name_of(files))
        self._inputs: deque[p.Input] = deque()
        self._jobs = Jobs(self._numbers)
        self._held: list[p.Effect] | None = None  # what waits behind a job
        self._more: list[Effect] = []  # what a job that is done leads to
        self._ending: float | None = None  # when to wait for files no more
        self._asked = {p.Decided: 0, p.ComparedWords: 0}  # how often a person was
        self._over = False
        self._now = Moment(0.0, 0)

    # ---- as a backend sees it

    @property
    def finished(self) -> bool:
        """See `Node`."""
        return self._over

    def deadline(self) -> float | None:
        """See `Node`."""
        times = (
            self._machine.deadline(),
            self._control.deadline(),
            self._meter.deadline(),
            self._ending,
        )
        return min((t for t in times if t is not None), default=None)

    def handle(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        """See `Node`."""
        self._now = now
        effects = [*self._translate(event, now), *self._more]
        self._more.clear()
        while self._inputs and not self._machine.finished:
            for effect in self._machine.handle(self._inputs.popleft(), now):
                effects += self._perform(effect, now)
        if self._machine.finished and self._ending is None:
            effects += self._end(now)
        if self._over and self.failure is not None:
            effects.append(Tell(Failed.of(self.failure)))
        return tuple(effects)

    # ---- inputs

    def _translate(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        match event:
            case Started():
                self._inputs.append(p.Started())
            case Told(Note() | Text() as said):
                return (Tell(said),)
            case Told(p.Decided() | p.ComparedWords() as said):
                # An answer that comes late may be to an offer, or to words, that are void by now.
                if said.question in (0, self._asked[type(said)]):
                    self._inputs.append(said)
            case Told(what):
                self._inputs.append(what)  # type: ignore[arg-type]
            case Worked():
                return self._worked(event)
            case Woke():
                return self._woke(now)
            case _ if self._control.owns(event):
                effects, answer = self._control.handle(event, now)
                self._inputs += () if answer is None else (answer,)
                return effects
            case _:
                conn = getattr(event, "conn", None)
                for link in self._links.values():
                    if link.conn == conn:
                        effects, told = link.handle(event, now.mono)
                        self._inputs += told
                        failed = isinstance(event, Broken)
                        return effects + (self._control.renew() if failed else ())
        return ()

    def _worked(self, event: Worked) -> tuple[Effect, ...]:
        try:
            effects, told = self._jobs.worked(event)
        except Exception as error:
            if self._machine.finished:
                raise  # nobody else would hear of it
            self._held = None
            self._inputs.append(broken(LINK, error))
            return ()
        self._inputs += () if told is None else (told,)
        return effects

    def _woke(self, now: Moment) -> tuple[Effect, ...]:
        if self._ending is not None:
            self._over = now.mono >= self._ending
            return ()
        effects, answer = self._control.woke(now)
        self._inputs += () if answer is None else (answer,)
        if self._links:
            readers = [link.reader for link in self._links.values()]
            moved, progress = self._meter.tick(readers, now.mono)
            self._inputs += () if moved is None else (moved,)
            effects += (Tell(progress),) if progress is not None else ()
            for link in self._links.values():
                effects += link.still_here(now.mono)
        self._inputs.append(p.Woke())
        return effects

    # ---- effects

    def _perform(self, effect: p.Effect, now: Moment) -> tuple[Effect, ...]:
        match effect:
            case p.Post():
                return self._control.post(effect, now)
            case p.Show(event):
                return self._show(event, now)
            case p.ShowVerifier(places, ask):
                from backends._words import words  # few runs show any

                self._asked[p.ComparedWords] += ask
                return (Tell(Verifier(" ".join(words()[place] for place in places), ask)),)
            case p.Dial():
                return self._dial(effect)
            case p.Hang(number):
                return self._hang(number)
        if self._held is not None:
            self._held.append(effect)
            return ()
        link = self._links.get(getattr(effect, "connection", LINK))
        done = None if link is None else self._perform_on(link, effect, now)
        return self._perform_files(link, effect, now) if done is None else done

    def _dial(self, dial: p.Dial) -> tuple[Effect, ...]:
        link = Link(dial.connection, Conn(next(self._numbers)), dial.line)
        self._links[dial.connection] = link
        ends = self._control.ends
        return link.dial(ends.peer, dial.port, ends.local)

    def _hang(self, number: int) -> tuple[Effect, ...]:
        link = self._links.pop(number, None)
        if link is None:
            return ()
        if not self._links:
            self._meter.stop()
        if number == LINK:
            self._jobs.forget()
            self._held = None
        closing = link.hang()
        self._stale = [gate for gate in (*self._stale, link.gate) if gate.busy]
        return closing

    def _perform_on(self, link: Link, effect: p.Effect, now: Moment) -> tuple[Effect, ...] | None:
        """What concerns no files; None where *effect* does."""
        match effect:
            case p.Greet():
                return link.greet(effect)
            case p.Secure():
                link.secure(effect, now.mono)
                self._meter.start(now.mono)
                return ()
            case p.Speak() | p.EndRecords():
                return link.speak(effect, now.mono)
            case p.Hear():
                return link.hear()
            case p.HalfClose():
                return link.half_close(now.mono)
        return None

    def _perform_files(
        self, link: Link | None, effect: p.Effect, now: Moment
    ) -> tuple[Effect, ...]:
        """What only one of the two roles does."""
        del link, effect, now
        return ()

    def _let_go(self) -> None:
        """Do what has waited behind a job."""
        held, self._held = self._held or [], None
        for effect in held:
            self._more += self._perform(effect, self._now)

    def _show(self, event: object, now: Moment) -> tuple[Effect, ...]:
        if isinstance(event, Completed):
            seconds = self._meter.seconds(now.mono)
            event = Completed(event.files, event.bytes, seconds, event.paths)
        elif isinstance(event, OfferSeen):
            self._asked[p.Decided] += 1
            names = tuple(show(name) for name in self._names().found)
            event = msgspec.structs.replace(event, names=names)
        return (Tell(event),)

    def _names(self) -> TopNames:
        """The first names of the offer."""
        return TopNames()

    def _try(self, call: Callable[[], object]) -> bool:
        """Do *call*; where it fails the machine is told."""
        try:
            call()
        except Exception as error:
            self._inputs.append(broken(LINK, error))
            return False
        return True

    def _work(
        self, call: Callable[[], object], after: After, *, quiet: bool = False
    ) -> tuple[Effect, ...]:
        """Do *call* in a thread; with *quiet* once no thread of an earlier dial is at the files."""
        stale = tuple(self._stale) if quiet else ()

        def calmly() -> object:
            for gate in stale:
                gate.wait()
            return call()

        return self._jobs.add(calmly, after)

    # ---- the end

    def _end(self, now: Moment) -> tuple[Effect, ...]:
        """Close what is open; put the files away."""
        self._ending = now.mono + PARTING
        self._inputs.clear()
        effects: tuple[Effect, ...] = ()
        for number in tuple(self._links):
            effects += self._hang(number)
        self._jobs = Jobs(self._numbers)  # behind a thread that is stuck nothing is put away
        effects += self._control.close()
        self.failure = getattr(self._machine.state, "failure", None)
        put_away = self._put_away(whole=self.failure is None)
        if put_away is None:
            self._over = True
            return effects
        return effects + self._work(put_away, self._put_away_done)

    def _put_away_done(self, _: object) -> None:
        self._over = True

    def _put_away(self, *, whole: bool) -> Callable[[], object] | None:
        """Return what closes this role's files, if anything is to be done."""
        del whole
        return None
