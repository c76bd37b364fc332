"""Pumps that are planted in simulated markets, as evidence for what is said of announced ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from coattail.scoring.announced import WITHIN, Announced, AnnouncedEvent, stirred_days
from coattail.scoring.evaluation import Spec, simulated
from coattail.scoring.recorded import Recorded, Together


def simulated_pumps(
    specs: Sequence[Spec],
    cache: Path | None = None,
    *,
    factors: tuple[float, float] = (0.0, math.inf),
    within: timedelta = WITHIN,
) -> tuple[list[Together], Announced]:
    """Markets of the plan `pumps`, and their pumps as announced events; for `recorded_scorecard`.

    specs: No two at one time. One judged day of each is as it is in life: on a market with a pump every day, a detector
    learns that pumps are usual. cache: As of `simulated`. factors: Only pumps from the first to below the second times
    the usual trades are events; the days of the others are not quiet either.
    """
    groups: list[Together] = []
    events: list[AnnouncedEvent] = []
    stirred: dict[tuple[str, str], set[str]] = {}
    for spec in specs:
        evidence = simulated(spec, cache)
        markets = {
            (exchange, symbol): Recorded(
                exchange=exchange, symbol=symbol, first=spec.start, last=evidence.until, since=evidence.since
            )
            for exchange, symbol in evidence.instruments
        }
        groups.append(Together(evidence=evidence, markets=list(markets.values())))
        pumps = evidence.truth.filter(kind="pump").select("exchange", "symbol", "start", "size")
        for exchange, symbol, start, factor in pumps.iter_rows():
            stirred.setdefault((exchange, symbol), set()).update(stirred_days(start, start + within))
            if factors[0] <= factor < factors[1]:
                market = markets[exchange, symbol]
                events.append(AnnouncedEvent(markets=[market], start=start, until=start + within, rows=()))
    return groups, Announced(events=sorted(events, key=lambda event: event.start), left={}, stirred=stirred)
