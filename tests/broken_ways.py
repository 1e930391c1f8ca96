"""What broken relays do in place of what they should, one function for each way to be wrong."""

from __future__ import annotations

import ipaddress
import itertools
import json
from typing import Any

import msgspec

from backends import _http_server
from croc_core import book, channel, identify, judge, wire
from croc_core import relay as relay_module
from croc_core.judge import Allowed, Refused
from croc_core.relay import Relay
from croc_core.relay_io import Drop
from croc_core.values import Role


def lenient(data: bytes, kind: Any) -> Any:
    found = json.loads(data) if data[:1] == b"{" and data[-1:] == b"}" else None
    if not isinstance(found, dict):
        return wire.decode_request(data, kind)
    known = {name: found[name] for name in kind.__struct_fields__ if name in found}
    return wire.decode_request(json.dumps(known).encode(), kind)


def chatty(data: bytes, kind: Any) -> Any:
    try:
        return wire.decode_request(data, kind)
    except ValueError as error:
        raise ValueError(f'Traceback: File "wire.py", line 1: {error}') from None


def first_action(update: wire.Update) -> wire.Action:
    given = wire.fields(update)
    if "close" in given:
        return wire.Close()
    if "h_k" in given:
        return wire.PutProof(given["h_k"])
    if "y" in given:
        return wire.PutY(given["y"], given.get("hh_k", "AAAA"))
    return wire.PutX(given["x"]) if "x" in given else wire.Look()


def first_come_wait(self: Relay, event: Any, update: Any, action: Any, now: Any) -> Any:
    if update.wait:  # and forgets the action
        action = wire.Look()
    return _UPDATE(self, event, update, action, now)


def any_version(self: Relay, event: Any, join: Any, now: Any) -> Any:
    return _JOIN(self, event, msgspec.structs.replace(join, protocol=1), now)


def known_curves(self: Relay, event: Any, join: Any, now: Any) -> Any:
    curve = join.curve or "x25519"
    if curve not in ("x25519", "p256", "p384", "p521"):
        return Refused(400, "malformed", "no such curve")
    return _JOIN(self, event, join, now)


def token_late(self: Relay, event: Any, join: Any, now: Any) -> Any:
    if join.channel and join.channel in self._book.channels and join.role is Role.SENDER:
        return judge.OCCUPIED
    return _JOIN(self, event, join, now)


def token_for_all(self: Relay, event: Any, join: Any, now: Any) -> Any:
    return _JOIN(self, event, join, now) if self._may_open(join) else relay_module.TOKEN


def opens_for_recipients(self: Relay, event: Any, join: Any, now: Any) -> Any:
    if join.role is Role.RECIPIENT and join.channel not in self._book.channels:
        self._open(event, join, now)
        return judge.NO_SUCH_CHANNEL
    return _TAKE(self, event, join, now)


def refused_gets_in(self: Relay, event: Any, update: Any, action: Any, now: Any) -> Any:
    why = _UPDATE(self, event, update, action, now)
    found = self._book.channels.get(update.channel)
    if isinstance(why, Refused) and why.code == "not_yours" and found is not None:
        self._book.apply(update.channel, (channel.AddressEntered(event.address),), now)
    return why


def closes_all(self: book.Book, name: str, events: Any, now: Any) -> Any:
    events = tuple(events)
    if any(isinstance(event, channel.MemberClosed) for event in events):
        for other in tuple(self.locals):
            if other != name:
                _APPLY(self, other, events, now)
    return _APPLY(self, name, events, now)


def answers_at_once(
    self: book.Book, name: str, role: Role, waiter: Any, wait: float, now: Any
) -> None:
    del role, wait
    self._look(name, waiter, now)


def one_seat_for_waiters(
    self: book.Book, name: str, role: Role, waiter: Any, wait: float, now: Any
) -> None:
    self._release(name, role.other, now)
    _HOLD(self, name, role, waiter, wait, now)


def settles_blindly(self: book.Book, name: str, now: Any) -> None:
    for role in tuple(self.locals[name].waiters):
        waiter = self.locals[name].waiters.get(role)
        if waiter is not None and self.channels[name].seq > waiter.since:
            self._release(name, role, now)


def keeps_waiters(self: book.Book, tombstone: Any, now: Any) -> None:
    self.locals[tombstone.name].waiters.clear()
    _BURY(self, tombstone, now)


def newer_is_dropped(self: book.Book, name: str, key: Any, pending: Any, now: Any) -> Any:
    older = self.locals[name].pending.get(key)
    if older is None:
        return _PEND(self, name, key, pending, now)
    self._out.append(Drop(pending.link))
    self.pending[pending.link] = (name, (key[0] + 1000, key[1]))
    self.locals[name].pending[key[0] + 1000, key[1]] = pending
    return None


def any_port(self: book.Book, name: str, key: Any, pending: Any, now: Any) -> Any:
    return _PEND(self, name, (0, key[1]), pending, now)


def is_first_read(received: bytes) -> Any:
    return identify.parse_line(received) or identify.MALFORMED


def line_of_any_version(received: bytes) -> Any:
    parsed = identify.parse_line(received)
    return identify.MALFORMED if parsed == identify.OTHER_VERSION else parsed


def any_length(received: bytes) -> Any:
    return identify.parse_line(received) if b"\n" in received else None


def lax_line(received: bytes) -> Any:
    return identify.parse_line(received.replace(b"\r\n", b"\n").replace(b"  ", b" "))


def no_answer(refusal: Any) -> bytes:
    return b"" if refusal is not None else b"OK\n"


def plain_text(body: Any) -> bytes:
    return b"something went wrong" if isinstance(body, wire.Error) else wire.encode(body)


def leaks(body: Any) -> bytes:
    data = wire.encode(body)
    if isinstance(body, wire.State):
        return data.replace(b"{", b'{"members":["%s"],' % _UUIDS[-1].encode(), 1)
    _UUIDS.append(getattr(body, "uuid", "0"))
    return data


def mapped_stays(host: str, prefix: int = 128) -> str:
    return str(ipaddress.ip_network((host, prefix), strict=False)) if ":" in host else host


def no_retry_after(status: int, body: bytes, **more: Any) -> bytes:
    return _RENDER(status, body, **more | {"retry_after": None})


_JOIN, _UPDATE, _TAKE = Relay._join, Relay._update, Relay._take_seat
_HOLD, _BURY, _PEND, _APPLY = book.Book.hold, book.Book._bury, book.Book.pend, book.Book.apply
_RENDER = _http_server.render
_UUIDS = ["0"]
_COUNTER = itertools.count(1)
_LOOKS = itertools.count(1)


def nothing(*_: Any) -> None:
    return None


def never(*_: Any) -> bool:
    return False


def always(*_: Any) -> bool:
    return True


def numbered(*_: Any) -> str:
    return f"{next(_COUNTER) + 100000:06}"


def counted(*_: Any) -> str:
    return f"{next(_COUNTER):032x}"


def by_prefix(of: Any, uuid: str) -> Role | None:
    sender, recipient = channel._uuids(of)
    if uuid[:30] == sender[:30]:
        return Role.SENDER
    return Role.RECIPIENT if recipient and uuid[:30] == recipient[:30] else None


def uuid_first(of: Any, uuid: str, address: str) -> Any:
    return _MEMBER(of, uuid, address) if channel.role_of(of, uuid) else judge.NOT_YOURS


def counts_one(state: wire.State, of: Any) -> wire.State:
    del of
    return msgspec.structs.replace(state, staplings=dict.fromkeys(state.staplings, 1))


def any_curve(of: Any, role: Role, curve: str | None, address: str) -> Refused | None:
    del curve
    return judge.judge_join(of, role, None, address)


def only_sender_closes(right: Any, of: Any, uuid: str, address: str, action: Any, _: int) -> Any:
    mine = channel.role_of(of, uuid) is Role.SENDER
    return right if mine or not isinstance(action, wire.Close) else judge.OUT_OF_TURN


def checks_proof(right: Any, of: Any, uuid: str, address: str, action: Any, _: int) -> Any:
    return judge.OUT_OF_TURN if isinstance(action, wire.PutProof) else right


def no_repeats(right: Any, of: Any, uuid: str, address: str, action: Any, _: int) -> Any:
    repeat = isinstance(right, Allowed) and not right.events and not isinstance(action, wire.Look)
    return judge.ALREADY_SET if repeat else right


def no_address(right: Any, *_: Any) -> Any:
    return Allowed(right.role, ()) if isinstance(right, Allowed) else right


def any_time(right: Any, of: Any, uuid: str, address: str) -> Any:
    return Refused(403, "not_yours", "no") if right == judge.OUT_OF_TURN else right


def anyhow(right: Any, of: Any, uuid: str, address: str) -> Any:
    if right == judge.FULL:
        return Allowed(channel.role_of(of, uuid) or Role.SENDER, ())
    return right


def gone_for_all(of: Any, role: Any) -> Refused:
    return judge.GONE._replace(by=of.by, reason=of.reason)


_MEMBER = judge._member
