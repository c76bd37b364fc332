"""The ledger over time as cells."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from coattail.charts.svg import still
from coattail.reports.bundles import Bundle
from coattail.reports.facts import Span
from coattail.reports.page import page_of
from coattail.reports.strips import coverage_chart, span_of, strips_of
from coattail.tables import COVERAGE
from tests.harness.report_facts import COMMANDS, START, make_facts, make_range

LETTERS = {"live": "#", "fetched": "+", "gap": "X", "unobserved": ".", "": " "}


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def ranges(*states: tuple[str, float | None, float | None], **changed: Any) -> pl.DataFrame:
    """Rows of the table `coverage` of one instrument: state, and the minutes between which it lies."""
    rows = [
        make_range(
            state,
            n,
            n,
            first_ts=None if low is None else at(low),
            last_ts=None if high is None else at(high),
            **changed,
        )
        for n, (state, low, high) in enumerate(states)
    ]
    return pl.DataFrame(rows, schema={**COVERAGE.schema, "inside": pl.Int64}).drop("inside")


def drawn(rows: pl.DataFrame, minutes: int = 10, since: float = 0) -> str:
    (strip,) = strips_of(rows, Span(since=at(since), until=at(since + minutes)), minutes)
    return "".join(LETTERS[cell] for cell in strip.cells)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("live", 2, 5.5)], "  ####    "),
        ([("live", 0, 4), ("gap", 4, 4.001), ("live", 4.001, 10)], "####X#####"),
        ([("live", 0, 4.5), ("backfilled", 4.5, 5.2), ("live", 5.2, 10)], "####++####"),
        ([("live", 0, 2.9), ("unobserved", 2.9, 8.2), ("live", 8.2, 10)], "###.....##"),
        ([("live", 0, 2), ("unobserved", 2, 2.3), ("live", 2.3, 10)], "##########"),
        ([("live", 0, 4), ("backfilled", 4, 6), ("gap", 5.2, 5.3), ("live", 7, 10)], "####+X+###"),
        ([("live", 0, 4), ("rejected", 4, 6), ("live", 6, 10)], "##########"),
        ([("unique", 0, 10)], "##########"),
        ([("unique", 0, 3), ("unique", 6, 8), ("unique", 7, 10)], "###...####"),
        ([("unique", 4, 10), ("unique", 0, 6)], "##########"),
        ([("live", -90, 400), ("gap", 400, 401)], "##########"),
        ([("live", -90, -3), ("gap", -3, 1), ("live", 1, 2)], "XX#       "),
        ([("rejected", None, None)], "          "),
    ],
)  # fmt: skip
def test_a_cell_says_what_its_time_was(rows: list[tuple[str, float | None, float | None]], said: str) -> None:
    assert drawn(ranges(*rows)) == said


def test_a_gap_of_a_second_is_seen_in_a_year() -> None:
    year = ranges(("live", 0, 200_000), ("gap", 200_000, 200_000 + 1 / 60), ("live", 200_000 + 1 / 60, 525_600))
    (strip,) = strips_of(year, Span(since=at(0), until=at(525_600)), 20)
    assert strip.cells.count("gap") == 1
    assert strip.cells.count("live") == 19


def test_instruments_are_apart_and_the_span_is_that_of_all() -> None:
    rows = pl.concat([ranges(("live", 5, 10), exchange="coinbase"), ranges(("live", 0, 5))])
    span = span_of(rows)
    assert span == Span(since=at(0), until=at(10))
    assert [(strip.exchange, len(set(strip.cells))) for strip in strips_of(rows, span, 10)] == [
        ("binance", 2), ("coinbase", 2),
    ]  # fmt: skip
    assert span_of(rows, since=at(3), until=at(4)) == Span(since=at(3), until=at(4))
    assert span_of(rows.clear()) is None


def test_the_chart_has_a_lane_for_each_instrument_with_the_worst_first_and_says_it_in_words() -> None:
    facts = make_facts(
        coverage=[
            make_range("live", 0, 9, first_ts=at(0), last_ts=at(360), symbol="ETH-USDT"),
            make_range("live", 0, 9, first_ts=at(0), last_ts=at(100)),
            make_range("unobserved", 10, 19, first_ts=at(100), last_ts=at(200)),
            make_range("backfilled", 20, 29, first_ts=at(200), last_ts=at(220)),
            make_range("gap", 30, 34, first_ts=at(220), last_ts=at(220.001)),
            make_range("live", 35, 99, first_ts=at(220.001), last_ts=at(360)),
        ]
    )
    chart = coverage_chart(facts, [("binance", "BTC-USDT"), ("binance", "ETH-USDT"), ("kraken", "X-USD")], 36)
    assert [lane.name for lane in chart.lanes] == ["binance BTC-USDT", "binance ETH-USDT"]
    minutes = [((low - chart.since) // 60_000, (high - chart.since) // 60_000, what)
               for low, high, what in chart.lanes[0].stretches]  # fmt: skip
    assert minutes == [
        (0, 100, "live"), (100, 200, "unobserved"), (200, 220, "fetched"), (220, 230, "gap"), (230, 360, "live"),
    ]  # fmt: skip
    assert chart.alt == (
        "Trade ids of 2 instruments over time, 2025-03-04 00:00 to 06:00 UTC. binance BTC-USDT: 1 gap, 1 fetched "
        "stretch, 1 unobserved stretch. The others were heard without a gap."
    )
    drawing = str(still(chart, points=0))
    for kind in ("live", "fetched", "gap", "unobserved"):
        assert f'class="strip {kind}"' in drawing
    assert 'aria-label="Trade ids of 2 instruments' in drawing
    assert 'class="y"' not in drawing


@pytest.mark.slow
@pytest.mark.parametrize("light", [True, False])
def test_a_page_draws_it_beside_the_figures_and_stays_small(light: bool) -> None:
    worst = [
        make_range("gap" if n % 2 else "live", n, n, symbol=f"S{s}-USDT", first_ts=at(n / 2), last_ts=at((n + 1) / 2))
        for s in range(30)
        for n in range(720)
    ]
    page = page_of(make_facts(coverage=worst), COMMANDS, {}, None if light else Bundle("AwA=", "'sha256-x'"))
    section = page.partition('id="quality"')[2].partition("</section>")[0]
    assert section.index("<svg") < section.index("<table")
    assert section.count("<text") >= 20
    assert len(section) < 150_000
    assert "Not drawn: 10 instruments of which less or nothing is missing." in section
