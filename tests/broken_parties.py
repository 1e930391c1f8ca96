"""Senders and recipients that are wrong in one way each, and the case that has to notice.

Each is this project's party in memory with one thing replaced.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import zstandard
from pytest import MonkeyPatch  # noqa: PT013 - a type

from backends import _control, _discovery, _link, _party_node, _zstd
from backends._http_client import HttpExchange
from backends._options import Options, Where
from backends.files.part import Part
from backends.files.policy import Policy
from backends.files.sink import FileSink
from backends.files.stream import KEPT, StreamSource
from conformance.subjects import memory_parties
from croc_core import (
    handshake,
    heads,
    many_judge,
    messages,
    party,
    recipient_judge,
    recipient_link_judge,
    recipient_rejoin_judge,
    recipient_states,
    reconnect,
    selection,
    sender_judge,
    sender_link_judge,
    sender_rejoin_judge,
    sender_states,
)
from croc_core import party_io as p
from croc_core.content import Stretch
from croc_core.events import to_json
from croc_core.limits import Limits
from croc_core.outgoing import PieceProducer
from croc_core.values import Secret

Break = Callable[[MonkeyPatch], None]


def judged(module: ModuleType, state: type[Any], when: Callable[[Any], bool], then: Any) -> Break:
    """A machine that makes *then* of an input that *when* picks, whatever it holds."""

    def broken(patch: MonkeyPatch) -> None:
        real = module._JUDGES[state]

        def instead(context: Any, state: Any, event: Any, *now: Any) -> Any:
            return then(state, event) if when(event) else real(context, state, event, *now)

        patch.setitem(module._JUDGES, state, instead)

    return broken


def put(target: object, name: str, value: object) -> Break:
    return lambda patch: patch.setattr(target, name, value)


def heard(kind: type[Any]) -> Callable[[Any], bool]:
    return lambda event: isinstance(event, p.Heard) and isinstance(event.message, kind)


def answered(event: Any) -> bool:
    return isinstance(event, p.Replied) and event.status == 200


def lenient(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.replace("+", "-") + "=" * (-len(text) % 4))


def shows_secret(patch: MonkeyPatch) -> None:
    patch.setattr(
        memory_parties, "to_json", lambda e: to_json(e).replace(b"the other side", b"otter")
    )


def forgets_reflection(patch: MonkeyPatch) -> None:
    patch.setattr(handshake, "_agree", lambda suite, k, mine, theirs: suite.agree(k, theirs))


def gives_up(name: str, seconds: float) -> Break:
    def broken(patch: MonkeyPatch) -> None:
        wanted = party.Patience()._replace(**{name: seconds})
        patch.setattr(memory_parties, "Options", lambda **given: Options(**given, patience=wanted))

    return broken


def overwrites(patch: MonkeyPatch) -> None:
    patch.setattr(
        memory_parties, "Options", lambda **given: Options(**given, existing=Policy.OVERWRITE)
    )


def fresh_nonces(patch: MonkeyPatch) -> None:
    """Each request of a join, repeats too, gets another nonce."""

    def make(authority: str, path: str, body: bytes) -> Any:
        fields = json.loads(body)
        if "nonce" in fields:
            fields["nonce"] = os.urandom(16).hex()
        return HttpExchange(authority, path, json.dumps(fields).encode())

    patch.setattr(_control, "HttpExchange", make)


def with_options(**more: Any) -> Break:
    return put(memory_parties, "Options", lambda **given: Options(**{**given, **more}))


def any_hello(module: ModuleType) -> Break:
    """Takes every hello for one, and makes keys with it."""

    def broken(patch: MonkeyPatch) -> None:
        patch.setattr(module, "greeted", lambda *_: None)
        patch.setattr(handshake, "_is_hello", lambda *_: True)

    return broken


def greets(event: Any) -> bool:
    return isinstance(event, p.Greeted)


def judges(event: Any) -> bool:
    return isinstance(event, p.Judged)


def _offers_at_once(state: Any, event: Any) -> Any:
    return sender_states.HelloGood(event.hello, os.urandom(16))


def _asks(state: Any, event: Any) -> Any:
    return sender_states.HelloAsked(event.hello, (1, 2, 3, 4))


def _given(state: Any, event: Any) -> Any:
    return recipient_states.VerdictGiven(event.verdict)


def _any_digests(state: Any, event: Any) -> Any:
    return recipient_states.DigestsGood(event.message, bytes(32), state.at + 1, 0)


def _everything(self: Any, entry: int) -> list[Stretch]:
    return [Stretch(entry, 0, self._offered.size(self._offered.rows[entry]))]


def _the_words(*_: Any) -> Secret:
    return Secret(b"otter-lemon-violin")


def _lax_inflate(data: Any, length: int) -> bytes:
    return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(data)[:length])


def _squeezes(self: Any, sealer: Any, share: Any) -> Any:
    producer = PieceProducer(sealer, self._source, share, _zstd.Squeezer())
    return producer, producer


def _zeros_for_what_is_gone(self: Any, entry: int, offset: int, buffer: memoryview) -> int:
    if offset >= self._end - KEPT:
        return _READ_INTO(self, entry, offset, buffer)
    buffer[:] = bytes(len(buffer))
    return len(buffer)


def _answers_all(self: Any, data: bytes, address: str) -> bytes:
    return bytes(_discovery.ANSWER + data[12:28] + self._port.to_bytes(2, "big"))


def _takes_the_first(self: Any, places: list[Where], now: Any) -> Any:
    return _FOUND(self, places[:1], now)


def _any_id(data: bytes, identity: bytes) -> int | None:
    return _PORT_OF(data, data[12:28])


_PORT_OF = _discovery.port_of
_READ_INTO, _FOUND = StreamSource.read_into, _discovery.Searching._found


def _done(state: Any, event: Any) -> Any:
    return sender_states.ReceiptGood()


S, R = sender_judge, recipient_judge
SL, RL = sender_link_judge, recipient_link_judge
BROKEN: dict[str, Break] = {
    "recipient-false-proof": put(R, "proves", lambda session, h_k: True),
    "sender-guessed-hash": put(handshake, "_same", lambda ours, theirs: True),
    "recipient-commitment": put(RL, "commits", lambda session, vn: True),
    "sender-refuses-x25519-reflected": forgets_reflection,
    "sender-hello-own-role": any_hello(SL),
    "recipient-hello-other-connection": any_hello(RL),
    "sender-port-refusal": put(SL, "identified", lambda event: None),
    "recipient-refuses-x-stray-bits": put(heads, "b64url_decode", lenient),
    "sender-refuses-y-stray-bits": put(heads, "b64url_decode", lenient),
    "sender-refuses-head-too-long": put(heads, "MAX_HEAD", 1 << 20),
    "sender-refuses-head-too-many-caps": put(heads, "MAX_CAPS", 1 << 20),
    "sender-long-polls": put(S, "pause", lambda before, seq: 0.0),
    "sender-still-here": put(_link, "STILL_HERE", 1000.0),
    "recipient-still-here": put(_link, "STILL_HERE", 1000.0),
    "sender-not-sooner": gives_up("progress", 20.0),
    "recipient-stalled-peer": gives_up("progress", 100_000.0),
    "sender-relay-stalls": gives_up("request", 100_000.0),
    "recipient-no-overwrite": overwrites,
    "sender-secret-stays": shows_secret,
    "sender-repeats-join": fresh_nonces,
    "sender-receipt-tid": judged(S, sender_states.AwaitingReceipt, heard(messages.Receipt), _done),
    "sender-receipt-no-flag": judged(
        S, sender_states.AwaitingReceipt, heard(messages.Receipt), _done
    ),
    "sender-no-receipt": judged(
        S, sender_states.AwaitingReceipt, lambda e: isinstance(e, p.LinkEnded), _done
    ),
    "sender-other-tid": judged(
        S,
        sender_states.AwaitingAccept,
        heard(messages.Accept),
        lambda state, event: sender_states.AcceptWhole(event.message, 1),
    ),
    "sender-x-not-shown": judged(
        S,
        sender_states.Publishing,
        answered,
        lambda state, event: sender_states.XTaken("k7w2-otter-lemon-violin", "", 0),
    ),
    "sender-asks-stapled": judged(
        S,
        sender_states.AwaitingStaple,
        lambda event: True,
        lambda state, event: sender_states.IsStapled(b"\x0bcroc-core/1" + bytes(51), math.inf),
    ),
    "recipient-end-count": judged(
        R,
        recipient_states.Receiving,
        heard(messages.PiecesEnd),
        lambda state, event: recipient_states.TotalsGood(()),
    ),
    "recipient-end-no-flag": judged(
        R,
        recipient_states.Receiving,
        heard(messages.PiecesEnd),
        lambda state, event: recipient_states.TotalsGood(()),
    ),
    "recipient-wrong-sum": judged(
        R,
        recipient_states.HearingOffer,
        heard(messages.OfferEnd),
        lambda state, event: recipient_states.OfferWhole(),
    ),
    "recipient-problem-ends": judged(
        R,
        recipient_states.AwaitingOffer,
        heard(messages.Problem),
        lambda state, event: None,
    ),
    # ---- a connection that is lost, and meeting again
    "recipient-redials": with_options(reconnect=0),
    "sender-continues": put(selection.Selection, "narrow", lambda self, want: None),
    "recipient-unwanted-piece": put(FileSink, "_gaps", _everything),
    "recipient-continue-foreign": judged(
        R,
        recipient_states.AwaitingOffer,
        heard(messages.Continue),
        lambda state, event: recipient_states.Continued(),
    ),
    "recipient-redial-other-open": put(RL, "commits", lambda session, vn: True),
    "sender-rejoins": put(sender_rejoin_judge, "rejoin_channel", lambda first, n: "a" * 24),
    "recipient-rejoins": put(recipient_rejoin_judge, "rejoin_secret", _the_words),
    "recipient-rejoins-elsewhere": put(recipient_rejoin_judge, "WINDOW", 1),
    "sender-rejoin-stranger": put(handshake, "_same", lambda ours, theirs: True),
    "sender-want-overlap": put(selection._Wanted, "behind", lambda *_: True),
    # ---- several connections
    "sender-many": put(selection.Share, "draw", lambda self: self._work.parts(self.outline)),
    "recipient-many-waits": judged(
        R,
        recipient_states.Receiving,
        heard(messages.PiecesEnd),
        lambda state, event: recipient_states.TotalsGood(()),
    ),
    "recipient-many-lost": judged(
        R,
        recipient_states.Receiving,
        lambda event: isinstance(event, p.LinkEnded) and event.connection > 0,
        lambda state, event: None,
    ),
    "sender-many-lost": judged(
        S,
        sender_states.Sending,
        lambda event: isinstance(event, p.LinkEnded) and event.connection > 0,
        lambda state, event: None,
    ),
    "recipient-many-swapped": any_hello(many_judge),
    "sender-many-ports": put(SL, "connections", lambda streams, seat: 1),
    # ---- resume
    "recipient-digests-order": judged(
        R, recipient_states.AwaitingDigests, heard(messages.Digests), _any_digests
    ),
    "recipient-digests-false": put(Part, "has", lambda *_: True),
    "sender-held-twice": put(selection.Selection, "_hold", lambda self, held: None),
    "recipient-second-offer": overwrites,
    "sender-digests": put(SL, "resume_key", lambda session: bytes(32)),
    # ---- compression
    "recipient-zstd-bomb": put(_zstd, "inflater", lambda: lambda data, length: bytes(length)),
    "recipient-zstd-trailing": put(_zstd, "inflater", lambda: _lax_inflate),
    "sender-pieces": put(_party_node.SenderNode, "_piece_producer", _squeezes),
    "sender-compresses": with_options(compress=False),
    # ---- the verifier
    "sender-verify": judged(S, reconnect.Greeting, greets, _offers_at_once),
    "recipient-verify": judged(R, recipient_states.Judging, judges, _given),
    "recipient-verify-differs": put(RL, "_words", lambda agree: recipient_states.WordsAgree()),
    "sender-verify-differs": judged(
        S,
        sender_states.Verifying,
        lambda event: isinstance(event, p.ComparedWords),
        lambda state, event: sender_states.WordsAgree(bytes(16)),
    ),
    "sender-verify-holds": judged(S, reconnect.Greeting, greets, _asks),
    # ---- streams, a relay of one's own, discovery
    "sender-stream-again": put(StreamSource, "read_into", _zeros_for_what_is_gone),
    "sender-own-relay": put(Limits, "embedded", classmethod(lambda cls: cls())),
    "sender-found": put(_discovery.Answerer, "__call__", _answers_all),
    "sender-not-found": with_options(discovery=True),
    "recipient-finds-two": put(_discovery.Searching, "_found", _takes_the_first),
    "recipient-finds-nonsense": put(_discovery, "port_of", _any_id),
    "recipient-unknown-feature": put(memory_parties, "_known", lambda one: True),
}
