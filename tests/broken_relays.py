"""Relays that are wrong in one way each, and the case that has to notice.

Most are this project's relay with one name replaced while a case runs (the replacements stand in
`tests/broken_ways.py`); those of `tests/broken_nodes.py` are wrong in how they move bytes.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import msgspec

from backends._peers import Addresses, Connections
from backends._relay_node import RelayNode
from conformance.subjects.memory import Make, honest
from croc_core import channel, judge, wire
from croc_core import relay as relay_module
from croc_core.judge import Allowed, Refused
from croc_core.relay import Relay
from croc_core.values import Role
from tests import broken_nodes as nodes
from tests import broken_ways as ways

RELAY, BOOK, LINKS = "croc_core.relay.", "croc_core.book.", "croc_core.links."
EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"),)
LOOKS = itertools.count(1)


@dataclass(frozen=True)
class Broken:
    """One wrong relay."""

    id: str
    case: str
    """The case that must not let it pass."""
    patches: Mapping[str, object] = field(default_factory=dict, repr=False)
    make: Make = field(default=honest, repr=False)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        with ExitStack() as stack:
            for target, value in self.patches.items():
                stack.enter_context(mock.patch(target, value))
            yield


def limited(**limits: Any) -> Make:
    """A relay that has other limits than it was told."""
    return lambda told: honest(replace(told, limits=replace(told.limits, **limits)))


def around(connections: Connections = Connections(), addresses: Addresses = Addresses()) -> Make:
    """A relay whose node is set up otherwise."""
    return lambda told: RelayNode(Relay(os.urandom, told.limits), addresses, connections)


def seen(change: Callable[[wire.State, Any], wire.State]) -> dict[str, object]:
    """Patches that show members another state than there is."""
    honest_view = channel.view

    def view(of: Any) -> wire.State:
        return change(honest_view(of), of)

    return {"croc_core.relay.view": view, "croc_core.book.view": view}


def with_fields(**changes: Any) -> Callable[[wire.State, Any], wire.State]:
    return lambda state, of: msgspec.structs.replace(state, **changes)


def verdict(change: Callable[..., Any], where: str = "judge_update") -> dict[str, object]:
    """Patches that judge a request otherwise: *change* gets the right verdict and the arguments."""
    right = getattr(judge, where)

    def wrong(*args: Any) -> Any:
        return change(right(*args), *args)

    return {f"croc_core.{'links' if where == 'judge_link' else 'relay'}.{where}": wrong}


def let(code: str) -> Callable[..., Any]:
    """Take as a repeat, without doing anything, what is to be refused with *code*."""

    def change(right: Any, of: Any, uuid: str, *_: Any) -> Any:
        refused = isinstance(right, Refused) and right.code == code
        return Allowed(channel.role_of(of, uuid) or Role.SENDER, ()) if refused else right

    return change


RELAYS = (
    Broken(
        "another path is malformed",
        "http-no-route",
        {RELAY + "NO_ROUTE": Refused(400, "malformed", "no")},
    ),
    Broken("GET is no route", "http-other-method", {RELAY + "METHOD": relay_module.NO_ROUTE}),
    Broken("errors are plain text", "http-errors-of-the-table", {BOOK + "encode": ways.plain_text}),
    Broken(
        "unknown fields are taken", "http-malformed-join", {RELAY + "decode_request": ways.lenient}
    ),
    Broken(
        "errors show the inside", "http-no-inside-shown", {RELAY + "decode_request": ways.chatty}
    ),
    Broken("bodies of any length", "http-long-body-at-once", make=limited(max_body=1 << 30)),
    Broken("bodies of a kilobyte", "http-body-of-8192", make=limited(max_body=1024)),
    Broken("requests of any age", "http-slow-request", make=around(Connections(9999, 9999, 900))),
    Broken(
        "headers of any length", "http-long-headers", {"backends._http_server.MAX_HEAD": 1 << 20}
    ),
    Broken(
        "no keep-alive",
        "http-keep-alive",
        {"backends._http_server.HttpServer.keep_alive": property(ways.never)},
    ),
    Broken(
        "who is refused gets in",
        "address-refused-takes-no-slot",
        {RELAY + "Relay._update": ways.refused_gets_in},
    ),
    Broken("any version joins", "join-version", {RELAY + "Relay._join": ways.any_version}),
    Broken(
        "recipients open channels",
        "join-unknown",
        {RELAY + "Relay._take_seat": ways.opens_for_recipients},
    ),
    Broken(
        "any nonce is a repeat",
        "join-other-nonce",
        {RELAY + "is_repeated": lambda of, role, *_: hasattr(of, role)},
    ),
    Broken("no nonce is a repeat", "join-again-sender", {RELAY + "is_repeated": ways.never}),
    Broken(
        "a nonce counts from anywhere",
        "join-again-elsewhere",
        {
            RELAY + "is_repeated": lambda of, role, nonce, *_: (
                getattr(getattr(of, role, None), "nonce", "") == nonce
            )
        },
    ),
    Broken("any curve joins", "join-other-curve", {RELAY + "judge_join": ways.any_curve}),
    Broken("another default curve", "join-default-curve", {RELAY + "DEFAULT_CURVE": "p256"}),
    Broken("it knows the curves", "join-unknown-curve", {RELAY + "Relay._join": ways.known_curves}),
    Broken("names in sequence", "join-names", {RELAY + "new_name": ways.numbered}),
    Broken("uuids in sequence", "join-uuids", {RELAY + "Relay._uuid": ways.counted}),
    Broken("states show a uuid", "join-uuids", {BOOK + "encode": ways.leaks}),
    Broken(
        "any uuid is the sender's",
        "channel-wrong-uuid",
        {"croc_core.judge.role_of": lambda of, uuid: channel.role_of(of, uuid) or Role.SENDER},
    ),
    Broken(
        "the start of a uuid is enough",
        "channel-wrong-uuid",
        {"croc_core.judge.role_of": ways.by_prefix},
    ),
    Broken(
        "the uuid before the address",
        "address-third-is-full",
        {"croc_core.judge._member": ways.uuid_first},
    ),
    Broken("another value is said to be taken", "channel-other-value", verdict(let("already_set"))),
    Broken("any turn is said to be right", "channel-before-its-turn", verdict(let("out_of_turn"))),
    Broken("any role is said to be right", "channel-wrong-role", verdict(let("out_of_turn"))),
    Broken("repeats are refused", "channel-same-again", verdict(ways.no_repeats)),
    Broken("it checks the proof", "channel-no-judgement", verdict(ways.checks_proof)),
    Broken("x is null before it is there", "channel-no-x-yet", verdict(let("no_x_yet"))),
    Broken("any curve beside x", "channel-curve-beside-x", verdict(let("curve"))),
    Broken("the first action wins", "channel-one-action", {RELAY + "action_of": ways.first_action}),
    Broken(
        "looking is a change",
        "channel-seq-grows",
        seen(lambda state, of: with_fields(seq=state.seq + next(LOOKS))(state, of)),
    ),
    Broken(
        "y and hh_k are swapped",
        "channel-whole-exchange",
        seen(lambda state, of: with_fields(y=state.hh_k, hh_k=state.y)(state, of)),
    ),
    Broken(
        "values come padded",
        "channel-whole-exchange",
        seen(lambda state, of: with_fields(x=state.x and state.x + "=")(state, of)),
    ),
    Broken(
        "the recipient is not shown", "channel-state-fields", seen(with_fields(recipient=False))
    ),
    Broken(
        "it closes more than it should", "channel-apart", {BOOK + "Book.apply": ways.closes_all}
    ),
    Broken("nothing waits", "wait-runs-out", {BOOK + "Book.hold": ways.answers_at_once}),
    Broken("changes wake nobody", "wait-ends-with-change", {BOOK + "Book._settle": ways.nothing}),
    Broken(
        "who waits does nothing",
        "wait-action-first",
        {RELAY + "Relay._update": ways.first_come_wait},
    ),
    Broken(
        "one waiter a channel", "wait-one-each", {BOOK + "Book.hold": ways.one_seat_for_waiters}
    ),
    Broken(
        "a recipient waits for anything",
        "wait-for-x-through-changes",
        {BOOK + "Book._settle": ways.settles_blindly},
    ),
    Broken(
        "a close leaves waiters",
        "wait-released-by-close",
        {BOOK + "Book._bury": ways.keeps_waiters},
    ),
    Broken("only senders close", "close-by-either", verdict(ways.only_sender_closes)),
    Broken("tombstones of a minute", "close-tombstone-stays", make=limited(tombstone_ttl=60.0)),
    Broken(
        "strangers learn why",
        "close-tells-no-stranger",
        {"croc_core.judge._gone": ways.gone_for_all},
    ),
    Broken(
        "members do not learn why",
        "close-says-by-and-reason",
        {"croc_core.judge._gone": lambda of, role: judge.GONE},
    ),
    Broken(
        "closed channels show x",
        "close-frees-values",
        seen(lambda state, of: with_fields(x=state.x or "AAAA")(state, of)),
    ),
    Broken("nothing expires", "close-expires-idle", make=limited(idle_timeout=9999.0)),
    Broken("old channels stay", "close-expires-old", make=limited(channel_ttl=9999.0)),
    Broken(
        "waiters do not count as use",
        "close-not-while-waited-on",
        {BOOK + "Local.busy": property(ways.never)},
    ),
    Broken("three addresses", "address-third-is-full", {"croc_core.judge.MAX_ADDRESSES": 3}),
    Broken(
        "any address on data ports", "address-on-data-ports", verdict(ways.anyhow, "judge_link")
    ),
    Broken(
        "data ports let nobody in",
        "address-enters-by-data-port",
        verdict(ways.no_address, "judge_link"),
    ),
    Broken(
        "it believes what is claimed",
        "address-claimed-does-not-count",
        make=around(addresses=Addresses(trusted=EVERYWHERE)),
    ),
    Broken(
        "mapped addresses are IPv6",
        "address-mapped-is-ipv4",
        {"backends._peers.address_of": ways.mapped_stays},
    ),
    Broken(
        "a line comes in one piece", "port-any-split", {LINKS + "parse_line": ways.is_first_read}
    ),
    Broken("any spaces in a line", "port-malformed", {LINKS + "parse_line": ways.lax_line}),
    Broken("refused without a word", "port-malformed", {LINKS + "encode_reply": ways.no_answer}),
    Broken(
        "another version is malformed",
        "port-version",
        {LINKS + "parse_line": ways.line_of_any_version},
    ),
    Broken("lines of any age", "port-slow-line", make=limited(handshake_timeout=900.0)),
    Broken(
        "lines of any length",
        "port-long-line",
        {LINKS + "parse_line": ways.any_length, LINKS + "MAX_LINE": 1 << 20},
    ),
    Broken("too early is not yours", "port-refusals", verdict(ways.any_time, "judge_link")),
    Broken("any two ports are stapled", "port-same-port-only", {BOOK + "Book.pend": ways.any_port}),
    Broken(
        "the newer one waits outside",
        "port-one-of-each-role",
        {BOOK + "Book.pend": ways.newer_is_dropped},
    ),
    Broken("stapled ends", "port-stapled-stays", seen(with_fields(stapled=False))),
    Broken("every count is one", "port-again-while-stapled", seen(ways.counts_one)),
    Broken(
        "any number of links",
        "limit-waiting-links",
        make=limited(max_links=1 << 20, max_pending_links=1 << 20, max_pending_per_address=1 << 20),
    ),
    Broken("any number of channels", "limit-channels", make=limited(max_channels=999)),
    Broken(
        "any number of one's channels", "limit-channels-of-one", make=limited(max_per_address=999)
    ),
    Broken(
        "no word of when",
        "limit-retry-after",
        {"backends._http_server.render": ways.no_retry_after},
    ),
    Broken("repeats cost", "limit-rate-spares-repeats", {RELAY + "is_repeated": ways.never}),
    Broken("no token is needed", "token-of-senders", {RELAY + "Relay._may_open": ways.always}),
    Broken("the token comes late", "token-of-senders", {RELAY + "Relay._join": ways.token_late}),
    Broken(
        "recipients need a token",
        "token-not-of-recipients",
        {RELAY + "Relay._join": ways.token_for_all},
    ),
    Broken("a byte puts the deadline off", "http-trickled-request", make=nodes.Patient),
    Broken("a byte puts a line's deadline off", "port-trickled-line", make=nodes.PatientPorts),
    Broken("a close cuts nothing", "close-cuts-data", make=nodes.changed(nodes.no_cut)),
    Broken("the old pair lives on", "port-again-while-stapled", make=nodes.changed(nodes.no_cut)),
    Broken(
        "early bytes are lost",
        "port-early-bytes",
        make=nodes.staples(to_a=lambda e: b"", to_b=lambda e: b""),
    ),
    Broken(
        "early bytes go back",
        "port-early-bytes",
        make=nodes.staples(to_a=lambda e: e.to_b, to_b=lambda e: e.to_a),
    ),
    Broken("it greets", "port-lets-members-in", make=nodes.staples(to_a=lambda e: b"hello")),
    Broken("it reads ahead", "port-unread-until-stapled", make=nodes.Greedy),
    Broken("bits flip", "port-moves-bytes", make=nodes.Flipper),
    Broken("bytes get lost", "port-moves-bytes", make=nodes.Truncator),
    Broken("bytes come twice", "port-moves-bytes", make=nodes.Repeater),
    Broken("bytes come in another order", "port-moves-bytes", make=nodes.Reorderer),
    Broken("bytes come back", "port-moves-bytes", make=nodes.Reflector),
    Broken("one end is both ends", "port-half-close", make=nodes.Slammer),
    Broken("ends are kept", "port-half-close", make=nodes.Silencer),
    Broken("it hoards", "port-slow-reader", make=nodes.Hoarder),
    Broken(
        "who left still counts",
        "limit-links-come-back",
        {"croc_core.limits.Tally.drop": ways.nothing},
    ),
    Broken(
        "an ended pair lives on",
        "close-expires-after-stapling",
        {LINKS + "Links.pair_ended": ways.nothing},
    ),
    Broken("no use counts", "close-not-while-used", {BOOK + "Book.touch": ways.nothing}),
)
