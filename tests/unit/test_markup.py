"""Nothing from outside becomes markup."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coattail.markup import Markup, escaped, join, tag, visible


def test_text_is_escaped_and_markup_stays() -> None:
    assert join(["<b>", tag("i", "a & b"), None, 3]) == "&lt;b&gt;<i>a &amp; b</i>3"


def test_attributes_are_escaped_and_left_out_where_there_is_no_value() -> None:
    made = tag("a", class_='"><script>', aria_label=None, hidden=True, data_chart=3)
    assert made == '<a class="&quot;&gt;&lt;script&gt;" hidden data-chart="3"></a>'


@pytest.mark.parametrize("character", ["\u202e", "\u2028", "\x00", "\x1b", "\u200f", "\ufeff"])
def test_characters_that_hide_or_reorder_are_written_out(character: str) -> None:
    assert character not in escaped(f"a{character}b")
    assert "\\" in escaped(f"a{character}b")


def test_long_text_ends_in_an_ellipsis() -> None:
    assert visible("abcdef", most=4) == "abc…"


@given(st.text())
def test_no_text_can_make_an_element(text: str) -> None:
    made = tag("p", text, title=text)
    assert made.count("<") == 2
    assert made.count(">") == 2
    assert isinstance(made, Markup)
