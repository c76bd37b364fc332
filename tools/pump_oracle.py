"""How rare simulated pumps truly are: who knows years of a market without them could call so many of them high.

Detectors know a week. Here the highest quarter hours of many simulated days say how often a score is reached, counted,
not extrapolated; and the scores are those that `default` gives the first minute and a half of a pump.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coattail.detectors.base import DAY
from coattail.detectors.grid import BAR, RealArray, bar_of
from coattail.detectors.measured import REACH, Measured, day_start, days_of
from coattail.detectors.rare_fit import CHANNELS, HANDICAPS, SIDES
from coattail.detectors.rare_volume import RareVolumeDetector
from coattail.detectors.rarity import BLOCKS_A_DAY, Rarity, rarity_of
from coattail.market.character import Character
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.stationary import stationary
from tools.evidence_tables import markdown

WITHIN = timedelta(seconds=90) // BAR
STEPS = (7.0, 30.0)
"""Days: high, critical."""


def quarter_hours(character: Character, seeds: Sequence[int], days: int) -> NDArray[np.float64]:
    """The peaks of the rises of markets in which nothing is planted, [1, channel, block]; `days` of each seed."""
    detector, found = RareVolumeDetector(), []
    for seed in seeds:
        evidence = stationary(character, seed=seed, days=days).evidence
        facts = evidence.facts()
        for day in range(days):
            frame = facts.learned(detector, "peaks", evidence.since + DAY * day)
            found.append(frame["peaks"].to_numpy().reshape(CHANNELS, BLOCKS_A_DAY)[SIDES["rise"]])
    return np.concatenate(found, axis=1)[None].astype(np.float64)


def true_periods(peaks: RealArray, scores: RealArray) -> RealArray:
    """Days from one quarter hour to the next that reaches each score [event, channel, bar] at its highest.

    Twice all days where none did.
    """
    rarity: Rarity = rarity_of(peaks, HANDICAPS["rise"], doubted=False)
    usual = np.sort(rarity.parts(peaks).max(1)[0])
    highest = rarity.repeated(0, len(scores)).parts(scores).max((1, 2))
    reached = len(usual) - np.searchsorted(usual, highest, side="left")
    periods: RealArray = len(usual) / BLOCKS_A_DAY / np.maximum(reached, 0.5)
    return periods


def pump_scores(evidence: EvaluationSet, factors: tuple[float, float]) -> list[RealArray]:
    """Of each planted pump of such a size: the rises' scores [channel, bar] of its first 90 seconds."""
    facts, detector = evidence.facts(), RareVolumeDetector()
    grid = facts.grid(evidence.since - REACH, evidence.until)
    measured = Measured.of(grid, [(n, facts.learned(detector, "clock", day_start(n))) for n in days_of(grid)])
    pumps = evidence.truth.filter(kind="pump").select("exchange", "symbol", "start", "size")
    found = []
    for exchange, symbol, start, factor in pumps.iter_rows():
        if factors[0] <= factor < factors[1]:
            at = np.arange(WITHIN) + bar_of(start) - grid.first
            row = grid.instruments.index((exchange, symbol))
            found.append(np.nan_to_num(np.stack([score[row] for score in measured.rises(at).values()]), nan=-np.inf))
    return found


def rare_pumps(
    evidences: Mapping[Character, Sequence[EvaluationSet]], sizes: Mapping[str, tuple[float, float]],
    seeds: Sequence[int], days: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """A row for each character and size: `pumps`, and which share of them is as rare as high and critical say."""
    rows = []
    for character, sets in evidences.items():
        peaks = quarter_hours(character, seeds, days)
        for size, factors in sizes.items():
            periods = true_periods(peaks, np.stack([one for each in sets for one in pump_scores(each, factors)]))
            high, critical = (float((periods >= step).mean()) for step in STEPS)
            rows.append({
                "market": character.name, "size": size, "days": days * len(seeds), "pumps": len(periods),
                "high": round(high, 4), "critical": round(critical, 4),
            })  # fmt: skip
    return rows


def oracle_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same as a table."""
    columns = ["market", "times the trades", "pumps", "days without", "once in 7 days or rarer", "once in 30 or rarer"]
    return markdown(columns, [
        [row["market"], row["size"], str(row["pumps"]), f"{row['days']:,}", f"{row['high']:.0%}".replace("%", " %"),
         f"{row['critical']:.0%}".replace("%", " %")]
        for row in rows
    ])  # fmt: skip
