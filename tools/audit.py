"""Does a detector peek, or judge before it has seen enough? Its verdicts again, on history that is cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from coattail.detectors import BaseDetector, Facts

_LATENESS = timedelta(seconds=10)
_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_SAID_BY = ("fitted_days", "usual_days", "learned_days", "baseline_windows")
"""Columns by which a row says that it was judged by less history; `fitted_days` also by being null."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What is wrong with a detector: at which cut, and for how many rows."""

    detector: str
    kind: str
    """look-ahead, warm-up (differs after it), or silent (differs during it without saying so)."""
    cut: datetime
    rows: int
    example: str
    """The first row that is wrong."""


def look_ahead(detector: BaseDetector, facts: Facts, cuts: Iterable[datetime]) -> list[Difference]:
    """Findings where a verdict that was closed at a cut is another one with what came later.

    Cuts lie on whole bars. Coverage of ids is taken as it was known at the cut.
    """
    whole = detector.score(facts)
    found = []
    for cut in cuts:
        closed = pl.col("detected_at") <= cut - _LATENESS
        then = detector.score(_until(facts, cut)).filter(closed)
        found += _differing(detector, "look-ahead", cut, then, whole.filter(closed))
    return found


def warm_up(detector: BaseDetector, facts: Facts, starts: Iterable[datetime]) -> list[Difference]:
    """Findings where the facts begin later, and verdicts differ: after the warm-up, or in it without saying so.

    The warm-up is the detector's window and lookback, and to the end of the day on which its history is complete.
    """
    whole = detector.score(facts)
    found = []
    for start in starts:
        rows = detector.score(_since(facts, start))
        settled = start + detector.window + detector.lookback
        if detector.history:
            settled = max(settled, _midnight(start) + detector.history + _DAY)
        after = pl.col("detected_at") > settled
        found += _differing(detector, "warm-up", start, rows.filter(after), whole.filter(after))
        young = pl.col("detected_at").is_between(start, settled, closed="right")
        found += _unsaid(detector, start, rows.filter(young), whole.filter(young))
    return found


def _differing(
    detector: BaseDetector, kind: str, cut: datetime, rows: pl.DataFrame, others: pl.DataFrame
) -> list[Difference]:
    """Rows that are not the same in both."""
    names = sorted(set(rows.columns) - {"closed"})
    both = [frame.select(names).unique() for frame in (rows, others)]
    one_sided = [a.join(b, on=names, how="anti", nulls_equal=True) for a, b in (both, reversed(both))]
    odd = pl.concat(one_sided)
    return [_finding(detector, kind, cut, odd)] if odd.height else []


def _unsaid(detector: BaseDetector, start: datetime, rows: pl.DataFrame, others: pl.DataFrame) -> list[Difference]:
    """Rows judged by less history that differ from the whole one's, and by which nobody could tell."""
    keys = list(detector.table.latest_by)
    verdict = [n for n in rows.columns if n not in (*keys, "closed")]
    pairs = rows.join(others.select(*keys, *verdict), on=keys, suffix="_whole", nulls_equal=True)
    differs = pl.any_horizontal(pl.col(n).ne_missing(pl.col(f"{n}_whole")) for n in verdict)
    said = [pl.col("state") != "judged"] if "state" in rows.columns else []
    said += [pl.col(n).ne_missing(pl.col(f"{n}_whole")) for n in _SAID_BY if n in rows.columns]
    said += [pl.col("fitted_days").is_null()] if "fitted_days" in rows.columns else []
    silent = pairs.filter(differs & ~pl.any_horizontal(*said, pl.lit(value=False)))
    return [_finding(detector, "silent", start, silent)] if silent.height else []


def _finding(detector: BaseDetector, kind: str, cut: datetime, odd: pl.DataFrame) -> Difference:
    first = odd.sort("detected_at").row(0, named=True)
    name = f"{detector.preset} {detector.name}"
    return Difference(detector=name, kind=kind, cut=cut, rows=odd.height, example=str(first))


def _until(facts: Facts, cut: datetime) -> Facts:
    """What was known at a moment."""
    spans = facts.spans.filter(pl.col("first_ts") < cut).with_columns(
        pl.min_horizontal("last_ts", pl.lit(cut - _TICK, pl.Datetime("us", "UTC"))).alias("last_ts")
    )
    return replace(
        facts,
        bars=facts.bars.filter(pl.col("bar_start") < cut),
        orders=facts.orders.filter(pl.col("timestamp") < cut),
        spans=spans,
        watermark=cut - _LATENESS,
    )


def _since(facts: Facts, start: datetime) -> Facts:
    """Facts of trades from a moment on."""
    spans = facts.spans.filter(pl.col("last_ts") >= start).with_columns(
        pl.max_horizontal("first_ts", pl.lit(start, pl.Datetime("us", "UTC"))).alias("first_ts")
    )
    return replace(
        facts,
        bars=facts.bars.filter(pl.col("bar_start") >= start),
        orders=facts.orders.filter(pl.col("timestamp") >= start),
        spans=spans,
        since=max(facts.since, start),
    )


def _midnight(when: datetime) -> datetime:
    return when.replace(hour=0, minute=0, second=0, microsecond=0)


def audit(
    detectors: Sequence[BaseDetector], facts: Facts, *, cuts: Iterable[datetime], starts: Iterable[datetime]
) -> list[Difference]:
    """All findings about some detectors; none is as it should be."""
    ends, begins = list(cuts), list(starts)
    return [f for d in detectors for f in (*look_ahead(d, facts, ends), *warm_up(d, facts, begins))]
