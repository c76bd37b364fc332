"""A card and pages: all of it inside, the same bytes twice, a disclaimer on each, gaps shaded."""

from __future__ import annotations

import io
import re
import time
from datetime import timedelta

import polars as pl
import pytest
from PIL import Image

from coattail.alerts import DISCLAIMER
from coattail.charts.chart import Candle, Chart, Line, Mark, Shade
from coattail.charts.colours import NAMED
from coattail.reports.claims import claims_of
from coattail.reports.facts import ReportFacts
from coattail.reports.front import front_of
from coattail.share import card, pages
from coattail.share.card import card_of, origin_of
from coattail.share.ink import FAINT, At, Canvas, mixed, width_of
from coattail.share.pages import pages_of
from coattail.share.plot import ChartBox, draw_chart
from tests.harness.report_facts import HOUR, START, make_alert, make_bars, make_facts, make_order, make_range

LONG = "GUARANTEED1000币安人生É" * 12 + "-USDT"
EVIL = '</script><img src=x onerror=1> <a href="http://evil.example">x</a> \x1b]0;owned\x07\u202e [x](javascript:1)'


def facts_of(symbol: str, message: str) -> ReportFacts:
    named = [make_alert(n, symbol=symbol, message=f"{message} {n}", severity="critical") for n in range(9)]
    return make_facts(
        bars=pl.concat([make_bars(symbol), make_bars(symbol, "coinbase", price=59_000)]),
        alerts=[*named, make_alert(10, exchange=None, symbol=symbol, alert_type=message[:40])],
        coverage=[make_range("live", 0, 999, symbol=symbol)]
        + [make_range("gap", 1000 + n, 1000 + n, symbol=f"{symbol}{n}") for n in range(15)],
        orders=make_order(symbol=symbol, notional_usd=1.4e12),
        symbols=(symbol,),
    )


def thin() -> pl.DataFrame:
    return make_bars("THIN-USDT").filter(pl.int_range(pl.len()) % 300 == 0)


FACTS = {
    "an ordinary day": lambda: facts_of("BTC-USDT", "BTC-USDT on binance: much; more"),
    "a long symbol": lambda: facts_of(LONG, LONG),
    "markup and control characters": lambda: facts_of(EVIL, EVIL),
    "no alert": lambda: make_facts(coverage=[make_range("live", 0, 9)]),
    "nothing": lambda: make_facts(bars=make_bars(minutes=0), coverage=[]),
    "a thin market": lambda: make_facts(bars=thin()),
}


class Noted(Canvas):
    """A canvas that remembers its texts, and where each begins and ends."""

    seen: list[tuple[str, float, float, float]]

    def text(self, at: At, text: str, size: float, **how: object) -> None:
        super().text(at, text, size, **how)  # type: ignore[arg-type]
        width = width_of(text, size)
        left = at[0] - {"ls": 0.0, "ms": width / 2, "rs": width}[str(how.get("anchor", "ls"))]
        type(self).seen.append((text, left, left + width, at[1]))


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, float, float]]:
    Noted.seen = []
    monkeypatch.setattr(card, "Canvas", Noted)
    monkeypatch.setattr(pages, "Canvas", Noted)
    return Noted.seen


@pytest.mark.parametrize("name", FACTS)
def test_a_card_holds_all_it_says(name: str, noted: list[tuple[str, float, float, float]]) -> None:
    facts = FACTS[name]()
    picture = Image.open(io.BytesIO(card_of(front_of(facts), origin_of(facts))))
    assert (picture.size, picture.format) == ((1200, 627), "PNG")
    assert [text for text, left, right, y in noted if left < 0 or right > 1200 or not 10 < y < 620] == []
    said = [text for text, *_ in noted]
    assert said.count(DISCLAIMER) == 1
    assert any("snapshot 8472 of raw_trades" in text and "coattail report day" in text for text in said)
    assert {"Trades", "Alerts", "Coverage", "Largest order"} <= set(said)


@pytest.mark.slow
@pytest.mark.parametrize("name", FACTS)
def test_five_pages_hold_all_they_say(name: str, noted: list[tuple[str, float, float, float]]) -> None:
    facts = FACTS[name]()
    made = pages_of(facts, front_of(facts), origin_of(facts), claims_of(facts))
    assert len(re.findall(rb"/Type /Page\b(?!s)", made)) == 5
    assert made.count(b"/MediaBox [ 0 0 1080.0 1350.0 ]") == 5
    assert [text for text, left, right, y in noted if left < 0 or right > 1080 or not 10 < y < 1340] == []
    assert [text for text, *_ in noted].count(DISCLAIMER) == 5
    assert [text for text, *_ in noted if text.endswith(" of 5")] == [f"{n} of 5" for n in range(1, 6)]


@pytest.mark.slow
def test_the_same_facts_give_the_same_bytes_whatever_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = FACTS["an ordinary day"]()
    front, origin, claims = front_of(facts), origin_of(facts), claims_of(facts)
    first = card_of(front, origin), pages_of(facts, front, origin, claims)
    later = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: later)
    assert (card_of(front, origin), pages_of(facts, front, origin, claims)) == first


def test_a_card_takes_less_than_half_a_second() -> None:
    facts = FACTS["an ordinary day"]()
    front, origin = front_of(facts), origin_of(facts)
    taken = []
    for _ in range(3):
        began = time.process_time()
        card_of(front, origin)
        taken.append(time.process_time() - began)
    assert min(taken) < 0.5


def test_a_gap_is_shaded_where_it_is() -> None:
    gap = make_range("gap", 1000, 1029, first_ts=START + 2 * HOUR, last_ts=START + 4 * HOUR)
    facts = make_facts(
        coverage=[gap], bars=make_bars().filter(~pl.col("bar_start").is_between(START + 2 * HOUR, START + 4 * HOUR))
    )
    picture = Image.open(io.BytesIO(card_of(front_of(facts), origin_of(facts)))).convert("RGB")
    wanted = tuple(bytes.fromhex(mixed(NAMED["gap"], 0.25)[1:]))
    columns = [x for x in range(1200) if picture.getpixel((x, 370)) == wanted]
    assert 0.3 < len(columns) / 1050 < 0.36, "a third of six hours"
    assert 400 < min(columns) < max(columns) < 830


def test_every_kind_of_thing_on_a_chart_is_drawn() -> None:
    minute = timedelta(minutes=1) // timedelta(milliseconds=1)
    kinds = ["critical", "high", "medium", "sell"]
    chart = Chart(
        title="all", alt="", unit="dollars", since=0, until=10 * minute, bar_ms=minute, baseline=5.0,
        lines=[
            Line(name="whole", tint=0, x=[0, minute, 2 * minute, 5 * minute], y=[1.0, 9.0, None, 3.0]),
            Line(name="area", tint=1, x=[0, minute], y=[2.0, 2.0], filled=True),
        ],
        candles=[
            Candle(x=6 * minute, open=2, high=9, low=1, close=8), Candle(x=7 * minute, open=8, high=9, low=1, close=2)
        ],
        marks=[Mark(x=n * minute, y=5, kind=kind, label="") for n, kind in enumerate(kinds)],
        shades=[Shade(since=8 * minute, until=9 * minute, kind="rejected", label="", instrument=("a", "b"))],
    )  # fmt: skip
    canvas = Canvas((600, 300))
    draw_chart(canvas, chart, ChartBox(left=10, top=10, right=590, bottom=290, text=14))
    colours = {colour for _, colour in canvas.picture(fine=True).getcolors(1 << 20) or []}
    wanted = [*(NAMED[kind] for kind in kinds), NAMED["up"], NAMED["down"], FAINT,
              mixed(NAMED["rejected"], 0.25), "#3b82d6"]  # fmt: skip
    assert [colour for colour in wanted if tuple(bytes.fromhex(colour[1:])) not in colours] == []
