"""Spark's Python daemon, made quick: what tasks need is imported once, before workers are forked.

Spark starts it as `python -m coattail.spark.worker` (spark.python.daemon.module). PySpark's worker calls
`importlib.invalidate_caches()` at the start of every task, which on Python 3.11 reads the directory of `pyspark.zip`
again for every entry of the path that lies in it: 0.3 s for nothing, as no archive changes while Spark runs.
A warm `mapInArrow` that only hands four partitions through takes 0.16 s with this daemon and 0.85 s with PySpark's
own (medians, two shared cores).

No Polars query may run before the fork: its threads do not exist in the child, which would wait for them forever.
"""

from __future__ import annotations

import gc
import importlib
import zipimport

FIRST = ("polars", "pyarrow.parquet", "coattail.landing.kernel", "coattail.stores.parquet")
"""What every task of the engine needs."""


def main() -> None:
    """Import, freeze, then be PySpark's daemon until Spark closes its standard input."""
    setattr(zipimport.zipimporter, "invalidate_caches", _keep_caches)  # noqa: B010 (its type in typeshed is wrong)
    for name in FIRST:
        importlib.import_module(name)
    manager = importlib.import_module("pyspark.daemon").manager
    gc.collect()
    gc.freeze()
    manager()


def _keep_caches(importer: zipimport.zipimporter) -> None:
    """Forget nothing."""


if __name__ == "__main__":
    main()
