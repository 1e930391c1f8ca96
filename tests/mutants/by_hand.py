"""Rules of the protocol, each broken by hand: `python -m tests.mutants.by_hand`.

Each is a change of the core that takes a defence away, or is off by one where it matters, and the
file of tests that must fail with it. A change whose text is no longer in the source fails, too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from tests.mutants.make import ROOT, Mutant
from tests.mutants.run import SURVIVED, Job, cold


class Broken(NamedTuple):
    """One rule that does not hold any more."""

    rule: str
    file: str
    was: str
    now: str
    tests: str
    """The file of tests that must fail."""


BROKEN = (
    # ---- two addresses, two members
    Broken("a third address gets in", "judge", ">= MAX_ADDRESSES", "> MAX_ADDRESSES", "relay"),
    Broken(
        "a second address is kept out", "judge", ">= MAX_ADDRESSES", ">= MAX_ADDRESSES - 1", "relay"
    ),
    Broken(
        "a join does not look at addresses",
        "judge",
        "    if _is_third(channel, address):\n        return FULL\n    if hasattr",
        "    if hasattr",
        "relay_stateful",
    ),
    Broken(
        "a member's third address gets in",
        "judge",
        "    if _is_third(channel, address):\n        return FULL\n    role",
        "    role",
        "relay",
    ),
    Broken(
        "a refused request lets its address in",
        "channel",
        "addresses = _with(channel.addresses, event.address)\n        return _next(target",
        "addresses = (event.address,)\n        return _next(target",
        "channel",
    ),
    Broken(
        "any uuid is a member's",
        "channel",
        "if is_recipient else None",
        "if is_recipient or uuid else None",
        "relay",
    ),
    Broken(
        "a seat is taken twice",
        "judge",
        "    if hasattr(channel, role):\n        return OCCUPIED\n",
        "",
        "relay",
    ),
    Broken(
        "a repeat from another address is believed",
        "judge",
        "(nonce, named, address)",
        "(nonce, named, member.address if member else None)",
        "relay_stateful",
    ),
    Broken(
        "IPv4 in IPv6 counts as another address",
        "values",
        "if address.ipv4_mapped is not None:",
        "if False:",
        "values",
    ),
    Broken(
        "anybody with any token opens channels",
        "relay",
        'return compare_digest((join.token or "").encode(), self._token.reveal)',
        "return True",
        "relay",
    ),
    # ---- values and turns
    Broken("a value is overwritten", "judge", "if held[0] is None else ALREADY_SET", "", "relay"),
    Broken(
        "the recipient posts x",
        "judge",
        "            if role is not Role.SENDER:\n                return OUT_OF_TURN\n",
        "",
        "relay",
    ),
    Broken(
        "the sender posts y",
        "judge",
        'role is Role.RECIPIENT and hasattr(channel, "x")',
        'hasattr(channel, "x")',
        "relay",
    ),
    Broken(
        "y comes before x",
        "judge",
        'role is Role.RECIPIENT and hasattr(channel, "x")',
        "role is Role.RECIPIENT",
        "relay",
    ),
    Broken(
        "the recipient posts its own proof",
        "judge",
        'role is Role.SENDER and hasattr(channel, "y")',
        'hasattr(channel, "y")',
        "relay",
    ),
    # ---- stapling
    Broken(
        "data connections before the proof",
        "judge",
        "isinstance(member, Allowed) and not isinstance(channel, Proven | Stapled)",
        "False",
        "relay_links",
    ),
    Broken(
        "`stapled` is true as soon as there is a proof",
        "channel",
        "stapled=bool(staplings)",
        'stapled=hasattr(channel, "h_k")',
        "relay",
    ),
    Broken(
        "a stapling is not counted",
        "channel",
        "counts.get(event.port, 0) + 1",
        "counts.get(event.port, 0) or 1",
        "channel",
    ),
    Broken(
        "one member is stapled with itself",
        "book",
        "(index, role.other)",
        "(index, role)",
        "relay_links",
    ),
    Broken(
        "what came early goes back to who sent it",
        "links",
        "b.rest, a.rest,",
        "a.rest, b.rest,",
        "relay_links",
    ),
    # ---- close
    Broken(
        "a close leaves the staples",
        "book",
        "        self._out.extend(Cut(pair) for pair in local.pairs.values())\n",
        "",
        "relay_links",
    ),
    Broken(
        "a close leaves the pending links",
        "book",
        "            self._out.append(Drop(pending.link))\n        self._out.extend",
        "        self._out.extend",
        "relay_links",
    ),
    Broken(
        "a close leaves the tally of the address",
        "book",
        "        self.opened_by.drop(local.opener.address)\n",
        "",
        "relay",
    ),
    Broken(
        "a close leaves the waiters",
        "book",
        "            self._look(name, waiter, now)\n        for",
        "        for",
        "relay",
    ),
    Broken(
        "a closed channel is open to joins",
        "judge",
        "    if isinstance(channel, Closed):\n        return GONE\n    if _is_third",
        "    if _is_third",
        "relay",
    ),
    Broken(
        "a tombstone is kept for ever",
        "book",
        "        if len(self._tombstones) > self.limits.max_tombstones:",
        "        if False:",
        "relay",
    ),
    Broken(
        "strangers learn why a channel closed",
        "judge",
        "return GONE if role is None else GONE",
        "return GONE",
        "relay",
    ),
    Broken(
        "seq does not rise",
        "channel",
        '{"seq": channel.seq + 1}',
        '{"seq": channel.seq}',
        "channel",
    ),
    # ---- limits
    Broken(
        "a body of any size",
        "relay",
        "if len(event.body) > self.limits.max_body:",
        "if False:",
        "relay",
    ),
    Broken(
        "any number of channels of one address",
        "relay",
        "max_per_address",
        "max_channels",
        "relay_stateful",
    ),
    Broken(
        "joins without a rate",
        "limits",
        "            return full_at - now - 60.0\n",
        "            pass\n",
        "relay_limits",
    ),
    Broken(
        "addresses of a rate are never forgotten",
        "limits",
        "if len(self._full_at) > self._max_keys:",
        "if False:",
        "relay_limits",
    ),
    Broken(
        "a host has 2^64 rates",
        "limits",
        "min(64, int(bits or 64))",
        "int(bits or 128)",
        "relay_limits",
    ),
    Broken(
        "a line of any length",
        "identify",
        "None if len(received) < MAX_LINE else MALFORMED",
        "None",
        "identify",
    ),
    # ---- key agreement
    Broken(
        "one's own share is taken back",
        "handshake",
        "    if suite.reflected(mine, theirs):",
        "    if False:",
        "handshake",
    ),
    Broken(
        "H(k) is compared with H(H(k))",
        "handshake",
        "_same(session.h_k, h_k)",
        "_same(session.hh_k, h_k)",
        "handshake",
    ),
    Broken(
        "H(H(k)) is compared with H(k)",
        "handshake",
        "if not _same(session.hh_k, hh_k):",
        "if not _same(session.h_k, hh_k):",
        "handshake",
    ),
    Broken(
        "every confirmation is right",
        "handshake",
        "return hmac.compare_digest(expected, b64url_decode(posted))",
        "return True",
        "handshake",
    ),
    Broken(
        "any words were committed to",
        "handshake",
        "return hmac.compare_digest(session.commit, _commitment(vn))",
        "return True",
        "handshake",
    ),
    Broken(
        "the channel is not bound",
        "handshake",
        '(b"ch", channel.encode(),',
        '(b"ch", b"",',
        "handshake",
    ),
    Broken(
        "the roles are not bound",
        "handshake",
        "lv_cat(Role.RECIPIENT.encode(), head_b)",
        "lv_cat(Role.SENDER.encode(), head_b)",
        "handshake",
    ),
    Broken(
        "the sender's head is not bound",
        "handshake",
        "lv_cat(Role.SENDER.encode(), head_a)",
        'lv_cat(Role.SENDER.encode(), b"")',
        "handshake",
    ),
    Broken(
        "the transcript is not in the keys",
        "handshake",
        'expand(prk, b"data-root", th)',
        'expand(prk, b"data-root")',
        "handshake",
    ),
    Broken(
        "a cipher that was not offered",
        "handshake",
        "if answer.caps.aead not in initiator.offer.aeads:",
        "if False:",
        "handshake",
    ),
    Broken(
        "a curve that was not asked for",
        "handshake",
        "if head.suite not in policy.suites:",
        "if False:",
        "handshake",
    ),
    Broken(
        "both directions have one key",
        "handshake",
        "parts = (direction.encode(),",
        'parts = (b"",',
        "handshake",
    ),
    Broken(
        "all connections have one key",
        "handshake",
        "_u32(connection), hello_s",
        "_u32(0), hello_s",
        "handshake",
    ),
    Broken(
        "any hello fits",
        "handshake",
        "    if not _is_hello(data, role, connection):",
        "    if False:",
        "handshake",
    ),
    Broken(
        "a share of low order",
        "pake/x25519",
        "if hmac.compare_digest(k, bytes(32)):",
        "if False:",
        "pake",
    ),
    Broken(
        "bit 255 hides a reflection", "pake/x25519", "byte & 0x7F for", "byte & 0xFF for", "pake"
    ),
    Broken(
        "a point that is not on the curve",
        "pake/siec",
        "x >= P or y >= P or (y * y - x * x * x - B) % P",
        "x >= P or y >= P",
        "pake",
    ),
    Broken(
        "a coordinate that is not reduced",
        "pake/siec",
        "x >= P or y >= P or (y * y - x * x * x - B) % P",
        "(y * y - x * x * x - B) % P",
        "pake",
    ),
    # ---- records and messages
    Broken("the counter of records stands still", "seal", "self._counter += 1", "pass", "seal"),
    Broken(
        "the nonce forgets the last flag", "seal", "(counter << 8 | last)", "(counter << 8)", "seal"
    ),
    Broken(
        "a key is used for ever",
        "seal",
        "if counter and not counter & ((1 << REKEY_SHIFT) - 1):",
        "if False:",
        "seal",
    ),
    Broken(
        "a key is used for one record more",
        "seal",
        "not counter & ((1 << REKEY_SHIFT) - 1)",
        "not (counter - 1) & ((1 << REKEY_SHIFT) - 1)",
        "seal",
    ),
    Broken(
        "records behind the last one",
        "seal",
        "if self.ended or self._forged:",
        "if self._forged:",
        "seal",
    ),
    Broken(
        "records behind a forged one",
        "seal",
        "if self.ended or self._forged:",
        "if self.ended:",
        "seal",
    ),
    Broken(
        "sealing behind the last one",
        "seal",
        "if self.ended or length > MAX_PLAIN:",
        "if length > MAX_PLAIN:",
        "seal",
    ),
    Broken(
        "a record of any length",
        "seal",
        "if not TAG <= length <= MAX_PLAIN + TAG:",
        "if not TAG <= length:",
        "seal",
    ),
    Broken(
        "pieces before anything was accepted",
        "parser",
        "            if self.sink is None:",
        "            if False:",
        "parser",
    ),
    Broken(
        "control messages on a further connection",
        "parser",
        "            if self._further:",
        "            if False:",
        "parser",
    ),
    Broken(
        "a codec that was not agreed",
        "parser",
        "            if self.inflate is None:",
        "            if False:",
        "parser",
    ),
    Broken(
        "more comes out than was said",
        "parser",
        "if not 1 <= length <= MAX_PIECE:",
        "if False:",
        "parser",
    ),
    Broken(
        "a piece that is cut counts as an end",
        "parser",
        "not self._plain and not self._part and self._next == self._head",
        "True",
        "incoming",
    ),
    Broken(
        "a control message of any length",
        "messages",
        "        if length > MAX_CONTROL:",
        "        if False:",
        "messages",
    ),
    Broken(
        "a head of any length",
        "heads",
        "        if len(data) > MAX_HEAD:",
        "        if False:",
        "handshake",
    ),
    # ---- encodings
    Broken("lv_cat without lengths", "encoding", "bytes(prefix) + part", "part", "encoding"),
    Broken(
        "base64url that is not canonical",
        "encoding",
        "    if b64url_encode(data) != text:",
        "    if False:",
        "encoding",
    ),
    Broken("a code's secret in a repr", "values", 'hidden = ("reveal",)', "hidden = ()", "values"),
)
"""The rules, and how each is broken."""


def jobs(broken: tuple[Broken, ...] = BROKEN) -> Iterator[Job]:
    """Each with the tests that must fail; ValueError where its text is not in the source once."""
    for rule, name, was, now, tests in broken:
        file = f"croc_core/{name}.py"
        source = (ROOT / file).read_text()
        if source.count(was) != 1:
            raise ValueError(f"{rule}: {was!r} is {source.count(was)} times in {file}")
        line = source[: source.index(was)].count("\n") + 1
        changed = source.replace(was, now)
        yield Job(Mutant(file, rule, line, was, now, 0, changed, False), [f"tests/test_{tests}.py"])


def main() -> int:
    """Break each (or those that the named files of tests are for); say which tests noticed."""
    asked = set(sys.argv[1:])
    count = survived = 0
    wrong = []
    ready: list[Job] = []
    for one in BROKEN:
        if asked and one.tests not in asked:
            continue
        try:
            ready += jobs((one,))
        except ValueError as error:
            wrong.append(str(error))
    for job, verdict in cold(iter(ready), {}, 2):
        count += 1
        survived += verdict.what == SURVIVED
        print(f"{verdict.what:9} {job.mutant.function}: {verdict.by}", flush=True)
    for text in wrong:
        print(f"stale: {text}")
    print(f"by_hand killed={count - survived}/{count + len(wrong)}")
    return int(bool(survived or wrong))


if __name__ == "__main__":
    sys.exit(main())
