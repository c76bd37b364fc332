"""What alerts of rare volume say: a sentence for a trader, and the numbers behind it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coattail.alerts import SEVERITIES
from coattail.amounts import count, number, short
from coattail.detectors.counts import GAP, NOTIONAL_1, ORDERS_5
from coattail.detectors.described import Details
from coattail.detectors.rare_fit import DOUBTED
from coattail.detectors.rarity import interval
from coattail.symbols import quote_of

if TYPE_CHECKING:
    from coattail.detectors.rare_volume import RareVolumeDetector

_YEAR = 365.0
_LEVEL_MINUTES = 240
_OF_A_STALL = {"window_start", "window_end", "fired", "last_window_end"}
"""All that the details of a venue's stall hold."""
_RARER = 2.0
"""Times as rare as it began that an episode must become for that to be said: less is within any interval."""


class Said(NamedTuple):
    """An alert's severity, its sentence, and its details."""

    severity: str
    message: str
    details: dict[str, Any]


def rise(row: dict[str, Any], rules: RareVolumeDetector) -> Said:
    """Too many orders, or too much notional."""
    end, orders, expected = row["window_end"], row["orders"], row["expected_orders"]
    over = "five minutes" if row["channel"] == ORDERS_5.name else "minute"
    volume = f"{short(float(row['volume']))} {quote_of(row['symbol'])}".strip()
    what = f"{count(orders, 'order')} ({volume}) in the {over} to {end:%H:%M:%S} UTC"
    if row["channel"] == NOTIONAL_1.name:
        what = f"{volume} in {count(orders, 'order')} in the {over} to {end:%H:%M:%S} UTC"
    usual = f"usually {_few(expected)}{' orders' if row['channel'] == NOTIONAL_1.name else ''}"
    return Said(
        SEVERITIES[row["level"]],
        f"{row['symbol']} on {row['exchange']}: {what}, {usual}: such a {'stretch' if over != 'minute' else 'minute'} "
        f"comes {period_in_words(row)}",
        _details(row, rules.budget),
    )


def drought(row: dict[str, Any], rules: RareVolumeDetector) -> Said:
    """Too few orders."""
    end, market = row["window_end"], f"{row['symbol']} on {row['exchange']}"
    if row["channel"] == GAP.name:
        what = f"no trade for {_minutes(row['silent_s'])} to {end:%H:%M:%S} UTC"
    else:
        what = f"{count(row['orders'], 'order')} in the five minutes to {end:%H:%M:%S} UTC"
    expected = f"where {_few(row['expected_orders'])} were expected"  # of late, which need not be what is usual
    return Said(
        SEVERITIES[row["level"]],
        f"{market}: {what}, {expected}: that comes {period_in_words(row)}",
        {**_details(row, rules.drop_budget), "silent_s": row["silent_s"]},
    )


def stall(row: dict[str, Any], rules: RareVolumeDetector) -> Said:
    """A venue of which no market trades."""
    end = row["window_end"]
    return Said("high", f"{row['exchange']}: nothing traded in any market for two minutes to {end:%H:%M:%S} UTC", {})


def period_in_words(row: dict[str, Any]) -> str:
    """`about once in 40 days here (12 to 130; from 7 days, extrapolated)`; beyond a year the tail is not known."""
    days, learned, borrowed = row["return_days"], row["learned_days"], row["borrowed_days"]
    low, high = _interval(row)
    if days > _YEAR:
        often, spread = "more rarely than once a year here", ""
    else:
        often, spread = f"about once in {span(days)} here", f"{between(low, high)}; "
    own = learned - borrowed
    lenders = f"{in_days(borrowed)} borrowed from markets like it" if row["source"] == "like" else "reference markets"
    if not borrowed:
        source = f"from {in_days(learned)}"
    else:
        source = f"from {in_days(own)} of its own and {lenders}" if own else f"from {lenders} alone"
    return f"{often} ({spread}{source}{', extrapolated' if days > learned else ''})"


def _interval(row: dict[str, Any]) -> tuple[float, float]:
    """Between which return periods (days) the true one lies in nine cases of ten."""
    days, distance, count = (np.array([row[name]]) for name in ("return_days", "distance", "tail_count"))
    low, high = interval(days, distance, count, doubted=DOUBTED[row["side"]])
    return float(low[0]), float(high[0])


def lasted(row: dict[str, Any], last: datetime, longest: float) -> str:
    """The end of a message: until when an episode lasted, and how rare it became (days) where that is more."""
    until = f"; until {last:%H:%M:%S}" if last > row["window_end"] else ""
    peak = often(longest)
    opened = row["return_days"]
    rarer = longest > 0 and longest >= _RARER * opened and opened <= _YEAR
    return f"{until}{', ' if until else '; '}at its rarest {peak}" if rarer else until


def often(days: float) -> str:
    """`once in 40 days`; beyond a year the tail is not known."""
    return "less than once a year" if days > _YEAR else f"once in {span(days)}"


def span(days: float) -> str:
    """A period: `40 days`, `9 hours`, `25 minutes`."""
    if days >= 2:
        return f"{days:.0f} days" if days >= 10 else f"{days:.2g} days"
    if days * 24 >= 2:
        return f"{days * 24:.0f} hours"
    return count(max(round(days * 1440), 1), "minute")


def why(details: Details) -> list[str]:
    """Sentences about the numbers in an alert's details."""
    trades, orders, volume, expected = (details.get(key) for key in ("trades", "orders", "volume", "expected_orders"))
    days, low, high = (details.get(key) for key in ("return_days", "return_low", "return_high"))
    peak = details.get("peak_days")
    learned, borrowed, budget = (details.get(key) for key in ("learned_days", "borrowed_days", "budget_per_day"))
    details.pass_over("first_trade_id", "last_trade_id", "channel", "source", "silent_s", "score",
                      "baseline_windows", "budget_days")  # fmt: skip
    found = []
    if not set(details.all) - _OF_A_STALL:
        found.append("Some market of it traded in nine of ten bars before, and ids show that no trade was missed.")
    if trades is not None and orders is not None and volume is not None:
        seen = f"a volume of {number(volume)} in {count(int(trades), 'trade')} of {count(int(orders), 'order')}"
        found.append(f"It saw {seen if trades else 'no trade'}.")
    if expected is not None:
        known = details.get("baseline_windows")
        lately = "four hours" if known is None or known >= _LEVEL_MINUTES else count(int(known), "minute")
        usual = f"the time of day and the last {lately}" if details.get("usual_days") else f"the last {lately}"
        found.append(f"{number(expected)} orders were expected, by {usual}.")
    if days is not None and low is not None and high is not None:
        whose = "all" if borrowed == learned else in_days(borrowed or 0.0)
        lent = f", {whose} of them borrowed" if borrowed else ""
        from_days = f", learned from {in_days(learned)}{lent}" if learned is not None else ""
        about, within = ("", "") if days > _YEAR else ("about ", f" ({between(low, high)})")
        found.append(f"It comes {about}{often(days)}{within}{from_days}.")
    if peak is not None and days is not None and peak >= _RARER * days and days <= _YEAR:
        found.append(f"At its rarest the episode came to {often(peak)}.")
    if budget is not None:
        found.append(f"An alarm is what comes less than once in {span(1 / budget)}.")
    return found


def _details(row: dict[str, Any], budget: float) -> dict[str, Any]:
    low, high = _interval(row)
    return {
        "channel": row["channel"],
        "trades": row["trades"],
        "orders": row["orders"],
        "volume": f"{row['volume']:f}",
        "first_trade_id": row["first_trade_id"],
        "last_trade_id": row["last_trade_id"],
        "expected_orders": row["expected_orders"],
        "score": row["score"],
        "return_days": row["return_days"],
        "return_low": round(low, 4),
        "return_high": round(high, 4),
        "budget_days": round(1 / budget, 6),
        "budget_per_day": budget,
        "usual_days": row["usual_days"],
        "baseline_windows": row["baseline_windows"],
        "learned_days": row["learned_days"],
        "borrowed_days": row["borrowed_days"],
        "source": row["source"],
    }


def between(low: float, high: float) -> str:
    """Two periods in days: `12 to 130 days`, `9 hours to 3 days`."""
    first, last = span(low), span(high) if high <= _YEAR else "more than a year"
    return f"{first.split()[0] if first.split()[1:] == last.split()[1:] else first} to {last}"


def _few(expected: float) -> str:
    return f"{expected:,.0f}" if expected >= 10 else f"{expected:.1g}" if expected < 1 else f"{expected:.1f}"


def in_days(days: float) -> str:
    """How many days: `7 days`, `2.4 days`, `1 day`."""
    whole = round(days, 1) == round(days)
    return f"{days:.0f} {'day' if round(days) == 1 else 'days'}" if whole else f"{days:.1f} days"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
