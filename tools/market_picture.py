"""`python -m tools.market_picture docs/img/markets.svg`: what simulated markets look like, in six panels."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from coattail.errors import UsageError
from coattail.market.character import BUSY, MIDDLE, QUIET, Character
from coattail.market.crash import PlantedCrash
from coattail.market.facts import market_facts
from coattail.market.instruments import DEFAULT_INSTRUMENTS
from coattail.market.long_run import long_run
from coattail.market.planted import Planted, PlantedRegime
from coattail.market.prices import Floats
from coattail.market.pump import PlantedPump
from coattail.market.simulation import Market
from coattail.markup import Markup, join, tag
from coattail.scoring.charts import document, moved, soft

START = datetime(2025, 3, 3, tzinfo=UTC)
WIDTH, HEIGHT, LEFT, TOP, GAP = 400, 120, 62, 70, 66
_SOL, _BTC, _BTC_USD = (DEFAULT_INSTRUMENTS[n] for n in (2, 0, 3))


class Course(NamedTuple):
    """Values at equal distances; NaN: nothing there."""

    values: Floats
    name: str = ""


class Drawing(NamedTuple):
    """Lines over one stretch of time."""

    title: str
    lines: Sequence[Course]
    times: tuple[str, str, str]
    """What stands below its begin, its middle and its end."""
    roots: bool = False
    """Whether the axis is of square roots, so that few and many both show."""
    unit: str = ""


def panels() -> list[Drawing]:
    """What the picture shows, drawn from the markets themselves."""
    day = ("00:00", "12:00", "24:00 UTC")
    pump = PlantedPump(exchange="binance", symbol="SOL-USDT", start=START + timedelta(minutes=30))
    pumped = _bars(QUIET, timedelta(hours=3), pump)
    crash = PlantedCrash(start=START + timedelta(minutes=5), seed=3)
    crashed = _bars(MIDDLE, timedelta(minutes=40), crash)
    place = {"exchange": "binance", "symbol": "SOL-USDT"}
    up = PlantedRegime(start=START + timedelta(days=2), factor=3.0, **place)
    back = PlantedRegime(start=START + timedelta(days=4), factor=1 / 3, **place)
    regimes = _bars(QUIET, timedelta(days=6), up, back).filter(symbol="SOL-USDT")
    about_pump = ("an hour before", "half an hour after", "2 hours after")
    about_crash = ("5 min before", "", "35 min after")
    sol = pumped.filter(symbol="SOL-USDT")
    return [
        Drawing("quiet: a day, trades a minute", [Course(_trades(_day(QUIET), 1, 1440))], day, roots=True),
        Drawing("busy: a day, trades a minute", [Course(_trades(_day(BUSY), 1, 1440))], day, roots=True),
        Drawing("a pump: trades a minute", [Course(_trades(sol, 1, 180))], about_pump, roots=True),
        Drawing("a pump: price, %", [Course(_prices(sol, 180))], about_pump, unit=" %"),
        Drawing(
            "a crash: two venues, %",
            [Course(_prices(crashed.filter(symbol=s), 40), s) for s in ("BTC-USDT", "BTC-USD")],
            about_crash,
            unit=" %",
        ),
        Drawing(
            "three times the activity, and back: trades an hour",
            [Course(_trades(regimes, 60, 144))],
            ("day 1", "days 3 and 4", "day 6"),
            roots=True,
        ),
    ]


def picture(shown: Sequence[Drawing]) -> str:
    """The panels as SVG, two beside each other."""
    body = [
        moved(20 + (n % 2) * (WIDTH + LEFT) + LEFT - 20, TOP + n // 2 * (HEIGHT + GAP), _panel(panel))
        for n, panel in enumerate(shown)
    ]
    height = TOP + -(-len(shown) // 2) * (HEIGHT + GAP) + 4
    alt = "; ".join(panel.title for panel in shown)
    return document("Simulated markets", alt, 2 * (WIDTH + LEFT) + 40, height, body)


def _panel(panel: Drawing) -> Markup:
    values = np.concatenate([line.values for line in panel.lines])
    low, high = min(0.0, float(np.nanmin(values))), max(0.0, float(np.nanmax(values)))

    def y_of(value: float) -> float:
        share = (value - low) / (high - low)
        return HEIGHT * (1.0 - (share**0.5 if panel.roots else share))

    marks = sorted({low, 0.0, high} | ({high / 10} if panel.roots else set()))
    parts = [tag("text", panel.title, class_="name", x=0, y=-12)]
    for mark in marks:
        y = y_of(mark)
        if mark and abs(y - y_of(0.0)) < 12:
            continue
        parts.append(tag("path", class_="grid", d=f"M0 {y:.1f}H{WIDTH}"))
        parts.append(soft(f"{mark:,.0f}{panel.unit}", -6, y + 4, "end"))
    for number, line in enumerate(panel.lines):
        step = WIDTH / max(len(line.values) - 1, 1)
        points = [f"{n * step:.1f} {y_of(v):.1f}" for n, v in enumerate(line.values.tolist()) if v == v]
        style = f"line s{1 - number}"
        parts.append(tag("path", class_=style, style="stroke-width:1.2", d=f"M{'L'.join(points)}"))
        if line.name:
            x = WIDTH - 200 + 106 * number
            parts += [tag("path", class_=style, d=f"M{x} -16h16"), tag("text", line.name, x=x + 20, y=-12)]
    for number, (text, anchor) in enumerate(zip(panel.times, ("start", "middle", "end"), strict=True)):
        parts.append(soft(text, number * WIDTH / 2, HEIGHT + 18, anchor))
    return join(parts)


def _day(character: Character) -> pl.DataFrame:
    return long_run(character, _SOL, 1, seed=11, start=START)


def _bars(character: Character, length: timedelta, *planted: Planted) -> pl.DataFrame:
    """Bars of a market since `START`."""
    traded = (_SOL,) if length > timedelta(hours=2) else (_BTC, _BTC_USD)
    market = Market(seed=11, start=START, duration=length, character=character, planted=planted, instruments=traded)
    return market_facts(market).bars.filter(pl.col("bar_start") >= START)


def _trades(bars: pl.DataFrame, minutes: int, count: int) -> Floats:
    """Trades of each stretch of some minutes."""
    place = ((bars["bar_start"] - START).dt.total_seconds() // (60 * minutes)).to_numpy()
    return np.bincount(place, weights=bars["trades"].to_numpy(), minlength=count)[:count].astype(np.float64)


def _prices(bars: pl.DataFrame, minutes: int) -> Floats:
    """Last price of every 10 seconds, % over the first; NaN where nothing traded."""
    place = ((bars["bar_start"] - START).dt.total_seconds() // 10).to_numpy()
    prices = np.full(minutes * 6, np.nan)
    last = bars["last_price"].to_numpy()
    inside = place < len(prices)
    prices[place[inside]] = 100 * (last[inside] / last[0] - 1)
    return prices


def main(arguments: Sequence[str]) -> None:
    """Write the picture.

    Raises: UsageError: If no file is named.
    """
    if not arguments:
        raise UsageError("no file to write to", next_step="python -m tools.market_picture docs/img/markets.svg")
    Path(arguments[0]).write_text(picture(panels()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
