"""Markets in which nothing happens but what happens by itself, as evidence: do budgets and return periods hold?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from coattail.market import DEFAULT_INSTRUMENTS, TRUTH_SCHEMA, Character, long_run
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.recorded import WARM_UP, Recorded, Together
from coattail.tables import ORDERS

_DAY = timedelta(days=1)
START = datetime(2025, 3, 3, tzinfo=UTC)
"""When these markets begin."""


def stationary(
    character: Character, *, seed: int, days: int, start: datetime = START, warm_up: timedelta = WARM_UP
) -> Together:
    """`days` judged days of one market of a character, after the warm-up; for `recorded_scorecard` without events.

    `start`: A midnight UTC; the same market of another seed must be at another time to be judged beside this one.

    Its bars are those of `coattail.market.long_run`, and no trade is missing. There are no large orders: what is held
    here is what is said about volume.
    """
    instrument = DEFAULT_INSTRUMENTS[0]
    until = start + warm_up + _DAY * days
    bars = long_run(character, instrument, (until - start) // _DAY, seed=seed, start=start)
    spans = bars.group_by("exchange", "symbol").agg(
        pl.col("first_trade_id").min().alias("first_id"),
        pl.col("last_trade_id").max().alias("last_id"),
        pl.col("first_timestamp").min().alias("first_ts"),
        pl.col("last_timestamp").max().alias("last_ts"),
    )
    market = Recorded(
        exchange=instrument.exchange, symbol=instrument.symbol, first=start, last=until, since=start + warm_up
    )
    evidence = EvaluationSet(
        name=f"{character.name}, seed {seed}", bars=bars, orders=ORDERS.empty(), spans=spans,
        truth=pl.DataFrame(schema=TRUTH_SCHEMA), since=market.since, until=until,
    )  # fmt: skip
    return Together(evidence=evidence, markets=[market])
