"""Whether return periods hold: counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from coattail.alerts import canonical_json
from coattail.scoring.judging import ALERTS_SCHEMA
from coattail.scoring.return_periods import JUDGED_SCHEMA, LEVELS, return_periods, with_periods

AT = datetime(2025, 3, 3, tzinfo=UTC)


def alerts(*said: tuple[float, float | None], symbol: str = "BTC-USDT") -> pl.DataFrame:
    """(minutes after the first moment, return period in days or None) as alerts."""
    rows = [
        ("volume_spike", symbol, "binance", "medium", AT + timedelta(minutes=minute), canonical_json(
            {} if days is None else {"return_days": days}
        ))
        for minute, days in said
    ]  # fmt: skip
    return with_periods(pl.DataFrame(rows, schema=ALERTS_SCHEMA, orient="row"), pl.DataFrame())


def test_an_episode_counts_once_as_rare_as_its_rarest() -> None:
    said = pl.concat([alerts((0, 0.6), (10, 8.0), (20, 3.5), (40, 1.2)), alerts((5, 31.0), symbol="ETH-USDT")])
    rows = return_periods(said, 60.0)
    assert [(row["return_days"], row["episodes"], row["expected"]) for row in rows] == [
        (0.5, 3, 120.0), (1.0, 3, 60.0), (3.0, 2, 20.0), (7.0, 2, 8.57), (30.0, 1, 2.0),
    ]  # fmt: skip
    ratio = rows[-1]["ratio"]
    assert ratio["value"] == 0.5
    assert ratio["low"] < 0.05
    assert 2.0 < ratio["high"] < 2.6


def test_what_is_more_frequent_than_the_budget_cannot_be_counted() -> None:
    assert [row["return_days"] for row in return_periods(alerts((0, 2.0)), 60.0, 1.0)] == list(LEVELS[1:])
    assert [row["return_days"] for row in return_periods(alerts((0, 2.0)), 60.0, 2.0)] == list(LEVELS)


def test_an_alert_that_raises_the_class_of_an_episode_is_not_another_one() -> None:
    """It comes after 20 minutes of alarms: more than a quarter of an hour after the first alert, and of its episode."""
    end = (AT + timedelta(minutes=30)).isoformat().replace("+00:00", "Z")
    details = [canonical_json({"return_days": days, "last_window_end": end}) for days in (0.6, 8.0)]
    rows = [
        ("volume_spike", "BTC-USDT", "binance", "medium", AT + timedelta(minutes=minute), said)
        for minute, said in zip((0, 20), details, strict=True)
    ]
    told = with_periods(pl.DataFrame(rows, schema=ALERTS_SCHEMA, orient="row"), pl.DataFrame())
    later = alerts((46, 9.0))
    assert [row["episodes"] for row in return_periods(told, 60.0)] == [1, 1, 1, 1, 0]
    assert [row["episodes"] for row in return_periods(pl.concat([told, later]), 60.0)] == [2, 2, 2, 2, 0]


@pytest.mark.parametrize("said", [(), ((0, None),)])
def test_alerts_that_say_no_return_period_are_not_counted(said: tuple[tuple[float, float | None], ...]) -> None:
    assert return_periods(alerts(*said), 60.0) == []


def test_an_episode_is_as_rare_as_its_rarest_moment_whatever_its_alert_says() -> None:
    """The alert tells of the moment that opened it; what came later of the same side until its end counts, too."""
    end = (AT + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    details = canonical_json({"return_days": 0.6, "last_window_end": end})
    told = pl.DataFrame(
        [("volume_spike", "BTC-USDT", "binance", "medium", AT, details)], schema=ALERTS_SCHEMA, orient="row"
    )
    moments = [
        (0, "BTC-USDT", "rise", 0.6, True), (4, "BTC-USDT", "rise", 2.5, True), (6, "BTC-USDT", "rise", 9.0, True),
        (3, "BTC-USDT", "fall", 8.0, True), (3, "ETH-USDT", "rise", 7.0, True), (4, "BTC-USDT", "rise", 6.0, False),
    ]  # fmt: skip
    names = ("exchange", "symbol", "side", "return_days", "countable", "detected_at")
    rows = [
        ("binance", symbol, side, days, counts, AT + timedelta(minutes=m)) for m, symbol, side, days, counts in moments
    ]
    marks = pl.DataFrame(rows, schema=names, orient="row").cast({"detected_at": told.schema["detected_at"]})
    assert with_periods(told, marks)["period"].to_list() == [2.5]
    assert with_periods(told, marks).schema == JUDGED_SCHEMA
    assert with_periods(told, marks.clear())["period"].to_list() == [0.6]
    assert with_periods(told.clear(), marks).schema == JUDGED_SCHEMA
