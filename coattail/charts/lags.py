"""How late trades arrive, as a histogram. Pure."""

from __future__ import annotations

import math

import polars as pl

from coattail.amounts import number
from coattail.charts.axis import Axis
from coattail.charts.chart import Chart, Level, Line

_BINS_PER_POWER = 8
_LEAST_MS = 0.1
"""What is faster, or has a time after its arrival, counts here."""


def lag_chart(lags: pl.DataFrame) -> Chart:
    """The share of trades by how long they took to arrive, a stepped line for each exchange, on a logarithmic axis.

    Columns in: exchange, lag_ms (float), trades; one row at least.
    """
    place = (pl.col("lag_ms").clip(_LEAST_MS).log10() * _BINS_PER_POWER).floor().cast(pl.Int64)
    binned = lags.group_by("exchange", place.alias("bin")).agg(pl.col("trades").sum()).sort("exchange", "bin")
    first, last = int(binned["bin"].min()), int(binned["bin"].max())  # type: ignore[arg-type]
    lines, said = [], []
    for tint, ((exchange,), rows) in enumerate(binned.group_by("exchange", maintain_order=True)):
        counts = dict(rows.select("bin", "trades").iter_rows())
        whole = sum(counts.values())
        x: list[float] = []
        y: list[float | None] = []
        for at in range(first - 1, last + 2):
            share = round(100 * counts.get(at, 0) / whole, 4)
            x += [10 ** (at / _BINS_PER_POWER), 10 ** ((at + 1) / _BINS_PER_POWER)]
            y += [share, share]
        own = lags.filter(pl.col("exchange") == exchange)
        lines.append(Line(name=str(exchange), tint=tint, x=x, y=y, filled=True))
        half, most = (quantile(own, q) for q in (0.5, 0.99))
        said.append(f"{exchange}: half of {whole:,} within {number(half)} ms, 99 of 100 within {number(most)} ms")
    return Chart(
        title="From the trade to its arrival", unit="% of trades", x=Axis(kind="log", name="ms"), lines=lines,
        since=10 ** ((first - 1) / _BINS_PER_POWER), until=10 ** ((last + 2) / _BINS_PER_POWER), from_zero=True,
        levels=[Level(at=quantile(lags, 0.99), label="99 of 100")], height=200,
        alt=f"How long trades take to arrive. {'; '.join(said)}.",
    )  # fmt: skip


def quantile(lags: pl.DataFrame, share: float) -> float:
    """The lag, ms, within which this share of the trades came. Columns in: lag_ms, trades."""
    ranked = lags.sort("lag_ms").with_columns(pl.col("trades").cum_sum().alias("until"))
    wanted = max(math.ceil(share * int(ranked["trades"].sum())), 1)
    return max(float(ranked.filter(pl.col("until") >= wanted)["lag_ms"][0]), _LEAST_MS)
