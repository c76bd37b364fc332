"""Batch on Spark: stored trades reduced in many tasks to bars, orders and runs of ids; the driver adds these up.

The work is cut by row group. Files are sorted by symbol, so a row group of a large file is a group of symbols, and
a small file is one piece; no shuffle, because bars, orders and runs of any pieces add up exactly.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from coattail.engines.batch import TradeFacts, facts_of_trades
from coattail.engines.recovery import KERNEL_COLUMNS
from coattail.landing.bars import merge_bars
from coattail.landing.orders import join_orders
from coattail.tables import BARS, ORDERS, RAW_TRADES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Piece = tuple[str, list[int], int]
"""Path, row groups, trades in them."""

_PIECES_PER_CORE = 2
_PART = pa.schema([("part", pa.binary())])


def facts_by(session: SparkSession) -> Callable[[Sequence[str]], TradeFacts]:
    """`trade_facts` (of Parquet files of raw_trades), distributed by this session."""

    def trade_facts(paths: Sequence[str]) -> TradeFacts:
        tasks = shared_out(paths, session.sparkContext.defaultParallelism * _PIECES_PER_CORE)
        if not tasks:
            return BARS.empty(), ORDERS.empty(), []
        numbers = session.range(0, len(tasks), 1, len(tasks))  # one task each
        reduced: Any = _reducing(tasks)  # Spark's types want pandas
        rows = numbers.mapInArrow(reduced, "part binary").toArrow()
        found: list[TradeFacts] = [pickle.loads(data) for data in rows.column("part").to_pylist()]
        return (
            merge_bars(pl.concat([bars for bars, _, _ in found]), histograms=False),
            join_orders(pl.concat([orders for _, orders, _ in found])),
            [run for _, _, runs in found for run in runs],
        )

    return trade_facts


def shared_out(paths: Sequence[str], most: int) -> list[list[Piece]]:
    """The row groups of the files, in their order, as at most so many tasks of about equal numbers of trades."""
    groups = [
        (path, number, metadata.row_group(number).num_rows)
        for path in paths
        for metadata in [pq.read_metadata(path)]
        for number in range(metadata.num_row_groups)
    ]
    total = sum(rows for _, _, rows in groups)
    tasks: list[list[Piece]] = [[] for _ in range(most)]
    before = 0
    for path, number, rows in groups:
        task = tasks[min(most - 1, before * most // max(total, 1))]
        if task and task[-1][0] == path:
            task[-1] = (path, [*task[-1][1], number], task[-1][2] + rows)
        else:
            task.append((path, [number], rows))
        before += rows
    return [task for task in tasks if task]


def _reducing(tasks: list[list[Piece]]) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """For `mapInArrow`: numbers of tasks in, one row of pickled `TradeFacts` for each out."""

    def reduce(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                facts = facts_of_trades(_read(tasks[number]))
                yield pa.RecordBatch.from_arrays([pa.array([pickle.dumps(facts)])], schema=_PART)

    return reduce


def _read(pieces: Sequence[Piece]) -> pl.DataFrame:
    """Trades of the pieces, sorted by exchange, symbol, trade id."""
    schema = {name: RAW_TRADES.schema[name] for name in KERNEL_COLUMNS}
    frames = []
    for path, numbers, _ in pieces:
        with pq.ParquetFile(path) as file:
            names = [name for name in KERNEL_COLUMNS if name in file.schema_arrow.names]
            frame = pl.from_arrow(file.read_row_groups(numbers, columns=names, use_threads=False))
        assert isinstance(frame, pl.DataFrame)
        lacking = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in names]
        frames.append(frame.with_columns(lacking).select(pl.col(n).cast(t) for n, t in schema.items()))
    return pl.concat(frames).sort("exchange", "symbol", "trade_id")
