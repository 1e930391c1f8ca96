"""The contract of `subjects/command.py` for this project's own command lines.

python -m conformance.subjects.adapter asyncio
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping

NOT_SUPPORTED = 127


def arguments(environment: Mapping[str, str]) -> list[str] | None:
    """Return the command line that the environment asks for; None where it asks for none."""
    curve = ["--curve", environment["CROC_CURVE"]] if environment.get("CROC_CURVE") else []
    match environment.get("CROC_ROLE"):
        case "sender":
            return ["send", "--json", *curve, "--", environment["CROC_FILE"]]
        case "recipient":
            return ["receive", "--json", "--yes", *curve, "--out", environment["CROC_OUT"]]
    return None


def main() -> int:
    """Run the command line of the backend that is named; return its exit status."""
    found = arguments(os.environ)
    if found is None:
        return NOT_SUPPORTED
    backend = importlib.import_module(f"backends.{sys.argv[1]}.__main__")
    sys.argv = [f"backends.{sys.argv[1]}", *found]
    return int(backend.main())


if __name__ == "__main__":
    sys.exit(main())
