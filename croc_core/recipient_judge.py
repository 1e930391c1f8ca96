"""What an input means to the recipient in each of its states: every judgement is made here.

As `sender_judge.py`, for the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from croc_core import failures, wire
from croc_core.content import MAX_SIZE, Codec, Entry, Verdict
from croc_core.errors import LocalProtocolError, RemoteProtocolError
from croc_core.handshake import Policy, VersionMismatch, commits, proves, respond
from croc_core.machine import Machine
from croc_core.messages import Accept, Manifest, OfferEnd, Open, PiecesEnd
from croc_core.pake import ALLOWED, HISTORIC, Suite
from croc_core.pake import suite as suite_named
from croc_core.party import (
    RETRY,
    AskingWhy,
    Ending,
    Leaving,
    LocalFailed,
    Patience,
    PeerBroke,
    RelayBroke,
    Renewed,
    Seat,
    VersionDiffers,
    own_hello,
    pause,
)
from croc_core.party_io import (
    Decided,
    Finished,
    Garbled,
    Greeted,
    Heard,
    Identified,
    Input,
    Interrupted,
    Judged,
    LinkEnded,
    Moved,
    Replied,
    Started,
    Unanswered,
    Woke,
)
from croc_core.party_judge import (
    answer,
    asking_why,
    bare_trouble,
    greeted,
    identified,
    leaving,
    link_trouble,
    port_trouble,
    request_trouble,
)
from croc_core.recipient import TABLE, join_request
from croc_core.recipient_states import (
    Agreed,
    AllFinal,
    Answering,
    AnswerTaken,
    AwaitingEnd,
    AwaitingOffer,
    AwaitingOpen,
    AwaitingProof,
    AwaitingX,
    Begun,
    Closed,
    Closing,
    CurveUnasked,
    Deciding,
    Finishing,
    Greeting,
    HearingOffer,
    HelloGood,
    HungUp,
    Identifying,
    Idle,
    Joining,
    Judging,
    NothingUsable,
    NothingYet,
    OfferBegun,
    OfferGrew,
    OfferWhole,
    OpenGood,
    ProofBad,
    ProofGood,
    Receiving,
    Refusing,
    SeatTaken,
    TcpTaken,
    TotalsGood,
    VerdictGiven,
    XGood,
)
from croc_core.values import Entropy, Moment, Role, Secret

SPANS_A_MESSAGE = 4000
"""Spans in one `Accept`: well under the bound of a control message."""


@dataclass(frozen=True, slots=True)
class RecipientContext:
    """What a recipient knows before it begins; it never changes."""

    channel: str
    secret: Secret
    """The normalised secret: the code without its channel."""
    entropy: Entropy = field(repr=False)
    curve: str | None = None
    """The only curve to accept; None for any that `policy` allows."""
    policy: Policy = Policy()
    patience: Patience = Patience()
    max_entries: int = 2_000_000
    suite: Callable[[str], Suite] = suite_named
    """Finds the key agreement by its name."""


def recipient(context: RecipientContext) -> Machine[RecipientContext]:
    """Make the recipient's machine; hand it `Started()` first."""
    p = context.patience
    patience: dict[type[Any], float] = {
        Idle: p.request,
        Joining: p.request,
        AwaitingX: p.request + wire.MAX_WAIT,
        Answering: p.request,
        AwaitingProof: p.request + wire.MAX_WAIT,
        Identifying: p.request,
        Greeting: p.staple,
        AwaitingOpen: p.progress,
        AwaitingOffer: p.progress,
        HearingOffer: p.progress,
        Judging: p.person,
        Deciding: p.person,
        Receiving: p.progress,
        Finishing: p.person,
        AwaitingEnd: p.farewell,
        Closing: p.parting,
        AskingWhy: p.parting,
        Leaving: p.parting,
    }
    longest: dict[type[Any], float] = dict.fromkeys(
        (AwaitingOpen, AwaitingOffer, HearingOffer, Judging), p.person
    )
    return Machine(context, Idle(), TABLE, interpret, patience, frozenset({Renewed}), longest)


def interpret(context: RecipientContext, state: object, event: Input, _: Moment) -> object | None:
    """Say what *event* means in *state*."""
    judge = _JUDGES.get(type(state))
    if judge is None:
        raise LocalProtocolError("the run is over")
    return judge(context, state, event)


def _idle(context: RecipientContext, _: Idle, event: Input) -> object | None:
    if not isinstance(event, Started):
        return None
    return Begun(join_request(context.channel, context.curve, context.entropy(16).hex()))


def _joining(context: RecipientContext, _: Joining, event: Input) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event, first=True)
    joined = answer(event, wire.Joined, Role.RECIPIENT, burnt=False)
    if not isinstance(joined, wire.Joined):
        return joined
    ports = [way.port for way in joined.data if way.kind == "tcp"]
    if joined.role is not Role.RECIPIENT or joined.channel != context.channel or not ports:
        return RelayBroke(failures.relay_broke("it gave us a channel that we did not ask for"))
    return SeatTaken(Seat(joined.channel, joined.uuid, ports[0]), joined.curve)


def _awaiting_x(context: RecipientContext, state: AwaitingX, event: Input) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event, "the sender")
    if event.status == 404 and _word(event) == "no_x_yet":
        return NothingYet(state.seq, RETRY)
    found = answer(event, wire.State, Role.RECIPIENT, burnt=False)
    if not isinstance(found, wire.State):
        return found
    if found.x is None:
        return NothingYet(found.seq, pause(state.seq, found.seq))
    if found.curve != state.curve:
        return RelayBroke(failures.relay_broke("it changed the curve"))
    policy = context.policy
    if context.curve is not None:
        policy = Policy((context.curve,), policy.aeads, policy.verify)
    if state.curve not in policy.suites:
        known = state.curve in (*ALLOWED, *HISTORIC)  # else the word is the relay's
        return CurveUnasked(failures.curve_unasked(state.curve if known else "it chose"))
    try:
        made = respond(
            context.suite,
            state.seat.channel,
            state.curve,
            found.x,
            context.secret,
            policy,
            context.entropy,
        )
    except VersionMismatch as mismatch:
        return VersionDiffers(failures.version(str(mismatch)))
    except RemoteProtocolError as error:
        return PeerBroke(failures.peer_broke(str(error)))
    return XGood(made)


def _word(event: Replied) -> str:
    """The code of the relay's refusal; empty where it makes no sense."""
    try:
        return wire.decode_reply(event.body, wire.Error).code
    except RemoteProtocolError:
        return ""


def _answering(_: RecipientContext, state: Answering, event: Input) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event, burnt=True)
    found = answer(event, wire.State, Role.RECIPIENT, burnt=True)
    if not isinstance(found, wire.State):
        return found
    if (found.y, found.hh_k) != (state.responder.y, state.responder.hh_k):
        return RelayBroke(failures.relay_broke("it did not take our Y", burnt=True))
    return AnswerTaken(found.seq if found.h_k is None else 0)


def _awaiting_proof(_: RecipientContext, state: AwaitingProof, event: Input) -> object | None:
    if not isinstance(event, Replied):
        return request_trouble(event, "the sender to prove itself", burnt=True)
    found = answer(event, wire.State, Role.RECIPIENT, burnt=True)
    if not isinstance(found, wire.State):
        return found
    if found.h_k is None:
        return NothingYet(found.seq, pause(state.seq, found.seq))
    if not proves(state.session, found.h_k):
        return ProofBad(failures.false_proof())
    return ProofGood()


def _identifying(context: RecipientContext, _: Identifying, event: Input) -> object | None:
    if not isinstance(event, Identified):
        return port_trouble(event)
    return identified(event) or TcpTaken(own_hello(Role.RECIPIENT, context.entropy))


def _greeting(_: RecipientContext, __: Greeting, event: Input) -> object | None:
    if isinstance(event, Greeted):
        return greeted(Role.RECIPIENT, event.hello) or HelloGood(event.hello)
    return bare_trouble(event, "the sender to connect")


def _awaiting_open(_: RecipientContext, state: AwaitingOpen, event: Input) -> object | None:
    match event:
        case Moved():
            return Renewed()
        case Heard(_, Open(vn), last):
            if not last and commits(state.session, vn):
                return OpenGood()
            return PeerBroke(failures.peer_broke("it opens another run than this one"))
    return link_trouble(event, "the sender")


def _sum(so_far: int | None, entries: Sequence[Entry]) -> int | None:
    """The bytes of an offer, or None as soon as one entry's size is not known."""
    for entry in entries:
        if so_far is None or entry.size is None:
            return None
        so_far += entry.size
    return so_far


def _grown(
    context: RecipientContext, before: int, manifest: Manifest, total: int | None
) -> Ending | None:
    """None where an offer may grow by *manifest*; else how the run ends."""
    if before + len(manifest.entries) > context.max_entries:
        return LocalFailed(failures.too_many_entries(context.max_entries))
    if total is not None and total > MAX_SIZE:
        return PeerBroke(failures.peer_broke("its offer is larger than any disk"))
    return None


def _awaiting_offer(context: RecipientContext, _: AwaitingOffer, event: Input) -> object | None:
    match event:
        case Moved():
            return Renewed()
        case Heard(_, Manifest(bytes() as tid) as manifest, False):
            total = _sum(0, manifest.entries)
            trouble = _grown(context, 0, manifest, total)
            return trouble or OfferBegun(tid, manifest.entries, total)
    return link_trouble(event, "the offer")


def _hearing_offer(context: RecipientContext, state: HearingOffer, event: Input) -> object | None:
    match event:
        case Moved():
            return Renewed()
        case Heard(_, Manifest(None) as manifest, False) if manifest.entries:
            total = _sum(state.bytes, manifest.entries)
            return _grown(context, state.entries, manifest, total) or OfferGrew(
                manifest.entries, total
            )
        case Heard(_, OfferEnd(tid, entries, total), False):
            if (tid, entries, total) == (state.tid, state.entries, state.bytes):
                return OfferWhole()
            return PeerBroke(failures.peer_broke("its offer does not add up"))
    return link_trouble(event, "the rest of the offer")


def _judging(_: RecipientContext, __: Judging, event: Input) -> object | None:
    match event:
        case Moved():
            return Renewed()
        case Judged(verdict):
            if not verdict.totals.entries and verdict.refused_count:
                return NothingUsable(failures.nothing_usable())
            return VerdictGiven(verdict)
    return link_trouble(event, "the files here")


def _deciding(_: RecipientContext, state: Deciding, event: Input) -> object | None:
    match event:
        case Moved():
            return None  # the person's time does not grow because the sender is alive
        case Decided(yes):
            if yes:
                return Agreed(_accepts(state.tid, state.verdict))
            return Refusing(failures.declined_here())
    return link_trouble(event, "your decision")


def _accepts(tid: bytes, verdict: Verdict) -> tuple[Accept, ...]:
    """The choice as messages."""
    spans = verdict.chosen
    starts = range(0, len(spans), SPANS_A_MESSAGE) if spans else range(1)
    return tuple(
        Accept(
            tid,
            spans[at : at + SPANS_A_MESSAGE],
            (Codec.RAW, Codec.ZEROS),
            1,
            (),
            more=at + SPANS_A_MESSAGE < len(spans),
        )
        for at in starts
    )


def _receiving(_: RecipientContext, state: Receiving, event: Input) -> object | None:
    match event:
        case Moved(True):
            return Renewed()
        case Heard(_, PiecesEnd() as end, last):
            totals = state.totals
            known = totals.bytes is None or end.bytes == totals.bytes
            if last and end.tid == state.tid and end.entries == totals.entries and known:
                return TotalsGood(end.sizes)
            return PeerBroke(failures.peer_broke("its totals are not those of its offer"))
        case Moved():
            return None
    return link_trouble(event, "more data")


def _finishing(_: RecipientContext, __: Finishing, event: Input) -> object | None:
    match event:
        case Finished(arrived):
            return AllFinal(arrived)
        case LinkEnded():
            return None  # all has come: the sender is needed for the receipt alone
    return bare_trouble(event, "the files here")


def _awaiting_end(_: RecipientContext, __: AwaitingEnd, event: Input) -> object | None:
    ends = isinstance(event, LinkEnded | Garbled | Heard | Woke | Interrupted)
    return HungUp() if ends else None


def _closing(_: RecipientContext, __: Closing, event: Input) -> object | None:
    return Closed() if isinstance(event, Replied | Unanswered | Woke | Interrupted) else None


def _leaving(_: RecipientContext, state: Leaving, event: Input) -> object | None:
    return leaving(state, event)


def _asking_why(_: RecipientContext, state: AskingWhy, event: Input) -> object | None:
    return asking_why(Role.RECIPIENT, state, event)


_JUDGES: dict[type[Any], Callable[[RecipientContext, Any, Input], object | None]] = {
    Idle: _idle,
    Joining: _joining,
    AwaitingX: _awaiting_x,
    Answering: _answering,
    AwaitingProof: _awaiting_proof,
    Identifying: _identifying,
    Greeting: _greeting,
    AwaitingOpen: _awaiting_open,
    AwaitingOffer: _awaiting_offer,
    HearingOffer: _hearing_offer,
    Judging: _judging,
    Deciding: _deciding,
    Receiving: _receiving,
    Finishing: _finishing,
    AwaitingEnd: _awaiting_end,
    Closing: _closing,
    Leaving: _leaving,
    AskingWhy: _asking_why,
}
