from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from coattail.errors import UsageError
from coattail.scoring.evaluation import EvaluationSet, Spec, simulated

pytestmark = pytest.mark.slow


def test_a_kept_market_is_read_back_as_it_was_drawn(tmp_path: Path) -> None:
    spec = Spec(seed=3, days=1, warm_up=0, rate=0.01)
    drawn, again = simulated(spec, tmp_path), simulated(spec, tmp_path)
    for name in ("bars", "orders", "spans", "truth"):
        assert getattr(drawn, name).equals(getattr(again, name))
    assert [p.suffix for folder in tmp_path.iterdir() for p in folder.iterdir()] == [".parquet"] * 4
    other = simulated(Spec(seed=4, days=1, warm_up=0, rate=0.01), tmp_path)
    assert not other.bars.equals(drawn.bars)
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_is_planted_in_the_days_before_those_that_are_judged(small: EvaluationSet) -> None:
    planted = small.truth.filter(~pl.col("detail").str.contains("natural"))
    assert planted.height > 30
    assert planted["start"].min() >= small.since  # type: ignore[operator]
    assert small.bars["bar_start"].min() <= small.since - timedelta(days=2)  # type: ignore[operator]


def test_units_are_the_days_that_are_judged_and_how_much_of_them() -> None:
    since = datetime(2025, 3, 10, 18, tzinfo=UTC)
    frame = pl.DataFrame()
    one = EvaluationSet(
        name="home", bars=frame, orders=frame, spans=frame, truth=frame, since=since, until=since + timedelta(hours=42)
    )
    assert one.units() == {"home 2025-03-10": 0.25, "home 2025-03-11": 1.0, "home 2025-03-12": 0.5}


def test_an_impossible_market_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown character 'loud'"):
        Spec(character="loud").market()
    with pytest.raises(UsageError, match="cannot be judged"):
        Spec(days=0).market()
