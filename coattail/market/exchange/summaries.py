"""What exchanges say of trades in sum, of those released: 24 hours, and candles. No order book is simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from coattail.market.wire import fixed

if TYPE_CHECKING:
    from coattail.market.exchange.venue import Venue

_DAY_US = 86_400_000_000
_MANY = 1 << 62


def summary(venue: Venue, code: str) -> dict[str, Any]:
    """Of the last 24 hours of market time: open, high, low, last, volume, quote_volume, change, change_percent,
    weighted (text; "" without a trade), count, first_id, last_id (-1 without one), first_time, last_time (µs).
    """
    since = venue.clock.now() - _DAY_US
    trades = venue.tape.newest(code, venue.released, pl.col("time") > since, _MANY)
    bars = _bars(trades, pl.lit(0))
    if not bars:
        names = ("open", "high", "low", "last", "volume", "quote_volume", "change", "change_percent", "weighted")
        return {**dict.fromkeys(names, ""), "count": 0, "first_id": -1, "last_id": -1, "first_time": 0, "last_time": 0}
    day = bars[0]
    first, last, volume = float(day["open"]), float(day["close"]), float(day["volume"])
    return {
        **day,
        "last": day["close"],
        "change": f"{last - first:.8f}",
        "change_percent": f"{(last / first - 1) * 100:.3f}",
        "weighted": f"{float(day['quote_volume']) / volume:.8f}" if volume else "",
    }


def candles(venue: Venue, code: str, seconds: int, since: int | None, until: int | None) -> list[dict[str, Any]]:
    """One row per candle of `seconds` in which there was a trade, oldest first; begin in µs since 1970 UTC."""
    where = pl.lit(True)
    if since is not None:
        where &= pl.col("time") >= since
    if until is not None:
        where &= pl.col("time") <= until
    trades = venue.tape.newest(code, venue.released, where, _MANY)
    length = seconds * 1_000_000
    return _bars(trades, pl.col("time") // length * length)


def _bars(trades: pl.DataFrame, begin: pl.Expr) -> list[dict[str, Any]]:
    """Open, high, low, close as they were written; volume and quote_volume with eight decimals."""
    number, amount = pl.col("price").cast(pl.Float64), pl.col("quantity").cast(pl.Float64)
    return (
        trades.group_by(begin.alias("begin"), maintain_order=True)
        .agg(
            open=pl.col("price").first(),
            high=pl.col("price").get(number.arg_max()),
            low=pl.col("price").get(number.arg_min()),
            close=pl.col("price").last(),
            volume_e8=(amount * 1e8).round().cast(pl.Int64).sum(),
            quote_e8=(number * amount * 1e8).round().cast(pl.Int64).sum(),
            bought_e8=(amount * 1e8).round().cast(pl.Int64).filter("buy").sum(),
            bought_quote_e8=(number * amount * 1e8).round().cast(pl.Int64).filter("buy").sum(),
            count=pl.len(),
            first_id=pl.col("id").first(),
            last_id=pl.col("id").last(),
            first_time=pl.col("time").first(),
            last_time=pl.col("time").last(),
        )
        .with_columns(
            volume=fixed("volume_e8"),
            quote_volume=fixed("quote_e8"),
            bought=fixed("bought_e8"),
            bought_quote=fixed("bought_quote_e8"),
        )
        .to_dicts()
    )
