"""What inputs of further connections mean, to either party (docs/protocol.md, 9.2)."""

from __future__ import annotations

from croc_core import failures
from croc_core.many import Legged, LegGreeted, LegRefused, LegTaken, Stage
from croc_core.party import Ending, LinkLost, PeerBroke, RelayBroke, own_hello
from croc_core.party_io import Garbled, Greeted, Identified, Input, LinkEnded
from croc_core.party_judge import greeted, identified
from croc_core.values import Entropy, Role

LIVE = (Stage.DIALLED, Stage.GREETING, Stage.BUSY)


def stale(state: object, event: Input) -> bool:
    """Whether *event* is of a further connection that nothing is expected of any more."""
    number: int = getattr(event, "connection", 0)
    return number > 0 and _stage(state, number) not in LIVE


def _stage(state: object, number: int) -> Stage:
    """How far a further connection is."""
    legs = state.legs if isinstance(state, Legged) else ()
    return legs[number - 1].stage if number <= len(legs) else Stage.GONE


def of_leg(role: Role, state: Legged, event: Input, entropy: Entropy) -> object | None:
    """What *event* means on a further connection that is not stale, up to the keys; its loss."""
    match event:
        case Identified(number) if _stage(state, number) is Stage.DIALLED:
            return _identified(role, state, event, number) or LegTaken(
                number, own_hello(role, entropy, number)
            )
        case Greeted(number, data) if _stage(state, number) is Stage.GREETING:
            return greeted(role, data, number) or LegGreeted(number, data)
        case Garbled(number, why):
            if _stage(state, number) is Stage.DIALLED:
                return RelayBroke(failures.relay_broke(why))
            return PeerBroke(failures.peer_broke(why))
        case LinkEnded(_, cause):
            return LinkLost(failures.peer_vanished(cause))
    return None


def _identified(
    role: Role, state: Legged, event: Identified, number: int
) -> Ending | LegRefused | None:
    """None where the relay has taken our identification line."""
    trouble = identified(event)
    if not isinstance(trouble, LinkLost) or not trouble.crowded or role is Role.RECIPIENT:
        return trouble
    others = any(
        leg.stage is not Stage.GONE for at, leg in enumerate(state.legs, 1) if at != number
    )
    return LegRefused(number) if others else trouble
