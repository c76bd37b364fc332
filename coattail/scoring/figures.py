"""Figures with their intervals, as text."""

from __future__ import annotations

from collections.abc import Mapping


def share(figure: Mapping[str, float | None]) -> str:
    """`27 % (24 to 29)`."""
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "-"
    return f"{100 * value:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def number(figure: Mapping[str, float | None], digits: int = 2) -> str:
    """`0.45 (0.31 to 0.60)`."""
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "-"
    return f"{short(value, digits)} ({short(low, digits)} to {short(high, digits)})"


def short(value: float, digits: int) -> str:
    """Rounded to what a table has room for: `0.45`, `12.3`, `1,234`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.{digits}f}" if value < 10 else f"{value:.1f}"


def percent(value: float | None) -> str:
    """`27 %`, or a dash."""
    return "-" if value is None else f"{100 * value:.0f} %"
