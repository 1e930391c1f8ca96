"""The handshake: from the secret of a code to a session's keys (docs/protocol.md, "Handshake").

The sender calls `start` and posts x; the recipient calls `respond` and posts y with hh_k; the
sender calls `finish` and posts h_k; the recipient asks `proves`. Then each side has a `Session`
with the same keys. Everything here is a pure function of its arguments: randomness comes in as
`Entropy`, the group as a `croc_core.pake.Suite`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

from croc_core.encoding import b64url_decode, b64url_encode, lv_cat
from croc_core.errors import LocalProtocolError, Party, RemoteProtocolError
from croc_core.heads import CapsA, CapsB, HeadA, HeadB, decode_head, encode_head, framed, unframed
from croc_core.heads import VersionMismatch as VersionMismatch  # part of what the steps raise
from croc_core.pake import ALLOWED, Suite
from croc_core.pake.cpace import isk_ir, transcript_ir
from croc_core.values import PROTOCOL, VERSION, Entropy, Role, Secret, Value

AES = "aes256gcm"
CHACHA = "chacha20poly1305"
KEY = 32
"""Length of a key, a salt, `sid` and `vn`, in bytes."""
TID = 16
"""Length of an offer's `tid`, in bytes."""


class WrongSecret(RemoteProtocolError):  # noqa: N818
    """The other side does not have the same secret, or what passed between was changed."""

    def __init__(self) -> None:
        super().__init__(Party.PEER, "the other side's proof of the secret is wrong")


class CapsOffer(Value, frozen=True):
    """What a sender offers in headA."""

    aeads: tuple[str, ...] = (AES, CHACHA)
    """In the order that it would rather have."""
    verify: bool = False
    """Whether its person asks to compare the verifier."""


class Policy(Value, frozen=True):
    """What a recipient takes part in."""

    suites: tuple[str, ...] = ALLOWED
    aeads: tuple[str, ...] = (AES, CHACHA)
    """The first of these that headA offers is taken."""
    verify: bool = False
    """Whether its person asks to compare the verifier."""


class Session(Value, frozen=True):
    """What both sides hold once Y is computed or checked; it is a sender's only if hh_k was right.

    A recipient's session is confirmed when `proves` has said so, and seals or opens nothing before.
    """

    hidden = ("h_k",)

    suite: str
    sid: bytes
    aead: str
    commit: bytes
    """What the sender's `vn` must hash to."""
    sender_verify: bool
    recipient_verify: bool
    sender_version: int
    """The highest version that the sender speaks."""
    recipient_version: int
    th: bytes
    """The hash of the whole transcript."""
    prk: Secret
    root: Secret
    """Where data keys come from."""
    rejoin: Secret
    """Where channels and secrets to meet again come from."""
    h_k: bytes
    """The sender's proof; the recipient must not show it before it is posted."""
    hh_k: bytes
    """The recipient's proof."""

    @property
    def h_k_wire(self) -> str:
        """`h_k` as it is posted."""
        return b64url_encode(self.h_k)

    @property
    def hh_k_wire(self) -> str:
        """`hh_k` as it is posted."""
        return b64url_encode(self.hh_k)


class Initiator(Value, frozen=True):
    """The sender between its x and the recipient's y; for one y only."""

    suite: str
    x: str
    """What is posted."""
    sid: bytes
    head: bytes
    share: bytes
    offer: CapsOffer
    vn: Secret
    """The nonce of the verifier: sent in `open`, in nothing before."""
    scalar: Secret


class Responder(Value, frozen=True):
    """The recipient's answer: what it posts, and the session that h_k is to confirm."""

    y: str
    hh_k: str
    session: Session


def start(suite: Suite, channel: str, prs: Secret, offer: CapsOffer, entropy: Entropy) -> Initiator:
    """Begin as the sender; *prs* is the normalised secret of the code, without its channel.

    Draws from *entropy*, in this order: sid (32 bytes), vn (32 bytes), the scalar
    (`suite.scalar_length` bytes).
    """
    sid = entropy(KEY)
    vn = entropy(KEY)
    scalar = suite.scalar(entropy(suite.scalar_length))
    caps = CapsA(VERSION, offer.aeads, offer.verify)
    head = encode_head(HeadA(VERSION, suite.name, sid, _commitment(vn), caps))
    share = suite.share(scalar, suite.generator(prs.reveal, _ci(channel, suite.name), sid))
    x = framed(head, share)
    return Initiator(suite.name, x, sid, head, share, offer, Secret(vn), Secret(scalar))


def respond(
    suite_for: Callable[[str], Suite],
    channel: str,
    curve: str,
    x: str,
    prs: Secret,
    policy: Policy,
    entropy: Entropy,
) -> Responder:
    """Answer the sender's *x*, read from a relay that names *curve* for it, as the recipient.

    Draws the scalar from *entropy* (`scalar_length` bytes). Raises RemoteProtocolError where x is
    malformed, outside *policy* or not of that curve, and VersionMismatch, a kind of it.
    """
    head_a, share_a = unframed(x)
    head = decode_head(head_a, HeadA)
    if curve != head.suite:
        raise RemoteProtocolError(
            Party.RELAY, f"the relay names another curve than the sender, who uses {head.suite}"
        )
    if head.suite not in policy.suites:
        raise RemoteProtocolError(
            Party.PEER, f"the sender uses curve {head.suite}, which was not asked for here"
        )
    aead = next((name for name in policy.aeads if name in head.caps.aead), None)
    if aead is None:
        raise RemoteProtocolError(Party.PEER, "the sender offers no cipher that this side has")
    suite = suite_for(head.suite)
    scalar = suite.scalar(entropy(suite.scalar_length))
    generator = suite.generator(prs.reveal, _ci(channel, suite.name), head.sid)
    share_b = suite.share(scalar, generator)
    caps = CapsB(VERSION, aead, policy.verify)
    head_b = encode_head(HeadB(VERSION, suite.name, caps))
    k = _agree(suite, scalar, share_b, share_a)
    session = _session(suite, k, head, (head_a, share_a), caps, (head_b, share_b))
    return Responder(framed(head_b, share_b), session.hh_k_wire, session)


def finish(initiator: Initiator, suite: Suite, y: str, hh_k: str) -> Session:
    """Check the recipient's answer as the sender and return the confirmed session.

    Raises WrongSecret where hh_k does not prove the same secret, and RemoteProtocolError where y is
    malformed, reflected, or says what x did not offer. Either way the secret is used up.
    """
    head_b, share_b = unframed(y)
    answer = decode_head(head_b, HeadB)
    if answer.suite != initiator.suite:
        raise RemoteProtocolError(Party.PEER, "the recipient answers on another curve")
    if answer.caps.aead not in initiator.offer.aeads:
        raise RemoteProtocolError(Party.PEER, "the recipient picks a cipher that was not offered")
    k = _agree(suite, initiator.scalar.reveal, initiator.share, share_b)
    head = decode_head(initiator.head, HeadA)
    ours, theirs = (initiator.head, initiator.share), (head_b, share_b)
    session = _session(suite, k, head, ours, answer.caps, theirs)
    if not _same(session.hh_k, hh_k):
        raise WrongSecret
    return session


def proves(session: Session, h_k: str) -> bool:
    """Tell in constant time whether *h_k*, as it was posted, confirms the recipient's session."""
    return _same(session.h_k, h_k)


def _same(expected: bytes, posted: str) -> bool:
    try:
        return hmac.compare_digest(expected, b64url_decode(posted))
    except ValueError:
        return False


def _ci(channel: str, suite: str) -> bytes:
    """The draft's channel identifier: who runs what with whom."""
    where = (b"ch", channel.encode(), b"suite", suite.encode())
    return lv_cat(PROTOCOL, *where, b"A=sender", b"B=recipient")


def _agree(suite: Suite, scalar: bytes, mine: bytes, theirs: bytes) -> bytes:
    if suite.reflected(mine, theirs):
        raise RemoteProtocolError(Party.PEER, "the other side sent this side's own share back")
    return suite.agree(scalar, theirs)


def _session(
    suite: Suite,
    k: bytes,
    head: HeadA,
    sender: tuple[bytes, bytes],
    answer: CapsB,
    recipient: tuple[bytes, bytes],
) -> Session:
    """The key schedule, over both heads and shares as the bytes that were sent."""
    (head_a, share_a), (head_b, share_b) = sender, recipient
    ada, adb = lv_cat(Role.SENDER.encode(), head_a), lv_cat(Role.RECIPIENT.encode(), head_b)
    isk = isk_ir(suite, head.sid, k, transcript_ir(share_a, ada, share_b, adb))
    names = (PROTOCOL + b" th", suite.name.encode(), head.sid)
    th = hashlib.sha256(lv_cat(*names, share_a, ada, share_b, adb)).digest()
    prk = hmac.digest(PROTOCOL + b" prk", isk, "sha256")
    h_k = hashlib.sha256(lv_cat(PROTOCOL, b"H(k)", expand(prk, b"confirm", th))).digest()
    return Session(
        suite=suite.name,
        sid=head.sid,
        aead=answer.aead,
        commit=head.commit,
        sender_verify=head.caps.verify,
        recipient_verify=answer.verify,
        sender_version=head.caps.version,
        recipient_version=answer.version,
        th=th,
        prk=Secret(prk),
        root=Secret(expand(prk, b"data-root", th)),
        rejoin=Secret(expand(prk, b"rejoin-root", th)),
        h_k=h_k,
        hh_k=hashlib.sha256(lv_cat(PROTOCOL, b"H(H(k))", h_k)).digest(),
    )


# Keys


def expand(prk: bytes, label: bytes, *parts: bytes, length: int = KEY) -> bytes:
    """HKDF-Expand with SHA-256 (RFC 5869 section 2.3) for at most 32 bytes: a single block.

    The info is lv_cat(P, *label*, *parts*).
    """
    return hmac.digest(prk, lv_cat(PROTOCOL, label, *parts) + b"\1", "sha256")[:length]


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def stream_key(
    session: Session,
    direction: Role,
    connection: int,
    hello_s: bytes,
    hello_r: bytes,
    transfer: bytes,
    g: int,
) -> bytes:
    """Return the 32-byte key of one direction of one dial of a connection.

    *direction* is the role that seals, the hellos are the sender's and the recipient's as they were
    sent, *transfer* is empty on connection 0 and the offer's tid on all others, *g* counts rekeys.
    Raises LocalProtocolError where these do not fit together.
    """
    fits = (
        _is_hello(hello_s, Role.SENDER, connection)
        and _is_hello(hello_r, Role.RECIPIENT, connection)
        and len(transfer) == (TID if connection else 0)
    )
    if not fits:
        raise LocalProtocolError("hellos or transfer of another connection")
    parts = (direction.encode(), _u32(connection), hello_s, hello_r, transfer, _u32(g))
    return expand(session.root.reveal, b"stream", *parts)


def resume_key(session: Session) -> bytes:
    """Return the 32-byte key of the digests by which the recipient's partial files are compared."""
    return expand(session.root.reveal, b"resume")


def _commitment(vn: bytes) -> bytes:
    return hashlib.sha256(lv_cat(PROTOCOL, b"verifier-commit", vn)).digest()


def commits(session: Session, vn: bytes) -> bool:
    """Tell in constant time whether headA committed to *vn*."""
    return hmac.compare_digest(session.commit, _commitment(vn))


def verifier(session: Session, vn: bytes) -> bytes:
    """Return the 8 bytes that both persons can compare; *vn* must be the one committed to."""
    return expand(session.prk.reveal, b"verifier", session.th, vn, length=8)


def verifier_indices(session: Session, vn: bytes) -> tuple[int, int, int, int]:
    """Return the verifier's first 44 bits as four places in a list of 2048 words."""
    bits = int.from_bytes(verifier(session, vn), "big") >> 20
    return bits >> 33, bits >> 22 & 0x7FF, bits >> 11 & 0x7FF, bits & 0x7FF


def rejoin_channel(first: Session, n: int) -> str:
    """Return the n-th channel to meet again on: 24 characters of a to z and 2 to 7.

    *n* counts from 1; *first* is the session of the run's first handshake.
    """
    name = expand(first.rejoin.reveal, b"rejoin-channel", _u32(n), length=15)
    return base64.b32encode(name).decode().lower()


def rejoin_secret(first: Session, n: int) -> Secret:
    """Return the secret of the handshake on the n-th channel to meet again on."""
    return Secret(expand(first.rejoin.reveal, b"rejoin-secret", _u32(n)))


# Hellos


def _hello_prefix(role: Role, connection: int) -> bytes:
    return lv_cat(PROTOCOL, b"hello", role.encode(), _u32(connection)) + bytes([KEY])


HELLO_LENGTH = {role: len(_hello_prefix(role, 0)) + KEY for role in Role}
"""How many bytes a hello from each role has."""


def hello(role: Role, connection: int, salt: bytes) -> bytes:
    """Return what *role* says first on a connection; *salt* is 32 bytes drawn since the dial began.

    Raises LocalProtocolError on a salt of another length.
    """
    if len(salt) != KEY:
        raise LocalProtocolError("the salt of a hello has 32 bytes")
    return _hello_prefix(role, connection) + salt


def check_hello(data: bytes, role: Role, connection: int) -> None:
    """Raise RemoteProtocolError unless *data* is the hello of *role*, the other side, for this."""
    if not _is_hello(data, role, connection):
        raise RemoteProtocolError(Party.PEER, "the other side's hello is not for this connection")


def _is_hello(data: bytes, role: Role, connection: int) -> bool:
    return data[:-KEY] == _hello_prefix(role, connection)
