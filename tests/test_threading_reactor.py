from __future__ import annotations

import os
import selectors
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.threading._reactor import Reactor


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    made = Reactor()
    made.call_later(20, lambda: pytest.fail("it hangs"))
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair()
    with a, b:
        a.setblocking(False)
        b.setblocking(False)
        yield a, b


def turn(reactor: Reactor) -> None:
    """Make the calls whose cause has come, without waiting."""
    reactor.call_soon_threadsafe(reactor.stop)
    reactor.run()


# ---- times


@given(
    st.lists(st.tuples(st.integers(-5, 0), st.integers(0, 30)), max_size=30),
    st.sets(st.integers(0, 30)),
)
def test_calls_come_in_order_of_their_times_and_never_once_cancelled(
    plan: list[tuple[int, int]], first: set[int]
) -> None:
    """Each call has a time, and when it comes it cancels another one (perhaps itself)."""
    reactor = Reactor()
    came: list[int] = []

    def call(number: int) -> None:
        came.append(number)
        timers[plan[number][1] % len(plan)].cancel()

    base = reactor.time()
    timers = [
        reactor.call_at(base + when, lambda number=number: call(number))  # type: ignore[misc]
        for number, (when, _) in enumerate(plan)
    ]
    assert [timer.when() for timer in timers] == [base + when for when, _ in plan]
    cancelled = {number % len(plan) for number in first if plan}
    for number in [*cancelled, *cancelled]:
        timers[number].cancel()
    turn(reactor)
    wanted = []
    for number in sorted(range(len(plan)), key=lambda number: plan[number][0]):
        if number not in cancelled:
            wanted.append(number)
            cancelled.add(plan[number][1] % len(plan))
    assert came == wanted
    assert reactor.cancelled == 0
    reactor.close()


def test_a_call_comes_when_its_time_has_come_and_not_before(reactor: Reactor) -> None:
    begun = reactor.time()
    reactor.call_later(0.03, reactor.stop)
    reactor.run()
    assert reactor.time() >= begun + 0.03


def test_timers_that_were_cancelled_take_no_room_for_long(reactor: Reactor) -> None:
    kept: list[int] = []
    reactor.call_later(-1, lambda: kept.append(1))
    reactor.call_later(3600, lambda: kept.append(2))
    for _ in range(1000):
        for _ in range(10):
            reactor.call_later(3600, lambda: None).cancel()
        turn(reactor)
        assert len(reactor._timers) < 200
        assert reactor.cancelled <= len(reactor._timers)
    assert kept == [1]


# ---- sockets


def test_a_reader_and_a_writer_are_called_while_they_may_until_removed(
    reactor: Reactor, pair: tuple[socket.socket, socket.socket]
) -> None:
    a, b = pair
    seen: list[str] = []
    reactor.add_reader(a, lambda: seen.append("old"))
    reactor.add_reader(a, lambda: seen.append("read"))
    reactor.add_writer(a, lambda: seen.append("only write"))
    turn(reactor)
    assert seen == ["only write"]
    seen.clear()
    reactor.remove_writer(a)
    b.send(b"x")
    turn(reactor)
    turn(reactor)
    assert seen == ["read", "read"]
    reactor.add_writer(a, lambda: seen.append("write"))
    turn(reactor)
    assert seen[2:] == ["read", "write"]
    reactor.remove_reader(a)
    reactor.remove_reader(a)
    turn(reactor)
    assert seen[4:] == ["write"]
    reactor.remove_writer(a)
    reactor.remove_writer(b)
    turn(reactor)
    assert len(seen) == 5
    assert set(reactor._watched) == {reactor._woken}
    reactor.add_reader(a, lambda: seen.append("again"))
    turn(reactor)
    assert seen[5:] == ["again"]


def test_what_one_call_takes_away_or_closes_is_not_called_in_the_same_turn(
    reactor: Reactor,
) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[int] = []
    fresh: list[socket.socket] = []

    def call(number: int) -> None:
        called.append(number)
        other = pairs[1 - number][0]
        reactor.remove_reader(other)
        number_of_it = other.fileno()
        other.close()
        # A new connection gets the descriptor of the one that was closed.
        fresh.extend(socket.socketpair())
        assert fresh[0].fileno() == number_of_it
        reactor.add_reader(fresh[0], lambda: called.append(9))

    for number, (mine, far) in enumerate(pairs):
        far.send(b"x")
        reactor.add_reader(mine, lambda number=number: call(number))  # type: ignore[misc]
    turn(reactor)
    assert len(called) == 1
    assert called[0] in (0, 1)
    for sock in [*fresh, *(sock for both in pairs for sock in both)]:
        sock.close()


def test_the_end_of_a_connection_wakes_who_reads_and_who_writes(
    reactor: Reactor, pair: tuple[socket.socket, socket.socket]
) -> None:
    a, b = pair
    seen: set[str] = set()
    reactor.add_reader(a, lambda: seen.add("read"))
    b.close()
    turn(reactor)
    assert seen == {"read"}
    reactor.add_writer(a, lambda: seen.add("write"))
    turn(reactor)
    assert seen == {"read", "write"}


# ---- from outside


def test_a_call_from_another_thread_wakes_the_loop(reactor: Reactor) -> None:
    seen: list[int] = []

    def call() -> None:
        seen.append(threading.get_ident())
        reactor.stop()

    entered = threading.Event()
    selector = reactor._selector
    real = selector.select

    def select(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        entered.set()
        return real(timeout)

    selector.select = select  # type: ignore[method-assign]

    def other() -> None:
        entered.wait(20)
        reactor.call_soon_threadsafe(call)

    thread = threading.Thread(target=other)
    thread.start()
    reactor.run()
    thread.join()
    assert seen == [threading.get_ident()]


def test_many_calls_come_in_their_order_though_nobody_took_the_wakes(reactor: Reactor) -> None:
    count = 100_000  # more than the wake-up socket holds
    seen: list[int] = []
    for number in range(count):
        reactor.call_soon_threadsafe(lambda number=number: seen.append(number))  # type: ignore[misc]
    turn(reactor)
    assert seen == list(range(count))


def test_calls_that_make_calls_leave_sockets_their_turn(
    reactor: Reactor, pair: tuple[socket.socket, socket.socket]
) -> None:
    def again() -> None:
        reactor.call_soon_threadsafe(again)

    pair[1].send(b"x")
    reactor.add_reader(pair[0], reactor.stop)
    again()
    reactor.run()


def test_what_a_call_raises_ends_run_and_it_may_go_on(reactor: Reactor) -> None:
    reactor.call_soon_threadsafe(lambda: 1 // 0)
    reactor.call_soon_threadsafe(reactor.stop)
    with pytest.raises(ZeroDivisionError):
        reactor.run()
    reactor.run()


def test_a_stop_before_run_counts_for_the_next_one_only(reactor: Reactor) -> None:
    reactor.stop()
    reactor.run()
    seen: list[int] = []
    reactor.call_later(0, lambda: seen.append(1))
    turn(reactor)
    assert seen == [1]


def test_a_closed_loop_takes_no_calls_and_leaves_nothing_open() -> None:
    before = os.listdir("/proc/self/fd")
    reactor = Reactor()
    reactor.call_soon_threadsafe(lambda: None)
    reactor.call_later(1, lambda: None)
    reactor.close()
    with pytest.raises(RuntimeError):
        reactor.call_soon_threadsafe(lambda: None)
    assert os.listdir("/proc/self/fd") == before
