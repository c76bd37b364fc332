"""What a tape looks like, in a dozen numbers: for simulated trades and recorded ones alike. Pure functions of trades.

Columns in, everywhere: trade_id, timestamp (UTC µs), side (taker's), price, quantity; one instrument, by trade_id. An
order is what it is for detectors: fills adjacent in id with equal time and side.
"""

from __future__ import annotations

import polars as pl

from coattail.market.character import NATURAL_WHALE

STATISTICS = {
    "trades_per_minute": "trades per minute",
    "orders_per_minute": "orders per minute",
    "gap_p50_ms": "time between orders, median, ms",
    "gap_p99_ms": "time between orders, 99 %, ms",
    "dispersion": "orders per second: variance / mean",
    "busiest_second_pct": "trades in the busiest second, % of all",
    "order_p50": "order, median, quote units",
    "order_p99": "order, 99 %, quote units",
    "order_mean": "order, mean, quote units",
    "tail_exponent": "tail exponent (Hill, largest 2 % of orders)",
    "top_1_pct": "volume in the largest 1 % of orders, %",
    "whales_per_hour": "orders above 100,000 per hour",
    "single_fill_pct": "orders of one fill, %",
    "fills_per_order": "fills per order, mean",
    "fills_p99": "fills per order, 99 %",
    "imbalance_pct": "buys against sells, % of volume",
    "side_memory": "side of an order and of the next, correlation",
    "bounce_bps": "price between a buy and a sell next to it, bp",
    "volatility_bps": "price step of a second, standard deviation, bp",
    "second_memory": "volume of a second and of the next, correlation",
    "minute_memory": "log volume of a minute and of the next, correlation",
    "minute_sigma": "log volume of a minute, standard deviation",
}
"""Name -> what it says."""

_LARGEST_SHARE = 50
_FEWEST_MINUTES = 30


def orders(trades: pl.DataFrame) -> pl.DataFrame:
    """timestamp, side, fills, notional, price (of the first fill), last_price; one row per order."""
    new = (pl.col("timestamp") != pl.col("timestamp").shift()) | (pl.col("side") != pl.col("side").shift())
    return (
        trades.with_columns(new.fill_null(value=True).cum_sum().alias("order"))
        .group_by("order", maintain_order=True)
        .agg(
            pl.col("timestamp", "side").first(),
            pl.len().cast(pl.Int64).alias("fills"),
            (pl.col("price") * pl.col("quantity")).sum().alias("notional"),
            pl.col("price").first(),
            pl.col("price").last().alias("last_price"),
        )
        .drop("order")
    )


def statistics(trades: pl.DataFrame) -> dict[str, float | None]:
    """The numbers of `STATISTICS`; None where there is too little to say (minutes: fewer than 30 of them)."""
    taken = orders(trades)
    minutes = _per(trades, "1m")
    seconds = _per(trades, "1s")
    times = trades["timestamp"].dt.epoch("us")
    span_s = _number(times[-1] - times[0]) / 1e6
    buys = _number(taken.filter(side="buy")["notional"].sum())
    volume = _number(taken["notional"].sum())
    gaps = taken["timestamp"].diff().dt.total_microseconds() / 1000
    sign = (taken["side"] == "buy").cast(pl.Float64)
    ranked = taken["notional"].sort(descending=True)
    log = seconds["last_price"].fill_null(strategy="forward").log().diff()
    whole = minutes.height >= _FEWEST_MINUTES
    log_volume = minutes.filter(pl.col("volume") > 0)["volume"].log()
    return {
        "trades_per_minute": trades.height / span_s * 60,
        "orders_per_minute": taken.height / span_s * 60,
        "gap_p50_ms": _number(gaps.median()),
        "gap_p99_ms": gaps.quantile(0.99),
        "dispersion": _number(seconds["orders"].var()) / _number(seconds["orders"].mean()),
        "busiest_second_pct": 100 * _number(seconds["trades"].max()) / trades.height,
        "order_p50": _number(ranked.median()),
        "order_p99": ranked.quantile(0.99),
        "order_mean": _number(ranked.mean()),
        "tail_exponent": hill(ranked, max(taken.height // _LARGEST_SHARE, 10)),
        "top_1_pct": 100 * _number(ranked.head(max(taken.height // 100, 1)).sum()) / volume,
        "whales_per_hour": int((ranked > NATURAL_WHALE).sum()) / span_s * 3600,
        "single_fill_pct": 100 * _number((taken["fills"] == 1).mean()),
        "fills_per_order": _number(taken["fills"].mean()),
        "fills_p99": taken["fills"].quantile(0.99),
        "imbalance_pct": 100 * abs(2 * buys / volume - 1),
        "side_memory": memory(sign),
        "bounce_bps": _bounce(taken),
        "volatility_bps": 1e4 * _number(log.std()),
        "second_memory": memory(seconds["volume"]),
        "minute_memory": memory(log_volume) if whole else None,
        "minute_sigma": _number(log_volume.std()) if whole else None,
    }


def hill(ranked: pl.Series, count: int) -> float | None:
    """Hill's estimate of the tail exponent from the `count` largest of values sorted downwards."""
    if len(ranked) <= count:
        return None
    largest = ranked.head(count).log() - pl.Series([ranked[count]]).log()[0]
    return 1.0 / _number(largest.mean())


def memory(values: pl.Series) -> float | None:
    """Correlation of values with those one place later."""
    pairs = pl.DataFrame({"now": values, "then": values.shift(-1)}).drop_nulls()
    found: float | None = pairs.select(pl.corr("now", "then")).item() if pairs.height > 2 else None
    return found


def basis(one: pl.DataFrame, other: pl.DataFrame) -> dict[str, float | None]:
    """Mean and standard deviation, in bp, of one instrument's price over another's, from last prices by the second."""
    prices = _per(one, "1s").join(_per(other, "1s"), on="timestamp", suffix="_other")
    ratio = 1e4 * (prices["last_price"] / prices["last_price_other"]).log().drop_nulls()
    return {"mean_bps": _number(ratio.mean()), "std_bps": _number(ratio.std())}


def _per(trades: pl.DataFrame, every: str) -> pl.DataFrame:
    """volume, trades, orders, last_price per stretch of time, also of those without a trade (last_price: null)."""
    new = (pl.col("timestamp") != pl.col("timestamp").shift()).fill_null(value=True)
    return (
        trades.with_columns(new.alias("new"))
        .group_by(pl.col("timestamp").dt.truncate(every), maintain_order=True)
        .agg(
            (pl.col("price") * pl.col("quantity")).sum().alias("volume"),
            pl.len().alias("trades"),
            pl.col("new").sum().alias("orders"),
            pl.col("price").last().alias("last_price"),
        )
        .sort("timestamp")
        .upsample("timestamp", every=every)
        .with_columns(pl.col("volume", "trades", "orders").fill_null(0))
    )


def _bounce(taken: pl.DataFrame) -> float | None:
    """How much more a buyer pays than a seller next to him gets, in bp of the price."""
    sign = pl.when(pl.col("side") == "buy").then(1).otherwise(-1)
    turned = pl.col("side") != pl.col("side").shift()
    step = sign * (pl.col("price") / pl.col("last_price").shift() - 1) * 1e4
    found: float | None = taken.select(step.filter(turned).mean()).item()
    return found


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
