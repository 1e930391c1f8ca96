"""What a subject did in a case, without what differs from run to run.

The same case on two backends of one program must leave the same trace: how bytes are split and when
they come makes no difference to what a machine does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from conformance.client._stage import Stage

_VOLATILE = {"seconds", "rate", "eta", "relay", "url", "words"}
_POLL = {"channel", "uuid", "since", "wait"}
_ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?")


class Trace(NamedTuple):
    """What came of one run that ended by itself."""

    status: int
    requests: tuple[tuple[str, ...], ...]
    """The path and the fields of each request that does something, repeats left out."""
    dials: int
    events: tuple[str, ...]
    """Those told, but for progress, and what the answer to a sender's offer may overtake."""


def trace(stage: Stage) -> Trace | None:
    """Return the trace of a case that is over; None where the subject still ran."""
    if stage.run is None or (status := stage.run.status()) is None:
        return None
    requests: list[tuple[str, ...]] = []
    for asked in stage.asked:
        fields = asked.path, *sorted(asked.body.keys() - (_POLL if asked.path != "/join" else ()))
        if (len(fields) > 1) and (not requests or requests[-1] != fields):
            requests.append(fields)
    passing = {"progress", "note"}  # a note tells of this computer's files
    passing |= {"offer", "waiting"} if stage.role == "sender" else set()
    told = [_event(event) for event in stage.events() if event.get("event") not in passing]
    return Trace(status, tuple(requests), len(stage.links), tuple(told))


def _event(event: dict[str, Any]) -> str:
    kept = {name: value for name, value in sorted(event.items()) if name not in _VOLATILE}
    return _ADDRESS.sub("ADDRESS", repr(kept))
