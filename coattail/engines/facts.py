"""Bars and large orders of the hours that are being judged: rebuilt from the tables, newer ones added."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

import polars as pl

from coattail.detectors import BaseDetector, Facts
from coattail.detectors.base import past_of
from coattail.landing.bars import merge_bars
from coattail.landing.orders import join_orders
from coattail.records import EPOCH
from coattail.stores.lake import Lake
from coattail.tables import BARS, ORDERS, Table

_HOUR = timedelta(hours=1)
_HOURS_KEPT = 30


class FactStore:
    """Bars and orders by hour. What has not been committed yet is `pending`, and counts as much as the rest."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._bars: OrderedDict[int, pl.DataFrame] = OrderedDict()
        self._orders: OrderedDict[int, pl.DataFrame] = OrderedDict()
        self.pending_bars: list[pl.DataFrame] = []
        self.pending_orders: list[pl.DataFrame] = []

    def add(self, bars: pl.DataFrame, orders: pl.DataFrame) -> None:
        """Add the partial bars and order fragments of a batch."""
        for hour, rows in _by_hour(bars, "bar_start"):
            if hour in self._bars:
                self._bars[hour] = merge_bars(pl.concat([self._bars[hour], rows]), histograms=False)
        for hour, rows in _by_hour(orders, "timestamp"):
            if hour in self._orders:
                self._orders[hour] = join_orders(pl.concat([self._orders[hour], rows]))
        if bars.height:
            self.pending_bars.append(bars)
        if orders.height:
            self.pending_orders.append(orders)

    def bars(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Merged bars (no histograms) of all hours that meet since…until."""
        found = []
        for hour in _hours(since, until):
            if hour not in self._bars:
                rows = self._load(BARS, hour, self.pending_bars)
                self._bars[hour] = merge_bars(rows, histograms=False)
            self._bars.move_to_end(hour)
            found.append(self._bars[hour])
        _shrink(self._bars)
        return pl.concat(found)

    def orders(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Joined orders of all hours that meet since…until."""
        found = []
        for hour in _hours(since, until):
            if hour not in self._orders:
                self._orders[hour] = join_orders(self._load(ORDERS, hour, self.pending_orders))
            self._orders.move_to_end(hour)
            found.append(self._orders[hour])
        _shrink(self._orders)
        return pl.concat(found)

    def past(self, spans: pl.DataFrame, detector: BaseDetector, day: datetime) -> Facts:
        """What a detector may learn from for the day that begins at `day`; looked at once a day, and not kept."""
        since = day - detector.history
        bars = merge_bars(self._read(BARS, since, day, self.pending_bars), histograms=False)
        orders = join_orders(self._read(ORDERS, since, day, self.pending_orders))
        return past_of(detector, day, bars=bars, orders=orders, spans=spans)

    def _load(self, table: Table, hour: int, pending: list[pl.DataFrame]) -> pl.DataFrame:
        start = EPOCH + hour * _HOUR
        return self._read(table, start, start + _HOUR, pending)

    def _read(self, table: Table, since: datetime, until: datetime, pending: list[pl.DataFrame]) -> pl.DataFrame:
        inside = pl.col(str(table.day_of)).is_between(since, until, closed="left")
        names = [name for name in table.schema if not name.startswith("histogram_")]
        rows = self._lake.scan(table, columns=names, since=since, until=until)
        return pl.concat([rows, *(f.filter(inside).select(names) for f in pending)])

    def take_pending(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Merged pending bars and orders, for the caller to commit; from now on the tables must hold them."""
        bars = merge_bars(pl.concat(self.pending_bars)) if self.pending_bars else BARS.empty()
        orders = join_orders(pl.concat(self.pending_orders)) if self.pending_orders else ORDERS.empty()
        self.pending_bars, self.pending_orders = [], []
        return bars, orders


def _by_hour(frame: pl.DataFrame, column: str) -> list[tuple[int, pl.DataFrame]]:
    hour = pl.col(column).dt.epoch("s") // 3600
    return [(int(key[0]), rows) for key, rows in frame.group_by(hour.alias("hour"))]


def _hours(since: datetime, until: datetime) -> range:
    return range((since - EPOCH) // _HOUR, (until - EPOCH) // _HOUR + 1)


def _shrink(cache: OrderedDict[int, pl.DataFrame]) -> None:
    while len(cache) > _HOURS_KEPT:
        cache.popitem(last=False)
