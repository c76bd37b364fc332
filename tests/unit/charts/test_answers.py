"""Every chart function: what it draws, what it says, and that no text of the data becomes markup."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from coattail.charts.chart import Chart, Panels
from coattail.charts.lags import lag_chart, quantile
from coattail.charts.quality import Passed, Scored, failures_chart, gauge_chart, passed_charts
from coattail.charts.questions import (
    CardRow,
    Claimed,
    Redone,
    Tried,
    calibration_chart,
    comparison_chart,
    scorecard_panels,
    sweep_chart,
)
from coattail.charts.windows import flow_chart, orders_panels, spread_chart, volume_panels

EVIL = '<a href="http://evil.example">x</a><b onclick=alert(1)>y</b><script>alert(1)</script>%{y}&lt;'

MINUTE = 60_000


def sweep(text: str) -> Chart:
    points = [Tried(text, 4.0, (30, 20, 45), f"{text} at 4"), Tried(text, 0.5, (10, 10, 10), f"{text} at 0.5")]
    return sweep_chart(text, {text: points}, x_name=text, unit=text, chosen={text: 2.0})


def comparison(text: str) -> Chart:
    found = [Redone("same", 5 * MINUTE, "high", text)] * 301 + [Redone("vanished", 9 * MINUTE, "critical", text)]
    return comparison_chart(found, since=0, until=10 * MINUTE)


def scorecard(text: str) -> Panels:
    rows = [CardRow(text, "default", (40, 30, 55), text), CardRow("b", "classic", (90, 80, 100), "90")]
    return scorecard_panels(rows, rows[:1], alarms_name=text)


def lags(text: str) -> Chart:
    return lag_chart(pl.DataFrame({"exchange": [text, text, "b"], "lag_ms": [-3.0, 40.0, 5e6], "trades": [1, 98, 7]}))


def windows(text: str, *, rare: bool) -> pl.DataFrame:
    start = [datetime(2025, 3, 4, 12, n, tzinfo=UTC) for n in range(4)]
    known = {"orders": [3, 4, 90, 5], "expected_orders": [None, 4.0, 4.0, 5.0], "return_days": [None, 0.0, 40.0, 0.1]}
    mean = {"baseline_mean": [None, 10.0, 10.0, 12.0], "baseline_deviation": [None, 2.0, 2.0, 3.0]}
    return pl.DataFrame({"window_start": start, "volume": [9, 11, 400, 12], **(known if rare else mean)})


def alerts(text: str) -> pl.DataFrame:
    when = datetime(2025, 3, 4, 12, 3, tzinfo=UTC)
    row = {"detected_at": when, "alert_type": "volume_spike", "exchange": text, "symbol": text, "severity": "high"}
    return pl.DataFrame([{**row, "message": text}])


def volume(text: str, *, rare: bool = True) -> Panels:
    rows = windows(text, rare=rare)
    return volume_panels(rows, name=(text, text), alerts=alerts(text), threshold_days=None if not rare else 0.5, z=2.5)


def spread(text: str, *, split: bool = True) -> Chart:
    starts = [datetime(2025, 3, 4, 12, 2, second, tzinfo=UTC) for second in (0, 30)]
    parts = {name: [0.1, -0.7] if split else [None, None] for name in ("net_pct", "basis_pct")} | {
        "fees_pct": [0.3] * 2 if split else [None] * 2
    }
    kinds = dict.fromkeys(parts, pl.Float64())
    rows = pl.DataFrame({"window_start": starts, "spread_pct": [0.2, -0.6], **parts}, schema_overrides=kinds)
    return spread_chart(rows, name=text, alerts=alerts(text))


def orders(text: str) -> Panels:
    when = datetime(2025, 3, 4, 12, tzinfo=UTC)
    row = {"exchange": text, "symbol": text, "timestamp": when, "side": "buy", "fills": 3}
    rows = [{**row, "dollars": 2e5, "impact_bps": 1.5}, {**row, "dollars": 9e6, "impact_bps": None, "side": None}]
    return orders_panels(pl.DataFrame(rows))


def flow(text: str) -> Chart:
    start = [datetime(2025, 3, 4, 12, n, tzinfo=UTC) for n in (0, 0, 5, 10)]
    rows = pl.DataFrame({"start": start, "bought": [30.0, 10.0, 1.0, 0.0], "volume": [40.0, 10.0, 4.0, 0.0]})
    return flow_chart(rows, timedelta(minutes=5), name=text)


def test_fees_that_are_far_outside_are_said_and_not_drawn() -> None:
    start = [datetime(2025, 3, 4, 12, n, tzinfo=UTC) for n in (2, 3)]
    near, far = (
        spread_chart(
            pl.DataFrame({"window_start": start, "spread_pct": [0.2, 0.1], "net_pct": [0.05, 0.02],
                          "basis_pct": [0.1, 0.1], "fees_pct": [fee, fee]}), name="a against b", alerts=alerts("x"),
        )
        for fee in (0.06, 0.3)
    )  # fmt: skip
    assert [line.name for line in near.lines] == ["raw", "basis", "net", "fees, 0.06 % either way", ""]
    assert [line.name for line in far.lines] == ["raw", "basis", "net"]
    assert (
        "widest 0.05 % less the basis that all coins share (03-04 12:02:00). Trading it costs 0.3 % in fees" in far.alt
    )


CHARTS: dict[str, Callable[[str], Chart | Panels]] = {
    "gauge": lambda text: gauge_chart([Scored(text, 98, 2, 98.0), Scored("b", 9, 1, 90.0)], target=99, alarm=95),
    "failures": lambda text: failures_chart({text: 4, **{f"{n} {text}": n for n in range(20)}}),
    "passed": lambda text: Panels(passed_charts([Passed(0, 90, 0), Passed(MINUTE, 40, 7)], MINUTE)),
    "sweep": sweep,
    "comparison": comparison,
    "scorecard": scorecard,
    "calibration": lambda text: calibration_chart(
        {text: [Claimed(1.0, 12, 10.0, (1.2, 0.7, 1.9)), Claimed(30.0, 0, 0.3, (0.0, 0.0, 9.0))]}
    ),
    "lags": lags,
    "volume": volume,
    "classic volume": lambda text: volume(text, rare=False),
    "spread": spread,
    "raw spread": lambda text: spread(text, split=False),
    "orders": orders,
    "flow": flow,
}


@pytest.fixture(params=CHARTS)
def made(request: pytest.FixtureRequest) -> Callable[[str], Panels]:
    def panels(text: str) -> Panels:
        found = CHARTS[request.param](text)
        return found if isinstance(found, Panels) else Panels((found,))

    return panels


def test_no_text_becomes_markup(made: Callable[[str], Panels]) -> None:
    bundle = made(EVIL)._repr_mimebundle_()
    figure = json.dumps(bundle["application/vnd.plotly.v1+json"])
    for live in ("<a", "<script", "<b onclick"):
        assert live not in figure
    assert "%{y}" not in figure.replace('"%{y:,', "")
    drawing = ET.fromstring(bundle["image/svg+xml"])
    kinds = {element.tag.rpartition("}")[2] for element in drawing.iter()}
    assert not kinds & {"a", "script", "foreignObject", "image", "b"}
    assert not [name for element in drawing.iter() for name in element.attrib if name.startswith("on")]


def test_it_says_its_numbers_and_names_its_axes(made: Callable[[str], Panels]) -> None:
    for chart in made("BTC-USD").charts:
        assert any(letter.isdigit() for letter in chart.alt)
        assert chart.alt.endswith(".")
        assert chart.x.name
        assert chart.unit or chart.lanes
        assert not chart.empty
        assert all(chart.since <= mark.x <= chart.until for mark in chart.marks)


def test_a_score_below_the_alarm_stands_out() -> None:
    gauge = gauge_chart([Scored("a", 98, 2, 98.0), Scored("b", 9, 1, 90.0)], target=99, alarm=95)
    assert [mark.kind for mark in gauge.marks] == ["c0", "c5"]
    assert (gauge.since, gauge.until) == (89.0, 100.0)
    assert "b 90 %, 1 of 10 failed" in gauge.alt


def test_the_rarest_reasons_are_one_row() -> None:
    chart = failures_chart({f"r{n:02}": n for n in range(1, 16)})
    assert [lane.name for lane in chart.lanes][:2] == ["r15: 15", "r14: 14"]
    assert (chart.lanes[-1].name, len(chart.lanes)) == ("3 other reasons: 6", 13)


def test_a_curve_rises_along_x_and_points_out_a_value() -> None:
    chart = sweep("budget")
    assert chart.lines[0].x == [0.5, 4.0]
    assert [mark.interval for mark in chart.marks] == [None, (20, 45)]
    assert [level.at for level in chart.levels] == [2.0]


def test_a_lane_of_too_many_alerts_is_a_stroke() -> None:
    chart = comparison("x")
    assert [lane.name for lane in chart.lanes] == ["same: 301", "appeared: 0", "vanished: 1", "changed: 0"]
    assert len(chart.marks) == 1
    assert chart.lanes[0].stretches == [(5 * MINUTE, 5 * MINUTE, "c2")]


def test_lags_are_shares_of_each_exchange() -> None:
    rows = pl.DataFrame({"exchange": ["a"] * 3, "lag_ms": [1.0, 10.0, 1000.0], "trades": [50, 49, 1]})
    assert [quantile(rows, share) for share in (0.5, 0.501, 0.99, 1.0)] == [1.0, 10.0, 10.0, 1000.0]
    line = lag_chart(rows).lines[0]
    assert sum(y or 0.0 for y in line.y[::2]) == pytest.approx(100)
    assert lag_chart(rows).levels[0].at == 10.0


def test_volume_is_drawn_against_what_is_usual_and_how_rare_it_is() -> None:
    seen, rare = volume("x").charts
    assert [line.name for line in seen.lines] == ["orders", "usual"]
    assert [(mark.y, mark.kind) for mark in seen.marks] == [(90.0, "high")]
    assert rare.baseline == 0.5
    assert rare.lines[0].y == [None, 0.001, 40.0, 0.1]
    assert "once in 40 days" in rare.alt
    (classic,) = volume("x", rare=False).charts
    assert {line.name: line.y[-2] for line in classic.lines} == {"quote": 400.0, "usual": 10.0, "threshold": 15.0}


def test_a_spread_is_split_where_its_parts_are_known() -> None:
    chart = spread("a against b")
    assert {line.name: line.y for line in chart.lines} == {
        "raw": [0.2, -0.6], "basis": [0.1, -0.7], "net": [0.1, -0.7], "fees, 0.3 % either way": [0.3, 0.3],
        "": [-0.3, -0.3],
    }  # fmt: skip
    assert [mark.y for mark in chart.marks] == [-0.7]
    assert [line.name for line in spread("x", split=False).lines] == ["raw"]


def test_orders_are_drawn_by_time_and_by_what_they_moved() -> None:
    by_time, moved = orders("x").charts
    assert (by_time.y.kind, moved.x.kind) == ("log", "log")
    assert [(mark.y, mark.kind) for mark in by_time.marks] == [(9e6, "traded"), (2e5, "buy")]
    assert [(mark.x, mark.y) for mark in moved.marks] == [(2e5, 1.5)]


def test_the_flow_is_of_all_venues_together() -> None:
    assert [(bar.y, bar.tint) for bar in flow("x").bars] == [(80.0, 0), (25.0, 1)]
