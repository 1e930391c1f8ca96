"""Password-authenticated key agreement: CPace over a choice of groups.

Each family of suites is imported only when one of its suites is asked for: what is not used costs
no start-up time.
"""

from __future__ import annotations

from croc_core.pake.cpace import Abort, Suite

__all__ = ["ALLOWED", "DEFAULT", "HISTORIC", "Abort", "Suite", "UnknownSuiteError", "suite"]

DEFAULT = "x25519"
ALLOWED = ("x25519", "p256", "p384", "p521")
"""What a side takes part in unless told otherwise."""
HISTORIC = ("p224", "siec")
"""What is used only where both sides ask for it by name."""


class UnknownSuiteError(ValueError):
    """No suite has this name."""


def suite(name: str) -> Suite:
    """Return the suite called *name*; raises UnknownSuiteError where there is none."""
    if name == "x25519":
        from croc_core.pake.x25519 import X25519

        return X25519
    if name == "siec":
        from croc_core.pake.siec import SIEC

        return SIEC
    if name in ("p256", "p384", "p521", "p224"):
        from croc_core.pake.pcurves import PCURVES

        return PCURVES[name]
    raise UnknownSuiteError(
        f"no curve is called {name!r}; there are {', '.join(ALLOWED + HISTORIC)}"
    )
