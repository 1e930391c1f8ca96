"""The contract of `subjects/command.py` for this project's own command lines.

python -m conformance.subjects.adapter asyncio

`CROC_WITH` is a list with commas of what a case asks for beside the usual:

- `verify`: the person compares the words; the answer is a line of standard input, `yes` or `no`;
- `streams=N`: N data connections at a time, as far as the other side goes along;
- `most=N` (a recipient): offers of up to N entries are taken;
- `stream` (a sender): what comes on standard input is sent, in place of CROC_FILE;
- `embedded` (a sender, without CROC_RELAY): with a relay of its own, on 127.0.0.1;
- `discovery` (without CROC_RELAY): it may be found, or looks for the sender's, on the network.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Mapping

NOT_SUPPORTED = 127
_HERE = ["--host", "127.0.0.1"]
_ASKED: dict[tuple[str, str], list[str]] = {
    ("sender", "verify"): ["--verify"],
    ("recipient", "verify"): ["--verify"],
    ("sender", "stream"): [],
    ("sender", "embedded"): [*_HERE, "--no-discovery"],
    ("sender", "discovery"): _HERE,
    ("recipient", "discovery"): [],
}
_COUNTED = {
    ("sender", "streams"): "--streams",
    ("recipient", "streams"): "--streams",
    ("recipient", "most"): "--max-files",
}


def arguments(environment: Mapping[str, str]) -> list[str] | None:
    """Return the command line that the environment asks for; None for what is not supported."""
    role = environment.get("CROC_ROLE", "")
    more = ["--curve", environment["CROC_CURVE"]] if environment.get("CROC_CURVE") else []
    asked = [one for one in environment.get("CROC_WITH", "").split(",") if one]
    for one in asked:
        counted = re.fullmatch(r"(streams|most)=(\d+)", one)
        if counted and (role, counted[1]) in _COUNTED:
            more += [_COUNTED[role, counted[1]], counted[2]]
        elif (role, one) in _ASKED:
            more += _ASKED[role, one]
        else:
            return None
    match role:
        case "sender":
            what = "-" if "stream" in asked else environment["CROC_FILE"]
            return ["send", "--json", *more, "--", what]
        case "recipient":
            return ["receive", "--json", "--yes", *more, "--out", environment["CROC_OUT"]]
    return None


def main() -> int:
    """Run the command line of the backend that is named; return its exit status."""
    found = arguments(os.environ)
    if found is None:
        return NOT_SUPPORTED
    backend = importlib.import_module(f"backends.{sys.argv[1]}.__main__")
    if "--verify" in found:
        _sit_down()
    sys.argv = [f"backends.{sys.argv[1]}", *found]
    return int(backend.main())


def _sit_down() -> None:
    """Take standard input for a terminal: the suite is the person there."""
    from backends import _cli_run

    setattr(_cli_run, "can_ask", lambda face, piped=False: True)  # noqa: B010 - not that module's own name


if __name__ == "__main__":
    sys.exit(main())
