"""Python tasks run in workers that coattail's daemon forked."""

import os
import sys
import zipimport
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from coattail.home import Home
from coattail.spark.worker import FIRST

pytestmark = pytest.mark.spark


def test_workers_have_what_tasks_need_before_they_begin_and_can_query(spark: Callable[..., Any], tmp_path: Any) -> None:
    names = FIRST

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        loaded = [name in sys.modules for name in names]
        import polars as pl

        for batch in batches:
            total = pl.from_arrow(batch).lazy().select(pl.col("id").sum()).collect().item()  # type: ignore[union-attr]
            rows = {
                "loaded": all(loaded),
                "keeps": zipimport.zipimporter.invalidate_caches.__module__ == "__main__",
                "python": sys.executable,
                "threads": os.environ["POLARS_MAX_THREADS"],
                "total": total,
            }
            yield pa.RecordBatch.from_pylist([rows])

    session = spark(Home.open(tmp_path / "home", create=True))
    schema = "loaded boolean, keeps boolean, python string, threads string, total bigint"
    found = session.range(0, 10, 1, 2).mapInArrow(look, schema).toArrow().to_pylist()
    same = {"loaded": True, "keeps": True, "python": sys.executable, "threads": "1"}
    assert found == [{**same, "total": 10}, {**same, "total": 35}]
