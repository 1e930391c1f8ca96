from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from backends._reactor import Reactor
from backends._signals import interrupting
from backends.threading import _reactor
from croc_core.errors import Code


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


Run = Callable[[], None]


@pytest.fixture(params=["asyncio", "threading"])
def loop(request: pytest.FixtureRequest) -> Iterator[tuple[Reactor, Run, Run]]:
    """A loop, how to run it until it is stopped, and how to stop it without waking it."""
    if request.param == "asyncio":
        events = asyncio.new_event_loop()
        with closing(events):
            yield events, events.run_forever, events.stop
        return
    with closing(_reactor.Reactor()) as reactor:
        yield reactor, reactor.run, reactor.stop


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, Code.SIGINT), (signal.SIGTERM, Code.SIGTERM)]
)
def test_a_signal_wakes_a_loop_that_waits_for_nothing_else(
    loop: tuple[Reactor, Run, Run], number: int, code: Code
) -> None:
    reactor, run, stop = loop
    got: list[Code] = []
    late: list[int] = []

    def interrupt(code: Code) -> None:
        got.append(code)
        stop()  # which by itself does not wake it

    def give_up() -> None:
        late.append(1)
        stop()

    main = threading.main_thread().ident
    assert main is not None
    sent = threading.Thread(target=signal.pthread_kill, args=(main, number))
    selector = reactor._selector  # type: ignore[attr-defined]
    real = selector.select

    def select(timeout: float | None = None) -> object:
        if timeout and not sent.ident:  # it is decided: it will wait
            sent.start()
        return real(timeout)

    selector.select = select
    reactor.call_later(20, give_up)
    with interrupting(interrupt, reactor):
        run()
    sent.join()
    assert got == [code]
    assert not late


def test_a_second_sigint_breaks_off_and_behind_the_end_both_do_nothing(
    loop: tuple[Reactor, Run, Run],
) -> None:
    got: list[Code] = []
    descriptors = os.listdir("/proc/self/fd")
    watched = set(loop[0]._selector.get_map())  # type: ignore[attr-defined]
    with interrupting(got.append, loop[0]):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert got == [Code.SIGTERM, Code.SIGINT, Code.SIGTERM]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        signal.raise_signal(number)
    assert len(got) == 3
    assert signal.set_wakeup_fd(-1) == -1
    assert os.listdir("/proc/self/fd") == descriptors
    assert set(loop[0]._selector.get_map()) == watched  # type: ignore[attr-defined]
