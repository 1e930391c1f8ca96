"""Proofs, and the use of the words."""

from __future__ import annotations

import hashlib
import os

from conformance._case import Part, case, expect
from conformance.client._agree import WRONG, posts
from conformance.client._desk import Answer, Asked
from conformance.client._roles import Party, RecipientStage, SenderStage
from conformance.client._stage import CODE
from croc_core.encoding import b64url_decode, b64url_encode, lv_cat
from croc_core.heads import HeadA, decode_head, unframed
from croc_core.messages import Open

# ---- proofs


@case(Part.SENDER, "sender-wrong-code", "KEY-2", "KEY-6", "WORDS-2", "WORDS-5", "CLOSE-10")
def sender_wrong_code(sender: SenderStage) -> None:
    """A sender whose recipient typed another secret aborts, and proves and sends nothing."""
    sender.begin()
    sender.post_y(sender.respond(WRONG))
    sender.closes("wrong_code")
    sender.fails("wrong_code")
    expect(not sender.requests("h_k"), "it posted h_k")
    expect(not sender.early_links and not sender.links, "it dialled a data port")
    _told_burnt(sender)


@case(Part.RECIPIENT, "recipient-false-proof", "KEY-3", "KEY-6", "WORDS-5", "CLOSE-10")
def false_proof(recipient: RecipientStage) -> None:
    """A recipient that reads a false H(k) bails, and dials and writes nothing."""
    recipient.begin()
    recipient.answer()
    recipient.desk.put(h_k=b64url_encode(os.urandom(32)))
    recipient.closes("wrong_code")
    recipient.refuses("wrong_code")
    expect(not recipient.links, "it dialled a data port")
    _told_burnt(recipient)


@case(Part.RECIPIENT, "recipient-reflected-proof", "KEY-3")
def reflected_proof(recipient: RecipientStage) -> None:
    """A relay that gives H(H(k)) back as H(k) proves nothing."""
    recipient.begin()
    recipient.desk.put(h_k=recipient.answer().hh_k_wire)
    recipient.fails("wrong_code")


@case(Part.SENDER, "sender-guessed-hash", "KEY-2")
def guessed_hash(sender: SenderStage) -> None:
    """A relay that swaps one bit of the recipient's proof ends the run."""
    sender.begin()
    made = sender.respond()
    proof = bytearray(b64url_decode(made.hh_k))
    proof[7] ^= 1
    posts(sender, made.y, b64url_encode(bytes(proof)), "wrong_code")


@case(Part.SENDER, "sender-other-channel-proof", "PAKE-1", "KEY-2")
def other_channel(sender: SenderStage) -> None:
    """An answer made for another channel's name does not confirm, though the words are right."""
    sender.begin()
    sender.x()
    name, sender.desk.channel = sender.desk.channel, "zzzz"
    made = sender.respond()
    sender.desk.channel = name
    posts(sender, made.y, made.hh_k, "wrong_code")


@case(Part.RECIPIENT, "recipient-other-code", "KEY-6", "WORDS-3", "WORDS-5")
def other_code(recipient: RecipientStage) -> None:
    """A recipient that typed another secret than the sender's sends one Y and writes nothing."""
    recipient.begin(code=f"{CODE.partition('-')[0]}-{WRONG}")
    recipient.post_x(recipient.start())
    recipient.request("y")
    recipient.desk.closed = "sender", "wrong_code"
    recipient.desk.seq += 1
    recipient.refuses("wrong_code")
    expect(len({asked.body["y"] for asked in recipient.requests("y")}) == 1, "it tried again")
    _told_burnt(recipient)


def _told_burnt(party: Party) -> None:
    """The person is told that the code is used up, and not to try it again."""
    told = party.events("error")
    text = " ".join(f"{event.get('message')} {event.get('hint')}" for event in told).lower()
    expect(not told or "new" in text, f"nobody says that a new code is needed: {text}")


# ---- the words are used once


@case(Part.SENDER, "sender-first-y-final", "WORDS-1", "WORDS-2")
def first_y_final(sender: SenderStage) -> None:
    """The first Y is final: a second, right one, does not mend a first wrong one."""
    sender.begin()
    right, wrong = sender.respond(), sender.respond(WRONG)
    sender.post_y(wrong)
    sender.until(lambda: sender.requests("close") or None, "its close", outlives=True)
    sender.desk.put(y=right.y, hh_k=right.hh_k)
    sender.desk.closed = None
    sender.fails("wrong_code")
    expect(not sender.requests("h_k"), "it evaluated a second y")


@case(Part.SENDER, "sender-y-swapped", "WORDS-1")
def y_swapped(sender: SenderStage) -> None:
    """A Y that the relay swaps after it was read is ignored."""
    sender.begin()
    made = sender.respond()
    sender.post_y(made)
    sender.request("h_k")
    sender.desk.put(y=sender.respond(WRONG).y)
    sender.link()


@case(Part.RECIPIENT, "recipient-first-x-final", "WORDS-1", "WORDS-3")
def first_x_final(recipient: RecipientStage) -> None:
    """The first X is final: a second one, by a relay that tries again, gets no second Y."""
    recipient.begin()
    recipient.post_x(recipient.start(WRONG))
    recipient.request("y")
    recipient.desk.put(x=recipient.start().x, y=None, hh_k=None)
    recipient.never(
        lambda: len({asked.body["y"] for asked in recipient.requests("y")}) > 1,
        "it sent a second y",
        1.5,
    )


@case(Part.RECIPIENT, "recipient-one-y", "WORDS-3", "WORDS-4")
def one_y(recipient: RecipientStage) -> None:
    """A recipient that has sent its Y joins no channel with the words again, whatever happens."""
    recipient.begin()
    recipient.answer()
    first = recipient.desk.channel
    recipient.desk.forget()
    recipient.until(lambda: recipient.run and recipient.run.status() is not None, "its end",
                    outlives=True)  # fmt: skip
    again = [asked for asked in recipient.requests("role", path="/join")
             if asked.body.get("channel") == first]  # fmt: skip
    expect(len(again) == 1, "it joined the channel of the words again")
    expect(len(recipient.requests("y")) == 1, "it sent more than one y")
    recipient.fails()


@case(Part.SENDER, "sender-no-second-answer", "WORDS-4", "WORDS-2")
def no_second_answer(sender: SenderStage) -> None:
    """A sender that has read a Y does not open the channel of the words again."""
    sender.begin()
    sender.confirm()
    name = sender.desk.channel
    sender.restart_relay()

    def joins() -> list[str]:
        return [str(a.body.get("channel")) for a in sender.requests("role", path="/join")]

    over = sender.run
    sender.until(lambda: len(joins()) > 1 or (over and over.status() is not None), "its next step",
                 outlives=True)  # fmt: skip
    sender.never(lambda: joins().count(name) > 1, "it opened the channel of the words again", 3)
    sender.leave()
    sender.fails()


@case(Part.SENDER, "sender-commitment", "VERIFY-1", "OFFER-1")
def commitment(sender: SenderStage) -> None:
    """What opens the commitment is in nothing that the sender sends before Open."""
    seen: list[bytes] = []

    def look(asked: Asked, answer: Answer) -> Answer:
        seen.append(asked.raw)
        return answer

    sender.lie = look
    sender.begin()
    talk = sender.seal()
    opened = talk.hear("its Open").message
    vn = opened.vn  # type: ignore[attr-defined]
    commit = decode_head(unframed(sender.x())[0], HeadA).commit
    made = hashlib.sha256(lv_cat(b"croc-core/1", b"verifier-commit", vn)).digest()
    expect(made == commit, "its Open does not fit the commit of its head")
    posted = [b64url_decode(sender.x()), b64url_decode(str(sender.requests("h_k")[0].body["h_k"]))]
    expect(not any(vn in data for data in (*posted, *seen)), "vn was sent before Open")


@case(Part.RECIPIENT, "recipient-commitment", "VERIFY-2")
def false_commitment(recipient: RecipientStage) -> None:
    """An Open that does not fit the commit of the head is a protocol error."""
    recipient.begin()
    talk = recipient.seal()
    talk.say(Open(os.urandom(32)))
    recipient.refuses("protocol_error")
