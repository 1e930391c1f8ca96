"""docs/protocol.md keeps its own rules, and says what the code says."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import typing
from pathlib import Path

import mnemonic
import pytest

from croc_core import events, messages, pake, wire
from croc_core.errors import EXIT, Code
from croc_core.handshake import HELLO_LENGTH
from croc_core.pake.cpace import Suite
from croc_core.pake.weierstrass import Weierstrass
from croc_core.values import Reason, Role

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "protocol.md").read_text("utf-8")
LINES = TEXT.splitlines()
ID = r"[A-Z]+-[0-9]+"
REQUIREMENTS = [m.groups() for line in LINES if (m := re.match(rf"\*\*({ID})\*\* (.+)$", line))]
IDS = [name for name, _ in REQUIREMENTS]
KEYWORD = re.compile(r"\b(?:MUST NOT|SHOULD NOT|MUST|SHOULD)\b")
FOREIGN = ("AES-256", "BIP-39", "SHA-256", "SHA-384", "SHA-512", "SHAKE-256", "UTF-8")
SEED = ["1", "2", "3", "4", "5a", "5b", "6", "7", "8a", "8b", "9", "10", "11", "12", "13", "14",
        "16", "17", "18", "address rule", "library note"]  # fmt: skip


def section(title: str) -> str:
    """The text from the heading that ends in *title* to the next heading of any level."""
    match = re.search(rf"^#+ (?:[0-9.]+ )?{title}$(.*?)(?=^#+ |\Z)", TEXT, re.M | re.S)
    assert match, title
    return match[1]


def table(title: str) -> list[list[str]]:
    """The rows of the first table of a section, without its head."""
    lines = section(title).splitlines()
    first = next(i for i, line in enumerate(lines) if re.fullmatch(r"\|[-| ]+\|", line)) + 1
    rows = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def ticked(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", cell, flags=re.S))


# ---- its own rules


def test_there_are_requirements_of_every_part() -> None:
    families = {name.split("-")[0] for name in IDS}
    assert families >= {
        "JOIN", "CHAN", "WAIT", "CLOSE", "ERR", "ADDR", "PORT", "SUITE", "PAKE", "HEAD", "KEY",
        "WORDS", "HELLO", "REC", "MSG", "OFFER", "PIECE", "END", "LIVE", "REDIAL", "REJOIN",
        "MANY", "STREAM", "TEXT", "RESUME", "CODEC", "AEAD", "VERIFY", "TOKEN", "PAD", "EXT",
        "CODE", "CLI", "EVENT", "EXIT", "DISC", "VER", "GROW",
    }  # fmt: skip


def test_ids_are_unique() -> None:
    assert len(IDS) == len(set(IDS))


@pytest.mark.parametrize("family", sorted({name.split("-")[0] for name in IDS}))
def test_numbers_rise_from_1_without_gaps(family: str) -> None:
    numbers = [int(name.split("-")[1]) for name in IDS if name.split("-")[0] == family]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(("name", "text"), REQUIREMENTS, ids=IDS)
def test_a_requirement_has_one_keyword(name: str, text: str) -> None:
    assert len(KEYWORD.findall(text)) == 1, f"{name}: {KEYWORD.findall(text)}"
    assert text.endswith("."), f"{name} is no sentence on one line"


def test_no_keyword_stands_outside_a_requirement() -> None:
    outside = [line for line in LINES if not re.match(rf"\*\*{ID}\*\* ", line)]
    found = [line for line in outside if KEYWORD.search(line)]
    assert len(found) == 1, found
    assert found[0].startswith("has one MUST")


def test_every_id_that_is_named_exists() -> None:
    named = set(re.findall(rf"\b{ID}\b", TEXT)) - set(FOREIGN)
    assert named - set(IDS) == set()


def test_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
        for line in LINES
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert target[1:] in anchors if target[0] == "#" else (ROOT / "docs" / target).exists()


def test_the_seed_is_covered() -> None:
    rows = table("From the seed to the requirements")
    assert [row[0] for row in rows] == SEED
    for step, says, names, _ in rows:
        assert says, step
        assert names.split(), step
        assert set(names.split()) <= set(IDS), step


def functions_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
    return found


def test_named_tests_exist() -> None:
    names = re.findall(r"`(tests/\w+\.py|conformance/\w+\.py)::(\w+)`", TEXT)
    assert names
    for path, name in names:
        assert name in functions_of(ROOT / path), f"{path}::{name}"
    for row in table("From the seed to the requirements"):
        assert row[3] == "-" or re.fullmatch(r"(`[\w/]+\.py::\w+`(, )?)+", row[3]), row[0]


def test_vectors_that_are_named_exist_and_all_are_named() -> None:
    groups = json.loads((ROOT / "docs" / "vectors.json").read_text("ascii")).keys()
    spans = re.findall(r"Vectors:\s(.*?)(?:\.|\n\n)", TEXT, re.S)
    named = {name for span in spans for name in ticked(re.sub(r"\([^)]*\)", "", span))}
    assert named == groups


FEATURES = ("Redial and rejoin", "Several connections", "Unknown length", "Text", "Resume",
            "Compression", "The choice of the AEAD", "Verifier", "Token", "Padding",
            "Unknown message types")  # fmt: skip


@pytest.mark.parametrize("title", FEATURES)
def test_a_feature_has_layout_states_vectors_and_requirements(title: str) -> None:
    text = section(title)
    assert "Layout:" in text
    assert "States:" in text or "stateDiagram" in text
    assert "Vectors:" in text
    assert re.search(rf"^\*\*{ID}\*\*", text, re.M)


# ---- what the code says


def test_exit_statuses() -> None:
    rows = [(int(row[0]), "".join(ticked(row[1]))) for row in table("Exit statuses")]
    assert rows == [(0, "")] + [(EXIT[code], code.value) for code in Code]


def test_events() -> None:
    kinds = {kind.__struct_config__.tag: kind for kind in typing.get_args(events.Event)}
    rows = table("Events")
    assert [row[0].strip("`") for row in rows] == list(kinds)
    for name, fields, _ in rows:
        kind = kinds[name.strip("`")]
        required = kind.__struct_fields__
        if kind is events.OfferSeen:
            more = [f"`{field}`" for field in required[2:]]
            assert f"{', '.join(more[:-1])} and {more[-1]}." in section("Events")
            required = required[:2]
        elif kind is events.Progress:
            assert f"A `progress` may also have `{required[-1]}`:" in section("Events")
            required = required[:-1]
        words = [word for word in ticked(fields) if word in kind.__struct_fields__]
        assert tuple(words) == tuple(required), name


def test_messages() -> None:
    rows = table("Messages")
    numbers = {int(row[0].strip("`"), 16): row for row in rows}
    known = messages.CONTROL.keys() | {messages.PIECE, messages.STILL_HERE, messages.PADDING}
    assert numbers.keys() == known
    for number, kind in messages.CONTROL.items():
        _, name, _, body, _ = numbers[number]
        assert name == kind.__name__
        fields = re.sub(r" or nil|[`\[\]]", "", body).split(", ")
        assert tuple(fields) == kind.__struct_fields__, name


def test_bodies() -> None:
    join, channel = section("Join"), section("Channel")
    for kind, text in ((wire.Join, join), (wire.Joined, join), (wire.State, channel)):
        assert set(kind.__struct_fields__) <= set(ticked(text)), kind
    assert set(wire.Update.__struct_fields__) <= set(ticked(channel))
    reasons = next(line for line in channel.splitlines() if line.startswith("| `reason`"))
    assert ticked(reasons)[2:] == [reason.value for reason in Reason]


def test_errors_of_the_contract() -> None:
    rows = {(int(row[0]), row[1].strip("`")) for row in table("Errors")}
    assert rows == {
        (400, "malformed"), (401, "token"), (403, "not_yours"), (403, "channel_full"),
        (404, "no_such_channel"), (404, "no_x_yet"), (404, "no_route"), (405, "method"),
        (408, "too_slow"), (409, "occupied"), (409, "already_set"), (409, "out_of_turn"),
        (409, "curve"), (410, "closed"), (413, "too_large"), (426, "version"), (429, "too_many"),
        (431, "headers"), (500, "internal"), (503, "busy"),
    }  # fmt: skip


def test_suites() -> None:
    rows = {row[0].strip("`"): row for row in table("Suites")}
    assert tuple(rows) == pake.ALLOWED + pake.HISTORIC
    for name, row in rows.items():
        suite = pake.suite(name)
        block = hashlib.new(row[2].lower().replace("-", "")).block_size
        lengths = tuple(int(cell) for cell in row[3:7])
        k = len(suite.agree(suite.scalar(bytes(suite.scalar_length - 1) + b"\1"), _point(suite)))
        assert row[1].strip("`").encode() == suite.dsi
        assert len(suite.hash(b"")) * 8 == int(row[2].removeprefix("SHA-"))
        assert lengths == (block, suite.share_length, k, suite.scalar_length)
        status = {pake.DEFAULT: "default"}.get(name, "allowed")
        assert row[7] == ("historic" if name in pake.HISTORIC else status)
        if isinstance(suite, Weierstrass):
            curve = suite.field.p
            assert f"  p = {curve:x}\n" in TEXT
            assert f"  n = {suite.order:x}\n" in TEXT


def _point(suite: Suite) -> bytes:
    return suite.share(suite.scalar(bytes(suite.scalar_length)), suite.generator(b"prs", b"", b""))


def test_hello_lengths() -> None:
    sender, recipient = HELLO_LENGTH[Role.SENDER], HELLO_LENGTH[Role.RECIPIENT]
    assert f"{sender} bytes from a sender, {recipient} from a recipient." in section("Hellos")


def test_the_word_list() -> None:
    file = Path(mnemonic.__file__).parent / "wordlist" / "english.txt"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"`{digest}`" in section("Secret")
