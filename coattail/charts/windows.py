"""What detectors measured, as charts: volumes against what is usual, spreads in their parts, large orders. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from coattail.amounts import count, number, short
from coattail.charts.axis import Axis, axis_of
from coattail.charts.chart import Bar, Chart, Level, Line, Mark, Panels, interrupted, line_of, ms
from coattail.charts.said import marks_on, value_at
from coattail.detectors.rare_words import often

_MINUTE_MS = 60_000
_LEAST_DAYS = 1e-3
"""Return periods that are shorter are drawn there: a minute and a half is not rare."""
_MOST_ORDERS = 600


def volume_panels(
    rows: pl.DataFrame, *, name: tuple[str, str], alerts: pl.DataFrame, threshold_days: float | None, z: float | None
) -> Panels:
    """Windows of one instrument against what is usual; below, how rare each is, where return periods are known.

    name: Exchange and symbol. alerts: Columns of `anomaly_alerts`, marked at the beginning of their windows.
    threshold_days: The return period from which a window is an alarm. z: How many deviations above the mean are one,
    where there are no return periods. None: not known.
    Columns in: window_start, volume; orders, expected_orders, return_days, or baseline_mean, baseline_deviation; one
    row at least.
    """
    rare = "expected_orders" in rows.columns and rows["expected_orders"].is_not_null().any()
    unit = "orders a minute" if rare else "quote units a minute"
    seen = _points(rows, "orders" if rare else "volume")
    lines = [_line(seen, unit.split()[0], 0, filled=True)]
    if rare:
        lines.append(_line(_points(rows, "expected_orders"), "usual", 1))
    else:
        lines.append(_line(_points(rows, "baseline_mean"), "usual", 1))
        if z is not None:
            limit = pl.col("baseline_mean") + z * pl.col("baseline_deviation")
            lines.append(_line(_points(rows.with_columns(limit.alias("limit")), "limit"), "threshold", 3, faint=True))
    since, until = _ends(rows, _MINUTE_MS)
    marks = marks_on(alerts, {name: lines[0]}, volume=True)
    most = max(y for y in lines[0].y if y is not None)
    said = " ".join(name)
    above = Chart(
        title=said, unit=unit, since=since, until=until, lines=lines, marks=marks, from_zero=True,
        height=180,
        alt=f"{said}, {unit}: at most {short(most)}, {_usual(lines[1])}. {count(len(marks), 'alert')} marked.",
    )  # fmt: skip
    if not rare:
        return Panels((above,))
    periods = _points(rows, "return_days").with_columns(pl.col("y").clip(_LEAST_DAYS))
    line = _line(periods, "return period", 3)
    known = [y for y in line.y if y is not None]
    alarm = "" if threshold_days is None else f" What comes less than {often(threshold_days)} is an alarm."
    return Panels(
        (
            above,
            Chart(
                title="How rare it is", unit="comes once in, days", since=since, until=until, lines=[line], height=130,
                y=Axis(kind="log"), baseline=threshold_days,
                alt=f"The rarest window comes {often(max(known, default=0.0))}.{alarm}",
            ),
        )
    )  # fmt: skip


def spread_chart(rows: pl.DataFrame, *, name: str, alerts: pl.DataFrame) -> Chart:
    """The spread of two venues in its parts: raw, the basis that is taken out, what is left, and fees.

    alerts: Of this pair, columns of `anomaly_alerts`: marked at the beginning of their windows.
    Columns in: window_start, spread_pct, net_pct, basis_pct, fees_pct (null where not judged); one row at least.
    """
    split = rows["net_pct"].is_not_null().any()
    columns = [("raw", "spread_pct", 2)] + ([("basis", "basis_pct", 1), ("net", "net_pct", 0)] if split else [])
    step = 30_000
    lines = [
        _line(_points(rows, column).drop_nulls(), label, tint, faint=split and label == "raw", step=step)
        for label, column, tint in columns
    ]
    fees = rows["fees_pct"].drop_nulls()
    far = rows.sort(pl.col("net_pct" if split else "spread_pct").abs(), nulls_last=False).row(-1, named=True)
    widest, when = abs(far["net_pct" if split else "spread_pct"] or 0.0), far["window_start"]
    since, until = _ends(rows, step)
    level = round(float(fees[-1]), 4) if split and fees.len() else 0.0
    if level and widest > level / 2:  # far outside they would flatten the rest
        for sign, label in ((1, f"fees, {level:g} % either way"), (-1, "")):
            lines.append(Line(name=label, tint=3, x=[since, until], y=[sign * level] * 2, faint=True))
    main = lines[2 if split else 0]
    marks = [
        Mark(x=at, y=y, kind=row["severity"], label=row["message"])
        for row in alerts.iter_rows(named=True)
        for at in [ms(row["detected_at"]) - step]
        if (y := value_at(main, at)) is not None
    ]
    paid = f" Trading it costs {level:g} % in fees." if level else ""
    what = "less the basis that all coins share" if split else "raw"
    return Chart(
        title=name, unit="%", since=since, until=until, lines=lines, marks=marks, baseline=0.0, height=190,
        alt=f"Spread of {name}, widest {number(widest)} % {what} ({when:%m-%d %H:%M:%S}).{paid} "
        f"{count(len(marks), 'alert')} marked.",
    )  # fmt: skip


def orders_panels(orders: pl.DataFrame, *, chosen: datetime | None = None) -> Panels:
    """Large orders by time and size, and by size and how far they moved the price; the 600 largest.

    chosen: The time of one to point out.
    Columns in: exchange, symbol, timestamp, side, fills, dollars, impact_bps (null where not known); one row at least.
    """
    shown = orders.sort("dollars", "timestamp", descending=[True, False]).head(_MOST_ORDERS)
    points = [
        (row, f"{row['exchange']} {row['symbol']}: {short(row['dollars'])} dollars {_side(row['side'])}, "
              f"{count(row['fills'] or 1, 'fill')}")
        for row in shown.iter_rows(named=True)
    ]  # fmt: skip
    sizes = [float(row["dollars"]) for row, _ in points]
    dollars = axis_of(sizes, "dollars")
    since, until = ms(shown["timestamp"].min()), ms(shown["timestamp"].max())  # type: ignore[arg-type]
    room = (until - since) // 40 or _MINUTE_MS
    marks = [
        Mark(x=ms(row["timestamp"]), y=row["dollars"], kind=_side(row["side"]), label=text) for row, text in points
    ]
    by_time = Chart(
        title="Large orders", unit="dollars", y=dollars, since=since - room, until=until + room, height=170,
        marks=marks, first_marks="largest",
        levels=[] if chosen is None else [Level(at=ms(chosen), label="this one")],
        alt=f"{count(orders.height, 'large order')}: {_sides(orders)}. The largest: {points[0][1]}.",
    )  # fmt: skip
    moved = [(row, text) for row, text in points if row["impact_bps"] is not None]
    if not moved:
        return Panels((by_time,))
    low, high = dollars.around(min(sizes), max(sizes))
    furthest, words = max(moved, key=lambda one: abs(one[0]["impact_bps"]))
    impact = Chart(
        title="What they moved", unit="basis points, in their direction", x=dollars, since=low, until=high,
        marks=[
            Mark(x=row["dollars"], y=row["impact_bps"], kind=_side(row["side"]),
                 label=f"{text}, {number(row['impact_bps'])} bp")
            for row, text in moved
        ],
        baseline=0.0, height=170,
        alt=f"Size against impact of {count(len(moved), 'large order')}. The furthest: {words}, "
        f"{number(furthest['impact_bps'])} basis points.",
    )  # fmt: skip
    return Panels((by_time, impact))


def flow_chart(candles: pl.DataFrame, every: timedelta, *, name: str) -> Chart:
    """The share of the volume in which the taker bought, of each candle.

    Columns in: start, bought, volume, of one or several venues.
    """
    step = round(every.total_seconds() * 1000)
    shares = (
        candles.group_by("start")
        .agg((100 * pl.col("bought").sum() / pl.col("volume").sum()).alias("share"))
        .filter(pl.col("share").is_finite())
        .sort("start")
    )
    since, until = _ends(shares.rename({"start": "window_start"}), step)
    bars = [Bar(x=ms(start), y=round(share, 2), tint=0 if share >= 50 else 1) for start, share in shares.iter_rows()]
    ends = (shares.sort("share", "start", descending=[end, False]).row(0, named=True) for end in (False, True))
    least, most = (f"{row['share']:.0f} % ({row['start']:%m-%d %H:%M})" for row in ends)
    return Chart(
        title=f"{name}: bought by takers", unit="% of volume", since=since, until=until, bars=bars, bar_ms=step,
        baseline=50.0, height=110, alt=f"{name}, share of the volume that takers bought: between {least} and {most}.",
    )  # fmt: skip


def _points(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    return rows.select(pl.col("window_start").dt.epoch("ms").alias("x"), pl.col(column).cast(pl.Float64).alias("y"))


def _line(
    points: pl.DataFrame, name: str, tint: int, *, filled: bool = False, faint: bool = False, step: int = _MINUTE_MS
) -> Line:
    return line_of(interrupted(points, [], step), name, tint, filled=filled, faint=faint)


def _ends(rows: pl.DataFrame, step: int) -> tuple[int, int]:
    return ms(rows["window_start"].min()), ms(rows["window_start"].max()) + step  # type: ignore[arg-type]


def _usual(line: Line) -> str:
    known = [y for y in line.y if y is not None]
    return f"usually {short(known[-1])} at last" if known else "not known what is usual"


def _side(side: str | None) -> str:
    return side if side in ("buy", "sell") else "traded"


def _sides(orders: pl.DataFrame) -> str:
    bought = orders.filter(pl.col("side") == "buy").height
    return f"{bought:,} bought, {orders.height - bought:,} did not"
