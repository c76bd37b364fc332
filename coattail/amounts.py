"""Numbers as a person reads them: in messages, reports and on the command line. Pure."""

from __future__ import annotations

import math

_UNITS = (("T", 1e12), ("bn", 1e9), ("M", 1e6), ("k", 1e3))


def short(value: float | None) -> str:
    """An amount in three significant digits: 1.53 M, 760 k, 12.3, 0.0123."""
    if value is None or not math.isfinite(value):
        return "-"
    rounded = float(f"{value:.3g}")
    if rounded == 0:
        return "0"
    for unit, size in _UNITS:
        if abs(rounded) >= size:
            return f"{_plain(rounded / size, 3)} {unit}"
    return _plain(rounded, 3)


def number(value: float | None) -> str:
    """A number with five significant digits and thousands: 62,016.2, 0.98765, 1,234,567."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0 or abs(value) >= 10_000:
        return f"{value:,.0f}" if abs(value) >= 100_000 or value == round(value) else f"{value:,.1f}"
    return _plain(value, 5)


def price(value: float | None) -> str:
    """A price with five digits or more, as many as its neighbours in a column: 62,016.2, 150.00, 0.99980."""
    if value is None or not math.isfinite(value) or value <= 0:
        return number(value)
    return f"{value:,.{min(max(1, 4 - math.floor(math.log10(value))), 12)}f}"


def count(amount: int, one: str, many: str | None = None) -> str:
    """`1 gap`, `12 gaps`."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def _plain(value: float, digits: int) -> str:
    """A number that is not zero, without an exponent or zeros at its end."""
    places = min(max(0, digits - 1 - math.floor(math.log10(abs(value)))), 12)
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
