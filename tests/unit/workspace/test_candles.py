"""Candles are made of bars, whole or in part, and say what lies in them."""

from __future__ import annotations

import html
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from coattail import Workspace
from coattail.errors import UsageError
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from coattail.workspace.timeline import Timeline
from tests.harness.running import DERIVED_ALWAYS, drained, feed, new_home
from tests.harness.scenes import START, evenly, market


@pytest.fixture
def ws(day: Home) -> Workspace:
    return Workspace(day.path)


@pytest.mark.parametrize("every", ["10s", "1m", "7m", "1h", timedelta(minutes=5)])
def test_candles_are_what_sql_says_of_the_trades(ws: Workspace, every: str | timedelta) -> None:
    candles = ws.candles("btc-usdt", every)
    length = candles.every.total_seconds()
    plain = ws.sql(
        """SELECT exchange, floor(to_unixtime(timestamp) / :length) AS stretch, min_by(price, trade_id) AS open,
        max(price) AS high, min(price) AS low, max_by(price, trade_id) AS close, count(*) AS trades,
        sum(quantity) AS quantity FROM raw_trades WHERE symbol = :symbol GROUP BY 1, 2 ORDER BY 1, 2""",
        length=length, symbol="BTC-USDT",
    )  # fmt: skip
    columns = ["exchange", "open", "high", "low", "close", "trades"]
    assert candles.rows.select(columns).rows() == plain.select(columns).rows()
    assert candles.rows["quantity"].to_list() == pytest.approx(plain["quantity"].to_list())
    assert (candles.rows["start"].dt.epoch("s") % int(length) == 0).all()


def test_a_chart_of_them_marks_alerts_and_says_what_it_shows(ws: Workspace) -> None:
    candles = ws.candles("BTC-USDT")
    panels = candles.chart()
    price, volume = panels.charts
    assert len(price.candles) == candles.rows.filter(pl.col("exchange") == price.title.split()[2].rstrip(":")).height
    about = ws.alerts(symbol="BTC-USDT", limit=None)
    assert len(price.marks) + len(volume.marks) == len(about) > 0
    assert f"{len(price.candles)} candles" in repr(ws.candles("BTC-USDT", exchange="binance"))
    assert "no gap in the record" in candles._repr_html_()
    assert "No gap in the record" in repr(panels)


def test_gaps_are_shaded(ws: Workspace) -> None:
    shades = Workspace(ws.home.path).candles("BTC-USDT").shades
    gaps = ws.gaps(symbol="BTC-USDT")
    assert sum(shade.kind == "gap" for shade in shades) == gaps.height


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda ws: ws.candles("BTC-USTD"), "did you mean BTC-USD"),
        (lambda ws: ws.candles("BTC-USDT", "15s"), "multiple of 10s"),
        (lambda ws: ws.candles("BTC-USDT", "0s"), "multiple of 10s"),
        (lambda ws: ws.candles("BTC-USDT", "often"), "write it like 10s, 1m"),
        (lambda ws: ws.candles("BTC-USDT", exchange="binanse"), "did you mean binance"),
        (lambda ws: ws.candles("BTC-USDT", since="2025-03-04T12:00", until="2025-03-04T12:00"), "leave some time"),
        (lambda ws: ws.candles("BTC-USDT", until="2020-01-01").chart(), r"ws\.coverage"),
        (lambda ws: ws.trades("BTC-USTD"), "did you mean BTC-USD"),
    ],
)
def test_what_cannot_be_says_the_next_step(ws: Workspace, ask: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ask(ws)  # type: ignore[operator]


def test_names_complete_and_trades_and_bars_come_by_symbol(ws: Workspace) -> None:
    assert "BTC-USDT" in ws.symbols
    assert {"raw_trades", "alerts", "bars"} <= set(dir(ws.tables))
    assert ws.tables.coverage.height == ws.tables["coverage"].height > 0
    with pytest.raises(AttributeError, match="did you mean raw_trades"):
        ws.tables.raw_trdes  # noqa: B018
    with pytest.raises(UsageError, match="raw_trades"):
        ws.tables["raw_trdes"]
    trades, bars = ws.trades("BTC-USDT", exchange="binance"), ws.bars("BTC-USDT", exchange="binance")
    assert trades.height == bars["trades"].sum() > 0
    assert set(trades["symbol"]) == {"BTC-USDT"}
    assert trades["trade_id"].is_sorted()


def test_an_explanation_and_a_timeline_show_themselves_in_a_notebook(ws: Workspace) -> None:
    found = ws.explain(ws.alerts()[0].alert_id)
    shown = found._repr_html_()
    assert "REPRODUCED: computed again" in shown
    assert html.escape(found.alert.message) in shown
    assert shown.count("<details>") == 1
    chart = ws.coverage().chart()
    assert [lane.name for lane in chart.lanes] == [f"{s.exchange} {s.symbol}" for s in ws.coverage().timeline.strips]
    assert {kind for lane in chart.lanes for *_, kind in lane.stretches} <= {"live", "fetched", "gap", "unobserved"}
    assert "None has a gap." in chart.alt
    assert chart.title == "Which trades are here: live"
    with pytest.raises(UsageError, match="nothing is known"):
        Timeline(None, None, []).chart()


@pytest.mark.slow
def test_trades_whose_bars_are_not_committed_yet_are_in_the_candles(tmp_path: Path) -> None:
    """Bars follow trades within a minute: here they are set back to the commit before."""
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    for piece in evenly(market(), 2):
        feed(stream, [piece])
        drained(home, DERIVED_ALWAYS)
    with Workspace(home.path) as ws:
        whole = ws.candles("BTC-USDT").rows
    with closing(Lake(embedded(home.path))) as lake:
        bars = lake.iceberg("bars")
        first = min(bars.snapshots(), key=lambda snapshot: snapshot.sequence_number or 0)
        with bars.transaction() as transaction:
            transaction._apply(*transaction._set_ref_snapshot(first.snapshot_id, "main", "branch"))
    with Workspace(home.path) as ws:
        assert ws.bars("BTC-USDT")["trades"].sum() < whole["trades"].sum()
        assert_frame_equal(ws.candles("BTC-USDT").rows, whole)
        since = START + timedelta(minutes=60)
        assert_frame_equal(ws.candles("BTC-USDT", since=since).rows, whole.filter(pl.col("start") >= since))
