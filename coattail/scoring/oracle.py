"""How much there is to find: a detector that knows how much was to be expected at every moment.

It is no bound on what can be found, since it looks at counts alone, in windows of fixed lengths; but nobody who has
to learn what is usual from the past can expect to find more in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from coattail.landing.bars import BAR
from coattail.market import Market
from coattail.market.prices import Floats
from coattail.market.true_rate import expected_orders
from coattail.scoring.cards import EPISODE, card, matched_days
from coattail.scoring.chance import places
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.judging import ALERTS_SCHEMA
from coattail.scoring.kinds import KINDS

NAME = "oracle"
WINDOWS = (6, 12, 30)
"""Bars that are looked at together: one, two and five minutes; the most unusual one counts."""
THRESHOLDS = {
    "burst": (10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 20.0),
    "drought": (8.0, 8.5, 9.0, 9.5, 10.0, 11.0, 12.0, 14.0, 16.0, 20.0, 25.0),
}
"""Kind of event -> the scores above which it is one; chosen so that false alarms go from a quarter to eight a day."""
_SIGN = {"burst": 1.0, "drought": -1.0}


def deviance(counted: Floats, expected: Floats) -> Floats:
    """How far counts lie from what was expected: the signed root of the deviance of a Poisson law.

    sign(x - mu) * sqrt(2 (x ln(x / mu) - (x - mu))), McCullagh and Nelder 1989; 0 ln 0 = 0.
    """
    mu = np.maximum(expected, 1e-9)
    log = np.log(np.where(counted > 0, counted, 1.0) / mu)
    root: Floats = np.sqrt(np.maximum(2 * (np.where(counted > 0, counted * log, 0.0) - (counted - mu)), 0.0))
    return np.sign(counted - mu) * root


def oracle_curves(
    evidences: Sequence[EvaluationSet],
    markets: Sequence[Market],
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Kind -> `oracle` -> points as those of `coattail.scoring.curves`, for bursts and droughts.

    `markets`: the one that each evidence was drawn from.
    """
    scores = [_scores(evidence, market) for evidence, market in zip(evidences, markets, strict=True)]
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, thresholds in THRESHOLDS.items():
        kind = KINDS[name]
        for threshold in thresholds:
            progress(f"oracle of {name}s, score {threshold:g}")
            alarms = [_alarms(one.select(*_KEY, "detected_at", name), threshold, kind.alert_type) for one in scores]
            figures = card(kind, matched_days(evidences, alarms), markets=len(places(kind, evidences[0])))
            if figures["recall"]["value"] is not None:
                found.setdefault(name, {}).setdefault(NAME, []).append(
                    {
                        "parameter": "score",
                        "value": threshold,
                        "recall": figures["recall"]["value"],
                        "natural_recall": None,
                        "false_per_market_day": figures["per_market_day"]["value"],
                        "alerts_per_day": figures["alerts_per_day"],
                    }
                )
    return {
        kind: {
            who: sorted(points, key=lambda p: (p["false_per_market_day"], p["recall"])) for who, points in by.items()
        }
        for kind, by in found.items()
    }


_KEY = ("exchange", "symbol")


def _scores(evidence: EvaluationSet, market: Market) -> pl.DataFrame:
    """exchange, symbol, detected_at, burst, drought: the score of each kind at the end of every judged bar."""
    moments = pl.datetime_range(evidence.since, evidence.until, BAR, closed="left", eager=True).alias("bar_start")
    parts = []
    for instrument in market.traded:
        here = (pl.col("exchange") == instrument.exchange) & (pl.col("symbol") == instrument.symbol)
        bars = evidence.bars.filter(
            here & pl.col("bar_start").is_between(evidence.since, evidence.until, closed="left")
        )
        counted = moments.to_frame().join(bars, on="bar_start", how="left", maintain_order="left")["orders"]
        orders = counted.fill_null(0).cast(pl.Float64).to_numpy()
        expected = expected_orders(market, instrument, evidence.since, evidence.until)
        kinds = {
            kind: np.max([sign * deviance(_together(orders, w), _together(expected, w)) for w in WINDOWS], axis=0)
            for kind, sign in _SIGN.items()
        }
        parts.append(
            pl.DataFrame({"detected_at": moments + BAR, **kinds}).with_columns(
                pl.lit(instrument.exchange).alias("exchange"), pl.lit(instrument.symbol).alias("symbol")
            )
        )
    return pl.concat(parts)


def _together(values: Floats, count: int) -> Floats:
    """The sum of each value and the `count` - 1 before it; of the first ones, of as many as there are."""
    sums = np.cumsum(np.concatenate([np.zeros(count), values]))
    found: Floats = sums[count:] - sums[:-count]
    return found


def _alarms(scores: pl.DataFrame, threshold: float, alert_type: str) -> pl.DataFrame:
    """The first moment of every episode whose score exceeds the threshold, as an alert.

    A window goes on after the event that filled it, so not every such moment may be held against the truth alone.
    """
    score = pl.col(scores.columns[-1])
    above = scores.filter(score > threshold).sort(*_KEY, "detected_at")
    begins = (pl.col("detected_at").diff().over(_KEY) > EPISODE).fill_null(value=True)
    return above.filter(begins).select(
        pl.lit(alert_type).alias("alert_type"), "symbol", "exchange", pl.lit("medium").alias("severity"),
        pl.col("detected_at").cast(ALERTS_SCHEMA["detected_at"]), pl.lit("{}").alias("details"),
    )  # fmt: skip
