"""A simulated market as recordings."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

from coattail.errors import UsageError
from coattail.market import CHARACTERS, PLANS, Market, Planted, write
from coattail.market.plan import WARM_UP
from coattail.workspace.documents.exports import SimulatedDocument
from coattail.workspace.progress import OnProgress, Step, unheard


def simulate(
    out: Path,
    *,
    hours: float = 2.0,
    seed: int = 7,
    rate: float = 1.0,
    character: str = "calm",
    plan: str = "demo",
    on_progress: OnProgress = unheard,
) -> SimulatedDocument:
    """Write recordings of a simulated market into a folder, and the truth about what is planted in them.

    hours: How long it runs; the demo's two are enough for detectors to know what is usual.
    seed: Equal seeds give equal markets.
    rate: Multiplies the number of trades.
    character: calm (steady and small), lively (like liquid markets), or thin, quiet, small, middle, busy, crowded
        (0.4 to 5,000 trades a minute, with tails as recorded); docs/MARKET.md.
    plan: What is planted. demo: a few events; or after six hours, evidence: many kinds; pumps: one a week of
        every coin; crashes: one a day; regimes: three times the activity, and back; or none.
    on_progress: Called with the share that is written.
    Raises: UsageError: If a number is out of range, the folder is a file, or the character or the plan is unknown.
    """
    if not (math.isfinite(hours) and 0 < hours <= 10_000):
        raise UsageError(f"--hours is {hours:g}", next_step="give a number above 0 and up to 10000")
    if not (math.isfinite(rate) and 0 < rate <= 1_000):
        raise UsageError(f"--rate is {rate:g}", next_step="give a number above 0 and up to 1000")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file, not a folder", next_step="choose another folder")
    if character not in CHARACTERS:
        raise UsageError(f"unknown character {character!r}", next_step=f"known: {', '.join(CHARACTERS)}")
    if plan not in ("demo", *PLANS):
        raise UsageError(f"unknown plan {plan!r}", next_step=f"known: {', '.join(('demo', *PLANS))}")
    planted: tuple[Planted, ...] | None = None
    if plan != "demo":
        end = Market.start + timedelta(hours=hours)
        planned = PLANS[plan](seed, Market.start, math.ceil(hours / 24), WARM_UP)
        planted = tuple(event for event in planned if event.end <= end)
    market = Market(
        seed=seed, duration=timedelta(hours=hours), rate=rate, character=CHARACTERS[character], planted=planted
    )
    written = write(market, out, progress=lambda share: on_progress(Step("simulating", share, 1.0)))
    truth = market.truth()
    natural = truth["detail"].str.contains('"natural"', literal=True)
    return SimulatedDocument(
        recordings=written.recordings,
        truth=written.truth.with_suffix(".json"),
        frames=written.frames,
        planted=dict(truth.filter(~natural)["kind"].value_counts().sort("kind").iter_rows()),
        natural_whales=int(natural.sum()),
        seed=seed,
        character=character,
        plan=plan,
        start=market.start,
        end=market.end,
    )
