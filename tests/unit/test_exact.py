"""Exact numbers from doubles, against Python's decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coattail.exact import as_units, half_even, is_inexact, picos, with_units
from coattail.tables import UNITS


def units(price: str, quantity: str) -> tuple[int, int]:
    frame = pl.DataFrame({"price": [float(price)], "quantity": [float(quantity)]})
    row = with_units(frame).row(0, named=True)
    return row["quantity_units"], row["notional_units"]


def decimal_units(price: str, quantity: str) -> tuple[int, int]:
    with localcontext(prec=80, rounding=ROUND_HALF_EVEN):
        exact = (Decimal(quantity), Decimal(price) * Decimal(quantity))
        return tuple(int(value.quantize(Decimal("1e-8")).scaleb(8)) for value in exact)  # type: ignore[return-value]


@st.composite
def wires(draw: st.DrawFn, largest: int = 10**12) -> str:
    """Numbers as exchanges write them: at most 15 significant digits, at most 12 decimals."""
    digits = draw(st.integers(1, 10**15 - 1))
    decimals = draw(st.integers(0, 12))
    value = Decimal(digits).scaleb(-decimals)
    while value >= largest:
        value = value.scaleb(-1)
        decimals += 1
    if decimals > 12:
        value = value.quantize(Decimal("1e-12"))
    return f"{value:f}"


def flagged(wire: str) -> bool:
    return bool(is_inexact(pl.Series([wire]), pl.Series([float(wire)])).item())


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(price=wires(), quantity=wires(10**14))
def test_what_is_not_flagged_is_exactly_the_decimals_own_result(price: str, quantity: str) -> None:
    if 0 < Decimal(price) * Decimal(quantity) <= 10**13 and not flagged(price) and not flagged(quantity):
        assert units(price, quantity) == decimal_units(price, quantity)


@settings(max_examples=400, deadline=None)
@given(digits=st.integers(1, 10**15 - 1), decimals=st.integers(0, 8))
def test_fifteen_digits_with_eight_decimals_are_never_flagged_below_ten_million(digits: int, decimals: int) -> None:
    value = Decimal(digits).scaleb(-decimals) % 10**7
    assert not flagged(f"{value:f}")


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(whole=st.integers(10**7, 10**10 - 1), rest=st.integers(0, 99_999))
def test_larger_numbers_keep_five_decimals(whole: int, rest: int) -> None:
    assert not flagged(f"{whole}.{rest:05d}")


@settings(max_examples=400, deadline=None)
@given(digits=st.integers(10**15, 10**22), decimals=st.integers(0, 20))
def test_a_number_is_flagged_exactly_where_its_digits_are_not_kept(digits: int, decimals: int) -> None:
    value = Decimal(digits).scaleb(-decimals)
    if value >= 10**14:
        return
    wire = f"{value:f}"
    kept = pl.select(picos(pl.lit(float(wire)))).item()
    assert is_inexact(pl.Series([wire]), pl.Series([float(wire)])).to_list() == [value.scaleb(12) != kept]


@pytest.mark.parametrize(
    ("wire", "flagged"),
    [("1e-7", False), ("1E5", False), ("1e-13", True), ("0.1234567890123", True), ("12345678.123456789", True),
     ("61837.63000000", False), ("1.000000000000000", False), ("999.999999999999", False), ("0.00000001", False)],
)  # fmt: skip
def test_odd_ways_of_writing_are_judged_by_their_value(wire: str, flagged: bool) -> None:
    assert is_inexact(pl.Series([wire]), pl.Series([float(wire)])).to_list() == [flagged]


def test_flags_stand_in_the_rows_they_belong_to() -> None:
    wires_, flags = ["1.5", "0.1234567890123456", "2", "1e-3", "99999999.123456789", "3"], [0, 1, 0, 0, 1, 0]
    given_ = is_inexact(pl.Series(wires_), pl.Series([float(w) for w in wires_]))
    assert given_.to_list() == [bool(f) for f in flags]
    assert is_inexact(pl.Series([], dtype=pl.String), pl.Series([], dtype=pl.Float64)).to_list() == []


@settings(max_examples=300, deadline=None)
@given(value=st.integers(0, 10**37), divisor=st.sampled_from([2, 10, 100, 10**4, 10**16]))
def test_half_even_rounds_as_decimals_do(value: int, divisor: int) -> None:
    with localcontext(prec=80, rounding=ROUND_HALF_EVEN):
        wanted = int((Decimal(value) / divisor).to_integral_value())
    assert pl.select(half_even(pl.lit(value, pl.Int128), divisor)).item() == wanted


def test_a_tie_goes_to_the_even_digit() -> None:
    assert units("1.0", "0.000000005")[0] == 0
    assert units("1.0", "0.000000015")[0] == 2
    assert units("0.5", "0.00000001") == (1, 0)
    assert units("1.5", "0.00000001") == (1, 2)


@given(value=st.integers(0, 10**30))
def test_units_as_a_decimal_keep_every_digit(value: int) -> None:
    frame = pl.DataFrame({"x": pl.Series([value], dtype=pl.Int128)}).select(as_units("x"))
    assert frame.schema["x"] == UNITS
    with localcontext(prec=40):
        assert frame.item() == Decimal(value).scaleb(-8)
