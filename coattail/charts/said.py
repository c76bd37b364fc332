"""What is said on a chart beside its data: alerts as marks, and stretches in which trades are missing. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

import polars as pl

from coattail.amounts import number
from coattail.charts.chart import MINUTE_MS, Line, Mark, Shade, ms
from coattail.detectors import ALERT_TYPES
from coattail.detectors.described import EVERY_MARKET

_MOST_SHADES = 200
_WORDS = {
    "gap": "missing: {n} trades in a gap",
    "unobserved": "nobody listened: {n} trade ids",
    "rejected": "{n} rejected",
}


def unknown(coverage: pl.DataFrame, since: int, until: int) -> list[Shade]:
    """The stretches between two times (ms) of which trades are missing, the 200 longest, in order of time.

    Columns in: exchange, symbol, state, first_ts, last_ts, as in the table `coverage`; inside (how many ids).
    """
    shades = []
    for row in coverage.filter(pl.col("state").is_in(list(_WORDS))).iter_rows(named=True):
        low = since if row["first_ts"] is None else max(since, ms(row["first_ts"]))
        high = until if row["last_ts"] is None else min(until, ms(row["last_ts"]))
        if low > until or high < since:
            continue
        own = row["exchange"], row["symbol"]
        label = f"{' '.join(own)}, {_WORDS[row['state']].format(n=number(row['inside']))}"
        shades.append(Shade(since=low, until=max(low, high), kind=row["state"], label=label, instrument=own))
    longest = sorted(shades, key=lambda shade: shade.since - shade.until)[:_MOST_SHADES]
    return sorted(longest, key=lambda shade: shade.since)


def marks_on(alerts: pl.DataFrame, lines: Mapping[tuple[str, str], Line], *, volume: bool = False) -> list[Mark]:
    """The alerts about instruments, on the line that each is about; one about a venue on every line of that.

    alerts: Columns detected_at, alert_type, exchange, symbol, severity, message. lines: By (exchange, symbol).
    volume: Those about volume, at the beginning of their window; otherwise those about prices and orders.
    """
    found = []
    for row in alerts.iter_rows(named=True):
        known = ALERT_TYPES.get(row["alert_type"])
        if (known.marks if known else "price") != ("volume" if volume else "price"):
            continue
        x = ms(row["detected_at"]) - (MINUTE_MS if volume else 0)  # a window ends then
        for (exchange, symbol), line in lines.items():
            own = exchange == row["exchange"] and row["symbol"] in (symbol, EVERY_MARKET)
            if own and (y := value_at(line, x)) is not None:
                found.append(Mark(x=x, y=y, kind=row["severity"], label=row["message"]))
    return found


def value_at(line: Line, x: int) -> float | None:
    """The line's value nearest to a time, looking at what came before it first."""
    place = bisect_right(line.x, x) - 1
    around = (place, place + 1, place - 1)
    return next((y for at in around if 0 <= at < len(line.y) and (y := line.y[at]) is not None), None)
