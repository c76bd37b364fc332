"""What the same number of alarms would find by chance: the row that every figure has to be read beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from coattail.detectors.described import EVERY_MARKET
from coattail.scoring.cards import card, matched_days
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.judging import ALERTS_SCHEMA
from coattail.scoring.kinds import Kind
from coattail.symbols import base_of, quote_of

_TIMES = 10
ALWAYS_OFF = {"recall": 0.0, "false_per_day": 0.0, "precision": None}
"""A detector that never says anything."""


def places(kind: Kind, evidence: EvaluationSet) -> list[tuple[str | None, str]]:
    """(exchange, symbol) about which alarms of a kind can be."""
    traded, place = evidence.instruments, kind.answer.place
    if place == "venue":
        return [(exchange, EVERY_MARKET) for exchange in sorted({e for e, _ in traded})]
    stable = [(e, s) for e, s in traded if quote_of(s) == "USD" and base_of(s) in ("USDT", "USDC")]
    if place == "stablecoin":
        return list(stable)
    if place == "asset":
        bases = {base_of(s) for e, s in traded if (e, s) not in stable}
        return [(None, f"{base}-USD") for base in sorted(bases)]
    if place == "every asset":
        return [(None, EVERY_MARKET)]
    return list(traded)


def by_chance(kind: Kind, evidences: Sequence[EvaluationSet], counts: Sequence[int]) -> dict[str, Any]:
    """Recall, false episodes per day and precision of as many alarms at random moments and places; mean of ten tries.

    `counts`: alarms per evidence.
    """
    drawn = []
    for seed in range(_TIMES):
        rng = np.random.Generator(np.random.PCG64(seed))
        alerts = [_drawn(rng, kind, e, n) for e, n in zip(evidences, counts, strict=True)]
        drawn.append(card(kind, matched_days(evidences, alerts), markets=len(places(kind, evidences[0]))))

    def mean(name: str) -> float | None:
        values = [value for one in drawn if (value := one[name]["value"]) is not None]
        return round(sum(values) / len(values), 4) if values else None

    return {name: mean(name) for name in ("recall", "false_per_day", "precision")}


def _drawn(rng: np.random.Generator, kind: Kind, evidence: EvaluationSet, count: int) -> pl.DataFrame:
    """`count` alarms of a kind, each at a moment and a place drawn evenly."""
    step = kind.answer.every
    where = places(kind, evidence)
    moments = rng.integers(0, (evidence.until - evidence.since) // step, count)
    place = rng.integers(0, len(where), count)
    rows = [
        (kind.alert_type, where[p][1], where[p][0], "medium", evidence.since + int(m) * step, "{}")
        for m, p in zip(moments, place, strict=True)
    ]
    return pl.DataFrame(rows, schema=ALERTS_SCHEMA, orient="row")
