"""How good detectors are on a market whose truth is known: a simulated one, or the one that landed in a home."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coattail.alerts import DISCLAIMER
from coattail.config import PRESETS, Settings
from coattail.detectors import BaseDetector, detectors_for
from coattail.engines.recompute import stored_facts
from coattail.errors import UsageError
from coattail.scoring.charts import curves_of
from coattail.scoring.curves import compared
from coattail.scoring.curves import curves as moved
from coattail.scoring.evaluation import EvaluationSet, Spec, simulated
from coattail.scoring.oracle import oracle_curves
from coattail.scoring.scorecard import of_preset, scorecard
from coattail.scoring.truth_file import of_home, read_truth, with_truth
from coattail.workspace.opening import Stores
from coattail.workspace.questions import words
from coattail.workspace.shown import Tabular
from coattail.workspace.times import refuse_backwards

if TYPE_CHECKING:
    import polars as pl

    from coattail.charts.chart import Panels

Detectors = Mapping[str, Sequence[BaseDetector]]
"""Preset -> its detectors, configured."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Score(Tabular):
    """Cards by preset, detector and kind of event. Printing it shows them as a table."""

    evidences: Sequence[EvaluationSet]
    """The markets that were judged."""
    found: dict[str, Any]
    """The document of `--json`: what each figure means is in docs/EVIDENCE.md."""

    def judged(self) -> list[str]:
        """Which time of which market was judged, in sentences."""
        return [
            f"{e.name}: {e.since:%Y-%m-%d %H:%M} to {e.until:%Y-%m-%d %H:%M} UTC are judged" for e in self.evidences
        ]

    def left_out(self) -> list[str]:
        """What no detector looks for, in sentences."""
        missing = [
            f"{preset} looks for no {', no '.join(kinds)}"
            for preset, kinds in self.found["without_detector"].items()
            if kinds
        ]
        return missing + [f"{kind.replace('_', ' ')}: {why}" for kind, why in self.found["not_covered"].items()]

    def words(self, *, terminal: bool = False) -> list[str]:
        """The cards as `coattail score` prints them. `terminal`: see `table`."""
        said = [*self.judged(), words.scorecard(self.found["presets"], terminal=terminal), *self.left_out()]
        said.append("in brackets: 90 % intervals; false alarms within a quarter of an hour are one")
        if "equal_false_alarms" in self.found:
            said += words.at_equal_false_alarms(self.found["equal_false_alarms"], terminal=terminal)
        return said

    def said(self) -> list[str]:
        """What `words` says."""
        return [*self.words(), DISCLAIMER]

    def to_polars(self) -> pl.DataFrame:
        """A row for each kind of event and preset: kind, preset, events, and value, low, high of recall (shares) and of
        false_per_day, as recall, recall_low, recall_high …"""
        import polars as pl

        rows = [
            {"kind": card["kind"], "preset": preset, "events": card["events"]}
            | {
                f"{name}{'' if end == 'value' else f'_{end}'}": card[name][end]
                for name in ("recall", "false_per_day")
                for end in ("value", "low", "high")
            }
            for preset, modules in self.found["presets"].items()
            for cards in modules.values()
            for card in cards.values()
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def chart(self) -> Panels:
        """What is found of each kind of event, and the false alarms a day, both with 90 % intervals.

        Raises: UsageError: If no event was planted.
        """
        from coattail.workspace.questions.drawn import scorecard

        return scorecard(self.found["presets"])

    def curves(self) -> str:
        """Recall against false alarms as SVG; of a score with curves."""
        return curves_of(self.found)


def detectors_by_preset(settings: Settings, *, alone: bool = False) -> dict[str, Sequence[BaseDetector]]:
    """The detectors of the settings, and, unless they are to be `alone`, the other preset's as they come.

    Raises: ConfigError: If the settings name an unknown detector or parameter.
    """
    own = detectors_for(settings)
    if alone:
        return {settings.preset: own}
    return {preset: own if preset == settings.preset else of_preset(preset) for preset in PRESETS}


def score_simulated(
    detectors: Detectors,
    *,
    seeds: Sequence[int] = (7,),
    days: int = 3,
    warm_up: int = 3,
    character: str = "lively",
    plan: str = "evidence",
    rate: float = 1.0,
    cache: Path | None = None,
    curves: bool = False,
) -> Score:
    """Hold detectors against simulated markets.

    seeds: One market each; figures are of all days together.
    days: Days that are judged, of each market.
    warm_up: Days before them without planted events, from which detectors learn what is usual.
    character: lively (like liquid markets), calm, or one of thin to crowded (docs/MARKET.md).
    plan: What is planted: evidence (many kinds), pumps, crashes, regimes or none.
    rate: Multiplies the number of trades.
    cache: A folder that keeps the markets for the next time; None keeps nothing.
    curves: Move each detector's threshold too, for recall at equal false alarms, beside a detector that knows how much
        was to be expected at every moment.
    Raises: UsageError: If a number is out of range, or there is no such character or plan.
    """
    if not (1 <= days <= 366 and 0 <= warm_up <= 366):
        raise UsageError(f"--days {days} --warm-up {warm_up}", next_step="give 1 to 366 days, 0 to 366 before them")
    if not (math.isfinite(rate) and 0 < rate <= 1000):
        raise UsageError(f"--rate is {rate:g}", next_step="give a number above 0 and up to 1000")
    specs = [
        Spec(seed=seed, days=days, warm_up=warm_up, character=character, plan=plan, rate=rate)
        for seed in dict.fromkeys(seeds)
    ]
    evidences = [simulated(spec, cache) for spec in specs]
    scored = _scored(evidences, detectors, curves=curves)
    if not curves:
        return scored
    return _with_curves(scored, oracle_curves(evidences, [spec.market() for spec in specs]))


def score_home(
    stores: Stores,
    detectors: Detectors,
    truth: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    curves: bool = False,
) -> Score:
    """Hold detectors against the trades of a home.

    truth: truth.parquet or truth.json of the simulated market that landed there, or the folder that holds them.
    since, until: Judge only this time of the market; None means all there is.
    curves: Move each detector's threshold too, for recall at equal false alarms.
    Raises: UsageError: If nothing has landed, or the truth is about something else.
    """
    refuse_backwards(since, until)
    truth_file = read_truth(truth)
    every = [detector for some in detectors.values() for detector in some]
    stored = stored_facts(stores.lake, since=since, until=until, detectors=every)
    evidence = with_truth(of_home(stored, stores.settings, since=since, until=until), truth_file)
    return _scored([evidence], detectors, curves=curves)


def _scored(evidences: Sequence[EvaluationSet], detectors: Detectors, *, curves: bool) -> Score:
    scored = Score(evidences=evidences, found=scorecard(evidences, dict(detectors)))
    return _with_curves(scored, moved(evidences, presets=list(detectors))) if curves else scored


def _with_curves(scored: Score, lines: Mapping[str, Mapping[str, Any]]) -> Score:
    """The score with these curves too: kind -> who -> points."""
    known = scored.found.get("curves", {})
    together = {kind: {**known.get(kind, {}), **lines.get(kind, {})} for kind in {**known, **lines}}
    return replace(scored, found={**scored.found, "curves": together, "equal_false_alarms": compared(together)})
