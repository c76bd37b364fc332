"""Batch on Spark: parts of the stored trades reduced in many tasks; the driver adds up what they come to.

Files are sorted by symbol, so a slice of a large file is a group of symbols, and small files are one part together.
No shuffle, because bars, orders and runs of ids of any parts add up exactly.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from coattail.engines.reduction import FileRows, TradeFacts, added_up, facts_of_part, parts_of
from coattail.stores.files import TableFiles

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TASKS_PER_CORE = 2
_FACTS = pa.schema([("facts", pa.binary())])


def facts_by(session: SparkSession) -> Callable[[TableFiles], TradeFacts]:
    """`trade_facts` (of files of raw_trades), distributed by this session."""

    def trade_facts(files: TableFiles) -> TradeFacts:
        tasks = shared_out(parts_of(files), session.sparkContext.defaultParallelism * _TASKS_PER_CORE)
        if not tasks:
            return added_up([])
        numbers = session.range(0, len(tasks), 1, len(tasks))  # one task each
        reducing: Any = _reducing(tasks)  # Spark's types want pandas
        rows = numbers.mapInArrow(reducing, "facts binary").toArrow()
        return added_up([pickle.loads(data) for data in rows.column("facts").to_pylist()])

    return trade_facts


def shared_out(parts: Sequence[FileRows], most: int) -> list[list[FileRows]]:
    """The parts, in their order, as at most `most` tasks of about equal numbers of trades."""
    total = sum(part.rows for part in parts)
    tasks: list[list[FileRows]] = [[] for _ in range(most)]
    before = 0
    for part in parts:
        middle = before + part.rows / 2
        tasks[min(most - 1, int(middle * most / max(total, 1)))].append(part)
        before += part.rows
    return [task for task in tasks if task]


def _reducing(tasks: list[list[FileRows]]) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """For `mapInArrow`: numbers of tasks in, one row of pickled `TradeFacts` for each out."""

    def reduce(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                facts = added_up([facts_of_part(part) for part in tasks[number]])
                yield pa.RecordBatch.from_arrays([pa.array([pickle.dumps(facts)])], schema=_FACTS)

    return reduce
