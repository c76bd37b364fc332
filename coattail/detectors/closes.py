"""What a market's price was at the end of every 10-second bar: the median of the last prices of three. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coattail.detectors.base import Facts
from coattail.records import micros

Reals = NDArray[np.float64]
Wholes = NDArray[np.int64]
Truths = NDArray[np.bool_]

BAR = timedelta(seconds=10)
BAR_US = 10_000_000
BARS = 3
"""Bars that a price is the median of: half a minute."""
_INSTRUMENT = ("exchange", "symbol")


@dataclass(frozen=True, kw_only=True)
class Closes:
    """Prices of some instruments [instrument, bar], at the ends of the bars numbered `first`… since 1970."""

    instruments: list[tuple[str, str]]
    """(exchange, symbol), sorted: the rows."""
    first: int
    last: Reals
    """The last price of each bar; nan without a trade."""
    price: Reals
    """Median of the last prices of the last three bars, those without a trade left out; nan where none traded."""
    trades: Wholes
    """Trades in these three bars."""
    known: Truths
    """Whether no trade id is missing in them, and around them, as far as the last has come."""

    @property
    def bars(self) -> int:
        """How many bars there are."""
        return int(self.price.shape[1])

    def bounds(self, first: int, within: int) -> tuple[Reals, Reals]:
        """Between which a market's price surely lay, from the bar `first` on [instrument, bar].

        Where all three bars traded, their median; else the last prices of the two newest bars that did, `within` bars
        back at most; nan where only one did.
        """
        begin = max(first - within - self.first, 0)
        last, skipped = self.last[:, begin:], first - self.first - begin
        place = np.arange(last.shape[1])
        newest = np.maximum.accumulate(np.where(np.isnan(last), -1, place), axis=1)
        other = np.take_along_axis(newest, np.maximum(newest - 1, 0), axis=1)
        other = np.where((newest > 0) & (place - other < within), other, -1)
        two = [np.where(at < 0, np.nan, np.take_along_axis(last, np.maximum(at, 0), axis=1)) for at in (newest, other)]
        busy = place - newest <= 0
        busy[:, 1:] &= newest[:, :-1] == place[:-1]
        busy[:, 2:] &= newest[:, :-2] == place[:-2]
        price = self.price[:, begin:]
        low, high = (np.where(busy, price, extreme(*two))[:, skipped:] for extreme in (np.minimum, np.maximum))
        return low, high


def bar_of(when: datetime) -> int:
    """The number of the bar that holds a moment."""
    return micros(when) // BAR_US


def closes_of(facts: Facts, wanted: Callable[[str], bool], first: int, end: int) -> Closes:
    """The prices of all instruments whose symbol is `wanted`, at the ends of the bars `first` <= number < `end`."""
    symbols = [s for s in facts.bars["symbol"].unique().sort().to_list() if wanted(s)]
    low, high = first - BARS + 1, max(end, first)
    number = pl.col("bar_start").dt.epoch("us") // BAR_US
    bars = facts.bars.filter(pl.col("symbol").is_in(symbols) & number.is_between(low, high, closed="left"))
    markets = bars.select(_INSTRUMENT).unique().sort(_INSTRUMENT).with_row_index("market")
    shape = (markets.height, high - low)
    placed = bars.select(*_INSTRUMENT, (number - low).alias("bar"), "trades", "last_price").join(
        markets, on=_INSTRUMENT, how="left"
    )
    at = placed["market"].to_numpy(), placed["bar"].to_numpy()
    last, trades = np.full(shape, np.nan), np.zeros(shape, np.int64)
    last[at], trades[at] = placed["last_price"].to_numpy(), placed["trades"].to_numpy()
    seen = _seen(facts, markets, low, high)
    parts = [slice(k, shape[1] - BARS + 1 + k) for k in range(BARS)]
    return Closes(
        instruments=markets.select(_INSTRUMENT).rows(),
        first=first,
        last=last[:, parts[-1]],
        price=median_of_three(*(last[:, part] for part in parts)),
        trades=np.add.reduce([trades[:, part] for part in parts]),
        known=np.logical_and.reduce([seen[:, part] for part in parts]),
    )


def median_of_three(a: Reals, b: Reals, c: Reals) -> Reals:
    """The median of those that are not nan; of two the mean."""
    low, high = np.fmin(a, b), np.fmax(a, b)
    middle = np.fmax(low, np.fmin(high, c))
    two = np.isnan(a).astype(np.int8) + np.isnan(b) + np.isnan(c) == 1
    found: Reals = np.where(two, (np.fmin(low, c) + np.fmax(high, c)) / 2, middle)
    return found


def _seen(facts: Facts, markets: pl.DataFrame, low: int, high: int) -> Truths:
    """[instrument, bar]: a trade before the bar, one at its end or later, no id missing between; of an open bar, a
    trade in it or later is enough."""
    number = pl.col("first_ts", "last_ts").dt.epoch("us") // BAR_US
    spans = facts.spans.join(markets, on=_INSTRUMENT).select("market", number)
    market, first, last = (spans[name].to_numpy() for name in ("market", "first_ts", "last_ts"))
    open_from = micros(facts.watermark) // BAR_US  # the first bar that ends after the watermark
    begin = np.clip(first + 1 - low, 0, high - low)
    end = np.clip(np.where(last >= open_from, last + 1, last) - low, begin, high - low)
    steps = np.zeros((markets.height, high - low + 1), np.int32)
    np.add.at(steps, (market, begin), 1)
    np.add.at(steps, (market, end), -1)
    seen: Truths = np.cumsum(steps[:, :-1], axis=1) > 0
    return seen
