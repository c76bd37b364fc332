"""Stored trades reduced to bars, orders and runs of ids, part by part, so that memory holds few of them at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple, TypeVar

import polars as pl

from coattail.exact import with_units
from coattail.landing.bars import bars_of, merge_bars, without_joints
from coattail.landing.coverage import Coverage
from coattail.landing.dedup import runs
from coattail.landing.ledger import Run
from coattail.landing.orders import join_orders, orders_of, with_neighbours
from coattail.stores.commits import through_of
from coattail.stores.files import FileSize, TableFiles
from coattail.stores.lake import Lake
from coattail.tables import BARS, ORDERS, RAW_TRADES

_Found = TypeVar("_Found")
TradeFacts = tuple[pl.DataFrame, pl.DataFrame, list[Run]]
"""Merged bars (no histograms, which no detector reads) and joined orders of some trades, and the runs of their ids."""


class FileRows(NamedTuple):
    """Trades that are reduced at once: `rows` of these files together, from row `start` of the first."""

    files: TableFiles
    start: int
    rows: int


_PART_ROWS, _MOST_ROWS = 64_000, 1_000_000
"""Trades reduced at once: from small files together, and at most from a large one (about 300 MB)."""
_ORDER = ("exchange", "symbol", "trade_id")
_SIDE_BY_SIDE = min(8, (os.cpu_count() or 1) + 1)
"""Parts reduced at once: on two cores three took 0.66 s for 2.2 M trades, two 0.78, one 0.92."""
KERNEL_COLUMNS = (
    "exchange", "symbol", "trade_id", "last_trade_id", "price", "quantity", "side", "timestamp", "session",
    "source",
)  # fmt: skip
"""What the kernels need of stored trades: bars, orders and coverage come from these."""


def trade_facts(files: TableFiles) -> TradeFacts:
    """Merged bars, joined orders and runs of ids of the trades in files of raw_trades, part by part.

    Bars, orders and runs of parts add up in any order, so how the files are grouped makes no difference. Several parts
    are reduced side by side: Polars keeps one core busy with some steps of a part, and all of them with others.
    """
    return added_up(list(reduced(parts_of(files), facts_of_part)))


def reduced(parts: Sequence[FileRows], reduce: Callable[[FileRows], _Found]) -> Iterator[_Found]:
    """What each part adds up to, in their order; few are in memory at a time, however many there are."""
    coming: deque[Future[_Found]] = deque()
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="reduce") as pool:
        for part in parts:
            coming.append(pool.submit(reduce, part))
            if len(coming) > _SIDE_BY_SIDE:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def facts_of_part(part: FileRows, *, histograms: bool = False) -> TradeFacts:
    """Bars, orders and runs of the trades of a part alone."""
    exact = with_neighbours(with_units(read_part(part, KERNEL_COLUMNS)))
    return bars_of(exact, histograms=histograms), orders_of(exact), runs(exact, remember=False)


def added_up(found: Sequence[TradeFacts]) -> TradeFacts:
    """What parts add up to together."""
    if not found:
        return BARS.empty(), ORDERS.empty(), []
    whole, before = [], Coverage()
    for bars, _, runs_of_part in found:
        whole.append(without_joints(bars, before.joints(runs_of_part)))
        before, _ = before.with_changes(runs_of_part)
    return (
        merge_bars(pl.concat(whole), histograms=False),
        join_orders(pl.concat([orders for _, orders, _ in found])),
        [run for _, _, runs_of_part in found for run in runs_of_part],
    )


def parts_of(files: TableFiles) -> list[FileRows]:
    """The trades of the files, in parts: small files together, a common one alone, a large one in slices."""
    parts: list[FileRows] = []
    few: list[FileSize] = []
    for location, count in files.files:
        if count >= _PART_ROWS:
            alone = files.only([(location, count)])
            parts += [FileRows(alone, start, min(_MOST_ROWS, count - start)) for start in range(0, count, _MOST_ROWS)]
            continue
        if few and _rows(few) + count > _PART_ROWS:
            parts.append(FileRows(files.only(few), 0, _rows(few)))
            few = []
        few.append((location, count))
    return [*parts, FileRows(files.only(few), 0, _rows(few))] if few else parts


def _rows(files: Sequence[FileSize]) -> int:
    return sum(count for _, count in files)


def read_part(part: FileRows, columns: Sequence[str]) -> pl.DataFrame:
    """The part's trades sorted by exchange, symbol, trade id: as one file's are, so looking saves sorting."""
    trades = part.files.rows().slice(part.start, part.rows).select(columns).collect()
    exchange, symbol, trade = (pl.col(name) for name in _ORDER)
    later = (exchange > exchange.shift()) | (
        (exchange == exchange.shift())
        & ((symbol > symbol.shift()) | ((symbol == symbol.shift()) & (trade >= trade.shift())))
    )
    in_order = trades.select(later.fill_null(value=True).all()).item()
    return trades if in_order else trades.sort(_ORDER)


def bars_now(lake: Lake, *, since: datetime | None = None, until: datetime | None = None) -> pl.DataFrame:
    """Partial bars with since <= bar_start < until, up to the newest trade; without histograms where they are new.

    Bars are committed once a minute, trades every few seconds: what landed after the bars is reduced here.
    """
    newest = lake.newest(BARS.name)
    bars = lake.scan(BARS, since=since, until=until, snapshot_id=newest.snapshot_id if newest is not None else None)
    fresh = lake.files(RAW_TRADES.name, since=through_of(newest)) if lake.has(RAW_TRADES.name) else []
    if not fresh:
        return bars
    inside = pl.lit(value=True)
    inside = inside if since is None else inside & (pl.col("bar_start") >= since)
    inside = inside if until is None else inside & (pl.col("bar_start") < until)
    return pl.concat([bars, trade_facts(lake.reading(RAW_TRADES, fresh))[0].filter(inside)])
