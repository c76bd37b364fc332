"""A grid of bars measured: what was usual in each, where a venue stood still, and the scores of every channel. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from coattail.detectors.counts import BLOCK, falls, rises
from coattail.detectors.grid import (
    BAR,
    BARS_A_DAY,
    FlagArray,
    Grid,
    IntArray,
    RealArray,
    columns_of_day,
    placed,
    rolled,
)
from coattail.detectors.usual import HALF_HOURS, SLOW, UNIT, Sums, Usual, by_the_clock, usual
from coattail.records import EPOCH

CLOCK = pl.Schema({
    "exchange": pl.String(), "symbol": pl.String(), "days": pl.Int64(), "season": pl.Array(pl.Float64, HALF_HOURS),
    "size": pl.Float64(),
})  # fmt: skip
"""What is usual on a day, by the whole days before it: orders a bar by half hour, and the mean notional of an order."""
REACH = timedelta(hours=5, minutes=30)
"""How far before a bar the bars lie that its score depends on: the slow level's four hours before a window of five
minutes; an hour in which the venue may have stood still, and twenty minutes that show whether it usually trades."""
_LONGEST_STALL = timedelta(hours=1) // BAR
_LEVEL_BARS = timedelta(hours=4, minutes=15) // BAR
_RECENT_BLOCKS = SLOW // BLOCK
_USUALLY_BARS = timedelta(minutes=20) // BAR
_USUALLY = 0.9
"""A venue stands still only if some market of it traded in this share of the bars before it did."""
_OFTEN = 0.5
"""All venues stand still only if each traded in this share of them: else the silence of one may be chance."""


@dataclass(frozen=True)
class Measured:
    """A grid, and what was usual in it."""

    grid: Grid
    usual: Usual
    size: RealArray
    """Mean notional of an order in the days before, [instrument, bar]; nan: unknown."""
    days: IntArray
    """Whole days before that say what is usual; 0 where the last hours do."""
    stalled: FlagArray
    """Whether the market's venue is known to stand still."""

    @classmethod
    def of(cls, grid: Grid, clocks: Sequence[tuple[int, pl.DataFrame]], *, moving: bool = False) -> Measured:
        """`clocks`: the number of each day that the grid meets (from 1970), and its `CLOCK`; `moving`: other markets
        show that no venue stood still (`never_still`)."""
        rows = {name: row for row, name in enumerate(grid.instruments)}
        by_clock, size = np.zeros(grid.orders.shape, np.int64), np.full(grid.orders.shape, np.nan)
        days = np.zeros(grid.orders.shape, np.int64)
        for day, clock in clocks:
            low, high = columns_of_day(day, grid.first, grid.bars)
            mine, row = placed(clock, rows)
            if not len(row) or low == high:
                continue
            columns = np.arange(low, high, dtype=np.int64) + grid.first - day * BARS_A_DAY
            season = mine["season"].to_numpy()
            by_clock[row, low:high] = by_the_clock(season, columns)
            days[row, low:high] = mine["days"].to_numpy()[:, None]
            size[row, low:high] = mine["size"].to_numpy()[:, None]
        stalled, silent = (np.zeros(grid.orders.shape, bool),) * 2 if moving else stalls(grid)
        size = np.where(days > 0, size, recent_size(grid))
        return cls(grid, usual(grid, grid.begun & ~stalled & ~silent, by_clock, days > 0), size, days, stalled)

    def minutes_known(self, at: IntArray) -> IntArray:
        """Minutes of the last four hours and a quarter that are known, at each of some columns."""
        bars = np.minimum(at + 1, _LEVEL_BARS) - self.usual.unknown.before(at, _LEVEL_BARS)
        return bars // (timedelta(minutes=1) // BAR)

    def orders_a_day(self, at: IntArray) -> RealArray:
        """What is expected in a bar, at each of some columns, comes to in a day; 0 where nothing is known."""
        return self.usual.expected.before(at, 1) / UNIT * BARS_A_DAY

    def orders_in(self, bars: int, at: IntArray) -> IntArray:
        """Orders in the bars up to and with each of some columns."""
        return self._orders.before(at, bars)

    @cached_property
    def _orders(self) -> Sums:
        return Sums(self.grid.orders)

    def rises(self, at: IntArray) -> dict[str, RealArray]:
        """Channel -> score of each of some columns."""
        return rises(self.grid, self.size[:, at], self.usual, at)

    def falls(self, at: IntArray) -> dict[str, RealArray]:
        """The same of too few orders."""
        return falls(self.grid, self.usual, at)


def recent_size(grid: Grid) -> RealArray:
    """Mean notional of an order in the whole quarter hours of the last four hours, [instrument, bar]; nan: none."""
    skip = -grid.first % BLOCK
    blocks = max((grid.bars - skip) // BLOCK, 0)
    inside = slice(skip, skip + blocks * BLOCK)
    shape = (len(grid.instruments), blocks, BLOCK)
    notional, orders = (x[:, inside].reshape(shape).sum(2) for x in (grid.notional, grid.orders))
    mean = np.full((shape[0], blocks + 1), np.nan)
    for block in range(1, blocks + 1):
        money, count = np.zeros(shape[0]), np.zeros(shape[0], np.int64)
        for earlier in range(max(block - _RECENT_BLOCKS, 0), block):
            money, count = money + notional[:, earlier], count + orders[:, earlier]
        mean[:, block] = np.where(count > 0, money / np.maximum(count, 1), np.nan)
    found: RealArray = np.concatenate([np.full((shape[0], skip), np.nan), np.repeat(mean, BLOCK, axis=1)], axis=1)
    return found[:, : grid.bars]


def stalls(grid: Grid) -> tuple[FlagArray, FlagArray]:
    """The bars in which a market's venue stood still, and those in which nothing is known to have moved for long.

    Still: no market of a venue with two or more traded in this bar and the one before, though in nearly every bar
    before some did, and ids prove that no trade was missed. Long: none of them traded for an hour. All venues at once
    stand still by the same rule, if each of them traded in half of the bars before.
    """
    long = np.zeros(grid.orders.shape, bool)
    stalled = np.zeros(grid.orders.shape, bool)
    venues: dict[str, list[int]] = {}
    for row, (exchange, _) in enumerate(grid.instruments):
        venues.setdefault(exchange, []).append(row)
    every = list(range(len(grid.instruments)))
    together = [every] if len(venues) > 1 else []
    column = np.arange(grid.bars)
    for rows in (*venues.values(), *together):
        traded = grid.orders[rows] > 0
        busy: FlagArray = np.asarray(traded.any(0))
        silent: FlagArray = ~busy
        silent[1:] &= ~busy[:-1]
        if len(rows) < 2 or not silent.any():
            continue
        last = np.maximum.accumulate(np.where(busy, column, -1))
        at = np.maximum(last, 0)
        usually = _share(busy, at) >= _USUALLY
        active = (rolled(traded.astype(np.int64), _USUALLY_BARS) > 0)[:, at]
        proven = (grid.whole[rows] | ~active).all(0) & (active.sum(0) >= 2)
        lasts = column - last
        if rows is every:
            for mine in venues.values():
                usually &= _share(np.asarray((grid.orders[mine] > 0).any(0)), at) >= _OFTEN
            silent &= usually
        stalled[rows] |= silent & (last >= 0) & (lasts <= _LONGEST_STALL) & usually & proven
        long[rows] |= silent & (lasts > _LONGEST_STALL)
    return stalled, long


def _share(busy: FlagArray, at: IntArray) -> RealArray:
    """The share of the bars before with a trade, [bar]; up to and with each of some columns."""
    found: RealArray = rolled(busy[None].astype(np.int64), _USUALLY_BARS)[0][at] / _USUALLY_BARS
    return found


def never_still(bars: pl.DataFrame, changed: pl.DataFrame, since: datetime, until: datetime) -> bool:
    """Whether the markets that have not changed show, of each venue of those that have, that it never stood still.

    That is, whatever the changed ones (exchange, symbol) traded or had traded: of any two bars running, from the first
    to the last that begin in since <= t < until and hold a trade of the venue, some other market traded in one.
    """
    number = (pl.col("bar_start").dt.epoch("s") // int(BAR.total_seconds())).alias("bar")
    inside = pl.col("bar_start").is_between(since, until, closed="left")
    traded = bars.filter(inside & pl.col("exchange").is_in(changed["exchange"].unique().to_list()))
    ends = traded.group_by("exchange").agg(number.min().alias("first"), number.max().alias("last"))
    others = traded.join(changed, on=["exchange", "symbol"], how="anti").select("exchange", number).unique()
    gaps = others.sort("exchange", "bar").group_by("exchange").agg(
        pl.col("bar").min().alias("low"), pl.col("bar").max().alias("high"), pl.col("bar").diff().max().alias("gap")
    )  # fmt: skip
    joined = ends.join(gaps, on="exchange", how="left")
    moves = (
        (pl.col("low") <= pl.col("first") + 1)
        & (pl.col("high") >= pl.col("last") - 1)
        & (pl.col("gap").fill_null(1) <= 2)
    )
    return joined.select(moves.fill_null(value=False).all()).item()  # type: ignore[no-any-return]


def days_of(grid: Grid) -> list[int]:
    """The numbers of the days that a grid meets, from 1970."""
    return list(range(grid.first // BARS_A_DAY, (grid.first + grid.bars - 1) // BARS_A_DAY + 1))


def day_start(number: int) -> datetime:
    """When a day begins."""
    return EPOCH + number * timedelta(days=1)
