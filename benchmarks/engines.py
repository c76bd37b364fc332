"""One drain, or one reprocessing, by either engine, with its clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.inputs import home_with
from benchmarks.measuring import Spent, timed
from coattail.config import CLASSIC, load_settings
from coattail.engines.engine import Engine
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import Table


@dataclass(frozen=True)
class Drained:
    """Trades landed, and what it took: tables, alerts and derived tables included, the engine's start not."""

    landed: int
    spent: Spent
    home: Home


def drained(
    kind: type[Engine],
    stream: Path,
    folder: Path,
    overrides: Mapping[str, object] | None = None,
    tables: Iterable[Table] = (),
    *,
    preset: str = CLASSIC,
) -> Drained:
    """Drain a copy of the stream in a new home under `folder`, in which these tables are made before the clock runs."""
    home = home_with(stream, folder)
    lake = Lake(embedded(home.path))
    for table in tables:
        lake.create(table)
    lake.close()
    with kind(home, load_settings(home, overrides={"preset": preset, **(overrides or {})})) as engine:

        def work() -> None:
            engine.drain()
            engine.commit_derived()

        spent = timed(work)
        return Drained(engine.totals.landed, spent, home)
