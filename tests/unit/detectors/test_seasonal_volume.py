"""The volume detector of the preset `default`, against the same formulas written out by hand."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from coattail.detectors import Facts
from coattail.detectors.seasonal_fit import season_of
from coattail.detectors.seasonal_volume import SeasonalVolumeDetector
from coattail.market import DEFAULT_INSTRUMENTS, Market, PlantedBurst, market_facts

START = datetime(2025, 3, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@cache
def sparse(days: float = 2.5) -> Facts:
    """One market that trades some times a minute."""
    market = Market(
        seed=4,
        start=START,
        duration=days * DAY,
        rate=0.05,
        instruments=tuple(i for i in DEFAULT_INSTRUMENTS if i.key == "binance:BTC-USDT"),
        planted=(
            PlantedBurst(
                exchange="binance", symbol="BTC-USDT", start=START + 55 * 60 * MINUTE, length=5 * MINUTE, factor=8
            ),
        ),
    )
    found = market_facts(market)
    return Facts(
        bars=found.bars,
        orders=found.orders,
        spans=found.spans,
        since=START,
        until=market.end + timedelta(hours=1),
        watermark=market.end,
    )


def quantile(values: Sequence[float], q: float) -> float:
    place = q * (len(values) - 1)
    low, ranked = math.floor(place), sorted(values)
    return ranked[low] + (ranked[min(low + 1, len(ranked) - 1)] - ranked[low]) * (place - low)


def test_scores_are_what_the_formulas_say_minute_by_minute() -> None:
    detector = SeasonalVolumeDetector()
    facts = sparse()
    first_day = facts.bars.filter(pl.col("bar_start") < START + DAY)
    scored = detector.score(replace(facts, until=START + DAY)).sort("window_start").to_dicts()
    share, count = detector.trades_weight, {row["window_start"]: row for row in scored}
    x: list[float | None] = []
    for number in range(1440):
        here = first_day.filter(pl.col("bar_start").is_between(at(number), at(number + 1), closed="left"))
        volume, trades = float(here["notional"].sum() or 0), int(here["trades"].sum() or 0)
        covered = number > 0
        x.append((1 - share) * math.log1p(volume) + share * math.log1p(trades) if covered else None)
    away: list[float | None] = []
    level: list[float | None] = []
    for number in range(1440):
        before = [v for v in x[max(0, number - 240) : number] if v is not None]
        value, row = x[number], count.get(at(number))
        if value is None or len(before) < detector.minimum_windows:
            away.append(None)
            level.append(None)
            continue
        scale = max((quantile(before, 0.75) - quantile(before, 0.25)) / 1.349, detector.scale_floor)
        away.append(value - statistics.median(before))
        level.append(min(max((away[-1] or 0) / scale, -3.0), 6.0))
        expected = 0.6 * mean(away[:-1], 0.5) if mean(away[:-1], 0.5) is not None else 0.0
        if row is not None and row["state"] == "judged":
            assert row["z_score"] == pytest.approx(((away[-1] or 0) - expected) / scale, abs=2e-6)
            lasting = mean(level, 0.4)
            want = None if lasting is None else lasting / math.sqrt(0.4 / 1.6)
            assert row["sustained_score"] == (None if want is None else pytest.approx(want, abs=2e-6))
    assert sum(row["state"] == "judged" for row in scored) > 1_300


def at(minute: int) -> datetime:
    return START + minute * MINUTE


def mean(values: Sequence[float | None], weight: float) -> float | None:
    """The weighted mean of the last 15, newest first; None where a fifth of the weight is missing."""
    weights = [weight * (1 - weight) ** k for k in range(15)]
    last = [values[-1 - k] if k < len(values) else None for k in range(15)]
    present = sum(w for w, v in zip(weights, last, strict=True) if v is not None)
    if present < 0.8 * sum(weights):
        return None
    return sum(w * v for w, v in zip(weights, last, strict=True) if v is not None) / sum(weights)


def test_thresholds_come_from_whole_days_before_and_keep_the_budget_there() -> None:
    detector = SeasonalVolumeDetector(budget=6.0)
    facts = sparse()
    fit = detector.fit(facts.before(START + 2 * DAY, detector)).row(0, named=True)
    assert fit["fitted_days"] == pytest.approx(2.0, abs=0.01)
    assert fit["season"] is None, "two days are too few"
    known = replace(facts, fit_of=lambda _, __: pl.DataFrame(schema=detector.fit(facts.before(START, detector)).schema))
    scores = detector.score(replace(known, until=START + 2 * DAY))
    for channel, column in (("spike", "z_score"), ("sustained", "sustained_score")):
        peaks = scores.group_by(pl.col("window_start").dt.truncate("15m")).agg(pl.col(column).max())[column]
        assert (peaks > fit[f"{channel}_threshold"]).sum() in (5, 6), "three a day on all but two whole days"


def test_a_verdict_is_judged_by_what_was_learned_before_its_day() -> None:
    scored = SeasonalVolumeDetector().score(sparse()).filter(pl.col("state") == "judged")
    by_day = scored.group_by(pl.col("window_start").dt.date().alias("day")).agg(pl.col("fitted_days").unique())
    learned = {row["day"].day: row["fitted_days"] for row in by_day.to_dicts()}
    assert learned == {4: [None], 5: [1.0], 6: [2.0]}


def test_a_burst_is_one_alert_that_says_how_often_it_fired() -> None:
    detector = SeasonalVolumeDetector()
    begun = START + 55 * 60 * MINUTE
    alerts = [a for a in detector.flag(detector.score(sparse())) if begun <= a.detected_at <= begun + 20 * MINUTE]
    assert [a.alert_type for a in alerts] == ["volume_spike"]
    assert "fired" in alerts[0].message


def test_the_time_of_day_is_taken_out_once_three_days_were_seen() -> None:
    """A market with a day cycle of its own, and no noise: what is usual at noon is not a spike."""
    minutes = pl.DataFrame({"minute": range(4 * 1440)}).with_columns(
        window_start=pl.lit(START) + pl.col("minute") * MINUTE,
        x=10 + (pl.col("minute") * (2 * math.pi / 1440)).sin() * 2,
    )
    season = season_of(minutes)
    wave = np.sin(np.arange(1440) * 2 * math.pi / 1440) * 2
    assert np.abs(np.array(season) - wave).max() < 0.01


@pytest.mark.parametrize(("budget", "half"), [(4.0, 2.0), (8.0, 4.0)])
def test_without_a_day_of_history_the_budget_still_moves_the_threshold(budget: float, half: float) -> None:
    usual, other = SeasonalVolumeDetector(), SeasonalVolumeDetector(budget=budget)
    moved = usual._start("spike") - other._start("spike")
    assert moved == pytest.approx(usual.start_tail * math.log(half / 2.0), abs=1e-6)
