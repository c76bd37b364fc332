"""What Coinbase's Exchange feed sends about trades, many messages at once, and the rows of its REST pages.

`side` is the maker's, on the feed and in REST. REST writes amounts with eight decimals, the feed cuts zeros at the end.

Sources: docs.cdp.coinbase.com/exchange: websocket-feed/channels, rest-api/products (trades).
"""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from coattail.market.wire import digits_of, seconds_of, uuids

_SECOND = 1_000_000


def match_bodies(trades: pl.DataFrame, kind: str = "match") -> pl.Series:
    """One `match` (or `last_match`) message per trade."""
    clocked = timed(trades).with_columns(
        maker=uuids(trades["id"].to_numpy() * 2), taker=uuids(trades["order"].to_numpy() * 2 + 1)
    )
    written = pl.concat_str(
        pl.lit(f'{{"type":"{kind}","trade_id":'),
        "id",
        pl.lit(',"maker_order_id":"'),
        "maker",
        pl.lit('","taker_order_id":"'),
        "taker",
        pl.lit('","side":"'),
        maker_side(),
        pl.lit('","size":"'),
        "quantity",
        pl.lit('","price":"'),
        "price",
        pl.lit('","product_id":"'),
        "code",
        pl.lit('","sequence":'),
        "sequence",
        pl.lit(',"time":"'),
        "clock",
        pl.lit('"}'),
    )
    recorded = pl.col("message").str.replace('"type":"match"', f'"type":"{kind}"', literal=True)
    return clocked.select(pl.coalesce(recorded, written).alias("data")).to_series()


def trade_page(trades: pl.DataFrame) -> list[dict[str, object]]:
    """Rows of `/products/{id}/trades`, in the order of `trades`."""
    clocked = timed(trades).with_columns(side=maker_side())
    return [
        {
            "trade_id": row["id"],
            "side": row["side"],
            "size": f"{Decimal(row['quantity']):.8f}",
            "price": f"{Decimal(row['price']):.8f}",
            "time": row["clock"],
        }
        for row in clocked.iter_rows(named=True)
    ]


def maker_side(buy: str = "buy", sell: str = "sell") -> pl.Expr:
    """The maker's side, in these words."""
    side: pl.Expr = pl.when("buy").then(pl.lit(sell)).otherwise(pl.lit(buy))
    return side


def iso(time: int) -> str:
    """`2025-03-04T12:00:00.123456Z` of µs since 1970 UTC."""
    text: str = timed(pl.DataFrame({"time": [time]}))["clock"].item()
    return text


def timed(trades: pl.DataFrame) -> pl.DataFrame:
    """The same with `clock`, the time as text in µs."""
    seconds = seconds_of(trades["time"].to_numpy())
    return trades.with_columns(clock=pl.concat_str(seconds, digits_of(pl.col("time") % _SECOND, 6), pl.lit("Z")))
