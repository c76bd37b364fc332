"""Exact quantity and notional from the doubles a table keeps.

An exchange's number has at most 15 significant digits, so its double still names it exactly. Scaling in steps
that keep every product below 10^15 recovers the decimal digits as integers in units of 10^-12; the product of
two is exact in 128 bits and is rounded once, half-even, to 8 decimals. Any order of addition then gives the
same bytes.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import polars as pl

from coattail.tables import UNITS

MAX_PRICE = 1e12
MAX_QUANTITY = 1e14
MAX_NOTIONAL = 1e13
"""Above these a number is not a market's (and 128 bits would not hold its sums): the checks reject it."""

_STEPS = ((1e3, 12), (1e5, 10), (1e7, 8), (1e10, 5))
_LAST_STEP = 1
_SCALE = 12
_I128 = pl.Int128


def picos(value: pl.Expr) -> pl.Expr:
    """The value in units of 10^-12 (Int128): exact for up to 15 significant digits and 12 decimals."""
    scaled = (value * 10.0**_LAST_STEP).round(mode="half_to_even").cast(_I128) * 10 ** (_SCALE - _LAST_STEP)
    for limit, digits in reversed(_STEPS):
        step = (value * 10.0**digits).round(mode="half_to_even").cast(_I128, strict=False)
        scaled = pl.when(value < limit).then(step * 10 ** (_SCALE - digits)).otherwise(scaled)
    return scaled


def half_even(value: pl.Expr, divisor: int) -> pl.Expr:
    """`value / divisor` rounded half-even, for integers that are not negative."""
    whole = value // divisor
    rest = value - whole * divisor
    up = (rest * 2 > divisor) | ((rest * 2 == divisor) & (whole % 2 == 1))
    rounded: pl.Expr = whole + up.cast(_I128)
    return rounded


def exact_columns() -> list[pl.Expr]:
    """`quantity_units`, `notional_units`: integers in 10^-8, from the columns `price` and `quantity`."""
    return [
        half_even(pl.col("quantity_picos"), 10**4).alias("quantity_units"),
        half_even(pl.col("price_picos") * pl.col("quantity_picos"), 10**16).alias("notional_units"),
    ]


def with_units(trades: pl.DataFrame) -> pl.DataFrame:
    """The trades with `quantity_units` and `notional_units`; needs the double columns `price`, `quantity`."""
    return (
        trades.with_columns(
            picos(pl.col("price")).alias("price_picos"), picos(pl.col("quantity")).alias("quantity_picos")
        )
        .with_columns(exact_columns())
        .drop("price_picos", "quantity_picos")
    )


def as_units(column: str) -> pl.Expr:
    """An integer column in 10^-8 as `decimal(38,8)`, without touching its digits."""
    return pl.col(column).cast(_I128).reinterpret(dtype=UNITS)


def is_inexact(wire: pl.Series, value: pl.Series) -> pl.Series:
    """Where the wire's number has more digits than `picos` keeps: true per row.

    The common case is decided by Polars; the few odd ones (exponents, over 12 decimals) by `decimal`.
    """
    frame = pl.DataFrame({"wire": wire, "value": value})
    exact = pl.Decimal(38, _SCALE)
    decimals = pl.col("wire").str.len_bytes() - pl.col("wire").str.find(".", literal=True).cast(pl.Int64) - 1
    odd = (decimals > _SCALE).fill_null(value=False) | pl.col("wire").cast(exact, strict=False).is_null()
    frame = frame.select(
        "wire",
        odd.alias("odd"),
        picos(pl.col("value")).alias("picos"),
        (pl.col("wire").cast(exact, strict=False).to_physical() != picos(pl.col("value"))).alias("differs"),
    )
    result = frame["differs"].fill_null(value=True).to_list() if frame["odd"].any() else None
    if result is None:
        return frame["differs"]
    for row in frame["odd"].arg_true():
        try:
            result[row] = Decimal(frame["wire"][row]) * 10**_SCALE != frame["picos"][row]
        except (InvalidOperation, TypeError):
            result[row] = True
    return pl.Series("differs", result, dtype=pl.Boolean)
