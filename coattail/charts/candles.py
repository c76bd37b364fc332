"""Prices and volumes of one symbol as candles, its venues side by side. Pure."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from coattail.amounts import count, number
from coattail.charts.chart import Candle, Chart, Line, Mark, Panels, Shade, interrupted, line_of, ms
from coattail.charts.said import marks_on

_KEY = ("exchange", "symbol")


def candles_of(bars: pl.DataFrame, every: timedelta) -> pl.DataFrame:
    """Candles of equal length, one row per exchange, symbol and stretch that had a trade.

    bars: Merged, 10 seconds each. every: A multiple of 10 seconds; stretches begin at multiples of it since 1970.
    Columns out: exchange, symbol, start, open, high, low, close, vwap (null without a quantity), volume (quote units),
    bought (that of takers who bought, quote units), quantity (base units), trades.
    """
    notional, quantity = (pl.col(name).sum().cast(pl.Float64) for name in ("notional", "quantity"))
    rows = (
        bars.sort(*_KEY, "bar_start")
        .group_by(*_KEY, pl.col("bar_start").dt.truncate(every).alias("start"), maintain_order=True)
        .agg(
            pl.col("first_price").first().alias("open"),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("last_price").last().alias("close"),
            (notional / quantity).alias("vwap"),
            notional.alias("volume"),
            pl.col("buy_notional").sum().cast(pl.Float64).alias("bought"),
            quantity.alias("quantity"),
            pl.col("trades").sum(),
        )
    )
    return rows.with_columns(pl.when(pl.col("vwap").is_finite()).then("vwap").alias("vwap"))


def candle_panels(
    candles: pl.DataFrame, every: timedelta, *, alerts: pl.DataFrame, shades: list[Shade], unit: str
) -> Panels:
    """Price above volume: candles of the venue that traded most, the others' closing prices as dotted lines.

    candles: As `candles_of` gives them, of one symbol, at least one row. alerts: Marked on the price or the volume,
    whichever they are about. shades: Where trades are missing. unit: What prices and volumes are in.
    """
    step = round(every.total_seconds() * 1000)
    points = candles.with_columns(pl.col("start").dt.epoch("ms").alias("x"))
    by_volume = (
        points.group_by(*_KEY).agg(pl.col("volume").sum()).sort("volume", *_KEY, descending=[True, False, False])
    )
    venues = [(str(exchange), str(symbol)) for exchange, symbol, _ in by_volume.iter_rows()]
    since, until = ms(candles["start"].min()), ms(candles["start"].max()) + step  # type: ignore[arg-type]
    largest = points.filter(pl.col("exchange") == venues[0][0])
    closes = {venue: _line(points, venue, "close", tint, shades, step) for tint, venue in enumerate(venues)}
    volumes = {venue: _line(points, venue, "volume", tint, shades, step) for tint, venue in enumerate(venues)}
    about_price, about_volume = marks_on(alerts, closes), marks_on(alerts, volumes, volume=True)
    symbol = venues[0][1]
    price = Chart(
        title=f"{symbol} on {venues[0][0]}: price", unit=unit, since=since, until=until, bar_ms=step, height=240,
        alt=_price_words(symbol, venues[0][0], largest, shades, about_price),
        candles=[
            Candle(x=x, open=o, high=h, low=low, close=c)
            for x, o, h, low, c in largest.select("x", "open", "high", "low", "close").iter_rows()
        ],
        lines=[line for venue, line in closes.items() if venue != venues[0]], shades=shades, marks=about_price,
    )  # fmt: skip
    total = float(candles["volume"].sum())
    volume = Chart(
        title="Volume", unit=unit, since=since, until=until, lines=list(volumes.values()), shades=shades,
        marks=about_volume, from_zero=True, height=100,
        alt=f"Volume of {symbol}: {number(total)} {unit} on {count(len(venues), 'venue')}. "
        f"{count(len(about_volume), 'alert')} marked.",
    )  # fmt: skip
    return Panels((price, volume))


def _line(points: pl.DataFrame, venue: tuple[str, str], column: str, tint: int, shades: list[Shade], step: int) -> Line:
    mine = points.filter(pl.col("exchange") == venue[0]).select("x", pl.col(column).alias("y"))
    own = [shade for shade in shades if shade.instrument == venue]
    volume = column == "volume"
    return line_of(interrupted(mine, own, step), venue[0], tint, filled=volume, faint=not volume)


def _price_words(symbol: str, exchange: str, rows: pl.DataFrame, shades: list[Shade], marks: list[Mark]) -> str:
    first, last = rows["open"][0], rows["close"][-1]
    gaps = sum(shade.kind == "gap" for shade in shades)
    return (
        f"{symbol} on {exchange}: {number(first)} at first, {number(last)} at last, between "
        f"{number(float(rows['low'].min()))} and {number(float(rows['high'].max()))}. "  # type: ignore[arg-type]
        f"{count(gaps, 'gap') if gaps else 'No gap'} in the record. {count(len(marks), 'alert')} marked."
    )
