"""Every error of the core's lower modules: whose side it was, and the whole sentence.

A sentence that a person or a log may show is part of what a module does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from croc_core import codes, heads, identify, messages, pake, recipient_judge, sender_judge, wire
from croc_core import handshake as hs
from croc_core.content import Arrived, Totals
from croc_core.encoding import b64url_decode, b64url_encode, lv_cat, lv_split
from croc_core.errors import CrocError, LocalProtocolError, Party, RemoteProtocolError
from croc_core.incoming import Reader
from croc_core.messages import Decline
from croc_core.pake.cpace import Abort
from croc_core.parser import Parser
from croc_core.party_io import Woke
from croc_core.recipient_states import Done as Received
from croc_core.relay_io import Asked, LinkOpened, LinkReceived
from croc_core.seal import MAX_PLAIN
from croc_core.sender_states import Done as Sent
from croc_core.table import Table, row
from croc_core.values import Moment, Role
from tests.memory_files import MemorySink
from tests.record_help import pair
from tests.relay_desk import A, Desk
from tests.test_handshake import EVERY, X25519, answer, begin

LOCAL, PEER, RELAY = LocalProtocolError, Party.PEER, Party.RELAY
ROW: Any = row(int, str, str, lambda state, event: ("", ()))
SIEC, P256 = pake.suite("siec"), pake.suite("p256")


def sealed_after_the_end() -> None:
    sealer, _ = pair()
    sealer.record(b"", last=True)
    sealer.record(b"")


def opened(*, last: bool = False, header: bytes | None = None, flip: bool = False) -> None:
    sealer, opener = pair()
    record = bytearray(sealer.record(b"abc", last=last))
    record[-1] ^= flip
    head = bytes(record[:4])
    opener.length(head)
    opener.open(head, memoryview(record)[4:])
    opener.length(header or head)


def offered(**offer: Any) -> None:
    answer(begin(**offer).x, hs.Policy(aeads=("chacha20poly1305",)))


def answered(suite: str = "x25519", aead: str = "aes256gcm") -> None:
    sender = begin(aeads=("chacha20poly1305",))
    caps = heads.CapsB(1, aead, False)
    y = heads.framed(heads.encode_head(heads.HeadB(1, suite, caps)), bytes(32))
    hs.finish(sender, X25519, y, "A" * 43)


def guessed() -> None:
    sender = begin()
    hs.finish(sender, X25519, answer(sender.x).y, "A" * 43)


def reflected() -> None:
    sender = begin()
    caps = heads.CapsB(1, "aes256gcm", False)
    head = heads.encode_head(heads.HeadB(1, "x25519", caps))
    hs.finish(sender, X25519, heads.framed(head, sender.share), "A" * 43)


def keyed() -> None:
    session = answer(begin().x).session
    hs.stream_key(session, Role.SENDER, 0, b"", b"", b"", 0)


def update(**more: Any) -> None:
    wire.action_of(wire.Update("7k2m", "0" * 32, **more))


def linked(*events: Any) -> None:
    desk = Desk()
    for event in events:
        desk.handle(event)


def asked_twice() -> None:
    desk = Desk()
    sender, _ = desk.pair()
    number = desk.hold(sender, wait=20)
    desk.handle(Asked(number, "POST", "/channel", b"{}", A))


def read_without_take() -> None:
    desk = Desk()
    sender, _ = desk.pair()
    desk.link(1, sender)
    desk.handle(LinkReceived(1, b"more"))


def parsed(plain: bytes, *, further: bool = False, taking: bool = True) -> None:
    parser = Parser(further=further)
    if taking:
        parser.sink = MemorySink()
        if not further:
            parser.inflate = lambda data, length: b""
    parser.feed(memoryview(plain), len(plain) + 20)
    parser.parse()


def piece(codec: int, body: bytes) -> bytes:
    place = messages.PIECE_HEAD.pack(0, 0, codec)
    return messages.HEAD.pack(messages.PIECE, len(place) + len(body)) + place + body


def answered_without_end() -> None:
    reader = Reader()
    reader.buffer()[:] = bytes(len(reader.buffer()))
    reader.advance(len(reader.buffer()))
    reader.ready()


def newer_head() -> bytes:
    caps = heads.CapsA(1, ("aes256gcm",), False)
    return heads.encode_head(heads.HeadA(2, "x25519", bytes(32), bytes(32), caps))


SAID: list[tuple[Callable[[], Any], Any, str]] = [
    (partial(lv_split, b"\5ab", 1), ValueError, "a part is cut short"),
    (partial(lv_split, b"\1ab", 1), ValueError, "bytes after the last part"),
    (partial(lv_split, b"\x80", 1), ValueError, "a length is cut short"),
    (partial(lv_split, b"\x80\0", 1), ValueError, "a length is not minimal"),
    (partial(lv_split, b"\xff" * 5, 1), ValueError, "a length is too long"),
    (partial(b64url_decode, "a+"), ValueError, "not base64url"),
    (partial(b64url_decode, "A" * 5), ValueError, "not base64url"),
    (partial(b64url_decode, "AB"), ValueError, "not canonical base64url"),
    (partial(codes.secret_of, "\ud800"), ValueError,
     "The code holds characters that are not text."),
    (partial(codes.secret_of, ""), ValueError, "The secret part of a code has 1 to 256 bytes."),
    (partial(codes.parse, "7k2m"), ValueError, "A code looks like 7k2m-word-word-word."),
    (partial(codes.generate, ["a"], bytes), ValueError, "the word list must have 2,048 words"),
    (partial(Table, int, (str,), [ROW, ROW]), LOCAL,
     "two rows for one state and event"),
    (partial(wire.Join, Role.RECIPIENT), ValueError,
     "a recipient names the channel - at `$.channel`"),
    (partial(update, x="a", close=True), ValueError,
     "x, close in one request: send x (with curve), or y with hh_k, "
     "or h_k, or close (with reason)"),
    (partial(update, close=False), ValueError, "close can only be true"),
    (partial(wire.decode_reply, b"{", wire.State), RELAY,
     "the relay's reply makes no sense (Input data was truncated)"),
    (partial(identify.parse_reply, b"HTTP\n"), RELAY,
     "the relay's data port answers in another language"),
    (partial(heads.decode_head, b"", heads.HeadA), PEER, "the other side's head makes no sense"),
    (partial(heads.decode_head, newer_head(), heads.HeadA), PEER,
     "the other side speaks version 2 of the protocol, this side version 1"),
    (partial(heads.unframed, "+"), PEER, "the other side's share makes no sense"),
    (sealed_after_the_end, LOCAL, "sealing after the end, or too much for one record"),
    (partial(opened, last=True), PEER, "a record after the last one"),
    (partial(opened, header=bytes(4)), PEER, "a record has an impossible length"),
    (partial(opened, flip=True), PEER,
     "a record is not genuine: it was changed, lost or moved on its way"),
    (partial(linked, LinkOpened(1, 0, A), LinkOpened(1, 0, A)), LOCAL, "link 1 is open already"),
    (partial(linked, LinkOpened(1, 7, A)), LOCAL, "there is no data port number 7"),
    (read_without_take, LOCAL, "link 1 was read without Take"),
    (asked_twice, LOCAL, "request 6 is held already"),
    (partial(answer, begin().x, EVERY, "p256"), RELAY,
     "the relay names another curve than the sender, who uses x25519"),
    (partial(answer, begin(SIEC).x, hs.Policy(), "siec"), PEER,
     "the sender uses curve siec, which was not asked for here"),
    (partial(offered, aeads=("aes256gcm",)), PEER,
     "the sender offers no cipher that this side has"),
    (partial(answered, suite="p256"), PEER, "the recipient answers on another curve"),
    (answered, PEER, "the recipient picks a cipher that was not offered"),
    (guessed, PEER, "the other side's proof of the secret is wrong"),
    (reflected, PEER, "the other side sent this side's own share back"),
    (keyed, LOCAL, "hellos or transfer of another connection"),
    (partial(hs.hello, Role.SENDER, 0, b""), LOCAL, "the salt of a hello has 32 bytes"),
    (partial(hs.check_hello, b"", Role.SENDER, 0), PEER,
     "the other side's hello is not for this connection"),
    (partial(pake.suite, "p192"), ValueError,
     "no curve is called 'p192'; there are x25519, p256, p384, p521, p224, siec"),
    (partial(P256.agree, bytes(31) + b"\1", b"\4" + bytes(64)), PEER,
     "the share is not a point of p256"),
    (partial(SIEC.agree, b"\1", b"\4" + bytes(64)), PEER, "the share is not a point of siec"),
    (partial(SIEC.agree, b"\1", b""), PEER, "a share on siec is an uncompressed point"),
    (partial(SIEC.scalar, b""), ValueError, f"the scalar is made of {SIEC.scalar_length} bytes"),
    (partial(X25519.scalar, b""), ValueError, "the scalar is made of 32 bytes"),
    (partial(X25519.share, X25519.scalar(bytes(32)), b"\1" + bytes(31)), PEER,
     "the generator has a low order"),
    (partial(X25519.agree, bytes(32), b""), PEER, "a share on x25519 has 32 bytes"),
    (partial(X25519.agree, bytes(32), bytes(32)), PEER, "the share has a low order"),
    (partial(parsed, piece(0, b"a"), taking=False), PEER, "a piece before anything was accepted"),
    (partial(parsed, messages.encode(Decline(bytes(16))), further=True), PEER,
     "other than pieces on a further connection"),
    (partial(parsed, piece(2, bytes(7))), PEER, "a piece of zeros has an impossible length"),
    (partial(parsed, piece(1, bytes(9)), further=True), PEER, "a codec that was not agreed"),
    (partial(parsed, piece(1, bytes(4))), PEER, "a compressed piece has no frame"),
    (partial(parsed, piece(1, bytes(9))), PEER, "a compressed piece has an impossible length"),
    (partial(parsed, piece(1, b"\0\0\0\1frame")), PEER,
     "a compressed piece has another length than said"),
    (partial(parsed, piece(3, b"a")), PEER, "unknown codec 3"),
    (partial(messages.check_head, messages.PIECE, 0), PEER, "a piece has an impossible length"),
    (partial(messages.check_head, 1, 1 << 20), PEER, "a message is too long"),
    (partial(messages.check_head, messages.PADDING, 1 << 21), PEER, "a message is too long"),
    (partial(messages.check_head, 0, 0), PEER, "unknown message type 0"),
    (Reader().take, LOCAL, "nothing is ready"),
    (partial(Reader().allow_pieces, MemorySink()), LOCAL, "pieces before the keys"),
    (partial(sender_judge.interpret, None, Sent(Totals(0, 0, 0)), Woke(), Moment(0.0, 0)),  # type: ignore[arg-type]
     LOCAL, "the run is over"),
    (partial(recipient_judge.interpret, None, Received(Arrived(0, 0, 0, ())), Woke(),  # type: ignore[arg-type]
             Moment(0.0, 0)), LOCAL, "the run is over"),
    (answered_without_end, RELAY, "the relay's data port makes no sense"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "whose", "sentence"), SAID, ids=[s for _, _, s in SAID])
def test_an_error_says_whose_side_it_was_and_its_whole_sentence(
    act: Callable[[], Any], whose: Any, sentence: str
) -> None:
    kind = RemoteProtocolError if isinstance(whose, Party) else whose
    with pytest.raises(kind) as raised:
        act()
    assert str(raised.value) == sentence
    if isinstance(raised.value, RemoteProtocolError):
        assert raised.value.party is whose


def test_what_a_peer_made_up_aborts_the_key_agreement_and_is_of_the_core() -> None:
    with pytest.raises(Abort) as raised:
        X25519.agree(bytes(32), b"")
    assert isinstance(raised.value, CrocError)


@pytest.mark.parametrize(
    "text", ["not base64url", "x" * 300, b64url_encode(lv_cat(b"a"))], ids=["text", "long", "one"]
)
def test_no_sentence_about_a_share_repeats_it(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        heads.unframed(text)
    assert text not in str(raised.value)


def test_a_record_of_one_byte_too_many_is_not_sealed() -> None:
    sealer, _ = pair()
    with pytest.raises(LocalProtocolError):
        sealer.record(bytes(MAX_PLAIN + 1))
    assert sealer.record(b"")
