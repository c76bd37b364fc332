"""The small picture beside an alert: its own measure before and after, its window shaded, its usual level dotted. Pure.

Volume and orders come from the bars, spreads from the module's table; an alert about one order shows the price
around it. What has no bars has no picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from coattail.amounts import number, short
from coattail.charts.chart import ms, thinned
from coattail.detectors import ALERT_TYPES
from coattail.markup import Markup, tag
from coattail.reports.facts import ReportFacts
from coattail.reports.why import about

_BEFORE, _AFTER = timedelta(minutes=60), timedelta(minutes=15)
_WIDE, _HIGH, _ROOM = 300, 64, 4
_MINUTE_MS, _HALF_MS, _ORDER_MS = 60_000, 30_000, 5_000
_LEAST, _MOST = 3, 120
"""Points; fewer are no picture, and of more the lowest and the highest of each stretch are kept."""


class Sparkline(NamedTuple):
    """What is drawn."""

    points: pl.DataFrame
    """Columns x (ms), y."""
    window: tuple[int, int]
    """ms."""
    usual: float | None
    what: str
    filled: bool


class Sparks:
    """The pictures of one page; frames are cut once per instrument."""

    def __init__(self, facts: ReportFacts) -> None:
        self._facts = facts
        self._bars: dict[tuple[Any, Any], pl.DataFrame] = {}

    def of(self, row: Mapping[str, Any], details: Mapping[str, Any]) -> Markup | None:
        """The picture beside the alert, a figure with a caption; None where nothing can be drawn."""
        spark = self._spread(row) if _is_spread(row) else self._market(row, details)
        return None if spark is None or spark.points.height < _LEAST else _drawn(spark)

    def _market(self, row: Mapping[str, Any], details: Mapping[str, Any]) -> Sparkline | None:
        if row["exchange"] is None:
            return None
        bars = self._instrument(row["exchange"], row["symbol"])
        end = row["detected_at"]
        near = bars.filter(pl.col("bar_start").is_between(end - _BEFORE, end + _AFTER))
        if near.is_empty():
            return None
        known = ALERT_TYPES.get(row["alert_type"])
        if (known.marks if known else "price") != "volume":
            points = near.select(pl.col("bar_start").dt.epoch("ms").alias("x"), pl.col("last_price").alias("y"))
            return Sparkline(points, (ms(end) - _ORDER_MS, ms(end) + _ORDER_MS), None, "price", filled=False)
        start, end = _window(row, details)
        expected = details.get("expected_orders")
        orders = isinstance(expected, int | float) and near["orders"].null_count() == 0
        column = pl.col("orders").cast(pl.Float64) if orders else pl.col("notional").cast(pl.Float64)
        minutes = near.group_by(pl.col("bar_start").dt.truncate("1m").dt.epoch("ms").alias("x")).agg(
            column.sum().alias("y")
        )
        whole = pl.DataFrame({"x": range(minutes["x"].min(), minutes["x"].max() + 1, _MINUTE_MS)})  # type: ignore[operator,arg-type]
        points = whole.join(minutes, on="x", how="left").with_columns(pl.col("y").fill_null(0.0)).sort("x")
        length = max((end - start) / timedelta(minutes=1), 1.0)
        before = points.filter(pl.col("x") < ms(start))["y"]
        usual = float(expected) / length if orders and expected is not None else _median(before)
        what = "orders a minute" if orders else "volume a minute"
        return Sparkline(points, (ms(start), ms(end)), usual, what, filled=True)

    def _spread(self, row: Mapping[str, Any]) -> Sparkline | None:
        rows = self._facts.spreads
        for name, value in about(row).items():
            if name in rows.columns:
                rows = rows.filter(pl.col(name) == value)
        end = row["detected_at"]
        rows = rows.filter(pl.col("window_start").is_between(end - _BEFORE, end + _AFTER))
        value = pl.coalesce("net_pct", "spread_pct")
        points = rows.select(pl.col("window_start").dt.epoch("ms").alias("x"), value.alias("y")).drop_nulls()
        points = points.sort("x")
        usual = _median(points.filter(pl.col("x") < ms(end) - _HALF_MS)["y"])
        return Sparkline(points, (ms(end) - _HALF_MS, ms(end)), usual, "spread, %", filled=False)

    def _instrument(self, exchange: Any, symbol: Any) -> pl.DataFrame:
        key = (exchange, symbol)
        if key not in self._bars:
            bars = self._facts.bars
            self._bars[key] = bars.filter((pl.col("exchange") == exchange) & (pl.col("symbol") == symbol)).sort(
                "bar_start"
            )
        return self._bars[key]


def _is_spread(row: Mapping[str, Any]) -> bool:
    return {"exchange_a", "exchange_b"} <= about(row).keys()


def _window(row: Mapping[str, Any], details: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """The window that was judged, from the details; else the minute before the alert could be known."""
    end = row["detected_at"]
    try:
        start = datetime.fromisoformat(str(details["window_start"]))
    except (KeyError, ValueError):
        return end - timedelta(minutes=1), end
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    return (start, end) if end - _BEFORE <= start < end else (end - timedelta(minutes=1), end)


def _median(values: pl.Series) -> float | None:
    found = values.median()
    return float(found) if isinstance(found, int | float) else None


def _drawn(spark: Sparkline) -> Markup:
    shown = thinned(spark.points, _MOST)
    x, y = shown["x"], shown["y"].to_list()
    first, last = int(x.min()), int(x.max())  # type: ignore[arg-type]
    values = y + ([] if spark.usual is None else [spark.usual])
    low, high = (0.0 if spark.filled else min(values)), max(values)

    def across(at: float) -> float:
        return round(_WIDE * min(max((at - first) / max(last - first, 1), 0), 1), 1)

    def down(value: float) -> float:
        return round(_HIGH - _ROOM - (_HIGH - 2 * _ROOM) * (value - low) / ((high - low) or 1), 1)

    path = "L".join(f"{across(at):g} {down(value):g}" for at, value in zip(x, y, strict=True))
    floor = f"L{_WIDE} {_HIGH}L0 {_HIGH}Z" if spark.filled else ""
    left, right = across(spark.window[0]), across(spark.window[1])
    extent = f"at most {short(max(y))}" if spark.filled else f"{number(min(y))} to {number(max(y))}"
    usual = "" if spark.usual is None else f", usually {short(spark.usual)}"
    until, since = (f"{datetime.fromtimestamp(at / 1000, UTC):%H:%M}" for at in (last, first))
    alt = f"{spark.what} from {since} to {until} UTC: {extent}{usual}."
    picture = tag(
        "svg",
        tag("rect", x=left, y=0, width=max(round(right - left, 1), 3), height=_HIGH, class_="window"),
        tag("path", d=f"M{path}{floor}", class_="area a0" if spark.filled else "line l0",
            vector_effect="non-scaling-stroke"),
        tag("path", d=f"M0 {down(spark.usual):g}H{_WIDE}", class_="baseline", vector_effect="non-scaling-stroke")
        if spark.usual is not None
        else None,
        viewBox=f"0 0 {_WIDE} {_HIGH}", preserveAspectRatio="none", role="img", aria_label=alt,
    )  # fmt: skip
    words = tag("figcaption", tag("span", f"{since} to {until}"), tag("span", f"{spark.what}: {extent}{usual}"))
    return tag("figure", picture, words, class_="spark")
