"""Cases that are the same for a sender and for a recipient."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from conformance._case import Part, case
from conformance.client._roles import Party

Judge = TypeVar("Judge", bound=Callable[[Party], None])


def both(slug: str, *requirements: str) -> Callable[[Judge], Judge]:
    """Enter the decorated function twice: as `sender-SLUG` and as `recipient-SLUG`."""

    def enter(judge: Judge) -> Judge:
        for part in (Part.SENDER, Part.RECIPIENT):
            case(part, f"{part}-{slug}", *requirements)(judge)
        return judge

    return enter
