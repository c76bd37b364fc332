"""Bars of a market in which nothing is planted, a day at a time: months of a thin one in seconds.

The process is that of `coattail.market.clusters`, with other random numbers than the chunks of `Market`: made to learn
what is usual, and how rarely what happens by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import polars as pl

from coattail.errors import ConfigError
from coattail.exact import half_even
from coattail.landing.bars import bars_of
from coattail.landing.orders import with_neighbours
from coattail.market.activity import by_hours, day_wave, decayed
from coattail.market.character import Character
from coattail.market.clusters import branched, orders, orders_per_second
from coattail.market.fills import Fills, prices_e8, quantities_e8
from coattail.market.instruments import SimulatedInstrument
from coattail.market.prices import Floats, Ints
from coattail.market.randomness import generator
from coattail.records import micros
from coattail.tables import BARS

_DAY_S = 86_400
_SECOND = 1_000_000
_FORGOTTEN = 3e-3
_MINUTES = 1_440
_MIDDLES = (np.arange(_DAY_S) + 0.5) / 60


def long_run(
    character: Character,
    instrument: SimulatedInstrument,
    days: int,
    *,
    seed: int = 7,
    start: datetime = datetime(2025, 3, 3, tzinfo=UTC),
) -> pl.DataFrame:
    """Bars of `days` days of one market of a character that is not steady (schema of `bars`, without histograms).

    One row per bar with a trade, by bar_start. `start` is a midnight UTC. All prices follow one walk a day: these bars
    are for what is counted.

    Raises: ConfigError: If the character is steady, or `start` no midnight UTC.
    """
    trades = long_trades(character, instrument, days, seed=seed, start=start)
    return pl.concat([BARS.empty(), *(bars_of(day, histograms=False) for day in trades)])


def long_trades(
    character: Character, instrument: SimulatedInstrument, days: int, *, seed: int, start: datetime
) -> Iterator[pl.DataFrame]:
    """The trades of `long_run`, a day at a time, as `bars_of` takes them, with `quantity`.

    Raises: ConfigError: If the character is steady, or `start` no midnight UTC.
    """
    if character.steady or micros(start) % (_DAY_S * _SECOND):
        raise ConfigError(
            f"a long run of a {character.name} market from {start} cannot be drawn",
            next_step="give a character that is not steady, and a midnight UTC",
        )
    here = character.of(instrument)
    last_id = 0
    for day, (fills, walk) in enumerate(_days(seed, character, here, days, micros(start))):
        price = prices_e8(fills, here, walk, None)
        yield with_neighbours(_trades(here, fills, price, micros(start) + day * _DAY_S * _SECOND, last_id))
        last_id += len(fills)


def _days(
    seed: int, character: Character, instrument: SimulatedInstrument, days: int, start: int
) -> Iterator[tuple[Fills, Floats]]:
    """The fills of each day, times in µs from its midnight, and mid prices by the second."""
    time, buy = np.zeros(0, np.int64), np.zeros(0, np.bool_)
    price = instrument.asset.price
    for day in range(days):
        rng = generator(seed, f"long:{instrument.key}", day)
        level = _level(seed, character, instrument, day, start + day * _DAY_S * _SECOND)
        begun = branched(rng, character, level * orders_per_second(character, instrument))
        time, buy = np.concatenate([time, begun[0]]), np.concatenate([buy, begun[1]])
        inside = time < _DAY_S * _SECOND
        fills = orders(rng, character, instrument, time[inside], buy[inside], below=character.largest)
        time, buy = time[~inside] - _DAY_S * _SECOND, buy[~inside]
        steps = instrument.asset.volatility_bps * 1e-4 * rng.standard_normal(_DAY_S)
        walk = price * (1.0 + np.concatenate([[0.0], np.cumsum(steps)]).clip(-0.8, 4.0))
        yield fills, walk


def _level(seed: int, character: Character, instrument: SimulatedInstrument, day: int, start: int) -> Floats:
    """Activity per second of a day, as a multiple of the usual."""
    back = math.ceil(math.log(_FORGOTTEN) / math.log(character.activity_memory))
    shocks = [generator(seed, f"long minutes:{instrument.key}", day + 1 + i).standard_normal(_MINUTES) for i in (-1, 0)]
    drawn = np.concatenate([shocks[0][-back:], shocks[1]])
    minutes = np.arange(_MINUTES + 1)
    log = day_wave(character, start / 3.6e9 + minutes / 60) - character.activity_sigma**2 / 2
    log = log + character.activity_sigma * decayed(drawn, character.activity_memory, back)[-_MINUTES - 1 :]
    if character.hours_sigma:
        log = log + by_hours(seed, character, instrument.key, start + minutes * 60 * _SECOND)
    level: Floats = np.exp(np.interp(_MIDDLES, minutes, log))
    return level


def _trades(instrument: SimulatedInstrument, fills: Fills, price_e8: Ints, start: int, last_id: int) -> pl.DataFrame:
    """The trades as `bars_of` reads them."""
    quantity = quantities_e8(fills, instrument, price_e8)
    trade_id = last_id + 1 + np.arange(len(fills))
    return pl.DataFrame(
        {
            "exchange": pl.repeat(instrument.exchange, len(fills), eager=True),
            "symbol": pl.repeat(instrument.symbol, len(fills), eager=True),
            "trade_id": trade_id,
            "last_trade_id": trade_id,
            "timestamp": pl.Series(start + fills.time).cast(pl.Datetime("us", "UTC")),
            "buy": fills.buy,
            "price": price_e8 / 1e8,
            "quantity": quantity / 1e8,
            "price_e8": price_e8,
            "quantity_e8": quantity,
        }
    ).with_columns(
        pl.when("buy").then(pl.lit("buy")).otherwise(pl.lit("sell")).alias("side"),
        pl.col("quantity_e8").cast(pl.Int128).alias("quantity_units"),
        half_even(pl.col("price_e8").cast(pl.Int128) * pl.col("quantity_e8"), 10**8).alias("notional_units"),
    )
