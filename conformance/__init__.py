"""Does a relay, a sender or a recipient keep docs/protocol.md? See docs/conformance.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance._bench import Factory


def check_backend(factory: Factory) -> None:
    """Check a Python backend against the rules of `backends._io`; see `conformance.backend`."""
    from conformance import backend  # who judges a relay does without

    backend.check_backend(factory)
