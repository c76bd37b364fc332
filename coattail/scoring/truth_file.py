"""A truth file held against the trades of a home: is it about them at all?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from coattail.config import Settings
from coattail.engines.recompute import Stored
from coattail.engines.timeline import watermark
from coattail.errors import UsageError
from coattail.market import TRUTH_SCHEMA, identity_of
from coattail.records import when
from coattail.scoring.evaluation import EvaluationSet
from coattail.tables import UTC_MICROS

_SAME_SIZE, _SAME_TIME = 0.05, timedelta(seconds=1)
_ENOUGH = 0.5
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class TruthFile:
    """What a truth file says."""

    path: Path
    truth: pl.DataFrame
    identity: Mapping[str, object]
    """Of the market (seed, character, start, rate); empty where the file does not say."""

    def __str__(self) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.identity.items())
        return f"{self.path} ({said or 'which does not name its market'})"


def read_truth(path: Path) -> TruthFile:
    """The truth beside a simulated market: `truth.parquet`, `truth.json`, or the folder that holds them.

    Raises: UsageError: If it cannot be read, or is not a truth file.
    """
    file = path / "truth.parquet" if path.is_dir() else path
    try:
        if file.suffix == ".json":
            document = json.loads(file.read_text())
            return TruthFile(file, _from_json(document), {k: v for k, v in document.items() if k != "events"})
        frame = pl.read_parquet(file)
        return TruthFile(file, frame.select(TRUTH_SCHEMA.names()).cast(TRUTH_SCHEMA), identity_of(file))
    except FileNotFoundError:
        raise UsageError(
            f"there is no truth file {file}", next_step="`coattail simulate` writes truth.parquet beside its recordings"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"{file} is not a truth file ({first})",
            next_step="give the truth.parquet or truth.json of `coattail simulate`",
        ) from error


def _from_json(document: Mapping[str, Any]) -> pl.DataFrame:
    rows = [
        {
            **event,
            "start": datetime.fromisoformat(event["start"]),
            "end": datetime.fromisoformat(event["end"]),
            "detail": json.dumps(event["detail"]),
        }
        for event in document["events"]
    ]
    return pl.DataFrame(rows, schema=TRUTH_SCHEMA)


def of_home(
    stored: Stored, settings: Settings, *, since: datetime | None = None, until: datetime | None = None
) -> EvaluationSet:
    """The trades of a home as evidence without a truth, since <= t < until.

    Raises: UsageError: If nothing traded then.
    """
    low = when(stored.traded[0]) if stored.traded is not None else None
    high = when(stored.traded[1]) + _MINUTE if stored.traded is not None else None
    if low is None or high is None or stored.bars.is_empty():
        raise UsageError(
            "nothing has landed in this home, so there is nothing to judge", next_step="replay a recording first"
        )
    begin, end = max(low, since or low), min(high, until or high)
    if begin >= end:
        raise UsageError(
            f"nothing traded then: trades of this home are from {low:%Y-%m-%d %H:%M} to {high:%Y-%m-%d %H:%M} UTC",
            next_step="give another --since or --until",
        )
    times = settings.time
    mark = when(watermark(stored.newest, lateness=times.lateness, idle_limit=times.idle_limit))
    return EvaluationSet(
        name="home", bars=stored.bars, orders=stored.orders, spans=stored.spans,
        truth=pl.DataFrame(schema=TRUTH_SCHEMA), since=begin, until=end, watermark=mark,
    )  # fmt: skip


def with_truth(evidence: EvaluationSet, truth_file: TruthFile) -> EvaluationSet:
    """The evidence with the events of the truth file that lie in its time.

    Raises: UsageError: If none does, or the file is about another market.
    """
    truth = truth_file.truth.filter((pl.col("start") < evidence.until) & (pl.col("end") >= evidence.since))
    if truth.is_empty():
        stretch = ""
        if truth_file.truth.height:
            moments = [*truth_file.truth["start"], *truth_file.truth["end"]]
            stretch = f": its events are from {min(moments):%Y-%m-%d %H:%M} to {max(moments):%Y-%m-%d %H:%M} UTC"
        raise UsageError(
            f"no event of {truth_file} lies between {evidence.since:%Y-%m-%d %H:%M} and "
            f"{evidence.until:%Y-%m-%d %H:%M} UTC, "
            f"when this home's trades happened{stretch}",
            next_step="give the truth of the market that landed here",
        )
    _check_same_market(evidence, truth_file, truth)
    begun = (
        datetime.fromisoformat(str(truth_file.identity["start"])) if "start" in truth_file.identity else evidence.since
    )
    return replace(evidence, truth=truth, since=max(evidence.since, begun))


def _check_same_market(evidence: EvaluationSet, truth_file: TruthFile, truth: pl.DataFrame) -> None:
    """Nothing, if the truth's large orders are among the trades."""
    traded = {f"{exchange}:{symbol}" for exchange, symbol in evidence.instruments}
    named = truth.filter(pl.col("exchange").is_not_null() & pl.col("symbol").is_not_null())
    unknown = sorted({f"{e}:{s}" for e, s in named.select("exchange", "symbol").iter_rows()} - traded)
    whales = truth.filter(pl.col("kind") == "whale").with_row_index("whale")
    near = whales.join(
        evidence.orders.select("exchange", "symbol", "timestamp", pl.col("notional").cast(pl.Float64)),
        on=["exchange", "symbol"],
    ).filter(
        ((pl.col("timestamp").cast(UTC_MICROS) - pl.col("start")).abs() <= _SAME_TIME)
        & ((pl.col("notional") / pl.col("size") - 1).abs() <= _SAME_SIZE)
    )
    there = near["whale"].n_unique()
    if unknown and len(unknown) == named.select("exchange", "symbol").n_unique():
        why = f"it is about {', '.join(unknown)}, of which no trade is here"
    elif whales.height and there < _ENOUGH * whales.height:
        why = f"of its {whales.height} large orders of that time {there} are here"
    else:
        return
    raise UsageError(
        f"{truth_file} is about another market than the trades of this home: {why}",
        next_step="give the truth of the market that landed here",
    )
