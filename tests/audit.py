"""Known holes in what is installed: `python -m tests.audit`, or with `--strict`.

Asks pip-audit. A hole ends it with 1. What could not be looked up, as without a network, is said,
and ends it with 1 only where `--strict` is given: then nothing may be left unknown.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

OWN = frozenset({"croc-core"})
PATIENCE = 300.0


def judge(output: str, trouble: str, strict: bool) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print for what pip-audit wrote."""
    try:
        found: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = trouble.strip().splitlines()[-1:] or ["it wrote nothing"]
        return int(strict), [f"Nothing was audited: {reason[0]}"]
    found = [one for one in found if one["name"] not in OWN]
    lines = [
        f"{one['name']} {one['version']}: {', '.join(hole['id'] for hole in one['vulns'])}"
        for one in found
        if one.get("vulns")
    ]
    unknown = [one["name"] for one in found if "skip_reason" in one]
    status = 1 if lines else 0
    lines.append(f"{len(found) - len(unknown)} of {len(found)} packages were audited.")
    if unknown:
        lines.append(f"NOT audited, as they could not be looked up: {', '.join(unknown)}.")
        status = status or int(strict)
    return status, lines


def main(arguments: list[str]) -> int:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "-f", "json", "--progress-spinner", "off"],
            capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        output, trouble = done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        output, trouble = "", "no answer in time"
    status, lines = judge(output, trouble, "--strict" in arguments)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
