"""What a market in which most minutes are empty looks like, and a pump in it, in numbers. Pure functions of trades.

Columns in, everywhere: timestamp (UTC µs), side (taker's), price, quantity; one instrument, by time. An order is what
it is for detectors: neighbouring fills with equal time and side.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from coattail.market.prices import Ints
from tools.market_statistics import memory, orders
from tools.page_tables import MarketColumn

QUIET_DAYS = {
    "pace": "trades a minute",
    "empty_pct": "minutes without a trade, %",
    "k_1": "trades of a minute: negative binomial k",
    "p90_1": "trades of a minute, 90 %",
    "p99_1": "trades of a minute, 99 %",
    "p999_1": "trades of a minute, 99.9 %",
    "most_1": "trades of a minute, most",
    "k_5": "trades of five minutes: negative binomial k",
    "p50_5": "trades of five minutes, median",
    "p99_5": "trades of five minutes, 99 %",
    "k_60": "trades of an hour: negative binomial k",
    "p25_60": "trades of an hour, lower quartile",
    "p50_60": "trades of an hour, median",
    "p75_60": "trades of an hour, upper quartile",
    "p99_60": "trades of an hour, 99 %",
    "memory_60": "log trades of an hour and of the next, correlation",
    "gap_p25": "time between orders, lower quartile, s",
    "gap_p50": "time between orders, median, s",
    "gap_p75": "time between orders, upper quartile, s",
    "gap_p99": "time between orders, 99 %, s",
    "gap_p999": "time between orders, 99.9 %, s",
    "longest": "longest silence, minutes",
    "single_pct": "orders of one fill, %",
    "fills": "fills per order, mean",
    "fills_p99": "fills per order, 99 %",
    "order_p90": "order, 90 %, as a multiple of the median",
    "order_p99": "order, 99 %, as a multiple of the median",
    "top_1_pct": "volume in the largest 1 % of orders, %",
}
"""Name -> what it says."""

_STEPS = {
    "b30": ("30 to 10 min before", -1800, -600),
    "b10": ("10 to 1 min before", -600, -60),
    "b1": ("the last minute before", -60, 0),
    "s10": ("0 to 10 s", 0, 10),
    "s30": ("10 to 30 s", 10, 30),
    "s60": ("30 to 60 s", 30, 60),
    "m1": ("the first minute", 0, 60),
    "m2": ("the second minute", 60, 120),
    "m5": ("2 to 5 min", 120, 300),
    "m10": ("5 to 10 min", 300, 600),
    "m30": ("10 to 30 min", 600, 1800),
    "h1": ("30 to 60 min", 1800, 3600),
    "h2": ("1 to 2 h", 3600, 7200),
}
"""Stretches about an announcement, in seconds."""
_VOLUMES = ("m1", "m2", "m5", "m10", "m30", "h1")
_PRICES = {"m5": 300, "m10": 600, "m30": 1800, "h1": 3600, "h2": 7200}
PUMPS = {
    **{f"n_{name}": f"trades, times the usual: {said}" for name, (said, _, _) in _STEPS.items()},
    **{f"v_{name}": f"volume, times the usual: {_STEPS[name][0]}" for name in _VOLUMES},
    "crowd": "first second of ten trades, s after the announcement",
    "drift": "price before the announcement, % over half an hour before",
    "jump": "price two seconds after the crowd came, %",
    "highest": "highest price, %",
    "highest_s": "… after, s",
    **{f"p_{name}": f"price after {seconds // 60} min, %" for name, seconds in _PRICES.items()},
}
"""Name -> what it says. Prices are over the median of the half hour before the announcement's half hour."""


def quiet_statistics(trades: pl.DataFrame, stretches: Sequence[tuple[datetime, datetime]]) -> MarketColumn:
    """The numbers of `QUIET_DAYS`, of the trades within some stretches of time."""
    parts = [trades.filter(pl.col("timestamp").is_between(*stretch, closed="left")) for stretch in stretches]
    counts = {w: np.concatenate([_counts(p, *s, w) for p, s in zip(parts, stretches, strict=True)]) for w in (1, 5, 60)}
    taken = [orders(part) for part in parts]
    silences = pl.concat([part["timestamp"].diff().dt.total_microseconds().drop_nulls() for part in taken]) / 1e6
    all_orders = pl.concat(taken)
    size = all_orders["notional"].sort(descending=True)
    median = _number(size.median())
    found = {
        "pace": float(counts[1].mean()),
        "empty_pct": 100 * float((counts[1] == 0).mean()),
        **{f"k_{width}": _dispersion(count) for width, count in counts.items()},
        **{f"p{name}_1": float(np.quantile(counts[1], q)) for name, q in (("90", 0.9), ("99", 0.99), ("999", 0.999))},
        "most_1": float(counts[1].max()),
        **{f"p{name}_5": float(np.quantile(counts[5], q)) for name, q in (("50", 0.5), ("99", 0.99))},
        **{f"p{name}_60": float(np.quantile(counts[60], int(name) / 100)) for name in ("25", "50", "75", "99")},
        "memory_60": memory(pl.Series(np.log(counts[60] + 1.0))),
        **{f"gap_p{name}": silences.quantile(float(f"0.{name}")) for name in ("25", "50", "75", "99", "999")},
        "longest": _number(silences.max()) / 60,
        "single_pct": 100 * _number((all_orders["fills"] == 1).mean()),
        "fills": _number(all_orders["fills"].mean()),
        "fills_p99": all_orders["fills"].quantile(0.99),
        "order_p90": _number(size.quantile(0.9)) / median,
        "order_p99": _number(size.quantile(0.99)) / median,
        "top_1_pct": 100 * _number(size.head(max(len(size) // 100, 1)).sum()) / _number(size.sum()),
    }
    return {name: found[name] for name in QUIET_DAYS}


def pump_statistics(trades: pl.DataFrame, announced: datetime, *, pace: float, volume: float) -> MarketColumn:
    """The numbers of `PUMPS`; `pace` and `volume` (quote units) are what is usual in a minute."""
    since = (pl.col("timestamp") - announced).dt.total_microseconds() / 1e6
    near = trades.with_columns(since=since, notional=pl.col("price") * pl.col("quantity"))

    def within(first: float, last: float) -> pl.DataFrame:
        return near.filter((pl.col("since") >= first) & (pl.col("since") < last))

    before = _number(within(-3600, -1800)["price"].median())

    def over(price: object) -> float:
        return 100 * (_number(price) / before - 1)

    crowd = within(0, 120).group_by(pl.col("since").floor()).len().filter(pl.col("len") >= 10)["since"].min()
    risen = within(0, 1800).sort("price", descending=True, maintain_order=True)
    found = {
        **{f"n_{n}": within(a, b).height / ((b - a) / 60) / pace for n, (_, a, b) in _STEPS.items()},
        **{
            f"v_{n}": _number(within(*_STEPS[n][1:])["notional"].sum()) / ((_STEPS[n][2] - _STEPS[n][1]) / 60) / volume
            for n in _VOLUMES
        },
        "crowd": _number(crowd),
        "drift": over(within(-600, 0)["price"].last()),
        "jump": over(within(0, _number(crowd) + 2)["price"].last()),
        "highest": over(risen["price"][0]),
        "highest_s": _number(risen["since"][0]),
        **{f"p_{n}": over(within(-600, seconds)["price"].last()) for n, seconds in _PRICES.items()},
    }
    return {name: found[name] for name in PUMPS}


def _counts(trades: pl.DataFrame, since: datetime, until: datetime, minutes: int) -> Ints:
    """Trades in each whole stretch of some minutes, from the first whole minute on."""
    first = since.replace(second=0, microsecond=0)
    first += timedelta(minutes=1) if first < since else timedelta()
    whole = (until - first) // timedelta(minutes=minutes)
    place = (trades["timestamp"] - first).dt.total_microseconds() // (minutes * 60_000_000)
    inside = place.filter((place >= 0) & (place < whole)).to_numpy()
    return np.bincount(inside, minlength=whole)


def _dispersion(counts: Ints) -> float:
    """k of a negative binomial with this mean and variance."""
    return float(counts.mean() ** 2 / (counts.var() - counts.mean()))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
