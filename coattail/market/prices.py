"""Fair prices by the second: correlated walks of the assets, venues within a few basis points of each other.

Everything is additions and products of doubles, no `exp`: the same numbers on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coattail.market.instruments import USDT, Asset, SimulatedInstrument
from coattail.market.randomness import generator

CHUNK_SECONDS = 300
"""Length of a chunk: the market is drawn in chunks of this many seconds, whatever is asked for."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_SECOND = 1_000_000
_GRID = np.arange(CHUNK_SECONDS + 1) / CHUNK_SECONDS
_COMMON, _OWN = 0.8, 0.6
"""Weights of the step that all assets share and of an asset's own: squares add up to one."""
_LOWEST = 0.2
"""However long the walk, a price stays above this share of where it began."""


def between_seconds(curve: Floats, time: Ints) -> Floats:
    """Value of a curve given at every second of the chunk, at times in µs from the chunk's start, interpolated."""
    second = time // _SECOND
    left = curve[second]
    return left + (curve[second + 1] - left) * ((time - second * _SECOND) / _SECOND)


@dataclass(kw_only=True)
class Prices:
    """The price curves of one chunk; each curve has one value per second, both ends included."""

    seed: int
    chunk: int
    before: Mapping[str, float]
    """Asset -> where its walk stood at the end of the chunk before (0 is where it began)."""
    after: dict[str, float] = field(default_factory=dict)
    """Asset -> where its walk stands at the end of this chunk."""
    _curves: dict[str, Floats] = field(default_factory=dict)

    def curve(self, instrument: SimulatedInstrument) -> Floats:
        """Mid price of the instrument by the second, in quote units, without planted shifts."""
        if instrument.asset.name == "USDT":
            return self._tether(instrument.asset.price)
        basis = 1.0 + self._wander(f"basis:{instrument.key}", 2e-4)
        usd = instrument.asset.price * self._walk(instrument.asset) * basis
        return usd if instrument.quote == "USD" else usd / self._tether(USDT.price)

    def _walk(self, asset: Asset) -> Floats:
        if asset.name not in self._curves:
            common, own = self._steps("all assets"), self._steps(asset.name)
            steps = self._volatility(asset) * (_COMMON * common + _OWN * own)
            walk = np.cumsum(np.concatenate(([self.before.get(asset.name, 0.0)], steps)))
            self.after[asset.name] = float(walk[-1])
            self._curves[asset.name] = np.maximum(1.0 + walk, _LOWEST)
        return self._curves[asset.name]

    def _volatility(self, asset: Asset) -> Floats | float:
        """Standard deviation of a second's step."""
        return asset.volatility_bps * 1e-4

    def _steps(self, name: str) -> Floats:
        return generator(self.seed, f"walk:{name}", self.chunk).standard_normal(CHUNK_SECONDS)

    def _tether(self, price: float) -> Floats:
        return price * (1.0 + self._wander("rate:USDT", 2e-4))

    def _wander(self, name: str, width: float) -> Floats:
        """A slow curve within ±`width`: straight between a random point per chunk boundary."""
        left, right = (generator(self.seed, name, self.chunk + i).uniform(-width, width) for i in (0, 1))
        return left + (right - left) * _GRID
