"""A gate before the files of a run: what one data connection may still do to them.

A connection that was given up may have a thread that reads or writes for some time yet. The node
shuts its gate at once, without waiting; whoever needs the files to be quiet waits in a thread.
"""

from __future__ import annotations

import threading

from backends._io import Consumer, Producer


class ShutError(Exception):
    """The connection was given up; nobody wants what came of it."""


class Gate:
    """One connection's way to the files, used by one producer and one consumer at a time."""

    def __init__(self) -> None:
        self._shut = False
        self._reading = threading.Lock()
        self._writing = threading.Lock()

    def shut(self) -> None:
        """Let nothing more through; what is under way may still go on until `wait` returns."""
        self._shut = True

    @property
    def busy(self) -> bool:
        """Whether something is under way; once that is False after `shut`, it stays so."""
        return self._reading.locked() or self._writing.locked()

    def wait(self) -> None:
        """Wait until nothing is under way any more; after `shut`, and in a thread."""
        with self._reading, self._writing:
            return

    def producer(self, producer: Producer) -> Producer:
        """Return *producer* behind this gate: it ends once that is shut."""
        return _GatedProducer(self, producer)

    def consumer(self, consumer: Consumer) -> Consumer:
        """Return *consumer* behind this gate: it raises ShutError once that is shut."""
        return _GatedConsumer(self, consumer)


class _GatedProducer:
    def __init__(self, gate: Gate, producer: Producer) -> None:
        self._gate = gate
        self._producer = producer

    def fill(self) -> memoryview | None:
        """See `Producer`."""
        with self._gate._reading:
            return None if self._gate._shut else self._producer.fill()


class _GatedConsumer:
    def __init__(self, gate: Gate, consumer: Consumer) -> None:
        self._gate = gate
        self._consumer = consumer
        self.buffer = consumer.buffer
        self.advance = consumer.advance

    def ready(self) -> bool:
        """See `Consumer`: this is where bytes go on to files."""
        with self._gate._writing:
            if self._gate._shut:
                raise ShutError
            return self._consumer.ready()
