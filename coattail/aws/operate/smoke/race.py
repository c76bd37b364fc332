"""Four writers of one table at a time: one commit is taken, and nobody is told of one that is not."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException

from coattail.aws.operate.smoke.run import CheckFailed, Smoke
from coattail.stores.catalog import NAMESPACE
from coattail.stores.opening import lake_properties

WRITERS = 4


def raced(smoke: Smoke) -> str:
    """Of four commits upon the same snapshot one is taken; repeated until each is, the table has every row once."""
    properties = lake_properties(smoke.home, smoke.settings)
    name = (NAMESPACE, f"smoke_race_{uuid.uuid4().hex[:8]}")

    def connected() -> Catalog:
        return load_catalog("smoke", **properties)

    catalog = connected()
    rows = pa.schema([pa.field("writer", pa.int64(), nullable=False)])
    catalog.create_table(name, schema=rows, properties={"commit.retry.num-retries": "0"})
    try:
        first, refused = race(connected, name, WRITERS)
        after_first = catalog.load_table(name).scan().to_arrow().num_rows
        if len(first) != 1 or after_first != 1:
            raise CheckFailed(
                f"{len(first)} of {WRITERS} racing commits were acknowledged, stored: {after_first}",
                next_step="this catalog does not compare before it commits: do not use it",
            )
        attempts = 1
        left = [writer for writer in range(WRITERS) if writer not in first]
        while left:
            attempts += 1
            taken, _ = race(connected, name, WRITERS, only=left)
            left = [writer for writer in left if writer not in taken]
            if attempts > 4 * WRITERS:
                raise CheckFailed(f"{len(left)} writers never got their turn", next_step="look at Glue's throttling")
        stored = Counter(catalog.load_table(name).scan().to_arrow()["writer"].to_pylist())
        if stored != Counter(range(WRITERS)):
            raise CheckFailed(f"{dict(stored)} is stored, not each of {WRITERS} once", next_step="do not use it")
    finally:
        catalog.purge_table(name)
    return f"{WRITERS} racing commits: 1 taken, {refused} refused; in {attempts} rounds all of them, each once"


def race(
    connected: Callable[[], Catalog], name: tuple[str, str], writers: int, only: list[int] | None = None
) -> tuple[list[int], int]:
    """Who was told that the commit was taken, and how many were refused. connected: Makes a catalog for each writer."""
    racing = list(range(writers)) if only is None else only
    gate, taken, refused = threading.Barrier(len(racing)), list[int](), list[int]()

    def write(writer: int) -> None:
        table = connected().load_table(name)
        row = pa.table({"writer": [writer]}, schema=pa.schema([pa.field("writer", pa.int64(), nullable=False)]))
        gate.wait(timeout=60)
        try:
            table.append(row)
            taken.append(writer)
        except CommitFailedException:
            refused.append(writer)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in racing]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken, len(refused)
