"""The scorecard of one kind of alert: recall, false alarms per day, precision and delay, each with an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from coattail.market.matching import FEED_FAULTS, Matched, match
from coattail.market.prices import Floats
from coattail.scoring.evaluation import UNIT, EvaluationSet
from coattail.scoring.kinds import FURTHER, KINDS, Kind, binned
from coattail.scoring.resampling import Days

EPISODE = timedelta(minutes=15)
"""False alarms of one type and instrument, each within this time of the one before, are one."""
LONGEST = timedelta(hours=1)
"""What goes on for longer is reported, and counted, again: a detector that never stops is not a quiet one."""
_PLACE = ("unit", "alert_type", "symbol", "exchange")


@dataclass(frozen=True, kw_only=True)
class MatchedDays:
    """Alerts of some days held against their truth. A `unit` is a day of a market."""

    units: dict[str, float]
    """Name -> length in days."""
    planted: pl.DataFrame
    """As `Matched.planted`, with `unit`."""
    alarms: pl.DataFrame
    """As `Matched.alarms`, with `unit`."""


def matched_days(evidences: Sequence[EvaluationSet], alerts: Sequence[pl.DataFrame]) -> MatchedDays:
    """What the alerts of each evidence come to, together."""
    planted, alarms = [], []
    units: dict[str, float] = {}
    for evidence, raised in zip(evidences, alerts, strict=True):
        matched = match(evidence.truth, raised)

        def unit(when: str, name: str = evidence.name) -> pl.Expr:
            return pl.format("{} {}", pl.lit(name), pl.col(when).dt.strftime(UNIT)).alias("unit")

        planted.append(matched.planted.with_columns(unit("start")))
        alarms.append(matched.alarms.with_columns(unit("detected_at")))
        units |= evidence.units()
    return MatchedDays(units=units, planted=pl.concat(planted), alarms=pl.concat(alarms))


def of_run(matched: Matched, length: timedelta) -> dict[str, dict[str, Any]]:
    """Kind -> card of the kinds that one short run planted: days cannot be drawn anew, so intervals are of counts."""
    done = MatchedDays(
        units={"run": length / timedelta(days=1)},
        planted=matched.planted.with_columns(pl.lit("run").alias("unit")),
        alarms=matched.alarms.with_columns(pl.lit("run").alias("unit")),
    )
    there = set(matched.planted["kind"])
    return {name: card(kind, done, markets=1) for name, kind in (KINDS | FURTHER).items() if name in there}


def card(kind: Kind, done: MatchedDays, *, markets: int) -> dict[str, Any]:
    """The figures of a kind: JSON types only.

    `recall` of planted events (whales that nobody planted apart, as `natural`), `by_size` x duration; `precision` =
    events found / (events found + false episodes); `false_per_day` counts episodes, `false_alerts_per_day` alerts, both
    with those about the feed's own faults, which `fault_alerts_per_day` counts alone; `per_market_day` is for each of
    the `markets` markets, null where there is none. `delay_s` from the start of an event to its first alarm, in event
    time.
    """
    days = Days(done.units)
    events = binned(done.planted, kind)
    planted, natural = events.filter(~pl.col("natural")), events.filter("natural")
    alarms = done.alarms.filter(pl.col("alert_type") == kind.alert_type)
    wrong = false_alarms(alarms)
    episodes = _per_day(days, false_episodes(wrong))
    found = events.filter("found")
    hits = _per_day(days, found)
    explained = alarms.filter((pl.col("verdict") == "explained") & ~_of_the_feed())
    faults = alarms.filter(_of_the_feed())
    return {
        "kind": kind.name,
        "alert_type": kind.alert_type,
        "events": planted.height,
        "recall": _recall(days, planted),
        **({"natural": {"events": natural.height, "recall": _recall(days, natural)}} if natural.height else {}),
        "by_size": [
            {"size": size, "length": length, "events": here.height, **_recall(days, here)}
            for size, _ in kind.answer.sizes
            for length, _ in kind.answer.lengths
            if (here := planted.filter((pl.col("size_bin") == size) & (pl.col("length_bin") == length))).height
        ],
        "alerts_per_day": days.rate(_per_day(days, alarms))["value"],
        "false_per_day": days.rate(episodes),
        "per_market_day": {
            k: None if v is None or not markets else round(v / markets, 4) for k, v in days.rate(episodes).items()
        },
        "false_alerts_per_day": days.rate(_per_day(days, wrong)),
        "fault_alerts_per_day": days.rate(_per_day(days, faults)),
        "faults": _counted(faults),
        "explained_per_day": days.rate(_per_day(days, explained))["value"],
        "explained": _counted(explained),
        "precision": days.share(hits, hits + episodes),
        "delay_s": {f"p{round(100 * q)}": _delay(days, found, q) for q in (0.5, 0.95)},
    }


def false_alarms(alarms: pl.DataFrame) -> pl.DataFrame:
    """The alarms that no event of the market accounts for: false ones, and those about faults of the feed."""
    return alarms.filter((pl.col("verdict") == "false") | _of_the_feed())


def _of_the_feed() -> pl.Expr:
    return (pl.col("verdict") == "explained") & pl.col("cause").is_in(FEED_FAULTS)


def false_episodes(wrong: pl.DataFrame) -> pl.DataFrame:
    """The first alarm of every episode."""
    keys = list(_PLACE)
    ranked = wrong.sort(*keys, "detected_at")
    apart = (pl.col("detected_at").diff().over(keys) > EPISODE).fill_null(value=True)
    begun = pl.when(apart).then(pl.col("detected_at")).forward_fill().over(keys)
    hour = (pl.col("detected_at") - begun).dt.total_seconds() // int(LONGEST.total_seconds())
    return ranked.with_columns(begun.alias("begun"), hour.alias("hour")).unique(
        [*keys, "begun", "hour"], keep="first", maintain_order=True
    )


def _recall(days: Days, events: pl.DataFrame) -> dict[str, float | None]:
    return days.share(_per_day(days, events.filter("found")), _per_day(days, events))


def _delay(days: Days, found: pl.DataFrame, q: float) -> dict[str, float | None]:
    place = {unit: number for number, unit in enumerate(days.units)}
    unit = np.array([place[name] for name in found["unit"]], np.int64)
    return days.quantile(found["delay_s"].to_numpy(), unit, q)


def _per_day(days: Days, rows: pl.DataFrame) -> Floats:
    counts: Mapping[str, int] = dict(rows["unit"].value_counts().iter_rows())
    return np.array([counts.get(unit, 0) for unit in days.units], np.float64)


def _counted(alarms: pl.DataFrame) -> dict[str, int]:
    return dict(alarms["cause"].value_counts().sort("cause").iter_rows())
