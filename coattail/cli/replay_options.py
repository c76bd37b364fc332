"""Options of `coattail replay`, from text to values."""

from __future__ import annotations

import math

from coattail.errors import UsageError


def columns_of(text: str) -> dict[str, str]:
    """Column by field, of `time=ts,price=px`."""
    from coattail.recordings import FIELDS

    found: dict[str, str] = {}
    for pair in text.split(","):
        field, equals, column = (part.strip() for part in pair.partition("="))
        if not (field and equals and column) or field in found:
            raise UsageError(
                f"--columns {text!r} is not a list of FIELD=COLUMN, each field once",
                next_step=f"write it like time=ts,price=px,quantity=qty,id=trade_id; fields: {', '.join(FIELDS)}",
            )
        found[field] = column
    return found


def speed_of(text: str) -> float | None:
    """How many times as fast as recorded; None for `max`."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise UsageError(f"--speed {text!r} is not a speed", next_step="write max, 1x, 20x or 0.5x")
    return speed


def symbols_of(text: str) -> list[str]:
    """The symbols named, of `BTC-USDT,ETH-USDT`."""
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if not wanted:
        raise UsageError(f"--symbols {text!r} names none", next_step="write them like BTC-USDT,ETH-USDT")
    return wanted
