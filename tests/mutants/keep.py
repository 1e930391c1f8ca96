"""What is kept between runs: what became of each mutant, which tests killed, what is equivalent."""

from __future__ import annotations

import json
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.mutants.make import ROOT, Mutant
from tests.mutants.pool import PLACE, digest
from tests.mutants.run import SURVIVED, Verdict

HERE = Path(__file__).parent
KILLERS = HERE / "killers.json"
EQUIVALENT = HERE / "equivalent.toml"


class Results:
    """What became of each mutant, in a file to which lines are added.

    A kill holds as long as the mutant's file and the killer's file are what they were; a survival
    only as long as nothing has changed at all.
    """

    def __init__(self, everything: str, path: Path = PLACE / "results.jsonl") -> None:
        self._path = path
        self._everything = everything
        self._digests: dict[str, str] = {}
        self._found: dict[str, Verdict] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            kept = json.loads(line)
            if kept["of"] == self._of(kept["key"].partition("::")[0], kept["what"], kept["by"]):
                self._found[kept["key"]] = Verdict(kept["what"], kept["by"])
            else:
                self._found.pop(kept["key"], None)

    def _digest(self, file: str) -> str:
        if file not in self._digests:
            path = ROOT / file
            self._digests[file] = digest(path.read_bytes()) if path.is_file() else ""
        return self._digests[file]

    def _of(self, file: str, what: str, by: str) -> str:
        if what == SURVIVED:
            return self._everything
        return self._digest(file) + self._digest(by.partition("::")[0])

    def get(self, mutant: Mutant) -> Verdict | None:
        return self._found.get(mutant.key)

    def add(self, mutant: Mutant, verdict: Verdict) -> None:
        self._found[mutant.key] = verdict
        kept = {
            "key": mutant.key,
            **verdict._asdict(),
            "of": self._of(mutant.file, verdict.what, verdict.by),
        }
        with self._path.open("a") as file:
            file.write(json.dumps(kept) + "\n")


def equivalents() -> dict[str, str]:
    """For each mutant that is called equivalent, by its key, the reason."""
    if not EQUIVALENT.exists():
        return {}
    found: dict[str, str] = {}
    for entry in tomllib.loads(EQUIVALENT.read_text()).get("equivalent", ()):
        for nth in entry.get("nth", [0]):
            key = f"{entry['file']}::{entry['in']}: {entry['was']} => {entry['now']} #{nth}"
            if key in found or not entry["why"].strip():
                raise SystemExit(f"equivalent.toml: twice, or without a reason: {key}")
            found[key] = entry["why"]
    return found


def entry(mutant: Mutant) -> str:
    """The mutant as equivalent.toml would name it."""
    named = {"file": mutant.file, "in": mutant.function, "was": mutant.was, "now": mutant.now}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in named.items()]
    if mutant.nth:
        lines.append(f"nth = [{mutant.nth}]")
    return "\n".join(["[[equivalent]]", *lines, 'why = ""', ""])


def killers() -> dict[str, dict[str, tuple[int, float]]]:
    """For each file of the core the tests that killed: how many mutants, in how many seconds."""
    kept: dict[str, dict[str, tuple[int, float]]] = (
        json.loads(KILLERS.read_text()) if KILLERS.exists() else {}
    )
    return kept


def keep_killers(found: Iterable[tuple[Mutant, Verdict]], seconds: dict[str, float]) -> None:
    """Write which tests killed; of a file of the core none of whose mutants ran, what is known."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, verdict in found:
        if verdict.by in seconds:
            counts[mutant.file][verdict.by] += 1
    kept: dict[str, Any] = killers() | {
        file: {name: (n, round(seconds[name], 2)) for name, n in counts[file].most_common()}
        for file in counts
    }
    KILLERS.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")
