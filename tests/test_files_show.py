from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends._show import show

texts = st.one_of(
    st.text(st.characters(categories=None), max_size=60),  # surrogates too
    st.text(
        st.sampled_from("ab\x1b\x07\n\r\u202e\u2066\u200b\udc80\x85\ufeff\u3164 é漢"), max_size=60
    ),
    st.binary(max_size=60),
)


@given(texts, st.integers(12, 40))
def test_whatever_comes_is_one_harmless_line(text: str | bytes, limit: int) -> None:
    shown = show(text, limit)
    assert len(shown) <= limit
    shown.encode("utf-8")
    for c in shown:
        assert unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"), ascii(c)
        assert c not in "\u3164\u115f\u034f"


@given(
    st.text(
        st.characters(categories=["L", "N", "P"], exclude_characters="\u115f\u1160\u3164\uffa0"),
        max_size=40,
    )
)
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert show(text, 40) == text
    assert show(text.encode(), 40) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("exe.\u202egpj", "exe.\\u202egpj"),
        ("a\nb\u2028", "a\\x0ab\\u2028"),
        (b"caf\xe9", "caf\\xe9"),
        ("\U000e0041", "\\U000e0041"),
        ("\x9b31m", "\\x9b31m"),
        ("\u200d\ufeff", "\\u200d\\ufeff"),
    ],
)
def test_vectors(text: str | bytes, shown: str) -> None:
    assert show(text) == shown


def test_what_is_too_long_keeps_its_end() -> None:
    shown = show("a" * 500 + ".exe", 40)
    assert len(shown) == 40
    assert shown.startswith("aaaa")
    assert "…" in shown
    assert shown.endswith(".exe")
    assert show("\x1b" * 20, 10) == "\\x1b…\\x1b"  # no escape is cut in two
    assert show("x" * 40, 40) == "x" * 40
    assert len(show("\x1b" * 10, 40)) == 40
