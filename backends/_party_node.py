"""A sender or a recipient as a node: the machine with HTTP, framing and files around it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from backends._control import Control
from backends._io import Close, Conn, Effect, Input, Started, Tell, Told, Woke, Work, Worked
from backends._link import Link, broken
from backends._meter import Meter
from backends._show import show
from croc_core import party_io as p
from croc_core.content import Arrived, Sink, Source, TopNames, Verdict
from croc_core.errors import Failure
from croc_core.events import Completed, Failed, OfferSeen
from croc_core.incoming import Reader
from croc_core.machine import Machine
from croc_core.outgoing import ManifestProducer, PieceProducer
from croc_core.selection import Selection
from croc_core.values import Moment

Decide = Callable[[OfferSeen], bool | None]
"""Decides about an offer at once, or returns None: then a `Told(Decided(...))` will come."""


class PartyNode:
    """Drives one machine; the machine's words become bytes here, in one place for every backend."""

    def __init__(self, machine: Machine[Any], host: str, port: int) -> None:
        self.failure: Failure | None = None
        """How the run ended, once it is finished; None is success."""
        self._machine = machine
        numbers = itertools.count(2, 2)
        self._numbers = numbers
        self._control = Control(host, port, numbers)
        self._link: Link | None = None
        self._meter = Meter()
        self._inputs: deque[p.Input] = deque()
        self._jobs: dict[int, Callable[[object], p.Input]] = {}
        self._over = False

    # ---- as a backend sees it

    @property
    def finished(self) -> bool:
        """See `Node`."""
        return self._over

    def deadline(self) -> float | None:
        """See `Node`."""
        times = (self._machine.deadline(), self._control.deadline(), self._meter.deadline())
        return min((t for t in times if t is not None), default=None)

    def handle(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        """See `Node`."""
        effects = [*self._translate(event, now)]
        while self._inputs and not self._machine.finished:
            for effect in self._machine.handle(self._inputs.popleft(), now):
                effects += self._perform(effect, now)
        if self._machine.finished and not self._over:
            effects += self._end()
        return tuple(effects)

    # ---- inputs

    def _translate(self, event: Input, now: Moment) -> tuple[Effect, ...]:
        match event:
            case Started():
                self._inputs.append(p.Started())
            case Told(what):
                self._inputs.append(what)  # type: ignore[arg-type]
            case Worked(job, result, error):
                after = self._jobs.pop(job)
                self._inputs.append(after(result) if error is None else broken(0, error))
            case Woke():
                return self._woke(now)
            case _ if self._control.owns(event):
                effects, answer = self._control.handle(event, now)
                self._inputs += () if answer is None else (answer,)
                return effects
            case _ if self._link is not None and getattr(event, "conn", None) == self._link.conn:
                effects, told = self._link.handle(event, now.mono)
                self._inputs += told
                return effects
        return ()

    def _woke(self, now: Moment) -> tuple[Effect, ...]:
        effects, answer = self._control.woke(now)
        self._inputs += () if answer is None else (answer,)
        if self._link is not None:
            moved, progress = self._meter.tick(self._link.reader, now.mono)
            self._inputs += () if moved is None else (moved,)
            effects += (Tell(progress),) if progress is not None else ()
            effects += self._link.still_here(now.mono)
        self._inputs.append(p.Woke())
        return effects

    # ---- effects

    def _perform(self, effect: p.Effect, now: Moment) -> tuple[Effect, ...]:
        match effect:
            case p.Post():
                return self._control.post(effect, now)
            case p.Show(event):
                return self._show(event, now)
            case p.Dial(number, port, line):
                self._link = Link(number, Conn(next(self._numbers)), line)
                ends = self._control.ends
                return self._link.dial(ends.peer, port, ends.local)
        return self._perform_on(self._link, effect, now) if self._link is not None else ()

    def _perform_on(self, link: Link, effect: p.Effect, now: Moment) -> tuple[Effect, ...]:
        match effect:
            case p.Greet():
                return link.greet(effect)
            case p.Secure():
                link.secure(effect, now.mono)
                self._meter.start(now.mono)
                return ()
            case p.Speak():
                return link.speak(effect, now.mono)
            case p.Hear():
                return link.hear()
            case p.HalfClose():
                return link.half_close(now.mono)
            case p.Hang():
                self._link = None
                self._meter.stop()
                return link.hang()
        return self._perform_files(link, effect, now)

    def _perform_files(self, link: Link, effect: p.Effect, now: Moment) -> tuple[Effect, ...]:
        """What only one of the two roles does."""
        del link, effect, now
        return ()

    def _show(self, event: object, now: Moment) -> tuple[Effect, ...]:
        if isinstance(event, Completed):
            seconds = self._meter.seconds(now.mono)
            event = Completed(event.files, event.bytes, seconds, event.paths)
        elif isinstance(event, OfferSeen):
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
            self._inputs.append(broken(0, error))
            return False
        return True

    def _work(self, call: Callable[[], object], after: Callable[[Any], p.Input]) -> Work:
        job = next(self._numbers)
        self._jobs[job] = after
        return Work(job, call)

    def _end(self) -> tuple[Effect, ...]:
        """Say how it ended; give back what is open."""
        self._over = True
        self.failure = getattr(self._machine.state, "failure", None)
        self._give_back(whole=self.failure is None)
        link, self._link = self._link, None
        closing: tuple[Effect, ...] = () if link is None else (Close(link.conn),)
        told = () if self.failure is None else (Tell(Failed.of(self.failure)),)
        return closing + self._control.close() + told

    def _give_back(self, *, whole: bool) -> None:
        """Close this role's files."""


class SenderNode(PartyNode):
    """The sender and its source."""

    def __init__(self, machine: Machine[Any], host: str, port: int, source: Source) -> None:
        super().__init__(machine, host, port)
        self._source = source
        self._manifest: ManifestProducer | None = None
        self._selection: Selection | None = None

    def _names(self) -> TopNames:
        return super()._names() if self._manifest is None else self._manifest.outline.names

    def _perform_files(self, link: Link, effect: p.Effect, now: Moment) -> tuple[Effect, ...]:
        match effect:
            case p.SendOffer(_, tid):
                assert link.sealer is not None
                manifest = ManifestProducer(link.sealer, self._source, tid)
                self._selection = Selection(manifest.outline)
                self._manifest = manifest
                return link.pump(manifest, lambda: p.OfferSent(manifest.outline.totals()))
            case p.Choose(_, accept):
                assert self._selection is not None
                selection = self._selection
                self._try(lambda: selection.choose(accept))
            case p.SendPieces():
                return self._send_pieces(link, now)
        return ()

    def _send_pieces(self, link: Link, now: Moment) -> tuple[Effect, ...]:
        assert link.sealer is not None
        assert self._manifest is not None
        assert self._selection is not None
        chosen = self._selection
        totals = chosen.totals
        producer = PieceProducer(link.sealer, self._source, chosen.share())
        total = chosen.wanted.bytes
        self._meter.expect(total, lambda: producer.moved, now.mono, lambda: producer.passed)
        return link.pump(
            producer,
            lambda: p.PiecesSent(totals._replace(bytes=producer.moved), tuple(producer.sizes)),
        )

    def _give_back(self, *, whole: bool) -> None:
        del whole
        self._source.close()


class RecipientNode(PartyNode):
    """The recipient and its sink."""

    def __init__(
        self, machine: Machine[Any], host: str, port: int, sink: Sink, decide: Decide
    ) -> None:
        super().__init__(machine, host, port)
        self._sink = sink
        self._decide = decide
        self._total: int | None = None
        self._tops = TopNames()

    def _perform_files(self, link: Link, effect: p.Effect, now: Moment) -> tuple[Effect, ...]:
        match effect:
            case p.Consider(entries):
                for entry in entries:
                    self._tops.add(entry)
                self._try(lambda: self._sink.consider(entries))
            case p.Judge():
                return (self._work(self._sink.judge, self._judged),)
            case p.TakePieces():
                return self._take_pieces(link, now)
            case p.Finish(sizes):
                pairs = [(size.entry, size.size) for size in sizes]
                return (self._work(lambda: self._sink.finish(pairs), self._finished),)
        return ()

    def _judged(self, result: Verdict) -> p.Input:
        self._total = result.totals.bytes
        return p.Judged(result)

    def _finished(self, result: Arrived) -> p.Input:
        return p.Finished(result)

    def _take_pieces(self, link: Link, now: Moment) -> tuple[Effect, ...]:
        if not self._try(self._sink.prepare):
            return ()
        link.take_pieces(self._sink)
        reader: Reader = link.reader
        self._meter.expect(self._total, lambda: reader.moved, now.mono, lambda: reader.passed)
        return link.hear()

    def _names(self) -> TopNames:
        return self._tops

    def _show(self, event: object, now: Moment) -> tuple[Effect, ...]:
        shown = super()._show(event, now)
        if isinstance(event, OfferSeen):
            decision = self._decide(event)
            if decision is not None:
                self._inputs.append(p.Decided(decision))
        return shown

    def _give_back(self, *, whole: bool) -> None:
        if not whole:
            self._sink.abandon()
