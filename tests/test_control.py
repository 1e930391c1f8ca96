"""A party's requests over HTTP: each post is answered once, over one connection at a time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends._control import ANSWER, Control, Ends
from backends._io import (
    Broken,
    Close,
    Conn,
    Connect,
    Connected,
    Effect,
    Input,
    Read,
    Received,
    Send,
    Sent,
)
from croc_core.party_io import Post, Replied, Unanswered
from croc_core.values import Moment

POST = Post("/join", b'{"role":"sender"}')
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LAST = b"HTTP/1.1 404 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def at(mono: float) -> Moment:
    return Moment(mono, 0)


NOW = at(100.0)


def conn_of(effects: tuple[Effect, ...]) -> Conn:
    (connect,) = (e for e in effects if isinstance(e, Connect))
    return connect.conn


def connected(post: Post = POST) -> tuple[Control, Conn]:
    """A control whose request is on its way."""
    control = Control("relay", 80)
    conn = conn_of(control.post(post, NOW))
    control.handle(Connected(conn, "10.0.0.9", "10.0.0.1"), NOW)
    return control, conn


def kept() -> tuple[Control, Conn]:
    """A control whose first request is answered and whose connection is kept."""
    control, conn = connected()
    assert control.handle(Received(conn, REPLY), NOW) == ((), Replied(200, b"{}"))
    return control, conn


def test_one_request() -> None:
    control = Control("relay", 8080)
    assert control.ends == Ends("relay", None)
    (connect,) = control.post(POST, NOW)
    assert isinstance(connect, Connect)
    assert (connect.host, connect.port, connect.local) == ("relay", 8080, None)
    conn = connect.conn
    assert conn % 2 == 0
    (send, read), nothing = control.handle(Connected(conn, "10.0.0.9", "10.0.0.1"), NOW)
    assert nothing is None
    assert control.ends == Ends("10.0.0.9", "10.0.0.1")
    assert isinstance(send, Send)
    assert send.data.startswith(b"POST /join HTTP/1.1\r\nHost: relay:8080\r\n")
    assert send.data.endswith(POST.body)
    assert read == Read(conn)
    assert control.handle(Sent(conn), NOW) == ((), None)
    for part in (REPLY[:9], REPLY[9:-1]):
        assert control.handle(Received(conn, part), NOW) == ((Read(conn),), None)
    assert control.handle(Received(conn, REPLY[-1:]), NOW) == ((), Replied(200, b"{}"))
    assert control.deadline() is None
    assert control.handle(Received(conn, REPLY), NOW) == ((), None)


def test_the_connection_is_kept_or_not() -> None:
    control, conn = kept()
    send, read = control.post(POST, NOW)
    assert isinstance(send, Send)
    assert (send.conn, read) == (conn, Read(conn))
    assert control.handle(Received(conn, LAST), NOW) == ((Close(conn),), Replied(404, b"{}"))
    (connect,) = control.post(POST, NOW)
    assert isinstance(connect, Connect)
    assert connect.conn != conn
    assert (connect.host, connect.local) == ("10.0.0.9", "10.0.0.1"), "ADDR-7: one address"


@pytest.mark.parametrize("how", ["end", "broken"])
def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing(how: str) -> None:
    control, conn = kept()
    control.post(POST, NOW)
    event: Input = Received(conn, b"") if how == "end" else Broken(conn, "reset")
    effects, outcome = control.handle(event, NOW)
    assert outcome is None
    again = conn_of(effects)
    assert again != conn
    assert [e for e in effects if isinstance(e, Close)] == ([Close(conn)] if how == "end" else [])
    assert not control.owns(Received(conn, b""))
    assert control.owns(Received(again, b""))
    (send, _), _ = control.handle(Connected(again, "10.0.0.9", "10.0.0.1"), NOW)
    assert isinstance(send, Send)
    assert send.data.endswith(POST.body)
    event = Received(again, b"") if how == "end" else Broken(again, "reset")
    effects, outcome = control.handle(event, NOW)
    assert isinstance(outcome, Unanswered), "once only"
    assert outcome.refused is False
    assert conn_of(control.post(POST, NOW)) not in (conn, again)


def test_a_relay_that_cannot_be_reached() -> None:
    control = Control("relay", 80)
    conn = conn_of(control.post(POST, NOW))
    effects, outcome = control.handle(Broken(conn, "connection refused"), NOW)
    assert (effects, outcome) == ((), Unanswered(True, "connection refused"))
    assert control.deadline() is None
    assert not control.owns(Broken(conn, ""))


def test_an_address_that_does_not_answer_any_more_is_looked_up_anew() -> None:
    control, conn = kept()
    control.post(POST, NOW)
    effects, _ = control.handle(Broken(conn, "reset"), NOW)
    assert [(e.host, e.local) for e in effects if isinstance(e, Connect)] == [
        ("10.0.0.9", "10.0.0.1")
    ]
    effects, outcome = control.handle(Broken(conn_of(effects), "that address is gone"), NOW)
    assert outcome is None
    assert [(e.host, e.local) for e in effects if isinstance(e, Connect)] == [("relay", None)]
    assert control.handle(Broken(conn_of(effects), "refused"), NOW) == (
        (), Unanswered(True, "refused")
    )  # fmt: skip
    assert control.ends == Ends("relay", None)


def test_after_a_move_the_new_address_is_the_one_to_dial_from() -> None:
    control, conn = kept()
    effects = control.renew()
    assert effects == (Close(conn),)
    pinned = conn_of(control.post(POST, NOW))
    effects, _ = control.handle(Broken(pinned, "that address is gone"), NOW)
    moved = conn_of(effects)
    control.handle(Connected(moved, "10.0.0.9", "10.7.7.7"), NOW)
    assert control.ends == Ends("10.0.0.9", "10.7.7.7")
    assert control.handle(Received(moved, REPLY), NOW)[1] == Replied(200, b"{}")


def test_a_request_that_is_under_way_is_not_given_up_for_another_connection() -> None:
    control, conn = connected()
    assert control.renew() == ()
    assert control.handle(Received(conn, REPLY), NOW)[1] == Replied(200, b"{}")
    control.post(Post("/channel", b"", 0.5), NOW)
    assert control.renew() == (Close(conn),), "nothing is sent on it yet"
    assert control.renew() == ()
    effects, _ = control.woke(at(100.5))
    assert conn_of(effects) != conn


def test_nonsense_is_a_reply_of_status_0() -> None:
    control, conn = connected()
    effects, outcome = control.handle(Received(conn, b"SSH-2.0-x\r\n\r\n"), NOW)
    assert (effects, outcome) == ((Close(conn),), Replied(0, b""))


@pytest.mark.parametrize("wait", [0.0, 25.0])
def test_a_request_has_a_deadline_beyond_its_wait(wait: float) -> None:
    control, conn = connected(Post("/channel", b"{}", 0.0, wait))
    assert control.deadline() == 100.0 + ANSWER + wait
    assert control.woke(at(100.0 + ANSWER + wait - 0.01)) == ((), None)
    effects, outcome = control.woke(at(100.0 + ANSWER + wait))
    assert effects == (Close(conn),)
    assert outcome == Unanswered(False, "no answer in time")
    assert control.deadline() is None


def test_a_dial_without_an_answer_has_not_reached_it() -> None:
    control = Control("relay", 80)
    conn = conn_of(control.post(POST, NOW))
    effects, outcome = control.woke(at(110.0))
    assert (effects, outcome) == ((Close(conn),), Unanswered(True, "no answer in time"))


def test_a_post_may_wait_before_it_goes() -> None:
    control = Control("relay", 80)
    assert control.post(Post("/join", b"", 0.5), NOW) == ()
    assert control.deadline() == 100.5
    assert control.woke(at(100.4)) == ((), None)
    effects, outcome = control.woke(at(100.5))
    assert outcome is None
    conn_of(effects)
    assert control.deadline() == 100.5 + ANSWER


def test_a_newer_post_takes_the_place_of_the_older() -> None:
    control, conn = connected()
    effects = control.post(Post("/channel", b"{}"), NOW)
    assert effects[0] == Close(conn)
    assert conn_of(effects) != conn
    assert not control.owns(Received(conn, REPLY))


def test_at_the_end_nothing_stays_open() -> None:
    control, conn = kept()
    assert control.close() == (Close(conn),)
    assert control.close() == ()


@pytest.mark.parametrize("after", [0.0, 0.5])
def test_at_the_end_nothing_is_waited_for(after: float) -> None:
    control = Control("relay", 80)
    control.post(Post("/join", b"", after), NOW)
    control.close()
    assert control.deadline() is None


class Backend:
    """What a backend allows, and what a control may ask of it."""

    ANSWERS = {"reply": REPLY, "last": LAST, "end": b"", "junk": b"?\r\n\r\n", "part": b"HTTP"}

    def __init__(self) -> None:
        self.conns: dict[Conn, bool] = {}
        """Open ones, and whether they are connected."""
        self.reads: set[Conn] = set()

    def did(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Connect(conn):
                    assert conn not in self.conns
                    self.conns[conn] = False
                case Close(conn):
                    del self.conns[conn]
                    self.reads.discard(conn)
                case Send(conn):
                    assert self.conns[conn]
                case Read(conn):
                    assert self.conns[conn]
                    assert conn not in self.reads
                    self.reads.add(conn)
        assert len(self.conns) <= 1

    def happens(self, step: str) -> Input | None:
        """The input of that name, where it can happen now."""
        conn = next(iter(self.conns), None)
        if conn is None:
            return None
        there, reading = self.conns[conn], conn in self.reads
        if step == "connected" and not there:
            self.conns[conn] = True
            return Connected(conn, "10.0.0.9", "10.0.0.1")
        if step == "broken" and (reading or not there):
            del self.conns[conn]
            self.reads.discard(conn)
            return Broken(conn, "reset")
        if step in self.ANSWERS and reading:
            self.reads.discard(conn)
            return Received(conn, self.ANSWERS[step])
        return None


STEPS = ["post", "later", "renew", "woke", "late", "connected", "broken", *Backend.ANSWERS]


@settings(max_examples=200)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=25))
def test_each_post_is_answered_once_over_one_connection(steps: list[str]) -> None:
    control, backend = Control("relay", 80), Backend()
    now, waits = 100.0, False
    for step in steps:
        outcome: object = None
        effects: tuple[Effect, ...] = ()
        event = backend.happens(step)
        if step in ("post", "later"):
            effects = control.post(Post("/join", b"{}", 1.0 if step == "later" else 0.0), at(now))
            waits = True
        elif step == "renew":
            effects = control.renew()
        elif step in ("woke", "late"):
            now += 1.0 if step == "woke" else 11.0
            effects, outcome = control.woke(at(now))
        elif event is not None:
            effects, outcome = control.handle(event, at(now))
        backend.did(effects)
        if outcome is not None:
            assert waits, "an answer that nobody asked for"
            waits = False
        assert (control.deadline() is not None) == waits
