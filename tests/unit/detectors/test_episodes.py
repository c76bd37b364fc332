"""Alarms of one event are one alert."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import polars as pl

from coattail.detectors.episodes import gathered, opening

START = datetime(2025, 3, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def minutes(alarms: list[int], length: int = 200, closed_before: int = 10_000) -> pl.DataFrame:
    frame = pl.DataFrame({"symbol": "A", "minute": range(length)}).with_columns(
        (pl.lit(START) + pl.col("minute") * MINUTE).alias("window_start"),
        (pl.lit(START) + (pl.col("minute") + 1) * MINUTE).alias("window_end"),
        pl.col("minute").is_in(alarms).alias("alarm"),
        (pl.col("minute") < closed_before).alias("closed"),
        pl.col("minute").cast(pl.Float64).alias("size"),
    )
    return frame.with_columns(opening(pl.col("alarm"), over=["symbol"], cooldown=15 * MINUTE).alias("opens"))


def episodes(alarms: list[int], **more: int) -> list[tuple[int, int, int]]:
    rows = minutes(alarms, **more).filter("alarm")
    found = gathered(rows, over=["symbol"], within=60 * MINUTE, score="size")
    return [(r["minute"], r["fired"], (r["last_end"] - START) // MINUTE) for r in found.to_dicts()]


def test_alarms_within_the_cooldown_of_the_one_before_belong_to_it() -> None:
    assert episodes([5, 6, 9, 24, 40]) == [(5, 4, 25), (40, 1, 41)]


def test_an_episode_counts_for_an_hour_and_goes_on_silently_after_it() -> None:
    assert episodes(list(range(10, 120, 5))) == [(10, 13, 71)]


def test_open_windows_do_not_count_into_a_closed_opening() -> None:
    assert episodes([10, 12], closed_before=12) == [(10, 1, 11)]
    assert episodes([10, 12], closed_before=5) == [(10, 2, 13)]


def test_whether_an_alarm_opens_depends_on_nothing_but_the_cooldown_before_it() -> None:
    rng = random.Random(1)
    alarms = sorted(rng.sample(range(600), 60))
    whole = minutes(alarms, 600)
    for start in (100, 333, 480):
        part = minutes(alarms, 600).drop("opens").filter(pl.col("minute") >= start - 15)
        part = part.with_columns(opening(pl.col("alarm"), over=["symbol"], cooldown=15 * MINUTE).alias("opens"))
        late = pl.col("minute") >= start
        assert part.filter(late)["opens"].to_list() == whole.filter(late)["opens"].to_list()
