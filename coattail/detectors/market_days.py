"""What a whole day of each market comes to: its orders by half hour. The season and the usual size come of these. Pure.

A day depends on nothing but its own orders, so it is what it is as soon as it is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from coattail.detectors.grid import BARS_A_DAY, FlagArray, Grid, IntArray, RealArray, names_of, placed
from coattail.detectors.usual import HALF_HOURS, season_of

MarketName = tuple[str, str]
COUNTS = pl.Schema({
    "exchange": pl.String(), "symbol": pl.String(), "orders": pl.Int64(), "notional": pl.Float64(),
    "sums": pl.Array(pl.Int64, HALF_HOURS), "seen": pl.Array(pl.Int64, HALF_HOURS),
})  # fmt: skip
"""Orders and notional (quote units) of a day; by half hour the orders, and the bars that were seen."""
_WHOLE_DAY = 0.9
"""Share of a day's bars that must be seen for it to count: before its first trade and after its last one a thin market
does not say that nothing is missing."""


def counts_of(grid: Grid) -> pl.DataFrame:
    """The markets that traded on the day of the grid, which is that whole day; columns of `COUNTS`."""
    seen = of_its_own(grid)
    x = np.where(seen, grid.orders, 0)
    by_half_hour = (len(x), HALF_HOURS, BARS_A_DAY // HALF_HOURS)
    frame = pl.DataFrame(
        {
            **names_of(grid.instruments),
            "orders": x.sum(1),
            "notional": np.where(seen, grid.notional, 0.0).sum(1),
            "sums": x.reshape(by_half_hour).sum(2),
            "seen": seen.reshape(by_half_hour).sum(2, dtype=np.int64),
        },
        schema=COUNTS,
    )
    return frame.filter(pl.col("orders") > 0)


def of_its_own(grid: Grid) -> FlagArray:
    """The bars that a market's own orders in the grid show to be whole: none after its last one there."""
    place = np.where(grid.orders > 0, np.arange(grid.bars), -1).max(1, initial=-1)
    seen: FlagArray = grid.begun & (np.arange(grid.bars) <= place[:, None])
    return seen


@dataclass(frozen=True, kw_only=True)
class Past:
    """The days before a day, of some markets (rows), oldest first. A day that was not seen nearly whole is empty."""

    orders: IntArray
    """[market, day]."""
    notional: RealArray
    sums: IntArray
    """[market, day, half hour]."""
    seen: IntArray

    @classmethod
    def of(cls, instruments: Mapping[MarketName, int], days: list[pl.DataFrame], *, most: int) -> Past:
        """From the counts of consecutive days: of each market the newest `most` whole ones."""
        shape = (len(instruments), len(days))
        orders, notional = np.zeros(shape, np.int64), np.zeros(shape)
        sums, seen = (np.zeros((*shape, HALF_HOURS), np.int64) for _ in range(2))
        for day, frame in enumerate(days):
            mine, row = placed(frame, instruments)
            orders[row, day], notional[row, day] = mine["orders"].to_numpy(), mine["notional"].to_numpy()
            if len(row):
                sums[row, day], seen[row, day] = mine["sums"].to_numpy(), mine["seen"].to_numpy()
        whole = seen.sum(2) >= _WHOLE_DAY * BARS_A_DAY
        newer = np.cumsum(whole[:, ::-1], axis=1)[:, ::-1]
        kept = whole & (newer <= most)
        return cls(
            orders=np.where(kept, orders, 0), notional=np.where(kept, notional, 0.0),
            sums=np.where(kept[:, :, None], sums, 0), seen=np.where(kept[:, :, None], seen, 0),
        )  # fmt: skip

    @property
    def days(self) -> IntArray:
        """Whole days of each market."""
        days: IntArray = self.seen.any(2).sum(1)
        return days

    def season(self) -> RealArray:
        """Orders a bar by half hour, [market, 48]; nan for a market without a whole day."""
        return season_of(self.sums, self.seen)

    def size(self) -> RealArray:
        """Mean notional of an order, [market], quote units; nan without any."""
        notional, orders = np.zeros(len(self.orders)), self.orders.sum(1)
        for day in range(self.notional.shape[1]):
            notional = notional + self.notional[:, day]
        return np.where(orders > 0, notional / np.maximum(orders, 1), np.nan)

    def orders_a_day(self) -> RealArray:
        """[market]; nan for one without a whole day."""
        seen = self.seen.sum((1, 2))
        found: RealArray = np.where(seen > 0, self.sums.sum((1, 2)) / np.maximum(seen, 1) * BARS_A_DAY, np.nan)
        return found
