"""Which requirements are judged by no case, and which need none, and why."""

from __future__ import annotations

from conformance._case import CASES, is_must
from conformance.requirements import REQUIREMENTS

EXEMPT: dict[str, str] = {
    "EXT-1": "binds those who write later versions of the document; no run can show it",
    "EXT-2": "binds those who write later versions of the document; no run can show it",
    "GROW-3": "binds those who write later versions of the document; no run can show it",
    "GROW-4": "binds those who write later versions of the document; no run can show it",
    "VER-6": "binds those who write later versions of the document; no run can show it",
}
"""Requirements that only a person or a document can hold, each with the reason."""


def uncovered() -> list[str]:
    """Every MUST that has neither a case nor a reason why it needs none, in order."""
    judged = {name for case in CASES.values() for name in case.requirements}
    return [name for name in REQUIREMENTS if is_must(name) and name not in judged | EXEMPT.keys()]


def needless() -> list[str]:
    """Exemptions of what is no MUST, is unknown, or has a case after all."""
    judged = {name for case in CASES.values() for name in case.requirements}
    return [
        name for name in EXEMPT if name not in REQUIREMENTS or not is_must(name) or name in judged
    ]
