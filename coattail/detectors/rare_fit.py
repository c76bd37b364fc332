"""What the quarter hours before a day say of how rare a score is in a market; young ones borrow of like ones. Pure.

A table of `RARITY`: a row a market. Of a market with fewer days than are wanted, quarter hours of the markets most like
it stand in for those that are missing, else those of reference markets that come with the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coattail.detectors.counts import FALLS, RISES
from coattail.detectors.grid import FlagArray, IntArray, RealArray, names_of, placed
from coattail.detectors.market_days import MarketName, Past
from coattail.detectors.rarity import BLOCKS_A_DAY, KNOTS, Rarity, rarity_of
from coattail.symbols import USD_QUOTES, quote_of

CHANNELS = len(RISES) + len(FALLS)
PEAKS = pl.Schema({
    "exchange": pl.String(), "symbol": pl.String(), "peaks": pl.Array(pl.Float32, CHANNELS * BLOCKS_A_DAY),
})  # fmt: skip
"""The highest score of each channel and quarter hour of a day; -inf where nothing was judged."""
SIDES = {"rise": slice(0, len(RISES)), "fall": slice(len(RISES), CHANNELS)}
"""Which channels are judged together."""
HANDICAPS = {"rise": np.array([c.handicap for c in RISES]), "fall": np.array([c.handicap for c in FALLS])}
DOUBTED = {"rise": True, "fall": False}
"""What sets off very many orders is rarer than a week shows: of rises that an exponential tail says to come once in 30
days, 2,900 simulated days of four activities have 2.3 to 4.2 times too many, and 1.2 to 2.5 times where the scale is
doubted. Silences follow the exponential one (0.8 to 1.7 times)."""
OWN, LIKE, REFERENCE = SOURCES = ("own", "like", "reference")
"""Whose the borrowed quarter hours are: nobody's, markets' like it, the package's."""


def _side_schema(side: str) -> dict[str, pl.DataType]:
    channels = len(HANDICAPS[side])
    return {
        f"{side}_days": pl.Float64(), f"{side}_count": pl.Int64(), f"{side}_threshold": pl.Float64(),
        f"{side}_scale": pl.Float64(), f"{side}_channel_threshold": pl.Array(pl.Float64, channels),
        f"{side}_channel_scale": pl.Array(pl.Float64, channels), f"{side}_knots": pl.Array(pl.Float64, KNOTS),
    }  # fmt: skip


RARITY = pl.Schema({
    "exchange": pl.String(), "symbol": pl.String(), "orders": pl.Int64(), "orders_a_day": pl.Float64(),
    "own_days": pl.Float64(), "borrowed_days": pl.Float64(), "source": pl.String(),
    **_side_schema("rise"), **_side_schema("fall"),
})  # fmt: skip
"""What is known of a market on a day. Days of the quarter hours learned from; `source` of the borrowed ones."""


@dataclass(frozen=True, kw_only=True)
class QuarterHours:
    """The quarter hours of some markets, newest day last."""

    instruments: list[MarketName]
    orders: IntArray
    """Of the whole days before."""
    orders_a_day: RealArray
    peaks: NDArray[np.float32]
    """[market, channel, block]; -inf where nothing was judged."""

    @property
    def days(self) -> RealArray:
        """Days that were judged, of each market."""
        judged = np.isfinite(self.peaks).any(1).sum(1)
        days: RealArray = judged / BLOCKS_A_DAY
        return days


def gathered(instruments: Sequence[MarketName], past: Past, days: list[pl.DataFrame], *, most: int) -> QuarterHours:
    """The peaks of consecutive days, of each market the newest `most` days that it has any of."""
    rows = {name: row for row, name in enumerate(instruments)}
    peaks = np.full((len(rows), len(days), CHANNELS, BLOCKS_A_DAY), -np.inf, np.float32)
    for day, frame in enumerate(days):
        mine, row = placed(frame, rows)
        if mine.height:
            peaks[row, day] = mine["peaks"].to_numpy().reshape(-1, CHANNELS, BLOCKS_A_DAY)
    there: FlagArray = np.asarray(np.isfinite(peaks).any((2, 3)))
    kept = there & (np.cumsum(there[:, ::-1], axis=1)[:, ::-1] <= most)
    peaks[~kept] = -np.inf
    return QuarterHours(
        instruments=list(instruments),
        orders=past.orders.sum(1),
        orders_a_day=past.orders_a_day(),
        peaks=peaks.transpose(0, 2, 1, 3).reshape(len(rows), CHANNELS, len(days) * BLOCKS_A_DAY),
    )


def fitted(known: QuarterHours, *, days: int, likeness: float) -> pl.DataFrame:
    """Rows of `RARITY` for all markets of which the activity is known.

    `days` are wanted of each; `likeness`: the factor in orders a day within which markets are alike.
    """
    whole = known.days
    enough = whole >= days - 1
    peaks, borrowed, source = known.peaks, np.zeros(len(whole)), np.full(len(whole), OWN, object)
    wanted = days * BLOCKS_A_DAY
    if not enough.all():
        peaks = np.concatenate([peaks, np.full((len(peaks), CHANNELS, wanted), -np.inf, np.float32)], axis=2)
        for row in np.flatnonzero(~enough & ~np.isnan(known.orders_a_day)):
            missing = wanted - int(np.isfinite(known.peaks[row]).any(0).sum())
            lent, source[row] = _lent(known, int(row), whole, likeness)
            peaks[row][:, known.peaks.shape[2] : known.peaks.shape[2] + missing] = evenly(lent, missing)
            borrowed[row] = missing / BLOCKS_A_DAY
    frame = pl.DataFrame({
        **names_of(known.instruments),
        "orders": known.orders,
        "orders_a_day": np.round(known.orders_a_day, 3),
        "own_days": np.round(whole, 2),
        "borrowed_days": np.round(borrowed, 2),
        "source": pl.Series(list(source), dtype=pl.String),
        **{
            name: column
            for side in SIDES
            for name, column in _columns(side, _side(peaks, side)).items()
        },
    }, schema=RARITY)  # fmt: skip
    return frame.filter(pl.col("orders_a_day").is_not_nan())


def evenly(peaks: RealArray, count: int) -> RealArray:
    """`count` quarter hours of [channel, block], evenly spaced by the rank of their first channel."""
    judged = peaks[:, np.isfinite(peaks[0])]
    order = np.argsort(judged[0], kind="stable")
    picked: RealArray = judged[:, order[((np.arange(count) + 0.5) * len(order) / count).astype(np.int64)]]
    return picked


def _lent(known: QuarterHours, row: int, days: RealArray, likeness: float) -> tuple[RealArray, str]:
    """The quarter hours of the markets most like one of the known, itself left out, and whose they are."""
    kind = quote_kind(known.instruments[row][1])
    apart = np.abs(np.log(np.maximum(known.orders_a_day, 1e-9)) - log(max(known.orders_a_day[row], 1e-9)))
    alike = np.array([quote_kind(symbol) == kind for _, symbol in known.instruments])
    alike &= (days >= 1) & (apart <= log(likeness))
    alike[row] = False
    if alike.any():
        return np.concatenate(list(known.peaks[alike]), axis=1), LIKE
    activity, peaks = reference()
    return peaks[nearest(activity, known.orders_a_day[row])], REFERENCE


def quote_kind(symbol: str) -> str:
    """`dollar` for what means a dollar, else the quote asset: markets against one are alike."""
    quote = quote_of(symbol)
    return "dollar" if quote in USD_QUOTES else quote


@cache
def reference() -> tuple[RealArray, RealArray]:
    """Of the package's reference markets: orders a day [market], and peaks [market, channel, block].

    Simulated, a week each, of stationary activity; `python -m tools.reference_markets` draws them.
    """
    frame = pl.read_parquet((files("coattail.conf") / "reference_markets.parquet").read_bytes())
    return frame["orders_a_day"].to_numpy(), frame["peaks"].to_numpy().reshape(frame.height, CHANNELS, -1)


@cache
def reference_rarity(side: str) -> Rarity:
    """What the reference markets' quarter hours say, a row a market."""
    return _side(reference()[1], side)


def _side(peaks: RealArray | NDArray[np.float32], side: str) -> Rarity:
    """What peaks of all channels [market, channel, block] say of a side."""
    return rarity_of(peaks[:, SIDES[side]], HANDICAPS[side], doubted=DOUBTED[side])


def nearest(activity: RealArray, orders_a_day: float | RealArray) -> IntArray:
    """Which of the activities (rising) lies nearest, by the logarithm."""
    middles = np.sqrt(activity[1:] * activity[:-1])
    return np.searchsorted(middles, orders_a_day)


def rarity_in(table: pl.DataFrame, side: str) -> Rarity:
    """The rows of a table of `RARITY` as numbers."""
    return Rarity(
        days=table[f"{side}_days"].to_numpy(),
        count=table[f"{side}_count"].to_numpy(),
        threshold=table[f"{side}_threshold"].to_numpy(),
        scale=table[f"{side}_scale"].to_numpy(),
        channel_threshold=table[f"{side}_channel_threshold"].to_numpy(),
        channel_scale=table[f"{side}_channel_scale"].to_numpy(),
        handicap=HANDICAPS[side],
        doubted=DOUBTED[side],
        knots=table[f"{side}_knots"].to_numpy(),
    )


def _columns(side: str, rarity: Rarity) -> dict[str, np.ndarray]:
    return {
        f"{side}_days": np.round(rarity.days, 4), f"{side}_count": rarity.count, f"{side}_threshold": rarity.threshold,
        f"{side}_scale": rarity.scale, f"{side}_channel_threshold": rarity.channel_threshold,
        f"{side}_channel_scale": rarity.channel_scale, f"{side}_knots": rarity.knots,
    }  # fmt: skip
