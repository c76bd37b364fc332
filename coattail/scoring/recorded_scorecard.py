"""Presets on recorded markets with announced events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from coattail.detectors import BaseDetector
from coattail.scoring.announced import WITHIN, Announced
from coattail.scoring.judging import alerts_frame
from coattail.scoring.recorded import Together
from coattail.scoring.recorded_cards import recorded_card
from coattail.scoring.return_periods import with_periods


def recorded_scorecard(
    groups: Sequence[Together],
    announced: Announced,
    detectors: Mapping[str, Sequence[BaseDetector]],
    *,
    within: timedelta = WITHIN,
    progress: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Preset -> module -> type of alert -> its figures (`coattail.scoring.recorded_cards.recorded_card`).

    No market may be in two groups at one time: its alerts would count for both.

    `progress` is called with what is being judged, and how many of how many judgements are done.
    """
    here = [group for group in groups if group.judged]
    total, done = len(here) * sum(map(len, detectors.values())), 0
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for preset, modules in detectors.items():
        for detector in modules:
            parts = []
            for group in here:
                progress(f"{preset} {detector.name}, {group.evidence.name}", done, total)
                scored = detector.score(group.evidence.facts())
                told = with_periods(alerts_frame(detector.flag(scored)), detector.marks(scored))
                parts.append(_of_judged(told, group))
                done += 1
            alerts = pl.concat(parts)
            cards = {
                kind.name: recorded_card(detector, kind, here, announced, alerts, within=within)
                for kind in detector.alert_types
            }
            found.setdefault(preset, {})[detector.name] = {n: card for n, card in cards.items() if card is not None}
    return found


def _of_judged(alerts: pl.DataFrame, group: Together) -> pl.DataFrame:
    """The alerts without those about a market that is not judged yet: it began later than others of its group."""
    early = pl.DataFrame(
        [(market.exchange, market.symbol, market.since) for market in group.markets],
        schema={"exchange": pl.String, "symbol": pl.String, "since": alerts.schema["detected_at"]},
        orient="row",
    )
    kept = alerts.join(early, on=["exchange", "symbol"], how="left", maintain_order="left")
    return kept.filter((pl.col("detected_at") >= pl.col("since")).fill_null(value=True)).drop("since")
