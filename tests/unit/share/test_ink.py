"""Text on a canvas is written in letters that there are, and is never wider than its place."""

from __future__ import annotations

import sys
import time

import pytest

from coattail.errors import UsageError
from coattail.share.ink import Canvas, font_of, mixed, shortened, width_of, wrapped, written

TEXTS = {
    "words": "One order bought 1.4 M dollars of BTC, and SOL traded 8 × its usual",  # noqa: RUF001
    "one word": "A" * 500,
    "escapes": "币安人生-USDT " * 20,
    "odd": "a\u202e\x00b \U0001f680 \ud800 é ﷽",
    "nothing": "",
    "a letter": "x",
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("≥ 8 × µ – Δ5 ₿ → …", ">= 8 x u - change of 5 BTC -> …"),  # noqa: RUF001
        ("Éclair Ł", "Eclair L"),
        ("币安-USDT", "\\u5e01\\u5b89-USDT"),
        ("a\u202eb\x07", "a\\u202eb\\x07"),
        ("\U0001f680", "\\U0001f680"),
        ("㎏", "kg"),
        ("plain", "plain"),
    ],
)
def test_what_the_font_lacks_is_written_in_what_it_has(text: str, said: str) -> None:
    assert written(text) == said


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_letter_becomes_an_empty_box(text: str) -> None:
    box = bytes(font_of(40).getmask("\uffff"))
    assert [letter for letter in written(text) if letter != " " and bytes(font_of(40).getmask(letter)) == box] == []


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("width", [60, 300, 1104])
def test_no_line_is_wider_than_its_place_and_nothing_is_left_out_unsaid(text: str, width: int) -> None:
    lines = wrapped(text, 30, width, 3)
    assert len(lines) <= 3
    assert [line for line in lines if width_of(line, 30) > width] == []
    whole = "".join(written(text).split())
    kept = "".join("".join(lines).split())
    assert kept == whole or (kept.endswith("…") and whole.startswith(kept[:-1]))
    assert width_of(shortened(text, 30, width), 30) <= width


def test_a_very_long_text_is_cut_in_no_time() -> None:
    began = time.process_time()
    assert wrapped("ab " * 100_000 + "c" * 100_000, 30, 400, 2)[1].endswith("…")
    assert len(shortened("c" * 100_000, 30, 400)) < 100
    assert time.process_time() - began < 1


def test_of_a_long_name_the_middle_is_left_out() -> None:
    assert shortened("binance 1000SATS-USDT", 20, 130) == "binan…-USDT"


def test_a_colour_covers_its_share_of_the_ground() -> None:
    assert (mixed("#ff0000", 0.5), mixed("#000000", 0.0), mixed("#102030", 1.0)) == ("#ff8080", "#ffffff", "#102030")


def test_a_canvas_is_as_large_as_its_points() -> None:
    canvas = Canvas((40, 30), scale=3)
    canvas.box((0, 0), (40, 30), "#ff0000")
    assert (canvas.picture().size, canvas.picture(fine=True).size) == ((40, 30), (120, 90))
    assert canvas.picture().getpixel((20, 15)) == (255, 0, 0)


def test_without_pillow_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    font_of.cache_clear()
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match="Pillow, which is not installed") as raised:
        Canvas((10, 10))
    assert "coattail[report]" in str(raised.value.next_step)
