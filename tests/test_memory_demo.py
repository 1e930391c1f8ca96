"""The demo tells a whole transfer, in both of its forms, and no secret but the code."""

from __future__ import annotations

import re

import pytest

from backends.memory._cli import main
from backends.memory._demo import FILES, as_mermaid, as_text, clipped, tell

STEPS = [  # the seed's, in its order: who says what
    ("sender", "relay", r"POST /join \{role: sender, curve: x25519"),
    ("sender", "relay", r"POST /channel \{.* x: "),
    ("sender", "recipient", r"tells the code: [0-9a-z]+-[a-z-]+"),
    ("recipient", "relay", r"POST /join \{role: recipient"),
    ("recipient", "relay", r"POST /channel \{.* since: 0"),
    ("relay", "recipient", r"200 \{.* x: "),
    ("recipient", "relay", r"POST /channel \{.* y: .* hh_k: "),
    ("relay", "sender", r"200 \{.* y: .* hh_k: "),
    ("sender", "relay", r"POST /channel \{.* h_k: "),
    ("relay", "recipient", r"200 \{.* h_k: "),
    ("recipient", "relay", r"CROC/1 "),
    ("relay", "relay", r"staples"),
    ("relay", "sender", r"200 \{.* stapled: true"),
    ("sender", "recipient", r"hello, 63 bytes"),
    ("sender", "recipient", r"Open: vn "),
    ("sender", "recipient", r"Manifest: letter.txt, photos, photos/lake.jpg"),
    ("sender", "recipient", r"OfferEnd: "),
    ("recipient", "sender", r"Accept: .*spans \[0\+3\]"),
    ("sender", "recipient", r"pieces: \d+ bytes of files"),
    ("sender", "recipient", r"PiecesEnd: .*\(last\)"),
    ("recipient", "sender", r"Receipt: .*\(last\)"),
    ("recipient", "relay", r"POST /channel \{.* close: true, reason: done"),
]


def test_every_step_of_the_seed_in_its_order() -> None:
    story = iter(tell(1))
    for source, to, text in STEPS:
        for message in story:
            if (message.source, message.to) == (source, to) and re.match(text, message.text):
                break
        else:
            pytest.fail(f"nobody said {text}")


def test_sealed_is_what_the_relay_cannot_read() -> None:
    for message in tell(2):
        inside = message.text.split(":")[0].split(" ")[0] in {
            "Open", "Manifest", "OfferEnd", "Accept", "pieces", "PiecesEnd", "Receipt"
        }  # fmt: skip
        assert message.sealed == inside
        if message.sealed:
            assert "relay" not in (message.source, message.to)


def test_text_and_mermaid_tell_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    story = tell(3)
    assert main(["demo", "--seed", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == list(as_text(story))
    assert main(["demo", "--seed", "3", "--mermaid"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == list(as_mermaid(story))
    assert lines[0] == "sequenceDiagram"
    arrow = r"    (sender|relay|recipient)-?->>(sender|relay|recipient): [^;#]+"
    note = r"    Note over (sender|relay|recipient): [^;#]+"
    for line in lines[4:]:
        assert re.fullmatch(f"{arrow}|{note}", line), line
    assert len(lines) == len(story) + 4


def test_pieces_come_to_what_was_sent() -> None:
    (pieces,) = [m for m in tell(4) if m.text.startswith("pieces")]
    assert int(pieces.text.split()[1]) == sum(map(len, FILES.values()))


def test_long_values_are_cut() -> None:
    assert clipped("x" * 18) == "x" * 18
    assert clipped("x" * 19) == "x" * 10 + "… (19)"
    long = [line for line in as_text(tell(5)) if len(line) > 260]
    assert not long
