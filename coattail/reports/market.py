"""Prices, volumes and order flow as charts: one asset each, its venues on top of each other. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from coattail.amounts import number
from coattail.charts import windows
from coattail.charts.chart import MINUTE_MS, Chart, Line, Mark, Shade, interrupted, line_of, ms
from coattail.charts.said import marks_on, unknown
from coattail.reports.facts import ReportFacts
from coattail.symbols import USD_QUOTES, base_of, quote_of

MOST_ASSETS = 12
_THIN = 3
"""A market that trades in less than one of so many steps is thin: between its trades its price stands."""


@dataclass(frozen=True, kw_only=True)
class ChartGroup:
    """What is drawn together: one base asset against dollars of any kind, or against one other quote."""

    name: str
    instruments: tuple[tuple[str, str], ...]
    """(exchange, symbol), the largest first."""

    @property
    def unit(self) -> str:
        """What prices and volumes are in."""
        return "dollars" if " in " not in self.name else self.name.rpartition(" ")[2]


def assets_of(facts: ReportFacts) -> list[ChartGroup]:
    """The assets that traded or have a gap, by volume, the largest first."""
    key = ["exchange", "symbol"]
    volume = facts.bars.group_by(key).agg(pl.col("notional").cast(pl.Float64).sum())
    silent = facts.coverage.select(key).unique().with_columns(pl.lit(0.0).alias("notional"))
    rows = (
        pl.concat([volume, silent])
        .group_by(key)
        .agg(pl.col("notional").max())
        .sort("notional", *key, descending=[True, False, False])
    )
    grouped: dict[str, list[tuple[str, str]]] = {}
    for exchange, symbol, _ in rows.iter_rows():
        grouped.setdefault(asset_name(symbol), []).append((exchange, symbol))
    return [ChartGroup(name=name, instruments=tuple(members)) for name, members in grouped.items()]


def asset_name(symbol: str) -> str:
    """`BTC` for BTC-USD, BTC-USDT and BTC-USDT-PERP; `BTC in EUR` for BTC-EUR."""
    quote = quote_of(symbol)
    return base_of(symbol) if quote in USD_QUOTES or not quote else f"{base_of(symbol)} in {quote}"


def steps_of(facts: ReportFacts) -> pl.DataFrame:
    """Per exchange, symbol and step: x (ms), vwap (null without a quantity), volume, bought (quote units)."""
    notional = pl.col("notional").sum().cast(pl.Float64)
    every = timedelta(milliseconds=facts.step_ms)
    return (
        facts.bars.group_by("exchange", "symbol", pl.col("bar_start").dt.truncate(every).alias("start"))
        .agg(
            (notional / pl.col("quantity").sum().cast(pl.Float64)).alias("vwap"),
            notional.alias("volume"),
            pl.col("buy_notional").sum().cast(pl.Float64).alias("bought"),
        )
        .with_columns(
            pl.col("start").dt.epoch("ms").alias("x"),
            pl.when(pl.col("vwap").is_finite()).then("vwap").alias("vwap"),
        )
        .drop("start")
        .sort("exchange", "symbol", "x")
    )


def shades_of(facts: ReportFacts, asset: ChartGroup) -> list[Shade]:
    """What is unknown about the asset's instruments, cut to what is drawn."""
    return unknown(_of(facts.coverage, asset), ms(facts.drawn.since), ms(facts.drawn.until))


def price_chart(facts: ReportFacts, asset: ChartGroup, steps: pl.DataFrame, shades: list[Shade]) -> Chart:
    """Average price of each step, with the alerts about prices and orders."""
    lines = _lines(facts, asset, steps, "vwap", shades)
    marks = marks_on(facts.alerts, lines)
    return Chart(
        title=f"{asset.name}: price",
        alt=f"{asset.name}, average price of {each(facts)}. " + _alt(lines.values(), shades, marks),
        unit=asset.unit,
        since=ms(facts.drawn.since),
        until=ms(facts.drawn.until),
        lines=list(lines.values()),
        shades=shades,
        marks=marks,
        height=170,
    )


def volume_chart(facts: ReportFacts, asset: ChartGroup, steps: pl.DataFrame, shades: list[Shade]) -> Chart:
    """Volume of each step, with the alerts about volume."""
    filled = _every_step(_of(steps, asset), facts.step_ms)
    lines = _lines(facts, asset, filled, "volume", shades, filled=True)
    marks = marks_on(facts.alerts, lines, volume=True)
    return Chart(
        title=f"{asset.name}: volume {'per minute' if facts.step_ms == MINUTE_MS else 'per 10 seconds'}",
        alt=f"{asset.name}, volume traded in {each(facts)}. " + _alt(lines.values(), shades, marks),
        unit=asset.unit,
        since=ms(facts.drawn.since),
        until=ms(facts.drawn.until),
        lines=list(lines.values()),
        shades=shades,
        marks=marks,
        from_zero=True,
        height=110,
    )


def flow_charts(facts: ReportFacts, assets: Sequence[ChartGroup], steps: pl.DataFrame) -> list[Chart]:
    """Share of the volume that takers bought, per hour (per day over more than four days); of assets whose side is
    known."""
    every = timedelta(days=1) if facts.drawn.length.days > 4 else timedelta(hours=1)
    start = pl.from_epoch("x", "ms").dt.replace_time_zone("UTC").dt.truncate(every).alias("start")
    drawn = []
    for asset in assets:
        mine = _of(steps, asset).with_columns(start)
        if mine["bought"].sum() > 0:
            chart = windows.flow_chart(mine, every, name=asset.name)
            since, until = min(chart.since, ms(facts.drawn.since)), max(chart.until, ms(facts.drawn.until))
            drawn.append(replace(chart, since=since, until=until, height=90))  # bars are whole hours
    return drawn


def _of(rows: pl.DataFrame, asset: ChartGroup) -> pl.DataFrame:
    """The rows about the asset's instruments, in their order."""
    members = pl.DataFrame(asset.instruments, schema=["exchange", "symbol"], orient="row")
    return rows.join(members, on=["exchange", "symbol"], how="semi", maintain_order="left")


def each(facts: ReportFacts) -> str:
    """What a point of a price or a volume is of."""
    return "each minute" if facts.step_ms == MINUTE_MS else "every 10 seconds"


def _every_step(steps: pl.DataFrame, length: int) -> pl.DataFrame:
    """A volume of zero for every step between an instrument's first and last that had no trade."""
    key = ["exchange", "symbol"]
    grid = (
        steps.group_by(key)
        .agg(pl.int_ranges(pl.col("x").min(), pl.col("x").max() + length, length).alias("x"))
        .explode("x")
    )
    return grid.join(steps, on=[*key, "x"], how="left").with_columns(pl.col("volume").fill_null(0.0))


def _lines(
    facts: ReportFacts,
    asset: ChartGroup,
    steps: pl.DataFrame,
    column: str,
    shades: list[Shade],
    *,
    filled: bool = False,
) -> dict[tuple[str, str], Line]:
    """(exchange, symbol) -> its line."""
    lines = {}
    for tint, (exchange, symbol) in enumerate(asset.instruments):
        mine = steps.filter((pl.col("exchange") == exchange) & (pl.col("symbol") == symbol))
        points = mine.select("x", pl.col(column).alias("y"))
        if points.is_empty():
            continue
        own = [shade for shade in shades if shade.instrument == (exchange, symbol)]
        holed = interrupted(points, own, facts.step_ms, apart=_apart(points, facts.step_ms))
        lines[exchange, symbol] = line_of(holed, f"{exchange} {symbol}", tint, filled=filled)
    return lines


def _apart(points: pl.DataFrame, step: int) -> int:
    """Of how many missing steps on a line is interrupted; one of a thin market only where trades are missing."""
    first, last = points["x"].min(), points["x"].max()
    thin = points.height * _THIN * step < last - first  # type: ignore[operator]
    return 1_000_000 if thin else 5


def _alt(lines: Collection[Line], shades: list[Shade], marks: list[Mark]) -> str:
    parts = []
    for line in lines:
        values = [y for y in line.y if y is not None]
        if values:
            parts.append(
                f"{line.name}: {number(values[0])} at first, {number(values[-1])} at last, "
                f"between {number(min(values))} and {number(max(values))}."
            )
    if shades:
        parts.append(f"{len(shades)} stretch{'es' if len(shades) > 1 else ''} of which trades are missing.")
    parts.append(f"{len(marks)} alert{'' if len(marks) == 1 else 's'} marked.")
    return " ".join(parts)
