"""Exact quantity and notional from the doubles a table keeps.

An exchange's number has at most 15 significant digits, so its double still names it exactly. Scaling in steps
that keep every product below 10^15 recovers the decimal digits as integers in units of 10^-12; the product of
two is exact in 128 bits and is rounded once, half-even, to 8 decimals. Any order of addition then gives the
same bytes.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

import polars as pl

from coattail.tables import UNITS

MAX_PRICE = 1e12
MAX_QUANTITY = 1e14
MAX_NOTIONAL = 1e13
"""Above these a number is not a market's (and 128 bits would not hold its sums): the checks reject it."""

_STEPS = ((1e3, 1e12, 1), (1e5, 1e10, 10**2), (1e7, 1e8, 10**4), (1e10, 1e5, 10**7), (math.inf, 10.0, 10**11))
"""(values below, times this, number of units that makes): every product stays below 10^15."""
_SCALE = 12
_I128 = pl.Int128


def picos(value: pl.Expr) -> pl.Expr:
    """The value in units of 10^-12 (Int128): exact for up to 15 significant digits and 12 decimals."""
    steps = [
        (value < limit, (value * factor).round(mode="half_to_even").cast(_I128, strict=False) * unit)
        for limit, factor, unit in _STEPS
    ]
    scaled = steps[-1][1]
    for below, step in reversed(steps[:-1]):
        scaled = pl.when(below).then(step).otherwise(scaled)
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

    Short numbers of common size cannot; the others are compared by Polars, the odd ones among them (exponents,
    over 12 decimals) by `decimal`.
    """
    frame = pl.DataFrame({"wire": wire, "value": value})
    length = pl.col("wire").str.len_bytes()
    short = (length <= 13) | ((length == 14) & (pl.col("value") >= 1))
    suspect = ~(short & (pl.col("value") >= 1e-4) & (pl.col("value") < 1e7))
    mask = frame.select(suspect.fill_null(value=True)).to_series()
    result = pl.zeros(frame.height, pl.Boolean, eager=True)
    if mask.any():
        result = result.scatter(mask.arg_true(), _differs(frame.filter(mask)))
    return result


def _differs(frame: pl.DataFrame) -> pl.Series:
    exact = pl.Decimal(38, _SCALE)
    decimals = pl.col("wire").str.len_bytes() - pl.col("wire").str.find(".", literal=True).cast(pl.Int64) - 1
    known = pl.col("wire").cast(exact, strict=False)  # which rounds what it cannot hold
    exponent = pl.col("wire").str.contains_any(["e", "E"])
    judged = frame.select(
        "wire",
        ((decimals > _SCALE).fill_null(value=False) | exponent | known.is_null()).alias("odd"),
        picos(pl.col("value")).alias("picos"),
        (known.to_physical() != picos(pl.col("value"))).fill_null(value=True).alias("differs"),
    )
    result = judged["differs"]
    for row in judged["odd"].arg_true():
        try:
            differs = Decimal(judged["wire"][row]) * 10**_SCALE != judged["picos"][row]
        except (InvalidOperation, TypeError):
            differs = True
        result = result.scatter(row, differs)
    return result
