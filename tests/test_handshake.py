"""The handshake: both sides agree, and nothing that passed between them may have been changed."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from croc_core import handshake as hs
from croc_core import pake
from croc_core.encoding import b64url_decode, b64url_encode, lv_cat, lv_split
from croc_core.errors import LocalProtocolError, Party, RemoteProtocolError
from croc_core.values import Entropy, Role, Secret

SECRET = Secret(b"amber-falcon-river")
EVERY = hs.Policy(suites=pake.ALLOWED + pake.HISTORIC)
X25519 = pake.suite("x25519")
pack = msgspec.msgpack.encode

TextChange = Callable[[str], str]


def same(text: str) -> str:
    return text


def entropy(seed: str) -> Entropy:
    """Bytes that look random, each draw another."""
    draws = itertools.count()
    return lambda length: hashlib.shake_256(f"{seed} {next(draws)}".encode()).digest(length)


def begin(suite: pake.Suite = X25519, seed: str = "a", **offer: Any) -> hs.Initiator:
    return hs.start(suite, "k7qm", SECRET, hs.CapsOffer(**offer), entropy(seed))


def answer(x: str, policy: hs.Policy = EVERY, curve: str = "x25519", **other: Any) -> hs.Responder:
    given = {"channel": "k7qm", "prs": SECRET, "entropy": entropy("b"), **other}
    return hs.respond(pake.suite, curve=curve, x=x, policy=policy, **given)


def confirmed(
    change_x: TextChange = same,
    change_y: TextChange = same,
    change_hh_k: TextChange = same,
    change_h_k: TextChange = same,
    **recipient: Any,
) -> bool:
    """Whether a handshake through a relay that changes these values is confirmed on both sides."""
    sender = begin()
    try:
        recipients = answer(change_x(sender.x), **recipient)
        session = hs.finish(sender, X25519, change_y(recipients.y), change_hh_k(recipients.hh_k))
    except RemoteProtocolError:
        return False
    return hs.proves(recipients.session, change_h_k(session.h_k_wire))


@pytest.mark.parametrize("name", pake.ALLOWED + pake.HISTORIC)
@pytest.mark.parametrize("aead", [hs.AES, hs.CHACHA])
def test_both_sides_hold_the_same_session(name: str, aead: str) -> None:
    suite = pake.suite(name)
    sender = begin(suite, verify=True)
    recipient = answer(sender.x, replace(EVERY, aeads=(aead,)), name)
    session = hs.finish(sender, suite, recipient.y, recipient.hh_k)
    assert session == recipient.session
    assert hs.proves(recipient.session, session.h_k_wire)
    assert (session.suite, session.aead) == (name, aead)
    assert (session.sender_verify, session.recipient_verify) == (True, False)
    assert (session.sender_version, session.recipient_version) == (1, 1)
    assert hs.commits(session, sender.vn.reveal)
    assert max(map(len, (sender.x, recipient.y))) < 700
    assert len({sender, recipient, session}) == 3  # hashable


def test_entropy_is_drawn_in_the_documented_order() -> None:
    asked: list[int] = []

    def script(length: int) -> bytes:
        asked.append(length)
        return bytes([len(asked)]) * length

    sender = hs.start(pake.suite("p256"), "k7qm", SECRET, hs.CapsOffer(), script)
    assert asked == [32, 32, 48]
    assert (sender.sid, sender.vn.reveal) == (b"\1" * 32, b"\2" * 32)
    answer(sender.x, curve="p256", entropy=script)
    assert asked == [32, 32, 48, 48]


# A known answer, computed again with hashlib and hmac alone


def join(*parts: bytes) -> bytes:
    """Length-prefixed concatenation."""
    out = b""
    for part in parts:
        n = len(part)
        out += (bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7])) + part
    return out


def derive(key: bytes, *info: bytes) -> bytes:
    """HKDF-Expand, one block (RFC 5869)."""
    return hmac.new(key, join(b"croc-core/1", *info) + b"\1", hashlib.sha256).digest()


def test_known_answer() -> None:
    sid, vn, a, b = (bytes([n]) * 32 for n in (1, 2, 3, 4))
    draws = iter((sid, vn, a, b))
    sender = hs.start(X25519, "k7qm", SECRET, hs.CapsOffer(), lambda _: next(draws))
    policy = hs.Policy(aeads=(hs.CHACHA,), verify=True)
    recipient = answer(sender.x, policy, entropy=lambda _: next(draws))
    session = hs.finish(sender, X25519, recipient.y, recipient.hh_k)

    p = b"croc-core/1"
    ci = join(p, b"ch", b"k7qm", b"suite", b"x25519", b"A=sender", b"B=recipient")
    generator = X25519.generator(SECRET.reveal, ci, sid)
    share_a = X25519.share(X25519.scalar(a), generator)
    share_b = X25519.share(X25519.scalar(b), generator)
    k = X25519.agree(X25519.scalar(a), share_b)
    commit = hashlib.sha256(join(p, b"verifier-commit", vn)).digest()
    head_a = b"\x95\x01\xa6x25519\xc4\x20" + sid + b"\xc4\x20" + commit
    head_a += b"\x83\xa7version\x01\xa4aead\x92\xa9aes256gcm\xb0chacha20poly1305\xa6verify\xc2"
    head_b = b"\x93\x01\xa6x25519\x83\xa7version\x01\xa4aead\xb0chacha20poly1305\xa6verify\xc3"
    assert b64url_decode(sender.x) == join(head_a, share_a)
    assert b64url_decode(recipient.y) == join(head_b, share_b)

    ada, adb = join(b"sender", head_a), join(b"recipient", head_b)
    transcript = join(share_a, ada, share_b, adb)
    isk = hashlib.sha512(join(b"CPace255_ISK", sid, k) + transcript).digest()
    th = hashlib.sha256(join(p + b" th", b"x25519", sid) + transcript).digest()
    prk = hmac.new(p + b" prk", isk, hashlib.sha256).digest()
    h_k = hashlib.sha256(join(p, b"H(k)", derive(prk, b"confirm", th))).digest()
    hh_k = hashlib.sha256(join(p, b"H(H(k))", h_k)).digest()
    root, rejoin = derive(prk, b"data-root", th), derive(prk, b"rejoin-root", th)
    assert (session.th, session.prk.reveal) == (th, prk)
    assert (session.h_k, session.hh_k) == (h_k, hh_k)
    assert (session.root.reveal, session.rejoin.reveal) == (root, rejoin)

    hello_s = join(p, b"hello", b"sender", b"\0\0\0\5", b"s" * 32)
    hello_r = join(p, b"hello", b"recipient", b"\0\0\0\5", b"r" * 32)
    assert hs.hello(Role.SENDER, 5, b"s" * 32) == hello_s
    assert hs.hello(Role.RECIPIENT, 5, b"r" * 32) == hello_r
    info = (b"recipient", b"\0\0\0\5", hello_s, hello_r, b"t" * 16, b"\0\0\0\x07")
    key = hs.stream_key(session, Role.RECIPIENT, 5, hello_s, hello_r, b"t" * 16, 7)
    assert key == derive(root, b"stream", *info)
    assert hs.resume_key(session) == derive(root, b"resume")
    words = derive(prk, b"verifier", th, vn)[:8]
    assert hs.verifier(session, vn) == words
    bits = "".join(f"{byte:08b}" for byte in words)
    assert hs.verifier_indices(session, vn) == tuple(
        int(bits[i : i + 11], 2) for i in (0, 11, 22, 33)
    )
    assert hs.rejoin_secret(session, 2).reveal == derive(rejoin, b"rejoin-secret", b"\0\0\0\2")
    name = derive(rejoin, b"rejoin-channel", b"\0\0\0\2")[:15]
    value = int.from_bytes(name, "big")
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    spelt = "".join(alphabet[value >> shift & 31] for shift in range(115, -1, -5))
    assert hs.rejoin_channel(session, 2) == spelt
    assert (session.h_k_wire, key.hex(), spelt) == FROZEN


FROZEN = (
    "4Sqyv0t_lgwhCqXUbUD4Gr0cX2-BMfDdM6_mPLN5xeQ",
    "7d90119254ec2c3f7e7b0360033006896607e5bb0240340dc2b6a283c44d0d25",
    "mpkw6wb2e5dtnqmxfk6ipy54",
)
"""The wire may never change while the version is 1: h_k, the stream key, the rejoin channel."""


# What a relay may try


@pytest.mark.parametrize("which", ["change_x", "change_y", "change_hh_k", "change_h_k"])
@settings(max_examples=60, deadline=None)
@given(place=st.integers(min_value=0, max_value=10**6))
def test_any_flipped_bit_fails(which: str, place: int) -> None:
    def flip(text: str) -> str:
        data = bytearray(b64url_decode(text))
        data[place // 8 % len(data)] ^= 1 << place % 8
        return b64url_encode(bytes(data))

    assert not confirmed(**{which: flip})


@pytest.mark.parametrize("which", ["change_x", "change_y", "change_hh_k", "change_h_k"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text + "A",
        lambda text: text + "AAAA",
        lambda text: text + "=",
        lambda text: text[:-1],
        lambda text: " " + text,
        lambda text: text[:-1] + "\u0661",
        lambda text: text * 40,
    ],
)
def test_any_other_text_fails(which: str, change: TextChange) -> None:
    assert confirmed()
    assert not confirmed(**{which: change})


def test_crossed_secrets_and_channels_fail() -> None:
    assert not confirmed(channel="k7qn")
    assert not confirmed(prs=Secret(b"amber-falcon-rivet"))
    recipient = answer(begin(seed="other").x)
    with pytest.raises(hs.WrongSecret) as caught:
        hs.finish(begin(), X25519, recipient.y, recipient.hh_k)
    assert caught.value.party is Party.PEER


def test_one_proof_is_not_the_other() -> None:
    session = answer(begin().x).session
    assert hs.proves(session, session.h_k_wire)
    assert not hs.proves(session, session.hh_k_wire)
    assert not confirmed(change_hh_k=lambda _: session.h_k_wire)


def with_head(text: str, change: Callable[[list[Any]], Any]) -> str:
    """x or y with another head before the same share."""
    head, share = lv_split(b64url_decode(text), 2)
    changed = change(msgspec.msgpack.decode(head))
    return b64url_encode(lv_cat(changed if isinstance(changed, bytes) else pack(changed), share))


def test_what_is_added_to_the_caps_is_bound() -> None:
    def add(head: list[Any]) -> list[Any]:
        head[-1]["padding"] = True
        return head

    assert answer(with_head(begin().x, add)).session.aead == hs.AES
    assert not confirmed(change_x=lambda x: with_head(x, add))
    assert not confirmed(change_y=lambda y: with_head(y, add))


def test_a_head_is_bound_as_it_came() -> None:
    """The same value in a longer encoding (a 16-bit array length) is another head."""

    def longer(head: list[Any]) -> bytes:
        return b"\xdc\0" + bytes([len(head)]) + pack(head)[1:]

    assert answer(with_head(begin().x, longer)).session.aead == hs.AES
    assert not confirmed(change_x=lambda x: with_head(x, longer))
    assert not confirmed(change_y=lambda y: with_head(y, longer))


def test_unknown_caps_of_the_other_side_are_ignored() -> None:
    sender = begin()
    x = with_head(sender.x, lambda h: [*h[:-1], {**h[-1], "version": 9, "new": [1, {"a": b""}]}])
    head, _ = lv_split(b64url_decode(x), 2)
    recipient = answer(x)
    session = hs.finish(replace(sender, x=x, head=head), X25519, recipient.y, recipient.hh_k)
    assert session == recipient.session
    assert session.sender_version == 9


CAPS = {"version": 1, "aead": ["aes256gcm"], "verify": False}
GOOD = [1, "x25519", bytes(32), bytes(32), CAPS]
BAD_A: list[Any] = [
    GOOD[:-1],
    [*GOOD, 1],
    [],
    {},
    7,
    ["1", *GOOD[1:]],
    [True, *GOOD[1:]],
    [1.0, *GOOD[1:]],
    [None, *GOOD[1:]],
    [1, b"x25519", *GOOD[2:]],
    [1, "X25519", *GOOD[2:]],
    [1, "x25519\n", *GOOD[2:]],
    [1, "x" * 33, *GOOD[2:]],
    [1, "x25519", bytes(31), *GOOD[3:]],
    [1, "x25519", bytes(33), *GOOD[3:]],
    [1, "x25519", "a" * 32, *GOOD[3:]],
    [*GOOD[:3], bytes(31), CAPS],
    [*GOOD[:3], bytes(33), CAPS],
    [*GOOD[:4], [1, ["aes256gcm"], False]],
    [*GOOD[:4], {}],
    *([*GOOD[:4], {k: v for k, v in CAPS.items() if k != key}] for key in CAPS),
    [*GOOD[:4], {**CAPS, "version": 0}],
    [*GOOD[:4], {**CAPS, "version": True}],
    [*GOOD[:4], {**CAPS, "aead": "aes256gcm"}],
    [*GOOD[:4], {**CAPS, "aead": [1]}],
    [*GOOD[:4], {**CAPS, "verify": 1}],
    [*GOOD[:4], {**CAPS, **{f"k{n}": n for n in range(30)}}],
    [*GOOD[:4], {**CAPS, "long": bytes(1024)}],
    pack(GOOD) + b"\0",
    pack(GOOD)[:-1],
    b"\x91" * 1024,
    b"",
]


@pytest.mark.parametrize("head", BAD_A)
def test_malformed_heads_of_the_sender_are_refused(head: Any) -> None:
    x = begin().x
    answer(with_head(x, lambda _: GOOD))
    with pytest.raises(RemoteProtocolError, match="makes no sense") as caught:
        answer(with_head(x, lambda _: head))
    assert not isinstance(caught.value, hs.VersionMismatch)


def test_heads_up_to_their_bounds_are_taken() -> None:
    x = begin().x
    full = [*GOOD[:4], {**CAPS, **{f"k{n}": n for n in range(29)}}]
    assert answer(with_head(x, lambda _: full)).session.aead == hs.AES
    for size, fits in ((1024, True), (1025, False)):
        long = [*GOOD[:4], {**CAPS, "long": bytes(size - len(pack(GOOD)) - 8)}]
        assert len(pack(long)) == size
        changed = b64url_encode(lv_cat(pack(long), lv_split(b64url_decode(x), 2)[1]))
        if fits:
            answer(changed)
        else:
            with pytest.raises(RemoteProtocolError):
                answer(changed)


CAPS_B = {"version": 1, "aead": "aes256gcm", "verify": False}


@pytest.mark.parametrize(
    ("head", "match"),
    [
        ([1, "x25519"], "no sense"),
        ([1, "x25519", CAPS_B, 1], "no sense"),
        ([1, "x25519", {"version": 1, "verify": False}], "no sense"),
        ([1, "x25519", {**CAPS_B, "aead": ["aes256gcm"]}], "no sense"),
        ([1, "x25519", {**CAPS_B, **{f"k{n}": n for n in range(30)}}], "no sense"),
        ([1, "p256", CAPS_B], "another curve"),
        ([1, "x25519", {**CAPS_B, "aead": "aes128"}], "not offered"),
        ([1, "x25519", {**CAPS_B, "aead": "chacha20poly1305"}], "not offered"),
    ],
)
def test_malformed_heads_of_the_recipient_are_refused(head: Any, match: str) -> None:
    sender = begin(aeads=(hs.AES,))
    recipient = answer(sender.x)
    with pytest.raises(RemoteProtocolError, match=match):
        hs.finish(sender, X25519, with_head(recipient.y, lambda _: head), recipient.hh_k)


@pytest.mark.parametrize("rest", [[], ["x25519"], [{"a": 1}, None], GOOD[1:]])
@pytest.mark.parametrize("version", [0, 2, 999, -1, 2**64 - 1])
def test_another_version_says_both(version: int, rest: list[Any]) -> None:
    sender = begin()
    recipient = answer(sender.x)
    for step in (
        lambda head: answer(with_head(sender.x, lambda _: head)),
        lambda head: hs.finish(
            sender, X25519, with_head(recipient.y, lambda _: head), recipient.hh_k
        ),
    ):
        with pytest.raises(hs.VersionMismatch, match=f"version {version} .* version 1") as caught:
            step([version, *rest])
        assert (caught.value.theirs, caught.value.ours) == (version, 1)


@settings(max_examples=150, deadline=None)
@given(head=st.binary(max_size=80), share=st.binary(max_size=40), text=st.text(max_size=20))
def test_garbage_is_a_protocol_error(head: bytes, share: bytes, text: str) -> None:
    sender = begin()
    for value in (text, b64url_encode(head), b64url_encode(lv_cat(head, share))):
        with pytest.raises(RemoteProtocolError):
            answer(value)
        with pytest.raises(RemoteProtocolError):
            hs.finish(sender, X25519, value, "A" * 43)
    with pytest.raises(RemoteProtocolError):
        hs.finish(sender, X25519, answer(sender.x).y, text)
    assert not hs.proves(answer(sender.x).session, text)


# Policy


def test_the_recipient_picks_the_cipher() -> None:
    x = begin(aeads=(hs.AES, hs.CHACHA)).x
    assert answer(x, hs.Policy(aeads=(hs.CHACHA, hs.AES))).session.aead == hs.CHACHA
    assert answer(x, hs.Policy(aeads=("new", hs.AES))).session.aead == hs.AES
    for aeads in ((), ("new",)):
        with pytest.raises(RemoteProtocolError, match="cipher"):
            answer(x, hs.Policy(aeads=aeads))


def test_a_suite_outside_the_policy_is_refused() -> None:
    for name in pake.HISTORIC:
        x = begin(pake.suite(name)).x
        with pytest.raises(RemoteProtocolError, match=name):
            answer(x, hs.Policy(), name)
        assert answer(x, hs.Policy(suites=(name,)), name).session.suite == name
    with pytest.raises(RemoteProtocolError):
        answer(begin().x, hs.Policy(suites=("p256",)))


def test_the_relays_curve_must_be_the_senders() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        answer(begin().x, curve="p256")
    assert caught.value.party is Party.RELAY


@pytest.mark.parametrize("name", pake.ALLOWED + pake.HISTORIC)
def test_a_reflected_share_is_refused(name: str) -> None:
    suite = pake.suite(name)
    sender = begin(suite)
    recipient = answer(sender.x, curve=name)
    head, _ = lv_split(b64url_decode(recipient.y), 2)
    y = b64url_encode(lv_cat(head, sender.share))
    with pytest.raises(RemoteProtocolError, match="own share"):
        hs.finish(sender, suite, y, recipient.hh_k)
    drawn = entropy("b")  # a recipient whose share equals the sender's: it drew the same scalar
    echo = answer(sender.x, curve=name, entropy=drawn).y
    assert lv_split(b64url_decode(echo), 2)[1] != sender.share
    again = entropy("a")
    again(32), again(32)
    with pytest.raises(RemoteProtocolError, match="own share"):
        answer(sender.x, curve=name, entropy=again)


# Sessions


@pytest.fixture(scope="module")
def session() -> hs.Session:
    return answer(begin().x).session


def test_every_input_of_a_stream_key_changes_it(session: hs.Session) -> None:
    keys = {session.root.reveal, session.rejoin.reveal, session.prk.reveal}
    keys |= {session.h_k, session.hh_k, session.th, hs.resume_key(session)}
    salts = (b"1" * 32, b"2" * 32)
    count = len(keys)
    for role, n, salt_s, salt_r, g in itertools.product(Role, (0, 1, 256), salts, salts, (0, 1)):
        hellos = hs.hello(Role.SENDER, n, salt_s), hs.hello(Role.RECIPIENT, n, salt_r)
        for tid in (b"t" * 16, b"u" * 16) if n else (b"",):
            keys.add(hs.stream_key(session, role, n, *hellos, tid, g))
            count += 1
    other = answer(begin(seed="other").x).session
    keys.add(hs.stream_key(other, Role.SENDER, 0, *_hellos(0), b"", 0))
    assert len(keys) == count + 1
    assert {len(key) for key in keys} == {32}


def _hellos(connection: int) -> tuple[bytes, bytes]:
    salt = b"1" * 32
    return hs.hello(Role.SENDER, connection, salt), hs.hello(Role.RECIPIENT, connection, salt)


@pytest.mark.parametrize(
    ("connection", "hellos", "transfer"),
    [
        (0, _hellos(0), b"t" * 16),
        (1, _hellos(1), b""),
        (1, _hellos(1), b"t" * 15),
        (0, _hellos(1), b""),
        (0, _hellos(0)[::-1], b""),
        (0, (_hellos(0)[0], b""), b""),
        (0, (b"", _hellos(0)[1]), b""),
        (0, (_hellos(1)[0], _hellos(0)[1]), b""),
        (0, (_hellos(0)[0], _hellos(1)[1]), b""),
    ],
)
def test_a_stream_key_needs_what_belongs_together(
    session: hs.Session, connection: int, hellos: tuple[bytes, bytes], transfer: bytes
) -> None:
    with pytest.raises(LocalProtocolError):
        hs.stream_key(session, Role.SENDER, connection, *hellos, transfer, 0)


def test_the_verifier_is_committed(session: hs.Session) -> None:
    vn = begin().vn.reveal
    assert hs.commits(session, vn)
    for other in (b"", vn[:-1], vn + b"\0", bytes(32), session.commit):
        assert not hs.commits(session, other)
        assert hs.verifier(session, other) != hs.verifier(session, vn)
    assert len(hs.verifier(session, vn)) == 8


@given(vn=st.binary(min_size=32, max_size=32))
def test_a_verifier_is_four_words(vn: bytes) -> None:
    session = answer(begin().x).session
    value = 0
    for index in hs.verifier_indices(session, vn):
        assert 0 <= index < 2048
        value = value << 11 | index
    assert value == int.from_bytes(hs.verifier(session, vn)[:6], "big") >> 4


def test_each_rejoin_has_its_own_channel_and_secret(session: hs.Session) -> None:
    names = {hs.rejoin_channel(session, n) for n in range(1, 300)}
    secrets = {hs.rejoin_secret(session, n).reveal for n in range(1, 300)}
    assert len(names) == len(secrets) == 299
    assert all(
        len(name) == 24 and set(name) <= set("abcdefghijklmnopqrstuvwxyz234567") for name in names
    )
    assert {len(secret) for secret in secrets} == {32}


def test_no_secret_is_shown() -> None:
    sender = begin()
    recipient = answer(sender.x)
    session = hs.finish(sender, X25519, recipient.y, recipient.hh_k)
    shown = repr((sender, recipient, session)) + str((sender, recipient, session))
    secrets = [sender.vn, sender.scalar, session.prk, session.root, session.rejoin, SECRET]
    for secret in (*(s.reveal for s in secrets), session.h_k):
        for form in (repr(secret)[2:-1], secret.hex(), b64url_encode(secret)):
            assert form not in shown
    with pytest.raises(hs.WrongSecret) as caught:
        hs.finish(sender, X25519, recipient.y, b64url_encode(bytes(32)))
    assert session.hh_k_wire not in str(caught.value)


# Hellos


@given(connection=st.integers(min_value=0, max_value=2**32 - 1), place=st.integers(min_value=0))
def test_a_hello_is_taken_only_whole_and_in_its_place(connection: int, place: int) -> None:
    salt = b"s" * 32
    for role in Role:
        data = hs.hello(role, connection, salt)
        assert len(data) == hs.HELLO_LENGTH[role] == {"sender": 63, "recipient": 66}[role]
        assert data[-32:] == salt
        hs.check_hello(data, role, connection)
        fixed = len(data) - 32
        changed = bytearray(data)
        changed[place // 8 % fixed] ^= 1 << place % 8
        bad = [bytes(changed), b"", data[:-1], data + b"\0", data[1:]]
        bad += [hs.hello(role.other, connection, salt), hs.hello(role, connection ^ 1, salt)]
        for wrong in bad:
            with pytest.raises(RemoteProtocolError) as caught:
                hs.check_hello(wrong, role, connection)
            assert caught.value.party is Party.PEER


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_salt_has_32_bytes(length: int) -> None:
    with pytest.raises(LocalProtocolError):
        hs.hello(Role.SENDER, 0, bytes(length))
