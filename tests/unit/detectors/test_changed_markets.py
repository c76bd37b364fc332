"""What is said of simulated markets after seven days: when nothing happens, they change for good, or crash."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest

from coattail.detectors.base import DAY, Facts
from coattail.detectors.rare_volume import RareVolumeDetector
from coattail.detectors.volume import VOLUME_DROP, VOLUME_SPIKE
from coattail.market.character import LIVELY, QUIET, SMALL, THIN, Character
from coattail.market.instruments import DEFAULT_INSTRUMENTS
from coattail.market.long_run import long_run
from coattail.scoring.stationary import START
from coattail.tables import ORDERS

pytestmark = pytest.mark.slow

LEARNED = 8
"""A day of which nothing is known, and a week."""
JUDGED = START + DAY * LEARNED


def drawn(character: Character, days: int, seed: int, start: datetime = START) -> pl.DataFrame:
    return long_run(character, DEFAULT_INSTRUMENTS[0], days, seed=seed, start=start)


def facts(bars: pl.DataFrame, since: datetime, until: datetime) -> Facts:
    """Of a market without a hole; its ids anew, because its parts have their own."""
    last = pl.col("trades").cum_sum().cast(pl.Int64)
    bars = bars.sort("bar_start").with_columns(
        (last - pl.col("trades") + 1).alias("first_trade_id"), last.alias("last_trade_id")
    )
    spans = bars.group_by("exchange", "symbol").agg(
        pl.col("first_trade_id").min().alias("first_id"), pl.col("last_trade_id").max().alias("last_id"),
        pl.col("first_timestamp").min().alias("first_ts"), pl.col("last_timestamp").max().alias("last_ts"),
    )  # fmt: skip
    return Facts(bars=bars, orders=ORDERS.empty(), spans=spans, since=since, until=until, watermark=until)


def alerts_by_day(bars: pl.DataFrame, days: int) -> dict[str, list[int]]:
    """Kind -> alerts on each day after those learned from."""
    detector = RareVolumeDetector()
    raised = detector.flag(detector.score(facts(bars, JUDGED, JUDGED + DAY * days)))
    number = Counter((alert.alert_type, (alert.detected_at - JUDGED) // DAY) for alert in raised)
    return {kind: [number[kind, day] for day in range(days)] for kind in (VOLUME_SPIKE.name, VOLUME_DROP.name)}


@pytest.mark.parametrize("character", [THIN, SMALL], ids=lambda character: character.name)
def test_a_week_in_which_nothing_happens_keeps_to_its_budget(character: Character) -> None:
    """Within half of it and one and a half times; of what is said once in 7 days, two weeks have few enough."""
    weeks = [alerts_by_day(drawn(character, LEARNED + 7, seed), 7) for seed in (5, 7)]
    rules = RareVolumeDetector()
    spikes, drops = (sum(sum(week[kind]) for week in weeks) / 14 for kind in (VOLUME_SPIKE.name, VOLUME_DROP.name))
    assert 0.5 * rules.budget <= spikes <= 1.5 * rules.budget
    assert drops <= 2.5 * rules.drop_budget


@pytest.mark.parametrize("factor", [3.0, 1 / 3], ids=["busier", "quieter"])
def test_a_market_that_changes_for_good_is_said_a_few_times_a_day(factor: float) -> None:
    """At most the three budgets of quarter hours that the rules allow, and over five days one and a half."""
    rules = RareVolumeDetector()
    for seed in (5, 7):
        changed = replace(QUIET, pace=(QUIET.pace or 1.0) * factor)
        before, after = drawn(QUIET, LEARNED, seed), drawn(changed, 5, seed + 1, JUDGED)
        found = alerts_by_day(pl.concat([before, after]), 5)[VOLUME_SPIKE.name]
        assert 0 < max(found) <= 3 * rules.budget, found
        assert sum(found) / 5 <= 1.5 * rules.budget, found


def test_twenty_times_the_volume_is_critical_in_the_first_minute() -> None:
    """In a market of fifty trades a minute, with the tails of a lively one."""
    calm = drawn(replace(LIVELY, pace=50.0), LEARNED + 1, 5)
    wild = drawn(replace(LIVELY, pace=1000.0, activity_sigma=0.0), 1, 11, JUDGED)
    detector = RareVolumeDetector()
    for hour in (3, 15):
        begins = JUDGED + timedelta(hours=hour)
        crash = pl.col("bar_start").is_between(begins, begins + timedelta(minutes=1), closed="left")
        bars = pl.concat([calm.filter(~crash), wild.filter(crash)])
        raised = detector.flag(detector.score(facts(bars, begins, begins + timedelta(seconds=61))))
        assert "critical" in {alert.severity for alert in raised}
