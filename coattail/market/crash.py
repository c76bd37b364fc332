"""Crashes: every venue and coin at once, a venue that lags, a stablecoin that gives way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np

from coattail.market.instruments import USDT, SimulatedInstrument
from coattail.market.prices import Floats
from coattail.market.randomness import generator
from coattail.market.shaped import Shaped
from coattail.market.shifts import PlantedDepeg, PlantedSpread
from coattail.market.truth import Event, row

_WAVES = 24
_APART_PCT = 0.3
"""Prices as far apart as this are a spread, and a rate as far off a depeg, in the truth."""


@dataclass(frozen=True, kw_only=True)
class PlantedCrash(Shaped):
    """Prices of all coins at all venues fall by `pct` percent and come back within `length`.

    Two venues have different prices of one coin meanwhile: `far` goes its own way by `apart_pct` percent.
    """

    length: timedelta = timedelta(hours=1)
    pct: float = 25.0
    """How far prices fall, %."""
    fall: timedelta = timedelta(minutes=12)
    """In which time."""
    factor: float = 30.0
    """Trades at the height, as a multiple of the usual, on every instrument; it is reached within a minute."""
    far: str = "coinbase"
    """The venue that strays."""
    apart_pct: float = 1.0
    """Standard deviation of its way from the other venues', %, while prices fall."""
    depeg_pct: float = -0.8
    """How far the rate of USDT moves, %, while prices fall; it comes back with them."""
    seed: int = 0
    """Crashes of one shape with different seeds go different ways."""

    size_factor: ClassVar[float] = 1.5
    """Orders are so much larger than usual."""
    rise_s: ClassVar[float] = 20.0
    """Activity comes in this time, exponentially."""
    rough_pct: ClassVar[float] = 1.5
    """Standard deviation of prices about their way down, %: a minute spans several percent."""

    def extra(self, seconds: Floats) -> Floats:
        """As `Shaped.extra`."""
        fall, length = self.fall.total_seconds(), self.length.total_seconds()
        after = (seconds - fall).clip(min=0.0)
        course = (1.0 - np.exp(-seconds.clip(min=0.0) / self.rise_s)) * np.exp(-3.0 * after / max(length - fall, 1.0))
        uneven = (1.0 + 0.5 * self._waves("volume", seconds, 10.0, 120.0)).clip(0.2)
        extra: Floats = (self.factor - 1.0) * course * uneven
        return extra

    def sizes(self, seconds: Floats) -> Floats:
        """As `Shaped.sizes`."""
        return np.full(len(seconds), self.size_factor)

    def price(self, seconds: Floats, instrument: SimulatedInstrument) -> Floats:
        """As `Shaped.price`."""
        rate = 1.0 + self._depeg(seconds) / 100
        if instrument.asset.name == USDT.name:
            return rate
        usd = self._usd(seconds, instrument.asset.name)
        if instrument.exchange == self.far:
            usd = usd * (1.0 + self.way_apart(seconds, instrument.asset.name) / 100)
        return usd if instrument.quote == "USD" else usd / rate

    def way_apart(self, seconds: Floats, asset: str) -> Floats:
        """How far the price of a coin at `far` is from that of the others, %."""
        way: Floats = self.apart_pct * self._heat(seconds) * self._waves(f"apart {asset}", seconds, 60.0, 400.0)
        return way

    def told(self, instruments: Sequence[SimulatedInstrument]) -> Iterator[Event]:
        """What the truth says of it: a crash of every instrument, and spreads and a depeg where they are."""
        assets = {i.asset.name for i in instruments if i.asset.name != USDT.name}
        venues = {a: {i.exchange == self.far for i in instruments if i.asset.name == a} for a in assets}
        both = sorted(asset for asset, found in venues.items() if found == {True, False})
        spreads = {asset: spread for asset in both if (spread := self._spread(asset)) is not None}
        for instrument in instruments:
            apart = self.first_apart(instrument.asset.name) if instrument.asset.name in both else None
            yield _CrashOf(crash=self, instrument=instrument, apart_from=apart)
        yield from spreads.values()
        second = self._seconds()
        off = second[np.abs(self._depeg(second)) >= _APART_PCT]
        if len(off) and any(i.asset.name == USDT.name for i in instruments):
            length = timedelta(seconds=int(off[-1] + 1 - off[0]))
            yield PlantedDepeg(start=self.start + timedelta(seconds=int(off[0])), length=length, pct=self.depeg_pct)

    def first_apart(self, asset: str) -> datetime | None:
        """When the prices of a coin are first 1 % apart; None: never."""
        far = np.flatnonzero(np.abs(self.way_apart(self._seconds(), asset)) >= 1.0)
        return self.start + timedelta(seconds=int(far[0])) if len(far) else None

    def _spread(self, asset: str) -> PlantedSpread | None:
        """From the first to the last moment at which the prices of a coin are as far apart as costs; None: never."""
        way = self.way_apart(self._seconds(), asset)
        far = np.flatnonzero(np.abs(way) >= _APART_PCT)
        if not len(far):
            return None
        first, last = int(far[0]), int(far[-1])
        start, length = self.start + timedelta(seconds=first), timedelta(seconds=last + 1 - first)
        widest = round(float(way[np.abs(way).argmax()]), 3)
        return PlantedSpread(exchange=self.far, asset=asset, start=start, length=length, pct=widest)

    def _seconds(self) -> Floats:
        return np.arange(int(self.length.total_seconds()), dtype=np.float64)

    def _usd(self, seconds: Floats, asset: str) -> Floats:
        """Factor on a coin's price in dollars."""
        fall, length = self.fall.total_seconds(), self.length.total_seconds()
        fallen = np.interp(seconds, (0.0, 0.15 * fall, 0.7 * fall, fall, length), (0.0, 0.35, 0.75, 1.0, 0.0))
        common, own = (self._waves(name, seconds, 15.0, 300.0) for name in ("rough", f"rough {asset}"))
        rough = self.rough_pct / 100 * self._heat(seconds) * (0.8 * common + 0.6 * own)
        factor: Floats = np.exp(np.log(1.0 - self.pct / 100) * fallen + rough)
        return factor

    def _depeg(self, seconds: Floats) -> Floats:
        """How far USDT's rate is off, %."""
        return self.depeg_pct * self._heat(seconds)

    def _heat(self, seconds: Floats) -> Floats:
        """From 0 to 1 while prices fall, and back to 0 until the end."""
        fall, length = self.fall.total_seconds(), self.length.total_seconds()
        heat: Floats = np.interp(seconds, (0.0, 0.1 * fall, fall, length), (0.0, 1.0, 1.0, 0.0))
        return heat

    def _waves(self, name: str, seconds: Floats, shortest: float, longest: float) -> Floats:
        """A curve of variance 1 that may be asked for any moment: waves with periods between two, in seconds."""
        rng = generator(self.seed, f"crash:{name}:{self.start.isoformat()}")
        period = shortest * (longest / shortest) ** rng.random(_WAVES)
        phase = rng.uniform(0.0, 2.0 * np.pi, _WAVES)
        weight = np.sqrt(period / period.sum() * 2.0)
        waves: Floats = np.sin(seconds[:, None] * (2.0 * np.pi / period) + phase) @ weight
        return waves


@dataclass(frozen=True, kw_only=True)
class _CrashOf:
    """A crash, as one instrument has it."""

    crash: PlantedCrash
    instrument: SimulatedInstrument
    apart_from: datetime | None
    """When the venues' prices of its coin are first 1 % apart; None: never, or there is one venue."""

    @property
    def start(self) -> datetime:
        return self.crash.start

    @property
    def end(self) -> datetime:
        return self.crash.end

    def truth(self) -> dict[str, object]:
        apart = self.apart_from
        detail = {"pct": self.crash.pct, "apart_from": apart and apart.isoformat().replace("+00:00", "Z")}
        place = {"exchange": self.instrument.exchange, "symbol": self.instrument.symbol}
        return row(self, kind="crash", size=self.crash.factor, detail=detail, **place)
