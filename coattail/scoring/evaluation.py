"""A simulated market as evidence: what detectors may know of it, and the truth of the days that are judged."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

import coattail.landing
import coattail.market
from coattail.alerts import canonical_json
from coattail.detectors import Facts
from coattail.errors import UsageError
from coattail.market import CHARACTERS, PLANS, Market, market_facts
from coattail.versions import version_of

_DAY = timedelta(days=1)
UNIT = "%Y-%m-%d"
_FRAMES = ("bars", "orders", "spans", "truth")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A market to be judged by: `warm_up` days without planted events, from which detectors learn, then `days`."""

    seed: int = 7
    days: int = 3
    warm_up: int = 3
    character: str = "lively"
    plan: str = "evidence"
    """What is planted on the days that are judged: one of `PLANS`."""
    rate: float = 1.0
    start: datetime = datetime(2025, 3, 3, tzinfo=UTC)

    def market(self) -> Market:
        """The market, with what is planned for the days that are judged.

        Raises: UsageError: If there is no such character or plan, or nothing to judge.
        """
        if self.character not in CHARACTERS:
            raise UsageError(f"unknown character {self.character!r}", next_step=f"known: {', '.join(CHARACTERS)}")
        if self.plan not in PLANS:
            raise UsageError(f"unknown plan {self.plan!r}", next_step=f"known: {', '.join(PLANS)}")
        if self.days < 1 or self.warm_up < 0:
            raise UsageError(
                f"{self.days} days after {self.warm_up} of warm-up cannot be judged", next_step="give at least one day"
            )
        whole = self.days + self.warm_up
        return Market(
            seed=self.seed,
            start=self.start,
            duration=_DAY * whole,
            rate=self.rate,
            character=CHARACTERS[self.character],
            planted=PLANS[self.plan](self.seed, self.start, whole, _DAY * self.warm_up),
        )


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """Facts of a market, and its truth from `since` to `until`, the time that is judged."""

    name: str
    """Which market; days of different markets are different units."""
    bars: pl.DataFrame
    orders: pl.DataFrame
    spans: pl.DataFrame
    truth: pl.DataFrame
    since: datetime
    until: datetime
    watermark: datetime | None = None
    """Verdicts up to here are closed; None: all."""

    def facts(self) -> Facts:
        """What detectors are asked about."""
        return Facts(
            bars=self.bars, orders=self.orders, spans=self.spans, since=self.since, until=self.until,
            watermark=self.watermark or self.until,
        )  # fmt: skip

    def units(self) -> dict[str, float]:
        """The days of the market that are judged, UTC -> how much of each, in days."""
        found: dict[str, float] = {}
        low = self.since
        while low < self.until:
            high = min(low.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY, self.until)
            found[f"{self.name} {low.strftime(UNIT)}"] = (high - low) / _DAY
            low = high
        return found

    @property
    def instruments(self) -> list[tuple[str, str]]:
        """(exchange, symbol) of all that traded."""
        return sorted(self.bars.select("exchange", "symbol").unique().iter_rows())


def simulated(spec: Spec, cache: Path | None = None) -> EvaluationSet:
    """The evidence of a simulated market; with `cache`, a folder, drawn once and read from Parquet afterwards.

    Another version of the simulator or of the landing kernels does not read what an earlier one drew.
    """
    market = spec.market()
    folder = cache / _key(spec) if cache is not None else None
    since, until = spec.start + _DAY * spec.warm_up, market.end
    frames = None if folder is None else kept(folder, _FRAMES)
    if frames is None:
        drawn = market_facts(market)
        truth = market.truth(since, until)
        frames = {"bars": drawn.bars, "orders": drawn.orders, "spans": drawn.spans, "truth": truth}
        if folder is not None:
            keep(frames, folder)
    return EvaluationSet(
        name=f"seed {spec.seed}",
        bars=frames["bars"],
        orders=frames["orders"],
        spans=frames["spans"],
        truth=frames["truth"],
        since=since,
        until=until,
    )


def kept(folder: Path, names: Sequence[str]) -> dict[str, pl.DataFrame] | None:
    """The frames of these names that `keep` put there; None if one is missing."""
    if not all((folder / f"{name}.parquet").exists() for name in names):
        return None
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in names}


def keep(frames: Mapping[str, pl.DataFrame], folder: Path) -> None:
    """Put the frames into a folder, each under its name, for `kept`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        part = folder / f"{name}.{os.getpid()}.part"  # several may draw the same market at once
        frame.write_parquet(part)
        part.replace(folder / f"{name}.parquet")


def _key(spec: Spec) -> str:
    """Names what the evidence depends on: the market, and the code that draws it."""
    digest = hashlib.blake2b(canonical_json(asdict(spec)).encode(), digest_size=8)
    digest.update(version_of(coattail.market, coattail.landing))
    return digest.hexdigest()
