"""`check_backend`: passes on our backends, and fails for backends that break one rule each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from backends import _io as io
from backends._sockets import Listen
from backends.asyncio._loop import Loop as AsyncioLoop
from backends.threading._loop import Loop as ThreadingLoop
from conformance import _bench, backend, check_backend
from conformance._case import UnmetError
from croc_core.values import Moment


class OnAsyncio:
    """The blocking face of the asyncio loop, as an author would write it."""

    def __init__(self, node: io.Node, listen: Sequence[Listen], tell: Any) -> None:
        self._loop = AsyncioLoop(node, listen=listen, tell=tell)
        self.inject, self.stop = self._loop.inject, self._loop.stop

    def run(self) -> None:
        asyncio.run(self._loop.run())


def on_threading(node: io.Node, listen: Sequence[Listen], tell: Any) -> ThreadingLoop:
    return ThreadingLoop(node, listen=listen, tell=tell)


FACTORIES: dict[str, _bench.Factory] = {"asyncio": OnAsyncio, "threading": on_threading}


@pytest.mark.parametrize("check", backend.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FACTORIES)
def test_our_backends_pass(name: str, check: Callable[[_bench.Bench], None]) -> None:
    backend.run_check(FACTORIES[name], check)


@pytest.mark.parametrize("name", FACTORIES)
def test_our_backends_shut_down_cleanly(name: str) -> None:
    backend.clean_shutdown(FACTORIES[name])


def test_one_call_checks_all() -> None:
    assert FACTORIES
    check_backend(on_threading)


class Faulty:
    """A node in between that changes inputs or effects: what a careless backend would do."""

    def __init__(self, node: io.Node) -> None:
        self.inner = node

    def deadline(self) -> float | None:
        return self.inner.deadline()

    @property
    def finished(self) -> bool:
        return self.inner.finished

    def handle(self, event: io.Input, now: Moment) -> tuple[io.Effect, ...]:
        found: list[io.Effect] = []
        for one in self.inputs(event):
            for effect in self.inner.handle(one, now):
                found += self.effects(effect)
        return tuple(found)

    def inputs(self, event: io.Input) -> tuple[io.Input, ...]:
        return (event,)

    def effects(self, effect: io.Effect) -> tuple[io.Effect, ...]:
        return (effect,)


class LosesBytes(Faulty):
    def inputs(self, event: io.Input) -> tuple[io.Input, ...]:
        if isinstance(event, io.Received) and len(event.data) > 6:
            return (io.Received(event.conn, event.data[:-1]),)
        return (event,)


class TwoAnswers(Faulty):
    def inputs(self, event: io.Input) -> tuple[io.Input, ...]:
        return (event, event) if isinstance(event, io.Received) else (event,)


class ClosesForHalf(Faulty):
    def effects(self, effect: io.Effect) -> tuple[io.Effect, ...]:
        return (io.Close(effect.conn),) if isinstance(effect, io.HalfClose) else (effect,)


class HidesErrors(Faulty):
    def inputs(self, event: io.Input) -> tuple[io.Input, ...]:
        return (io.Pumped(event.conn),) if isinstance(event, io.Pumped) else (event,)


class Hasty(Faulty):
    """Takes all from a producer at once: no backpressure."""

    def effects(self, effect: io.Effect) -> tuple[io.Effect, ...]:
        if isinstance(effect, io.Pump):
            data = b""
            while len(data) < 1 << 26 and (part := effect.producer.fill()) is not None:
                data += bytes(part)
            return (io.Send(effect.conn, data),)
        return (effect,)


class NoPatience(Faulty):
    def effects(self, effect: io.Effect) -> tuple[io.Effect, ...]:
        if isinstance(effect, io.Drain):
            return (io.Drain(effect.conn, effect.consumer),)
        return (effect,)


class Deaf(Faulty):
    def inputs(self, event: io.Input) -> tuple[io.Input, ...]:
        return () if isinstance(event, io.Broken) else (event,)


class CutsShort(Faulty):
    """Drops what was sent when it closes."""

    def effects(self, effect: io.Effect) -> tuple[io.Effect, ...]:
        return () if isinstance(effect, io.Send) else (effect,)


class ForgetsFirst(Faulty):
    def effects(self, effect: io.Effect) -> tuple[io.Effect, ...]:
        if isinstance(effect, io.Staple):
            return (io.Staple(effect.pair, effect.a, effect.b, b"", b"", effect.idle),)
        return (effect,)


class NeverIdle(Faulty):
    def effects(self, effect: io.Effect) -> tuple[io.Effect, ...]:
        if isinstance(effect, io.Staple):
            return (io.Staple(effect.pair, effect.a, effect.b, effect.to_a, effect.to_b, 600.0),)
        return (effect,)


class Eager(Faulty):
    """Reads before it is asked."""

    def inputs(self, event: io.Input) -> tuple[io.Input, ...]:
        self.eager = isinstance(event, io.Accepted)
        return (event,)

    def handle(self, event: io.Input, now: Moment) -> tuple[io.Effect, ...]:
        effects = super().handle(event, now)
        more = (io.Read(event.conn),) if isinstance(event, io.Accepted) else ()
        return effects + more


class Mute(Faulty):
    def effects(self, effect: io.Effect) -> tuple[io.Effect, ...]:
        return () if isinstance(effect, io.Tell) and effect.event == 7 else (effect,)


FAULTS: dict[type[Faulty], Callable[[_bench.Bench], None]] = {
    LosesBytes: backend.byte_split,
    TwoAnswers: backend.nothing_unasked,
    Eager: backend.nothing_unasked,
    ClosesForHalf: backend.half_close,
    HidesErrors: backend.errors_pass,
    Hasty: backend.slow_reader,
    NoPatience: backend.no_patience,
    Deaf: backend.peer_vanishes,
    CutsShort: backend.cancellation,
    ForgetsFirst: backend.staples,
    NeverIdle: backend.staple_ends,
    Mute: backend.wakes,
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_faulty_backend_is_caught(fault: type[Faulty], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bench, "WAIT", 1.5)

    def factory(node: io.Node, listen: Sequence[Listen], tell: Any) -> _bench.Hands:
        return on_threading(fault(node), listen, tell)

    with pytest.raises((UnmetError, TimeoutError)):
        backend.run_check(factory, FAULTS[fault])


class Leaky(ThreadingLoop):
    """Leaves a thread behind."""

    gone = threading.Event()

    def run(self) -> None:
        threading.Thread(target=self.gone.wait, daemon=True).start()
        super().run()


def test_what_is_left_open_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bench, "WAIT", 1.5)

    def factory(node: io.Node, listen: Sequence[Listen], tell: Any) -> _bench.Hands:
        return Leaky(node, listen=listen, tell=tell)

    try:
        with pytest.raises(UnmetError, match="left open"):
            backend.run_check(factory, backend.wakes)
    finally:
        Leaky.gone.set()


class Stuck(ThreadingLoop):
    """Does not end."""

    gone = threading.Event()

    def run(self) -> None:
        super().run()
        self.gone.wait()


def test_a_backend_that_does_not_stop_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bench, "WAIT", 1.5)

    def factory(node: io.Node, listen: Sequence[Listen], tell: Any) -> _bench.Hands:
        return Stuck(node, listen=listen, tell=tell)

    try:
        with pytest.raises(UnmetError, match="did not end"):
            backend.run_check(factory, backend.wakes)
    finally:
        Stuck.gone.set()
