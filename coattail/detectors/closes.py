"""What a market's price was at the end of half a minute: the median of the last prices of three bars. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coattail.detectors.base import Facts
from coattail.detectors.grid import BAR_US, FlagArray, IntArray, RealArray, painted
from coattail.records import micros

BARS = 3
"""Bars that a price is the median of: half a minute."""
_INSTRUMENT = ("exchange", "symbol")


@dataclass(frozen=True, kw_only=True)
class Closes:
    """Prices of some instruments [instrument, window]; windows of three bars, each ending `step` bars after another."""

    price: RealArray
    """Median of the bars' last prices, those without a trade left out; nan where none traded."""
    known: FlagArray
    """Whether no trade id is missing in the window, and around it, as far as its last bar has come."""


class Ticks:
    """The bars of all instruments whose symbol is `wanted`, as they are put into matrices: which market, bar, price."""

    def __init__(self, facts: Facts, wanted: Callable[[str], bool]) -> None:
        # Rows come in runs of one instrument: names are looked at once per run, not per bar.
        bars = facts.bars.select(*_INSTRUMENT, "bar_start", "last_price", "trades")
        begins = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in _INSTRUMENT)
        run = bars.select(begins.cum_sum().alias("run"))["run"].to_numpy().astype(np.int64) - 1
        runs = bars.filter(begins).select(_INSTRUMENT)
        symbols = runs["symbol"].unique().to_list()
        kept = runs.filter(pl.col("symbol").is_in([s for s in symbols if wanted(s)]))
        markets = kept.unique().sort(_INSTRUMENT).with_row_index("market")
        place = runs.join(markets, on=_INSTRUMENT, how="left", maintain_order="left")["market"].cast(pl.Int64)
        market = place.fill_null(-1).to_numpy()[run]
        mine = market >= 0
        self.instruments: list[tuple[str, str]] = markets.select(_INSTRUMENT).rows()
        """(exchange, symbol), sorted: the rows of every matrix."""
        self._market = market[mine]
        self._bar = (bars["bar_start"].dt.epoch("us").to_numpy() // BAR_US)[mine]
        self._last, self._trades = (bars[name].to_numpy()[mine] for name in ("last_price", "trades"))
        self._facts, self._markets = facts, markets

    def last(self, first: int, end: int, rows: IntArray | None = None) -> RealArray:
        """The last prices of the bars `first` <= number < `end`, nan without a trade; of some `rows`, or all."""
        height, market = self._among(self._market, rows)
        placed = np.full((height, max(end - first, 0)), np.nan)
        self._place(placed, market, self._last, first)
        return placed

    def trades(self, first: int, end: int) -> IntArray:
        """How many trades there were in the three bars that end with each."""
        counts = np.zeros((len(self.instruments), max(end - first, 0) + BARS - 1), np.int64)
        self._place(counts, self._market, self._trades, first - BARS + 1)
        summed: IntArray = counts[:, 2:] + counts[:, 1:-1] + counts[:, :-2]
        return summed

    def closes(self, first: int, end: int, *, step: int) -> Closes:
        """The windows that end with the bars `first`, `first` + `step`, … below `end`; `step` is 1 or 3."""
        last = self.last(first - BARS + 1, end)
        count = max(-(-(end - first) // step), 0)
        parts = (last[:, k : k + step * count : step] for k in range(BARS))
        return Closes(price=median_of_three(*parts), known=self.known(first, count, step=step))

    def _place(self, into: NDArray[Any], market: IntArray, values: NDArray[Any], first: int) -> None:
        """Put the bars' values where they belong in a matrix whose columns begin with the bar `first`."""
        inside = (self._bar >= first) & (self._bar < first + into.shape[1]) & (market >= 0)
        into[market[inside], self._bar[inside] - first] = values[inside]

    def _among(self, market: IntArray, rows: IntArray | None) -> tuple[int, IntArray]:
        """How many rows there are, and which of them each market has; -1: none."""
        if rows is None:
            return len(self.instruments), market
        places = np.full(len(self.instruments), -1)
        places[rows] = np.arange(len(rows))
        return len(rows), places[market]

    @cached_property
    def _spans(self) -> tuple[IntArray, IntArray, IntArray]:
        """Of every stretch of ids its market, the first bar that began after its first trade, and after which it ends.

        An open bar may hold the newest trade; a closed one needs a trade at its end or later.
        """
        number = pl.col("first_ts", "last_ts").dt.epoch("us") // BAR_US
        spans = self._facts.spans.join(self._markets, on=_INSTRUMENT).select(pl.col("market").cast(pl.Int64), number)
        market, first, last = (spans[name].to_numpy() for name in ("market", "first_ts", "last_ts"))
        still_open = micros(self._facts.watermark) // BAR_US
        return market, first + 1, np.where(last >= still_open, last + 1, last)

    def known(self, first: int, count: int, *, step: int, rows: IntArray | None = None) -> FlagArray:
        """[instrument, window]: a trade before it, one at its end or later, no id missing between."""
        markets, begin, end = self._spans
        height, market = self._among(markets, rows)
        begins = begin + BARS - 1  # the first bar that may end a window
        low = np.clip(-(-(begins - first) // step), 0, count)
        high = np.clip(-(-(end - first) // step), low, count)
        mine = market >= 0
        return painted((height, count), market[mine], low[mine], high[mine])


def median_of_three(a: RealArray, b: RealArray, c: RealArray) -> RealArray:
    """The median of those that are not nan; of two the mean."""
    low, high = np.fmin(a, b), np.fmax(a, b)
    middle = np.fmax(low, np.fmin(high, c))
    two = np.isnan(a).astype(np.int8) + np.isnan(b) + np.isnan(c) == 1
    middle[two] = (np.fmin(low, c)[two] + np.fmax(high, c)[two]) / 2
    return middle


def bounds(last: RealArray, price: RealArray, within: int) -> tuple[RealArray, RealArray]:
    """Between which a market's price surely lay at the ends of the bars that `price` is of [instrument, bar].

    Where all three bars traded, that is their median; else the last prices of the two newest bars that did, `within`
    bars back at most; nan where only one did. `last` are these bars' last prices and those of some bars before.
    """
    place, skipped = np.arange(last.shape[1]), last.shape[1] - price.shape[1]
    newest = np.maximum.accumulate(np.where(np.isnan(last), -1, place), axis=1)
    other = np.take_along_axis(newest, np.maximum(newest - 1, 0), axis=1)
    other = np.where((newest > 0) & (place - other < within), other, -1)
    two = [np.where(at < 0, np.nan, np.take_along_axis(last, np.maximum(at, 0), axis=1)) for at in (newest, other)]
    busy = np.logical_and.reduce([~np.isnan(last[:, skipped - k : last.shape[1] - k]) for k in range(BARS)])
    low, high = (np.where(busy, price, extreme(*two)[:, skipped:]) for extreme in (np.minimum, np.maximum))
    return low, high
