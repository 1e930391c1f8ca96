"""Nodes around this project's relay that are wrong in how they move bytes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from backends import _io as io
from backends._io import Effect, Node
from backends._options import RelayOptions
from conformance.subjects.memory import Make, honest
from croc_core.book import LinkTimer
from croc_core.values import Moment


def changed(change: Callable[[Effect], Effect | None]) -> Make:
    """A relay whose effects are changed on their way, or lost."""

    class Changing(Around):
        def take(self, effect: Effect) -> tuple[Effect, ...]:
            other = change(effect)
            return () if other is None else (other,)

    return lambda told: Changing(told)


class Around:
    """A node around the relay's; `take` sees each of its effects, `hear` what comes first."""

    finished = False

    def __init__(self, told: RelayOptions) -> None:
        self.inner: Node = honest(told)

    def handle(self, event: io.Input, now: Moment) -> tuple[Effect, ...]:
        own = self.hear(event)
        if own is not None:
            return own
        return tuple(e for effect in self.inner.handle(event, now) for e in self.take(effect))

    def deadline(self) -> float | None:
        return self.inner.deadline()

    def hear(self, event: io.Input) -> tuple[Effect, ...] | None:
        """Answer an input in the relay's place, or return None."""
        return None

    def take(self, effect: Effect) -> tuple[Effect, ...]:
        return (effect,)


def no_cut(effect: Effect) -> Effect | None:
    """Let staplings live on."""
    return None if isinstance(effect, io.Cut) else effect


def staples(**changes: Callable[[io.Staple], bytes]) -> Make:
    """A relay whose staplings begin with other bytes."""

    def change(effect: Effect) -> Effect:
        if not isinstance(effect, io.Staple):
            return effect
        return msgspec.structs.replace(
            effect, **{name: make(effect) for name, make in changes.items()}
        )

    return changed(change)


class Greedy(Around):
    """Reads a data connection on while it waits for the other one, without a bound."""

    def __init__(self, told: RelayOptions) -> None:
        super().__init__(told)
        self.kept: dict[io.Conn, bytearray] = {}

    def hear(self, event: io.Input) -> tuple[Effect, ...] | None:
        if isinstance(event, io.Received) and event.conn in self.kept:
            self.kept[event.conn] += event.data
            return (io.Read(event.conn),) if event.data else ()
        return None

    def take(self, effect: Effect) -> tuple[Effect, ...]:
        if isinstance(effect, io.Send) and effect.data == b"OK\n":
            self.kept[effect.conn] = bytearray()
            return (effect, io.Read(effect.conn))
        if isinstance(effect, io.Staple):
            early = {c: bytes(self.kept.pop(c, b"")) for c in (effect.a, effect.b)}
            to_a, to_b = effect.to_a + early[effect.b], effect.to_b + early[effect.a]
            return (msgspec.structs.replace(effect, to_a=to_a, to_b=to_b),)
        return (effect,)


class Copier(Around):
    """Moves the bytes of its staplings itself, and in the one way that is right."""

    def __init__(self, told: RelayOptions) -> None:
        super().__init__(told)
        self.others: dict[io.Conn, io.Conn] = {}
        self.pairs: dict[int, tuple[io.Conn, io.Conn]] = {}
        self.ended: set[io.Conn] = set()
        self.reading: set[io.Conn] = set()

    def read(self, *conns: io.Conn) -> tuple[Effect, ...]:
        """Read each of them, if nothing does already and it has not ended."""
        free = [conn for conn in conns if conn not in self.reading | self.ended]
        self.reading.update(free)
        return tuple(io.Read(conn) for conn in free)

    def take(self, effect: Effect) -> tuple[Effect, ...]:
        if isinstance(effect, io.Staple):
            a, b = effect.a, effect.b
            self.others |= {a: b, b: a}
            self.pairs[effect.pair] = (a, b)
            early = ((a, effect.to_a), (b, effect.to_b))
            sends = tuple(io.Send(conn, data) for conn, data in early if data)
            return (*sends, *self.read(a, b))
        if isinstance(effect, io.Cut):
            return self.closed(self.pairs[effect.pair][0])
        return (effect,)

    def hear(self, event: io.Input) -> tuple[Effect, ...] | None:
        conn = getattr(event, "conn", None)
        if conn not in self.others:
            return None
        if isinstance(event, io.Received):
            self.reading.discard(conn)
            return self.moved(conn, event.data) if event.data else self.end(conn)
        if isinstance(event, io.Sent):
            return self.read(self.others[conn])
        return self.closed(conn)

    def moved(self, conn: io.Conn, data: bytes) -> tuple[Effect, ...]:
        """Pass *data* of *conn* on; the next read comes when it was taken."""
        return (io.Send(self.others[conn], data),)

    def end(self, conn: io.Conn) -> tuple[Effect, ...]:
        """Pass the end of *conn* on."""
        self.ended.add(conn)
        both = self.others[conn] in self.ended
        return self.closed(conn) if both else (io.HalfClose(self.others[conn]),)

    def closed(self, conn: io.Conn) -> tuple[Effect, ...]:
        other = self.others.pop(conn, None)
        if other is None:
            return ()
        del self.others[other]
        return (io.Close(conn), io.Close(other))


class Flipper(Copier):
    """Changes a bit of what is long."""

    def moved(self, conn: io.Conn, data: bytes) -> tuple[Effect, ...]:
        return super().moved(conn, data[:-1] + bytes([data[-1] ^ 1]) if len(data) > 99 else data)


class Truncator(Copier):
    """Loses the last byte of what is long."""

    def moved(self, conn: io.Conn, data: bytes) -> tuple[Effect, ...]:
        return super().moved(conn, data[:-1] if len(data) > 99 else data)


class Repeater(Copier):
    """Sends something twice."""

    def moved(self, conn: io.Conn, data: bytes) -> tuple[Effect, ...]:
        return super().moved(conn, data * 2 if len(data) > 99 else data)


class Reorderer(Copier):
    """Sends the second half of what is long first."""

    def moved(self, conn: io.Conn, data: bytes) -> tuple[Effect, ...]:
        half = len(data) // 2 if len(data) > 99 else 0
        return super().moved(conn, data[half:] + data[:half])


class Reflector(Copier):
    """Sends what comes back to whom it came from."""

    def moved(self, conn: io.Conn, data: bytes) -> tuple[Effect, ...]:
        return (io.Send(conn, data), *self.read(conn))


class Slammer(Copier):
    """Takes the end of one direction for the end of both."""

    def end(self, conn: io.Conn) -> tuple[Effect, ...]:
        return self.closed(conn)


class Silencer(Copier):
    """Never passes an end on."""

    def end(self, conn: io.Conn) -> tuple[Effect, ...]:
        return ()


class Hoarder(Copier):
    """Reads on, however slow the reader is."""

    def moved(self, conn: io.Conn, data: bytes) -> tuple[Effect, ...]:
        return (*super().moved(conn, data), *self.read(conn))

    def hear(self, event: io.Input) -> tuple[Effect, ...] | None:
        if isinstance(event, io.Sent) and event.conn in self.others:
            return ()
        return super().hear(event)


class Patient(Around):
    """Puts the deadline of a request off with every byte of it."""

    def hear(self, event: io.Input) -> tuple[Effect, ...] | None:
        if isinstance(event, io.Received):
            web = self.inner._conns.get(event.conn)  # type: ignore[attr-defined]
            if getattr(web, "begun", False):
                web.begun = False
        return None


class PatientPorts(Around):
    """Puts the deadline of an identification off with every byte of it."""

    def handle(self, event: io.Input, now: Moment) -> tuple[Effect, ...]:
        effects = super().handle(event, now)
        links = self.inner._relay._links  # type: ignore[attr-defined]
        if isinstance(event, io.Received) and event.conn in links._unnamed:
            due = now.mono + links._limits.handshake_timeout
            links._timers.set(LinkTimer(event.conn), due)
        return effects
