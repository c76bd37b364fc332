"""What Binance sends about trades, many messages at once: bodies of `@trade` and `@aggTrade`, rows of REST pages.

Sources: github.com/binance/binance-spot-api-docs, web-socket-streams.md and rest-api.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from coattail.market.wire import fixed


@dataclass(frozen=True)
class Told:
    """How times are told."""

    microseconds: bool = False
    """Times in µs instead of ms."""
    skew: int = 0
    """By how much the exchange's clock is wrong, µs: it shows in `E` and in the time of the server."""

    @property
    def unit(self) -> int:
        """µs per unit of a time."""
        return 1 if self.microseconds else 1000


PLAIN = Told()
"""In ms, by a right clock."""


def trade_bodies(trades: pl.DataFrame, told: Told = PLAIN) -> pl.Series:
    """One `@trade` event per trade."""
    return _recorded_or(
        trades,
        told,
        '{"e":"trade","E":',
        _event_time(told),
        ',"s":"',
        pl.col("code"),
        '","t":',
        pl.col("id"),
        ',"p":"',
        pl.col("price"),
        '","q":"',
        pl.col("quantity"),
        '","T":',
        pl.col("time") // told.unit,
        ',"m":',
        _flag(~pl.col("buy")),
        ',"M":true}',
    )


def aggregates(trades: pl.DataFrame) -> pl.DataFrame:
    """One row per aggregate that these trades close, with its `last` trade id and its whole quantity."""
    whole = pl.when(pl.col("first") == pl.col("id")).then("quantity").otherwise(fixed("total_e8"))
    return trades.filter("closes").with_columns(last=pl.col("id"), quantity=whole, message=pl.lit(None, pl.String))


def aggregate_bodies(closed: pl.DataFrame, told: Told = PLAIN) -> pl.Series:
    """One `@aggTrade` event per row of `aggregates`."""
    return _recorded_or(
        closed,
        told,
        '{"e":"aggTrade","E":',
        _event_time(told),
        ',"s":"',
        pl.col("code"),
        '","a":',
        pl.col("aggregate"),
        ',"p":"',
        pl.col("price"),
        '","q":"',
        pl.col("quantity"),
        '","f":',
        pl.col("first"),
        ',"l":',
        pl.col("last"),
        ',"T":',
        pl.col("time") // told.unit,
        ',"m":',
        _flag(~pl.col("buy")),
        ',"M":true}',
    )


def enveloped(bodies: pl.Series, codes: pl.Series, stream: str) -> pl.Series:
    """The events in the envelope of a combined stream: `{"stream":"btcusdt@trade","data":…}`."""
    return pl.select(
        pl.concat_str(
            pl.lit('{"stream":"'), codes.str.to_lowercase(), pl.lit(f'@{stream}","data":'), bodies, pl.lit("}")
        )
    ).to_series()


def trade_page(trades: pl.DataFrame, told: Told = PLAIN) -> list[dict[str, object]]:
    """Rows of `/api/v3/trades` and `/api/v3/historicalTrades`."""
    return [
        {
            "id": row["id"],
            "price": row["price"],
            "qty": row["quantity"],
            "quoteQty": f"{Decimal(row['price']) * Decimal(row['quantity']):.8f}",
            "time": row["time"] // told.unit,
            "isBuyerMaker": not row["buy"],
            "isBestMatch": True,
        }
        for row in trades.iter_rows(named=True)
    ]


def aggregate_page(closed: pl.DataFrame, told: Told = PLAIN) -> list[dict[str, object]]:
    """Rows of `/api/v3/aggTrades`."""
    return [
        {
            "a": row["aggregate"],
            "p": row["price"],
            "q": row["quantity"],
            "f": row["first"],
            "l": row["last"],
            "T": row["time"] // told.unit,
            "m": not row["buy"],
            "M": True,
        }
        for row in closed.iter_rows(named=True)
    ]


def _event_time(told: Told) -> pl.Expr:
    """When the event was made: 1 or 2 ms after the trade."""
    made: pl.Expr = (pl.col("time") + told.skew) // told.unit + (1 + pl.col("id") % 2) * (1000 // told.unit)
    return made


def _flag(value: pl.Expr) -> pl.Expr:
    flag: pl.Expr = pl.when(value).then(pl.lit("true")).otherwise(pl.lit("false"))
    return flag


def _recorded_or(trades: pl.DataFrame, told: Told, *parts: str | pl.Expr) -> pl.Series:
    """The recorded message where there is one and it may stand as it is, else the parts put together."""
    written = pl.concat_str([pl.lit(part) if isinstance(part, str) else part for part in parts])
    if told == PLAIN:
        written = pl.coalesce("message", written)
    return trades.select(written.alias("data")).to_series()
