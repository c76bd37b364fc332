"""What a workspace answers draws itself: the figures of the chart are those of the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from coattail import Workspace
from coattail.errors import UsageError
from coattail.home import Home
from coattail.workspace.questions.score import Score
from coattail.workspace.questions.what_if import Sweep
from coattail.workspace.windows import before_alert


@pytest.fixture(scope="module")
def ws(day: Home) -> Iterator[Workspace]:
    with Workspace(day.path, preset="classic") as workspace:
        yield workspace


def test_quality_is_drawn_whole_and_over_time(ws: Workspace) -> None:
    found = ws.quality()
    assert sum(one.passed for one in found.over_time) == found.last_24h.passed > 0
    assert sum(one.failed for one in found.over_time) == found.last_24h.failed
    assert len(found.over_time) <= 48
    assert {one.until - one.since for one in found.over_time} == {found.over_time[0].until - found.over_time[0].since}
    gauge, passed, failed = found.chart().charts
    assert [lane.name for lane in gauge.lanes] == ["all: 100 %", "binance: 100 %", "coinbase: 100 %"]
    assert sum(bar.y for bar in passed.bars) == found.last_24h.passed
    assert sum(bar.y for bar in failed.bars) == 0


def test_lags_are_of_every_trade(ws: Workspace) -> None:
    lags = ws.lags()
    counted = ws.sql("SELECT exchange, count(*) AS trades FROM raw_trades GROUP BY 1 ORDER BY 1")
    assert lags.to_polars().select("exchange", "trades").rows() == counted.rows()
    assert (lags.rows["half_ms"] <= lags.rows["p99_ms"]).all()
    assert [line.name for line in lags.chart().lines] == ["binance", "coinbase"]
    assert ws.lags(exchange="coinbase").rows["exchange"].to_list() == ["coinbase"]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda ws: ws.lags(exchange="binanc"), "binance"),
        (lambda ws: ws.lags(source="live_"), "live, backfill, replay"),
        (lambda ws: ws.lags(source="backfill").chart(), r"ws\.coverage"),
    ],
)
def test_what_cannot_be_drawn_says_what_can(ws: Workspace, ask: Callable[[Workspace], object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ask(ws)


def test_what_if_draws_the_sweep_and_what_differs(ws: Workspace) -> None:
    key = "volume-anomaly.z_threshold"
    asked = ws.what_if({key: 40}, sweep=(key, [3, 5]))
    curve, compared = asked.chart(chosen=5).charts
    assert asked.sweep is not None
    assert asked.done is not None
    drawn = {line.name: line.y for line in curve.lines}
    counts = [found["alerts_per_day"] for _, found in asked.sweep.points]
    assert drawn == {kind: [one[kind] for one in counts] for kind in ("volume_drop", "volume_spike")}
    assert [(level.label, level.at) for level in curve.levels] == [("now 40", 40), ("chosen 5", 5)]
    assert {lane.name for lane in compared.lanes} == {f"{name}: {n:,}" for name, n in asked.done.counts().items()}
    assert len(compared.marks) == len(asked.done.compared)


def test_without_an_alert_the_curve_stands_alone(ws: Workspace) -> None:
    key = "volume-anomaly.z_threshold"
    early = ws.what_if({key: 40}, sweep=(key, [3, 5]), until="2025-03-04T12:01")
    assert [chart.title for chart in early.chart().charts] == [f"What if: {key}"]
    with pytest.raises(UsageError, match="no alert in either state"):
        replace(early, sweep=None).chart()


def card(kind: str, recall: float | None, false: float, events: int = 9) -> dict[str, Any]:
    def figure(value: float | None) -> dict[str, float | None]:
        return {"value": value, "low": None if value is None else value / 2, "high": value}

    return {"kind": kind, "events": events, "recall": figure(recall), "false_per_day": figure(false)}


def test_with_a_truth_a_sweep_is_recall_against_false_alarms() -> None:
    nothing = card("stall", None, 0, 0)
    points = [
        (
            timedelta(seconds=n),
            {"alerts_per_day": {}, "kinds": {"burst": card("burst", n / 100, 30 / n), "stall": nothing}},
        )
        for n in (30, 10)
    ]
    chart = Sweep(key="a.b", points=points, now=timedelta(seconds=10)).chart()
    assert [line.name for line in chart.lines] == ["bursts"]
    assert (chart.lines[0].x, chart.lines[0].y) == ([1.0, 3.0], [30.0, 10.0])
    assert [mark.interval for mark in chart.marks] == [(15.0, 30.0), (5.0, 10.0)]
    assert [(level.label, level.at) for level in chart.levels] == [("now 10s", 3.0)]
    with pytest.raises(UsageError, match="no event that this detector looks for"):
        Sweep(key="a.b", points=[(1, {"alerts_per_day": {}, "kinds": {"stall": nothing}})]).chart()


def test_a_score_is_a_row_for_each_kind_and_preset() -> None:
    presets = {
        "classic": {"volume": {"burst": card("burst", 0.5, 12)}},
        "default": {"volume": {"burst": card("burst", 0.4, 1)}},
    }
    found, alarms = Score(evidences=[], found={"presets": presets}).chart().charts
    assert [lane.name for lane in found.lanes] == ["burst, classic: 50 % (25 to 50)", "burst, default: 40 % (20 to 40)"]
    assert [mark.x for mark in alarms.marks] == [12, 1]
    with pytest.raises(UsageError, match="nothing to draw"):
        Score(evidences=[], found={"presets": {"default": {"a": {"stall": card("stall", None, 0, 0)}}}}).chart()


def test_volumes_spreads_orders_and_flow_are_of_the_rows(ws: Workspace) -> None:
    volumes = ws.volumes("BTC-USDT")
    (chart,) = volumes.chart().charts
    assert {line.name for line in chart.lines} == {"quote", "usual", "threshold"}
    seen = volumes.rows["volume"].cast(float).to_list()
    assert [y for y in chart.lines[0].y if y is not None] == pytest.approx(seen, rel=1e-5)
    assert set(volumes.rows["exchange"]) == {"binance"}
    assert len(chart.marks) == len(ws.alerts(symbol="BTC-USDT", type="volume_spike", limit=None))
    spreads = ws.spreads("BTC-USD")
    (pair,) = spreads.chart().charts
    assert [line.name for line in pair.lines] == ["raw"]
    assert len(pair.marks) == len(ws.alerts(type="spread_divergence", limit=None)) > 0
    orders = ws.orders()
    assert len(orders.chart().charts[0].marks) == orders.rows.height > 0
    assert ws.orders("BTC-USDT").rows["symbol"].unique().to_list() == ["BTC-USDT"]
    flow = ws.candles("BTC-USDT", "10m").flow()
    assert all(0 <= bar.y <= 100 for bar in flow.bars)
    for answer in (volumes, spreads, orders):
        assert answer.to_polars().height == answer.rows.height
        assert "<table" in answer._repr_html_()


@pytest.mark.slow
def test_an_explanation_draws_what_was_measured_before_the_alert(ws: Workspace) -> None:
    kinds = {alert.alert_type: alert for alert in ws.alerts(limit=None)}
    assert {"volume_spike", "spread_divergence", "whale_trade"} <= set(kinds)
    for alert in kinds.values():
        first = ws.explain(alert.alert_id).chart().charts[0]
        assert alert.message in [mark.label for mark in first.marks] or alert.alert_type == "whale_trade"
        stored = replace(ws.explain(alert.alert_id).found, rows=pl.DataFrame())  # as of rules that are no more
        assert not before_alert(stored, ws.stores).charts[0].empty
        assert first.since <= alert.detected_at.timestamp() * 1000 <= first.until + 60_000


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda ws: ws.volumes("BTC-USTD"), "did you mean BTC-USD"),
        (lambda ws: ws.spreads("BTC-USDX"), "did you mean BTC-USD"),
        (lambda ws: ws.orders(exchange="binanc"), "did you mean binance"),
        (lambda ws: ws.volumes("BTC-USDT", until="2020-01-01").chart(), "no window of volume"),
        (lambda ws: ws.spreads(until="2020-01-01").chart(), "no judged spread"),
        (lambda ws: ws.orders(until="2020-01-01").chart(), "no large order"),
    ],
)
def test_windows_that_are_not_there_are_refused(ws: Workspace, ask: Callable[[Workspace], object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ask(ws)


def test_where_nothing_was_kept_an_explanation_says_so(ws: Workspace) -> None:
    found = replace(ws.explain(ws.alerts()[0].alert_id).found, rows=pl.DataFrame())
    with pytest.raises(UsageError, match="nothing is kept"):
        before_alert(replace(found, alert=replace(found.alert, details="{}")), None)
