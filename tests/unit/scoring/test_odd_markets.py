"""What detectors make of odd markets: mostly nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import pytest

from coattail.detectors import BaseDetector, Facts
from coattail.market import LIVELY, Market, market_facts
from coattail.scoring.scorecard import of_preset
from tests.harness.odd_markets import (
    START,
    all_stalled,
    market,
    minute_prices,
    new_at_noon,
    one_trade_a_day,
    stablecoin_stops,
    thousand_at_one_time,
    three_days_missing,
)

pytestmark = pytest.mark.slow

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def facts_of(made: Market) -> Facts:
    """What a market is, from its first moment on."""
    found = market_facts(made)
    return Facts(
        bars=found.bars, orders=found.orders, spans=found.spans, since=made.start, until=made.end, watermark=made.end
    )


def moved(facts: Facts, by: timedelta, *, venue: pl.Expr | None = None) -> Facts:
    """The facts later by a time, at some venues or at all."""
    here = pl.lit(value=True) if venue is None else venue

    def later(frame: pl.DataFrame) -> pl.DataFrame:
        times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
        return frame.with_columns(pl.when(here).then(pl.col(name) + by).otherwise(name).alias(name) for name in times)

    bars, orders, spans = (later(frame) for frame in (facts.bars, facts.orders, facts.spans))
    until = facts.until + by
    since = facts.since if venue is not None else facts.since + by
    return Facts(bars=bars, orders=orders, spans=spans, since=since, until=until, watermark=until)


def alerts(facts: Facts) -> list[tuple[str, str, datetime]]:
    """What `default` says of it: type, symbol, time."""
    detectors: tuple[BaseDetector, ...] = of_preset("default")
    return [(a.alert_type, a.symbol, a.detected_at) for d in detectors for a in d.flag(d.score(facts))]


def kinds(facts: Facts) -> set[str]:
    return {kind for kind, *_ in alerts(facts)}


def states(facts: Facts, symbol: str, since: datetime, until: datetime) -> Counter[str]:
    """The verdicts of the volume detector on a market's minutes."""
    detector = next(d for d in of_preset("default") if d.name == "volume-anomaly")
    rows = detector.kept(detector.score(facts)).filter(
        pl.col("symbol") == symbol, pl.col("window_start").is_between(since, until, closed="left")
    )
    return Counter(rows["state"].to_list())


@pytest.mark.parametrize("make", [thousand_at_one_time, minute_prices], ids=lambda make: make.__name__)
def test_one_sweep_and_prices_of_one_digit_raise_nothing(make: Callable[[], Market]) -> None:
    assert kinds(facts_of(make())) == set()


def test_a_stablecoin_that_trades_no_more_moves_no_spread() -> None:
    assert not kinds(facts_of(stablecoin_stops())) & {"spread_divergence", "stablecoin_depeg"}


def test_all_venues_that_stand_still_at_once_are_no_drought_but_stalls() -> None:
    facts = facts_of(all_stalled())
    found = alerts(facts)
    assert {(kind, symbol) for kind, symbol, _ in found} == {("venue_stall", "ALL")}
    assert {when for *_, when in found} == {START + HOUR + timedelta(minutes=2)}
    inside = states(facts, "SOL-USDT", START + HOUR + timedelta(minutes=1), START + HOUR + timedelta(minutes=9))
    assert inside == {"stalled": 8}


def test_a_market_of_one_trade_a_day_is_idle_and_raises_nothing() -> None:
    facts = facts_of(one_trade_a_day())
    assert kinds(facts) == set()
    assert "judged" not in states(facts, "SOL-USDT", START + 4 * DAY, START + 7 * DAY)


def test_a_market_that_appears_at_noon_is_judged_only_once_something_is_usual_there() -> None:
    facts = facts_of(new_at_noon())
    noon = START + 12 * HOUR
    assert not [one for one in alerts(facts) if one[1] == "SOL-USDT" and one[2] < noon + HOUR]
    seen = facts.bars.filter(symbol="SOL-USDT")["bar_start"].min()
    assert isinstance(seen, datetime)
    assert set(states(facts, "SOL-USDT", seen, seen + timedelta(minutes=10))) == {"partial", "short_history"}
    assert states(facts, "SOL-USDT", noon + 6 * HOUR, noon + 12 * HOUR)["judged"] > 340


def test_a_gap_of_three_days_is_neither_a_drought_nor_its_end_a_spike() -> None:
    facts = facts_of(three_days_missing())
    since, until = START + 2 * DAY, START + 5 * DAY
    assert not [when for *_, when in alerts(facts) if since <= when < until + HOUR]
    assert not states(facts, "SOL-USDT", since, until)["judged"]


def test_a_market_that_was_delisted_for_months_is_no_drought_and_comes_back_with_one_spike_at_most() -> None:
    before = facts_of(market(hours=2, character=LIVELY))
    after = moved(before, 90 * DAY)
    ids = pl.col("last_id").max(), pl.col("last_ts").max()
    key = ["exchange", "symbol"]
    shifted = after.spans.join(before.spans.group_by(key).agg(pl.col("last_id").max().alias("end")), on=key)
    shifted = shifted.with_columns(pl.col("first_id") + pl.col("end"), pl.col("last_id") + pl.col("end")).drop("end")
    both = pl.concat([before.spans, shifted.select(before.spans.columns)])
    whole = both.group_by(key, maintain_order=True).agg(pl.col("first_id", "first_ts").min(), *ids)
    facts = Facts(
        bars=pl.concat([before.bars, after.bars]), orders=pl.concat([before.orders, after.orders]),
        spans=whole.select(before.spans.columns), since=after.since - DAY, until=after.until, watermark=after.until,
    )  # fmt: skip
    back = Counter((kind, symbol) for kind, symbol, when in alerts(facts) if when < after.since + HOUR / 4)
    assert {kind for kind, _ in back} <= {"volume_spike"}, "ids prove that nothing traded: anything is much"
    assert max(back.values(), default=0) <= 1


def test_a_venue_whose_clock_is_an_hour_off_has_the_alerts_about_volume_that_it_has_with_the_right_one() -> None:
    def about_volume(of: Facts) -> set[tuple[str, str, datetime]]:
        return {one for one in alerts(of) if one[0].startswith(("volume", "venue_stall"))}

    facts = facts_of(market(hours=6, character=LIVELY))
    right = about_volume(facts)
    assert "SOL-USDT" in {symbol for _, symbol, _ in right}
    ahead = about_volume(moved(facts, HOUR, venue=pl.col("exchange") == "binance"))
    assert ahead == {(kind, symbol, when + HOUR * (symbol == "SOL-USDT")) for kind, symbol, when in right}
