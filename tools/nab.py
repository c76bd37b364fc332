"""The volume detector of `classic` on the Numenta Anomaly Benchmark: series labelled by people, that are no volumes.

Lavin and Ahmad 2015. Windows are what people marked; the first 15 % of a series (750 points at most) are not judged.
"""

from __future__ import annotations

import json
import math
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from coattail.config import CLASSIC
from coattail.detectors import BaseDetector, Facts
from coattail.detectors.volume import VolumeAnomalyDetector
from coattail.errors import StoreError
from coattail.tables import BARS, ORDERS

PROFILES = {"standard": (0.11, 1.0), "low false alarms": (0.22, 1.0), "low misses": (0.11, 2.0)}
"""Name -> weights of a false alarm and of a miss."""
_DATA, _WINDOWS = "nab_data.tar.gz", "combined_windows.json"
_UNJUDGED, _MOST_UNJUDGED = 0.15, 750
_MEDIAN = 1e6
_STARTS = 10
_NAME = ("nab", "NAB-USD")


class Series(NamedTuple):
    """One file: values by time, and the windows in which something happened."""

    name: str
    group: str
    points: pl.DataFrame
    """timestamp (UTC), value."""
    windows: list[tuple[datetime, datetime]]
    """Both ends included."""


def read_series(folder: Path) -> list[Series]:
    """The series of a folder with NAB's data and labels, by name.

    Raises: StoreError: If they are not there.
    """
    try:
        labels = json.loads((folder / _WINDOWS).read_text())
        with tarfile.open(folder / _DATA) as archive:
            files = {m.name: archive.extractfile(m) for m in archive.getmembers() if m.name.endswith(".csv")}
            found = {name.removeprefix("data/"): _points(file.read()) for name, file in files.items() if file}
    except (OSError, tarfile.TarError, ValueError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            f"no NAB data in {folder}: {error}", next_step=f"it needs {_DATA} and {_WINDOWS} of numenta/NAB"
        ) from error
    return [
        Series(name, name.split("/")[0], points, [(_when(a), _when(b)) for a, b in labels.get(name, [])])
        for name, points in sorted(found.items())
    ]


def _points(data: bytes) -> pl.DataFrame:
    rows = pl.read_csv(data, schema_overrides={"timestamp": pl.String, "value": pl.Float64})
    stamped = rows.select(pl.col("timestamp").str.to_datetime(time_unit="us", time_zone="UTC"), "value")
    return stamped.sort("timestamp").unique("timestamp", keep="first", maintain_order=True)


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# -- a series as windows of volume -------------------------------------------------------------------------------------


def step_of(series: Series) -> timedelta:
    """The usual distance of its points."""
    found = series.points["timestamp"].diff().mode().sort()[0]
    assert isinstance(found, timedelta)
    return found


def detector_of(step: timedelta) -> BaseDetector:
    """The volume detector of `classic` for windows of `step`, as many of them as usual.

    `default` counts trades by the 10 seconds, against days of them: of a value every few minutes it has nothing to say.
    """

    @dataclass(frozen=True, kw_only=True)
    class Classic(VolumeAnomalyDetector):
        @property
        def window(self) -> timedelta:
            return step

    return Classic()


def facts_of(series: Series, step: timedelta) -> Facts:
    """The series as bars of an instrument: values above the lowest of the unjudged part, whose median is a million."""
    points = series.points.with_columns(pl.col("timestamp").dt.truncate(step).alias("bar_start")).unique(
        "bar_start", keep="last", maintain_order=True
    )
    first = points["value"].head(unjudged(points.height))
    low = min(float(np.min(first.to_numpy())), 0.0)
    middle = float(np.median(first.to_numpy())) - low
    volume = ((pl.col("value") - low).clip(lower_bound=0.0) * (_MEDIAN / (middle or 1.0))).clip(upper_bound=1e15)
    ids = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    bars = BARS.conform(
        points.select(
            pl.lit(_NAME[0]).alias("exchange"),
            pl.lit(_NAME[1]).alias("symbol"),
            "bar_start",
            ids.alias("first_trade_id"),
            ids.alias("last_trade_id"),
            pl.lit(1, pl.Int64).alias("trades"),
            pl.lit(1, pl.Int64).alias("orders"),
            volume.cast(pl.Decimal(38, 8)).alias("notional"),
            volume.cast(pl.Decimal(38, 8)).alias("quantity"),
        )
    )
    begins = (pl.col("bar_start").diff() != step).fill_null(value=True).cum_sum()
    spans = points.group_by(begins.alias("run"), maintain_order=True).agg(
        pl.lit(_NAME[0]).alias("exchange"),
        pl.lit(_NAME[1]).alias("symbol"),
        pl.lit(0, pl.Int64).alias("first_id"),
        pl.lit(1 << 40, pl.Int64).alias("last_id"),
        (pl.col("bar_start").min() - timedelta(microseconds=1)).alias("first_ts"),
        (pl.col("bar_start").max() + step).alias("last_ts"),
    )
    since, until = points["bar_start"][0], points["bar_start"][-1] + 2 * step
    return Facts(bars=bars, orders=ORDERS.empty(), spans=spans.drop("run"), since=since, until=until, watermark=until)


def unjudged(points: int) -> int:
    """How many points at the beginning of a series are not judged."""
    return min(math.floor(_UNJUDGED * points), math.floor(_UNJUDGED * 5 * 1000))


def alarms_of(series: Series) -> list[int]:
    """Numbers of the points at which the detector raises an alert."""
    step = step_of(series)
    detector = detector_of(step)
    alerts = detector.flag(detector.score(facts_of(series, step)))
    stamps = series.points["timestamp"]
    at = stamps.dt.truncate(step).to_list()
    number = {when: place for place, when in enumerate(at)}
    return sorted({number[alert.detected_at - step] for alert in alerts})


# -- scores -----------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What alarms come to, of one series or of several."""

    points: int = 0
    windows: int = 0
    found: int = 0
    false: int = 0
    alarms: int = 0
    hits: float = 0.0
    """Rewards of windows found, 1 at most each, more for early ones."""
    costs: float = 0.0
    """Of false alarms, 1 at most each, less soon after a window."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def figures(self) -> dict[str, Any]:
        """False alarms per 1,000 points, recall of windows, and NAB's score per profile (100: perfect, 0: silent)."""
        return {
            "points": self.points,
            "windows": self.windows,
            "alarms": round(self.alarms, 1),
            "false_per_1000": round(1000 * self.false / self.points, 2),
            "window_recall": round(self.found / self.windows, 3) if self.windows else None,
            "nab": {
                name: round(100 * (self.hits - fp * self.costs + fn * self.found) / ((1 + fn) * self.windows), 1)
                if self.windows
                else None
                for name, (fp, fn) in PROFILES.items()
            },
        }


def tally(series: Series, alarms: Iterable[int]) -> Tally:
    """What alarms at these points come to.

    The first alarm in a window is worth sigma(-relative distance to its end), from 1 at its start to 0; an alarm
    outside costs up to 1, less the sooner it follows a window: sigma(y) = 2 / (1 + exp(5 y)) - 1.
    """
    stamps = series.points["timestamp"].to_list()
    first = unjudged(len(stamps))
    spans = [
        (low, high)
        for a, b in series.windows
        if (inside := [i for i, t in enumerate(stamps) if a <= t <= b and i >= first])
        for low, high in [(inside[0], inside[-1])]
    ]
    done = Tally(points=len(stamps) - first, windows=len(spans))
    seen = set()
    for at in sorted(i for i in alarms if i >= first):
        done.alarms += 1
        here = next((n for n, (low, high) in enumerate(spans) if low <= at <= high), None)
        if here is not None:
            if here not in seen:
                seen.add(here)
                low, high = spans[here]
                done.hits += _sigma(-(high - at + 1) / (high - low + 1)) / _sigma(-1.0)
            continue
        before = [(low, high) for low, high in spans if high < at]
        done.false += 1
        done.costs += -_sigma((at - before[-1][1]) / max(before[-1][1] - before[-1][0], 1)) if before else 1.0
    done.found = len(seen)
    return done


def _sigma(y: float) -> float:
    return -1.0 if y > 3 else 2 / (1 + math.exp(5 * y)) - 1


def by_chance(series: Series, count: int) -> Tally:
    """As many alarms at points drawn evenly from those that are judged; mean of ten tries."""
    points = series.points.height
    first = unjudged(points)
    total = Tally()
    for seed in range(_STARTS):
        rng = np.random.Generator(np.random.PCG64(seed))
        total += tally(series, rng.choice(np.arange(first, points), min(count, points - first), replace=False).tolist())
    return Tally(*(value / _STARTS for value in vars(total).values()))


def benchmark(every: Sequence[Series]) -> dict[str, Any]:
    """Group of files (and `all`) -> who (classic, chance at as many alarms, and silence) -> figures."""
    groups: dict[str, dict[str, Tally]] = {}
    for series in every:
        found: dict[str, Tally] = {"silence": tally(series, ())}
        found[CLASSIC] = tally(series, alarms_of(series))
        found[f"chance, as often as {CLASSIC}"] = by_chance(series, int(found[CLASSIC].alarms))
        for group in (series.group, "all"):
            for who, done in found.items():
                here = groups.setdefault(group, {})
                here[who] = here.get(who, Tally()) + done
    files = {group: sum(group in (s.group, "all") for s in every) for group in groups}
    return {
        group: {"files": files[group], **{who: done.figures() for who, done in whos.items()}}
        for group, whos in groups.items()
    }
