"""Writes docs/events.schema.json: the events of `--json`, from `croc_core.events` itself."""

from __future__ import annotations

import json
import pathlib

import msgspec

from croc_core.events import Event

PLACE = pathlib.Path(__file__).parent / "events.schema.json"


def text() -> str:
    """Return the schema (JSON Schema 2020-12): one event, which is one line of standard output."""
    (schema,), parts = msgspec.json.schema_components([Event], ref_template="#/$defs/{name}")
    for part in parts.values():
        part["description"] = " ".join(part["description"].split())
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of croc-core",
        "description": "One line of standard output with --json. A reader ignores events and "
        "fields that it does not know.",
        **schema,
        "$defs": dict(sorted(parts.items())),
    }
    return json.dumps(whole, indent=2) + "\n"


if __name__ == "__main__":
    PLACE.write_text(text())
