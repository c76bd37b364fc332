"""Which trades are here over time: each instrument's ledger as a strip of cells. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import polars as pl

from coattail.amounts import count
from coattail.charts.chart import Chart, Lane, ms
from coattail.charts.svg import height_of
from coattail.reports.facts import ReportFacts, Span
from coattail.reports.words import range_of

STRIP_WORDS = {"live": "live", "fetched": "fetched", "gap": "missing", "unobserved": "not observed"}
"""What a cell can be -> what a key says of it."""
_KNOWN = ["live", "backfilled", "suspect", "unique"]
_KEY = ["exchange", "symbol"]


class Strip(NamedTuple):
    """One instrument over time."""

    exchange: str
    symbol: str
    cells: tuple[str, ...]
    """Of equal length; each a key of `STRIP_WORDS`, or empty where nothing is known: before its first trade, after its
    last."""


def span_of(ranges: pl.DataFrame, *, since: object = None, until: object = None) -> Span | None:
    """From the first known time to the last, or between those given; None where nothing is known."""
    times = pl.concat([ranges["first_ts"], ranges["last_ts"]])
    first, last = since or times.min(), until or times.max()
    if first is None or last is None or first >= last:  # type: ignore[operator]
        return None
    return Span(since=first, until=last)  # type: ignore[arg-type]


def strips_of(ranges: pl.DataFrame, span: Span, cells: int) -> list[Strip]:
    """The instruments by exchange and symbol, each as `cells` equal parts of the span.

    Columns in: exchange, symbol, state, first_ts, last_ts, as in the table `coverage`. A gap is seen in every cell that
    it meets, however short it is; a fetched stretch too, where there is no gap; an unobserved one in the cells whose
    middle it holds, and so is the time between two sessions whose ids are only unique. Ids that were rejected are in
    the DLQ, so they are not missing.
    """
    start, step = ms(span.since), max(ms(span.until) - ms(span.since), 1) / cells
    low, high = (
        ((when.dt.epoch("us") / 1000 - start) / step).alias(name)
        for name, when in (("low", pl.col("first_ts")), ("high", pl.col("last_ts")))
    )
    # Whatever ends before the span begins, or begins when it has ended, is left out.
    placed = (
        ranges.select(*_KEY, "state", low, high)
        .with_columns(pl.col("low").fill_null(0.0), pl.col("high").fill_null(float(cells)))
        .filter((pl.col("high") >= 0) & (pl.col("low") < cells))
        .with_columns(pl.col("low").clip(0, cells), pl.col("high").clip(0, cells))
    )
    return [
        Strip(str(exchange), str(symbol), _cells(rows, cells))
        for (exchange, symbol), rows in placed.sort(_KEY).group_by(_KEY, maintain_order=True)
    ]


def _cells(rows: pl.DataFrame, cells: int) -> tuple[str, ...]:
    drawn = [""] * cells

    def paint(state: str, first: float, last: float) -> None:
        for place in range(min(int(first), cells - 1), min(int(last), cells - 1) + 1):
            drawn[place] = state

    def of(*states: str) -> list[tuple[float, float]]:
        return rows.filter(pl.col("state").is_in(states)).select("low", "high").rows()

    if known := of(*_KNOWN):
        paint("live", min(low for low, _ in known), max(high for _, high in known))
    for low, high in (*of("unobserved"), *_between(of("unique"))):
        if round(high) > round(low):
            paint("unobserved", round(low), round(high) - 1)
    for low, high in of("backfilled"):
        paint("fetched", low, high)
    for low, high in of("gap"):
        paint("gap", low, high)
    return tuple(drawn)


def _between(stretches: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """What lies between sessions whose ids are only unique: nothing else says that it was not observed."""
    reached = math.inf
    for low, high in sorted(stretches):
        if low > reached:
            yield reached, low
        reached = high if reached == math.inf else max(reached, high)


def coverage_chart(facts: ReportFacts, instruments: Sequence[tuple[str, str]], cells: int) -> Chart:
    """What of some instruments, (exchange, symbol), was heard, fetched, missed and not observed when."""
    span = facts.drawn
    strips = {(strip.exchange, strip.symbol): strip for strip in strips_of(facts.coverage, span, cells)}
    shown = [strips[instrument] for instrument in instruments if instrument in strips]
    since, until = ms(span.since), ms(span.until)
    alt = f"Trade ids of {count(len(shown), 'instrument')} over time, {range_of(span)}. {_told(facts, shown)}"
    return Chart(
        title="Over time", alt=alt, unit="", since=since, until=until, lanes=lanes_of(shown, span),
        height=height_of(len(shown)),
    )  # fmt: skip


def lanes_of(strips: Sequence[Strip], span: Span) -> list[Lane]:
    """Each strip as a lane of a chart, cells of one kind joined."""
    since, until = ms(span.since), ms(span.until)
    lanes = []
    for strip in strips:
        cells = len(strip.cells)
        edges = [since + (until - since) * n // cells for n in range(cells + 1)]
        stretches = [(kind, list(places)) for kind, places in groupby(range(cells), key=lambda n: strip.cells[n])]
        lanes.append(
            Lane(
                name=f"{strip.exchange} {strip.symbol}",
                stretches=[(edges[at[0]], edges[at[-1] + 1], kind) for kind, at in stretches if kind],
            )
        )
    return lanes


def _told(facts: ReportFacts, shown: Sequence[Strip]) -> str:
    said = []
    for strip in shown:
        mine = facts.coverage.filter((pl.col("exchange") == strip.exchange) & (pl.col("symbol") == strip.symbol))
        counted = dict(mine.group_by("state").len().rows())
        parts = [
            count(counted[state], one, many)
            for state, one, many in (
                ("gap", "gap", "gaps"),
                ("backfilled", "fetched stretch", "fetched stretches"),
                ("unobserved", "unobserved stretch", "unobserved stretches"),
            )
            if counted.get(state)
        ]
        if parts:
            said.append(f"{strip.exchange} {strip.symbol}: {', '.join(parts)}.")
    if len(said) < len(shown):
        said.append("The others were heard without a gap." if said else "All were heard without a gap.")
    return " ".join(said)
