"""Codes: one spelling for each, however a person types it."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends._words import words
from croc_core.codes import MAX_SECRET, generate, is_weak, normalise, parse, secret_of

WORDS = words()
channels = st.from_regex(r"\A[0-9a-z]{1,32}\Z")

VECTORS = [
    ("7k2m-Abandon-ABILITY_able", "7k2m", "abandon-ability-able"),
    ("  7K2M   abandon  ability\table \n", "7k2m", "abandon-ability-able"),
    ("7k2m--a__b - c-", "7k2m", "a-b-c"),
    ("7k2m-\u212bngstr\u00f6m", "7k2m", "\u00e5ngstr\u00f6m"),
    ("7k2m-A\u030angstro\u0308m", "7k2m", "\u00e5ngstr\u00f6m"),
    ("7k2m-Stra\u00dfe", "7k2m", "strasse"),
    ("\uff17\uff4b-\uff21", "7k", "a"),
    ("7k2m-\ufb01ne", "7k2m", "fine"),
    ("7k2m\u00a0one\u3000two", "7k2m", "one-two"),
    ("0-0", "0", "0"),
]


@pytest.mark.parametrize(("typed", "channel", "phrase"), VECTORS)
def test_CODE_2_vectors(typed: str, channel: str, phrase: str) -> None:
    code = parse(typed)
    assert (code.channel, code.phrase) == (channel, phrase)
    assert code.secret.reveal == phrase.encode()
    assert code.text == f"{channel}-{phrase}"
    assert parse(code.text) == code


@given(channel=channels, seed=st.integers(0, 1 << 32), data=st.data())
def test_what_is_generated_is_understood_however_it_is_typed(
    channel: str, seed: int, data: st.DataObject
) -> None:
    phrase = generate(WORDS, random.Random(seed).randbytes)
    assert parse(f"{channel}-{phrase}").phrase == phrase
    gap = data.draw(st.sampled_from(["-", " ", "_", " - ", "--", "\u00a0"]))
    typed = data.draw(st.sampled_from([str.upper, str.title, str.lower]))(f"{channel}-{phrase}")
    again = parse(data.draw(st.sampled_from(["", " ", "-"])) + typed.replace("-", gap) + " ")
    assert (again.channel, again.phrase) == (channel, phrase)


@given(st.text(max_size=40))
def test_a_spelling_is_its_own_spelling(text: str) -> None:
    once = normalise(text)
    assert not re.search(r"[\s_]|--|^-|-$", once)
    assert normalise(once) == once


@pytest.mark.parametrize("text", ["\u0399\u0308\u0301", "\u00df\u0301", "\u1e9e\u0307"])
def test_CODE_2_a_code_that_is_shown_can_be_typed(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(st.sampled_from("ab7-_ \u00df\ud800"), max_size=12))
def test_CODE_1_what_is_none_is_refused_with_a_sentence(text: str) -> None:
    spelled = normalise(text)
    channel, gap, rest = spelled.partition("-")
    good = gap and rest and re.fullmatch("[0-9a-z]{1,32}", channel) and "\ud800" not in rest
    if good:
        assert parse(text).text == spelled
        return
    with pytest.raises(ValueError, match=r"\.$"):
        parse(text)


@pytest.mark.parametrize("text", ["", "-", "7k2m", "7k2m-", "\u00e9-a", "a.b-c", "x" * 33 + "-a"])
def test_no_code(text: str) -> None:
    with pytest.raises(ValueError, match="looks like"):
        parse(text)


def test_the_bounds_of_a_secret() -> None:
    assert secret_of("x" * MAX_SECRET) == "x" * 256
    assert secret_of("\u00e9" * 128) == "\u00e9" * 128
    for text in ("x" * 257, "\u00e9" * 129, "", " - "):
        with pytest.raises(ValueError, match="1 to 256 bytes"):
            secret_of(text)
    with pytest.raises(ValueError, match="not text"):
        secret_of("\ud800")


def test_CODE_3_each_word_has_an_equal_chance() -> None:
    draws = iter([b"\x00\x00", b"\x07\xff", b"\x08\x01", b"\xff\xff"])

    def entropy(count: int) -> bytes:
        assert count == 2
        return next(draws)

    assert generate(WORDS, entropy, 4) == "abandon-zoo-ability-zoo"
    assert len(generate(WORDS, random.Random(1).randbytes).split("-")) == 3
    with pytest.raises(ValueError, match="2,048"):
        generate(WORDS[:-1], random.Random(1).randbytes)


def test_WORDS_7_the_secret_is_in_no_repr() -> None:
    code = parse("7k2m-abandon-ability-able")
    assert "abandon" not in repr(code) + repr(code.secret)
    assert "7k2m" in repr(code)


@pytest.mark.parametrize(
    ("phrase", "weak"),
    [
        ("abandon-ability-able", False), ("abandon-ability", True), ("abandon", True),
        ("zoo-zoo-zoo", True), ("zoo-abandon-zoo-ability", False),
        ("1234", True), ("aaaaaaaaaaaaaaaaaaaa", True), ("12345678", True), ("123456789", False),
        ("correcthorsebattery", False),
    ],
)  # fmt: skip
def test_CODE_4_a_weak_secret_is_known(phrase: str, weak: bool) -> None:
    assert is_weak(phrase, WORDS) is weak
