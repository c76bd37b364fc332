"""No detector peeks, none judges before it has seen enough without saying so; one that does is caught."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta

import polars as pl
import pytest

from coattail.detectors import DETECTORS, BaseDetector, Facts
from coattail.detectors.volume import VolumeAnomalyDetector
from coattail.scoring.evaluation import EvaluationSet
from tools.audit import audit, look_ahead, warm_up

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
ALL = [kind(preset=preset) for preset, modules in DETECTORS.items() for kind in modules.values()]


def facts_of(evidence: EvaluationSet) -> Facts:
    """The warm-up day is judged too: from its third hour to the end."""
    return replace(evidence.facts(), since=evidence.since - 21 * HOUR)


def learning_a_day(detector: BaseDetector) -> BaseDetector:
    """The detector with a history that fits into two days, if it has one."""
    changes = {"fit_days": 1} if any(f.name == "fit_days" for f in fields(detector)) else {}
    return replace(detector, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("detector", ALL, ids=lambda d: f"{d.preset}-{d.name}")
def test_no_detector_peeks_and_each_says_when_it_is_young(detector: BaseDetector, small: EvaluationSet) -> None:
    midnight = small.since
    cuts = [midnight - 2 * HOUR, midnight - timedelta(seconds=10), midnight + 5 * HOUR + timedelta(seconds=40)]
    starts = [midnight - 23 * HOUR, midnight - 9 * HOUR - timedelta(seconds=30)]
    assert audit([learning_a_day(detector)], facts_of(small), cuts=cuts, starts=starts) == []


@dataclass(frozen=True, kw_only=True)
class Peeking(VolumeAnomalyDetector):
    """Scores against the mean of all there is, what comes later included."""

    def score(self, facts: Facts) -> pl.DataFrame:
        rows = super().score(facts)
        return rows.with_columns((pl.col("z_score") - pl.col("z_score").mean()).alias("z_score"))


@dataclass(frozen=True, kw_only=True)
class Rash(VolumeAnomalyDetector):
    """Judges from the first minute on, and hides how little it has seen."""

    def score(self, facts: Facts) -> pl.DataFrame:
        rows = super().score(facts)
        since_the_first = (pl.col("window_start") - pl.col("window_start").min()).dt.total_seconds()
        return rows.with_columns(
            since_the_first.cast(pl.Float64).alias("z_score"),
            pl.lit("judged").alias("state"),
            pl.lit(60, pl.Int64).alias("baseline_windows"),
            pl.lit(None, pl.Float64).alias("baseline_mean"),
            pl.lit(None, pl.Float64).alias("baseline_deviation"),
        )


def test_a_detector_that_peeks_fails(small: EvaluationSet) -> None:
    found = look_ahead(Peeking(), facts_of(small), [small.since + 5 * HOUR])
    assert [f.kind for f in found] == ["look-ahead"]
    assert found[0].rows > 100
    assert found[0].detector == "classic volume-anomaly"


def test_a_detector_that_hides_its_youth_fails(small: EvaluationSet) -> None:
    found = warm_up(Rash(), facts_of(small), [small.since - 9 * HOUR])
    assert {f.kind for f in found} == {"silent", "warm-up"}


def test_a_longer_memory_than_it_admits_fails(small: EvaluationSet) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Forgetful(VolumeAnomalyDetector):
        """Says that it looks an hour back, and counts all that ever traded."""

        def score(self, facts: Facts) -> pl.DataFrame:
            traded = pl.col("trades").cum_sum().over("exchange", "symbol").cast(pl.Float64)
            return super().score(facts).with_columns(traded.alias("z_score"))

    found = warm_up(Forgetful(), facts_of(small), [small.since - 9 * HOUR])
    assert "warm-up" in {f.kind for f in found}
