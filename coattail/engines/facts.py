"""Bars and large orders of the hours that are being judged: rebuilt from the tables, newer ones added."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import polars as pl

from coattail.engines.timeline import merged
from coattail.landing.bars import merge_bars
from coattail.landing.orders import join_orders
from coattail.records import EPOCH
from coattail.stores.lake import Lake
from coattail.tables import BARS, ORDERS, Table

_HOUR = timedelta(hours=1)
_SLOT = timedelta(minutes=10)
_IN_AN_HOUR = _HOUR // _SLOT
_SLOTS_KEPT = 30 * _IN_AN_HOUR


class FactStore:
    """Bars and orders by hour. What has not been committed yet is `pending`, and counts as much as the rest."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._bars = _Slots(partial(merge_bars, histograms=False), str(BARS.day_of))
        self._orders = _Slots(join_orders, str(ORDERS.day_of))
        self.pending_bars: list[pl.DataFrame] = []
        self.pending_orders: list[pl.DataFrame] = []

    def add(self, bars: pl.DataFrame, orders: pl.DataFrame) -> None:
        """Add the partial bars and order fragments of a batch."""
        self._bars.add(bars)
        self._orders.add(orders)
        if bars.height:
            self.pending_bars.append(bars)
        if orders.height:
            self.pending_orders.append(orders)

    def bars(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Merged bars (no histograms) of all hours that meet since…until."""
        return self._bars.between(since, until, lambda a, b: self._load(BARS, a, b, self.pending_bars))

    def orders(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Joined orders of all hours that meet since…until."""
        return self._orders.between(since, until, lambda a, b: self._load(ORDERS, a, b, self.pending_orders))

    nothing = BARS.empty(), ORDERS.empty()

    def past(self, since: datetime, until: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Merged bars and joined orders of since <= t < until, for what is learned of earlier days; not kept."""
        if since >= until:
            return self.nothing
        bars = merge_bars(self._read(BARS, since, until, self.pending_bars), histograms=False)
        return bars, join_orders(self._read(ORDERS, since, until, self.pending_orders))

    def _load(self, table: Table, first: int, last: int, pending: list[pl.DataFrame]) -> pl.DataFrame:
        return self._read(table, EPOCH + first * _HOUR, EPOCH + (last + 1) * _HOUR, pending)

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


class _Slots:
    """Rows by slots of an hour, those last asked for; what is added is merged when its slot is asked for.

    Hours are read at once, and added to in slots: a batch touches one or two of them, and merging is what it costs.
    """

    def __init__(self, merge: Callable[[pl.DataFrame], pl.DataFrame], column: str) -> None:
        self._merge = merge
        self._slot = (pl.col(column).dt.epoch("s") // (_SLOT // timedelta(seconds=1))).alias("slot")
        self._merged: OrderedDict[int, pl.DataFrame] = OrderedDict()
        self._added: dict[int, list[pl.DataFrame]] = {}

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows to the slots that are kept."""
        for (number,), part in rows.group_by(self._slot):
            if int(number) in self._merged:
                self._added.setdefault(int(number), []).append(part)

    def between(self, since: datetime, until: datetime, load: Callable[[int, int], pl.DataFrame]) -> pl.DataFrame:
        """Merged rows of all hours that meet since…until; `load` reads hours, from first to last, that are not kept."""
        hours = range((since - EPOCH) // _HOUR, (until - EPOCH) // _HOUR + 1)
        missing = [(hour, hour) for hour in hours if any(slot not in self._merged for slot in _slots(hour))]
        for first, last in merged(missing, within=1):
            rows = self._merge(load(first, last)).with_columns(self._slot)
            parts = {slot: part for (slot,), part in rows.group_by("slot", maintain_order=True)}
            for slot in range(first * _IN_AN_HOUR, (last + 1) * _IN_AN_HOUR):
                self._merged[slot] = parts.get(slot, rows.clear()).drop("slot")
                self._added.pop(slot, None)
        found = []
        for slot in (slot for hour in hours for slot in _slots(hour)):
            if added := self._added.pop(slot, None):
                self._merged[slot] = self._merge(pl.concat([self._merged[slot], *added]))
            self._merged.move_to_end(slot)
            found.append(self._merged[slot])
        while len(self._merged) > _SLOTS_KEPT:
            self._added.pop(self._merged.popitem(last=False)[0], None)
        return pl.concat(found)


def _slots(hour: int) -> range:
    return range(hour * _IN_AN_HOUR, (hour + 1) * _IN_AN_HOUR)
