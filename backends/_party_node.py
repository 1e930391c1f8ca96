"""A sender and a recipient as nodes: what each of them does with its files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backends._io import Effect, Producer
from backends._link import Link
from backends._party_base import PartyNode
from croc_core import party_io as p
from croc_core.content import Arrived, Codec, Sink, Source, TopNames, Totals, Verdict
from croc_core.events import OfferSeen
from croc_core.machine import Machine
from croc_core.outgoing import (
    DigestProducer,
    ManifestProducer,
    PieceProducer,
    WantProducer,
)
from croc_core.parser import Inflate
from croc_core.party import LINK
from croc_core.seal import Sealer
from croc_core.selection import Selection, Share
from croc_core.values import Moment

__all__ = ["Decide", "PartyNode", "RecipientNode", "SenderNode"]

Decide = Callable[[OfferSeen], bool | None]
"""Decides about an offer at once, or returns None: then a `Told(Decided(...))` will come."""


class SenderNode(PartyNode):
    """The sender and its source; with *compress* pieces that shrink, for who takes them so."""

    def __init__(
        self,
        machine: Machine[Any],
        host: str,
        port: int,
        source: Source,
        *,
        compress: bool = False,
    ) -> None:
        super().__init__(machine, host, port, source)
        self._source = source
        self._compress = compress
        self._manifest: ManifestProducer | None = None
        self._selection: Selection | None = None
        self._share: Share | None = None  # of this dial

    def _names(self) -> TopNames:
        return super()._names() if self._manifest is None else self._manifest.outline.names

    def _dial(self, dial: p.Dial) -> tuple[Effect, ...]:
        if dial.connection == LINK:
            self._share = None
            if self._selection is not None:
                self._selection.dialled()
        return super()._dial(dial)

    def _perform_files(
        self, link: Link | None, effect: p.Effect, now: Moment
    ) -> tuple[Effect, ...]:
        match effect:
            case p.SendOffer(_, tid) if link is not None:
                assert link.sealer is not None
                manifest = ManifestProducer(link.sealer, self._source, tid)
                self._selection = Selection(manifest.outline)
                self._manifest = manifest
                return link.pump(manifest, lambda: p.OfferSent(manifest.outline.totals()))
            case p.Choose(_, accept):
                self._try(lambda: self._chosen.choose(accept))
            case p.Narrow(_, want):
                self._try(lambda: self._chosen.narrow(want))
            case p.SendDigests(_, tid, key) if link is not None:
                assert link.sealer is not None
                held = self._chosen.held
                digests = DigestProducer(link.sealer, self._source, tid, held, key)
                return link.pump(digests, p.DigestsSent)
            case p.SendPieces() if link is not None:
                return self._send_pieces(link, now)
        return ()

    @property
    def _chosen(self) -> Selection:
        assert self._selection is not None
        return self._selection

    def _send_pieces(self, link: Link, now: Moment) -> tuple[Effect, ...]:
        assert link.sealer is not None
        chosen = self._chosen
        if self._share is None:
            self._share = chosen.share(several=link.number != LINK)
            self._expect(chosen, now)
        producer, sends = self._piece_producer(link.sealer, self._share)
        self._meter.carry(producer)

        def sent() -> p.Input:
            return p.PiecesSent(chosen.totals, tuple(producer.sizes), link.number)

        if not any(gate.busy for gate in self._stale):
            return link.pump(sends, sent)

        def quiet(_: object) -> None:
            self._more += link.pump(sends, sent)

        # A thread of an earlier dial may be reading the stream that goes on here.
        return self._work(lambda: None, quiet, quiet=True)

    def _piece_producer(self, sealer: Sealer, share: Share) -> tuple[PieceProducer, Producer]:
        """Return what makes the pieces, and what is to be pumped for it."""
        if not self._compress or Codec.ZSTD not in self._chosen.codecs:
            producer = PieceProducer(sealer, self._source, share)
            return producer, producer
        from backends._zstd import Squeezer, Timed  # for those who agreed on it

        squeezer = Squeezer()
        producer = PieceProducer(sealer, self._source, share, squeezer)
        return producer, Timed(producer, squeezer)

    def _expect(self, chosen: Selection, now: Moment) -> None:
        """Begin to count; what the recipient holds already counts as moved."""
        totals, wanted = chosen.totals, chosen.wanted
        assert totals.bytes is not None
        if wanted.bytes is None:  # a stream: nobody knows how much is to come
            self._meter.expect(None, now.mono)
        else:
            held, files = totals.bytes - wanted.bytes, totals.files - wanted.files
            self._meter.expect(totals.bytes, now.mono, held=held, files=files)

    def _put_away(self, *, whole: bool) -> Callable[[], object] | None:
        del whole
        return self._source.close


class RecipientNode(PartyNode):
    """The recipient and its sink; with *compress* pieces may come compressed."""

    def __init__(
        self,
        machine: Machine[Any],
        host: str,
        port: int,
        sink: Sink,
        decide: Decide,
        *,
        compress: bool = False,
    ) -> None:
        super().__init__(machine, host, port, sink)
        self._sink = sink
        self._decide = decide
        self._compress = compress
        self._totals = Totals(0, 0, 0)
        self._tops = TopNames()
        self._offers = 0
        self._prepared = False  # the sink, for the offer at hand

    def _perform_files(
        self, link: Link | None, effect: p.Effect, now: Moment
    ) -> tuple[Effect, ...]:
        match effect:
            case p.BeginOffer():
                return self._begin_offer()
            case p.Consider(entries):
                for entry in entries:
                    self._tops.add(entry)
                self._try(lambda: self._sink.consider(entries))
            case p.Judge():
                return self._work(self._sink.judge, self._judged)
            case p.TakePieces() if link is not None and self._prepare(now):
                link.reader.allow_pieces(self._sink, _inflate() if self._compress else None)
                self._meter.carry(link.reader)
                return link.hear()
            case p.Compare(_, digests, key) if self._prepare(now):
                found = digests.entry, digests.block, digests.digests, key
                return self._work(lambda: self._sink.compare(*found), _compared)
            case p.SendWant(_, tid) if link is not None and self._prepare(now):
                return self._send_want(link, tid)
            case p.Finish(sizes):
                pairs = [(size.entry, size.size) for size in sizes]
                return self._work(lambda: self._sink.finish(pairs), _finished)
        return ()

    def _begin_offer(self) -> tuple[Effect, ...]:
        self._tops, self._prepared = TopNames(), False
        self._offers += 1
        if self._offers == 1:
            self._try(self._sink.begin)
            return ()
        self._held = []  # an earlier offer's bytes may still be on their way to the disk
        return self._work(self._sink.begin, self._begun, quiet=True)

    def _begun(self, _: object) -> None:
        self._let_go()

    def _judged(self, result: Verdict) -> p.Input:
        self._totals = result.totals
        return p.Judged(result)

    def _prepare(self, now: Moment) -> bool:
        """See to it that writing may begin; False where it may not."""
        if not self._prepared:
            self._prepared = self._try(self._sink.prepare)
            self._meter.expect(self._totals.bytes, now.mono)
        return self._prepared

    def _send_want(self, link: Link, tid: bytes) -> tuple[Effect, ...]:
        """Wait until no thread writes any more; then say what is lacking."""
        assert link.sealer is not None
        producer = WantProducer(link.sealer, self._sink, tid)

        def sent() -> p.Input:
            total = self._totals.bytes
            held = 0 if total is None else max(0, total - producer.wanted)
            self._meter.expect(total, self._now.mono, held=held)
            return p.WantSent()

        def quiet(_: object) -> None:
            self._more += link.pump(producer, sent)

        return self._work(lambda: None, quiet, quiet=True)

    def _names(self) -> TopNames:
        return self._tops

    def _show(self, event: object, now: Moment) -> tuple[Effect, ...]:
        shown = super()._show(event, now)
        if isinstance(event, OfferSeen):
            decision = self._decide(event)
            if decision is not None:
                self._inputs.append(p.Decided(decision))
        return shown

    def _put_away(self, *, whole: bool) -> Callable[[], object] | None:
        return None if whole else self._sink.abandon


def _inflate() -> Inflate:
    """Return what undoes compression on one connection; made when it is first needed."""
    made: list[Inflate] = []

    def inflate(data: bytes | memoryview, length: int) -> bytes:
        if not made:
            from backends._zstd import inflater

            made.append(inflater())
        return made[0](data, length)

    return inflate


def _compared(_: object) -> p.Input:
    return p.Compared()


def _finished(result: Arrived) -> p.Input:
    return p.Finished(result)
