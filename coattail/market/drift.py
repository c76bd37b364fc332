"""Fair prices of a lively market: venues that follow each other, a basis that moves, volatility with activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coattail.market.activity import asset_activity, remembered
from coattail.market.character import Character
from coattail.market.instruments import USDT, Asset, SimulatedInstrument
from coattail.market.prices import CHUNK_SECONDS, Floats, Prices

_SECONDS = np.arange(CHUNK_SECONDS + 1) / 60
_MINUTES = np.arange(CHUNK_SECONDS // 60 + 1)
_BEFORE_LAST = "{}, a second earlier"


@dataclass(kw_only=True)
class LivelyPrices(Prices):
    """As `Prices`, of another character. `before` and `after` also say where walks stood a second earlier."""

    character: Character
    start: int
    """Of the chunk, µs since 1970 UTC."""
    basis_memory: ClassVar[float] = 0.9
    """Correlation of a venue's basis with itself a minute later …"""
    tether_memory: ClassVar[float] = 0.98
    """… and of USDT's rate."""

    def curve(self, instrument: SimulatedInstrument) -> Floats:
        """Mid price of the instrument by the second, in quote units, without planted shifts."""
        if instrument.asset.name == USDT.name:
            return self._tether(instrument.asset.price)
        walk = self._walk(instrument.asset)
        lag = dict(self.character.lags_s).get(instrument.exchange, 0.0)
        before = self.before.get(_BEFORE_LAST.format(instrument.asset.name), float(walk[0]))
        earlier = np.concatenate(([before], walk))
        known = (1.0 - lag) * walk + lag * earlier[:-1]
        basis = 1.0 + self.character.basis * self._slow(f"basis:{instrument.key}", self.basis_memory)
        usd = instrument.asset.price * known * basis
        return usd if instrument.quote == "USD" else usd / self._tether(USDT.price)

    def _walk(self, asset: Asset) -> Floats:
        if asset.name not in self._curves:
            super()._walk(asset)
            self.after[_BEFORE_LAST.format(asset.name)] = float(self._curves[asset.name][-2])
        return self._curves[asset.name]

    def _volatility(self, asset: Asset) -> Floats | float:
        level = asset_activity(self.seed, self.character, asset.name, self.chunk, self.start)
        return asset.volatility_bps * 1e-4 * level**self.character.volatility_power

    def _tether(self, price: float) -> Floats:
        if "rate:USDT" not in self._curves:
            self._curves["rate:USDT"] = 1.0 + self.character.tether * self._slow("rate:USDT", self.tether_memory)
        return price * self._curves["rate:USDT"]

    def _slow(self, name: str, memory: float) -> Floats:
        """Variance 1, and a memory of minutes."""
        values: Floats = np.interp(_SECONDS, _MINUTES, remembered(self.seed, name, self.chunk, memory))
        return values
